"""Changes to lists and arrays."""

from __future__ import annotations

from racer.reward.compile.desk.elements import leaves, shape_of
from racer.reward.compile.endings import UNCOVERED
from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import as_index, as_number, present
from racer.reward.compile.operations.sequence_items import load
from racer.reward.compile.operations.sequence_places import in_memory
from racer.reward.compile.operations.sequences import contents
from racer.reward.compile.values.heap import Content, Dict, Items, Seq, refs_of
from racer.reward.compile.values.kinds import as_kind
from racer.reward.compile.values.shapes import Leaf, Shape, join_shapes, width
from racer.reward.compile.values.value import Const, Ref, Scalar, Value


def writable(context: Context, value: Value) -> tuple[Ref, Items | Seq]:
    """A list that may be changed."""
    value = present(context, value)
    found = contents(context, value)
    if found.type == "tuple":
        raise context.trap("a tuple is changed")
    if not isinstance(value, Ref) or found.frozen or found.type not in ("list", "ndarray"):
        raise context.cannot("a change of a list that has another name")
    return value, found


def keep(context: Context, value: Value) -> Value:
    """A value that is stored in memory: objects inside it may not change any more."""
    for id in refs_of(value):
        content = context.content(id)
        if isinstance(content, Items):
            context.s.heap[id] = Items(content.type, content.items, True)
            for inner in content.items:
                keep(context, inner)
    return value


def put(context: Context, target: Value, index: Value, value: Value) -> None:
    """`target[index] = value`."""
    target = present(context, target)
    if isinstance(target, Ref) and isinstance(content := context.content(target.id), Dict):
        put_key(context, target, content, index, value)
        return
    ref, found = writable(context, target)
    where = as_index(context, index)
    if found.type == "ndarray":
        number = as_number(context, value)
        value = Scalar("f", as_kind(number, "f"), True)
        if any(s is None or not isinstance(s, Leaf) or s.kind != "f" for s in _leaf_shapes(context, found)):
            raise context.cannot("a change of an array that is not a row of floats")
    if isinstance(found, Items) and isinstance(where, Const):
        k = where.value + len(found.items) if where.value < 0 else where.value
        if not 0 <= k < len(found.items):
            raise context.trap("an index out of range", error="IndexError")
        context.s.heap[ref.id] = Items(found.type, (*found.items[:k], value, *found.items[k + 1 :]))
        return
    seq = in_memory(context, found, ("put", context.site()))
    n = as_kind(seq.length, "i")
    expr = as_kind(where, "i")
    name = context.temp(f"{expr} + {n} if {expr} < 0 else {expr}", "at")
    context.trap_if(f"{name} < 0 or {name} >= {n}", error="IndexError")
    context.s.heap[ref.id] = _store(context, seq, name, value, seq.length)


def _leaf_shapes(context: Context, found: Items | Seq) -> list[Shape | None]:
    return [found.shape] if isinstance(found, Seq) else [shape_of(v, context) for v in found.items]


def put_key(context: Context, ref: Ref, content: Dict, key: Value, value: Value) -> None:
    """`target[key] = value` for a dict."""
    if not isinstance(key, Const):
        raise context.cannot("a dict with a key that is not known")
    items = dict(content.items)
    items[key.value] = value
    context.s.heap[ref.id] = Dict(tuple(items.items()))


def _store(context: Context, seq: Seq, at: str, value: Value, count: Value) -> Seq:
    shape = shape_of(value, context)
    empty = isinstance(seq.length, Const) and seq.length.value == 0
    joined = shape if empty else join_shapes(seq.shape, shape)
    if shape is None or joined is None:
        raise context.cannot("a list whose items have several shapes")
    if width(joined) != seq.stride:
        raise context.cannot("a list whose items change their shape")
    keep(context, value)
    for j, leaf in enumerate(leaves(value, context)):
        context.write(f"{seq.array}[{seq.offset} + {seq.stride} * {at} + {j}] = {as_kind(leaf, 'f')}")
    return Seq(seq.type, seq.array, seq.offset, count, seq.stride, joined, seq.capacity)


def append(context: Context, target: Value, value: Value) -> None:
    """`target.append(value)`."""
    ref, found = writable(context, target)
    if isinstance(found, Items):
        context.s.heap[ref.id] = Items(found.type, (*found.items, value))
        return
    seq = in_memory(context, found, ("append", context.site()))
    count = as_kind(seq.length, "i")
    context.trap_if(f"{count} >= {seq.capacity}", UNCOVERED)
    longer = Scalar("i", context.temp(f"{count} + 1", "length"), bound=2.0**31)
    context.s.heap[ref.id] = _store(context, seq, count, value, longer)


def pop_last(context: Context, target: Value) -> Value:
    """`target.pop()`."""
    ref, found = writable(context, target)
    if isinstance(found, Items):
        if not found.items:
            raise context.trap("pop from an empty list", error="IndexError")
        context.s.heap[ref.id] = Items(found.type, found.items[:-1])
        return found.items[-1]
    seq = in_memory(context, found, ("pop", context.site()))
    count = as_kind(seq.length, "i")
    context.trap_if(f"{count} <= 0", error="IndexError")
    name = context.temp(f"{count} - 1", "length")
    value = load(context, seq, name)
    fields = (seq.type, seq.array, seq.offset, Scalar("i", name, bound=2.0**31), seq.stride, seq.shape, seq.capacity)
    context.s.heap[ref.id] = Seq(*fields)
    return value


def set_contents(context: Context, target: Value, content: Content) -> None:
    """Give a list new contents."""
    ref, _ = writable(context, target)
    context.s.heap[ref.id] = content
