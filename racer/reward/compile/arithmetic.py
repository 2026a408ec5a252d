"""Operators on numbers, with what Python checks: zero divisors, domains, whole numbers that outgrow 53 bits.

Operators on numpy's arrays: item by item where the length is known, in a loop otherwise.
"""

from __future__ import annotations

import operator
from typing import Any

from racer.reward.compile.coercion import as_number, contents_of, is_sequence
from racer.reward.compile.control_flow import Context
from racer.reward.compile.errors import UNCOVERED
from racer.reward.compile.values import (
    INT_LIMIT,
    ArraySequence,
    Constant,
    FixedSequence,
    RecordShape,
    Scalar,
    TupleValue,
    Value,
    as_float,
    as_kind,
    as_numpy,
    bound_of,
    is_zero,
    number_kind,
)

SYMBOLS = {
    "Add": "+",
    "Sub": "-",
    "Mult": "*",
    "Div": "/",
    "FloorDiv": "//",
    "Mod": "%",
    "Pow": "**",
    "BitAnd": "&",
    "BitOr": "|",
    "BitXor": "^",
    "LShift": "<<",
    "RShift": ">>",
}
_FOLD: dict[str, Any] = {
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


def _numpy(*values: Scalar | Constant) -> bool:
    return any(isinstance(v, Scalar) and v.numpy for v in values)


def checked_int(context: Context, expr: str, bound: float, numpy: bool = False) -> Scalar:
    """An int expression; it leaves where the number outgrows 53 bits."""
    if bound <= INT_LIMIT:
        return Scalar("i", expr, numpy, bound)
    name = context.temp(expr)
    context.trap_if(f"{name} > {int(INT_LIMIT)} or {name} < -{int(INT_LIMIT)}", UNCOVERED)
    return Scalar("i", name, numpy)


def folded_constant(context: Context, value: Any) -> Value:
    """A folded value."""
    if isinstance(value, complex) or (type(value) is int and abs(value) >= INT_LIMIT):
        raise context.trap("a number that the kernel does not hold", UNCOVERED)
    return Constant(value)


def binary_op(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """`one <symbol> two` for numbers."""
    a, b = as_number(context, one), as_number(context, two)
    if isinstance(a, Constant) and isinstance(b, Constant):
        if symbol in ("**", "<<") and abs(b.value) > 1000:
            raise context.trap("a number that the kernel does not hold", UNCOVERED)
        try:
            return folded_constant(context, _FOLD[symbol](a.value, b.value))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise context.trap("an operation that Python refuses", error=type(error).__name__) from None
    if _numpy(a, b) and "b" in (number_kind(a), number_kind(b)) and symbol not in "&|^":
        raise context.unsupported("arithmetic with a numpy truth value")
    if symbol in "+-*":
        return _plain_op(context, symbol, a, b)
    if symbol in ("/", "//", "%"):
        return _divide(context, symbol, a, b)
    if symbol == "**":
        return power(context, a, b)
    return _bits(context, symbol, a, b)


def _result_kind(a: Scalar | Constant, b: Scalar | Constant) -> str:
    kinds = {number_kind(a), number_kind(b)}
    return "f" if "f" in kinds else "n" if "n" in kinds else "i"


def _plain_op(context: Context, symbol: str, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    result = _result_kind(a, b)
    if result != "i":
        return Scalar(result, f"({as_float(a)} {symbol} {as_float(b)})", _numpy(a, b))
    x, y = bound_of(a), bound_of(b)
    bound = x * y if symbol == "*" else x + y
    one, two = as_kind(a, "i"), as_kind(b, "i")
    if bound >= 2.0**62:
        context.trap_if(f"abs(float({one}) * float({two})) > {INT_LIMIT}", UNCOVERED)
        bound = INT_LIMIT * 2
    return checked_int(context, f"({one} {symbol} {two})", bound, _numpy(a, b))


def _divide(context: Context, symbol: str, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    error = "" if _numpy(a, b) else "ZeroDivisionError"
    if isinstance(b, Scalar):
        b = context.atom(b)
        context.trap_if(is_zero(b), error=error)
    elif not b.value:
        raise context.trap("a division by zero", error=error)
    if symbol == "/":
        return Scalar("f", f"({as_float(a)} / {as_float(b)})", _numpy(a, b))
    result = _result_kind(a, b)
    if symbol == "%" and isinstance(a, Scalar):
        return _remainder(context, a, b, result)
    if result != "i":
        return Scalar(result, context.temp(f"{as_float(a)} {symbol} {as_float(b)}"), _numpy(a, b))
    bound = bound_of(a) + 1.0 if symbol == "//" else bound_of(b)
    return Scalar("i", f"({as_kind(a, 'i')} {symbol} {as_kind(b, 'i')})", _numpy(a, b), min(bound, INT_LIMIT))


def _remainder(context: Context, a: Scalar, b: Scalar | Constant, result: str) -> Scalar:
    """`a % b`, without a division where `a` is in range already, or a turn below it: 10 ns less."""
    x = context.atom(Scalar(result, as_kind(a, result))).expr
    y = as_kind(b, result)
    expr = f"{x} % {y}"
    if result == "i":
        if isinstance(b, Scalar):
            expr = f"{x} if 0 <= {x} < {y} else {expr}"
        return Scalar("i", context.temp(expr), _numpy(a, b), min(bound_of(b), INT_LIMIT))
    if isinstance(b, Constant) and 0.0 < b.value < float("inf"):  # -0.0 % y is 0.0, so zeros divide
        expr = f"{x} if 0.0 < {x} < {y} else ({x} + {y} if -{y} < {x} < 0.0 else {expr})"
    return Scalar(result, context.temp(expr), _numpy(a, b))


def power(context: Context, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    """`a ** b`; it leaves for complex, infinite and undefined results."""
    both_int = _result_kind(a, b) == "i"
    if both_int and isinstance(b, Constant) and b.value >= 0:
        return _whole_power(context, a, int(b.value))
    if both_int and _numpy(a, b):
        raise context.trap("a numpy whole number to a negative power", UNCOVERED)
    if both_int and not isinstance(b, Constant):
        context.trap_if(f"{as_kind(b, 'i')} < 0", UNCOVERED)
        name = context.temp(f"{as_float(a)} ** {as_float(b)}")
        context.trap_if(f"not abs({name}) < {INT_LIMIT}", UNCOVERED)
        return Scalar("i", f"int({name})", _numpy(a, b))
    result = "f" if both_int else _result_kind(a, b)
    if isinstance(b, Constant) and b.value == 2:
        base = context.atom(a) if isinstance(a, Scalar) else a
        name = context.temp(f"{as_float(base)} * {as_float(base)}")
    elif isinstance(b, Constant) and b.value == 0.5:
        base = context.atom(Scalar("f", as_float(a)))
        context.trap_if(f"not {base.expr} >= 0.0", UNCOVERED)
        name = context.temp(f"math.sqrt({base.expr})")
    else:
        base = context.atom(Scalar("f", as_float(a)))
        exponent = b if isinstance(b, Constant) else context.atom(Scalar("f", as_float(b)))
        if not isinstance(b, Constant) or b.value != int(b.value):
            context.trap_if(
                f"{base.expr} < 0.0 and {as_float(exponent)} != math.floor({as_float(exponent)})", UNCOVERED
            )
        if not isinstance(b, Constant) or b.value < 0:
            zero = f"{base.expr} == 0.0 and {as_float(exponent)} < 0.0"
            context.trap_if(zero, error="" if _numpy(a, b) else "ZeroDivisionError")
        name = context.temp(f"{base.expr} ** {as_float(exponent)}")
    context.trap_if(f"not abs({name}) < INF", UNCOVERED)
    return Scalar(result, name, _numpy(a, b))


def _whole_power(context: Context, a: Scalar | Constant, exponent: int) -> Scalar:
    if exponent > 60:
        raise context.trap("a number that the kernel does not hold", UNCOVERED)
    base = context.atom(Scalar("i", as_kind(a, "i"), _numpy(a), bound_of(a)))
    result: Scalar | Constant = Constant(1)
    for _ in range(exponent):
        result = base if isinstance(result, Constant) else _plain_op(context, "*", result, base)
    return result if isinstance(result, Scalar) else Scalar("i", "1", _numpy(a), 1.0)


def _bits(context: Context, symbol: str, a: Scalar | Constant, b: Scalar | Constant) -> Scalar:
    kinds = {number_kind(a), number_kind(b)}
    if not kinds <= {"b", "i"}:
        raise context.trap("a bit operation on a float") if kinds & {"f"} else context.unsupported("a bit operation")
    if symbol in "&|^" and kinds == {"b"}:
        return Scalar("b", f"({as_kind(a, 'b')} {symbol} {as_kind(b, 'b')})", _numpy(a, b))
    if symbol in "&|^":
        expr = f"({as_kind(a, 'i')} {symbol} {as_kind(b, 'i')})"
        return checked_int(context, expr, INT_LIMIT * 2, _numpy(a, b))
    if not isinstance(b, Constant) or not 0 <= b.value <= 52:
        raise context.unsupported("a shift by a number that is not known")
    if symbol == ">>":
        return Scalar("i", f"({as_kind(a, 'i')} >> {int(b.value)})", _numpy(a, b))
    return _plain_op(context, "*", a, Constant(1 << int(b.value)))


def unary_op(context: Context, symbol: str, value: Value) -> Value:
    """`-x`, `+x`, `~x`."""
    a = as_number(context, value)
    if isinstance(a, Constant):
        folded = {"-": operator.neg, "+": operator.pos, "~": operator.invert}[symbol]
        if symbol == "~" and type(a.value) is float:
            raise context.trap("an operation that Python refuses")
        return folded_constant(context, folded(a.value))  # type: ignore[operator]
    if a.numpy and a.kind == "b":
        raise context.unsupported("arithmetic with a numpy truth value")
    if symbol == "~":
        if a.kind not in "bi":
            raise context.unsupported("a bit operation")
        return checked_int(context, f"(-{as_kind(a, 'i')} - 1)", bound_of(a) + 1.0, a.numpy)
    if a.kind in "bi":
        return Scalar("i", f"({symbol}{as_kind(a, 'i')})", a.numpy, bound_of(a))
    return Scalar(a.kind, f"({symbol}{a.expr})", a.numpy)


def array_op(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """Arrays of known length item by item; others in a loop."""
    sides = [contents_of(context, v) if is_sequence(context, v) else None for v in (one, two)]
    if all(s is None or isinstance(s, FixedSequence) for s in sides):
        counts = {len(s.items) for s in sides if isinstance(s, FixedSequence)}
        if len(counts) != 1:
            raise context.unsupported("arrays of several lengths")
        rows = [
            s.items if isinstance(s, FixedSequence) else (v,) * next(iter(counts))
            for s, v in zip(sides, (one, two), strict=True)
        ]
        items = tuple(as_numpy(item_op(context, symbol, a, b)) for a, b in zip(*rows, strict=True))
        return TupleValue(items, "ndarray")
    tables = [s is not None and _is_table(context, s) for s in sides]
    name = "row_left" if sides[0] else "row_right"
    if sides[0] and sides[1] and tables[0] == tables[1]:
        name = "rows"
    elif sides[0] and sides[1]:
        name = "row_left" if tables[0] else "row_right"
    return context.call_stdlib(f"{name}_{_STDLIB_SUFFIXES[symbol]}", one, two)


def _is_table(context: Context, side: FixedSequence | ArraySequence) -> bool:
    return (
        isinstance(side.shape, RecordShape) if isinstance(side, ArraySequence) else is_sequence(context, side.items[0])
    )


_STDLIB_SUFFIXES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}


def item_op(context: Context, symbol: str, a: Value, b: Value) -> Value:
    """An operator between two items of arrays, which may be arrays."""
    if symbol not in _STDLIB_SUFFIXES:
        raise context.unsupported(f"the operator {symbol} on arrays")
    if is_sequence(context, a) or is_sequence(context, b):
        return array_op(context, symbol, a, b)
    return binary_op(context, symbol, as_numpy(a), b)
