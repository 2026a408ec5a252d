"""Commands in this process, and an empty folder to run them in."""

import pytest

from support.commands import racer


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command in this process."""
    return lambda *arguments: racer(capsys, monkeypatch, *arguments)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
