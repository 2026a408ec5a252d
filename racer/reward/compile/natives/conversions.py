"""Numbers to numbers of another kind, and rounding."""

from __future__ import annotations

from racer.reward.compile.endings import UNCOVERED
from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.handlers import Handler, folded
from racer.reward.compile.natives.numbers import mapped
from racer.reward.compile.operations.coerce import as_bool, as_number, truth
from racer.reward.compile.operations.sequences import is_sequence
from racer.reward.compile.values.kinds import as_kind, as_numpy, f, kind
from racer.reward.compile.values.value import LIMIT, NONE, Const, Scalar, Tup, Value


def _abs(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    (value,) = args
    if is_sequence(context, value):
        return mapped("builtins.abs")(context, args, named)
    x = as_number(context, value)
    if isinstance(x, Const):
        return Const(abs(x.value))
    if x.kind in "bi":
        return Scalar("i", f"abs({as_kind(x, 'i')})", x.numpy, x.bound)
    return Scalar(x.kind, f"abs({x.expr})", x.numpy)


def _int(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return Const(0)
    x = as_number(context, args[0]) if len(args) == 1 else None
    if x is None:
        raise context.cannot("`int` with a base")
    if isinstance(x, Const):
        return folded(context, int, x.value)
    if x.kind in "bi":
        return Scalar("i", as_kind(x, "i"), False, x.bound)
    name = context.atom(x).expr
    context.trap_if(f"not abs({name}) < {LIMIT}", UNCOVERED)
    return Scalar("i", f"int({name})")


def _float(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return Const(0.0)
    if isinstance(args[0], Const) and isinstance(args[0].value, str):
        return folded(context, float, args[0].value)
    x = as_number(context, args[0])
    return Const(float(x.value)) if isinstance(x, Const) else Scalar("f", f(x))


def _bool(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return as_bool(truth(context, args[0])) if args else Const(False)


def _round(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    x = as_number(context, args[0])
    digits = args[1] if len(args) > 1 else named.get("ndigits", NONE)
    if digits == NONE:
        if kind(x) in "bi":
            return _int(context, [x], {})
        if isinstance(x, Const):
            return folded(context, round, x.value)
        name = context.atom(x).expr
        context.trap_if(f"not abs({name}) < {LIMIT}", UNCOVERED)
        return Scalar("i", f"int(np.rint({name}))")
    if not isinstance(digits, Const) or type(digits.value) is not int or not 0 <= digits.value <= 15:
        raise context.cannot("`round` to a number of digits that is not known")
    if isinstance(x, Const):
        return folded(context, round, x.value, digits.value)
    if x.kind in "bi":
        return Scalar("i", as_kind(x, "i"), x.numpy, x.bound)
    if x.numpy:
        return _numpy_round(context, [x, digits], {})
    if digits.value == 0:
        name = context.atom(x).expr
        context.trap_if(f"not abs({name}) < {LIMIT}", UNCOVERED)
        return Scalar(x.kind, f"np.rint({name})")
    result = context.routine("round_to", context.atom(x), digits)
    return Scalar(x.kind, result.expr) if isinstance(result, Scalar) else result


def _numpy_round(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    digits = args[1] if len(args) > 1 else named.get("decimals", Const(0))
    if is_sequence(context, args[0]):
        raise context.cannot("rounding of an array")
    x = as_number(context, args[0])
    if not isinstance(digits, Const) or not 0 <= digits.value <= 15:
        raise context.cannot("`round` to a number of digits that is not known")
    if kind(x) in "bi":
        return as_numpy(x)
    scale = repr(10.0**digits.value)
    expr = f"np.rint({f(x)})" if digits.value == 0 else f"(np.rint({f(x)} * {scale}) / {scale})"
    name = context.temp(expr)
    context.trap_if(f"not abs({name}) < INF", UNCOVERED)
    return Scalar("f", name, True)


def _float64(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return as_numpy(context.native("builtins.float", args, named))


def _numpy_abs(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if named or len(args) != 1:
        raise context.cannot("this `abs`")
    return (
        as_numpy(context.native("builtins.abs", args, {})) if not isinstance(args[0], Tup) else _tup_abs(context, args)
    )


def _tup_abs(context: Context, args: list[Value]) -> Value:
    return mapped("builtins.abs")(context, args, {})


NATIVES: dict[str, Handler] = {
    "builtins.abs": _abs,
    "builtins.int": _int,
    "builtins.float": _float,
    "builtins.bool": _bool,
    "builtins.round": _round,
    "numpy.round": _numpy_round,
    "numpy.around": _numpy_round,
    "numpy.double": _float64,
    "numpy.abs": _numpy_abs,
    "numpy.absolute": _numpy_abs,
}
