"""`racer` as a user calls it: in this process, where that will do, and in one of its own."""

import os
import signal
import subprocess
import sys
from typing import NamedTuple

from racer.cli.main import main


class Said(NamedTuple):
    """Exit status, standard output and standard error of a command."""

    code: int
    out: str
    err: str


def racer(capsys, monkeypatch, *arguments):
    """Run a command in this process, its error boundary included."""
    monkeypatch.setattr(sys, "argv", ["racer", *map(str, arguments)])
    capsys.readouterr()
    before = signal.getsignal(signal.SIGTERM)
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        signal.signal(signal.SIGTERM, before)
    return Said(code, *capsys.readouterr())


def racer_alone(*arguments, before="", after="", cwd=None):
    """Run a command in a process of its own, with Python before and after it; warnings are shown."""
    code = f"import sys\n{before}\nfrom racer.cli.main import main\ntry:\n    main()\nfinally:\n    {after or 'pass'}"
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=240,
        env=os.environ | {"COLUMNS": "100"},
    )
    return Said(done.returncode, done.stdout, done.stderr)
