"""The MCAP file of a recorded drive: round trips, other MCAP tools, every truncation, damage, and files that lie."""

import base64
import io
import json
import struct
import sys
import tracemalloc
from contextlib import contextmanager

import lz4.frame
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Chunk, DataEnd
from mcap.stream_reader import StreamReader
from mcap.writer import MCAP0_MAGIC, CompressionType, IndexType, Writer
from PIL import Image

from racer.car.actuator.states import ActuatorState
from racer.car.recording import drive_file as drive_file
from racer.car.recording.drive_file import (
    ACTUATOR_DTYPE,
    STEP_DTYPE,
    TABLES,
    DriveError,
    DriveHeader,
    FrameEncoding,
    picture_bytes,
)
from racer.car.recording.reader import read_drive
from racer.car.recording.schema import CHUNK_MAX, PICTURE_MAX, ROW_MAX, topic_schemas
from racer.car.recording.writer import DriveWriter
from support.old_drives import old_drive
from support.recorded_drives import picture, record_drive, status, step

HEADER = {"version": 2} | json.loads(DriveHeader().model_dump_json())


def written(tmp_path, fill=lambda writer: None, header=None):
    """A closed file of a header and what `fill` writes."""
    writer = DriveWriter(header or DriveHeader())
    fill(writer)
    path = tmp_path / "made.mcap"
    path.write_bytes(writer.finish())
    return path


def foreign(tmp_path, messages, *, compression=CompressionType.ZSTD, topics=None, **options):
    """A file by the library itself: (topic, data) or (topic, data, sequence) in this order."""
    stream = io.BytesIO()
    writer = Writer(stream, compression=compression, **options)
    writer.start()
    channels, counts = {}, {}
    for topic, data, *sequence in messages:
        if topic not in channels:
            channels[topic] = writer.register_channel(topic, "json", 0)
        number = sequence[0] if sequence else counts.get(topic, 0)
        counts[topic] = number + 1
        writer.add_message(
            channels[topic], 0, data if isinstance(data, bytes) else json.dumps(data).encode(), 0, number
        )
    writer.finish()
    path = tmp_path / "foreign.mcap"
    path.write_bytes(stream.getvalue())
    return path


@contextmanager
def memory_below(size):
    """No more than `size` bytes are allocated at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def same(drive, other):
    """All that two drives hold is the same."""
    assert drive.header == other.header and drive.events == other.events
    for name in ("steps", "actuator", "measured"):
        assert getattr(drive, name).tobytes() == getattr(other, name).tobytes()
    assert [entry.number for entry in drive.frames] == [entry.number for entry in other.frames]
    for one, two in zip(drive.frames, other.frames, strict=True):
        assert np.array_equal(drive.pixels(one), other.pixels(two))


@pytest.mark.parametrize("make", [record_drive, old_drive], ids=["mcap", "version 1"])
def test_round_trip(tmp_path, make):
    """Rows, frames, events and header come back exactly, from a file of either version by the same calls."""
    encoding = FrameEncoding.PNG if make is record_drive else FrameEncoding.DEFLATED
    drive = read_drive(make(tmp_path / "a.mcap", steps=5, encoding=encoding))
    assert drive.damage == ""
    assert drive.header.car_id == "test-car"
    for number, row in enumerate(drive.steps):
        wanted = step(number)
        assert {name: row[name] for name in STEP_DTYPE.names} == {
            name: getattr(wanted, name) for name in STEP_DTYPE.names
        }
    for number, row in enumerate(drive.actuator):
        wanted = status(number)
        assert {name: row[name] for name in ACTUATOR_DTYPE.names} == {
            name: getattr(wanted, name) for name in ACTUATOR_DTYPE.names
        }
    assert (
        ActuatorState(drive.actuator["state"][0]) is ActuatorState.DRIVING
        and len(drive.actuator) == len(drive.steps) == 5
    )
    assert np.isnan(drive.measured["x"]).all() and np.array_equal(drive.measured["yaw_rate"], 0.1 * np.arange(5))
    assert (drive.events[0].what, drive.events[0].text) == ("state", "DRIVING")
    assert [event.what for event in drive.events] == ["state", "end"]
    assert [(entry.number, entry.captured_ns) for entry in drive.frames] == [(k, step(k).captured_ns) for k in range(5)]
    for entry in drive.frames:
        assert np.array_equal(drive.pixels(entry), picture(entry.number))
        assert drive.jpeg(entry)[:2] == b"\xff\xd8"
    assert drive.seconds == pytest.approx((4 * 66_666_667 + 20_000_000) / 1e9)


@settings(max_examples=100, deadline=None)
@given(
    counts=st.tuples(*[st.integers(0, 2**64 - 1)] * 6),
    floats=st.tuples(*[st.floats(allow_infinity=False)] * 5),
    pulses=st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1), st.integers(0, 255)),
)
def test_any_row_comes_back_bit_for_bit(tmp_path_factory, counts, floats, pulses):
    """JSON loses no bit of a number: integers up to 64 bits and every finite float; NaN is left out and comes back."""
    row = (*counts, *floats, *pulses)
    drive = read_drive(written(tmp_path_factory.mktemp("row"), lambda writer: writer.row("step", row)))
    plain = [float("nan") if value != value else value for value in row]
    assert drive.steps.tobytes() == TABLES["step"].packed.pack(*plain)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_near(tmp_path, channels):
    """A JPEG frame has the shape and nearly the values of what was taken."""
    smooth = np.repeat((np.mgrid[:120, :160].sum(0)[:, :, None] // 2), channels, axis=2).astype(np.uint8)
    drive = read_drive(written(tmp_path, lambda writer: writer.frame(3, 5, smooth, FrameEncoding.JPEG)))
    (entry,) = drive.frames
    assert (entry.number, entry.captured_ns, entry.channels) == (3, 5, channels)
    assert np.abs(drive.pixels(entry).astype(int) - smooth).max() <= 6
    assert drive.jpeg(entry) == picture_bytes(smooth) and abs(entry.size - len(picture_bytes(smooth))) < 3


@pytest.mark.parametrize("pixels", [picture(1)[:, :, 0], picture(1), picture(2, 7, 5, 3)])
def test_png_is_exact(tmp_path, pixels):
    """A PNG frame is the pixels themselves, grey without its last axis as well."""
    drive = read_drive(written(tmp_path, lambda writer: writer.frame(0, 0, pixels, FrameEncoding.PNG)))
    assert np.array_equal(drive.pixels(drive.frames[0]), np.atleast_3d(pixels))


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8)]
)  # fmt: skip
def test_no_frame(pixels):
    """What is not a picture is refused, and leaves no trace in the file."""
    writer = DriveWriter(DriveHeader())
    writer.take()
    with pytest.raises(ValueError, match="a frame is"):
        writer.frame(0, 0, pixels, FrameEncoding.PNG)
    assert writer.take() == b""


def test_too_large_messages_are_not_written():
    """What a reader would refuse is refused by the writer."""
    writer = DriveWriter(DriveHeader())
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1600, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=f"at most {PICTURE_MAX}"):
        writer.frame(0, 0, noise, FrameEncoding.PNG)
    with pytest.raises(ValueError, match=f"at most {ROW_MAX}"):
        writer.event(0, "note", "x" * ROW_MAX)


def test_other_tools_read_it(tmp_path):
    """The library's seeking reader finds every message by the index; names and fields are those that viewers draw."""
    path = record_drive(tmp_path / "a.mcap", steps=7)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        counts = {
            summary.channels[number].topic: count for number, count in summary.statistics.channel_message_counts.items()
        }
        assert counts == {"/drive": 1, "/step": 7, "/actuator": 7, "/measured": 7, "/camera": 7, "/event": 2}
        assert all(index.message_index_offsets for index in summary.chunk_indexes)
        schema, channel, message = next(reader.iter_messages(topics=["/camera"]))
        assert (schema.name, schema.encoding, channel.message_encoding) == (
            "foxglove.CompressedImage", "jsonschema", "json",
        )  # fmt: skip
        data = json.loads(message.data)
        assert set(data) == set(json.loads(schema.data)["properties"])
        assert data["timestamp"]["sec"] * 10**9 + data["timestamp"]["nsec"] == message.log_time == step(0).captured_ns
        assert Image.open(io.BytesIO(base64.b64decode(data["data"]))).size == (160, 120) and data["format"] == "jpeg"
        for schema, channel, message in reader.iter_messages():
            fields, known = set(json.loads(message.data)), set(json.loads(schema.data)["properties"])
            missing = {"/measured": {"x", "y", "yaw"}, "/drive": {"bounds"}}
            assert known - fields == missing.get(channel.topic, set()) and fields <= known
        assert {schema.name for schema in summary.schemas.values()} == {name for name, _ in topic_schemas().values()}


def viewable(schema):
    """What viewers' parsers of JSON schemas take: one plain type for a property, and objects that list theirs."""
    assert schema["type"] == "object"
    for field in schema["properties"].values():
        assert field["type"] in ("boolean", "string", "number", "integer", "object", "array")
        if field["type"] == "object":
            viewable(field)
        if field["type"] == "array":
            assert field["items"]["type"] == "number"
    return len(schema["properties"])


def test_viewers_take_the_schemas():
    """No topic has a schema that a viewer would refuse."""
    assert [viewable(json.loads(schema)) > 3 for _, schema in topic_schemas().values()] == [True] * 6


@pytest.mark.parametrize(
    "options",
    [
        {"compression": CompressionType.NONE},
        {"compression": CompressionType.LZ4},
        {"compression": CompressionType.ZSTD, "chunk_size": 1},
        {"compression": CompressionType.NONE, "use_chunking": False},
        {"index_types": IndexType.NONE, "enable_crcs": False, "use_statistics": False},
    ],
)
def test_packed_by_other_tools(tmp_path, options):
    """The same messages in other chunks, with another compression or none, are the same drive."""
    path = record_drive(tmp_path / "a.mcap", steps=6, encoding=FrameEncoding.PNG)
    with path.open("rb") as file:
        messages = [
            (channel.topic, m.data, m.sequence)
            for _, channel, m in make_reader(file).iter_messages(log_time_order=False)
        ]
    again = read_drive(foreign(tmp_path, messages, **options))
    assert again.damage == ""
    same(again, read_drive(path))


def ends_of(path):
    """Each record of the file with the offset of its end."""
    with path.open("rb") as file:
        return [(type(record), file.tell()) for record in StreamReader(file, emit_chunks=True).records]


def test_every_truncation_reads_what_is_whole(tmp_path):
    """Cut anywhere, a drive is good up to its last whole chunk, and says that it was cut."""
    writer = DriveWriter(DriveHeader())
    parts = [writer.take()]
    for k in range(2):
        writer.event(k, "note", "x" * k)
        parts.append(writer.take())
    whole = b"".join(parts) + writer.finish()
    ends = np.cumsum([len(part) for part in parts]).tolist()
    path = tmp_path / "cut.mcap"
    path.write_bytes(whole)
    records = ends_of(path)
    header = next(end for kind, end in records if kind is Chunk)
    complete = next(end for kind, end in records if kind is DataEnd)  # an index follows, which is not needed
    for size in [*range(complete + 20), len(whole)]:
        path.write_bytes(whole[:size])
        if size < header:
            with pytest.raises(DriveError):
                read_drive(path)
            continue
        drive = read_drive(path)
        # A chunk is whole before the index that follows it.
        assert sum(end <= size for end in ends[1:]) <= len(drive.events) <= sum(start < size for start in ends[:-1])
        assert [event.text for event in drive.events] == ["x" * k for k in range(len(drive.events))]
        assert bool(drive.damage) == (size < complete)
        assert ("bytes are not used" in drive.damage) == (size < complete and size not in [end for _, end in records])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_turned_byte(tmp_path_factory, data):
    """A byte turned anywhere is a refusal or a shorter drive, never a wrong row and never a crash."""
    folder = tmp_path_factory.mktemp("turned")
    writer = DriveWriter(DriveHeader())
    whole = bytearray(writer.take())
    for k in range(3):
        writer.row("measured", (k, float(k), 0.0, 0.0, 0.0, 0.0))
        whole += writer.take()
    chunks = len(whole)
    whole += writer.finish()
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path = folder / "turned.mcap"
    path.write_bytes(whole)
    try:
        drive = read_drive(path)
    except DriveError as error:
        assert str(path) in str(error)
        return
    assert drive.measured["at_ns"].tolist() == drive.measured["speed"].tolist() == [0, 1, 2][: len(drive.measured)]
    if at < chunks and len(drive.measured) < 3:
        assert drive.damage


@pytest.mark.parametrize(
    ("opcode", "turned"),
    [(Opcode.CHUNK, 1), (Opcode.CHUNK, 3), (Opcode.CHUNK, 9), (Opcode.MESSAGE_INDEX, 8), (Opcode.MESSAGE_INDEX, 3)],
)
def test_lost_chunk_is_damage(tmp_path, opcode, turned):
    """An opcode that hides a chunk, or reads as the end of the data, is damage: Hypothesis found these bytes."""
    writer = DriveWriter(DriveHeader())
    whole, starts = bytearray(writer.take()), []
    for k in range(3):
        starts.append(len(whole))
        writer.row("measured", (k, float(k), 0.0, 0.0, 0.0, 0.0))
        whole += writer.take()
    whole += writer.finish()
    path = tmp_path / "turned.mcap"
    for start in starts:
        # A record is its opcode, its length in 8 bytes, and its content; a chunk comes first, then its index.
        at = start if opcode is Opcode.CHUNK else start + 9 + int.from_bytes(whole[start + 1 : start + 9], "little")
        assert whole[at] == opcode
        path.write_bytes(whole[:at] + bytes([whole[at] ^ turned]) + whole[at + 1 :])
        drive = read_drive(path)
        assert len(drive.measured) == 3 or drive.damage


def test_unknown_messages_are_skipped_and_unreadable_ones_are_shown(tmp_path):
    """A topic that a later racer may add does not hide the rest; what cannot be read is not lost without a word."""
    good = dict(zip(STEP_DTYPE.names, [1, 2, 3, 4, 5, 6, 1.0, 1.5, 0.0, 0.0, 0.5, 1450, 1400, 1], strict=True))
    event = {"timestamp": {"sec": 1, "nsec": 7}, "name": "note", "message": "here"}
    bad = [
        ("/step", b"{"), ("/step", [1]), ("/step", {"number": 1}), ("/step", good | {"steering_us": -1}),
        ("/step", good | {"asked_speed": "fast"}), ("/camera", {}), ("/event", {"name": 1}),
        ("/event", event | {"timestamp": {"sec": 1e300, "nsec": 0}}), ("/event", b"[" * 100_000),
        ("/event", b"\xff\xfe\xfd"), ("/event", event | {"timestamp": {"sec": -9, "nsec": 0}}),
    ]  # fmt: skip
    messages = [
        ("/drive", HEADER),
        ("/future", b"?"),
        ("/step", {k: v for k, v in good.items() if k != "asked_speed"} | {"later": 1}),
        *bad,
        ("/event", event),
    ]
    drive = read_drive(foreign(tmp_path, messages))
    assert drive.damage == "" and len(drive.steps) == 1 and np.isnan(drive.steps["asked_speed"][0])
    assert [e.what for e in drive.events] == ["unreadable"] * len(bad) + ["note"]
    assert drive.events[-1].at_ns == 1_000_000_007 and drive.events[0].text.startswith("/step")


def image(**changes):
    """A message that claims to be a frame of 4x4."""
    return {
        "timestamp": {"sec": 0, "nsec": 2}, "format": "png", "number": 1, "width": 4, "height": 4, "channels": 1,
        "data": base64.b64encode(b"nothing").decode(),
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"width": 0}, {"width": 65535, "height": 65535}, {"channels": 2}, {"number": -1}, {"number": 2**64},
     {"width": -4, "height": -4}],
)  # fmt: skip
def test_impossible_frames_are_skipped(tmp_path, changes):
    """Frames without pixels, too large, of no known kind."""
    drive = read_drive(foreign(tmp_path, [("/drive", HEADER), ("/camera", image(**changes))]))
    assert drive.frames == [] and drive.damage == ""


def encoded(size, kind, mode="L"):
    """A picture file."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data": encoded((8, 4), "PNG")},
        {"data": encoded((20_000, 20_000), "PNG", "1")},
        {"data": encoded((4, 4), "JPEG")},
        {"data": encoded((4, 4), "PNG"), "format": "jpeg"},
        {"data": "no base64!"},
        {"data": encoded((4, 4), "PNG")[:-40]},
    ],
)
def test_frames_that_lie(tmp_path, changes):
    """Pixels that are damaged, of another kind or not of the size claimed are refused; a bomb is not decoded."""
    drive = read_drive(foreign(tmp_path, [("/drive", HEADER), ("/camera", image(**changes))]))
    with memory_below(10_000_000), pytest.raises(DriveError, match="frame 1"):
        drive.pixels(drive.frames[0])


def test_a_file_changed_after_reading(tmp_path):
    """A picture that is no longer where its entry says is refused in one line."""
    path = foreign(tmp_path, [("/drive", HEADER), ("/camera", image(data=encoded((4, 4), "PNG")))])
    drive = read_drive(path)
    assert drive.pixels(drive.frames[0]).shape == (4, 4, 1)
    for content in (path.read_bytes()[:60], foreign(tmp_path, [("/drive", HEADER)]).read_bytes(), b""):
        path.write_bytes(content)
        with pytest.raises(DriveError, match="frame 1 cannot be read"):
            drive.pixels(drive.frames[0])


def chunk_record(packed, size, compression, *, crc=0, claimed=None):
    """A chunk record by hand; `claimed` is the length that is stated before its content."""
    body = struct.pack("<QQQI", 0, 0, size, crc) + struct.pack("<I", len(compression)) + compression.encode()
    body += struct.pack("<Q", len(packed) if claimed is None else claimed) + packed
    return struct.pack("<BQ", 6, len(body)) + body


def bomb(kind):
    """Records that would fill the memory of a reader that trusts them."""
    if kind == "zstd, size stated":
        return chunk_record(zstandard.compress(bytes(400_000_000)), 400_000_000, "zstd")
    if kind == "zstd, size false":
        return chunk_record(zstandard.compress(bytes(400_000_000)), 1000, "zstd")
    if kind == "zstd, size unknown":
        stream = zstandard.ZstdCompressor().compressobj()
        return chunk_record(stream.compress(bytes(400_000_000)) + stream.flush(), CHUNK_MAX, "zstd")
    if kind == "lz4":
        return chunk_record(lz4.frame.compress(bytes(400_000_000)), CHUNK_MAX, "lz4")
    if kind == "record length":
        return struct.pack("<BQ", 6, 1 << 40)
    if kind == "length inside":
        return chunk_record(b"", 0, "", claimed=1 << 33)
    if kind == "short message":
        return struct.pack("<BQ", 5, 1) + bytes(22)
    if kind == "attachment":
        body = struct.pack("<QQIIQ", 0, 0, 0, 0, 1 << 34)
        return struct.pack("<BQ", 9, len(body)) + body
    return chunk_record(b"x", 1, "brotli")


@pytest.mark.parametrize(
    "kind",
    ["zstd, size stated", "zstd, size false", "zstd, size unknown", "lz4", "record length", "length inside",
     "short message", "attachment", "other compression"],
)  # fmt: skip
def test_bombs_do_not_go_off(tmp_path, kind):
    """What comes before a chunk that lies is read, the rest is named, and little memory is used."""
    writer = DriveWriter(DriveHeader())
    writer.event(1, "note", "before")
    path = tmp_path / "bomb.mcap"
    path.write_bytes(writer.take() + bomb(kind) + bytes(20_000_000))  # there is something to read, too
    with memory_below(40_000_000):
        drive = read_drive(path)
    assert [event.text for event in drive.events] == ["before"]
    assert drive.damage.startswith("is damaged at byte")


def test_very_many_messages(tmp_path, monkeypatch):
    """A small file of very many rows is read up to a limit of memory, and says so."""
    monkeypatch.setattr(drive_file, "KEPT_MAX", 2_000_000)
    row = {"at_ns": 1}
    path = foreign(tmp_path, [("/drive", HEADER), *[("/measured", row)] * 50_000])
    assert path.stat().st_size < 1_000_000
    drive = read_drive(path)
    assert len(drive.measured) == 2_000_000 // 48 and "holds more than 1 MiB" in drive.damage


def test_a_lost_chunk_is_found(tmp_path):
    """A chunk in the middle that is not recognised (its opcode was damaged) ends the drive there, and is named."""
    path = record_drive(tmp_path / "a.mcap", steps=6)
    data = bytearray(path.read_bytes())
    third = [at for _, at in ends_of(path)[:-1] if data[at] == Opcode.CHUNK][2]
    data[third] = 0x76
    path.write_bytes(data)
    drive = read_drive(path)
    assert 0 < len(drive.steps) < 6 and "messages before it are missing" in drive.damage


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([("/step", {})], "not a recorded drive: it has no /drive message"),
        ([("/drive", HEADER | {"version": 3})], "version 3"),
        ([("/drive", HEADER | {"hz": 1})], "header cannot be used: hz"),
        ([("/drive", HEADER | {"control_rate_hz": 0})], "header cannot be used: control_rate_hz"),
        ([("/drive", {"version": 2, "format": "other"})], "header cannot be used: format"),
    ],
)
def test_no_drive(tmp_path, messages, words):
    """What is not a drive is refused in one line."""
    with pytest.raises(DriveError, match=words):
        read_drive(foreign(tmp_path, messages))


@pytest.mark.parametrize("content", [b"", MCAP0_MAGIC[:7], b"PK\x03\x04 something else, and longer"])
def test_other_files(tmp_path, content):
    """What is of neither version is refused in one line."""
    path = tmp_path / "no.mcap"
    path.write_bytes(content)
    with pytest.raises(DriveError, match="not a recorded drive"):
        read_drive(path)
    path.write_bytes(MCAP0_MAGIC)
    with pytest.raises(DriveError, match="before its header"):
        read_drive(path)


def test_no_file(tmp_path):
    """A missing file and a folder are said to be that."""
    with pytest.raises(DriveError, match="no such file"):
        read_drive(tmp_path / "missing.mcap")
    with pytest.raises(DriveError, match="is a folder"):
        read_drive(tmp_path)


def test_empty_drive(tmp_path):
    """A drive that ended right after its header has no length."""
    assert read_drive(written(tmp_path)).seconds == 0.0


def test_old_drives_need_no_mcap(tmp_path, monkeypatch):
    """A file of version 1 opens where the library is not installed."""
    monkeypatch.setitem(sys.modules, "racer.car.recording.mcap_reader", None)
    assert len(read_drive(old_drive(tmp_path / "a.drive")).steps) == 5
