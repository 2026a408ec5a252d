"""Records a drive without ever holding up the pilot: a bounded queue, a separate thread, a clear message when it fails.

The pilot's side only appends to the queue. What does not fit is dropped and counted, frames long before rows. The
thread packs items as they come, and writes them as one chunk five times a second. When the disk fails, is full or
cannot be written to, the recording ends at its last whole chunk, reports it at once, and the car drives on: no stop and
no arming depends on a recording.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import CommandSource
from racer.car.recording.drive_file import DriveHeader, DriveStorage, FrameEncoding
from racer.car.recording.writer import DriveWriter

_LOG = logging.getLogger(__name__)

QUEUE_BYTES: Final = 16 * 1024 * 1024
"""Frames are dropped beyond this: about 50 s of 160x120 grey frames at 15 Hz."""
QUEUE_ROWS: Final = 8192
"""Rows are dropped beyond this: about 100 s of a drive."""
FREE_FOR_FRAMES: Final = 512 * 1024 * 1024
"""Bytes free on the disk below which no more frames are kept."""
FREE_FOR_ROWS: Final = 64 * 1024 * 1024
"""Bytes free on the disk below which the recording ends: the car's own files need room."""
CHUNK_NS: Final = 200_000_000
"""Time between chunks [ns]: what a killed pilot may cost. An event is written at once."""
SYNC_NS: Final = 1_000_000_000
"""How often the file is forced to the disk: what a power cut may cost."""
SLOW_NS: Final = 500_000_000
"""A disk that takes longer for that is called slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderStatus:
    """How the recording goes.

    Attributes:
        path: the file; None: there is none.
        failure: why nothing more is recorded; empty: all is well, or it was closed.
        written: bytes in the file.
        frames_dropped, rows_dropped: what did not fit into the queue, came after a failure or found too little room.
        sync_ms: the longest that the disk took.
    """

    path: Path | None
    failure: str
    written: int
    frames_dropped: int
    rows_dropped: int
    sync_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlStep:
    """One control step, as the pilot tells it; see `racer.car.drives.file.STEP` for units."""

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


class DriveRecorder:
    """Takes what happens from the pilot's threads and writes it from its own.

    `step`, `frame`, `actuator`, `measured` and `event` may be called from any thread, never raise and never wait for
    the disk. Without `start` nothing is written until `drain` is called, which is what the thread does.

    Args:
        open_storage: makes the file; where it raises OSError, this recorder drops everything and says why.
        encoding: of frames; `PNG` keeps every bit, for a replay through the pilot.
        tell: gets one line when something goes wrong, at most once for each kind of trouble.
    """

    def __init__(
        self,
        open_storage: Callable[[], DriveStorage],
        header: DriveHeader,
        *,
        encoding: FrameEncoding = FrameEncoding.JPEG,
        clock: Callable[[], int] = time.monotonic_ns,
        tell: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self._clock, self._tell, self._encoding = clock, tell, encoding
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._queue: deque[_QueuedRow | _QueuedFrame] = deque()
        self._queued_bytes = self._queued_rows = 0
        self._frames_dropped = self._rows_dropped = self._told_dropped = 0
        self._written = self._sync_ns = 0
        self._synced_ns = clock()
        self._room_for_frames = True
        self._ending = self._urgent = False
        self._open_rows = self._open_frames = 0  # in the chunk that is not written yet
        self._failure = ""
        self._said: set[str] = set()
        self._thread: threading.Thread | None = None
        self._storage: DriveStorage | None = None
        self._writer = DriveWriter(header)
        try:
            self._storage = open_storage()
            self._write(self._writer.take())
        except OSError as error:
            self._fail(f"cannot write {error.filename or 'the drive'}: {error.strerror or error}")

    # The pilot's side.

    def step(self, step: ControlStep) -> None:
        """A control step."""
        s = step
        pulses = (s.steering_us, s.throttle_us, s.source)
        times = (s.captured_ns, s.started_ns, s.answered_ns, s.sent_ns)
        asked = (s.asked_steering_deg, s.asked_speed)
        applied = (s.applied_steering_deg, s.applied_speed, s.speed_limit)
        self._put("step", (s.number, s.input_id, *times, *asked, *applied, *pulses))

    def actuator(self, status: ActuatorStatus) -> None:
        """What the actuator says it does."""
        s = status
        counts = (s.rejected, s.retries, s.late)
        wire = (s.steering_us, s.throttle_us, s.state, s.reason)
        self._put("actuator", (s.now_ns, s.seq, s.input_id, s.written_ns, *counts, *wire))

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
        """What sensors measured: m/s, rad/s, m and rad."""
        self._put("measured", (at_ns, speed, yaw_rate, x, y, yaw))

    def event(self, what: str, text: str = "") -> None:
        """Something that happened now; it is written at once, with all that is queued."""
        self._put(_EVENT, (self._clock(), what, text))
        self._urgent = True
        self._wake.set()

    def frame(self, number: int, captured_ns: int, pixels: NDArray[np.uint8]) -> None:
        """A frame, (H, W, 1) grey or (H, W, 3) RGB; it is copied, so that the camera may use its buffer again."""
        size = pixels.nbytes
        with self._lock:
            if self._failure or self._ending or not self._room_for_frames or self._queued_bytes + size > QUEUE_BYTES:
                self._frames_dropped += 1
                return
            self._queued_bytes += size
            self._queue.append(_QueuedFrame(number, captured_ns, pixels.copy()))
        self._wake.set()

    def status(self) -> RecorderStatus:
        """How the recording goes."""
        with self._lock:
            return RecorderStatus(
                path=self._storage.path if self._storage else None,
                failure=self._failure,
                written=self._written,
                frames_dropped=self._frames_dropped,
                rows_dropped=self._rows_dropped,
                sync_ms=self._sync_ns / 1e6,
            )

    def start(self) -> DriveRecorder:
        """Start the thread that writes; itself."""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()
        return self

    def close(self, *, timeout_s: float = 2.0) -> None:
        """Write what is queued and end; a disk that takes longer is left alone."""
        self.event("end", "the recording was closed")
        with self._lock:
            self._ending = True
        self._wake.set()
        if self._thread is None:
            self._finish()
        else:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self._say("the disk hangs; the end of this drive may be lost")

    def _put(self, table: str, values: tuple[Any, ...]) -> None:
        with self._lock:
            if self._failure or self._ending or self._queued_rows >= QUEUE_ROWS:
                self._rows_dropped += 1
                return
            self._queued_rows += 1
            self._queue.append(_QueuedRow(table, values))
        self._wake.set()

    # The thread's side.

    def _run(self) -> None:
        try:
            due_ns = time.monotonic_ns() + CHUNK_NS
            while not self._ending:
                self._wake.wait(max(due_ns - time.monotonic_ns(), 0) / 1e9)
                self._wake.clear()
                # Packed one by one, not all at the end of the chunk: Python runs one thread at a time, and the pilot
                # should never wait for more than the packing of one item.
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
        """Write all that is queued now as one chunk; and force it to the disk where that is due."""
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
        try:
            while batch and not self._failure:
                if self._pack(batch[0]):
                    self._open_rows += isinstance(batch[0], _QueuedRow)
                    self._open_frames += isinstance(batch[0], _QueuedFrame)
                else:
                    self._lose([batch[0]])
                batch.popleft()
        finally:
            self._lose(batch)

    def _pack(self, item: _QueuedRow | _QueuedFrame) -> bool:
        """Pack an item, here, where the pilot does not wait. What cannot be packed is lost, and reported once."""
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
            what = f"a row `{item.table}`" if isinstance(item, _QueuedRow) else f"a frame of shape {item.pixels.shape}"
            self._say(f"{what} cannot be kept; {error}")
            return False
        return True

    def _lose(self, items: Iterable[_QueuedRow | _QueuedFrame]) -> None:
        with self._lock:
            rows = [isinstance(item, _QueuedRow) for item in items]
            self._rows_dropped += sum(rows)
            self._frames_dropped += len(rows) - sum(rows)

    def _write(self, data: bytes) -> None:
        assert self._storage is not None
        if data:
            self._storage.write(data)
        self._open_rows = self._open_frames = 0
        with self._lock:
            self._written += len(data)

    def _sync(self) -> None:
        """To the disk; then look at how long that took, how much room there is, and what was dropped meanwhile."""
        assert self._storage is not None
        before = self._clock()
        self._storage.sync()
        self._synced_ns = self._clock()
        took = self._synced_ns - before
        self._sync_ns = max(self._sync_ns, took)
        if took > SLOW_NS:
            self._say("the disk is slow; frames may be lost")
        free = self._storage.free()
        self._room_for_frames = free >= FREE_FOR_FRAMES
        if free < FREE_FOR_ROWS:
            raise OSError(0, f"only {free / 2**20:.0f} MiB are free")
        if not self._room_for_frames:
            self._say(f"only {free / 2**20:.0f} MiB are free; frames are no longer kept")
        self._add_dropped()
        self._write(self._writer.take())

    def _add_dropped(self) -> None:
        """Add an event where something was lost since the last one."""
        with self._lock:
            lost, text = self._frames_dropped + self._rows_dropped, ""
            if lost > self._told_dropped:
                text = f"{self._frames_dropped} frames and {self._rows_dropped} rows were lost so far"
            self._told_dropped = lost
        if text:
            self._writer.event(self._clock(), "recorder", text)

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

    def _fail(self, why: str) -> None:
        """End the recording, count what waits as lost, and say so."""
        with self._lock:
            self._failure = why
            waiting, self._queue = self._queue, deque()
            self._rows_dropped += self._open_rows
            self._frames_dropped += self._open_frames
        self._lose(waiting)
        self._say(f"this drive is no longer recorded: {why}; the car drives on")

    def _say(self, words: str) -> None:
        kind = words.partition(";")[0].rstrip("0123456789")
        if kind not in self._said:
            self._said.add(kind)
            self._tell(words)
