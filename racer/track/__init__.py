"""Tracks: centre line, left and right border of a course as frozen arrays, and the formats they are read from.

In: a name, a path or `generated:SEED` (`load_track`); DeepRacer's `.npy`, TUM and F1TENTH `.csv`, ROS maps, our YAML.
Out: a `Track` that is checked (`make_track`), findings about it (`racer.track.check`), its files (`write_npy`,
`write_course`), and its outlines as polygons for pictures (`racer.track.polygons`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from racer.track.generator import generate_track
    from racer.track.load import load_track, load_tracks
    from racer.track.track import Track

__all__ = ["Track", "generate_track", "load_track", "load_tracks"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from racer.track import generator, load, track

    return next(getattr(module, name) for module in (load, generator, track) if hasattr(module, name))
