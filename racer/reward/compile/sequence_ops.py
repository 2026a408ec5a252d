"""Sequences put where an index that is not known can reach them: into the table, or into memory.

Items of sequences: by a known number, by one that is not, and one after the other.

Slices: parts of known sequences, and views into arrays.

Changes to lists and arrays.

A loop over anything: written as a loop, or, where its items differ, written out.
"""

from __future__ import annotations

from collections.abc import Callable

from racer.reward.compile.coercion import (
    as_index,
    as_number,
    contents_of,
    is_sequence,
    length_of,
    make_sequence,
    require_value,
)
from racer.reward.compile.control_flow import BlockExits, Context
from racer.reward.compile.emitter import LIST_CAPACITY, copy_elements, leaf_values, shape_of
from racer.reward.compile.errors import ENDLESS, UNCOVERED
from racer.reward.compile.values import (
    ArraySequence,
    Constant,
    Content,
    DictContents,
    FixedSequence,
    LazyIterable,
    NumberShape,
    ObjectRef,
    RangeValue,
    RecordShape,
    Scalar,
    Shape,
    TupleValue,
    Value,
    as_kind,
    join_shapes,
    literal,
    refs_of,
    shape_width,
)


def in_table(context: Context, found: FixedSequence) -> ArraySequence | None:
    """The same sequence in the table, where it holds constants of one shape only."""
    shape: Shape | None = None
    numbers: list[float] = []
    for value in found.items:
        one = shape_of(value, context)
        shape = one if shape is None else join_shapes(shape, one)
        if shape is None or one is None:
            return None
        for leaf in leaf_values(value, context):
            if not isinstance(leaf, Constant):
                return None
            numbers.append(float(leaf.value))
    if shape is None:
        return None
    key = (found, shape)
    known = context.tables.get(key)
    if known is None:
        known = context.add_table(numbers)
        context.tables[key] = known
    return ArraySequence(found.type, "T", str(known), Constant(len(found.items)), shape_width(shape), shape)


def in_memory(context: Context, found: FixedSequence | ArraySequence, site: object) -> ArraySequence:
    """The same sequence in memory that may be written, copied there."""
    if isinstance(found, ArraySequence) and found.capacity:
        return found
    shape: Shape | None = None
    if isinstance(found, ArraySequence):
        shape = found.shape
    else:
        for value in found.items:
            one = shape_of(value, context)
            shape = one if shape is None else join_shapes(shape, one)
            if shape is None:
                raise context.unsupported("a list whose items have several shapes")
    shape = shape or NumberShape("f")
    size = shape_width(shape)
    offset = context.region(site, LIST_CAPACITY * size)
    count: Value = Constant(len(found.items)) if isinstance(found, FixedSequence) else found.length
    seq = ArraySequence(found.type, "M", str(offset), count, size, shape, LIST_CAPACITY)
    copy_elements(context, found, seq, context.state)
    return seq


CHAIN_ITEMS_MAX = 12
"""Items that are told apart by a chain of tests where they fit no table."""


def get_item(context: Context, value: Value, index: Value) -> Value:
    """`value[index]`, the index checked as Python does."""
    value = require_value(context, value)
    if isinstance(value, TupleValue) and value.type == "ndarray" and isinstance(index, TupleValue):
        raise context.unsupported("an index of an array")
    if isinstance(index, TupleValue):
        return _item_2d(context, value, index)
    where = as_index(context, index)
    n = length_of(context, value)
    if isinstance(where, Constant) and isinstance(n, Constant):
        k = where.value + n.value if where.value < 0 else where.value
        if not 0 <= k < n.value:
            raise context.trap("an index out of range", error="IndexError")
        return element_at(context, value, Constant(k))
    count = as_kind(n, "i")
    expr = as_kind(where, "i")
    if isinstance(where, Constant):
        checked: Scalar | Constant = where
        if where.value < 0:
            checked = Scalar("i", context.temp(f"{count} - {-where.value}"), bound=2.0**31)
            context.trap_if(f"{checked.expr} < 0", error="IndexError")
        else:
            context.trap_if(f"{expr} >= {count}", error="IndexError")
        return element_at(context, value, checked)
    name = context.temp(f"{expr} + {count} if {expr} < 0 else {expr}", "at")
    context.trap_if(f"{name} < 0 or {name} >= {count}", error="IndexError")
    return element_at(context, value, Scalar("i", name, bound=2.0**31))


def _item_2d(context: Context, value: Value, index: TupleValue) -> Value:
    found = contents_of(context, value)
    if found.type != "ndarray" or len(index.items) != 2:
        raise context.trap("an index of a wrong type")
    return get_item(context, get_item(context, value, index.items[0]), index.items[1])


def element_at(context: Context, value: Value, index: Scalar | Constant) -> Value:
    """Item number `index`, which is known to exist."""
    value = require_value(context, value)
    if isinstance(value, Constant) and isinstance(value.value, str):
        if isinstance(index, Constant):
            return Constant(value.value[index.value])
        raise context.unsupported("a character of a string")
    if isinstance(value, RangeValue):
        if isinstance(index, Constant) and isinstance(value.start, Constant):
            return Constant(value.start.value + value.step * index.value)
        start = as_kind(value.start, "i")
        at = as_kind(index, "i")
        step = at if value.step == 1 else f"{value.step} * {at}"
        bound = max(_end_bound(value.start), _end_bound(value.stop)) + abs(value.step)
        return Scalar("i", step if start == "0" and value.step == 1 else f"({start} + {step})", bound=bound)
    if isinstance(value, LazyIterable):
        return _lazy_element(context, value, index)
    found = contents_of(context, value)
    if isinstance(found, ArraySequence):
        return load_element(context, found, as_kind(index, "i"))
    if isinstance(index, Constant):
        return found.items[index.value]
    return _choose_item(context, found, index)


def _end_bound(value: Value) -> float:
    return (
        value.bound
        if isinstance(value, Scalar)
        else float(abs(value.value))
        if isinstance(value, Constant)
        else 2.0**53
    )


def _lazy_element(context: Context, value: LazyIterable, index: Scalar | Constant) -> Value:
    if value.kind == "enumerate":
        return TupleValue((_shifted(index, value.parts[1]), element_at(context, value.parts[0], index)))
    if value.kind == "zip":
        return TupleValue(tuple(element_at(context, part, index) for part in value.parts))
    last = length_of(context, value.parts[0])
    if isinstance(last, Constant) and isinstance(index, Constant):
        return element_at(context, value.parts[0], Constant(last.value - 1 - index.value))
    name = context.temp(f"{as_kind(last, 'i')} - 1 - {as_kind(index, 'i')}", "at")
    return element_at(context, value.parts[0], Scalar("i", name, bound=2.0**31))


def _shifted(index: Scalar | Constant, start: Value) -> Value:
    assert isinstance(start, Constant)
    if start.value == 0:
        return index
    if isinstance(index, Constant):
        return Constant(index.value + start.value)
    return Scalar("i", f"({index.expr} + {literal(start.value)})", bound=index.bound + abs(start.value))


def load_element(context: Context, seq: ArraySequence, index: str) -> Value:
    """Element `index` of a sequence in an array."""
    base = context.address(seq, index)
    if isinstance(seq.shape, RecordShape) and shape_width(seq.shape) > 1:
        base = context.temp(base, "at")
    return _load_shape(context, seq, base, 0, seq.shape)


def _load_shape(context: Context, seq: ArraySequence, base: str, shift: int, shape: Shape) -> Value:
    at = f"{base} + {shift}" if shift else base
    if isinstance(shape, NumberShape):
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
            raise context.unsupported("a wide row of several shapes")
        offset = context.temp(at, "row")
        return context.new_object(
            ArraySequence(shape.type, seq.array, offset, Constant(len(shape.items)), shape_width(common), common)
        )
    items = []
    for inner in shape.items:
        items.append(_load_shape(context, seq, base, shift, inner))
        shift += shape_width(inner)
    return TupleValue(tuple(items), shape.type)


def _choose_item(context: Context, found: FixedSequence, index: Scalar) -> Value:
    """An item of a sequence of known length by a number that is not."""
    seq = in_table(context, found)
    if seq is not None:
        return load_element(context, seq, index.expr)
    if len(found.items) > CHAIN_ITEMS_MAX or not found.items:
        raise context.unsupported("an index into a list of several types")

    def pick(k: int) -> Value:
        if k == len(found.items) - 1:
            return found.items[k]
        return context.choose(f"{index.expr} == {k}", lambda: found.items[k], lambda: pick(k + 1))

    return pick(0)


def iteration_plan(
    context: Context, value: Value
) -> tuple[Scalar | Constant, Callable[[Scalar | Constant], Value], bool]:
    """What a `for` needs: how many items, item by number, and whether the numbers must be known."""
    value = require_value(context, value)
    if isinstance(value, ObjectRef) and isinstance(content := context.content(value.id), DictContents):
        value = TupleValue(tuple(Constant(key) for key, _ in content.items))
    if is_sequence(context, value):
        found = contents_of(context, value)
        if found.type == "set":
            raise context.unsupported("a loop over a set")
    n = length_of(context, value)
    return n, lambda index: element_at(context, value, index), _items_differ(context, value)


def _items_differ(context: Context, value: Value) -> bool:
    """Whether items differ so much that a loop over them has to be written out."""
    if isinstance(value, LazyIterable):
        return any(
            _items_differ(context, p) for p in value.parts if not (isinstance(p, Constant) and isinstance(p.value, int))
        )
    if isinstance(value, Constant):
        return True
    if not is_sequence(context, value):
        return False
    found = contents_of(context, value)
    return isinstance(found, FixedSequence) and bool(found.items) and in_table(context, found) is None


def get_slice(context: Context, value: Value, lower: Value | None, upper: Value | None, step: Value | None) -> Value:
    """`value[lower:upper:step]`."""
    value = require_value(context, value)
    if step is not None and not (isinstance(step, Constant) and isinstance(step.value, int) and step.value):
        raise context.unsupported("a slice with a step that is not known")
    by = step.value if isinstance(step, Constant) and step.value is not None else 1
    ends = [None if e is None or e == Constant(None) else as_index(context, e) for e in (lower, upper)]
    if isinstance(value, Constant) and isinstance(value.value, str):
        if all(e is None or isinstance(e, Constant) for e in ends):
            first, last = (e.value if isinstance(e, Constant) else None for e in ends)
            return Constant(value.value[slice(first, last, by)])
        raise context.unsupported("a part of a string")
    found = contents_of(context, value)
    if isinstance(found, FixedSequence) and all(e is None or isinstance(e, Constant) for e in ends):
        bounds = [e.value if isinstance(e, Constant) else None for e in ends]
        return make_sequence(context, found.type, found.items[bounds[0] : bounds[1] : by])
    if isinstance(found, FixedSequence):
        found = in_table(context, found) or in_memory(context, found, ("part", context.site()))
    return _slice_view(context, found, ends, by)


def _slice_view(context: Context, found: ArraySequence, ends: list[Scalar | Constant | None], by: int) -> Value:
    n = as_kind(found.length, "i")
    if by < 0:
        if by != -1 or any(e is not None for e in ends):
            raise context.unsupported("a slice that goes backwards")
        start, count = context.temp(f"{n} - 1"), found.length
    else:
        start = _clipped_end(context, ends[0], n, "0")
        stop = _clipped_end(context, ends[1], n, n)
        rows = f"{stop} - {start}" if by == 1 else f"({stop} - {start} + {by - 1}) // {by}"
        count = Scalar("i", context.temp(f"max(0, {rows})", "count"), bound=2.0**31)
    offset = context.temp(context.address(found, start), "row")
    view = ArraySequence(found.type, found.array, offset, count, found.stride * by, found.shape)
    if found.array in "MS":
        view = in_memory(context, view, ("part", context.site()))
    return context.new_object(view)


def _clipped_end(context: Context, end: Scalar | Constant | None, n: str, default: str) -> str:
    if end is None:
        return default
    expr = as_kind(end, "i")
    if isinstance(end, Constant):
        return context.temp(f"max(0, {n} - {-end.value})" if end.value < 0 else f"min({expr}, {n})")
    return context.temp(f"min(max(0, {expr} + {n} if {expr} < 0 else {expr}), {n})")


def require_writable(context: Context, value: Value) -> tuple[ObjectRef, FixedSequence | ArraySequence]:
    """A list that may be changed."""
    value = require_value(context, value)
    found = contents_of(context, value)
    if found.type == "tuple":
        raise context.trap("a tuple is changed")
    if not isinstance(value, ObjectRef) or found.frozen or found.type not in ("list", "ndarray"):
        raise context.unsupported("a change of a list that has another name")
    return value, found


def freeze_inner(context: Context, value: Value) -> Value:
    """A value that is stored in memory: objects inside it may not change any more."""
    for id in refs_of(value):
        content = context.content(id)
        if isinstance(content, FixedSequence):
            context.state.heap[id] = FixedSequence(content.type, content.items, True)
            for inner in content.items:
                freeze_inner(context, inner)
    return value


def set_item(context: Context, target: Value, index: Value, value: Value) -> None:
    """`target[index] = value`."""
    target = require_value(context, target)
    if isinstance(target, ObjectRef) and isinstance(content := context.content(target.id), DictContents):
        set_key(context, target, content, index, value)
        return
    ref, found = require_writable(context, target)
    where = as_index(context, index)
    if found.type == "ndarray":
        number = as_number(context, value)
        value = Scalar("f", as_kind(number, "f"), True)
        if any(s is None or not isinstance(s, NumberShape) or s.kind != "f" for s in _leaf_shapes(context, found)):
            raise context.unsupported("a change of an array that is not a row of floats")
    if isinstance(found, FixedSequence) and isinstance(where, Constant):
        k = where.value + len(found.items) if where.value < 0 else where.value
        if not 0 <= k < len(found.items):
            raise context.trap("an index out of range", error="IndexError")
        context.state.heap[ref.id] = FixedSequence(found.type, (*found.items[:k], value, *found.items[k + 1 :]))
        return
    seq = in_memory(context, found, ("put", context.site()))
    n = as_kind(seq.length, "i")
    expr = as_kind(where, "i")
    name = context.temp(f"{expr} + {n} if {expr} < 0 else {expr}", "at")
    context.trap_if(f"{name} < 0 or {name} >= {n}", error="IndexError")
    context.state.heap[ref.id] = _store_element(context, seq, name, value, seq.length)


def _leaf_shapes(context: Context, found: FixedSequence | ArraySequence) -> list[Shape | None]:
    return [found.shape] if isinstance(found, ArraySequence) else [shape_of(v, context) for v in found.items]


def set_key(context: Context, ref: ObjectRef, content: DictContents, key: Value, value: Value) -> None:
    """`target[key] = value` for a dict."""
    if not isinstance(key, Constant):
        raise context.unsupported("a dict with a key that is not known")
    items = dict(content.items)
    items[key.value] = value
    context.state.heap[ref.id] = DictContents(tuple(items.items()))


def _store_element(context: Context, seq: ArraySequence, at: str, value: Value, count: Value) -> ArraySequence:
    shape = shape_of(value, context)
    empty = isinstance(seq.length, Constant) and seq.length.value == 0
    joined = shape if empty else join_shapes(seq.shape, shape)
    if shape is None or joined is None:
        raise context.unsupported("a list whose items have several shapes")
    if shape_width(joined) != seq.stride:
        raise context.unsupported("a list whose items change their shape")
    freeze_inner(context, value)
    for j, leaf in enumerate(leaf_values(value, context)):
        context.write(f"{seq.array}[{seq.offset} + {seq.stride} * {at} + {j}] = {as_kind(leaf, 'f')}")
    return ArraySequence(seq.type, seq.array, seq.offset, count, seq.stride, joined, seq.capacity)


def append(context: Context, target: Value, value: Value) -> None:
    """`target.append(value)`."""
    ref, found = require_writable(context, target)
    if isinstance(found, FixedSequence):
        context.state.heap[ref.id] = FixedSequence(found.type, (*found.items, value))
        return
    seq = in_memory(context, found, ("append", context.site()))
    count = as_kind(seq.length, "i")
    context.trap_if(f"{count} >= {seq.capacity}", UNCOVERED)
    longer = Scalar("i", context.temp(f"{count} + 1", "length"), bound=2.0**31)
    context.state.heap[ref.id] = _store_element(context, seq, count, value, longer)


def pop_last(context: Context, target: Value) -> Value:
    """`target.pop()`."""
    ref, found = require_writable(context, target)
    if isinstance(found, FixedSequence):
        if not found.items:
            raise context.trap("pop from an empty list", error="IndexError")
        context.state.heap[ref.id] = FixedSequence(found.type, found.items[:-1])
        return found.items[-1]
    seq = in_memory(context, found, ("pop", context.site()))
    count = as_kind(seq.length, "i")
    context.trap_if(f"{count} <= 0", error="IndexError")
    name = context.temp(f"{count} - 1", "length")
    value = load_element(context, seq, name)
    fields = (seq.type, seq.array, seq.offset, Scalar("i", name, bound=2.0**31), seq.stride, seq.shape, seq.capacity)
    context.state.heap[ref.id] = ArraySequence(*fields)
    return value


def set_contents(context: Context, target: Value, content: Content) -> None:
    """Give a list new contents."""
    ref, _ = require_writable(context, target)
    context.state.heap[ref.id] = content


UNROLL_MAX = 16
"""Rounds of a loop that is written out."""


def for_each(
    context: Context,
    iterable: Value,
    body: Callable[[Value, BlockExits, BlockExits], None],
    *,
    jumps: bool,
    orelse: Callable[[], None] | None = None,
    drop: set[tuple[int, str]] | None = None,
    small: int = 0,
) -> None:
    """A loop over anything; loops of few rounds over what differs are written out.

    Args:
        body: called with the item, the target of `break` and the target of `continue`.
        jumps: the body may jump.
        orelse: what runs where the loop ends by itself.
        drop: names that the head need not know.
        small: a known number of rounds up to which the loop is written out in any case.
    """
    iterable = require_value(context, iterable)
    n, get, uneven = iteration_plan(context, iterable)
    if isinstance(n, Constant) and (n.value <= small or (uneven and n.value <= UNROLL_MAX)):
        _unrolled(context, iterable, n.value, get, body, jumps, orelse)
        return
    if uneven:
        raise context.unsupported("a loop over values of several types")
    count = as_kind(n, "i")
    context.write(f"budget -= {count}")
    context.trap_if("budget < 0", ENDLESS)
    line = context.line
    counter = context.new_name("k")
    context.write(f"{counter} = -1")

    def ended(target: BlockExits) -> None:
        if orelse:
            orelse()
        raise context.leave(target)

    def run(target: BlockExits) -> None:
        at = context.new_name("k")
        context.write(f"{counter} += 1")
        context.write(f"{at} = {counter}")
        now = count if isinstance(iterable, RangeValue) else as_kind(length_of(context, iterable), "i")
        context.line = line
        if now != count:  # the body changes the list that it goes over
            context.write("budget -= 1")
            context.trap_if("budget < 0", ENDLESS)
        context.branch(f"{at} >= {now}", lambda: ended(target))
        body(get(Scalar("i", at, bound=2.0**31)), target, target)

    context.loop(run, drop)


def _unrolled(
    context: Context,
    iterable: Value,
    count: int,
    get: Callable[[Scalar | Constant], Value],
    body: Callable[[Value, BlockExits, BlockExits], None],
    jumps: bool,
    orelse: Callable[[], None] | None,
) -> None:
    path = context.path

    def rounds(leave: BlockExits) -> None:
        for k in range(count):
            context.path = (*path, ("round", k))
            if length_of(context, iterable) != Constant(count):
                raise context.unsupported("a loop that changes the list that it goes over")
            value = get(Constant(k))
            if jumps:
                context.breakable(lambda again, v=value: body(v, leave, again))  # type: ignore[misc]
            else:
                body(value, leave, leave)
        if length_of(context, iterable) != Constant(count):
            raise context.unsupported("a loop that changes the list that it goes over")
        if orelse:
            orelse()

    try:
        if jumps:
            context.breakable(rounds)
        else:
            rounds(BlockExits())
    finally:
        context.path = path
