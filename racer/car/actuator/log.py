"""Writes the actuator's log: lines on standard error, which systemd keeps."""

from __future__ import annotations

import os
import select
import sys

STDERR = 2


def write_log(text: str) -> None:
    """Write a text to the log without waiting: its last `PIPE_BUF` bytes (4096 on Linux), the end of a traceback.

    The car has priority: if the reader has ended, or is so slow that the pipe is full, the text is lost. An error of
    the log neither ends the actuator's loop nor delays it.
    """
    # A process that starts without standard error may have opened the bus under descriptor 2.
    if sys.stderr is None:
        return
    # Up to PIPE_BUF bytes a pipe that is ready for writing takes a line whole, so that `write` cannot block.
    line = f"actuator: {text}\n".encode(errors="replace")[-select.PIPE_BUF :]
    try:
        if select.select([], [STDERR], [], 0.0)[1]:
            os.write(STDERR, line)
    except OSError:
        return
