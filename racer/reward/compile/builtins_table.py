"""Functions of Python, `math`, numpy and others that the translator knows.

table                           all of them, by their dotted names
handlers                        what they have in common
numbers, conversions, extremes  of numbers
lists, arrays, rows             of lists and of numpy's arrays
objects, texts                  that ask what a value is, or make text

Functions that ask what a value is, or reach its attributes by name.

Functions that print or make strings.

All functions of Python, `math`, numpy and others that the translator knows, by their dotted names.
"""

from __future__ import annotations

from racer.reward.compile import builtins_numbers, builtins_sequences
from racer.reward.compile.builtins_sequences import BuiltinHandler
from racer.reward.compile.coercion import (
    check_printable,
    contents_of,
    format_value,
    is_sequence,
    is_text,
    require_value,
    truth_of,
    type_of,
)
from racer.reward.compile.control_flow import Context
from racer.reward.compile.module_env import FUNCTION_FRAME
from racer.reward.compile.object_ops import class_member, get_attribute, set_attribute
from racer.reward.compile.values import (
    NONE,
    UNBOUND,
    Constant,
    DictContents,
    FixedSequence,
    Maybe,
    ObjectFields,
    ObjectRef,
    Scalar,
    TupleValue,
    UnknownString,
    UserFunction,
    Value,
    kind_of,
)


def _isinstance(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    wanted = args[1].items if isinstance(args[1], TupleValue) else (args[1],)
    names = {getattr(w, "name", "") for w in wanted}
    value = args[0]
    if isinstance(value, Maybe):
        raise context.unsupported("`isinstance` of what may be None")
    found = kind_of(value)
    if found is not None:
        if found[0] == "n" or found[1] or not all(n.startswith("builtins.") for n in names):
            raise context.unsupported("this `isinstance`")
        of = {"b": {"bool", "int"}, "i": {"int"}, "f": {"float"}}[found[0]] | {"object"}
        return Constant(bool(names & {f"builtins.{n}" for n in of}))
    if is_text(value) or value == NONE:
        return Constant(is_text(value) and "builtins.str" in names)
    if is_sequence(context, value) and all(n.startswith("builtins.") for n in names):
        return Constant(f"builtins.{type_of(context, value)}" in names)
    if isinstance(value, ObjectRef) and isinstance(context.content(value.id), DictContents):
        return Constant("builtins.dict" in names)
    raise context.unsupported("this `isinstance`")


def _hasattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    target, name = args
    if isinstance(target, ObjectRef) and isinstance(name, Constant):
        content = context.content(target.id)
        if isinstance(content, ObjectFields):
            own = dict(content.items).get(name.value, UNBOUND)
            if isinstance(own, Maybe) and own.unbound and content.cls is not None:
                if class_member(context, content.cls, name.value) is None:
                    return Scalar("b", f"({own.tag} != 2)")
                return Constant(True)
    if isinstance(name, Constant) and isinstance(name.value, str) and isinstance(target, UserFunction):
        found = context.lookup((FUNCTION_FRAME - target.serial, name.value))
        if isinstance(found, Maybe) and found.unbound:
            return Scalar("b", f"({found.tag} != 2)")
        return Constant(found != UNBOUND)
    state, buffer = context.translate_block(lambda: get_attribute(context, target, _text(context, name)))
    if buffer and state is not None:
        raise context.unsupported("this `hasattr`")
    return Constant(state is not None)


def _text(context: Context, value: Value) -> str:
    if isinstance(value, Constant) and isinstance(value.value, str):
        return value.value
    raise context.unsupported("an attribute whose name is not known")


def _getattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 3:
        test = truth_of(context, _hasattr(context, args[:2], {}))
        if test is False:
            return args[2]
        if isinstance(test, str):
            return context.choose(
                test, lambda: get_attribute(context, args[0], _text(context, args[1])), lambda: args[2]
            )
    return get_attribute(context, require_value(context, args[0]), _text(context, args[1]))


def _setattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    set_attribute(context, args[0], _text(context, args[1]), args[2])
    return NONE


OBJECT_BUILTINS: dict[str, BuiltinHandler] = {
    "builtins.isinstance": _isinstance,
    "builtins.hasattr": _hasattr,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
}


def _print(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    for value in (*args, *(value for name, value in named.items() if name != "flush")):
        check_printable(context, value)
    if "file" in named:
        raise context.unsupported("`print` to a file")
    context.write("prints += 1")
    return NONE


def _str(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args and is_text(args[0]):
        return args[0]
    for value in args:
        check_printable(context, value)
    return UnknownString()


def _format(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    spec = args[1] if len(args) > 1 else Constant("")
    if not isinstance(spec, Constant) or not isinstance(spec.value, str):
        raise context.unsupported("a format that is not known")
    return format_value(context, args[0], spec.value)


def _json_dumps(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if set(named) - {"indent", "sort_keys"}:
        raise context.unsupported("this `json.dumps`")
    _jsonable(context, args[0])
    return UnknownString()


def _jsonable(context: Context, value: Value) -> None:
    found = kind_of(value)
    if (found is not None and not found[1]) or is_text(value) or value == NONE:
        return
    if isinstance(value, ObjectRef) and isinstance(content := context.content(value.id), DictContents):
        for _, item in content.items:
            _jsonable(context, require_certain(context, item))
        return
    if is_sequence(context, value):
        found_ = contents_of(context, value)
        if found_.type in ("list", "tuple"):
            for item in found_.items if isinstance(found_, FixedSequence) else ():
                _jsonable(context, item)
            return
    raise context.unsupported("this `json.dumps`")


def require_certain(context: Context, value: Value) -> Value:
    """The value where it certainly is there."""
    if isinstance(value, Maybe):
        raise context.unsupported("a value that may be missing")
    return value


TEXT_BUILTINS: dict[str, BuiltinHandler] = {
    "builtins.print": _print,
    "builtins.str": _str,
    "builtins.repr": _str,
    "builtins.format": _format,
    "json.dumps": _json_dumps,
}


BUILTINS: dict[str, BuiltinHandler] = {
    **builtins_numbers.NUMBER_BUILTINS,
    **builtins_numbers.CONVERSION_BUILTINS,
    **builtins_numbers.EXTREME_BUILTINS,
    **builtins_sequences.LIST_BUILTINS,
    **builtins_sequences.ARRAY_BUILTINS,
    **builtins_sequences.ROW_BUILTINS,
    **OBJECT_BUILTINS,
    **TEXT_BUILTINS,
}
