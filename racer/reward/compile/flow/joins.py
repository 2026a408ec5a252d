"""Where ways of the program meet: what the names and objects are there, and the code on each way that makes it so.

A join is also how a loop's head is found (`head` holds what the last pass assumed), and how state that is kept
between calls is found: the whole function is a loop over calls.
"""

from __future__ import annotations

from typing import Any

from racer.reward.compile.desk.desk import Desk
from racer.reward.compile.desk.lines import Buffer
from racer.reward.compile.desk.names import is_live
from racer.reward.compile.flow.join_code import Own, Ways
from racer.reward.compile.flow.join_contents import join_contents
from racer.reward.compile.values.heap import IMPORTED, Broken, Dict, Fields, Items, Key, Seq, State, refs_of
from racer.reward.compile.values.kinds import as_kind, join_kinds, kind_of
from racer.reward.compile.values.value import (
    LIMIT,
    NONE,
    UNBOUND,
    Choice,
    Const,
    Function,
    Maybe,
    Native,
    Poison,
    Ref,
    Scalar,
    Text,
    Tup,
    Unbound,
    Value,
)

_DEFAULT = {"b": "False", "i": "0", "f": "0.0", "n": "0.0"}
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
        desk: Desk,
        inputs: list[tuple[State, Buffer]],
        head: State | None = None,
        own: Own | None = None,
        drop: set[Key] | None = None,
        array: str = "M",
    ) -> None:
        self.desk = desk
        self.ways = Ways(desk, inputs, own or Own())
        self.head = head
        self.array = array
        self.changed = False
        self.hint = "t"
        self._own = self.ways.own
        self._states = self.ways.states
        self._drop = drop or set()
        self._out = State()
        self._work: list[tuple[int, list[int | None], int | None]] = []
        self._done: dict[tuple[int | None, ...], int] = {}

    def run(self) -> State:
        """Join, write the code, and return the state."""
        keys: dict[Key, None] = {}
        every = [self.head, *self._states] if self.head else self._states
        for state in every:
            keys.update(dict.fromkeys(state.vars))
        for key in keys:
            if key in self._drop or not is_live(self.desk, key):
                continue
            self.hint = key[1]
            values = [self.desk.lookup(key, state) for state in self._states]
            head = self.desk.lookup(key, self.head) if self.head else None
            value = self.value(list(values), head)
            if value != UNBOUND:
                self._out.vars[key] = value
        for id in {id for state in every for id in state.heap}:
            if id < IMPORTED or id in self.desk.held:
                self.visit(Ref(id))
        self._objects()
        self._keep_unchanged(every)
        self.ways.write()
        return self._out

    def _keep_unchanged(self, every: list[State]) -> None:
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
            if isinstance(first, (Const, Native, Function, Text, Unbound, Poison)) and not refs_of(first):
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
        elif isinstance(head, Tup):
            for item in head.items:
                self._nowhere(item)
        elif isinstance(head, Ref):
            self.visit(head)
        name = head.tag if isinstance(head, Maybe) else head.expr if isinstance(head, (Scalar, Choice)) else ""
        if name in self._own.names:
            for index in range(len(self._states)):
                self.ways.assign(index, name, _DEFAULT[head.kind] if isinstance(head, Scalar) else "0")
        return head

    def _joined(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        if any(isinstance(v, Poison) for v in present):
            return next(v for v in present if isinstance(v, Poison))
        holes = any(isinstance(v, (Maybe, Unbound)) or v == NONE for v in present)
        if holes or isinstance(head, Maybe):
            return self._maybe(values, present, head)
        if all(kind_of(v) is not None for v in present):
            return self._scalar(values, head)
        if all(isinstance(v, (Choice, Const, Text)) for v in present):
            return self._text(values, present, head)
        if all(isinstance(v, (Ref, Tup)) for v in present):
            return self._sequence(values, present, head)
        if all(v == present[0] for v in present) and not isinstance(present[0], (Scalar, Ref)):
            return present[0]
        return Poison("its value is of several types")

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
        if isinstance(inner, Poison):
            return inner
        return Maybe(tag, inner, none, unbound)

    def _scalar(self, values: list[Value | None], head: Value | None) -> Value:
        kinds = [k for v in values if v is not None and (k := kind_of(v)) is not None]
        old = head if isinstance(head, Scalar) and head.expr in self._own.names else None
        if old:
            kinds.append((old.kind, old.numpy))
        if ("b", True) in kinds and {k for k, _ in kinds} != {"b"}:
            # Python refuses minus of the one and not of the other; a joined number no longer tells them apart.
            return Poison("it is a numpy truth value or a number")
        kind, numpy = join_kinds({k for k, _ in kinds}), any(n for _, n in kinds)
        if old and (old.kind, old.numpy) == (kind, numpy):
            result = old
        else:
            bounds = [_bound(v) for v in values if v is not None]
            bound = LIMIT if self.head is not None else max(bounds)
            result = Scalar(kind, self.ways.fresh(self.hint), numpy, bound)
        for index, value in enumerate(values):
            self.ways.assign(index, result.expr, _DEFAULT[kind] if value is None else as_kind(value, kind))
        return result

    def _text(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        options: list[str] = list(head.options) if isinstance(head, Choice) else []
        for one in present:
            if isinstance(one, Text) or (isinstance(one, Const) and not isinstance(one.value, str)):
                return Text() if isinstance(one, Text) else Poison("its value is of several types")
            new = one.options if isinstance(one, Choice) else (one.value,) if isinstance(one, Const) else ()
            options.extend(o for o in new if o not in options)
        if isinstance(head, Text) or len(options) > _OPTIONS_MAX:
            return Text()
        reused = isinstance(head, Choice) and head.expr in self._own.names
        name = head.expr if isinstance(head, Choice) and reused else self.ways.fresh(self.hint)
        for index, value in enumerate(values):
            self.ways.assign(index, name, _option(value, options))
        return Choice(tuple(options), name)

    def _sequence(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        if all(isinstance(v, Tup) for v in present) and not isinstance(head, Ref):
            first = present[0]
            assert isinstance(first, Tup)
            same = all(isinstance(v, Tup) and (v.type, len(v.items)) == (first.type, len(first.items)) for v in present)
            old = head if isinstance(head, Tup) and len(head.items) == len(first.items) else None
            if same:
                items = [
                    self.value(
                        [v.items[k] if isinstance(v, Tup) else None for v in values], old.items[k] if old else None
                    )
                    for k in range(len(first.items))
                ]
                broken = next((item for item in items if isinstance(item, Poison)), None)
                return broken or Tup(tuple(items), first.type)
        ids: list[int | None] = []
        for state, value in zip(self._states, values, strict=True):
            if isinstance(value, Tup):
                id = self.desk.new_id()
                state.heap[id] = Items(value.type, value.items)
                ids.append(id)
            else:
                ids.append(value.id if isinstance(value, Ref) else None)
        return self._objects_as_one(ids, head)

    def _objects_as_one(self, ids: list[int | None], head: Value | None) -> Value:
        old = head.id if isinstance(head, Ref) else None
        known = {i for i in ids if i is not None}
        if len(known) == 1 and (self.head is None or old in known):
            only = known.pop()
            self.visit(Ref(only))
            return Ref(only)
        key = tuple(ids)
        if key in self._done:
            return Ref(self._done[key])
        for state, one in zip(self._states, ids, strict=True):
            if one is not None and _count(state, one) > 1:
                _freeze(self.desk, state, one)
        if old is not None and old in self._own.ids:
            made = old
        else:
            made = self.desk.new_id()
            self._own.ids.add(made)
        self._done[key] = made
        self._work.append((made, ids, made if made == old else None))
        return Ref(made)

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
                None if i is None or not _knows(state, i) else self.desk.content(i, state)
                for state, i in zip(self._states, ids, strict=True)
            ]
            head = self.desk.content(old, self.head) if self.head and old and _knows(self.head, old) else None
            if self.head is not None and head is None:
                self.changed = True
            made = join_contents(self, contents, head, len(set(ids)) == 1)
            if head is not None and made != head:
                self.changed = True
            if made is not None:
                self._out.heap[id] = made


def _knows(state: State, id: int) -> bool:
    return id in state.heap or id < IMPORTED


def _option(value: Value | None, options: list[str]) -> str:
    """The number of a string among the options of a join, as code."""
    if isinstance(value, Const):
        return str(options.index(value.value))
    if not isinstance(value, Choice):
        return "0"
    if tuple(options[: len(value.options)]) == value.options:
        return value.expr
    *firsts, last = [options.index(option) for option in value.options]
    tests = [f"{place} if {value.expr} == {k} else " for k, place in enumerate(firsts)]
    return f"({''.join(tests)}{last})"


def _bound(value: Value) -> float:
    if isinstance(value, Scalar):
        return value.bound
    return float(abs(value.value)) if isinstance(value, Const) and isinstance(value.value, int) else LIMIT


def _count(state: State, id: int) -> int:
    """In how many places a state refers to an object."""
    places = [*state.vars.values(), *state.heap.values()]
    return sum(refs_of(place).count(id) for place in places)


def _freeze(desk: Desk, state: State, id: int) -> None:
    content = desk.content(id, state)
    if isinstance(content, Items):
        state.heap[id] = Items(content.type, content.items, True)
    elif isinstance(content, Seq):
        fields = (content.type, content.array, content.offset, content.length, content.stride, content.shape)
        state.heap[id] = Seq(*fields, content.capacity, True)
    elif isinstance(content, (Dict, Fields)):
        state.heap[id] = Broken("an object with two names was joined with another")
