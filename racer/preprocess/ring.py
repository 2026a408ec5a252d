"""The only memory of the preprocessing: the last frames of each car."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class FrameRing:
    """The last `frames` delivered frames of each car, side by side in the channels, oldest first.

    A car's first frame after `reset` fills its whole ring.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._kept: NDArray[np.uint8] | None = None
        self._fresh: NDArray[np.bool_] = np.ones(0, np.bool_)

    @property
    def cars(self) -> int | None:
        """How many cars are remembered; None before the first frame and after a reset of all."""
        return None if self._kept is None else len(self._kept)

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """Forget the cars that `which` (B,) marks; None: all, and how many there are."""
        if which is None:
            self._kept = None
        elif self._kept is not None:
            self._fresh |= which

    def push(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Take a new frame of each car, (B, H, W, C); returns (B, H, W, frames * C), a new array each time."""
        batch, height, width, channels = pictures.shape
        if self._kept is None:
            self._kept = np.zeros((batch, height, width, self._frames * channels), np.uint8)
            self._fresh = np.ones(batch, np.bool_)
        kept = self._kept
        stacked = np.empty_like(kept)
        # One shift of all bytes moves every pixel's frames; what comes in from the next pixel is written over.
        stacked.reshape(-1)[:-channels] = kept.reshape(-1)[channels:]
        stacked[..., -channels:] = pictures
        if self._fresh.any():
            stacked[self._fresh] = np.tile(pictures[self._fresh], self._frames)
            self._fresh[:] = False
        self._kept = stacked
        return stacked.copy()  # who gets it may write into it

    def peek(self, picture: NDArray[np.uint8], car: int) -> NDArray[np.uint8]:
        """What `push` would give for one car with a frame (H, W, C); nothing is remembered."""
        if self._kept is None or self._fresh[car]:
            return np.tile(picture, self._frames)
        return np.concatenate([self._kept[car, ..., picture.shape[-1] :], picture], axis=-1)
