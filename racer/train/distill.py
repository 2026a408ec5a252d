"""A distillation from start to end in its run folder, and going on after a stop.

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
from racer.config.cnn import CNNS
from racer.config.distill import DistillConfig
from racer.config.read import read_vehicle, to_yaml
from racer.config.vehicle import VehicleConfig
from racer.contract import NetworkInfo, PolicyContract, TrainedOn, make_contract
from racer.env.make import make_time_trial
from racer.env.sensors import sensor_specs
from racer.errors import RunError
from racer.preprocess import Preprocessor
from racer.runs import RunFolder, circumstances, open_run
from racer.track.load import load_tracks
from racer.track.track import Track
from racer.train import session
from racer.train.distill_collect import Driving, together
from racer.train.distill_folder import TEACHER_RUN, teacher_file, teacher_run
from racer.train.distill_learn import Student
from racer.train.distill_memory import DrivenFrames
from racer.train.distill_monitor import DistillMonitor, DistillReport
from racer.train.distill_teacher import Shares, load_teacher
from racer.train.folder import kept, new_run, resumed_config
from racer.train.monitor import Report

REFILL = 6
"""Rounds that are driven, and not learned from alone, before a resumed distillation goes on: memory is not kept."""


class Reports(DistillReport, Protocol):
    """Somebody who wants to know how teacher and student get on."""

    def teacher(self) -> Report:
        """Before the teacher is trained: who follows that."""

    def taught(self, seconds: float) -> None:
        """When the teacher is there, after its training or because it was given."""


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """What a distillation left."""

    run: RunFolder
    rounds: int
    frames: int
    seconds: float
    best: dict[str, Any] | None
    """Record of the best evaluation's first track, as `racer evaluate --json` prints it."""
    interrupted: bool


def distill(config: DistillConfig, run: RunFolder, *, resume: bool = False, report: Reports | None = None) -> Distilled:
    """Distil in a run folder that `new_distillation` made or `open_run` opened.

    Args:
        resume: go on from the folder's last checkpoint: weights, optimiser and counts are kept, what was remembered is
            driven anew.

    Returns:
        What was reached. Ctrl-C ends it with a usable run and `interrupted` set.

    Raises:
        RunError: the run cannot be resumed, the student diverged, or the folder cannot be written any more.
    """
    began = time.monotonic()
    with kept(run):
        if not _teach(config, run, report):
            seconds = time.monotonic() - began
            return Distilled(run=run, rounds=0, frames=0, seconds=seconds, best=None, interrupted=True)
        if report is not None:
            report.taught(time.monotonic() - began)
        torch.set_num_threads(1)  # `Student` has threads of its own
        driving, student, memory, monitor = _prepare(config, run, resume=resume, report=report, began=began)
        interrupted = False
        try:
            _rounds(config, driving, student, memory, monitor, run)
        except KeyboardInterrupt:
            interrupted = True
        monitor.finish(driving[-1], complete=not interrupted)
    return Distilled(
        run=run,
        rounds=monitor.rounds,
        frames=monitor.frames,
        seconds=monitor.elapsed,
        best=monitor.best_record,
        interrupted=interrupted,
    )


def _teach(config: DistillConfig, run: RunFolder, report: Reports | None) -> bool:
    """Make sure that there is a teacher; False where its training was interrupted."""
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
    config: DistillConfig, run: RunFolder, *, resume: bool, report: Reports | None, began: float
) -> tuple[list[Driving], Student, DrivenFrames, DistillMonitor]:
    """Student, cars and memory as they are to go on."""
    tracks, settings = load_tracks([str(file) for file in run.tracks]), config.dagger
    vehicle = read_vehicle(run.vehicle)
    contract = contract_for(config, run)
    student = Student(contract, settings, seed=config.seed)
    progress = _begin(config, run, student, resume=resume)
    seed = config.seed + int(progress.get("rounds", 0))
    height, width, channels = contract.inputs[0].shape
    memory = DrivenFrames(
        bytes_max=settings.memory_mb * 1_000_000,
        steps=settings.steps,
        stack=contract.frame_stack,
        frame_shape=(height, width, channels // contract.frame_stack),
        seed=seed,
    )
    driving = _driving(config, run, contract, tracks, vehicle, memory, seed)
    monitor = DistillMonitor(run, config, contract, student, tracks, vehicle, report, progress=progress, began=began)
    return driving, student, memory, monitor


def _driving(
    config: DistillConfig,
    run: RunFolder,
    contract: PolicyContract,
    tracks: list[Track],
    vehicle: VehicleConfig,
    memory: DrivenFrames,
    seed: int,
) -> list[Driving]:
    """The cars in two groups, without and with the disturbance; the last group is what the student is made for."""
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
            Driving(
                trial,
                teacher.observer(trial.world),
                Preprocessor.of(contract),
                Shares(config.action_space),
                memory,
                settings,
                picture=contract.inputs[0].name,
                stack=contract.frame_stack,
                seed=2 * seed + part,
            )
        )
    return driving


def _begin(config: DistillConfig, run: RunFolder, student: Student, *, resume: bool) -> dict[str, Any]:
    """Put back what was kept before a stop; returns the progress that was made."""
    if not resume:
        return {}
    progress = student.load(run.trainer) if run.trainer.exists() else {}
    run.forget_after(int(progress.get("frames", 0)))
    write_atomically(run.config, to_yaml(config))
    now = circumstances()
    resumed = {"rounds": progress.get("rounds", 0)} | {key: now[key] for key in ("racer", "command", "started")}
    run.write_info(finished=False, resumed=[*run.info().get("resumed", []), resumed])
    return progress


def _rounds(
    config: DistillConfig,
    driving: list[Driving],
    student: Student,
    memory: DrivenFrames,
    monitor: DistillMonitor,
    run: RunFolder,
) -> None:
    settings = config.dagger
    for group in driving:
        group.start()
    for _ in range(min(REFILL, monitor.rounds)):
        for group in driving:
            group.round(student, _teacher_share(config, monitor.rounds))
    while monitor.done < 1.0:
        began = time.monotonic()
        driven = together([group.round(student, _teacher_share(config, monitor.rounds)) for group in driving])
        between = time.monotonic()
        loss = student.learn(memory, monitor.done)
        if not student.finite:
            raise RunError(
                f"{run.path}: the student diverged in round {monitor.rounds + 1}, its weights are no numbers any more; "
                f"distil anew with a lower --set dagger.learning_rate={settings.learning_rate:g}"
            )
        monitor.round(driven, loss, between - began, time.monotonic() - between, driving[-1])


def _teacher_share(config: DistillConfig, rounds: int) -> float:
    """Share of the turns at the wheel that the teacher takes: falls from 1, then stays."""
    settings = config.dagger
    if settings.teacher_rounds == 0:
        return settings.teacher_share
    left = max(0.0, 1.0 - rounds / settings.teacher_rounds)
    return settings.teacher_share + (1.0 - settings.teacher_share) * left


def contract_for(config: DistillConfig, run: RunFolder) -> PolicyContract:
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
        hashes={"teacher": read_bundle_hash(teacher_file(run))},
    )


def read_bundle_hash(path: Path) -> str:
    """sha256 of a bundle's graph."""
    return read_bundle(path).contract.hashes["policy.onnx"]
