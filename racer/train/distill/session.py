"""Runs a distillation from start to end in its run folder, and resumes it after an interruption.

The teacher is trained on the state, or given. Then round after round: drive, student and teacher by turns; remember
the frames with what the teacher would have done; learn from all that is remembered.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.env import VehicleConfig
from racer.config.network import CNNS
from racer.config.read import read_vehicle, to_yaml
from racer.config.train import DistillConfig
from racer.contract import NetworkInfo, PolicyContract, TrainedOn, make_contract
from racer.env.batch import make_time_trial
from racer.env.sensors.suite import sensor_specs
from racer.errors import RunError
from racer.preprocess import Preprocessor
from racer.runs import RunFolder, describe_environment, open_run
from racer.track.load import load_tracks
from racer.track.track import Track
from racer.train.distill.frames import DrivenFrames
from racer.train.distill.monitor import DistillMonitor, StudentListener
from racer.train.distill.rollout import DaggerRollout, merge_summaries
from racer.train.distill.student import Student
from racer.train.distill.teacher import ActionScaler, load_teacher
from racer.train.ppo import session
from racer.train.ppo.monitor import TrainingListener
from racer.train.run_folder import TEACHER_RUN, new_run, resumed_config, run_folder_errors, teacher_file, teacher_run

REFILL_ROUNDS = 6
"""Rounds that a resumed distillation drives before it learns again: the frame memory is not saved."""


class DistillListener(StudentListener, Protocol):
    """Receives the progress of teacher and student."""

    def teacher(self) -> TrainingListener:
        """Return the listener for the teacher's training, before it begins."""

    def taught(self, seconds: float) -> None:
        """Receive that the teacher is ready, trained or given, after `seconds` of wall time [s]."""


@dataclass(frozen=True, kw_only=True)
class DistillOutcome:
    """Result of a distillation."""

    run: RunFolder
    rounds: int
    frames: int
    seconds: float
    best: dict[str, Any] | None
    """Record of the best evaluation's first track, as `racer evaluate --json` prints it."""
    interrupted: bool


def distill(
    config: DistillConfig, run: RunFolder, *, resume: bool = False, report: DistillListener | None = None
) -> DistillOutcome:
    """Distil in a run folder that `new_distillation` made or `open_run` opened.

    Args:
        resume: Continue from the last checkpoint: weights, optimiser and counts are kept, the frame memory is
            filled again by driving.

    Returns:
        What was reached. Ctrl-C ends it with a usable run and `interrupted` set.

    Raises:
        RunError: the run cannot be resumed, the student diverged, or the folder cannot be written.
    """
    began = time.monotonic()
    with run_folder_errors(run):
        if not _train_teacher(config, run, report):
            seconds = time.monotonic() - began
            return DistillOutcome(run=run, rounds=0, frames=0, seconds=seconds, best=None, interrupted=True)
        if report is not None:
            report.taught(time.monotonic() - began)
        torch.set_num_threads(1)  # `Student` has its own threads
        driving, student, memory, monitor = _prepare(config, run, resume=resume, report=report, began=began)
        interrupted = False
        try:
            _run_rounds(config, driving, student, memory, monitor, run)
        except KeyboardInterrupt:
            interrupted = True
        monitor.finish(driving[-1], complete=not interrupted)
    return DistillOutcome(
        run=run,
        rounds=monitor.rounds,
        frames=monitor.frames,
        seconds=monitor.elapsed,
        best=monitor.best_record,
        interrupted=interrupted,
    )


def _train_teacher(config: DistillConfig, run: RunFolder, report: DistillListener | None) -> bool:
    """Train the teacher, or resume its training, unless its bundle exists; return False where it was interrupted."""
    file, inner = teacher_file(run), teacher_run(run)
    if file.exists():
        return True
    told = None if report is None else report.teacher()
    if inner.path.exists():
        inner = open_run(inner.path)
        finished = bool(inner.info().get("finished"))
        training = config.teacher_training if finished else resumed_config(inner)
    else:
        finished, training = False, config.teacher_training
        inner = new_run(training, run.path / TEACHER_RUN)
    if not finished and session.train(training, inner, resume=inner.trainer.exists(), report=told).interrupted:
        return False
    write_atomically(file, (inner.best if inner.best.exists() else inner.last).read_bytes())
    return True


def _prepare(
    config: DistillConfig, run: RunFolder, *, resume: bool, report: DistillListener | None, began: float
) -> tuple[list[DaggerRollout], Student, DrivenFrames, DistillMonitor]:
    """Return student, cars and memory, new or restored."""
    tracks, settings = load_tracks([str(file) for file in run.tracks]), config.dagger
    vehicle = read_vehicle(run.vehicle)
    contract = student_contract(config, run)
    student = Student(contract, settings, seed=config.seed)
    progress = _restore(config, run, student, resume=resume)
    # Another seed for each resumption: the same one would drive the first rounds' episodes a second time.
    seed = config.seed + int(progress.get("rounds", 0))
    height, width, channels = contract.inputs[0].shape
    memory = DrivenFrames(
        bytes_max=settings.memory_mb * 1_000_000,
        steps=settings.steps,
        stack=contract.frame_stack,
        frame_shape=(height, width, channels // contract.frame_stack),
        seed=seed,
    )
    driving = _make_rollouts(config, run, contract, tracks, vehicle, memory, seed)
    monitor = DistillMonitor(run, config, contract, student, tracks, vehicle, report, progress=progress, began=began)
    return driving, student, memory, monitor


def _make_rollouts(
    config: DistillConfig,
    run: RunFolder,
    contract: PolicyContract,
    tracks: list[Track],
    vehicle: VehicleConfig,
    memory: DrivenFrames,
    seed: int,
) -> list[DaggerRollout]:
    """Create the cars in two groups, without and with the disturbance; the last has the student's target conditions."""
    settings, env = config.dagger, run.as_it_was(config.env)
    calm = 0 if config.env.disturbance == "none" else round(settings.undisturbed * settings.worlds)
    groups = {"none": calm, env.disturbance: settings.worlds - calm}
    teacher = load_teacher(teacher_file(run))
    driving = []
    for part, (disturbance, worlds) in enumerate(groups.items()):
        if worlds == 0:
            continue
        trial = make_time_trial(
            worlds=worlds,
            track=tracks,
            reward=None,
            vehicle=vehicle,
            config=env.model_copy(update={"disturbance": disturbance}),
            seed=2 * seed + part,
            threads=settings.threads,
        )
        driving.append(
            DaggerRollout(
                trial,
                teacher.observer(trial.world),
                Preprocessor.of(contract),
                ActionScaler(config.action_space),
                memory,
                settings,
                picture=contract.inputs[0].name,
                stack=contract.frame_stack,
                seed=2 * seed + part,
            )
        )
    return driving


def _restore(config: DistillConfig, run: RunFolder, student: Student, *, resume: bool) -> dict[str, Any]:
    """Restore the student of an interrupted run; return the progress it had made."""
    if not resume:
        return {}
    progress = student.load(run.trainer) if run.trainer.exists() else {}
    run.forget_after(int(progress.get("frames", 0)))
    write_atomically(run.config, to_yaml(config))
    now = describe_environment()
    resumed = {"rounds": progress.get("rounds", 0)} | {key: now[key] for key in ("racer", "command", "started")}
    run.write_info(finished=False, resumed=[*run.info().get("resumed", []), resumed])
    return progress


def _run_rounds(
    config: DistillConfig,
    driving: list[DaggerRollout],
    student: Student,
    memory: DrivenFrames,
    monitor: DistillMonitor,
    run: RunFolder,
) -> None:
    settings = config.dagger
    for group in driving:
        group.start()
    for _ in range(min(REFILL_ROUNDS, monitor.rounds)):
        for group in driving:
            group.round(student, _teacher_share(config, monitor.rounds))
    while monitor.done < 1.0:
        began = time.monotonic()
        driven = merge_summaries([group.round(student, _teacher_share(config, monitor.rounds)) for group in driving])
        between = time.monotonic()
        loss = student.learn(memory, monitor.done)
        if not student.finite:
            raise RunError(
                f"{run.path}: the student diverged in round {monitor.rounds + 1}: the weights are NaN or infinite; "
                f"start a new run with a --set dagger.learning_rate below {settings.learning_rate:g}"
            )
        monitor.round(driven, loss, between - began, time.monotonic() - between, driving[-1])


def _teacher_share(config: DistillConfig, rounds: int) -> float:
    """Share of the turns at the wheel that the teacher takes: falls from 1, then stays."""
    settings = config.dagger
    if settings.teacher_rounds == 0:
        return settings.teacher_share
    left = max(0.0, 1.0 - rounds / settings.teacher_rounds)
    return settings.teacher_share + (1.0 - settings.teacher_share) * left


def student_contract(config: DistillConfig, run: RunFolder) -> PolicyContract:
    """The contract of the student."""
    return make_contract(
        sensors=sensor_specs(config.env),
        preprocessing=config.preprocess.steps,
        action_space=config.action_space,
        control_rate_hz=config.env.control_rate_hz,
        network=NetworkInfo(
            policy_layers=config.layers,
            value_layers=config.layers,
            activation=config.activation,
            cnn=CNNS[config.network],
        ),
        trained_on=TrainedOn(
            run=run.path.resolve().name,
            tracks=config.track,
            vehicle=config.vehicle,
            reward=config.teacher.reward,
            seed=config.seed,
            objects=config.env.objects,
        ),
        hashes={"teacher": graph_hash(teacher_file(run))},
    )


def graph_hash(path: Path) -> str:
    """sha256 of a bundle's graph."""
    return read_bundle(path).contract.hashes["policy.onnx"]
