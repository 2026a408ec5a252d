"""Functions that print or make strings."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.handlers import Handler
from racer.reward.compile.operations.sequences import contents, is_sequence
from racer.reward.compile.operations.strings import formatted, is_text, printable
from racer.reward.compile.values.heap import Dict, Items
from racer.reward.compile.values.kinds import kind_of
from racer.reward.compile.values.value import NONE, Const, Maybe, Ref, Text, Value


def _print(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    for value in (*args, *(value for name, value in named.items() if name != "flush")):
        printable(context, value)
    if "file" in named:
        raise context.cannot("`print` to a file")
    context.write("prints += 1")
    return NONE


def _str(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args and is_text(args[0]):
        return args[0]
    for value in args:
        printable(context, value)
    return Text()


def _format(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    spec = args[1] if len(args) > 1 else Const("")
    if not isinstance(spec, Const) or not isinstance(spec.value, str):
        raise context.cannot("a format that is not known")
    return formatted(context, args[0], spec.value)


def _json_dumps(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if set(named) - {"indent", "sort_keys"}:
        raise context.cannot("this `json.dumps`")
    _jsonable(context, args[0])
    return Text()


def _jsonable(context: Context, value: Value) -> None:
    found = kind_of(value)
    if (found is not None and not found[1]) or is_text(value) or value == NONE:
        return
    if isinstance(value, Ref) and isinstance(content := context.content(value.id), Dict):
        for _, item in content.items:
            _jsonable(context, bound_or_cannot(context, item))
        return
    if is_sequence(context, value):
        found_ = contents(context, value)
        if found_.type in ("list", "tuple"):
            for item in found_.items if isinstance(found_, Items) else ():
                _jsonable(context, item)
            return
    raise context.cannot("this `json.dumps`")


def bound_or_cannot(context: Context, value: Value) -> Value:
    """The value where it certainly is there."""
    if isinstance(value, Maybe):
        raise context.cannot("a value that may be missing")
    return value


NATIVES: dict[str, Handler] = {
    "builtins.print": _print,
    "builtins.str": _str,
    "builtins.repr": _str,
    "builtins.format": _format,
    "json.dumps": _json_dumps,
}
