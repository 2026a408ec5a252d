"""Lists, tuples, sets, dicts and f-strings as they are written out."""

from __future__ import annotations

import ast

from racer.reward.compile.flow.context import Context, Handlers
from racer.reward.compile.operations.sequences import contents
from racer.reward.compile.operations.strings import formatted
from racer.reward.compile.values.heap import Dict, Items
from racer.reward.compile.values.value import Const, Scalar, Text, Tup, Value


def _sequence_display(context: Context, node: ast.List | ast.Tuple | ast.Set) -> Value:
    items: list[Value] = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            inner = contents(context, context.evaluate(element.value))
            if not isinstance(inner, Items):
                raise context.cannot("`*` with a list of unknown length")
            items.extend(inner.items)
        else:
            value = context.evaluate(element)
            items.append(context.atom(value) if isinstance(value, Scalar) else value)
    if isinstance(node, ast.List):
        return context.new(Items("list", tuple(items)))
    return Tup(tuple(items), "set" if isinstance(node, ast.Set) else "tuple")


def _dict(context: Context, node: ast.Dict) -> Value:
    items: dict[object, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise context.cannot("`**` in a dict")
        name = context.evaluate(key)
        found = context.evaluate(value)
        if not isinstance(name, Const):
            raise context.cannot("a dict with a key that is not known")
        items[name.value] = context.atom(found) if isinstance(found, Scalar) else found
    return context.new(Dict(tuple(items.items())))


def _fstring(context: Context, node: ast.JoinedStr) -> Value:
    for part_ in node.values:
        if isinstance(part_, ast.FormattedValue):
            value = context.evaluate(part_.value)
            spec = part_.format_spec
            text = ""
            if isinstance(spec, ast.JoinedStr):
                if not all(isinstance(v, ast.Constant) for v in spec.values):
                    raise context.cannot("a format that is not known")
                text = "".join(str(v.value) for v in spec.values if isinstance(v, ast.Constant))
            formatted(context, value, "" if part_.conversion != -1 else text)
    return Text()


HANDLERS: Handlers = {
    ast.List: _sequence_display,
    ast.Tuple: _sequence_display,
    ast.Set: _sequence_display,
    ast.Dict: _dict,
    ast.JoinedStr: _fstring,
}
