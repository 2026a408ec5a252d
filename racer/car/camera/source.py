"""What every camera is: the seam that it fills, and the error of one that cannot be opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from racer.car.mailbox import Frame
from racer.errors import RacerError


class CameraError(RacerError):
    """A camera that cannot be opened, or was named wrongly."""


class CameraSource(Protocol):
    """A camera that is running."""

    def read(self) -> Frame | None:
        """Wait for the next frame and return it; None where the camera has ended for good.

        Raises:
            OSError: it failed.
        """
        ...

    def close(self) -> None:
        """Stop the camera; a `read` that waits in another thread comes back."""
        ...


Measured = Callable[[int, float, float], None]
"""Takes what sensors measured at a time (monotonic ns): m/s and rad/s."""
