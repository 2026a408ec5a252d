"""Drives the cars of a distillation: student and teacher drive by turns, the teacher labels every step (DAgger).

Frames and labels of a round go into the memory. All random numbers come from streams of the seed, so that the same
seed drives the same way.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.train import DaggerConfig
from racer.contract import PolicyContract
from racer.env.batch import TimeTrial
from racer.policy.onnx import OnnxPolicy
from racer.preprocess import Preprocessor
from racer.sim.dtypes import EpisodeStatus
from racer.train.distill.frames import DrivenFrames
from racer.train.distill.teacher import ActionScaler, TeacherLabels

StudentFunction = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
"""Maps the network's inputs (N, ...) to actions (N, 2), as fractions -1..1 of the half ranges."""
_GOLDEN_ROWS = 64
"""Observations of one car that are kept for the bundle's golden record."""


@dataclass(frozen=True, kw_only=True)
class RolloutSummary:
    """Result of a round of driving.

    Attributes:
        frames: Control steps of all cars.
        episodes: Number of episodes that ended.
        ends: Number of ended episodes by status word.
        mean_progress: Mean progress of the ended episodes [% of a lap]; None where none ended.
        student_share: Fraction of the control steps that the student drove, 0..1.
        error: Mean absolute difference between the student's and the teacher's steering and speed [half ranges].
    """

    frames: int
    episodes: int
    ends: Mapping[str, int]
    mean_progress: float | None
    student_share: float
    error: tuple[float, float]


def merge_summaries(parts: Sequence[RolloutSummary]) -> RolloutSummary:
    """Merge the summaries of several groups of cars.

    Means over control steps are weighted by frames, those over episodes by episodes.
    """
    frames = sum(part.frames for part in parts)
    ended = [part for part in parts if part.mean_progress is not None]
    episodes = sum(part.episodes for part in ended)
    progress = sum((part.mean_progress or 0.0) * part.episodes for part in ended)
    ends: Counter[str] = Counter()
    for part in parts:
        ends.update(part.ends)
    steering, speed = (sum(part.error[k] * part.frames for part in parts) / frames for k in (0, 1))
    return RolloutSummary(
        frames=frames,
        episodes=episodes,
        ends=dict(ends),
        mean_progress=progress / episodes if episodes else None,
        student_share=sum(part.student_share * part.frames for part in parts) / frames,
        error=(steering, speed),
    )


class DaggerRollout:
    """Drives N cars round after round and saves their frames with the teacher's labels."""

    def __init__(
        self,
        trial: TimeTrial,
        teacher: OnnxPolicy,
        contract: PolicyContract,
        memory: DrivenFrames,
        settings: DaggerConfig,
        *,
        seed: int,
    ) -> None:
        """Take the cars of `trial`; call `start` before the first round.

        Args:
            trial: N worlds with one car each.
            teacher: Policy whose actions are the labels.
            contract: Contract of the student; the frames of its first sensor are stored.
            memory: Storage of frames and labels.
            settings: Steps of a round, turns and pushes.
            seed: Seed of turns and pushes.
        """
        self._trial, self._memory, self._settings = trial, memory, settings
        self._labels = TeacherLabels(teacher, trial.world)
        self._preprocessor, self._scaler = Preprocessor.of(contract), ActionScaler(contract.action_space)
        self._picture = contract.inputs[0].name
        self._before = contract.frame_stack - 1  # frames of a stack before the newest
        self._random = np.random.default_rng([seed, 0x647276])
        worlds = len(trial.world.cars)
        self._ages = np.zeros(worlds, np.int64)
        self._teaches = np.ones(worlds, np.bool_)
        # Offset of the teacher's action in this turn [half ranges]; the label is without it.
        self._push = np.zeros((worlds, 2), np.float32)
        self._latest: deque[dict[str, NDArray[Any]]] = deque(maxlen=_GOLDEN_ROWS)

    def start(self) -> None:
        """Place all cars; the teacher drives the first turn of each."""
        self._trial.start()
        self._preprocessor.reset()
        self._ages[:] = 0
        self._take_turns(np.ones(len(self._ages), np.bool_), 1.0)

    @property
    def golden(self) -> dict[str, NDArray[Any]]:
        """Latest observations of the first car, (B, ...) for each sensor."""
        return {name: np.stack([row[name] for row in self._latest]) for name in self._latest[0]}

    def round(self, student: StudentFunction, teacher_share: float) -> RolloutSummary:
        """Drive `steps` control steps in each world and save them in the memory.

        Args:
            student: The network that learns.
            teacher_share: Fraction of the turns beginning in this round that the teacher drives, 0..1.
        """
        settings, trial = self._settings, self._trial
        worlds, steps = len(self._ages), settings.steps
        labels = np.zeros((worlds, steps, 2), np.float32)
        ages = np.zeros((worlds, steps), np.int64)
        frames: NDArray[np.uint8] | None = None
        error, by_student = np.zeros(2), 0
        ends: Counter[str] = Counter()
        progress: list[float] = []
        for step in range(steps):
            # Frame, label and action of a step belong to the same state: all are taken before the cars move.
            inputs = self._preprocessor(trial.observation)
            stacks = inputs[self._picture]
            channels = stacks.shape[-1] // (self._before + 1)
            if frames is None:
                # The first stacks of the round also hold frames of the round before: a stretch begins with them.
                frames = np.zeros((worlds, self._before + steps, *stacks.shape[1:3], channels), np.uint8)
                for k in range(self._before):
                    frames[:, k] = stacks[..., k * channels : (k + 1) * channels]
            frames[:, self._before + step] = stacks[..., -channels:]
            ages[:, step] = self._ages
            # The label is always the teacher's own action, also where the student or a pushed teacher drives: the
            # student has to learn how to return to the line from the states that it reaches by its own errors.
            labels[:, step] = self._scaler.fractions(self._labels.commands())
            own = np.clip(student(inputs), -1.0, 1.0)  # the student's action, also where the teacher drives
            error += np.abs(own - labels[:, step]).mean(axis=0)
            by_student += int((~self._teaches).sum())
            self._latest.append({name: values[0].copy() for name, values in trial.observation.items()})
            action = np.where(self._teaches[:, None], labels[:, step] + self._push, own)
            self._drive(action, ends, progress, teacher_share)
        assert frames is not None
        self._memory.add(frames, labels, ages)
        return RolloutSummary(
            frames=worlds * steps,
            episodes=len(progress),
            ends=dict(ends),
            mean_progress=float(np.mean(progress)) if progress else None,
            student_share=by_student / (worlds * steps),
            error=(float(error[0] / steps), float(error[1] / steps)),
        )

    def _drive(
        self, action: NDArray[np.float32], ends: Counter[str], progress: list[float], teacher_share: float
    ) -> None:
        """Drive one control step, start ended episodes again, and draw the drivers of turns that begin."""
        trial = self._trial
        trial.step(self._scaler.commands(action))
        self._ages += 1
        ended = trial.terminated | trial.truncated
        # A constant chance per step makes the turns last `turn_s` on average, exponentially distributed.
        turn = self._random.random(len(ended)) < trial.world.control_dt / self._settings.turn_s
        if ended.any():
            cars = trial.world.cars[ended, 0]
            ends.update(EpisodeStatus(int(status)).word for status in cars["status"])
            progress.extend(float(value) for value in cars["progress"])
            trial.start(ended)
            self._preprocessor.reset(ended)
            self._ages[ended] = 0
        self._take_turns(turn | ended, teacher_share)

    def _take_turns(self, which: NDArray[np.bool_], teacher_share: float) -> None:
        """Draw the driver of the next turn in the marked worlds, and whether an offset pushes the teacher off line.

        Numbers are drawn for all worlds, marked or not, so that the stream does not depend on how episodes end.
        """
        chance = self._random.random((len(which), 2))
        pushes = self._random.uniform(-1.0, 1.0, (len(which), 2)).astype(np.float32)
        pushed = which & (chance[:, 1] < self._settings.kick)
        self._teaches = np.where(which, chance[:, 0] < teacher_share, self._teaches)
        self._push = np.where(which[:, None], np.where(pushed[:, None], pushes, 0.0), self._push)
