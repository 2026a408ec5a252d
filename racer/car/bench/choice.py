"""What `racer car bench` chose on this machine, kept for `racer car drive` and the console.

One JSON file in the store: for each bundle that was measured the variant of it that may drive and is fastest, and on
how many threads. Bundles are named by their sha256, so that a new bundle of the same name is not taken for an old one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from racer.assets import write_atomically
from racer.car.bench.speed import Result
from racer.car.drives.storage import utc
from racer.car.store.store import default_root

FILE: Final = "bench.json"
_FORMAT: Final = "racer-car-bench"
_KEPT_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Choice:
    """A bundle to drive with, on so many threads; `words` say why, and are empty where nothing was measured."""

    bundle: Path
    threads: int
    words: str = ""


def keep(results: Sequence[Result], root: Path | None = None) -> Path:
    """Remember the first of the results for all of them; returns the file.

    Raises:
        OSError: the store cannot be written to.
    """
    best = results[0]
    assert best.times is not None and not best.refused
    path = (root or default_root()) / FILE
    entry = {
        "use": str(best.bundle.absolute()),
        "sha256": _sha256(best.bundle),
        "threads": best.threads,
        "p99_ms": round(best.times.p99, 3),
        "measured": utc(),
    }
    choices = _read(path)
    for digest in dict.fromkeys(_sha256(result.bundle) for result in results):
        choices.pop(digest, None)
        choices[digest] = entry
    newest = dict(list(choices.items())[-_KEPT_MAX:])
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomically(path, json.dumps({"format": _FORMAT, "choices": newest}, indent=1) + "\n")


def chosen(bundle: Path, *, threads: int | None = None, root: Path | None = None) -> Choice:
    """What to drive with where `bundle` is asked for: the variant and the threads that the bench chose on this machine.

    Args:
        threads: given by a person; then the bundle is taken as it is.
    """
    if threads is not None:
        return Choice(bundle, threads)
    entry = _read((root or default_root()) / FILE).get(_sha256(bundle))
    if entry is None:
        return Choice(bundle, 1)
    use = Path(entry["use"])
    other = entry["sha256"] != _sha256(bundle)
    if other and not (use.is_file() and _sha256(use) == entry["sha256"]):
        return Choice(bundle, 1, f"its choice {use} is gone; {bundle.name} on 1 thread, measure again")
    on = "1 thread" if entry["threads"] == 1 else f"{entry['threads']} threads"
    words = f"{use.name if other else bundle.name} on {on}: p99 {entry['p99_ms']:.1f} ms, measured {entry['measured']}"
    return Choice(use if other else bundle, entry["threads"], words)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The choices; a file that cannot be used counts as none, since measuring again costs seconds."""
    try:
        found = json.loads(path.read_bytes())
        choices = found["choices"] if found["format"] == _FORMAT else {}
        return {digest: entry for digest, entry in choices.items() if _sound(entry)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _sound(entry: dict[str, Any]) -> bool:
    words = all(isinstance(entry[key], str) for key in ("use", "sha256", "measured"))
    return words and 1 <= int(entry["threads"]) <= 16 and float(entry["p99_ms"]) >= 0.0


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
