"""The first use of a reward: translated, compiled and compared with plain Python, in a process of its own.

trial     both processes' parts, and the verdict
samples   the states that both paths are compared on
compare   both paths side by side

The states that a translation is checked on: driven ones, and rows made up at random within what can occur.

Driving them takes seconds, so they are kept in the cache folder as plain arrays.

Both paths side by side over sampled states.

The first use of a reward: translate it, compile it, and compare it with plain Python on thousands of states.

It runs in a process of its own (`racer.reward.check_process`), because the user's code runs here for the first time.

From a reward's source to its compiled path, or to the reason why there is none.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.assets import cache_dir, write_atomically
from racer.errors import RewardError
from racer.reward.call_guards import PrintCapture, SharedNamesGuard
from racer.reward.compile.car_state import StateMismatch, save_state
from racer.reward.compile.compiled_reward import CompiledReward
from racer.reward.compile.errors import ENDLESS, KINDS
from racer.reward.compile.kernel import (
    Kernel,
    cache_folder,
    load_kernel,
    prune_cache,
    read_verdict,
    write_translation,
    write_verdict,
)
from racer.reward.failure import as_reward, verdict_of_exception
from racer.reward.protocol import Reward
from racer.reward.rows import Sample, Waypoints, params_rows
from racer.reward.sandbox import SandboxProcess, run_sandboxed
from racer.reward.source import FUNCTION, NeedsMemory, RewardSource, compile_source, new_module
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

VALIDATION_TRACKS = ("easy_oval", "switchback", "river_run")
_STEPS = 90
"""Control steps of a sample that are kept, from several places in it."""
_RANDOM_STEPS, _RANDOM_CARS, _RANDOM_OBJECTS = 40, 20, 3


def validation_samples() -> list[Sample]:
    """The samples, from the cache where they are there."""
    folder = cache_dir() / "rewards"
    path = folder / f"states-{_samples_version()}.npz"
    try:
        return _read_samples(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        samples = _make_samples()
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **_pack_samples(samples))  # type: ignore[arg-type]
        write_atomically(path, buffer.getvalue())
        return samples


def _samples_version() -> str:
    reward = Path(__file__).parents[1]
    digest = hashlib.sha256()
    files = [Path(__file__), reward / "states.py", *sorted((reward.parent / "sim").rglob("*.py"))]
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _make_samples() -> list[Sample]:
    from racer.reward.states import sample_track  # the simulator takes half a second to load
    from racer.track.load import load_track

    samples: list[Sample] = []
    for number, name in enumerate(VALIDATION_TRACKS):
        track = load_track(name)
        samples.extend(_cut_sample(sample) for sample in sample_track(track, seed=number, laps=0.7))
        waypoints = samples[-1].waypoints
        samples.append(_random_sample(name, waypoints, number, objects=False))
        samples.append(_random_sample(name, waypoints, number, objects=True))
    return samples


def _cut_sample(sample: Sample) -> Sample:
    """The beginning, a middle and the end of a sample, at most `_STEPS` control steps."""
    count = len(sample.telemetry)
    if count > _STEPS:
        third = _STEPS // 3
        keep = np.r_[0:third, count // 2 : count // 2 + third, count - third : count]
    else:
        keep = np.arange(count)
    return Sample(
        track=sample.track,
        where=sample.where,
        telemetry=sample.telemetry[keep],
        objects=None if sample.objects is None else sample.objects[keep],
        waypoints=sample.waypoints,
    )


def _random_sample(track: str, waypoints: Waypoints, seed: int, *, objects: bool) -> Sample:
    """Rows whose fields have nothing to do with each other, but each is what it can be."""
    rng = np.random.default_rng([7, seed, objects])
    shape = (_RANDOM_STEPS, _RANDOM_CARS, 1)
    rows = np.zeros(shape, TELEMETRY)
    assert TELEMETRY.names is not None
    for name in TELEMETRY.names:
        if TELEMETRY[name].kind == "b":
            rows[name] = rng.random(shape) < 0.5
    course = rng.integers(0, 2, shape)
    counts = np.array([len(points) for points in waypoints])[course]
    rows["course"] = course
    rows["closest_waypoint_prev"] = rng.integers(0, counts)
    rows["closest_waypoint_next"] = (rows["closest_waypoint_prev"] + 1) % counts
    points = np.concatenate([np.asarray(points) for points in waypoints])
    for axis, name in enumerate("xy"):
        rows[name] = rng.uniform(points[:, axis].min() - 1.0, points[:, axis].max() + 1.0, shape)
    rows["steps"] = np.cumsum(rng.random(shape) < 0.9, axis=0) + 1.0
    rows["steps"][rng.random(shape) < 0.1] = 2.0
    ranges = {
        "heading": (-180.0, 180.0),
        "distance_from_center": (0.0, 1.0),
        "track_width": (0.4, 1.3),
        "progress": (-0.5, 100.0),
        "speed": (0.1, 4.0),
        "steering_angle": (-30.0, 30.0),
        "projection_distance": (0.0, 20.0),
        "sim_time": (0.0, 100.0),
        "speed_measured": (0.0, 4.0),
        "steering_angle_measured": (-30.0, 30.0),
        "slip_angle": (-180.0, 180.0),
        "yaw_rate": (-400.0, 400.0),
        "acceleration_forward": (-9.0, 9.0),
        "acceleration_left": (-9.0, 9.0),
        "heading_error": (-180.0, 180.0),
        "curvature": (-3.0, 3.0),
    }
    special = {
        "progress": (0.0, 100.0),
        "speed": (1.0, 2.0, 3.0, 4.0),
        "steering_angle": (-30.0, -15.0, 0.0, 15.0, 30.0),
    }
    for name, (low, high) in ranges.items():
        rows[name] = rng.uniform(low, high, shape)
        exact = rng.random(shape) < 0.2
        rows[name][exact] = rng.choice(special.get(name, (low, 0.0 if low < 0.0 else low, high)), int(exact.sum()))
    rows["track_length"] = 20.0 + seed
    rows["wheels_on_track"] = rng.integers(0, 5, shape)
    things = None
    if objects:
        things = _random_objects(rng, rows)
    return Sample(
        track=track, where="objects" if objects else "time_trial", telemetry=rows, objects=things, waypoints=waypoints
    )


def _random_objects(rng: np.random.Generator, rows: NDArray[np.void]) -> NDArray[np.void]:
    things = np.zeros((*rows.shape, _RANDOM_OBJECTS), OBJECT_TELEMETRY)
    shape = things.shape
    for name, low, high in (
        ("x", -5.0, 5.0),
        ("y", -5.0, 5.0),
        ("heading", -np.pi, np.pi),
        ("speed", 0.0, 2.0),
        ("distance", 0.0, 20.0),
        ("distance_from_center", 0.0, 0.5),
    ):
        things[name] = rng.uniform(low, high, shape)
    near = rng.random(shape) < 0.3
    for axis in "xy":
        things[axis][near] = (rows[axis][..., None] + rng.uniform(-0.8, 0.8, shape))[near]
    things["is_left_of_center"] = rng.random(shape) < 0.5
    things["active"] = True
    things["active"][:, ::4, :, 1:] = False
    count = things["active"].sum(axis=-1)
    rows["closest_object_prev"] = rng.integers(0, count)
    rows["closest_object_next"] = rng.integers(0, count)
    return things


def _pack_samples(samples: list[Sample]) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {"names": np.array([f"{s.track} {s.where}" for s in samples])}
    for k, sample in enumerate(samples):
        arrays[f"telemetry{k}"] = sample.telemetry
        if sample.objects is not None:
            arrays[f"objects{k}"] = sample.objects
        arrays[f"points{k}"] = np.concatenate([np.asarray(points) for points in sample.waypoints])
        arrays[f"counts{k}"] = np.array([len(points) for points in sample.waypoints])
    return arrays


def _read_samples(path: Path) -> list[Sample]:
    samples = []
    with np.load(path, allow_pickle=False) as file:
        for k, name in enumerate(file["names"].tolist()):
            track, where = name.split(" ")
            ends = np.cumsum(file[f"counts{k}"]).tolist()
            points = [tuple(row) for row in file[f"points{k}"].tolist()]
            waypoints = [tuple(points[first:last]) for first, last in zip([0, *ends[:-1]], ends, strict=True)]
            objects = file.get(f"objects{k}")
            samples.append(
                Sample(track=track, where=where, telemetry=file[f"telemetry{k}"], objects=objects, waypoints=waypoints)
            )
    return samples


STATES_MIN = 300
TOLERANCE = 1e-9
REPLAY_SHARE = 0.02
PLAIN_CALLS_S = 0.5
"""s for the calls of a function that is not compiled."""


class PathComparison:
    """Compares a kernel with plain Python; each car of a sample has a module of its own.

    A state that the kernel leaves to plain Python agrees by definition, but it is counted. Where plain Python fails,
    the kernel must not give a reward.

    Attributes:
        states: how many were compared.
        differences: what was found wrong, in words.
        replays: how often each line left a driven state to plain Python.
        greatest: the largest difference.
    """

    def __init__(
        self,
        source: RewardSource,
        kernel: Kernel,
        watch: Callable[[float], None],
        rest: Callable[[], None],
        hang_s: float,
    ) -> None:
        self._source, self._kernel = source, kernel
        self._code = compile_source(source)
        self._shared = SharedNamesGuard(str(source.path))
        self._watch, self._rest, self._hang_s = watch, rest, hang_s
        self.states = self.driven = self.failed = 0
        self.greatest = 0.0
        self.differences: list[str] = []
        self.replays: Counter[int] = Counter()

    def run(self, sample: Sample, seconds: float) -> None:
        """Compare on one sample, for some seconds."""
        cars = sample.telemetry.shape[1]
        self._watch(self._hang_s)
        with PrintCapture(), self._shared:
            made = [new_module(self._source, self._code) for _ in range(cars)]
        self._rest()
        reward = CompiledReward(self._source, self._kernel, cars)
        reward._take_waypoints(sample.waypoints)
        alive = np.ones(cars, bool)
        begin = time.perf_counter()
        for t, rows in enumerate(sample.telemetry):
            if time.perf_counter() - begin > seconds or self.differences:
                return
            rows = rows.copy()
            rows["steps"][~alive] = 0.0
            things = None if sample.objects is None else sample.objects[t]
            codes = reward.run(rows, things)
            flat = rows.reshape(-1)
            every = params_rows(flat, None if things is None else things.reshape(len(flat), -1), sample.waypoints)
            self._watch(self._hang_s)
            with PrintCapture(), self._shared:
                for index, params in enumerate(every):
                    if flat["steps"][index] >= 2.0:
                        alive[index] = self._one(index, params, made[index], codes, reward, sample)
            self._rest()

    def _one(
        self,
        index: int,
        params: dict[str, Any],
        made: tuple[dict[str, Any], Callable[..., Any]],
        codes: np.ndarray,
        reward: CompiledReward,
        sample: Sample,
    ) -> bool:
        """Compare one call; False where the car cannot go on."""
        line, kind = divmod(int(codes[index]), KINDS)
        if kind == ENDLESS:
            self.failed += 1
            return False
        module, function = made
        told = f"{sample.track}, step {params['steps']:g}"
        try:
            number = as_reward(function(params))
            problem = "returned no reward"
        except MemoryError as error:
            raise memory_error(error, self._source, function, told) from None
        except Exception as error:
            number, problem = None, f"raised {type(error).__name__}"
        self.states += 1
        if number is None:
            self.failed += 1
            if not kind:
                self.differences.append(f"plain Python {problem} where the kernel gave a reward ({told})")
            return False

        self.driven += 1
        if kind:
            self.replays[line] += 1

            try:
                save_state(module, self._kernel.layout, reward.states[index])
            except StateMismatch:
                return False
            return True
        difference = abs(number - float(reward._rewards[index]))
        self.greatest = max(self.greatest, difference)
        if not difference <= TOLERANCE * (1.0 + abs(number)):
            given = float(reward._rewards[index])
            self.differences.append(f"the kernel gave {given!r} and plain Python {number!r} ({told})")
        return True

    def verdict(self) -> dict[str, Any]:
        """Whether the kernel can be trusted."""
        facts: dict[str, Any] = {
            "states": self.states,
            "failed": self.failed,
            "replayed": sum(self.replays.values()),
            "max_abs_difference": self.greatest,
        }
        if self.differences:
            return {"path": "python", "reason": self.differences[0], **facts}
        if self.states and self.states == self.failed:
            return {"path": "python", "reason": "plain Python fails on every state", **facts}
        if self.states < STATES_MIN:
            return {"path": "python", "reason": f"only {self.states} states could be compared in time", **facts}
        if sum(self.replays.values()) > REPLAY_SHARE * max(1, self.driven):
            line, _ = self.replays.most_common(1)[0]
            share = 100.0 * sum(self.replays.values()) / self.driven
            reason = f"line {line} needs plain Python (in all {share:.0f} % of the calls do)"
            return {"path": "python", "reason": reason, "line": line, **facts}
        return {"path": "compiled", "reason": "", **facts}


def call_in_python(source: RewardSource, sample: Sample, watch: Callable[[float], None], hang_s: float) -> None:
    """Call a function that is not compiled on some states, only to see that it does not take too much memory.

    Raises:
        NeedsMemory: it does.
    """
    watch(hang_s)
    begin = time.perf_counter()
    with PrintCapture(), SharedNamesGuard(str(source.path)):
        _, function = new_module(source, compile_source(source))
        for row in sample.telemetry:
            for params in params_rows(row[0, :1], None, sample.waypoints):
                told = f"{sample.track}, step {params['steps']:g}"
                try:
                    function(params)
                except MemoryError as error:
                    raise memory_error(error, source, function, told) from None
                except Exception:  # plain Python will tell, with the car and the step
                    continue
            if time.perf_counter() - begin > PLAIN_CALLS_S:
                return


def memory_error(error: MemoryError, source: RewardSource, function: Callable[..., Any], told: str) -> NeedsMemory:
    """The one line for a call that took too much memory."""
    verdict = verdict_of_exception(error, str(source.path), function)
    return NeedsMemory(f"{source.path}:{verdict.line}: {FUNCTION} {verdict.problem} ({told}).{verdict.advice}")


VALIDATION_HANG_S = 20.0
"""s that user code may run without a word; the states of one control step are one stretch."""
VALIDATION_TOTAL_S = 180.0
COMPARE_S = 6.0
"""s after which no further control step is compared."""


def validate(source: RewardSource, folder: Path) -> dict[str, Any]:
    """Make the translation of a reward and its verdict, in another process.

    Returns:
        The verdict: `path` is `compiled`, `python`, or `refused` where it is to run nowhere; `reason` why.
    """
    request = {"text": source.text, "name": source.name, "path": str(source.path), "folder": str(folder)}
    file = str(source.path)
    try:
        answer = run_sandboxed(
            "racer.reward.compile.validation:serve_validation", request, file=file, total_s=VALIDATION_TOTAL_S
        )
    except RewardError as error:
        return {"path": "python", "reason": str(error)}
    if not answer.ended_early:
        return answer.result
    where = f" at line {answer.line}" if answer.line else ""
    known = {
        "hang": f"it took too long in its trial{where}",
        "memory": "its trial took more memory than it may",
    }
    reason = known.get(answer.ended_early, f"it ended the process of its trial ({answer.ended_early}){where}")
    return {"path": "python", "reason": reason}


def serve_validation(request: dict[str, Any], process: SandboxProcess) -> dict[str, Any]:
    """The other process's part."""
    from racer.reward.compile.errors import CannotCompile

    text = request["text"]
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    source = RewardSource(name=request["name"], path=Path(request["path"]), text=text, sha256=sha256)
    folder = Path(request["folder"])
    try:
        try:
            verdict = make_verdict(source, folder, process)
        except CannotCompile as error:
            where = f"line {error.line}: " if error.line else ""
            verdict = {"path": "python", "reason": f"{where}{error.reason}"}
            call_in_python(source, validation_samples()[0], process.watch, VALIDATION_HANG_S)
    except NeedsMemory as error:  # nor may the trainer run it
        return {"path": "refused", "reason": str(error)}
    write_verdict(folder, verdict)
    return verdict


def make_verdict(source: RewardSource, folder: Path, process: SandboxProcess) -> dict[str, Any]:
    """Translate, compile and compare.

    Raises:
        CannotCompile: it is left to plain Python.
        RewardError: the file cannot be run at all.
    """
    from racer.reward.call_guards import PrintCapture
    from racer.reward.compile.module_env import check_forbidden
    from racer.reward.compile.translate import translate

    code = compile_source(source)
    check_forbidden(ast.parse(source.text))
    process.watch(VALIDATION_HANG_S)
    with PrintCapture(), SharedNamesGuard(str(source.path)):
        module, _ = new_module(source, code)
    process.rest()
    begin = time.perf_counter()
    translation = translate(module, source.text, str(source.path))
    translated = time.perf_counter()
    write_translation(folder, translation)
    facts: dict[str, Any] = {
        "memory": translation.memory,
        "regions": translation.regions,
        "layout": translation.layout,
    }
    kernel = load_kernel(folder, **facts)
    compiled = time.perf_counter()
    found = compare_samples(source, kernel, process)
    facts.update(found, traps=translation.traps)
    reasons = dict(translation.traps)
    if found.get("line") in reasons:
        facts["reason"] = f"line {found['line']}: {reasons[found['line']]}"
    facts["seconds"] = [round(translated - begin, 3), round(compiled - translated, 3)]
    facts["seconds"].append(round(time.perf_counter() - compiled, 3))
    return facts


def compare_samples(source: RewardSource, kernel: Any, process: SandboxProcess) -> dict[str, Any]:
    """Run both paths over the samples; the verdict's facts."""

    comparison = PathComparison(source, kernel, process.watch, process.rest, VALIDATION_HANG_S)
    begin = time.perf_counter()
    for sample in validation_samples():
        comparison.run(sample, max(0.5, COMPARE_S - (time.perf_counter() - begin)))
    return comparison.verdict()


def compiled_reward(
    source: RewardSource, n_worlds: int, n_cars: int, *, failure_folder: str | Path | None = None
) -> Reward | str:
    """The compiled path of a reward, or why it is left to plain Python.

    The first call with a text translates it and tries it out in another process; later ones load what that left.

    Raises:
        RewardError: the text has a syntax error, or needs more memory than it may.
    """
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    from racer.reward.compile.compiled_reward import CompiledReward

    compile_source(source)
    folder = cache_folder(source)
    verdict = read_verdict(folder)
    if verdict is None:
        prune_cache()
        verdict = validate(source, folder)
    if verdict["path"] == "refused":
        raise RewardError(str(verdict["reason"]))
    if verdict["path"] != "compiled":
        return str(verdict["reason"])
    try:
        kernel = load_kernel(folder, memory=verdict["memory"], regions=verdict["regions"], layout=verdict["layout"])
    except (OSError, ValueError, KeyError) as error:
        return f"its translation in {folder} cannot be read ({error})"
    return CompiledReward(
        source, kernel, n_worlds, n_cars, failure_folder=failure_folder, reason=_uncovered_reason(verdict)
    )


def _uncovered_reason(verdict: dict[str, object]) -> str:
    """What is left to plain Python, in words."""
    traps = verdict.get("traps")
    if not isinstance(traps, list) or not traps:
        return ""
    lines = ", ".join(f"line {line} ({reason})" for line, reason in traps[:3])
    return f"plain Python is called for {lines}" + (" and others" if len(traps) > 3 else "")
