"""Operators on numbers, with what Python checks: zero divisors, domains, whole numbers that outgrow 53 bits."""

from __future__ import annotations

import operator
from typing import Any

from racer.reward.compile.context import Context, number
from racer.reward.compile.joins import as_kind, kind_of
from racer.reward.compile.values import LIMIT, NONE, Choice, Const, Items, Maybe, Poison, Ref, Scalar, Seq, Tup, Value

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


def present(context: Context, value: Value) -> Value:
    """The value itself where it may be None or unbound; leaves where it is."""
    if isinstance(value, Poison):
        raise context.cannot(value.reason)
    if not isinstance(value, Maybe):
        return value
    if value.value is None:
        raise context.trap("None is used as a value")
    context.trap_if(f"{value.tag} != 0")
    return present(context, value.value)


def bound_name(context: Context, value: Value, error: str = "") -> Value:
    """The value of a name, which may be None; leaves where it has none, which is `error` in Python."""
    if isinstance(value, Poison):
        raise context.cannot(value.reason)
    if not isinstance(value, Maybe) or not value.unbound:
        return value
    context.trap_if(f"{value.tag} == 2", error=error)
    if not value.none:
        if value.value is None:
            raise context.trap("a name without a value", error=error)
        return value.value
    return Maybe(value.tag, value.value, True, False)


def as_number(context: Context, value: Value) -> Scalar | Const:
    """The value as a number; leaves where Python would raise TypeError."""
    value = present(context, value)
    if not number(value):
        if value == NONE:
            raise context.trap("None is used as a number", error="TypeError")
        raise context.cannot("a value that is no number where a number is needed")
    assert isinstance(value, (Scalar, Const))
    return value


def f(value: Scalar | Const) -> str:
    """A number as a float expression."""
    return as_kind(value, "f")


def is_zero(value: Scalar | Const) -> str:
    """The test for zero."""
    return f"{as_kind(value, 'f')} == 0.0" if kind(value) in "fn" else f"{as_kind(value, 'i')} == 0"


def kind(value: Scalar | Const) -> str:
    """Kind of a number."""
    found = kind_of(value)
    assert found is not None
    return found[0]


def _numpy(*values: Scalar | Const) -> bool:
    return any(isinstance(v, Scalar) and v.numpy for v in values)


def _bound(value: Scalar | Const) -> float:
    if isinstance(value, Scalar):
        return 1.0 if value.kind == "b" else value.bound
    return float(abs(value.value))


def whole(context: Context, expr: str, bound: float, numpy: bool = False) -> Scalar:
    """An int expression; it leaves where the number outgrows 53 bits."""
    if bound <= LIMIT:
        return Scalar("i", expr, numpy, bound)
    name = context.temp(expr)
    context.trap_if(f"{name} > {int(LIMIT)} or {name} < -{int(LIMIT)}", 2)
    return Scalar("i", name, numpy)


def constant(context: Context, value: Any) -> Value:
    """A folded value."""
    if isinstance(value, complex) or (type(value) is int and abs(value) >= LIMIT):
        raise context.trap("a number that the kernel does not hold", 2)
    return Const(value)


def binary(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """`one <symbol> two` for numbers."""
    a, b = as_number(context, one), as_number(context, two)
    if isinstance(a, Const) and isinstance(b, Const):
        if symbol in ("**", "<<") and abs(b.value) > 1000:
            raise context.trap("a number that the kernel does not hold", 2)
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
    x, y = _bound(a), _bound(b)
    bound = x * y if symbol == "*" else x + y
    one, two = as_kind(a, "i"), as_kind(b, "i")
    if bound >= 2.0**62:
        context.trap_if(f"abs(float({one}) * float({two})) > {LIMIT}", 2)
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
    if result != "i":
        return Scalar(result, context.temp(f"{f(a)} {symbol} {f(b)}"), _numpy(a, b))
    bound = _bound(a) + 1.0 if symbol == "//" else _bound(b)
    return Scalar("i", f"({as_kind(a, 'i')} {symbol} {as_kind(b, 'i')})", _numpy(a, b), min(bound, LIMIT))


def power(context: Context, a: Scalar | Const, b: Scalar | Const) -> Scalar:
    """`a ** b`; it leaves for complex, infinite and undefined results."""
    both_int = _result_kind(a, b) == "i"
    if both_int and isinstance(b, Const) and b.value >= 0:
        return _whole_power(context, a, int(b.value))
    if both_int and _numpy(a, b):
        raise context.trap("a numpy whole number to a negative power", 2)
    if both_int and not isinstance(b, Const):
        context.trap_if(f"{as_kind(b, 'i')} < 0", 2)
        name = context.temp(f"{f(a)} ** {f(b)}")
        context.trap_if(f"not abs({name}) < {LIMIT}", 2)
        return Scalar("i", f"int({name})", _numpy(a, b))
    result = "f" if both_int else _result_kind(a, b)
    if isinstance(b, Const) and b.value == 2:
        base = context.atom(a) if isinstance(a, Scalar) else a
        name = context.temp(f"{f(base)} * {f(base)}")
    elif isinstance(b, Const) and b.value == 0.5:
        base = context.atom(Scalar("f", f(a)))
        context.trap_if(f"not {base.expr} >= 0.0", 2)
        name = context.temp(f"math.sqrt({base.expr})")
    else:
        base = context.atom(Scalar("f", f(a)))
        exponent = b if isinstance(b, Const) else context.atom(Scalar("f", f(b)))
        if not isinstance(b, Const) or b.value != int(b.value):
            context.trap_if(f"{base.expr} < 0.0 and {f(exponent)} != math.floor({f(exponent)})", 2)
        if not isinstance(b, Const) or b.value < 0:
            zero = f"{base.expr} == 0.0 and {f(exponent)} < 0.0"
            context.trap_if(zero, error="" if _numpy(a, b) else "ZeroDivisionError")
        name = context.temp(f"{base.expr} ** {f(exponent)}")
    context.trap_if(f"not abs({name}) < INF", 2)
    return Scalar(result, name, _numpy(a, b))


def _whole_power(context: Context, a: Scalar | Const, exponent: int) -> Scalar:
    if exponent > 60:
        raise context.trap("a number that the kernel does not hold", 2)
    base = context.atom(Scalar("i", as_kind(a, "i"), _numpy(a), _bound(a)))
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
        return whole(context, f"(-{as_kind(a, 'i')} - 1)", _bound(a) + 1.0, a.numpy)
    if a.kind in "bi":
        return Scalar("i", f"({symbol}{as_kind(a, 'i')})", a.numpy, _bound(a))
    return Scalar(a.kind, f"({symbol}{a.expr})", a.numpy)


def truth(context: Context, value: Value) -> bool | str:
    """Whether Python takes a value for true: known, or as an expression."""
    if isinstance(value, Poison):
        raise context.cannot(value.reason)
    if isinstance(value, Const):
        return bool(value.value)
    if isinstance(value, Scalar):
        if value.kind == "b":
            return value.expr
        return f"({value.expr} != 0)" if value.kind == "i" else f"({value.expr} != 0.0)"
    if isinstance(value, Maybe):
        if value.unbound:
            context.trap_if(f"{value.tag} == 2")
        if value.value is None:
            return False
        inner = truth(context, value.value)
        if inner is False:
            return False
        return f"({value.tag} == 0)" if inner is True else f"({value.tag} == 0 and {inner})"
    if isinstance(value, Choice):
        return _any_of([f"{value.expr} == {k}" for k, option in enumerate(value.options) if option])
    if isinstance(value, Tup) and value.type != "ndarray":
        return bool(value.items)
    if isinstance(value, Ref):
        content = context.content(value.id)
        if isinstance(content, (Items, Seq)) and content.type == "ndarray":
            raise context.cannot("the truth of an array")
        if isinstance(content, Items):
            return bool(content.items)
        if isinstance(content, Seq):
            length = content.length
            return bool(length.value) if isinstance(length, Const) else f"({as_kind(length, 'i')} > 0)"
        from racer.reward.compile.values import Dict, Fields

        if isinstance(content, Dict):
            return bool(content.items)
        if isinstance(content, Fields):
            return True
    raise context.cannot("the truth of this value")


def _any_of(tests: list[str]) -> bool | str:
    return f"({' or '.join(tests)})" if tests else False


def as_bool(value: bool | str) -> Value:
    """A truth as a value."""
    return Const(value) if isinstance(value, bool) else Scalar("b", value)


def as_index(context: Context, value: Value) -> Scalar | Const:
    """A number that can be an index."""
    number_ = as_number(context, value)
    if kind(number_) == "f":
        raise context.trap("a float as an index")
    if kind(number_) == "n":
        raise context.cannot("a number that may be a float as an index")
    if isinstance(number_, Const):
        return Const(int(number_.value))
    return context.atom(Scalar("i", as_kind(number_, "i"), False, _bound(number_)))
