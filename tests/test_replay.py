"""Replays on disk: round trips, what a file keeps, and one line for each broken file."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.replay import (
    CAR_ROW,
    OBJECT_ROW,
    VERSION,
    ReplayError,
    ReplayHeader,
    is_replay,
    merge_replays,
    read_replay,
    write_replay,
)
from racer.untrusted_files import npz_bytes
from support.replays import ring_replay
from support.tracks import ring

QUANTA = {"x": 1e-4, "y": 1e-4, "yaw": 1e-4, "steer": 1e-4, "reward": 1e-4, "lap_time": 1e-4, "best": 1e-4}


def written(path, replay=None):
    """A good file."""
    write_replay(path, replay or ring_replay(boxes=2))
    return path


def rebuilt(path, **members):
    """The file with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (old | members).items():
            if data is not None:
                archive.writestr(name, data)


def header_with(path, **changes):
    """The header of a file as bytes, changed."""
    with zipfile.ZipFile(path) as archive:
        return json.dumps(json.loads(archive.read("header.json")) | changes).encode()


def test_round_trip_keeps_all_within_half_a_quantum(tmp_path):
    """Read back every field of cars and things, the header and the track."""
    replay = ring_replay(cars=3, boxes=2)
    back = read_replay(written(tmp_path / "a.replay", replay))
    assert back.header == replay.header
    for mine, its, dtype in ((replay.rows, back.rows, CAR_ROW), (replay.objects, back.objects, OBJECT_ROW)):
        for key in dtype.names:
            off = np.abs(mine[key].astype(float) - its[key].astype(float)).max()
            # A float32 field rounds once more, by 6e-8 of its value.
            tolerance = 0.5 * QUANTA.get(key, 1e-3) + 1e-6 if dtype[key].kind == "f" else 0.0
            assert off <= tolerance, key
    for key in ("center", "left", "right"):
        assert np.array_equal(getattr(back, key), getattr(replay, key))
    assert back.seconds == replay.seconds == pytest.approx(59 / 15)
    assert back.track_sha256 == replay.track_sha256


def test_a_read_replay_writes_the_same_bytes(tmp_path):
    """Write, read and write again."""
    first = written(tmp_path / "a.replay")
    second = written(tmp_path / "b.replay", read_replay(first))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.replay", "b.replay"]


@given(
    st.lists(st.floats(-1000.0, 1000.0), min_size=1, max_size=30),
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=30),
)
def test_any_numbers_survive(tmp_path_factory, places, counts):
    """Keep places to a twentieth of a millimetre and counts exactly, however they jump."""
    steps = min(len(places), len(counts))
    replay = ring_replay(cars=1, steps=steps)
    replay.rows["x"][:, 0], replay.rows["laps"][:, 0] = places[:steps], counts[:steps]
    path = tmp_path_factory.getbasetemp() / "any.replay"
    back = read_replay(written(path, replay))
    assert np.abs(back.rows["x"][:, 0] - places[:steps]).max() <= 0.50001e-4
    assert back.rows["laps"][:, 0].tolist() == counts[:steps]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_what_a_file_cannot_keep_is_refused(tmp_path, value):
    """Refuse to write numbers that would come back as others, and write nothing."""
    replay = ring_replay()
    replay.rows["x"][3, 0] = value
    with pytest.raises(ReplayError, match="`x`"):
        write_replay(tmp_path / "a.replay", replay)
    assert list(tmp_path.iterdir()) == []


def broken_files():
    """What is done to a good file, and a part of the line about it."""
    short = npz_bytes({"center": ring().center})
    return {
        "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-200]), "is not a replay, or is damaged"),
        "text": (lambda path: path.write_text("hello"), "is not a replay, or is damaged"),
        "member": (lambda path: rebuilt(path, **{"steps.npz": None}), "it lacks steps.npz"),
        "newer": (
            lambda path: rebuilt(path, **{"header.json": header_with(path, version=VERSION + 1)}),
            f"has version {VERSION + 1}",
        ),
        "other": (lambda path: rebuilt(path, **{"header.json": header_with(path, format="x")}), "not of format"),
        "key": (lambda path: rebuilt(path, **{"header.json": header_with(path, wheels=4)}), "wheels"),
        "json": (lambda path: rebuilt(path, **{"header.json": b"{"}), "is not JSON"),
        "cars": (lambda path: rebuilt(path, **{"header.json": one_car(path)}), "not those of 1 cars"),
        "road": (lambda path: rebuilt(path, **{"track.npz": short}), "lacks the road"),
        "steps": (lambda path: rebuilt(path, **{"steps.npz": short}), "no usable `car.x`"),
        "pickle": (lambda path: rebuilt(path, **{"steps.npz": pickled()}), "not a plain array of numbers"),
    }


def one_car(path):
    """A header that tells of one car only."""
    with zipfile.ZipFile(path) as archive:
        cars = json.loads(archive.read("header.json"))["cars"]
    return header_with(path, cars=cars[:1])


def pickled():
    """An npz that holds an object."""
    import io

    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("how", list(broken_files()))
def test_broken_files_are_one_line(tmp_path, how):
    """Refuse what is damaged, newer or no replay, and name the file."""
    path = written(tmp_path / "a.replay")
    spoil, told = broken_files()[how]
    spoil(path)
    with pytest.raises(ReplayError) as caught:
        read_replay(path)
    line = str(caught.value)
    assert told in line and str(path) in line and "\n" not in line


def test_missing_file_is_one_line(tmp_path):
    """Say that there is no such file."""
    with pytest.raises(ReplayError, match="does not exist"):
        read_replay(tmp_path / "a.replay")
    assert not is_replay(tmp_path / "a.replay")


def test_claims_to_be_a_replay(tmp_path):
    """Tell replays from other files by what is inside."""
    path = written(tmp_path / "a.zip")
    assert is_replay(path)
    rebuilt(path, **{"header.json": None})
    assert not is_replay(path)


def test_two_replays_drive_side_by_side():
    """Put all cars together; those of the other replay are ghosts, and the shorter one waits at its end."""
    one, other = ring_replay(cars=2, steps=30, boxes=1), ring_replay(cars=1, steps=50, boxes=1)
    both = merge_replays([one, other], ["a", "b"])
    assert [car.name for car in both.header.cars] == ["a: car 0", "car 1", "b: car 0"]
    assert [car.world for car in both.header.cars] == [0, 0, 1]
    assert both.rows.shape == (50, 3) and both.objects.shape == (1, 2)
    assert both.objects["world"].tolist() == [[0, 1]]
    assert np.array_equal(both.rows[:30, :2], one.rows) and np.array_equal(both.rows[:, 2], other.rows[:, 0])
    assert (both.rows[30:, :2] == one.rows[-1]).all()


def test_one_replay_stays_as_it_is():
    """Change nothing of a single replay."""
    replay = ring_replay()
    assert merge_replays([replay], ["a"]) is replay


def test_side_by_side_needs_one_road_and_one_rate():
    """Name both where tracks or rates differ; a track of another name is the same road."""
    replay = ring_replay()
    with pytest.raises(ReplayError, match="b is on `oval`, a on another road, `ring`"):
        merge_replays([replay, ring_replay(name="oval", track=ring("oval", radius=1.6))], ["a", "b"])
    with pytest.raises(ReplayError, match="10 Hz"):
        merge_replays([replay, ring_replay(rate=10.0)], ["a", "b"])
    merge_replays([replay, ring_replay(name="same road")], ["a", "b"])


def test_things_that_move_have_a_row_for_each_step():
    """Give the things of a step, and the only ones where they stand."""
    still = ring_replay(steps=3, boxes=1)
    assert still.objects_at(2) is not None and len(still.objects) == 1
    moving = np.repeat(still.objects, 3, axis=0)
    moving["x"] += np.arange(3)[:, None]
    replay = replace(still, objects=moving)
    assert replay.objects_at(2)["x"] == moving["x"][2]


def test_version_in_the_header_is_the_newest():
    """Write the version that is read."""
    assert ReplayHeader.model_fields["version"].default == VERSION
