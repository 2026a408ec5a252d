"""From what a user names to somebody who drives, with a look at the disk for newer checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from racer.policy.load import load_policy
from racer.policy.protocol import Policy
from racer.reward.load import load_reward
from racer.runs import LAST
from racer.view.live import Driver


def driver_of(spec: str, *, seed: int, reward: str | Path | None, live: bool) -> Driver:
    """Load a policy.

    Args:
        spec: a run folder, a bundle, or a policy that needs no training.
        seed: of the random policy.
        reward: a reward function; None for none.
        live: drive the newest checkpoint of a run, and a newer one as soon as there is one.

    Raises:
        RacerError: there is no such policy or reward function.
    """
    # Compiling a reward function takes seconds; a window shows a few cars, for which plain Python is quick enough.
    function = None if reward is None else load_reward(reward, n_worlds=1, path="python")
    path = Path(spec) / LAST if live else Path(spec)
    policy = load_policy(path if live else spec, seed=seed)
    fresh = newer_checkpoint(path) if live else None
    return Driver(policy=policy, fresh=fresh, reward=function, policy_sha256=_sha256(path))


def newer_checkpoint(path: Path) -> Callable[[], Policy | None]:
    """A function that loads the policy of a file again whenever the file was replaced."""
    seen = _stamp(path)

    def fresh() -> Policy | None:
        nonlocal seen
        now = _stamp(path)
        if now == seen or now is None:
            return None
        seen = now
        return load_policy(path)

    return fresh


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_mtime_ns, info.st_ino


def _sha256(path: Path) -> str:
    """Of a file; empty for what is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
