"""Failures of user code: what counts as a reward, what went wrong in a call, and the message and file for the user."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from racer.assets import did_you_mean, write_atomically
from racer.errors import RewardError
from racer.reward.call_guards import TIME_LIMIT_S, RewardTimeout
from racer.reward.params import NAMES
from racer.reward.protocol import REWARD_MAX
from racer.reward.source import FUNCTION, first_line, innermost_line, line_of

FAILURE_FILE = "reward_failure.json"


class FailureVerdict(NamedTuple):
    """Description of a failed call."""

    line: int | None
    """Line of the statement that raised or returned; None where Python does not report it."""
    problem: str
    """What was raised or returned, on one line."""
    advice: str
    """What to do, as a sentence with a space before it; may be empty."""


def as_reward(value: object) -> float | None:
    """Convert a returned value to a reward; None where it is not one.

    Numbers of Python and numpy count, bool included. Complex numbers, strings and arrays do not, nor does a number
    that is not finite or larger than `REWARD_MAX`.
    """
    # An array without axes, such as `np.array(1.0)`, counts as its number.
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    if not isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
        return None
    try:
        number = float(value)
    except Exception:  # an integer too large for a float, or a user's class
        return None
    # NaN fails both comparisons.
    return number if -REWARD_MAX <= number <= REWARD_MAX else None


def verdict_of_exception(
    error: BaseException, file: str, function: Callable[..., Any], *, limit_s: float = TIME_LIMIT_S
) -> FailureVerdict:
    """Describe an exception of user code.

    Args:
        error: the exception.
        file: the user's file.
        function: the user's function; its `def` is the line where the exception has none.
        limit_s: time limit for the calls of one control step [s].
    """
    line = innermost_line(error, file) or line_of(function)
    if isinstance(error, RewardTimeout):
        return FailureVerdict(line, f"took more than {limit_s:g} s for the calls of one control step", "")
    advice = ""
    if isinstance(error, MemoryError):
        advice = " A reward function must not take gigabytes of memory."
    elif isinstance(error, KeyError) and error.args and isinstance(key := error.args[0], str) and key not in NAMES:
        advice = did_you_mean(key, list(NAMES))
    return FailureVerdict(line, f"raised {type(error).__name__}: {first_line(error)}", advice)


def verdict_of_value(value: object, file: str, function: Callable[..., Any], params: dict[str, Any]) -> FailureVerdict:
    """Describe a returned value that is not a reward.

    The line is that of the `return`: the call is repeated once with a tracer. A function that keeps state may take
    another branch then; in that case the line is that of the `def`.

    Args:
        value: what the function returned.
        file: the user's file.
        function: the user's function.
        params: the dict for the repeated call, as the first one was before the call.
    """
    line = _return_line(function, file, params) or line_of(function)
    advice = " It must return a finite number from -100000 to 100000."
    return FailureVerdict(line, f"returned {_describe_value(value)}", advice)


def _describe_value(value: object) -> str:
    """Describe a returned value on one short line, whatever its `__repr__` does."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of more digits than Python writes, or a user's class
        text = ""
    text = text if len(text) <= 60 else f"{text[:57]}..."
    kind = type(value).__name__
    if value is None or (type(value) in (int, float, str) and text):
        return text
    return f"{text} of type {kind}" if text else f"a value of type {kind}"


def _return_line(function: Callable[..., Any], file: str, params: dict[str, Any]) -> int | None:
    """Repeat a call and return the line at which the outermost frame of the user's file returned."""
    lines: list[int] = []
    outer: list[types.FrameType] = []

    def on_return(frame: types.FrameType, event: str, argument: object) -> Any:
        if event == "return":
            lines.append(frame.f_lineno)
        return on_return

    def on_call(frame: types.FrameType, event: str, argument: object) -> Any:
        # Helper functions return other values: only the outermost frame of the user's file is traced.
        if outer or frame.f_code.co_filename != file:
            return None
        outer.append(frame)
        return on_return

    # A debugger or a coverage tool may have a tracer; it must continue afterwards.
    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        again = function(params)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None
    finally:
        sys.settrace(before)
    # A repeated call that gives a reward took another branch, so its line is not the one in question.
    return lines[0] if lines and as_reward(again) is None else None


def reward_error(
    verdict: FailureVerdict, file: str, params: dict[str, Any], *, index: int, n_cars: int, folder: str | Path | None
) -> RewardError:
    """Make the error of a failed call, one line for the user, and save the params of the call.

    Args:
        verdict: what went wrong.
        file: the user's file; empty where a callable has none.
        params: the dict that the function received.
        index: number of the car in the whole batch.
        n_cars: cars in each world.
        folder: folder for `reward_failure.json`; None saves nothing.
    """
    world, number = divmod(index, n_cars)
    car = f"car {index}" if n_cars == 1 else f"car {number} of world {world}"
    step = int(params["steps"])
    line, problem, advice = verdict
    saved = ""
    if folder is not None:
        content = {"file": file, "line": line, "problem": problem, "car": car, "step": step, "params": params}
        text = json.dumps(content, indent=1, default=_json_value) + "\n"
        saved = f" Its params are in {write_atomically(Path(folder) / FAILURE_FILE, text)}"
    # A callable from the prompt has no file, and C code has no line.
    where = "".join(f"{part}:" for part in (file, line) if part)
    return RewardError(f"{where} {FUNCTION} {problem} ({car}, step {step}).{advice}{saved}".lstrip())


def _json_value(value: object) -> object:
    """Convert a value of numpy for JSON."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)
