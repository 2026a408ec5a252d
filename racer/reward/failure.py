"""What is told, and saved, when user code raises or returns what is no reward."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from racer.assets import did_you_mean, write_atomically
from racer.reward.call_guards import TIME_LIMIT_S, RewardTimeout
from racer.reward.params import NAMES
from racer.reward.protocol import REWARD_MAX
from racer.reward.source import FUNCTION, first_line, innermost_line, line_of

MEMORY_ADVICE = " A reward function must not take gigabytes of memory."
FAILURE_FILE = "reward_failure.json"


class FailureVerdict(NamedTuple):
    """What went wrong in a call."""

    line: int | None
    """Of the statement that raised or returned, None where Python does not know."""
    problem: str
    """What was raised or returned, on one line."""
    advice: str
    """What to do, as a sentence with a space before it; empty where there is nothing to say."""


@dataclass(frozen=True, kw_only=True)
class RewardFailure:
    """One call of a reward function that went wrong.

    Attributes:
        file: the user's file as its code names it; empty where there is none.
        verdict: line, problem and advice.
        car: whose call it was: `car 3`, or `car 1 of world 3`.
        step: the car's `steps`.
        params: the dict that the function got.
    """

    file: str
    verdict: FailureVerdict
    car: str
    step: int
    params: dict[str, Any]

    def message(self, saved: Path | None) -> str:
        """The one line for the user; `saved` is where the params went."""
        line, problem, advice = self.verdict
        where = "".join(f"{part}:" for part in (self.file, line) if part)
        tail = f" Its params are in {saved}" if saved else ""
        return f"{where} {FUNCTION} {problem} ({self.car}, step {self.step}).{advice}{tail}".lstrip()

    def save(self, folder: str | Path) -> Path:
        """Write the failure with its params as JSON into a folder, and say where."""
        content = {
            "file": self.file,
            "line": self.verdict.line,
            "problem": self.verdict.problem,
            "car": self.car,
            "step": self.step,
            "params": self.params,
        }
        text = json.dumps(content, indent=1, default=_plain)
        return write_atomically(Path(folder) / FAILURE_FILE, text + "\n")


def as_reward(value: object) -> float | None:
    """The reward that a returned value stands for; None where it stands for none.

    Numbers of Python and numpy count, bool included; complex numbers, strings and arrays do not, nor does
    what is not finite or larger than `REWARD_MAX`.
    """
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    if not isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
        return None
    try:
        number = float(value)
    except Exception:  # an integer too large for a float, or a class of the user's own
        return None
    return number if -REWARD_MAX <= number <= REWARD_MAX else None


def verdict_of_exception(
    error: BaseException, file: str, function: Callable[..., Any], *, limit_s: float = TIME_LIMIT_S
) -> FailureVerdict:
    """The verdict on an exception.

    Args:
        file: the user's.
        limit_s: s that the calls of one control step may take.
    """
    line = innermost_line(error, file) or line_of(function)
    if isinstance(error, RewardTimeout):
        return FailureVerdict(line, f"took more than {limit_s:g} s for the calls of one control step", "")
    if isinstance(error, MemoryError):
        return FailureVerdict(line, f"raised {type(error).__name__}: {first_line(error)}", MEMORY_ADVICE)
    key = error.args[0] if isinstance(error, KeyError) and error.args else None
    advice = did_you_mean(key, list(NAMES)) if isinstance(key, str) and key not in NAMES else ""
    return FailureVerdict(line, f"raised {type(error).__name__}: {first_line(error)}", advice)


def verdict_of_value(value: object, file: str, function: Callable[..., Any], params: dict[str, Any]) -> FailureVerdict:
    """The verdict on a returned value that is no reward.

    The line is that of the `return`: the call is repeated once with a tracer. Code whose state has moved on
    may take another way then; in that case the line of the `def` has to do.
    """
    line = _return_line(function, file, params) or line_of(function)
    return FailureVerdict(line, f"returned {_shown(value)}", " It must return a finite number from -100000 to 100000.")


def _shown(value: object) -> str:
    """A returned value on one short line, whatever its `__repr__` does."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of more digits than Python writes, or a class of the user's own
        text = ""
    text = text if len(text) <= 60 else f"{text[:57]}..."
    kind = type(value).__name__
    if value is None or (type(value) in (int, float, str) and text):
        return text
    return f"{text} of type {kind}" if text else f"a value of type {kind}"


def _return_line(function: Callable[..., Any], file: str, params: dict[str, Any]) -> int | None:
    """The line at which the outermost frame of the user's file returned, in a repeated call."""
    lines: list[int] = []
    outer: list[types.FrameType] = []

    def on_return(frame: types.FrameType, event: str, argument: object) -> Any:
        if event == "return":
            lines.append(frame.f_lineno)
        return on_return

    def on_call(frame: types.FrameType, event: str, argument: object) -> Any:
        if outer or frame.f_code.co_filename != file:
            return None
        outer.append(frame)
        return on_return

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
    return lines[0] if lines and as_reward(again) is None else None


def _plain(value: object) -> object:
    """JSON for what numpy gives."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return str(value)
