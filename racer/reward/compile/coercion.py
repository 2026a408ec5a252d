"""Conversions of a value to what an operation needs: a present value, a number, an index, a truth value.

Also here, because most operations need them: the contents and length of sequences, strings (they are made only to be
printed, but making them can raise, and that must not be lost), and the tests `==`, `is` and `in`. A test is a bool
where the result is known at translation time, and an expression of the kernel otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from racer.reward.compile import values as ir
from racer.reward.compile.control_flow import Context
from racer.reward.compile.values import Value

# A tuple of more items becomes an object, whose items can be joined with those of other lists.
_TUPLE_ITEMS_MAX = 8
# Items of a list, and ranges of ints, up to which `in` is written as a chain of tests.
_SEARCH_ITEMS_MAX, _SEARCH_RANGES_MAX = 8, 16


def require_value(context: Context, value: Value) -> Value:
    """Return the value without `Maybe`; write a trap for where it is None or unbound."""
    if isinstance(value, ir.Unreadable):
        raise context.unsupported(value.reason)
    if not isinstance(value, ir.Maybe):
        return value
    if value.value is None:
        raise context.trap("None is used as a value")
    context.trap_if(f"{value.tag} != 0")
    return require_value(context, value.value)


def require_bound(context: Context, value: Value, error: str = "") -> Value:
    """Return the value of a name, which may be None; write a trap for where the name has no value.

    Args:
        context: The translator.
        value: Value of the name.
        error: Name of the exception that Python raises for a name without a value.
    """
    if isinstance(value, ir.Unreadable):
        raise context.unsupported(value.reason)
    if not isinstance(value, ir.Maybe) or not value.unbound:
        return value
    context.trap_if(f"{value.tag} == 2", error=error)
    if value.none:
        return ir.Maybe(value.tag, value.value, True, False)
    if value.value is None:
        raise context.trap("a name without a value", error=error)
    return value.value


def as_number(context: Context, value: Value) -> ir.Scalar | ir.Constant:
    """Return the value as a number; write a trap where Python would raise TypeError."""
    value = require_value(context, value)
    if isinstance(value, (ir.Scalar, ir.Constant)) and ir.is_number(value):
        return value
    if value == ir.NONE:
        raise context.trap("None is used as a number", error="TypeError")
    raise context.unsupported("a value that is not a number where a number is needed")


def as_index(context: Context, value: Value) -> ir.Scalar | ir.Constant:
    """Return a number that can be an index."""
    number = as_number(context, value)
    kind = ir.number_kind(number)
    if kind == "f":
        raise context.trap("a float as an index")
    if kind == "n":
        raise context.unsupported("a number that may be a float as an index")
    # True and False are the indices 1 and 0.
    if isinstance(number, ir.Constant):
        return ir.Constant(int(number.value))
    return context.atom(ir.Scalar("i", ir.as_kind(number, "i"), False, ir.bound_of(number)))


def truth_of(context: Context, value: Value) -> bool | str:
    """Return the truth value of a value: known, or as an expression."""
    if isinstance(value, ir.Unreadable):
        raise context.unsupported(value.reason)
    if isinstance(value, ir.Constant):
        return bool(value.value)
    if isinstance(value, ir.Scalar):
        if value.kind == "b":
            return value.expr
        return f"({value.expr} != 0)" if value.kind == "i" else f"({value.expr} != 0.0)"
    if isinstance(value, ir.Maybe):
        if value.unbound:
            context.trap_if(f"{value.tag} == 2")
        return False if value.value is None else _when_present(value, truth_of(context, value.value))
    if isinstance(value, ir.StringChoice):
        return any_test([f"{value.expr} == {k}" for k, option in enumerate(value.options) if option])
    if isinstance(value, ir.TupleValue) and value.type != "ndarray":
        return bool(value.items)
    if isinstance(value, ir.ObjectRef):
        content = context.content(value.id)
        if isinstance(content, (ir.FixedSequence, ir.ArraySequence)) and content.type == "ndarray":
            raise context.unsupported("the truth of an array")
        if isinstance(content, (ir.FixedSequence, ir.DictContents)):
            return bool(content.items)
        if isinstance(content, ir.ArraySequence):
            length = content.length
            return bool(length.value) if isinstance(length, ir.Constant) else f"({ir.as_kind(length, 'i')} > 0)"
        if isinstance(content, ir.ObjectFields):
            return True
    raise context.unsupported("the truth of this value")


def any_test(tests: Sequence[bool | str]) -> bool | str:
    """Return the disjunction of tests."""
    # Known tests need no code: a true one decides, and false ones add nothing.
    open_tests = [test for test in tests if isinstance(test, str)]
    return True if True in tests else f"({' or '.join(open_tests)})" if open_tests else False


def _when_present(value: ir.Maybe, test: bool | str) -> bool | str:
    """Return a test of a value that may be missing; it is false where the value is missing."""
    if isinstance(test, bool):
        return f"({value.tag} == 0)" if test else False
    return f"({value.tag} == 0 and {test})"


def truth_value(test: bool | str) -> Value:
    """Return a test as a value."""
    return ir.Constant(test) if isinstance(test, bool) else ir.Scalar("b", test)


def contents_of(context: Context, value: Value) -> ir.FixedSequence | ir.ArraySequence:
    """Return the contents of a list, tuple or array."""
    value = require_value(context, value)
    if isinstance(value, ir.TupleValue):
        # Frozen: a tuple value is not an object, so there is nothing that a change could reach.
        return ir.FixedSequence(value.type, value.items, True)
    if isinstance(value, ir.ObjectRef):
        content = context.content(value.id)
        if isinstance(content, (ir.FixedSequence, ir.ArraySequence)):
            return content
        if isinstance(content, ir.Unreadable):
            raise context.unsupported(content.reason)
    raise context.unsupported("a value that is not a list where one is needed")


def dict_of(context: Context, value: Value) -> ir.DictContents | None:
    """Return the contents of a dict; None for any other value."""
    content = context.content(value.id) if isinstance(value, ir.ObjectRef) else None
    return content if isinstance(content, ir.DictContents) else None


def is_sequence(context: Context, value: Value) -> bool:
    """Check whether a value is a list, tuple, array or set."""
    if isinstance(value, ir.TupleValue):
        return value.type in ("tuple", "list", "ndarray", "set")
    return isinstance(value, ir.ObjectRef) and isinstance(
        context.content(value.id), (ir.FixedSequence, ir.ArraySequence)
    )


def type_of(context: Context, value: Value) -> str:
    """Return `list`, `tuple`, `ndarray` or `set`; empty for a value that is not a sequence."""
    return contents_of(context, value).type if is_sequence(context, value) else ""


def make_sequence(context: Context, type: str, items: tuple[Value, ...]) -> Value:
    """Make a sequence of known length."""
    if type == "list" or len(items) > _TUPLE_ITEMS_MAX:
        return context.new_object(ir.FixedSequence(type, items))
    return ir.TupleValue(items, type)


def length_of(context: Context, value: Value) -> ir.Scalar | ir.Constant:
    """Return `len(value)`."""
    value = require_value(context, value)
    if isinstance(value, ir.Constant) and isinstance(value.value, str):
        return ir.Constant(len(value.value))
    if isinstance(value, ir.RangeValue):
        return _range_length(context, value)
    if isinstance(value, ir.LazyIterable):
        # `enumerate` and `reversed` are as long as their first argument, `zip` as its shortest.
        lengths = [length_of(context, part) for part in (value.parts if value.kind == "zip" else value.parts[:1])]
        return _least_length(context, lengths)
    if (content := dict_of(context, value)) is not None:
        if any(item == ir.UNBOUND or (isinstance(item, ir.Maybe) and item.unbound) for _, item in content.items):
            raise context.unsupported("the length of a dict that changes")
        return ir.Constant(len(content.items))
    sequence = contents_of(context, value)
    if isinstance(sequence, ir.FixedSequence):
        return ir.Constant(len(sequence.items))
    assert isinstance(sequence.length, (ir.Scalar, ir.Constant))
    return sequence.length


def _least_length(context: Context, lengths: list[ir.Scalar | ir.Constant]) -> ir.Scalar | ir.Constant:
    result = lengths[0]
    for other in lengths[1:]:
        if isinstance(result, ir.Constant) and isinstance(other, ir.Constant):
            result = ir.Constant(min(result.value, other.value))
        else:
            # `zip` ends with the shortest of its arguments.
            result = ir.Scalar("i", context.temp(f"min({ir.as_kind(result, 'i')}, {ir.as_kind(other, 'i')})"))
    return result


def _range_length(context: Context, value: ir.RangeValue) -> ir.Scalar | ir.Constant:
    start, stop, step = value.start, value.stop, value.step
    if isinstance(start, ir.Constant) and isinstance(stop, ir.Constant):
        return ir.Constant(len(range(start.value, stop.value, step)))
    low, high = (start, stop) if step > 0 else (stop, start)
    count = f"{ir.as_kind(high, 'i')} - {ir.as_kind(low, 'i')}"
    if abs(step) != 1:
        # Rounded up: range(0, 5, 2) has three items.
        count = f"({count} + {abs(step) - 1}) // {abs(step)}"
    return ir.Scalar("i", context.temp(f"max(0, {count})", "count"))


# fill and align, sign, z, #, 0, width, grouping, precision, type
_SPEC = re.compile(r"(?:.?[<>=^])?[+\- ]?[z]?[#]?0?\d*[,_]?(?:\.\d+)?([a-zA-Z%]?)\Z", re.DOTALL)
# name, flags, width, precision, type
_PERCENT = re.compile(r"%(?:\((\w*)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+))?([a-zA-Z%])")
# name, conversion, format
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}!:]*)(![rsa])?(?::([^{}]*))?\}")
_FLOAT_FORMATS, _INT_FORMATS = "eEfFgGn%", "bdoxXn"


def is_text(value: Value) -> bool:
    """Check whether a value is a string."""
    return isinstance(value, (ir.UnknownString, ir.StringChoice)) or (
        isinstance(value, ir.Constant) and isinstance(value.value, str)
    )


def format_value(context: Context, value: Value, spec: str) -> Value:
    """Return `format(value, spec)` as a string whose text is not tracked."""
    if not spec:
        check_printable(context, value)
        return ir.UnknownString()
    value = require_value(context, value)
    match = _SPEC.match(spec)
    if match is None:
        raise context.unsupported(f"the format `{spec}`")
    letter = match.group(1)
    if is_text(value):
        # Python refuses grouping, signs, `=` and `#` for strings.
        if letter not in ("", "s") or re.search(r"[,_+=#]|\A ", spec):
            raise context.unsupported(f"the format `{spec}` of a string")
        return ir.UnknownString()
    # Formats of numpy's ints and truth values are not covered.
    kind, numpy = ir.kind_of(value) or ("", False)
    whole = kind in ("b", "i") and not numpy
    if whole and letter and letter in _FLOAT_FORMATS + _INT_FORMATS:
        # Python refuses a precision for a whole number.
        if letter in _INT_FORMATS and "." in spec:
            raise context.unsupported(f"the format `{spec}` of a whole number")
        return ir.UnknownString()
    if kind == "i" and whole and not letter and "." not in spec:
        return ir.UnknownString()
    if (kind == "f" or (kind == "n" and letter)) and letter in _FLOAT_FORMATS:
        return ir.UnknownString()
    raise context.unsupported(f"the format `{spec}` of this value")


def check_printable(context: Context, value: Value) -> None:
    """Check that making a string of a value raises nothing, unless its name has no value."""
    if isinstance(value, ir.Maybe):
        if value.unbound:
            context.trap_if(f"{value.tag} == 2")
        if value.value is not None:
            check_printable(context, value.value)
        return
    if ir.kind_of(value) is not None or is_text(value) or value == ir.NONE:
        return
    content: object = context.content(value.id) if isinstance(value, ir.ObjectRef) else value
    if isinstance(content, ir.ArraySequence):
        return
    if not isinstance(content, (ir.TupleValue, ir.FixedSequence, ir.DictContents)):
        raise context.unsupported("printing this value")
    for item in content.items:
        check_printable(context, item[1] if isinstance(item, tuple) else item)


def join_text(context: Context, symbol: str, left: Value, right: Value) -> Value:
    """Return `left <symbol> right` for `+`, `*` or `%`, where one side is a string."""
    if symbol == "%":
        return _percent_format(context, left, right)
    # The count may be negative; then Python gives the empty string.
    if symbol == "*":
        kind = ir.kind_of(require_value(context, right if is_text(left) else left))
        if kind is None or kind[0] not in "bi":
            raise context.unsupported("a string times this value")
        return ir.UnknownString()
    if is_text(left) and is_text(right):
        if isinstance(left, ir.Constant) and isinstance(right, ir.Constant):
            return ir.Constant(left.value + right.value)
        return ir.UnknownString()
    if isinstance(left, ir.Maybe) or isinstance(right, ir.Maybe):
        raise context.unsupported("a string plus a value that may be None")
    raise context.trap("a string plus a value that is not a string")


def _percent_format(context: Context, template: Value, operand: Value) -> Value:
    if not isinstance(template, ir.Constant):
        raise context.unsupported("`%` with a string that is not known")
    values = list(operand.items) if isinstance(operand, ir.TupleValue) and operand.type == "tuple" else [operand]
    letters = []
    for name, _, width, precision, letter in _PERCENT.findall(template.value):
        if name or width == "*" or precision == "*":
            raise context.unsupported("this `%` format")
        if letter != "%":
            letters.append(letter)
    if "%" in _PERCENT.sub("", template.value) or len(letters) != len(values):
        raise context.unsupported("this `%` format")
    for letter, value in zip(letters, values, strict=True):
        if letter in "sra":
            check_printable(context, value)
            continue
        number = require_value(context, value)
        kind = ir.kind_of(number)
        if kind is None or letter not in "eEfFgGdiu":
            raise context.unsupported("this `%` format")
        if letter in "diu" and kind[0] not in "bi":  # NaN and infinity have no whole part: Python raises
            context.trap_if(f"not abs({ir.as_kind(number, 'f')}) < INF")
    return ir.UnknownString()


def format_method(context: Context, template: Value, values: list[Value], named: dict[str, Value]) -> Value:
    """Return `template.format(...)` as a string whose text is not tracked.

    Args:
        context: The translator.
        template: The string.
        values: Positional arguments.
        named: Keyword arguments.
    """
    if not isinstance(template, ir.Constant):
        raise context.unsupported("`format` of a string that is not known")
    rest = _FIELD.sub("", template.value)
    if "{" in rest or "}" in rest:
        raise context.unsupported("this `format`")
    used = 0
    for match in _FIELD.finditer(template.value):
        if match.group(0) in ("{{", "}}"):
            continue
        name, conversion, spec = match.group(1), match.group(2), match.group(3)
        # A name, a number, or the next of the positional arguments.
        if name in named:
            value = named[name]
        elif name == "" or name.isdigit():
            place = int(name) if name else used
            used += not name
            if place >= len(values):
                raise context.trap("`format` has too few values")
            value = values[place]
        else:
            raise context.unsupported("this `format`")
        format_value(context, value, "" if conversion else spec or "")
    return ir.UnknownString()


def comparable_pair(value: ir.Scalar | ir.Constant, other: ir.Scalar | ir.Constant) -> str:
    """Return a number as code for a comparison: as an int where both are, as a float otherwise."""
    whole = ir.number_kind(value) in "bi" and ir.number_kind(other) in "bi"
    return ir.as_kind(value, "i" if whole else "f")


def test_equal(context: Context, left: Value, right: Value) -> bool | str:
    """Return the test `left == right`."""
    # `==` is symmetric, so each rule is tried from both sides.
    for a, b in ((left, right), (right, left)):
        if isinstance(a, ir.Maybe):
            a = require_bound(context, a)
            if not isinstance(a, ir.Maybe):
                return test_equal(context, a, b)
            if b == ir.NONE:
                return f"({a.tag} == 1)"
            if isinstance(b, ir.Maybe):
                b = require_value(context, b)
            return False if a.value is None else _when_present(a, test_equal(context, a.value, b))
    if isinstance(left, ir.Constant) and isinstance(right, ir.Constant):
        return bool(left.value == right.value)
    if isinstance(left, (ir.Scalar, ir.Constant)) and isinstance(right, (ir.Scalar, ir.Constant)):
        if ir.is_number(left) and ir.is_number(right):
            return f"({comparable_pair(left, right)} == {comparable_pair(right, left)})"
        # A number never equals None, nor a string.
        if ir.NONE in (left, right):
            return False
    for a, b in ((left, right), (right, left)):
        if isinstance(a, ir.StringChoice) and isinstance(b, ir.Constant):
            return f"({a.expr} == {a.options.index(b.value)})" if b.value in a.options else False
    types = type_of(context, left), type_of(context, right)
    if all(types):
        return _equal_sequences(context, left, right)
    simple = [ir.is_number(v) or v == ir.NONE for v in (left, right)]
    known = [isinstance(v, ir.Constant) or is_plain for v, is_plain in zip((left, right), simple, strict=True)]
    # A sequence equals neither a number, nor None, nor a string; a numpy array is compared item by item.
    if any(types) and "ndarray" not in types and any(known):
        return False
    if any(isinstance(v, ir.UnknownString) for v in (left, right)) and any(simple):
        return False
    raise context.unsupported("a test for equality of these values")


def _equal_sequences(context: Context, left: Value, right: Value) -> bool | str:
    a, b = contents_of(context, left), contents_of(context, right)
    if {"ndarray", "set"} & {a.type, b.type}:
        raise context.unsupported("a comparison of arrays")
    if a.type != b.type:
        return False
    # One of the lengths is not known: a loop compares the items.
    if not isinstance(a, ir.FixedSequence) or not isinstance(b, ir.FixedSequence):
        return truth_of(context, context.call_stdlib("equal_lists", left, right))
    if len(a.items) != len(b.items):
        return False
    tests = [test_equal(context, x, y) for x, y in zip(a.items, b.items, strict=True)]
    if False in tests:
        return False
    open_tests = [test for test in tests if isinstance(test, str)]
    return f"({' and '.join(open_tests)})" if open_tests else True


def test_identical(context: Context, left: Value, right: Value) -> bool | str:
    """Return the test `left is right`: with None, with True or False, or of two objects."""
    left, right = require_bound(context, left), require_bound(context, right)
    for a, b in ((left, right), (right, left)):
        if b == ir.NONE:
            return f"({a.tag} == 1)" if isinstance(a, ir.Maybe) else a == ir.NONE
    for a, b in ((left, right), (right, left)):
        if isinstance(b, ir.Constant) and isinstance(b.value, bool):
            if isinstance(a, ir.Maybe):
                raise context.unsupported("`is` with a value that may be None")
            if isinstance(a, ir.Constant):
                return a.value is b.value
            if isinstance(a, ir.Scalar) and (a.kind == "f" or a.numpy):
                return False  # neither a float nor a numpy scalar is Python's True
            if isinstance(a, ir.Scalar) and a.kind == "b":
                return a.expr if b.value else f"(not {a.expr})"
            # Python keeps one object of each small int and several of a large one.
            if isinstance(a, ir.Scalar) and a.kind == "i":
                raise context.unsupported("`is` with a number")
    if isinstance(left, ir.ObjectRef) and isinstance(right, ir.ObjectRef):
        if left == right:
            return True
        raise context.unsupported("`is` with objects")
    raise context.unsupported("`is` with these values")


def test_contained(context: Context, where: Value, value: Value) -> bool | str:
    """Return the test `value in where`."""
    where = require_value(context, where)
    if (content := dict_of(context, where)) is not None:
        return _has_key(context, content, value)
    if is_text(where):
        if isinstance(where, ir.Constant) and isinstance(value, ir.Constant):
            return value.value in where.value
        raise context.unsupported("a search in a string")
    # None may be searched for; a name without a value may not.
    value = require_value(context, value) if isinstance(value, ir.Maybe) and value.unbound else value
    if isinstance(where, ir.RangeValue):
        return _in_range(context, where, value)
    sequence = contents_of(context, where)
    if isinstance(value, ir.Scalar) and (test := member_test(context, sequence, value)) is not None:
        return test
    if isinstance(sequence, ir.FixedSequence) and len(sequence.items) <= _SEARCH_ITEMS_MAX:
        return any_test([test_equal(context, x, value) for x in sequence.items])
    if sequence.type == "set":
        # The items of a set are searched as those of a tuple: loops over sets are not covered.
        if isinstance(where, ir.TupleValue):
            where = ir.TupleValue(where.items, "tuple")
        elif isinstance(sequence, ir.ArraySequence):
            where = context.new_object(ir.view_of(sequence, "tuple"))
        else:
            raise context.unsupported("a search in a set")
    return truth_of(context, context.call_stdlib("contains", where, value))


def _in_range(context: Context, where: ir.RangeValue, value: Value) -> bool | str:
    if (
        value == ir.NONE
        or (isinstance(value, ir.Constant) and isinstance(value.value, str))
        or is_sequence(context, value)
    ):
        return False
    if isinstance(value, ir.Maybe):
        return False if value.value is None else _when_present(value, _in_range(context, where, value.value))
    number = as_number(context, value)
    kind, step = ir.number_kind(number), where.step
    whole = kind in "bi"
    if step < 0 or (step != 1 and not whole):
        raise context.unsupported("a search in this range")
    name = context.temp(ir.as_kind(number, "i" if whole else "f"))
    low, high = ir.as_kind(where.start, "i"), ir.as_kind(where.stop, "i")
    test = f"{low} <= {name} < {high}"
    if not whole:
        return f"({test} and {name} == math.floor({name}))"
    return f"({test})" if step == 1 else f"({test} and ({name} - {low}) % {step} == 0)"


def _has_key(context: Context, content: ir.DictContents, value: Value) -> bool | str:
    if not isinstance(value, ir.Constant):
        raise context.unsupported("a key that is not known")
    member = dict(content.items).get(value.value, ir.UNBOUND)
    # The dict has the key on some paths only.
    if isinstance(member, ir.Maybe) and member.unbound:
        return f"({member.tag} != 2)"
    return member != ir.UNBOUND


def member_test(context: Context, sequence: ir.FixedSequence | ir.ArraySequence, value: ir.Scalar) -> str | None:
    """Return the test for an int in a list of known ints, as ranges; None where that does not fit.

    Reward functions often list the waypoints of a part of the track: `n in [3, 4, 5, 9]` becomes
    `(3 <= n <= 5 or n == 9)`.
    """
    if value.kind != "i":
        return None
    numbers: list[Any]
    if isinstance(sequence, ir.ArraySequence):
        count = sequence.length
        ints = sequence.array == "T" and sequence.shape == ir.NumberShape("i") and sequence.stride == 1
        if not ints or not isinstance(count, ir.Constant) or not sequence.offset.isdigit():
            return None
        first = int(sequence.offset)
        numbers = context.table[first : first + count.value]
    else:
        numbers = [v.value for v in sequence.items if isinstance(v, ir.Constant) and type(v.value) in (int, bool)]
        if len(numbers) < len(sequence.items):
            return None
    ranges: list[list[int]] = []
    for x in sorted({int(x) for x in numbers}):
        if ranges and ranges[-1][1] == x - 1:
            ranges[-1][1] = x
        else:
            ranges.append([x, x])
    if len(ranges) > _SEARCH_RANGES_MAX:
        return None
    name = context.atom(value).expr
    tests = [f"{name} == {a}" if a == b else f"{a} <= {name} <= {b}" for a, b in ranges]
    return f"({' or '.join(tests)})" if tests else "False"
