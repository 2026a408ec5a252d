"""A time limit for user code in plain Python, on whatever thread it runs.

One thread of ours looks four times a second whether somebody's time is over, and raises an exception there. It acts
between two steps of the interpreter: a single long call into compiled code ends first.

Keeps what user code prints away from the terminal, in bounded memory.

Names that all of Python shares, which user code can change but must not: builtins, and functions of modules.

A reward that sets `math.sqrt` or `builtins.abs` would change them for the trainer too. So they are compared after
every batch of calls, put back, and the reward is refused.
"""

from __future__ import annotations

import builtins
import ctypes
import json
import math
import random
import sys
import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, TextIO, cast

import numpy as np

from racer.errors import RewardError

TIME_LIMIT_S = 60.0
"""s that the calls of one control step may take together; a training that takes longer goes nowhere."""
_CHECK_PERIOD_S = 0.25


class RewardTimeout(BaseException):
    """User code ran for too long. Not an `Exception`, so that ordinary handlers of the user's let it pass."""

    def __str__(self) -> str:
        return "it takes too long"


class Deadline:
    """Raises `RewardTimeout` in the thread that entered it, once `seconds` have passed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> Deadline:
        _start_deadline(threading.get_ident(), time.monotonic() + self.seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end_deadline(threading.get_ident())


_lock = threading.Lock()
_due: dict[int, float] = {}
_fired: set[int] = set()
_thread: threading.Thread | None = None


def _start_deadline(thread: int, due: float) -> None:
    global _thread
    with _lock:
        _due[thread] = due
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_check_deadlines, name="racer-deadline", daemon=True)
            _thread.start()


def _end_deadline(thread: int) -> None:
    """End the watch over this thread; what was raised but has not arrived yet must not arrive later.

    To take back a pending exception would leave the interpreter's flag for it set, which slows it down, and hangs it
    under a tracer (CPython 3.11). So it is raised once more and awaited here.
    """
    while True:
        try:
            with _lock:
                _due.pop(thread, None)
                fired = thread in _fired
                _fired.discard(thread)
            if not fired:
                return
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(RewardTimeout))
            while True:
                pass
        except RewardTimeout:
            continue


def _check_deadlines() -> None:
    global _thread
    idle = 0
    while idle < 240:
        time.sleep(_CHECK_PERIOD_S)
        with _lock:
            idle = 0 if _due else idle + 1
            now = time.monotonic()
            for thread, due in _due.items():
                if now > due:
                    _fired.add(thread)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(RewardTimeout))
            if idle >= 240:
                _thread = None


_LINE_LENGTH = 300
_WRITE_LENGTH = 65_536


class PrintCapture:
    """Takes stdout and stderr of this thread while it is entered; counts lines and keeps a few of them.

    Other threads (a progress bar's) keep writing to where they wrote. Whatever is printed, at most
    2 * `keep` lines of 300 characters are held.

    Attributes:
        printed_lines: how many lines were printed since it was made.
        first_prints: the first `keep` of them.
        last_prints: the last `keep` of them.
    """

    def __init__(self, *, keep: int = 20) -> None:
        self.printed_lines = 0
        self.first_prints: list[str] = []
        self.last_prints: deque[str] = deque(maxlen=keep)
        self._keep = keep
        self._unfinished = ""
        self._before: list[tuple[TextIO, TextIO]] = []

    def __enter__(self) -> PrintCapture:
        self._before.append((sys.stdout, sys.stderr))
        sys.stdout = cast(TextIO, _CapturedStream(self, sys.stdout))
        sys.stderr = cast(TextIO, _CapturedStream(self, sys.stderr))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout, sys.stderr = self._before.pop()

    def add(self, text: str) -> None:
        """Take a piece of output; it ends lines where it has a line end."""
        if "\n" not in text:
            self._unfinished += text[: _LINE_LENGTH - len(self._unfinished)]
            return
        if len(text) > _WRITE_LENGTH:
            half = _WRITE_LENGTH // 2
            self.printed_lines += text.count("\n", half, len(text) - half)
            text = text[:half] + text[-half:]
        *ended, rest = (self._unfinished + text).split("\n")
        for line in ended:
            self._keep_line(line[:_LINE_LENGTH])
        self._unfinished = rest[:_LINE_LENGTH]

    def _keep_line(self, line: str) -> None:
        self.printed_lines += 1
        self.last_prints.append(line)
        if len(self.first_prints) < self._keep:
            self.first_prints.append(line)


class _CapturedStream:
    """Stands for sys.stdout or sys.stderr; everything but writing goes to the original."""

    def __init__(self, capture: PrintCapture, original: TextIO) -> None:
        self._capture = capture
        self._original = original
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
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
        """Keep the original open, whatever user code wants."""

    def isatty(self) -> bool:
        return threading.get_ident() != self._thread and self._original.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


_UNGUARDED = {
    "builtins": ("_",),
    "sys": ("stdout", "stderr", "stdin", "last_type", "last_value", "last_traceback", "last_exc", "ps1", "ps2"),
}
"""Names that change by themselves, or that are put back elsewhere."""
_MODULES = (builtins, sys, math, random, time, json, np)
"""What users change by mistake, or to see what happens. Each name costs 20 ns for every batch."""
_NAMESPACES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (module.__name__, vars(module), _UNGUARDED.get(module.__name__, ())) for module in _MODULES
]
_missing = object()


class SharedNamesGuard:
    """Guards what user code shares with the rest of Python, while it is entered; it does not nest with itself.

    It costs about 15 us where nothing was changed.

    Args:
        file: of the user, for the message.

    Raises:
        RewardError: on leaving, where something was changed; it has been put back. Whatever else was raised, this is
            why.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> SharedNamesGuard:
        self._before = [space.copy() for _, space, _ in _NAMESPACES]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        changed = _restore_names(self._before)
        self._before = []
        if changed:
            shown = changed.removeprefix("builtins.")
            what = "the builtin " if shown != changed else ""
            raise RewardError(f"{self._file}: changes {what}`{shown}`, which all of Python uses.") from None


def _restore_names(before: list[dict[str, Any]], zip: Any = zip, Exception: Any = Exception) -> str:
    """Put changed names back; one of them, else empty. It calls no builtin by name: that may be what was changed."""
    changed = ""
    for (module, space, free), old in zip(_NAMESPACES, before):
        try:
            if space == old:
                continue
        except Exception:  # a value of the user's that cannot be compared
            pass
        for name in old:
            if space.get(name, _missing) is not old[name] and name not in free:
                space[name] = old[name]
                changed = f"{module}.{name}"
    return changed
