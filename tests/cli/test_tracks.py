"""`racer tracks`: every command, its JSON, its exit code, its errors."""

import json
from pathlib import Path

import numpy as np
import pytest

from racer.cli.tracks import app
from racer.errors import AssetError, ConfigError, TrackError
from racer.render import topdown
from racer.track.load import load_track
from support.commands import invoke
from support.vehicles import CONFIGS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    """Run a command and give its output; errors of ours go up, as the command line's own boundary wants."""
    return invoke(app, *arguments, code=code).output


def test_list() -> None:
    """List shipped and local tracks, also as JSON; a broken one shows its error."""
    Path("tracks").mkdir()
    Path("tracks/broken.yaml").write_text("racer_track: 1\n")
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert rows["easy_oval"]["length_m"] == pytest.approx(16.8, abs=0.05)
    assert rows["river_run"]["closed"] is False
    assert "give exactly one of" in rows["broken"]["error"]
    assert "willow_bend" in run("list")


def test_check_exit_codes() -> None:
    """Exit 0 for good tracks and warnings, 1 for an error or an unreadable file; report all of them."""
    assert "easy_oval: good" in run("check", "easy_oval")
    printed = run("check", "crossover")
    assert "crossover: drivable, 1 warning" in printed
    assert "warning: row" in printed
    np.save("bad.npy", np.zeros((9, 5)))
    reports = json.loads(run("check", "easy_oval", "bad.npy", "gone.npy", "--json", code=1))
    assert [report["ok"] for report in reports] == [True, False, False]
    assert reports[0].keys() >= {
        "file",
        "name",
        "length_m",
        "width_min_m",
        "width_max_m",
        "closed",
        "rows",
        "findings",
    }
    assert reports[1]["findings"][0]["code"] == "unreadable"
    assert "not R x 6" in reports[1]["findings"][0]["message"]
    assert "ERROR" in run("check", "bad.npy", code=1)


def test_check_for_a_vehicle() -> None:
    """Check for the default vehicle, or a named one; the vehicle is in the report."""
    wide = CONFIGS / "f1tenth.yaml"
    Path("wide.yaml").write_text(wide.read_text().replace("name: f1tenth", "name: wide"))
    printed = run("check", "thimble", "--vehicle", "wide.yaml")
    # 0.3302 m / tan(24 degrees)
    assert "tighter than this vehicle turns: radius 0.70 m at row" in printed
    assert "`wide` needs 0.74 m" in printed
    assert "thimble: good" in run("check", "thimble")
    (report,) = json.loads(run("check", "thimble", "--vehicle", "wide.yaml", "--json"))
    assert report["vehicle"] == "wide"
    assert report["radius_min_m"] == pytest.approx(0.7, abs=0.01)
    assert report["ok"]
    with pytest.raises(AssetError, match=r"Did you mean `deepracer`\?"):
        run("check", "thimble", "--vehicle", "deepraser")


def test_smallest_radius_of_a_straight_is_null() -> None:
    """Write null for the radius of a course without a bend; JSON has no infinity."""
    Path("line.yaml").write_text("racer_track: 1\nclosed: false\nwidth: 0.8\nsegments:\n  - straight: 6.0\n")
    (report,) = json.loads(run("check", "line.yaml", "--json"))
    assert report["radius_min_m"] is None
    Path("tracks").mkdir()
    Path("line.yaml").rename("tracks/line.yaml")
    assert "line" in run("list")


def test_convert_there_and_back() -> None:
    """Convert to .npy and back to .yaml without a change; refuse to write over a file without --force."""
    run("convert", "clover", "a.npy")
    run("convert", "a.npy", "b.yaml")
    run("convert", "b.yaml", "c.npy")
    assert Path("a.npy").read_bytes() == Path("c.npy").read_bytes()
    with pytest.raises(TrackError, match="exists; choose another name or add --force"):
        run("convert", "clover", "a.npy")
    run("convert", "easy_oval", "a.npy", "--scale", "1/2", "--force")
    assert load_track("a.npy").length == pytest.approx(load_track("easy_oval").length / 2)
    with pytest.raises(TrackError, match=r"give \.npy or \.yaml"):
        run("convert", "clover", "a.csv")


def test_generate() -> None:
    """Write the track of a seed where tracks are found by name."""
    run("generate", "--seed", "7")
    assert np.array_equal(load_track("generated_7").center, load_track("generated:7").center)
    run("generate", "--seed", "7", "-o", "x.npy")
    assert np.array_equal(load_track("x.npy").left, load_track("generated:7").left)


def test_fetch_errors() -> None:
    """Ask for a name, and offer a near one before anything is downloaded."""
    with pytest.raises(TrackError, match="Name the tracks to fetch"):
        run("fetch")
    with pytest.raises(AssetError, match=r"Did you mean `reinvent_base`\?"):
        run("fetch", "reinvnt_base")
    assert "reinvent_base" in run("fetch", "--list")


def test_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the picture that the rasteriser draws as a PNG."""
    from PIL import Image

    monkeypatch.setattr(topdown, "draw_track", lambda track, width_px: np.full((50, width_px, 3), 99, np.uint8))
    assert "closed, 16.79 m long" in run("show", "easy_oval", "--width-px", "80")
    with Image.open("easy_oval.png") as image:
        assert image.size == (80, 50)
    run("show", "easy_oval", "-o", "pictures/a.png")
    assert Path("pictures/a.png").is_file()
    with pytest.raises(ConfigError, match=r"a name that ends in \.png"):
        run("show", "easy_oval", "-o", "a.bmp")
