"""Where ways of the program meet: what the names and objects are there, and the code on each way that makes it so.

A join is also how a loop's head is found (`head` holds what the last pass assumed), and how state that is kept
between calls is found: the whole function is a loop over calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from racer.reward.compile.values import (
    LIMIT,
    NONE,
    UNBOUND,
    Broken,
    CannotCompile,
    Choice,
    Const,
    Content,
    Dict,
    Fields,
    Function,
    Items,
    Key,
    Leaf,
    Maybe,
    Native,
    Poison,
    Rec,
    Ref,
    Scalar,
    Seq,
    Shape,
    State,
    Text,
    Tup,
    Unbound,
    Value,
    refs_of,
    width,
)

if TYPE_CHECKING:
    from racer.reward.compile.context import Buffer, Context

IMPORTED = 1_000_000
"""Objects of the module have smaller numbers than those that the function makes."""
_WORD = re.compile(r"[A-Za-z_]\w*")
_DEFAULT = {"b": "False", "i": "0", "f": "0.0", "n": "0.0"}
_KIND_OF = {bool: "b", int: "i", float: "f"}


def kind_of(value: Value) -> tuple[str, bool] | None:
    """Kind of a number and whether it is numpy's; None for what is no number."""
    if isinstance(value, Scalar):
        return value.kind, value.numpy
    if isinstance(value, Const) and type(value.value) in _KIND_OF:
        return _KIND_OF[type(value.value)], False
    return None


def join_kinds(kinds: set[str]) -> str:
    """The kind that holds all of these."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return "i" if kinds <= {"b", "i"} else "n"


def literal(value: bool | int | float) -> str:
    """A number as code."""
    if isinstance(value, float):
        if value != value:
            return "NAN"
        if value in (float("inf"), float("-inf")):
            return "INF" if value > 0 else "(-INF)"
    return f"({value!r})" if not isinstance(value, bool) and value < 0 else repr(value)


def as_kind(value: Value, kind: str) -> str:
    """A number as an expression of a wider kind."""
    if isinstance(value, Const):
        assert isinstance(value.value, (bool, int, float))
        if kind == "b":
            return literal(bool(value.value))
        return literal(int(value.value)) if kind == "i" else literal(float(value.value))
    assert isinstance(value, Scalar)
    if value.kind == kind or (value.kind in "fn" and kind in "fn"):
        return value.expr
    if value.kind == "b":
        return f"(1 if {value.expr} else 0)" if kind == "i" else f"(1.0 if {value.expr} else 0.0)"
    return f"int({value.expr})" if kind == "i" else f"float({value.expr})"


def shape_of(value: Value, context: Context, state: State | None = None) -> Shape | None:
    """The shape of a value as an element of a list; None where it has none."""
    kind = kind_of(value)
    if kind is not None:
        return Leaf(*kind)
    if isinstance(value, Tup):
        return _rec(value.type, value.items, context, state)
    if isinstance(value, Ref):
        content = context.content(value.id, state)
        if isinstance(content, Items):
            return _rec(content.type, content.items, context, state)
    return None


def _rec(type: str, items: tuple[Value, ...], context: Context, state: State | None) -> Shape | None:
    shapes = [shape_of(item, context, state) for item in items]
    if not shapes or any(s is None for s in shapes):
        return None
    return Rec(type, tuple(s for s in shapes if s is not None))


def join_shapes(one: Shape | None, two: Shape | None) -> Shape | None:
    """The shape that holds both; None where there is none."""
    if isinstance(one, Leaf) and isinstance(two, Leaf):
        return Leaf(join_kinds({one.kind, two.kind}), one.numpy or two.numpy)
    if isinstance(one, Rec) and isinstance(two, Rec) and one.type == two.type and len(one.items) == len(two.items):
        items = tuple(join_shapes(a, b) for a, b in zip(one.items, two.items, strict=True))
        if all(item is not None for item in items):
            return Rec(one.type, tuple(item for item in items if item is not None))
    return None


def leaves(value: Value, context: Context, state: State | None = None) -> list[Value]:
    """The numbers of an element."""
    if isinstance(value, Tup):
        return [leaf for item in value.items for leaf in leaves(item, context, state)]
    if isinstance(value, Ref):
        content = context.content(value.id, state)
        assert isinstance(content, Items)
        return [leaf for item in content.items for leaf in leaves(item, context, state)]
    return [value]


@dataclass
class Own:
    """What the joins of one loop's head have made."""

    names: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)


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
    """

    def __init__(
        self,
        context: Context,
        inputs: list[tuple[State, Buffer]],
        head: State | None = None,
        own: Own | None = None,
        drop: set[Key] | None = None,
        array: str = "M",
    ) -> None:
        self.context = context
        self.states = [state for state, _ in inputs]
        self.slots = [slot for _, slot in inputs]
        self.head = head
        self.own = own or Own()
        self.drop = drop or set()
        self.array = array
        self.changed = False
        self.out = State()
        self._assigns: list[list[tuple[str, str]]] = [[] for _ in inputs]
        self._copies: list[list[tuple[Content, Seq]]] = [[] for _ in inputs]
        self._work: list[tuple[int, list[int | None], int | None]] = []
        self._done: dict[tuple[int | None, ...], int] = {}
        self._hint = "t"

    def run(self) -> State:
        """Join, write the code, and return the state."""
        keys: dict[Key, None] = {}
        for state in [self.head, *self.states] if self.head else self.states:
            keys.update(dict.fromkeys(state.vars))
        for key in keys:
            if key in self.drop or not self.context.is_live(key):
                continue
            self._hint = key[1]
            values = [self.context.lookup(key, state) for state in self.states]
            head = self.context.lookup(key, self.head) if self.head else None
            value = self.value(list(values), head)
            if value != UNBOUND:
                self.out.vars[key] = value
        every = [self.head, *self.states] if self.head else self.states
        for id in {id for state in every for id in state.heap}:
            if id < IMPORTED or id in self.context.held:
                self._visit(Ref(id))
        self._objects()
        self._keep_unchanged(every)
        for index, slot in enumerate(self.slots):
            self._write(index, slot)
        return self.out

    def _keep_unchanged(self, every: list[State]) -> None:
        """Objects that no name refers to may be in use by the expression that is being translated."""
        first, *others = every
        for id, content in first.heap.items():
            if id not in self.out.heap and all(other.heap.get(id) == content for other in others):
                self.out.heap[id] = content

    # -- values

    def value(self, values: list[Value | None], head: Value | None) -> Value:
        """One value from several; None where a way has nothing to say."""
        present = [v for v in values if v is not None]
        if not present:
            return head if head is not None else NONE
        first = present[0]
        if all(v == first for v in present):
            whole = len(present) == len(values)
            if isinstance(first, (Const, Native, Function, Text, Unbound, Poison)) and not refs_of(first):
                if head is None or head == first:
                    return first
            elif (head is None and whole) or (head is not None and head == first):
                self._visit(first)
                return first
        result = self._joined(values, present, head)
        if head is not None and result != head:
            self.changed = True
        return result

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
        old = head if isinstance(head, Maybe) and head.tag in self.own.names else None
        tag = old.tag if old else self._fresh("tag")
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
            self._assign(index, tag, expr)
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
        old = head if isinstance(head, Scalar) and head.expr in self.own.names else None
        if old:
            kinds.append((old.kind, old.numpy))
        kind, numpy = join_kinds({k for k, _ in kinds}), any(n for _, n in kinds)
        if old and (old.kind, old.numpy) == (kind, numpy):
            result = old
        else:
            bounds = [_bound(v) for v in values if v is not None]
            bound = LIMIT if self.head is not None else max(bounds)
            result = Scalar(kind, self._fresh(self._hint), numpy, bound)
        for index, value in enumerate(values):
            self._assign(index, result.expr, _DEFAULT[kind] if value is None else as_kind(value, kind))
        return result

    def _text(self, values: list[Value | None], present: list[Value], head: Value | None) -> Value:
        options: list[str] = list(head.options) if isinstance(head, Choice) else []
        for value in present:
            if isinstance(value, Text) or (isinstance(value, Const) and not isinstance(value.value, str)):
                return Text() if isinstance(value, Text) else Poison("its value is of several types")
            new = value.options if isinstance(value, Choice) else (value.value,) if isinstance(value, Const) else ()
            options.extend(o for o in new if o not in options)
        if isinstance(head, Text) or len(options) > 32:
            return Text()
        reused = isinstance(head, Choice) and head.expr in self.own.names
        name = head.expr if isinstance(head, Choice) and reused else self._fresh(self._hint)
        for index, value in enumerate(values):  # type: ignore[assignment]
            expr = "0"
            if isinstance(value, Choice):
                expr = value.expr
                if tuple(options[: len(value.options)]) != value.options:
                    *firsts, last = [options.index(option) for option in value.options]
                    tests = [f"{place} if {value.expr} == {k} else " for k, place in enumerate(firsts)]
                    expr = f"({''.join(tests)}{last})"
            if isinstance(value, Const):
                expr = str(options.index(value.value))
            self._assign(index, name, expr)
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
        for state, value in zip(self.states, values, strict=True):
            if isinstance(value, Tup):
                self.context._ids += 1
                state.heap[self.context._ids] = Items(value.type, value.items)
                ids.append(self.context._ids)
            else:
                ids.append(value.id if isinstance(value, Ref) else None)
        return self._objects_as_one(ids, head)

    def _objects_as_one(self, ids: list[int | None], head: Value | None) -> Value:
        old = head.id if isinstance(head, Ref) else None
        known = {i for i in ids if i is not None}
        if len(known) == 1 and (self.head is None or old in known):
            id = known.pop()
            self._visit(Ref(id))
            return Ref(id)
        key = tuple(ids)
        if key in self._done:
            return Ref(self._done[key])
        for state, id in zip(self.states, ids, strict=True):  # type: ignore[assignment]
            if id is not None and _count(state, id) > 1:
                _freeze(self.context, state, id)
        if old is not None and old in self.own.ids:
            id = old
        else:
            id = self.context.new_id()
            self.own.ids.add(id)
        self._done[key] = id
        self._work.append((id, ids, id if id == old else None))
        return Ref(id)

    # -- objects

    def _visit(self, thing: Any) -> None:
        """Join the contents of what a value refers to, under the same numbers."""
        for id in refs_of(thing):
            key = (id,) * len(self.states)
            if key not in self._done:
                self._done[key] = id
                self._work.append((id, [id] * len(self.states), id if self.head else None))

    def _objects(self) -> None:
        while self._work:
            id, ids, old = self._work.pop()
            self._hint = "item"
            contents = [
                None if i is None or not self._knows(state, i) else self.context.content(i, state)
                for state, i in zip(self.states, ids, strict=True)
            ]
            head = self.context.content(old, self.head) if self.head and old and self._knows(self.head, old) else None
            if self.head is not None and head is None:
                self.changed = True
            made = self._content(contents, head, len(set(ids)) == 1)
            if head is not None and made != head:
                self.changed = True
            if made is not None:
                self.out.heap[id] = made

    def _knows(self, state: State, id: int) -> bool:
        return id in state.heap or id < IMPORTED

    def _content(self, contents: list[Content | None], head: Content | None, same: bool) -> Content | None:
        present = [c for c in contents if c is not None]
        if not present:
            return head
        first = present[0]
        whole = len(present) == len(contents)
        if all(c == first for c in present) and (head == first if self.head is not None else whole):
            self._visit(first)
            return first
        if isinstance(first, Dict) and all(isinstance(c, Dict) for c in present):
            return Dict(self._members(contents, head))
        if isinstance(first, Fields):
            same = all(isinstance(c, Fields) and (c.cls, c.name) == (first.cls, first.name) for c in present)
            if same:
                if first.cls is not None:
                    self._visit(first.cls)
                return Fields(self._members(contents, head), first.cls, first.name, first.bases)
        if all(isinstance(c, (Items, Seq)) for c in present):
            return self._list(contents, present, head, same)
        return Broken("an object is of several types")

    def _members(self, contents: list[Content | None], head: Content | None) -> tuple[tuple[Any, Value], ...]:
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
            self._hint = str(name)
            values = [None if table is None else table.get(name, UNBOUND) for table in tables]
            made.append((name, self.value(values, old.get(name, UNBOUND) if head is not None else None)))
        return tuple(made)

    def _list(
        self, contents: list[Content | None], present: list[Content], head: Content | None, same: bool
    ) -> Content:
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
                self.value(
                    [c.items[k] if isinstance(c, Items) else None for c in contents],
                    head.items[k] if isinstance(head, Items) else None,
                )
                for k in range(count)
            ]
            frozen = frozen or (isinstance(head, Items) and head.frozen)
            return Items(type, tuple(items), frozen)
        return self._grown(type, contents, head, frozen, same)

    def _grown(
        self, type: str, contents: list[Content | None], head: Content | None, frozen: bool, same: bool
    ) -> Content:
        """A list whose length differs: it moves into memory on every way that does not have it there."""
        shape: Shape | None = None
        every = [*zip(contents, self.states, strict=True)]
        if self.head is not None and head is not None:
            every.append((head, self.head))
        for content, state in every:
            for found in self._shapes(content, state):
                shape = found if shape is None else join_shapes(shape, found)
                if shape is None:
                    return Broken("the items of a list have several shapes")
        if shape is None:
            shape = Leaf("f")
        base = self._region(contents, head, width(shape), same)
        length = base.length
        if not isinstance(length, Scalar) or length.expr not in self.own.names:
            length = Scalar("i", self._fresh("length"), bound=float(base.capacity))
        size = width(shape)
        result = Seq(type, base.array, base.offset, length, size, shape, base.capacity, frozen or base.frozen)
        assert isinstance(result.length, Scalar)
        for index, content in enumerate(contents):
            if content is None:
                self._assign(index, result.length.expr, "0")
            elif isinstance(content, Seq):
                self._assign(index, result.length.expr, as_kind(content.length, "i"))
                if (content.array, content.offset) != (result.array, result.offset):
                    self._copies[index].append((content, result))
            elif isinstance(content, Items):
                self._assign(index, result.length.expr, str(len(content.items)))
                self._copies[index].append((content, result))
        return result

    def _region(self, contents: list[Content | None], head: Content | None, size: int, same: bool) -> Seq:
        """A region where the joined list can live: the head's, the common one, or a new one."""
        from racer.reward.compile.context import LIST_CAPACITY, STATE_CAPACITY

        arrays = (self.array, "S")
        if isinstance(head, Seq) and head.array in arrays and head.capacity and width(head.shape) == size:
            return head
        seqs = [c for c in contents if c is not None]
        first = seqs[0]
        if same and isinstance(first, Seq) and first.capacity and self.array == "M":
            place = (first.array, first.offset, size)
            if all(isinstance(c, Seq) and (c.array, c.offset, width(c.shape)) == place for c in seqs):
                return first
        capacity = LIST_CAPACITY if self.array == "M" else STATE_CAPACITY
        offset = self.context.region(self._fresh("region"), capacity * size, self.array)
        return Seq("list", self.array, str(offset), NONE, size, Leaf("f"), capacity)

    def _shapes(self, content: Content | None, state: State) -> list[Shape | None]:
        if isinstance(content, Seq):
            return [content.shape]
        if isinstance(content, Items):
            return [shape_of(item, self.context, state) for item in content.items]
        return []

    # -- code

    def _fresh(self, hint: str) -> str:
        name = self.context.name(hint)
        self.context.join_vars.add(name)
        self.own.names.add(name)
        return name

    def _assign(self, index: int, name: str, expr: str) -> None:
        if name != expr:
            self._assigns[index].append((name, expr))

    def _write(self, index: int, slot: Buffer) -> None:
        """All at once: an expression that reads a name assigned here is computed first."""
        saved, self.context.b = self.context.b, slot
        try:
            targets = {(seq.array, seq.offset) for _, seq in self._copies[index]}
            for content, seq in self._copies[index]:
                if isinstance(content, Seq) and (content.array, content.offset) in targets:
                    raise CannotCompile("lists change places", self.context.line)
                copy_into(self.context, content, seq, self.states[index])
            names = {name for name, _ in self._assigns[index]}
            later: list[tuple[str, str]] = []
            for name, expr in self._assigns[index]:
                if any(word in names for word in _WORD.findall(expr)):
                    later.append((name, self.context.temp(expr)))
                else:
                    later.append((name, expr))
            for name, expr in later:
                self.context.write(f"{name} = {expr}")
        finally:
            self.context.b = saved


def copy_into(context: Context, content: Content, seq: Seq, state: State) -> None:
    """Write code that copies a sequence's elements to the beginning of a region."""
    size = width(seq.shape)
    kinds = _kinds(seq.shape)
    if isinstance(content, Items):
        if len(content.items) > seq.capacity:
            raise CannotCompile("a list is too long", context.line)
        base = int(seq.offset)
        for k, item in enumerate(content.items):
            for j, (leaf, _) in enumerate(zip(leaves(item, context, state), kinds, strict=True)):
                context.write(f"{seq.array}[{base + k * size + j}] = {as_kind(leaf, 'f')}")
        return
    assert isinstance(content, Seq)
    length = as_kind(content.length, "i")
    if not isinstance(content.length, Const):
        context.trap_if(f"{length} > {seq.capacity}", 2)
    elif content.length.value > seq.capacity:
        raise CannotCompile("a list is too long", context.line)
    index = context.name("j")
    context.write(f"{index} = 0")
    body: Buffer = [f"if {index} >= {length}: break"]
    for j in range(size):
        source = f"{content.array}[{context.address(content, index)} + {j}]"
        body.append(f"{seq.array}[{seq.offset} + {size} * {index} + {j}] = {source}")
    body.append(f"{index} += 1")
    context.b.append(("while", "True", body))


def _kinds(shape: Shape) -> list[str]:
    return [shape.kind] if isinstance(shape, Leaf) else [k for item in shape.items for k in _kinds(item)]


def _bound(value: Value) -> float:
    if isinstance(value, Scalar):
        return value.bound
    return float(abs(value.value)) if isinstance(value, Const) and isinstance(value.value, int) else LIMIT


def _count(state: State, id: int) -> int:
    """In how many places a state refers to an object."""
    places = [*state.vars.values(), *state.heap.values()]
    return sum(refs_of(place).count(id) for place in places)


def _freeze(context: Context, state: State, id: int) -> None:
    content = context.content(id, state)
    if isinstance(content, Items):
        state.heap[id] = Items(content.type, content.items, True)
    elif isinstance(content, Seq):
        fields = (content.type, content.array, content.offset, content.length, content.stride, content.shape)
        state.heap[id] = Seq(*fields, content.capacity, True)
    elif isinstance(content, (Dict, Fields)):
        state.heap[id] = Broken("an object with two names was joined with another")
