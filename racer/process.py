"""Starts, watches and ends the child processes of racer.

A child runs one *target* of this package: a module that is a program (`racer.hil`), or a function that takes the
arguments as text (`racer.race.guarded_child:serve`). Each child

- starts with `-P`, so that a file of the working folder (`math.py`) is never imported in place of a module, and with
  the folder that holds this package as the last entry of its search path, so that a checkout works without installing;
- writes standard error to a temporary file: a full pipe cannot block it, and it can still report after this process
  was killed;
- ends with this process where `ends_with_parent` is set: its standard input is a pipe from here.

`run_child` waits for one answer until a deadline, `ChildProcess` runs beside this process, and `JsonLinesChild` also
reads commands and writes JSON lines.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from racer.errors import RacerError

_ROOT: Final = str(Path(__file__).resolve().parents[1])
_HARD_END_S: Final = 10.0
"""Time that a child has for its own clean-up after its parent died [s]."""
_READ_BYTES_MAX: Final = 1 << 16
"""Largest read from a pipe [bytes]; Linux keeps as much in one."""


def python_command(target: str, *arguments: str, ends_with_parent: bool = False) -> list[str]:
    """Return the command line of a child.

    Args:
        target: Module that is a program, or `module:function`.
        arguments: Arguments of the program or function.
        ends_with_parent: Whether the child ends when its standard input ends.
    """
    code = (
        f"import sys; sys.path.append({_ROOT!r}); from racer.process import run_target; run_target({ends_with_parent})"
    )
    return [sys.executable, "-P", "-c", code, target, *arguments]


def run_target(ends_with_parent: bool) -> None:
    """Run the target that `sys.argv` names; this is the first function of each child."""
    if ends_with_parent:
        end_with_parent()
    module, _, function = sys.argv.pop(1).partition(":")
    if function:
        getattr(importlib.import_module(module), function)(*sys.argv[1:])
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def end_with_parent() -> None:
    """Send SIGTERM to this process when its standard input ends; end it at once where it still runs 10 s later."""

    def wait_for_parent() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_HARD_END_S)
        os._exit(1)

    threading.Thread(target=wait_for_parent, name="parent watch", daemon=True).start()


class ChildProcess:
    """A child that runs beside this process; as a context manager it is killed at the end of the block.

    Args:
        target: See `python_command`.
        arguments: Arguments of the target.
        stdin: Standard input, as for `subprocess.Popen`; with `ends_with_parent` always a pipe.
        stdout: Standard output, as for `subprocess.Popen`; None inherits the output of this process.
        ends_with_parent: Whether the child ends when this process ends, however that happens.
        new_session: Whether the child is in a separate session, so that Ctrl-C in the terminal does not reach it.

    Attributes:
        process: The process itself.
    """

    def __init__(
        self,
        target: str,
        *arguments: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = subprocess.DEVNULL,
        ends_with_parent: bool = False,
        new_session: bool = False,
    ) -> None:
        self._ends_with_parent = ends_with_parent
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `end`)
        self._last_error = ""
        self.process = subprocess.Popen(
            python_command(target, *arguments, ends_with_parent=ends_with_parent),
            # The child sees the end of this pipe however this process ends, also by SIGKILL.
            stdin=subprocess.PIPE if ends_with_parent else stdin,
            stdout=stdout,
            stderr=self._errors,
            bufsize=0,
            start_new_session=new_session,
        )

    def __enter__(self) -> Self:
        """Return this child."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the child."""
        self.end(grace_s=0.0)

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end of the child; returns its exit status, or None after `timeout_s` [s]."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout_s)
        return None

    def last_error(self) -> str:
        """Return the last line of standard error, without `error: `; empty while the child runs."""
        if not self._errors.closed and self.process.poll() is not None:
            # The file position is shared with the child, so it may move only after the child has ended.
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            self._last_error = lines[-1].removeprefix("error: ") if lines else ""
        return self._last_error

    def end(self, number: signal.Signals | None = None, *, grace_s: float = 3.0) -> int:
        """End the child, and kill it where it still runs after `grace_s` [s]; returns its exit status.

        Args:
            number: Signal that asks for the end; None only closes standard input.
            grace_s: Time that the child has to end by itself [s].
        """
        # The end of input would be a second SIGTERM for a child that ends with its parent.
        if self.process.stdin is not None and not self._ends_with_parent:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        if (code := self.wait(grace_s)) is None:
            self.process.kill()
            code = self.process.wait()
        self.last_error()
        # After this, `last_error` returns what was read before.
        for file in (self.process.stdin, self.process.stdout, self._errors):
            if file is not None:
                file.close()
        return code


class JsonLinesChild(ChildProcess):
    """A child that reads commands, one per line, and writes JSON objects, one per line.

    Sending never blocks: what a child does not read in time is dropped.

    Attributes:
        newest: The newest object that was received; empty before the first.
        received_s: Time of the newest object, or of the start, `time.monotonic` [s].
        output: File descriptor of its output, for `select`.

    Raises:
        RacerError: This system has no non-blocking pipes.
    """

    def __init__(self, target: str, *arguments: str, new_session: bool = True) -> None:
        if not hasattr(os, "set_blocking"):
            raise RacerError("the programs of a car need non-blocking pipes; use Linux, or Python 3.12 on this system")
        self.newest: dict[str, Any] = {}
        self.received_s = time.monotonic()
        self._lock = threading.Lock()
        self._rest = b""
        pipe = subprocess.PIPE
        super().__init__(target, *arguments, stdin=pipe, stdout=pipe, new_session=new_session)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.output = self.process.stdout.fileno()
        os.set_blocking(self.process.stdin.fileno(), False)

    def send(self, command: str) -> None:
        """Send one line; does nothing where the child has closed its input."""
        assert self.process.stdin is not None
        # The pipe does not block: a full one raises BlockingIOError, an OSError, and the line is dropped.
        with self._lock, contextlib.suppress(OSError):
            if not self.process.stdin.closed:
                os.write(self.process.stdin.fileno(), f"{command}\n".encode())

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the objects that came since the last call, or None at the end of output; blocks where none came."""
        data = os.read(self.output, _READ_BYTES_MAX)
        # The last part is a line that is not complete yet, or empty.
        *lines, self._rest = (self._rest + data).split(b"\n")
        records = [json.loads(line) for line in lines]
        if records:
            self.newest, self.received_s = records[-1], time.monotonic()
        return records if data else None

    def end(self, number: signal.Signals | None = None, *, grace_s: float = 3.0) -> int:
        """End the child as `ChildProcess.end` does, after closing its input."""
        assert self.process.stdin is not None
        with self._lock, contextlib.suppress(OSError):
            self.process.stdin.close()
        return super().end(number, grace_s=grace_s)


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended.

    Attributes:
        code: Exit status, the negative signal number after a signal; None where it passed its deadline and was killed.
        output: All of its standard output.
        last_error: Last line of its standard error, without `error: `.
    """

    code: int | None
    output: bytes
    last_error: str

    @property
    def ending(self) -> str:
        """Name of the signal that ended it, else its exit status as text."""
        return signal.Signals(-self.code).name if self.code is not None and self.code < 0 else f"exit {self.code}"


def run_child(target: str, *arguments: str, timeout_s: float) -> ChildResult:
    """Run a child without input until it ends, and kill it at the deadline.

    Args:
        target: See `python_command`.
        arguments: Arguments of the target.
        timeout_s: Deadline, from the start [s].
    """
    with ChildProcess(target, *arguments, stdout=subprocess.PIPE) as child:
        code: int | None = None
        output = b""
        with contextlib.suppress(subprocess.TimeoutExpired):
            output = child.process.communicate(timeout=timeout_s)[0]
            code = child.process.returncode
    return ChildResult(code, output, child.last_error())


def limit_memory(limit: int, *, final: bool = False) -> None:
    """Limit the memory of this process; an allocation beyond raises MemoryError.

    Args:
        limit: Size of the data segment [bytes].
        final: Whether the limit cannot be raised again, and no core file is written.

    Raises:
        RacerError: `final`, on a system that has no such limits.
    """
    try:
        import resource
    except ImportError:
        if final:
            raise RacerError(
                "running a foreign graph needs memory limits, and this system has none; use Linux"
            ) from None
        return
    # The data segment, not the address space, of which libraries reserve more than they use.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    if final:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
