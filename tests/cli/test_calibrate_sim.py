"""`racer calibrate-sim` from the command line."""

import pytest
from typer.testing import CliRunner

from racer.car.recording.drive_file import DriveError
from racer.cli.main import app
from racer.config.read import read_vehicle
from racer.errors import RacerError
from racer.sysid.simtrace_fit import _TraceProblem
from support.paths import ROOT
from support.simulated_drives import record, record_simtrace


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


@pytest.fixture(scope="module")
def simtrace(tmp_path_factory):
    """The log of 40 s that racer wrote, of a car that turns less than the default one."""
    truth = read_vehicle("deepracer_geometric").model_copy(update={"steer_gain": 0.8, "steer_lag": 0.15})
    return record_simtrace(tmp_path_factory.mktemp("logs") / "a.csv", 40.0, truth, seed=1)


GEOMETRIC = ("--vehicle", "deepracer_geometric")


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(app, ["calibrate-sim", *map(str, arguments)])


def test_fits_a_simtrace(tmp_path, simtrace):
    """A log in; a vehicle, a picture, and the error before and after out."""
    result = run(simtrace, "-o", tmp_path / "mine.yaml", "--picture", tmp_path / "fit.png", *GEOMETRIC)
    assert result.exit_code == 0, result.output
    assert "steer_10_deg" in result.output and "kept: this trace does not determine it" in result.output
    assert "the steering map at 30 degrees is still that of `deepracer_geometric`" in result.output
    assert result.output.count("open loop") == 3 and "m after 2 s, was" in result.output
    made = read_vehicle(tmp_path / "mine.yaml")
    assert made.name == "mine" and abs(dict(made.steer_map_deg)[10.0] - 8.0) < 0.3
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_fits_the_logs_of_an_evaluation(tmp_path):
    """`racer evaluate --deepracer-logs` writes what `calibrate-sim` reads."""
    text = (ROOT / "configs/vehicle/deepracer_geometric.yaml").read_text().replace("steer_lag: 0.05", "steer_lag: 0.15")
    (tmp_path / "slow.yaml").write_text(text + "\nsteer_gain: 0.8\n")
    logs = tmp_path / "logs"
    evaluate = ["evaluate", "pure_pursuit", "--track", "willow_bend", "--laps", "2"]
    options = ["--vehicle", str(tmp_path / "slow.yaml"), "--deepracer-logs", str(logs)]
    assert CliRunner().invoke(app, [*evaluate, *options]).exit_code == 0
    (log,) = logs.glob("evaluation-*/evaluation-simtrace/*.csv")
    result = run(log, "-o", tmp_path / "mine.yaml", *GEOMETRIC)
    assert result.exit_code == 0, result.output
    made = read_vehicle(tmp_path / "mine.yaml")
    # A lap hardly tells lag from delay; their sum is known.
    assert abs(made.steer_lag + made.steer_delay - 0.15) < 0.03
    assert all(abs(dict(made.steer_map_deg)[command] - 0.8 * command) < 0.4 for command in (5.0, 10.0, 15.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv: cannot be read: No such file"),
        (["text.csv"], "text.csv is not a simtrace: no column `episode`"),
        (["text.csv", "a.mcap"], "2 logs were given, and a.mcap is not a simtrace"),
        (["a.mcap", "b.mcap"], "a fit takes either simtraces or one recorded drive"),
        (["a.mcap", "--picture", "fit.png"], "--picture draws fits to simtraces (.csv), and a.mcap is not one"),
        (["text.csv", "--picture", "."], ". is a folder; give the name of a file"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, arguments, message):
    """No file, wrong columns, mixed kinds: nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    result = run(*arguments, "-o", "x.yaml")
    assert isinstance(result.exception, RacerError) and message in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.csv"]


def test_interrupted_fit_writes_nothing(tmp_path, monkeypatch, simtrace):
    """Ctrl-C during the fit leaves no file."""

    def interrupt(self, values):
        raise KeyboardInterrupt

    monkeypatch.setattr(_TraceProblem, "residuals", interrupt)
    result = run(simtrace, "-o", tmp_path / "x.yaml", "--picture", tmp_path / "x.png")
    assert result.exit_code == 130 and not list(tmp_path.iterdir())
