"""Processes that tests start: the path that they import from, and waiting for what they do."""

import os
import select
import time
from pathlib import Path

from support.paths import ROOT, TESTS


def environment(*folders, **changes):
    """Return the environment of a process that imports this checkout's `racer`, `support` and modules of `folders`."""
    path = os.pathsep.join(str(folder) for folder in (ROOT, TESTS, *folders))
    return os.environ | {"PYTHONPATH": path} | changes


def wait_for(found, patience_s=40.0, *, not_yet=()):
    """Call `found` until it returns something true, and return that.

    Args:
        found: The function that is called, 200 times a second.
        patience_s: How long to wait before the test fails [s].
        not_yet: Errors of `found` that mean the same as a false answer.
    """
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            if answer := found():
                return answer
        except not_yet:
            pass
        select.select([], [], [], 0.005)
    raise AssertionError("waited in vain")


def children(parent):
    """Return the numbers of the processes that a process started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(place.name))
        except OSError:
            continue
    return found


def alive(pid):
    """Return whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(pids):
    """Wait until all of these processes have ended."""
    return wait_for(lambda: not any(alive(pid) for pid in pids), 20.0)
