"""Tracks: centre line, left and right border of a course as frozen arrays, and the formats they are read from.

In: a name, a path or `generated:SEED` (`load_track`); DeepRacer's `.npy`, TUM and F1TENTH `.csv`, ROS maps, our YAML.
Out: a `Track` that is checked (`make_track`), findings about it (`racer.track.check`), its files (`write_npy`,
`write_course`), and its outlines as polygons for pictures (`racer.track.polygons`).
"""

from racer.lazy import lazy_attributes

_MODULES = {"Track": "track", "generate_track": "generator", "load_track": "load", "load_tracks": "load"}
__all__ = ["Track", "generate_track", "load_track", "load_tracks"]
__getattr__ = lazy_attributes(__name__, _MODULES)
