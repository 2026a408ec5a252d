"""Operators on numbers, with what Python checks: zero divisors, domains, whole numbers that outgrow 53 bits."""

from __future__ import annotations

import operator
from typing import Any

from racer.reward.compile.endings import UNCOVERED
from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import as_number
from racer.reward.compile.values.kinds import as_kind, bound_of, f, is_zero, kind
from racer.reward.compile.values.value import LIMIT, Const, Scalar, Value

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


def _numpy(*values: Scalar | Const) -> bool:
    return any(isinstance(v, Scalar) and v.numpy for v in values)


def whole(context: Context, expr: str, bound: float, numpy: bool = False) -> Scalar:
    """An int expression; it leaves where the number outgrows 53 bits."""
    if bound <= LIMIT:
        return Scalar("i", expr, numpy, bound)
    name = context.temp(expr)
    context.trap_if(f"{name} > {int(LIMIT)} or {name} < -{int(LIMIT)}", UNCOVERED)
    return Scalar("i", name, numpy)


def constant(context: Context, value: Any) -> Value:
    """A folded value."""
    if isinstance(value, complex) or (type(value) is int and abs(value) >= LIMIT):
        raise context.trap("a number that the kernel does not hold", UNCOVERED)
    return Const(value)


def binary(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """`one <symbol> two` for numbers."""
    a, b = as_number(context, one), as_number(context, two)
    if isinstance(a, Const) and isinstance(b, Const):
        if symbol in ("**", "<<") and abs(b.value) > 1000:
            raise context.trap("a number that the kernel does not hold", UNCOVERED)
        try:
            return constant(context, _FOLD[symbol](a.value, b.value))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise context.trap("an operation that Python refuses", error=type(error).__name__) from None
    if _numpy(a, b) and "b" in (kind(a), kind(b)) and symbol not in "&|^":
        raise context.cannot("arithmetic with a numpy truth value")
    if symbol in "+-*":
        return _plain(context, symbol, a, b)
    if symbol in ("/", "//", "%"):
        return _divide(context, symbol, a, b)
    if symbol == "**":
        return power(context, a, b)
    return _bits(context, symbol, a, b)


def _result_kind(a: Scalar | Const, b: Scalar | Const) -> str:
    kinds = {kind(a), kind(b)}
    return "f" if "f" in kinds else "n" if "n" in kinds else "i"


def _plain(context: Context, symbol: str, a: Scalar | Const, b: Scalar | Const) -> Scalar:
    result = _result_kind(a, b)
    if result != "i":
        return Scalar(result, f"({f(a)} {symbol} {f(b)})", _numpy(a, b))
    x, y = bound_of(a), bound_of(b)
    bound = x * y if symbol == "*" else x + y
    one, two = as_kind(a, "i"), as_kind(b, "i")
    if bound >= 2.0**62:
        context.trap_if(f"abs(float({one}) * float({two})) > {LIMIT}", UNCOVERED)
        bound = LIMIT * 2
    return whole(context, f"({one} {symbol} {two})", bound, _numpy(a, b))


def _divide(context: Context, symbol: str, a: Scalar | Const, b: Scalar | Const) -> Scalar:
    error = "" if _numpy(a, b) else "ZeroDivisionError"
    if isinstance(b, Scalar):
        b = context.atom(b)
        context.trap_if(is_zero(b), error=error)
    elif not b.value:
        raise context.trap("a division by zero", error=error)
    if symbol == "/":
        return Scalar("f", f"({f(a)} / {f(b)})", _numpy(a, b))
    result = _result_kind(a, b)
    if symbol == "%" and isinstance(a, Scalar):
        return _remainder(context, a, b, result)
    if result != "i":
        return Scalar(result, context.temp(f"{f(a)} {symbol} {f(b)}"), _numpy(a, b))
    bound = bound_of(a) + 1.0 if symbol == "//" else bound_of(b)
    return Scalar("i", f"({as_kind(a, 'i')} {symbol} {as_kind(b, 'i')})", _numpy(a, b), min(bound, LIMIT))


def _remainder(context: Context, a: Scalar, b: Scalar | Const, result: str) -> Scalar:
    """`a % b`, without a division where `a` is in range already, or a turn below it: 10 ns less."""
    x = context.atom(Scalar(result, as_kind(a, result))).expr
    y = as_kind(b, result)
    expr = f"{x} % {y}"
    if result == "i":
        if isinstance(b, Scalar):
            expr = f"{x} if 0 <= {x} < {y} else {expr}"
        return Scalar("i", context.temp(expr), _numpy(a, b), min(bound_of(b), LIMIT))
    if isinstance(b, Const) and 0.0 < b.value < float("inf"):  # -0.0 % y is 0.0, so zeros divide
        expr = f"{x} if 0.0 < {x} < {y} else ({x} + {y} if -{y} < {x} < 0.0 else {expr})"
    return Scalar(result, context.temp(expr), _numpy(a, b))


def power(context: Context, a: Scalar | Const, b: Scalar | Const) -> Scalar:
    """`a ** b`; it leaves for complex, infinite and undefined results."""
    both_int = _result_kind(a, b) == "i"
    if both_int and isinstance(b, Const) and b.value >= 0:
        return _whole_power(context, a, int(b.value))
    if both_int and _numpy(a, b):
        raise context.trap("a numpy whole number to a negative power", UNCOVERED)
    if both_int and not isinstance(b, Const):
        context.trap_if(f"{as_kind(b, 'i')} < 0", UNCOVERED)
        name = context.temp(f"{f(a)} ** {f(b)}")
        context.trap_if(f"not abs({name}) < {LIMIT}", UNCOVERED)
        return Scalar("i", f"int({name})", _numpy(a, b))
    result = "f" if both_int else _result_kind(a, b)
    if isinstance(b, Const) and b.value == 2:
        base = context.atom(a) if isinstance(a, Scalar) else a
        name = context.temp(f"{f(base)} * {f(base)}")
    elif isinstance(b, Const) and b.value == 0.5:
        base = context.atom(Scalar("f", f(a)))
        context.trap_if(f"not {base.expr} >= 0.0", UNCOVERED)
        name = context.temp(f"math.sqrt({base.expr})")
    else:
        base = context.atom(Scalar("f", f(a)))
        exponent = b if isinstance(b, Const) else context.atom(Scalar("f", f(b)))
        if not isinstance(b, Const) or b.value != int(b.value):
            context.trap_if(f"{base.expr} < 0.0 and {f(exponent)} != math.floor({f(exponent)})", UNCOVERED)
        if not isinstance(b, Const) or b.value < 0:
            zero = f"{base.expr} == 0.0 and {f(exponent)} < 0.0"
            context.trap_if(zero, error="" if _numpy(a, b) else "ZeroDivisionError")
        name = context.temp(f"{base.expr} ** {f(exponent)}")
    context.trap_if(f"not abs({name}) < INF", UNCOVERED)
    return Scalar(result, name, _numpy(a, b))


def _whole_power(context: Context, a: Scalar | Const, exponent: int) -> Scalar:
    if exponent > 60:
        raise context.trap("a number that the kernel does not hold", UNCOVERED)
    base = context.atom(Scalar("i", as_kind(a, "i"), _numpy(a), bound_of(a)))
    result: Scalar | Const = Const(1)
    for _ in range(exponent):
        result = base if isinstance(result, Const) else _plain(context, "*", result, base)
    return result if isinstance(result, Scalar) else Scalar("i", "1", _numpy(a), 1.0)


def _bits(context: Context, symbol: str, a: Scalar | Const, b: Scalar | Const) -> Scalar:
    kinds = {kind(a), kind(b)}
    if not kinds <= {"b", "i"}:
        raise context.trap("a bit operation on a float") if kinds & {"f"} else context.cannot("a bit operation")
    if symbol in "&|^" and kinds == {"b"}:
        return Scalar("b", f"({as_kind(a, 'b')} {symbol} {as_kind(b, 'b')})", _numpy(a, b))
    if symbol in "&|^":
        expr = f"({as_kind(a, 'i')} {symbol} {as_kind(b, 'i')})"
        return whole(context, expr, LIMIT * 2, _numpy(a, b))
    if not isinstance(b, Const) or not 0 <= b.value <= 52:
        raise context.cannot("a shift by a number that is not known")
    if symbol == ">>":
        return Scalar("i", f"({as_kind(a, 'i')} >> {int(b.value)})", _numpy(a, b))
    return _plain(context, "*", a, Const(1 << int(b.value)))


def unary(context: Context, symbol: str, value: Value) -> Value:
    """`-x`, `+x`, `~x`."""
    a = as_number(context, value)
    if isinstance(a, Const):
        folded = {"-": operator.neg, "+": operator.pos, "~": operator.invert}[symbol]
        if symbol == "~" and type(a.value) is float:
            raise context.trap("an operation that Python refuses")
        return constant(context, folded(a.value))  # type: ignore[operator]
    if a.numpy and a.kind == "b":
        raise context.cannot("arithmetic with a numpy truth value")
    if symbol == "~":
        if a.kind not in "bi":
            raise context.cannot("a bit operation")
        return whole(context, f"(-{as_kind(a, 'i')} - 1)", bound_of(a) + 1.0, a.numpy)
    if a.kind in "bi":
        return Scalar("i", f"({symbol}{as_kind(a, 'i')})", a.numpy, bound_of(a))
    return Scalar(a.kind, f"({symbol}{a.expr})", a.numpy)
