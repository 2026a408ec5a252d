"""Operators on numbers and on numpy's arrays, with the checks that Python makes.

A zero divisor, a number outside a function's domain and a whole number that outgrows 53 bits trap: Python raises there,
or computes with more digits than the kernel has. Constants are folded by Python itself. Arrays of known length are
computed item by item, longer ones in a loop of the runtime library.
"""

from __future__ import annotations

import operator
from typing import Any

from racer.reward.compile.coercion import (
    as_number,
    comparable_pair,
    contents_of,
    is_sequence,
    require_value,
    type_of,
)
from racer.reward.compile.control_flow import Context
from racer.reward.compile.errors import UNCOVERED
from racer.reward.compile.values import (
    INT_LIMIT,
    ArraySequence,
    Builtin,
    Constant,
    FixedSequence,
    RecordShape,
    Scalar,
    TupleValue,
    Value,
    any_numpy,
    as_float,
    as_kind,
    as_numpy,
    bound_of,
    is_zero,
    number_kind,
)

FOLD: dict[str, Any] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_AST_NAMES = ("Add", "Sub", "Mult", "Div", "FloorDiv", "Mod", "Pow", "BitAnd", "BitOr", "BitXor", "LShift", "RShift")
SYMBOLS = dict(zip(_AST_NAMES, FOLD, strict=True))
"""Symbol of each operator, by its name in Python's syntax tree."""
# Largest exponents and shifts of constants that are folded: Python would take minutes for 9 ** 9 ** 9.
FOLDED_EXPONENT_MAX = 1000
# A whole power is written as multiplications; from 2 ** 53 on it traps anyway.
_WHOLE_EXPONENT_MAX, _SHIFT_MAX = 60, 52
_TOO_LARGE = "a number that the kernel does not hold"
ARRAY_SYMBOLS = ("+", "-", "*", "/", "**")
"""Operators that are covered on arrays; `Builtin("racer.+")` is the operator `+` of two items as a function."""
ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def checked_int(context: Context, expr: str, bound: float, numpy: bool = False) -> Scalar:
    """Return an int expression; write a trap for where it outgrows 53 bits.

    Args:
        context: The translator.
        expr: Code; it must not overflow 64 bits.
        bound: Largest absolute value that it can have.
        numpy: Whether the result is a numpy scalar.
    """
    if bound <= INT_LIMIT:
        return Scalar("i", expr, numpy, bound)
    name = context.temp(expr)
    context.trap_if(f"{name} > {int(INT_LIMIT)} or {name} < -{int(INT_LIMIT)}", UNCOVERED)
    return Scalar("i", name, numpy)


def folded_constant(context: Context, value: Any) -> Value:
    """Return the result of folding as a constant, if the kernel can hold it."""
    if isinstance(value, complex) or (type(value) is int and abs(value) >= INT_LIMIT):
        raise context.trap(_TOO_LARGE, UNCOVERED)
    return Constant(value)


def binary_op(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Return `left <symbol> right` for numbers."""
    a, b = as_number(context, left), as_number(context, right)
    if isinstance(a, Constant) and isinstance(b, Constant):
        if symbol in ("**", "<<") and abs(b.value) > FOLDED_EXPONENT_MAX:
            raise context.trap(_TOO_LARGE, UNCOVERED)
        try:
            return folded_constant(context, FOLD[symbol](a.value, b.value))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise context.trap("an operation that Python refuses", error=type(error).__name__) from None
    # numpy adds truth values as `or` and refuses to subtract them; Python computes with 0 and 1.
    if any_numpy(a, b) and "b" in (number_kind(a), number_kind(b)) and symbol not in "&|^":
        raise context.unsupported("arithmetic with a numpy truth value")
    if symbol in "+-*":
        return _plain_op(context, symbol, a, b)
    if symbol in ("/", "//", "%"):
        return _divide(context, symbol, a, b)
    return power(context, a, b) if symbol == "**" else _bits(context, symbol, a, b)


def _result_kind(a: Scalar | Constant, b: Scalar | Constant) -> str:
    kinds = {number_kind(a), number_kind(b)}
    return "f" if "f" in kinds else "n" if "n" in kinds else "i"


def _plain_op(context: Context, symbol: str, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    result = _result_kind(a, b)
    if result != "i":
        return Scalar(result, f"({as_float(a)} {symbol} {as_float(b)})", any_numpy(a, b))
    bound = bound_of(a) * bound_of(b) if symbol == "*" else bound_of(a) + bound_of(b)
    x, y = as_kind(a, "i"), as_kind(b, "i")
    if bound >= 2.0**62:
        # The int64 product itself may overflow, so the check is made on the floats, before it.
        context.trap_if(f"abs(float({x}) * float({y})) > {INT_LIMIT}", UNCOVERED)
        bound = INT_LIMIT * 2
    return checked_int(context, f"({x} {symbol} {y})", bound, any_numpy(a, b))


def _divide(context: Context, symbol: str, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    numpy = any_numpy(a, b)
    error = "" if numpy else "ZeroDivisionError"
    if isinstance(b, Scalar):
        b = context.atom(b)
        context.trap_if(is_zero(b), error=error)
    # numpy warns and returns infinity or NaN there; plain Python makes that call.
    elif not b.value:
        raise context.trap("a division by zero", error=error)
    if symbol == "/":
        return Scalar("f", f"({as_float(a)} / {as_float(b)})", numpy)
    result = _result_kind(a, b)
    if symbol == "%" and isinstance(a, Scalar):
        return _remainder(context, a, b, result)
    if result != "i":
        return Scalar(result, context.temp(f"{as_float(a)} {symbol} {as_float(b)}"), numpy)
    # -1 // 2 is -1: rounding down can give one more than the dividend.
    bound = bound_of(a) + 1.0 if symbol == "//" else bound_of(b)
    return Scalar("i", f"({as_kind(a, 'i')} {symbol} {as_kind(b, 'i')})", numpy, min(bound, INT_LIMIT))


def _remainder(context: Context, a: Scalar, b: Scalar | Constant, result: str) -> Scalar:
    """Return `a % b`, without a division where `a` is in range already, or a turn below it: 10 ns less."""
    x = context.atom(Scalar(result, as_kind(a, result))).expr
    y = as_kind(b, result)
    expr = f"{x} % {y}"
    if result == "i":
        if isinstance(b, Scalar):
            expr = f"{x} if 0 <= {x} < {y} else {expr}"
        return Scalar("i", context.temp(expr), any_numpy(a, b), min(bound_of(b), INT_LIMIT))
    if isinstance(b, Constant) and 0.0 < b.value < float("inf"):  # -0.0 % y is 0.0, so zeros divide
        expr = f"{x} if 0.0 < {x} < {y} else ({x} + {y} if -{y} < {x} < 0.0 else {expr})"
    return Scalar(result, context.temp(expr), any_numpy(a, b))


def power(context: Context, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    """Return `a ** b`; write traps for complex, infinite and undefined results."""
    numpy = any_numpy(a, b)
    both_int = _result_kind(a, b) == "i"
    if both_int and isinstance(b, Constant) and b.value >= 0:
        return _whole_power(context, a, int(b.value))
    if both_int and numpy:
        raise context.trap("a numpy whole number to a negative power", UNCOVERED)
    if both_int and not isinstance(b, Constant):
        # A negative exponent would make a float of it.
        context.trap_if(f"{as_kind(b, 'i')} < 0", UNCOVERED)
        name = context.temp(f"{as_float(a)} ** {as_float(b)}")
        context.trap_if(f"not abs({name}) < {INT_LIMIT}", UNCOVERED)
        return Scalar("i", f"int({name})", numpy)
    result = "f" if both_int else _result_kind(a, b)
    # The two most frequent exponents without `pow`, which is slower.
    if isinstance(b, Constant) and b.value == 2:
        base = context.atom(a) if isinstance(a, Scalar) else a
        name = context.temp(f"{as_float(base)} * {as_float(base)}")
    elif isinstance(b, Constant) and b.value == 0.5:
        x = context.atom(Scalar("f", as_float(a))).expr
        context.trap_if(f"not {x} >= 0.0", UNCOVERED)
        name = context.temp(f"math.sqrt({x})")
    else:
        x = context.atom(Scalar("f", as_float(a))).expr
        y = as_float(b if isinstance(b, Constant) else context.atom(Scalar("f", as_float(b))))
        if not isinstance(b, Constant) or b.value != int(b.value):
            context.trap_if(f"{x} < 0.0 and {y} != math.floor({y})", UNCOVERED)
        if not isinstance(b, Constant) or b.value < 0:
            context.trap_if(f"{x} == 0.0 and {y} < 0.0", error="" if numpy else "ZeroDivisionError")
        name = context.temp(f"{x} ** {y}")
    context.trap_if(f"not abs({name}) < INF", UNCOVERED)
    return Scalar(result, name, numpy)


def _whole_power(context: Context, a: Scalar | Constant, exponent: int) -> Scalar:
    if exponent > _WHOLE_EXPONENT_MAX:
        raise context.trap(_TOO_LARGE, UNCOVERED)
    base = context.atom(Scalar("i", as_kind(a, "i"), any_numpy(a), bound_of(a)))
    if exponent == 0:
        return Scalar("i", "1", base.numpy, 1.0)
    result = base
    # Each product is checked, so that none overflows.
    for _ in range(exponent - 1):
        result = _plain_op(context, "*", result, base)
    return result


def _bits(context: Context, symbol: str, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    kinds, numpy = {number_kind(a), number_kind(b)}, any_numpy(a, b)
    if not kinds <= {"b", "i"}:
        raise context.trap("a bit operation on a float") if kinds & {"f"} else context.unsupported("a bit operation")
    if symbol in "&|^":
        if kinds == {"b"}:
            return Scalar("b", f"({as_kind(a, 'b')} {symbol} {as_kind(b, 'b')})", numpy)
        expr = f"({as_kind(a, 'i')} {symbol} {as_kind(b, 'i')})"
        # Each operand is within the limit, but 2 ** 53 | 1 is not.
        return checked_int(context, expr, INT_LIMIT * 2, numpy)
    if not isinstance(b, Constant) or not 0 <= b.value <= _SHIFT_MAX:
        raise context.unsupported("a shift by a number that is not known")
    if symbol == ">>":
        return Scalar("i", f"({as_kind(a, 'i')} >> {int(b.value)})", numpy)
    return _plain_op(context, "*", a, Constant(1 << int(b.value)))


def unary_op(context: Context, symbol: str, value: Value) -> Value:
    """Return `-value`, `+value` or `~value`."""
    a = as_number(context, value)
    if isinstance(a, Constant):
        fold: Any = {"-": operator.neg, "+": operator.pos, "~": operator.invert}[symbol]
        if symbol == "~" and type(a.value) is float:
            raise context.trap("an operation that Python refuses")
        return folded_constant(context, fold(a.value))
    if a.numpy and a.kind == "b":
        raise context.unsupported("arithmetic with a numpy truth value")
    if symbol == "~":
        if a.kind not in "bi":
            raise context.unsupported("a bit operation")
        return checked_int(context, f"(-{as_kind(a, 'i')} - 1)", bound_of(a) + 1.0, a.numpy)
    if a.kind in "bi":
        return Scalar("i", f"({symbol}{as_kind(a, 'i')})", a.numpy, bound_of(a))
    return Scalar(a.kind, f"({symbol}{a.expr})", a.numpy)


def compare_order(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Return `left <symbol> right` for `<`, `<=`, `>` or `>=`."""
    if "ndarray" in (type_of(context, left), type_of(context, right)):
        raise context.unsupported("a comparison of arrays")
    left, right = require_value(context, left), require_value(context, right)
    if is_sequence(context, left) and is_sequence(context, right):
        raise context.unsupported("an order of lists")
    a, b = as_number(context, left), as_number(context, right)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return Constant(ORDERS[symbol](a.value, b.value))
    return Scalar("b", f"({comparable_pair(a, b)} {symbol} {comparable_pair(b, a)})", any_numpy(a, b))


def array_op(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Return `left <symbol> right` where one side is an array, and the other an array, a list or a number."""
    values = (left, right)
    sides = [contents_of(context, v) if is_sequence(context, v) else None for v in values]
    if all(s is None or isinstance(s, FixedSequence) for s in sides):
        counts = {len(s.items) for s in sides if isinstance(s, FixedSequence)}
        if len(counts) != 1:
            raise context.unsupported("arrays of several lengths")
        count = counts.pop()
        rows = [s.items if isinstance(s, FixedSequence) else (v,) * count for s, v in zip(sides, values, strict=True)]
        items = tuple(as_numpy(item_op(context, symbol, a, b)) for a, b in zip(*rows, strict=True))
        return TupleValue(items, "ndarray")
    # `mapped_left`: the left side has the rows, and the right side is the same for each of them.
    tables = [s is not None and _is_table(context, s) for s in sides]
    name = "mapped_left" if sides[0] else "mapped_right"
    if sides[0] and sides[1]:
        name = "mapped_two" if tables[0] == tables[1] else "mapped_left" if tables[0] else "mapped_right"
    return context.call_stdlib(name, Builtin(f"racer.{symbol}"), left, right)


def _is_table(context: Context, side: FixedSequence | ArraySequence) -> bool:
    if isinstance(side, ArraySequence):
        return isinstance(side.shape, RecordShape)
    return is_sequence(context, side.items[0])


def item_op(context: Context, symbol: str, a: Value, b: Value) -> Value:
    """Return `a <symbol> b` for two items of arrays, which may be arrays."""
    if symbol not in ARRAY_SYMBOLS:
        raise context.unsupported(f"the operator {symbol} on arrays")
    if is_sequence(context, a) or is_sequence(context, b):
        return array_op(context, symbol, a, b)
    return binary_op(context, symbol, as_numpy(a), b)
