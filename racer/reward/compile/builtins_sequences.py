"""What the functions that the translator knows have in common.

Making numpy's arrays, and lists of them.

Functions over lists, and those that make them.

Functions of numpy and others over rows of numbers.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from racer.reward.compile.arithmetic import binary_op
from racer.reward.compile.coercion import (
    as_index,
    as_number,
    contents_of,
    is_sequence,
    length_of,
    require_value,
    truth_of,
)
from racer.reward.compile.control_flow import Context
from racer.reward.compile.errors import UNCOVERED
from racer.reward.compile.sequence_ops import element_at
from racer.reward.compile.values import (
    INT_LIMIT,
    NONE,
    ArraySequence,
    Constant,
    DictContents,
    FixedSequence,
    LazyIterable,
    NumberShape,
    RangeValue,
    RecordShape,
    Scalar,
    Shape,
    TupleValue,
    Value,
    as_kind,
    as_numpy,
    kind_of,
    leaf_kinds,
    number_kind,
)

BuiltinHandler = Callable[[Context, list[Value], dict[str, Value]], Value]


def stdlib_handler(name: str, *more: Value) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.unsupported("these keywords")
        return context.call_stdlib(name, *args, *more)

    return run


def fold_call(context: Context, function: Callable[..., object], *values: object) -> Value:
    try:
        result = function(*values)
    except (ArithmeticError, ValueError, TypeError):
        raise context.trap("a call that Python refuses") from None
    if isinstance(result, complex) or (type(result) is int and abs(result) >= INT_LIMIT):
        raise context.trap("a number that the kernel does not hold", UNCOVERED)
    return Constant(result)


def make_array(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """`numpy.array`: numbers of one kind, or rows of them."""
    dtype = named.get("dtype", args[1] if len(args) > 1 else NONE)
    if set(named) - {"dtype"} or getattr(dtype, "name", "") not in ("", "builtins.float", "numpy.double"):
        raise context.unsupported("an array of this type")
    value = require_value(context, args[0])
    if kind_of(value) is not None:
        raise context.unsupported("an array without a length")
    found = contents_of(context, value if is_sequence(context, value) else context.call_stdlib("as_list", value))
    return _as_array(context, found, floats=dtype != NONE)


def _as_array(context: Context, found: FixedSequence | ArraySequence, floats: bool = False) -> Value:
    if found.type == "set":
        raise context.unsupported("an array of a set")
    if isinstance(found, ArraySequence):
        shape = _array_shape(context, found.shape, floats)
        fields = ("ndarray", found.array, found.offset, found.length, found.stride, shape)
        return context.new_object(ArraySequence(*fields))
    if not found.items:
        raise context.unsupported("an empty array")
    if all(is_sequence(context, v) for v in found.items):
        rows = [_as_array(context, contents_of(context, v), floats) for v in found.items]
        counts = {length_of(context, row) for row in rows}
        if len(counts) > 1 or not all(isinstance(row, TupleValue) for row in rows):
            raise context.unsupported("an array of several lengths")
        return TupleValue(tuple(rows), "ndarray")
    numbers = [as_number(context, v) for v in found.items]
    kinds = {number_kind(x) for x in numbers}
    joined = "f" if floats or kinds & {"f", "n"} else "i" if "i" in kinds else "b"
    items = tuple(Scalar(joined, as_kind(x, joined), True, 2.0**53) for x in numbers)
    return TupleValue(items, "ndarray")


def _array_shape(context: Context, shape: Shape, floats: bool) -> Shape:
    kinds = set(leaf_kinds(shape))
    joined = "f" if floats or kinds & {"f", "n"} else "i" if "i" in kinds else "b"

    def made(inner: Shape) -> Shape:
        return (
            NumberShape(joined, True)
            if isinstance(inner, NumberShape)
            else RecordShape("ndarray", tuple(made(x) for x in inner.items))
        )

    return made(shape)


def as_plain(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """An array as a list of Python's numbers."""

    def plain(shape: Shape) -> Shape:
        if isinstance(shape, NumberShape):
            return NumberShape(shape.kind)
        return RecordShape("list", tuple(plain(x) for x in shape.items))

    def value_of(value: Value) -> Value:
        if isinstance(value, Scalar):
            return Scalar(value.kind, value.expr, False, value.bound)
        return TupleValue(tuple(value_of(x) for x in value.items), "list") if isinstance(value, TupleValue) else value

    found = contents_of(context, args[0])
    if isinstance(found, FixedSequence):
        return TupleValue(tuple(value_of(x) for x in found.items), "list")
    fields = ("list", found.array, found.offset, found.length, found.stride, plain(found.shape))
    return context.new_object(ArraySequence(*fields))


def _filled(number: float) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 1:
            raise context.unsupported("this array")
        count = as_number(context, args[0])
        if not isinstance(count, Constant) or type(count.value) is not int or not 0 < count.value <= 256:
            raise context.unsupported("an array of a length that is not known")
        item = Scalar("f", repr(number), True)
        items = (item,) * count.value
        return context.new_object(FixedSequence("ndarray", items))

    return run


def _spaced(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    count = args[2] if len(args) > 2 else named.get("num", Constant(50))
    if set(named) - {"num"}:
        raise context.unsupported("this `linspace`")
    return context.call_stdlib("spaced", args[0], args[1], count)


def _arange(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if named or not all(kind_of(a) and number_kind(as_number(context, a)) in "bi" for a in args):
        raise context.unsupported("this `arange`")
    return context.call_builtin(
        "racer.as_array",
        [context.call_builtin("builtins.list", [context.call_builtin("builtins.range", args, {})], {})],
        {},
    )


ARRAY_BUILTINS: dict[str, BuiltinHandler] = {
    "numpy.array": make_array,
    "numpy.asarray": make_array,
    "numpy.zeros": _filled(0.0),
    "numpy.ones": _filled(1.0),
    "numpy.linspace": _spaced,
    "numpy.arange": _arange,
    "racer.as_array": lambda context, args, named: _as_array(context, contents_of(context, args[0])),
    "racer.as_plain": as_plain,
}


def _sum(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    start = args[1] if len(args) > 1 else named.get("start", Constant(0))
    items = require_value(context, args[0])
    found = contents_of(context, items) if is_sequence(context, items) else None
    if isinstance(found, FixedSequence) and len(found.items) <= 16:
        result = start
        for value in found.items:
            result = binary_op(context, "+", result, value)
        return result
    return context.call_stdlib("total", items, start)


def _len(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return length_of(context, args[0])


def _range(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    values = [as_index(context, a) for a in args]
    start: Value = Constant(0) if len(values) == 1 else values[0]
    stop = values[0] if len(values) == 1 else values[1]
    step = values[2] if len(values) == 3 else Constant(1)
    if not isinstance(step, Constant):
        raise context.unsupported("`range` with a step that is not known")
    if step.value == 0:
        raise context.trap("`range` with step 0")
    return RangeValue(start, stop, step.value)


def _enumerate(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    start = args[1] if len(args) > 1 else named.get("start", Constant(0))
    if not isinstance(start, Constant):
        raise context.unsupported("`enumerate` with a start that is not known")
    return LazyIterable("enumerate", (args[0], start))


def _zip(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args or named:
        raise context.unsupported("this `zip`")
    return LazyIterable("zip", tuple(require_value(context, a) for a in args))


def _reversed(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return LazyIterable("reversed", (require_value(context, args[0]),))


def _sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if set(named) - {"key", "reverse"} or named.get("reverse", Constant(False)) not in (
        Constant(False),
        Constant(True),
    ):
        raise context.unsupported("this `sorted`")
    down = named.get("reverse") == Constant(True)
    if named.get("key", NONE) != NONE:
        return context.call_stdlib("sorted_down_by" if down else "sorted_by", args[0], named["key"])
    return context.call_stdlib("sorted_down" if down else "sorted_list", args[0])


def _list(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return context.new_object(FixedSequence("list", ()))
    return _retyped(context, args[0], "list")


def _tuple(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return _retyped(context, args[0], "tuple") if args else TupleValue(())


def _retyped(context: Context, value: Value, type: str) -> Value:
    """A copy as a list or tuple."""
    value = require_value(context, value)
    if not is_sequence(context, value):
        made = context.call_stdlib("as_list", value)
        return made if type == "list" else _retyped(context, made, type)
    found = contents_of(context, value)
    if found.type == "set":
        raise context.unsupported("the order of a set")
    if isinstance(found, FixedSequence):
        return TupleValue(found.items) if type == "tuple" else context.new_object(FixedSequence("list", found.items))
    if found.array in "MS" and type == "list":
        return context.call_stdlib("as_list", value)
    fields = (found.array, found.offset, found.length, found.stride, found.shape)
    return context.new_object(ArraySequence(type, *fields))


def _set(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    found = contents_of(context, args[0]) if args else FixedSequence("list", ())
    if not isinstance(found, FixedSequence) or not all(isinstance(v, Constant) for v in found.items):
        if isinstance(found, ArraySequence) and found.array == "T":
            fields = (found.array, found.offset, found.length, found.stride, found.shape)
            return context.new_object(ArraySequence("set", *fields))
        raise context.unsupported("a set of values that are not known")
    return TupleValue(found.items, "set")


def _dict_call(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args:
        raise context.unsupported("`dict` of a value")
    return context.new_object(DictContents(tuple(named.items())))


def _map(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2:
        raise context.unsupported("`map` over several lists")
    found = context.call_stdlib("mapped", args[0], args[1])
    return as_plain(context, [found], {})


def _as_tuple(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    found = contents_of(context, args[0])
    if isinstance(found, FixedSequence):
        return TupleValue(found.items)
    return context.new_object(
        ArraySequence("tuple", found.array, found.offset, found.length, found.stride, found.shape)
    )


def _next(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """`next` of a generator expression in its place: it is used once, so the list of its items stands for it."""
    call = context.node
    if named or not isinstance(call, ast.Call) or not isinstance(call.args[0], ast.GeneratorExp):
        raise context.unsupported("`next`")
    count = length_of(context, args[0])
    if isinstance(count, Constant):
        if count.value:
            return element_at(context, args[0], Constant(0))
        if len(args) < 2:
            raise context.trap("`next` of nothing", error="StopIteration")
        return args[1]
    if len(args) < 2:
        context.trap_if(f"{count.expr} == 0", error="StopIteration")
        return element_at(context, args[0], Constant(0))
    return context.choose(f"{count.expr} > 0", lambda: element_at(context, args[0], Constant(0)), lambda: args[1])


def _filter(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args[0] == NONE:
        return context.call_stdlib("those_true", args[1])
    return context.call_stdlib("those_for_which", *args)


LIST_BUILTINS: dict[str, BuiltinHandler] = {
    "builtins.next": _next,
    "builtins.filter": _filter,
    "builtins.sum": _sum,
    "builtins.len": _len,
    "builtins.range": _range,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.reversed": _reversed,
    "builtins.sorted": _sorted,
    "builtins.any": stdlib_handler("any_of"),
    "builtins.all": stdlib_handler("all_of"),
    "builtins.list": _list,
    "builtins.tuple": _tuple,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.dict": _dict_call,
    "builtins.map": _map,
    "racer.as_tuple": _as_tuple,
}


def flat_row(context: Context, value: Value) -> Value:
    """A row of numbers; tables are not taken."""
    value = require_value(context, value)
    if not is_sequence(context, value):
        if kind_of(value) is not None:
            raise context.unsupported("a number where an array is expected")
        value = context.call_stdlib("as_list", value)
    found = contents_of(context, value)
    flat = (
        isinstance(found.shape, NumberShape)
        if isinstance(found, ArraySequence)
        else all(kind_of(v) for v in found.items)
    )
    if not flat or found.type == "set":
        raise context.unsupported("a function over a table")
    return value


def over_row(name: str, *more: Value, numpy: bool = False) -> BuiltinHandler:
    """A function over one row."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.unsupported("these arguments")
        row = flat_row(context, args[0])
        count = length_of(context, row)
        if isinstance(count, Constant):
            if count.value == 0:
                raise context.trap("an empty array")
        else:
            context.trap_if(f"{count.expr} == 0")
        result = context.call_stdlib(name, row, *more)
        return as_numpy(result) if numpy else result

    return run


def _norm(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 1 and set(named) == {"axis"} and named["axis"] in (Constant(1), Constant(-1)):
        return context.call_stdlib("norms", args[0])
    if len(args) != 1 or named:
        raise context.unsupported("this `norm`")
    return context.call_stdlib("norm", flat_row(context, args[0]))


def _interp(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 3 or named or is_sequence(context, args[0]):
        raise context.unsupported("this `interp`")
    return context.call_stdlib("interp", as_number(context, args[0]), args[1], args[2])


def _where(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 3 or any(is_sequence(context, a) for a in args):
        raise context.unsupported("this `where`")
    raise context.unsupported("`where`, which gives an array")


def _is_close(name: str, relative: float, absolute: float, words: tuple[str, str]) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if set(named) - set(words) or len(args) != 2:
            raise context.unsupported("this `isclose`")
        return context.call_stdlib(
            name, *args, named.get(words[0], Constant(relative)), named.get(words[1], Constant(absolute))
        )

    return run


def _remainder(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if any(is_sequence(context, a) for a in args):
        raise context.unsupported("this function of arrays")
    return as_numpy(binary_op(context, "%", args[0], args[1]))


def _array_sum(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 1 or named:
        raise context.unsupported("this `sum`")
    return as_numpy(context.call_builtin("builtins.sum", [flat_row(context, args[0])], {}))


def _any_or_all(word: str) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.unsupported(f"this `{word}`")
        test = truth_of(context, context.call_stdlib(word, flat_row(context, args[0])))
        return Scalar("b", str(test), True)

    return run


def _array_of(name: str) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.unsupported("these arguments")
        return context.call_stdlib(name, flat_row(context, args[0]))

    return run


def _array_sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    made = context.call_stdlib("sorted_list", flat_row(context, args[0]))
    return make_array(context, [made], {})


def _plain_row_function(name: str, *more: Value) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.unsupported("these keywords")
        return context.call_stdlib(name, *(flat_row(context, a) for a in args), *more)

    return run


def _bisect(name: str) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 2:
            raise context.unsupported("this `bisect`")
        return context.call_stdlib(name, flat_row(context, args[0]), args[1])

    return run


def _power(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return as_numpy(context.call_builtin("builtins.pow", args, named))


ROW_BUILTINS: dict[str, BuiltinHandler] = {
    "numpy.mean": over_row("mean"),
    "numpy.average": over_row("mean"),
    "numpy.std": over_row("deviation"),
    "numpy.var": over_row("variance"),
    "numpy.median": over_row("median"),
    "numpy.argmin": over_row("index_of_least", numpy=True),
    "numpy.argmax": over_row("index_of_greatest", numpy=True),
    "numpy.sum": _array_sum,
    "numpy.prod": over_row("product", Constant(1), numpy=True),
    "numpy.any": _any_or_all("any_of"),
    "numpy.all": _any_or_all("all_of"),
    "numpy.dot": _plain_row_function("dot"),
    "numpy.inner": _plain_row_function("dot"),
    "numpy.cross": _plain_row_function("cross"),
    "numpy.linalg.norm": _norm,
    "numpy.interp": _interp,
    "numpy.where": _where,
    "numpy.isclose": _is_close("is_close_numpy", 1e-5, 1e-8, ("rtol", "atol")),
    "numpy.mod": _remainder,
    "numpy.remainder": _remainder,
    "numpy.pow": _power,
    "numpy.power": _power,
    "numpy.float_power": _power,
    "numpy.diff": _array_of("differences"),
    "numpy.cumsum": _array_of("cumulated"),
    "numpy.sort": _array_sorted,
    "numpy.argsort": _array_of("argsort"),
    "math.isclose": _is_close("is_close", 1e-9, 0.0, ("rel_tol", "abs_tol")),
    "statistics.mean": over_row("fmean"),
    "bisect.bisect": _bisect("bisect_right"),
    "bisect.bisect_right": _bisect("bisect_right"),
    "bisect.bisect_left": _bisect("bisect_left"),
}
