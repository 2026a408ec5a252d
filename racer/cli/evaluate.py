"""`racer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from racer.config.env import ObjectsConfig
    from racer.evaluate import Evaluation
    from racer.policy.protocol import Policy
    from racer.reward.protocol import Reward
    from racer.sim.recorder import ReplayRecorder
    from racer.sim.world import World


def evaluate(
    policy: Annotated[str, typer.Argument(help="Run folder, bundle, or `random` or `pure_pursuit`.")],
    track: Annotated[
        str | None, typer.Option("--track", "-t", help="Name or file; without: the run's own track.")
    ] = None,
    laps: Annotated[int, typer.Option(min=1, max=10_000, help="Laps to drive.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the starts.")] = 0,
    vehicle: Annotated[str | None, typer.Option(help="Vehicle: name or file; without: the run's own.")] = None,
    race: Annotated[
        str | None,
        typer.Option(help="time_trial, object_avoidance or head_to_bot; without: what the policy was trained for."),
    ] = None,
    objects: Annotated[int | None, typer.Option(min=1, max=6, help="Boxes or bots, placed by chance.")] = None,
    disturbance: Annotated[
        str, typer.Option(help="What differs from lap to lap: none, mild, real, or a file of yours.")
    ] = "none",
    picture: Annotated[Path | None, typer.Option(help="Draw the paths, coloured by speed, into this PNG.")] = None,
    deepracer_logs: Annotated[
        Path | None, typer.Option(help="Folder for logs in DeepRacer's layout, such as a run's `deepracer`.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Write all laps into this file, for `racer watch` and `racer video`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Drive laps with a policy and tell times and faults. Exits 0 whatever the laps."""
    from racer.cli.progress import ProgressLine
    from racer.evaluate import evaluate as drive
    from racer.policy.load import load_policy
    from racer.trained_policy import resolve_track, resolve_vehicle

    loaded = load_policy(policy, seed=seed)
    contract = getattr(loaded, "contract", None)
    course, car = resolve_track(policy, contract, track), resolve_vehicle(policy, contract, vehicle)
    beside = _objects(loaded, race, objects)
    paths = None
    if picture is not None:
        from racer.render.topdown import DrivenPaths

        paths = DrivenPaths()
    log = None
    if deepracer_logs is not None:
        from racer.deepracer.logs import EpisodeLog

        log = EpisodeLog(reward=_reward(policy, laps))

    recorder = None if replay is None else _recorder(policy, loaded, laps, seed)

    def watch(world: World) -> None:
        for one in (paths, log, recorder):
            if one is not None:
                one(world)

    with ProgressLine("driving", first="driving; the first time, the simulator is compiled"):
        result = drive(loaded, course, car, laps=laps, seed=seed, objects=beside, disturbance=disturbance, watch=watch)
    if as_json:
        import json

        typer.echo(json.dumps(result.record(), indent=1))
    else:
        _print_table(result)
    if log is not None and deepracer_logs is not None:
        from racer.deepracer.logs import write_evaluation

        actions = None if contract is None else contract.action_space
        sensors = tuple(sensor.name for sensor in loaded.sensors)
        files = write_evaluation(deepracer_logs, log, actions=actions, sensors=sensors)
        typer.echo(f"wrote {files.simtrace} and {files.metrics}", err=as_json)
    if recorder is not None and replay is not None:
        from racer.replay import write_replay

        write_replay(replay, recorder.replay())
        typer.echo(f"wrote {replay}", err=as_json)
    if paths is not None and picture is not None:
        image, slow, fast = paths.draw(course, car)
        _save(image, picture)
        typer.echo(f"{picture}: speed from {slow:.1f} m/s (dark blue) to {fast:.1f} m/s (yellow)", err=as_json)


def _objects(policy: Policy, race: str | None, count: int | None) -> ObjectsConfig:
    """What the policy was trained for, with the race and the number that were named."""
    from pydantic import ValidationError

    from racer.config.base import explain
    from racer.config.env import ObjectsConfig
    from racer.errors import ConfigError
    from racer.evaluate import training_objects

    fields = training_objects(policy).model_dump()
    if race is not None:
        fields["race"] = race
    if count is not None:
        if fields["race"] == "time_trial":
            raise ConfigError("--objects needs a race with objects: --race object_avoidance or --race head_to_bot")
        fields |= {"count": count, "placement": "random", "positions": ()}
    try:
        return ObjectsConfig.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(explain(error, ObjectsConfig, "--race, --objects")) from None


def _reward(spec: str, laps: int) -> Reward | None:
    """The run's own reward function, so that the logs tell rewards; None for what is no run."""
    from racer.trained_policy import find_run

    if (run := find_run(spec)) is None:
        return None
    from racer.reward.load import load_reward

    return load_reward(run.reward, n_worlds=laps)


def _recorder(spec: str, policy: Policy, laps: int, seed: int) -> ReplayRecorder:
    """Records all laps as cars that drive together, with rewards where `spec` is a run."""
    import hashlib

    import numpy as np

    from racer.env.sensors.suite import env_config_for
    from racer.policy.load import POLICY_NAMES, find_bundle
    from racer.replay import CarHeader
    from racer.reward.load import load_reward
    from racer.sim.recorder import ReplayRecorder
    from racer.trained_policy import find_run

    run = find_run(spec)
    function = None if run is None else load_reward(run.reward, n_worlds=laps, path="python")

    def rewards(world: World) -> NDArray[np.float64]:
        assert function is not None
        out = np.zeros(world.cars.shape)
        function.compute(world.telemetry, world.things if world.things.shape[2] else None, world.waypoints(), out)
        return out

    digest = "" if spec in POLICY_NAMES else hashlib.sha256(find_bundle(spec).read_bytes()).hexdigest()
    config = env_config_for(policy.sensors, policy.control_rate_hz)
    camera = config.camera if "camera" in config.sensors else None
    cars = [
        CarHeader(
            name=f"lap {k + 1}",
            policy=policy.name,
            policy_sha256=digest,
            world=k,
            rewarded=function is not None,
            camera=camera,
        )
        for k in range(laps)
    ]
    return ReplayRecorder(cars, kind="evaluation", seed=seed, rewards=None if function is None else rewards)


def _save(image: NDArray[np.uint8], file: Path) -> None:
    import io

    from PIL import Image

    from racer.assets import write_atomically

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    write_atomically(file, buffer.getvalue())


def _print_table(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    race = "" if result.race == "time_trial" else f", {result.race}"
    disturbed = "" if result.disturbance == "none" else f", disturbance {result.disturbance}"
    console.print(f"{result.policy} on {result.track}{race}{disturbed}")
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
