"""Operators, `and`, `or`, `not`, and the conditional expression."""

from __future__ import annotations

import ast

from racer.reward.compile.flow.context import Context, Handlers
from racer.reward.compile.operations.arithmetic import SYMBOLS, binary, unary
from racer.reward.compile.operations.array_operators import operate_arrays
from racer.reward.compile.operations.coerce import as_number, present, truth
from racer.reward.compile.operations.sequences import contents, make, type_of
from racer.reward.compile.operations.strings import is_text, joined_text
from racer.reward.compile.values.heap import Fields, Items
from racer.reward.compile.values.kinds import kind
from racer.reward.compile.values.value import Const, Ref, Scalar, Tup, Value


def _binop(context: Context, node: ast.BinOp) -> Value:
    one = context.evaluate(node.left)
    two = context.evaluate(node.right)
    return operate(context, type(node.op).__name__, one, two)


def operate(context: Context, name: str, one: Value, two: Value) -> Value:
    """A binary operator on any values."""
    if name not in SYMBOLS:
        raise context.cannot(f"the operator {name}")
    symbol = SYMBOLS[name]
    if symbol in "+*%" and (is_text(one) or is_text(two)):
        return joined_text(context, symbol, one, two)
    one, two = present(context, one), present(context, two)
    types = type_of(context, one), type_of(context, two)
    if "ndarray" in types:
        return operate_arrays(context, symbol, one, two)
    if types == ("set", "set"):
        return _sets(context, symbol, one, two)
    if any(types) and symbol == "+" and types[0] == types[1]:
        return _concatenated(context, one, two)
    if any(types) and symbol == "*" and "" in types:
        return _repeated(context, *((one, two) if types[0] else (two, one)))
    if isinstance(one, Ref) and isinstance(context.content(one.id), Fields):
        raise context.cannot("an operator on an object")
    return binary(context, symbol, one, two)


def _sets(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """Operators on sets that are known."""
    sides = [contents(context, side) for side in (one, two)]
    keys = [
        [item.value for item in side.items if isinstance(item, Const)]
        for side in sides
        if isinstance(side, Items) and all(isinstance(item, Const) for item in side.items)
    ]
    if len(keys) < 2 or symbol not in "|&-^":
        raise context.cannot("an operator on sets")
    a, b = (dict.fromkeys(k) for k in keys)
    made = {
        "|": [*a, *(x for x in b if x not in a)],
        "&": [x for x in a if x in b],
        "-": [x for x in a if x not in b],
        "^": [*(x for x in a if x not in b), *(x for x in b if x not in a)],
    }[symbol]
    return Tup(tuple(Const(x) for x in made), "set")


def _concatenated(context: Context, one: Value, two: Value) -> Value:
    a, b = contents(context, one), contents(context, two)
    if isinstance(a, Items) and isinstance(b, Items):
        return make(context, a.type, a.items + b.items)
    return context.routine("concatenated" if a.type == "list" else "concatenated_tuple", one, two)


def _repeated(context: Context, one: Value, times: Value) -> Value:
    found = contents(context, one)
    count = as_number(context, times)
    if kind(count) not in "bi":
        raise context.trap("a list times a float")
    if isinstance(found, Items) and isinstance(count, Const) and len(found.items) * max(0, count.value) <= 64:
        return make(context, found.type, found.items * count.value)
    return context.routine("repeated", one, count)


def _unary(context: Context, node: ast.UnaryOp) -> Value:
    value = context.evaluate(node.operand)
    if isinstance(node.op, ast.Not):
        found = truth(context, value)
        return Const(not found) if isinstance(found, bool) else Scalar("b", f"(not {found})")
    if type_of(context, value) == "ndarray":
        return operate_arrays(context, "*", value, Const(-1)) if isinstance(node.op, ast.USub) else value
    return unary(context, {"USub": "-", "UAdd": "+", "Invert": "~"}[type(node.op).__name__], value)


def _boolop(context: Context, node: ast.BoolOp) -> Value:
    is_and = isinstance(node.op, ast.And)

    def rest(k: int) -> Value:
        value = context.evaluate(node.values[k])
        if k == len(node.values) - 1:
            return value
        test = truth(context, value)
        if isinstance(test, bool):
            return rest(k + 1) if test == is_and else value
        test = context.temp(test, "test")
        if isinstance(value, Scalar) and value.kind == "b":
            value = Scalar("b", test, value.numpy)
        return context.choose(test if is_and else f"not {test}", lambda: rest(k + 1), lambda: value)

    return rest(0)


def _ifexp(context: Context, node: ast.IfExp) -> Value:
    test = truth(context, context.evaluate(node.test))
    if isinstance(test, bool):
        return context.evaluate(node.body if test else node.orelse)
    return context.choose(test, lambda: context.evaluate(node.body), lambda: context.evaluate(node.orelse))


HANDLERS: Handlers = {
    ast.BinOp: _binop,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolop,
    ast.IfExp: _ifexp,
}
