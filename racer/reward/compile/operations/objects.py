"""Functions, classes and instances: making them, reading and writing their attributes."""

from __future__ import annotations

import ast
import sys

from racer.reward.compile.flow.context import Context
from racer.reward.compile.module.world import FUNCTION_FRAME
from racer.reward.compile.operations.coerce import bound_name
from racer.reward.compile.operations.strings import is_text
from racer.reward.compile.values.heap import Broken, Dict, Fields, Items, Seq
from racer.reward.compile.values.value import (
    UNBOUND,
    Bound,
    Const,
    Function,
    Maybe,
    Method,
    Native,
    Ref,
    Scalar,
    Tup,
    Value,
)


def function_value(context: Context, node: ast.FunctionDef | ast.Lambda) -> Function:
    """The value of a def or lambda that is reached."""
    defaults = tuple(context.evaluate(d) for d in node.args.defaults)
    keywords = tuple(
        (a.arg, context.evaluate(d))
        for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if d is not None
    )
    return Function(node, context.current, defaults, keywords, context.world.serials[id(node)])


def attribute(context: Context, target: Value, name: str) -> Value:
    """`target.name`."""
    if isinstance(target, Native):
        module = sys.modules.get(target.name)
        if module is None or not hasattr(module, name):
            raise context.cannot(f"`{target.name}.{name}`")
        value = context.world.value(getattr(module, name), ())
        return bound_name(context, value)
    if isinstance(target, Ref):
        content = context.content(target.id)
        if isinstance(content, Fields):
            return _field(context, target, content, name)
        if isinstance(content, Broken):
            raise context.cannot(content.reason)
        if isinstance(content, (Items, Seq)) and content.type == "ndarray":
            return _array_attribute(context, target, content, name)
        if isinstance(content, (Items, Seq, Dict)):
            return Method(target, name)
    if isinstance(target, Tup):
        if target.type == "ndarray":
            return _array_attribute(context, target, Items("ndarray", target.items), name)
        return Method(target, name)
    if is_text(target):
        return Method(target, name)
    if isinstance(target, Function):
        value = context.lookup((FUNCTION_FRAME - target.serial, name))
        if value == UNBOUND:
            raise context.trap(f"the function has no `{name}`", error="AttributeError")
        return bound_name(context, value, "AttributeError")
    if isinstance(target, (Scalar, Const)):
        return Method(target, name)
    raise context.cannot(f"the attribute `{name}`")


def _array_attribute(context: Context, target: Value, content: Items | Seq, name: str) -> Value:
    if name in ("size", "shape", "ndim"):
        count: Value = Const(len(content.items)) if isinstance(content, Items) else content.length
        flat = isinstance(content, Seq) and not hasattr(content.shape, "items")
        if isinstance(content, Items):
            flat = all(isinstance(x, Scalar) for x in content.items)
        if not flat:
            raise context.cannot(f"`{name}` of a table")
        return Const(1) if name == "ndim" else Tup((count,)) if name == "shape" else count
    return Method(target, name)


def _field(context: Context, target: Ref, content: Fields, name: str) -> Value:
    if content.cls is None:
        found = class_member(context, target, name)
        if found is None:
            raise context.trap(f"no attribute `{name}`", error="AttributeError")
        if isinstance(found, Tup) and found.type in ("staticmethod", "classmethod"):
            return found.items[0] if found.type == "staticmethod" else Bound(found.items[0], target)
        return bound_name(context, found, "AttributeError")
    member = class_member(context, content.cls, name)
    if isinstance(member, Tup) and member.type == "property":
        return context.call_value(Bound(member.items[0], target), [], {})
    own = dict(content.items).get(name, UNBOUND)
    if own != UNBOUND:
        if name == "__dict__":
            raise context.cannot("`__dict__`")
        if member is None:
            return bound_name(context, own, "AttributeError")
        if isinstance(own, Maybe) and own.unbound:
            return context.choose(
                f"{own.tag} != 2",
                lambda: bound_name(context, own),
                lambda: _of_class(context, target, content, member),
            )
        return bound_name(context, own, "AttributeError")
    if member is None:
        if name == "__class__":
            return content.cls
        raise context.trap(f"no attribute `{name}`", error="AttributeError")
    return _of_class(context, target, content, member)


def _of_class(context: Context, target: Ref, content: Fields, member: Value) -> Value:
    if isinstance(member, Tup) and member.type == "staticmethod":
        return member.items[0]
    if isinstance(member, Tup) and member.type == "classmethod":
        assert content.cls is not None
        return Bound(member.items[0], content.cls)
    if isinstance(member, Function):
        return Bound(member, target)
    return bound_name(context, member, "AttributeError")


def class_member(context: Context, cls: Value, name: str) -> Value | None:
    """A member of a class or of what it inherits from."""
    if not isinstance(cls, Ref):
        return None
    content = context.content(cls.id)
    if isinstance(content, Broken):
        raise context.cannot(content.reason)
    if not isinstance(content, Fields):
        raise context.cannot("a class that is not known")
    found = dict(content.items).get(name, UNBOUND)
    if found != UNBOUND:
        return found
    if len(content.bases) > 1:
        raise context.cannot("a class with several bases")
    for base in content.bases:
        inherited = class_member(context, base, name)
        if inherited is not None:
            return inherited
    return None


def set_attribute(context: Context, target: Value, name: str, value: Value) -> None:
    """`target.name = value`."""
    if isinstance(target, Function):
        context.s.vars[(FUNCTION_FRAME - target.serial, name)] = value
        return
    if isinstance(target, Ref):
        content = context.content(target.id)
        if isinstance(content, Broken):
            raise context.cannot(content.reason)
        if isinstance(content, Fields):
            if content.cls is not None:
                member = class_member(context, content.cls, name)
                if isinstance(member, Tup) and member.type == "property":
                    raise context.cannot("a property is set")
            items = dict(content.items)
            items[name] = value
            context.s.heap[target.id] = Fields(tuple(items.items()), content.cls, content.name, content.bases)
            return
    raise context.cannot(f"a change of the attribute `{name}`")
