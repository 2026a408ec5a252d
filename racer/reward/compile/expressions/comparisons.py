"""Comparisons, chained ones too."""

from __future__ import annotations

import ast

from racer.reward.compile.flow.context import Context, Handlers
from racer.reward.compile.operations.coerce import as_number, present, truth
from racer.reward.compile.operations.equality import comparable, equal, identical
from racer.reward.compile.operations.membership import contained
from racer.reward.compile.operations.sequences import is_sequence, type_of
from racer.reward.compile.values.value import Const, Scalar, Value

_COMPARE = {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!="}


def _compare(context: Context, node: ast.Compare) -> Value:
    def rest(left: Value, k: int) -> Value:
        right = context.evaluate(node.comparators[k])
        last = k == len(node.ops) - 1
        if not last:
            right = _atomic(context, right)
        result = compare(context, type(node.ops[k]).__name__, left, right)
        if last:
            return result
        test = truth(context, result)
        if isinstance(test, bool):
            return rest(right, k + 1) if test else result
        test = context.temp(test, "test")
        failed = Scalar("b", test, isinstance(result, Scalar) and result.numpy)
        return context.choose(test, lambda: rest(right, k + 1), lambda: failed)

    return rest(_atomic(context, context.evaluate(node.left)), 0)


def _atomic(context: Context, value: Value) -> Value:
    return context.atom(value) if isinstance(value, Scalar) else value


def compare(context: Context, name: str, one: Value, two: Value) -> Value:
    """One comparison."""
    if name in ("Is", "IsNot"):
        found = identical(context, one, two)
    elif name in ("In", "NotIn"):
        found = contained(context, two, one)
    elif name in ("Eq", "NotEq"):
        found = equal(context, one, two)
    else:
        return _ordered(context, _COMPARE[name], one, two)
    if name in ("IsNot", "NotIn", "NotEq"):
        found = (not found) if isinstance(found, bool) else f"(not {found})"
    numpy = name in ("Eq", "NotEq") and any(isinstance(v, Scalar) and v.numpy for v in (one, two))
    return Const(found) if isinstance(found, bool) else Scalar("b", found, numpy)


def _ordered(context: Context, symbol: str, one: Value, two: Value) -> Value:
    if "ndarray" in (type_of(context, one), type_of(context, two)):
        raise context.cannot("a comparison of arrays")
    one, two = present(context, one), present(context, two)
    if is_sequence(context, one) and is_sequence(context, two):
        raise context.cannot("an order of lists")
    a, b = as_number(context, one), as_number(context, two)
    if isinstance(a, Const) and isinstance(b, Const):
        results = {"<": a.value < b.value, "<=": a.value <= b.value, ">": a.value > b.value, ">=": a.value >= b.value}
        return Const(results[symbol])
    numpy = any(isinstance(v, Scalar) and v.numpy for v in (a, b))
    return Scalar("b", f"({comparable(a, b)} {symbol} {comparable(b, a)})", numpy)


HANDLERS: Handlers = {ast.Compare: _compare}
