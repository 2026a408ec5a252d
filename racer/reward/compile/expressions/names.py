"""Constants, names, attributes, calls and lambdas."""

from __future__ import annotations

import ast
import builtins

from racer.reward.compile.desk.names import resolve
from racer.reward.compile.flow.context import Context, Handlers
from racer.reward.compile.operations import objects
from racer.reward.compile.operations.coerce import bound_name, present
from racer.reward.compile.values.heap import Fields
from racer.reward.compile.values.value import UNBOUND, Bound, Const, Function, Native, Ref, Scalar, Value


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


def _attribute(context: Context, node: ast.Attribute) -> Value:
    called = node.value
    if isinstance(called, ast.Call) and context.evaluate(called.func) == Native("builtins.super"):
        return _inherited(context, node.attr)
    return objects.attribute(context, present(context, context.evaluate(node.value)), node.attr)


def _inherited(context: Context, name: str) -> Value:
    """`super().name`, inside a method, which is found again in the class of its first argument."""
    method = context.stack[-1] if context.stack else None
    if not isinstance(method, ast.FunctionDef) or not method.args.args:
        raise context.cannot("`super` in this place")
    receiver = context.lookup((context.current, method.args.args[0].arg))
    content = context.content(receiver.id) if isinstance(receiver, Ref) else None
    cls = content.cls if isinstance(content, Fields) else None
    while isinstance(cls, Ref) and isinstance(held := context.content(cls.id), Fields):
        own = [value for _, value in held.items if isinstance(value, Function) and value.node is method]
        base = held.bases[0] if len(held.bases) == 1 else None
        if own and base is not None:
            found = objects.class_member(context, base, name)
            if isinstance(found, Function):
                return Bound(found, receiver)
            break
        cls = base
    raise context.cannot("`super` in this place")


def _call(context: Context, node: ast.Call) -> Value:
    return context.call(node)


def _lambda(context: Context, node: ast.Lambda) -> Value:
    return objects.function_value(context, node)


def _walrus(context: Context, node: ast.NamedExpr) -> Value:
    value = context.evaluate(node.value)
    value = context.atom(value, node.target.id) if isinstance(value, Scalar) else value
    key = resolve(context, node.target.id, store=True)
    assert key is not None
    context.s.vars[key] = value
    return value


HANDLERS: Handlers = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
}
