"""Records a drive without delaying the pilot: a bounded queue, a separate thread, and one message when it fails.

The pilot's threads only append to the queue. Items that do not fit are dropped and counted, frames long before rows.
The recorder's thread packs items as they come, and writes them as one chunk five times a second. When the disk fails,
is full or cannot be written to, the recording ends at its last whole chunk, reports it at once, and the car continues:
no stop and no arming depends on a recording.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import CommandSource
from racer.car.recording.drive_file import ACTUATOR_DTYPE, STEP_DTYPE, DriveHeader, DriveStorage, FrameEncoding
from racer.car.recording.writer import DriveWriter

_LOG = logging.getLogger(__name__)

QUEUE_BYTES: Final = 16 * 1024 * 1024
"""Size of the queue above which frames are dropped [bytes]: about 50 s of 160x120 grey frames at 15 Hz."""
QUEUE_ROWS: Final = 8192
"""Number of queued rows above which rows are dropped: about 100 s of a drive."""
FREE_FOR_FRAMES: Final = 512 * 1024 * 1024
"""Free space of the disk below which frames are dropped [bytes]."""
FREE_FOR_ROWS: Final = 64 * 1024 * 1024
"""Free space of the disk below which the recording ends [bytes]: the car's own files need room."""
CHUNK_NS: Final = 200_000_000
"""Time between chunks [ns], which a killed pilot may lose; an event is written at once."""
SYNC_NS: Final = 1_000_000_000
"""Time between flushes to the disk [ns], which a power cut may lose."""
SLOW_NS: Final = 500_000_000
"""Duration of a flush above which the disk is reported as slow [ns]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderStatus:
    """State of a recording.

    Attributes:
        path: The file; None where it could not be created.
        failure: Why the recording ended early; empty while it records, and after `close`.
        written: Size of the file [bytes].
        frames_dropped: Number of frames that were lost: a full queue, a failure, or too little free space.
        rows_dropped: Number of rows and events that were lost.
        sync_ms: Longest flush to the disk [ms].
    """

    path: Path | None
    failure: str
    written: int
    frames_dropped: int
    rows_dropped: int
    sync_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlStep:
    """One control step of the pilot; `STEP_DTYPE` in `racer.car.recording.drive_file` describes the same fields."""

    number: int
    input_id: int
    captured_ns: int
    started_ns: int
    answered_ns: int
    sent_ns: int
    asked_steering_deg: float
    asked_speed: float
    applied_steering_deg: float
    applied_speed: float
    speed_limit: float
    steering_us: int
    throttle_us: int
    source: CommandSource = CommandSource.FRAME


class _QueuedRow(NamedTuple):
    """A row of a table, or an event; packed by the thread that writes."""

    table: str
    values: tuple[Any, ...]


class _QueuedFrame(NamedTuple):
    number: int
    captured_ns: int
    pixels: NDArray[np.uint8]


_EVENT: Final = "event"
_step_values = attrgetter(*STEP_DTYPE.names or ())
_actuator_values = attrgetter(*ACTUATOR_DTYPE.names or ())


class DriveRecorder:
    """Receives steps, statuses and frames in the pilot's threads, and writes them in a separate one.

    `step`, `frame`, `actuator`, `measured` and `event` may be called from any thread, never raise and never wait for
    the disk. Without `start`, only `drain` writes, which the thread calls otherwise.

    Args:
        open_storage: Creates the file; where it raises OSError, this recorder drops everything and reports why.
        header: Header of the drive.
        encoding: Encoding of frames; `PNG` is without loss, for a replay through the pilot.
        clock: Clock of the car, CLOCK_MONOTONIC [ns].
        warn: Receives one line about a problem, at most once for each kind.
    """

    def __init__(
        self,
        open_storage: Callable[[], DriveStorage],
        header: DriveHeader,
        *,
        encoding: FrameEncoding = FrameEncoding.JPEG,
        clock: Callable[[], int] = time.monotonic_ns,
        warn: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self._clock, self._warn, self._encoding = clock, warn, encoding
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._queue: deque[_QueuedRow | _QueuedFrame] = deque()
        self._queued_bytes = self._queued_rows = 0
        self._dropped: Counter[type] = Counter()
        self._reported_dropped = 0
        self._written = self._sync_ns = 0
        self._synced_ns = clock()
        self._room_for_frames = True
        self._ending = self._urgent = False
        # Items of the chunk that is not written yet: they are lost when its write fails.
        self._open: Counter[type] = Counter()
        self._failure = ""
        self._reported: set[str] = set()
        self._thread: threading.Thread | None = None
        self._storage: DriveStorage | None = None
        self._writer = DriveWriter(header)
        try:
            self._storage = open_storage()
            self._write(self._writer.take())
        except OSError as error:
            self._fail(f"cannot write {error.filename or 'the drive'}: {error.strerror or error}")

    # Called in the pilot's threads.

    def step(self, step: ControlStep) -> None:
        """Record a control step."""
        self._put("step", _step_values(step))

    def actuator(self, status: ActuatorStatus) -> None:
        """Record a status of the actuator."""
        self._put("actuator", _actuator_values(status))

    def measured(
        self,
        at_ns: int,
        *,
        speed: float = np.nan,
        yaw_rate: float = np.nan,
        x: float = np.nan,
        y: float = np.nan,
        yaw: float = np.nan,
    ) -> None:
        """Record measurements of sensors.

        Args:
            at_ns: Time of the measurements [ns].
            speed: Forward speed [m/s].
            yaw_rate: Yaw rate, left positive [rad/s].
            x: Position [m].
            y: Position [m].
            yaw: Heading, counter-clockwise from x [rad].
        """
        self._put("measured", (at_ns, speed, yaw_rate, x, y, yaw))

    def event(self, what: str, text: str = "") -> None:
        """Record an event that happens now; it is written at once, with all that is queued."""
        self._put(_EVENT, (self._clock(), what, text))
        self._urgent = True
        self._wake.set()

    def frame(self, number: int, captured_ns: int, pixels: NDArray[np.uint8]) -> None:
        """Record a frame of pixels (H, W, 1) grey or (H, W, 3) RGB; it is copied, so that its buffer can be reused."""
        size = pixels.nbytes
        with self._lock:
            if self._failure or self._ending or not self._room_for_frames or self._queued_bytes + size > QUEUE_BYTES:
                self._dropped[_QueuedFrame] += 1
                return
            self._queued_bytes += size
            self._queue.append(_QueuedFrame(number, captured_ns, pixels.copy()))
        self._wake.set()

    def status(self) -> RecorderStatus:
        """Return the state of the recording."""
        with self._lock:
            return RecorderStatus(
                path=self._storage.path if self._storage else None,
                failure=self._failure,
                written=self._written,
                frames_dropped=self._dropped[_QueuedFrame],
                rows_dropped=self._dropped[_QueuedRow],
                sync_ms=self._sync_ns / 1e6,
            )

    def start(self) -> DriveRecorder:
        """Start the thread that writes; returns this recorder."""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()
        return self

    def close(self, *, timeout_s: float = 2.0) -> None:
        """Write all that is queued and end the drive.

        Args:
            timeout_s: Longest wait for the disk [s]; the thread then continues alone.
        """
        self.event("end", "the recording was closed")
        with self._lock:
            self._ending = True
        self._wake.set()
        if self._thread is None:
            self._finish()
        else:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self._report("the disk hangs; the end of this drive may be lost")

    def _put(self, table: str, values: tuple[Any, ...]) -> None:
        with self._lock:
            if self._failure or self._ending or self._queued_rows >= QUEUE_ROWS:
                self._dropped[_QueuedRow] += 1
                return
            self._queued_rows += 1
            self._queue.append(_QueuedRow(table, values))
        self._wake.set()

    # Called in the recorder's thread.

    def _run(self) -> None:
        try:
            due_ns = time.monotonic_ns() + CHUNK_NS
            while not self._ending:
                self._wake.wait(max(due_ns - time.monotonic_ns(), 0) / 1e9)
                self._wake.clear()
                # Items are packed one by one, not all at the end of the chunk: Python runs one thread at a time, and
                # the pilot should never wait for more than the packing of one item.
                self._pack_queued()
                if self._urgent or time.monotonic_ns() >= due_ns:
                    self._urgent = False
                    self.drain()
                    due_ns = time.monotonic_ns() + CHUNK_NS
            self._finish()
        except BaseException as error:
            self._fail(f"a bug in the recorder ({type(error).__name__}: {error})")
            raise

    def drain(self) -> None:
        """Write all that is queued as one chunk, and flush it to the disk where that is due."""
        self._pack_queued()
        if self._failure:
            return
        try:
            self._write(self._writer.take())
            if self._clock() - self._synced_ns >= SYNC_NS:
                self._sync()
        except OSError as error:
            self._fail(f"{error.strerror or error}")

    def _pack_queued(self) -> None:
        with self._lock:
            batch, self._queue = self._queue, deque()
            self._queued_rows = 0
        # Each item is counted exactly once: as open, or as lost where it cannot be packed or the recording has failed.
        try:
            while batch and not self._failure:
                if self._pack(batch[0]):
                    self._open[type(batch[0])] += 1
                else:
                    self._count_lost([batch[0]])
                batch.popleft()
        finally:
            self._count_lost(batch)

    def _pack(self, item: _QueuedRow | _QueuedFrame) -> bool:
        """Pack an item and return whether that was possible; a failure is reported once."""
        try:
            if isinstance(item, _QueuedFrame):
                with self._lock:
                    self._queued_bytes -= item.pixels.nbytes
                self._writer.frame(*item, self._encoding)
            elif item.table == _EVENT:
                self._writer.event(*item.values)
            else:
                self._writer.row(*item)
        except (ValueError, TypeError, OverflowError, struct.error, OSError, ImportError) as error:
            name = f"a row `{item.table}`" if isinstance(item, _QueuedRow) else f"a frame of shape {item.pixels.shape}"
            self._report(f"{name} cannot be kept; {error}")
            return False
        return True

    def _count_lost(self, items: Iterable[_QueuedRow | _QueuedFrame]) -> None:
        with self._lock:
            self._dropped.update(map(type, items))

    def _write(self, data: bytes) -> None:
        assert self._storage is not None
        if data:
            self._storage.write(data)
        self._open.clear()
        with self._lock:
            self._written += len(data)

    def _sync(self) -> None:
        """Flush to the disk; then check its duration and the free space, and add an event about dropped items."""
        assert self._storage is not None
        before = self._clock()
        self._storage.sync()
        self._synced_ns = self._clock()
        duration_ns = self._synced_ns - before
        self._sync_ns = max(self._sync_ns, duration_ns)
        if duration_ns > SLOW_NS:
            self._report("the disk is slow; frames may be lost")
        free = self._storage.free()
        self._room_for_frames = free >= FREE_FOR_FRAMES
        if free < FREE_FOR_ROWS:
            raise OSError(0, f"only {free / 2**20:.0f} MiB are free")
        if not self._room_for_frames:
            self._report(f"only {free / 2**20:.0f} MiB are free; frames are no longer kept")
        self._add_dropped()
        self._write(self._writer.take())

    def _add_dropped(self) -> None:
        """Add an event where items were lost since the last such event."""
        with self._lock:
            frames, rows = self._dropped[_QueuedFrame], self._dropped[_QueuedRow]
        if frames + rows > self._reported_dropped:
            self._writer.event(self._clock(), "recorder", f"{frames} frames and {rows} rows were lost so far")
        self._reported_dropped = frames + rows

    def _finish(self) -> None:
        self.drain()
        if self._storage is None:
            return
        try:
            if not self._failure:
                self._add_dropped()
                self._write(self._writer.finish())
                self._storage.sync()
        except OSError as error:
            self._fail(f"{error.strerror or error}")
        finally:
            with contextlib.suppress(OSError):
                self._storage.close()

    def _fail(self, reason: str) -> None:
        """End the recording, count waiting and open items as lost, and report the reason."""
        with self._lock:
            self._failure = reason
            waiting, self._queue = self._queue, deque()
            self._dropped.update(self._open)
        self._count_lost(waiting)
        self._report(f"this drive is no longer recorded: {reason}; the car drives on")

    def _report(self, message: str) -> None:
        kind = message.partition(";")[0].rstrip("0123456789")
        if kind not in self._reported:
            self._reported.add(kind)
            self._warn(message)
