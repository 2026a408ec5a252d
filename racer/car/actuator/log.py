"""The actuator's log: lines on standard error, which systemd keeps."""

from __future__ import annotations

import os
import select
import sys

STDERR = 2


def write_log(text: str) -> None:
    """Write a text for the log, its last 4096 bytes at most, if it can be written at once.

    The car comes first: a reader that is gone, or so slow that the pipe is full, costs a line. It neither ends the loop
    nor lets it wait.
    """
    if sys.stderr is None:  # started without one, so that its number may be the bus by now
        return
    line = f"actuator: {text}\n".encode(errors="replace")[-select.PIPE_BUF :]
    try:
        if select.select([], [STDERR], [], 0.0)[1]:
            os.write(STDERR, line)
    except OSError:
        return
