"""From what a user names to a policy: a bundle, a run, or a policy that needs no training."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from racer.bundle import SUFFIX, read_bundle
from racer.config.actions import ContinuousActions, DiscreteActions
from racer.errors import AssetError
from racer.policy.onnx import OnnxPolicy
from racer.policy.protocol import Policy
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.policy.random_policy import RandomPolicy

NAMED = ("random", "pure_pursuit")
CHECKPOINTS = (f"best{SUFFIX}", f"last{SUFFIX}")


def load_policy(
    spec: str | Path, *, seed: int = 0, action_space: ContinuousActions | DiscreteActions | None = None
) -> Policy:
    """Load the policy that `spec` names.

    Args:
        spec: a bundle, a run folder (its best checkpoint, else its last), `random` or `pure_pursuit`.
        seed: of the random policy.
        action_space: of the random policy; the default continuous one where None.

    Raises:
        AssetError: there is nothing of that name.
        BundleError: the bundle is broken, tampered with or too new.
        MissingExtra: onnxruntime is not installed.
    """
    if spec == "random":
        return RandomPolicy(action_space, seed=seed)
    if spec == "pure_pursuit":
        return PurePursuitPolicy()
    path = find_bundle(spec)
    bundle = read_bundle(path)
    if Path(spec).is_dir():  # `best` alone would name no run
        bundle = replace(bundle, name=f"{path.parent.resolve().name}/{path.stem}")
    return OnnxPolicy(bundle)


def find_bundle(spec: str | Path) -> Path:
    """The bundle that a path means: itself, or a run folder's best checkpoint, else its last.

    Raises:
        AssetError: no such file, or a folder without checkpoints.
    """
    path = Path(spec)
    if path.is_dir():
        for name in CHECKPOINTS:
            if (path / name).is_file():
                return path / name
        raise AssetError(f"Folder {path} holds no checkpoint (looked for {' and '.join(CHECKPOINTS)})")
    if path.is_file():
        return path
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*NAMED, *beside], n=1)
    hint = f" Did you mean `{close[0] if close[0] in NAMED else path.parent / close[0]}`?" if close else ""
    raise AssetError(f"No policy `{spec}`; give a bundle, a run folder, or one of {', '.join(NAMED)}.{hint}")
