"""List comprehensions and generator expressions."""

from __future__ import annotations

import ast
from collections.abc import Callable

from racer.reward.compile.calls.inlining import forget
from racer.reward.compile.flow.context import Context, Handlers, Jumps
from racer.reward.compile.module.scopes import Frame, scope_of
from racer.reward.compile.operations.coerce import truth
from racer.reward.compile.operations.iteration import each
from racer.reward.compile.operations.sequence_changes import append
from racer.reward.compile.statements.assignments import assign
from racer.reward.compile.values.heap import Items
from racer.reward.compile.values.value import Ref, Scalar, Value


def comprehension(context: Context, node: ast.ListComp | ast.GeneratorExp) -> Value:
    """A list comprehension, or a generator expression as the list of its items."""
    path = (*context.path, id(node))
    number = context.frame(path)
    out = context.new(Items("list", ()))
    outer, path_before, node_before = context.current, context.path, context.node
    first = context.evaluate(node.generators[0].iter)
    context.frames[number] = Frame(scope_of(node), outer, is_comprehension=True)
    context.current, context.path = number, path

    def level(k: int) -> None:
        generator = node.generators[k]
        iterable = first if k == 0 else context.evaluate(generator.iter)
        names = {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}

        def body(value: Value, leave: Jumps, again: Jumps) -> None:
            assign(context, generator.target, value)
            _filtered(context, list(generator.ifs), lambda: inside(k))

        each(context, iterable, body, jumps=False, drop={(number, n) for n in names}, small=8)

    def inside(k: int) -> None:
        if k + 1 < len(node.generators):
            level(k + 1)
        else:
            value = context.evaluate(node.elt)
            context.node = node.elt
            append(context, out, context.atom(value) if isinstance(value, Scalar) else value)

    assert isinstance(out, Ref)
    context.held.add(out.id)
    context.active.append(number)
    try:
        level(0)
    finally:
        context.held.discard(out.id)
        context.active.pop()
        context.current, context.path, context.node = outer, path_before, node_before
    forget(context, number)
    return out


def _filtered(context: Context, tests: list[ast.expr], action: Callable[[], None]) -> None:
    if not tests:
        action()
        return
    test = truth(context, context.evaluate(tests[0]))
    if test is True:
        _filtered(context, tests[1:], action)
    elif test is not False:
        context.branch(test, lambda: _filtered(context, tests[1:], action))


HANDLERS: Handlers = {
    ast.ListComp: comprehension,
    ast.GeneratorExp: comprehension,
}
