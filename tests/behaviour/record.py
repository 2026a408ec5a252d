"""Records what racer does, so that two versions of it can be compared after a refactoring.

    python tests/behaviour/record.py OUT.json [--only PART ...] [--files DIR] [--resume]
    python tests/behaviour/record.py --compare BEFORE.json AFTER.json

The racer that is recorded is the one of this file's own tree. Beside OUT.json the folder OUT.files is made anew: runs,
bundles, replays and the other files that were written on the way. The part `open` opens such files again; with
`--files` those of an older version. Wall times, dates and process numbers are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.extend(str(Path(__file__).resolve().parents[1] / name) for name in (".", "render", "sim/camera", "viewer"))
os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])  # for all processes that are started
os.environ.setdefault("RACER_CACHE_DIR", "/tmp/racer_record_cache")  # in the shared one, versions evict each other
os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"
os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"

# All of racer's own names, and all of its tests' helpers, that this file uses.
import test_compose as viewer
from test_camera import scenes
from test_topdown import golden_frames

import racer
from racer.car.actuator.calibrated_range import read_actuator_setup
from racer.car.actuator.drivers import Pca9685
from racer.car.actuator.sim_chip import BusFault, SimBus
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import ActuatorCommand, ActuatorRequest, CommandSource
from racer.car.calibration.calibration import write_calibration
from racer.car.gate import ActionBounds, Gate, GateRefusal
from racer.config.env import CameraConfig
from racer.config.read import read_vehicle
from racer.errors import RewardError
from racer.hil.session import simulated_calibration
from racer.reward.load import load_reward
from support.camera_bundles import driving_bundle
from support.replays import ring_replay
from support.reward_twins import random_rows

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
CAR_ID = "simulated"
ENVIRONMENT = os.environ | {"COLUMNS": "160", "TERM": "dumb", "RACER_CAR_ID": CAR_ID}
TRAININGS = {
    "willow": ("willow_bend", "default"),
    "hourglass": ("hourglass", "default"),
    "willow_ten": ("willow_bend", "ten_actions"),
    "hourglass_ten": ("hourglass", "ten_actions"),
}
"""Name of a run, without the `run_` of its folder: track and configuration."""
DISTILLATION = (
    "env.camera={width: 40, height: 30}", "preprocess={frames: 2}", "layers=[16]", "dagger.rounds=20",
    "dagger.worlds=16", "dagger.steps=16", "dagger.gradient_steps=8", "dagger.batch_size=64",
    "dagger.teacher_rounds=4", "dagger.memory_mb=4", "dagger.evaluate_every=10", "dagger.evaluate_laps=1",
    "dagger.threads=1", "dagger.precision=float32",
)  # fmt: skip
BUNDLES = {"willow": "willow", "ten": "hourglass_ten", "distilled": "distilled"}
"""Name of a bundle: name of the run that it is exported from."""
COURSES = (tuple((float(k), float(k % 3)) for k in range(8)), ((0.5, 0.5), (3.0, 1.0), (0.5, 0.5)))
"""Waypoints of the made-up states of the corpus."""
THEIR_CALIBRATION = {
    "Calibration": {
        "Servo": {"min": 1200000, "mid": 1450000, "max": 1700000, "polarity": 1},
        "Motor": {"min": 1311000, "mid": 1446000, "max": 1603500, "polarity": -1},
        "version": 1,
    }
}
WALL_KEYS = {"elapsed_s", "steps_per_s", "collect_s", "learn_s", "us_per_call_python", "us_per_call_compiled"}
WALL_TEXT = (
    (r"\b(in|after) [\d.]+ (s|ms|min)\b", r"\1 # \2"),
    (r"[\d.]+ ms for one answer", "# ms for one answer"),
    (r"^(installed|started) .*", r"\1 #"),
)
"""What differs from run to run in what commands print."""


# Commands and hashes.


def racer_command(folder: Path, *arguments: object) -> dict[str, Any]:
    """Run `racer ...` in a folder; its exit status and what it printed, without wall times."""
    command = [sys.executable, "-m", "racer", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=6000)
    return {"code": done.returncode, "out": _cleaned(done.stdout), "err": _cleaned(done.stderr)}


def must(folder: Path, *arguments: object) -> dict[str, Any]:
    """Run a command that must succeed."""
    said = racer_command(folder, *arguments)
    if said["code"]:
        raise SystemExit(f"racer {' '.join(map(str, arguments))} failed:\n" + "\n".join(said["out"] + said["err"]))
    return said


def answer(folder: Path, *arguments: object) -> Any:
    """The JSON object that a command prints, without wall times."""
    return _without_wall(json.loads("\n".join(must(folder, *arguments)["out"])))


def _cleaned(text: str) -> list[str]:
    lines = text.replace(str(ROOT), "ROOT").splitlines()
    for pattern, instead in WALL_TEXT:
        lines = [re.sub(pattern, instead, line).rstrip() for line in lines]
    return lines


def _without_wall(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_wall(value) for key, value in data.items() if key not in WALL_KEYS}
    return [_without_wall(one) for one in data] if isinstance(data, list) else data


def sha(*parts: bytes | str) -> str:
    """One hash of several parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def sha_json(data: Any) -> str:
    """A hash of what JSON can hold; floats count to the last bit."""
    return sha(json.dumps(data, sort_keys=True))


def sha_array(array: Any) -> str:
    """A hash of an array's type, shape and bytes."""
    array = np.ascontiguousarray(array)
    return sha(str(array.dtype), str(array.shape), array.tobytes())


def sha_pictures(path: Path) -> str:
    """A hash of the pixels of a picture, or of all pictures of a film; nothing is made of a file that is missing."""
    if not path.exists():
        return "missing"
    with Image.open(path) as image:
        frames = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(sha_array(np.asarray(image.convert("RGBA"))))
    return sha(*frames)


def arrays_of(archive: Path) -> dict[str, str]:
    """A hash of each array of each .npz in a zip, whatever the zip's own bytes."""
    found = {}
    with zipfile.ZipFile(archive) as members:
        for member in sorted(name for name in members.namelist() if name.endswith(".npz")):
            with np.load(io.BytesIO(members.read(member)), allow_pickle=False) as file:
                found |= {f"{member}:{name}": sha_array(file[name]) for name in sorted(file.files)}
    return found


def told_of_replay(path: Path) -> dict[str, Any]:
    """The header and the arrays of a replay."""
    with zipfile.ZipFile(path) as members:
        return {"header": json.loads(members.read("header.json")), "arrays": sha_json(arrays_of(path))}


def told_of_bundle(path: Path) -> dict[str, Any]:
    """The weights and recorded answers of a bundle one by one, its graph, and its contract."""
    if not path.exists():
        return {"missing": path.name}
    with zipfile.ZipFile(path) as members:
        contract = json.loads(members.read("contract.json"))
        return {"arrays": arrays_of(path), "onnx": sha(members.read("policy.onnx")), "contract": contract}


def told_of_run(run: Path) -> dict[str, Any]:
    """The bundles of a run, its rows of metrics, and the files that it holds."""
    if not (run / "metrics.jsonl").exists():
        return {"missing": run.name}
    rows = [_without_wall(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]
    files = sorted(str(file.relative_to(run)) for file in run.rglob("*") if "tensorboard" not in file.parts)
    return {
        "last": told_of_bundle(run / "last.bundle"),
        "best": told_of_bundle(run / "best.bundle"),
        "metrics": {"last": rows[-1], "all": sha_json(rows)},
        "config": (run / "config.yaml").read_text().splitlines(),
        "files": files,
    }


# Files that parts share; each is made where it is first asked for.


class Files:
    """The folder of files.

    Args:
        path: of the folder.
        older: files of another version, for the part `open`; None for those of `path`.
    """

    def __init__(self, path: Path, older: Path | None) -> None:
        self.path = path
        self.older = older

    def run(self, name: str) -> Path:
        """A run folder; its name."""
        run = Path(f"run_{name}")
        if (self.path / run).exists():
            return run
        options: tuple[object, ...] = ("--seed", 0, "--run-dir", run)
        if name == "distilled":
            teacher = self.run("willow")
            tracks = ("-t", "easy_oval", "-t", "willow_bend")
            must(self.path, "distill", teacher, *options, *tracks, "--disturbance", "real", *_set(*DISTILLATION))
        else:
            track, config = TRAININGS[name]
            must(self.path, "train", *options, "-t", track, "-c", config, *_set("train.total_steps=60000"))
        return run

    def bundle(self, name: str) -> Path:
        """An exported bundle."""
        path = Path(f"{name}.bundle")
        if not (self.path / path).exists():
            must(self.path, "export", self.run(BUNDLES[name]), "-o", path)
        return path


def _set(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


# Parts.


def train(files: Files) -> dict[str, Any]:
    """Weights and metrics of the trainings."""
    return {name: told_of_run(files.path / files.run(name)) for name in TRAININGS}


def distill(files: Files) -> dict[str, Any]:
    """Weights and metrics of a distillation of 20 rounds."""
    return told_of_run(files.path / files.run("distilled"))


def laps(files: Files) -> dict[str, Any]:
    """Laps of each bundle, and the states on the way."""
    found = {}
    for name in BUNDLES:
        bundle = files.bundle(name)
        for disturbance in ("none", "real"):
            replay = f"lap_{name}_{disturbance}.replay"
            words = ("--json", "--seed", 7, "--laps", 3, "--disturbance", disturbance, "--replay", replay)
            told = answer(files.path, "evaluate", bundle, *words)
            found[f"{name} {disturbance}"] = {"laps": told, "replay": told_of_replay(files.path / replay)}
        found[f"{name} bundle"] = told_of_bundle(files.path / bundle)
    return found


def race(files: Files) -> dict[str, Any]:
    """A league of four, each alone, and the same four together among boxes."""
    entrants = [*(f"{name}={files.bundle(name)}" for name in BUNDLES), "pure_pursuit"]
    together = _set("race=head_to_head", "objects.race=object_avoidance", "objects.count=3", "laps=2")
    found = {}
    for name, settings in (("league", []), ("together", together)):
        words = ("--json", "--seed", 3, "--replay", f"{name}.replay", *settings)
        result = answer(files.path, "race", "league", *entrants, *words)
        found[name] = {"result": result, "replay": told_of_replay(files.path / f"{name}.replay")}
    return found


def rewards(files: Files) -> dict[str, Any]:
    """Rewards of the corpus on made-up states by both paths, and what `racer rewards check` finds in shipped ones."""
    corpus = sorted((TESTS / "reward" / "corpus").glob("*.py"))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found: dict[str, Any] = dict(zip((file.stem for file in corpus), pool.map(rewards_of, corpus), strict=True))
    for name in ("default", "racing_line", "obstacle_aware"):
        found[f"check {name}"] = answer(files.path, "rewards", "check", name, "--json")
    return found


def rewards_of(file: Path) -> dict[str, Any]:
    """How one reward function runs, and what it pays by each path; an error counts by its text."""
    found: dict[str, Any] = {}
    for path in ("auto", "python"):
        reward = load_reward(file, n_worlds=8, path=path)
        paid: list[bytes | str] = []
        errors = 0
        for seed in range(12):
            rows, things = random_rows(8, seed, COURSES)
            out = np.zeros((8, 1))
            try:
                reward.compute(rows, things if seed % 2 else None, COURSES, out)
            except RewardError as error:
                paid.append(str(error).replace(str(ROOT), "ROOT"))
                errors += 1
            else:
                paid.append(out.tobytes())
        found[path] = {"path": reward.path, "reason": reward.reason, "rewards": sha(*paid), "errors": errors}
    return found


def pictures(files: Files) -> dict[str, Any]:
    """Pixels of the golden frames, of the viewer, and of pictures and films that commands make."""
    found = {f"camera {name}": sha_array(frame) for name, frame in scenes()}
    found |= {f"picture {name}": sha_array(frame) for name, frame in golden_frames()}
    replay = ring_replay(cars=2, boxes=2, rewarded=True)
    for view in viewer.ViewMode:
        for name, overlays in (("plain", set()), ("overlays", set(viewer.Overlay))):
            image, _ = viewer.shown(replay, 20.0, view=view, overlays=overlays)
            found[f"viewer {view} {name}"] = sha_array(image)
    found |= {f"viewer top {zoom}": sha_array(viewer.top(replay, 10.0, zoom)[0]) for zoom in (1.0, 2.0, 4.5)}
    found["viewer chase"] = sha_array(viewer.chase(replay)[0])
    bundle = files.bundle("willow")
    must(files.path, "evaluate", bundle, "--laps", 1, "--picture", "path.png", "--replay", "film.replay")
    must(files.path, "show-sensors", "-o", "sensors.png")
    must(files.path, "tracks", "show", "crossover", "-o", "track.png")
    must(files.path, "rewards", "plot", "smooth_line", "-o", "reward.png")
    for view in ("track", "chase", "camera"):
        words = ("--view", view, "--size", "320x200", "--fps", 2)
        must(files.path, "video", "film.replay", "-o", f"film_{view}.gif", *words)
    made = ("path.png", "sensors.png", "track.png", "reward.png", *(f"film_{view}.gif" for view in viewer.ViewMode))
    return found | {name: sha_pictures(files.path / name) for name in made}


class _NotedBus:
    """A simulated bus that keeps what was written to it."""

    def __init__(self, bus: SimBus) -> None:
        self._bus = bus
        self.written: list[tuple[int, int, list[int]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        self.written.append((address, register, [value]))
        self._bus.write_byte_data(address, register, value)

    def write_i2c_block_data(self, address: int, register: int, data: list[int]) -> None:
        self.written.append((address, register, list(data)))
        self._bus.write_i2c_block_data(address, register, data)


SCRIPT: dict[int, str] = {
    500: "pilot", 1000: "ARM", 2400: "ARM", 2600: "DRIVE", 4000: "mute", 4400: "talk", 4500: "CLEAR", 4800: "CLEAR",
    7200: "ARM", 7300: "DRIVE", 8000: "blind", 8400: "see", 10600: "ARM", 10700: "DRIVE", 11400: "STOP", 12000: "CLEAR",
    14400: "ARM", 14500: "DRIVE", 15100: "nack", 15800: "CLEAR", 18200: "ARM", 18300: "DRIVE", 18800: "DISARM",
    19000: "ARM", 21000: "ARM", 21100: "DRIVE", 21400: "wild", 22200: "CLEAR", 24400: "ARM",
    24500: "DRIVE", 24900: "gone", 25100: "close",
}  # fmt: skip
"""What happens when, in ms: a person's requests, and faults of the pilot and of the bus."""


def bus(_: Files) -> dict[str, Any]:
    """Pulses of a grid of actions, and a scripted drive through gate, state machine and simulated chip."""
    with tempfile.TemporaryDirectory() as folder:
        chip = Path(folder) / "chip"
        calibration = simulated_calibration(read_vehicle("deepracer"), CameraConfig(), chip=chip)
        setup = read_actuator_setup(str(write_calibration(Path(folder) / "car.json", calibration)), CAR_ID)
        bounds = ActionBounds.of_calibration(calibration)
        found: dict[str, Any] = {"trim": str(setup.trim), "bounds": str(bounds)}
        for mapping in ("table", "deepracer"):
            for limit in (0.3, 1.0):
                gate = Gate(calibration, bounds, mapping=mapping, speed_limit=limit)
                found[f"gate {mapping} {limit}"] = _gate_answers(gate, bounds)
        wire = _NotedBus(SimBus(chip))
        channels = {"steering": setup.wiring.steering_channel, "throttle": setup.wiring.throttle_channel}
        gate = Gate(calibration, bounds, speed_limit=0.5)
        machine = ActuatorStateMachine(trim=setup.trim, now_ns=0)
        states = _scripted(gate, machine, Pca9685(wire, 0x40, **channels), wire)
        wire.close()
    return found | {"states": states, "writes": len(wire.written), "registers": sha_json(wire.written)}


def _gate_answers(gate: Gate, bounds: ActionBounds) -> dict[str, Any]:
    """Pulses over all that may be asked for, and the words for what may not."""
    steering = np.linspace(bounds.steering_low, bounds.steering_high, 31)
    pulses = [str(gate.pulses(a, v)) for a in steering for v in np.linspace(0.0, bounds.speed_high, 21)]
    refused = []
    for action in ((math.nan, 1.0), (0.0, math.inf), (90.0, 1.0), (0.0, -1.0), (0.0, 1e3)):
        try:
            refused.append(str(gate.pulses(*action)))
        except GateRefusal as error:
            refused.append(str(error))
    return {"pulses": sha_json(pulses), "first": pulses[0], "refused": refused}


def _scripted(gate: Gate, machine: ActuatorStateMachine, driver: Pca9685, wire: _NotedBus) -> list[str]:
    """Let 26 s pass in steps of 10 ms, a tick of the bus every 20 ms, a frame every 60 ms; the changes of state."""
    driver.start()
    seen, faults, frame, seq = "", set(), 0, 0
    told = []
    for ms in range(0, 26_000, 10):
        now = ms * 1_000_000
        machine.advance(now)
        if what := SCRIPT.get(ms):
            told.append(f"{ms} {what}: {_happens(what, machine, wire, faults, now)}")
        if ms % 60 == 0 and ms > 500 and "mute" not in faults:
            frame, seq = frame + ("blind" not in faults), seq + 1
            speed = 1.2 + 0.8 * math.sin(0.002 * ms) if machine.state.name == "DRIVING" else 0.0
            pulses = gate.pulses(25.0 * math.sin(0.005 * ms), speed)
            steering = 9999 if "wild" in faults else pulses.steering_us
            captured = now - 30_000_000 if "blind" not in faults else machine.command.captured_ns
            machine.take(
                ActuatorCommand(CommandSource.FRAME, seq, frame, captured, now, steering, pulses.throttle_us), now
            )
            faults.discard("wild")
        if ms % 20 == 0 or machine.urgent:
            try:
                driver.write(machine.pulses(now))
                machine.written(now)
            except OSError:
                machine.bus_failed(now)
        state = f"{machine.state.name} {machine.reason.name} rejected {machine.rejected}"
        if state != seen:
            told.append(f"{ms} {state}, {len(wire.written)} writes")
        seen = state
    return told


def _happens(what: str, machine: ActuatorStateMachine, wire: _NotedBus, faults: set[str], now: int) -> str:
    """Let one thing of the script happen; the machine's answer to a request."""
    if what.isupper():
        return machine.request(ActuatorRequest[what], now).name
    if what == "pilot":
        machine.pilot_came(now)
    elif what == "gone":
        machine.pilot_gone(now)
        faults.add("mute")
    elif what == "close":
        machine.close(now)
    elif what == "nack":
        wire.chip.inject(BusFault.NACK, times=1)
    elif what in ("talk", "see"):
        faults -= {"mute", "blind"}
    else:
        faults.add(what)
    return "done"


def archive(files: Files) -> dict[str, Any]:
    """Make the files that no other part makes, and say which there are."""
    folder = files.path
    for name in ("willow", "distilled"):
        files.run(name)
    bundle = files.bundle("willow")
    with zipfile.ZipFile(folder / bundle) as members:
        (folder / "contract.json").write_bytes(members.read("contract.json"))
    must(folder, "evaluate", bundle, "--laps", 2, "--seed", 5, "--replay", "lap.replay")
    entrants = [f"{name.title()}={files.bundle(name)}" for name in BUNDLES]
    must(folder, "leaderboard", "board.db", "add", "league", *entrants, "--seed", 2, "--replay", "board.replay")
    (folder / "theirs.json").write_text(json.dumps(THEIR_CALIBRATION))
    must(folder, "car", "calibration", "import", "deepracer", "theirs.json", "-o", "calibration.json")
    driving_bundle(folder / "camera.bundle")
    must(folder, "car", "models", "install", "camera.bundle", "--store", "store", "--use")
    drive = ("--sim", "--track", "easy_oval", "--laps", 1, "--speed-limit", 0.5, "--latency-ms", 40)
    must(folder, "car", "drive", "camera.bundle", *drive, "--record", "drives")
    made = next(file for file in sorted((folder / "drives").iterdir()) if file.suffix in DRIVE_SUFFIXES)
    made.rename(folder / f"drive{made.suffix}")
    return {"names": sorted(OPENED_FILES & {file.name for file in folder.iterdir()})}


DRIVE_SUFFIXES = (".mcap", ".drive")
"""Formats of recorded drives, newest first."""


def find_drive(folder: Path) -> Path | None:
    """Return the drive that `archive` recorded in a folder; None before that."""
    return next((file for suffix in DRIVE_SUFFIXES if (file := folder / f"drive{suffix}").exists()), None)


OPENED_FILES = {
    "run_willow", "run_distilled", "willow.bundle", "distilled.bundle", "camera.bundle", "contract.json", "lap.replay",
    "board.replay", "board.db", "calibration.json", "theirs.json", "store",
}  # fmt: skip
RESUMED = ("--set", "train.total_steps=70000")
OPENING: Sequence[tuple[object, ...]] = (
    ("evaluate", "run_willow", "--laps", 2, "--json"),
    ("evaluate", "run_distilled", "--laps", 2, "--json"),
    ("evaluate", "willow.bundle", "--laps", 2, "--json"),
    ("evaluate", "distilled.bundle", "--laps", 2, "--json", "--disturbance", "real"),
    ("evaluate", "camera.bundle", "-t", "easy_oval", "--laps", 2, "--json"),
    ("export", "willow.bundle", "-o", "again.bundle"),
    ("export", "run_distilled", "-o", "distilled_again.bundle"),
    ("report", "run_willow", "-o", "report.html"),
    ("train", "--resume", "run_willow"),
    ("train", "--resume", "run_willow", *RESUMED),
    ("train", "--from", "willow.bundle", "--run-dir", "run_from", "--seed", 1, "--set", "train.total_steps=8192"),
    ("distill", "--resume", "run_distilled", "--set", "dagger.rounds=22"),
    ("video", "lap.replay", "-o", "lap.gif", "--size", "320x200", "--fps", 2),
    ("video", "board.replay", "-o", "board.gif", "--size", "320x200", "--fps", 1, "--speed", 8),
    ("race", "league", "willow.bundle", "run_distilled", "--json", "--seed", 1, "--set", "laps=1"),
    ("leaderboard", "board.db"),
    ("leaderboard", "board.db", "export", "-o", "board.json"),
    ("leaderboard", "board.db", "verify"),
    ("car", "replay", "DRIVE", "--events", "--pulses", "--picture", "sheet.png"),
    ("car", "replay", "DRIVE", "--json"),
    ("calibrate-sim", "DRIVE", "-o", "fitted.yaml"),
    ("car", "calibration", "show", "--calibration", "calibration.json"),
    ("car", "calibration", "check", "--calibration", "calibration.json"),
    ("car", "calibration", "import", "deepracer", "theirs.json", "-o", "calibration_again.json"),
    ("car", "models", "list", "--store", "store"),
    ("car", "models", "show", "camera", "--store", "store"),
    ("car", "models", "install", "camera.bundle", "--store", "new_store"),
)
"""Commands that open files of an older version; DRIVE is the recorded drive."""


def open_files(files: Files) -> dict[str, Any]:
    """Open files that were written before, on a copy, and go on with the runs among them."""
    before = files.older or files.path
    if not files.older and not find_drive(before):
        archive(files)
    drive = find_drive(before)
    assert drive, f"{before} has no recorded drive"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in (*OPENED_FILES, drive.name):
            source = before / name
            if source.is_dir():
                shutil.copytree(source, folder / name, symlinks=True)
            else:
                shutil.copy2(source, folder / name)
        found: dict[str, Any] = {}
        for words in OPENING:
            found[" ".join(map(str, words))] = racer_command(
                folder, *(drive.name if word == "DRIVE" else word for word in words)
            )
        for name in ("run_willow", "run_distilled", "run_from"):
            found[f"resumed {name}"] = told_of_run(folder / name)
        for name in ("again.bundle", "distilled_again.bundle"):
            found[name] = told_of_bundle(folder / name)
        found |= {name: sha_pictures(folder / name) for name in ("lap.gif", "board.gif", "sheet.png")}
        for file in (folder / "fitted.yaml", folder / "board.json"):
            found[file.name] = file.read_text().splitlines() if file.exists() else ["missing"]
        return found


PARTS: dict[str, Callable[[Files], dict[str, Any]]] = {
    "train": train,
    "distill": distill,
    "laps": laps,
    "race": race,
    "rewards": rewards,
    "pictures": pictures,
    "bus": bus,
    "archive": archive,
    "open": open_files,
}


# Comparison.


def leaves(data: Any, place: str = "") -> Iterable[tuple[str, Any]]:
    """Every value with its place."""
    if isinstance(data, (dict, list)) and data:
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, f"{place} / {key}" if place else str(key))
    else:
        yield place, data


def compare(before: Path, after: Path) -> int:
    """Print each entry that differs; 1 where one does."""
    first, second = (dict(leaves(json.loads(path.read_text()))) for path in (before, after))
    differing = 0
    for place in [*first, *(place for place in second if place not in first)]:
        old, new = (json.dumps(one[place]) if place in one else "(none)" for one in (first, second))
        if old != new:
            differing += 1
            say(f"{place}\n  before  {old[:300]}\n  after   {new[:300]}")
    total = len(first.keys() | second.keys())
    say(f"{differing} of {total} entries differ" if differing else f"equal: {total} entries")
    return int(differing > 0)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Record, or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, help="the record to write")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to record")
    parser.add_argument("--files", type=Path, help="files of an older version, for `open`")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--resume", action="store_true", help="go on with OUT.json: record the parts that it lacks")
    given = parser.parse_args()
    if given.compare:
        return compare(*given.compare)
    if given.out is None:
        parser.error("name the record to write")
    if not Path(racer.__file__).is_relative_to(ROOT):
        raise SystemExit(f"this would record {racer.__file__}, not the racer of {ROOT}")
    folder = given.out.resolve().with_suffix(".files")
    record: dict[str, Any] = json.loads(given.out.read_text()) if given.resume else {}
    if folder.exists() and not given.resume:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder, given.files and given.files.resolve())
    for name in [name for name in PARTS if name in given.only and name not in record]:
        started = time.monotonic()
        record[name] = PARTS[name](files)
        given.out.write_text(json.dumps(record, indent=1) + "\n")
        say(f"{name:9} {time.monotonic() - started:6.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
