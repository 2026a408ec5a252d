"""Guards around calls of user code in plain Python: a time limit, captured output, and protected shared names.

`Deadline` limits the time of the calls of one control step on any thread. `PrintCapture` keeps what user code prints
away from the terminal and in bounded memory. `SharedNamesGuard` protects the names that all of Python shares:
a reward function that sets `math.sqrt` or `builtins.abs` changes them for the trainer too, so the guard compares
them after every batch of calls, restores them, and refuses the function. In a sandbox process, where a watchdog
replaces the deadline, `watched_user_code` is all of them.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import json
import math
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

import numpy as np

from racer.errors import RewardError

if TYPE_CHECKING:
    from racer.reward.sandbox import SandboxProcess

TIME_LIMIT_S = 60.0
"""Maximum time of all calls of one control step [s]; a slower function makes a training useless."""
_CHECK_PERIOD_S = 0.25
"""Time between two checks of the deadlines [s]."""
_IDLE_CHECKS_MAX = 240
"""Checks without a deadline after which the thread ends: one minute."""


class RewardTimeout(BaseException):
    """User code exceeded its time limit. Not an `Exception`, so that a user's `except Exception` does not catch it."""

    def __str__(self) -> str:
        return "it takes too long"


class Deadline:
    """Raises `RewardTimeout` in the thread that entered it, after a time.

    One daemon thread checks all deadlines. The exception arrives between two bytecode instructions of the
    interpreter, so a single long call into compiled code ends first.

    Args:
        seconds: time after which the exception is raised [s].
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> Deadline:
        global _thread
        with _lock:
            _due[threading.get_ident()] = time.monotonic() + self.seconds
            if _thread is None or not _thread.is_alive():
                _thread = threading.Thread(target=_check_deadlines, name="racer-deadline", daemon=True)
                _thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        _end_deadline(threading.get_ident())


# State of the one thread that checks all deadlines: the end of the deadline of each thread [s, monotonic], and the
# threads in which the exception was raised since.
_lock = threading.Lock()
_due: dict[int, float] = {}
_fired: set[int] = set()
_thread: threading.Thread | None = None


def _end_deadline(thread: int) -> None:
    """End the deadline of this thread; an exception that is raised but still pending must not arrive later.

    Clearing a pending exception would leave the interpreter's flag for it set, which slows the interpreter down and
    hangs it under a tracer (CPython 3.11). So the exception is raised once more and awaited here.
    """
    while True:
        try:
            with _lock:
                _due.pop(thread, None)
                fired = thread in _fired
                _fired.discard(thread)
            if not fired:
                return
            _raise_timeout(thread)
            while True:  # the exception ends this loop
                pass
        except RewardTimeout:
            continue


def _raise_timeout(thread: int) -> None:
    # No other call stops Python code in a thread; a signal reaches the main thread only.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(RewardTimeout))


def _check_deadlines() -> None:
    global _thread
    idle = 0
    while idle < _IDLE_CHECKS_MAX:
        time.sleep(_CHECK_PERIOD_S)
        with _lock:
            idle = 0 if _due else idle + 1
            now = time.monotonic()
            for thread, due in _due.items():
                if now > due:
                    _fired.add(thread)
                    _raise_timeout(thread)
            # Under the lock: `Deadline` either sees this thread alive before its last check, or starts another.
            if idle >= _IDLE_CHECKS_MAX:
                _thread = None


_LINE_LENGTH = 300
_WRITE_LENGTH = 65_536
"""Characters of one write that are split into lines; of a longer one only both ends."""


class PrintCapture:
    """Captures stdout and stderr of the thread that entered it; counts the lines and keeps some of them.

    Other threads (a progress bar) continue to write to the original streams. The memory is bounded: at most
    2 * `keep` lines of 300 characters.

    Args:
        keep: number of lines to keep from each end of the output.

    Attributes:
        printed_lines: number of captured lines.
        first_prints: the first `keep` lines.
        last_prints: the last `keep` lines.
    """

    def __init__(self, *, keep: int = 20) -> None:
        self.printed_lines = 0
        self.first_prints: list[str] = []
        self.last_prints: deque[str] = deque(maxlen=keep)
        self._keep = keep
        self._unfinished = ""
        self._originals: list[tuple[TextIO, TextIO]] = []

    def __enter__(self) -> PrintCapture:
        self._originals.append((sys.stdout, sys.stderr))
        sys.stdout = cast(TextIO, _CapturedStream(self, sys.stdout))
        sys.stderr = cast(TextIO, _CapturedStream(self, sys.stderr))
        return self

    def __exit__(self, *error: object) -> None:
        sys.stdout, sys.stderr = self._originals.pop()

    def add(self, text: str) -> None:
        """Add a piece of output, which may hold no line end, one or several."""
        # `print(x, end="")` writes pieces of a line; what is longer than a kept line is dropped at once.
        if "\n" not in text:
            self._unfinished += text[: _LINE_LENGTH - len(self._unfinished)]
            return
        if len(text) > _WRITE_LENGTH:
            # The lines in the middle are only counted: splitting ten megabytes would take the memory that this saves.
            half = _WRITE_LENGTH // 2
            self.printed_lines += text.count("\n", half, len(text) - half)
            text = text[:half] + text[-half:]
        *lines, rest = (self._unfinished + text).split("\n")
        for line in lines:
            self._add_line(line[:_LINE_LENGTH])
        self._unfinished = rest[:_LINE_LENGTH]

    def _add_line(self, line: str) -> None:
        self.printed_lines += 1
        self.last_prints.append(line)
        if len(self.first_prints) < self._keep:
            self.first_prints.append(line)


class _CapturedStream:
    """Replacement for sys.stdout or sys.stderr; forwards everything but writing to the original."""

    def __init__(self, capture: PrintCapture, original: TextIO) -> None:
        self._capture = capture
        self._original = original
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        # A progress bar in another thread stays visible.
        if threading.get_ident() != self._thread:
            return self._original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.add(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if threading.get_ident() != self._thread:
            self._original.flush()

    def close(self) -> None:
        """Ignore the call: user code must not close the original stream."""

    def isatty(self) -> bool:
        return threading.get_ident() != self._thread and self._original.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


_UNGUARDED = {
    "builtins": ("_",),
    "sys": ("stdout", "stderr", "stdin", "last_type", "last_value", "last_traceback", "last_exc", "ps1", "ps2"),
}
"""Names that change by themselves, or that other code restores."""
_MODULES = (builtins, sys, math, random, time, json, np)
"""Modules that users change by mistake, or on purpose. Each name costs 20 ns for every batch."""
_NAMESPACES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (module.__name__, vars(module), _UNGUARDED.get(module.__name__, ())) for module in _MODULES
]
_missing = object()


class SharedNamesGuard:
    """Protects the names that user code shares with the rest of Python, while it is entered; it does not nest.

    It costs about 15 us where nothing was changed. On exit it restores every changed name and raises `RewardError`,
    in place of any other exception: the change is the cause.

    Args:
        file: the user's file, for the message.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> SharedNamesGuard:
        # Shallow copies: each name keeps its object, so the comparison on exit is one of identities.
        self._before = [space.copy() for _, space, _ in _NAMESPACES]
        return self

    def __exit__(self, *error: object) -> None:
        changed = _restore_names(self._before)
        self._before = []
        if changed:
            name = changed.removeprefix("builtins.")
            kind = "the builtin " if name != changed else ""
            raise RewardError(f"{self._file}: changes {kind}`{name}`, which all of Python uses.") from None


def _restore_names(before: list[dict[str, Any]], zip: Any = zip, Exception: Any = Exception) -> str:
    """Restore changed names and return one of them, else an empty string.

    It looks up no builtin by name (`zip` and `Exception` are defaults): that may be the name that was changed.
    """
    changed = ""
    for (module, space, free), old in zip(_NAMESPACES, before):
        try:
            # Dicts compare items by identity first, so this calls `__eq__` of changed values only.
            if space == old:
                continue
        except Exception:  # a user's value that cannot be compared
            pass
        for name in old:
            if space.get(name, _missing) is not old[name] and name not in free:
                space[name] = old[name]
                changed = f"{module}.{name}"
    return changed


@contextlib.contextmanager
def watched_user_code(process: SandboxProcess, seconds: float, file: str, output: PrintCapture) -> Iterator[None]:
    """Guard user code in a sandbox process.

    Args:
        process: its watchdog ends the process where user code takes longer than `seconds`.
        seconds: maximum time of the user code [s].
        file: the user's file, for messages.
        output: receives what user code prints.
    """
    process.watch(seconds)
    # The guard is the inner one: it compares the names before the output is restored.
    try:
        with output, SharedNamesGuard(file):
            yield
    finally:
        process.rest()
