"""Runs a distillation from start to end in its run folder, and resumes it after an interruption.

The teacher is trained on the simulator's state, or given. Each round of DAgger (Ross, Gordon and Bagnell, AISTATS 2011)
drives, student and teacher by turns, stores the frames with the teacher's actions as labels, and trains the student on
all stored frames.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.network import CNNS
from racer.config.train import DistillConfig
from racer.contract import NetworkInfo, PolicyContract, TrainedOn, make_contract
from racer.env.batch import make_time_trial
from racer.env.sensors.suite import sensor_specs
from racer.errors import RunError
from racer.runs import RunFolder, open_run
from racer.train.checkpoint import is_finite
from racer.train.distill.frames import DrivenFrames
from racer.train.distill.monitor import DistillListener, DistillMonitor
from racer.train.distill.rollout import DaggerRollout, RolloutSummary, merge_summaries
from racer.train.distill.student import Student
from racer.train.distill.teacher import load_teacher
from racer.train.ppo import session
from racer.train.run_folder import (
    new_run,
    record_resumption,
    resumed_config,
    run_folder_errors,
    teacher_file,
    teacher_run,
)

REFILL_ROUNDS = 6
"""Rounds that a resumed distillation drives before it learns again: the frame memory is not saved."""


@dataclass(frozen=True, kw_only=True)
class DistillOutcome:
    """Result of a distillation.

    Attributes:
        run: Run folder.
        rounds: Number of rounds, those of earlier sessions included.
        frames: Control steps of all cars, those of earlier sessions included.
        seconds: Wall time [s], that of earlier sessions and of the teacher's training included.
        best: Record of the best evaluation's first track, as `racer evaluate --json` prints it.
        interrupted: Whether Ctrl-C ended the distillation.
    """

    run: RunFolder
    rounds: int
    frames: int
    seconds: float
    best: dict[str, Any] | None
    interrupted: bool


def distill(
    config: DistillConfig, run: RunFolder, *, resume: bool = False, report: DistillListener | None = None
) -> DistillOutcome:
    """Distil in a run folder that `new_distillation` made or `open_run` opened.

    Args:
        config: Configuration of the run.
        run: Run folder.
        resume: Continue from the last checkpoint: weights, optimiser and counts are kept, the frame memory is
            filled again by driving.
        report: Receives the progress, for a progress bar.

    Returns:
        The result. Ctrl-C ends the distillation with a usable run and `interrupted` set.

    Raises:
        RunError: The run cannot be resumed, the student diverged, or the folder cannot be written.
    """
    started_s = time.monotonic()
    with run_folder_errors(run):
        if not _train_teacher(config, run, report):
            seconds = time.monotonic() - started_s
            return DistillOutcome(run=run, rounds=0, frames=0, seconds=seconds, best=None, interrupted=True)
        if report is not None:
            report.taught(time.monotonic() - started_s)
        torch.set_num_threads(1)  # `Student` has its own threads
        rollouts, student, memory, monitor = _prepare(config, run, resume=resume, report=report, started_s=started_s)
        interrupted = False
        try:
            _run_rounds(config, rollouts, student, memory, monitor, run)
        except KeyboardInterrupt:
            interrupted = True
        # The golden record is of the last group, which drives under the student's target conditions.
        monitor.finish(rollouts[-1], complete=not interrupted)
    return DistillOutcome(
        run=run,
        rounds=monitor.rounds,
        frames=monitor.frames,
        seconds=monitor.checkpoints.elapsed_s,
        best=monitor.checkpoints.best_record,
        interrupted=interrupted,
    )


def _train_teacher(config: DistillConfig, run: RunFolder, report: DistillListener | None) -> bool:
    """Train the teacher, or resume its training, unless its bundle exists; return False where it was interrupted."""
    file, inner = teacher_file(run), teacher_run(run)
    if file.exists():
        return True
    listener = None if report is None else report.teacher()
    if not inner.path.exists():
        new_run(config.teacher_training, inner.path)
    inner = open_run(inner.path)
    # A finished training may be found here: the distillation was stopped before the copy below was made.
    if not inner.info().get("finished"):
        training = resumed_config(inner)
        if session.train(training, inner, resume=inner.trainer.exists(), report=listener).interrupted:
            return False
    write_atomically(file, (inner.best if inner.best.exists() else inner.last).read_bytes())
    return True


def _prepare(
    config: DistillConfig, run: RunFolder, *, resume: bool, report: DistillListener | None, started_s: float
) -> tuple[list[DaggerRollout], Student, DrivenFrames, DistillMonitor]:
    """Return the groups of cars, and student, frame memory and monitor, new or restored."""
    settings = config.dagger
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
    rollouts = _make_rollouts(config, run, contract, memory, seed)
    monitor = DistillMonitor(run, config, contract, student, report, progress=progress, started_s=started_s)
    return rollouts, student, memory, monitor


def _make_rollouts(
    config: DistillConfig, run: RunFolder, contract: PolicyContract, memory: DrivenFrames, seed: int
) -> list[DaggerRollout]:
    """Create the cars in two groups, without and with the disturbance; the last has the student's target conditions."""
    settings, env = config.dagger, run.as_it_was(config.env)
    undisturbed = 0 if config.env.disturbance == "none" else round(settings.undisturbed * settings.worlds)
    # Where the training has no disturbance, all cars are in the second group.
    groups = {"none": undisturbed, env.disturbance: settings.worlds - undisturbed}
    teacher = load_teacher(teacher_file(run))
    rollouts = []
    for part, (disturbance, worlds) in enumerate(groups.items()):  # `part` gives each group its own seed
        if worlds == 0:
            continue
        trial = make_time_trial(
            worlds=worlds,
            track=run.tracks,
            reward=None,
            vehicle=run.vehicle,
            config=env.model_copy(update={"disturbance": disturbance}),
            seed=2 * seed + part,
            threads=settings.threads,
        )
        rollouts.append(DaggerRollout(trial, teacher, contract, memory, settings, seed=2 * seed + part))
    return rollouts


def _restore(config: DistillConfig, run: RunFolder, student: Student, *, resume: bool) -> dict[str, Any]:
    """Restore the student of an interrupted run; return the progress it had made."""
    if not resume:
        return {}
    progress = student.load(run.trainer) if run.trainer.exists() else {}
    reached = {"rounds": progress.get("rounds", 0)}
    record_resumption(run, config, steps=int(progress.get("frames", 0)), reached=reached)
    return progress


def _run_rounds(
    config: DistillConfig,
    rollouts: list[DaggerRollout],
    student: Student,
    memory: DrivenFrames,
    monitor: DistillMonitor,
    run: RunFolder,
) -> None:
    """Drive and learn until the budget is used up."""

    def drive() -> RolloutSummary:
        share = _teacher_share(config, monitor.rounds)
        return merge_summaries([rollout.round(student, share) for rollout in rollouts])

    for rollout in rollouts:
        rollout.start()
    # After a resumption the memory is empty; the student would overfit the frames of a single round.
    for _ in range(min(REFILL_ROUNDS, monitor.rounds)):
        drive()
    while monitor.done < 1.0:
        started_s = time.monotonic()
        summary = drive()
        driven_s = time.monotonic()
        loss = student.learn(memory, monitor.done)
        if not is_finite(student.policy):
            raise RunError(
                f"{run.path}: the student diverged in round {monitor.rounds + 1}: the weights are NaN or infinite; "
                f"start a new run with a --set dagger.learning_rate below {config.dagger.learning_rate:g}"
            )
        monitor.record_round(
            summary, loss, collect_s=driven_s - started_s, learn_s=time.monotonic() - driven_s, rollout=rollouts[-1]
        )


def _teacher_share(config: DistillConfig, rounds: int) -> float:
    """Return the fraction of the turns that the teacher drives: DAgger's beta, which falls from 1, then stays."""
    settings = config.dagger
    remaining = max(0.0, 1.0 - rounds / settings.teacher_rounds) if settings.teacher_rounds else 0.0
    return settings.teacher_share + (1.0 - settings.teacher_share) * remaining


def student_contract(config: DistillConfig, run: RunFolder) -> PolicyContract:
    """Return the contract of the student; its hashes name the teacher."""
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
        hashes={"teacher": read_bundle(teacher_file(run)).contract.hashes["policy.onnx"]},
    )
