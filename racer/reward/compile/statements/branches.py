"""`if`, `return`, and statements that do nothing but compute."""

from __future__ import annotations

import ast

from racer.reward.compile.calls.inlining import forget
from racer.reward.compile.flow.context import Context, Handlers, Jumps
from racer.reward.compile.operations.coerce import truth
from racer.reward.compile.values.value import Const, Scalar

CHAIN_MIN = 5
"""Branches of an `elif` chain from which on it is written flat."""


def _expression(context: Context, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        context.evaluate(node.value)


def _pass(context: Context, node: ast.stmt) -> None:
    """Nothing."""


def _return(context: Context, node: ast.Return) -> None:
    value = context.evaluate(node.value) if node.value else Const(None)
    value = context.atom(value, "result") if isinstance(value, Scalar) else value
    target, key = context.returns
    context.s.vars[key] = value
    if key[0] in context.frames and not context.frames[key[0]].scope.captured:
        forget(context, key[0])
    if target is not None:
        raise context.leave(target)


def _if(context: Context, node: ast.If) -> None:
    chain: list[tuple[ast.expr, list[ast.stmt]]] = [(node.test, node.body)]
    rest = node.orelse
    while len(rest) == 1 and isinstance(rest[0], ast.If):
        chain.append((rest[0].test, rest[0].body))
        rest = rest[0].orelse
    if len(chain) < CHAIN_MIN:
        test = truth(context, context.evaluate(node.test))
        if isinstance(test, bool):
            context.execute(node.body if test else node.orelse)
            return
        context.branch(test, lambda: context.execute(node.body), lambda: context.execute(node.orelse))
        return

    def body(jumps: Jumps) -> None:
        for condition, statements in chain:
            context.line = condition.lineno
            test = truth(context, context.evaluate(condition))
            if test is False:
                continue
            if test is True:
                context.execute(statements)
                raise context.leave(jumps)
            context.branch(test, lambda s=statements: then_leave(context, s, jumps))  # type: ignore[misc]
        context.execute(rest)

    context.once(body)


def then_leave(context: Context, statements: list[ast.stmt], target: Jumps) -> None:
    context.execute(statements)
    raise context.leave(target)


HANDLERS: Handlers = {
    ast.Expr: _expression,
    ast.Pass: _pass,
    ast.Global: _pass,
    ast.Nonlocal: _pass,
    ast.Return: _return,
    ast.If: _if,
}
