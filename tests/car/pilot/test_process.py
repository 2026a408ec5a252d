"""The real pilot and actuator as processes; camera, network and disk go wrong (catalogue C1, D1, I1)."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from racer.car.mailbox import CameraFrame
from racer.config.env import CameraConfig
from racer.hil.frame_server import FrameServer
from support.camera_bundles import brightness_graph, write_brightness_bundle
from support.car_processes import CAR_ID, PATIENCE_S, Car, Sleeper, calibration, on_chip, wait_for

MS = 1_000_000
STOP_US = 1446
EVERY_S = 1 / 30
SHAPE = (24, 32, 1)
USUAL, TOO_BRIGHT, TOO_DARK = 160, 245, 15
"""Brightness. The network answers the first, gives NaN for the second, and fails for the third."""
SOFT, HARD = 450 * MS, 250 * MS
"""From the first wrong frame: five must be seen before the last kind of fault is sure; an answer is wrong at once."""


def failing_graph(contract):
    """The test bundle's network with a square root of what may be negative, and an index that may not exist."""
    model = onnx.load_from_string(brightness_graph(contract))
    make, number = onnx.helper.make_node, onnx.numpy_helper.from_array
    constants = {
        "highest": np.array(240, "f4"), "lowest": np.array(20, "f4"), "black": np.array(5, "f4"),
        "zero": np.zeros(1, "f4"),
    }  # fmt: skip
    model.graph.initializer.extend(number(array, name) for name, array in constants.items())
    place = next(k for k, node in enumerate(model.graph.node) if "average" in node.output)
    model.graph.node[place].output[0] = "measured"
    nodes = [
        make("Sub", ["highest", "measured"], ["left"]),
        make("Sqrt", ["left"], ["root"]),
        make("Mul", ["root", "zero"], ["nothing"]),
        make("Less", ["measured", "lowest"], ["low"]),
        make("Greater", ["measured", "black"], ["lit"]),
        make("And", ["low", "lit"], ["dark"]),
        make("Cast", ["dark"], ["index"], to=onnx.TensorProto.INT64),
        make("Gather", ["zero", "index"], ["found"]),
        make("Add", ["measured", "nothing"], ["one_more"]),
        make("Add", ["one_more", "found"], ["average"]),
    ]
    for offset, node in enumerate(nodes, 1):
        model.graph.node.insert(place + offset, node)
    return model.SerializeToString()


def failing_bundle(path):
    """Written as any other; its recorded pictures are all of the usual kind."""
    pictures = np.random.default_rng(3).integers(USUAL - 9, USUAL + 9, (8, *SHAPE), dtype="u1")
    return write_brightness_bundle(path, graph=failing_graph, pictures=pictures)


class Eye:
    """A camera in a thread, 30 frames a second, with a fault on request; `wrong_ns` is when it first showed."""

    def __init__(self, path):
        self.fault = ""
        self.wrong_ns = 0
        self.feed = FrameServer(path, latency_ns=0)
        self._noise = np.random.default_rng(5)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eye")
        self._thread.start()

    def _picture(self, level):
        return self._noise.integers(level - 9, level + 9, SHAPE, dtype=np.uint8)

    def _run(self):
        number, last = 0, self._picture(USUAL)
        while not self._over.wait(EVERY_S):
            number, now, fault = number + 1, time.monotonic_ns(), self.fault
            level = {"bright": TOO_BRIGHT, "dark": TOO_DARK}.get(fault, USUAL)
            pixels = last if fault == "frozen" else self._picture(level)
            if fault == "black":
                pixels = np.zeros(SHAPE, np.uint8)
            elif fault == "half":
                pixels[SHAPE[0] // 2 :] = 128
            elif fault == "other size":
                pixels = pixels[:, :-2]
            if fault and not self.wrong_ns:
                self.wrong_ns = now
            last = pixels
            if fault != "hang":
                self.feed.put(CameraFrame(number, now - (10**9 if fault == "backwards" else 0), pixels))

    def close(self):
        """Hang up."""
        self._over.set()
        self._thread.join(5)
        self.feed.close()


class Driven:
    """A car with the real pilot."""

    def __init__(self, folder):
        folder.mkdir()
        side = {"left_us": 1700, "centre_us": 1450, "right_us": 1200, "max_deg_left": 30.0, "max_deg_right": 30.0}
        camera = CameraConfig(width=SHAPE[1], height=SHAPE[0]).model_dump(mode="json")
        changes = {"steering": side | {"invert": False}, "speed_table": [[0.0, 0.3], [1.0, 4.0]], "camera": camera}
        data = calibration(folder / "car" / "chip", **changes)
        self.car = Car(folder / "car", text=json.dumps(data))
        self.eye = Eye(str(folder / "eye"))
        self.sleeper = Sleeper()
        wait_for(lambda: Path(self.car.socket).exists())
        words = [sys.executable, "-m", "racer.car.pilot.process", str(failing_bundle(folder / "failing.bundle"))]
        words += ["--calibration", str(self.car.calibration), "--socket", self.car.socket, "--car-id", CAR_ID]
        words += ["--camera", f"sim:{folder / 'eye'}", "--speed-limit", "1", "--record", str(folder / "drives")]
        pipe = subprocess.PIPE
        self.pilot = subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=self.car.errors, bufsize=0, env=self.car.environment
        )
        os.set_blocking(self.pilot.stdout.fileno(), False)
        self.record, self._rest = {}, b""

    def newest(self):
        """The pilot's newest record."""
        assert self.pilot.poll() is None, self.car.words()
        with contextlib.suppress(BlockingIOError):
            *lines, self._rest = (self._rest + (os.read(self.pilot.stdout.fileno(), 1 << 16))).split(b"\n")
            self.record = json.loads(lines[-1]) if lines else self.record
        return self.record

    def moves(self):
        """Whether throttle is on the wire."""
        return self.newest().get("state") == "DRIVING" and self.car.chip().pulse_us(0) not in (None, on_chip(STOP_US))

    def drive(self):
        """Arm and drive as a person would, again where a busy machine was late, until the car moves."""
        words = {"DISARMED": b"arm\n", "ARMED": b"drive\n", "FAULT": b"clear\n"}
        until, asked, again = time.monotonic() + PATIENCE_S, "", 0.0
        while not self.moves():
            assert time.monotonic() < until, (self.record, self.car.words())
            state = self.record.get("state", "")
            if state in words and (state != asked or time.monotonic() > again):
                self.pilot.stdin.write(words[state])
                asked, again = state, time.monotonic() + 0.4
            threading.Event().wait(0.02)

    def stopped(self, fault):
        """Let a fault come; nanoseconds from its first sign to neutral, and what the pilot says."""
        self.eye.wrong_ns, self.eye.fault = 0, fault
        wait_for(lambda: self.newest().get("state") not in ("DRIVING", "SOFT_STOP", "HARD_STOP"))
        wait_for(lambda: self.eye.wrong_ns)
        neutral = self.car.neutral_after(self.eye.wrong_ns)
        said = wait_for(lambda: self.newest().get("stopped_by"))
        state = self.record["state"]
        self.eye.fault = ""
        return neutral, state, said

    def close(self):
        """End everything."""
        self.pilot.kill()
        self.pilot.wait(PATIENCE_S)
        for pipe in (self.pilot.stdin, self.pilot.stdout):
            pipe.close()
        self.eye.close()
        self.car.close()
        self.sleeper.close()


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """One car for all tests here; each test leaves it mended."""
    made = Driven(tmp_path_factory.mktemp("pilot") / "p")
    yield made
    made.close()


CASES = {
    "hang": (SOFT, "DISARMED", "no fresh camera frame"),
    "frozen": (SOFT, "DISARMED", "same picture"),
    "bright": (HARD, "FAULT", "not allowed"),
    "dark": (HARD, "FAULT", "the network failed"),
}
MORE = {
    "black": (SOFT, "DISARMED", "picture is black"),
    "half": (SOFT, "DISARMED", "lower part"),
    "other size": (SOFT, "DISARMED", "another size or type"),
    "backwards": (SOFT, "DISARMED", "times go backwards"),
}
"""Each takes its two seconds of neutral; without processes they are in `test_car_pilot.py`."""


@pytest.mark.parametrize("fault", [*CASES, *(pytest.param(fault, marks=pytest.mark.slow) for fault in MORE)])
def test_stops_and_says_why(driven, fault):
    """C1, I1: neutral in its time; softly for a bad camera, latched for a bad network; the reason named."""
    promised, state, words = (CASES | MORE)[fault]
    driven.drive()
    neutral, ended, said = driven.stopped(fault)
    late = driven.sleeper.lateness()[2]
    assert neutral - late <= promised, f"{neutral / MS:.0f} ms, {late / MS:.0f} ms of them a sleeper's"
    if late < 40 * MS:  # a machine that is later than that stops cars on its own
        assert ended == state and words in said
    assert {pulse for at, _, pulse in driven.car.log()[-3:]} <= {None, on_chip(STOP_US)}


def test_full_disk_stops_nobody(driven):
    """D1: no more room for the recording (a limit of the kernel's): the pilot says so, and drives on."""
    driven.drive()
    wait_for(lambda: "recording" in driven.newest())
    resource.prlimit(driven.pilot.pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    told = wait_for(lambda: words if "too large" in (words := str(driven.newest()["recording"])) else None)
    since = time.monotonic_ns()
    wait_for(lambda: len([1 for at, _, _ in driven.car.log() if at > since]) > 25)
    late = driven.sleeper.lateness()[2]
    assert driven.moves() or late >= 40 * MS, told
    resource.prlimit(driven.pilot.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_camera_hangs_up(driven):
    """C1: the camera's end stops the car softly; nothing brings it back but a new pilot."""
    driven.drive()
    before = time.monotonic_ns()
    driven.eye.close()
    neutral = driven.car.neutral_after(before)
    assert neutral - driven.sleeper.lateness()[2] <= SOFT
    assert "camera" in wait_for(lambda: driven.newest().get("stopped_by"))
    assert wait_for(lambda: driven.newest().get("refusal"))
