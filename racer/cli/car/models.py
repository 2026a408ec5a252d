"""`racer car models`: the bundles on a car."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.car import options

if TYPE_CHECKING:
    from racer.car.store.card import Card
    from racer.car.store.store import Store

app = typer.Typer(no_args_is_help=True, help="The models on this car: install, choose, go back, sign.")

_Which = Annotated[str, typer.Argument(help="Name, or the first digits of its sha256.")]


@app.command("list")
def models_list(root: options.StoreRoot = None) -> None:
    """List the models, and say which drives."""
    store = _store(root)
    marks = {store.current: "in use", store.previous: "before"}
    cards = store.cards()
    for card in cards:
        typer.echo(f"{marks.get(card.sha256, ''):<7} {card.name:<24} {card.sha256[:12]}  {card.installed}")
    if not cards:
        typer.echo("no models; bring one with `racer deploy` or `racer car models install`")


@app.command("show")
def models_show(which: _Which, root: options.StoreRoot = None) -> None:
    """Show the card of a model: what it is, and how it answered here."""
    _tell(_store(root).card(which))


@app.command("install")
def models_install(
    bundle: Annotated[Path, typer.Argument(help="Bundle; a signature BUNDLE.sig beside it is checked too.")],
    use: Annotated[bool, typer.Option("--use", help="Switch to it.")] = False,
    root: options.StoreRoot = None,
    calibration: options.Calibration = None,
    sensors: options.Sensors = "camera",
) -> None:
    """Check a bundle and take it into the store; what is in use stays unless --use is given."""
    store = _store(root, calibration, sensors)
    card = store.install(bundle)
    if use:
        store.use(card.sha256)
    _tell(card)


@app.command("receive", hidden=True)
def models_receive(
    sha256: Annotated[str, typer.Option("--sha256", help="Of what comes on standard input.")],
    name: Annotated[str, typer.Option("--name", help="What to call it.")],
    signature: Annotated[str, typer.Option("--signature", help="The signature's file in base64.")] = "",
    use: Annotated[bool, typer.Option("--use", help="Switch to it.")] = False,
    root: options.StoreRoot = None,
    calibration: options.Calibration = None,
    sensors: options.Sensors = "camera",
) -> None:
    """The other end of `racer deploy`: a bundle from standard input."""
    from racer.car.store.deploy import received, signature_of
    from racer.car.store.store import read_stream

    source = f"bundle `{name}`"
    data = read_stream(sys.stdin.buffer, sha256=sha256, source=source)
    store = _store(root, calibration, sensors)
    signed = signature_of(signature) if signature else None
    card = store.install_bytes(data, name=name, signature=signed, source=source)
    if use:
        store.use(card.sha256)
    typer.echo(received(card.sha256, card.name, store.current == card.sha256, _parity(card)))


@app.command("use")
def models_use(
    which: _Which,
    root: options.StoreRoot = None,
    calibration: options.Calibration = None,
    sensors: options.Sensors = "camera",
) -> None:
    """Switch to an installed model; a running pilot takes it when it starts anew, or from the console."""
    card = _store(root, calibration, sensors).use(which)
    typer.echo(f"in use    {card.name} ({card.sha256[:12]})")


@app.command("rollback")
def models_rollback(
    root: options.StoreRoot = None, calibration: options.Calibration = None, sensors: options.Sensors = "camera"
) -> None:
    """Go back to the model that was in use before; a second time goes forth again."""
    card = _store(root, calibration, sensors).rollback()
    typer.echo(f"in use    {card.name} ({card.sha256[:12]})")


@app.command("remove")
def models_remove(which: _Which, root: options.StoreRoot = None) -> None:
    """Delete a model that is neither in use nor needed to go back."""
    card = _store(root).remove(which)
    typer.echo(f"removed   {card.name} ({card.sha256[:12]})")


@app.command("new-key")
def models_new_key(
    path: Annotated[Path, typer.Argument(help="Private key to write; PATH.pub comes beside it.")],
) -> None:
    """Make a key to sign bundles with, on your computer and not on the car."""
    from racer.car.store.signature import new_key

    new_key(path)
    typer.echo(f"wrote     {path} (keep it secret) and {path}.pub (for `racer car models trust` on the car)")


@app.command("sign")
def models_sign(
    bundle: Annotated[Path, typer.Argument(help="Bundle; the signature is written beside it.")],
    key: Annotated[Path, typer.Option("--key", help="Private key that `new-key` wrote.")],
) -> None:
    """Sign a bundle: writes BUNDLE.sig, which `racer deploy` sends along."""
    from racer.assets import write_atomically
    from racer.bundle import read_bundle
    from racer.car.store.signature import SUFFIX, read_private_key, sign

    read_bundle(bundle)
    made = sign(bundle.read_bytes(), read_private_key(key))
    typer.echo(f"wrote     {write_atomically(bundle.with_name(bundle.name + SUFFIX), made.to_json())}")


@app.command("trust")
def models_trust(
    key: Annotated[Path, typer.Argument(help="Public key (.pub).")], root: options.StoreRoot = None
) -> None:
    """Trust a key: from now on this car takes only bundles signed by a trusted key."""
    typer.echo(f"trusted   {_store(root).trust(key)}; unsigned bundles are refused from now on")


def _store(root: Path | None, calibration: Path | None = None, sensors: str = "") -> Store:
    from racer.car.store.fit import fits_car
    from racer.car.store.store import Store, default_root

    if not sensors:  # looking at what is there
        return Store(root or default_root())
    fits = fits_car(options.calibration_path(calibration), options.sensor_names(sensors))
    return Store(root or default_root(), fits=fits)


def _parity(card: Card) -> str:
    p = card.parity
    return (
        f"{p.observations} recorded answers, largest difference {p.difference:.1e} of the range; "
        f"{p.inference_ms:g} ms for one answer"
    )


def _tell(card: Card) -> None:
    rows = {"model": card.name, "sha256": card.sha256, "signed by": card.signed_by or "nobody"}
    for name, words in (rows | card.summary | {"installed": card.installed, "parity": _parity(card)}).items():
        typer.echo(f"{name:<13} {words}")
