"""`==` and `is`, of all kinds of values."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import bound_name, present, truth
from racer.reward.compile.operations.sequences import contents, is_sequence, type_of
from racer.reward.compile.values.heap import Items
from racer.reward.compile.values.kinds import as_kind, kind, number
from racer.reward.compile.values.value import NONE, Choice, Const, Maybe, Ref, Scalar, Text, Value


def comparable(value: Scalar | Const, other: Scalar | Const) -> str:
    """Numbers are compared as ints where both are, as floats otherwise."""
    whole = kind(value) in "bi" and kind(other) in "bi"
    return as_kind(value, "i" if whole else "f")


def equal(context: Context, one: Value, two: Value) -> bool | str:
    """`one == two`: known, or a test."""
    for a, b in ((one, two), (two, one)):
        if isinstance(a, Maybe):
            a = bound_name(context, a)
            if not isinstance(a, Maybe):
                return equal(context, a, b)
            if b == NONE:
                return f"({a.tag} == 1)"
            if isinstance(b, Maybe):
                b = present(context, b)
            if a.value is None:
                return False
            inner = equal(context, a.value, b)
            if isinstance(inner, bool):
                return f"({a.tag} == 0)" if inner else False
            return f"({a.tag} == 0 and {inner})"
    if number(one) and number(two):
        assert isinstance(one, (Scalar, Const))
        assert isinstance(two, (Scalar, Const))
        if isinstance(one, Const) and isinstance(two, Const):
            return bool(one.value == two.value)
        return f"({comparable(one, two)} == {comparable(two, one)})"
    if isinstance(one, Const) and isinstance(two, Const):
        return bool(one.value == two.value)
    if NONE in (one, two) and (number(one) or number(two)):
        return False
    for a, b in ((one, two), (two, one)):
        if isinstance(a, Choice) and isinstance(b, Const):
            return f"({a.expr} == {a.options.index(b.value)})" if b.value in a.options else False
    if is_sequence(context, one) and is_sequence(context, two):
        return _equal_sequences(context, one, two)
    if is_sequence(context, one) != is_sequence(context, two) and "ndarray" not in (
        type_of(context, one),
        type_of(context, two),
    ):
        plain = [number(v) or v == NONE or (isinstance(v, Const) and isinstance(v.value, str)) for v in (one, two)]
        if any(plain):
            return False
    if any(isinstance(v, Text) for v in (one, two)) and any(number(v) or v == NONE for v in (one, two)):
        return False
    raise context.cannot("a test for equality of these values")


def _equal_sequences(context: Context, one: Value, two: Value) -> bool | str:
    a, b = contents(context, one), contents(context, two)
    if "ndarray" in (a.type, b.type) or "set" in (a.type, b.type):
        raise context.cannot("a comparison of arrays")
    if a.type != b.type:
        return False
    if not isinstance(a, Items) or not isinstance(b, Items):
        result = context.routine("equal_lists", one, two)
        return truth(context, result)
    if len(a.items) != len(b.items):
        return False
    tests = [equal(context, x, y) for x, y in zip(a.items, b.items, strict=True)]
    if any(test is False for test in tests):
        return False
    open_ = [test for test in tests if isinstance(test, str)]
    return f"({' and '.join(open_)})" if open_ else True


def identical(context: Context, one: Value, two: Value) -> bool | str:
    one, two = bound_name(context, one), bound_name(context, two)
    for a, b in ((one, two), (two, one)):
        if b == NONE:
            if isinstance(a, Maybe):
                return f"({a.tag} == 1)"
            return a == NONE
    for a, b in ((one, two), (two, one)):
        if isinstance(b, Const) and isinstance(b.value, bool):
            if isinstance(a, Maybe):
                raise context.cannot("`is` with a value that may be None")
            if isinstance(a, Const):
                return a.value is b.value
            if isinstance(a, Scalar) and not a.numpy and a.kind in "bf":
                if a.kind == "f":
                    return False
                return a.expr if b.value else f"(not {a.expr})"
            if isinstance(a, Scalar) and a.kind == "i" and not a.numpy and a.bound > 2**52:
                raise context.cannot("`is` with a number")
            if isinstance(a, Scalar) and (a.numpy or a.kind == "i"):
                if a.numpy:
                    return False
                raise context.cannot("`is` with a number")
    if isinstance(one, Ref) and isinstance(two, Ref):
        if one == two:
            return True
        raise context.cannot("`is` with objects")
    raise context.cannot("`is` with these values")
