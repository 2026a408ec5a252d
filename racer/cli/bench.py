"""`racer bench`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from racer.cli.options import AsJson, DefaultTrack, print_json


class BenchPart(StrEnum):
    """Parts that can be measured."""

    ALL = "all"
    SIM = "sim"
    LIDAR = "lidar"
    REWARD = "reward"
    TRAIN = "train"
    LEARN = "learn"
    VIEW = "view"
    CAMERA = "camera"
    RACE = "race"


_IN_ALL = {
    BenchPart.SIM: ("simulation", "bench_sim"),
    BenchPart.LIDAR: ("simulation", "bench_lidar"),
    BenchPart.REWARD: ("simulation", "bench_reward"),
    BenchPart.TRAIN: ("training", "bench_train"),
}
"""Module in `racer.bench` and function of each part of `all`."""
_ALONE = {
    BenchPart.CAMERA: ("camera", "bench_camera"),
    BenchPart.RACE: ("race", "bench_race"),
    BenchPart.VIEW: ("view", "bench_view"),
}


def bench(
    part: Annotated[BenchPart, typer.Argument(help="Part to measure.")] = BenchPart.ALL,
    track: DefaultTrack = None,
    config: Annotated[str, typer.Option(help="Train with this configuration in `learn`.")] = "default",
    reward: Annotated[str | None, typer.Option(help="Use this reward in `learn`; by default as configured.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Train with this number of seeds in `learn`.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure this machine with validated workloads: medians of five.

    `learn` runs `racer train` as a user does, from an empty kernel cache, once for each seed. `view` draws the
    window of `racer watch` off-screen. `camera` draws the pictures of the cars' cameras, `race` runs races. These four
    are not part of `all`.
    """
    import importlib

    from racer.config.train import DEFAULT_TRACK

    if part is BenchPart.LEARN:
        _learn(track or DEFAULT_TRACK, config, reward, seeds, as_json)
        return
    from racer.bench.measure import empty_record, machine, peak_mb

    # Records of `all` have every key, so that two of them compare line by line; a part alone has its own keys.
    record = {} if part in _ALONE else empty_record()
    for module, function in [(_IN_ALL | _ALONE)[part]] if part is not BenchPart.ALL else _IN_ALL.values():
        measure = getattr(importlib.import_module(f"racer.bench.{module}"), function)
        record |= measure(track or DEFAULT_TRACK, report=_print_status)
    record["memory.peak_mb"] = peak_mb()
    record["machine"] = machine()
    if as_json:
        print_json(record)
        return
    for key, value in record.items():
        if value is not None:
            typer.echo(f"{key:<48} {value:,}" if isinstance(value, float | int) else f"{key:<48} {value}")


def _learn(track: str, config: str, reward: str | None, seeds: int, as_json: bool) -> None:
    from racer.bench.learning import bench_learn

    rows = []
    # A training takes a minute: each row is printed when it is there.
    for row in bench_learn(track, config=config, reward=reward, seeds=range(seeds)):
        rows.append(row)
        if not as_json:
            typer.echo("  ".join(f"{key} {value}" for key, value in row.items()))
    if as_json:
        print_json(rows)


def _print_status(text: str) -> None:
    """Print what is being measured to standard error, so that it does not mix with the record."""
    typer.echo(f"measuring {text}", err=True)
