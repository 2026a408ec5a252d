"""Fixtures shared by all tests."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("support")

# Speed is measured by `racer bench`; a busy machine must not fail a property.
settings.register_profile("racer", deadline=None)
settings.load_profile("racer")


def pytest_configure() -> None:
    """Let processes that tests start obey signals: `nohup`, and a shell's `&`, leave some ignored for all children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def shared_tracks() -> Path:
    """Real track files beside the checkout; tests that use them skip where they are absent."""
    from support.paths import ROOT  # after its assertions are rewritten

    folder = ROOT.parent / "shared" / "tracks"
    if not folder.is_dir():
        pytest.skip("no real track files beside the checkout (../shared/tracks)")
    return folder
