"""`racer car models`: installs, chooses, signs and removes the bundles on a car."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli import car_options

if TYPE_CHECKING:
    from racer.car.models.store import ModelCard, ModelStore

app = typer.Typer(no_args_is_help=True, help="Install, choose, roll back, sign and remove the models on this car.")

_Which = Annotated[str, typer.Argument(help="Model: its name, or the first digits of its sha256.")]


@app.command("list")
def models_list(root: car_options.StoreRoot = None) -> None:
    """List the models, and mark the one in use and the one before it."""
    store = _open_store(root)
    # A store without models in use has None for both, which is the hash of no card.
    marks = {store.current: "in use", store.previous: "before"}
    cards = store.cards()
    for card in cards:
        typer.echo(f"{marks.get(card.sha256, ''):<7} {card.name:<24} {card.sha256[:12]}  {card.installed}")
    if not cards:
        typer.echo("no models; add one with `racer deploy` or `racer car models install`")


@app.command("show")
def models_show(which: _Which, root: car_options.StoreRoot = None) -> None:
    """Show the card of a model: its origin, its contract, and how its answers compare on this car."""
    _print_card(_open_store(root).card(which))


@app.command("install")
def models_install(
    bundle: Annotated[Path, typer.Argument(help="Bundle; a signature BUNDLE.sig beside it is checked too.")],
    use: car_options.Use = False,
    root: car_options.StoreRoot = None,
    calibration: car_options.Calibration = None,
    sensors: car_options.Sensors = "camera",
) -> None:
    """Check a bundle and add it to the store; the model in use changes only with --use."""
    store = _open_store(root, calibration, sensors)
    card = store.install(bundle)
    if use:
        store.use(card.sha256)
    _print_card(card)


@app.command("receive", hidden=True)
def models_receive(
    sha256: Annotated[str, typer.Option("--sha256", help="Check standard input against this hash.")],
    name: Annotated[str, typer.Option("--name", help="Install the model by this name.")],
    signature: Annotated[str, typer.Option("--signature", help="Check this signature file, in base64.")] = "",
    use: car_options.Use = False,
    root: car_options.StoreRoot = None,
    calibration: car_options.Calibration = None,
    sensors: car_options.Sensors = "camera",
) -> None:
    """Install a bundle from standard input: the car's end of `racer deploy`."""
    from racer.car.models.deploy import decode_signature, received_line
    from racer.car.models.store import read_stream

    source = f"bundle `{name}`"
    # The stream is read and compared with its hash before anything of it is parsed.
    data = read_stream(sys.stdin.buffer, sha256=sha256, source=source)
    store = _open_store(root, calibration, sensors)
    signed = decode_signature(signature) if signature else None
    card = store.install_bytes(data, name=name, signature=signed, source=source)
    if use:
        store.use(card.sha256)
    typer.echo(received_line(card.sha256, card.name, store.current == card.sha256, _parity_text(card)))


@app.command("use")
def models_use(
    which: _Which,
    root: car_options.StoreRoot = None,
    calibration: car_options.Calibration = None,
    sensors: car_options.Sensors = "camera",
) -> None:
    """Switch to an installed model; a running pilot uses it after its next start, or from the console."""
    card = _open_store(root, calibration, sensors).use(which)
    typer.echo(f"in use    {card.name} ({card.sha256[:12]})")


@app.command("rollback")
def models_rollback(
    root: car_options.StoreRoot = None,
    calibration: car_options.Calibration = None,
    sensors: car_options.Sensors = "camera",
) -> None:
    """Return to the model that was in use before; a second time undoes the first."""
    card = _open_store(root, calibration, sensors).rollback()
    typer.echo(f"in use    {card.name} ({card.sha256[:12]})")


@app.command("remove")
def models_remove(which: _Which, root: car_options.StoreRoot = None) -> None:
    """Delete a model that is neither in use nor the one before it."""
    card = _open_store(root).remove(which)
    typer.echo(f"removed   {card.name} ({card.sha256[:12]})")


@app.command("new-key")
def models_new_key(
    path: Annotated[Path, typer.Argument(help="Private key to write; the public key PATH.pub lies beside it.")],
) -> None:
    """Make a pair of keys to sign bundles with, on your computer and not on the car."""
    from racer.car.models.signature import create_key

    create_key(path)
    typer.echo(f"wrote     {path} (keep it secret) and {path}.pub (for `racer car models trust` on the car)")


@app.command("sign")
def models_sign(
    bundle: Annotated[Path, typer.Argument(help="Bundle; the signature is written beside it.")],
    key: Annotated[Path, typer.Option("--key", help="Sign with this private key, which `new-key` wrote.")],
) -> None:
    """Sign a bundle into BUNDLE.sig, which `racer deploy` sends with it."""
    from racer.assets import write_atomically
    from racer.bundle import read_bundle
    from racer.car.models.signature import SIGNATURE_SUFFIX, read_private_key, sign_bundle

    # Only a bundle that reads well is worth a signature.
    read_bundle(bundle)
    made = sign_bundle(bundle.read_bytes(), read_private_key(key))
    typer.echo(f"wrote     {write_atomically(bundle.with_name(bundle.name + SIGNATURE_SUFFIX), made.to_json())}")


@app.command("trust")
def models_trust(
    key: Annotated[Path, typer.Argument(help="Public key (.pub).")], root: car_options.StoreRoot = None
) -> None:
    """Trust a key; from then on this car accepts only bundles that a trusted key signed."""
    typer.echo(f"trusted   {_open_store(root).trust(key)}; unsigned bundles are refused from now on")


def _open_store(root: Path | None, calibration: Path | None = None, sensors: str = "") -> ModelStore:
    from racer.car.models.store import ModelStore, default_store_root, make_fit_check

    # A command that changes nothing needs no check of the fit, and works without a calibration.
    if not sensors:
        return ModelStore(root or default_store_root())
    fits = make_fit_check(car_options.calibration_path(calibration), car_options.sensor_names(sensors))
    return ModelStore(root or default_store_root(), fits=fits)


def _parity_text(card: ModelCard) -> str:
    p = card.parity
    return (
        f"{p.observations} recorded answers, largest difference {p.difference:.1e} of the range; "
        f"{p.inference_ms:g} ms for one answer"
    )


def _print_card(card: ModelCard) -> None:
    rows = {"model": card.name, "sha256": card.sha256, "signed by": card.signed_by or "unsigned"}
    for name, text in (rows | card.summary | {"installed": card.installed, "parity": _parity_text(card)}).items():
        typer.echo(f"{name:<13} {text}")
