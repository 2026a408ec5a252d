"""The names of a function's body: which are its own, and where they are read."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

Scoped = ast.FunctionDef | ast.Lambda | ast.ClassDef | ast.ListComp | ast.GeneratorExp | ast.SetComp


@dataclass
class Scope:
    """Names of one function's body.

    Attributes:
        own: its local names.
        shared: names declared `global`.
        outer: names declared `nonlocal`.
        loads: for each name the places where it is read, inner functions included.
        captured: names that inner functions or comprehensions use.
        loops: the spans of its outermost loops.
    """

    own: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)
    loads: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)
    loops: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)


@dataclass
class Frame:
    """One call that is being translated: its scope, and the frame that its function was defined in."""

    scope: Scope
    parent: int
    is_class: bool = False
    is_comprehension: bool = False


_known: dict[int, tuple[ast.AST, Scope]] = {}


def scope_of(node: Scoped) -> Scope:
    """The scope of a function, class body or comprehension."""
    if id(node) in _known and _known[id(node)][0] is node:
        return _known[id(node)][1]
    scope = Scope()
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        scope.own.update(a.arg for a in every)
        scope.own.update(a.arg for a in (arguments.vararg, arguments.kwarg) if a)
    if isinstance(node, ast.Lambda):
        body: list[ast.AST] = [node.body]
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        body = list(node.body)
    else:
        for generator in node.generators:
            scope.own.update(n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name))
        body = []
    for child in body:
        _collect(child, scope, 0)
    scope.own -= scope.shared | scope.outer
    _known[id(node)] = (node, scope)
    return scope


def _collect(node: ast.AST, scope: Scope, loops: int) -> None:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.AsyncFunctionDef)):
        if not isinstance(node, ast.Lambda):
            scope.own.add(node.name)
        _capture(node, scope)
        return
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
        _capture(node, scope)
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                scope.own.add(inner.target.id)
        return
    if isinstance(node, ast.Global):
        scope.shared.update(node.names)
    elif isinstance(node, ast.Nonlocal):
        scope.outer.update(node.names)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            scope.loads.setdefault(node.id, []).append((node.lineno, node.col_offset))
        else:
            scope.own.add(node.id)
            if isinstance(node.ctx, ast.Del):
                scope.loads.setdefault(node.id, []).append((node.lineno, node.col_offset))
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        scope.own.update((alias.asname or alias.name.split(".")[0]) for alias in node.names)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        scope.own.add(node.name)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        scope.loads.setdefault(node.target.id, []).append((node.target.lineno, node.target.col_offset))
    if isinstance(node, (ast.For, ast.While)) and loops == 0:
        scope.loops.append(span(node))
    inside = loops + isinstance(node, (ast.For, ast.While))
    for child in ast.iter_child_nodes(node):
        _collect(child, scope, inside)


def _capture(node: ast.AST, scope: Scope) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            scope.captured.add(inner.id)


def span(node: ast.stmt | ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a node begins and ends in the text."""
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)
