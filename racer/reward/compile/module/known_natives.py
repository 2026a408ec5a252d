"""The modules and functions that the translator may know, by identity."""

from __future__ import annotations

import bisect
import builtins
import json
import math
import statistics

import numpy as np

KNOWN_MODULES = ("math", "numpy", "numpy.linalg", "json", "time", "random", "typing", "copy", "statistics", "bisect")


def known_natives() -> dict[int, str]:
    """The functions and classes that the translator may know, by identity: a patched one is not among them."""
    found: dict[int, str] = {}
    for name in dir(builtins):
        found[id(getattr(builtins, name))] = f"builtins.{name}"
    modules = ((math, "math"), (np.linalg, "numpy.linalg"), (np, "numpy"), (json, "json"), (bisect, "bisect"))
    for module, prefix in (*modules, (statistics, "statistics")):
        for name in dir(module):
            value = getattr(module, name)
            if callable(value) and id(value) not in found:
                found[id(value)] = f"{prefix}.{name}"
    for name in ("sin", "cos", "tan"):
        for old, new in ((f"arc{name}", f"a{name}"), (f"arc{name}h", f"a{name}h")):
            found[id(getattr(np, old))] = f"numpy.{new}"
    found[id(np.arctan2)] = "numpy.atan2"
    found[id(np.absolute)] = "numpy.abs"
    found[id(np.power)] = "numpy.power"
    return found
