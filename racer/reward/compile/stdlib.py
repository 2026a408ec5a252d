"""The runtime library: functions of Python and numpy over sequences, in the subset that the translator covers.

`stdlib_functions` holds them. It is parsed, never imported, and its functions are translated in place, like a user's
own. In it `as_array`, `as_tuple` and `as_numpy` only change the type of a value.
"""

from __future__ import annotations

import ast
from pathlib import Path

from racer.reward.compile.values import Builtin, UserFunction, Value

# The frame that these functions are defined in; far below the frames of closures, which count down from -1.
STDLIB_FRAME = -999_999
_TREE = ast.parse(Path(__file__).with_name("stdlib_functions.py").read_text(encoding="utf-8"), "stdlib_functions.py")
STDLIB_FUNCTIONS: dict[str, tuple[ast.FunctionDef, int]] = {
    node.name: (node, -k) for k, node in enumerate((n for n in _TREE.body if isinstance(n, ast.FunctionDef)), 1)
}
"""Syntax and serial of each function; serials of the user's functions are above 0."""
STDLIB_LAMBDAS: dict[int, int] = {
    id(node): -100_000 - k for k, node in enumerate(n for n in ast.walk(_TREE) if isinstance(n, ast.Lambda))
}
"""Serial of each lambda, by the identity of its node."""


def stdlib_value(name: str) -> Value | None:
    """Return the value of a global name of the library; None where it has none."""
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
