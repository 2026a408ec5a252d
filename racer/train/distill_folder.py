"""The folder of a distillation: that of a training, and the teacher in it.

teacher.bundle   what the student learned from
teacher/         the run that made it, where none was given
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.actions import ContinuousActions, DiscreteActions, SpeedRange, SteeringRange
from racer.config.distill import DistillConfig
from racer.config.read import read_disturbance, read_vehicle, read_yaml, validate, with_settings
from racer.errors import ConfigError, RunError
from racer.reward.load import load_reward, read_source
from racer.runs import RunFolder, circumstances, create_run
from racer.track.load import load_tracks
from racer.train.distill_teacher import teacher_bundle
from racer.train.folder import check_packages, kept, write_inputs

KIND = "distillation"
TEACHER = "teacher.bundle"
TEACHER_RUN = "teacher"


def teacher_file(run: RunFolder) -> Path:
    """The teacher of a distillation; absent until it is trained."""
    return run.path / TEACHER


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
    bundle = None if teacher is None else teacher_bundle(teacher)
    if bundle is not None:
        space = read_bundle(bundle).contract.action_space
        config = validate(DistillConfig, config.model_dump() | {"action_space": _ranges(space)}, str(teacher))
    tracks = load_tracks(list(config.track))
    reward = read_source(config.teacher.reward)
    load_reward(reward, n_worlds=1, path="python")  # refuses what cannot be run
    vehicle = read_vehicle(config.vehicle)
    disturbance = read_disturbance(config.env.disturbance)
    read_disturbance(config.teacher.env.disturbance)
    run = create_run(path, name=f"distill-{tracks[0].name if len(tracks) == 1 else f'{len(tracks)}-tracks'}")
    try:
        with kept(run):
            told = write_inputs(run, config, tracks, reward, vehicle, disturbance)
            if bundle is not None:
                write_atomically(teacher_file(run), bundle.read_bytes())
            # Last: a folder with it is a run.
            given = None if bundle is None else str(bundle)
            run.write_info(**circumstances(), kind=KIND, **told, teacher=given, finished=False)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _ranges(space: ContinuousActions | DiscreteActions) -> ContinuousActions:
    """The ranges that hold an action space."""
    if isinstance(space, ContinuousActions):
        return space
    (left, slow), (right, fast) = space.low, space.high
    return ContinuousActions(steering_angle=SteeringRange(low=left, high=right), speed=SpeedRange(low=slow, high=fast))


def resumed_distillation(run: RunFolder, settings: Sequence[str] = ()) -> DistillConfig:
    """The configuration that a distillation was started with; only `dagger.rounds` and `dagger.minutes` may change.

    Raises:
        ConfigError: another setting was given.
        RunError: the run is no distillation, or finished with nothing left to do.
    """
    if run.info().get("kind") != KIND:
        raise RunError(f"{run.path} is no distillation; go on with: racer train --resume {run.path}")
    for setting in settings:
        if setting.partition("=")[0].strip() not in ("dagger.rounds", "dagger.minutes"):
            raise ConfigError(
                f"--set {setting}: a resumed distillation keeps its configuration; only dagger.rounds and "
                "dagger.minutes may change"
            )
    config = validate(DistillConfig, with_settings(read_yaml(run.config), settings), str(run.config))
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
