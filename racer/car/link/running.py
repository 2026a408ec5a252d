"""A pilot's process, for the console: with what it is started, what it is told, and what it tells."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

READY_S: Final = 60.0
"""A Pi takes seconds to load a network and to measure it; nothing takes longer than this."""
_HANGS_S: Final = 3.0
_END_S: Final = 5.0
_LINES_MAX: Final = 1 << 16
_MODULE: Final = "racer.car.pilot.process"


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSetup:
    """With what a pilot is started.

    Attributes:
        socket: the actuator's.
        camera: see `racer.car.camera.opening`; empty for none.
        record: folder of recorded drives; None records none.
        threads: of the network of a bundle.
        name: what to call a bundle.
    """

    calibration: Path
    car_id: str
    socket: str
    camera: str = ""
    record: Path | None = None
    mapping: str = "table"
    threads: Callable[[Path], int] = lambda bundle: 1
    name: Callable[[Path], str] = lambda bundle: bundle.stem

    def words(self, bundle: Path | None, speed_limit: float) -> list[str]:
        """The pilot's command line."""
        words = [sys.executable, "-m", _MODULE]
        if bundle is not None:
            words += [str(bundle), "--threads", str(self.threads(bundle)), "--name", self.name(bundle)]
        words += ["--calibration", str(self.calibration), "--car-id", self.car_id, "--socket", self.socket]
        words += ["--camera", self.camera, "--mapping", self.mapping, "--speed-limit", f"{speed_limit:g}"]
        return words + (["--record", str(self.record.absolute())] if self.record else [])


class Running:
    """One pilot process. Its input never blocks: what it does not read is dropped, and heartbeats come again."""

    def __init__(self, words: list[str]) -> None:
        self.record: dict[str, Any] = {}
        self.heard_s = time.monotonic()
        self._lock = threading.Lock()
        self._open = True
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `end`)
        self._rest = b""
        pipe = subprocess.PIPE
        # A session of its own: Ctrl-C in the console's terminal is the console's to handle.
        self.process = subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=self._errors, bufsize=0, start_new_session=True
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._input, self.output = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self._input, False)

    def say(self, word: str) -> None:
        """One line."""
        with self._lock, contextlib.suppress(OSError):
            if self._open:
                os.write(self._input, f"{word}\n".encode())

    def hear(self) -> bool:
        """Take what it told; False where it has closed its output."""
        data = os.read(self.output, _LINES_MAX)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self.record, self.heard_s = json.loads(lines[-1]), time.monotonic()
        return bool(data)

    @property
    def hangs(self) -> bool:
        """Whether it has told nothing for too long; while it starts it may be silent for longer."""
        return time.monotonic() - self.heard_s > (_HANGS_S if self.record else READY_S)

    def end(self) -> str:
        """Let it stop the car and end; its last words."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with self._lock, contextlib.suppress(OSError):
            self._open = False
            self.process.stdin.close()
        try:
            self.process.wait(0.0 if self.hangs else _END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        self._errors.close()
        return said[-1].removeprefix("error: ") if said else f"it ended with status {self.process.returncode}"
