"""Functions, classes and instances: making them, and reading and writing their attributes."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace

from racer.reward.compile import values as ir
from racer.reward.compile.coercion import is_text, require_bound
from racer.reward.compile.control_flow import Context
from racer.reward.compile.module_env import FUNCTION_FRAME
from racer.reward.compile.values import Value


def function_value(context: Context, node: ast.FunctionDef | ast.Lambda) -> ir.UserFunction:
    """Return the value of a def or lambda that is executed, with its default values."""
    defaults = tuple(context.evaluate(d) for d in node.args.defaults)
    keywords = tuple(
        (a.arg, context.evaluate(d))
        for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if d is not None
    )
    return ir.UserFunction(node, context.current_frame, defaults, keywords, context.module_env.serials[id(node)])


def get_attribute(context: Context, target: Value, name: str) -> Value:
    """Return `target.name`."""
    if isinstance(target, ir.Builtin):
        # Only modules have attributes here: the name of a function is not one of a module.
        module = sys.modules.get(target.name)
        if module is None or not hasattr(module, name):
            raise context.unsupported(f"`{target.name}.{name}`")
        return require_bound(context, context.module_env.imported_value(module, name))
    if isinstance(target, ir.UserFunction):
        # Some reward functions keep their state in attributes of a function.
        value = context.lookup((FUNCTION_FRAME - target.serial, name))
        if value == ir.UNBOUND:
            raise context.trap(f"the function has no `{name}`", error="AttributeError")
        return require_bound(context, value, "AttributeError")
    # A tuple value, a number or a string has its contents in itself.
    content = context.content(target.id) if isinstance(target, ir.ObjectRef) else target
    if isinstance(target, ir.ObjectRef) and isinstance(content, ir.ObjectFields):
        return _field(context, target, content, name)
    if isinstance(content, ir.Unreadable):
        raise context.unsupported(content.reason)
    if isinstance(content, (ir.FixedSequence, ir.ArraySequence, ir.TupleValue)):
        if content.type == "ndarray" and name in ("size", "shape", "ndim"):
            return _array_size(context, content, name)
        return ir.BuiltinMethod(target, name)
    if isinstance(content, (ir.DictContents, ir.Scalar, ir.Constant)) or is_text(target):
        return ir.BuiltinMethod(target, name)
    raise context.unsupported(f"the attribute `{name}`")


def _array_size(context: Context, content: ir.FixedSequence | ir.ArraySequence | ir.TupleValue, name: str) -> Value:
    if isinstance(content, ir.ArraySequence):
        flat, count = isinstance(content.shape, ir.NumberShape), content.length
    else:
        flat, count = all(isinstance(x, ir.Scalar) for x in content.items), ir.Constant(len(content.items))
    if not flat:
        raise context.unsupported(f"`{name}` of a table")
    return ir.Constant(1) if name == "ndim" else ir.TupleValue((count,)) if name == "shape" else count


def _field(context: Context, target: ir.ObjectRef, content: ir.ObjectFields, name: str) -> Value:
    """Return an attribute of an instance or class, in Python's order: property, own attribute, member of the class."""
    cls = content.cls
    if cls is None:
        member = class_member(context, target, name)
        if member is None:
            raise context.trap(f"no attribute `{name}`", error="AttributeError")
        return _bind_member(context, member, target)
    member = class_member(context, cls, name)
    if isinstance(member, ir.TupleValue) and member.type == "property":
        return context.call_value(ir.BoundMethod(member.items[0], target), [], {})
    own = dict(content.items).get(name, ir.UNBOUND)
    if own != ir.UNBOUND:
        if name == "__dict__":
            raise context.unsupported("`__dict__`")
        if member is not None and isinstance(own, ir.Maybe) and own.unbound:
            # The instance has the attribute on some paths only; on the others it is the one of the class.
            return context.choose(
                f"{own.tag} != 2",
                lambda: require_bound(context, own),
                lambda: _bind_member(context, member, cls, target),
            )
        return require_bound(context, own, "AttributeError")
    if member is not None:
        return _bind_member(context, member, cls, target)
    if name == "__class__":
        return cls
    raise context.trap(f"no attribute `{name}`", error="AttributeError")


def _bind_member(context: Context, member: Value, cls: Value, instance: ir.ObjectRef | None = None) -> Value:
    """Return a member of a class as an attribute of the class, or of an instance of it."""
    if isinstance(member, ir.TupleValue) and member.type in ("staticmethod", "classmethod"):
        return member.items[0] if member.type == "staticmethod" else ir.BoundMethod(member.items[0], cls)
    if isinstance(member, ir.UserFunction) and instance is not None:
        return ir.BoundMethod(member, instance)
    return require_bound(context, member, "AttributeError")


def class_member(context: Context, cls: Value, name: str) -> Value | None:
    """Return a member of a class or of its bases; None where there is none."""
    if not isinstance(cls, ir.ObjectRef):
        return None
    content = context.content(cls.id)
    if isinstance(content, ir.Unreadable):
        raise context.unsupported(content.reason)
    if not isinstance(content, ir.ObjectFields):
        raise context.unsupported("a class that is not known")
    member = dict(content.items).get(name, ir.UNBOUND)
    if member != ir.UNBOUND:
        return member
    # Python's order of several bases (C3) is not covered.
    if len(content.bases) > 1:
        raise context.unsupported("a class with several bases")
    return class_member(context, content.bases[0], name) if content.bases else None


def set_attribute(context: Context, target: Value, name: str, value: Value) -> None:
    """Translate `target.name = value`."""
    if isinstance(target, ir.UserFunction):
        context.state.variables[(FUNCTION_FRAME - target.serial, name)] = value
        return
    content = context.content(target.id) if isinstance(target, ir.ObjectRef) else None
    if isinstance(content, ir.Unreadable):
        raise context.unsupported(content.reason)
    if not isinstance(target, ir.ObjectRef) or not isinstance(content, ir.ObjectFields):
        raise context.unsupported(f"a change of the attribute `{name}`")
    # Of a property only the getter is covered.
    if content.cls is not None:
        member = class_member(context, content.cls, name)
        if isinstance(member, ir.TupleValue) and member.type == "property":
            raise context.unsupported("a property is set")
    items = {**dict(content.items), name: value}
    context.state.heap[target.id] = replace(content, items=tuple(items.items()))
