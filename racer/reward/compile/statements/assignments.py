"""Assignments: to names, attributes, items, several at once; and `del`."""

from __future__ import annotations

import ast

from racer.reward.compile.desk.names import resolve
from racer.reward.compile.expressions.operators import operate
from racer.reward.compile.expressions.subscripts import subscript
from racer.reward.compile.flow.context import Context, Handlers
from racer.reward.compile.operations.coerce import present
from racer.reward.compile.operations.objects import attribute, set_attribute
from racer.reward.compile.operations.sequence_changes import put
from racer.reward.compile.operations.sequence_items import element
from racer.reward.compile.operations.sequences import contents, is_sequence, length, type_of
from racer.reward.compile.values.heap import Dict, Items
from racer.reward.compile.values.value import UNBOUND, Const, Method, Ref, Scalar, Value


def _assign(context: Context, node: ast.Assign) -> None:
    value = context.evaluate(node.value)
    for target in node.targets:
        assign(context, target, value)


def _annotated(context: Context, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(context, node.target, context.evaluate(node.value))


def assign(context: Context, target: ast.expr, value: Value) -> None:
    """Give a target a value."""
    if isinstance(target, ast.Name):
        key = resolve(context, target.id, store=True)
        assert key is not None
        context.s.vars[key] = context.atom(value, target.id) if isinstance(value, Scalar) else value
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(context, target, value)
    elif isinstance(target, ast.Attribute):
        value = context.atom(value, target.attr) if isinstance(value, Scalar) else value
        set_attribute(context, present(context, context.evaluate(target.value)), target.attr, value)
    elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
        value = context.atom(value) if isinstance(value, Scalar) else value
        where = present(context, context.evaluate(target.value))
        put(context, where, context.evaluate(target.slice), value)
    else:
        raise context.cannot("an assignment to a slice")


def _unpack(context: Context, target: ast.Tuple | ast.List, value: Value) -> None:
    value = present(context, value)
    if any(isinstance(t, ast.Starred) for t in target.elts):
        found = contents(context, value)
        if not isinstance(found, Items):
            raise context.cannot("`*` with a list of unknown length")
        star = next(k for k, t in enumerate(target.elts) if isinstance(t, ast.Starred))
        after = len(target.elts) - star - 1
        if len(found.items) < star + after:
            raise context.trap("too few values to unpack")
        middle = context.new(Items("list", found.items[star : len(found.items) - after]))
        values = [*found.items[:star], middle, *found.items[len(found.items) - after :]]
        for t, v in zip(target.elts, values, strict=True):
            assign(context, t.value if isinstance(t, ast.Starred) else t, v)
        return
    if not is_sequence(context, value) and not hasattr(value, "parts") and not hasattr(value, "stop"):
        raise context.cannot("unpacking of this value")
    n = length(context, value)
    if isinstance(n, Const):
        if n.value != len(target.elts):
            raise context.trap("another number of values to unpack", error="ValueError")
    else:
        context.trap_if(f"{n.expr} != {len(target.elts)}", error="ValueError")
    values = [element(context, value, Const(k)) for k in range(len(target.elts))]
    values = [context.atom(v) if isinstance(v, Scalar) else v for v in values]
    for t, v in zip(target.elts, values, strict=True):
        assign(context, t, v)


def _augmented(context: Context, node: ast.AugAssign) -> None:
    name = type(node.op).__name__
    target = node.target
    if isinstance(target, ast.Name):
        old = context.evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target))
        value = context.evaluate(node.value)
        if name == "Add" and type_of(context, old) == "list":
            context.routine("extend", old, value)
            return
        assign(context, target, operate(context, name, old, value))
    elif isinstance(target, ast.Attribute):
        owner = present(context, context.evaluate(target.value))
        old = attribute(context, owner, target.attr)
        value = context.evaluate(node.value)
        if name == "Add" and type_of(context, old) == "list":
            context.routine("extend", old, value)
            return
        new = operate(context, name, old, value)
        set_attribute(context, owner, target.attr, context.atom(new, target.attr) if isinstance(new, Scalar) else new)
    elif isinstance(target.slice, ast.Slice):
        raise context.cannot("an assignment to a slice")
    else:
        owner = present(context, context.evaluate(target.value))
        index = context.evaluate(target.slice)
        index = context.atom(index) if isinstance(index, Scalar) else index
        old = subscript(context, owner, index)
        new = operate(context, name, old, context.evaluate(node.value))
        put(context, owner, index, context.atom(new) if isinstance(new, Scalar) else new)


def _delete(context: Context, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            context.evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            key = resolve(context, target.id, store=True)
            assert key is not None
            context.s.vars[key] = UNBOUND
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            owner = present(context, context.evaluate(target.value))
            index = context.evaluate(target.slice)
            content = context.content(owner.id) if isinstance(owner, Ref) else None
            if isinstance(content, Dict) and isinstance(owner, Ref):
                subscript(context, owner, index)
                assert isinstance(index, Const)
                kept = tuple((k, v) for k, v in content.items if k != index.value)
                context.s.heap[owner.id] = Dict(kept)
            else:
                context.routine("pop_at", owner, index)
        elif isinstance(target, ast.Subscript) and ast.unparse(target.slice) in (":", "::"):
            owner = context.evaluate(target.value)
            context.call_value(Method(owner, "clear"), [], {})
        else:
            raise context.cannot("this `del`")


HANDLERS: Handlers = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
}
