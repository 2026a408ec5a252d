"""Functions of Python and numpy over sequences, in the subset of Python that the translator covers.

functions                      reads the others and gives their functions to the translator
lists, orders, rows, numbers   the functions; they are parsed, never imported

Functions of Python and numpy over sequences, written in the subset that the translator covers.

The other files of this package hold them. They are parsed, not imported, and calls are translated in place like a
user's own functions. In them `as_array`, `as_tuple` and `as_numpy` only change the type of a value.
"""

from __future__ import annotations

import ast
from pathlib import Path

from racer.reward.compile.values import Builtin, UserFunction, Value

STDLIB_FRAME = -999_999
"""The frame that these functions are defined in."""
_PARTS = ("stdlib_functions",)
_TREES = [
    ast.parse(Path(__file__).with_name(f"{part}.py").read_text(encoding="utf-8"), f"{part}.py") for part in _PARTS
]
_DEFINED = [node for tree in _TREES for node in tree.body if isinstance(node, ast.FunctionDef)]
STDLIB_FUNCTIONS: dict[str, tuple[ast.FunctionDef, int]] = {node.name: (node, -k) for k, node in enumerate(_DEFINED, 1)}
"""Each function with its serial; those of the user's are above 0."""
STDLIB_LAMBDAS: dict[int, int] = {
    id(node): -100_000 - k
    for k, node in enumerate(n for tree in _TREES for n in ast.walk(tree) if isinstance(n, ast.Lambda))
}


def stdlib_value(name: str) -> Value | None:
    """What a name means inside the prelude."""
    if name in STDLIB_FUNCTIONS:
        node, serial = STDLIB_FUNCTIONS[name]
        return UserFunction(node, STDLIB_FRAME, (), (), serial)
    if name in ("as_array", "as_tuple", "as_numpy"):
        return Builtin(f"racer.{name}")
    if name == "math":
        return Builtin("math")
    if name in ("abs", "min", "max", "len", "range", "float", "ValueError"):
        return Builtin(f"builtins.{name}")
    return None
