"""What can be wrong with what the pilot sees, thinks and finds before it drives, each with the class of its fault.

The classes are openpilot's three (`racer.car.gate.FaultClass`): with NO_ENTRY the car cannot be armed, with
SOFT_DISABLE the throttle is let go of, with IMMEDIATE_DISABLE it is cut and a person has to clear the fault.
A fault that stops a car also bars arming while it lasts.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from racer.car.gate import FaultClass
from racer.car.mailbox import CameraFrame

FRAME_AGE_MAX_NS: Final = 200_000_000
"""A frame is good for this long after it was taken; the actuator holds the same limit on its own."""

FROZEN_FRAMES: Final = 5
"""So many frames in a row with the same pixels are one old picture: real sensors have noise."""

BLACK_FRAMES: Final = 3
"""So many black frames in a row; a single one may be the camera's start."""

BLACK_LEVEL: Final = 12
"""Of 255; a frame without a pixel above this shows nothing (a cap on the lens, no light, no signal)."""

TORN_FRACTION: Final = 0.25
"""A frame whose lowest rows, so much of it, have one single value was cut off on its way."""

LATE_MAX: Final = 3
"""So many late answers of the network within `LATE_WINDOW_NS` stop the car; one alone only slows it."""

LATE_WINDOW_NS: Final = 2_000_000_000

RECOVERY_FRAMES: Final = 10
"""A camera's fault is over after so many good frames in a row."""

_FAULT_TABLE: Final = {
    "camera_ended": (FaultClass.SOFT_DISABLE, "the camera ended"),
    "camera_failed": (FaultClass.SOFT_DISABLE, "the camera failed"),
    "frame_late": (FaultClass.SOFT_DISABLE, "no fresh camera frame for 200 ms"),
    "frame_frozen": (FaultClass.SOFT_DISABLE, f"the camera shows the same picture {FROZEN_FRAMES} times in a row"),
    "frame_black": (FaultClass.SOFT_DISABLE, "the camera's picture is black"),
    "frame_torn": (FaultClass.SOFT_DISABLE, "the lower part of the camera's picture is missing"),
    "frame_wrong": (FaultClass.SOFT_DISABLE, "the camera gave another kind of picture"),
    "frame_time": (FaultClass.SOFT_DISABLE, "the camera's times go backwards, or lie in the future"),
    "inference_late": (FaultClass.SOFT_DISABLE, "the network is too slow"),
    "inference_failed": (FaultClass.IMMEDIATE_DISABLE, "the network failed"),
    "action_refused": (FaultClass.IMMEDIATE_DISABLE, "the network's action is not allowed"),
    "not_ready": (FaultClass.NO_ENTRY, "the car is not ready"),
}


@dataclass(frozen=True, slots=True)
class DrivingFault:
    """One thing that is wrong.

    Attributes:
        name: one of the table above.
        detail: more words, such as what was given.
    """

    name: str
    detail: str = ""

    @property
    def fault_class(self) -> FaultClass:
        """What it leads to."""
        return _FAULT_TABLE[self.name][0]

    @property
    def text(self) -> str:
        """Why, for a person."""
        words = _FAULT_TABLE[self.name][1]
        return f"{words}: {self.detail}" if self.detail else words


def fault_table() -> dict[str, tuple[FaultClass, str]]:
    """Every fault's name, its class and its words, for documents and tests."""
    return dict(_FAULT_TABLE)


class FrameChecks:
    """Looks at every frame as it arrives, in the capture thread; a frame with a fault reaches no network.

    Args:
        shape: (H, W, channels) that the camera was set to.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self._last: CameraFrame | None = None
        self._same = 0
        self._black = 0
        self._digest = 0

    def look(self, frame: CameraFrame, now_ns: int) -> DrivingFault | None:
        """What is wrong with the next frame, or None.

        The same number or the same pixels as before are a fault from the `FROZEN_FRAMES`th time on, black ones from
        the `BLACK_FRAMES`th on; everything else at once.
        """
        if fault := self._kind(frame.pixels) or self._time(frame, now_ns):
            return fault
        frozen = self._frozen(frame)
        return self._shown(frame.pixels) or frozen

    def _kind(self, pixels: NDArray[np.uint8]) -> DrivingFault | None:
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != self.shape:
            given = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            return DrivingFault("frame_wrong", f"{given}, it was set to uint8 {self.shape}")
        return None

    def _time(self, frame: CameraFrame, now_ns: int) -> DrivingFault | None:
        last = self._last
        if frame.captured_ns > now_ns:
            return DrivingFault("frame_time", f"{(frame.captured_ns - now_ns) / 1e6:.1f} ms in the future")
        moved = last is not None and frame.number != last.number
        if last is not None and moved and (frame.number < last.number or frame.captured_ns <= last.captured_ns):
            return DrivingFault("frame_time", f"frame {frame.number} after {last.number}")
        self._last = frame
        return None

    def _frozen(self, frame: CameraFrame) -> DrivingFault | None:
        digest = zlib.crc32(np.ascontiguousarray(frame.pixels).data)
        self._same = self._same + 1 if digest == self._digest else 1
        self._digest = digest
        return DrivingFault("frame_frozen") if self._same >= FROZEN_FRAMES else None

    def _shown(self, pixels: NDArray[np.uint8]) -> DrivingFault | None:
        self._black = self._black + 1 if int(pixels.max()) <= BLACK_LEVEL else 0
        if self._black >= BLACK_FRAMES:
            return DrivingFault("frame_black")
        low = pixels[-max(1, round(TORN_FRACTION * self.shape[0])) :]
        if not self._black and (low == low[0, 0]).all():
            return DrivingFault("frame_torn")
        return None


class LateInferences:
    """Counts answers of the network that came too late; single ones are forgiven."""

    def __init__(self) -> None:
        self._times: list[int] = []

    def late(self, now_ns: int) -> DrivingFault | None:
        """One more late answer; a fault where it was one too many."""
        self._times = [at for at in self._times if now_ns - at < LATE_WINDOW_NS] + [now_ns]
        return DrivingFault("inference_late") if len(self._times) >= LATE_MAX else None

    @property
    def any(self) -> bool:
        """Whether the newest answers included a late one."""
        return bool(self._times)

    def clear(self) -> None:
        """Forget them, as when the car is armed anew."""
        self._times.clear()
