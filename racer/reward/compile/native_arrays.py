"""Functions of numpy over rows of numbers."""

from __future__ import annotations

from racer.reward.compile.arithmetic import as_number, f, kind, present, truth
from racer.reward.compile.context import Context
from racer.reward.compile.joins import as_kind, kind_of
from racer.reward.compile.native_numbers import as_numpy
from racer.reward.compile.natives import NATIVES, Handler, _array, _chain, _mapped
from racer.reward.compile.sequences import contents, is_sequence, length
from racer.reward.compile.values import NONE, Const, Items, Leaf, Native, Scalar, Seq, Tup, Value


def _flat(context: Context, value: Value) -> Value:
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


def _over(name: str, *more: Value, numpy: bool = False) -> Handler:
    """A function over one row."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.cannot("these arguments")
        row = _flat(context, args[0])
        count = length(context, row)
        if isinstance(count, Const):
            if count.value == 0:
                raise context.trap("an empty array")
        else:
            context.trap_if(f"{count.expr} == 0")
        result = context.routine(name, row, *more)
        return as_numpy(result) if numpy else result

    return run


def _extreme(name: str, symbol: str) -> Handler:
    over = _over(name, numpy=True)

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) == 1 and not named and is_sequence(context, args[0]):
            found = contents(context, _flat(context, args[0]))
            if isinstance(found, Items) and found.items:
                numbers = [as_number(context, v) for v in found.items]
                for x in numbers:
                    if kind(x) in "fn" and isinstance(x, Scalar):
                        context.trap_if(f"{context.atom(x).expr} != {context.atom(x).expr}", 2)
                return _joined(as_numpy(_chain(context, numbers, symbol)))
        return over(context, args, named)

    return run


def _joined(value: Value) -> Value:
    """A number of an array that held ints and floats is a float."""
    return Scalar("f", value.expr, True) if isinstance(value, Scalar) and value.kind == "n" else value


def _norm(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 1 and set(named) == {"axis"} and named["axis"] in (Const(1), Const(-1)):
        return context.routine("norms", args[0])
    if len(args) != 1 or named:
        raise context.cannot("this `norm`")
    return context.routine("norm", _flat(context, args[0]))


def _clip(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    names = ("a", "a_min", "a_max")
    values = dict(zip(names, args, strict=False))
    values.update({{"min": "a_min", "max": "a_max"}.get(k, k): v for k, v in named.items()})
    if set(values) != set(names) or NONE in values.values():
        raise context.cannot("this `clip`")
    if is_sequence(context, values["a"]):
        return _mapped("numpy.clip")(context, [values[n] for n in names], {})
    numbers = [as_number(context, values[n]) for n in names]
    for x in numbers:
        if isinstance(x, Scalar) and kind(x) in "fn":
            context.trap_if(f"{f(x)} != {f(x)}", 2)
    return _joined(as_numpy(_chain(context, [_chain_of(context, numbers[:2], ">"), numbers[2]], "<")))


def _chain_of(context: Context, numbers: list[Scalar | Const], symbol: str) -> Scalar | Const:
    return as_number(context, _chain(context, numbers, symbol))


def _pairwise(symbol: str) -> Handler:
    """`numpy.maximum` and `numpy.minimum` of two numbers."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 2 or any(is_sequence(context, a) for a in args):
            raise context.cannot("this function of arrays")
        numbers = [as_number(context, a) for a in args]
        for x in numbers:
            if isinstance(x, Scalar) and kind(x) in "fn":
                context.trap_if(f"{f(x)} != {f(x)}", 2)
        return _joined(as_numpy(_chain(context, numbers, symbol)))

    return run


def _filled(number: float) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 1:
            raise context.cannot("this array")
        count = as_number(context, args[0])
        if not isinstance(count, Const) or type(count.value) is not int or not 0 < count.value <= 256:
            raise context.cannot("an array of a length that is not known")
        item = Scalar("f", repr(number), True)
        items = (item,) * count.value
        return context.new(Items("ndarray", items))

    return run


def _interp(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 3 or named or is_sequence(context, args[0]):
        raise context.cannot("this `interp`")
    return context.routine("interp", as_number(context, args[0]), args[1], args[2])


def _where(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 3 or any(is_sequence(context, a) for a in args):
        raise context.cannot("this `where`")
    raise context.cannot("`where`, which gives an array")


def _spaced(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    count = args[2] if len(args) > 2 else named.get("num", Const(50))
    if set(named) - {"num"}:
        raise context.cannot("this `linspace`")
    return context.routine("spaced", args[0], args[1], count)


def _arange(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if named or not all(kind_of(a) and kind(as_number(context, a)) in "bi" for a in args):
        raise context.cannot("this `arange`")
    return NATIVES["racer.as_array"](context, [NATIVES["builtins.list"](context, [_range(context, args)], {})], {})


def _range(context: Context, args: list[Value]) -> Value:
    return NATIVES["builtins.range"](context, args, {})


def _is_close(name: str, relative: float, absolute: float, words: tuple[str, str]) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if set(named) - set(words) or len(args) != 2:
            raise context.cannot("this `isclose`")
        return context.routine(name, *args, named.get(words[0], Const(relative)), named.get(words[1], Const(absolute)))

    return run


def _float64(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return as_numpy(NATIVES["builtins.float"](context, args, named))


def _remainder(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    from racer.reward.compile.arithmetic import binary

    if any(is_sequence(context, a) for a in args):
        raise context.cannot("this function of arrays")
    return as_numpy(binary(context, "%", args[0], args[1]))


def _sum(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 1 or named:
        raise context.cannot("this `sum`")
    return as_numpy(NATIVES["builtins.sum"](context, [_flat(context, args[0])], {}))


def _any(word: str) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.cannot(f"this `{word}`")
        test = truth(context, context.routine(word, _flat(context, args[0])))
        return Scalar("b", str(test), True)

    return run


def _array_of(name: str) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if len(args) != 1 or named:
            raise context.cannot("these arguments")
        return context.routine(name, _flat(context, args[0]))

    return run


def _sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    made = context.routine("sorted_list", _flat(context, args[0]))
    return _array(context, [made], {})


def _plain(name: str, *more: Value) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.cannot("these keywords")
        return context.routine(name, *(_flat(context, a) for a in args), *more)

    return run


def _bisect(name: str) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named or len(args) != 2:
            raise context.cannot("this `bisect`")
        return context.routine(name, _flat(context, args[0]), args[1])

    return run


for _names, _handler in (
    (("max", "amax"), _extreme("greatest", ">")),
    (("min", "amin"), _extreme("least", "<")),
    (("mean", "average"), _over("mean")),
    (("std",), _over("deviation")),
    (("var",), _over("variance")),
    (("median",), _over("median")),
    (("argmin",), _over("index_of_least", numpy=True)),
    (("argmax",), _over("index_of_greatest", numpy=True)),
    (("sum",), _sum),
    (("prod",), _over("product", Const(1), numpy=True)),
    (("any",), _any("any_of")),
    (("all",), _any("all_of")),
    (("dot", "inner"), _plain("dot")),
    (("cross",), _plain("cross")),
    (("linalg.norm",), _norm),
    (("clip",), _clip),
    (("maximum", "fmax"), _pairwise(">")),
    (("minimum", "fmin"), _pairwise("<")),
    (("zeros",), _filled(0.0)),
    (("ones",), _filled(1.0)),
    (("interp",), _interp),
    (("where",), _where),
    (("linspace",), _spaced),
    (("arange",), _arange),
    (("isclose",), _is_close("is_close_numpy", 1e-5, 1e-8, ("rtol", "atol"))),
    (("double",), _float64),
    (("mod", "remainder"), _remainder),
    (("pow", "power", "float_power"), lambda c, a, n: as_numpy(NATIVES["builtins.pow"](c, a, n))),
    (("diff",), _array_of("differences")),
    (("cumsum",), _array_of("cumulated")),
    (("sort",), _sorted),
    (("argsort",), _array_of("argsort")),
):
    for _name in _names:
        NATIVES[f"numpy.{_name}"] = _handler
for _name, _word in (("abs", "builtins.abs"), ("absolute", "builtins.abs")):
    NATIVES[f"numpy.{_name}"] = lambda c, a, n: _numpy_abs(c, a, n)
for _name, _handler in (
    ("math.isclose", _is_close("is_close", 1e-9, 0.0, ("rel_tol", "abs_tol"))),
    ("statistics.mean", _over("fmean")),
    ("bisect.bisect", _bisect("bisect_right")),
    ("bisect.bisect_right", _bisect("bisect_right")),
    ("bisect.bisect_left", _bisect("bisect_left")),
):
    NATIVES[_name] = _handler


def _numpy_abs(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if named or len(args) != 1:
        raise context.cannot("this `abs`")
    return (
        as_numpy(NATIVES["builtins.abs"](context, args, {}))
        if not isinstance(args[0], Tup)
        else _tup_abs(context, args)
    )


def _tup_abs(context: Context, args: list[Value]) -> Value:
    return _mapped("builtins.abs")(context, args, {})


__all__ = ["Native", "as_kind"]
