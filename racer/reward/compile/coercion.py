"""Operations on values, whatever syntax or function asks for them.

coerce                       what an expression asks of a value: that it is there, is a number, an index, true
arithmetic, array_operators  operators
equality, membership         `==`, `is`, `in`
sequences, sequence_*        lists, tuples, arrays: items, slices, changes, and where they lie
iteration                    one round for each item of anything
strings, objects             strings; functions, classes and instances

What an expression asks of a value: that it is there, is a number, an index, true.

Lists, tuples and small arrays: what they hold, and how long they are.

Strings: they are made for printing only, but making them can raise, and that must not be lost.

`==` and `is`, of all kinds of values.

`in`: of lists, ranges, dicts and strings.
"""

from __future__ import annotations

import re

from racer.reward.compile.control_flow import Context
from racer.reward.compile.values import (
    NONE,
    UNBOUND,
    ArraySequence,
    Constant,
    DictContents,
    FixedSequence,
    InvalidContents,
    LazyIterable,
    Maybe,
    NumberShape,
    ObjectFields,
    ObjectRef,
    RangeValue,
    Scalar,
    StringChoice,
    TupleValue,
    UnknownString,
    Unreadable,
    Value,
    as_kind,
    bound_of,
    is_number,
    kind_of,
    number_kind,
)


def require_value(context: Context, value: Value) -> Value:
    """The value itself where it may be None or unbound; leaves where it is."""
    if isinstance(value, Unreadable):
        raise context.unsupported(value.reason)
    if not isinstance(value, Maybe):
        return value
    if value.value is None:
        raise context.trap("None is used as a value")
    context.trap_if(f"{value.tag} != 0")
    return require_value(context, value.value)


def require_bound(context: Context, value: Value, error: str = "") -> Value:
    """The value of a name, which may be None; leaves where it has none, which is `error` in Python."""
    if isinstance(value, Unreadable):
        raise context.unsupported(value.reason)
    if not isinstance(value, Maybe) or not value.unbound:
        return value
    context.trap_if(f"{value.tag} == 2", error=error)
    if not value.none:
        if value.value is None:
            raise context.trap("a name without a value", error=error)
        return value.value
    return Maybe(value.tag, value.value, True, False)


def as_number(context: Context, value: Value) -> Scalar | Constant:
    """The value as a number; leaves where Python would raise TypeError."""
    value = require_value(context, value)
    if not is_number(value):
        if value == NONE:
            raise context.trap("None is used as a number", error="TypeError")
        raise context.unsupported("a value that is no number where a number is needed")
    assert isinstance(value, (Scalar, Constant))
    return value


def as_index(context: Context, value: Value) -> Scalar | Constant:
    """A number that can be an index."""
    number_ = as_number(context, value)
    if number_kind(number_) == "f":
        raise context.trap("a float as an index")
    if number_kind(number_) == "n":
        raise context.unsupported("a number that may be a float as an index")
    if isinstance(number_, Constant):
        return Constant(int(number_.value))
    return context.atom(Scalar("i", as_kind(number_, "i"), False, bound_of(number_)))


def truth_of(context: Context, value: Value) -> bool | str:
    """Whether Python takes a value for true: known, or as an expression."""
    if isinstance(value, Unreadable):
        raise context.unsupported(value.reason)
    if isinstance(value, Constant):
        return bool(value.value)
    if isinstance(value, Scalar):
        if value.kind == "b":
            return value.expr
        return f"({value.expr} != 0)" if value.kind == "i" else f"({value.expr} != 0.0)"
    if isinstance(value, Maybe):
        if value.unbound:
            context.trap_if(f"{value.tag} == 2")
        if value.value is None:
            return False
        inner = truth_of(context, value.value)
        if inner is False:
            return False
        return f"({value.tag} == 0)" if inner is True else f"({value.tag} == 0 and {inner})"
    if isinstance(value, StringChoice):
        return _any_of([f"{value.expr} == {k}" for k, option in enumerate(value.options) if option])
    if isinstance(value, TupleValue) and value.type != "ndarray":
        return bool(value.items)
    if isinstance(value, ObjectRef):
        content = context.content(value.id)
        if isinstance(content, (FixedSequence, ArraySequence)) and content.type == "ndarray":
            raise context.unsupported("the truth of an array")
        if isinstance(content, FixedSequence):
            return bool(content.items)
        if isinstance(content, ArraySequence):
            length = content.length
            return bool(length.value) if isinstance(length, Constant) else f"({as_kind(length, 'i')} > 0)"
        if isinstance(content, DictContents):
            return bool(content.items)
        if isinstance(content, ObjectFields):
            return True
    raise context.unsupported("the truth of this value")


def _any_of(tests: list[str]) -> bool | str:
    return f"({' or '.join(tests)})" if tests else False


def truth_value(value: bool | str) -> Value:
    """A truth as a value."""
    return Constant(value) if isinstance(value, bool) else Scalar("b", value)


def contents_of(context: Context, value: Value) -> FixedSequence | ArraySequence:
    """The contents of a list, tuple or array."""
    value = require_value(context, value)
    if isinstance(value, TupleValue):
        return FixedSequence(value.type, value.items, True)
    if isinstance(value, ObjectRef):
        content = context.content(value.id)
        if isinstance(content, (FixedSequence, ArraySequence)):
            return content
        if isinstance(content, InvalidContents):
            raise context.unsupported(content.reason)
    raise context.unsupported("a value that is no list where one is needed")


def is_sequence(context: Context, value: Value) -> bool:
    """Whether a value is a list, tuple or array."""
    if isinstance(value, TupleValue):
        return value.type in ("tuple", "list", "ndarray", "set")
    return isinstance(value, ObjectRef) and isinstance(context.content(value.id), (FixedSequence, ArraySequence))


def type_of(context: Context, value: Value) -> str:
    """`list`, `tuple`, `ndarray`, ... ; empty for what is no sequence."""
    return contents_of(context, value).type if is_sequence(context, value) else ""


def make_sequence(context: Context, type: str, items: tuple[Value, ...]) -> Value:
    """A new sequence of known length."""
    return (
        context.new_object(FixedSequence(type, items)) if type == "list" or len(items) > 8 else TupleValue(items, type)
    )


def length_of(context: Context, value: Value) -> Scalar | Constant:
    """`len(value)`."""
    value = require_value(context, value)
    if isinstance(value, Constant) and isinstance(value.value, str):
        return Constant(len(value.value))
    if isinstance(value, RangeValue):
        return _range_length(context, value)
    if isinstance(value, LazyIterable):
        lengths = [length_of(context, part) for part in (value.parts if value.kind == "zip" else value.parts[:1])]
        return _least_length(context, lengths)
    if isinstance(value, ObjectRef) and isinstance(content := context.content(value.id), DictContents):
        if any(item != present_or_none(item) for _, item in content.items):
            raise context.unsupported("the length of a dict that changes")
        return Constant(len(content.items))
    found = contents_of(context, value)
    if isinstance(found, FixedSequence):
        return Constant(len(found.items))
    assert isinstance(found.length, (Scalar, Constant))
    return found.length


def present_or_none(value: Value) -> Value | None:
    """The value where it certainly is there."""
    return None if value == UNBOUND or (isinstance(value, Maybe) and value.unbound) else value


def _least_length(context: Context, lengths: list[Scalar | Constant]) -> Scalar | Constant:
    result = lengths[0]
    for other in lengths[1:]:
        if isinstance(result, Constant) and isinstance(other, Constant):
            result = Constant(min(result.value, other.value))
        else:
            result = Scalar("i", context.temp(f"min({as_kind(result, 'i')}, {as_kind(other, 'i')})"))
    return result


def _range_length(context: Context, value: RangeValue) -> Scalar | Constant:
    start, stop, step = value.start, value.stop, value.step
    if isinstance(start, Constant) and isinstance(stop, Constant):
        return Constant(len(range(start.value, stop.value, step)))
    low, high = (start, stop) if step > 0 else (stop, start)
    count = f"({as_kind(high, 'i')} - {as_kind(low, 'i')} + {abs(step) - 1}) // {abs(step)}"
    if abs(step) == 1:
        count = f"{as_kind(high, 'i')} - {as_kind(low, 'i')}"
    return Scalar("i", context.temp(f"max(0, {count})", "count"))


_SPEC = re.compile(r"(?:.?[<>=^])?[+\- ]?[z]?[#]?0?\d*[,_]?(?:\.\d+)?([a-zA-Z%]?)\Z", re.DOTALL)
_PERCENT = re.compile(r"%(?:\((\w*)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+))?([a-zA-Z%])")
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}!:]*)(![rsa])?(?::([^{}]*))?\}")


def is_text(value: Value) -> bool:
    """Whether a value is a string."""
    return isinstance(value, (UnknownString, StringChoice)) or (
        isinstance(value, Constant) and isinstance(value.value, str)
    )


def format_value(context: Context, value: Value, spec: str) -> Value:
    """`format(value, spec)`: some string, or a trap where Python would raise."""
    if not spec:
        check_printable(context, value)
        return UnknownString()
    value = require_value(context, value)
    match = _SPEC.match(spec)
    if match is None:
        raise context.unsupported(f"the format `{spec}`")
    letter = match.group(1)
    if is_text(value):
        if letter not in ("", "s") or re.search(r"[,_+=#]|\A ", spec):
            raise context.unsupported(f"the format `{spec}` of a string")
        return UnknownString()
    kind = kind_of(value)
    if kind is None:
        raise context.unsupported(f"the format `{spec}` of this value")
    floats, wholes = "eEfFgGn%", "bcdoxXn"
    if kind[0] in "bi" and not kind[1] and letter and letter in (floats + wholes).replace("c", ""):
        if letter in wholes and "." in spec:
            raise context.unsupported(f"the format `{spec}` of a whole number")
        return UnknownString()
    if kind[0] == "i" and not kind[1] and not letter and "." not in spec:
        return UnknownString()
    if kind[0] in "fn" and letter in floats and (kind[0] == "f" or letter):
        return UnknownString()
    raise context.unsupported(f"the format `{spec}` of this value")


def check_printable(context: Context, value: Value) -> None:
    """Check that printing a value raises nothing: all but what the translator does not know."""
    if isinstance(value, Maybe):
        if value.unbound:
            context.trap_if(f"{value.tag} == 2")
        if value.value is not None:
            check_printable(context, value.value)
        return
    if kind_of(value) is not None or is_text(value) or value == Constant(None):
        return
    if isinstance(value, TupleValue):
        for item in value.items:
            check_printable(context, item)
        return
    if isinstance(value, ObjectRef):
        content = context.content(value.id)
        if isinstance(content, ArraySequence):
            return
        if isinstance(content, (FixedSequence, DictContents)):
            for entry in content.items:
                check_printable(context, entry[1] if isinstance(entry, tuple) else entry)
            return
    raise context.unsupported("printing this value")


def join_text(context: Context, symbol: str, one: Value, two: Value) -> Value:
    """`+`, `*` and `%` where one side is a string."""
    if symbol == "+":
        if is_text(one) and is_text(two):
            if isinstance(one, Constant) and isinstance(two, Constant):
                return Constant(one.value + two.value)
            return UnknownString()
        if isinstance(one, Maybe) or isinstance(two, Maybe):
            raise context.unsupported("a string plus a value that may be None")
        raise context.trap("a string plus what is no string")
    if symbol == "*":
        other = two if is_text(one) else one
        kind = kind_of(require_value(context, other))
        if kind is None or kind[0] not in "bi":
            raise context.unsupported("a string times this value")
        return UnknownString()
    return _percent_format(context, one, two)


def _percent_format(context: Context, one: Value, two: Value) -> Value:
    if not isinstance(one, Constant):
        raise context.unsupported("`%` with a string that is not known")
    values = list(two.items) if isinstance(two, TupleValue) and two.type == "tuple" else [two]
    wanted = []
    for name, _, width, precision, letter in _PERCENT.findall(one.value):
        if name or width == "*" or precision == "*":
            raise context.unsupported("this `%` format")
        if letter != "%":
            wanted.append(letter)
    rest = _PERCENT.sub("", one.value)
    if "%" in rest or len(wanted) != len(values):
        raise context.unsupported("this `%` format")
    for letter, value in zip(wanted, values, strict=True):
        if letter in "srad" and letter != "d":
            check_printable(context, value)
        else:
            number = require_value(context, value)
            kind = kind_of(number)
            if kind is None or letter not in "eEfFgGdiu":
                raise context.unsupported("this `%` format")
            if letter in "diu" and kind[0] not in "bi":  # of what is not finite there is no whole part
                context.trap_if(f"not abs({as_kind(number, 'f')}) < INF")
    return UnknownString()


def format_method(context: Context, template: Value, values: list[Value], named: dict[str, Value]) -> Value:
    """`template.format(...)`."""
    if not isinstance(template, Constant):
        raise context.unsupported("`format` of a string that is not known")
    used = 0
    rest = _FIELD.sub("", template.value)
    if "{" in rest or "}" in rest:
        raise context.unsupported("this `format`")
    for match in _FIELD.finditer(template.value):
        if match.group(0) in ("{{", "}}"):
            continue
        name, conversion, spec = match.group(1), match.group(2), match.group(3)
        if name == "":
            place, used = used, used + 1
        elif name.isdigit():
            place = int(name)
        elif name in named:
            format_value(context, named[name], "" if conversion else spec or "")
            continue
        else:
            raise context.unsupported("this `format`")
        if place >= len(values):
            raise context.trap("`format` has too few values")
        format_value(context, values[place], "" if conversion else spec or "")
    return UnknownString()


def comparable_pair(value: Scalar | Constant, other: Scalar | Constant) -> str:
    """Numbers are compared as ints where both are, as floats otherwise."""
    whole = number_kind(value) in "bi" and number_kind(other) in "bi"
    return as_kind(value, "i" if whole else "f")


def test_equal(context: Context, one: Value, two: Value) -> bool | str:
    """`one == two`: known, or a test."""
    for a, b in ((one, two), (two, one)):
        if isinstance(a, Maybe):
            a = require_bound(context, a)
            if not isinstance(a, Maybe):
                return test_equal(context, a, b)
            if b == NONE:
                return f"({a.tag} == 1)"
            if isinstance(b, Maybe):
                b = require_value(context, b)
            if a.value is None:
                return False
            inner = test_equal(context, a.value, b)
            if isinstance(inner, bool):
                return f"({a.tag} == 0)" if inner else False
            return f"({a.tag} == 0 and {inner})"
    if is_number(one) and is_number(two):
        assert isinstance(one, (Scalar, Constant))
        assert isinstance(two, (Scalar, Constant))
        if isinstance(one, Constant) and isinstance(two, Constant):
            return bool(one.value == two.value)
        return f"({comparable_pair(one, two)} == {comparable_pair(two, one)})"
    if isinstance(one, Constant) and isinstance(two, Constant):
        return bool(one.value == two.value)
    if NONE in (one, two) and (is_number(one) or is_number(two)):
        return False
    for a, b in ((one, two), (two, one)):
        if isinstance(a, StringChoice) and isinstance(b, Constant):
            return f"({a.expr} == {a.options.index(b.value)})" if b.value in a.options else False
    if is_sequence(context, one) and is_sequence(context, two):
        return _equal_sequences(context, one, two)
    if is_sequence(context, one) != is_sequence(context, two) and "ndarray" not in (
        type_of(context, one),
        type_of(context, two),
    ):
        plain = [
            is_number(v) or v == NONE or (isinstance(v, Constant) and isinstance(v.value, str)) for v in (one, two)
        ]
        if any(plain):
            return False
    if any(isinstance(v, UnknownString) for v in (one, two)) and any(is_number(v) or v == NONE for v in (one, two)):
        return False
    raise context.unsupported("a test for equality of these values")


def _equal_sequences(context: Context, one: Value, two: Value) -> bool | str:
    a, b = contents_of(context, one), contents_of(context, two)
    if "ndarray" in (a.type, b.type) or "set" in (a.type, b.type):
        raise context.unsupported("a comparison of arrays")
    if a.type != b.type:
        return False
    if not isinstance(a, FixedSequence) or not isinstance(b, FixedSequence):
        result = context.call_stdlib("equal_lists", one, two)
        return truth_of(context, result)
    if len(a.items) != len(b.items):
        return False
    tests = [test_equal(context, x, y) for x, y in zip(a.items, b.items, strict=True)]
    if any(test is False for test in tests):
        return False
    open_ = [test for test in tests if isinstance(test, str)]
    return f"({' and '.join(open_)})" if open_ else True


def test_identical(context: Context, one: Value, two: Value) -> bool | str:
    one, two = require_bound(context, one), require_bound(context, two)
    for a, b in ((one, two), (two, one)):
        if b == NONE:
            if isinstance(a, Maybe):
                return f"({a.tag} == 1)"
            return a == NONE
    for a, b in ((one, two), (two, one)):
        if isinstance(b, Constant) and isinstance(b.value, bool):
            if isinstance(a, Maybe):
                raise context.unsupported("`is` with a value that may be None")
            if isinstance(a, Constant):
                return a.value is b.value
            if isinstance(a, Scalar) and not a.numpy and a.kind in "bf":
                if a.kind == "f":
                    return False
                return a.expr if b.value else f"(not {a.expr})"
            if isinstance(a, Scalar) and a.kind == "i" and not a.numpy and a.bound > 2**52:
                raise context.unsupported("`is` with a number")
            if isinstance(a, Scalar) and (a.numpy or a.kind == "i"):
                if a.numpy:
                    return False
                raise context.unsupported("`is` with a number")
    if isinstance(one, ObjectRef) and isinstance(two, ObjectRef):
        if one == two:
            return True
        raise context.unsupported("`is` with objects")
    raise context.unsupported("`is` with these values")


def test_contained(context: Context, where: Value, value: Value) -> bool | str:
    where = require_value(context, where)
    if isinstance(where, ObjectRef) and isinstance(content := context.content(where.id), DictContents):
        return _has_key(context, content, value)
    if is_text(where):
        if isinstance(where, Constant) and isinstance(value, Constant):
            return value.value in where.value
        raise context.unsupported("a search in a string")
    value = require_value(context, value) if isinstance(value, Maybe) and value.unbound else value
    if isinstance(where, RangeValue):
        return _in_range(context, where, value)
    found = contents_of(context, where)
    if isinstance(value, Scalar) and (test := member_test(context, found, value)) is not None:
        return test
    if isinstance(found, FixedSequence) and len(found.items) <= 8:
        tests = [test_equal(context, x, value) for x in found.items]
        if any(test is True for test in tests):
            return True
        open_ = [test for test in tests if isinstance(test, str)]
        return f"({' or '.join(open_)})" if open_ else False
    if found.type == "set":
        if isinstance(where, TupleValue):
            where = TupleValue(where.items, "tuple")
        elif isinstance(found, ArraySequence):
            fields = (found.array, found.offset, found.length, found.stride, found.shape)
            where = context.new_object(ArraySequence("tuple", *fields))
        else:
            raise context.unsupported("a search in a set")
    return truth_of(context, context.call_stdlib("contains", where, value))


def _in_range(context: Context, where: RangeValue, value: Value) -> bool | str:
    if value == NONE or (isinstance(value, Constant) and isinstance(value.value, str)) or is_sequence(context, value):
        return False
    if isinstance(value, Maybe):
        inner = False if value.value is None else _in_range(context, where, value.value)
        return f"({value.tag} == 0{'' if inner is True else f' and {inner}'})" if inner else False
    x = as_number(context, value)
    if number_kind(x) not in "bi":
        if (where.step == 1 and number_kind(x) == "f") or number_kind(x) == "n":
            name = context.temp(as_kind(x, "f"))
            low, high = as_kind(where.start, "i"), as_kind(where.stop, "i")
            return (
                f"({low} <= {name} < {high} and {name} == math.floor({name}))"
                if where.step == 1
                else _not_covered(context)
            )
        return _not_covered(context)
    name = context.temp(as_kind(x, "i"))
    low, high = as_kind(where.start, "i"), as_kind(where.stop, "i")
    if where.step < 0:
        return _not_covered(context)
    test = f"{low} <= {name} < {high}"
    return f"({test})" if where.step == 1 else f"({test} and ({name} - {low}) % {where.step} == 0)"


def _not_covered(context: Context) -> bool:
    raise context.unsupported("a search in this range")


def _has_key(context: Context, content: DictContents, value: Value) -> bool | str:
    if not isinstance(value, Constant):
        raise context.unsupported("a key that is not known")
    found = dict(content.items).get(value.value, UNBOUND)
    if isinstance(found, Maybe) and found.unbound:
        return f"({found.tag} != 2)"
    return found != UNBOUND


def member_test(context: Context, found: FixedSequence | ArraySequence, value: Scalar) -> str | None:
    """A test for an int in a short list of ints as ranges; None where that does not fit."""
    if value.kind != "i":
        return None
    if isinstance(found, ArraySequence):
        if (
            found.array != "T"
            or not isinstance(found.length, Constant)
            or found.shape != NumberShape("i")
            or found.stride != 1
        ):
            return None
        if not found.offset.isdigit():
            return None
        first = int(found.offset)
        numbers = sorted({int(x) for x in context.table[first : first + found.length.value]})
    elif all(isinstance(v, Constant) and type(v.value) in (int, bool) for v in found.items):
        numbers = sorted({int(v.value) for v in found.items if isinstance(v, Constant)})
    else:
        return None
    runs: list[list[int]] = []
    for x in numbers:
        if runs and runs[-1][1] == x - 1:
            runs[-1][1] = x
        else:
            runs.append([x, x])
    if len(runs) > 16:
        return None
    name = context.atom(value).expr
    tests = [f"{name} == {a}" if a == b else f"{a} <= {name} <= {b}" for a, b in runs]
    return f"({' or '.join(tests)})" if tests else "False"
