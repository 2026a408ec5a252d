"""The actuator's log: it never ends the loop and never lets it wait."""

import os
import select
import sys

import pytest

from racer.car.actuator import log


@pytest.fixture
def pipe(monkeypatch):
    """A pipe in place of standard error: reader and writer."""
    reader, writer = os.pipe()
    monkeypatch.setattr(log, "STDERR", writer)
    yield reader, writer
    os.close(writer)


def test_a_line_is_written(pipe):
    """Write a line whose origin can be told, whatever it holds."""
    log.write_log("DISARMED: wheels up \udcff")
    assert os.read(pipe[0], 100) == b"actuator: DISARMED: wheels up ?\n"
    os.close(pipe[0])


def test_a_long_text_keeps_its_end(pipe):
    """Keep of a long traceback what says most, and no more than a pipe takes at once."""
    log.write_log("x" * 10_000 + " the reason")
    said = os.read(pipe[0], 20_000)
    assert len(said) == select.PIPE_BUF and said.endswith(b"x the reason\n")
    os.close(pipe[0])


def test_nobody_reads(pipe):
    """Lose the line where the reader is gone."""
    os.close(pipe[0])
    log.write_log("anything")


@pytest.mark.timeout(5)
def test_a_full_pipe_is_not_waited_for(pipe):
    """Lose the line where the reader sleeps."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, bytes(512))
    os.set_blocking(writer, True)
    for _ in range(20):  # each second of waiting would be one too many
        log.write_log("anything")
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        while b"anything" not in os.read(reader, 1 << 16):
            pass
    os.close(reader)


def test_started_without_standard_error(pipe, monkeypatch):
    """Write nothing where the number may belong to the bus."""
    monkeypatch.setattr(sys, "stderr", None)
    log.write_log("anything")
    assert not select.select([pipe[0]], [], [], 0.0)[0]
    os.close(pipe[0])


def test_the_log_is_standard_error(capfd):
    """Write where systemd listens, and to standard output nothing."""
    log.write_log("DRIVING")
    assert capfd.readouterr() == ("", "actuator: DRIVING\n")
