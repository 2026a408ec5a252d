"""Creates the folder of a new run, and reads a run's configuration to resume it.

The folder of a distillation: that of a training, and the teacher in it.

teacher.bundle   what the student learned from
teacher/         the run that made it, where none was given
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.actions import ContinuousActions, DiscreteActions, SpeedRange, SteeringRange
from racer.config.disturbance import DisturbanceConfig
from racer.config.env import VehicleConfig
from racer.config.read import apply_settings, read_disturbance, read_vehicle, read_yaml, to_yaml, validate
from racer.config.train import DistillConfig, TrainConfig
from racer.contract import NetworkInfo, contract_difference
from racer.errors import ConfigError, MissingExtra, RunError
from racer.policy.load import find_bundle
from racer.reward.load import RewardSource, load_reward, read_source
from racer.runs import RunFolder, create_run, describe_environment
from racer.track.course import write_course
from racer.track.load import load_tracks
from racer.track.track import Track
from racer.train.distill.teacher import find_teacher_bundle
from racer.train.ppo.learner import training_contract


@contextmanager
def run_folder_errors(run: RunFolder) -> Iterator[None]:
    """Turn a failed write to the run folder into a one-line `RunError`; files already in the folder are whole."""
    try:
        yield
    except OSError as error:
        message = f"{run.path} cannot be written: {error.strerror or error}"
        if run.trainer.exists():
            message += f"; make room, then continue from its last checkpoint: racer train --resume {run.path}"
        raise RunError(message) from error


def new_run(config: TrainConfig, path: Path | None = None, *, start_from: str | Path | None = None) -> RunFolder:
    """Make the run folder of a new training: resolved configuration, reward source, tracks, versions, git state.

    Everything is read and checked first, so that a mistake leaves no folder.

    Args:
        start_from: a run or bundle whose weights to begin with; copied into the folder.

    Raises:
        RunError: the folder exists, cannot be made, or `start_from` is of another action or observation space.
        RacerError: a track, reward or vehicle cannot be used.
    """
    check_packages()
    tracks = load_tracks(list(config.track))
    reward = read_source(config.reward)
    load_reward(reward, n_worlds=1, path="python")  # refuses what cannot be run
    vehicle = read_vehicle(config.vehicle)
    disturbance = read_disturbance(config.env.disturbance)
    start = None if start_from is None else _check_start(start_from, config)
    run = create_run(path, name=tracks[0].name if len(tracks) == 1 else f"{len(tracks)}-tracks")
    try:
        with run_folder_errors(run):
            _write_run(run, config, tracks, reward, vehicle, disturbance, start)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _write_run(
    run: RunFolder,
    config: TrainConfig,
    tracks: Sequence[Track],
    reward: RewardSource,
    vehicle: VehicleConfig,
    disturbance: DisturbanceConfig,
    start: Path | None,
) -> None:
    told = write_inputs(run, config, tracks, reward, vehicle, disturbance)
    if start is not None:
        write_atomically(run.start, start.read_bytes())
    # Last: a folder with it is a run.
    run.write_info(**describe_environment(), **told, started_from=None if start is None else str(start), finished=False)


def write_inputs(
    run: RunFolder,
    config: TrainConfig | DistillConfig,
    tracks: Sequence[Track],
    reward: RewardSource,
    vehicle: VehicleConfig,
    disturbance: DisturbanceConfig,
) -> dict[str, Any]:
    """Write tracks, reward function, vehicle, disturbance and the resolved configuration into a new run folder.

    Returns:
        What the run's info says of them: seed, reward and tracks.
    """
    files = _file_names(tracks)
    for track, file in zip(tracks, files, strict=True):
        write_course(track, run.path / "tracks" / file)
    write_atomically(run.reward, reward.text)
    write_atomically(run.vehicle, to_yaml(vehicle))
    write_atomically(run.disturbance, to_yaml(disturbance))
    write_atomically(run.config, to_yaml(config))
    return {
        "seed": config.seed,
        "reward": {"name": reward.name, "file": str(reward.path), "sha256": reward.sha256},
        "tracks": [
            {"name": track.name, "file": file, "source": track.source, "length_m": round(track.length, 3)}
            for track, file in zip(tracks, files, strict=True)
        ],
    }


def check_packages() -> None:
    """Check for missing packages before the training starts instead of at its first checkpoint.

    Raises:
        MissingExtra: a package that a training needs is not installed.
    """
    for package in ("onnxruntime", "tensorboard"):
        if find_spec(package) is None:
            raise MissingExtra(f"Training (package `{package}`)", "train")


def _file_names(tracks: Sequence[Track]) -> list[str]:
    """Return a unique file name for each track, after its own name."""
    files: list[str] = []
    for track in tracks:
        stem = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in track.name) or "track"
        file, number = f"{stem}.yaml", 2
        while file in files:
            file, number = f"{stem}-{number}.yaml", number + 1
        files.append(file)
    return files


def resumed_config(run: RunFolder, settings: Sequence[str] = ()) -> TrainConfig:
    """Return the configuration that a run was started with; only its budget (`train.*`) may change.

    Raises:
        ConfigError: another setting was given.
        RunError: the run is finished, and the budget leaves nothing to do.
    """
    for setting in settings:
        if not setting.strip().startswith("train."):
            raise ConfigError(
                f"--set {setting}: a resumed run keeps its configuration; only train.* may change. "
                f"To change others, start a new run with --from {run.path}"
            )
    config = validate(TrainConfig, apply_settings(read_yaml(run.config), settings), str(run.config))
    info, budget = run.info(), config.train
    if info.get("finished"):
        steps, elapsed = int(info.get("steps", 0)), float(info.get("elapsed_s", 0.0))
        if steps >= budget.total_steps:
            more = f"--set train.total_steps={2 * budget.total_steps}"
            raise RunError(f"{run.path} is finished after {steps:,} steps; to train on, give more of them: {more}")
        if budget.minutes is not None and elapsed >= 60.0 * budget.minutes:
            more = f"--minutes {2.0 * budget.minutes:g}"
            raise RunError(f"{run.path} is finished after {elapsed:.0f} s; to train on, give it longer: {more}")
    return config


def _check_start(source: str | Path, config: TrainConfig) -> Path:
    path = find_bundle(source)
    theirs, ours = read_bundle(path).contract, training_contract(config, run="", hashes={})
    if difference := contract_difference(ours, theirs):
        raise RunError(f"--from {source}: this training has {difference} there; train with the same, or without --from")
    if _actor_network(theirs.network) != _actor_network(ours.network):
        raise RunError(
            f"--from {source}: this training's network is {_describe_network(ours.network)}, that one's is "
            f"{_describe_network(theirs.network)}; set ppo.layers, ppo.activation and network alike"
        )
    return path


def _actor_network(network: NetworkInfo) -> NetworkInfo:
    """Return the actor's part of a network; a critic with other inputs starts from random weights."""
    return network.model_copy(update={"value_layers": (), "value_sensors": ()})


def _describe_network(network: NetworkInfo) -> str:
    parts = [f"{list(network.policy_layers)} {network.activation}"]
    if network.cnn is not None:
        parts.append(f"after `{network.cnn.name}`")
    return " ".join(parts)


DISTILLATION_KIND = "distillation"
TEACHER_BUNDLE = "teacher.bundle"
TEACHER_RUN = "teacher"


def teacher_file(run: RunFolder) -> Path:
    """The teacher of a distillation; absent until it is trained."""
    return run.path / TEACHER_BUNDLE


def teacher_run(run: RunFolder) -> RunFolder:
    """The run that trains the teacher; absent where one was given."""
    return RunFolder(run.path / TEACHER_RUN)


def new_distillation(
    config: DistillConfig, path: Path | None = None, *, teacher: str | Path | None = None
) -> RunFolder:
    """Make the run folder. Everything is read and checked first, so that a mistake leaves no folder.

    Args:
        teacher: a run or bundle to learn from; without, the configuration's teacher is trained.

    Raises:
        RunError: the folder exists or cannot be made, or the teacher sees something else than `state`.
        RacerError: a track, reward or vehicle cannot be used.
    """
    check_packages()
    bundle = None if teacher is None else find_teacher_bundle(teacher)
    if bundle is not None:
        space = read_bundle(bundle).contract.action_space
        config = validate(
            DistillConfig, config.model_dump() | {"action_space": _continuous_ranges(space)}, str(teacher)
        )
    tracks = load_tracks(list(config.track))
    reward = read_source(config.teacher.reward)
    load_reward(reward, n_worlds=1, path="python")  # refuses what cannot be run
    vehicle = read_vehicle(config.vehicle)
    disturbance = read_disturbance(config.env.disturbance)
    read_disturbance(config.teacher.env.disturbance)
    run = create_run(path, name=f"distill-{tracks[0].name if len(tracks) == 1 else f'{len(tracks)}-tracks'}")
    try:
        with run_folder_errors(run):
            told = write_inputs(run, config, tracks, reward, vehicle, disturbance)
            if bundle is not None:
                write_atomically(teacher_file(run), bundle.read_bytes())
            # Last: a folder with it is a run.
            given = None if bundle is None else str(bundle)
            run.write_info(**describe_environment(), kind=DISTILLATION_KIND, **told, teacher=given, finished=False)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _continuous_ranges(space: ContinuousActions | DiscreteActions) -> ContinuousActions:
    """Return the continuous ranges that enclose an action space."""
    if isinstance(space, ContinuousActions):
        return space
    (left, slow), (right, fast) = space.low, space.high
    return ContinuousActions(steering_angle=SteeringRange(low=left, high=right), speed=SpeedRange(low=slow, high=fast))


def resumed_distillation(run: RunFolder, settings: Sequence[str] = ()) -> DistillConfig:
    """Return the configuration of a started distillation; only `dagger.rounds` and `dagger.minutes` may change.

    Raises:
        ConfigError: another setting was given.
        RunError: the run is not a distillation, or is finished with nothing left to do.
    """
    if run.info().get("kind") != DISTILLATION_KIND:
        raise RunError(f"{run.path} is not a distillation; continue it with: racer train --resume {run.path}")
    for setting in settings:
        if setting.partition("=")[0].strip() not in ("dagger.rounds", "dagger.minutes"):
            raise ConfigError(
                f"--set {setting}: a resumed distillation keeps its configuration; only dagger.rounds and "
                "dagger.minutes may change"
            )
    config = validate(DistillConfig, apply_settings(read_yaml(run.config), settings), str(run.config))
    info = run.info()
    if info.get("finished"):
        rounds, elapsed = int(info.get("rounds", 0)), float(info.get("elapsed_s", 0.0))
        if rounds >= config.dagger.rounds:
            more = f"--set dagger.rounds={2 * config.dagger.rounds}"
            raise RunError(f"{run.path} is finished after {rounds} rounds; to learn on, give more of them: {more}")
        if config.dagger.minutes is not None and elapsed >= 60.0 * config.dagger.minutes:
            more = f"--minutes {2.0 * config.dagger.minutes:g}"
            raise RunError(f"{run.path} is finished after {elapsed:.0f} s; to learn on, give it longer: {more}")
    return config
