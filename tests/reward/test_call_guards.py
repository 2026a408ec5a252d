"""Capturing what user code prints."""

# ruff: noqa: T201 (printing is what is tested)

import sys
import threading

import pytest

from racer.reward.call_guards import PrintCapture


def test_lines_are_counted_and_some_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Keep the first and the last lines of both streams, count all, show none."""
    capture = PrintCapture(keep=2)
    with capture:
        print("one")
        print("two\nthree", file=sys.stderr)
        sys.stdout.write("fo")
        sys.stdout.write("ur\nnot ended")
    assert capture.printed_lines == 4
    assert capture.first_prints == ["one", "two"]
    assert list(capture.last_prints) == ["three", "four"]
    assert capsys.readouterr() == ("", "")


def test_ten_megabytes_stay_small() -> None:
    """Hold a bounded part of a flood, and still count its lines."""
    capture = PrintCapture(keep=3)
    with capture:
        print("x" * 10_000_000)
        print("\n".join(str(i) for i in range(1_000_000)))
        for _ in range(2000):
            sys.stdout.write("y" * 1000)
    assert capture.printed_lines == 1_000_001
    assert [len(line) for line in capture.first_prints] == [300, 1, 1]
    assert list(capture.last_prints) == ["999997", "999998", "999999"]
    assert len(capture._unfinished) == 300


def test_other_threads_keep_their_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Let a progress bar in another thread write through."""
    capture = PrintCapture()
    with capture:
        other = threading.Thread(target=lambda: print("from another thread", flush=True))
        other.start()
        other.join()
    assert capsys.readouterr().out == "from another thread\n"
    assert capture.printed_lines == 0


def test_streams_come_back_after_an_error() -> None:
    """Restore both streams when user code raises, closes or replaces them."""
    before = (sys.stdout, sys.stderr)
    with pytest.raises(ZeroDivisionError), PrintCapture():
        sys.stdout.close()
        sys.stderr = None  # type: ignore[assignment]
        _ = 1 / 0
    assert (sys.stdout, sys.stderr) == before
    assert not sys.stdout.closed


def test_write_refuses_what_is_no_text() -> None:
    """Raise as a real stream does."""
    with PrintCapture(), pytest.raises(TypeError, match="must be str, not int"):
        sys.stdout.write(5)  # type: ignore[arg-type]
