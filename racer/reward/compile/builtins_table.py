"""All built-in functions that the translator covers, by their dotted names.

The handlers of numbers and of sequences come from `builtins_numbers` and `builtins_sequences`. This module has
those that test the type of a value or reach attributes by name, and those that print or make strings.
"""

from __future__ import annotations

from racer.reward.compile import builtins_numbers, builtins_sequences
from racer.reward.compile import values as ir
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
from racer.reward.compile.values import Value

_CLASSES_OF = {"b": ("bool", "int", "object"), "i": ("int", "object"), "f": ("float", "object")}


def _isinstance(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2 or named:
        raise context.unsupported("this `isinstance`")
    value, classes = args
    names = {getattr(c, "name", "") for c in (classes.items if isinstance(classes, ir.TupleValue) else (classes,))}
    if isinstance(value, ir.Maybe):
        raise context.unsupported("`isinstance` of a value that may be None")
    # A class of the user's has no dotted name; its instances are not covered.
    builtin_only = all(name.startswith("builtins.") for name in names)
    kind = ir.kind_of(value)
    if kind is not None:
        if kind[0] == "n" or kind[1] or not builtin_only:
            raise context.unsupported("this `isinstance`")
        return ir.Constant(any(f"builtins.{name}" in names for name in _CLASSES_OF[kind[0]]))
    if is_text(value) or value == ir.NONE:
        return ir.Constant(is_text(value) and "builtins.str" in names)
    if is_sequence(context, value) and builtin_only:
        return ir.Constant(f"builtins.{type_of(context, value)}" in names)
    if dict_of(context, value) is not None:
        return ir.Constant("builtins.dict" in names)
    raise context.unsupported("this `isinstance`")


def _hasattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    target, name = args
    content = context.content(target.id) if isinstance(target, ir.ObjectRef) else None
    if isinstance(content, ir.ObjectFields) and isinstance(name, ir.Constant):
        own = dict(content.items).get(name.value, ir.UNBOUND)
        # Set on some paths only: the test is the tag, unless the class has such a member.
        if isinstance(own, ir.Maybe) and own.unbound and content.cls is not None:
            in_class = class_member(context, content.cls, name.value) is not None
            return ir.Constant(True) if in_class else ir.Scalar("b", f"({own.tag} != 2)")
    attribute = _known_text(context, name)
    if isinstance(target, ir.UserFunction):
        value = context.lookup((FUNCTION_FRAME - target.serial, attribute))
        if isinstance(value, ir.Maybe) and value.unbound:
            return ir.Scalar("b", f"({value.tag} != 2)")
        return ir.Constant(value != ir.UNBOUND)
    # Tried out: where reading it traps at once, there is none.
    state, buffer = context.translate_block(lambda: get_attribute(context, target, attribute))
    if buffer and state is not None:
        raise context.unsupported("this `hasattr`")
    return ir.Constant(state is not None)


def _known_text(context: Context, value: Value) -> str:
    if isinstance(value, ir.Constant) and isinstance(value.value, str):
        return value.value
    raise context.unsupported("an attribute whose name is not known")


def _getattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 3:
        test = truth_of(context, _hasattr(context, args[:2], {}))
        return context.choose(test, lambda: _getattr(context, args[:2], {}), lambda: args[2])
    return get_attribute(context, require_value(context, args[0]), _known_text(context, args[1]))


def _setattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    set_attribute(context, args[0], _known_text(context, args[1]), args[2])
    return ir.NONE


def _print(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    # `sep` and `end` are strings, and printing must not raise.
    for value in (*args, *(value for name, value in named.items() if name != "flush")):
        check_printable(context, value)
    if "file" in named:
        raise context.unsupported("`print` to a file")
    # Compiled calls count their lines and print none.
    context.write("prints += 1")
    return ir.NONE


def _str(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args and is_text(args[0]):
        return args[0]
    for value in args:
        check_printable(context, value)
    return ir.UnknownString()


def _format(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    spec = args[1] if len(args) > 1 else ir.Constant("")
    if not isinstance(spec, ir.Constant) or not isinstance(spec.value, str):
        raise context.unsupported("a format that is not known")
    return format_value(context, args[0], spec.value)


def _json_dumps(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if set(named) - {"indent", "sort_keys"}:
        raise context.unsupported("this `json.dumps`")
    _check_jsonable(context, args[0])
    return ir.UnknownString()


def _check_jsonable(context: Context, value: Value) -> None:
    """Check that `json.dumps` of a value raises nothing; numpy scalars would."""
    kind = ir.kind_of(value)
    if (kind is not None and not kind[1]) or is_text(value) or value == ir.NONE:
        return
    if (content := dict_of(context, value)) is not None:
        for _, item in content.items:
            if isinstance(item, ir.Maybe):
                raise context.unsupported("a value that may be missing")
            _check_jsonable(context, item)
        return
    contents = contents_of(context, value) if is_sequence(context, value) else None
    if contents is None or contents.type not in ("list", "tuple"):
        raise context.unsupported("this `json.dumps`")
    for item in contents.items if isinstance(contents, ir.FixedSequence) else ():
        _check_jsonable(context, item)


BUILTINS: dict[str, BuiltinHandler] = {
    **builtins_numbers.NUMBER_BUILTINS,
    **builtins_numbers.CONVERSION_BUILTINS,
    **builtins_numbers.EXTREME_BUILTINS,
    **builtins_sequences.LIST_BUILTINS,
    **builtins_sequences.ARRAY_BUILTINS,
    **builtins_sequences.ROW_BUILTINS,
    # What a value is, and attributes by name
    "builtins.isinstance": _isinstance,
    "builtins.hasattr": _hasattr,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    # Strings
    "builtins.print": _print,
    "builtins.str": _str,
    "builtins.repr": _str,
    "builtins.format": _format,
    "json.dumps": _json_dumps,
}
