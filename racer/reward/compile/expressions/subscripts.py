"""`a[b]`: items, keys, slices and columns."""

from __future__ import annotations

import ast

from racer.reward.compile.flow.context import Context, Handlers
from racer.reward.compile.operations.coerce import bound_name, present
from racer.reward.compile.operations.sequence_items import item
from racer.reward.compile.operations.sequence_slices import part
from racer.reward.compile.values.heap import Dict
from racer.reward.compile.values.value import UNBOUND, Choice, Const, Ref, Scalar, Tup, Value


def _subscript(context: Context, node: ast.Subscript) -> Value:
    target = present(context, context.evaluate(node.value))
    if isinstance(node.slice, ast.Slice):
        ends = [None if e is None else context.evaluate(e) for e in (node.slice.lower, node.slice.upper)]
        step = context.evaluate(node.slice.step) if node.slice.step else None
        return part(context, target, ends[0], ends[1], step)
    if isinstance(node.slice, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.slice.elts):
        return _column(context, target, node.slice)
    return subscript(context, target, context.evaluate(node.slice))


def _column(context: Context, target: Value, index: ast.Tuple) -> Value:
    """`array[:, k]`."""
    rows, *rest = index.elts
    if isinstance(rows, ast.Slice) and len(rest) == 1 and not isinstance(rest[0], ast.Slice):
        ends = [None if e is None else context.evaluate(e) for e in (rows.lower, rows.upper)]
        if ends != [None, None]:
            target = part(context, target, ends[0], ends[1], None)
        return context.routine("column", target, context.evaluate(rest[0]))
    if not isinstance(rows, ast.Slice) and len(rest) == 1 and isinstance(rest[0], ast.Slice):
        row = item(context, target, context.evaluate(rows))
        ends = [None if e is None else context.evaluate(e) for e in (rest[0].lower, rest[0].upper)]
        return part(context, row, ends[0], ends[1], None)
    raise context.cannot("a slice of an array")


def subscript(context: Context, target: Value, index: Value) -> Value:
    """`target[index]` without a slice."""
    if isinstance(target, Ref) and isinstance(content := context.content(target.id), Dict):
        return key_of(context, content, index)
    return item(context, target, index)


def key_of(context: Context, content: Dict, index: Value) -> Value:
    """`a_dict[index]`."""
    if isinstance(index, Choice):
        index_ = index

        def pick(k: int) -> Value:
            if k == len(index_.options) - 1:
                return key_of(context, content, Const(index_.options[k]))
            return context.choose(
                f"{index_.expr} == {k}",
                lambda: key_of(context, content, Const(index_.options[k])),
                lambda: pick(k + 1),
            )

        return pick(0)
    if isinstance(index, Scalar) and index.kind in "bi" and content.items:
        return _looked_up(context, content, index)
    if not isinstance(index, Const):
        raise context.cannot("a key that is not known")
    found = dict(content.items).get(index.value, UNBOUND)
    if found == UNBOUND:
        raise context.trap(f"no key `{index.value}`", error="KeyError")
    return bound_name(context, found, "KeyError")


def _looked_up(context: Context, content: Dict, index: Scalar) -> Value:
    """A dict whose keys are ints or truths, by a number."""
    keys = [key for key, _ in content.items]
    if not all(type(key) in (int, bool) for key in keys):
        raise context.cannot("a key that is not known")
    where = context.routine("index_of", Tup(tuple(Const(key) for key in keys)), index)
    return item(context, Tup(tuple(value for _, value in content.items)), where)


HANDLERS: Handlers = {ast.Subscript: _subscript}
