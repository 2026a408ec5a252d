"""Drives of version 1 still open: every truncation, damage, files that lie; the round trip is in `test_drive_file`."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.car.recording.drive_file import (
    TABLES,
    DriveError,
    DriveHeader,
    FrameEncoding,
    picture_bytes,
)
from racer.car.recording.legacy import FRAME_BYTES, MAGIC, START_BYTES, Kind
from racer.car.recording.reader import read_drive
from support.old_drives import event_bytes, frame_bytes, record_bytes, row_bytes, start_bytes
from support.recorded_drives import picture


def written(tmp_path, *records, header=None):
    """A file of a header and these records."""
    path = tmp_path / "made.drive"
    path.write_bytes(start_bytes(header or DriveHeader()) + b"".join(records))
    return path


def test_rows_are_as_long_as_their_records():
    """The packed records are exactly the rows that numpy reads."""
    for table in TABLES.values():
        assert table.dtype.itemsize == table.packed.size


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_near(tmp_path, channels):
    """A JPEG frame has the shape and nearly the values of what was taken."""
    smooth = np.repeat((np.mgrid[:120, :160].sum(0)[:, :, None] // 2), channels, axis=2).astype(np.uint8)
    drive = read_drive(written(tmp_path, frame_bytes(3, 5, smooth, FrameEncoding.JPEG)))
    (entry,) = drive.frames
    assert (entry.number, entry.captured_ns, entry.channels) == (3, 5, channels)
    assert np.abs(drive.pixels(entry).astype(int) - smooth).max() <= 6
    assert drive.jpeg(entry)[:2] == b"\xff\xd8"


def test_deflated_frame_as_jpeg(tmp_path):
    """A frame that was kept whole can be shown too, grey without its last axis as well."""
    drive = read_drive(written(tmp_path, frame_bytes(0, 0, picture(1)[:, :, 0], FrameEncoding.DEFLATED)))
    assert drive.jpeg(drive.frames[0])[:2] == b"\xff\xd8"
    assert drive.pixels(drive.frames[0]).shape == (120, 160, 1)


def test_every_truncation_reads_what_is_whole(tmp_path):
    """Cut anywhere, a drive is good up to its last whole record, and says that it was cut."""
    records = [event_bytes(k, "note", "x" * k) for k in range(4)]
    whole = written(tmp_path, *records).read_bytes()
    ends = [len(whole) - sum(map(len, records[k:])) for k in range(5)]
    path = tmp_path / "cut.drive"
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        if size < ends[0]:
            with pytest.raises(DriveError):
                read_drive(path)
            continue
        drive = read_drive(path)
        assert len(drive.events) == sum(end <= size for end in ends[1:])
        assert bool(drive.damage) == (size not in ends)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_turned_byte(tmp_path_factory, data):
    """A byte turned anywhere is a refusal or a shorter drive, never a wrong row and never a crash."""
    folder = tmp_path_factory.mktemp("turned")
    rows = [row_bytes(Kind.MEASURED, (k, float(k), 0.0, 0.0, 0.0, 0.0)) for k in range(3)]
    whole = bytearray(written(folder, *rows).read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path = folder / "turned.drive"
    path.write_bytes(whole)
    try:
        drive = read_drive(path)
    except DriveError as error:
        assert str(path) in str(error)
        return
    assert drive.measured["at_ns"].tolist() == drive.measured["speed"].tolist() == [0, 1, 2][: len(drive.measured)]
    assert len(drive.measured) == 3 or drive.damage or at < 40


def test_unknown_records_are_skipped(tmp_path):
    """A kind of record that a later racer may add, and rows of another size, do not hide the rest."""
    path = written(
        tmp_path,
        record_bytes(99, b"from the future"),
        record_bytes(Kind.STEP, b"short"),
        record_bytes(Kind.FRAME, b"short"),
        event_bytes(7, "note", "here"),
    )
    drive = read_drive(path)
    assert (len(drive.steps), drive.frames, drive.damage) == (0, [], "")
    assert drive.events[0].text == "here"


@pytest.mark.parametrize(
    "content", [b"", struct.pack("<Q", 1) + b"{", struct.pack("<Q", 1) + b'{"what": 1}', struct.pack("<Q", 1) + b"[1]"]
)
def test_unreadable_events_are_shown(tmp_path, content):
    """An event that is none is not lost without a word."""
    drive = read_drive(written(tmp_path, record_bytes(Kind.EVENT, content)))
    assert drive.events[0].what == "unreadable"


def frame(width, height, channels, encoding, packed):
    """A record that claims to be a frame."""
    head = FRAME_BYTES.pack(1, 2, width, height, channels, encoding)
    return record_bytes(Kind.FRAME, head + packed)


@pytest.mark.parametrize(
    ("width", "height", "channels", "encoding"),
    [(0, 1, 1, 1), (65535, 65535, 3, 1), (4, 4, 2, 1), (4, 4, 1, 9)],
)
def test_impossible_frames_are_skipped(tmp_path, width, height, channels, encoding):
    """Frames without pixels, too large, of no known kind."""
    assert read_drive(written(tmp_path, frame(width, height, channels, encoding, b""))).frames == []


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (1, zlib.compress(bytes(15))),
        (1, zlib.compress(bytes(100_000_000))),
        (1, b"nothing"),
        (2, b"nothing"),
        (2, picture_bytes(np.zeros((8, 4), np.uint8))),
    ],
)
def test_frames_that_lie(tmp_path, encoding, packed):
    """Pixels that are damaged or not of the size claimed are refused when they are asked for; no bomb goes off."""
    drive = read_drive(written(tmp_path, frame(4, 4, 1, encoding, packed)))
    with pytest.raises(DriveError, match="frame 1"):
        drive.pixels(drive.frames[0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a recorded drive"),
        (b"PK\x03\x04 something else, and longer", "not a recorded drive"),
        (START_BYTES.pack(MAGIC, 2), "version 2"),
        (START_BYTES.pack(MAGIC, 1), "before its header"),
        (
            START_BYTES.pack(MAGIC, 1) + record_bytes(Kind.HEADER, b'{"hz": 1}'),
            "header cannot be used",
        ),
        (
            START_BYTES.pack(MAGIC, 1) + record_bytes(Kind.HEADER, b"[]"),
            "header cannot be used: the whole",
        ),
        (
            START_BYTES.pack(MAGIC, 1) + event_bytes(0, "a", "b"),
            "before its header",
        ),
    ],
)
def test_no_drive(tmp_path, content, words):
    """What is no drive is refused in one line."""
    path = tmp_path / "no.drive"
    path.write_bytes(content)
    with pytest.raises(DriveError, match=words):
        read_drive(path)


def test_empty_drive(tmp_path):
    """A drive that ended right after its header has no length."""
    assert read_drive(written(tmp_path)).seconds == 0.0
