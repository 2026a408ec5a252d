"""One way in for every track: a name, a path, a generated one; with options after `@`.

reinvent_base                  a name: ./tracks, the built-in tracks, the fetched tracks
Monza.csv@1/18                 scaled
raceline.csv@width=10,scale=0.05
generated:7, generated:1..50   from the generator
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from racer import assets
from racer.errors import AssetError, TrackError
from racer.track.course import read_course
from racer.track.f1tenth import map_beside, read_f1tenth
from racer.track.fetch import read_manifest
from racer.track.generator import generate
from racer.track.npy import read_npy
from racer.track.track import Track
from racer.track.tum import read_csv, read_line

_GENERATED = re.compile(r"generated:(\d+)(?:\.\.(\d+))?$")
_GENERATED_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class TrackSpec:
    """A track as a user names it: the name or path, and the options after `@`."""

    base: str
    scale: float | None = None
    width: float | None = None


def load_track(spec: str | Path, *, scale: float | None = None, width: float | None = None) -> Track:
    """Load one track.

    Args:
        spec: a name, a path, or `generated:SEED`; a text may carry options (`@1/18`, `@scale=0.05,width=10`).
        scale: factor on the file's metres; an option in `spec` wins. None is 1, but 1/18 for a full-size
            circuit.
        width: road width in the file's metres, for race lines without one.

    Raises:
        AssetError: no such name or file.
        TrackError: the file is no track, or an option does not fit.
    """
    parsed = TrackSpec(base=str(spec)) if isinstance(spec, Path) else parse_spec(spec)
    scale = _positive("scale", parsed.scale if parsed.scale is not None else scale)
    width = _positive("width", parsed.width if parsed.width is not None else width)
    if parsed.base.startswith("generated:"):
        seeds = _seeds(parsed.base)
        if len(seeds) != 1:
            raise TrackError(f"`{parsed.base}` names {len(seeds)} tracks where one is wanted; give one seed.")
        if scale is not None or width is not None:
            raise TrackError(f"`{spec}`: a generated track takes no options; it fits a 1/18 car as it is.")
        return generate(seeds[0])
    return _read(_find(parsed.base), scale, width)


def load_tracks(specs: Sequence[str]) -> list[Track]:
    """Load several tracks; `generated:1..50` stands for fifty.

    Raises:
        AssetError: no such name or file.
        TrackError: a file is no track, or there is nothing to load.
    """
    tracks: list[Track] = []
    for spec in specs:
        if spec.startswith("generated:"):
            tracks.extend(load_track(f"generated:{seed}") for seed in _seeds(spec))
        else:
            tracks.append(load_track(spec))
    if not tracks:
        raise TrackError("No track was given; name one, for example --track " + (assets.names("track") or ["oval"])[0])
    return tracks


def parse_spec(spec: str) -> TrackSpec:
    """Split a name or path from its options; a file whose own name holds an `@` is taken whole.

    Raises:
        TrackError: an option that does not exist or is no number.
    """
    base, at, options = spec.rpartition("@")
    if not at or Path(spec).expanduser().exists():
        return TrackSpec(base=spec)
    values: dict[str, float] = {}
    for option in options.split(","):
        key, equals, value = option.partition("=")
        key, value = (key.strip(), value) if equals else ("scale", key)
        if key not in ("scale", "width"):
            raise TrackError(f"`{spec}`: there is no option `{key}`; allowed are @1/18, @scale=1/18 and @width=10.")
        if key in values:
            raise TrackError(f"`{spec}` gives {key} twice; give it once.")
        values[key] = parse_fraction(spec, key, value)
    return TrackSpec(base=base, **values)


def parse_fraction(spec: str, key: str, value: str) -> float:
    """A number as a user writes it: `0.05` or `1/18`.

    Raises:
        TrackError: it is none.
    """
    number, slash, divisor = value.partition("/")
    try:
        return float(number) / float(divisor) if slash else float(number)
    except (ValueError, ZeroDivisionError):
        raise TrackError(f"`{spec}`: {key} is `{value}`; give a number or a fraction like 1/18.") from None


def _positive(key: str, value: float | None) -> float | None:
    if value is not None and not 1e-6 <= value <= 1e6:
        raise TrackError(f"{key} is {value:g}; give a number above 0.")
    return value


def _seeds(spec: str) -> range:
    match = _GENERATED.match(spec)
    if not match:
        raise TrackError(f"`{spec}` names no generated track; write `generated:7` or `generated:1..50`.")
    first = int(match[1])
    last = int(match[2] or match[1])
    if not first <= last < first + _GENERATED_MAX:
        raise TrackError(f"`{spec}`: the last seed must lie between the first and {_GENERATED_MAX} more.")
    return range(first, last + 1)


def _find(name: str) -> Path:
    folder = Path(name).expanduser()
    if folder.is_dir() and name not in assets.names("track"):
        maps = sorted(folder.glob("*_map.yaml")) or sorted(folder.glob("*.yaml"))
        if len(maps) == 1:
            return maps[0]
    try:
        return assets.find("track", name)
    except AssetError as problem:
        if name in read_manifest():
            text = str(problem).split(" Did you mean")[0]
            raise AssetError(
                f"{text} It is a published DeepRacer track: `racer tracks fetch {name}` gets it."
            ) from None
        raise


def _read(path: Path, scale: float | None, width: float | None) -> Track:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".txt"):
        line = read_line(path)
        beside = map_beside(path) if line.right is None and width is None else None
        # A race line has no borders of its own; the map that it was made for has them.
        return read_f1tenth(beside, scale=scale, line=path) if beside else read_csv(path, scale=scale, width=width)
    if width is not None:
        raise TrackError(f"`{path}` has borders of its own; width is for race lines, leave it out.")
    if suffix == ".npy":
        return read_npy(path, scale=scale or 1.0)
    if suffix in (".yaml", ".yml"):
        return read_f1tenth(path, scale=scale) if _is_map(path) else read_course(path, scale=scale or 1.0)
    raise TrackError(f"`{path}` has no known format; a track is .npy, .csv or .yaml.")


def _is_map(path: Path) -> bool:
    try:
        return re.search(r"^image\s*:", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
    except (OSError, UnicodeDecodeError) as problem:
        raise TrackError(f"`{path}` cannot be read as text: {problem}.") from None
