"""What the functions that the translator knows have in common."""

from __future__ import annotations

from collections.abc import Callable

from racer.reward.compile.endings import UNCOVERED
from racer.reward.compile.flow.context import Context
from racer.reward.compile.values.value import LIMIT, Const, Value

Handler = Callable[[Context, list[Value], dict[str, Value]], Value]


def routine_of(name: str, *more: Value) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.cannot("these keywords")
        return context.routine(name, *args, *more)

    return run


def folded(context: Context, function: Callable[..., object], *values: object) -> Value:
    try:
        result = function(*values)
    except (ArithmeticError, ValueError, TypeError):
        raise context.trap("a call that Python refuses") from None
    if isinstance(result, complex) or (type(result) is int and abs(result) >= LIMIT):
        raise context.trap("a number that the kernel does not hold", UNCOVERED)
    return Const(result)
