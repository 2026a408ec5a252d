"""From the command line to a simulated lap, a recording and a fitted vehicle; and how these programs end. Marked slow.

Real processes in real time: Ctrl-C, SIGTERM and kill -9 must leave neutral, no process, and a drive that can be read.
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys

import pytest

from racer.car.recording.reader import read_drive
from racer.config.read import read_vehicle
from support.camera_bundles import driving_bundle
from support.simulated_programs import MAIN, TRACK, Program, gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(290)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Fitted to the track by its own frames."""
    return driving_bundle(tmp_path_factory.mktemp("bundle") / "linear.bundle", TRACK)


@pytest.fixture
def program(tmp_path):
    """Starts one, and leaves nothing of it."""
    with contextlib.ExitStack() as held:

        def start(*arguments):
            made = Program(tmp_path, *arguments)
            held.callback(made.close)
            return made

        yield start


def racer(folder, *arguments):
    """Run a command to its end; what it printed."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_drive_replay_calibrate(bundle, tmp_path):
    """Drive two laps with --sim, look at the recording, make its pulses again, and fit a vehicle that can be read."""
    words = ("--sim", "--track", TRACK, "--laps", 2, "--speed-limit", 0.5, "--latency-ms", 40)
    said = racer(tmp_path, "car", "drive", bundle, *words)
    assert "completed 2 of 2 laps" in said
    drive = next(line.split()[1] for line in said.splitlines() if line.startswith("recorded"))
    said = racer(tmp_path, "car", "replay", drive, "--pulses", "--picture", "sheet.png")
    assert "rows: speed, yaw rate" in said and (tmp_path / "sheet.png").stat().st_size > 1000
    said = racer(tmp_path, "calibrate-sim", drive, "-o", "car7.yaml")
    assert "s of driving; measured: speed, yaw rate" in said
    fitted, base = read_vehicle(str(tmp_path / "car7.yaml")), read_vehicle("deepracer")
    assert fitted.steer_max_deg == base.steer_max_deg


def test_no_record_records_nothing(bundle, tmp_path):
    """--no-record leaves no folder."""
    words = ("--sim", "--track", TRACK, "--laps", 1, "--speed-limit", 0.5, "--no-record")
    assert "recorded" not in racer(tmp_path, "car", "drive", bundle, *words)
    assert not (tmp_path / "drives").exists()


@pytest.mark.parametrize(
    ("number", "group", "status"),
    [
        (signal.SIGINT, True, 130),
        (signal.SIGINT, False, 130),
        (signal.SIGKILL, False, -9),
        (signal.SIGTERM, False, 143),
    ],
)
def test_end_of_a_simulated_drive(bundle, program, tmp_path, number, group, status):
    """Ctrl-C (to the group), SIGINT, kill -9 and SIGTERM in full drive."""
    started = program("car", "drive", bundle, "--sim", "--track", TRACK, "--laps", 50, "--speed-limit", 0.5)
    there = started.moving()
    assert len(there) == 3
    assert started.end(number, group=group) == status
    assert gone(there) and started.still()
    drive = readable(tmp_path)
    assert len(drive.steps) and not drive.damage
    assert "Traceback" not in started.said()


@pytest.mark.parametrize(
    ("number", "group", "status"),
    [(signal.SIGINT, True, 130), (signal.SIGKILL, False, -9), (signal.SIGTERM, False, 143)],
)
def test_end_of_a_simulated_console(bundle, program, tmp_path, number, group, status):
    """The same with the page in front, a model driving."""
    pytest.importorskip("fastapi", reason="install racer[car]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = program("car", "console", bundle, "--sim", "--track", TRACK, "--port", port)
    started.until(lambda: "#token=" in started.said())
    token = started.said().partition("#token=")[2].split()[0]
    with page(started, port, token) as drive:
        there = drive()
        assert len(there) == 3
        assert started.end(number, group=group) == status
    assert gone(there) and started.still()
    found = readable(tmp_path)
    assert len(found.steps) and not found.damage
    assert "Traceback" not in started.said()


def readable(folder):
    """The one drive that was recorded."""
    return read_drive(next((folder / "drives").glob("*.mcap")))


@contextlib.contextmanager
def page(started, port, token):
    """A page that takes command; calling it drives until the car moves."""
    connect = pytest.importorskip("websockets.sync.client", reason="install racer[car]").connect

    held = contextlib.ExitStack()

    def opened():
        with contextlib.suppress(OSError):
            return held.enter_context(connect(f"ws://127.0.0.1:{port}/ws", proxy=None))
        return None

    ws = started.until(opened)
    ws.send(json.dumps({"token": token}))
    ws.send(json.dumps({"do": "claim"}))
    number = 0

    def going():
        nonlocal number
        said = json.loads(ws.recv(timeout=20.0))
        if status := said.get("status"):
            number += 1
            beat = {"number": number, "seen": status["stamp"], "press": 0, "held": False}
            ws.send(json.dumps({"do": "beat", "steering": 0.0, "throttle": 0.0, **beat}))
            what = {"DISARMED": "arm", "ARMED": "start", "FAULT": "clear"}.get(status["state"])
            if what and number % 10 == 0:
                ws.send(json.dumps({"do": what, "driver": "policy"}))

    def drive():
        return started.moving(going)

    try:
        yield drive
    finally:
        held.close()
