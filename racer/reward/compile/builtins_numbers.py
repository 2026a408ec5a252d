"""Built-in functions of numbers: `math` and numpy, conversions and rounding, the least and the greatest.

Python raises where a number lies outside a function's domain and where a result overflows; compiled code returns NaN or
infinity. So each function has a test of its argument, or of its result, that traps.
"""

from __future__ import annotations

from collections.abc import Callable

from racer.reward.compile import values as ir
from racer.reward.compile.arithmetic import ARRAY_SYMBOLS, ORDERS, binary_op, compare_order, item_op, power
from racer.reward.compile.builtins_sequences import (
    BuiltinHandler,
    flat_row,
    fold_call,
    numpy_handler,
    over_row,
    stdlib_handler,
)
from racer.reward.compile.coercion import (
    as_number,
    contents_of,
    dict_of,
    is_sequence,
    length_of,
    require_value,
    test_equal,
    truth_of,
    truth_value,
)
from racer.reward.compile.control_flow import Context
from racer.reward.compile.errors import UNCOVERED
from racer.reward.compile.values import Value

_FINITE = "not abs({x}) < INF"
_OUTSIDE = "not -1.0 <= {x} <= 1.0"
_NOT_POSITIVE = "not 0.0 < {x} < INF"
# Functions that Python and the kernel call by the same name: test of the argument, and whether the result is tested.
_SAME_NAME = (
    ("sin cos tan", _FINITE, False),
    ("asin acos", _OUTSIDE, False),
    ("log log10", _NOT_POSITIVE, False),
    ("atan tanh erf", "", False),
    ("sinh cosh asinh exp expm1", "", True),
)
# Test of the argument that traps, the expression, and whether an infinite or undefined result traps. The empty
# expressions have functions below. A value of pi / 180 or its inverse is the one that CPython multiplies with.
MATH_FUNCTIONS: dict[str, tuple[str, str, bool]] = {
    **{name: (test, f"math.{name}({{x}})", check) for names, test, check in _SAME_NAME for name in names.split()},
    "sqrt": ("not {x} >= 0.0", "math.sqrt({x})", False),
    "log2": (_NOT_POSITIVE, "np.log2({x})", False),
    "log1p": ("not -1.0 < {x} < INF", "math.log1p({x})", False),
    "fabs": ("", "abs({x})", False),
    "degrees": ("", "({x} * 57.29577951308232)", True),
    "radians": ("", "({x} * 0.017453292519943295)", False),
    "rad2deg": ("", "({x} * 57.29577951308232)", True),
    "deg2rad": ("", "({x} * 0.017453292519943295)", False),
    "square": ("", "({x} * {x})", True),
    "rint": ("", "np.rint({x})", False),
    "sign": ("", "", False),
    "floor": ("", "", False),
    "ceil": ("", "", False),
    "trunc": ("", "", False),
    "isnan": ("", "({x} != {x})", False),
    "isinf": ("", "(abs({x}) == INF)", False),
    "isfinite": ("", "(abs({x}) < INF)", False),
    "atan2": ("", "math.atan2({x}, {y})", False),
    "copysign": ("", "math.copysign({x}, {y})", False),
    "hypot": ("", "math.sqrt({x} * {x} + {y} * {y})", True),
    "fmod": ("not abs({x}) < INF or {y} == 0.0", "np.fmod({x}, {y})", True),
}
_TRUTHS = ("isnan", "isinf", "isfinite")
_ROUNDED = ("floor", "ceil", "trunc")
# A float has at most 17 significant digits; 10 ** 15 is exact.
_DIGITS_MAX = 15


def number_function(context: Context, name: str, args: list[ir.Scalar | ir.Constant], numpy: bool) -> Value:
    """Return a function of `MATH_FUNCTIONS`.

    Args:
        context: The translator.
        name: Name of the function.
        args: One or two numbers; `math.hypot` takes any count, `math.log` a base.
        numpy: Whether it is the function of numpy, not the one of `math`.
    """
    before, expr, check_result = MATH_FUNCTIONS[name]
    if name == "hypot" and len(args) != 2 and not numpy:
        return _hypot_many(context, args)
    if name == "log" and len(args) == 2 and not numpy:
        return _log_to_base(context, *args)
    if len(args) != (2 if "{y}" in expr else 1):
        raise context.unsupported(f"`{name}` with {len(args)} arguments")
    whole = ir.number_kind(args[0]) in "bi"
    if name in _ROUNDED:
        return _rounded(context, name, args[0], numpy)
    if name == "sign":
        if not numpy:
            raise context.unsupported("`math.sign`")
        # numpy's sign keeps the kind of its argument.
        result = ir.as_numpy(context.call_stdlib("sign", args[0]))
        return ir.Scalar("i", f"int({result.expr})", True, 1.0) if whole and isinstance(result, ir.Scalar) else result
    # It would be a whole number, which may outgrow 53 bits.
    if name == "square" and whole:
        raise context.unsupported("`square` of a whole number")
    names = [context.atom(ir.Scalar("f", ir.as_float(a))).expr for a in args]
    operands = {"x": names[0], "y": names[-1]}
    if before:
        context.trap_if(before.format(**operands))
    code = expr.format(**operands)
    # These are defined for all numbers, so that there is nothing to trap.
    if name in _TRUTHS:
        return ir.Scalar("b", code, numpy)
    # A name: the test of the result and its use must not compute it twice.
    result_name = context.temp(code)
    if check_result:
        context.trap_if(f"not abs({result_name}) < INF", UNCOVERED)
    return ir.Scalar("f", result_name, numpy)


def _rounded(context: Context, name: str, value: ir.Scalar | ir.Constant, numpy: bool) -> Value:
    if ir.number_kind(value) in "bi":
        return ir.Scalar("i", ir.as_kind(value, "i"), numpy)
    x = context.atom(ir.Scalar("f", ir.as_float(value))).expr
    # numpy's floor and ceil return floats, those of `math` whole numbers.
    if numpy:
        return ir.Scalar("f", f"np.{name}({x})", True)
    _trap_beyond_limit(context, x)
    return ir.Scalar("i", f"int({x})" if name == "trunc" else f"int(math.{name}({x}))")


def _trap_beyond_limit(context: Context, name: str) -> None:
    """Write a trap for a float that does not fit a whole number of the kernel; NaN and infinity do not either."""
    context.trap_if(f"not abs({name}) < {ir.INT_LIMIT}", UNCOVERED)


def _log_to_base(context: Context, value: ir.Scalar | ir.Constant, base: ir.Scalar | ir.Constant) -> Value:
    """Return `math.log(value, base)`, which is log(value) / log(base) in CPython too; base 1 divides by zero."""
    top, bottom = (number_function(context, "log", [number], False) for number in (value, base))
    assert isinstance(top, ir.Scalar)
    assert isinstance(bottom, ir.Scalar)
    bottom = context.atom(bottom)
    context.trap_if(f"{bottom.expr} == 0.0")
    return ir.Scalar("f", f"({top.expr} / {bottom.expr})")


def _hypot_many(context: Context, args: list[ir.Scalar | ir.Constant]) -> Value:
    if not args:
        return ir.Constant(0.0)
    # Without the scaling of `math.hypot`, so that squares beyond 1e308 trap instead.
    names = [context.atom(ir.Scalar("f", ir.as_float(a))).expr for a in args]
    result = context.temp(f"math.sqrt({' + '.join(f'{n} * {n}' for n in names)})")
    context.trap_if(f"not abs({result}) < INF", UNCOVERED)
    return ir.Scalar("f", result)


def _function(name: str, numpy: bool) -> BuiltinHandler:
    """Return the handler of a function of numbers; those of numpy take arrays too."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.unsupported("these keywords")
        arrays = [is_sequence(context, a) for a in args]
        if not numpy or not any(arrays):
            return number_function(context, name, [as_number(context, a) for a in args], numpy)
        if len(args) == 1:
            return map_items(f"numpy.{name}")(context, args, {})
        # One side may be a number, which is used for each item.
        routine = "mapped_two" if all(arrays) else "mapped_left" if arrays[0] else "mapped_right"
        return context.call_stdlib(routine, ir.Builtin(f"numpy.{name}"), *args)

    return run


def map_items(name: str) -> BuiltinHandler:
    """Return the handler that calls a function of one number for each item of an array."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        value = require_value(context, args[0])
        contents = contents_of(context, value)
        if isinstance(contents, ir.FixedSequence):
            items = [context.call_builtin(name, [item, *args[1:]], named) for item in contents.items]
            return ir.TupleValue(tuple(ir.as_numpy(x) for x in items), "ndarray")
        if len(args) > 1 or named:
            raise context.unsupported("this function of an array")
        return context.call_stdlib("mapped", ir.Builtin(name), value)

    return run


def _divmod(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return ir.TupleValue((binary_op(context, "//", args[0], args[1]), binary_op(context, "%", args[0], args[1])))


def _pow(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2 or named:
        raise context.unsupported("`pow` with three arguments")
    return binary_op(context, "**", args[0], args[1])


def _math_pow(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    # `math.pow` converts to floats first, where `**` of ints stays whole.
    a, b = (ir.Scalar("f", ir.as_float(as_number(context, x))) for x in args)
    return power(context, a, b)


def _operator(apply: Callable[[Context, str, Value, Value], Value], symbol: str) -> BuiltinHandler:
    """Return the handler of an operator as a function of two values."""
    return lambda context, args, named: apply(context, symbol, *args)


NUMBER_BUILTINS: dict[str, BuiltinHandler] = {
    **{f"math.{name}": _function(name, False) for name in MATH_FUNCTIONS},
    **{f"numpy.{name}": _function(name, True) for name in MATH_FUNCTIONS},
    "builtins.divmod": _divmod,
    "builtins.pow": _pow,
    "math.pow": _math_pow,
    "math.dist": stdlib_handler("distance"),
    "math.fsum": stdlib_handler("total", ir.Constant(0.0)),
    "math.gcd": stdlib_handler("gcd"),
    "math.prod": stdlib_handler("product", ir.Constant(1)),
    **{f"racer.{symbol}": _operator(item_op, symbol) for symbol in ARRAY_SYMBOLS},
    **{f"racer.{symbol}": _operator(compare_order, symbol) for symbol in ORDERS},
    "racer.as_numpy": lambda context, args, named: ir.as_numpy(args[0]),
}


def _abs(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    (value,) = args
    if is_sequence(context, value):
        return map_items("builtins.abs")(context, args, named)
    x = as_number(context, value)
    if isinstance(x, ir.Constant):
        return ir.Constant(abs(x.value))
    if x.kind in "bi":
        return ir.Scalar("i", f"abs({ir.as_kind(x, 'i')})", x.numpy, x.bound)
    return ir.Scalar(x.kind, f"abs({x.expr})", x.numpy)


def _int(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return ir.Constant(0)
    # int('12', 8)
    if len(args) > 1:
        raise context.unsupported("`int` with a base")
    x = as_number(context, args[0])
    if isinstance(x, ir.Constant):
        return fold_call(context, int, x.value)
    if x.kind in "bi":
        return ir.Scalar("i", ir.as_kind(x, "i"), False, x.bound)
    name = context.atom(x).expr
    _trap_beyond_limit(context, name)
    return ir.Scalar("i", f"int({name})")


def _float(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return ir.Constant(0.0)
    # float('inf') is a common start value of a minimum.
    if isinstance(args[0], ir.Constant) and isinstance(args[0].value, str):
        return fold_call(context, float, args[0].value)
    x = as_number(context, args[0])
    return ir.Constant(float(x.value)) if isinstance(x, ir.Constant) else ir.Scalar("f", ir.as_float(x))


def _bool(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return truth_value(truth_of(context, args[0])) if args else ir.Constant(False)


def _round(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    x = as_number(context, args[0])
    digits = args[1] if len(args) > 1 else named.get("ndigits", ir.NONE)
    if digits == ir.NONE:
        if ir.number_kind(x) in "bi":
            return _int(context, [x], {})
        if isinstance(x, ir.Constant):
            return fold_call(context, round, x.value)
        name = context.atom(x).expr
        _trap_beyond_limit(context, name)
        # Python rounds halves to the even neighbour, and so does `rint`.
        return ir.Scalar("i", f"int(np.rint({name}))")
    if not isinstance(digits, ir.Constant) or type(digits.value) is not int or not 0 <= digits.value <= _DIGITS_MAX:
        raise context.unsupported("`round` to a number of digits that is not known")
    if isinstance(x, ir.Constant):
        return fold_call(context, round, x.value, digits.value)
    if x.kind in "bi":
        return ir.Scalar("i", ir.as_kind(x, "i"), x.numpy, x.bound)
    if x.numpy:
        return _numpy_round(context, [x, digits], {})
    if digits.value == 0:
        name = context.atom(x).expr
        _trap_beyond_limit(context, name)
        return ir.Scalar(x.kind, f"np.rint({name})")
    result = context.call_stdlib("round_to", context.atom(x), digits)
    return ir.Scalar(x.kind, result.expr) if isinstance(result, ir.Scalar) else result


def _numpy_round(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """Return `numpy.round(x, digits)`, which scales, rounds and scales back; Python's `round` is exact instead."""
    digits = args[1] if len(args) > 1 else named.get("decimals", ir.Constant(0))
    if is_sequence(context, args[0]):
        raise context.unsupported("rounding of an array")
    x = as_number(context, args[0])
    if not isinstance(digits, ir.Constant) or not 0 <= digits.value <= _DIGITS_MAX:
        raise context.unsupported("`round` to a number of digits that is not known")
    if ir.number_kind(x) in "bi":
        return ir.as_numpy(x)
    # The product is rounded before halves are found: numpy.round(0.35, 1) is 0.4, and round(0.35, 1) is 0.3.
    scale = repr(10.0**digits.value)
    expr = f"np.rint({ir.as_float(x)})" if digits.value == 0 else f"(np.rint({ir.as_float(x)} * {scale}) / {scale})"
    name = context.temp(expr)
    context.trap_if(f"not abs({name}) < INF", UNCOVERED)
    return ir.Scalar("f", name, True)


def _numpy_abs(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if named or len(args) != 1:
        raise context.unsupported("this `abs`")
    return ir.as_numpy(context.call_builtin("builtins.abs", args, {}))


CONVERSION_BUILTINS: dict[str, BuiltinHandler] = {
    "builtins.abs": _abs,
    "builtins.int": _int,
    "builtins.float": _float,
    "builtins.bool": _bool,
    "builtins.round": _round,
    "numpy.round": _numpy_round,
    "numpy.around": _numpy_round,
    "numpy.double": numpy_handler("builtins.float"),
    "numpy.abs": _numpy_abs,
}


def _extreme(name: str) -> BuiltinHandler:
    """Return the handler of `min` or `max`."""
    symbol = "<" if name == "min" else ">"
    before = ir.Builtin(f"racer.{symbol}")

    def extreme(context: Context, items: Value, key: Value) -> Value:
        if key != ir.NONE:
            return context.call_stdlib("extreme_by", items, before, key)
        contents = contents_of(context, items) if is_sequence(context, items) else None
        if isinstance(contents, ir.FixedSequence) and contents.items and all(map(_may_be_number, contents.items)):
            return extreme_of(context, [as_number(context, v) for v in contents.items], symbol)
        return context.call_stdlib("extreme", items, before)

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if set(named) - {"key", "default"}:
            raise context.unsupported(f"`{name}` with these keywords")
        items = require_value(context, args[0] if len(args) == 1 else ir.TupleValue(tuple(args)))
        if dict_of(context, items) is not None:
            raise context.unsupported(f"`{name}` of a dict")
        key = named.get("key", ir.NONE)
        if "default" not in named:
            return extreme(context, items, key)
        # The default is used where there are no items.
        empty = test_equal(context, length_of(context, items), ir.Constant(0))
        return context.choose(empty, lambda: named["default"], lambda: extreme(context, items, key))

    return run


def _may_be_number(value: Value) -> bool:
    return ir.kind_of(value.value if isinstance(value, ir.Maybe) and value.value is not None else value) is not None


def extreme_of(context: Context, values: list[ir.Scalar | ir.Constant], symbol: str) -> ir.Scalar | ir.Constant:
    """Return the least (`<`) or greatest (`>`) of a few numbers, the first one where several are equal."""
    best = values[0]
    for value in values[1:]:
        if isinstance(best, ir.Constant) and isinstance(value, ir.Constant):
            better = value.value < best.value if symbol == "<" else value.value > best.value
            best = value if better else best
            continue
        # Written as Python compares, so that NaN and equal numbers of other kinds come out as there.
        pair = [context.atom(v) if isinstance(v, ir.Scalar) else v for v in (best, value)]
        kind = ir.join_kinds({ir.number_kind(v) for v in pair})
        a, b = (ir.as_kind(v, kind) for v in pair)
        bound = (
            max(v.bound if isinstance(v, ir.Scalar) else ir.bound_of(v) for v in pair) if kind == "i" else ir.INT_LIMIT
        )
        best = ir.Scalar(kind, context.temp(f"{b} if {b} {symbol} {a} else {a}"), ir.any_numpy(*pair), bound)
    return best


def _of_row(symbol: str) -> BuiltinHandler:
    """Return the handler of `numpy.min` (`<`) or `numpy.max` (`>`)."""
    over = over_row("extreme", ir.Builtin(f"racer.{symbol}"), numpy=True)

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) == 1 and not named and is_sequence(context, args[0]):
            contents = contents_of(context, flat_row(context, args[0]))
            if isinstance(contents, ir.FixedSequence) and contents.items:
                numbers = [as_number(context, v) for v in contents.items]
                _trap_nan(context, numbers)
                return _array_number(extreme_of(context, numbers, symbol))
        return over(context, args, named)

    return run


def _array_number(value: Value) -> Value:
    """Return a number as a numpy scalar; one of an array that held ints and floats is a float."""
    value = ir.as_numpy(value)
    return ir.Scalar("f", value.expr, True) if isinstance(value, ir.Scalar) and value.kind == "n" else value


def _trap_nan(context: Context, numbers: list[ir.Scalar | ir.Constant]) -> None:
    """Write traps for NaN: numpy returns NaN where a comparison would take the other number."""
    for x in numbers:
        if isinstance(x, ir.Scalar) and x.kind in "fn":
            context.trap_if(f"{ir.as_float(x)} != {ir.as_float(x)}", UNCOVERED)


def _clip(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    names = ("a", "a_min", "a_max")
    values = dict(zip(names, args, strict=False))
    # numpy 2 has both names of each bound.
    values.update({{"min": "a_min", "max": "a_max"}.get(k, k): v for k, v in named.items()})
    if set(values) != set(names) or ir.NONE in values.values():
        raise context.unsupported("this `clip`")
    if is_sequence(context, values["a"]):
        return map_items("numpy.clip")(context, [values[n] for n in names], {})
    number, low, high = numbers = [as_number(context, values[n]) for n in names]
    _trap_nan(context, numbers)
    return _array_number(extreme_of(context, [extreme_of(context, [number, low], ">"), high], "<"))


def _pairwise(symbol: str) -> BuiltinHandler:
    """Return the handler of `numpy.maximum` or `numpy.minimum` of two numbers."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 2 or any(is_sequence(context, a) for a in args):
            raise context.unsupported("this function of arrays")
        numbers = [as_number(context, a) for a in args]
        _trap_nan(context, numbers)
        return _array_number(extreme_of(context, numbers, symbol))

    return run


EXTREME_BUILTINS: dict[str, BuiltinHandler] = {
    "builtins.min": _extreme("min"),
    "builtins.max": _extreme("max"),
    "numpy.max": _of_row(">"),
    "numpy.amax": _of_row(">"),
    "numpy.min": _of_row("<"),
    "numpy.amin": _of_row("<"),
    "numpy.clip": _clip,
    "numpy.maximum": _pairwise(">"),
    "numpy.fmax": _pairwise(">"),
    "numpy.minimum": _pairwise("<"),
    "numpy.fmin": _pairwise("<"),
}
