"""Built-in functions over sequences: arrays of numpy, lists and tuples, and rows of numbers.

A handler receives the positional and the named arguments of a call and returns the value of the call. A handler
checks the arguments; where a loop is needed, it calls a function of the runtime library by name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from racer.reward.compile import values as ir
from racer.reward.compile.arithmetic import binary_op, folded_constant
from racer.reward.compile.coercion import (
    as_index,
    as_number,
    contents_of,
    is_sequence,
    length_of,
    require_value,
    test_equal,
    truth_of,
)
from racer.reward.compile.control_flow import Context
from racer.reward.compile.sequence_ops import element_at
from racer.reward.compile.values import Value

BuiltinHandler = Callable[[Context, list[Value], dict[str, Value]], Value]
# Items of `numpy.zeros` and `numpy.ones`, which are written out, and of a sum that is written without a loop.
_FILLED_MAX, _SUM_ITEMS_MAX = 256, 16
_BOOLS = (ir.Constant(False), ir.Constant(True))


def stdlib_handler(name: str, *more: Value) -> BuiltinHandler:
    """Return the handler that calls a function of the runtime library with the arguments and `more`."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.unsupported("these keywords")
        return context.call_stdlib(name, *args, *more)

    return run


def numpy_handler(name: str) -> BuiltinHandler:
    """Return the handler that makes a numpy scalar of the result of another built-in."""
    return lambda context, args, named: ir.as_numpy(context.call_builtin(name, args, named))


def fold_call(context: Context, function: Callable[..., object], *values: object) -> Value:
    """Call a function of Python with known values at translation time."""
    # The values are constants, so Python itself gives the result, or refuses as it will at run time.
    try:
        result = function(*values)
    except (ArithmeticError, ValueError, TypeError):
        raise context.trap("a call that Python refuses") from None
    return folded_constant(context, result)


def make_array(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """Return `numpy.array(...)`: numbers of one kind, or rows of them."""
    dtype = named.get("dtype", args[1] if len(args) > 1 else ir.NONE)
    if set(named) - {"dtype"} or getattr(dtype, "name", "") not in ("", "builtins.float", "numpy.double"):
        raise context.unsupported("an array of this type")
    # `numpy.array(1.0)` has no axis; functions over rows do not expect that.
    value = require_value(context, args[0])
    if ir.kind_of(value) is not None:
        raise context.unsupported("an array without a length")
    contents = contents_of(context, value if is_sequence(context, value) else context.call_stdlib("as_list", value))
    return _as_array(context, contents, floats=dtype != ir.NONE)


def _as_array(context: Context, contents: ir.FixedSequence | ir.ArraySequence, floats: bool = False) -> Value:
    if contents.type == "set":
        raise context.unsupported("an array of a set")
    if isinstance(contents, ir.ArraySequence):
        kind = _array_kind(set(ir.leaf_kinds(contents.shape)), floats)
        return context.new_object(ir.view_of(contents, "ndarray", _retyped_shape(contents.shape, "ndarray", kind)))
    if not contents.items:
        raise context.unsupported("an empty array")
    # Rows become arrays themselves; their lengths must be known and equal.
    if all(is_sequence(context, v) for v in contents.items):
        rows = [_as_array(context, contents_of(context, v), floats) for v in contents.items]
        if len({length_of(context, row) for row in rows}) > 1 or not all(
            isinstance(row, ir.TupleValue) for row in rows
        ):
            raise context.unsupported("an array of several lengths")
        return ir.TupleValue(tuple(rows), "ndarray")
    numbers = [as_number(context, v) for v in contents.items]
    # An array has one kind: ints among floats become floats.
    kind = _array_kind({ir.number_kind(x) for x in numbers}, floats)
    return ir.TupleValue(tuple(ir.Scalar(kind, ir.as_kind(x, kind), True, ir.INT_LIMIT) for x in numbers), "ndarray")


def _array_kind(kinds: set[str], floats: bool) -> str:
    # `n` is a float or an int; in an array with any float it is a float.
    return "f" if floats or kinds & {"f", "n"} else "i" if "i" in kinds else "b"


def _retyped_shape(shape: ir.Shape, type: str, kind: str | None = None) -> ir.Shape:
    """Return a shape as one of an array, with numpy scalars of one kind, or as one of lists of Python's numbers."""
    if isinstance(shape, ir.NumberShape):
        return ir.NumberShape(kind or shape.kind, type == "ndarray")
    return ir.RecordShape(type, tuple(_retyped_shape(item, type, kind) for item in shape.items))


def as_plain(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """Return an array as a list of Python's numbers."""

    def plain(value: Value) -> Value:
        if isinstance(value, ir.Scalar):
            return ir.Scalar(value.kind, value.expr, False, value.bound)
        return ir.TupleValue(tuple(map(plain, value.items)), "list") if isinstance(value, ir.TupleValue) else value

    contents = contents_of(context, args[0])
    if isinstance(contents, ir.FixedSequence):
        return ir.TupleValue(tuple(map(plain, contents.items)), "list")
    return context.new_object(ir.view_of(contents, "list", _retyped_shape(contents.shape, "list")))


def _filled(number: float) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 1:
            raise context.unsupported("this array")
        count = as_number(context, args[0])
        # The items are written out, so their number must be known, and not large.
        if not isinstance(count, ir.Constant) or type(count.value) is not int or not 0 < count.value <= _FILLED_MAX:
            raise context.unsupported("an array of a length that is not known")
        items = (ir.Scalar("f", repr(number), True),) * count.value
        return context.new_object(ir.FixedSequence("ndarray", items))

    return run


def _spaced(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    count = args[2] if len(args) > 2 else named.get("num", ir.Constant(50))
    # `endpoint=False` and `dtype` give other numbers.
    if set(named) - {"num"}:
        raise context.unsupported("this `linspace`")
    return context.call_stdlib("spaced", args[0], args[1], count)


def _arange(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if named or not all(ir.kind_of(a) and ir.number_kind(as_number(context, a)) in "bi" for a in args):
        raise context.unsupported("this `arange`")
    items = context.call_builtin("builtins.list", [context.call_builtin("builtins.range", args, {})], {})
    return context.call_builtin("racer.as_array", [items], {})


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
    # Added from the left, as Python 3.11 does; Python 3.12 and numpy differ from it in the last digits.
    result = args[1] if len(args) > 1 else named.get("start", ir.Constant(0))
    items = require_value(context, args[0])
    contents = contents_of(context, items) if is_sequence(context, items) else None
    if not isinstance(contents, ir.FixedSequence) or len(contents.items) > _SUM_ITEMS_MAX:
        return context.call_stdlib("total", items, result)
    for value in contents.items:
        result = binary_op(context, "+", result, value)
    return result


def _range(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    values = [as_index(context, a) for a in args]
    # range(stop), range(start, stop), range(start, stop, step)
    start: Value = ir.Constant(0) if len(values) == 1 else values[0]
    stop = values[0] if len(values) == 1 else values[1]
    step = values[2] if len(values) == 3 else ir.Constant(1)
    if not isinstance(step, ir.Constant):
        raise context.unsupported("`range` with a step that is not known")
    if step.value == 0:
        raise context.trap("`range` with step 0")
    return ir.RangeValue(start, stop, step.value)


def _enumerate(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    start = args[1] if len(args) > 1 else named.get("start", ir.Constant(0))
    if not isinstance(start, ir.Constant):
        raise context.unsupported("`enumerate` with a start that is not known")
    return ir.LazyIterable("enumerate", (args[0], start))


def _zip(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args or named:
        raise context.unsupported("this `zip`")
    return ir.LazyIterable("zip", tuple(require_value(context, a) for a in args))


def _sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if set(named) - {"key", "reverse"} or named.get("reverse", _BOOLS[0]) not in _BOOLS:
        raise context.unsupported("this `sorted`")
    down = named.get("reverse") == _BOOLS[1]
    # Descending order is sorted with the opposite comparison, which keeps equal items in their order.
    before = ir.Builtin("racer.>" if down else "racer.<")
    if named.get("key", ir.NONE) != ir.NONE:
        return context.call_stdlib("sorted_by", args[0], before, named["key"])
    return context.call_stdlib("sorted_list", args[0], before)


def _list(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return _retyped(context, args[0], "list") if args else context.new_object(ir.FixedSequence("list", ()))


def _tuple(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return _retyped(context, args[0], "tuple") if args else ir.TupleValue(())


def _retyped(context: Context, value: Value, type: str) -> Value:
    """Return a copy as a list or tuple."""
    value = require_value(context, value)
    if not is_sequence(context, value):
        items = context.call_stdlib("as_list", value)
        return items if type == "list" else _retyped(context, items, type)
    contents = contents_of(context, value)
    if contents.type == "set":
        raise context.unsupported("the order of a set")
    if isinstance(contents, ir.FixedSequence):
        if type == "tuple":
            return ir.TupleValue(contents.items)
        return context.new_object(ir.FixedSequence("list", contents.items))
    # The copy may be changed and so may the original; both need memory.
    if contents.array in "MS" and type == "list":
        return context.call_stdlib("as_list", value)
    # The table and the waypoints are constant: the copy can be a view.
    return context.new_object(ir.view_of(contents, type))


def _set(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    contents = contents_of(context, args[0]) if args else ir.FixedSequence("list", ())
    # Whether two unknown items are equal, and so how many there are, is not known.
    if isinstance(contents, ir.FixedSequence) and all(isinstance(v, ir.Constant) for v in contents.items):
        return ir.TupleValue(contents.items, "set")
    if isinstance(contents, ir.ArraySequence) and contents.array == "T":
        return context.new_object(ir.view_of(contents, "set"))
    raise context.unsupported("a set of values that are not known")


def _dict_call(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args:
        raise context.unsupported("`dict` of a value")
    return context.new_object(ir.DictContents(tuple(named.items())))


def _map(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2:
        raise context.unsupported("`map` over several lists")
    return as_plain(context, [context.call_stdlib("mapped", *args)], {})


def _next(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """Return `next` of a generator expression in its place, which is used once: the first of the list of its items."""
    # An iterator in a variable remembers how far it is, which a list does not.
    call = context.node
    if named or not isinstance(call, ast.Call) or not isinstance(call.args[0], ast.GeneratorExp):
        raise context.unsupported("`next`")

    def first() -> Value:
        return element_at(context, args[0], ir.Constant(0))

    empty = test_equal(context, length_of(context, args[0]), ir.Constant(0))
    if len(args) < 2:
        context.trap_where(empty, "`next` of nothing", "StopIteration")
        return first()
    return context.choose(empty, lambda: args[1], first)


def _filter(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    # `filter(None, items)` keeps the items that are true.
    test = ir.Builtin("builtins.bool") if args[0] == ir.NONE else args[0]
    return context.call_stdlib("those_for_which", test, args[1])


LIST_BUILTINS: dict[str, BuiltinHandler] = {
    "builtins.next": _next,
    "builtins.filter": _filter,
    "builtins.sum": _sum,
    "builtins.len": lambda context, args, named: length_of(context, args[0]),
    "builtins.range": _range,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.reversed": lambda context, args, named: ir.LazyIterable("reversed", (require_value(context, args[0]),)),
    "builtins.sorted": _sorted,
    "builtins.any": stdlib_handler("any_of"),
    "builtins.all": stdlib_handler("all_of"),
    "builtins.list": _list,
    "builtins.tuple": _tuple,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.dict": _dict_call,
    "builtins.map": _map,
    "racer.as_tuple": _tuple,
}


def flat_row(context: Context, value: Value) -> Value:
    """Return a row of numbers; tables are not covered."""
    value = require_value(context, value)
    if not is_sequence(context, value):
        if ir.kind_of(value) is not None:
            raise context.unsupported("a number where an array is expected")
        # `range`, `zip` and the like are written into a list first.
        value = context.call_stdlib("as_list", value)
    contents = contents_of(context, value)
    if isinstance(contents, ir.ArraySequence):
        flat = isinstance(contents.shape, ir.NumberShape)
    else:
        flat = all(ir.kind_of(v) for v in contents.items)
    if not flat or contents.type == "set":
        raise context.unsupported("a function over a table")
    return value


def row_handler(
    name: str, *more: Value, rows: int = 1, others: int = 0, numpy: bool = False, nonempty: bool = False
) -> BuiltinHandler:
    """Return the handler that calls a function of the runtime library with rows of numbers.

    Args:
        name: Name of the function.
        more: Arguments that are added at the end.
        rows: Number of rows that the function takes first.
        others: Number of arguments after the rows.
        numpy: Whether to make the result a numpy scalar.
        nonempty: Whether an empty first row traps.
    """

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != rows + others or named:
            raise context.unsupported("these arguments")
        values = [flat_row(context, row) for row in args[:rows]] + args[rows:]
        if nonempty:
            context.trap_where(test_equal(context, length_of(context, values[0]), ir.Constant(0)), "an empty array")
        result = context.call_stdlib(name, *values, *more)
        return ir.as_numpy(result) if numpy else result

    return run


def over_row(name: str, *more: Value, numpy: bool = False) -> BuiltinHandler:
    """Return the handler that makes one number of a row; an empty row traps, as Python raises or returns NaN."""
    return row_handler(name, *more, numpy=numpy, nonempty=True)


def _norm(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 1 and set(named) == {"axis"} and named["axis"] in (ir.Constant(1), ir.Constant(-1)):
        return context.call_stdlib("norms", args[0])
    return row_handler("norm")(context, args, named)


def _interp(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 3 or named or is_sequence(context, args[0]):
        raise context.unsupported("this `interp`")
    return context.call_stdlib("interp", as_number(context, args[0]), args[1], args[2])


def _is_close(name: str, keywords: dict[str, float]) -> BuiltinHandler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if set(named) - set(keywords) or len(args) != 2:
            raise context.unsupported("this `isclose`")
        tolerances = [named.get(keyword, ir.Constant(default)) for keyword, default in keywords.items()]
        return context.call_stdlib(name, *args, *tolerances)

    return run


def _remainder(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if any(is_sequence(context, a) for a in args):
        raise context.unsupported("this function of arrays")
    return ir.as_numpy(binary_op(context, "%", args[0], args[1]))


def _array_sum(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 1 or named:
        raise context.unsupported("this `sum`")
    return ir.as_numpy(context.call_builtin("builtins.sum", [flat_row(context, args[0])], {}))


def _any_or_all(name: str) -> BuiltinHandler:
    call = row_handler(name)

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        return ir.Scalar("b", str(truth_of(context, call(context, args, named))), True)

    return run


def _array_sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return make_array(context, [context.call_builtin("builtins.sorted", [flat_row(context, args[0])], {})], {})


ROW_BUILTINS: dict[str, BuiltinHandler] = {
    "numpy.mean": over_row("mean"),
    "numpy.average": over_row("mean"),
    "numpy.std": over_row("deviation"),
    "numpy.var": over_row("variance"),
    "numpy.median": over_row("median"),
    "numpy.argmin": over_row("index_of_extreme", ir.Builtin("racer.<"), numpy=True),
    "numpy.argmax": over_row("index_of_extreme", ir.Builtin("racer.>"), numpy=True),
    "numpy.sum": _array_sum,
    "numpy.prod": over_row("product", ir.Constant(1), numpy=True),
    # Tests of a row
    "numpy.any": _any_or_all("any_of"),
    "numpy.all": _any_or_all("all_of"),
    # Numbers of two rows, and of points
    "numpy.dot": row_handler("dot", rows=2),
    "numpy.inner": row_handler("dot", rows=2),
    "numpy.cross": row_handler("cross", rows=2),
    "numpy.linalg.norm": _norm,
    "numpy.interp": _interp,
    "numpy.isclose": _is_close("is_close_numpy", {"rtol": 1e-5, "atol": 1e-8}),
    # Functions of numbers that need their own checks
    "numpy.mod": _remainder,
    "numpy.remainder": _remainder,
    "numpy.pow": numpy_handler("builtins.pow"),
    "numpy.power": numpy_handler("builtins.pow"),
    "numpy.float_power": numpy_handler("builtins.pow"),
    # Arrays of a row
    "numpy.diff": row_handler("differences"),
    "numpy.cumsum": row_handler("cumulated"),
    "numpy.sort": _array_sorted,
    "numpy.argsort": row_handler("argsort"),
    "math.isclose": _is_close("is_close", {"rel_tol": 1e-9, "abs_tol": 0.0}),
    "statistics.mean": over_row("fmean"),
    "bisect.bisect": row_handler("bisect_right", others=1),
    "bisect.bisect_right": row_handler("bisect_right", others=1),
    "bisect.bisect_left": row_handler("bisect_left", others=1),
}
