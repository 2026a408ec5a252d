"""The line that a terminal shows while somebody waits."""

import io
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from racer.cli.progress import STARTING, LearningDisplay, ProgressLine


class Terminal(io.StringIO):
    """Standard error of somebody who looks at it."""

    def isatty(self):
        """It is one."""
        return True


def test_it_says_that_it_compiles_then_what_it_does(monkeypatch):
    """Say that kernels are compiled until the work has begun, then what is done and how much of it."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    for key in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "FORCE_COLOR"):
        monkeypatch.delenv(key, raising=False)
    with ProgressLine("racing") as waiting:
        waiting(None)
        assert STARTING in terminal.getvalue() and "racing" not in terminal.getvalue()
        waiting(0.25)
    assert "racing" in terminal.getvalue() and "25%" in terminal.getvalue()


def test_nothing_is_said_where_there_is_no_terminal(capsys):
    """Leave files and pipes alone."""
    with ProgressLine("racing") as waiting:
        waiting(None)
        waiting(0.5)
    assert capsys.readouterr() == ("", "")


def test_a_stop_by_the_machine_is_like_ctrl_c():
    """Raise what Ctrl-C raises on SIGTERM, and only meanwhile."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ProgressLine("racing"):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_printed_commands_quote_the_run(capsys, tmp_path):
    """Resume, evaluate and export name a folder with a space as one argument."""
    display = LearningDisplay("train", Path("runs/my run"), ["ring"], unit="steps")
    display.summary(SimpleNamespace(interrupted=True, steps=9, seconds=1.0, best=Path("x")))
    lines = capsys.readouterr().out.splitlines()
    assert "resume    racer train --resume 'runs/my run'" in lines
    assert "evaluate  racer evaluate 'runs/my run' --laps 5" in lines
    assert "export    racer export 'runs/my run' -o my_car.bundle" in lines
