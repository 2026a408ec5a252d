"""Which drive is recorded: one from arming until the car has rested for a while. Files are opened and closed apart.

Opening a file may hang where a disk does, so the pilot's thread does neither: until the file is there nothing is
recorded, and the car may drive meanwhile.

Between pilot and actuator: passes everything on, and lets the recorder see it.

    client = ActuatorClient(socket)
    link = RecordedLink(client, recorder=lambda: recorder, ordered=lambda: pilot.order, ...)
    pilot = Pilot(link=link, ...)

A control step is recorded when its command is sent: each new order, and each change of what is sent for it. The
newest frame that the network was asked about is recorded with it, once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import ActuatorRequest, CommandSource, Pulses
from racer.car.gate import ActionBounds
from racer.car.mailbox import CameraFrame
from racer.car.pilot.inference import DriveOrder
from racer.car.recording.drive_file import DriveHeader, DriveStorage, create_drive, utc_text
from racer.car.recording.recorder import ControlStep, DriveRecorder

REST_NS: Final = 15_000_000_000
"""A car that is armed again within this time goes on with the same drive, as DeepRacer's community cars do."""


class DriveRecordings:
    """Recordings of one pilot, one after the other.

    Args:
        folder: where they go; None records nothing.
        header: of a drive that begins now.
        tell: gets one line when a recording goes wrong.

    Attributes:
        recorder: what records now; None where nothing does.
    """

    def __init__(
        self,
        folder: Path | None,
        header: Callable[[], DriveHeader],
        *,
        tell: Callable[[str], None],
        open_storage: Callable[[Path], DriveStorage] = create_drive,
    ) -> None:
        self.recorder: DriveRecorder | None = None
        self._folder, self._header, self._tell, self._open = folder, header, tell, open_storage
        self._key: DriveHeader | None = None
        self._rest_ns: int | None = None
        self._last = ""
        self._opening: threading.Thread | None = None

    def begin(self, now_ns: int) -> None:
        """The car is armed; a drive that only paused goes on, where nothing but the time changed."""
        self._rest_ns = None
        if self._folder is None or (self._opening and self._opening.is_alive()):
            return
        header = self._header()
        if self.recorder is not None and header == self._key:
            return
        self.end()
        self._key, folder = header, self._folder
        dated = header.model_copy(update={"started": utc_text(), "started_ns": now_ns})
        self._opening = threading.Thread(target=self._begin, args=(folder, dated), name="drive", daemon=True)
        self._opening.start()

    def look(self, *, moving: bool, now_ns: int) -> None:
        """Called now and then: a drive ends when the car has been at rest for a while."""
        if moving or self.recorder is None:
            self._rest_ns = None
        elif self._rest_ns is None:
            self._rest_ns = now_ns
        elif now_ns - self._rest_ns >= REST_NS:
            self.end()

    def end(self) -> None:
        """Close what is open, without waiting for it."""
        recorder, self.recorder, self._rest_ns = self.recorder, None, None
        if recorder is not None:
            self._note(recorder)
            threading.Thread(target=recorder.close, name="drive end", daemon=True).start()

    def close(self) -> None:
        """Close what is open, and wait for it: two seconds at most, where a disk hangs."""
        if self._opening is not None:
            self._opening.join(0.5)
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.close()
            self._note(recorder)

    def measured(self, at_ns: int, speed: float, yaw_rate: float) -> None:
        """What sensors measured, m/s and rad/s."""
        if (recorder := self.recorder) is not None:
            recorder.measured(at_ns, speed=speed, yaw_rate=yaw_rate)

    def words(self) -> str:
        """How the recording goes, for a person; empty: there was none."""
        recorder = self.recorder
        return self._words(recorder) if recorder is not None else self._last

    def path(self) -> Path | None:
        """The file that is being written."""
        return recorder.status().path if (recorder := self.recorder) is not None else None

    def _begin(self, folder: Path, header: DriveHeader) -> None:
        self.recorder = DriveRecorder(lambda: self._open(folder), header, tell=self._tell).start()

    def _note(self, recorder: DriveRecorder) -> None:
        self._last = self._words(recorder)

    @staticmethod
    def _words(recorder: DriveRecorder) -> str:
        seen = recorder.status()
        if seen.failure or seen.path is None:
            return f"not recorded: {seen.failure}"
        lost = seen.frames_dropped + seen.rows_dropped
        return f"{seen.path.name}, {seen.written / 1e6:.1f} MB{f', {lost} entries lost' if lost else ''}"


class RecordableLink(Protocol):
    """The part of `ActuatorClient` that the pilot uses."""

    def send(
        self, *, steering_us: int, throttle_us: int, input_id: int, captured_ns: int, source: CommandSource
    ) -> bool: ...

    def request(self, request: ActuatorRequest) -> int: ...

    def poll(self, timeout_s: float = 0.0) -> ActuatorStatus | None: ...


class RecordedLink:
    """A link to the actuator that is overheard. What it cannot record it still passes on.

    Args:
        recorder: what records now; None where nothing does.
        ordered: what the pilot sends by now.
        seen: the newest frame.
        rest: the pulses of a car that stands, straight.
        limits: the speed limit as a share, above 0, up to 1, and the m/s that it allows; those are infinite where
            pulses are no m/s (DeepRacer's mapping).
    """

    def __init__(
        self,
        link: RecordableLink,
        *,
        recorder: Callable[[], DriveRecorder | None],
        ordered: Callable[[], DriveOrder | None],
        seen: Callable[[], CameraFrame | None],
        rest: Pulses,
        limits: Callable[[], tuple[float, float]],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._link, self._recorder, self._ordered, self._seen = link, recorder, ordered, seen
        self._rest, self._limits = rest, limits
        self._clock = clock
        self._number = 0
        self._last: tuple[DriveRecorder, DriveOrder, int, int] | None = None
        self._frame: tuple[DriveRecorder, int] | None = None

    def send(
        self, *, steering_us: int, throttle_us: int, input_id: int, captured_ns: int, source: CommandSource
    ) -> bool:
        """Send, then record."""
        taken = self._link.send(
            steering_us=steering_us,
            throttle_us=throttle_us,
            input_id=input_id,
            captured_ns=captured_ns,
            source=source,
        )
        recorder, order = self._recorder(), self._ordered()
        if recorder is not None and order is not None and (order.source, order.input_id) == (source, input_id):
            self._step(recorder, order, steering_us, throttle_us)
        return taken

    def request(self, request: ActuatorRequest) -> int:
        """Ask, and record what was asked."""
        if (recorder := self._recorder()) is not None:
            recorder.event("request", request.name.lower())
        return self._link.request(request)

    def poll(self, timeout_s: float = 0.0) -> ActuatorStatus | None:
        """Hear, and record what was heard."""
        status = self._link.poll(timeout_s)
        if status is not None and (recorder := self._recorder()) is not None:
            recorder.actuator(status)
        return status

    def _step(self, recorder: DriveRecorder, order: DriveOrder, steering_us: int, throttle_us: int) -> None:
        last = self._last
        if last is not None and last[0] is recorder and last[1] is order and last[2:] == (steering_us, throttle_us):
            return
        self._last = (recorder, order, steering_us, throttle_us)
        self._picture(recorder)
        share, top = self._limits()
        moving = throttle_us != self._rest.throttle_us
        self._number += 1
        recorder.step(
            ControlStep(
                number=self._number,
                input_id=order.input_id,
                captured_ns=order.captured_ns,
                started_ns=order.asked_ns,
                answered_ns=order.done_ns,
                sent_ns=self._clock(),
                asked_steering_deg=order.steering_deg,
                asked_speed=order.speed,
                applied_steering_deg=order.steering_deg,
                applied_speed=min(order.speed, top) if moving else 0.0,
                speed_limit=share,
                steering_us=steering_us,
                throttle_us=throttle_us,
                source=order.source,
            )
        )

    def _picture(self, recorder: DriveRecorder) -> None:
        frame = self._seen()
        if frame is None or self._frame == (recorder, frame.number):
            return
        self._frame = recorder, frame.number
        recorder.frame(frame.number, frame.captured_ns, frame.pixels)


def bounds_tuple(bounds: ActionBounds) -> tuple[float, float, float, float]:
    """A gate's bounds, as a header keeps them."""
    return bounds.steering_low, bounds.steering_high, bounds.speed_low, bounds.speed_high
