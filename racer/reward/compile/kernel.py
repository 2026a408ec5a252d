"""Translations on disk.

The folder of a translation is named by a hash of the reward's text and of all that its kernel depends on; it holds the
generated module, its numbers, numba's own cache, and last of all the verdict.

The kernel that numba makes of a translation.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import math
import platform
import shutil
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.assets import cache_dir, write_atomically
from racer.reward.source import RewardSource

if TYPE_CHECKING:
    from racer.reward.compile.car_state import StateLayout
    from racer.reward.compile.kernel_source import Translation

MODULE_FILE, TABLES_FILE, VERDICT_FILE = "reward_kernel.py", "tables.npz", "verdict.json"
CACHE_FOLDERS_MAX = 200
"""Translations that are kept in the cache folder."""


def compiler_version() -> str:
    """A hash of what a kernel depends on beside the reward's text."""
    import numba

    digest = hashlib.sha256(f"{numba.__version__} {np.__version__} {sys.version_info} {platform.machine()}".encode())
    compiler = Path(__file__).parent
    reward = compiler.parent
    others = [reward / name for name in ("params.py", "protocol.py", "rows.py", "states.py")]
    for file in [*sorted(compiler.rglob("*.py")), *others, reward.parent / "sim" / "dtypes.py"]:
        digest.update(file.relative_to(reward.parent).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def cache_folder(source: RewardSource) -> Path:
    """The folder of a reward's translation; it need not exist."""
    key = hashlib.sha256(f"{compiler_version()} {source.sha256}".encode()).hexdigest()[:32]
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


def prune_cache() -> None:
    """Drop the translations that were not made lately."""
    try:
        folders = [p for p in (cache_dir() / "rewards").iterdir() if p.is_dir()]
        folders.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    except OSError:
        return
    for old in folders[CACHE_FOLDERS_MAX:]:
        shutil.rmtree(old, ignore_errors=True)


OBJECT_NUMBERS = 7
"""Numbers that a kernel keeps of each object of a car."""
SIGNATURE = (
    "void(int64, int64, float64[::1], int32[::1], uint8[::1], float64[::1], uint8[::1], int64, float64[::1], "
    "int64[::1], float64[:, ::1], float64[::1], float64[::1], float64[::1], float64[::1], int64[::1], int64[::1])"
)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A compiled reward.

    Attributes:
        function: over a range of cars; see `translation.kernel_text`.
        table: numbers of tables.
        initial: the state of a car before its first call.
        memory: numbers that a call needs, without those for objects.
        regions: numbers at the start of a state row that are written in place.
        layout: where the state lies; see `state.layout`.
    """

    function: Callable[..., None]
    table: NDArray[np.float64]
    initial: NDArray[np.float64]
    memory: int
    regions: int
    layout: StateLayout


def load_kernel(folder: Path, *, memory: int, regions: int, layout: StateLayout, compiled: bool = True) -> Kernel:
    """Load a translation; numba compiles it, or takes it from its cache.

    Args:
        compiled: False leaves the kernel as the Python function that it was written as, for tests.

    Raises:
        OSError, ValueError: the folder is broken.
    """
    with np.load(folder / TABLES_FILE, allow_pickle=False) as file:
        table, initial = file["table"], file["initial"]
    spec = importlib.util.spec_from_file_location(f"racer_reward_kernel_{folder.name}", folder / MODULE_FILE)
    if spec is None or spec.loader is None:
        raise ValueError(f"{folder / MODULE_FILE} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # numba's cache looks it up
    spec.loader.exec_module(module)
    function = _compile_kernel(module, folder) if compiled else module.kernel
    return Kernel(function=function, table=table, initial=initial, memory=memory, regions=regions, layout=layout)


def plain_kernel(translation: Translation) -> Kernel:
    """The translation run by Python itself: slow, and without a compiler; for tests of the translation alone."""
    space: dict[str, Any] = {"__name__": "racer_plain_kernel"}
    exec(compile(translation.text, MODULE_FILE, "exec"), space)
    space["math"] = types.SimpleNamespace(**{name: _without_overflow(value) for name, value in vars(math).items()})

    def function(*arguments: Any) -> None:
        with np.errstate(all="ignore"):
            space["kernel"](*arguments)

    return Kernel(
        function=function,
        table=translation.table,
        initial=translation.initial,
        memory=translation.memory,
        regions=translation.regions,
        layout=translation.layout,
    )


def _without_overflow(value: Any) -> Any:
    """A function of `math` that gives infinity where Python raises, as compiled ones do."""

    def run(*args: Any) -> Any:
        try:
            return value(*args)
        except OverflowError:
            return math.inf

    return run if callable(value) else value


def _compile_kernel(module: Any, folder: Path) -> Callable[..., None]:
    import numba

    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    try:
        module.one = numba.njit(nogil=True, error_model="numpy")(module.one)
        kernel = numba.njit(SIGNATURE, nogil=True, cache=True, error_model="numpy")(module.kernel)
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]
    return kernel
