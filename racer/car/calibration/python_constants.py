"""Reads the constants that a Python file assigns at its top level, without running the file.

A value that only a run of the file would give is `COMPUTED`, never an older constant of the same name: a configuration
that ends with `PULSES["left"] += 10` must not be read as if the line were missing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from racer.car.calibration.calibration import CalibrationError

_FILE_BYTES_MAX = 1 << 20


class _Computed:
    def __repr__(self) -> str:
        return "computed by the file"


COMPUTED: Final = _Computed()
"""Value of a name or dictionary key that the file sets by an expression or a statement other than an assignment."""


def read_constants(path: Path) -> dict[str, Any]:
    """Return the values of the names that the file assigns, the last assignment of each; `COMPUTED` where unknown.

    Raises:
        CalibrationError: The file cannot be read, or is not Python.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > _FILE_BYTES_MAX:
            raise ValueError("it is far too long")
        tree = ast.parse(raw)  # parsed and never executed: the file may come from anywhere
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CalibrationError(f"{path} is not a Python file: {error}") from None
    constants: dict[str, Any] = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                _assign(target, value, constants)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                constants[statement.name] = COMPUTED
            case ast.Import() | ast.ImportFrom():
                names = {alias.asname or alias.name for alias in statement.names}
                _forget(constants if "*" in names else names, constants)
            case _:
                _forget(_changed_names(statement, constants), constants)
    return constants


def _assign(target: ast.expr, value: ast.expr, constants: dict[str, Any]) -> None:
    match target:
        case ast.Name(id=name):
            constants[name] = _constant(value)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)) if isinstance(
            constants.get(name), dict
        ):
            constants[name][key] = _constant(value)
        case _:
            _forget(_changed_names(target, constants), constants)


def _constant(node: ast.expr) -> Any:
    # A dictionary with one computed value, such as a path, still has its constant ones.
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
        pairs = zip(node.keys, node.values, strict=True)
        return {key.value: _constant(value) for key, value in pairs if isinstance(key, ast.Constant)}
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return COMPUTED


def _changed_names(tree: ast.AST, constants: dict[str, Any]) -> list[str]:
    """Return the names that a statement may change: those that it binds, and dictionaries that it mentions."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return [node.id for node in names if not isinstance(node.ctx, ast.Load) or isinstance(constants.get(node.id), dict)]


def _forget(names: Iterable[str], constants: dict[str, Any]) -> None:
    constants.update(dict.fromkeys(list(names), COMPUTED))
