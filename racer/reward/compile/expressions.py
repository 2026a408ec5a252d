"""Expressions of the user's code, as abstract values and written code."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable

from racer.reward.compile import objects
from racer.reward.compile.arithmetic import (
    SYMBOLS,
    as_bool,
    as_number,
    binary,
    bound_name,
    kind,
    present,
    truth,
    unary,
)
from racer.reward.compile.context import Context, number
from racer.reward.compile.joins import as_kind
from racer.reward.compile.scopes import resolve
from racer.reward.compile.sequences import contents, is_sequence, item, make, member_test, part, type_of
from racer.reward.compile.strings import formatted, is_text, joined_text
from racer.reward.compile.values import (
    NONE,
    UNBOUND,
    Choice,
    Const,
    Dict,
    Fields,
    Function,
    Items,
    Maybe,
    Native,
    Range,
    Rec,
    Ref,
    Scalar,
    Seq,
    Text,
    Tup,
    Value,
)

_COMPARE = {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!="}


def evaluate(context: Context, node: ast.expr) -> Value:
    """Translate an expression."""
    saved = context.node
    context.node = node
    if not context.quiet:
        context.line = getattr(node, "lineno", context.line)
    try:
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise context.cannot(f"`{type(node).__name__}` expressions")
        return handler(context, node)
    finally:
        context.node = saved


def _constant(context: Context, node: ast.Constant) -> Value:
    if node.value is None or isinstance(node.value, (bool, int, float, str)):
        if type(node.value) is int and abs(node.value) >= 2**53:
            raise context.cannot("a whole number beyond 2**53")
        return Const(node.value)
    raise context.cannot(f"a constant of type {type(node.value).__name__}")


def _name(context: Context, node: ast.Name) -> Value:
    key = resolve(context, node.id)
    assert key is not None
    value = context.lookup(key)
    if value == UNBOUND and key[0] == 0 and hasattr(builtins, node.id):
        return context.world.value(getattr(builtins, node.id), ())
    error = "NameError" if key[0] <= 0 else "UnboundLocalError"
    if value == UNBOUND:
        raise context.trap(f"the name `{node.id}` has no value", error=error)
    return bound_name(context, value, error)


def _binop(context: Context, node: ast.BinOp) -> Value:
    one = evaluate(context, node.left)
    two = evaluate(context, node.right)
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
        return _arrays(context, symbol, one, two)
    if any(types) and symbol == "+" and types[0] == types[1]:
        return _concatenated(context, one, two)
    if any(types) and symbol == "*" and "" in types:
        return _repeated(context, *((one, two) if types[0] else (two, one)))
    if isinstance(one, Ref) and isinstance(context.content(one.id), Fields):
        raise context.cannot("an operator on an object")
    return binary(context, symbol, one, two)


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


def _arrays(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """Arrays of known length item by item; others in a loop."""
    sides = [contents(context, v) if is_sequence(context, v) else None for v in (one, two)]
    if all(s is None or isinstance(s, Items) for s in sides):
        counts = {len(s.items) for s in sides if isinstance(s, Items)}
        if len(counts) != 1:
            raise context.cannot("arrays of several lengths")
        rows = [
            s.items if isinstance(s, Items) else (v,) * next(iter(counts))
            for s, v in zip(sides, (one, two), strict=True)
        ]
        items = tuple(_as_numpy(operate_or(context, symbol, a, b)) for a, b in zip(*rows, strict=True))
        return Tup(items, "ndarray")
    tables = [s is not None and _is_table(context, s) for s in sides]
    name = "row_left" if sides[0] else "row_right"
    if sides[0] and sides[1] and tables[0] == tables[1]:
        name = "rows"
    elif sides[0] and sides[1]:
        name = "row_left" if tables[0] else "row_right"
    return context.routine(f"{name}_{_WORDS[symbol]}", one, two)


def _is_table(context: Context, side: Items | Seq) -> bool:
    return isinstance(side.shape, Rec) if isinstance(side, Seq) else is_sequence(context, side.items[0])


_WORDS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}


def operate_or(context: Context, symbol: str, a: Value, b: Value) -> Value:
    """An operator between two items of arrays, which may be arrays."""
    if symbol not in _WORDS:
        raise context.cannot(f"the operator {symbol} on arrays")
    if is_sequence(context, a) or is_sequence(context, b):
        return _arrays(context, symbol, a, b)
    return binary(context, symbol, _as_numpy(a), b)


def _as_numpy(value: Value) -> Value:
    if isinstance(value, Scalar):
        return Scalar(value.kind, value.expr, True, value.bound)
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        k = "b" if isinstance(value.value, bool) else "i" if isinstance(value.value, int) else "f"
        return Scalar(k, as_kind(value, k), True, abs(float(value.value)))
    return value


def _unary(context: Context, node: ast.UnaryOp) -> Value:
    value = evaluate(context, node.operand)
    if isinstance(node.op, ast.Not):
        found = truth(context, value)
        return Const(not found) if isinstance(found, bool) else Scalar("b", f"(not {found})")
    if type_of(context, value) == "ndarray":
        return _arrays(context, "*", value, Const(-1)) if isinstance(node.op, ast.USub) else value
    return unary(context, {"USub": "-", "UAdd": "+", "Invert": "~"}[type(node.op).__name__], value)


def _boolop(context: Context, node: ast.BoolOp) -> Value:
    is_and = isinstance(node.op, ast.And)

    def rest(k: int) -> Value:
        value = evaluate(context, node.values[k])
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
    test = truth(context, evaluate(context, node.test))
    if isinstance(test, bool):
        return evaluate(context, node.body if test else node.orelse)
    return context.choose(test, lambda: evaluate(context, node.body), lambda: evaluate(context, node.orelse))


def _compare(context: Context, node: ast.Compare) -> Value:
    def rest(left: Value, k: int) -> Value:
        right = evaluate(context, node.comparators[k])
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
        return context.choose(test, lambda: rest(right, k + 1), lambda: Scalar("b", test))

    return rest(_atomic(context, evaluate(context, node.left)), 0)


def _atomic(context: Context, value: Value) -> Value:
    return context.atom(value) if isinstance(value, Scalar) else value


def compare(context: Context, name: str, one: Value, two: Value) -> Value:
    """One comparison."""
    if name in ("Is", "IsNot"):
        found = _identical(context, one, two)
    elif name in ("In", "NotIn"):
        found = _contains(context, two, one)
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
    return Scalar("b", f"({_side(a, b)} {symbol} {_side(b, a)})", numpy)


def _side(value: Scalar | Const, other: Scalar | Const) -> str:
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
        return f"({_side(one, two)} == {_side(two, one)})"
    if isinstance(one, Const) and isinstance(two, Const):
        return bool(one.value == two.value)
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


def _identical(context: Context, one: Value, two: Value) -> bool | str:
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


def _contains(context: Context, where: Value, value: Value) -> bool | str:
    where = present(context, where)
    if isinstance(where, Ref) and isinstance(content := context.content(where.id), Dict):
        return _has_key(context, content, value)
    if is_text(where):
        if isinstance(where, Const) and isinstance(value, Const):
            return value.value in where.value
        raise context.cannot("a search in a string")
    value = present(context, value) if isinstance(value, Maybe) and value.unbound else value
    if isinstance(where, Range):
        return _in_range(context, where, value)
    found = contents(context, where)
    if isinstance(value, Scalar) and (test := member_test(context, found, value)) is not None:
        return test
    if isinstance(found, Items) and len(found.items) <= 8:
        tests = [equal(context, x, value) for x in found.items]
        if any(test is True for test in tests):
            return True
        open_ = [test for test in tests if isinstance(test, str)]
        return f"({' or '.join(open_)})" if open_ else False
    if found.type == "set":
        if isinstance(where, Tup):
            where = Tup(where.items, "tuple")
        else:
            raise context.cannot("a search in a set")
    return truth(context, context.routine("contains", where, value))


def _in_range(context: Context, where: Range, value: Value) -> bool | str:
    x = as_number(context, value)
    if kind(x) not in "bi":
        if (where.step == 1 and kind(x) == "f") or kind(x) == "n":
            name = context.temp(as_kind(x, "f"))
            low, high = as_kind(where.start, "i"), as_kind(where.stop, "i")
            return f"({low} <= {name} < {high} and {name} == math.floor({name}))" if where.step == 1 else _no(context)
        return _no(context)
    name = context.temp(as_kind(x, "i"))
    low, high = as_kind(where.start, "i"), as_kind(where.stop, "i")
    if where.step < 0:
        return _no(context)
    test = f"{low} <= {name} < {high}"
    return f"({test})" if where.step == 1 else f"({test} and ({name} - {low}) % {where.step} == 0)"


def _no(context: Context) -> bool:
    raise context.cannot("a search in this range")


def _has_key(context: Context, content: Dict, value: Value) -> bool | str:
    if not isinstance(value, Const):
        raise context.cannot("a key that is not known")
    found = dict(content.items).get(value.value, UNBOUND)
    if isinstance(found, Maybe) and found.unbound:
        return f"({found.tag} != 2)"
    return found != UNBOUND


def _subscript(context: Context, node: ast.Subscript) -> Value:
    target = present(context, evaluate(context, node.value))
    if isinstance(node.slice, ast.Slice):
        ends = [None if e is None else evaluate(context, e) for e in (node.slice.lower, node.slice.upper)]
        step = evaluate(context, node.slice.step) if node.slice.step else None
        return part(context, target, ends[0], ends[1], step)
    if isinstance(node.slice, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.slice.elts):
        return _column(context, target, node.slice)
    return subscript(context, target, evaluate(context, node.slice))


def _column(context: Context, target: Value, index: ast.Tuple) -> Value:
    """`array[:, k]`."""
    rows, *rest = index.elts
    if isinstance(rows, ast.Slice) and len(rest) == 1 and not isinstance(rest[0], ast.Slice):
        ends = [None if e is None else evaluate(context, e) for e in (rows.lower, rows.upper)]
        if ends != [None, None]:
            target = part(context, target, ends[0], ends[1], None)
        return context.routine("column", target, evaluate(context, rest[0]))
    if not isinstance(rows, ast.Slice) and len(rest) == 1 and isinstance(rest[0], ast.Slice):
        row = item(context, target, evaluate(context, rows))
        ends = [None if e is None else evaluate(context, e) for e in (rest[0].lower, rest[0].upper)]
        return part(context, row, ends[0], ends[1], None)
    raise context.cannot("a slice of an array")


def subscript(context: Context, target: Value, index: Value) -> Value:
    """`target[index]` without a slice."""
    if isinstance(target, Ref) and isinstance(content := context.content(target.id), Dict):
        return key_of(context, content, index)
    return item(context, target, index)


def key_of(context: Context, content: Dict, index: Value) -> Value:
    """`a_dict[index]`."""
    if isinstance(index, Choice):
        index_ = index

        def pick(k: int) -> Value:
            if k == len(index_.options) - 1:
                return key_of(context, content, Const(index_.options[k]))
            return context.choose(
                f"{index_.expr} == {k}",
                lambda: key_of(context, content, Const(index_.options[k])),
                lambda: pick(k + 1),
            )

        return pick(0)
    if isinstance(index, Scalar) and index.kind in "bi" and content.items:
        return _looked_up(context, content, index)
    if not isinstance(index, Const):
        raise context.cannot("a key that is not known")
    found = dict(content.items).get(index.value, UNBOUND)
    if found == UNBOUND:
        raise context.trap(f"no key `{index.value}`", error="KeyError")
    return bound_name(context, found, "KeyError")


def _looked_up(context: Context, content: Dict, index: Scalar) -> Value:
    """A dict whose keys are ints, by a number."""
    keys = [key for key, _ in content.items]
    if not all(type(key) is int for key in keys):
        raise context.cannot("a key that is not known")
    where = context.routine("index_of", Tup(tuple(Const(key) for key in keys)), index)
    return item(context, Tup(tuple(value for _, value in content.items)), where)


def _sequence_display(context: Context, node: ast.List | ast.Tuple | ast.Set) -> Value:
    items: list[Value] = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            inner = contents(context, evaluate(context, element.value))
            if not isinstance(inner, Items):
                raise context.cannot("`*` with a list of unknown length")
            items.extend(inner.items)
        else:
            value = evaluate(context, element)
            items.append(context.atom(value) if isinstance(value, Scalar) else value)
    if isinstance(node, ast.List):
        return context.new(Items("list", tuple(items)))
    return Tup(tuple(items), "set" if isinstance(node, ast.Set) else "tuple")


def _dict(context: Context, node: ast.Dict) -> Value:
    items: dict[object, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise context.cannot("`**` in a dict")
        name = evaluate(context, key)
        found = evaluate(context, value)
        if not isinstance(name, Const):
            raise context.cannot("a dict with a key that is not known")
        items[name.value] = context.atom(found) if isinstance(found, Scalar) else found
    return context.new(Dict(tuple(items.items())))


def _fstring(context: Context, node: ast.JoinedStr) -> Value:
    for part_ in node.values:
        if isinstance(part_, ast.FormattedValue):
            value = evaluate(context, part_.value)
            spec = part_.format_spec
            text = ""
            if isinstance(spec, ast.JoinedStr):
                if not all(isinstance(v, ast.Constant) for v in spec.values):
                    raise context.cannot("a format that is not known")
                text = "".join(str(v.value) for v in spec.values if isinstance(v, ast.Constant))
            formatted(context, value, "" if part_.conversion != -1 else text)
    return Text()


def _lambda(context: Context, node: ast.Lambda) -> Value:
    return objects.function_value(context, node)


def _attribute(context: Context, node: ast.Attribute) -> Value:
    return objects.attribute(context, present(context, evaluate(context, node.value)), node.attr)


def _call(context: Context, node: ast.Call) -> Value:
    return context.call(context, node)


def _walrus(context: Context, node: ast.NamedExpr) -> Value:
    value = evaluate(context, node.value)
    value = context.atom(value, node.target.id) if isinstance(value, Scalar) else value
    key = resolve(context, node.target.id, store=True)
    assert key is not None
    context.s.vars[key] = value
    return value


def _comprehension(context: Context, node: ast.expr) -> Value:
    from racer.reward.compile.statements import comprehension

    return comprehension(context, node)  # type: ignore[arg-type]


_HANDLERS: dict[type, Callable[[Context, ast.expr], Value]] = {
    ast.Constant: _constant,  # type: ignore[dict-item]
    ast.Name: _name,  # type: ignore[dict-item]
    ast.BinOp: _binop,  # type: ignore[dict-item]
    ast.UnaryOp: _unary,  # type: ignore[dict-item]
    ast.BoolOp: _boolop,  # type: ignore[dict-item]
    ast.IfExp: _ifexp,  # type: ignore[dict-item]
    ast.Compare: _compare,  # type: ignore[dict-item]
    ast.Subscript: _subscript,  # type: ignore[dict-item]
    ast.List: _sequence_display,  # type: ignore[dict-item]
    ast.Tuple: _sequence_display,  # type: ignore[dict-item]
    ast.Set: _sequence_display,  # type: ignore[dict-item]
    ast.Dict: _dict,  # type: ignore[dict-item]
    ast.JoinedStr: _fstring,  # type: ignore[dict-item]
    ast.Lambda: _lambda,  # type: ignore[dict-item]
    ast.Attribute: _attribute,  # type: ignore[dict-item]
    ast.Call: _call,  # type: ignore[dict-item]
    ast.NamedExpr: _walrus,  # type: ignore[dict-item]
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
}

__all__ = ["Function", "Native", "as_bool", "evaluate", "is_sequence"]
