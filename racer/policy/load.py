"""Loads the policy that a user names: a bundle, a run folder, `random` or `pure_pursuit`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.bundle import SUFFIX, Bundle, read_bundle
from racer.config.actions import ContinuousActions, DiscreteActions
from racer.contract import SensorSpec, state_sensor
from racer.errors import AssetError
from racer.policy.onnx import OnnxPolicy
from racer.policy.protocol import Policy
from racer.policy.pure_pursuit import PurePursuitPolicy


class RandomPolicy:
    """Policy that draws every action uniformly from an action space; a full reset restarts the random stream."""

    name = "random"
    control_rate_hz = None

    def __init__(self, action_space: ContinuousActions | DiscreteActions | None = None, *, seed: int = 0) -> None:
        self.action_space = action_space or ContinuousActions()
        self.sensors: tuple[SensorSpec, ...] = (state_sensor(),)
        self._seed = seed
        self._random = np.random.default_rng(seed)

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Draw steering angles [degrees] and speeds [m/s], shape (B, 2), float32; only the batch size is used."""
        batch = len(next(iter(observation.values())))
        if isinstance(self.action_space, DiscreteActions):
            table = np.asarray(self.action_space.table, dtype=np.float32)
            return table[self._random.integers(len(table), size=batch)]
        return self._random.uniform(self.action_space.low, self.action_space.high, (batch, 2)).astype(np.float32)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Restart the random stream where all cars start again (`mask` None)."""
        if mask is None:
            self._random = np.random.default_rng(self._seed)


POLICY_NAMES = ("random", "pure_pursuit")
CHECKPOINTS = (f"best{SUFFIX}", f"last{SUFFIX}")


def load_policy(
    spec: str | Path, *, seed: int = 0, action_space: ContinuousActions | DiscreteActions | None = None
) -> Policy:
    """Load the policy that `spec` names.

    Args:
        spec: a bundle, a run folder (its best checkpoint, else its last), `random` or `pure_pursuit`.
        seed: seed of the random policy.
        action_space: action space of the random policy; None: the default continuous one.

    Raises:
        AssetError: No policy has that name.
        BundleError: the bundle is broken, tampered with or too new.
        MissingExtra: onnxruntime is not installed.
    """
    if spec == "random":
        return RandomPolicy(action_space, seed=seed)
    if spec == "pure_pursuit":
        return PurePursuitPolicy()
    return OnnxPolicy(read_policy_bundle(spec, find_bundle(spec)))


def read_policy_bundle(spec: str | Path, path: Path) -> Bundle:
    """Read the bundle at `path` that was found for `spec`; a checkpoint of a run is named `run/checkpoint`.

    Raises:
        BundleError: the bundle is broken, tampered with or too new.
    """
    bundle = read_bundle(path)
    # `best` alone would not say which run.
    return replace(bundle, name=f"{path.parent.resolve().name}/{path.stem}") if Path(spec).is_dir() else bundle


def find_bundle(spec: str | Path) -> Path:
    """Return the bundle at a path: the file itself, or the best checkpoint of a run folder, else its last.

    Raises:
        AssetError: the file does not exist, or the folder has no checkpoint.
    """
    path = Path(spec)
    if path.is_dir():
        for name in CHECKPOINTS:
            if (path / name).is_file():
                return path / name
        raise AssetError(f"Folder {path} holds no checkpoint (looked for {' and '.join(CHECKPOINTS)})")
    if path.is_file():
        return path
    # A mistyped path is compared with the files beside it, a mistyped name with the names.
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*POLICY_NAMES, *beside], n=1)
    hint = f" Did you mean `{close[0] if close[0] in POLICY_NAMES else path.parent / close[0]}`?" if close else ""
    raise AssetError(f"No policy `{spec}`; give a bundle, a run folder, or one of {', '.join(POLICY_NAMES)}.{hint}")
