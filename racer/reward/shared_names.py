"""Names that all of Python shares, which user code can change but must not: builtins, and functions of modules.

A reward that sets `math.sqrt` or `builtins.abs` would change them for the trainer too. So they are compared after
every batch of calls, put back, and the reward is refused.
"""

from __future__ import annotations

import builtins
import json
import math
import random
import sys
import time
from types import TracebackType
from typing import Any

import numpy as np

from racer.errors import RewardError

_FREE = {
    "builtins": ("_",),
    "sys": ("stdout", "stderr", "stdin", "last_type", "last_value", "last_traceback", "last_exc", "ps1", "ps2"),
}
"""Names that change by themselves, or that are put back elsewhere."""
_MODULES = (builtins, sys, math, random, time, json, np)
"""What users change by mistake, or to see what happens. Each name costs 20 ns for every batch."""
_SPACES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (module.__name__, vars(module), _FREE.get(module.__name__, ())) for module in _MODULES
]
_missing = object()


class SharedNames:
    """Guards what user code shares with the rest of Python, while it is entered; it does not nest with itself.

    It costs about 15 us where nothing was changed.

    Args:
        file: of the user, for the message.

    Raises:
        RewardError: on leaving, where something was changed; it has been put back. Whatever else was raised, this is
            why.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> SharedNames:
        self._before = [space.copy() for _, space, _ in _SPACES]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        changed = _restored(self._before)
        self._before = []
        if changed:
            shown = changed.removeprefix("builtins.")
            what = "the builtin " if shown != changed else ""
            raise RewardError(f"{self._file}: changes {what}`{shown}`, which all of Python uses.") from None


def _restored(before: list[dict[str, Any]], zip: Any = zip, Exception: Any = Exception) -> str:
    """Put changed names back; one of them, else empty. It calls no builtin by name: that may be what was changed."""
    changed = ""
    for (module, space, free), old in zip(_SPACES, before):
        try:
            if space == old:
                continue
        except Exception:  # a value of the user's that cannot be compared
            pass
        for name in old:
            if space.get(name, _missing) is not old[name] and name not in free:
                space[name] = old[name]
                changed = f"{module}.{name}"
    return changed
