"""The kernel that numba makes of a translation."""

from __future__ import annotations

import importlib.util
import math
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.compile.kernels.cache import MODULE_FILE, TABLES_FILE

if TYPE_CHECKING:
    from racer.reward.compile.state.paths import Layout
    from racer.reward.compile.translation.kernel_text import Translation

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
    layout: Layout


def load_kernel(folder: Path, *, memory: int, regions: int, layout: Layout, compiled: bool = True) -> Kernel:
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
    function = _compiled(module, folder) if compiled else module.kernel
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


def _compiled(module: Any, folder: Path) -> Callable[..., None]:
    import numba

    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    try:
        module.one = numba.njit(nogil=True, error_model="numpy")(module.one)
        kernel = numba.njit(SIGNATURE, nogil=True, cache=True, error_model="numpy")(module.kernel)
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]
    return kernel
