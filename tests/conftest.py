"""Fixtures shared by all tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_tracks() -> Path:
    """Real track files beside the checkout; tests that use them skip where they are absent."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "tracks"
    if not folder.is_dir():
        pytest.skip("no real track files beside the checkout (../shared/tracks)")
    return folder
