"""Runs one of our functions that calls user code in a process of its own, so that nothing the code does gets here.

The process answers with JSON in a file. Before user code runs it sets a watchdog, a thread of the interpreter that
needs nothing from Python: when it bites, it writes down which line was running and ends the process, even where that
line is a loop without end or arithmetic without end.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.assets import write_atomically
from racer.errors import RewardError
from racer.process import limit_memory, run_child

HANG_S = 10.0
"""s that the calls of one control step may take."""
_TOTAL_S = 900.0
"""s for everything; reached only by code that switches the watchdog off."""
MEMORY_MAX = 4 * 2**30
"""Bytes that the process may take, at most half of the machine's; compiling and driving take 0.4 GB of it."""
_DUMP_LINE = re.compile(r'File "(?P<file>.*)", line (?P<line>\d+)')


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """What came back.

    Attributes:
        result: what the function returned, or the last that it left with `Process.save`; empty where nothing came.
        ended_early: how the process ended where it did not finish: `hang`, `memory`, `exit 3`, ...; empty where it did.
        line: of the user's file, where a hang was seen in it.
        stage: the last that the function told with `Process.stage`.
        complaint: the last line that the process wrote to stderr.
    """

    result: dict[str, Any]
    ended_early: str = ""
    line: int | None = None
    stage: dict[str, Any]
    complaint: str = ""


class SandboxProcess:
    """What a function sees of the process that it runs in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._dump = (folder / "hang.txt").open("w", encoding="utf-8")

    def watch(self, seconds: float) -> None:
        """From now on user code may run for this long; the next call counts afresh."""
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._dump)

    def rest(self) -> None:
        """No user code runs from here on."""
        faulthandler.cancel_dump_traceback_later()

    def stage(self, **facts: Any) -> None:
        """Tell what is going on, for the message after a hang."""
        write_atomically(self._folder / "stage.json", json.dumps(facts))

    def save(self, result: Mapping[str, Any]) -> None:
        """Leave a result; a later one takes its place."""
        write_atomically(self._folder / "result.json", json.dumps(result))


def run_sandboxed(
    function: str, request: Mapping[str, Any], *, file: str = "", total_s: float = _TOTAL_S
) -> SandboxResult:
    """Call `module:function` with (request, Process) in another process and wait for its JSON.

    Args:
        request: plain JSON.
        file: the user's file, as its code names it.

    Raises:
        RewardError: what the function raised as a `RacerError`.
    """
    with tempfile.TemporaryDirectory(prefix="racer_reward_") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps({"function": function, "request": request}), encoding="utf-8")
        ended = run_child("racer.reward.sandbox:serve_request", name, timeout_s=total_s)
        return _read_result(folder, "hang" if ended.code is None else f"exit {ended.code}", file, ended.last_error)


def _read_result(folder: Path, ended: str, file: str, complaint: str) -> SandboxResult:
    result = _read_json(folder / "result.json")
    if "racer_error" in result:
        raise RewardError(result["racer_error"])
    if "ended" in result:
        return SandboxResult(result={}, ended_early=str(result["ended"]), stage=_read_json(folder / "stage.json"))
    if ended == "exit 0" and result.pop("finished", False):
        return SandboxResult(result=result, stage={})
    result.pop("finished", None)
    dump = _read_text(folder / "hang.txt")
    lines = [int(found["line"]) for found in _DUMP_LINE.finditer(dump) if found["file"] == file]
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
    """Bytes that user code's process may take on this machine."""
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return MEMORY_MAX
    return min(MEMORY_MAX, installed // 2)


def serve_request(folder: str) -> None:
    """The other process: call what was asked for and leave the answer."""
    from racer.errors import RacerError

    process = SandboxProcess(Path(folder))
    limit_memory(memory_max())
    asked = _read_json(Path(folder) / "request.json")
    module, _, name = asked["function"].partition(":")
    try:
        result = getattr(importlib.import_module(module), name)(asked["request"], process)
    except RacerError as error:
        result = {"racer_error": str(error)}
    except MemoryError:  # user code's was reported where it rose: the rest had too little left
        result = {"ended": "memory"}
    process.rest()
    process.save({**result, "finished": True})
