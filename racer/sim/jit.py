"""The one place of numba's flags, of its cache, and of running a kernel on several threads.

Strict IEEE arithmetic (no `fastmath`): a world alone and the same world inside a batch are bit-equal, whatever the
compiler vectorises. Kernels release the interpreter lock and work on a range of worlds, so that plain threads run
them side by side, without a numba threading layer that could conflict with torch's.

numba's disk cache looks only at the caller's own file (numba issue 1833: an edited callee or constant stays stale),
so that the name of the cache folder is a hash of every file of this package and of those outside that are compiled
into it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np

from racer.assets import cache_dir

_ROOT = Path(__file__).parents[1]
_KERNEL_ROOMS = ("sim", "render")
_KERNEL_FILES = ("optics.py",)
"""Files outside these rooms whose functions kernels call."""
_CACHES_KEPT = 4
"""Versions whose compiled kernels stay on disk."""


def _source_hash() -> str:
    """Return a hash of numba's and Python's version and of all sources that are compiled."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version_info}".encode())
    files = [file for room in _KERNEL_ROOMS for file in (_ROOT / room).rglob("*.py")]
    for file in (*sorted(files), *(_ROOT / name for name in _KERNEL_FILES)):
        digest.update(file.relative_to(_ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _prepare_cache() -> bool:
    """Set numba's cache to this version's folder and delete the oldest ones; False where no folder can be written."""
    root = cache_dir() / "kernels"
    folder = root / _source_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        others = sorted((p for p in root.iterdir() if p != folder), key=lambda p: p.stat().st_mtime, reverse=True)
    except OSError:
        return False
    for old in others[_CACHES_KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return True


_CACHE = _prepare_cache()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of the simulator: nopython, lock released, cached on disk, strict arithmetic.

    With `NUMBA_DISABLE_JIT=1` it runs as plain Python, for a debugger; rows then have their fields as attributes.
    """
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return lambda *arguments: function(*map(_as_recarray, arguments))
    return numba.njit(nogil=True, cache=_CACHE, error_model="numpy")(function)


def _as_recarray(argument: Any) -> Any:
    """Return structured arrays, also those within a NamedTuple, as record arrays."""
    if isinstance(argument, np.ndarray) and argument.dtype.names:
        return argument.view(np.recarray)
    if hasattr(argument, "_fields"):
        return type(argument)(*map(_as_recarray, argument))
    return argument


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small function that only kernels call; LLVM inlines it where it pays."""
    return numba.njit(nogil=True, cache=False, error_model="numpy")(function)


def force_inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small function into each place that calls it, for those that are called most often with arrays.

    A call with arrays costs about 14 ns, because numba counts references to them. Each place adds to the time of
    compilation, so that this is for a few functions.
    """
    return numba.njit(nogil=True, cache=False, error_model="numpy", forceinline=True)(function)


class WorkerPool:
    """Threads that share the worlds of a batch between them.

    Results do not depend on the number of threads: a kernel touches only its own range of worlds.
    """

    def __init__(self, threads: int | None = None) -> None:
        """Start the threads; None for one on each core that this process may use."""
        if threads is None:
            # Not on every platform.
            allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
            threads = allowed or 1
        self.threads = max(1, threads)
        self._pool = ThreadPoolExecutor(self.threads, "racer-sim") if self.threads > 1 else None

    def __reduce__(self) -> tuple[type[WorkerPool], tuple[int]]:
        # Threads are neither pickled nor copied; the copy starts as many.
        return WorkerPool, (self.threads,)

    def run(self, function: Callable[..., Any], count: int, least: int, *arguments: Any) -> None:
        """Call ``function(first, last, *arguments)`` over 0..count in ranges of at least `least` items."""
        parts = min(self.threads, count // max(1, least))
        if parts <= 1 or self._pool is None:
            function(0, count, *arguments)
            return
        edges = [count * part // parts for part in range(parts + 1)]
        others = [self._pool.submit(function, edges[k], edges[k + 1], *arguments) for k in range(1, parts)]
        function(edges[0], edges[1], *arguments)
        for other in others:
            other.result()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            with contextlib.suppress(RuntimeError):
                self._pool.shutdown(wait=True)
