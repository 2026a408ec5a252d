"""Ways through the written code: traps, branches, loops, and the places where ways meet.

context                             the desk with these; all that translates is given it
joins, join_contents, join_code     names and objects where ways meet, and the code that makes them so

What objects hold where ways of the program meet: members one by one, lists item by item or moved into memory.

Where ways of the program meet: what the names and objects are there, and the code on each way that makes it so.

A join is also how a loop's head is found (`head` holds what the last pass assumed), and how state that is kept
between calls is found: the whole function is a loop over calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from racer.reward.compile.emitter import (
    LIST_CAPACITY,
    STATE_CAPACITY,
    Buffer,
    Emitter,
    JoinInputs,
    LoopVariables,
    is_live,
    shape_of,
)
from racer.reward.compile.values import (
    INT_LIMIT,
    MODULE_OBJECTS_MAX,
    NONE,
    UNBOUND,
    ArraySequence,
    Builtin,
    Constant,
    Content,
    DictContents,
    FixedSequence,
    InvalidContents,
    Maybe,
    NumberShape,
    ObjectFields,
    ObjectRef,
    ProgramState,
    Scalar,
    Shape,
    StringChoice,
    TupleValue,
    Unbound,
    UnknownString,
    Unreadable,
    UserFunction,
    Value,
    VariableKey,
    as_kind,
    join_kinds,
    join_shapes,
    kind_of,
    refs_of,
    shape_width,
)

ContentsByInput = Sequence[Content | None]
"""What an object holds at the end of each way; None where a way does not know it."""


class ValueJoiner(Protocol):
    """What joins the values inside an object; see `racer.reward.compile.flow.joins.Joiner`.

    Attributes:
        ways: where the code goes.
        head: for a loop, the state that the last pass assumed.
        array: where grown lists live: `M`, or `S` for what is kept between calls.
        hint: what a new variable is called after.
    """

    ways: JoinInputs
    head: ProgramState | None
    array: str
    hint: str

    def value(self, values: list[Value | None], head: Value | None) -> Value:
        """One value from several."""

    def visit(self, thing: Any) -> None:
        """Join what a value refers to."""


def join_contents(joins: ValueJoiner, contents: ContentsByInput, head: Content | None, same: bool) -> Content | None:
    """One content from several.

    Args:
        contents: of the object on each way.
        head: for a loop, what the last pass assumed.
        same: it is one object, not several that become one.
    """
    present = [c for c in contents if c is not None]
    if not present:
        return None if head is None else _without_inputs(joins, contents, head)
    first = present[0]
    whole = len(present) == len(contents)
    if all(c == first for c in present) and (head == first if joins.head is not None else whole):
        joins.visit(first)
        return first
    if isinstance(first, DictContents) and all(isinstance(c, DictContents) for c in present):
        return DictContents(_join_members(joins, contents, head))
    if isinstance(first, ObjectFields):
        alike = all(isinstance(c, ObjectFields) and (c.cls, c.name) == (first.cls, first.name) for c in present)
        if alike:
            if first.cls is not None:
                joins.visit(first.cls)
            return ObjectFields(_join_members(joins, contents, head), first.cls, first.name, first.bases)
    if all(isinstance(c, (FixedSequence, ArraySequence)) for c in present):
        return _join_list(joins, contents, present, head, same)
    return InvalidContents("an object is of several types")


def _without_inputs(joins: ValueJoiner, contents: ContentsByInput, head: Content) -> Content:
    """What the last pass assumed and no way brings any more: its variables still have to exist."""
    nothing: list[Value | None] = [None] * len(contents)
    values: Sequence[Value] = ()
    if isinstance(head, FixedSequence):
        values = head.items
    elif isinstance(head, (DictContents, ObjectFields)):
        values = [value for _, value in head.items]
    elif isinstance(head, ArraySequence):
        values = [head.length]
    for value in values:
        joins.value(nothing, value)
    return head


def _join_members(joins: ValueJoiner, contents: ContentsByInput, head: Content | None) -> tuple[tuple[Any, Value], ...]:
    names: dict[Any, None] = {}
    tables: list[dict[Any, Value] | None] = []
    for content in contents:
        table = dict(content.items) if isinstance(content, (DictContents, ObjectFields)) else None
        tables.append(table)
        names.update(dict.fromkeys(table or ()))
    old: dict[Any, Value] = dict(head.items) if isinstance(head, (DictContents, ObjectFields)) else {}
    names.update(dict.fromkeys(old))
    made = []
    for name in names:
        joins.hint = str(name)
        values = [None if table is None else table.get(name, UNBOUND) for table in tables]
        made.append((name, joins.value(values, old.get(name, UNBOUND) if head is not None else None)))
    return tuple(made)


def _join_list(
    joins: ValueJoiner, contents: ContentsByInput, present: list[Content], head: Content | None, same: bool
) -> Content:
    types = {c.type for c in present if isinstance(c, (FixedSequence, ArraySequence))}
    if len(types) > 1:
        return InvalidContents("a sequence is of several types")
    type = types.pop()
    frozen = any(c.frozen for c in present if isinstance(c, (FixedSequence, ArraySequence)))
    lengths = {len(c.items) for c in present if isinstance(c, FixedSequence)}
    fixed = all(isinstance(c, FixedSequence) for c in present) and len(lengths) == 1
    if fixed and (head is None or (isinstance(head, FixedSequence) and len(head.items) in lengths)):
        count = lengths.pop()
        items = [
            joins.value(
                [c.items[k] if isinstance(c, FixedSequence) else None for c in contents],
                head.items[k] if isinstance(head, FixedSequence) else None,
            )
            for k in range(count)
        ]
        frozen = frozen or (isinstance(head, FixedSequence) and head.frozen)
        return FixedSequence(type, tuple(items), frozen)
    return _join_growing_list(joins, type, contents, head, frozen, same)


def _join_growing_list(
    joins: ValueJoiner, type: str, contents: ContentsByInput, head: Content | None, frozen: bool, same: bool
) -> Content:
    """A list whose length differs: it moves into memory on every way that does not have it there."""
    ways = joins.ways
    shape: Shape | None = None
    every = [*zip(contents, ways.states, strict=True)]
    if joins.head is not None and head is not None:
        every.append((head, joins.head))
    for content, state in every:
        for found in _element_shapes(ways, content, state):
            shape = found if shape is None else join_shapes(shape, found)
            if shape is None:
                return InvalidContents("the items of a list have several shapes")
    if shape is None:
        shape = NumberShape("f")
    size = shape_width(shape)
    base = _list_region(joins, contents, head, size, same)
    length = base.length
    if not isinstance(length, Scalar) or length.expr not in ways.own.names:
        length = Scalar("i", ways.fresh("length"), bound=float(base.capacity))
    result = ArraySequence(type, base.array, base.offset, length, size, shape, base.capacity, frozen or base.frozen)
    for index, content in enumerate(contents):
        if isinstance(content, ArraySequence):
            ways.assign(index, length.expr, as_kind(content.length, "i"))
            if (content.array, content.offset) != (result.array, result.offset):
                ways.copy(index, content, result)
        elif isinstance(content, FixedSequence):
            ways.assign(index, length.expr, str(len(content.items)))
            ways.copy(index, content, result)
        else:
            ways.assign(index, length.expr, "0")
    return result


def _list_region(
    joins: ValueJoiner, contents: ContentsByInput, head: Content | None, size: int, same: bool
) -> ArraySequence:
    """A region where the joined list can live: the head's, the common one, or a new one."""
    arrays = (joins.array, "S")
    if isinstance(head, ArraySequence) and head.array in arrays and head.capacity and shape_width(head.shape) == size:
        return head
    seqs = [c for c in contents if c is not None]
    first = seqs[0]
    if same and isinstance(first, ArraySequence) and first.capacity and joins.array == "M":
        place = (first.array, first.offset, size)
        if all(isinstance(c, ArraySequence) and (c.array, c.offset, shape_width(c.shape)) == place for c in seqs):
            return first
    capacity = LIST_CAPACITY if joins.array == "M" else STATE_CAPACITY
    offset = joins.ways.desk.region(joins.ways.fresh("region"), capacity * size, joins.array)
    return ArraySequence("list", joins.array, str(offset), NONE, size, NumberShape("f"), capacity)


def _element_shapes(ways: JoinInputs, content: Content | None, state: ProgramState) -> list[Shape | None]:
    if isinstance(content, ArraySequence):
        return [content.shape]
    if isinstance(content, FixedSequence):
        return [shape_of(item, ways.desk, state) for item in content.items]
    return []


_DEFAULTS = {"b": "False", "i": "0", "f": "0.0", "n": "0.0"}
_OPTIONS_MAX = 32
"""Strings that are told apart by number."""


class Joiner:
    """One join.

    Args:
        inputs: the state at the end of each way, and the slot where code can be added there.
        head: for a loop, what the last pass assumed.
        own: names and objects that earlier passes of the same loop made; only those are used again.
        drop: names that are left out.
        array: where grown lists live: `M`, or `S` for what is kept between calls.

    Attributes:
        changed: the result is not `head`.
        ways: what is written on each way.
        hint: what a new variable is called after.
    """

    def __init__(
        self,
        desk: Emitter,
        inputs: list[tuple[ProgramState, Buffer]],
        head: ProgramState | None = None,
        loop_variables: LoopVariables | None = None,
        drop: set[VariableKey] | None = None,
        array: str = "M",
    ) -> None:
        self.desk = desk
        self.ways = JoinInputs(desk, inputs, loop_variables or LoopVariables())
        self.head = head
        self.array = array
        self.changed = False
        self.hint = "t"
        self._own = self.ways.own
        self._states = self.ways.states
        self._drop = drop or set()
        self._out = ProgramState()
        self._work: list[tuple[int, list[int | None], int | None]] = []
        self._done: dict[tuple[int | None, ...], int] = {}

    def run(self) -> ProgramState:
        """Join, write the code, and return the state."""
        keys: dict[VariableKey, None] = {}
        every = [self.head, *self._states] if self.head else self._states
        for state in every:
            keys.update(dict.fromkeys(state.variables))
        for key in keys:
            if key in self._drop or not is_live(self.desk, key):
                continue
            self.hint = key[1]
            values = [self.desk.lookup(key, state) for state in self._states]
            head = self.desk.lookup(key, self.head) if self.head else None
            value = self.value(list(values), head)
            if value != UNBOUND:
                self._out.variables[key] = value
        for id in {id for state in every for id in state.heap}:
            if id < MODULE_OBJECTS_MAX or id in self.desk.pinned:
                self.visit(ObjectRef(id))
        self._objects()
        self._keep_unchanged(every)
        self.ways.write()
        return self._out

    def _keep_unchanged(self, every: list[ProgramState]) -> None:
        """Objects that no name refers to may be in use by the expression that is being translated."""
        first, *others = every
        for id, content in first.heap.items():
            if id not in self._out.heap and all(other.heap.get(id) == content for other in others):
                self._out.heap[id] = content

    # -- values

    def value(self, values: list[Value | None], head: Value | None) -> Value:
        """One value from several; None where a way has nothing to say."""
        present = [v for v in values if v is not None]
        if not present:
            return NONE if head is None else self._nowhere(head)
        first = present[0]
        if all(v == first for v in present):
            whole = len(present) == len(values)
            if isinstance(first, (Constant, Builtin, UserFunction, UnknownString, Unbound, Unreadable)) and not refs_of(
                first
            ):
                if head is None or head == first:
                    return first
            elif (head is None and whole) or (head is not None and head == first):
                self.visit(first)
                return first
        result = self._joined(values, present, head)
        if head is not None and result != head:
            self.changed = True
        return result

    def _nowhere(self, head: Value) -> Value:
        """What the last pass assumed and no way brings any more: its variables still have to exist."""
        if isinstance(head, Maybe) and head.value is not None:
            self._nowhere(head.value)
        elif isinstance(head, TupleValue):
            for item in head.items:
                self._nowhere(item)
        elif isinstance(head, ObjectRef):
            self.visit(head)
        name = head.tag if isinstance(head, Maybe) else head.expr if isinstance(head, (Scalar, StringChoice)) else ""
        if name in self._own.names:
            for index in range(len(self._states)):
                self.ways.assign(index, name, _DEFAULTS[head.kind] if isinstance(head, Scalar) else "0")
        return head

    def _joined(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        if any(isinstance(v, Unreadable) for v in present):
            return next(v for v in present if isinstance(v, Unreadable))
        holes = any(isinstance(v, (Maybe, Unbound)) or v == NONE for v in present)
        if holes or isinstance(head, Maybe):
            return self._maybe(values, present, head)
        if all(kind_of(v) is not None for v in present):
            return self._scalar(values, head)
        if all(isinstance(v, (StringChoice, Constant, UnknownString)) for v in present):
            return self._text(values, present, head)
        if all(isinstance(v, (ObjectRef, TupleValue)) for v in present):
            return self._sequence(values, present, head)
        if all(v == present[0] for v in present) and not isinstance(present[0], (Scalar, ObjectRef)):
            return present[0]
        return Unreadable("its value is of several types")

    def _maybe(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        old = head if isinstance(head, Maybe) and head.tag in self._own.names else None
        tag = old.tag if old else self.ways.fresh("tag")
        none = (isinstance(head, Maybe) and head.none) or any(
            v == NONE or (isinstance(v, Maybe) and v.none) for v in present
        )
        unbound = (isinstance(head, Maybe) and head.unbound) or any(
            isinstance(v, Unbound) or (isinstance(v, Maybe) and v.unbound) for v in present
        )
        payloads: list[Value | None] = []
        for index, value in enumerate(values):
            payload: Value | None = value
            expr = "0"
            if value is None or value == NONE or isinstance(value, Unbound):
                payload = None
                expr = "2" if isinstance(value, Unbound) else "1" if value == NONE else "0"
            elif isinstance(value, Maybe):
                payload, expr = value.value, value.tag
            payloads.append(payload)
            self.ways.assign(index, tag, expr)
        inner_head = head.value if isinstance(head, Maybe) else head
        inner_head = None if inner_head == NONE or isinstance(inner_head, Unbound) else inner_head
        if inner_head is None and all(p is None for p in payloads):
            return Maybe(tag, None, none, unbound)
        inner = self.value(payloads, inner_head)
        if isinstance(inner, Unreadable):
            return inner
        return Maybe(tag, inner, none, unbound)

    def _scalar(self, values: list[Value | None], head: Value | None) -> Value:
        kinds = [k for v in values if v is not None and (k := kind_of(v)) is not None]
        old = head if isinstance(head, Scalar) and head.expr in self._own.names else None
        if old:
            kinds.append((old.kind, old.numpy))
        if ("b", True) in kinds and {k for k, _ in kinds} != {"b"}:
            # Python refuses minus of the one and not of the other; a joined number no longer tells them apart.
            return Unreadable("it is a numpy truth value or a number")
        kind, numpy = join_kinds({k for k, _ in kinds}), any(n for _, n in kinds)
        if old and (old.kind, old.numpy) == (kind, numpy):
            result = old
        else:
            bounds = [_int_bound(v) for v in values if v is not None]
            bound = INT_LIMIT if self.head is not None else max(bounds)
            result = Scalar(kind, self.ways.fresh(self.hint), numpy, bound)
        for index, value in enumerate(values):
            self.ways.assign(index, result.expr, _DEFAULTS[kind] if value is None else as_kind(value, kind))
        return result

    def _text(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        options: list[str] = list(head.options) if isinstance(head, StringChoice) else []
        for one in present:
            if isinstance(one, UnknownString) or (isinstance(one, Constant) and not isinstance(one.value, str)):
                return (
                    UnknownString() if isinstance(one, UnknownString) else Unreadable("its value is of several types")
                )
            new = one.options if isinstance(one, StringChoice) else (one.value,) if isinstance(one, Constant) else ()
            options.extend(o for o in new if o not in options)
        if isinstance(head, UnknownString) or len(options) > _OPTIONS_MAX:
            return UnknownString()
        reused = isinstance(head, StringChoice) and head.expr in self._own.names
        name = head.expr if isinstance(head, StringChoice) and reused else self.ways.fresh(self.hint)
        for index, value in enumerate(values):
            self.ways.assign(index, name, _option_index(value, options))
        return StringChoice(tuple(options), name)

    def _sequence(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        if all(isinstance(v, TupleValue) for v in present) and not isinstance(head, ObjectRef):
            first = present[0]
            assert isinstance(first, TupleValue)
            same = all(
                isinstance(v, TupleValue) and (v.type, len(v.items)) == (first.type, len(first.items)) for v in present
            )
            old = head if isinstance(head, TupleValue) and len(head.items) == len(first.items) else None
            if same:
                items = [
                    self.value(
                        [v.items[k] if isinstance(v, TupleValue) else None for v in values],
                        old.items[k] if old else None,
                    )
                    for k in range(len(first.items))
                ]
                broken = next((item for item in items if isinstance(item, Unreadable)), None)
                return broken or TupleValue(tuple(items), first.type)
        ids: list[int | None] = []
        for state, value in zip(self._states, values, strict=True):
            if isinstance(value, TupleValue):
                id = self.desk.new_object_id()
                state.heap[id] = FixedSequence(value.type, value.items)
                ids.append(id)
            else:
                ids.append(value.id if isinstance(value, ObjectRef) else None)
        return self._objects_as_one(ids, head)

    def _objects_as_one(self, ids: list[int | None], head: Value | None) -> Value:
        old = head.id if isinstance(head, ObjectRef) else None
        known = {i for i in ids if i is not None}
        if len(known) == 1 and (self.head is None or old in known):
            only = known.pop()
            self.visit(ObjectRef(only))
            return ObjectRef(only)
        key = tuple(ids)
        if key in self._done:
            return ObjectRef(self._done[key])
        for state, one in zip(self._states, ids, strict=True):
            if one is not None and _count_refs(state, one) > 1:
                _freeze(self.desk, state, one)
        if old is not None and old in self._own.ids:
            made = old
        else:
            made = self.desk.new_object_id()
            self._own.ids.add(made)
        self._done[key] = made
        self._work.append((made, ids, made if made == old else None))
        return ObjectRef(made)

    # -- objects

    def visit(self, thing: Any) -> None:
        """Join the contents of what a value refers to, under the same numbers."""
        for id in refs_of(thing):
            key = (id,) * len(self._states)
            if key not in self._done:
                self._done[key] = id
                self._work.append((id, [id] * len(self._states), id if self.head else None))

    def _objects(self) -> None:
        while self._work:
            id, ids, old = self._work.pop()
            self.hint = "item"
            contents = [
                None if i is None or not _has_object(state, i) else self.desk.content(i, state)
                for state, i in zip(self._states, ids, strict=True)
            ]
            head = self.desk.content(old, self.head) if self.head and old and _has_object(self.head, old) else None
            if self.head is not None and head is None:
                self.changed = True
            made = join_contents(self, contents, head, len(set(ids)) == 1)
            if head is not None and made != head:
                self.changed = True
            if made is not None:
                self._out.heap[id] = made


def _has_object(state: ProgramState, id: int) -> bool:
    return id in state.heap or id < MODULE_OBJECTS_MAX


def _option_index(value: Value | None, options: list[str]) -> str:
    """The number of a string among the options of a join, as code."""
    if isinstance(value, Constant):
        return str(options.index(value.value))
    if not isinstance(value, StringChoice):
        return "0"
    if tuple(options[: len(value.options)]) == value.options:
        return value.expr
    *firsts, last = [options.index(option) for option in value.options]
    tests = [f"{place} if {value.expr} == {k} else " for k, place in enumerate(firsts)]
    return f"({''.join(tests)}{last})"


def _int_bound(value: Value) -> float:
    if isinstance(value, Scalar):
        return value.bound
    return float(abs(value.value)) if isinstance(value, Constant) and isinstance(value.value, int) else INT_LIMIT


def _count_refs(state: ProgramState, id: int) -> int:
    """In how many places a state refers to an object."""
    places = [*state.variables.values(), *state.heap.values()]
    return sum(refs_of(place).count(id) for place in places)


def _freeze(desk: Emitter, state: ProgramState, id: int) -> None:
    content = desk.content(id, state)
    if isinstance(content, FixedSequence):
        state.heap[id] = FixedSequence(content.type, content.items, True)
    elif isinstance(content, ArraySequence):
        fields = (content.type, content.array, content.offset, content.length, content.stride, content.shape)
        state.heap[id] = ArraySequence(*fields, content.capacity, True)
    elif isinstance(content, (DictContents, ObjectFields)):
        state.heap[id] = InvalidContents("an object with two names was joined with another")
