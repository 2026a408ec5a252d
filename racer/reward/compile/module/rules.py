"""What a file must not use to be compiled."""

from __future__ import annotations

import ast

from racer.reward.compile.endings import CannotCompile

FORBIDDEN = (
    "open",
    "exec",
    "eval",
    "compile",
    "input",
    "globals",
    "locals",
    "vars",
    "__import__",
    "delattr",
    "breakpoint",
)
MODULES = [
    "math",
    "cmath",
    "numpy",
    "datetime",
    "logging",
    "warnings",
    "heapq",
    "string",
    "re",
    "traceback",
    "typing",
    "json",
    "time",
    "random",
    "copy",
    "collections",
    "functools",
    "itertools",
    "statistics",
    "bisect",
    "enum",
    "dataclasses",
    "abc",
    "operator",
    "sys",
    "os",
    "__future__",
    "types",
    "numbers",
    "shapely",
    "scipy",
]


def check_module(tree: ast.Module) -> None:
    """Raise `CannotCompile` for what must not be compiled: files, other modules, names made from text."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", None)
        if isinstance(node, ast.Name) and node.id in FORBIDDEN:
            raise CannotCompile(f"it uses `{node.id}`", line)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        for name in names:
            if name.split(".")[0] not in MODULES:
                raise CannotCompile(f"it imports `{name}`", line)
