"""Items of sequences: by a known number, by one that is not, and one after the other."""

from __future__ import annotations

from collections.abc import Callable

from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import as_index, present
from racer.reward.compile.operations.sequence_places import table
from racer.reward.compile.operations.sequences import contents, is_sequence, length
from racer.reward.compile.values.heap import Dict, Items, Seq
from racer.reward.compile.values.kinds import as_kind, literal
from racer.reward.compile.values.shapes import Leaf, Rec, Shape, join_shapes, width
from racer.reward.compile.values.value import Const, Lazy, Range, Ref, Scalar, Tup, Value

CHAIN = 12
"""Items that are told apart by a chain of tests where they fit no table."""


def item(context: Context, value: Value, index: Value) -> Value:
    """`value[index]`, the index checked as Python does."""
    value = present(context, value)
    if isinstance(value, Tup) and value.type == "ndarray" and isinstance(index, Tup):
        raise context.cannot("an index of an array")
    if isinstance(index, Tup):
        return _item_2d(context, value, index)
    where = as_index(context, index)
    n = length(context, value)
    if isinstance(where, Const) and isinstance(n, Const):
        k = where.value + n.value if where.value < 0 else where.value
        if not 0 <= k < n.value:
            raise context.trap("an index out of range", error="IndexError")
        return element(context, value, Const(k))
    count = as_kind(n, "i")
    expr = as_kind(where, "i")
    if isinstance(where, Const):
        checked: Scalar | Const = where
        if where.value < 0:
            checked = Scalar("i", context.temp(f"{count} - {-where.value}"), bound=2.0**31)
            context.trap_if(f"{checked.expr} < 0", error="IndexError")
        else:
            context.trap_if(f"{expr} >= {count}", error="IndexError")
        return element(context, value, checked)
    name = context.temp(f"{expr} + {count} if {expr} < 0 else {expr}", "at")
    context.trap_if(f"{name} < 0 or {name} >= {count}", error="IndexError")
    return element(context, value, Scalar("i", name, bound=2.0**31))


def _item_2d(context: Context, value: Value, index: Tup) -> Value:
    found = contents(context, value)
    if found.type != "ndarray" or len(index.items) != 2:
        raise context.trap("an index of a wrong type")
    return item(context, item(context, value, index.items[0]), index.items[1])


def element(context: Context, value: Value, index: Scalar | Const) -> Value:
    """Item number `index`, which is known to exist."""
    value = present(context, value)
    if isinstance(value, Const) and isinstance(value.value, str):
        if isinstance(index, Const):
            return Const(value.value[index.value])
        raise context.cannot("a character of a string")
    if isinstance(value, Range):
        if isinstance(index, Const) and isinstance(value.start, Const):
            return Const(value.start.value + value.step * index.value)
        start = as_kind(value.start, "i")
        at = as_kind(index, "i")
        step = at if value.step == 1 else f"{value.step} * {at}"
        bound = max(_end_bound(value.start), _end_bound(value.stop)) + abs(value.step)
        return Scalar("i", step if start == "0" and value.step == 1 else f"({start} + {step})", bound=bound)
    if isinstance(value, Lazy):
        return _lazy_element(context, value, index)
    found = contents(context, value)
    if isinstance(found, Seq):
        return load(context, found, as_kind(index, "i"))
    if isinstance(index, Const):
        return found.items[index.value]
    return _chosen(context, found, index)


def _end_bound(value: Value) -> float:
    return (
        value.bound if isinstance(value, Scalar) else float(abs(value.value)) if isinstance(value, Const) else 2.0**53
    )


def _lazy_element(context: Context, value: Lazy, index: Scalar | Const) -> Value:
    if value.kind == "enumerate":
        return Tup((_shifted(index, value.parts[1]), element(context, value.parts[0], index)))
    if value.kind == "zip":
        return Tup(tuple(element(context, part, index) for part in value.parts))
    last = length(context, value.parts[0])
    if isinstance(last, Const) and isinstance(index, Const):
        return element(context, value.parts[0], Const(last.value - 1 - index.value))
    name = context.temp(f"{as_kind(last, 'i')} - 1 - {as_kind(index, 'i')}", "at")
    return element(context, value.parts[0], Scalar("i", name, bound=2.0**31))


def _shifted(index: Scalar | Const, start: Value) -> Value:
    assert isinstance(start, Const)
    if start.value == 0:
        return index
    if isinstance(index, Const):
        return Const(index.value + start.value)
    return Scalar("i", f"({index.expr} + {literal(start.value)})", bound=index.bound + abs(start.value))


def load(context: Context, seq: Seq, index: str) -> Value:
    """Element `index` of a sequence in an array."""
    base = context.address(seq, index)
    if isinstance(seq.shape, Rec) and width(seq.shape) > 1:
        base = context.temp(base, "at")
    return _load(context, seq, base, 0, seq.shape)


def _load(context: Context, seq: Seq, base: str, shift: int, shape: Shape) -> Value:
    at = f"{base} + {shift}" if shift else base
    if isinstance(shape, Leaf):
        read = f"{seq.array}[{at}]"
        if shape.kind == "i":
            read = f"int({read})"
        elif shape.kind == "b":
            read = f"({read} != 0.0)"
        if seq.array in "MS":
            read = context.temp(read)
        return Scalar(shape.kind, read, shape.numpy)
    if len(shape.items) > 8:
        common: Shape | None = shape.items[0]
        for other in shape.items[1:]:
            common = join_shapes(common, other)
        if common is None:
            raise context.cannot("a wide row of several shapes")
        offset = context.temp(at, "row")
        return context.new(Seq(shape.type, seq.array, offset, Const(len(shape.items)), width(common), common))
    items = []
    for inner in shape.items:
        items.append(_load(context, seq, base, shift, inner))
        shift += width(inner)
    return Tup(tuple(items), shape.type)


def _chosen(context: Context, found: Items, index: Scalar) -> Value:
    """An item of a sequence of known length by a number that is not."""
    seq = table(context, found)
    if seq is not None:
        return load(context, seq, index.expr)
    if len(found.items) > CHAIN or not found.items:
        raise context.cannot("an index into a list of several types")

    def pick(k: int) -> Value:
        if k == len(found.items) - 1:
            return found.items[k]
        return context.choose(f"{index.expr} == {k}", lambda: found.items[k], lambda: pick(k + 1))

    return pick(0)


def iteration(context: Context, value: Value) -> tuple[Scalar | Const, Callable[[Scalar | Const], Value], bool]:
    """What a `for` needs: how many items, item by number, and whether the numbers must be known."""
    value = present(context, value)
    if isinstance(value, Ref) and isinstance(content := context.content(value.id), Dict):
        value = Tup(tuple(Const(key) for key, _ in content.items))
    if is_sequence(context, value):
        found = contents(context, value)
        if found.type == "set":
            raise context.cannot("a loop over a set")
    n = length(context, value)
    return n, lambda index: element(context, value, index), _uneven(context, value)


def _uneven(context: Context, value: Value) -> bool:
    """Whether items differ so much that a loop over them has to be written out."""
    if isinstance(value, Lazy):
        return any(_uneven(context, p) for p in value.parts if not (isinstance(p, Const) and isinstance(p.value, int)))
    if isinstance(value, Const):
        return True
    if not is_sequence(context, value):
        return False
    found = contents(context, value)
    return isinstance(found, Items) and bool(found.items) and table(context, found) is None
