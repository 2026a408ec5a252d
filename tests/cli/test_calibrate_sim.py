"""`racer calibrate-sim` from the command line."""

import pytest
from typer.testing import CliRunner

from racer.car.recording.drive_file import DriveError
from racer.cli.main import app
from racer.config.read import read_vehicle
from support.simulated_drives import record


def test_writes_a_vehicle(tmp_path):
    """A drive in, a vehicle out that the trainer reads, and words on how good it is."""
    path = record(tmp_path / "a.mcap", 8.0, {"steer_gain": 0.9}, latency_steps=3, seed=1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    told = CliRunner().invoke(
        app, ["calibrate-sim", str(path), "-o", str(tmp_path / "mine.yaml"), "--vehicle", "deepracer_geometric"]
    )
    assert told.exit_code == 0, told.output
    assert "not used" in told.output and "steer_gain" in told.output and "action_delay" in told.output
    made = read_vehicle(tmp_path / "mine.yaml")
    assert made.name == "mine" and abs(made.steer_gain - 0.9) < 0.03


@pytest.mark.parametrize("text", ["", "no drive"])
def test_refuses_what_is_no_drive(tmp_path, text):
    """One line, nothing written."""
    (tmp_path / "a.mcap").write_text(text)
    told = CliRunner().invoke(app, ["calibrate-sim", str(tmp_path / "a.mcap"), "-o", str(tmp_path / "x.yaml")])
    assert isinstance(told.exception, DriveError) and not (tmp_path / "x.yaml").exists()
