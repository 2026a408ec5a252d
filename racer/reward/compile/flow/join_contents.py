"""What objects hold where ways of the program meet: members one by one, lists item by item or moved into memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from racer.reward.compile.desk.desk import LIST_CAPACITY, STATE_CAPACITY
from racer.reward.compile.desk.elements import shape_of
from racer.reward.compile.flow.join_code import Ways
from racer.reward.compile.values.heap import Broken, Content, Dict, Fields, Items, Seq, State
from racer.reward.compile.values.kinds import as_kind
from racer.reward.compile.values.shapes import Leaf, Shape, join_shapes, width
from racer.reward.compile.values.value import NONE, UNBOUND, Scalar, Value

Contents = Sequence[Content | None]
"""What an object holds at the end of each way; None where a way does not know it."""


class Joins(Protocol):
    """What joins the values inside an object; see `racer.reward.compile.flow.joins.Joiner`.

    Attributes:
        ways: where the code goes.
        head: for a loop, the state that the last pass assumed.
        array: where grown lists live: `M`, or `S` for what is kept between calls.
        hint: what a new variable is called after.
    """

    ways: Ways
    head: State | None
    array: str
    hint: str

    def value(self, values: list[Value | None], head: Value | None) -> Value:
        """One value from several."""

    def visit(self, thing: Any) -> None:
        """Join what a value refers to."""


def join_contents(joins: Joins, contents: Contents, head: Content | None, same: bool) -> Content | None:
    """One content from several.

    Args:
        contents: of the object on each way.
        head: for a loop, what the last pass assumed.
        same: it is one object, not several that become one.
    """
    present = [c for c in contents if c is not None]
    if not present:
        return None if head is None else _nowhere(joins, contents, head)
    first = present[0]
    whole = len(present) == len(contents)
    if all(c == first for c in present) and (head == first if joins.head is not None else whole):
        joins.visit(first)
        return first
    if isinstance(first, Dict) and all(isinstance(c, Dict) for c in present):
        return Dict(_members(joins, contents, head))
    if isinstance(first, Fields):
        alike = all(isinstance(c, Fields) and (c.cls, c.name) == (first.cls, first.name) for c in present)
        if alike:
            if first.cls is not None:
                joins.visit(first.cls)
            return Fields(_members(joins, contents, head), first.cls, first.name, first.bases)
    if all(isinstance(c, (Items, Seq)) for c in present):
        return _list(joins, contents, present, head, same)
    return Broken("an object is of several types")


def _nowhere(joins: Joins, contents: Contents, head: Content) -> Content:
    """What the last pass assumed and no way brings any more: its variables still have to exist."""
    nothing: list[Value | None] = [None] * len(contents)
    values: Sequence[Value] = ()
    if isinstance(head, Items):
        values = head.items
    elif isinstance(head, (Dict, Fields)):
        values = [value for _, value in head.items]
    elif isinstance(head, Seq):
        values = [head.length]
    for value in values:
        joins.value(nothing, value)
    return head


def _members(joins: Joins, contents: Contents, head: Content | None) -> tuple[tuple[Any, Value], ...]:
    names: dict[Any, None] = {}
    tables: list[dict[Any, Value] | None] = []
    for content in contents:
        table = dict(content.items) if isinstance(content, (Dict, Fields)) else None
        tables.append(table)
        names.update(dict.fromkeys(table or ()))
    old: dict[Any, Value] = dict(head.items) if isinstance(head, (Dict, Fields)) else {}
    names.update(dict.fromkeys(old))
    made = []
    for name in names:
        joins.hint = str(name)
        values = [None if table is None else table.get(name, UNBOUND) for table in tables]
        made.append((name, joins.value(values, old.get(name, UNBOUND) if head is not None else None)))
    return tuple(made)


def _list(joins: Joins, contents: Contents, present: list[Content], head: Content | None, same: bool) -> Content:
    types = {c.type for c in present if isinstance(c, (Items, Seq))}
    if len(types) > 1:
        return Broken("a sequence is of several types")
    type = types.pop()
    frozen = any(c.frozen for c in present if isinstance(c, (Items, Seq)))
    lengths = {len(c.items) for c in present if isinstance(c, Items)}
    fixed = all(isinstance(c, Items) for c in present) and len(lengths) == 1
    if fixed and (head is None or (isinstance(head, Items) and len(head.items) in lengths)):
        count = lengths.pop()
        items = [
            joins.value(
                [c.items[k] if isinstance(c, Items) else None for c in contents],
                head.items[k] if isinstance(head, Items) else None,
            )
            for k in range(count)
        ]
        frozen = frozen or (isinstance(head, Items) and head.frozen)
        return Items(type, tuple(items), frozen)
    return _grown(joins, type, contents, head, frozen, same)


def _grown(joins: Joins, type: str, contents: Contents, head: Content | None, frozen: bool, same: bool) -> Content:
    """A list whose length differs: it moves into memory on every way that does not have it there."""
    ways = joins.ways
    shape: Shape | None = None
    every = [*zip(contents, ways.states, strict=True)]
    if joins.head is not None and head is not None:
        every.append((head, joins.head))
    for content, state in every:
        for found in _shapes(ways, content, state):
            shape = found if shape is None else join_shapes(shape, found)
            if shape is None:
                return Broken("the items of a list have several shapes")
    if shape is None:
        shape = Leaf("f")
    size = width(shape)
    base = _region(joins, contents, head, size, same)
    length = base.length
    if not isinstance(length, Scalar) or length.expr not in ways.own.names:
        length = Scalar("i", ways.fresh("length"), bound=float(base.capacity))
    result = Seq(type, base.array, base.offset, length, size, shape, base.capacity, frozen or base.frozen)
    for index, content in enumerate(contents):
        if isinstance(content, Seq):
            ways.assign(index, length.expr, as_kind(content.length, "i"))
            if (content.array, content.offset) != (result.array, result.offset):
                ways.copy(index, content, result)
        elif isinstance(content, Items):
            ways.assign(index, length.expr, str(len(content.items)))
            ways.copy(index, content, result)
        else:
            ways.assign(index, length.expr, "0")
    return result


def _region(joins: Joins, contents: Contents, head: Content | None, size: int, same: bool) -> Seq:
    """A region where the joined list can live: the head's, the common one, or a new one."""
    arrays = (joins.array, "S")
    if isinstance(head, Seq) and head.array in arrays and head.capacity and width(head.shape) == size:
        return head
    seqs = [c for c in contents if c is not None]
    first = seqs[0]
    if same and isinstance(first, Seq) and first.capacity and joins.array == "M":
        place = (first.array, first.offset, size)
        if all(isinstance(c, Seq) and (c.array, c.offset, width(c.shape)) == place for c in seqs):
            return first
    capacity = LIST_CAPACITY if joins.array == "M" else STATE_CAPACITY
    offset = joins.ways.desk.region(joins.ways.fresh("region"), capacity * size, joins.array)
    return Seq("list", joins.array, str(offset), NONE, size, Leaf("f"), capacity)


def _shapes(ways: Ways, content: Content | None, state: State) -> list[Shape | None]:
    if isinstance(content, Seq):
        return [content.shape]
    if isinstance(content, Items):
        return [shape_of(item, ways.desk, state) for item in content.items]
    return []
