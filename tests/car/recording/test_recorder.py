"""The recorder: everything arrives, nothing ever blocks or raises on the pilot's side, and failures are loud (D1)."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from racer.car.recording import recorder as recorder_module
from racer.car.recording.drive_file import DriveHeader, FileStorage, FrameEncoding, create_drive
from racer.car.recording.reader import read_drive
from racer.car.recording.recorder import (
    FREE_FOR_FRAMES,
    FREE_FOR_ROWS,
    QUEUE_BYTES,
    QUEUE_ROWS,
    SLOW_NS,
    SYNC_NS,
    DriveRecorder,
)
from support.processes import environment
from support.recorded_drives import FakeClock, FakeDisk, picture, status, step


class Bench:
    """A recorder over a fake disk and clock, without its thread."""

    def __init__(self, **options):
        self.disk, self.clock, self.told = FakeDisk(), FakeClock(), []
        self.recorder = DriveRecorder(
            lambda: self.disk, DriveHeader(), clock=self.clock, tell=self.told.append, **options
        )  # fmt: skip


def test_thread_writes_everything(tmp_path):
    """With its thread, all that was told is in the file after `close`."""
    recorder = DriveRecorder(lambda: FileStorage(tmp_path / "a.mcap"), DriveHeader()).start()
    for number in range(200):
        recorder.step(step(number))
        recorder.actuator(status(number))
        recorder.frame(number, number, picture(number))
    recorder.close()
    drive = read_drive(tmp_path / "a.mcap")
    assert drive.steps["number"].tolist() == list(range(200))
    assert len(drive.actuator) == len(drive.frames) == 200
    assert recorder.status().written == (tmp_path / "a.mcap").stat().st_size
    assert (recorder.status().failure, recorder.status().rows_dropped) == ("", 0)


def test_frame_is_copied(tmp_path):
    """A camera may use its buffer again at once."""
    bench = Bench(encoding=FrameEncoding.PNG)
    pixels = picture(1)
    bench.recorder.frame(1, 1, pixels)
    pixels[:] = 0
    bench.recorder.close()
    drive = bench.disk.drive(tmp_path)
    assert np.array_equal(drive.pixels(drive.frames[0]), picture(1))


def test_full_queue_drops_frames_before_rows(tmp_path):
    """Frames beyond the bytes allowed and rows beyond the count are dropped, counted and told in the drive."""
    bench = Bench(encoding=FrameEncoding.PNG)
    large = np.zeros((1024, 1024, 1), np.uint8)
    fit = QUEUE_BYTES // large.nbytes
    for number in range(fit + 3):
        bench.recorder.frame(number, number, large)
    for number in range(QUEUE_ROWS + 5):
        bench.recorder.step(step(number))
    found = bench.recorder.status()
    assert (found.frames_dropped, found.rows_dropped) == (3, 5)
    bench.recorder.drain()
    bench.recorder.frame(99, 99, large)  # there is room again
    bench.recorder.close()
    drive = bench.disk.drive(tmp_path)
    assert len(drive.frames) == fit + 1 and len(drive.steps) == QUEUE_ROWS
    assert "3 frames and 5 rows were lost" in drive.events[-1].text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_disk_fails_while_driving(tmp_path, number):
    """The recording ends at its last whole record, says so once, and everything later is dropped without harm."""
    bench = Bench()
    bench.recorder.step(step(0))
    bench.recorder.drain()
    bench.disk.error = OSError(number, os.strerror(number))
    for later in range(1, 4):
        bench.recorder.step(step(later))
        bench.recorder.frame(later, later, picture(later))
        bench.recorder.drain()
    bench.recorder.close()
    found = bench.recorder.status()
    assert found.failure == os.strerror(number)
    assert (found.rows_dropped, found.frames_dropped) == (4, 3)
    assert bench.told == [f"this drive is no longer recorded: {os.strerror(number)}; the car drives on"]
    assert len(bench.disk.drive(tmp_path).steps) == 1 and bench.disk.closed


def test_nowhere_to_write(tmp_path):
    """A folder that cannot be made is no reason not to drive: no exception, one line, everything counted."""
    (tmp_path / "file").write_text("")
    told = []
    recorder = DriveRecorder(lambda: create_drive(tmp_path / "file"), DriveHeader(), tell=told.append).start()
    recorder.step(step(0))
    recorder.frame(0, 0, picture(0))
    recorder.close()
    found = recorder.status()
    assert found.path is None and "cannot write" in found.failure
    assert (found.rows_dropped, found.frames_dropped) == (2, 1)
    assert len(told) == 1 and "the car drives on" in told[0]


def test_full_device():
    """A real device that is always full."""
    storage = FileStorage.__new__(FileStorage)
    storage.path, storage._file, storage._size = Path("/dev/full"), os.open("/dev/full", os.O_WRONLY), 0
    told = []
    recorder = DriveRecorder(lambda: storage, DriveHeader(), tell=told.append)
    recorder.step(step(0))
    recorder.close()
    assert "No space left" in recorder.status().failure and len(told) == 1


def test_little_room(tmp_path):
    """With little room left frames go first, with less the recording ends; both are said."""
    bench = Bench()
    bench.disk.room = FREE_FOR_FRAMES - 1
    bench.clock.now += SYNC_NS
    bench.recorder.drain()
    bench.recorder.frame(1, 1, picture(1))
    bench.recorder.step(step(1))
    bench.disk.room = FREE_FOR_ROWS - 1
    bench.clock.now += SYNC_NS
    bench.recorder.drain()
    bench.recorder.step(step(2))
    bench.recorder.close()
    found = bench.recorder.status()
    assert found.frames_dropped == 1 and found.rows_dropped == 2
    assert "63 MiB are free" in found.failure or "64 MiB are free" in found.failure
    assert len(bench.told) == 2 and "no longer kept" in bench.told[0]
    drive = bench.disk.drive(tmp_path)
    assert len(drive.steps) == 1 and not drive.frames


def test_slow_disk_is_told_once():
    """An fsync of more than half a second is measured and said, once."""
    bench = Bench()
    bench.disk.on_sync = lambda: setattr(bench.clock, "now", bench.clock.now + SLOW_NS + 1)
    for _ in range(3):
        bench.clock.now += SYNC_NS
        bench.recorder.drain()
    assert bench.recorder.status().sync_ms == (SLOW_NS + 1) / 1e6
    assert bench.told == ["the disk is slow; frames may be lost"]


def test_sync_once_a_second():
    """The file is forced to the disk when a second has passed, and not before."""
    bench = Bench()
    for quarter in range(1, 9):
        bench.clock.now = quarter * SYNC_NS // 4
        bench.recorder.drain()
    assert bench.disk.synced == 2


def test_hanging_disk_holds_nobody_up():
    """While a write hangs the pilot's calls return; `close` gives up on it, and says so."""
    bench = Bench()
    hangs, released = threading.Event(), threading.Event()

    def hang():
        hangs.set()
        released.wait(20)

    bench.disk.on_write = hang
    bench.recorder.start()
    bench.recorder.step(step(0))
    assert hangs.wait(20)
    for number in range(QUEUE_ROWS + 10):
        bench.recorder.step(step(number))
    bench.recorder.frame(1, 1, picture(1))
    assert bench.recorder.status().rows_dropped >= 10
    bench.recorder.close(timeout_s=0.01)
    assert any("hangs" in words for words in bench.told)
    released.set()
    bench.recorder._thread.join(20)
    assert bench.disk.closed


def test_what_cannot_be_packed_is_lost_alone(tmp_path):
    """A pilot's bug, such as a negative pulse or a strange frame, costs that one record."""
    bench = Bench()
    bench.recorder.step(step(0, steering_us=-1))
    bench.recorder.frame(0, 0, np.zeros((2, 2, 7), np.uint8))
    bench.recorder.step(step(1))
    bench.recorder.drain()
    bench.recorder.close()
    found = bench.recorder.status()
    assert (found.rows_dropped, found.frames_dropped, found.failure) == (1, 1, "")
    assert len(bench.told) == 2 and all("cannot be kept" in words for words in bench.told)
    assert bench.disk.drive(tmp_path).steps["number"].tolist() == [1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_bug_in_the_recorder_is_loud(monkeypatch):
    """A thread that dies takes the recording with it, says so, and nothing waits for it."""
    bench = Bench()
    monkeypatch.setattr(bench.recorder, "_pack", lambda item: 1 / 0)
    bench.recorder.start().step(step(0))
    bench.recorder._thread.join(20)
    bench.recorder.close()
    assert "ZeroDivisionError" in bench.recorder.status().failure
    assert len(bench.told) == 1


def test_failing_close():
    """A disk that fails at the very end is told as well."""
    bench = Bench()

    def fail():
        raise OSError(errno.EIO, "Input/output error")

    bench.disk.on_sync = fail
    bench.recorder.close()
    assert bench.recorder.status().failure == "Input/output error" and bench.disk.closed


def test_names_do_not_collide(tmp_path):
    """Two drives of the same second get two files."""
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    names = []
    for _ in range(3):
        storage = create_drive(tmp_path / "drives", now=lambda: at)
        storage.close()
        names.append(storage.path.name)
    assert names == ["drive-20260102-030405.mcap", "drive-20260102-030405-2.mcap", "drive-20260102-030405-3.mcap"]


def test_half_a_write_is_cut_off(tmp_path):
    """Where the disk takes a part of a record and then no more, the file ends with the record before (a real limit)."""
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from racer.car.recording.drive_file import FileStorage\n"
        "storage = FileStorage(Path(sys.argv[1]))\n"
        "storage.write(b'a' * 1000)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "try:\n    storage.write(b'b' * 1000)\n"
        "except OSError as error:\n    print(error.errno)\n"
    )
    path = tmp_path / "limited"
    said = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout
    assert int(said) == errno.EFBIG
    assert path.read_bytes() == b"a" * 1000
    assert FileStorage(tmp_path / "other").free() > 0


def test_killed_recorder_leaves_a_readable_drive(tmp_path):
    """kill -9 in the middle of recording: the file reads up to there, rows in order."""
    program = (
        "import sys, itertools\n"
        "from support.recorded_drives import picture, step\n"
        "from racer.car.recording.drive_file import DriveHeader\n"
        "from racer.car.recording.drive_file import new_drive\n"
        "from racer.car.recording.recorder import DriveRecorder\n"
        "recorder = DriveRecorder(lambda: new_drive(__import__('pathlib').Path(sys.argv[1])), DriveHeader()).start()\n"
        "for number in itertools.count():\n"
        "    recorder.step(step(number)); recorder.frame(number, number, picture(number))\n"
        "    if recorder.status().written > 200_000: print(recorder.status().path, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, env=environment())
    path = Path(child.stdout.readline().decode().strip())
    child.send_signal(signal.SIGKILL)
    child.wait(20)
    child.stdout.close()
    drive = read_drive(path)
    numbers = drive.steps["number"].tolist()
    assert len(numbers) > 5 and numbers == list(range(len(numbers)))
    assert drive.damage
    assert drive.pixels(drive.frames[-1]).shape == (120, 160, 1)


def test_an_event_is_written_at_once(monkeypatch):
    """Rows and frames wait for the next chunk, however long that takes; an event takes them along."""
    monkeypatch.setattr(recorder_module, "CHUNK_NS", 10**15)
    bench, wrote = Bench(), threading.Event()
    bench.recorder.start()
    bench.disk.on_write = wrote.set
    for number in range(5):
        bench.recorder.step(step(number))
        bench.recorder.frame(number, number, picture(number))
    assert not wrote.wait(0.05)
    bench.recorder.event("request", "stop")
    assert wrote.wait(20)
    bench.recorder.close()


def test_what_waits_for_its_chunk_is_counted():
    """Items that are packed when the disk fails are lost, as those in the queue are."""
    bench = Bench()
    for number in range(3):
        bench.recorder.step(step(number))
        bench.recorder.frame(number, number, picture(number))
    bench.recorder._pack_queued()
    bench.recorder.step(step(9))
    bench.disk.error = OSError(errno.ENOSPC, "full")
    bench.recorder.drain()
    found = bench.recorder.status()
    assert (found.failure, found.rows_dropped, found.frames_dropped) == ("full", 4, 3)


def test_rows_are_written_without_an_event(tmp_path):
    """What is queued reaches the file while the recorder runs, with nothing that wakes its thread."""
    recorder = DriveRecorder(lambda: FileStorage(tmp_path / "a.mcap"), DriveHeader()).start()
    recorder.step(step(0))
    until = time.monotonic() + 30.0
    while not len(read_drive(tmp_path / "a.mcap").steps):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "was not closed" in read_drive(tmp_path / "a.mcap").damage
    recorder.close()
    assert not read_drive(tmp_path / "a.mcap").damage


def test_a_drain_is_one_chunk_and_an_empty_one_is_none():
    """Everything of a fifth of a second is one write; where nothing happened nothing is written."""
    bench = Bench()
    sizes = []
    bench.disk.on_write = lambda: sizes.append(len(bench.disk.data))
    for number in range(5):
        bench.recorder.step(step(number))
        bench.recorder.frame(number, number, picture(number))
    bench.recorder.drain()
    bench.recorder.drain()
    assert len(sizes) == 1


def test_nothing_heavy_is_needed():
    """Rows can be recorded where Pillow is missing; only JPEG frames need it."""
    assert "PIL" not in Path(recorder_module.__file__).read_text()
