"""Records the drives of a pilot: selects which drives become files and which control steps become rows.

    entries = pilot.step(now_ns)                     statuses, requests and commands of this step
    StepRecorder.record(drives.recorder, entries)    into the present drive

A drive lasts from arming until the car has rested for a while. Opening a file may hang where a disk does, so threads
open and close the files: until a file is open nothing is recorded, and the car may drive meanwhile.

A control step is recorded when its command is sent: each new order, and each change of the pulses that are sent for it.
The frame that the network used for it is recorded once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import ActuatorRequest, Pulses
from racer.car.pilot.pilot import PilotEntry, SentCommand
from racer.car.recording.drive_file import DriveHeader, DriveStorage, create_drive, utc_text
from racer.car.recording.recorder import ControlStep, DriveRecorder

REST_NS: Final = 15_000_000_000
"""Rest after which a drive ends [ns]; a car that is armed earlier continues it, as DeepRacer's community cars do."""


class StepRecorder:
    """Writes the entries of a pilot's steps into the present drive.

    Args:
        rest: Pulses of a car at rest, wheels straight.
        clock: Monotonic time [ns].
    """

    def __init__(self, rest: Pulses, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._rest, self._clock = rest, clock
        self._number = 0
        self._last: tuple[object, ...] = ()
        self._last_frame: tuple[object, ...] = ()

    def record(self, recorder: DriveRecorder, entries: Iterable[PilotEntry], *, limit: float, speed_max: float) -> None:
        """Write entries in their order.

        Args:
            recorder: Drive to write to.
            entries: Entries of one step.
            limit: Speed limit as a fraction, above 0, up to 1.
            speed_max: Speed that the limit allows [m/s]; infinite where pulses are not speeds (DeepRacer's mapping).
        """
        for entry in entries:
            if isinstance(entry, ActuatorStatus):
                recorder.actuator(entry)
            elif isinstance(entry, ActuatorRequest):
                recorder.event("request", entry.name.lower())
            else:
                self._record_command(recorder, entry, limit, speed_max)

    def _record_command(self, recorder: DriveRecorder, sent: SentCommand, limit: float, speed_max: float) -> None:
        order, pulses, frame = sent.order, sent.pulses, sent.frame
        # Commands are repeated every 30 ms as heartbeats; a repetition is not another control step.
        # A new drive begins with the present order, even if the last drive holds it as well.
        if self._last and self._last[0] is recorder and self._last[1] is order and self._last[2] == pulses:
            return
        self._last = recorder, order, pulses
        # A frame that two control steps used, or that was used again, is stored once in each drive.
        if frame is not None and self._last_frame != (recorder, frame.number):
            self._last_frame = recorder, frame.number
            recorder.frame(frame.number, frame.captured_ns, frame.pixels)
        moving = pulses.throttle_us != self._rest.throttle_us
        self._number += 1
        recorder.step(
            ControlStep(
                number=self._number,
                input_id=order.input_id,
                captured_ns=order.captured_ns,
                started_ns=order.started_ns,
                answered_ns=order.done_ns,
                sent_ns=self._clock(),
                asked_steering_deg=order.steering_deg,
                asked_speed=order.speed,
                applied_steering_deg=order.steering_deg,
                applied_speed=min(order.speed, speed_max) if moving else 0.0,
                speed_limit=limit,
                steering_us=pulses.steering_us,
                throttle_us=pulses.throttle_us,
                source=order.source,
            )
        )


class DriveRecordings:
    """Drives of one pilot, recorded one after the other.

    Args:
        folder: Folder of the files; None records nothing.
        warn: Receives one line if a recording fails.
        open_storage: Creates a file in the folder.

    Attributes:
        recorder: Recorder of the present drive; None if there is none.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        warn: Callable[[str], None],
        open_storage: Callable[[Path], DriveStorage] = create_drive,
    ) -> None:
        self.recorder: DriveRecorder | None = None
        self._folder, self._warn, self._open_storage = folder, warn, open_storage
        self._header: DriveHeader | None = None
        self._rest_ns: int | None = None
        self._last_summary = ""
        self._opening: threading.Thread | None = None

    def begin(self, header: DriveHeader, now_ns: int) -> None:
        """Begin a drive when the car is armed, or continue a paused one with the same header.

        Args:
            header: Header of the drive, without its time.
            now_ns: Monotonic time [ns].
        """
        self._rest_ns = None
        # An open that hangs blocks later drives, not the car: one waiting thread is enough.
        if self._folder is None or (self._opening and self._opening.is_alive()):
            return
        if self.recorder is not None and header == self._header:
            return
        self.end()
        self._header = header
        # The time is not part of the header that is compared, else no drive would ever continue.
        dated = header.model_copy(update={"started": utc_text(), "started_ns": now_ns})
        self._opening = threading.Thread(target=self._open, args=(self._folder, dated), name="drive", daemon=True)
        self._opening.start()

    def update(self, *, moving: bool, now_ns: int) -> None:
        """End the drive when the car has been at rest for `REST_NS`; called at every turn of the pilot."""
        if moving or self.recorder is None:
            self._rest_ns = None
        elif self._rest_ns is None:
            self._rest_ns = now_ns
        elif now_ns - self._rest_ns >= REST_NS:
            self.end()

    def end(self) -> None:
        """Close the drive without waiting for it."""
        recorder, self.recorder, self._rest_ns = self.recorder, None, None
        if recorder is not None:
            self._last_summary = _summary(recorder)
            threading.Thread(target=recorder.close, name="drive end", daemon=True).start()

    def close(self) -> None:
        """Close the drive and wait for it; the wait has a limit, because a disk may hang."""
        if self._opening is not None:
            self._opening.join(0.5)
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.close()
            self._last_summary = _summary(recorder)

    def measured(self, at_ns: int, speed: float, yaw_rate: float) -> None:
        """Record a measurement of the sensors: speed [m/s] and yaw rate [rad/s] at a monotonic time [ns]."""
        if (recorder := self.recorder) is not None:
            recorder.measured(at_ns, speed=speed, yaw_rate=yaw_rate)

    def summary(self) -> str:
        """Return the state of the recording as text; empty before the first one."""
        recorder = self.recorder
        return _summary(recorder) if recorder is not None else self._last_summary

    def path(self) -> Path | None:
        """Return the file that is being written; None if there is none."""
        return recorder.status().path if (recorder := self.recorder) is not None else None

    def _open(self, folder: Path, header: DriveHeader) -> None:
        self.recorder = DriveRecorder(lambda: self._open_storage(folder), header, warn=self._warn).start()


def _summary(recorder: DriveRecorder) -> str:
    status = recorder.status()
    if status.failure or status.path is None:
        return f"not recorded: {status.failure}"
    lost = status.frames_dropped + status.rows_dropped
    return f"{status.path.name}, {status.written / 1e6:.1f} MB{f', {lost} entries lost' if lost else ''}"
