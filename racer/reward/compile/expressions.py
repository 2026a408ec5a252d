"""What each kind of expression means; calls are in `calls`, comprehensions among the statements.

names         constants, names, attributes, lambdas
operators     `+`, `and`, `not`, `a if b else c`
comparisons   `<`, chained ones too
displays      lists, tuples, sets, dicts and f-strings as they are written out
subscripts    `a[b]`

Constants, names, attributes, calls and lambdas.

Operators, `and`, `or`, `not`, and the conditional expression.

Comparisons, chained ones too.

Lists, tuples, sets, dicts and f-strings as they are written out.

`a[b]`: items, keys, slices and columns.
"""

from __future__ import annotations

import ast
import builtins

from racer.reward.compile import object_ops
from racer.reward.compile.arithmetic import SYMBOLS, array_op, binary_op, unary_op
from racer.reward.compile.coercion import (
    as_number,
    comparable_pair,
    contents_of,
    format_value,
    is_sequence,
    is_text,
    join_text,
    make_sequence,
    require_bound,
    require_value,
    test_contained,
    test_equal,
    test_identical,
    truth_of,
    type_of,
)
from racer.reward.compile.control_flow import Context, HandlerTable
from racer.reward.compile.emitter import resolve_name
from racer.reward.compile.sequence_ops import get_item, get_slice
from racer.reward.compile.values import (
    UNBOUND,
    BoundMethod,
    Builtin,
    Constant,
    DictContents,
    FixedSequence,
    ObjectFields,
    ObjectRef,
    Scalar,
    StringChoice,
    TupleValue,
    UnknownString,
    UserFunction,
    Value,
    number_kind,
)


def _constant(context: Context, node: ast.Constant) -> Value:
    if node.value is None or isinstance(node.value, (bool, int, float, str)):
        if type(node.value) is int and abs(node.value) >= 2**53:
            raise context.unsupported("a whole number beyond 2**53")
        return Constant(node.value)
    raise context.unsupported(f"a constant of type {type(node.value).__name__}")


def _name(context: Context, node: ast.Name) -> Value:
    key = resolve_name(context, node.id)
    value = context.lookup(key)
    if value == UNBOUND and key[0] == 0 and hasattr(builtins, node.id):
        return context.module_env.value(getattr(builtins, node.id), ())
    error = "NameError" if key[0] <= 0 else "UnboundLocalError"
    if value == UNBOUND:
        raise context.trap(f"the name `{node.id}` has no value", error=error)
    return require_bound(context, value, error)


def _attribute(context: Context, node: ast.Attribute) -> Value:
    called = node.value
    if isinstance(called, ast.Call) and context.evaluate(called.func) == Builtin("builtins.super"):
        return _inherited(context, node.attr)
    return object_ops.get_attribute(context, require_value(context, context.evaluate(node.value)), node.attr)


def _inherited(context: Context, name: str) -> Value:
    """`super().name`, inside a method, which is found again in the class of its first argument."""
    method = context.call_stack[-1] if context.call_stack else None
    if not isinstance(method, ast.FunctionDef) or not method.args.args:
        raise context.unsupported("`super` in this place")
    receiver = context.lookup((context.current_frame, method.args.args[0].arg))
    content = context.content(receiver.id) if isinstance(receiver, ObjectRef) else None
    cls = content.cls if isinstance(content, ObjectFields) else None
    while isinstance(cls, ObjectRef) and isinstance(held := context.content(cls.id), ObjectFields):
        own = [value for _, value in held.items if isinstance(value, UserFunction) and value.node is method]
        base = held.bases[0] if len(held.bases) == 1 else None
        if own and base is not None:
            found = object_ops.class_member(context, base, name)
            if isinstance(found, UserFunction):
                return BoundMethod(found, receiver)
            break
        cls = base
    raise context.unsupported("`super` in this place")


def _call(context: Context, node: ast.Call) -> Value:
    return context.call(node)


def _lambda(context: Context, node: ast.Lambda) -> Value:
    return object_ops.function_value(context, node)


def _walrus(context: Context, node: ast.NamedExpr) -> Value:
    value = context.evaluate(node.value)
    value = context.atom(value, node.target.id) if isinstance(value, Scalar) else value
    key = resolve_name(context, node.target.id)
    context.state.variables[key] = value
    return value


NAME_HANDLERS: HandlerTable = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
}


def _binop(context: Context, node: ast.BinOp) -> Value:
    one = context.evaluate(node.left)
    two = context.evaluate(node.right)
    return binary_operation(context, type(node.op).__name__, one, two)


def binary_operation(context: Context, name: str, one: Value, two: Value) -> Value:
    """A binary operator on any values."""
    if name not in SYMBOLS:
        raise context.unsupported(f"the operator {name}")
    symbol = SYMBOLS[name]
    if symbol in "+*%" and (is_text(one) or is_text(two)):
        return join_text(context, symbol, one, two)
    one, two = require_value(context, one), require_value(context, two)
    types = type_of(context, one), type_of(context, two)
    if "ndarray" in types:
        return array_op(context, symbol, one, two)
    if types == ("set", "set"):
        return _set_operation(context, symbol, one, two)
    if any(types) and symbol == "+" and types[0] == types[1]:
        return _concatenate(context, one, two)
    if any(types) and symbol == "*" and "" in types:
        return _repeat(context, *((one, two) if types[0] else (two, one)))
    if isinstance(one, ObjectRef) and isinstance(context.content(one.id), ObjectFields):
        raise context.unsupported("an operator on an object")
    return binary_op(context, symbol, one, two)


def _set_operation(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """Operators on sets that are known."""
    sides = [contents_of(context, side) for side in (one, two)]
    keys = [
        [item.value for item in side.items if isinstance(item, Constant)]
        for side in sides
        if isinstance(side, FixedSequence) and all(isinstance(item, Constant) for item in side.items)
    ]
    if len(keys) < 2 or symbol not in "|&-^":
        raise context.unsupported("an operator on sets")
    a, b = (dict.fromkeys(k) for k in keys)
    made = {
        "|": [*a, *(x for x in b if x not in a)],
        "&": [x for x in a if x in b],
        "-": [x for x in a if x not in b],
        "^": [*(x for x in a if x not in b), *(x for x in b if x not in a)],
    }[symbol]
    return TupleValue(tuple(Constant(x) for x in made), "set")


def _concatenate(context: Context, one: Value, two: Value) -> Value:
    a, b = contents_of(context, one), contents_of(context, two)
    if isinstance(a, FixedSequence) and isinstance(b, FixedSequence):
        return make_sequence(context, a.type, a.items + b.items)
    return context.call_stdlib("concatenated" if a.type == "list" else "concatenated_tuple", one, two)


def _repeat(context: Context, one: Value, times: Value) -> Value:
    found = contents_of(context, one)
    count = as_number(context, times)
    if number_kind(count) not in "bi":
        raise context.trap("a list times a float")
    if (
        isinstance(found, FixedSequence)
        and isinstance(count, Constant)
        and len(found.items) * max(0, count.value) <= 64
    ):
        return make_sequence(context, found.type, found.items * count.value)
    return context.call_stdlib("repeated", one, count)


def _unary(context: Context, node: ast.UnaryOp) -> Value:
    value = context.evaluate(node.operand)
    if isinstance(node.op, ast.Not):
        found = truth_of(context, value)
        return Constant(not found) if isinstance(found, bool) else Scalar("b", f"(not {found})")
    if type_of(context, value) == "ndarray":
        return array_op(context, "*", value, Constant(-1)) if isinstance(node.op, ast.USub) else value
    return unary_op(context, {"USub": "-", "UAdd": "+", "Invert": "~"}[type(node.op).__name__], value)


def _boolop(context: Context, node: ast.BoolOp) -> Value:
    is_and = isinstance(node.op, ast.And)

    def rest(k: int) -> Value:
        value = context.evaluate(node.values[k])
        if k == len(node.values) - 1:
            return value
        test = truth_of(context, value)
        if isinstance(test, bool):
            return rest(k + 1) if test == is_and else value
        test = context.temp(test, "test")
        if isinstance(value, Scalar) and value.kind == "b":
            value = Scalar("b", test, value.numpy)
        return context.choose(test if is_and else f"not {test}", lambda: rest(k + 1), lambda: value)

    return rest(0)


def _ifexp(context: Context, node: ast.IfExp) -> Value:
    test = truth_of(context, context.evaluate(node.test))
    if isinstance(test, bool):
        return context.evaluate(node.body if test else node.orelse)
    return context.choose(test, lambda: context.evaluate(node.body), lambda: context.evaluate(node.orelse))


OPERATOR_HANDLERS: HandlerTable = {
    ast.BinOp: _binop,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolop,
    ast.IfExp: _ifexp,
}


_SYMBOLS = {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!="}


def _compare(context: Context, node: ast.Compare) -> Value:
    def rest(left: Value, k: int) -> Value:
        right = context.evaluate(node.comparators[k])
        last = k == len(node.ops) - 1
        if not last:
            right = _atomic(context, right)
        result = compare_values(context, type(node.ops[k]).__name__, left, right)
        if last:
            return result
        test = truth_of(context, result)
        if isinstance(test, bool):
            return rest(right, k + 1) if test else result
        test = context.temp(test, "test")
        failed = Scalar("b", test, isinstance(result, Scalar) and result.numpy)
        return context.choose(test, lambda: rest(right, k + 1), lambda: failed)

    return rest(_atomic(context, context.evaluate(node.left)), 0)


def _atomic(context: Context, value: Value) -> Value:
    return context.atom(value) if isinstance(value, Scalar) else value


def compare_values(context: Context, name: str, one: Value, two: Value) -> Value:
    """One comparison."""
    if name in ("Is", "IsNot"):
        found = test_identical(context, one, two)
    elif name in ("In", "NotIn"):
        found = test_contained(context, two, one)
    elif name in ("Eq", "NotEq"):
        found = test_equal(context, one, two)
    else:
        return _ordered(context, _SYMBOLS[name], one, two)
    if name in ("IsNot", "NotIn", "NotEq"):
        found = (not found) if isinstance(found, bool) else f"(not {found})"
    numpy = name in ("Eq", "NotEq") and any(isinstance(v, Scalar) and v.numpy for v in (one, two))
    return Constant(found) if isinstance(found, bool) else Scalar("b", found, numpy)


def _ordered(context: Context, symbol: str, one: Value, two: Value) -> Value:
    if "ndarray" in (type_of(context, one), type_of(context, two)):
        raise context.unsupported("a comparison of arrays")
    one, two = require_value(context, one), require_value(context, two)
    if is_sequence(context, one) and is_sequence(context, two):
        raise context.unsupported("an order of lists")
    a, b = as_number(context, one), as_number(context, two)
    if isinstance(a, Constant) and isinstance(b, Constant):
        results = {"<": a.value < b.value, "<=": a.value <= b.value, ">": a.value > b.value, ">=": a.value >= b.value}
        return Constant(results[symbol])
    numpy = any(isinstance(v, Scalar) and v.numpy for v in (a, b))
    return Scalar("b", f"({comparable_pair(a, b)} {symbol} {comparable_pair(b, a)})", numpy)


COMPARISON_HANDLERS: HandlerTable = {ast.Compare: _compare}


def _sequence_display(context: Context, node: ast.List | ast.Tuple | ast.Set) -> Value:
    items: list[Value] = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            inner = contents_of(context, context.evaluate(element.value))
            if not isinstance(inner, FixedSequence):
                raise context.unsupported("`*` with a list of unknown length")
            items.extend(inner.items)
        else:
            value = context.evaluate(element)
            items.append(context.atom(value) if isinstance(value, Scalar) else value)
    if isinstance(node, ast.List):
        return context.new_object(FixedSequence("list", tuple(items)))
    return TupleValue(tuple(items), "set" if isinstance(node, ast.Set) else "tuple")


def _dict(context: Context, node: ast.Dict) -> Value:
    items: dict[object, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise context.unsupported("`**` in a dict")
        name = context.evaluate(key)
        found = context.evaluate(value)
        if not isinstance(name, Constant):
            raise context.unsupported("a dict with a key that is not known")
        items[name.value] = context.atom(found) if isinstance(found, Scalar) else found
    return context.new_object(DictContents(tuple(items.items())))


def _fstring(context: Context, node: ast.JoinedStr) -> Value:
    for part_ in node.values:
        if isinstance(part_, ast.FormattedValue):
            value = context.evaluate(part_.value)
            spec = part_.format_spec
            text = ""
            if isinstance(spec, ast.JoinedStr):
                if not all(isinstance(v, ast.Constant) for v in spec.values):
                    raise context.unsupported("a format that is not known")
                text = "".join(str(v.value) for v in spec.values if isinstance(v, ast.Constant))
            format_value(context, value, "" if part_.conversion != -1 else text)
    return UnknownString()


DISPLAY_HANDLERS: HandlerTable = {
    ast.List: _sequence_display,
    ast.Tuple: _sequence_display,
    ast.Set: _sequence_display,
    ast.Dict: _dict,
    ast.JoinedStr: _fstring,
}


def _subscript(context: Context, node: ast.Subscript) -> Value:
    target = require_value(context, context.evaluate(node.value))
    if isinstance(node.slice, ast.Slice):
        ends = [None if e is None else context.evaluate(e) for e in (node.slice.lower, node.slice.upper)]
        step = context.evaluate(node.slice.step) if node.slice.step else None
        return get_slice(context, target, ends[0], ends[1], step)
    if isinstance(node.slice, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.slice.elts):
        return _column(context, target, node.slice)
    return get_subscript(context, target, context.evaluate(node.slice))


def _column(context: Context, target: Value, index: ast.Tuple) -> Value:
    """`array[:, k]`."""
    rows, *rest = index.elts
    if isinstance(rows, ast.Slice) and len(rest) == 1 and not isinstance(rest[0], ast.Slice):
        ends = [None if e is None else context.evaluate(e) for e in (rows.lower, rows.upper)]
        if ends != [None, None]:
            target = get_slice(context, target, ends[0], ends[1], None)
        return context.call_stdlib("column", target, context.evaluate(rest[0]))
    if not isinstance(rows, ast.Slice) and len(rest) == 1 and isinstance(rest[0], ast.Slice):
        row = get_item(context, target, context.evaluate(rows))
        ends = [None if e is None else context.evaluate(e) for e in (rest[0].lower, rest[0].upper)]
        return get_slice(context, row, ends[0], ends[1], None)
    raise context.unsupported("a slice of an array")


def get_subscript(context: Context, target: Value, index: Value) -> Value:
    """`target[index]` without a slice."""
    if isinstance(target, ObjectRef) and isinstance(content := context.content(target.id), DictContents):
        return get_key(context, content, index)
    return get_item(context, target, index)


def get_key(context: Context, content: DictContents, index: Value) -> Value:
    """`a_dict[index]`."""
    if isinstance(index, StringChoice):
        index_ = index

        def pick(k: int) -> Value:
            if k == len(index_.options) - 1:
                return get_key(context, content, Constant(index_.options[k]))
            return context.choose(
                f"{index_.expr} == {k}",
                lambda: get_key(context, content, Constant(index_.options[k])),
                lambda: pick(k + 1),
            )

        return pick(0)
    if isinstance(index, Scalar) and index.kind in "bi" and content.items:
        return _look_up(context, content, index)
    if not isinstance(index, Constant):
        raise context.unsupported("a key that is not known")
    found = dict(content.items).get(index.value, UNBOUND)
    if found == UNBOUND:
        raise context.trap(f"no key `{index.value}`", error="KeyError")
    return require_bound(context, found, "KeyError")


def _look_up(context: Context, content: DictContents, index: Scalar) -> Value:
    """A dict whose keys are ints or truths, by a number."""
    keys = [key for key, _ in content.items]
    if not all(type(key) in (int, bool) for key in keys):
        raise context.unsupported("a key that is not known")
    where = context.call_stdlib("index_of", TupleValue(tuple(Constant(key) for key in keys)), index)
    return get_item(context, TupleValue(tuple(value for _, value in content.items)), where)


SUBSCRIPT_HANDLERS: HandlerTable = {ast.Subscript: _subscript}
