"""Facts, reports and conversions of tracks for `racer tracks`: plain dicts that print as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from racer.config.env import VehicleConfig
from racer.errors import RacerError, TrackError
from racer.track import geometry
from racer.track.check import TrackFinding, check_track
from racer.track.course import write_course
from racer.track.load import load_track
from racer.track.npy import write_npy
from racer.track.track import Track

_WRITERS = {".npy": write_npy, ".yaml": write_course, ".yml": write_course}


def track_facts(track: Track) -> dict[str, Any]:
    """Return name, length, least and greatest width [m], whether the track is closed, and its smallest radius [m].

    The radius is None for a straight.
    """
    radius = float(geometry.turn_radii(track.center, closed=track.closed)[1].min())
    return {
        "name": track.name,
        "length_m": round(track.length, 3),
        "width_min_m": round(float(track.widths.min()), 3),
        "width_max_m": round(float(track.widths.max()), 3),
        "closed": track.closed,
        # A straight has an infinite radius up to rounding; JSON has no infinity.
        "radius_min_m": round(radius, 3) if radius < 1e3 else None,
    }


def summarize_track(name: str) -> dict[str, Any]:
    """Return the facts of a named track with its description and file, or its `name` and `error`."""
    # One broken file of a user must not hide the list.
    try:
        track = load_track(name)
    except RacerError as problem:
        return {"name": name, "error": str(problem)}
    return track_facts(track) | {"description": track.description, "file": track.source}


def check_track_file(file: str, vehicle: VehicleConfig) -> dict[str, Any]:
    """Return the facts of a track and what is wrong with it for a vehicle.

    A file that cannot be loaded has one finding of level `error` and no facts. `ok` says that no finding is an error.
    """
    facts: dict[str, Any] = {"file": file, "vehicle": vehicle.name}
    # A file that cannot be read is a finding and not an exception, so that the other files are checked, too.
    try:
        track = load_track(file)
        facts |= track_facts(track) | {"rows": len(track.center)}
        findings = check_track(track, vehicle)
    except RacerError as problem:
        findings = [TrackFinding(level="error", code="unreadable", message=str(problem))]
    facts["ok"] = all(finding.level != "error" for finding in findings)
    facts["findings"] = [vars(finding) for finding in findings]
    return facts


def write_track(track: Track, target: Path, *, force: bool) -> None:
    """Write a track in the format that the file's suffix names.

    Raises:
        TrackError: The suffix is neither .npy nor .yaml, or the file exists and `force` is not set.
    """
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise TrackError(f"`{target}` has no format that can be written; give .npy or .yaml.")
    # A mistyped target could be the only copy of another track.
    if target.exists() and not force:
        raise TrackError(f"`{target}` exists; choose another name or add --force.")
    writer(track, target)


def describe_track(track: Track) -> str:
    """Return a line with the kind, length and width of a track."""
    kind = "closed" if track.closed else "open"
    widths = format_widths(track_facts(track))
    return f"{kind}, {track.length:.2f} m long, {widths} m wide, {len(track.center)} rows"


def format_widths(facts: Mapping[str, Any]) -> str:
    """Return the width [m] as text, `0.60..0.80` where it varies."""
    low, high = f"{facts['width_min_m']:.2f}", f"{facts['width_max_m']:.2f}"
    return low if low == high else f"{low}..{high}"
