"""All built-in functions that the translator knows, by their dotted names.

The handlers of numbers and of sequences come from `builtins_numbers` and `builtins_sequences`. Here are those that ask
what a value is or reach its attributes by name, and those that print or make strings.
"""

from __future__ import annotations

from racer.reward.compile import builtins_numbers, builtins_sequences
from racer.reward.compile.builtins_sequences import BuiltinHandler
from racer.reward.compile.coercion import (
    check_printable,
    contents_of,
    dict_of,
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

_CLASSES_OF = {"b": ("bool", "int", "object"), "i": ("int", "object"), "f": ("float", "object")}


def _isinstance(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    value, classes = args
    names = {getattr(c, "name", "") for c in (classes.items if isinstance(classes, TupleValue) else (classes,))}
    if isinstance(value, Maybe):
        raise context.unsupported("`isinstance` of a value that may be None")
    builtin_only = all(name.startswith("builtins.") for name in names)
    kind = kind_of(value)
    if kind is not None:
        if kind[0] == "n" or kind[1] or not builtin_only:
            raise context.unsupported("this `isinstance`")
        return Constant(any(f"builtins.{name}" in names for name in _CLASSES_OF[kind[0]]))
    if is_text(value) or value == NONE:
        return Constant(is_text(value) and "builtins.str" in names)
    if is_sequence(context, value) and builtin_only:
        return Constant(f"builtins.{type_of(context, value)}" in names)
    if dict_of(context, value) is not None:
        return Constant("builtins.dict" in names)
    raise context.unsupported("this `isinstance`")


def _hasattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    target, name = args
    content = context.content(target.id) if isinstance(target, ObjectRef) else None
    if isinstance(content, ObjectFields) and isinstance(name, Constant):
        own = dict(content.items).get(name.value, UNBOUND)
        # Set on some paths only: the test is the tag, unless the class has such a member.
        if isinstance(own, Maybe) and own.unbound and content.cls is not None:
            in_class = class_member(context, content.cls, name.value) is not None
            return Constant(True) if in_class else Scalar("b", f"({own.tag} != 2)")
    attribute = _known_text(context, name)
    if isinstance(target, UserFunction):
        value = context.lookup((FUNCTION_FRAME - target.serial, attribute))
        if isinstance(value, Maybe) and value.unbound:
            return Scalar("b", f"({value.tag} != 2)")
        return Constant(value != UNBOUND)
    # Tried out: where reading it traps at once, there is none.
    state, buffer = context.translate_block(lambda: get_attribute(context, target, attribute))
    if buffer and state is not None:
        raise context.unsupported("this `hasattr`")
    return Constant(state is not None)


def _known_text(context: Context, value: Value) -> str:
    if isinstance(value, Constant) and isinstance(value.value, str):
        return value.value
    raise context.unsupported("an attribute whose name is not known")


def _getattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 3:
        test = truth_of(context, _hasattr(context, args[:2], {}))
        if test is False:
            return args[2]
        if isinstance(test, str):
            name = _known_text(context, args[1])
            return context.choose(test, lambda: get_attribute(context, args[0], name), lambda: args[2])
    return get_attribute(context, require_value(context, args[0]), _known_text(context, args[1]))


def _setattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    set_attribute(context, args[0], _known_text(context, args[1]), args[2])
    return NONE


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
    _check_jsonable(context, args[0])
    return UnknownString()


def _check_jsonable(context: Context, value: Value) -> None:
    """Check that `json.dumps` of a value raises nothing; numpy scalars would."""
    kind = kind_of(value)
    if (kind is not None and not kind[1]) or is_text(value) or value == NONE:
        return
    if (content := dict_of(context, value)) is not None:
        for _, item in content.items:
            if isinstance(item, Maybe):
                raise context.unsupported("a value that may be missing")
            _check_jsonable(context, item)
        return
    contents = contents_of(context, value) if is_sequence(context, value) else None
    if contents is None or contents.type not in ("list", "tuple"):
        raise context.unsupported("this `json.dumps`")
    for item in contents.items if isinstance(contents, FixedSequence) else ():
        _check_jsonable(context, item)


BUILTINS: dict[str, BuiltinHandler] = {
    **builtins_numbers.NUMBER_BUILTINS,
    **builtins_numbers.CONVERSION_BUILTINS,
    **builtins_numbers.EXTREME_BUILTINS,
    **builtins_sequences.LIST_BUILTINS,
    **builtins_sequences.ARRAY_BUILTINS,
    **builtins_sequences.ROW_BUILTINS,
    "builtins.isinstance": _isinstance,
    "builtins.hasattr": _hasattr,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.print": _print,
    "builtins.str": _str,
    "builtins.repr": _str,
    "builtins.format": _format,
    "json.dumps": _json_dumps,
}
