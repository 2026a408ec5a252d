"""Stores a distillation's training data, within a memory bound: driven frames and the teacher's labels.

Each frame is stored once, although the student reads a stack of several. The unit of storage is a stretch: some
consecutive control steps of one car, preceded by the frames that its first stacks need. With `steps` 4 and `stack` 3
a stretch holds six frames, f0 f1 | f2 f3 f4 f5; the stack of its first step is f0 f1 f2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


class DrivenFrames:
    """Stretches of frames and labels in arrays of fixed size; when they are full, new stretches replace old ones.

    By Vitter's algorithm R (ACM TOMS 11(1), 1985) every stretch ever added is stored with the same probability: an
    unbiased sample of DAgger's aggregate data set within a fixed memory.

    Attributes:
        capacity: Number of stretches that fit.
        count: Number of stretches stored.
        added: Number of stretches ever added.
    """

    def __init__(
        self, *, bytes_max: int, steps: int, stack: int, frame_shape: tuple[int, int, int], seed: int = 0
    ) -> None:
        """Allocate the arrays.

        Args:
            bytes_max: Limit of all frames together [bytes].
            steps: Control steps of a stretch.
            stack: Frames in a stack, the student's input.
            frame_shape: (height, width, channels) of one frame, after the preprocessing.
            seed: Seed of the replacement's random stream.

        Raises:
            ValueError: Not even one stretch fits.
        """
        self._steps, self._stack = steps, stack
        self._before = stack - 1  # frames of a stretch before its first step
        length = steps + self._before
        self.capacity = bytes_max // (length * int(np.prod(frame_shape)))
        if self.capacity < 1:
            raise ValueError(f"{bytes_max} bytes have no room for {length} frames of {frame_shape}")
        self._frames = np.zeros((self.capacity, length, *frame_shape), np.uint8)
        self._labels = np.zeros((self.capacity, steps, 2), np.float32)
        self._ages = np.zeros((self.capacity, steps), np.int64)
        self._random = np.random.default_rng([seed, 0x6D656D])
        self.count = self.added = 0

    @property
    def frames(self) -> int:
        """Number of labelled frames."""
        return self.count * self._steps

    def add(self, frames: Frames, labels: NDArray[np.float32], ages: NDArray[np.int64]) -> None:
        """Add stretches; a full memory replaces random older ones.

        Args:
            frames: Frames, shape (B, stack - 1 + steps, H, W, C); the first ones precede the first step.
            labels: The teacher's actions, shape (B, steps, 2), as fractions -1..1 of the half ranges.
            ages: Number of frames of the episode before each step's, shape (B, steps).
        """
        for stretch in range(len(frames)):
            # Algorithm R: the n-th stretch (counted from 1) is stored with probability capacity / n.
            place = self.added if self.added < self.capacity else int(self._random.integers(self.added + 1))
            self.added += 1
            if place < self.capacity:
                self._frames[place], self._labels[place] = frames[stretch], labels[stretch]
                self._ages[place] = np.minimum(ages[stretch], self._before)
                self.count = max(self.count, place + 1)

    def sample(self, batch: int, random: np.random.Generator) -> tuple[Frames, NDArray[np.float32]]:
        """Draw frames uniformly, with replacement.

        Args:
            batch: Number of frames.
            random: Source of the random numbers.

        Returns:
            (stacks (batch, H, W, stack * C), oldest frame first, labels (batch, 2)). Where a stack reaches back beyond
            an episode's first frame, that frame is repeated, as in the preprocessing's `FrameRing`.
        """
        which = random.integers(self.count, size=batch)
        step = random.integers(self._steps, size=batch)
        return self._stacked(which, step), self._labels[which, step]

    def _stacked(self, which: NDArray[np.int64], step: NDArray[np.int64]) -> Frames:
        ages, channels = self._ages[which, step], self._frames.shape[-1]
        stacks = np.empty((len(which), *self._frames.shape[2:4], self._stack * channels), np.uint8)
        for k in range(self._stack):
            # Never further back than the episode's first frame: a stack must not mix two episodes.
            back = np.minimum(self._before - k, ages)
            stacks[..., k * channels : (k + 1) * channels] = self._frames[which, self._before + step - back]
        return stacks
