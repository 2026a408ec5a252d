"""`racer bench`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class BenchPart(StrEnum):
    """What can be measured."""

    ALL = "all"
    SIM = "sim"
    LIDAR = "lidar"
    REWARD = "reward"
    TRAIN = "train"
    LEARN = "learn"
    VIEW = "view"
    CAMERA = "camera"
    RACE = "race"


def bench(
    part: Annotated[BenchPart, typer.Argument(help="What to measure.")] = BenchPart.ALL,
    track: Annotated[str | None, typer.Option("--track", "-t", help="Name or file; without: the default.")] = None,
    config: Annotated[str, typer.Option(help="Training configuration of `learn`.")] = "default",
    reward: Annotated[str | None, typer.Option(help="Reward function of `learn`.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds of `learn`: 0, 1, ...")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure this machine: validated workloads, medians of five.

    `learn` runs `racer train` as a user does, from an empty kernel cache, once for each seed. `view` draws the
    window of `racer watch` where nobody sees it. `camera` draws what cars see, `race` runs races. None of these is part
    of `all`.
    """
    if part is BenchPart.LEARN:
        _learn(track, config, reward, seeds, as_json)
        return
    from racer.bench.measure import empty_record, machine, peak_mb
    from racer.config.train import DEFAULT_TRACK

    record = empty_record()
    chosen = track or DEFAULT_TRACK
    if part in (BenchPart.ALL, BenchPart.SIM):
        from racer.bench.simulation import bench_sim

        record |= bench_sim(chosen, tell=_print_status)
    if part in (BenchPart.ALL, BenchPart.LIDAR):
        from racer.bench.simulation import bench_lidar

        record |= bench_lidar(chosen, tell=_print_status)
    if part in (BenchPart.ALL, BenchPart.REWARD):
        from racer.bench.simulation import bench_reward

        record |= bench_reward(chosen, tell=_print_status)
    if part in (BenchPart.ALL, BenchPart.TRAIN):
        from racer.bench.training import bench_train

        record |= bench_train(chosen, tell=_print_status)
    if part is BenchPart.CAMERA:
        from racer.bench.camera import bench_camera

        record = {**bench_camera(chosen, tell=_print_status)}
    if part is BenchPart.RACE:
        from racer.bench.race import bench_race

        record = {**bench_race(chosen, tell=_print_status)}
    if part is BenchPart.VIEW:
        from racer.bench.view import bench_view

        record = {**bench_view(chosen, tell=_print_status)}
    record["memory.peak_mb"] = peak_mb()
    record["machine"] = machine()
    if as_json:
        import json

        typer.echo(json.dumps(record, indent=1))
        return
    for key, value in record.items():
        if value is not None:
            typer.echo(f"{key:<48} {value:,}" if isinstance(value, float | int) else f"{key:<48} {value}")


def _learn(track: str | None, config: str, reward: str | None, seeds: int, as_json: bool) -> None:
    from racer.bench.learning import bench_learn
    from racer.config.train import DEFAULT_TRACK

    rows = []
    for row in bench_learn(track or DEFAULT_TRACK, config=config, reward=reward, seeds=range(seeds)):
        rows.append(row)
        if not as_json:
            typer.echo("  ".join(f"{key} {value}" for key, value in row.items()))
    if as_json:
        import json

        typer.echo(json.dumps(rows, indent=1))


def _print_status(text: str) -> None:
    """What is being measured, where it does not mix with the record."""
    typer.echo(f"measuring {text}", err=True)
