"""Translates each kind of expression; calls are in `calls`, comprehensions in `statements`.

A handler takes the context and a node of the user's syntax tree and returns the value of the expression: a constant
where it is known at translation time, else a number with its Python expression, an object, or another value of
`values`. The handler writes the code that the value needs. `HANDLERS` is the table of all kinds.
"""

from __future__ import annotations

import ast
import builtins

from racer.reward.compile import object_ops
from racer.reward.compile import values as ir
from racer.reward.compile.arithmetic import FOLD, SYMBOLS, array_op, binary_op, compare_order, unary_op
from racer.reward.compile.coercion import (
    as_number,
    contents_of,
    format_value,
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
from racer.reward.compile.values import Value


def as_atom(context: Context, value: Value, hint: str = "t") -> Value:
    """Return a number under a name, so that using it twice computes it once; other values stay as they are."""
    return context.atom(value, hint) if isinstance(value, ir.Scalar) else value


def _constant(context: Context, node: ast.Constant) -> Value:
    if node.value is None or isinstance(node.value, (bool, int, float, str)):
        # The kernel holds a whole number as int64 or float64; only below 2**53 do both hold it exactly.
        if type(node.value) is int and abs(node.value) >= 2**53:
            raise context.unsupported("a whole number beyond 2**53")
        return ir.Constant(node.value)
    raise context.unsupported(f"a constant of type {type(node.value).__name__}")


def _name(context: Context, node: ast.Name) -> Value:
    key = resolve_name(context, node.id)
    value = context.lookup(key)
    # A name that no scope and no global binds is a builtin, as in Python.
    if value == ir.UNBOUND and key[0] == 0 and hasattr(builtins, node.id):
        return context.module_env.imported_value(builtins, node.id)
    # Frames from 1 on are calls: their names are local.
    error = "NameError" if key[0] <= 0 else "UnboundLocalError"
    if value == ir.UNBOUND:
        raise context.trap(f"the name `{node.id}` has no value", error=error)
    return require_bound(context, value, error)


def _attribute(context: Context, node: ast.Attribute) -> Value:
    # `super()` is not a value that can be passed on: only `super().name` is covered.
    called = node.value
    if isinstance(called, ast.Call) and context.evaluate(called.func) == ir.Builtin("builtins.super"):
        return _inherited(context, node.attr)
    return object_ops.get_attribute(context, require_value(context, context.evaluate(node.value)), node.attr)


def _inherited(context: Context, name: str) -> Value:
    """Return `super().name` inside a method.

    Starts at the class of the method's first argument, climbs to the class that holds the method, and looks the name
    up in the base of that class.
    """
    method = context.call_stack[-1] if context.call_stack else None
    if not isinstance(method, ast.FunctionDef) or not method.args.args:
        raise context.unsupported("`super` in this place")
    receiver = context.lookup((context.current_frame, method.args.args[0].arg))
    content = context.content(receiver.id) if isinstance(receiver, ir.ObjectRef) else None
    cls = content.cls if isinstance(content, ir.ObjectFields) else None
    # One base for each class: with several, `super` depends on the order of the whole family.
    while isinstance(cls, ir.ObjectRef) and isinstance(members := context.content(cls.id), ir.ObjectFields):
        base = members.bases[0] if len(members.bases) == 1 else None
        holds_method = any(isinstance(value, ir.UserFunction) and value.node is method for _, value in members.items)
        if holds_method and base is not None:
            inherited = object_ops.class_member(context, base, name)
            if isinstance(inherited, ir.UserFunction):
                return ir.BoundMethod(inherited, receiver)
            break
        cls = base
    raise context.unsupported("`super` in this place")


def _walrus(context: Context, node: ast.NamedExpr) -> Value:
    value = as_atom(context, context.evaluate(node.value), node.target.id)
    key = resolve_name(context, node.target.id)
    context.state.variables[key] = value
    return value


def _binop(context: Context, node: ast.BinOp) -> Value:
    left = context.evaluate(node.left)
    right = context.evaluate(node.right)
    return binary_operation(context, type(node.op).__name__, left, right)


def binary_operation(context: Context, name: str, left: Value, right: Value) -> Value:
    """Translate a binary operator on any values.

    Args:
        context: the translator.
        name: name of the operator's class in `ast`.
        left: left operand.
        right: right operand.
    """
    if name not in SYMBOLS:
        raise context.unsupported(f"the operator {name}")
    symbol = SYMBOLS[name]
    # Text first: the kernel holds no strings, so they have separate rules.
    if symbol in "+*%" and (is_text(left) or is_text(right)):
        return join_text(context, symbol, left, right)
    left, right = require_value(context, left), require_value(context, right)
    types = type_of(context, left), type_of(context, right)
    if "ndarray" in types:
        return array_op(context, symbol, left, right)
    if types == ("set", "set"):
        return _set_operation(context, symbol, left, right)
    # The type of a number is "", so `any` means that a sequence is involved.
    if any(types) and symbol == "+" and types[0] == types[1]:
        return _concatenate(context, left, right)
    if any(types) and symbol == "*" and "" in types:
        return _repeat(context, *((left, right) if types[0] else (right, left)))
    if isinstance(left, ir.ObjectRef) and isinstance(context.content(left.id), ir.ObjectFields):
        raise context.unsupported("an operator on an object")
    return binary_op(context, symbol, left, right)


def _set_operation(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Translate an operator on two sets of constants; the result is known."""
    sides = [contents_of(context, side) for side in (left, right)]
    keys = [
        [item.value for item in side.items if isinstance(item, ir.Constant)]
        for side in sides
        if isinstance(side, ir.FixedSequence) and all(isinstance(item, ir.Constant) for item in side.items)
    ]
    if len(keys) < 2 or symbol not in "|&-^":
        raise context.unsupported("an operator on sets")
    result = FOLD[symbol](set(keys[0]), set(keys[1]))
    # In the order of the operands, not of the set, so that a second pass writes the same code.
    return ir.TupleValue(tuple(ir.Constant(key) for key in dict.fromkeys(keys[0] + keys[1]) if key in result), "set")


def _concatenate(context: Context, left: Value, right: Value) -> Value:
    a, b = contents_of(context, left), contents_of(context, right)
    if isinstance(a, ir.FixedSequence) and isinstance(b, ir.FixedSequence):
        return make_sequence(context, a.type, a.items + b.items)
    return context.call_stdlib("concatenated" if a.type == "list" else "concatenated_tuple", left, right)


_REPEATED_MAX = 64
"""Items up to which a repeated list stays a list of single values; a longer one becomes an array."""


def _repeat(context: Context, sequence: Value, times: Value) -> Value:
    content = contents_of(context, sequence)
    count = as_number(context, times)
    if ir.number_kind(count) not in "bi":
        raise context.trap("a list times a float")
    if (
        isinstance(content, ir.FixedSequence)
        and isinstance(count, ir.Constant)
        and len(content.items) * max(0, count.value) <= _REPEATED_MAX
    ):
        return make_sequence(context, content.type, content.items * count.value)
    return context.call_stdlib("repeated", sequence, count)


def truth_of_expression(context: Context, node: ast.expr) -> bool | str:
    """Return the truth value of an expression: known, or as an expression of the kernel.

    Only the truth of each operand of `and` and `or` is needed here. So the operands may be of any types, where the
    value of `objects and len(objects) > 1` would be a list or a bool.
    """
    if isinstance(node, ast.BoolOp):
        return truth_of(context, _boolop(context, node, truth=True))
    return truth_of(context, context.evaluate(node))


def _truth_value(test: bool | str) -> Value:
    return ir.Constant(test) if isinstance(test, bool) else ir.Scalar("b", test)


def _unary(context: Context, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        test = truth_of_expression(context, node.operand)
        return _truth_value(not test if isinstance(test, bool) else f"(not {test})")
    value = context.evaluate(node.operand)
    if type_of(context, value) == "ndarray":
        return array_op(context, "*", value, ir.Constant(-1)) if isinstance(node.op, ast.USub) else value
    return unary_op(context, {"USub": "-", "UAdd": "+", "Invert": "~"}[type(node.op).__name__], value)


def _boolop(context: Context, node: ast.BoolOp, *, truth: bool = False) -> Value:
    """Return the value of `and` or `or`; with `truth` a bool that has the same truth."""
    is_and = isinstance(node.op, ast.And)

    # Python evaluates an operand only where those before it leave the result open. So operand k + 1 is translated
    # inside a branch on operand k; a known test needs no branch.
    def rest(k: int) -> Value:
        if truth:
            value = _truth_value(truth_of_expression(context, node.values[k]))
        else:
            value = context.evaluate(node.values[k])
        if k == len(node.values) - 1:
            return value
        test = truth_of(context, value)
        if isinstance(test, bool):
            return rest(k + 1) if test == is_and else value
        test = context.temp(test, "test")
        # A bool is its own test: the result of the branch can be the name of the test.
        if isinstance(value, ir.Scalar) and value.kind == "b":
            value = ir.Scalar("b", test, value.numpy)
        return context.choose(test if is_and else f"not {test}", lambda: rest(k + 1), lambda: value)

    return rest(0)


def _ifexp(context: Context, node: ast.IfExp) -> Value:
    test = truth_of_expression(context, node.test)
    return context.choose(test, lambda: context.evaluate(node.body), lambda: context.evaluate(node.orelse))


_SYMBOLS = {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}


def _compare(context: Context, node: ast.Compare) -> Value:
    # `a < b < c` evaluates b once, and c only where a < b: comparison k + 1 is inside a branch on comparison k.
    def rest(left: Value, k: int) -> Value:
        right = context.evaluate(node.comparators[k])
        last = k == len(node.ops) - 1
        if not last:
            right = as_atom(context, right)
        result = _compare_values(context, type(node.ops[k]).__name__, left, right)
        if last:
            return result
        test = truth_of(context, result)
        if isinstance(test, bool):
            return rest(right, k + 1) if test else result
        test = context.temp(test, "test")
        # Where the test is False, the chain's value is that of the comparison that failed.
        failed = ir.Scalar("b", test, ir.any_numpy(result))
        return context.choose(test, lambda: rest(right, k + 1), lambda: failed)

    return rest(as_atom(context, context.evaluate(node.left)), 0)


def _compare_values(context: Context, name: str, left: Value, right: Value) -> Value:
    """Translate one comparison; `name` is the name of the operator's class in `ast`."""
    if name in ("Is", "IsNot"):
        test = test_identical(context, left, right)
    elif name in ("In", "NotIn"):
        test = test_contained(context, right, left)
    elif name in ("Eq", "NotEq"):
        test = test_equal(context, left, right)
    else:
        return compare_order(context, _SYMBOLS[name], left, right)
    if name in ("IsNot", "NotIn", "NotEq"):
        test = (not test) if isinstance(test, bool) else f"(not {test})"
    # `is` and `in` give a bool of Python for numpy numbers too.
    numpy = name in ("Eq", "NotEq") and ir.any_numpy(left, right)
    return ir.Constant(test) if isinstance(test, bool) else ir.Scalar("b", test, numpy)


def evaluate_items(context: Context, nodes: list[ast.expr]) -> list[Value]:
    """Translate the items of a display, or the arguments of a call, `*items` included."""
    items: list[Value] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            content = contents_of(context, context.evaluate(node.value))
            if not isinstance(content, ir.FixedSequence):
                raise context.unsupported("`*` with a list of unknown length")
            items.extend(content.items)
        else:
            items.append(as_atom(context, context.evaluate(node)))
    return items


def _sequence_display(context: Context, node: ast.List | ast.Tuple | ast.Set) -> Value:
    items = tuple(evaluate_items(context, node.elts))
    if isinstance(node, ast.List):
        return context.new_object(ir.FixedSequence("list", items))
    return ir.TupleValue(items, "set" if isinstance(node, ast.Set) else "tuple")


def _dict(context: Context, node: ast.Dict) -> Value:
    items: dict[object, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise context.unsupported("`**` in a dict")
        name = context.evaluate(key)
        item = context.evaluate(value)
        if not isinstance(name, ir.Constant):
            raise context.unsupported("a dict with a key that is not known")
        # A name for each number: an item that is read twice is computed once.
        items[name.value] = as_atom(context, item)
    return context.new_object(ir.DictContents(tuple(items.items())))


def _fstring(context: Context, node: ast.JoinedStr) -> Value:
    """Check that each part can be formatted; what the text is does not matter, since prints are only counted."""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = context.evaluate(part.value)
            spec = ""
            if isinstance(part.format_spec, ast.JoinedStr):
                if not all(isinstance(v, ast.Constant) for v in part.format_spec.values):
                    raise context.unsupported("a format that is not known")
                spec = "".join(str(v.value) for v in part.format_spec.values if isinstance(v, ast.Constant))
            format_value(context, value, "" if part.conversion != -1 else spec)
    return ir.UnknownString()


def _slice_ends(context: Context, node: ast.Slice) -> tuple[Value | None, Value | None]:
    lower = None if node.lower is None else context.evaluate(node.lower)
    return lower, None if node.upper is None else context.evaluate(node.upper)


def _subscript(context: Context, node: ast.Subscript) -> Value:
    target = require_value(context, context.evaluate(node.value))
    if isinstance(node.slice, ast.Slice):
        lower, upper = _slice_ends(context, node.slice)
        step = context.evaluate(node.slice.step) if node.slice.step else None
        return get_slice(context, target, lower, upper, step)
    if isinstance(node.slice, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.slice.elts):
        return _column(context, target, node.slice)
    return get_subscript(context, target, context.evaluate(node.slice))


def _column(context: Context, target: Value, index: ast.Tuple) -> Value:
    """Translate `array[a:b, k]` and `array[k, a:b]`."""
    if len(index.elts) != 2:
        raise context.unsupported("a slice of an array")
    rows, columns = index.elts
    if isinstance(rows, ast.Slice) and not isinstance(columns, ast.Slice):
        lower, upper = _slice_ends(context, rows)
        if (lower, upper) != (None, None):
            target = get_slice(context, target, lower, upper, None)
        # A column is not contiguous, so it is copied; a row or a range of rows is a view.
        return context.call_stdlib("column", target, context.evaluate(columns))
    if isinstance(columns, ast.Slice) and not isinstance(rows, ast.Slice):
        row = get_item(context, target, context.evaluate(rows))
        return get_slice(context, row, *_slice_ends(context, columns), None)
    raise context.unsupported("a slice of an array")


def get_subscript(context: Context, target: Value, index: Value) -> Value:
    """Translate `target[index]` without a slice."""
    if isinstance(target, ir.ObjectRef) and isinstance(content := context.content(target.id), ir.DictContents):
        return _get_key(context, content, index)
    return get_item(context, target, index)


def _get_key(context: Context, content: ir.DictContents, index: Value) -> Value:
    """Translate `a_dict[index]`."""
    if isinstance(index, ir.StringChoice):
        options = [ir.Constant(option) for option in index.options]
        return context.choose_number(index.expr, len(options), lambda k: _get_key(context, content, options[k]))
    # A dict has its known keys in order; only a constant, one of a few strings, or a whole number can be looked up.
    if isinstance(index, ir.Scalar) and index.kind in "bi" and content.items:
        return _get_number_key(context, content, index)
    if not isinstance(index, ir.Constant):
        raise context.unsupported("a key that is not known")
    item = dict(content.items).get(index.value, ir.UNBOUND)
    if item == ir.UNBOUND:
        raise context.trap(f"no key `{index.value}`", error="KeyError")
    return require_bound(context, item, "KeyError")


def _get_number_key(context: Context, content: ir.DictContents, index: ir.Scalar) -> Value:
    """Translate a dict's item by a number, where all keys are ints or bools: find the position among the keys."""
    keys = [key for key, _ in content.items]
    if not all(type(key) in (int, bool) for key in keys):
        raise context.unsupported("a key that is not known")
    position = context.call_stdlib("index_of", ir.TupleValue(tuple(ir.Constant(key) for key in keys)), index)
    return get_item(context, ir.TupleValue(tuple(value for _, value in content.items)), position)


HANDLERS: HandlerTable = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: Context.call,
    ast.Lambda: object_ops.function_value,
    ast.NamedExpr: _walrus,
    ast.BinOp: _binop,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolop,
    ast.IfExp: _ifexp,
    ast.Compare: _compare,
    ast.List: _sequence_display,
    ast.Tuple: _sequence_display,
    ast.Set: _sequence_display,
    ast.Dict: _dict,
    ast.JoinedStr: _fstring,
    ast.Subscript: _subscript,
}
