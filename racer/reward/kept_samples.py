"""Samples of states, kept in the cache folder: driving them takes seconds, and no reward function changes them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.assets import cache_dir, write_atomically
from racer.config.read import read_vehicle, to_yaml
from racer.reward.rows import Sample, Scenario
from racer.track.track import Track

_FILES_MAX = 100
"""Number of files with samples in the cache folder, about 0.3 MB each."""


def kept_samples(key: str, make: Callable[[], Iterable[Sample]]) -> list[Sample]:
    """Return the samples of a key, from the cache where it has them.

    Args:
        key: Text that names all that the samples depend on; racer's own files are added.
        make: Drives the samples.
    """
    name = hashlib.sha256(f"{_version()} {key}".encode()).hexdigest()[:16]
    path = cache_dir() / "rewards" / f"states-{name}.npz"
    try:
        return _read_samples(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        samples = list(make())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **_pack_samples(samples))  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())
    _prune(path.parent)
    return samples


def kept_track_samples(track: Track, scenario: Scenario, seed: int) -> list[Sample]:
    """Return `racer.reward.states.sample_track` of one scenario, from the cache where it has them."""

    def drive() -> Iterable[Sample]:
        from racer.reward.states import sample_track  # the simulator needs half a second to load

        return sample_track(track, scenarios=(scenario,), seed=seed)

    shape = hashlib.sha256(b"".join(a.tobytes() for a in (track.center, track.left, track.right))).hexdigest()
    vehicle = to_yaml(read_vehicle("deepracer"))
    return kept_samples(f"{track.name} {track.closed} {shape} {vehicle} {scenario} {seed}", drive)


@cache
def _version() -> str:
    """Return a hash of the files that decide how samples are driven."""
    reward = Path(__file__).parent
    names = ("kept_samples.py", "rows.py", "states.py", "validation_samples.py")
    files = [*(reward / name for name in names), *sorted((reward.parent / "sim").rglob("*.py"))]
    files += [reward.parent / "policy" / "pure_pursuit.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _prune(folder: Path) -> None:
    """Delete the oldest files, so that `_FILES_MAX` are left."""
    with contextlib.suppress(OSError):
        files = sorted(folder.glob("states-*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in files[_FILES_MAX:]:
            old.unlink(missing_ok=True)


def _pack_samples(samples: list[Sample]) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {
        "names": np.array([sample.track for sample in samples]),
        "scenarios": np.array([sample.where for sample in samples]),
        "closed": np.array([sample.closed for sample in samples]),
    }
    for k, sample in enumerate(samples):
        arrays[f"telemetry{k}"] = sample.telemetry
        if sample.objects is not None:
            arrays[f"objects{k}"] = sample.objects
        arrays[f"points{k}"] = np.concatenate([np.asarray(points) for points in sample.waypoints])
        arrays[f"counts{k}"] = np.array([len(points) for points in sample.waypoints])
    return arrays


# In memory for the process that forks for each check. Samples are never written to.
@lru_cache(maxsize=64)
def _read_samples(path: Path) -> list[Sample]:
    samples = []
    with np.load(path, allow_pickle=False) as file:
        columns = (file[name].tolist() for name in ("names", "scenarios", "closed"))
        for k, (name, where, closed) in enumerate(zip(*columns, strict=True)):
            ends = np.cumsum(file[f"counts{k}"]).tolist()
            points = [tuple(row) for row in file[f"points{k}"].tolist()]
            samples.append(
                Sample(
                    track=name,
                    where=where,
                    telemetry=file[f"telemetry{k}"],
                    objects=file.get(f"objects{k}"),
                    waypoints=[tuple(points[first:last]) for first, last in zip([0, *ends[:-1]], ends, strict=True)],
                    closed=closed,
                )
            )
    return samples
