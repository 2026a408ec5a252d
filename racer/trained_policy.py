"""The run, the track and the vehicle that a policy was trained on, for commands that let it drive there again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from racer.config.env import VehicleConfig
    from racer.contract import PolicyContract
    from racer.runs import RunFolder
    from racer.track.track import Track


def resolve_track(spec: str, contract: PolicyContract | None, named: str | None) -> Track:
    """The track that was named, else the run's copy, else what the contract says, else the default."""
    from racer.config.train import DEFAULT_TRACK
    from racer.errors import AssetError
    from racer.track.load import load_track, load_tracks

    if named is not None:
        return load_track(named)
    if contract is None:
        return load_track(DEFAULT_TRACK)
    if (run := find_run(spec)) is not None:
        return load_track(run.tracks[0])
    if not contract.trained_on.tracks:
        raise AssetError(f"{spec} does not say what it was trained on; name a track with --track")
    own = contract.trained_on.tracks[0]
    try:
        return load_tracks([own])[0]
    except AssetError:
        raise AssetError(f"{spec} was trained on `{own}`, which is not here; name a track with --track") from None


def resolve_vehicle(spec: str, contract: PolicyContract | None, named: str | None) -> VehicleConfig:
    """The vehicle, in the same order."""
    from racer.config.read import read_vehicle
    from racer.errors import AssetError

    if named is not None or contract is None:
        return read_vehicle(named or "deepracer")
    if (run := find_run(spec)) is not None:
        return read_vehicle(run.vehicle)
    own = contract.trained_on.vehicle or "deepracer"
    try:
        return read_vehicle(own)
    except AssetError:
        raise AssetError(f"{spec} was trained with `{own}`, which is not here; name a vehicle with --vehicle") from None


def find_run(spec: str) -> RunFolder | None:
    """The run that a folder is; None for a bundle, and for a folder that holds checkpoints only."""
    from racer.runs import INFO, RunFolder

    return RunFolder(Path(spec)) if (Path(spec) / INFO).is_file() else None
