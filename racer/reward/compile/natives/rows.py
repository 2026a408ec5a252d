"""Functions of numpy and others over rows of numbers."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.arrays import array
from racer.reward.compile.natives.handlers import Handler
from racer.reward.compile.operations.arithmetic import binary
from racer.reward.compile.operations.coerce import as_number, present, truth
from racer.reward.compile.operations.sequences import contents, is_sequence, length
from racer.reward.compile.values.heap import Seq
from racer.reward.compile.values.kinds import as_numpy, kind_of
from racer.reward.compile.values.shapes import Leaf
from racer.reward.compile.values.value import Const, Scalar, Value


def flat_row(context: Context, value: Value) -> Value:
    """A row of numbers; tables are not taken."""
    value = present(context, value)
    if not is_sequence(context, value):
        if kind_of(value) is not None:
            raise context.cannot("a number where an array is expected")
        value = context.routine("as_list", value)
    found = contents(context, value)
    flat = isinstance(found.shape, Leaf) if isinstance(found, Seq) else all(kind_of(v) for v in found.items)
    if not flat or found.type == "set":
        raise context.cannot("a function over a table")
    return value


def over_row(name: str, *more: Value, numpy: bool = False) -> Handler:
    """A function over one row."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.cannot("these arguments")
        row = flat_row(context, args[0])
        count = length(context, row)
        if isinstance(count, Const):
            if count.value == 0:
                raise context.trap("an empty array")
        else:
            context.trap_if(f"{count.expr} == 0")
        result = context.routine(name, row, *more)
        return as_numpy(result) if numpy else result

    return run


def _norm(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 1 and set(named) == {"axis"} and named["axis"] in (Const(1), Const(-1)):
        return context.routine("norms", args[0])
    if len(args) != 1 or named:
        raise context.cannot("this `norm`")
    return context.routine("norm", flat_row(context, args[0]))


def _interp(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 3 or named or is_sequence(context, args[0]):
        raise context.cannot("this `interp`")
    return context.routine("interp", as_number(context, args[0]), args[1], args[2])


def _where(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 3 or any(is_sequence(context, a) for a in args):
        raise context.cannot("this `where`")
    raise context.cannot("`where`, which gives an array")


def _is_close(name: str, relative: float, absolute: float, words: tuple[str, str]) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if set(named) - set(words) or len(args) != 2:
            raise context.cannot("this `isclose`")
        return context.routine(name, *args, named.get(words[0], Const(relative)), named.get(words[1], Const(absolute)))

    return run


def _remainder(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if any(is_sequence(context, a) for a in args):
        raise context.cannot("this function of arrays")
    return as_numpy(binary(context, "%", args[0], args[1]))


def _sum(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 1 or named:
        raise context.cannot("this `sum`")
    return as_numpy(context.native("builtins.sum", [flat_row(context, args[0])], {}))


def _any(word: str) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.cannot(f"this `{word}`")
        test = truth(context, context.routine(word, flat_row(context, args[0])))
        return Scalar("b", str(test), True)

    return run


def _array_of(name: str) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.cannot("these arguments")
        return context.routine(name, flat_row(context, args[0]))

    return run


def _sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    made = context.routine("sorted_list", flat_row(context, args[0]))
    return array(context, [made], {})


def _plain(name: str, *more: Value) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.cannot("these keywords")
        return context.routine(name, *(flat_row(context, a) for a in args), *more)

    return run


def _bisect(name: str) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 2:
            raise context.cannot("this `bisect`")
        return context.routine(name, flat_row(context, args[0]), args[1])

    return run


def _power(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return as_numpy(context.native("builtins.pow", args, named))


NATIVES: dict[str, Handler] = {
    "numpy.mean": over_row("mean"),
    "numpy.average": over_row("mean"),
    "numpy.std": over_row("deviation"),
    "numpy.var": over_row("variance"),
    "numpy.median": over_row("median"),
    "numpy.argmin": over_row("index_of_least", numpy=True),
    "numpy.argmax": over_row("index_of_greatest", numpy=True),
    "numpy.sum": _sum,
    "numpy.prod": over_row("product", Const(1), numpy=True),
    "numpy.any": _any("any_of"),
    "numpy.all": _any("all_of"),
    "numpy.dot": _plain("dot"),
    "numpy.inner": _plain("dot"),
    "numpy.cross": _plain("cross"),
    "numpy.linalg.norm": _norm,
    "numpy.interp": _interp,
    "numpy.where": _where,
    "numpy.isclose": _is_close("is_close_numpy", 1e-5, 1e-8, ("rtol", "atol")),
    "numpy.mod": _remainder,
    "numpy.remainder": _remainder,
    "numpy.pow": _power,
    "numpy.power": _power,
    "numpy.float_power": _power,
    "numpy.diff": _array_of("differences"),
    "numpy.cumsum": _array_of("cumulated"),
    "numpy.sort": _sorted,
    "numpy.argsort": _array_of("argsort"),
    "math.isclose": _is_close("is_close", 1e-9, 0.0, ("rel_tol", "abs_tol")),
    "statistics.mean": over_row("fmean"),
    "bisect.bisect": _bisect("bisect_right"),
    "bisect.bisect_right": _bisect("bisect_right"),
    "bisect.bisect_left": _bisect("bisect_left"),
}
