"""`racer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    policy: Annotated[str, typer.Argument(help="Run folder, bundle, or `random` or `pure_pursuit`.")],
    track: Annotated[
        str | None, typer.Option("--track", "-t", help="Name or file; without: the run's own track.")
    ] = None,
    laps: Annotated[int, typer.Option(min=1, max=10_000, help="Laps to drive.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the starts.")] = 0,
    vehicle: Annotated[str | None, typer.Option(help="Vehicle: name or file; without: the run's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Drive laps with a policy and tell times and faults. Exits 0 whatever the laps."""
    from racer.evaluate import evaluate as drive
    from racer.policy.load import load_policy
    from racer.track.load import load_track

    loaded = load_policy(policy, seed=seed)
    result = drive(
        loaded,
        load_track(track or _own_track(policy, loaded)),
        _vehicle(policy, loaded, vehicle),
        laps=laps,
        seed=seed,
    )
    if as_json:
        import json

        typer.echo(json.dumps(result.record(), indent=1))
    else:
        _print(result)


def _own_track(spec: str, policy: object) -> str:
    """The track a policy was trained on: the run's copy, else the name in the bundle's contract."""
    from racer.config.train import DEFAULT_TRACK
    from racer.errors import ConfigError
    from racer.runs import RunFolder

    if Path(spec).is_dir():
        return str(RunFolder(Path(spec)).tracks[0])
    contract = getattr(policy, "contract", None)
    if contract is None:
        return DEFAULT_TRACK
    if not contract.trained_on.tracks:
        raise ConfigError(f"{spec} does not say what it was trained on; name a track with --track")
    return str(contract.trained_on.tracks[0])


def _vehicle(spec: str, policy: object, named: str | None):  # type: ignore[no-untyped-def]
    from racer.config.read import read_vehicle
    from racer.runs import RunFolder

    if named is not None:
        return read_vehicle(named)
    if Path(spec).is_dir() and RunFolder(Path(spec)).vehicle.is_file():
        return read_vehicle(RunFolder(Path(spec)).vehicle)
    contract = getattr(policy, "contract", None)
    return read_vehicle(contract.trained_on.vehicle or "deepracer" if contract is not None else "deepracer")


def _print(result) -> None:  # type: ignore[no-untyped-def]
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"{result.policy} on {result.track}")
    table = Table("lap", "time s", "progress %", "status", box=None, header_style="dim")
    for number, lap in enumerate(result.laps, 1):
        time = "-" if lap.time_s is None else f"{lap.time_s:.2f}"
        table.add_row(str(number), time, f"{lap.progress:.1f}", lap.status)
    console.print(table)
    completed = sum(lap.completed for lap in result.laps)
    told = f"{completed}/{len(result.laps)} laps completed"
    if result.times:
        told += f", best {result.best_lap_s:.2f} s, mean {result.mean_lap_s:.2f} s"
    console.print(told)
