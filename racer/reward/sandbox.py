"""Runs a racer function that calls user code in a separate process, so that user code cannot harm this one.

The process writes its result as JSON into a file. Before user code runs it starts a watchdog, a timer of the system
with a handler of `faulthandler` that does not need the interpreter: when the time is over, it writes the stack into a
file and ends the process, even where the running line is an endless loop or an endless arithmetic operation. The time
that counts is processor time, so that a busy machine does not end a function that it runs slowly. A second timer, of
wall time, ends a function that waits for something.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import importlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from racer.errors import RewardError
from racer.process import ChildProcess, limit_memory, run_child

HANG_S = 10.0
"""Maximum processor time of one call [s]."""
WALL_FACTOR = 6.0
"""Maximum wall time, in multiples of the maximum processor time."""
_TOTAL_S = 900.0
"""Maximum time of the whole process [s]; reached only by code that switches off the watchdog."""
MEMORY_MAX = 4 * 2**30
"""Maximum memory of the process [bytes], on a small machine half of its memory; racer itself needs 0.4 GB of it."""
_DUMP = "hang.txt"
_DUMP_LINE = re.compile(r'File "(?P<file>.*)", line (?P<line>\d+)')


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """Result of a sandboxed call.

    Attributes:
        result: what the function returned, or its last `SandboxProcess.save`; empty where there was neither.
        ended_early: how the process ended before it finished: `hang`, `memory`, `exit 3`, ...; empty where it finished.
        line: line of the user's file that was running in a hang; None where it is not known.
        stage: the last `SandboxProcess.stage` of the function.
        complaint: last line that the process wrote to stderr.
    """

    result: dict[str, Any]
    ended_early: str = ""
    line: int | None = None
    stage: dict[str, Any]
    complaint: str = ""


class SandboxProcess:
    """Interface of the sandbox process for the function that runs in it: watchdog, stage and result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._dump = (folder / _DUMP).open("w", encoding="utf-8")
        self._seconds = 0.0
        self._has_timers = hasattr(signal, "setitimer")
        if self._has_timers:
            # `chain` lets the signal end the process after the stack was written.
            for number in (signal.SIGPROF, signal.SIGALRM):
                faulthandler.register(number, file=self._dump, all_threads=True, chain=True)

    def watch(self, seconds: float) -> None:
        """Start the watchdog for `seconds` of processor time of user code [s]; the next call restarts it.

        Systems without such a timer count wall time.
        """
        self._seconds = seconds
        if self._has_timers:
            self.renew()
        else:
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._dump)

    def renew(self) -> None:
        """Begin to count again, in a microsecond: the limit is for one call, and many follow each other."""
        if self._has_timers:
            signal.setitimer(signal.ITIMER_PROF, self._seconds)
            signal.setitimer(signal.ITIMER_REAL, WALL_FACTOR * self._seconds)

    def rest(self) -> None:
        """Stop the watchdog: no user code runs from here on."""
        if self._has_timers:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        else:
            faulthandler.cancel_dump_traceback_later()

    def stage(self, **facts: Any) -> None:
        """Record the current stage, for the message after a hang."""
        _replace(self._folder / "stage.json", json.dumps(facts))

    def save(self, result: Mapping[str, Any]) -> None:
        """Save a result; a later one replaces it."""
        _replace(self._folder / "result.json", json.dumps(result))


def _replace(path: Path, text: str) -> None:
    """Replace a file as a whole, without waiting for the disk as `write_atomically` does: the folder is temporary."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def run_sandboxed(
    function: str, request: Mapping[str, Any], *, file: str = "", total_s: float = _TOTAL_S, warm: bool = True
) -> SandboxResult:
    """Call a function with (request, `SandboxProcess`) in another process and wait for its result.

    Args:
        function: `module:function`.
        request: plain JSON.
        file: the user's file, as its code objects name it; finds the line of a hang.
        total_s: maximum time of the whole process [s].
        warm: whether the process is a fork of one that stays ready for the next call, with all modules loaded. It ends
            with this process. Without it, and on systems that cannot fork, each call starts a new process.

    Raises:
        RewardError: the function raised a `RacerError`; the message is the same.
    """
    with tempfile.TemporaryDirectory(prefix="racer_reward_") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps({"function": function, "request": request}), encoding="utf-8")
        code: int | None = None
        is_served = False
        if warm and hasattr(os, "fork"):
            code = _WarmProcess.run(name, total_s)
            complaint = _last_line(_read_text(folder / "stderr.txt"))
            # Without this file the warm process was gone before the fork began.
            is_served = (folder / _DUMP).exists()
        if not is_served:
            ended = run_child("racer.reward.sandbox:serve_request", name, timeout_s=total_s)
            code, complaint = ended.code, ended.last_error
        return _read_result(folder, "hang" if code is None else f"exit {code}", file, complaint)


class _WarmProcess:
    """A process that has loaded all that a check needs, and forks for each request: loading takes a second.

    The first request loads it. The process runs no user code itself. A fork takes the folder and the environment of
    this process as they are at the request.
    """

    _current: _WarmProcess | None = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._owner = os.getpid()
        # A separate session: the fork of a request is ended together with it.
        self._child = ChildProcess(
            "racer.reward.sandbox:serve_forks",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            new_session=True,
        )
        atexit.register(self.end)

    @classmethod
    def current(cls) -> _WarmProcess:
        """Return the process of this one, started where there is none or where it has ended."""
        known = cls._current
        if known is not None and known._owner == os.getpid():
            if known._child.process.poll() is None:
                return known
            known.end()
        # In a fork of the owner, the known one is that of the owner.
        cls._current = cls()
        return cls._current

    @classmethod
    def run(cls, folder: str, timeout_s: float) -> int | None:
        """Serve a request in a fork and return its exit status; None where it passed the deadline.

        Args:
            folder: Folder of the request.
            timeout_s: Deadline [s].
        """
        with cls._lock:
            warm = cls.current()
            try:
                return warm._serve(folder, timeout_s)
            except BaseException:  # Ctrl-C: the fork must not run on
                warm.end()
                raise

    def _serve(self, folder: str, timeout_s: float) -> int | None:
        pipes = self._child.process
        assert pipes.stdin is not None and pipes.stdout is not None
        line = json.dumps({"folder": folder, "cwd": str(Path.cwd()), "environment": dict(os.environ)})
        with contextlib.suppress(BrokenPipeError):  # it has ended, and sends nothing
            pipes.stdin.write(f"{line}\n".encode())
        ready, _, _ = select.select([pipes.stdout], [], [], timeout_s)
        answer = pipes.stdout.readline() if ready else b""
        if answer:
            return int(answer)
        self.end()
        return -signal.SIGKILL if ready else None

    def end(self) -> None:
        """End the process and the fork that it waits for."""
        atexit.unregister(self.end)
        type(self)._current = None
        if self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            os.killpg(self._child.process.pid, signal.SIGKILL)
        self._child.end(grace_s=1.0)


def serve_forks() -> None:
    """Fork for each request on standard input; the entry point of the warm process.

    After a request of `module:function` it loads the module and calls its `prepare_function`, where it has one, with
    the request: what these leave in memory is there in the next fork.
    """
    # Numbers only: what user code writes to standard output goes nowhere.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    for line in sys.stdin:
        order = json.loads(line)
        call = _read_json(Path(order["folder"]) / "request.json")
        child = os.fork()
        if child == 0:
            answers.close()
            _serve_fork(order)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
        # After the answer, which the user reads meanwhile.
        if status == 0:
            os.chdir(order["cwd"])
            module, _, name = call["function"].partition(":")
            prepare = getattr(importlib.import_module(module), f"prepare_{name}", None)
            if prepare is not None:
                prepare(call["request"])


def _serve_fork(order: Mapping[str, Any]) -> NoReturn:
    """Serve one request in a fork of the warm process, and end it."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        errors = os.open(Path(order["folder"]) / "stderr.txt", os.O_WRONLY | os.O_CREAT)
        for stream, target in ((0, nothing), (1, nothing), (2, errors)):
            os.dup2(target, stream)
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environment"])
        serve_request(order["folder"])
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else ""


def _read_result(folder: Path, ended: str, file: str, complaint: str) -> SandboxResult:
    result = _read_json(folder / "result.json")
    # A RacerError and a lack of memory are results too; the exit code of their process is 0.
    if "racer_error" in result:
        raise RewardError(result["racer_error"])
    if "ended" in result:
        return SandboxResult(result={}, ended_early=str(result["ended"]), stage=_read_json(folder / "stage.json"))
    if ended == "exit 0" and result.pop("finished", False):
        return SandboxResult(result=result, stage={})
    # Without `finished` an exit code of 0 is early too, such as after `os._exit(0)` in user code.
    result.pop("finished", None)
    # Only the watchdog writes a dump. It lists the innermost frame first.
    dump = _read_text(folder / _DUMP)
    lines = [int(frame["line"]) for frame in _DUMP_LINE.finditer(dump) if frame["file"] == file]
    return SandboxResult(
        result=result,
        ended_early="hang" if dump else ended,
        line=lines[0] if lines else None,
        stage=_read_json(folder / "stage.json"),
        complaint=complaint[:200],
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(_read_text(path)))
    except ValueError:
        return {}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def memory_max() -> int:
    """Return the memory that a process with user code may take on this machine [bytes]."""
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return MEMORY_MAX
    return min(MEMORY_MAX, installed // 2)


def serve_request(folder: str) -> None:
    """Run the requested function and save its result; the entry point of the sandbox process."""
    from racer.errors import RacerError

    process = SandboxProcess(Path(folder))
    limit_memory(memory_max())
    call = _read_json(Path(folder) / "request.json")
    module, _, name = call["function"].partition(":")
    try:
        result = getattr(importlib.import_module(module), name)(call["request"], process)
    except RacerError as error:
        result = {"racer_error": str(error)}
    except MemoryError:  # one in user code is reported where it is raised; this one is racer's, short of what is left
        result = {"ended": "memory"}
    process.rest()
    process.save({**result, "finished": True})
