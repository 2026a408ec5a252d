"""Strings: they are made for printing only, but making them can raise, and that must not be lost."""

from __future__ import annotations

import re

from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import present
from racer.reward.compile.values.heap import Dict, Items, Seq
from racer.reward.compile.values.kinds import as_kind, kind_of
from racer.reward.compile.values.value import Choice, Const, Maybe, Ref, Text, Tup, Value

_SPEC = re.compile(r"(?:.?[<>=^])?[+\- ]?[z]?[#]?0?\d*[,_]?(?:\.\d+)?([a-zA-Z%]?)\Z", re.DOTALL)
_PERCENT = re.compile(r"%(?:\((\w*)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+))?([a-zA-Z%])")
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}!:]*)(![rsa])?(?::([^{}]*))?\}")


def is_text(value: Value) -> bool:
    """Whether a value is a string."""
    return isinstance(value, (Text, Choice)) or (isinstance(value, Const) and isinstance(value.value, str))


def formatted(context: Context, value: Value, spec: str) -> Value:
    """`format(value, spec)`: some string, or a trap where Python would raise."""
    if not spec:
        printable(context, value)
        return Text()
    value = present(context, value)
    match = _SPEC.match(spec)
    if match is None:
        raise context.cannot(f"the format `{spec}`")
    letter = match.group(1)
    if is_text(value):
        if letter not in ("", "s") or re.search(r"[,_+=#]|\A ", spec):
            raise context.cannot(f"the format `{spec}` of a string")
        return Text()
    kind = kind_of(value)
    if kind is None:
        raise context.cannot(f"the format `{spec}` of this value")
    floats, wholes = "eEfFgGn%", "bcdoxXn"
    if kind[0] in "bi" and not kind[1] and letter and letter in (floats + wholes).replace("c", ""):
        if letter in wholes and "." in spec:
            raise context.cannot(f"the format `{spec}` of a whole number")
        return Text()
    if kind[0] == "i" and not kind[1] and not letter and "." not in spec:
        return Text()
    if kind[0] in "fn" and letter in floats and (kind[0] == "f" or letter):
        return Text()
    raise context.cannot(f"the format `{spec}` of this value")


def printable(context: Context, value: Value) -> None:
    """Check that printing a value raises nothing: all but what the translator does not know."""
    if isinstance(value, Maybe):
        if value.unbound:
            context.trap_if(f"{value.tag} == 2")
        if value.value is not None:
            printable(context, value.value)
        return
    if kind_of(value) is not None or is_text(value) or value == Const(None):
        return
    if isinstance(value, Tup):
        for item in value.items:
            printable(context, item)
        return
    if isinstance(value, Ref):
        content = context.content(value.id)
        if isinstance(content, Seq):
            return
        if isinstance(content, (Items, Dict)):
            for entry in content.items:
                printable(context, entry[1] if isinstance(entry, tuple) else entry)
            return
    raise context.cannot("printing this value")


def joined_text(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """`+`, `*` and `%` where one side is a string."""
    if symbol == "+":
        if is_text(one) and is_text(two):
            if isinstance(one, Const) and isinstance(two, Const):
                return Const(one.value + two.value)
            return Text()
        if isinstance(one, Maybe) or isinstance(two, Maybe):
            raise context.cannot("a string plus a value that may be None")
        raise context.trap("a string plus what is no string")
    if symbol == "*":
        other = two if is_text(one) else one
        kind = kind_of(present(context, other))
        if kind is None or kind[0] not in "bi":
            raise context.cannot("a string times this value")
        return Text()
    return _percent(context, one, two)


def _percent(context: Context, one: Value, two: Value) -> Value:
    if not isinstance(one, Const):
        raise context.cannot("`%` with a string that is not known")
    values = list(two.items) if isinstance(two, Tup) and two.type == "tuple" else [two]
    wanted = []
    for name, _, width, precision, letter in _PERCENT.findall(one.value):
        if name or width == "*" or precision == "*":
            raise context.cannot("this `%` format")
        if letter != "%":
            wanted.append(letter)
    rest = _PERCENT.sub("", one.value)
    if "%" in rest or len(wanted) != len(values):
        raise context.cannot("this `%` format")
    for letter, value in zip(wanted, values, strict=True):
        if letter in "srad" and letter != "d":
            printable(context, value)
        else:
            number = present(context, value)
            kind = kind_of(number)
            if kind is None or letter not in "eEfFgGdiu":
                raise context.cannot("this `%` format")
            if letter in "diu" and kind[0] not in "bi":  # of what is not finite there is no whole part
                context.trap_if(f"not abs({as_kind(number, 'f')}) < INF")
    return Text()


def format_method(context: Context, template: Value, values: list[Value], named: dict[str, Value]) -> Value:
    """`template.format(...)`."""
    if not isinstance(template, Const):
        raise context.cannot("`format` of a string that is not known")
    used = 0
    rest = _FIELD.sub("", template.value)
    if "{" in rest or "}" in rest:
        raise context.cannot("this `format`")
    for match in _FIELD.finditer(template.value):
        if match.group(0) in ("{{", "}}"):
            continue
        name, conversion, spec = match.group(1), match.group(2), match.group(3)
        if name == "":
            place, used = used, used + 1
        elif name.isdigit():
            place = int(name)
        elif name in named:
            formatted(context, named[name], "" if conversion else spec or "")
            continue
        else:
            raise context.cannot("this `format`")
        if place >= len(values):
            raise context.trap("`format` has too few values")
        formatted(context, values[place], "" if conversion else spec or "")
    return Text()
