"""The parsed functions of `prelude_source`."""

from __future__ import annotations

import ast
from pathlib import Path

from racer.reward.compile.scopes import LIBRARY_FRAME
from racer.reward.compile.values import Function, Native, Value

_TREE = ast.parse(Path(__file__).with_name("prelude_source.py").read_text(encoding="utf-8"))
FUNCTIONS: dict[str, tuple[ast.FunctionDef, int]] = {
    node.name: (node, -k) for k, node in enumerate(_TREE.body, 1) if isinstance(node, ast.FunctionDef)
}
LAMBDAS: dict[int, int] = {
    id(node): -100_000 - k for k, node in enumerate(n for n in ast.walk(_TREE) if isinstance(n, ast.Lambda))
}


def library_value(name: str) -> Value | None:
    """What a name means inside the prelude."""
    if name in FUNCTIONS:
        node, serial = FUNCTIONS[name]
        return Function(node, LIBRARY_FRAME, (), (), serial)
    if name in ("as_array", "as_tuple", "as_numpy"):
        return Native(f"racer.{name}")
    if name == "math":
        return Native("math")
    if name in ("abs", "min", "max", "len", "range", "float", "ValueError"):
        return Native(f"builtins.{name}")
    return None
