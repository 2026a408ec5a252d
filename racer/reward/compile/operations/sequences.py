"""Lists, tuples and small arrays: what they hold, and how long they are."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import present
from racer.reward.compile.values.heap import Broken, Dict, Items, Seq
from racer.reward.compile.values.kinds import as_kind
from racer.reward.compile.values.value import UNBOUND, Const, Lazy, Maybe, Range, Ref, Scalar, Tup, Value


def contents(context: Context, value: Value) -> Items | Seq:
    """The contents of a list, tuple or array."""
    value = present(context, value)
    if isinstance(value, Tup):
        return Items(value.type, value.items, True)
    if isinstance(value, Ref):
        content = context.content(value.id)
        if isinstance(content, (Items, Seq)):
            return content
        if isinstance(content, Broken):
            raise context.cannot(content.reason)
    raise context.cannot("a value that is no list where one is needed")


def is_sequence(context: Context, value: Value) -> bool:
    """Whether a value is a list, tuple or array."""
    if isinstance(value, Tup):
        return value.type in ("tuple", "list", "ndarray", "set")
    return isinstance(value, Ref) and isinstance(context.content(value.id), (Items, Seq))


def type_of(context: Context, value: Value) -> str:
    """`list`, `tuple`, `ndarray`, ... ; empty for what is no sequence."""
    return contents(context, value).type if is_sequence(context, value) else ""


def make(context: Context, type: str, items: tuple[Value, ...]) -> Value:
    """A new sequence of known length."""
    return context.new(Items(type, items)) if type == "list" or len(items) > 8 else Tup(items, type)


def length(context: Context, value: Value) -> Scalar | Const:
    """`len(value)`."""
    value = present(context, value)
    if isinstance(value, Const) and isinstance(value.value, str):
        return Const(len(value.value))
    if isinstance(value, Range):
        return _range_length(context, value)
    if isinstance(value, Lazy):
        lengths = [length(context, part) for part in (value.parts if value.kind == "zip" else value.parts[:1])]
        return _least(context, lengths)
    if isinstance(value, Ref) and isinstance(content := context.content(value.id), Dict):
        if any(item != present_or_none(item) for _, item in content.items):
            raise context.cannot("the length of a dict that changes")
        return Const(len(content.items))
    found = contents(context, value)
    if isinstance(found, Items):
        return Const(len(found.items))
    assert isinstance(found.length, (Scalar, Const))
    return found.length


def present_or_none(value: Value) -> Value | None:
    """The value where it certainly is there."""
    return None if value == UNBOUND or (isinstance(value, Maybe) and value.unbound) else value


def _least(context: Context, lengths: list[Scalar | Const]) -> Scalar | Const:
    result = lengths[0]
    for other in lengths[1:]:
        if isinstance(result, Const) and isinstance(other, Const):
            result = Const(min(result.value, other.value))
        else:
            result = Scalar("i", context.temp(f"min({as_kind(result, 'i')}, {as_kind(other, 'i')})"))
    return result


def _range_length(context: Context, value: Range) -> Scalar | Const:
    start, stop, step = value.start, value.stop, value.step
    if isinstance(start, Const) and isinstance(stop, Const):
        return Const(len(range(start.value, stop.value, step)))
    low, high = (start, stop) if step > 0 else (stop, start)
    count = f"({as_kind(high, 'i')} - {as_kind(low, 'i')} + {abs(step) - 1}) // {abs(step)}"
    if abs(step) == 1:
        count = f"{as_kind(high, 'i')} - {as_kind(low, 'i')}"
    return Scalar("i", context.temp(f"max(0, {count})", "count"))
