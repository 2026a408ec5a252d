"""Faults of the camera, of the network and before driving, each with its class.

The classes are openpilot's three (`FaultClass`): with NO_ENTRY the car cannot be armed, with
SOFT_DISABLE the throttle is released, with IMMEDIATE_DISABLE it is cut and a person must clear the fault.
A fault that stops a car also prevents arming while it lasts.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from racer.car.mailbox import CameraFrame


class FaultClass(IntEnum):
    """Consequence of a fault that the pilot detects; follows openpilot's three classes."""

    NO_ENTRY = 1  # the car cannot be armed
    SOFT_DISABLE = 2  # soft stop: half throttle for one period, then neutral
    IMMEDIATE_DISABLE = 3  # hard stop: the throttle is cut at once


FRAME_AGE_MAX_NS: Final = 200_000_000
"""Largest age of a usable frame [ns]; the actuator checks the same limit independently."""

FROZEN_FRAMES: Final = 5
"""Number of equal frames in a row that count as one old picture: real sensors have noise."""

BLACK_FRAMES: Final = 3
"""Number of black frames in a row that are a fault; a single one may be the camera's start."""

BLACK_LEVEL: Final = 12
"""Largest pixel of a black frame [of 255]: a cap on the lens, no light, no signal."""

TORN_FRACTION: Final = 0.25
"""Fraction of a frame's rows, at the bottom, that have one single value where it was cut off in transfer."""

LATE_MAX: Final = 3
"""Number of late results within `LATE_WINDOW_NS` that stop the car; a single one only slows it."""

LATE_WINDOW_NS: Final = 2_000_000_000
"""Time for which a late result counts [ns]."""

RECOVERY_FRAMES: Final = 10
"""Number of good frames in a row after which a fault of the camera is over."""

FAULT_TABLE: Final = {
    "camera_ended": (FaultClass.SOFT_DISABLE, "the camera ended"),
    "camera_failed": (FaultClass.SOFT_DISABLE, "the camera failed"),
    "frame_late": (FaultClass.SOFT_DISABLE, "no fresh camera frame for 200 ms"),
    "frame_frozen": (FaultClass.SOFT_DISABLE, f"the camera shows the same picture {FROZEN_FRAMES} times in a row"),
    "frame_black": (FaultClass.SOFT_DISABLE, "the camera's picture is black"),
    "frame_torn": (FaultClass.SOFT_DISABLE, "the lower part of the camera's picture is missing"),
    "frame_wrong": (FaultClass.SOFT_DISABLE, "the camera's picture has another size or type"),
    "frame_time": (FaultClass.SOFT_DISABLE, "the camera's times go backwards, or lie in the future"),
    "inference_late": (FaultClass.SOFT_DISABLE, "the network is too slow"),
    "inference_failed": (FaultClass.IMMEDIATE_DISABLE, "the network failed"),
    "action_refused": (FaultClass.IMMEDIATE_DISABLE, "the network's action is not allowed"),
    "not_ready": (FaultClass.NO_ENTRY, "the car is not ready"),
}
"""Name of each fault to its class and its description."""


@dataclass(frozen=True, slots=True)
class DrivingFault:
    """One fault.

    Attributes:
        name: Name in the table of faults.
        detail: More text, such as the given value.
    """

    name: str
    detail: str = ""

    @property
    def fault_class(self) -> FaultClass:
        """Class of the fault: its consequence."""
        return FAULT_TABLE[self.name][0]

    @property
    def text(self) -> str:
        """Description of the fault."""
        description = FAULT_TABLE[self.name][1]
        return f"{description}: {self.detail}" if self.detail else description


class FrameChecks:
    """Checks every frame when it arrives, in the capture thread; a frame with a fault does not reach the network.

    Args:
        shape: Configured shape of a frame, (H, W, channels).
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self._last: CameraFrame | None = None
        self._same = 0
        self._black = 0
        self._digest = 0

    def check(self, frame: CameraFrame, now_ns: int) -> DrivingFault | None:
        """Return the fault of the next frame, or None.

        The same number or the same pixels as before are a fault from the `FROZEN_FRAMES`th time on, black ones from
        the `BLACK_FRAMES`th on; everything else at once.
        """
        if fault := self._check_type(frame.pixels) or self._check_time(frame, now_ns):
            return fault
        # Both checks count frames in a row, so both see every frame. A black frame repeats itself too; black is the
        # more precise reason.
        frozen = self._check_frozen(frame)
        return self._check_content(frame.pixels) or frozen

    def _check_type(self, pixels: NDArray[np.uint8]) -> DrivingFault | None:
        # Type first: the other checks rely on a uint8 array of the configured shape.
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != self.shape:
            given = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            return DrivingFault("frame_wrong", f"{given} instead of uint8 {self.shape}")
        return None

    def _check_time(self, frame: CameraFrame, now_ns: int) -> DrivingFault | None:
        last = self._last
        if frame.captured_ns > now_ns:
            return DrivingFault("frame_time", f"{(frame.captured_ns - now_ns) / 1e6:.1f} ms in the future")
        # A repeated number is left to the check for frozen pictures.
        if (
            last is not None
            and frame.number != last.number
            and (frame.number < last.number or frame.captured_ns <= last.captured_ns)
        ):
            return DrivingFault("frame_time", f"frame {frame.number} after {last.number}")
        self._last = frame
        return None

    def _check_frozen(self, frame: CameraFrame) -> DrivingFault | None:
        # A checksum instead of a comparison with a copy of the last picture: cheaper, and it needs no memory.
        digest = zlib.crc32(np.ascontiguousarray(frame.pixels).data)
        self._same = self._same + 1 if digest == self._digest else 1
        self._digest = digest
        return DrivingFault("frame_frozen") if self._same >= FROZEN_FRAMES else None

    def _check_content(self, pixels: NDArray[np.uint8]) -> DrivingFault | None:
        self._black = self._black + 1 if int(pixels.max()) <= BLACK_LEVEL else 0
        if self._black >= BLACK_FRAMES:
            return DrivingFault("frame_black")
        # A transfer that ends early leaves the rest of the buffer at one value. A black frame is not torn.
        low = pixels[-max(1, round(TORN_FRACTION * self.shape[0])) :]
        if not self._black and (low == low[0, 0]).all():
            return DrivingFault("frame_torn")
        return None


class LateInferences:
    """Counts late results of the network; single ones are tolerated."""

    def __init__(self) -> None:
        self._times: list[int] = []

    def late(self, now_ns: int) -> DrivingFault | None:
        """Count a late result; returns a fault from the `LATE_MAX`th on."""
        # Only results within the window count, so that rare late ones never add up.
        self._times = [at for at in self._times if now_ns - at < LATE_WINDOW_NS] + [now_ns]
        return DrivingFault("inference_late") if len(self._times) >= LATE_MAX else None

    @property
    def any(self) -> bool:
        """Whether a recent result was late."""
        return bool(self._times)

    def clear(self) -> None:
        """Forget the late results, as when the car is armed."""
        self._times.clear()
