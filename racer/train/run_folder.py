"""Creates the folder of a new run, and reads a run's configuration to resume it.

`racer.runs` lists the files of a run. The folder of a distillation also holds its teacher:

    teacher.bundle   the policy that the student learns from
    teacher/         the run that trained it, where none was given
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

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
from racer.reward.params import FIRST_STEP
from racer.reward.run_files import RunFiles
from racer.runs import RunFolder, create_run, describe_environment
from racer.track.course import write_course
from racer.track.load import load_tracks
from racer.track.track import Track
from racer.train.checkpoint import fraction_done
from racer.train.distill.teacher import find_teacher_bundle
from racer.train.ppo.learner import training_contract


@contextmanager
def run_folder_errors(run: RunFolder) -> Iterator[None]:
    """Turn a failed write to the run folder into a one-line `RunError`; files already in the folder are whole."""
    try:
        yield
    except OSError as error:
        # Most often a full disk. Each file is replaced as a whole, so the last checkpoint is intact.
        message = f"{run.path} cannot be written: {error.strerror or error}"
        if run.trainer.exists():
            message += (
                f"; make room, then continue from its last checkpoint: racer train --resume {quote(str(run.path))}"
            )
        raise RunError(message) from error


def new_run(config: TrainConfig, path: Path | None = None, *, start_from: str | Path | None = None) -> RunFolder:
    """Make the run folder of a new training: resolved configuration, reward source, tracks, versions, git state.

    Everything is read and checked first, so that a mistake leaves no folder.

    Args:
        config: Configuration of the training.
        path: The folder; None for a new one in `runs`.
        start_from: A run or bundle whose weights to begin with; copied into the folder.

    Raises:
        RunError: The folder exists, cannot be made, or `start_from` is of another action or observation space.
        RacerError: A track, reward or vehicle cannot be used.
    """
    inputs = _read_inputs(config.track, config.reward, config.vehicle, config.env.disturbance)
    start = None if start_from is None else _check_start(start_from, config)
    with _new_folder(path, inputs.name) as run:
        description = _write_inputs(run, config, inputs)
        if start is not None:
            write_atomically(run.start, start.read_bytes())
        # Last: a folder with it is a run.
        started_from = None if start is None else str(start)
        run.write_info(**describe_environment(), **description, started_from=started_from, finished=False)
    return run


class _Inputs(NamedTuple):
    """Files that a training reads, in memory."""

    tracks: list[Track]
    reward: RewardSource
    vehicle: VehicleConfig
    disturbance: DisturbanceConfig

    @property
    def name(self) -> str:
        """Name of the run by its tracks."""
        return self.tracks[0].name if len(self.tracks) == 1 else f"{len(self.tracks)}-tracks"


def _read_inputs(tracks: Sequence[str], reward: str, vehicle: str, disturbance: str) -> _Inputs:
    """Read the inputs of a training, and check that the reward function and all packages can be used."""
    check_packages()
    loaded, source = load_tracks(list(tracks)), read_source(reward)
    load_reward(source, n_worlds=1, path="python")  # refuses what cannot be run
    return _Inputs(loaded, source, read_vehicle(vehicle), read_disturbance(disturbance))


@contextmanager
def _new_folder(path: Path | None, name: str) -> Iterator[RunFolder]:
    """Make a run folder for the block that fills it; remove it where the block fails."""
    run = create_run(path, name=name)
    try:
        with run_folder_errors(run):
            yield run
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise


def _write_inputs(run: RunFolder, config: TrainConfig | DistillConfig, inputs: _Inputs) -> dict[str, Any]:
    """Write tracks, reward function, vehicle, disturbance and the resolved configuration into a new run folder.

    Returns:
        Their description for `run.json`: seed, reward and tracks.
    """
    files = _file_names(inputs.tracks)
    for track, file in zip(inputs.tracks, files, strict=True):
        write_course(track, run.path / "tracks" / file)
    reward = inputs.reward
    first_step = config.first_step if isinstance(config, TrainConfig) else FIRST_STEP
    write_atomically(run.reward, reward.text)
    write_atomically(run.vehicle, to_yaml(inputs.vehicle))
    write_atomically(run.disturbance, to_yaml(inputs.disturbance))
    write_atomically(run.config, to_yaml(config))
    # Loaded once more, so that the files that it reads are copied into the folder now.
    reads = RunFiles(run.reward_files, Path.cwd(), record=True)
    load_reward(replace(reward, files=reads), n_worlds=1, path="python")
    assert reward.path is not None
    return {
        "seed": config.seed,
        # Absolute: the run may be resumed from another folder.
        "reward": {
            "name": reward.name,
            "file": str(reward.path.absolute()),
            "folder": str(Path.cwd()),
            "sha256": reward.sha256,
            "first_step": first_step,
        },
        "tracks": [
            {"name": track.name, "file": file, "source": track.source, "length_m": round(track.length, 3)}
            for track, file in zip(inputs.tracks, files, strict=True)
        ],
    }


def check_packages() -> None:
    """Check for missing packages before the training starts instead of at its first checkpoint.

    Raises:
        MissingExtra: A package that a training needs is not installed.
    """
    # The two that are imported late: torch and SB3 are missing at once.
    for package in ("onnxruntime", "tensorboard"):
        if find_spec(package) is None:
            raise MissingExtra(f"Training (package `{package}`)", "train")


def _file_names(tracks: Sequence[Track]) -> list[str]:
    """Return a unique file name for each track, made from the track's name."""
    files: list[str] = []
    for track in tracks:
        stem = re.sub(r"[^\w.-]", "-", track.name) or "track"
        names = itertools.chain([f"{stem}.yaml"], (f"{stem}-{number}.yaml" for number in itertools.count(2)))
        files.append(next(name for name in names if name not in files))
    return files


def resumed_config(run: RunFolder, settings: Sequence[str] = ()) -> TrainConfig:
    """Return the configuration that a run was started with; only its budget (`train.*`) may change.

    Raises:
        ConfigError: Another setting was given.
        RunError: The run is finished, and the budget leaves nothing to do.
    """
    for setting in settings:
        if not setting.strip().startswith("train."):
            raise ConfigError(
                f"--set {setting}: a resumed run keeps its configuration; only train.* may change. "
                f"To change others, start a new run with --from {run.path}"
            )
    config = validate(TrainConfig, apply_settings(read_yaml(run.config), settings), str(run.config))
    _check_budget_left(run, "steps", "train.total_steps", config.train.total_steps, config.train.minutes)
    return config


def learning_rate_note(run: RunFolder, config: TrainConfig) -> str:
    """Return a note where the budget of a resumed run raises its learning rate again; empty where it does not.

    Call it before the training writes the new budget to the folder.
    """
    info = run.info()
    if not info.get("steps"):
        return ""
    before = validate(TrainConfig, read_yaml(run.config), str(run.config))
    rates = []
    for settings in (before, config):
        done = fraction_done(
            int(info["steps"]), settings.train.total_steps, float(info.get("elapsed_s", 0.0)), settings.train.minutes
        )
        # As `learner.make_model` has it: linear in the used fraction of the budget.
        rates.append(settings.learner.learning_rate * (1.0 + (settings.learner.learning_rate_end - 1.0) * done))
    if rates[1] <= rates[0] * (1.0 + 1e-9):
        return ""
    return (
        f"the learning rate rises again, from {rates[0]:.3g} to {rates[1]:.3g}: it falls with the budget, which is "
        f"larger now; to train on at a low rate, start a new run with --from {quote(str(run.path))}"
    )


def _check_budget_left(run: RunFolder, unit: str, key: str, total: int, minutes: float | None) -> None:
    """Check that a run is unfinished, or that its budget was raised.

    Args:
        run: The run.
        unit: What the budget counts, `steps` or `rounds`: a key of `run.json`.
        key: Configuration key of the budget.
        total: The budget.
        minutes: Budget of wall time [minutes]; None for none.

    Raises:
        RunError: Nothing is left to do.
    """
    info = run.info()
    if not info.get("finished"):
        return
    count, elapsed_s = int(info.get(unit, 0)), float(info.get("elapsed_s", 0.0))
    if count >= total:
        raise RunError(
            f"{run.path} is finished after {count:,} {unit}; to train on, give more of them: --set {key}={2 * total}"
        )
    if minutes is not None and elapsed_s >= 60.0 * minutes:
        raise RunError(
            f"{run.path} is finished after {elapsed_s:.0f} s; to train on, give it longer: --minutes {2.0 * minutes:g}"
        )


def record_resumption(
    run: RunFolder, config: TrainConfig | DistillConfig, *, steps: int, reached: Mapping[str, int]
) -> None:
    """Prepare a run folder to be continued from its checkpoint.

    Drops the metrics after the checkpoint, whose steps are driven again, and notes the resumption in `run.json`.

    Args:
        run: The run.
        config: Configuration with the new budget.
        steps: Control steps of all cars at the checkpoint.
        reached: The checkpoint's count for `run.json`, by unit.
    """
    run.forget_after(steps)
    write_atomically(run.config, to_yaml(config))
    now = describe_environment()
    resumption = {**reached, **{key: now[key] for key in ("racer", "command", "started")}}
    run.write_info(finished=False, resumed=[*run.info().get("resumed", []), resumption])


def _check_start(source: str | Path, config: TrainConfig) -> Path:
    """Return the path of the bundle of a run or bundle that a training can start from."""
    path = find_bundle(source)
    # Run, hashes and steps do not matter here: only what the network reads and gives is compared.
    start, own = read_bundle(path).contract, training_contract(config, run="", hashes={})
    if difference := contract_difference(own, start):
        raise RunError(f"--from {source}: this training has {difference} there; train with the same, or without --from")
    if _actor_network(start.network) != _actor_network(own.network):
        raise RunError(
            f"--from {source}: this training's network is {_describe_network(own.network)}, that one's is "
            f"{_describe_network(start.network)}; set ppo.layers, ppo.activation and network to those"
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
    """Return the bundle of a distillation's teacher; absent until it is trained."""
    return run.path / TEACHER_BUNDLE


def teacher_run(run: RunFolder) -> RunFolder:
    """Return the run that trains the teacher; absent where a teacher was given."""
    return RunFolder(run.path / TEACHER_RUN)


def new_distillation(
    config: DistillConfig, path: Path | None = None, *, teacher: str | Path | None = None
) -> RunFolder:
    """Make the run folder of a new distillation. All is read and checked first, so that a mistake leaves no folder.

    Args:
        config: Configuration of the distillation.
        path: The folder; None for a new one in `runs`.
        teacher: A run or bundle to learn from; None to train the configuration's teacher.

    Raises:
        RunError: The folder exists or cannot be made, or the teacher has other sensors than `state`.
        RacerError: A track, reward or vehicle cannot be used.
    """
    bundle = None if teacher is None else find_teacher_bundle(teacher)
    if bundle is not None:
        # The student learns the teacher's commands, so its ranges have to hold them.
        space = read_bundle(bundle).contract.action_space
        config = validate(
            DistillConfig, config.model_dump() | {"action_space": _continuous_ranges(space)}, str(teacher)
        )
    inputs = _read_inputs(config.track, config.teacher.reward, config.vehicle, config.env.disturbance)
    read_disturbance(config.teacher.env.disturbance)
    with _new_folder(path, f"distill-{inputs.name}") as run:
        description = _write_inputs(run, config, inputs)
        if bundle is not None:
            write_atomically(teacher_file(run), bundle.read_bytes())
        # Last: a folder with it is a run.
        given = None if bundle is None else str(bundle)
        run.write_info(**describe_environment(), kind=DISTILLATION_KIND, **description, teacher=given, finished=False)
    return run


def _continuous_ranges(space: ContinuousActions | DiscreteActions) -> ContinuousActions:
    """Return the continuous ranges that enclose an action space."""
    if isinstance(space, ContinuousActions):
        return space
    # `low` and `high` of a list of actions are its extremes: (steering [deg], speed [m/s]).
    (left, slow), (right, fast) = space.low, space.high
    return ContinuousActions(steering_angle=SteeringRange(low=left, high=right), speed=SpeedRange(low=slow, high=fast))


def resumed_distillation(run: RunFolder, settings: Sequence[str] = ()) -> DistillConfig:
    """Return the configuration of a started distillation; only `dagger.rounds` and `dagger.minutes` may change.

    Raises:
        ConfigError: Another setting was given.
        RunError: The run is not a distillation, or is finished with nothing left to do.
    """
    if run.info().get("kind") != DISTILLATION_KIND:
        raise RunError(
            f"{run.path} is not a distillation; continue it with: racer train --resume {quote(str(run.path))}"
        )
    for setting in settings:
        if setting.partition("=")[0].strip() not in ("dagger.rounds", "dagger.minutes"):
            raise ConfigError(
                f"--set {setting}: a resumed distillation keeps its configuration; only dagger.rounds and "
                "dagger.minutes may change"
            )
    config = validate(DistillConfig, apply_settings(read_yaml(run.config), settings), str(run.config))
    _check_budget_left(run, "rounds", "dagger.rounds", config.dagger.rounds, config.dagger.minutes)
    return config
