"""Translates calls: of the user's functions, classes and objects, of known functions, and of methods.

A user's function is translated in place, once for each call, so its arguments need no declared types: `inline_call`
binds the arguments to the names of a new frame and translates the body there. Early returns are rewritten as nested
branches where that does not double code (`tail_form`), else the body becomes a block that `return` leaves:

    if a:               if a:
        return 1            return 1
    b = 2         ->    else:
    return b                b = 2
                            return b

`call_method` translates methods of strings, dicts, arrays, lists and numbers. Functions of Python, math and numpy are
in `builtins_table`.
"""

from __future__ import annotations

import ast
from functools import cache

from racer.reward.compile import values as ir
from racer.reward.compile.builtins_table import BUILTINS
from racer.reward.compile.coercion import (
    as_number,
    contents_of,
    format_method,
    is_sequence,
    is_text,
    require_bound,
    require_value,
)
from racer.reward.compile.control_flow import BlockExits, Context
from racer.reward.compile.errors import UNCOVERED
from racer.reward.compile.expressions import as_atom, evaluate_items
from racer.reward.compile.module_env import CallFrame, scope_of
from racer.reward.compile.object_ops import class_member
from racer.reward.compile.sequence_ops import append, freeze_inner, pop_last, require_writable, set_contents
from racer.reward.compile.stdlib import STDLIB_FRAME, STDLIB_FUNCTIONS
from racer.reward.compile.values import Value

_TAIL_DEPTH = 12
"""Depth of nested `if`s up to which early returns are rewritten."""


@cache
def tail_form(node: ast.FunctionDef) -> list[ast.stmt] | None:
    """Return the body with every `return` at the end of a branch; None where that would double code."""
    return _tail(node.body, node, _TAIL_DEPTH)


def _tail(statements: list[ast.stmt], end: ast.AST, depth: int) -> list[ast.stmt] | None:
    for index, statement in enumerate(statements):
        if isinstance(statement, (ast.Return, ast.Raise)):
            return statements[: index + 1]
        if not has_return(statement):
            continue
        # A `return` inside a loop or a `try` cannot move to the end of a branch.
        if not isinstance(statement, ast.If) or depth == 0:
            return None
        rest = statements[index + 1 :]
        ends = _ends_always(statement.body), _ends_always(statement.orelse)
        # The rest moves into the branch that reaches it; where both do, it would be written twice.
        if rest and not any(ends):
            return None
        then = _tail(statement.body if ends[0] else statement.body + rest, end, depth - 1)
        orelse = _tail(statement.orelse if ends[1] else statement.orelse + rest, end, depth - 1)
        if then is None or orelse is None:
            return None
        new = ast.copy_location(ast.If(statement.test, then, orelse), statement)
        return [*statements[:index], new]
    # A path that reaches the end returns None; the line is that of its last statement.
    place = statements[-1] if statements else end
    last = ast.Return(ast.copy_location(ast.Constant(None), place))
    return [*statements, ast.copy_location(last, place)]


def has_return(node: ast.AST) -> bool:
    """Return whether a statement has a `return` that does not belong to an inner function."""
    if isinstance(node, ast.Return):
        return True
    if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
        return False
    return any(has_return(child) for child in ast.iter_child_nodes(node))


def has_jump(statements: list[ast.stmt]) -> bool:
    """Return whether a loop's body has a `break` or `continue` that does not belong to an inner loop."""
    for statement in statements:
        if isinstance(statement, (ast.Break, ast.Continue)):
            return True
        if isinstance(statement, ast.If) and (has_jump(statement.body) or has_jump(statement.orelse)):
            return True
        if isinstance(statement, ast.Try) and has_jump([*statement.body, *statement.orelse, *statement.finalbody]):
            return True
        # The body of an inner loop has jumps of that loop; its `else` runs outside of it.
        if isinstance(statement, (ast.For, ast.While)) and has_jump(statement.orelse):
            return True
    return False


def _ends_always(statements: list[ast.stmt]) -> bool:
    """Return whether control never passes the end of a list of statements."""
    last = statements[-1] if statements else None
    if isinstance(last, ast.If):
        return _ends_always(last.body) and _ends_always(last.orelse)
    return isinstance(last, (ast.Return, ast.Raise))


DEPTH_MAX = 24
"""Maximum number of nested calls."""


def inline_call(context: Context, function: ir.UserFunction, args: list[Value], named: dict[str, Value]) -> Value:
    """Translate a function's body in place.

    Args:
        context: the translator.
        function: the function.
        args: positional arguments.
        named: keyword arguments.
    """
    node = function.node
    if any(entry is node for entry in context.call_stack):
        raise context.unsupported("recursion")
    if len(context.call_stack) >= DEPTH_MAX:
        raise context.unsupported("calls nested too deeply")
    # The path of call sites names the frame. A second pass over a loop takes the same path, and so gets the same frame
    # and the same memory for its lists.
    path = (*context.path, context.site(), function.serial)
    number = context.frame_number(path)
    scope = scope_of(node)
    values = _bind(context, function, args, named)
    # Functions of the standard library have negative numbers; their lines are not lines of the user's file.
    library = function.serial < 0
    saved = context.path, context.current_frame, context.line, context.user_loops, context.return_target
    context.frames[number] = CallFrame(scope, function.frame)
    for name, value in values.items():
        context.state.variables[(number, name)] = value
    context.path, context.current_frame, context.user_loops = path, number, []
    context.call_stack.append(node)
    context.active_frames.append(number)
    context.stdlib_depth += library
    try:
        if isinstance(node, ast.Lambda):
            return context.evaluate(node.body)
        return _body(context, node, number)
    finally:
        context.stdlib_depth -= library
        context.call_stack.pop()
        context.active_frames.pop()
        context.path, context.current_frame, context.line, context.user_loops, context.return_target = saved
        # A name that an inner function uses may be read after the call, by a closure that was returned or stored.
        if not scope.captured:
            drop_frame(context, number)


def drop_frame(context: Context, number: int) -> None:
    """Remove the names of a frame that has ended from the state."""
    # Names with `$` are the translator's, such as the value of a `return` that is still on its way.
    for key in [key for key in context.state.variables if key[0] == number and not key[1].startswith("$")]:
        del context.state.variables[key]


def _body(context: Context, node: ast.FunctionDef, number: int) -> Value:
    key = (number, f"$return{number}")
    if any(isinstance(inner, (ast.Yield, ast.YieldFrom, ast.Await)) for inner in ast.walk(node)):
        raise context.unsupported("a generator")
    check_decorators(context, node)
    statements = tail_form(node)
    if statements is not None:
        context.return_target = (None, key)
        context.execute(statements)
    else:

        def body(jumps: BlockExits) -> None:
            context.return_target = (jumps, key)
            context.execute(node.body)
            context.state.variables[key] = ir.NONE

        context.breakable(body)
    return context.state.variables.pop(key, ir.NONE)


def check_decorators(context: Context, node: ast.FunctionDef) -> list[str]:
    """Return the names of a function's decorators.

    Raises:
        CannotCompile: one of them is not a decorator of methods.
    """
    names = [d.id for d in node.decorator_list if isinstance(d, ast.Name)]
    if len(names) < len(node.decorator_list) or set(names) - {"staticmethod", "classmethod", "property"}:
        raise context.unsupported("a decorator")
    return names


def _bind(context: Context, function: ir.UserFunction, args: list[Value], named: dict[str, Value]) -> dict[str, Value]:
    """Return the values of a function's parameters, bound as Python binds them."""
    arguments = function.node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    # Fewer arguments than names: the rest must be keywords or have defaults. More: they need `*args`.
    bound: dict[str, Value] = dict(zip(names, args, strict=False))
    rest = args[len(names) :]
    if rest and not arguments.vararg:
        raise context.trap("too many arguments")
    if arguments.vararg:
        bound[arguments.vararg.arg] = ir.TupleValue(tuple(rest))
    keyword_only = [a.arg for a in arguments.kwonlyargs]
    extra: dict[object, Value] = {}
    for name, value in named.items():
        if name in names[len(arguments.posonlyargs) :] or name in keyword_only:
            if name in bound:
                raise context.trap(f"two values for `{name}`")
            bound[name] = value
        elif arguments.kwarg:
            extra[name] = value
        else:
            raise context.trap(f"an unknown argument `{name}`")
    if arguments.kwarg:
        bound[arguments.kwarg.arg] = context.new_object(ir.DictContents(tuple(extra.items())))
    # Defaults belong to the last positional parameters, and were evaluated where the function was defined.
    defaults = dict(zip(names[len(names) - len(function.defaults) :], function.defaults, strict=True))
    defaults.update(function.keyword_defaults)
    for name in (*names, *keyword_only):
        if name not in bound:
            if name not in defaults:
                raise context.trap(f"no value for `{name}`")
            bound[name] = defaults[name]
    return bound


_TEXT_METHODS = ("upper", "lower", "strip", "title", "capitalize", "rstrip", "lstrip", "ljust", "rjust", "center")
_ARRAY_METHODS = {name: f"numpy.{name}" for name in ("sum", "mean", "min", "max", "argmin", "argmax", "std", "dot")} | {
    "copy": "numpy.array"
}


def call_method(context: Context, receiver: Value, name: str, args: list[Value], named: dict[str, Value]) -> Value:
    """Translate `receiver.name(*args, **named)` for a receiver of a built-in type.

    Args:
        context: the translator.
        receiver: the string, dict, list, array or number.
        name: name of the method.
        args: positional arguments.
        named: keyword arguments.
    """
    receiver = require_value(context, receiver)
    if is_text(receiver):
        return _string_method(context, receiver, name, args)
    if isinstance(receiver, ir.ObjectRef) and isinstance(content := context.content(receiver.id), ir.DictContents):
        return _dict_method(context, receiver, content, name, args)
    if is_sequence(context, receiver):
        if contents_of(context, receiver).type == "ndarray":
            return _array_method(context, receiver, name, args, named)
        if named and name != "sort":
            raise context.unsupported(f"`{name}` with keywords")
        return _list_method(context, receiver, name, args, named)
    if ir.kind_of(receiver) is not None and not args and not named:
        return _number_method(context, receiver, name)
    raise context.unsupported(f"the method `{name}`")


def _number_method(context: Context, receiver: Value, name: str) -> Value:
    kind = ir.kind_of(receiver)
    assert kind is not None
    # `kind[1]` is True for a numpy scalar; `item()` makes the Python number of it.
    if name == "item" and kind[1] and isinstance(receiver, ir.Scalar):
        return ir.Scalar(receiver.kind, receiver.expr, False, receiver.bound)
    if name == "is_integer" and isinstance(receiver, ir.Scalar) and kind[0] == "f" and not kind[1]:
        # math.floor of infinity or NaN is not defined in the kernel; in Python `is_integer` is False for them.
        context.trap_if(f"not abs({receiver.expr}) < INF", UNCOVERED)
        return ir.Scalar("b", f"({receiver.expr} == math.floor({receiver.expr}))")
    raise context.unsupported(f"the method `{name}` of a number")


def _string_method(context: Context, receiver: Value, name: str, args: list[Value]) -> Value:
    values = [a.value for a in args if isinstance(a, ir.Constant)]
    known = ("startswith", "endswith") if args else ("upper", "lower", "strip")
    if isinstance(receiver, ir.Constant) and len(values) == len(args) and name in known:
        return ir.Constant(getattr(receiver.value, name)(*values))
    if name in _TEXT_METHODS and not args:
        return ir.UnknownString()
    if name == "join" and len(args) == 1:
        parts = contents_of(context, args[0])
        if isinstance(parts, ir.FixedSequence) and all(is_text(x) for x in parts.items):
            return ir.UnknownString()
    raise context.unsupported(f"the method `{name}` of a string")


def _dict_method(context: Context, ref: ir.ObjectRef, content: ir.DictContents, name: str, args: list[Value]) -> Value:
    """Translate a method of a dict, whose keys are all known."""
    items = dict(content.items)
    key = args[0].value if args and isinstance(args[0], ir.Constant) else None
    has_key = bool(args) and isinstance(args[0], ir.Constant)
    item = items.get(key, ir.UNBOUND) if has_key else ir.UNBOUND

    def store() -> None:
        context.state.heap[ref.id] = ir.DictContents(tuple(items.items()))

    if name == "get" and has_key:
        default = args[1] if len(args) > 1 else ir.NONE
        # A key that exists on some paths only: tag 2 means that it is missing.
        if isinstance(item, ir.Maybe) and item.unbound:
            inner = ir.Maybe(item.tag, item.value, True, False) if item.none else item.value
            return context.choose(f"{item.tag} != 2", lambda: inner or ir.NONE, lambda: default)
        return default if item == ir.UNBOUND else item
    if name in ("keys", "values", "items") and not args:
        values = {key: require_bound(context, value) for key, value in items.items()}
        if name == "keys":
            return ir.TupleValue(tuple(ir.Constant(key) for key in values))
        if name == "values":
            return ir.TupleValue(tuple(values.values()))
        return ir.TupleValue(tuple(ir.TupleValue((ir.Constant(key), value)) for key, value in values.items()))
    if name == "copy" and not args:
        return context.new_object(content)
    if name == "pop" and item != ir.UNBOUND:
        value = require_bound(context, items.pop(key))
        store()
        return value
    if name == "update" and len(args) == 1 and isinstance(args[0], ir.ObjectRef):
        other = context.content(args[0].id)
        if isinstance(other, ir.DictContents):
            items.update(dict(other.items))
            store()
            return ir.NONE
    if name == "setdefault" and len(args) == 2 and has_key and not isinstance(item, ir.Maybe):
        if item == ir.UNBOUND:
            item = items[key] = args[1]
            store()
        return item
    raise context.unsupported(f"the method `{name}` of a dict")


def _array_method(context: Context, receiver: Value, name: str, args: list[Value], named: dict[str, Value]) -> Value:
    if name in _ARRAY_METHODS:
        return context.call_builtin(_ARRAY_METHODS[name], [receiver, *args], named)
    if name == "tolist" and not args:
        return context.call_stdlib("as_list", context.call_builtin("racer.as_plain", [receiver], {}))
    raise context.unsupported(f"the method `{name}` of an array")


def _list_method(context: Context, receiver: Value, name: str, args: list[Value], named: dict[str, Value]) -> Value:
    if name in ("index", "count") and len(args) == 1:
        return context.call_stdlib("index_of" if name == "index" else "count_of", receiver, args[0])
    # From here on the methods change the list, and a tuple has none of them.
    if isinstance(receiver, ir.TupleValue) and receiver.type == "tuple":
        raise context.trap(f"a tuple has no `{name}`")
    if name == "pop":
        return (
            pop_last(context, receiver) if not args or args[0] == ir.Constant(-1) else _pop(context, receiver, args[0])
        )
    if name == "copy" and not args:
        return context.call_stdlib("as_list", receiver)
    if name == "append" and len(args) == 1:
        append(context, receiver, as_atom(context, args[0]))
    elif name == "clear" and not args:
        set_contents(context, receiver, ir.FixedSequence("list", ()))
    elif name in ("extend", "insert", "remove", "reverse"):
        _change_list(context, receiver, name, args)
    elif name == "sort" and not args:
        result = context.call_builtin("builtins.sorted", [receiver], named)
        set_contents(context, receiver, contents_of(context, result))
    else:
        raise context.unsupported(f"the method `{name}` of a list")
    return ir.NONE


def _change_list(context: Context, receiver: Value, name: str, args: list[Value]) -> None:
    """Translate `extend`, `insert`, `remove` or `reverse`: in the kernel where the items are not known."""
    ref, content = require_writable(context, receiver)
    if name == "extend" and isinstance(content, ir.FixedSequence) and is_sequence(context, args[0]):
        more = contents_of(context, args[0])
        if isinstance(more, ir.FixedSequence) and more.type != "set":
            # The items of an inner list become part of the outer one, so the inner list must not change afterwards.
            for value in more.items:
                freeze_inner(context, value)
            context.state.heap[ref.id] = ir.FixedSequence("list", content.items + more.items)
            return
    if name == "insert" and isinstance(content, ir.FixedSequence) and isinstance(args[0], ir.Constant):
        items = list(content.items)
        items.insert(args[0].value, args[1])
        context.state.heap[ref.id] = ir.FixedSequence("list", tuple(items))
        return
    context.call_stdlib(name, receiver, *args)


def _pop(context: Context, receiver: Value, index: Value) -> Value:
    ref, content = require_writable(context, receiver)
    position = as_number(context, index)
    if isinstance(content, ir.FixedSequence) and isinstance(position, ir.Constant) and type(position.value) is int:
        items = list(content.items)
        if not -len(items) <= position.value < len(items):
            raise context.trap("pop from outside a list")
        value = items.pop(position.value)
        context.state.heap[ref.id] = ir.FixedSequence("list", tuple(items))
        return value
    return context.call_stdlib("pop_at", receiver, index)


def call(context: Context, node: ast.Call) -> Value:
    """Translate a call."""
    function = require_value(context, context.evaluate(node.func))
    args = evaluate_items(context, node.args)
    named: dict[str, Value] = {}
    for keyword in node.keywords:
        value = as_atom(context, context.evaluate(keyword.value))
        if keyword.arg is not None:
            named[keyword.arg] = value
            continue
        content = context.content(value.id) if isinstance(value, ir.ObjectRef) else None
        if not isinstance(content, ir.DictContents) or not all(isinstance(key, str) for key, _ in content.items):
            raise context.unsupported("`**` in a call")
        named.update(dict(content.items))
    return call_value(context, function, args, named)


def call_value(context: Context, function: Value, args: list[Value], named: dict[str, Value]) -> Value:
    """Translate a call of any value.

    Args:
        context: the translator.
        function: the called value.
        args: positional arguments.
        named: keyword arguments.
    """
    if isinstance(function, ir.BoundMethod):
        return call_value(context, function.function, [function.receiver, *args], named)
    if isinstance(function, ir.UserFunction):
        return inline_call(context, function, args, named)
    if isinstance(function, ir.Builtin):
        handler = BUILTINS.get(function.name)
        if handler is None:
            raise context.unsupported(f"`{function.name.removeprefix('builtins.')}`")
        return handler(context, args, named)
    if isinstance(function, ir.BuiltinMethod):
        if isinstance(function.receiver, ir.Constant) and function.name == "format":
            return format_method(context, function.receiver, args, named)
        return call_method(context, function.receiver, function.name, args, named)
    if isinstance(function, ir.ObjectRef):
        content = context.content(function.id)
        # An object without a class is a class itself.
        if isinstance(content, ir.ObjectFields) and content.cls is None:
            return _instance(context, function, args, named)
        if isinstance(content, ir.ObjectFields):
            member = class_member(context, content.cls, "__call__") if content.cls else None
            if member is not None:
                return call_value(context, ir.BoundMethod(member, function), args, named)
    raise context.unsupported("a call of this value")


def _instance(context: Context, cls: ir.ObjectRef, args: list[Value], named: dict[str, Value]) -> Value:
    ref = context.new_object(ir.ObjectFields((), cls))
    start = class_member(context, cls, "__init__")
    if start is None:
        if args or named:
            raise context.trap("a class that takes no arguments")
        return ref
    if not isinstance(start, ir.UserFunction):
        raise context.unsupported("a class whose `__init__` is not in the file")
    call_value(context, ir.BoundMethod(start, ref), args, named)
    return ref


def routine(context: Context, name: str, *args: Value) -> Value:
    """Translate a function of the translator's standard library in place."""
    node, serial = STDLIB_FUNCTIONS[name]
    return inline_call(context, ir.UserFunction(node, STDLIB_FRAME, (), (), serial), [*args], {})
