"""`racer show-sensors`: the sheet, and mistakes in one line."""

import numpy as np
import pytest
from PIL import Image

from racer.config.read import read_vehicle
from racer.report.sensor_sheet import captions, capture_sheet
from racer.track.load import load_track
from support.commands import racer


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in this process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: racer(capsys, monkeypatch, *arguments)


def test_a_sheet_is_drawn(run, tmp_path):
    """Write a PNG with many shades, and say what it shows."""
    said = run("show-sensors", "--disturbance", "mild", "-o", "sheet.png")
    assert said.code == 0 and said.out == "sheet.png: 24 episodes on willow_bend, disturbance mild\n"
    picture = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    assert min(picture.shape) > 1000 and len(np.unique(picture)) > 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--disturbance", "milt"), "Did you mean `mild`?"),
        (("--track", "wilow_bend"), "Did you mean `willow_bend`?"),
        (("-o", "sheet.jpg"), "sheet.jpg"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, arguments, words):
    """Refuse what is not there before anything is drawn."""
    said = run("show-sensors", *arguments)
    assert said.code == 1 and words in said.err and said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_both_frames_of_a_cell_are_of_the_same_car():
    """Show with `none` the same frame and the same scan twice, and with `real` others, and tell what was drawn."""
    track, car = load_track("willow_bend"), read_vehicle("deepracer")
    sheet = capture_sheet(track, car, "none", episodes=3)
    np.testing.assert_array_equal(sheet.plain, sheet.given)
    np.testing.assert_array_equal(sheet.scans_plain, sheet.scans_given)
    assert captions(sheet, 0) == ("", "as it is")
    sheet = capture_sheet(track, car, "real", colour="rgb", episodes=3)
    assert sheet.given.shape == (3, 120, 160, 3) and (sheet.plain != sheet.given).mean() > 0.5
    assert (sheet.ages > 0.03).all() and (sheet.scans_plain != sheet.scans_given).mean() > 0.5
    assert f"pitch {sheet.drawn[1]['camera_pitch_deg']:+.1f}°" in captions(sheet, 1)[1]
    assert f"friction {sheet.drawn[1]['vehicle_friction']:.2f}" in captions(sheet, 1)[0]
