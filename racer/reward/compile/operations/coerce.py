"""What an expression asks of a value: that it is there, is a number, an index, true."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.values.heap import Dict, Fields, Items, Seq
from racer.reward.compile.values.kinds import as_kind, bound_of, kind, number
from racer.reward.compile.values.value import NONE, Choice, Const, Maybe, Poison, Ref, Scalar, Tup, Value


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


def as_index(context: Context, value: Value) -> Scalar | Const:
    """A number that can be an index."""
    number_ = as_number(context, value)
    if kind(number_) == "f":
        raise context.trap("a float as an index")
    if kind(number_) == "n":
        raise context.cannot("a number that may be a float as an index")
    if isinstance(number_, Const):
        return Const(int(number_.value))
    return context.atom(Scalar("i", as_kind(number_, "i"), False, bound_of(number_)))


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
