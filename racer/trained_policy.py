"""A policy with the track, vehicle and reward of its training, resolved once from the name that a user typed.

A user names a run folder, a bundle, or a policy that needs no training. `find_trained_policy` turns that name into a
`TrainedPolicy`; `evaluate`, `watch`, `video`, `race` and `report` take the object and read its attributes, so that no
later step looks the name up again. What costs time or may not be needed (the ONNX session, the track) is read at
first use: a race needs the file alone, a second policy in a window drives on the first one's track.

Track and vehicle are searched in this order: the names that the user gave (`--track`, `--vehicle`), the run's own copy,
the names in the bundle's contract, the default.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from racer.bundle import Bundle
from racer.config.env import VehicleConfig
from racer.config.read import read_vehicle
from racer.config.train import DEFAULT_TRACK
from racer.contract import PolicyContract
from racer.errors import AssetError
from racer.policy.load import POLICY_NAMES, find_bundle, load_policy, read_policy_bundle
from racer.policy.onnx import OnnxPolicy
from racer.policy.protocol import Policy
from racer.reward.load import RewardSource, load_reward, read_source
from racer.reward.params import FIRST_STEP
from racer.reward.protocol import Reward
from racer.reward.run_files import RunFiles
from racer.runs import INFO, RunFolder
from racer.track.load import load_track, load_tracks
from racer.track.track import Track

DEFAULT_VEHICLE = "deepracer"


@dataclass(frozen=True, kw_only=True)
class TrainedPolicy:
    """A policy with its contract, run, track, vehicle and reward function.

    `dataclasses.replace(trained)` gives an object that reads everything from the disk again.

    Attributes:
        spec: The name that the user typed, for messages.
        file: Bundle that holds the policy; None for a policy that needs no training.
        run: Run folder of the policy; None for a bundle, and for a folder of checkpoints without `run.json`.
        seed: Seed of the random policy.
        track_spec: Track that the user named instead of the policy's own; None for the policy's own.
        vehicle_spec: Vehicle that the user named instead of the policy's own; None for the policy's own.
        reward: Reward function that the user named, else the run's own source; None where there is neither.
        first_step: `steps` in the first call of an episode, 1 or 2; None for that of the run, or 2.
    """

    spec: str
    file: Path | None
    run: RunFolder | None
    seed: int = 0
    track_spec: str | None = None
    vehicle_spec: str | None = None
    reward: str | Path | None = None
    first_step: int | None = None

    @cached_property
    def bundle(self) -> Bundle | None:
        """The verified bundle; None for a policy that needs no training.

        Raises:
            BundleError: The bundle is broken, tampered with or too new.
        """
        return None if self.file is None else read_policy_bundle(self.spec, self.file)

    @cached_property
    def policy(self) -> Policy:
        """The policy, ready to act.

        Raises:
            BundleError: The bundle is broken, tampered with or too new.
            MissingExtra: Onnxruntime is not installed.
        """
        return load_policy(self.spec, seed=self.seed) if self.bundle is None else OnnxPolicy(self.bundle)

    @property
    def contract(self) -> PolicyContract | None:
        """Contract of the bundle; None for a policy that needs no training."""
        return None if self.bundle is None else self.bundle.contract

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bundle's file, hexadecimal; empty for a policy that needs no training."""
        return "" if self.file is None else hashlib.sha256(self.file.read_bytes()).hexdigest()

    @cached_property
    def track(self) -> Track:
        """Track that the policy drives on.

        Raises:
            AssetError: The track is not here; the message names `--track`.
        """
        if self.track_spec is not None or self.contract is None:
            return load_track(self.track_spec or DEFAULT_TRACK)
        if self.run is not None:
            # The run's copy: the file that it was made from may have changed.
            return load_track(self.run.tracks[0])
        # A bundle alone has no copies. Its contract names the track, which may not exist on this machine.
        if not (names := self.contract.trained_on.tracks):
            raise AssetError(f"{self.spec} does not name the track that it was trained on; name one with --track")
        try:
            return load_tracks([names[0]])[0]
        except AssetError:
            raise AssetError(
                f"{self.spec} was trained on `{names[0]}`, which is not here; name a track with --track"
            ) from None

    @cached_property
    def vehicle(self) -> VehicleConfig:
        """Vehicle that the policy drives.

        Raises:
            AssetError: The vehicle is not here; the message names `--vehicle`.
        """
        if self.vehicle_spec is not None or self.contract is None:
            return read_vehicle(self.vehicle_spec or DEFAULT_VEHICLE)
        if self.run is not None:
            return read_vehicle(self.run.vehicle)
        name = self.contract.trained_on.vehicle or DEFAULT_VEHICLE
        try:
            return read_vehicle(name)
        except AssetError:
            raise AssetError(
                f"{self.spec} was trained with `{name}`, which is not here; name a vehicle with --vehicle"
            ) from None

    def load_reward(self, worlds: int, *, path: Literal["auto", "python"] = "auto") -> Reward | None:
        """Load the reward function for a batch of `worlds`; None where there is none.

        Raises:
            RewardError: The function cannot be loaded.
        """
        if self.reward is None:
            return None
        is_runs = self.run is not None and self.reward == self.run.reward
        source = recorded_reward(self.run) if self.run is not None and is_runs else self.reward
        return load_reward(source, n_worlds=worlds, path=path, first_step=self.first_step)


def recorded_reward(run: RunFolder, *, record: bool = False) -> RewardSource:
    """Return the reward function of a run as it was when the training began, with the files that it reads.

    The text is the folder's copy, under the path of the user's own file: errors must name the file to fix.

    Args:
        run: The run.
        record: Whether files that the function reads for the first time are copied into the folder.

    Raises:
        RewardError: The copy cannot be read.
    """
    info = run.info().get("reward")
    info = info if isinstance(info, dict) else {}
    file, start = Path(str(info.get("file", run.reward))), Path(str(info.get("folder", Path.cwd())))
    # A path below the working directory is shown as a user would type it.
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    return replace(
        read_source(run.reward),
        path=file,
        first_step=1 if info.get("first_step") == 1 else FIRST_STEP,
        files=RunFiles(run.reward_files, start, record=record),
    )


def find_trained_policy(
    spec: str | Path,
    *,
    seed: int = 0,
    track: str | None = None,
    vehicle: str | None = None,
    reward: str | Path | None = None,
    first_step: int | None = None,
    newest: bool = False,
) -> TrainedPolicy:
    """Find the policy that a user named.

    Args:
        spec: A bundle, a run folder (its best checkpoint, else its last), `random` or `pure_pursuit`.
        seed: Seed of the random policy.
        track: Track instead of the policy's own: a name, a file or `generated:SEED`.
        vehicle: Vehicle instead of the policy's own: a name or a file.
        reward: Reward function instead of the run's own: a name or a file.
        first_step: `steps` in the first call of an episode instead of the run's own.
        newest: Take the last checkpoint of a run folder, not the best one.

    Raises:
        AssetError: There is nothing of that name.
    """
    folder = Path(spec)
    # A folder with checkpoints but without `run.json` is not a run: it has no copies of track, vehicle and reward.
    run = RunFolder(folder) if (folder / INFO).is_file() else None
    # A policy's name comes first, also where a folder has the same name.
    if spec in POLICY_NAMES:
        file, run = None, None
    else:
        file = find_bundle(run.last if newest and run is not None else spec)
    return TrainedPolicy(
        spec=str(spec),
        file=file,
        run=run,
        seed=seed,
        track_spec=track,
        vehicle_spec=vehicle,
        reward=reward if reward is not None or run is None else run.reward,
        first_step=first_step,
    )
