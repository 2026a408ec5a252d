"""Functions of one or two numbers, of `math` and of numpy, with their domains."""

from __future__ import annotations

from racer.reward.compile.endings import UNCOVERED
from racer.reward.compile.flow.context import Context
from racer.reward.compile.natives.handlers import Handler, routine_of
from racer.reward.compile.operations.arithmetic import binary, power
from racer.reward.compile.operations.coerce import as_number, present
from racer.reward.compile.operations.sequences import contents, is_sequence
from racer.reward.compile.values.heap import Items
from racer.reward.compile.values.kinds import as_kind, as_numpy, f, kind
from racer.reward.compile.values.value import LIMIT, Const, Native, Scalar, Tup, Value

_FINITE = "not abs({x}) < INF"
_OUTSIDE = "not -1.0 <= {x} <= 1.0"
# name -> (what leaves before, the expression, whether an infinite or undefined result leaves)
MATH: dict[str, tuple[str, str, bool]] = {
    "sqrt": ("not {x} >= 0.0", "math.sqrt({x})", False),
    "sin": (_FINITE, "math.sin({x})", False),
    "cos": (_FINITE, "math.cos({x})", False),
    "tan": (_FINITE, "math.tan({x})", False),
    "asin": (_OUTSIDE, "math.asin({x})", False),
    "acos": (_OUTSIDE, "math.acos({x})", False),
    "atan": ("", "math.atan({x})", False),
    "sinh": ("", "math.sinh({x})", True),
    "cosh": ("", "math.cosh({x})", True),
    "tanh": ("", "math.tanh({x})", False),
    "asinh": ("", "math.asinh({x})", True),
    "exp": ("", "math.exp({x})", True),
    "expm1": ("", "math.expm1({x})", True),
    "log": ("not 0.0 < {x} < INF", "math.log({x})", False),
    "log2": ("not 0.0 < {x} < INF", "np.log2({x})", False),
    "log10": ("not 0.0 < {x} < INF", "math.log10({x})", False),
    "log1p": ("not -1.0 < {x} < INF", "math.log1p({x})", False),
    "erf": ("", "math.erf({x})", False),
    "fabs": ("", "abs({x})", False),
    "degrees": ("", "({x} * 57.29577951308232)", True),
    "radians": ("", "({x} * 0.017453292519943295)", False),
    "rad2deg": ("", "({x} * 57.29577951308232)", True),
    "deg2rad": ("", "({x} * 0.017453292519943295)", False),
    "square": ("", "({x} * {x})", True),
    "rint": ("", "np.rint({x})", False),
    "sign": ("", "", False),
    "floor": ("", "", False),
    "ceil": ("", "", False),
    "trunc": ("", "", False),
    "isnan": ("", "({x} != {x})", False),
    "isinf": ("", "(abs({x}) == INF)", False),
    "isfinite": ("", "(abs({x}) < INF)", False),
    "atan2": ("", "math.atan2({x}, {y})", False),
    "copysign": ("", "math.copysign({x}, {y})", False),
    "hypot": ("", "math.sqrt({x} * {x} + {y} * {y})", True),
    "fmod": ("not abs({x}) < INF or {y} == 0.0", "np.fmod({x}, {y})", True),
}
_TRUTHS = ("isnan", "isinf", "isfinite")
_ROUNDED = ("floor", "ceil", "trunc")


def number_function(context: Context, name: str, args: list[Scalar | Const], numpy: bool) -> Value:
    """A function of `MATH` of one or two numbers; `math.log` takes a base, `math.hypot` any number."""
    before, expr, after = MATH[name]
    if name == "hypot" and len(args) != 2 and not numpy:
        return _many(context, args)
    if name == "log" and len(args) == 2 and not numpy:
        top = number_function(context, name, args[:1], False)
        base = number_function(context, name, args[1:], False)
        assert isinstance(top, Scalar)
        assert isinstance(base, Scalar)
        base = context.atom(base)
        context.trap_if(f"{base.expr} == 0.0")
        return Scalar("f", f"({top.expr} / {base.expr})")
    if len(args) != (2 if "{y}" in expr else 1):
        raise context.cannot(f"`{name}` with {len(args)} arguments")
    if name in _ROUNDED:
        return _rounded(context, name, args[0], numpy)
    if name == "sign":
        if not numpy:
            raise context.cannot("`math.sign`")
        whole = kind(args[0]) in "bi"
        result = as_numpy(context.routine("sign", args[0]))
        return Scalar("i", f"int({result.expr})", True, 1.0) if whole and isinstance(result, Scalar) else result
    if name == "square" and kind(args[0]) in "bi":
        raise context.cannot("`square` of a whole number")
    if name in ("fabs", "rint") and numpy and kind(args[0]) in "bi":
        pass
    names = [context.atom(Scalar("f", f(a))).expr for a in args]
    places = {"x": names[0], "y": names[-1]}
    if before:
        context.trap_if(before.format(**places))
    written = expr.format(**places)
    if name in _TRUTHS:
        return Scalar("b", written, numpy)
    result_name = context.temp(written)
    if after:
        context.trap_if(f"not abs({result_name}) < INF", UNCOVERED)
    return Scalar("f", result_name, numpy)


def _rounded(context: Context, name: str, value: Scalar | Const, numpy: bool) -> Value:
    if kind(value) in "bi":
        if numpy:
            return Scalar("i", as_kind(value, "i"), True)
        return Scalar("i", as_kind(value, "i"), False)
    x = context.atom(Scalar("f", f(value))).expr
    if numpy:
        return Scalar("f", f"np.{name}({x})", True)
    context.trap_if(f"not abs({x}) < {LIMIT}", UNCOVERED)
    return Scalar("i", f"int({x})" if name == "trunc" else f"int(math.{name}({x}))")


def _many(context: Context, args: list[Scalar | Const]) -> Value:
    if not args:
        return Const(0.0)
    names = [context.atom(Scalar("f", f(a))).expr for a in args]
    result = context.temp(f"math.sqrt({' + '.join(f'{n} * {n}' for n in names)})")
    context.trap_if(f"not abs({result}) < INF", UNCOVERED)
    return Scalar("f", result)


def _function(name: str, numpy: bool) -> Handler:
    """A function of numbers; numpy's go over arrays too."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.cannot("these keywords")
        sides = [is_sequence(context, a) for a in args]
        if numpy and any(sides):
            if len(args) == 1:
                return mapped(f"numpy.{name}")(context, args, {})
            word = "mapped_two" if all(sides) else "mapped_left" if sides[0] else "mapped_right"
            return context.routine(word, Native(f"numpy.{name}"), *args)
        return number_function(context, name, [as_number(context, a) for a in args], numpy)

    return run


def mapped(name: str) -> Handler:
    """A function of one number over the items of an array."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        value = present(context, args[0])
        found = contents(context, value)
        if isinstance(found, Items):
            made = [context.native(name, [item, *args[1:]], named) for item in found.items]
            return Tup(tuple(as_numpy(x) for x in made), "ndarray")
        if len(args) > 1 or named:
            raise context.cannot("this function of an array")
        return context.routine("mapped", Native(name), value)

    return run


def _divmod(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return Tup((binary(context, "//", args[0], args[1]), binary(context, "%", args[0], args[1])))


def _pow(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2 or named:
        raise context.cannot("`pow` with three arguments")
    return binary(context, "**", args[0], args[1])


def _math_pow(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    a, b = (Scalar("f", f(as_number(context, x))) for x in args)
    return power(context, a, b)


NATIVES: dict[str, Handler] = {
    **{f"math.{name}": _function(name, False) for name in MATH},
    **{f"numpy.{name}": _function(name, True) for name in MATH},
    "builtins.divmod": _divmod,
    "builtins.pow": _pow,
    "math.pow": _math_pow,
    "math.dist": routine_of("distance"),
    "math.fsum": routine_of("total", Const(0.0)),
    "math.gcd": routine_of("gcd"),
    "math.prod": routine_of("product", Const(1)),
    "racer.as_numpy": lambda context, args, named: as_numpy(args[0]),
}
