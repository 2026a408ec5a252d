"""Functions over lists, and those that make them."""

from __future__ import annotations

import ast

from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.arrays import as_plain
from racer.reward.compile.natives.handlers import Handler, routine_of
from racer.reward.compile.operations.arithmetic import binary
from racer.reward.compile.operations.coerce import as_index, present
from racer.reward.compile.operations.sequence_items import element
from racer.reward.compile.operations.sequences import contents, is_sequence, length
from racer.reward.compile.values.heap import Dict, Items, Seq
from racer.reward.compile.values.value import NONE, Const, Lazy, Range, Tup, Value


def _sum(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    start = args[1] if len(args) > 1 else named.get("start", Const(0))
    items = present(context, args[0])
    found = contents(context, items) if is_sequence(context, items) else None
    if isinstance(found, Items) and len(found.items) <= 16:
        result = start
        for value in found.items:
            result = binary(context, "+", result, value)
        return result
    return context.routine("total", items, start)


def _len(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return length(context, args[0])


def _range(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    values = [as_index(context, a) for a in args]
    start: Value = Const(0) if len(values) == 1 else values[0]
    stop = values[0] if len(values) == 1 else values[1]
    step = values[2] if len(values) == 3 else Const(1)
    if not isinstance(step, Const):
        raise context.cannot("`range` with a step that is not known")
    if step.value == 0:
        raise context.trap("`range` with step 0")
    return Range(start, stop, step.value)


def _enumerate(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    start = args[1] if len(args) > 1 else named.get("start", Const(0))
    if not isinstance(start, Const):
        raise context.cannot("`enumerate` with a start that is not known")
    return Lazy("enumerate", (args[0], start))


def _zip(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args or named:
        raise context.cannot("this `zip`")
    return Lazy("zip", tuple(present(context, a) for a in args))


def _reversed(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return Lazy("reversed", (present(context, args[0]),))


def _sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if set(named) - {"key", "reverse"} or named.get("reverse", Const(False)) not in (Const(False), Const(True)):
        raise context.cannot("this `sorted`")
    down = named.get("reverse") == Const(True)
    if named.get("key", NONE) != NONE:
        return context.routine("sorted_down_by" if down else "sorted_by", args[0], named["key"])
    return context.routine("sorted_down" if down else "sorted_list", args[0])


def _list(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return context.new(Items("list", ()))
    return _retyped(context, args[0], "list")


def _tuple(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return _retyped(context, args[0], "tuple") if args else Tup(())


def _retyped(context: Context, value: Value, type: str) -> Value:
    """A copy as a list or tuple."""
    value = present(context, value)
    if not is_sequence(context, value):
        made = context.routine("as_list", value)
        return made if type == "list" else _retyped(context, made, type)
    found = contents(context, value)
    if found.type == "set":
        raise context.cannot("the order of a set")
    if isinstance(found, Items):
        return Tup(found.items) if type == "tuple" else context.new(Items("list", found.items))
    if found.array in "MS" and type == "list":
        return context.routine("as_list", value)
    fields = (found.array, found.offset, found.length, found.stride, found.shape)
    return context.new(Seq(type, *fields))


def _set(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    found = contents(context, args[0]) if args else Items("list", ())
    if not isinstance(found, Items) or not all(isinstance(v, Const) for v in found.items):
        if isinstance(found, Seq) and found.array == "T":
            fields = (found.array, found.offset, found.length, found.stride, found.shape)
            return context.new(Seq("set", *fields))
        raise context.cannot("a set of values that are not known")
    return Tup(found.items, "set")


def _dict_call(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args:
        raise context.cannot("`dict` of a value")
    return context.new(Dict(tuple(named.items())))


def _map(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2:
        raise context.cannot("`map` over several lists")
    found = context.routine("mapped", args[0], args[1])
    return as_plain(context, [found], {})


def _as_tuple(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    found = contents(context, args[0])
    if isinstance(found, Items):
        return Tup(found.items)
    return context.new(Seq("tuple", found.array, found.offset, found.length, found.stride, found.shape))


def _next(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """`next` of a generator expression in its place: it is used once, so the list of its items stands for it."""
    call = context.node
    if named or not isinstance(call, ast.Call) or not isinstance(call.args[0], ast.GeneratorExp):
        raise context.cannot("`next`")
    count = length(context, args[0])
    if isinstance(count, Const):
        if count.value:
            return element(context, args[0], Const(0))
        if len(args) < 2:
            raise context.trap("`next` of nothing", error="StopIteration")
        return args[1]
    if len(args) < 2:
        context.trap_if(f"{count.expr} == 0", error="StopIteration")
        return element(context, args[0], Const(0))
    return context.choose(f"{count.expr} > 0", lambda: element(context, args[0], Const(0)), lambda: args[1])


def _filter(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args[0] == NONE:
        return context.routine("those_true", args[1])
    return context.routine("those_for_which", *args)


NATIVES: dict[str, Handler] = {
    "builtins.next": _next,
    "builtins.filter": _filter,
    "builtins.sum": _sum,
    "builtins.len": _len,
    "builtins.range": _range,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.reversed": _reversed,
    "builtins.sorted": _sorted,
    "builtins.any": routine_of("any_of"),
    "builtins.all": routine_of("all_of"),
    "builtins.list": _list,
    "builtins.tuple": _tuple,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.dict": _dict_call,
    "builtins.map": _map,
    "racer.as_tuple": _as_tuple,
}
