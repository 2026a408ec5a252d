"""Operators on numbers and on numpy's arrays, with the checks that Python makes.

A zero divisor, a number outside a function's domain and a whole number that outgrows 53 bits trap: Python raises there,
or computes with more digits than the kernel has. Constants are folded by Python itself. Arrays of known length are
computed item by item, longer ones in a loop of the runtime library.
"""

from __future__ import annotations

import operator
from typing import Any

from racer.reward.compile import values as ir
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
from racer.reward.compile.values import Value

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


def checked_int(context: Context, expr: str, bound: float, numpy: bool = False) -> ir.Scalar:
    """Return an int expression; write a trap for where it outgrows 53 bits.

    Args:
        context: The translator.
        expr: Code; it must not overflow 64 bits.
        bound: Largest absolute value that it can have.
        numpy: Whether the result is a numpy scalar.
    """
    if bound <= ir.INT_LIMIT:
        return ir.Scalar("i", expr, numpy, bound)
    name = context.temp(expr)
    context.trap_if(f"{name} > {int(ir.INT_LIMIT)} or {name} < -{int(ir.INT_LIMIT)}", UNCOVERED)
    return ir.Scalar("i", name, numpy)


def folded_constant(context: Context, value: Any) -> Value:
    """Return the result of folding as a constant, if the kernel can hold it."""
    if isinstance(value, complex) or (type(value) is int and abs(value) >= ir.INT_LIMIT):
        raise context.trap(_TOO_LARGE, UNCOVERED)
    return ir.Constant(value)


def binary_op(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Return `left <symbol> right` for numbers."""
    a, b = as_number(context, left), as_number(context, right)
    if isinstance(a, ir.Constant) and isinstance(b, ir.Constant):
        if symbol in ("**", "<<") and abs(b.value) > FOLDED_EXPONENT_MAX:
            raise context.trap(_TOO_LARGE, UNCOVERED)
        try:
            return folded_constant(context, FOLD[symbol](a.value, b.value))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise context.trap("an operation that Python refuses", error=type(error).__name__) from None
    # numpy adds truth values as `or` and refuses to subtract them; Python computes with 0 and 1.
    if ir.any_numpy(a, b) and "b" in (ir.number_kind(a), ir.number_kind(b)) and symbol not in "&|^":
        raise context.unsupported("arithmetic with a numpy truth value")
    if symbol in "+-*":
        return _plain_op(context, symbol, a, b)
    if symbol in ("/", "//", "%"):
        return _divide(context, symbol, a, b)
    return power(context, a, b) if symbol == "**" else _bits(context, symbol, a, b)


def _result_kind(a: ir.Scalar | ir.Constant, b: ir.Scalar | ir.Constant) -> str:
    kinds = {ir.number_kind(a), ir.number_kind(b)}
    return "f" if "f" in kinds else "n" if "n" in kinds else "i"


def _plain_op(context: Context, symbol: str, a: ir.Scalar | ir.Constant, b: ir.Scalar | ir.Constant) -> ir.Scalar:
    result = _result_kind(a, b)
    if result != "i":
        return ir.Scalar(result, f"({ir.as_float(a)} {symbol} {ir.as_float(b)})", ir.any_numpy(a, b))
    bound = ir.bound_of(a) * ir.bound_of(b) if symbol == "*" else ir.bound_of(a) + ir.bound_of(b)
    x, y = ir.as_kind(a, "i"), ir.as_kind(b, "i")
    if bound >= 2.0**62:
        # The int64 product itself may overflow, so the check is made on the floats, before it.
        context.trap_if(f"abs(float({x}) * float({y})) > {ir.INT_LIMIT}", UNCOVERED)
        bound = ir.INT_LIMIT * 2
    return checked_int(context, f"({x} {symbol} {y})", bound, ir.any_numpy(a, b))


def _divide(context: Context, symbol: str, a: ir.Scalar | ir.Constant, b: ir.Scalar | ir.Constant) -> ir.Scalar:
    numpy = ir.any_numpy(a, b)
    error = "" if numpy else "ZeroDivisionError"
    if isinstance(b, ir.Scalar):
        b = context.atom(b)
        context.trap_if(ir.is_zero(b), error=error)
    # numpy warns and returns infinity or NaN there; plain Python makes that call.
    elif not b.value:
        raise context.trap("a division by zero", error=error)
    if symbol == "/":
        return ir.Scalar("f", f"({ir.as_float(a)} / {ir.as_float(b)})", numpy)
    result = _result_kind(a, b)
    if symbol == "%" and isinstance(a, ir.Scalar):
        return _remainder(context, a, b, result)
    if result != "i":
        return ir.Scalar(result, context.temp(f"{ir.as_float(a)} {symbol} {ir.as_float(b)}"), numpy)
    # -1 // 2 is -1: rounding down can give one more than the dividend.
    bound = ir.bound_of(a) + 1.0 if symbol == "//" else ir.bound_of(b)
    return ir.Scalar("i", f"({ir.as_kind(a, 'i')} {symbol} {ir.as_kind(b, 'i')})", numpy, min(bound, ir.INT_LIMIT))


def _remainder(context: Context, a: ir.Scalar, b: ir.Scalar | ir.Constant, result: str) -> ir.Scalar:
    """Return `a % b`, without a division where `a` is in range already, or a turn below it: 10 ns less."""
    x = context.atom(ir.Scalar(result, ir.as_kind(a, result))).expr
    y = ir.as_kind(b, result)
    expr = f"{x} % {y}"
    if result == "i":
        if isinstance(b, ir.Scalar):
            expr = f"{x} if 0 <= {x} < {y} else {expr}"
        return ir.Scalar("i", context.temp(expr), ir.any_numpy(a, b), min(ir.bound_of(b), ir.INT_LIMIT))
    if isinstance(b, ir.Constant) and 0.0 < b.value < float("inf"):  # -0.0 % y is 0.0, so zeros divide
        expr = f"{x} if 0.0 < {x} < {y} else ({x} + {y} if -{y} < {x} < 0.0 else {expr})"
    return ir.Scalar(result, context.temp(expr), ir.any_numpy(a, b))


def power(context: Context, a: ir.Scalar | ir.Constant, b: ir.Scalar | ir.Constant) -> ir.Scalar:
    """Return `a ** b`; write traps for complex, infinite and undefined results."""
    numpy = ir.any_numpy(a, b)
    both_int = _result_kind(a, b) == "i"
    if both_int and isinstance(b, ir.Constant) and b.value >= 0:
        return _whole_power(context, a, int(b.value))
    if both_int and numpy:
        raise context.trap("a numpy whole number to a negative power", UNCOVERED)
    if both_int and not isinstance(b, ir.Constant):
        # A negative exponent would make a float of it.
        context.trap_if(f"{ir.as_kind(b, 'i')} < 0", UNCOVERED)
        name = context.temp(f"{ir.as_float(a)} ** {ir.as_float(b)}")
        context.trap_if(f"not abs({name}) < {ir.INT_LIMIT}", UNCOVERED)
        return ir.Scalar("i", f"int({name})", numpy)
    result = "f" if both_int else _result_kind(a, b)
    # The two most frequent exponents without `pow`, which is slower.
    if isinstance(b, ir.Constant) and b.value == 2:
        base = context.atom(a) if isinstance(a, ir.Scalar) else a
        name = context.temp(f"{ir.as_float(base)} * {ir.as_float(base)}")
    elif isinstance(b, ir.Constant) and b.value == 0.5:
        x = context.atom(ir.Scalar("f", ir.as_float(a))).expr
        context.trap_if(f"not {x} >= 0.0", UNCOVERED)
        name = context.temp(f"math.sqrt({x})")
    else:
        x = context.atom(ir.Scalar("f", ir.as_float(a))).expr
        y = ir.as_float(b if isinstance(b, ir.Constant) else context.atom(ir.Scalar("f", ir.as_float(b))))
        if not isinstance(b, ir.Constant) or b.value != int(b.value):
            context.trap_if(f"{x} < 0.0 and {y} != math.floor({y})", UNCOVERED)
        if not isinstance(b, ir.Constant) or b.value < 0:
            context.trap_if(f"{x} == 0.0 and {y} < 0.0", error="" if numpy else "ZeroDivisionError")
        name = context.temp(f"{x} ** {y}")
    context.trap_if(f"not abs({name}) < INF", UNCOVERED)
    return ir.Scalar(result, name, numpy)


def _whole_power(context: Context, a: ir.Scalar | ir.Constant, exponent: int) -> ir.Scalar:
    if exponent > _WHOLE_EXPONENT_MAX:
        raise context.trap(_TOO_LARGE, UNCOVERED)
    base = context.atom(ir.Scalar("i", ir.as_kind(a, "i"), ir.any_numpy(a), ir.bound_of(a)))
    if exponent == 0:
        return ir.Scalar("i", "1", base.numpy, 1.0)
    result = base
    # Each product is checked, so that none overflows.
    for _ in range(exponent - 1):
        result = _plain_op(context, "*", result, base)
    return result


def _bits(context: Context, symbol: str, a: ir.Scalar | ir.Constant, b: ir.Scalar | ir.Constant) -> ir.Scalar:
    kinds, numpy = {ir.number_kind(a), ir.number_kind(b)}, ir.any_numpy(a, b)
    if not kinds <= {"b", "i"}:
        raise context.trap("a bit operation on a float") if kinds & {"f"} else context.unsupported("a bit operation")
    if symbol in "&|^":
        if kinds == {"b"}:
            return ir.Scalar("b", f"({ir.as_kind(a, 'b')} {symbol} {ir.as_kind(b, 'b')})", numpy)
        expr = f"({ir.as_kind(a, 'i')} {symbol} {ir.as_kind(b, 'i')})"
        # Each operand is within the limit, but 2 ** 53 | 1 is not.
        return checked_int(context, expr, ir.INT_LIMIT * 2, numpy)
    if not isinstance(b, ir.Constant) or not 0 <= b.value <= _SHIFT_MAX:
        raise context.unsupported("a shift by a number that is not known")
    if symbol == ">>":
        return ir.Scalar("i", f"({ir.as_kind(a, 'i')} >> {int(b.value)})", numpy)
    return _plain_op(context, "*", a, ir.Constant(1 << int(b.value)))


def unary_op(context: Context, symbol: str, value: Value) -> Value:
    """Return `-value`, `+value` or `~value`."""
    a = as_number(context, value)
    if isinstance(a, ir.Constant):
        fold: Any = {"-": operator.neg, "+": operator.pos, "~": operator.invert}[symbol]
        if symbol == "~" and type(a.value) is float:
            raise context.trap("an operation that Python refuses")
        return folded_constant(context, fold(a.value))
    if a.numpy and a.kind == "b":
        raise context.unsupported("arithmetic with a numpy truth value")
    if symbol == "~":
        if a.kind not in "bi":
            raise context.unsupported("a bit operation")
        return checked_int(context, f"(-{ir.as_kind(a, 'i')} - 1)", ir.bound_of(a) + 1.0, a.numpy)
    if a.kind in "bi":
        return ir.Scalar("i", f"({symbol}{ir.as_kind(a, 'i')})", a.numpy, ir.bound_of(a))
    return ir.Scalar(a.kind, f"({symbol}{a.expr})", a.numpy)


def compare_order(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Return `left <symbol> right` for `<`, `<=`, `>` or `>=`."""
    if "ndarray" in (type_of(context, left), type_of(context, right)):
        raise context.unsupported("a comparison of arrays")
    left, right = require_value(context, left), require_value(context, right)
    if is_sequence(context, left) and is_sequence(context, right):
        raise context.unsupported("an order of lists")
    a, b = as_number(context, left), as_number(context, right)
    if isinstance(a, ir.Constant) and isinstance(b, ir.Constant):
        return ir.Constant(ORDERS[symbol](a.value, b.value))
    return ir.Scalar("b", f"({comparable_pair(a, b)} {symbol} {comparable_pair(b, a)})", ir.any_numpy(a, b))


def array_op(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Return `left <symbol> right` where one side is an array, and the other an array, a list or a number."""
    values = (left, right)
    sides = [contents_of(context, v) if is_sequence(context, v) else None for v in values]
    if all(s is None or isinstance(s, ir.FixedSequence) for s in sides):
        counts = {len(s.items) for s in sides if isinstance(s, ir.FixedSequence)}
        if len(counts) != 1:
            raise context.unsupported("arrays of several lengths")
        count = counts.pop()
        rows = [
            s.items if isinstance(s, ir.FixedSequence) else (v,) * count for s, v in zip(sides, values, strict=True)
        ]
        items = tuple(ir.as_numpy(item_op(context, symbol, a, b)) for a, b in zip(*rows, strict=True))
        return ir.TupleValue(items, "ndarray")
    # `mapped_left`: the left side has the rows, and the right side is the same for each of them.
    tables = [s is not None and _is_table(context, s) for s in sides]
    name = "mapped_left" if sides[0] else "mapped_right"
    if sides[0] and sides[1]:
        name = "mapped_two" if tables[0] == tables[1] else "mapped_left" if tables[0] else "mapped_right"
    return context.call_stdlib(name, ir.Builtin(f"racer.{symbol}"), left, right)


def _is_table(context: Context, side: ir.FixedSequence | ir.ArraySequence) -> bool:
    if isinstance(side, ir.ArraySequence):
        return isinstance(side.shape, ir.RecordShape)
    return is_sequence(context, side.items[0])


def item_op(context: Context, symbol: str, a: Value, b: Value) -> Value:
    """Return `a <symbol> b` for two items of arrays, which may be arrays."""
    if symbol not in ARRAY_SYMBOLS:
        raise context.unsupported(f"the operator {symbol} on arrays")
    if is_sequence(context, a) or is_sequence(context, b):
        return array_op(context, symbol, a, b)
    return binary_op(context, symbol, ir.as_numpy(a), b)
