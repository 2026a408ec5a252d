"""Methods of built-in types."""

from __future__ import annotations

from racer.reward.compile.endings import UNCOVERED
from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import as_number, bound_name, present
from racer.reward.compile.operations.sequence_changes import append, keep, pop_last, set_contents, writable
from racer.reward.compile.operations.sequences import contents, is_sequence
from racer.reward.compile.operations.strings import is_text
from racer.reward.compile.values.heap import Dict, Items
from racer.reward.compile.values.kinds import kind_of
from racer.reward.compile.values.value import NONE, UNBOUND, Const, Maybe, Ref, Scalar, Text, Tup, Value

_STRING_TO_TEXT = ("upper", "lower", "strip", "title", "capitalize", "rstrip", "lstrip", "ljust", "rjust", "center")
_ARRAY = {
    "sum": "numpy.sum",
    "mean": "numpy.mean",
    "min": "numpy.min",
    "max": "numpy.max",
    "argmin": "numpy.argmin",
    "argmax": "numpy.argmax",
    "std": "numpy.std",
    "dot": "numpy.dot",
    "copy": "numpy.array",
}


def call_method(context: Context, receiver: Value, name: str, args: list[Value], named: dict[str, Value]) -> Value:
    """`receiver.name(*args)`."""
    receiver = present(context, receiver)
    if is_text(receiver):
        return _string(context, receiver, name, args)
    if isinstance(receiver, Ref) and isinstance(content := context.content(receiver.id), Dict):
        return _dict(context, receiver, content, name, args)
    if is_sequence(context, receiver):
        found = contents(context, receiver)
        if found.type == "ndarray":
            return _array(context, receiver, name, args, named)
        if named and name != "sort":
            raise context.cannot(f"`{name}` with keywords")
        return _list(context, receiver, name, args, named)
    if kind_of(receiver) is not None and not args and not named:
        return _number(context, receiver, name)
    raise context.cannot(f"the method `{name}`")


def _number(context: Context, receiver: Value, name: str) -> Value:
    kind = kind_of(receiver)
    assert kind is not None
    if name == "item" and kind[1] and isinstance(receiver, Scalar):
        return Scalar(receiver.kind, receiver.expr, False, receiver.bound)
    if name == "is_integer" and isinstance(receiver, Scalar) and kind[0] == "f" and not kind[1]:
        context.trap_if(f"not abs({receiver.expr}) < INF", UNCOVERED)
        return Scalar("b", f"({receiver.expr} == math.floor({receiver.expr}))")
    raise context.cannot(f"the method `{name}` of a number")


def _string(context: Context, receiver: Value, name: str, args: list[Value]) -> Value:
    if isinstance(receiver, Const) and all(isinstance(a, Const) for a in args) and name in ("startswith", "endswith"):
        return Const(getattr(receiver.value, name)(*(a.value for a in args if isinstance(a, Const))))
    if isinstance(receiver, Const) and name in ("upper", "lower", "strip") and not args:
        return Const(getattr(receiver.value, name)())
    if name in _STRING_TO_TEXT and not args:
        return Text()
    if name == "join" and len(args) == 1:
        found = contents(context, args[0])
        if isinstance(found, Items) and all(is_text(x) for x in found.items):
            return Text()
    raise context.cannot(f"the method `{name}` of a string")


def _dict(context: Context, ref: Ref, content: Dict, name: str, args: list[Value]) -> Value:
    items = dict(content.items)
    if name == "get" and args and isinstance(args[0], Const):
        found = items.get(args[0].value, UNBOUND)
        default = args[1] if len(args) > 1 else NONE
        if isinstance(found, Maybe) and found.unbound:
            inner = Maybe(found.tag, found.value, True, False) if found.none else found.value
            return context.choose(f"{found.tag} != 2", lambda: inner or NONE, lambda: default)
        return default if found == UNBOUND else found
    if name in ("keys", "values", "items") and not args:
        values = {key: bound_name(context, value) for key, value in items.items()}
        if name == "keys":
            return Tup(tuple(Const(key) for key in values))
        if name == "values":
            return Tup(tuple(values.values()))
        return Tup(tuple(Tup((Const(key), value)) for key, value in values.items()))
    if name == "copy" and not args:
        return context.new(content)
    if name == "pop" and args and isinstance(args[0], Const) and items.get(args[0].value, UNBOUND) != UNBOUND:
        found = bound_name(context, items.pop(args[0].value))
        context.s.heap[ref.id] = Dict(tuple(items.items()))
        return found
    if name == "update" and len(args) == 1 and isinstance(args[0], Ref):
        other = context.content(args[0].id)
        if isinstance(other, Dict):
            items.update(dict(other.items))
            context.s.heap[ref.id] = Dict(tuple(items.items()))
            return NONE
    if name == "setdefault" and len(args) == 2 and isinstance(args[0], Const):
        found = items.get(args[0].value, UNBOUND)
        if found == UNBOUND:
            items[args[0].value] = args[1]
            context.s.heap[ref.id] = Dict(tuple(items.items()))
            return args[1]
        if not isinstance(found, Maybe):
            return found
    raise context.cannot(f"the method `{name}` of a dict")


def _array(context: Context, receiver: Value, name: str, args: list[Value], named: dict[str, Value]) -> Value:
    if name in _ARRAY:
        return context.native(_ARRAY[name], [receiver, *args], named)
    if name == "tolist" and not args:
        return context.routine("as_list", context.native("racer.as_plain", [receiver], {}))
    raise context.cannot(f"the method `{name}` of an array")


def _list(context: Context, receiver: Value, name: str, args: list[Value], named: dict[str, Value]) -> Value:
    if name in ("index", "count") and len(args) == 1:
        return context.routine("index_of" if name == "index" else "count_of", receiver, args[0])
    if isinstance(receiver, Tup) and receiver.type == "tuple":
        raise context.trap(f"a tuple has no `{name}`")
    if name == "append" and len(args) == 1:
        value = args[0]
        append(context, receiver, context.atom(value) if isinstance(value, Scalar) else value)
        return NONE
    if name == "pop":
        if not args or args[0] == Const(-1):
            return pop_last(context, receiver)
        return _pop(context, receiver, args[0])
    if name == "clear" and not args:
        set_contents(context, receiver, Items("list", ()))
        return NONE
    if name == "copy" and not args:
        return context.routine("as_list", receiver)
    if name in ("extend", "insert", "remove", "reverse"):
        ref, found = writable(context, receiver)
        if name == "extend" and isinstance(found, Items) and is_sequence(context, args[0]):
            more = contents(context, args[0])
            if isinstance(more, Items) and more.type != "set":
                for value in more.items:
                    keep(context, value)
                context.s.heap[ref.id] = Items("list", found.items + more.items)
                return NONE
        if name == "insert" and isinstance(found, Items) and isinstance(args[0], Const):
            items = list(found.items)
            items.insert(args[0].value, args[1])
            context.s.heap[ref.id] = Items("list", tuple(items))
            return NONE
        context.routine(name, receiver, *args)
        return NONE
    if name == "sort" and not args:
        if set(named) - {"key", "reverse"} or named.get("reverse", Const(False)) not in (Const(False), Const(True)):
            raise context.cannot("this `sort`")
        if named.get("key", NONE) != NONE:
            made = context.native("builtins.sorted", [receiver], named)
            set_contents(context, receiver, contents(context, made))
            return NONE
        context.routine("sort_down" if named.get("reverse") == Const(True) else "sort_numbers", receiver)
        return NONE
    raise context.cannot(f"the method `{name}` of a list")


def _pop(context: Context, receiver: Value, index: Value) -> Value:
    ref, found = writable(context, receiver)
    where = as_number(context, index)
    if isinstance(found, Items) and isinstance(where, Const) and type(where.value) is int:
        items = list(found.items)
        if not -len(items) <= where.value < len(items):
            raise context.trap("pop from outside a list")
        value = items.pop(where.value)
        context.s.heap[ref.id] = Items("list", tuple(items))
        return value
    return context.routine("pop_at", receiver, index)
