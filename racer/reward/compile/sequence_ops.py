"""Operations on sequences: items, slices, changes, and loops over the items.

A sequence of known length is a tuple of values while the translator can keep it so. Where an index is not known, it
moves: constants of one shape into the kernel's table, other items into a region of memory. A slice of an array is a
view with another offset, length and stride; a slice of memory, which may be written later, is a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

from racer.reward.compile import values as ir
from racer.reward.compile.coercion import (
    as_index,
    as_number,
    contents_of,
    dict_of,
    is_sequence,
    length_of,
    make_sequence,
    require_value,
)
from racer.reward.compile.control_flow import BlockExits, Context
from racer.reward.compile.emitter import LIST_CAPACITY, copy_elements, leaf_values, shape_of
from racer.reward.compile.errors import ENDLESS, UNCOVERED
from racer.reward.compile.values import Value

# Items of several types that an unknown index selects by a chain of tests.
CHAIN_ITEMS_MAX = 12
# Numbers of a row that are read one by one; a wider row is a view.
_ROW_ITEMS_MAX = 8
# Iterations up to which a loop over items of several types is unrolled.
UNROLL_MAX = 16


def _common_shape(context: Context, items: tuple[Value, ...]) -> ir.Shape | None:
    """Return the shape that holds all items; None where there is none, or there are no items."""
    return reduce(ir.join_shapes, [shape_of(item, context) for item in items]) if items else None


def in_table(context: Context, sequence: ir.FixedSequence) -> ir.ArraySequence | None:
    """Return the same sequence in the table; None where it does not hold constants of one shape only."""
    shape = _common_shape(context, sequence.items)
    leaves = [leaf for item in sequence.items for leaf in leaf_values(item, context)] if shape else []
    numbers = [float(leaf.value) for leaf in leaves if isinstance(leaf, ir.Constant)]
    if shape is None or len(numbers) < len(leaves):
        return None
    # Equal sequences share their numbers, also those of another pass.
    key = (sequence, shape)
    if key not in context.tables:
        context.tables[key] = context.add_table(numbers)
    offset = str(context.tables[key])
    return ir.ArraySequence(sequence.type, "T", offset, ir.Constant(len(sequence.items)), ir.shape_width(shape), shape)


def in_memory(context: Context, sequence: ir.FixedSequence | ir.ArraySequence, site: object) -> ir.ArraySequence:
    """Return the same sequence in memory that may be written; it is copied there where it is not there yet."""
    if isinstance(sequence, ir.ArraySequence):
        # It lies in memory already.
        if sequence.capacity:
            return sequence
        shape: ir.Shape | None = sequence.shape
        count = sequence.length
    else:
        shape = _common_shape(context, sequence.items) if sequence.items else ir.NumberShape("f")
        count = ir.Constant(len(sequence.items))
    if shape is None:
        raise context.unsupported("a list whose items have several shapes")
    size = ir.shape_width(shape)
    offset = context.region(site, LIST_CAPACITY * size)
    seq = ir.ArraySequence(sequence.type, "M", str(offset), count, size, shape, LIST_CAPACITY)
    copy_elements(context, sequence, seq, context.state)
    return seq


def get_item(context: Context, value: Value, index: Value) -> Value:
    """Return `value[index]`, with the index checked as Python does."""
    value = require_value(context, value)
    if isinstance(index, ir.TupleValue):
        if isinstance(value, ir.TupleValue) and value.type == "ndarray":
            raise context.unsupported("an index of an array")
        return _item_2d(context, value, index)
    index = as_index(context, index)
    length = length_of(context, value)
    if isinstance(index, ir.Constant) and isinstance(length, ir.Constant):
        # Both are known: nothing to test when the kernel runs.
        return element_at(context, value, ir.Constant(_checked_index(context, index.value, length.value)))
    count = ir.as_kind(length, "i")
    expr = ir.as_kind(index, "i")
    if not isinstance(index, ir.Constant):
        return element_at(context, value, ir.index_scalar(_written_index(context, expr, count)))
    # One of the two tests of an unknown index is enough for a known one.
    if index.value >= 0:
        context.trap_if(f"{expr} >= {count}", error="IndexError")
        return element_at(context, value, index)
    name = context.temp(f"{count} - {-index.value}")
    context.trap_if(f"{name} < 0", error="IndexError")
    return element_at(context, value, ir.index_scalar(name))


def _checked_index(context: Context, index: int, count: int) -> int:
    """Return a known index counted from the start."""
    if not -count <= index < count:
        raise context.trap("an index out of range", error="IndexError")
    return index + count if index < 0 else index


def _written_index(context: Context, index: str, count: str) -> str:
    """Write the code that counts an index from the start and checks it, and return its name."""
    name = context.temp(f"{index} + {count} if {index} < 0 else {index}", "at")
    context.trap_if(f"{name} < 0 or {name} >= {count}", error="IndexError")
    return name


def _item_2d(context: Context, value: Value, index: ir.TupleValue) -> Value:
    if contents_of(context, value).type != "ndarray" or len(index.items) != 2:
        raise context.trap("an index of a wrong type")
    return get_item(context, get_item(context, value, index.items[0]), index.items[1])


def element_at(context: Context, value: Value, index: ir.Scalar | ir.Constant) -> Value:
    """Return item number `index`, which is known to exist."""
    value = require_value(context, value)
    if isinstance(value, ir.Constant) and isinstance(value.value, str):
        if isinstance(index, ir.Constant):
            return ir.Constant(value.value[index.value])
        raise context.unsupported("a character of a string")
    if isinstance(value, ir.RangeValue):
        return _range_element(value, index)
    if isinstance(value, ir.LazyIterable):
        return _lazy_element(context, value, index)
    sequence = contents_of(context, value)
    if isinstance(sequence, ir.ArraySequence):
        return load_element(context, sequence, ir.as_kind(index, "i"))
    if isinstance(index, ir.Constant):
        return sequence.items[index.value]
    return _choose_item(context, sequence, index)


def _range_element(value: ir.RangeValue, index: ir.Scalar | ir.Constant) -> Value:
    if isinstance(index, ir.Constant) and isinstance(value.start, ir.Constant):
        return ir.Constant(value.start.value + value.step * index.value)
    start, expr = ir.as_kind(value.start, "i"), ir.as_kind(index, "i")
    if value.step != 1:
        expr = f"{value.step} * {expr}"
    # The items lie between start and stop, or one step beyond.
    ends = [
        ir.bound_of(v) if isinstance(v, (ir.Scalar, ir.Constant)) else ir.INT_LIMIT for v in (value.start, value.stop)
    ]
    plain = start == "0" and value.step == 1
    return ir.Scalar("i", expr if plain else f"({start} + {expr})", bound=max(ends) + abs(value.step))


def _lazy_element(context: Context, value: ir.LazyIterable, index: ir.Scalar | ir.Constant) -> Value:
    if value.kind == "enumerate":
        return ir.TupleValue((_shifted(index, value.parts[1]), element_at(context, value.parts[0], index)))
    if value.kind == "zip":
        return ir.TupleValue(tuple(element_at(context, part, index) for part in value.parts))
    # `reversed`: count from the end.
    last = length_of(context, value.parts[0])
    if isinstance(last, ir.Constant) and isinstance(index, ir.Constant):
        return element_at(context, value.parts[0], ir.Constant(last.value - 1 - index.value))
    name = context.temp(f"{ir.as_kind(last, 'i')} - 1 - {ir.as_kind(index, 'i')}", "at")
    return element_at(context, value.parts[0], ir.index_scalar(name))


def _shifted(index: ir.Scalar | ir.Constant, start: Value) -> Value:
    assert isinstance(start, ir.Constant)
    if start.value == 0:
        return index
    if isinstance(index, ir.Constant):
        return ir.Constant(index.value + start.value)
    return ir.Scalar("i", f"({index.expr} + {ir.literal(start.value)})", bound=index.bound + abs(start.value))


def load_element(context: Context, seq: ir.ArraySequence, index: str) -> Value:
    """Return element `index` of a sequence in an array."""
    base = context.address(seq, index)
    if isinstance(seq.shape, ir.RecordShape) and ir.shape_width(seq.shape) > 1:
        base = context.temp(base, "at")
    return _load_shape(context, seq, base, 0, seq.shape)


def _load_shape(context: Context, seq: ir.ArraySequence, base: str, shift: int, shape: ir.Shape) -> Value:
    at = f"{base} + {shift}" if shift else base
    if isinstance(shape, ir.NumberShape):
        # Arrays hold floats; the shape holds the kind in Python.
        read = f"{seq.array}[{at}]"
        if shape.kind == "i":
            read = f"int({read})"
        elif shape.kind == "b":
            read = f"({read} != 0.0)"
        # Memory may be written before the value is used; the table and the waypoints are constant.
        return ir.Scalar(shape.kind, context.temp(read) if seq.array in "MS" else read, shape.numpy)
    if len(shape.items) > _ROW_ITEMS_MAX:
        # Only a sequence of one element shape can be a view.
        shapes: tuple[ir.Shape | None, ...] = shape.items
        common = reduce(ir.join_shapes, shapes)
        if common is None:
            raise context.unsupported("a wide row of several shapes")
        offset, count = context.temp(at, "row"), ir.Constant(len(shape.items))
        return context.new_object(
            ir.ArraySequence(shape.type, seq.array, offset, count, ir.shape_width(common), common)
        )
    items = []
    for inner in shape.items:
        items.append(_load_shape(context, seq, base, shift, inner))
        shift += ir.shape_width(inner)
    return ir.TupleValue(tuple(items), shape.type)


def _choose_item(context: Context, sequence: ir.FixedSequence, index: ir.Scalar) -> Value:
    """Return an item of a sequence of known length by an index that is not known."""
    seq = in_table(context, sequence)
    if seq is not None:
        return load_element(context, seq, index.expr)
    items = sequence.items
    if not 0 < len(items) <= CHAIN_ITEMS_MAX:
        raise context.unsupported("an index into a list of several types")
    return context.choose_number(index.expr, len(items), items.__getitem__)


def _items_differ(context: Context, value: Value) -> bool:
    """Check whether items differ so much that a loop over them has to be unrolled."""
    if isinstance(value, ir.LazyIterable):
        parts = [p for p in value.parts if not (isinstance(p, ir.Constant) and isinstance(p.value, int))]
        return any(_items_differ(context, part) for part in parts)
    if isinstance(value, ir.Constant) or not is_sequence(context, value):
        return isinstance(value, ir.Constant)
    sequence = contents_of(context, value)
    return isinstance(sequence, ir.FixedSequence) and bool(sequence.items) and in_table(context, sequence) is None


def get_slice(context: Context, value: Value, lower: Value | None, upper: Value | None, step: Value | None) -> Value:
    """Return `value[lower:upper:step]`.

    Args:
        context: The translator.
        value: The sequence or string.
        lower: First index; None where it is left out.
        upper: Index after the last; None where it is left out.
        step: Known step; None where it is left out.
    """
    value = require_value(context, value)
    if step is not None and not (isinstance(step, ir.Constant) and isinstance(step.value, int) and step.value):
        raise context.unsupported("a slice with a step that is not known")
    # A step of None is the same as none.
    by = step.value if isinstance(step, ir.Constant) and step.value is not None else 1
    ends = [None if e is None or e == ir.NONE else as_index(context, e) for e in (lower, upper)]
    start, stop = (e.value if isinstance(e, ir.Constant) else None for e in ends)
    known = slice(start, stop, by)
    is_known = not any(isinstance(e, ir.Scalar) for e in ends)
    if isinstance(value, ir.Constant) and isinstance(value.value, str):
        if is_known:
            return ir.Constant(value.value[known])
        raise context.unsupported("a part of a string")
    sequence = contents_of(context, value)
    if isinstance(sequence, ir.FixedSequence):
        if is_known:
            return make_sequence(context, sequence.type, sequence.items[known])
        sequence = in_table(context, sequence) or in_memory(context, sequence, ("part", context.site()))
    return _slice_view(context, sequence, ends, by)


def _slice_view(context: Context, seq: ir.ArraySequence, ends: list[ir.Scalar | ir.Constant | None], by: int) -> Value:
    n = ir.as_kind(seq.length, "i")
    if by < 0:
        if by != -1 or any(e is not None for e in ends):
            raise context.unsupported("a slice that goes backwards")
        # `[::-1]`: from the last element, with the stride negated below.
        start, count = context.temp(f"{n} - 1"), seq.length
    else:
        start = _clipped_end(context, ends[0], n, "0")
        stop = _clipped_end(context, ends[1], n, n)
        # Rounded up: with step 2, three items lie between 0 and 5.
        rows = f"{stop} - {start}" if by == 1 else f"({stop} - {start} + {by - 1}) // {by}"
        count = ir.index_scalar(context.temp(f"max(0, {rows})", "count"))
    offset = context.temp(context.address(seq, start), "row")
    view = ir.ArraySequence(seq.type, seq.array, offset, count, seq.stride * by, seq.shape)
    if seq.array in "MS":
        # A slice is a copy in Python; only what is never written may be shared.
        view = in_memory(context, view, ("part", context.site()))
    return context.new_object(view)


def _clipped_end(context: Context, end: ir.Scalar | ir.Constant | None, n: str, default: str) -> str:
    if end is None:
        return default
    expr = ir.as_kind(end, "i")
    if isinstance(end, ir.Constant):
        return context.temp(f"max(0, {n} - {-end.value})" if end.value < 0 else f"min({expr}, {n})")
    return context.temp(f"min(max(0, {expr} + {n} if {expr} < 0 else {expr}), {n})")


def require_writable(context: Context, value: Value) -> tuple[ir.ObjectRef, ir.FixedSequence | ir.ArraySequence]:
    """Return a list that may be changed, and its contents."""
    value = require_value(context, value)
    sequence = contents_of(context, value)
    if sequence.type == "tuple":
        raise context.trap("a tuple is changed")
    if not isinstance(value, ir.ObjectRef) or sequence.frozen or sequence.type not in ("list", "ndarray"):
        raise context.unsupported("a change of a list that has another name")
    return value, sequence


def freeze_inner(context: Context, value: Value) -> None:
    """Forbid changes of the lists inside a value that is stored in memory by its numbers."""
    for id in ir.refs_of(value):
        content = context.content(id)
        if isinstance(content, ir.FixedSequence):
            context.state.heap[id] = replace(content, frozen=True)
            for inner in content.items:
                freeze_inner(context, inner)


def set_item(context: Context, target: Value, index: Value, value: Value) -> None:
    """Translate `target[index] = value`."""
    target = require_value(context, target)
    if isinstance(target, ir.ObjectRef) and (content := dict_of(context, target)) is not None:
        if not isinstance(index, ir.Constant):
            raise context.unsupported("a dict with a key that is not known")
        items = {**dict(content.items), index.value: value}
        context.state.heap[target.id] = ir.DictContents(tuple(items.items()))
        return
    ref, sequence = require_writable(context, target)
    index = as_index(context, index)
    # An array converts what is stored to its own type; only floats are covered.
    if sequence.type == "ndarray":
        value = ir.Scalar("f", ir.as_kind(as_number(context, value), "f"), True)
        items_of = sequence.items if isinstance(sequence, ir.FixedSequence) else ()
        shapes = (
            [sequence.shape] if isinstance(sequence, ir.ArraySequence) else [shape_of(v, context) for v in items_of]
        )
        if not all(isinstance(shape, ir.NumberShape) and shape.kind == "f" for shape in shapes):
            raise context.unsupported("a change of an array that is not a row of floats")
    if isinstance(sequence, ir.FixedSequence) and isinstance(index, ir.Constant):
        k = _checked_index(context, index.value, len(sequence.items))
        items_after = (*sequence.items[:k], value, *sequence.items[k + 1 :])
        context.state.heap[ref.id] = ir.FixedSequence(sequence.type, items_after)
        return
    seq = in_memory(context, sequence, ("put", context.site()))
    name = _written_index(context, ir.as_kind(index, "i"), ir.as_kind(seq.length, "i"))
    context.state.heap[ref.id] = _store_element(context, seq, name, value, seq.length)


def _store_element(context: Context, seq: ir.ArraySequence, at: str, value: Value, count: Value) -> ir.ArraySequence:
    """Write an element into memory and return the sequence with it, of length `count`."""
    shape = shape_of(value, context)
    # The region of an empty list has a made-up shape, which the first element replaces.
    empty = isinstance(seq.length, ir.Constant) and seq.length.value == 0
    joined = shape if empty else ir.join_shapes(seq.shape, shape)
    if shape is None or joined is None:
        raise context.unsupported("a list whose items have several shapes")
    if ir.shape_width(joined) != seq.stride:
        raise context.unsupported("a list whose items change their shape")
    freeze_inner(context, value)
    for j, leaf in enumerate(leaf_values(value, context)):
        context.write(f"{seq.array}[{seq.offset} + {seq.stride} * {at} + {j}] = {ir.as_kind(leaf, 'f')}")
    return replace(seq, length=count, shape=joined, frozen=False)


def append(context: Context, target: Value, value: Value) -> None:
    """Translate `target.append(value)`."""
    ref, sequence = require_writable(context, target)
    if isinstance(sequence, ir.FixedSequence):
        context.state.heap[ref.id] = ir.FixedSequence(sequence.type, (*sequence.items, value))
        return
    seq = in_memory(context, sequence, ("append", context.site()))
    count = ir.as_kind(seq.length, "i")
    context.trap_if(f"{count} >= {seq.capacity}", UNCOVERED)
    longer = ir.index_scalar(context.temp(f"{count} + 1", "length"))
    context.state.heap[ref.id] = _store_element(context, seq, count, value, longer)


def pop_last(context: Context, target: Value) -> Value:
    """Translate `target.pop()` and return the item."""
    ref, sequence = require_writable(context, target)
    if isinstance(sequence, ir.FixedSequence):
        if not sequence.items:
            raise context.trap("pop from an empty list", error="IndexError")
        context.state.heap[ref.id] = ir.FixedSequence(sequence.type, sequence.items[:-1])
        return sequence.items[-1]
    seq = in_memory(context, sequence, ("pop", context.site()))
    count = ir.as_kind(seq.length, "i")
    context.trap_if(f"{count} <= 0", error="IndexError")
    name = context.temp(f"{count} - 1", "length")
    value = load_element(context, seq, name)
    context.state.heap[ref.id] = replace(seq, length=ir.index_scalar(name), frozen=False)
    return value


def set_contents(context: Context, target: Value, content: ir.Content) -> None:
    """Replace the contents of a list."""
    ref, _ = require_writable(context, target)
    context.state.heap[ref.id] = content


# Translates one iteration of a loop: item, target of `break`, target of `continue`.
LoopBody = Callable[[Value, BlockExits, BlockExits], None]


def for_each(
    context: Context,
    iterable: Value,
    body: LoopBody,
    *,
    jumps: bool,
    orelse: Callable[[], None] | None = None,
    drop: set[tuple[int, str]] | None = None,
    small: int = 0,
) -> None:
    """Write a loop over anything; a short loop over items of several types is unrolled.

    Args:
        context: The translator.
        iterable: What is looped over.
        body: Called with the item, the target of `break` and the target of `continue`.
        jumps: Whether the body may jump.
        orelse: Translates what runs where the loop ends by itself.
        drop: Names whose value at the loop's head is never read.
        small: Known number of iterations up to which the loop is unrolled in any case.
    """
    iterable = require_value(context, iterable)
    items = iterable
    if (content := dict_of(context, iterable)) is not None:
        items = ir.TupleValue(tuple(ir.Constant(key) for key, _ in content.items))
    if is_sequence(context, items) and contents_of(context, items).type == "set":
        raise context.unsupported("a loop over a set")
    # Items of one shape can be read by an unknown index; others need a known one.
    length = length_of(context, items)
    differ = _items_differ(context, items)
    if isinstance(length, ir.Constant) and (length.value <= small or (differ and length.value <= UNROLL_MAX)):
        _unroll(context, iterable, items, length, body, jumps, orelse)
        return
    if differ:
        raise context.unsupported("a loop over values of several types")
    _write_loop(context, iterable, items, ir.as_kind(length, "i"), body, orelse, drop)


def _write_loop(
    context: Context,
    iterable: Value,
    items: Value,
    count: str,
    body: LoopBody,
    orelse: Callable[[], None] | None,
    drop: set[tuple[int, str]] | None,
) -> None:
    """Write a loop of the kernel over items of one shape; `count` is the code of their number before the loop."""
    # The iterations of all loops of a call are counted, so that every call ends.
    context.write(f"budget -= {count}")
    context.trap_if("budget < 0", ENDLESS)
    line = context.line
    # The counter moves before the iteration, so that `continue` needs no extra code; the body reads a copy.
    counter = context.new_name("k")
    context.write(f"{counter} = -1")

    def end(target: BlockExits) -> None:
        if orelse:
            orelse()
        raise context.leave(target)

    def run(target: BlockExits) -> None:
        at = context.new_name("k")
        context.write(f"{counter} += 1")
        context.write(f"{at} = {counter}")
        length_now = count if isinstance(iterable, ir.RangeValue) else ir.as_kind(length_of(context, iterable), "i")
        context.line = line
        if length_now != count:  # the body changes the length of the list that it loops over
            context.write("budget -= 1")
            context.trap_if("budget < 0", ENDLESS)
        context.branch(f"{at} >= {length_now}", lambda: end(target))
        body(element_at(context, items, ir.index_scalar(at)), target, target)

    context.loop(run, drop)


def _unroll(
    context: Context,
    iterable: Value,
    items: Value,
    length: ir.Constant,
    body: LoopBody,
    jumps: bool,
    orelse: Callable[[], None] | None,
) -> None:
    """Unroll a loop: translate its body once for each iteration."""
    path = context.path

    def check_length() -> None:
        if length_of(context, iterable) != length:
            raise context.unsupported("a loop that changes the list that it loops over")

    def iterations(leave: BlockExits) -> None:
        for k in range(length.value):
            # Each iteration has its path, so that lists made in it lie in separate regions.
            context.path = (*path, ("round", k))
            check_length()
            value = element_at(context, items, ir.Constant(k))
            if jumps:
                context.breakable(lambda again, v=value: body(v, leave, again))  # type: ignore[misc]
            else:
                body(value, leave, leave)
        check_length()
        if orelse:
            orelse()

    try:
        if jumps:
            context.breakable(iterations)
        else:
            iterations(BlockExits())
    finally:
        context.path = path
