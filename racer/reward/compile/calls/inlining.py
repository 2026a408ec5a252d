"""Functions of the user's are translated in place, once for each call."""

from __future__ import annotations

import ast

from racer.reward.compile.calls.blocks import tail_form
from racer.reward.compile.flow.context import Context, Jumps
from racer.reward.compile.module.scopes import Frame, scope_of
from racer.reward.compile.values.heap import Dict
from racer.reward.compile.values.value import NONE, Function, Tup, Value

DEPTH_MAX = 24
"""Calls inside calls."""


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
            return context.evaluate(node.body)
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
        context.execute(statements)
    else:

        def body(jumps: Jumps) -> None:
            context.returns = (jumps, key)
            context.execute(node.body)
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
