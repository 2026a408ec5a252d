"""Calls: functions of the user's are translated in place, once for each call."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from racer.reward.compile.arithmetic import present
from racer.reward.compile.blocks import tail_form
from racer.reward.compile.context import Context, Jumps
from racer.reward.compile.objects import class_member
from racer.reward.compile.scopes import Frame, scope_of
from racer.reward.compile.sequences import contents
from racer.reward.compile.strings import format_method
from racer.reward.compile.values import (
    NONE,
    Bound,
    CannotCompile,
    Const,
    Dict,
    Fields,
    Function,
    Items,
    Method,
    Native,
    Ref,
    Scalar,
    Tup,
    Unreachable,
    Value,
)

DEPTH_MAX = 24
"""Calls inside calls."""


def call(context: Context, node: ast.Call) -> Value:
    """Translate a call."""
    from racer.reward.compile import natives

    function = present(context, context.evaluate(context, node.func))
    if isinstance(function, Native) and function.name in natives.LAZY:
        return natives.LAZY[function.name](context, node)
    args: list[Value] = []
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            found = contents(context, context.evaluate(context, argument.value))
            if not isinstance(found, Items):
                raise context.cannot("`*` with a list of unknown length")
            args.extend(found.items)
        else:
            args.append(_kept(context, context.evaluate(context, argument)))
    named: dict[str, Value] = {}
    for keyword in node.keywords:
        value = _kept(context, context.evaluate(context, keyword.value))
        if keyword.arg is not None:
            named[keyword.arg] = value
            continue
        content = context.content(value.id) if isinstance(value, Ref) else None
        if not isinstance(content, Dict) or not all(isinstance(key, str) for key, _ in content.items):
            raise context.cannot("`**` in a call")
        named.update(dict(content.items))
    return call_value(context, function, args, named)


def _kept(context: Context, value: Value) -> Value:
    return context.atom(value) if isinstance(value, Scalar) else value


def call_value(context: Context, function: Value, args: list[Value], named: dict[str, Value]) -> Value:
    """Call any value."""
    from racer.reward.compile import methods, natives

    if isinstance(function, Bound):
        return call_value(context, function.function, [function.receiver, *args], named)
    if isinstance(function, Function):
        return inline(context, function, args, named)
    if isinstance(function, Native):
        handler = natives.NATIVES.get(function.name)
        if handler is None:
            raise context.cannot(f"`{function.name.removeprefix('builtins.')}`")
        return handler(context, args, named)
    if isinstance(function, Method):
        if isinstance(function.receiver, Const) and function.name == "format":
            return format_method(context, function.receiver, args, named)
        return methods.call_method(context, function.receiver, function.name, args, named)
    if isinstance(function, Ref):
        content = context.content(function.id)
        if isinstance(content, Fields) and content.cls is None:
            return _instance(context, function, args, named)
        if isinstance(content, Fields):
            member = class_member(context, content.cls, "__call__") if content.cls else None
            if member is not None:
                return call_value(context, Bound(member, function), args, named)
    raise context.cannot("a call of this value")


def _instance(context: Context, cls: Ref, args: list[Value], named: dict[str, Value]) -> Value:
    ref = context.new(Fields((), cls))
    start = class_member(context, cls, "__init__")
    if start is None:
        if args or named:
            raise context.trap("a class that takes no arguments")
        return ref
    if not isinstance(start, Function):
        raise context.cannot("a class whose `__init__` is not in the file")
    call_value(context, Bound(start, ref), args, named)
    return ref


def inline(context: Context, function: Function, args: list[Value], named: dict[str, Value]) -> Value:
    """Translate a function's body in place."""
    node = function.node
    if any(entry is node for entry in context.stack):
        raise context.cannot("recursion")
    if len(context.stack) >= DEPTH_MAX:
        raise context.cannot("calls nested too deep")
    path = (*context.path, context.site(), function.serial)
    number = context.frame(path)
    scope = scope_of(node)
    values = _bind(context, function, args, named)
    library = function.serial < 0
    saved = context.path, context.current, context.line, context.user_loops, context.returns
    context.frames[number] = Frame(scope, function.frame)
    for name, value in values.items():
        context.s.vars[(number, name)] = value
    context.path, context.current, context.user_loops = path, number, []
    context.stack.append(node)
    context.active.append(number)
    context.quiet += library
    try:
        if isinstance(node, ast.Lambda):
            return context.evaluate(context, node.body)
        return _body(context, node, number)
    finally:
        context.quiet -= library
        context.stack.pop()
        context.active.pop()
        context.path, context.current, context.line, context.user_loops, context.returns = saved
        if context.s is not None and not scope.captured:
            forget(context, number)


def forget(context: Context, number: int) -> None:
    """Drop the names of a frame that has ended."""
    for key in [key for key in context.s.vars if key[0] == number and not key[1].startswith("$")]:
        del context.s.vars[key]


def _body(context: Context, node: ast.FunctionDef, number: int) -> Value:
    key = (number, f"$return{number}")
    if any(isinstance(inner, (ast.Yield, ast.YieldFrom, ast.Await)) for inner in ast.walk(node)):
        raise context.cannot("a generator")
    if node.decorator_list and not all(_harmless(d) for d in node.decorator_list):
        raise context.cannot("a decorator")
    statements = tail_form(node)
    if statements is not None:
        context.returns = (None, key)
        context.execute(context, statements)
    else:

        def body(jumps: Jumps) -> None:
            context.returns = (jumps, key)
            context.execute(context, node.body)
            context.s.vars[key] = NONE

        context.once(body)
    return context.s.vars.pop(key, NONE)


def _harmless(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("staticmethod", "classmethod", "property")


def _bind(context: Context, function: Function, args: list[Value], named: dict[str, Value]) -> dict[str, Value]:
    """The values of a function's parameters, as Python binds them."""
    arguments = function.node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    bound: dict[str, Value] = dict(zip(names, args, strict=False))
    rest = args[len(names) :]
    if rest and not arguments.vararg:
        raise context.trap("too many arguments")
    if arguments.vararg:
        bound[arguments.vararg.arg] = Tup(tuple(rest))
    only = [a.arg for a in arguments.kwonlyargs]
    extra: dict[object, Value] = {}
    for name, value in named.items():
        if name in names[len(arguments.posonlyargs) :] or name in only:
            if name in bound:
                raise context.trap(f"two values for `{name}`")
            bound[name] = value
        elif arguments.kwarg:
            extra[name] = value
        else:
            raise context.trap(f"an unknown argument `{name}`")
    if arguments.kwarg:
        bound[arguments.kwarg.arg] = context.new(Dict(tuple(extra.items())))
    defaults = dict(zip(names[len(names) - len(function.defaults) :], function.defaults, strict=True))
    defaults.update(function.keyword_defaults)
    for name in (*names, *only):
        if name not in bound:
            if name not in defaults:
                raise context.trap(f"no value for `{name}`")
            bound[name] = defaults[name]
    return bound


def library_call(context: Context, name: str, *args: Value) -> Value:
    """Translate a function of the prelude in place."""
    from racer.reward.compile.prelude import FUNCTIONS, LIBRARY_FRAME

    node, serial = FUNCTIONS[name]
    return inline(context, Function(node, LIBRARY_FRAME, (), (), serial), [*args], {})


__all__ = ["CannotCompile", "Iterable", "Unreachable"]
