"""Lists, tuples, tables and small arrays: length, items, slices, iteration, and changes to lists."""

from __future__ import annotations

from collections.abc import Callable

from racer.reward.compile.arithmetic import as_index, as_number, present
from racer.reward.compile.context import LIST_CAPACITY, Context
from racer.reward.compile.joins import as_kind, copy_into, join_shapes, leaves, literal, shape_of
from racer.reward.compile.values import (
    UNBOUND,
    Broken,
    Const,
    Content,
    Dict,
    Items,
    Lazy,
    Leaf,
    Range,
    Rec,
    Ref,
    Scalar,
    Seq,
    Shape,
    Tup,
    Value,
    refs_of,
    width,
)

CHAIN = 12
"""Items that are told apart by a chain of tests where they fit no table."""


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
    from racer.reward.compile.values import Maybe

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


# -- reading


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
        bound = max(_bound_of(value.start), _bound_of(value.stop)) + abs(value.step)
        return Scalar("i", step if start == "0" and value.step == 1 else f"({start} + {step})", bound=bound)
    if isinstance(value, Lazy):
        return _lazy_element(context, value, index)
    found = contents(context, value)
    if isinstance(found, Seq):
        return load(context, found, as_kind(index, "i"))
    if isinstance(index, Const):
        return found.items[index.value]
    return _chosen(context, found, index)


def _bound_of(value: Value) -> float:
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
    context.keys.add(f"array {seq.array}")
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


def table(context: Context, found: Items) -> Seq | None:
    """The same sequence in the table, where it holds constants of one shape only."""
    shape: Shape | None = None
    numbers: list[float] = []
    for value in found.items:
        one = shape_of(value, context)
        shape = one if shape is None else join_shapes(shape, one)
        if shape is None or one is None:
            return None
        for leaf in leaves(value, context):
            if not isinstance(leaf, Const):
                return None
            numbers.append(float(leaf.value))
    if shape is None:
        return None
    key = (found, shape)
    known = context.tables.get(key)
    if known is None:
        known = context.put_table(numbers)
        context.tables[key] = known
    return Seq(found.type, "T", str(known), Const(len(found.items)), width(shape), shape)


def in_memory(context: Context, found: Items | Seq, site: object) -> Seq:
    """The same sequence in memory that may be written, copied there."""
    if isinstance(found, Seq) and found.capacity:
        return found
    shape: Shape | None = None
    if isinstance(found, Seq):
        shape = found.shape
    else:
        for value in found.items:
            one = shape_of(value, context)
            shape = one if shape is None else join_shapes(shape, one)
            if shape is None:
                raise context.cannot("a list whose items have several shapes")
    shape = shape or Leaf("f")
    size = width(shape)
    offset = context.region(site, LIST_CAPACITY * size)
    count: Value = Const(len(found.items)) if isinstance(found, Items) else found.length
    seq = Seq(found.type, "M", str(offset), count, size, shape, LIST_CAPACITY)
    copy_into(context, found, seq, context.s)
    return seq


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


# -- changing


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
    context.trap_if(f"{count} >= {seq.capacity}", 2)
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


def member_test(context: Context, found: Items | Seq, value: Scalar) -> str | None:
    """A test for an int in a short list of ints as ranges; None where that does not fit."""
    if value.kind != "i":
        return None
    if isinstance(found, Seq):
        if found.array != "T" or not isinstance(found.length, Const) or found.shape != Leaf("i") or found.stride != 1:
            return None
        if not found.offset.isdigit():
            return None
        first = int(found.offset)
        numbers = sorted({int(x) for x in context.table[first : first + found.length.value]})
    elif all(isinstance(v, Const) and type(v.value) in (int, bool) for v in found.items):
        numbers = sorted({int(v.value) for v in found.items if isinstance(v, Const)})
    else:
        return None
    runs: list[list[int]] = []
    for x in numbers:
        if runs and runs[-1][1] == x - 1:
            runs[-1][1] = x
        else:
            runs.append([x, x])
    if len(runs) > 16:
        return None
    name = context.atom(value).expr
    tests = [f"{name} == {a}" if a == b else f"{a} <= {name} <= {b}" for a, b in runs]
    return f"({' or '.join(tests)})" if tests else "False"
