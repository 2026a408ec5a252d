"""Early returns, written as nested branches where that is possible: it spares a block in the written code."""

from __future__ import annotations

import ast

_DEPTH = 12
_known: dict[int, tuple[ast.FunctionDef, list[ast.stmt] | None]] = {}


def tail_form(node: ast.FunctionDef) -> list[ast.stmt] | None:
    """The body with every `return` at the end of its way; None where that would double code."""
    if id(node) not in _known or _known[id(node)][0] is not node:
        _known[id(node)] = (node, _tail(node.body, node, _DEPTH))
    return _known[id(node)][1]


def _tail(statements: list[ast.stmt], end: ast.AST, depth: int) -> list[ast.stmt] | None:
    for index, statement in enumerate(statements):
        if isinstance(statement, (ast.Return, ast.Raise)):
            return statements[: index + 1]
        if not has_return(statement):
            continue
        if not isinstance(statement, ast.If) or depth == 0:
            return None
        rest = statements[index + 1 :]
        ends = ends_always(statement.body), ends_always(statement.orelse)
        if rest and not any(ends):
            return None
        then = _tail(statement.body if ends[0] else statement.body + rest, end, depth - 1)
        orelse = _tail(statement.orelse if ends[1] else statement.orelse + rest, end, depth - 1)
        if then is None or orelse is None:
            return None
        new = ast.copy_location(ast.If(statement.test, then, orelse), statement)
        return [*statements[:index], new]
    nothing = ast.Constant(None)
    last = ast.Return(nothing)
    place = statements[-1] if statements else end
    for made in (nothing, last):
        ast.copy_location(made, place)
    return [*statements, last]


def has_return(node: ast.AST) -> bool:
    """Whether a statement holds a `return` of its own function."""
    if isinstance(node, ast.Return):
        return True
    if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
        return False
    return any(has_return(child) for child in ast.iter_child_nodes(node))


def has_jump(statements: list[ast.stmt]) -> bool:
    """Whether a loop's body holds a `break` or `continue` of its own."""
    for statement in statements:
        if isinstance(statement, (ast.Break, ast.Continue)):
            return True
        if isinstance(statement, ast.If) and (has_jump(statement.body) or has_jump(statement.orelse)):
            return True
        if isinstance(statement, ast.Try) and has_jump([*statement.body, *statement.orelse, *statement.finalbody]):
            return True
        if isinstance(statement, (ast.For, ast.While)) and has_jump(statement.orelse):
            return True
    return False


def ends_always(statements: list[ast.stmt]) -> bool:
    """Whether a list of statements never reaches its end."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, ast.If):
        return ends_always(last.body) and ends_always(last.orelse)
    return isinstance(last, (ast.Return, ast.Raise))
