"""Making numpy's arrays, and lists of them."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.handlers import Handler
from racer.reward.compile.operations.coerce import as_number, present
from racer.reward.compile.operations.sequences import contents, is_sequence, length
from racer.reward.compile.values.heap import Items, Seq
from racer.reward.compile.values.kinds import as_kind, kind, kind_of
from racer.reward.compile.values.shapes import Leaf, Rec, Shape, leaf_kinds
from racer.reward.compile.values.value import NONE, Const, Scalar, Tup, Value


def array(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """`numpy.array`: numbers of one kind, or rows of them."""
    dtype = named.get("dtype", args[1] if len(args) > 1 else NONE)
    if set(named) - {"dtype"} or getattr(dtype, "name", "") not in ("", "builtins.float", "numpy.double"):
        raise context.cannot("an array of this type")
    value = present(context, args[0])
    if kind_of(value) is not None:
        raise context.cannot("an array without a length")
    found = contents(context, value if is_sequence(context, value) else context.routine("as_list", value))
    return _as_array(context, found, floats=dtype != NONE)


def _as_array(context: Context, found: Items | Seq, floats: bool = False) -> Value:
    if found.type == "set":
        raise context.cannot("an array of a set")
    if isinstance(found, Seq):
        shape = _array_shape(context, found.shape, floats)
        fields = ("ndarray", found.array, found.offset, found.length, found.stride, shape)
        return context.new(Seq(*fields))
    if not found.items:
        raise context.cannot("an empty array")
    if all(is_sequence(context, v) for v in found.items):
        rows = [_as_array(context, contents(context, v), floats) for v in found.items]
        counts = {length(context, row) for row in rows}
        if len(counts) > 1 or not all(isinstance(row, Tup) for row in rows):
            raise context.cannot("an array of several lengths")
        return Tup(tuple(rows), "ndarray")
    numbers = [as_number(context, v) for v in found.items]
    kinds = {kind(x) for x in numbers}
    joined = "f" if floats or kinds & {"f", "n"} else "i" if "i" in kinds else "b"
    items = tuple(Scalar(joined, as_kind(x, joined), True, 2.0**53) for x in numbers)
    return Tup(items, "ndarray")


def _array_shape(context: Context, shape: Shape, floats: bool) -> Shape:
    kinds = set(leaf_kinds(shape))
    joined = "f" if floats or kinds & {"f", "n"} else "i" if "i" in kinds else "b"

    def made(inner: Shape) -> Shape:
        return Leaf(joined, True) if isinstance(inner, Leaf) else Rec("ndarray", tuple(made(x) for x in inner.items))

    return made(shape)


def as_plain(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """An array as a list of Python's numbers."""

    def plain(shape: Shape) -> Shape:
        if isinstance(shape, Leaf):
            return Leaf(shape.kind)
        return Rec("list", tuple(plain(x) for x in shape.items))

    def value_of(value: Value) -> Value:
        if isinstance(value, Scalar):
            return Scalar(value.kind, value.expr, False, value.bound)
        return Tup(tuple(value_of(x) for x in value.items), "list") if isinstance(value, Tup) else value

    found = contents(context, args[0])
    if isinstance(found, Items):
        return Tup(tuple(value_of(x) for x in found.items), "list")
    fields = ("list", found.array, found.offset, found.length, found.stride, plain(found.shape))
    return context.new(Seq(*fields))


def _filled(number: float) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 1:
            raise context.cannot("this array")
        count = as_number(context, args[0])
        if not isinstance(count, Const) or type(count.value) is not int or not 0 < count.value <= 256:
            raise context.cannot("an array of a length that is not known")
        item = Scalar("f", repr(number), True)
        items = (item,) * count.value
        return context.new(Items("ndarray", items))

    return run


def _spaced(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    count = args[2] if len(args) > 2 else named.get("num", Const(50))
    if set(named) - {"num"}:
        raise context.cannot("this `linspace`")
    return context.routine("spaced", args[0], args[1], count)


def _arange(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if named or not all(kind_of(a) and kind(as_number(context, a)) in "bi" for a in args):
        raise context.cannot("this `arange`")
    return context.native(
        "racer.as_array", [context.native("builtins.list", [context.native("builtins.range", args, {})], {})], {}
    )


NATIVES: dict[str, Handler] = {
    "numpy.array": array,
    "numpy.asarray": array,
    "numpy.zeros": _filled(0.0),
    "numpy.ones": _filled(1.0),
    "numpy.linspace": _spaced,
    "numpy.arange": _arange,
    "racer.as_array": lambda context, args, named: _as_array(context, contents(context, args[0])),
    "racer.as_plain": as_plain,
}
