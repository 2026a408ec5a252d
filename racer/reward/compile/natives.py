"""Functions of Python, `math` and numpy: what each becomes."""

from __future__ import annotations

import ast
from collections.abc import Callable

from racer.reward.compile.arithmetic import (
    as_bool,
    as_index,
    as_number,
    binary,
    f,
    kind,
    power,
    present,
    truth,
)
from racer.reward.compile.context import Context
from racer.reward.compile.joins import as_kind, kind_of
from racer.reward.compile.native_numbers import MATH, as_numpy, number_function
from racer.reward.compile.objects import attribute, set_attribute
from racer.reward.compile.sequences import contents, is_sequence, length, type_of
from racer.reward.compile.strings import formatted, is_text, printable
from racer.reward.compile.values import (
    LIMIT,
    NONE,
    UNBOUND,
    Choice,
    Const,
    Dict,
    Fields,
    Items,
    Lazy,
    Leaf,
    Maybe,
    Range,
    Rec,
    Ref,
    Scalar,
    Seq,
    Shape,
    Text,
    Tup,
    Unreachable,
    Value,
)

Handler = Callable[[Context, list[Value], dict[str, Value]], Value]


def _print(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    for value in (*args, *(value for name, value in named.items() if name != "flush")):
        printable(context, value)
    if "file" in named:
        raise context.cannot("`print` to a file")
    context.write("prints += 1")
    return NONE


def _abs(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    (value,) = args
    if is_sequence(context, value):
        return _mapped("builtins.abs")(context, args, named)
    x = as_number(context, value)
    if isinstance(x, Const):
        return Const(abs(x.value))
    if x.kind in "bi":
        return Scalar("i", f"abs({as_kind(x, 'i')})", x.numpy, x.bound)
    return Scalar(x.kind, f"abs({x.expr})", x.numpy)


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
            return _chain(context, [as_number(context, v) for v in found.items], "<" if least else ">")
        return context.routine(plain, items)

    def _some(value: Value) -> Value:
        return value.value if isinstance(value, Maybe) and value.value is not None else value

    return run


def _chain(context: Context, values: list[Scalar | Const], symbol: str) -> Value:
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


def _int(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return Const(0)
    x = as_number(context, args[0]) if len(args) == 1 else None
    if x is None:
        raise context.cannot("`int` with a base")
    if isinstance(x, Const):
        return _folded(context, int, x.value)
    if x.kind in "bi":
        return Scalar("i", as_kind(x, "i"), False, x.bound)
    name = context.atom(x).expr
    context.trap_if(f"not abs({name}) < {LIMIT}", 2)
    return Scalar("i", f"int({name})")


def _folded(context: Context, function: Callable[..., object], *values: object) -> Value:
    try:
        result = function(*values)
    except (ArithmeticError, ValueError, TypeError):
        raise context.trap("a call that Python refuses") from None
    if isinstance(result, complex) or (type(result) is int and abs(result) >= LIMIT):
        raise context.trap("a number that the kernel does not hold", 2)
    return Const(result)


def _float(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if not args:
        return Const(0.0)
    if isinstance(args[0], Const) and isinstance(args[0].value, str):
        return _folded(context, float, args[0].value)
    x = as_number(context, args[0])
    return Const(float(x.value)) if isinstance(x, Const) else Scalar("f", f(x))


def _bool(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return as_bool(truth(context, args[0])) if args else Const(False)


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


def _round(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    x = as_number(context, args[0])
    digits = args[1] if len(args) > 1 else named.get("ndigits", NONE)
    if digits == NONE:
        if kind(x) in "bi":
            return _int(context, [x], {})
        if isinstance(x, Const):
            return _folded(context, round, x.value)
        name = context.atom(x).expr
        context.trap_if(f"not abs({name}) < {LIMIT}", 2)
        return Scalar("i", f"int(np.rint({name}))")
    if not isinstance(digits, Const) or type(digits.value) is not int or not 0 <= digits.value <= 15:
        raise context.cannot("`round` to a number of digits that is not known")
    if isinstance(x, Const):
        return _folded(context, round, x.value, digits.value)
    if x.kind in "bi":
        return Scalar("i", as_kind(x, "i"), x.numpy, x.bound)
    if x.numpy:
        return _numpy_round(context, [x, digits], {})
    if digits.value == 0:
        name = context.atom(x).expr
        context.trap_if(f"not abs({name}) < {LIMIT}", 2)
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
    context.trap_if(f"not abs({name}) < INF", 2)
    return Scalar("f", name, True)


def _sorted(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if set(named) - {"key", "reverse"} or named.get("reverse", Const(False)) not in (Const(False), Const(True)):
        raise context.cannot("this `sorted`")
    down = named.get("reverse") == Const(True)
    if named.get("key", NONE) != NONE:
        return context.routine("sorted_down_by" if down else "sorted_by", args[0], named["key"])
    return context.routine("sorted_down" if down else "sorted_list", args[0])


def _library(name: str, *more: Value) -> Handler:
    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.cannot("these keywords")
        return context.routine(name, *args, *more)

    return run


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


def _array(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """`numpy.array`: numbers of one kind, or rows of them."""
    dtype = named.get("dtype", args[1] if len(args) > 1 else NONE)
    if set(named) - {"dtype"} or getattr(dtype, "name", "") not in ("", "builtins.float", "numpy.double"):
        raise context.cannot("an array of this type")
    value = present(context, args[0])
    if kind_of(value) is not None:
        raise context.cannot("an array without a length")
    found = contents(context, value if is_sequence(context, value) else context.routine("as_list", value))
    return _as_array(context, found, floats=dtype != NONE)


def _as_array(context: Context, found: Items | Seq, floats: bool = False) -> Value:
    if found.type == "set":
        raise context.cannot("an array of a set")
    if isinstance(found, Seq):
        shape = _array_shape(context, found.shape, floats)
        fields = ("ndarray", found.array, found.offset, found.length, found.stride, shape)
        return context.new(Seq(*fields))
    if not found.items:
        raise context.cannot("an empty array")
    if all(is_sequence(context, v) for v in found.items):
        rows = [_as_array(context, contents(context, v), floats) for v in found.items]
        counts = {length(context, row) for row in rows}
        if len(counts) > 1 or not all(isinstance(row, Tup) for row in rows):
            raise context.cannot("an array of several lengths")
        return Tup(tuple(rows), "ndarray")
    numbers = [as_number(context, v) for v in found.items]
    kinds = {kind(x) for x in numbers}
    joined = "f" if floats or kinds & {"f", "n"} else "i" if "i" in kinds else "b"
    items = tuple(Scalar(joined, as_kind(x, joined), True, 2.0**53) for x in numbers)
    return Tup(items, "ndarray")


def _array_shape(context: Context, shape: Shape, floats: bool) -> Shape:
    kinds = _leaf_kinds(shape)
    joined = "f" if floats or kinds & {"f", "n"} else "i" if "i" in kinds else "b"

    def made(inner: Shape) -> Shape:
        return Leaf(joined, True) if isinstance(inner, Leaf) else Rec("ndarray", tuple(made(x) for x in inner.items))

    return made(shape)


def _leaf_kinds(shape: Shape) -> set[str]:
    return {shape.kind} if isinstance(shape, Leaf) else {k for item in shape.items for k in _leaf_kinds(item)}


def _as_plain(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    """An array as a list of Python's numbers."""

    def plain(shape: Shape) -> Shape:
        if isinstance(shape, Leaf):
            return Leaf(shape.kind)
        return Rec("list", tuple(plain(x) for x in shape.items))

    def value_of(value: Value) -> Value:
        if isinstance(value, Scalar):
            return Scalar(value.kind, value.expr, False, value.bound)
        return Tup(tuple(value_of(x) for x in value.items), "list") if isinstance(value, Tup) else value

    found = contents(context, args[0])
    if isinstance(found, Items):
        return Tup(tuple(value_of(x) for x in found.items), "list")
    fields = ("list", found.array, found.offset, found.length, found.stride, plain(found.shape))
    return context.new(Seq(*fields))


def _as_tuple(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    found = contents(context, args[0])
    if isinstance(found, Items):
        return Tup(found.items)
    return context.new(Seq("tuple", found.array, found.offset, found.length, found.stride, found.shape))


def _isinstance(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    wanted = args[1].items if isinstance(args[1], Tup) else (args[1],)
    names = {getattr(w, "name", "") for w in wanted}
    value = args[0]
    if isinstance(value, Maybe):
        raise context.cannot("`isinstance` of what may be None")
    found = kind_of(value)
    if found is not None:
        if found[0] == "n" or found[1] or not all(n.startswith("builtins.") for n in names):
            raise context.cannot("this `isinstance`")
        of = {"b": {"bool", "int"}, "i": {"int"}, "f": {"float"}}[found[0]] | {"object"}
        return Const(bool(names & {f"builtins.{n}" for n in of}))
    if is_text(value) or value == NONE:
        return Const(is_text(value) and "builtins.str" in names)
    if is_sequence(context, value) and all(n.startswith("builtins.") for n in names):
        return Const(f"builtins.{type_of(context, value)}" in names)
    if isinstance(value, Ref) and isinstance(context.content(value.id), Dict):
        return Const("builtins.dict" in names)
    raise context.cannot("this `isinstance`")


def _hasattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    target, name = args
    if isinstance(target, Ref) and isinstance(name, Const):
        content = context.content(target.id)
        if isinstance(content, Fields):
            own = dict(content.items).get(name.value, UNBOUND)
            if isinstance(own, Maybe) and own.unbound and content.cls is not None:
                from racer.reward.compile.objects import class_member

                if class_member(context, content.cls, name.value) is None:
                    return Scalar("b", f"({own.tag} != 2)")
                return Const(True)
    if isinstance(name, Const) and isinstance(name.value, str):
        from racer.reward.compile.values import Function
        from racer.reward.compile.world import FUNCTION_FRAME

        if isinstance(target, Function):
            found = context.lookup((FUNCTION_FRAME - target.serial, name.value))
            if isinstance(found, Maybe) and found.unbound:
                return Scalar("b", f"({found.tag} != 2)")
            return Const(found != UNBOUND)
    state, buffer = context.block(lambda: attribute(context, target, _text(context, name)))
    if buffer and state is not None:
        raise context.cannot("this `hasattr`")
    return Const(state is not None)


def _text(context: Context, value: Value) -> str:
    if isinstance(value, Const) and isinstance(value.value, str):
        return value.value
    raise context.cannot("an attribute whose name is not known")


def _getattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) == 3:
        test = truth(context, _hasattr(context, args[:2], {}))
        if test is False:
            return args[2]
        if isinstance(test, str):
            return context.choose(test, lambda: attribute(context, args[0], _text(context, args[1])), lambda: args[2])
    return attribute(context, present(context, args[0]), _text(context, args[1]))


def _setattr(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    set_attribute(context, args[0], _text(context, args[1]), args[2])
    return NONE


def _divmod(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    return Tup((binary(context, "//", args[0], args[1]), binary(context, "%", args[0], args[1])))


def _pow(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2 or named:
        raise context.cannot("`pow` with three arguments")
    return binary(context, "**", args[0], args[1])


def _math_pow(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    a, b = (Scalar("f", f(as_number(context, x))) for x in args)
    return power(context, a, b)


def _dict_call(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if args:
        raise context.cannot("`dict` of a value")
    return context.new(Dict(tuple(named.items())))


def _set(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    found = contents(context, args[0]) if args else Items("list", ())
    if not isinstance(found, Items) or not all(isinstance(v, Const) for v in found.items):
        if isinstance(found, Seq) and found.array == "T":
            fields = (found.array, found.offset, found.length, found.stride, found.shape)
            return context.new(Seq("set", *fields))
        raise context.cannot("a set of values that are not known")
    return Tup(found.items, "set")


def _map(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
    if len(args) != 2:
        raise context.cannot("`map` over several lists")
    found = context.routine("mapped", args[0], args[1])
    return _as_plain(context, [found], {})


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


def _mapped(name: str) -> Handler:
    """A function of one number over the items of an array."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        from racer.reward.compile.values import Native

        value = present(context, args[0])
        found = contents(context, value)
        if isinstance(found, Items):
            made = [NATIVES[name](context, [item, *args[1:]], named) for item in found.items]
            return Tup(tuple(as_numpy(x) for x in made), "ndarray")
        if len(args) > 1 or named:
            raise context.cannot("this function of an array")
        return context.routine("mapped", Native(name), value)

    return run


def _number(name: str, numpy: bool) -> Handler:
    """A function of numbers; numpy's go over arrays too."""

    def run(context: Context, args: list[Value], named: dict[str, Value]) -> Value:
        if named:
            raise context.cannot("these keywords")
        sides = [is_sequence(context, a) for a in args]
        if numpy and any(sides):
            if len(args) == 1:
                return _mapped(f"numpy.{name}")(context, args, {})
            from racer.reward.compile.values import Native

            word = "mapped_two" if all(sides) else "mapped_left" if sides[0] else "mapped_right"
            return context.routine(word, Native(f"numpy.{name}"), *args)
        return number_function(context, name, [as_number(context, a) for a in args], numpy)

    return run


def _evaluate_all(context: Context, node: ast.Call) -> Value:
    raise context.cannot("`super` in this place")


LAZY: dict[str, Callable[[Context, ast.Call], Value]] = {"builtins.super": _evaluate_all}
"""Functions that look at their arguments before they are evaluated."""

NATIVES: dict[str, Handler] = {
    "builtins.print": _print,
    "builtins.abs": _abs,
    "builtins.min": _extreme("min"),
    "builtins.max": _extreme("max"),
    "builtins.sum": _sum,
    "builtins.len": _len,
    "builtins.range": _range,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.reversed": _reversed,
    "builtins.int": _int,
    "builtins.float": _float,
    "builtins.bool": _bool,
    "builtins.str": _str,
    "builtins.repr": _str,
    "builtins.format": _format,
    "builtins.round": _round,
    "builtins.sorted": _sorted,
    "builtins.any": _library("any_of"),
    "builtins.all": _library("all_of"),
    "builtins.list": _list,
    "builtins.tuple": _tuple,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.dict": _dict_call,
    "builtins.map": _map,
    "builtins.isinstance": _isinstance,
    "builtins.hasattr": _hasattr,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.divmod": _divmod,
    "builtins.pow": _pow,
    "math.pow": _math_pow,
    "math.dist": _library("distance"),
    "math.fsum": _library("total", Const(0.0)),
    "math.gcd": _library("gcd"),
    "math.prod": _library("product", Const(1)),
    "json.dumps": _json_dumps,
    "racer.as_array": lambda context, args, named: _as_array(context, contents(context, args[0])),
    "racer.as_tuple": _as_tuple,
    "racer.as_plain": _as_plain,
    "racer.as_numpy": lambda context, args, named: as_numpy(args[0]),
    "numpy.array": _array,
    "numpy.asarray": _array,
    "numpy.round": _numpy_round,
    "numpy.around": _numpy_round,
}
NATIVES.update({f"math.{name}": _number(name, False) for name in MATH})
NATIVES.update({f"numpy.{name}": _number(name, True) for name in MATH})

__all__ = ["Choice", "Unreachable"]
