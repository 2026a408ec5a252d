"""What translates each kind of expression and statement: all of them in two tables, and the way through these."""

from __future__ import annotations

import ast

from racer.reward.compile.calls.calls import call, call_value, routine
from racer.reward.compile.endings import UNCOVERED, CannotCompile, Hopeless
from racer.reward.compile.expressions import comparisons, displays, names, operators, subscripts
from racer.reward.compile.flow.context import Context, Handlers, Parts
from racer.reward.compile.module.scopes import span
from racer.reward.compile.statements import assignments, branches, comprehensions, definitions, errors, loops
from racer.reward.compile.values.value import Value

EXPRESSIONS: Handlers = {
    **names.HANDLERS,
    **operators.HANDLERS,
    **comparisons.HANDLERS,
    **subscripts.HANDLERS,
    **displays.HANDLERS,
    **comprehensions.HANDLERS,
}
STATEMENTS: Handlers = {
    **assignments.HANDLERS,
    **branches.HANDLERS,
    **loops.HANDLERS,
    **errors.HANDLERS,
    **definitions.HANDLERS,
}


def evaluate(context: Context, node: ast.expr) -> Value:
    """Translate an expression."""
    saved = context.node
    context.node = node
    if not context.quiet:
        context.line = getattr(node, "lineno", context.line)
    try:
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise context.cannot(f"`{type(node).__name__}` expressions")
        value: Value = handler(context, node)
        return value
    finally:
        context.node = saved


def execute(context: Context, statements: list[ast.stmt]) -> None:
    """Translate statements; one that is not covered becomes a trap."""
    for statement in statements:
        saved = context.node
        context.node = statement
        if not context.quiet:
            context.line = getattr(statement, "lineno", context.line)
        context.places[context.current] = span(statement)[0]
        try:
            handler = STATEMENTS.get(type(statement))
            if handler is None:
                raise context.cannot(f"`{type(statement).__name__.lower()}` statements")
            handler(context, statement)
        except Hopeless:
            raise
        except CannotCompile as error:
            context.line = error.line or context.line
            raise context.trap(error.reason, UNCOVERED) from None
        finally:
            context.node = saved


PARTS = Parts(evaluate=evaluate, execute=execute, call=call, call_value=call_value, routine=routine)
