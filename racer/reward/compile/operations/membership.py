"""`in`: of lists, ranges, dicts and strings."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.operations.coerce import as_number, present, truth
from racer.reward.compile.operations.equality import equal
from racer.reward.compile.operations.sequences import contents, is_sequence
from racer.reward.compile.operations.strings import is_text
from racer.reward.compile.values.heap import Dict, Items, Seq
from racer.reward.compile.values.kinds import as_kind, kind
from racer.reward.compile.values.shapes import Leaf
from racer.reward.compile.values.value import NONE, UNBOUND, Const, Maybe, Range, Ref, Scalar, Tup, Value


def contained(context: Context, where: Value, value: Value) -> bool | str:
    where = present(context, where)
    if isinstance(where, Ref) and isinstance(content := context.content(where.id), Dict):
        return _has_key(context, content, value)
    if is_text(where):
        if isinstance(where, Const) and isinstance(value, Const):
            return value.value in where.value
        raise context.cannot("a search in a string")
    value = present(context, value) if isinstance(value, Maybe) and value.unbound else value
    if isinstance(where, Range):
        return _in_range(context, where, value)
    found = contents(context, where)
    if isinstance(value, Scalar) and (test := member_test(context, found, value)) is not None:
        return test
    if isinstance(found, Items) and len(found.items) <= 8:
        tests = [equal(context, x, value) for x in found.items]
        if any(test is True for test in tests):
            return True
        open_ = [test for test in tests if isinstance(test, str)]
        return f"({' or '.join(open_)})" if open_ else False
    if found.type == "set":
        if isinstance(where, Tup):
            where = Tup(where.items, "tuple")
        elif isinstance(found, Seq):
            fields = (found.array, found.offset, found.length, found.stride, found.shape)
            where = context.new(Seq("tuple", *fields))
        else:
            raise context.cannot("a search in a set")
    return truth(context, context.routine("contains", where, value))


def _in_range(context: Context, where: Range, value: Value) -> bool | str:
    if value == NONE or (isinstance(value, Const) and isinstance(value.value, str)) or is_sequence(context, value):
        return False
    if isinstance(value, Maybe):
        inner = False if value.value is None else _in_range(context, where, value.value)
        return f"({value.tag} == 0{'' if inner is True else f' and {inner}'})" if inner else False
    x = as_number(context, value)
    if kind(x) not in "bi":
        if (where.step == 1 and kind(x) == "f") or kind(x) == "n":
            name = context.temp(as_kind(x, "f"))
            low, high = as_kind(where.start, "i"), as_kind(where.stop, "i")
            return f"({low} <= {name} < {high} and {name} == math.floor({name}))" if where.step == 1 else _no(context)
        return _no(context)
    name = context.temp(as_kind(x, "i"))
    low, high = as_kind(where.start, "i"), as_kind(where.stop, "i")
    if where.step < 0:
        return _no(context)
    test = f"{low} <= {name} < {high}"
    return f"({test})" if where.step == 1 else f"({test} and ({name} - {low}) % {where.step} == 0)"


def _no(context: Context) -> bool:
    raise context.cannot("a search in this range")


def _has_key(context: Context, content: Dict, value: Value) -> bool | str:
    if not isinstance(value, Const):
        raise context.cannot("a key that is not known")
    found = dict(content.items).get(value.value, UNBOUND)
    if isinstance(found, Maybe) and found.unbound:
        return f"({found.tag} != 2)"
    return found != UNBOUND


def member_test(context: Context, found: Items | Seq, value: Scalar) -> str | None:
    """A test for an int in a short list of ints as ranges; None where that does not fit."""
    if value.kind != "i":
        return None
    if isinstance(found, Seq):
        if found.array != "T" or not isinstance(found.length, Const) or found.shape != Leaf("i") or found.stride != 1:
            return None
        if not found.offset.isdigit():
            return None
        first = int(found.offset)
        numbers = sorted({int(x) for x in context.table[first : first + found.length.value]})
    elif all(isinstance(v, Const) and type(v.value) in (int, bool) for v in found.items):
        numbers = sorted({int(v.value) for v in found.items if isinstance(v, Const)})
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
