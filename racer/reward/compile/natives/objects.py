"""Functions that ask what a value is, or reach its attributes by name."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.module.world import FUNCTION_FRAME
from racer.reward.compile.natives.handlers import Handler
from racer.reward.compile.operations.coerce import present, truth
from racer.reward.compile.operations.objects import attribute, class_member, set_attribute
from racer.reward.compile.operations.sequences import is_sequence, type_of
from racer.reward.compile.operations.strings import is_text
from racer.reward.compile.values.heap import Dict, Fields
from racer.reward.compile.values.kinds import kind_of
from racer.reward.compile.values.value import NONE, UNBOUND, Const, Function, Maybe, Ref, Scalar, Tup, Value


def _isinstance(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    wanted = args[1].items if isinstance(args[1], Tup) else (args[1],)
    names = {getattr(w, "name", "") for w in wanted}
    value = args[0]
    if isinstance(value, Maybe):
        raise context.cannot("`isinstance` of what may be None")
    found = kind_of(value)
    if found is not None:
        if found[0] == "n" or found[1] or not all(n.startswith("builtins.") for n in names):
            raise context.cannot("this `isinstance`")
        of = {"b": {"bool", "int"}, "i": {"int"}, "f": {"float"}}[found[0]] | {"object"}
        return Const(bool(names & {f"builtins.{n}" for n in of}))
    if is_text(value) or value == NONE:
        return Const(is_text(value) and "builtins.str" in names)
    if is_sequence(context, value) and all(n.startswith("builtins.") for n in names):
        return Const(f"builtins.{type_of(context, value)}" in names)
    if isinstance(value, Ref) and isinstance(context.content(value.id), Dict):
        return Const("builtins.dict" in names)
    raise context.cannot("this `isinstance`")


def _hasattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    target, name = args
    if isinstance(target, Ref) and isinstance(name, Const):
        content = context.content(target.id)
        if isinstance(content, Fields):
            own = dict(content.items).get(name.value, UNBOUND)
            if isinstance(own, Maybe) and own.unbound and content.cls is not None:
                if class_member(context, content.cls, name.value) is None:
                    return Scalar("b", f"({own.tag} != 2)")
                return Const(True)
    if isinstance(name, Const) and isinstance(name.value, str) and isinstance(target, Function):
        found = context.lookup((FUNCTION_FRAME - target.serial, name.value))
        if isinstance(found, Maybe) and found.unbound:
            return Scalar("b", f"({found.tag} != 2)")
        return Const(found != UNBOUND)
    state, buffer = context.block(lambda: attribute(context, target, _text(context, name)))
    if buffer and state is not None:
        raise context.cannot("this `hasattr`")
    return Const(state is not None)


def _text(context: Context, value: Value) -> str:
    if isinstance(value, Const) and isinstance(value.value, str):
        return value.value
    raise context.cannot("an attribute whose name is not known")


def _getattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 3:
        test = truth(context, _hasattr(context, args[:2], {}))
        if test is False:
            return args[2]
        if isinstance(test, str):
            return context.choose(test, lambda: attribute(context, args[0], _text(context, args[1])), lambda: args[2])
    return attribute(context, present(context, args[0]), _text(context, args[1]))


def _setattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    set_attribute(context, args[0], _text(context, args[1]), args[2])
    return NONE


NATIVES: dict[str, Handler] = {
    "builtins.isinstance": _isinstance,
    "builtins.hasattr": _hasattr,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
}
