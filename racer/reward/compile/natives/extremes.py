"""The least and the greatest of numbers or items, as Python and as numpy find them."""

from __future__ import annotations

from racer.reward.compile.endings import UNCOVERED
from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.handlers import Handler
from racer.reward.compile.natives.numbers import mapped
from racer.reward.compile.natives.rows import flat_row, over_row
from racer.reward.compile.operations.coerce import as_number, present
from racer.reward.compile.operations.sequences import contents, is_sequence, length
from racer.reward.compile.values.heap import Dict, Items
from racer.reward.compile.values.kinds import as_kind, as_numpy, f, kind, kind_of
from racer.reward.compile.values.value import LIMIT, NONE, Const, Maybe, Ref, Scalar, Tup, Value


def _extreme(word: str) -> Handler:
    least = word == "min"
    by, plain = ("least_by", "least") if least else ("greatest_by", "greatest")

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if set(named) - {"key", "default"}:
            raise context.cannot(f"`{word}` with these keywords")
        items: Value = args[0] if len(args) == 1 else Tup(tuple(args))
        items = present(context, items)
        if isinstance(items, Ref) and isinstance(context.content(items.id), Dict):
            raise context.cannot(f"`{word}` of a dict")
        if "default" in named:
            count = length(context, items)
            if isinstance(count, Const):
                return named["default"] if count.value == 0 else _of(context, items, named)
            return context.choose(f"{count.expr} > 0", lambda: _of(context, items, named), lambda: named["default"])
        return _of(context, items, named)

    def _of(context: Context, items: Value, named: dict[str, Value]) -> Value:
        if named.get("key", NONE) != NONE:
            return context.routine(by, items, named["key"])
        found = contents(context, items) if is_sequence(context, items) else None
        if isinstance(found, Items) and found.items and all(kind_of(v) is not None for v in map(_some, found.items)):
            return chain(context, [as_number(context, v) for v in found.items], "<" if least else ">")
        return context.routine(plain, items)

    def _some(value: Value) -> Value:
        return value.value if isinstance(value, Maybe) and value.value is not None else value

    return run


def chain(context: Context, values: list[Scalar | Const], symbol: str) -> Value:
    """The least or greatest of a few numbers, the first one where several are equal."""
    best = values[0]
    for value in values[1:]:
        if isinstance(best, Const) and isinstance(value, Const):
            smaller = value.value < best.value if symbol == "<" else value.value > best.value
            best = value if smaller else best
            continue
        one = context.atom(best) if isinstance(best, Scalar) else best
        two = context.atom(value) if isinstance(value, Scalar) else value
        kinds = {kind(one), kind(two)}
        joined = kinds.pop() if len(kinds) == 1 else "i" if kinds <= {"b", "i"} else "n"
        a, b = as_kind(one, joined), as_kind(two, joined)
        numpy = any(isinstance(v, Scalar) and v.numpy for v in (one, two))
        bounds = [v.bound if isinstance(v, Scalar) else float(abs(v.value)) for v in (one, two)]
        bound = max(bounds) if joined == "i" else LIMIT
        best = Scalar(joined, context.temp(f"{b} if {b} {symbol} {a} else {a}"), numpy, bound)
    return best


def _of_row(name: str, symbol: str) -> Handler:
    over = over_row(name, numpy=True)

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) == 1 and not named and is_sequence(context, args[0]):
            found = contents(context, flat_row(context, args[0]))
            if isinstance(found, Items) and found.items:
                numbers = [as_number(context, v) for v in found.items]
                for x in numbers:
                    if kind(x) in "fn" and isinstance(x, Scalar):
                        context.trap_if(f"{context.atom(x).expr} != {context.atom(x).expr}", UNCOVERED)
                return _joined(as_numpy(chain(context, numbers, symbol)))
        return over(context, args, named)

    return run


def _joined(value: Value) -> Value:
    """A number of an array that held ints and floats is a float."""
    return Scalar("f", value.expr, True) if isinstance(value, Scalar) and value.kind == "n" else value


def _clip(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    names = ("a", "a_min", "a_max")
    values = dict(zip(names, args, strict=False))
    values.update({{"min": "a_min", "max": "a_max"}.get(k, k): v for k, v in named.items()})
    if set(values) != set(names) or NONE in values.values():
        raise context.cannot("this `clip`")
    if is_sequence(context, values["a"]):
        return mapped("numpy.clip")(context, [values[n] for n in names], {})
    numbers = [as_number(context, values[n]) for n in names]
    for x in numbers:
        if isinstance(x, Scalar) and kind(x) in "fn":
            context.trap_if(f"{f(x)} != {f(x)}", UNCOVERED)
    return _joined(as_numpy(chain(context, [_chain_of(context, numbers[:2], ">"), numbers[2]], "<")))


def _chain_of(context: Context, numbers: list[Scalar | Const], symbol: str) -> Scalar | Const:
    return as_number(context, chain(context, numbers, symbol))


def _pairwise(symbol: str) -> Handler:
    """`numpy.maximum` and `numpy.minimum` of two numbers."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 2 or any(is_sequence(context, a) for a in args):
            raise context.cannot("this function of arrays")
        numbers = [as_number(context, a) for a in args]
        for x in numbers:
            if isinstance(x, Scalar) and kind(x) in "fn":
                context.trap_if(f"{f(x)} != {f(x)}", UNCOVERED)
        return _joined(as_numpy(chain(context, numbers, symbol)))

    return run


NATIVES: dict[str, Handler] = {
    "builtins.min": _extreme("min"),
    "builtins.max": _extreme("max"),
    "numpy.max": _of_row("greatest", ">"),
    "numpy.amax": _of_row("greatest", ">"),
    "numpy.min": _of_row("least", "<"),
    "numpy.amin": _of_row("least", "<"),
    "numpy.clip": _clip,
    "numpy.maximum": _pairwise(">"),
    "numpy.fmax": _pairwise(">"),
    "numpy.minimum": _pairwise("<"),
    "numpy.fmin": _pairwise("<"),
}
