"""The first use of a reward: translates it, compiles it and compares the kernel with plain Python.

`compiled_reward` is the entry: a source becomes a `CompiledReward`, or the reason why there is none. A kernel holds the
values that the module had when it was loaded, so the module is loaded each time, and its values choose the kernel.
`validate` runs the rest in a sandbox process, because user code runs there for the first time: `make_verdict`
translates, compiles and compares both paths on sampled states (`racer.reward.validation_samples`).
"""

from __future__ import annotations

import ast
import contextlib
import copyreg
import hashlib
import importlib.util
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.call_guards import TIME_LIMIT_S, Deadline, PrintCapture, SharedNamesGuard, watched_user_code
from racer.reward.compile.car_state import StateMismatch, save_state
from racer.reward.compile.compiled_reward import REPLAY_FRACTION_MAX, CompiledReward
from racer.reward.compile.errors import ENDLESS, KINDS, CannotCompile
from racer.reward.compile.kernel import (
    Kernel,
    cache_folder,
    is_known,
    load_kernel,
    prune_cache,
    read_verdict,
    write_translation,
    write_verdict,
)
from racer.reward.failure import as_reward, verdict_of_exception
from racer.reward.module_values import values_digest
from racer.reward.protocol import Reward
from racer.reward.python_reward import PythonReward
from racer.reward.rows import Sample, params_rows
from racer.reward.run_files import RunFiles
from racer.reward.sandbox import SandboxProcess, run_sandboxed
from racer.reward.source import (
    FUNCTION,
    NeedsMemory,
    RewardCallable,
    RewardSource,
    compile_source,
    innermost_line,
    new_module,
)
from racer.reward.validation_samples import validation_samples

STATES_MIN = 300
"""Compared states below which a kernel is not used."""
TOLERANCE = 1e-9
"""Allowed difference of a reward."""
UNSTABLE = "its module has other values each time that it is loaded, such as a random number or a time"
VALUES_NAME_LENGTH = 32
"""Characters of the digest of a module's values that name a folder of the cache."""
PLAIN_CALLS_S = 0.5
"""Maximum time for the calls of a function that is not compiled [s]."""
VALIDATION_HANG_S = 20.0
"""Maximum time of user code in one piece, such as the calls of one control step [s]."""
VALIDATION_TOTAL_S = 180.0
"""Maximum time of the validation process [s]."""
COMPARE_S = 6.0
"""Time after which no further control step is compared [s]."""


@contextlib.contextmanager
def _user_code(source: RewardSource, process: SandboxProcess) -> Iterator[None]:
    # The names are compared inside: outside of it, `open` is another one.
    with source.file_access(), watched_user_code(process, VALIDATION_HANG_S, str(source.path), PrintCapture()):
        yield


class PathComparison:
    """Compares a kernel with plain Python; each car of a sample has a separate module.

    A state that the kernel leaves to plain Python counts as equal, but it is counted. Where plain Python fails,
    the kernel must not give a reward.

    Args:
        source: text of the user's file.
        kernel: its translation.
        process: the sandbox process, as the watchdog.

    Attributes:
        states: number of compared states.
        rewarded: number of those for which plain Python gave a reward.
        failed: number of states for which plain Python failed, or a loop did not end.
        difference_max: largest difference of a reward.
        differences: descriptions of wrong rewards.
        replays: for each line, how often it left a state to plain Python.
    """

    def __init__(self, source: RewardSource, kernel: Kernel, process: SandboxProcess) -> None:
        self._source, self._kernel, self._process = source, kernel, process
        self._code = compile_source(source)
        self.states = self.rewarded = self.failed = 0
        self.difference_max = 0.0
        self.differences: list[str] = []
        self.replays: Counter[int] = Counter()
        # The way in which each failed call failed, and whether it was the first of an episode.
        self._failures: Counter[str] = Counter()
        self._failed_later = False

    def run(self, sample: Sample, seconds: float) -> None:
        """Compare the two paths on one sample, for at most `seconds` [s]."""
        cars = sample.telemetry.shape[1]
        with _user_code(self._source, self._process):
            modules = [new_module(self._source, self._code) for _ in range(cars)]
        reward = CompiledReward(self._source, self._kernel, cars)
        reward.set_waypoints(sample.waypoints)
        alive = np.ones(cars, bool)
        start = time.perf_counter()
        for t, rows in enumerate(sample.telemetry):
            if time.perf_counter() - start > seconds or self.differences:
                return
            rows = rows.copy()
            rows["steps"][~alive] = 0.0
            objects = None if sample.objects is None else sample.objects[t]
            codes = reward.run(rows, objects)
            flat = rows.reshape(-1)
            object_rows = None if objects is None else objects.reshape(len(flat), -1)
            every_params = params_rows(flat, object_rows, sample.waypoints, self._source.first_step)
            with _user_code(self._source, self._process):
                for index, params in enumerate(every_params):
                    if flat["steps"][index] >= 2.0:
                        code = int(codes[index])
                        alive[index] = self._compare(index, params, modules[index], code, reward, sample.track)

    def _compare(
        self,
        index: int,
        params: dict[str, Any],
        loaded: tuple[dict[str, Any], RewardCallable],
        code: int,
        reward: CompiledReward,
        track: str,
    ) -> bool:
        """Compare one call; return False where the car's later states cannot be compared."""
        line, kind = divmod(code, KINDS)
        # Plain Python would not return either, so it is not called.
        if kind == ENDLESS:
            self.failed += 1
            return False
        module, function = loaded
        params_step = params["steps"]  # the function may change the dict
        state = f"{track}, step {params_step:g}"
        try:
            number = as_reward(function(params))
            problem = "returned no reward"
        except MemoryError as error:
            raise memory_error(error, self._source, function, state) from None
        except Exception as error:
            place = innermost_line(error, str(self._source.path))
            number, problem = None, f"raised {type(error).__name__}" + (f" at line {place}" if place else "")
        self.states += 1
        if number is None:
            self.failed += 1
            self._failures[problem] += 1
            self._failed_later |= params_step != self._source.first_step
            if not kind:
                self.differences.append(f"plain Python {problem} where the kernel gave a reward ({state})")
            return False
        self.rewarded += 1
        if kind:
            self.replays[line] += 1
            # Plain Python made this call: its state is the car's state for the next one.
            try:
                save_state(module, self._kernel.layout, reward.states[index])
            except StateMismatch:
                return False
            return True
        kernel_number = float(reward.rewards[index])
        difference = abs(number - kernel_number)
        self.difference_max = max(self.difference_max, difference)
        if not difference <= TOLERANCE:  # also where it is NaN
            self.differences.append(f"the kernel gave {kernel_number!r} and plain Python {number!r} ({state})")
        return True

    def verdict(self) -> dict[str, Any]:
        """Return whether the kernel may be used (`path`), and why not (`reason`)."""
        replayed = sum(self.replays.values())
        facts: dict[str, Any] = {
            "path": "python",
            "reason": "",
            "states": self.states,
            "failed": self.failed,
            "replayed": replayed,
            "max_abs_difference": self.difference_max,
        }
        if self.differences:
            return facts | {"reason": self.differences[0]}
        if self.states and self.states == self.failed:
            # A car's later states cannot be compared once a call has failed.
            (problem, _), *_ = self._failures.most_common(1) or [("does not end a loop", 0)]
            when = "in every state" if self._failed_later else f"at `steps` = {self._source.first_step}"
            return facts | {"reason": f"plain Python {problem} {when}"}
        if self.states < STATES_MIN:
            return facts | {"reason": f"only {self.states} states could be compared in time"}
        if replayed > REPLAY_FRACTION_MAX * max(1, self.rewarded):
            line, _ = self.replays.most_common(1)[0]
            percent = 100.0 * replayed / self.rewarded
            return facts | {"reason": f"line {line} needs plain Python ({percent:.0f} % of all calls do)", "line": line}
        return facts | {"path": "compiled"}


def call_in_python(source: RewardSource, sample: Sample, process: SandboxProcess) -> None:
    """Call a function that is not compiled on some states, to check only that it does not take too much memory.

    Args:
        source: text of the user's file.
        sample: the states.
        process: the sandbox process, as the watchdog.

    Raises:
        NeedsMemory: the function takes more memory than allowed.
    """
    start = time.perf_counter()
    with _user_code(source, process):
        _, function = new_module(source, compile_source(source))
        for row in sample.telemetry:
            for params in params_rows(row[0, :1], None, sample.waypoints, source.first_step):
                state = f"{sample.track}, step {params['steps']:g}"
                try:
                    function(params)
                except MemoryError as error:
                    raise memory_error(error, source, function, state) from None
                except Exception:  # the training reports it, with the car and the step
                    continue
            if time.perf_counter() - start > PLAIN_CALLS_S:
                return


def memory_error(error: MemoryError, source: RewardSource, function: RewardCallable, state: str) -> NeedsMemory:
    """Make the error of a call that took too much memory.

    Args:
        error: the exception of the call.
        source: text of the user's file.
        function: the user's function.
        state: description of the state it was called with.
    """
    verdict = verdict_of_exception(error, str(source.path), function)
    return NeedsMemory(f"{source.path}:{verdict.line}: {FUNCTION} {verdict.problem} ({state}).{verdict.advice}")


class _ValidationInSandbox(SandboxProcess):
    """A sandbox process that runs already, for a validation inside it; between user code the whole time is limited."""

    def __init__(self, process: SandboxProcess) -> None:
        self._process = process

    def watch(self, seconds: float) -> None:
        self._process.watch(seconds)

    def renew(self) -> None:
        self._process.renew()

    def rest(self) -> None:
        self._process.watch(VALIDATION_TOTAL_S)


_sandbox: SandboxProcess | None = None


@contextlib.contextmanager
def validate_in(process: SandboxProcess) -> Iterator[None]:
    """Validate in this process, which is a sandbox, and not in another one: that saves a second.

    Args:
        process: this process; its watchdog is stopped at the end.
    """
    global _sandbox
    _sandbox = _ValidationInSandbox(process)
    _sandbox.rest()
    try:
        yield
    finally:
        _sandbox = None
        process.rest()


def validate(source: RewardSource, folder: Path) -> dict[str, Any]:
    """Translate, compile and validate a reward in another process, which runs its code for the first time.

    Args:
        source: text of the user's file.
        folder: receives a folder with the translation and the verdict, named by the values of the module.

    Returns:
        The verdict: `path` is `compiled`, `python`, or `refused` where the reward must not run; `reason` is the cause,
        and `values` names the values that the other process has loaded, where it could load them.
    """
    file = str(source.path)
    files = None if source.files is None else [str(source.files.folder.absolute()), str(source.files.start)]
    request = {
        "text": source.text,
        "name": source.name,
        "path": file,
        "folder": str(folder),
        "files": files,
        "first_step": source.first_step,
    }
    if _sandbox is not None:
        try:
            return serve_validation(request, _sandbox)
        except RewardError as error:
            return {"path": "python", "reason": str(error)}
        except MemoryError:
            return {"path": "python", "reason": "its validation took more memory than allowed"}
    try:
        outcome = run_sandboxed(
            "racer.reward.compile.validation:serve_validation",
            request,
            file=file,
            total_s=VALIDATION_TOTAL_S,
            warm=False,
        )
    except RewardError as error:
        return {"path": "python", "reason": str(error)}
    if not outcome.ended_early:
        return outcome.result
    where = f" at line {outcome.line}" if outcome.line else ""
    reasons = {
        "hang": f"it took too long in its validation{where}",
        "memory": "its validation took more memory than allowed",
    }
    reason = reasons.get(outcome.ended_early, f"it ended the process of its validation ({outcome.ended_early}){where}")
    return {"path": "python", "reason": reason}


def serve_validation(request: dict[str, Any], process: SandboxProcess) -> dict[str, Any]:
    """Make the verdict in the sandbox process, write it to the folder of the module's values and return it.

    Args:
        request: `text`, `name`, `path`, `folder`, `files` and `first_step`, from `validate`.
        process: the sandbox process.
    """
    text = request["text"]
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    files = request["files"] and RunFiles(*map(Path, request["files"]), record=False)
    source = RewardSource(
        name=request["name"],
        path=Path(request["path"]),
        text=text,
        sha256=sha256,
        first_step=request["first_step"],
        files=files,
    )
    try:
        code = compile_source(source)
        with _user_code(source, process):
            (module, _), (again, _) = new_module(source, code), new_module(source, code)
        values = values_name(module, source)
        folder = Path(request["folder"]) / values
        try:
            if values_name(again, source) != values:
                raise CannotCompile(UNSTABLE)
            verdict = make_verdict(source, module, folder, process)
        except CannotCompile as error:
            where = f"line {error.line}: " if error.line else ""
            verdict = {"path": "python", "reason": f"{where}{error.reason}"}
            call_in_python(source, validation_samples()[0], process)
    except NeedsMemory as error:  # the trainer could not run it either
        return {"path": "refused", "reason": str(error)}
    except ValueError as error:  # without a name for its values no kernel of it can be found again
        return {"path": "python", "reason": str(error)}
    write_verdict(folder, verdict)
    return verdict | {"values": values}


def values_name(module: dict[str, Any], source: RewardSource) -> str:
    """Return the name of the cache's folder for the values of a module.

    Raises:
        ValueError: the values cannot be described.
    """
    return values_digest(module, str(source.path))[:VALUES_NAME_LENGTH]


def make_verdict(source: RewardSource, module: dict[str, Any], folder: Path, process: SandboxProcess) -> dict[str, Any]:
    """Translate, compile and compare.

    Args:
        source: text of the user's file.
        module: globals of the module after it was run.
        folder: receives the translation.
        process: the sandbox process, as the watchdog.

    Raises:
        CannotCompile: the reward is left to plain Python.
        RewardError: the file cannot be run.
    """
    # Imported here: a process that finds a kernel in the cache needs no translator.
    from racer.reward.compile.module_env import check_forbidden
    from racer.reward.compile.translate import translate

    check_forbidden(ast.parse(source.text))
    times = [time.perf_counter()]
    translation = translate(module, source.text, str(source.path), source.first_step)
    times.append(time.perf_counter())
    write_translation(folder, translation)
    facts = {"memory": translation.memory, "regions": translation.regions, "layout": translation.layout}
    kernel = load_kernel(folder, **facts)  # type: ignore[arg-type]
    times.append(time.perf_counter())
    comparison = PathComparison(source, kernel, process)
    for sample in validation_samples():
        comparison.run(sample, max(0.5, COMPARE_S - (time.perf_counter() - times[-1])))
    times.append(time.perf_counter())
    verdict = {**facts, **comparison.verdict(), "traps": translation.traps}
    reasons = dict(translation.traps)
    if (line := verdict.get("line")) in reasons:
        verdict["reason"] = f"line {line}: {reasons[line]}"
    # Seconds of the translation, of numba and of the comparison.
    return verdict | {"seconds": [round(end - start, 3) for start, end in pairwise(times)]}


def compiled_reward(
    source: RewardSource, n_worlds: int, n_cars: int, *, failure_folder: str | Path | None = None
) -> Reward | str:
    """Return the compiled path of a reward, or the reason why it is left to plain Python.

    The first call with a text and with values of its module translates and validates it in another process; later
    calls load the result.

    Args:
        source: text of the user's file.
        n_worlds: number of worlds, N.
        n_cars: cars in each world, C.
        failure_folder: folder for the params of a failed call; None saves nothing.

    Raises:
        RewardError: the text has a syntax error, its module cannot be run, or needs more memory than allowed.
    """
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    # A syntax error is the user's to fix; it must not become a reason for plain Python.
    compile_source(source)
    folder = cache_folder(source)
    try:
        # A text that another process has run before is run here too: its values may have changed since.
        values = _loaded_values(source) if is_known(folder) else ""
        verdict = read_verdict(folder / values) if values else None
        if verdict is None:
            if values and values != _loaded_values(source):
                return UNSTABLE
            prune_cache()
            verdict = validate(source, folder)
            # Nothing is known of a process that was ended, and its code must not harm this one.
            if verdict["path"] == "compiled" and verdict["values"] != (values := _loaded_values(source)):
                return UNSTABLE
    except ValueError as error:
        return str(error)
    if verdict["path"] == "refused":
        raise RewardError(str(verdict["reason"]))
    if verdict["path"] != "compiled":
        return str(verdict["reason"])
    try:
        memory, regions, layout = (verdict[key] for key in ("memory", "regions", "layout"))
        kernel = load_kernel(folder / values, memory=memory, regions=regions, layout=layout)
    except (OSError, ValueError, KeyError) as error:
        return f"its translation in {folder / values} cannot be read ({error})"
    return CompiledReward(
        source, kernel, n_worlds, n_cars, failure_folder=failure_folder, reason=_uncovered_reason(verdict)
    )


def _loaded_values(source: RewardSource) -> str:
    """Load the module in this process and return the name of its values.

    Raises:
        RewardError: the module cannot be run.
        ValueError: the values cannot be described.
    """
    code = compile_source(source)
    with PrintCapture(), Deadline(TIME_LIMIT_S), SharedNamesGuard(str(source.path)):
        module, _ = new_module(source, code)
    return values_name(module, source)


def _uncovered_reason(verdict: dict[str, object]) -> str:
    """Describe the lines that run in plain Python; empty where there are none."""
    traps = verdict.get("traps")
    if not isinstance(traps, list) or not traps:
        return ""
    lines = ", ".join(f"line {line} ({reason})" for line, reason in traps[:3])
    return f"plain Python is called for {lines}" + (" and others" if len(traps) > 3 else "")


def _reduce(reward: CompiledReward) -> tuple[Any, ...]:
    # A kernel cannot be pickled or copied: the copy loads that of the same text, and takes over the state of each car.
    if reward._python is not None:
        return reward._python.__reduce__()
    return _copied_reward, (reward.source, *reward._shape, reward._failure_folder, reward.states.copy())


def _copied_reward(
    source: RewardSource, n_worlds: int, n_cars: int, failure_folder: str | Path | None, states: NDArray[np.float64]
) -> Reward:
    """Return a reward from pickle or copy."""
    reward = compiled_reward(source, n_worlds, n_cars, failure_folder=failure_folder)
    if isinstance(reward, str):
        # Another machine may have no compiler; there plain Python begins with new modules.
        return PythonReward(source, n_worlds, n_cars, failure_folder=failure_folder, reason=reward)
    if isinstance(reward, CompiledReward) and reward.states.shape == states.shape:
        reward.states[:] = states
    return reward


# Registered here, because the class cannot import the loading of its kernels.
copyreg.pickle(CompiledReward, _reduce)
