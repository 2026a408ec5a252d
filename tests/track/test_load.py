"""One way in: names, paths, options, generated tracks; every real file loads."""

from pathlib import Path

import numpy as np
import pytest

from racer.errors import AssetError, TrackError
from racer.track.check import check_track
from racer.track.load import TrackSpec, load_track, load_tracks, parse_spec
from support.paths import ROOT
from support.tracks import ring_route
from support.vehicles import wide_vehicle

REAL = ROOT.parent / "shared" / "tracks"
REAL_FILES = sorted(p for p in REAL.rglob("*") if p.suffix in (".npy", ".csv", ".yaml")) if REAL.is_dir() else []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("oval", TrackSpec(base="oval")),
        ("a/b.csv@1/18", TrackSpec(base="a/b.csv", scale=1 / 18)),
        ("b.csv@0.5", TrackSpec(base="b.csv", scale=0.5)),
        ("b.csv@scale=1/10,width=8", TrackSpec(base="b.csv", scale=0.1, width=8.0)),
        ("b.csv@width=8", TrackSpec(base="b.csv", width=8.0)),
        ("generated:1..50", TrackSpec(base="generated:1..50")),
    ],
)
def test_spec(spec: str, expected: TrackSpec) -> None:
    """Split a name from its options."""
    assert parse_spec(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("a.npy@size=2", "there is no option `size`"),
        ("a.npy@big", "scale is `big`; give a number or a fraction"),
        ("a.npy@1/0", "scale is `1/0`"),
        ("a.npy@1,scale=2", "gives scale twice"),
        ("oval@-1", "scale is -1; give a number above 0"),
        ("easy_oval@nan", "scale is nan"),
        ("generated:x", "write `generated:7` or `generated:1..50`"),
        ("generated:5..1", "the last seed must lie between"),
        ("generated:1..999999999", "the last seed must lie between"),
        ("generated:1..5", "names 5 tracks where one is needed"),
        ("generated:1@0.5", "takes no options"),
        ("easy_oval@width=1", "already has borders"),
    ],
)
def test_bad_specs(here: Path, spec: str, message: str) -> None:
    """Refuse each bad option in one line."""
    with pytest.raises(TrackError, match=message):
        load_track(spec)


def test_a_name_that_holds_an_at(here: Path) -> None:
    """Take a file whose own name holds an @ whole."""
    np.save("me@home.npy", ring_route())
    assert load_track("me@home.npy").name == "me@home"
    assert load_track("me@home.npy@0.5").length == pytest.approx(0.5 * load_track("me@home.npy").length)


def test_local_before_shipped(here: Path) -> None:
    """Prefer ./tracks to what is shipped; find shipped by name."""
    shipped = load_track("easy_oval")
    Path("tracks").mkdir()
    np.save("tracks/easy_oval.npy", ring_route())
    assert load_track("easy_oval").length != shipped.length


def test_unknown_names(here: Path) -> None:
    """Offer the near name; tell how to get a published track."""
    with pytest.raises(AssetError, match=r"Did you mean `easy_oval`\?"):
        load_track("easy_ovl")
    with pytest.raises(AssetError, match=r"`racer tracks fetch reinvent_base` downloads it"):
        load_track("reinvent_base")


def test_generated(here: Path) -> None:
    """Make one or many tracks from seeds, mixed with names."""
    assert load_track("generated:7").name == "generated_7"
    names = [track.name for track in load_tracks(["generated:1..3", "easy_oval", "generated:9"])]
    assert names == ["generated_1", "generated_2", "generated_3", "easy_oval", "generated_9"]
    with pytest.raises(TrackError, match="No track was given"):
        load_tracks([])


def test_unknown_suffix_and_folder(here: Path) -> None:
    """Refuse a file of no known format; load the map of a folder."""
    Path("a.svg").write_text("")
    with pytest.raises(TrackError, match="has no known format"):
        load_track("a.svg")
    Path("Two Words").mkdir()
    with pytest.raises(AssetError):
        load_track("Two Words")
    Path("Two Words/TwoWords_map.yaml").write_text("image: gone.png\nresolution: 0.05\norigin: [0, 0, 0]\n")
    with pytest.raises(TrackError, match=r"gone\.png"):
        load_track("Two Words")


@pytest.mark.parametrize("path", REAL_FILES or [None], ids=lambda p: p.name if p else "absent")
def test_every_real_file_loads(shared_tracks: Path, path: Path) -> None:
    """Load every real file: finite, left on the left, a road all along, no errors found, reversible."""
    track = load_track(path)
    assert [finding for finding in check_track(track, wide_vehicle()) if finding.level == "error"] == []
    assert 5.0 < track.length < 400.0
    assert 0.3 < track.widths.min() < track.widths.max() < 3.5
    assert track.closed == (path.stem != "Straight_track")
    if path.suffix == ".npy":
        table = np.load(path)
        assert np.array_equal(track.center, table[:, :2])
    elif track.closed:
        assert np.array_equal(track.center[0], track.center[-1])
    assert np.array_equal(track.reversed().reversed().left, track.left)
