"""Calls: of the user's functions, classes and objects, of Python's and numpy's functions, and of the prelude."""

from __future__ import annotations

import ast

from racer.reward.compile.calls.inlining import inline
from racer.reward.compile.calls.methods import call_method
from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.table import NATIVES
from racer.reward.compile.operations.coerce import present
from racer.reward.compile.operations.objects import class_member
from racer.reward.compile.operations.sequences import contents
from racer.reward.compile.operations.strings import format_method
from racer.reward.compile.prelude.functions import FUNCTIONS, LIBRARY_FRAME
from racer.reward.compile.values.heap import Dict, Fields, Items
from racer.reward.compile.values.value import Bound, Const, Function, Method, Native, Ref, Scalar, Value


def call(context: Context, node: ast.Call) -> Value:
    """Translate a call."""
    function = present(context, context.evaluate(node.func))
    args: list[Value] = []
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            found = contents(context, context.evaluate(argument.value))
            if not isinstance(found, Items):
                raise context.cannot("`*` with a list of unknown length")
            args.extend(found.items)
        else:
            args.append(_kept(context, context.evaluate(argument)))
    named: dict[str, Value] = {}
    for keyword in node.keywords:
        value = _kept(context, context.evaluate(keyword.value))
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
    if isinstance(function, Bound):
        return call_value(context, function.function, [function.receiver, *args], named)
    if isinstance(function, Function):
        return inline(context, function, args, named)
    if isinstance(function, Native):
        handler = NATIVES.get(function.name)
        if handler is None:
            raise context.cannot(f"`{function.name.removeprefix('builtins.')}`")
        return handler(context, args, named)
    if isinstance(function, Method):
        if isinstance(function.receiver, Const) and function.name == "format":
            return format_method(context, function.receiver, args, named)
        return call_method(context, function.receiver, function.name, args, named)
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


def routine(context: Context, name: str, *args: Value) -> Value:
    """Translate a function of the prelude in place."""
    node, serial = FUNCTIONS[name]
    return inline(context, Function(node, LIBRARY_FRAME, (), (), serial), [*args], {})
