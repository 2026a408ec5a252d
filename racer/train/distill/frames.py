"""Stores a distillation's training data, within a memory bound: driven frames and the teacher's labels.

A frame is kept once, also where the student sees several at a time: a stretch is some control steps of one car in a
row, with the frames before them that its first stacks need.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


class DrivenFrames:
    """Stretches of frames and labels in arrays of fixed size; when they are full, new stretches replace old ones.

    By Vitter's algorithm R (ACM TOMS 11(1), 1985) every stretch that was ever given is kept with the same chance: the
    aggregate of DAgger, as far as the memory reaches.

    Attributes:
        capacity: stretches that have room.
        count: stretches that are kept.
        given: stretches that were ever given.
    """

    def __init__(
        self, *, bytes_max: int, steps: int, stack: int, frame_shape: tuple[int, int, int], seed: int = 0
    ) -> None:
        """Reserve the room.

        Args:
            bytes_max: of all frames together.
            steps: control steps of a stretch.
            stack: frames that the student sees at once.
            frame_shape: (height, width, channels) of one frame, after the preprocessing.

        Raises:
            ValueError: not one stretch has room.
        """
        self._steps, self._stack, self._before = steps, stack, stack - 1
        length = steps + self._before
        self.capacity = bytes_max // (length * int(np.prod(frame_shape)))
        if self.capacity < 1:
            raise ValueError(f"{bytes_max} bytes have no room for {length} frames of {frame_shape}")
        self._frames = np.zeros((self.capacity, length, *frame_shape), np.uint8)
        self._labels = np.zeros((self.capacity, steps, 2), np.float32)
        self._ages = np.zeros((self.capacity, steps), np.int64)
        self._random = np.random.default_rng([seed, 0x6D656D])
        self.count = self.given = 0

    @property
    def frames(self) -> int:
        """Frames that can be learned from now."""
        return self.count * self._steps

    def add(self, frames: Frames, labels: NDArray[np.float32], ages: NDArray[np.int64]) -> None:
        """Remember stretches.

        Args:
            frames: (B, stack - 1 + steps, H, W, C); the first ones come before the first step.
            labels: (B, steps, 2), what the teacher would have done, as shares -1..1 of the action space.
            ages: (B, steps), how many frames the episode had before each step's.
        """
        for stretch in range(len(frames)):
            place = self.given if self.given < self.capacity else int(self._random.integers(self.given + 1))
            self.given += 1
            if place < self.capacity:
                self._frames[place], self._labels[place] = frames[stretch], labels[stretch]
                self._ages[place] = np.minimum(ages[stretch], self._before)
                self.count = max(self.count, place + 1)

    def sample(self, batch: int, random: np.random.Generator) -> tuple[Frames, NDArray[np.float32]]:
        """Draw frames evenly, with replacement.

        Returns:
            (stacks (batch, H, W, stack * C), oldest first, labels (batch, 2)). Before an episode's first frame comes
            its first frame, as in the preprocessing's own ring.
        """
        which = random.integers(self.count, size=batch)
        step = random.integers(self._steps, size=batch)
        return self._stacked(which, step), self._labels[which, step]

    def _stacked(self, which: NDArray[np.int64], step: NDArray[np.int64]) -> Frames:
        ages, channels = self._ages[which, step], self._frames.shape[-1]
        stacks = np.empty((len(which), *self._frames.shape[2:4], self._stack * channels), np.uint8)
        for k in range(self._stack):
            back = np.minimum(self._before - k, ages)
            stacks[..., k * channels : (k + 1) * channels] = self._frames[which, self._before + step - back]
        return stacks
