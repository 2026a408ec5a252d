"""Translations on disk.

The folder of a translation is named by a hash of the reward's text and of all that its kernel depends on; it holds the
generated module, its numbers, numba's own cache, and last of all the verdict.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from racer.assets import cache_dir, write_atomically
from racer.reward.source import RewardSource

if TYPE_CHECKING:
    from racer.reward.compile.translation.kernel_text import Translation

MODULE_FILE, TABLES_FILE, VERDICT_FILE = "reward_kernel.py", "tables.npz", "verdict.json"
KEEP = 200
"""Translations that are kept in the cache folder."""


def version() -> str:
    """A hash of what a kernel depends on beside the reward's text."""
    import numba

    digest = hashlib.sha256(f"{numba.__version__} {np.__version__} {sys.version_info} {platform.machine()}".encode())
    compiler = Path(__file__).parents[1]
    reward = compiler.parent
    others = [reward / name for name in ("params.py", "seam.py", "rows.py", "states.py")]
    for file in [*sorted(compiler.rglob("*.py")), *others, reward.parent / "sim" / "dtypes.py"]:
        digest.update(file.relative_to(reward.parent).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def folder_of(source: RewardSource) -> Path:
    """The folder of a reward's translation; it need not exist."""
    key = hashlib.sha256(f"{version()} {source.sha256}".encode()).hexdigest()[:32]
    return cache_dir() / "rewards" / key


def read_verdict(folder: Path) -> dict[str, Any] | None:
    """What the trial found; None where there was none."""
    try:
        verdict = json.loads((folder / VERDICT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return verdict if isinstance(verdict, dict) and "path" in verdict else None


def write_verdict(folder: Path, verdict: dict[str, Any]) -> None:
    """Keep what the trial found."""
    write_atomically(folder / VERDICT_FILE, json.dumps(verdict, indent=1) + "\n")


def write_translation(folder: Path, translation: Translation) -> None:
    """Write the generated module and its numbers."""
    write_atomically(folder / MODULE_FILE, translation.text)
    buffer = io.BytesIO()
    np.savez(buffer, table=translation.table, initial=translation.initial)
    write_atomically(folder / TABLES_FILE, buffer.getvalue())


def prune() -> None:
    """Drop the translations that were not made lately."""
    try:
        folders = [p for p in (cache_dir() / "rewards").iterdir() if p.is_dir()]
        folders.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    except OSError:
        return
    for old in folders[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
