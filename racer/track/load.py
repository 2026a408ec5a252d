"""Loads tracks by name, path or seed, and downloads DeepRacer's published routes.

`load_track` accepts, with options after `@`:

    reinvent_base                  a name: ./tracks, the built-in tracks, the fetched tracks
    Monza.csv@1/18                 a scaled file
    raceline.csv@width=10,scale=0.05
    generated:7, generated:1..50   tracks of the generator

`fetch_route` downloads a route of the manifest configs/deepracer_routes.csv, which holds repository, commit, path,
licence, size and sha256 of each file. It writes a file only after size and hash were verified.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from racer import assets
from racer.errors import AssetError, TrackError
from racer.track.course import read_course
from racer.track.f1tenth import find_map_file, read_f1tenth
from racer.track.generator import generate_track
from racer.track.npy import read_npy
from racer.track.track import Track
from racer.track.tum import read_csv, read_line

BASE_URL = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
BASE_URL_VARIABLE = "RACER_TRACKS_URL"
TIMEOUT_S = 30.0
"""Longest wait for the server [s]."""


@dataclass(frozen=True, kw_only=True)
class PublishedRoute:
    """One published route: a row of the manifest.

    Attributes:
        name: Name of the track.
        repository: Owner and name of the repository on GitHub.
        commit: Commit that the file is taken from.
        path: Path of the file in the repository.
        licence: Licence of the file.
        sha256: Hash of the file.
        size: Size of the file [bytes].
        length_m: Length of the centre line [m].
        width_m: Mean width of the road [m].
    """

    name: str
    repository: str
    commit: str
    path: str
    licence: str
    size: int
    sha256: str
    length_m: float
    width_m: float


@functools.cache
def read_manifest(path: Path | None = None) -> Mapping[str, PublishedRoute]:
    """Read the published routes by name, from the shipped manifest or another one.

    Raises:
        TrackError: The manifest cannot be read.
    """
    path = path or assets.shipped_root() / "configs" / "deepracer_routes.csv"
    routes = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                routes[row["name"]] = PublishedRoute(
                    **{key: row[key] for key in ("name", "repository", "commit", "path", "licence", "sha256")},
                    size=int(row["bytes"]),
                    length_m=float(row["length_m"]),
                    width_m=float(row["mean_width_m"]),
                )
    except (OSError, KeyError, ValueError) as problem:
        raise TrackError(f"The manifest `{path}` cannot be read: {problem}.") from None
    return routes


def find_route(name: str, routes: Mapping[str, PublishedRoute]) -> PublishedRoute:
    """Return the route of a name.

    Raises:
        AssetError: The manifest has no route of that name; the message suggests the nearest name.
    """
    name = name.removesuffix(".npy")
    if name in routes:
        return routes[name]
    hint = assets.did_you_mean(name, list(routes))
    raise AssetError(f"No published track `{name}` among {len(routes)} (`racer tracks fetch --list` shows them).{hint}")


def fetch_route(route: PublishedRoute, *, base_url: str | None = None, folder: Path | None = None) -> Path:
    """Download one route, unless an earlier download is in the folder.

    Args:
        route: The route to download.
        base_url: Address with `{repository}`, `{commit}` and `{path}` (or `{name}`) in braces; by default the
            environment variable RACER_TRACKS_URL, else GitHub.
        folder: Folder for the file; by default the cache, where track names are looked up last.

    Returns:
        The file.

    Raises:
        TrackError: The network or the file is not available, or the file has another size or hash.
    """
    target = (folder or assets.cache_dir() / "tracks") / f"{route.name}.npy"
    # A file that was cut off or changed has another hash, and is downloaded again.
    if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == route.sha256:
        return target
    url = _address(route, base_url or os.environ.get(BASE_URL_VARIABLE) or BASE_URL)
    data = _download(url, route)
    digest = hashlib.sha256(data).hexdigest()
    if len(data) != route.size or digest != route.sha256:
        raise TrackError(
            f"`{route.name}` from {url} is not the published file ({len(data)} bytes, sha256 {digest[:12]}; "
            f"expected {route.size} bytes, {route.sha256[:12]}); nothing was written. "
            "Try again, or another mirror."
        )
    return assets.write_atomically(target, data)


def _address(route: PublishedRoute, base_url: str) -> str:
    try:
        url = base_url.format(
            repository=route.repository, commit=route.commit, path=quote(route.path), name=quote(route.name)
        )
    except (KeyError, IndexError, ValueError):
        # `str.format` refuses unknown names, positions and unbalanced braces.
        raise TrackError(
            f"The address `{base_url}` may only hold {{repository}}, {{commit}}, {{path}}, {{name}}."
        ) from None
    # urllib would also open file: and ftp: addresses.
    if not url.startswith(("http://", "https://")):
        raise TrackError(f"The address `{base_url}` must begin with https:// or http://.")
    return url


def _download(url: str, route: PublishedRoute) -> bytes:
    # Imported here, because every command loads this module and few download.
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            # One byte more than the file has, so that a longer answer fails the check without filling the memory.
            return bytes(answer.read(route.size + 1))
    except urllib.error.HTTPError as problem:
        problem.close()
        raise TrackError(
            f"`{route.name}`: {url} answered {problem.code} {problem.reason}; "
            f"try again later, or give a mirror with --base-url or {BASE_URL_VARIABLE}."
        ) from None
    except (urllib.error.URLError, OSError, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        raise TrackError(
            f"`{route.name}`: {url} cannot be reached ({reason}); check the network, "
            f"or give a mirror with --base-url or {BASE_URL_VARIABLE}."
        ) from None


_GENERATED = re.compile(r"generated:(\d+)(?:\.\.(\d+))?$")
_GENERATED_MAX = 10_000
"""Largest number of tracks of one range, which are all kept in memory."""


@dataclass(frozen=True, kw_only=True)
class TrackSpec:
    """A parsed specification of a track: the name or path, and the options after `@`.

    Attributes:
        base: Name, path or `generated:SEED`.
        scale: Factor on the file's metres; None where the specification has none.
        width: Width of the road in the file's metres; None where the specification has none.
    """

    base: str
    scale: float | None = None
    width: float | None = None


def load_track(spec: str | Path, *, scale: float | None = None, width: float | None = None) -> Track:
    """Load one track.

    Args:
        spec: A name, a path, or `generated:SEED`; a string may have options (`@1/18`, `@scale=0.05,width=10`).
        scale: Factor on the file's metres; an option in `spec` takes precedence. None means 1, and 1/18 for a
            full-size circuit.
        width: Width of the road in the file's metres, for race lines without widths.

    Raises:
        AssetError: No track has that name or path.
        TrackError: The file does not hold a track, or an option does not fit.
    """
    parsed = TrackSpec(base=str(spec)) if isinstance(spec, Path) else parse_spec(spec)
    # An option in the specification belongs to this track; the argument may be meant for several.
    scale = _positive("scale", parsed.scale if parsed.scale is not None else scale)
    width = _positive("width", parsed.width if parsed.width is not None else width)
    # A generated track has the size of the car already.
    if parsed.base.startswith("generated:"):
        seeds = _seeds(parsed.base)
        if len(seeds) != 1:
            raise TrackError(f"`{parsed.base}` names {len(seeds)} tracks where one is needed; give one seed.")
        if scale is not None or width is not None:
            raise TrackError(f"`{spec}`: a generated track takes no options; it fits a 1/18 car.")
        return generate_track(seeds[0])
    return _read(_find(parsed.base), scale, width)


def load_tracks(specs: Sequence[str]) -> list[Track]:
    """Load several tracks; `generated:1..50` means fifty.

    Raises:
        AssetError: No track has that name or path.
        TrackError: A file does not hold a track, or `specs` is empty.
    """
    tracks: list[Track] = []
    for spec in specs:
        if spec.startswith("generated:"):
            tracks.extend(map(generate_track, _seeds(spec)))
        else:
            tracks.append(load_track(spec))
    if not tracks:
        raise TrackError(
            "No track was given; name one, for example --track " + (assets.asset_names("track") or ["oval"])[0]
        )
    return tracks


def parse_spec(spec: str) -> TrackSpec:
    """Split a name or path from its options; the path of an existing file may contain an `@`.

    Raises:
        TrackError: An option does not exist or is not a number.
    """
    # From the right, because options hold no `@` and a path may.
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
    """Parse a number of an option: `0.05` or `1/18`.

    Args:
        spec: The whole specification, for messages.
        key: Name of the option.
        value: The text after `=`.

    Raises:
        TrackError: The text is not a number.
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
    # `50..1` is a slip, and a range without a bound could fill the memory.
    if not first <= last < first + _GENERATED_MAX:
        raise TrackError(f"`{spec}`: the last seed must lie between the first and {_GENERATED_MAX} more.")
    return range(first, last + 1)


def _find(name: str) -> Path:
    # F1TENTH's repositories have a folder for each track; a name of a track wins over a folder of that name.
    folder = Path(name).expanduser()
    if folder.is_dir() and name not in assets.asset_names("track"):
        maps = sorted(folder.glob("*_map.yaml")) or sorted(folder.glob("*.yaml"))
        if len(maps) == 1:
            return maps[0]
    try:
        return assets.find_asset("track", name)
    except AssetError as problem:
        if name in read_manifest():
            text = str(problem).split(" Did you mean")[0]
            raise AssetError(
                f"{text} It is a published DeepRacer track: `racer tracks fetch {name}` downloads it."
            ) from None
        raise


def _read(path: Path, scale: float | None, width: float | None) -> Track:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".txt"):
        line = read_line(path)
        beside = find_map_file(path) if line.right is None and width is None else None
        # A race line has no borders; the map that it was made for has them.
        return read_f1tenth(beside, scale=scale, line=path) if beside else read_csv(path, scale=scale, width=width)
    if width is not None:
        raise TrackError(f"`{path}` already has borders; width is for race lines, leave it out.")
    if suffix == ".npy":
        return read_npy(path, scale=scale or 1.0)
    if suffix in (".yaml", ".yml"):
        return read_f1tenth(path, scale=scale) if _is_map(path) else read_course(path, scale=scale or 1.0)
    raise TrackError(f"`{path}` has no known format; a track is .npy, .csv or .yaml.")


def _is_map(path: Path) -> bool:
    # By its text, because an F1TENTH map may be long and the parser of a course would refuse its keys.
    return re.search(r"^image\s*:", assets.read_text(path, TrackError), re.MULTILINE) is not None
