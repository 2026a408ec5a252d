"""`racer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from racer.config.vehicle import VehicleConfig
    from racer.contract import PolicyContract
    from racer.evaluate import Evaluation
    from racer.reward.seam import Reward
    from racer.runs import RunFolder
    from racer.sim.world import World
    from racer.track.track import Track


def evaluate(
    policy: Annotated[str, typer.Argument(help="Run folder, bundle, or `random` or `pure_pursuit`.")],
    track: Annotated[
        str | None, typer.Option("--track", "-t", help="Name or file; without: the run's own track.")
    ] = None,
    laps: Annotated[int, typer.Option(min=1, max=10_000, help="Laps to drive.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the starts.")] = 0,
    vehicle: Annotated[str | None, typer.Option(help="Vehicle: name or file; without: the run's own.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the paths, coloured by speed, into this PNG.")] = None,
    deepracer_logs: Annotated[
        Path | None, typer.Option(help="Folder for logs in DeepRacer's layout, such as a run's `deepracer`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Drive laps with a policy and tell times and faults. Exits 0 whatever the laps."""
    from racer.evaluate import evaluate as drive
    from racer.policy.load import load_policy

    loaded = load_policy(policy, seed=seed)
    contract = getattr(loaded, "contract", None)
    course, car = _track(policy, contract, track), _vehicle(policy, contract, vehicle)
    paths = None
    if picture is not None:
        from racer.env.picture import Paths

        paths = Paths()
    log = None
    if deepracer_logs is not None:
        from racer.deepracer.logs import EpisodeLog

        log = EpisodeLog(reward=_reward(policy, laps))

    def watch(world: World) -> None:
        for one in (paths, log):
            if one is not None:
                one(world)

    result = drive(loaded, course, car, laps=laps, seed=seed, watch=watch)
    if as_json:
        import json

        typer.echo(json.dumps(result.record(), indent=1))
    else:
        _print(result)
    if log is not None and deepracer_logs is not None:
        from racer.deepracer.logs import write_evaluation

        actions = None if contract is None else contract.action_space
        sensors = tuple(sensor.name for sensor in loaded.sensors)
        files = write_evaluation(deepracer_logs, log, actions=actions, sensors=sensors)
        typer.echo(f"wrote {files.simtrace} and {files.metrics}", err=as_json)
    if paths is not None and picture is not None:
        image, slow, fast = paths.draw(course, car)
        _save(image, picture)
        typer.echo(f"{picture}: speed from {slow:.1f} m/s (dark blue) to {fast:.1f} m/s (yellow)", err=as_json)


def _reward(spec: str, laps: int) -> Reward | None:
    """The run's own reward function, so that the logs tell rewards; None for what is no run."""
    if (run := _run(spec)) is None:
        return None
    from racer.reward.load import load_reward

    return load_reward(run.reward, n_worlds=laps)


def _save(image: NDArray[np.uint8], file: Path) -> None:
    import io

    from PIL import Image

    from racer.assets import write_atomically

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    write_atomically(file, buffer.getvalue())


def _track(spec: str, contract: PolicyContract | None, named: str | None) -> Track:
    """The track that was named, else the run's copy, else what the contract says, else the default."""
    from racer.config.train import DEFAULT_TRACK
    from racer.errors import AssetError
    from racer.track.load import load_track, load_tracks

    if named is not None:
        return load_track(named)
    if contract is None:
        return load_track(DEFAULT_TRACK)
    if (run := _run(spec)) is not None:
        return load_track(run.tracks[0])
    if not contract.trained_on.tracks:
        raise AssetError(f"{spec} does not say what it was trained on; name a track with --track")
    own = contract.trained_on.tracks[0]
    try:
        return load_tracks([own])[0]
    except AssetError:
        raise AssetError(f"{spec} was trained on `{own}`, which is not here; name a track with --track") from None


def _vehicle(spec: str, contract: PolicyContract | None, named: str | None) -> VehicleConfig:
    """The vehicle, in the same order."""
    from racer.config.read import read_vehicle
    from racer.errors import AssetError

    if named is not None or contract is None:
        return read_vehicle(named or "deepracer")
    if (run := _run(spec)) is not None:
        return read_vehicle(run.vehicle)
    own = contract.trained_on.vehicle or "deepracer"
    try:
        return read_vehicle(own)
    except AssetError:
        raise AssetError(f"{spec} was trained with `{own}`, which is not here; name a vehicle with --vehicle") from None


def _run(spec: str) -> RunFolder | None:
    """The run that a folder is; None for a bundle, and for a folder that holds checkpoints only."""
    from racer.runs import INFO, RunFolder

    return RunFolder(Path(spec)) if (Path(spec) / INFO).is_file() else None


def _print(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
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
