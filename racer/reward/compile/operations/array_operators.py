"""Operators on numpy's arrays: item by item where the length is known, in a loop otherwise."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.arithmetic import binary
from racer.reward.compile.operations.sequences import contents, is_sequence
from racer.reward.compile.values.heap import Items, Seq
from racer.reward.compile.values.kinds import as_numpy
from racer.reward.compile.values.shapes import Rec
from racer.reward.compile.values.value import Tup, Value


def operate_arrays(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """Arrays of known length item by item; others in a loop."""
    sides = [contents(context, v) if is_sequence(context, v) else None for v in (one, two)]
    if all(s is None or isinstance(s, Items) for s in sides):
        counts = {len(s.items) for s in sides if isinstance(s, Items)}
        if len(counts) != 1:
            raise context.cannot("arrays of several lengths")
        rows = [
            s.items if isinstance(s, Items) else (v,) * next(iter(counts))
            for s, v in zip(sides, (one, two), strict=True)
        ]
        items = tuple(as_numpy(operate_or(context, symbol, a, b)) for a, b in zip(*rows, strict=True))
        return Tup(items, "ndarray")
    tables = [s is not None and _is_table(context, s) for s in sides]
    name = "row_left" if sides[0] else "row_right"
    if sides[0] and sides[1] and tables[0] == tables[1]:
        name = "rows"
    elif sides[0] and sides[1]:
        name = "row_left" if tables[0] else "row_right"
    return context.routine(f"{name}_{_WORDS[symbol]}", one, two)


def _is_table(context: Context, side: Items | Seq) -> bool:
    return isinstance(side.shape, Rec) if isinstance(side, Seq) else is_sequence(context, side.items[0])


_WORDS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}


def operate_or(context: Context, symbol: str, a: Value, b: Value) -> Value:
    """An operator between two items of arrays, which may be arrays."""
    if symbol not in _WORDS:
        raise context.cannot(f"the operator {symbol} on arrays")
    if is_sequence(context, a) or is_sequence(context, b):
        return operate_arrays(context, symbol, a, b)
    return binary(context, symbol, as_numpy(a), b)
