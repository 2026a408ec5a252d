"""Translations on disk, and the numba kernels of them.

The folder of a reward is named by a hash of its text and of racer's files that its kernel depends on. In it is a folder
for each set of values that the module of that text had when it was loaded (`racer.reward.module_values`): a file that
the module reads may change, and its text does not show it. Such a folder holds the generated module
(`reward_kernel.py`), its numbers (`tables.npz`), numba's cache, and the verdict of the validation (`verdict.json`),
which is written last: a folder without a verdict is incomplete.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import math
import platform
import shutil
import sys
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
"""Number of translations in the cache folder."""


def compiler_version() -> str:
    """Return a hash of everything but the reward's text that a kernel depends on."""
    import numba

    digest = hashlib.sha256(f"{numba.__version__} {np.__version__} {sys.version_info} {platform.machine()}".encode())
    compiler = Path(__file__).parent
    reward = compiler.parent
    # The files that decide what a kernel reads and how it is checked. numba's cache would miss a change of them.
    names = ("module_values.py", "params.py", "protocol.py", "rows.py", "states.py")
    others = [reward / name for name in names]
    for file in [*sorted(compiler.rglob("*.py")), *others, reward.parent / "sim" / "dtypes.py"]:
        digest.update(file.relative_to(reward.parent).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def cache_folder(source: RewardSource) -> Path:
    """Return the folder of a reward's text, with a folder for each set of values; it need not exist."""
    key = hashlib.sha256(f"{compiler_version()} {source.sha256} {source.first_step}".encode()).hexdigest()[:32]
    return cache_dir() / "rewards" / key


def is_known(folder: Path) -> bool:
    """Return whether the reward of this folder was validated before, with whatever values."""
    return any(folder.glob(f"*/{VERDICT_FILE}"))


def read_verdict(folder: Path) -> dict[str, Any] | None:
    """Read the verdict of a validation; None where there is none."""
    try:
        verdict = json.loads((folder / VERDICT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return verdict if isinstance(verdict, dict) and "path" in verdict else None


def write_verdict(folder: Path, verdict: dict[str, Any]) -> None:
    """Write the verdict of a validation."""
    write_atomically(folder / VERDICT_FILE, json.dumps(verdict, indent=1) + "\n")


def write_translation(folder: Path, translation: Translation) -> None:
    """Write the generated module and its numbers."""
    write_atomically(folder / MODULE_FILE, translation.text)
    buffer = io.BytesIO()
    np.savez(buffer, table=translation.table, initial=translation.initial)
    write_atomically(folder / TABLES_FILE, buffer.getvalue())


def prune_cache() -> None:
    """Delete the oldest translations, so that `CACHE_FOLDERS_MAX` are left."""
    try:
        folders = [p for p in (cache_dir() / "rewards").glob("*/*") if p.is_dir()]
        folders.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    except OSError:
        return
    for old in folders[CACHE_FOLDERS_MAX:]:
        shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: other values of the same text
            old.parent.rmdir()


OBJECT_NUMBERS = 7
"""Numbers in a kernel's memory for each object of a car: x, y, distance, heading, side, speed, distance from centre."""
# One argument for each parameter of `kernel`, see `racer.reward.compile.kernel_source`: first, last; TF, TI, TB;
# OF, OB, kn; W, WO; SS; T; M, B; R; P, codes.
SIGNATURE = (
    "void(int64, int64, float64[::1], int32[::1], uint8[::1], float64[::1], uint8[::1], int64, float64[::1], "
    "int64[::1], float64[:, ::1], float64[::1], float64[::1], float64[::1], float64[::1], int64[::1], int64[::1])"
)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A compiled reward.

    Attributes:
        function: the kernel over a range of cars; its parameters are in `racer.reward.compile.kernel_source`.
        table: constant numbers that it reads.
        initial: state of a car before its first call.
        memory: numbers in the memory of a call, without those of objects.
        regions: numbers at the start of a state row that are written in place.
        layout: where the state is in a row, see `racer.reward.compile.car_state`.
    """

    function: Callable[..., None]
    table: NDArray[np.float64]
    initial: NDArray[np.float64]
    memory: int
    regions: int
    layout: StateLayout


def load_kernel(folder: Path, *, memory: int, regions: int, layout: StateLayout) -> Kernel:
    """Load a translation; numba compiles it, or reads the machine code from its cache.

    Args:
        folder: folder of the translation.
        memory: see `Kernel`, as the other two; the verdict holds them.
        regions: numbers at the start of a state row that are written in place.
        layout: where the state is in a row.

    Raises:
        OSError: a file of the folder is missing.
        ValueError: a file of the folder cannot be read.
    """
    with np.load(folder / TABLES_FILE, allow_pickle=False) as file:
        table, initial = file["table"], file["initial"]
    name = f"racer_reward_kernel_{folder.parent.name}_{folder.name}"
    spec = importlib.util.spec_from_file_location(name, folder / MODULE_FILE)
    if spec is None or spec.loader is None:
        raise ValueError(f"{folder / MODULE_FILE} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # numba's cache looks it up
    spec.loader.exec_module(module)
    function = _compile_kernel(module, folder)
    return Kernel(function=function, table=table, initial=initial, memory=memory, regions=regions, layout=layout)


def compile_something() -> None:
    """Compile a small function: the first compilation of a process loads much of numba."""
    import numba

    numba.njit("float64(float64[::1])", nogil=True, error_model="numpy")(lambda row: math.hypot(row[0], row[1]))


def _compile_kernel(module: Any, folder: Path) -> Callable[..., None]:
    import numba

    # numba reads the folder of its cache when a function is decorated; other kernels of racer have another folder.
    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    try:
        # `kernel` looks `call` up among the globals of the module when it is compiled.
        module.call = numba.njit(nogil=True, error_model="numpy")(module.call)
        kernel = numba.njit(SIGNATURE, nogil=True, cache=True, error_model="numpy")(module.kernel)
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]
    return kernel
