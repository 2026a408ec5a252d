"""Whether two modules of the same source hold the same values."""

from __future__ import annotations

import types
from typing import Any

import numpy as np


def fingerprint(module: dict[str, Any]) -> str:
    """A text that differs where two modules of the same source hold different values."""
    seen: dict[int, Any] = {}  # held, so that no number is used again

    def told(value: Any) -> str:
        if value is None or type(value) in (bool, int, float, str, bytes, complex):
            return repr(value)
        if isinstance(value, np.generic):
            return repr(value)
        if isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
            return "module"
        if id(value) in seen:
            return "again"
        seen[id(value)] = value
        if isinstance(value, np.ndarray):
            return f"{value.dtype}{value.shape}{value.tolist()!r}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}[{','.join(map(told, value))}]"
        if isinstance(value, (set, frozenset)):
            return f"set[{','.join(sorted(map(told, value)))}]"
        if isinstance(value, dict):
            return (
                f"dict[{','.join(f'{told(k)}:{told(v)}' for k, v in sorted(value.items(), key=lambda i: str(i[0])))}]"
            )
        if isinstance(value, types.FunctionType):
            cells = [c.cell_contents for c in value.__closure__ or () if _filled(c)]
            return f"function[{told([value.__defaults__, value.__kwdefaults__, vars(value), cells])}]"
        if isinstance(value, type):
            if value.__module__ != module.get("__name__"):
                return value.__qualname__
            held = {k: v for k, v in vars(value).items() if not k.startswith("__")}
            return f"class[{told(held)}]"
        if isinstance(value, (staticmethod, classmethod)):
            return told(value.__func__)
        if isinstance(value, (property, types.MethodType)):
            return "callable"
        if hasattr(value, "__dict__"):
            return f"{type(value).__name__}[{told(vars(value))}]"
        return type(value).__name__

    return told({k: v for k, v in module.items() if not k.startswith("__")})


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
