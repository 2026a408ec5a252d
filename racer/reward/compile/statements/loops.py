"""`while` and `for`, `break` and `continue`."""

from __future__ import annotations

import ast

from racer.reward.compile.calls.blocks import has_jump, has_return
from racer.reward.compile.desk.names import resolve
from racer.reward.compile.endings import ENDLESS
from racer.reward.compile.flow.context import Context, Handlers, Jumps
from racer.reward.compile.module.scopes import span
from racer.reward.compile.operations.coerce import truth
from racer.reward.compile.operations.iteration import each
from racer.reward.compile.statements.assignments import assign
from racer.reward.compile.statements.branches import then_leave
from racer.reward.compile.values.value import Value


def _while(context: Context, node: ast.While) -> None:
    line = context.line

    def body(jumps: Jumps) -> None:
        context.line = line  # a second pass comes here from the loop's end
        context.write("budget -= 1")
        context.trap_if("budget < 0", ENDLESS)
        test = truth(context, context.evaluate(node.test))
        if test is False:
            then_leave(context, node.orelse, jumps)
        if isinstance(test, str):
            context.branch(f"not {test}", lambda: then_leave(context, node.orelse, jumps))
        _round(context, node.body, jumps, jumps)

    context.loop(body)


def _round(context: Context, statements: list[ast.stmt], leave: Jumps, again: Jumps) -> None:
    """One round of a user's loop."""
    context.user_loops = [*context.user_loops, (leave, again)]
    try:
        context.execute(statements)
    finally:
        context.user_loops = context.user_loops[:-1]


def _for(context: Context, node: ast.For) -> None:
    iterable = context.evaluate(node.iter)

    def body(value: Value, leave: Jumps, again: Jumps) -> None:
        assign(context, node.target, value)
        _round(context, node.body, leave, again)

    names = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    drop = {key for n in names if (key := resolve(context, n)) and key[0] > 0 and not _read_after(context, key, node)}
    each(
        context,
        iterable,
        body,
        jumps=has_jump(node.body) or any(has_return(s) for s in node.body),
        orelse=lambda: context.execute(node.orelse),
        drop=drop,
    )


def _read_after(context: Context, key: tuple[int, str], node: ast.For) -> bool:
    """Whether a loop's variable is read outside the loop."""
    frame = context.frames[key[0]]
    if frame.is_comprehension or key[1] in frame.scope.captured:
        return not frame.is_comprehension
    first, last = span(node)
    return any(not first <= place < last for place in frame.scope.loads.get(key[1], []))


def _break(context: Context, node: ast.stmt) -> None:
    raise context.leave(context.user_loops[-1][0])


def _continue(context: Context, node: ast.stmt) -> None:
    target = context.user_loops[-1]
    raise context.leave(target[1], "continue" if target[0] is target[1] else "break")


HANDLERS: Handlers = {
    ast.While: _while,
    ast.For: _for,
    ast.Break: _break,
    ast.Continue: _continue,
}
