"""Slices: parts of known sequences, and views into arrays."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import as_index, present
from racer.reward.compile.operations.sequence_places import in_memory, table
from racer.reward.compile.operations.sequences import contents, make
from racer.reward.compile.values.heap import Items, Seq
from racer.reward.compile.values.kinds import as_kind
from racer.reward.compile.values.value import Const, Scalar, Value


def part(context: Context, value: Value, lower: Value | None, upper: Value | None, step: Value | None) -> Value:
    """`value[lower:upper:step]`."""
    value = present(context, value)
    if step is not None and not (isinstance(step, Const) and isinstance(step.value, int) and step.value):
        raise context.cannot("a slice with a step that is not known")
    by = step.value if isinstance(step, Const) and step.value is not None else 1
    ends = [None if e is None or e == Const(None) else as_index(context, e) for e in (lower, upper)]
    if isinstance(value, Const) and isinstance(value.value, str):
        if all(e is None or isinstance(e, Const) for e in ends):
            first, last = (e.value if isinstance(e, Const) else None for e in ends)
            return Const(value.value[slice(first, last, by)])
        raise context.cannot("a part of a string")
    found = contents(context, value)
    if isinstance(found, Items) and all(e is None or isinstance(e, Const) for e in ends):
        bounds = [e.value if isinstance(e, Const) else None for e in ends]
        return make(context, found.type, found.items[bounds[0] : bounds[1] : by])
    if isinstance(found, Items):
        found = table(context, found) or in_memory(context, found, ("part", context.site()))
    return _view(context, found, ends, by)


def _view(context: Context, found: Seq, ends: list[Scalar | Const | None], by: int) -> Value:
    n = as_kind(found.length, "i")
    if by < 0:
        if by != -1 or any(e is not None for e in ends):
            raise context.cannot("a slice that goes backwards")
        start, count = context.temp(f"{n} - 1"), found.length
    else:
        start = _clipped(context, ends[0], n, "0")
        stop = _clipped(context, ends[1], n, n)
        rows = f"{stop} - {start}" if by == 1 else f"({stop} - {start} + {by - 1}) // {by}"
        count = Scalar("i", context.temp(f"max(0, {rows})", "count"), bound=2.0**31)
    offset = context.temp(context.address(found, start), "row")
    view = Seq(found.type, found.array, offset, count, found.stride * by, found.shape)
    if found.array in "MS":
        view = in_memory(context, view, ("part", context.site()))
    return context.new(view)


def _clipped(context: Context, end: Scalar | Const | None, n: str, default: str) -> str:
    if end is None:
        return default
    expr = as_kind(end, "i")
    if isinstance(end, Const):
        return context.temp(f"max(0, {n} - {-end.value})" if end.value < 0 else f"min({expr}, {n})")
    return context.temp(f"min(max(0, {expr} + {n} if {expr} < 0 else {expr}), {n})")
