"""`racer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.options import AsJson, Disturbance, FirstStep, PolicyTrack, PolicyVehicle, Seed, print_json

if TYPE_CHECKING:
    from racer.evaluate import Evaluation


def evaluate(
    policy: Annotated[str, typer.Argument(help="Run folder, bundle, `random` or `pure_pursuit`.")],
    track: PolicyTrack = None,
    laps: Annotated[int, typer.Option(min=1, max=10_000, help="Drive this number of laps.")] = 5,
    seed: Seed = 0,
    vehicle: PolicyVehicle = None,
    race: Annotated[
        str | None,
        typer.Option(help="Race as time_trial, object_avoidance or head_to_bot; by default as in training."),
    ] = None,
    objects: Annotated[
        int | None,
        typer.Option(min=1, max=6, help="Place this number of boxes or bots at random; by default as in training."),
    ] = None,
    disturbance: Disturbance = "none",
    picture: Annotated[Path | None, typer.Option(help="Draw the paths, coloured by speed, into this PNG file.")] = None,
    deepracer_logs: Annotated[
        Path | None, typer.Option(help="Write logs in DeepRacer's layout into this folder, such as RUN/deepracer.")
    ] = None,
    replay: Annotated[Path | None, typer.Option(help="Write all laps into this file for `racer watch`.")] = None,
    first_step: FirstStep = None,
    as_json: AsJson = False,
) -> None:
    """Drive laps with a policy and print their times and faults; exits 0 whatever the laps."""
    from racer.cli.progress import ProgressLine
    from racer.evaluate import evaluate_trained
    from racer.trained_policy import find_trained_policy

    trained = find_trained_policy(policy, seed=seed, track=track, vehicle=vehicle, first_step=first_step)
    # The log evaluates the run's own reward function at each step, which an evaluation itself does not need.
    log = None
    if deepracer_logs is not None:
        from racer.deepracer.logs import EpisodeLog, write_evaluation

        log = EpisodeLog(reward=trained.load_reward(laps))
    with ProgressLine("driving", first="driving; the first time, the simulator is compiled"):
        result, written = evaluate_trained(
            trained,
            laps=laps,
            seed=seed,
            race=race,
            objects=objects,
            disturbance=disturbance,
            picture=picture,
            replay=replay,
            watch=log,
        )
    if as_json:
        print_json(result.record())
    else:
        _print_table(result)
    if log is not None and deepracer_logs is not None:
        # Policies without a contract, such as `random`, have no action space that could be logged.
        actions = None if trained.contract is None else trained.contract.action_space
        sensors = tuple(sensor.name for sensor in trained.policy.sensors)
        simtrace, metrics = write_evaluation(deepracer_logs, log, actions=actions, sensors=sensors)
        written.append(f"wrote {simtrace} and {metrics}")
    for line in written:
        typer.echo(line, err=as_json)


def _print_table(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    race = "" if result.race == "time_trial" else f", {result.race}"
    disturbance = "" if result.disturbance == "none" else f", disturbance {result.disturbance}"
    console.print(f"{result.policy} on {result.track}{race}{disturbance}")
    table = Table("lap", "time s", "start", "progress %", "status", box=None, header_style="dim")
    for number, lap in enumerate(result.laps, 1):
        time = "-" if lap.time_s is None else f"{lap.time_s:.2f}"
        table.add_row(str(number), time, lap.start, f"{lap.progress:.1f}", lap.status)
    console.print(table)
    summary = f"{len(result.times)}/{len(result.laps)} laps completed"
    if result.times:
        summary += f", best {result.best_lap_s:.2f} s, mean {result.mean_lap_s:.2f} s"
    console.print(summary)
