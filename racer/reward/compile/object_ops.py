"""Functions, classes and instances: making them, reading and writing their attributes."""

from __future__ import annotations

import ast
import sys

from racer.reward.compile.coercion import is_text, require_bound
from racer.reward.compile.control_flow import Context
from racer.reward.compile.module_env import FUNCTION_FRAME
from racer.reward.compile.values import (
    UNBOUND,
    ArraySequence,
    BoundMethod,
    Builtin,
    BuiltinMethod,
    Constant,
    DictContents,
    FixedSequence,
    InvalidContents,
    Maybe,
    ObjectFields,
    ObjectRef,
    Scalar,
    TupleValue,
    UserFunction,
    Value,
)


def function_value(context: Context, node: ast.FunctionDef | ast.Lambda) -> UserFunction:
    """The value of a def or lambda that is reached."""
    defaults = tuple(context.evaluate(d) for d in node.args.defaults)
    keywords = tuple(
        (a.arg, context.evaluate(d))
        for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if d is not None
    )
    return UserFunction(node, context.current_frame, defaults, keywords, context.module_env.serials[id(node)])


def get_attribute(context: Context, target: Value, name: str) -> Value:
    """`target.name`."""
    if isinstance(target, Builtin):
        module = sys.modules.get(target.name)
        if module is None or not hasattr(module, name):
            raise context.unsupported(f"`{target.name}.{name}`")
        value = context.module_env.value(getattr(module, name), ())
        return require_bound(context, value)
    if isinstance(target, ObjectRef):
        content = context.content(target.id)
        if isinstance(content, ObjectFields):
            return _field(context, target, content, name)
        if isinstance(content, InvalidContents):
            raise context.unsupported(content.reason)
        if isinstance(content, (FixedSequence, ArraySequence)) and content.type == "ndarray":
            return _array_attribute(context, target, content, name)
        if isinstance(content, (FixedSequence, ArraySequence, DictContents)):
            return BuiltinMethod(target, name)
    if isinstance(target, TupleValue):
        if target.type == "ndarray":
            return _array_attribute(context, target, FixedSequence("ndarray", target.items), name)
        return BuiltinMethod(target, name)
    if is_text(target):
        return BuiltinMethod(target, name)
    if isinstance(target, UserFunction):
        value = context.lookup((FUNCTION_FRAME - target.serial, name))
        if value == UNBOUND:
            raise context.trap(f"the function has no `{name}`", error="AttributeError")
        return require_bound(context, value, "AttributeError")
    if isinstance(target, (Scalar, Constant)):
        return BuiltinMethod(target, name)
    raise context.unsupported(f"the attribute `{name}`")


def _array_attribute(context: Context, target: Value, content: FixedSequence | ArraySequence, name: str) -> Value:
    if name in ("size", "shape", "ndim"):
        count: Value = Constant(len(content.items)) if isinstance(content, FixedSequence) else content.length
        flat = isinstance(content, ArraySequence) and not hasattr(content.shape, "items")
        if isinstance(content, FixedSequence):
            flat = all(isinstance(x, Scalar) for x in content.items)
        if not flat:
            raise context.unsupported(f"`{name}` of a table")
        return Constant(1) if name == "ndim" else TupleValue((count,)) if name == "shape" else count
    return BuiltinMethod(target, name)


def _field(context: Context, target: ObjectRef, content: ObjectFields, name: str) -> Value:
    if content.cls is None:
        found = class_member(context, target, name)
        if found is None:
            raise context.trap(f"no attribute `{name}`", error="AttributeError")
        if isinstance(found, TupleValue) and found.type in ("staticmethod", "classmethod"):
            return found.items[0] if found.type == "staticmethod" else BoundMethod(found.items[0], target)
        return require_bound(context, found, "AttributeError")
    member = class_member(context, content.cls, name)
    if isinstance(member, TupleValue) and member.type == "property":
        return context.call_value(BoundMethod(member.items[0], target), [], {})
    own = dict(content.items).get(name, UNBOUND)
    if own != UNBOUND:
        if name == "__dict__":
            raise context.unsupported("`__dict__`")
        if member is None:
            return require_bound(context, own, "AttributeError")
        if isinstance(own, Maybe) and own.unbound:
            return context.choose(
                f"{own.tag} != 2",
                lambda: require_bound(context, own),
                lambda: _bind_member(context, target, content, member),
            )
        return require_bound(context, own, "AttributeError")
    if member is None:
        if name == "__class__":
            return content.cls
        raise context.trap(f"no attribute `{name}`", error="AttributeError")
    return _bind_member(context, target, content, member)


def _bind_member(context: Context, target: ObjectRef, content: ObjectFields, member: Value) -> Value:
    if isinstance(member, TupleValue) and member.type == "staticmethod":
        return member.items[0]
    if isinstance(member, TupleValue) and member.type == "classmethod":
        assert content.cls is not None
        return BoundMethod(member.items[0], content.cls)
    if isinstance(member, UserFunction):
        return BoundMethod(member, target)
    return require_bound(context, member, "AttributeError")


def class_member(context: Context, cls: Value, name: str) -> Value | None:
    """A member of a class or of what it inherits from."""
    if not isinstance(cls, ObjectRef):
        return None
    content = context.content(cls.id)
    if isinstance(content, InvalidContents):
        raise context.unsupported(content.reason)
    if not isinstance(content, ObjectFields):
        raise context.unsupported("a class that is not known")
    found = dict(content.items).get(name, UNBOUND)
    if found != UNBOUND:
        return found
    if len(content.bases) > 1:
        raise context.unsupported("a class with several bases")
    for base in content.bases:
        inherited = class_member(context, base, name)
        if inherited is not None:
            return inherited
    return None


def set_attribute(context: Context, target: Value, name: str, value: Value) -> None:
    """`target.name = value`."""
    if isinstance(target, UserFunction):
        context.state.variables[(FUNCTION_FRAME - target.serial, name)] = value
        return
    if isinstance(target, ObjectRef):
        content = context.content(target.id)
        if isinstance(content, InvalidContents):
            raise context.unsupported(content.reason)
        if isinstance(content, ObjectFields):
            if content.cls is not None:
                member = class_member(context, content.cls, name)
                if isinstance(member, TupleValue) and member.type == "property":
                    raise context.unsupported("a property is set")
            items = dict(content.items)
            items[name] = value
            context.state.heap[target.id] = ObjectFields(tuple(items.items()), content.cls, content.name, content.bases)
            return
    raise context.unsupported(f"a change of the attribute `{name}`")
