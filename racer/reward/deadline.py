"""A time limit for user code in plain Python, on whatever thread it runs.

One thread of ours looks four times a second whether somebody's time is over, and raises an exception there. It acts
between two steps of the interpreter: a single long call into compiled code ends first.
"""

from __future__ import annotations

import ctypes
import threading
import time
from types import TracebackType

TIME_LIMIT_S = 60.0
"""s that the calls of one control step may take together; a training that takes longer goes nowhere."""
_LOOK_S = 0.25


class RewardTimeout(BaseException):
    """User code ran for too long. Not an `Exception`, so that ordinary handlers of the user's let it pass."""

    def __str__(self) -> str:
        return "it takes too long"


class Deadline:
    """Raises `RewardTimeout` in the thread that entered it, once `seconds` have passed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> Deadline:
        _watch(threading.get_ident(), time.monotonic() + self.seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _release(threading.get_ident())


_lock = threading.Lock()
_due: dict[int, float] = {}
_fired: set[int] = set()
_thread: threading.Thread | None = None


def _watch(thread: int, due: float) -> None:
    global _thread
    with _lock:
        _due[thread] = due
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_look, name="racer-deadline", daemon=True)
            _thread.start()


def _release(thread: int) -> None:
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


def _look() -> None:
    global _thread
    idle = 0
    while idle < 240:
        time.sleep(_LOOK_S)
        with _lock:
            idle = 0 if _due else idle + 1
            now = time.monotonic()
            for thread, due in _due.items():
                if now > due:
                    _fired.add(thread)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(RewardTimeout))
            if idle >= 240:
                _thread = None
