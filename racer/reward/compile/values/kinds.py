"""Kinds of numbers, and numbers as code.

A kind is a letter: `b` bool, `i` int, `f` float; `n` is held as a float and may be an int in Python.
"""

from __future__ import annotations

from racer.reward.compile.values.value import LIMIT, Const, Scalar, Value

_KIND_OF = {bool: "b", int: "i", float: "f"}


def kind_of(value: Value) -> tuple[str, bool] | None:
    """Kind of a number and whether it is numpy's; None for what is no number."""
    if isinstance(value, Scalar):
        return value.kind, value.numpy
    if isinstance(value, Const) and type(value.value) in _KIND_OF:
        return _KIND_OF[type(value.value)], False
    return None


def kind(value: Scalar | Const) -> str:
    """Kind of a number."""
    found = kind_of(value)
    assert found is not None
    return found[0]


def number(value: Value) -> bool:
    """Whether a value is a number."""
    return isinstance(value, Scalar) or (isinstance(value, Const) and isinstance(value.value, (bool, int, float)))


def join_kinds(kinds: set[str]) -> str:
    """The kind that holds all of these."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return "i" if kinds <= {"b", "i"} else "n"


def literal(value: bool | int | float) -> str:
    """A number as code."""
    if isinstance(value, float):
        if value != value:
            return "NAN"
        if value in (float("inf"), float("-inf")):
            return "INF" if value > 0 else "(-INF)"
    return f"({value!r})" if not isinstance(value, bool) and value < 0 else repr(value)


def as_kind(value: Value, kind: str) -> str:
    """A number as an expression of a wider kind."""
    if isinstance(value, Const):
        assert isinstance(value.value, (bool, int, float))
        if kind == "b":
            return literal(bool(value.value))
        return literal(int(value.value)) if kind == "i" else literal(float(value.value))
    assert isinstance(value, Scalar)
    if value.kind == kind or (value.kind in "fn" and kind in "fn"):
        return value.expr
    if value.kind == "b":
        return f"(1 if {value.expr} else 0)" if kind == "i" else f"(1.0 if {value.expr} else 0.0)"
    return f"int({value.expr})" if kind == "i" else f"float({value.expr})"


def f(value: Scalar | Const) -> str:
    """A number as a float expression."""
    return as_kind(value, "f")


def is_zero(value: Scalar | Const) -> str:
    """The test for zero."""
    return f"{as_kind(value, 'f')} == 0.0" if kind(value) in "fn" else f"{as_kind(value, 'i')} == 0"


def bound_of(value: Scalar | Const) -> float:
    if isinstance(value, Scalar):
        return 1.0 if value.kind == "b" else value.bound
    return float(abs(value.value))


def as_numpy(value: Value) -> Value:
    """The number as numpy's own type."""
    if isinstance(value, Scalar):
        return Scalar(value.kind, value.expr, True, value.bound)
    if isinstance(value, Const) and isinstance(value.value, (bool, int, float)):
        k = kind(value)
        return Scalar(k, as_kind(value, k), True, abs(float(value.value)) if k == "i" else LIMIT)
    return value
