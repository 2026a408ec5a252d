"""Downloads DeepRacer's published routes, verified, for the person who asks for them.

The manifest (configs/deepracer_routes.csv) holds facts: repository, commit, path, licence, size and sha256
of each file. Nothing is written before size and hash are right.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from racer import assets
from racer.errors import AssetError, TrackError

BASE_URL = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
BASE_URL_VARIABLE = "RACER_TRACKS_URL"
TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Route:
    """One published route, as the manifest describes it."""

    name: str
    repository: str
    commit: str
    path: str
    licence: str
    size: int
    sha256: str
    rows: int
    length_m: float
    width_m: float


@functools.cache
def read_manifest(path: Path | None = None) -> Mapping[str, Route]:
    """The published routes by name, from the shipped manifest or another one.

    Raises:
        TrackError: the manifest cannot be read.
    """
    path = path or assets.shipped_root() / "configs" / "deepracer_routes.csv"
    routes = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                routes[row["name"]] = Route(
                    name=row["name"],
                    repository=row["repository"],
                    commit=row["commit"],
                    path=row["path"],
                    licence=row["licence"],
                    size=int(row["bytes"]),
                    sha256=row["sha256"],
                    rows=int(row["rows"]),
                    length_m=float(row["length_m"]),
                    width_m=float(row["mean_width_m"]),
                )
    except (OSError, KeyError, ValueError) as problem:
        raise TrackError(f"The manifest `{path}` cannot be read: {problem}.") from None
    return routes


def find_route(name: str, routes: Mapping[str, Route]) -> Route:
    """The route of a name.

    Raises:
        AssetError: there is none, with the nearest name.
    """
    name = name.removesuffix(".npy")
    if name in routes:
        return routes[name]
    hint = assets.did_you_mean(name, list(routes))
    raise AssetError(f"No published track `{name}` among {len(routes)} (`racer tracks fetch --list` shows them).{hint}")


def fetch(route: Route, *, base_url: str | None = None, folder: Path | None = None) -> Path:
    """Download one route, or find it where it was downloaded before.

    Args:
        route: what to fetch.
        base_url: address with `{repository}`, `{commit}` and `{path}` (or `{name}`) in braces; by default the
            environment's RACER_TRACKS_URL, else GitHub.
        folder: where to keep it; by default the cache, where track names are looked up last.

    Returns:
        The file.

    Raises:
        TrackError: no network, no such file, or a file of another size or hash.
    """
    target = (folder or assets.cache_dir() / "tracks") / f"{route.name}.npy"
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


def _address(route: Route, base_url: str) -> str:
    try:
        url = base_url.format(
            repository=route.repository, commit=route.commit, path=quote(route.path), name=quote(route.name)
        )
    except (KeyError, IndexError, ValueError):
        raise TrackError(
            f"The address `{base_url}` may only hold {{repository}}, {{commit}}, {{path}}, {{name}}."
        ) from None
    if not url.startswith(("http://", "https://")):
        raise TrackError(f"The address `{base_url}` must begin with https:// or http://.")
    return url


def _download(url: str, route: Route) -> bytes:
    # Here, because every command loads this module and few download.
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
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
