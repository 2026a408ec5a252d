"""The pictures that `racer rewards plot`, `compare` and `watch` write."""

from __future__ import annotations

from pathlib import Path


def png(path: Path) -> Path:
    """The path, if it names a PNG.

    Raises:
        RewardError: it names something else.
    """
    from racer.errors import RewardError

    if path.suffix.lower() != ".png":
        raise RewardError(f"`{path}` is no PNG; name the picture with .png.")
    return path
