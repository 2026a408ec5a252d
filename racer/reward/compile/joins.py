"""Joins: the values of names and objects where paths of the program meet, and the code on each path that assigns them.

**After an if/else**, a name has one value on each path. Equal constants stay what they are. Of different numbers the
join makes a variable that both paths assign, of the kind that holds both:

    if params['speed'] > 2.0:       if (t_1 > 2.0):
        x = 1                           x_2 = 1.0         # path 0: Constant(1), kind i
    else:                           else:
        x = 0.5                         x_2 = 0.5         # path 1: Constant(0.5), kind f
    return x                        reward = x_2          # after: Scalar("n", "x_2")

A name that may be None, or may have no value, becomes a `Maybe`: a second variable, its tag, says which it is.

    if params['speed'] > 2.0:       if (t_1 > 2.0):
        x = 1.5                         tag_2 = 0; x_3 = 1.5
    else:                           else:
        x = None                        tag_2 = 1; x_3 = 0.0

Objects are joined under their ids: members one by one, lists item by item while their lengths agree; otherwise each
path copies its list into one region of memory, and the length becomes a variable.

**At a loop's head** the paths are the entry and the end of every iteration, which is not translated yet. So the
body is translated for an assumed head, and the join checks whether the assumption holds; if not, its result is the next
assumption. Kinds only widen and lists only move to memory, so it converges in a few passes:

    x = 1                           x_6 = 1.0             # entry
    for k in range(n):              while True:
        x = x * 0.5                     ...
                                        t_8 = (x_6 * 0.5)
                                        x_6 = t_8         # end of an iteration

    pass 1 assumes x = Constant(1)       it ends with Constant(0.5)    join: Scalar("n", "x_6"), changed
    pass 2 assumes x = Scalar("n", x_6)  it ends with t_8, kind f      join: Scalar("n", "x_6"), as assumed

State that is kept between calls is found in the same way: the whole function is the body of a loop over calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from racer.reward.compile import values as ir
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
from racer.reward.compile.values import Value

# Contents of one object at the end of each path; None where the object does not exist on a path.
ContentsByPath = Sequence[ir.Content | None]
# One value at the end of each path; None where a path does not have it, as the payload of a name that is None there.
ValuesByPath = Sequence[Value | None]
_SEVERAL_TYPES = "its value is of several types"
# Values of variables on a path that gives them none; they are never read there.
_DEFAULTS = {"b": "False", "i": "0", "f": "0.0", "n": "0.0"}
# Strings that are kept as a number; more of them become a string whose text is not tracked.
_OPTIONS_MAX = 32


class Joiner:
    """One join.

    Args:
        emitter: Writes the code.
        inputs: State at the end of each path, and the slot where code can be added there.
        head: For a loop, the state that the last pass assumed at its head.
        loop_variables: Names and objects that earlier passes of the same loop made; only those are used again.
        drop: Names that are left out.
        array: Where grown lists lie: `M`, or `S` for what is kept between calls.

    Attributes:
        changed: Whether the result is not `head`.
        paths: The paths, and what is written on each.
        hint: First part of the name of a new variable.
    """

    def __init__(
        self,
        emitter: Emitter,
        inputs: list[tuple[ir.ProgramState, Buffer]],
        head: ir.ProgramState | None = None,
        loop_variables: LoopVariables | None = None,
        drop: set[ir.VariableKey] | None = None,
        array: str = "M",
    ) -> None:
        self.emitter = emitter
        self.loop_variables = loop_variables or LoopVariables()
        self.paths = JoinInputs(emitter, inputs, self.loop_variables)
        self.head = head
        self.array = array
        self.changed = False
        self.hint = "t"
        self._states = self.paths.states
        self._drop = drop or set()
        self._result = ir.ProgramState()
        # Objects whose contents are still to be joined: new id, id on each path, id in the head.
        self._pending: list[tuple[int, list[int | None], int | None]] = []
        # Ids on each path -> id of the joined object. Two names of one object stay two names of one object.
        self._joined_ids: dict[tuple[int | None, ...], int] = {}

    def run(self) -> ir.ProgramState:
        """Join, write the code of each path, and return the state after the join."""
        states = [self.head, *self._states] if self.head else self._states
        # Dicts, not sets: the order of the names decides the names of new variables.
        for key in {key: None for state in states for key in state.variables}:
            if key in self._drop or not is_live(self.emitter, key):
                continue
            self.hint = key[1]
            values = [self.emitter.lookup(key, state) for state in self._states]
            value = self.join(values, self.emitter.lookup(key, self.head) if self.head else None)
            if value != ir.UNBOUND:
                self._result.variables[key] = value
        # Objects of the module exist without a name of this state; pinned ones are in use by an open comprehension.
        for id in {id for state in states for id in state.heap}:
            if id < ir.MODULE_OBJECTS_MAX or id in self.emitter.pinned:
                self.keep_objects(ir.ObjectRef(id))
        self._join_objects()
        # Objects that no name refers to may be in use by the expression that is being translated.
        first, *others = states
        for id, content in first.heap.items():
            if id not in self._result.heap and all(other.heap.get(id) == content for other in others):
                self._result.heap[id] = content
        self.paths.write()
        return self._result

    # -- values

    def join(self, values: ValuesByPath, head: Value | None) -> Value:
        """Join one value.

        Args:
            values: The value on each path.
            head: For a loop, the value that the last pass assumed.
        """
        present = [v for v in values if v is not None]
        if not present:
            return ir.NONE if head is None else self._keep_assumed(head)
        first = present[0]
        # Equal values. A constant needs no code even where a path does not have it; an expression must be the same
        # variable on all paths, and in a loop the one that the head assumed.
        if all(v == first for v in present):
            needs_no_code = isinstance(
                first, (ir.Constant, ir.Builtin, ir.UserFunction, ir.UnknownString, ir.Unbound, ir.Unreadable)
            )
            if needs_no_code and not ir.refs_of(first):
                if head is None or head == first:
                    return first
            elif (head is None and len(present) == len(values)) or (head is not None and head == first):
                self.keep_objects(first)
                return first
        result = self._join_different(values, present, head)
        if head is not None and result != head:
            self.changed = True
        return result

    def _keep_assumed(self, head: Value) -> Value:
        """Return what the last pass assumed and no path leads to: its variables still have to exist."""
        name = ""
        for part in ir.parts_of(head):
            self._keep_assumed(part)
        if isinstance(head, ir.Maybe):
            name = head.tag
        elif isinstance(head, ir.ObjectRef):
            self.keep_objects(head)
        elif isinstance(head, (ir.Scalar, ir.StringChoice)):
            name = head.expr
        if name in self.loop_variables.names:
            for index in range(len(self._states)):
                self.paths.assign(index, name, _DEFAULTS[head.kind] if isinstance(head, ir.Scalar) else "0")
        return head

    def _join_different(self, values: ValuesByPath, present: list[Value], head: Value | None) -> Value:
        unreadable = next((v for v in present if isinstance(v, ir.Unreadable)), None)
        if unreadable is not None:
            return unreadable
        if isinstance(head, ir.Maybe) or any(isinstance(v, (ir.Maybe, ir.Unbound)) or v == ir.NONE for v in present):
            return self._join_maybe(values, present, head)
        if all(ir.kind_of(v) is not None for v in present):
            return self._join_numbers(values, present, head)
        if all(isinstance(v, (ir.StringChoice, ir.Constant, ir.UnknownString)) for v in present):
            return self._join_strings(values, present, head)
        if all(isinstance(v, (ir.ObjectRef, ir.TupleValue)) for v in present):
            return self._join_sequences(values, present, head)
        if all(v == present[0] for v in present) and not isinstance(present[0], (ir.Scalar, ir.ObjectRef)):
            return present[0]
        return ir.Unreadable(_SEVERAL_TYPES)

    def _variable(self, assumed: str, hint: str) -> str:
        """Return the variable that the last pass assumed, if the joins of this loop made it; else a new one."""
        return assumed if assumed in self.loop_variables.names else self.paths.new_variable(hint)

    def _join_maybe(self, values: ValuesByPath, present: list[Value], head: Value | None) -> Value:
        tag = self._variable(head.tag if isinstance(head, ir.Maybe) else "", "tag")
        tagged = [v for v in (*present, head) if isinstance(v, ir.Maybe)]
        none = any(v.none for v in tagged) or ir.NONE in present
        unbound = any(v.unbound for v in tagged) or ir.UNBOUND in present
        payloads: list[Value | None] = []
        for index, value in enumerate(values):
            payload, code = value, "0"
            if isinstance(value, ir.Maybe):
                payload, code = value.value, value.tag
            elif value == ir.NONE or isinstance(value, ir.Unbound):
                payload, code = None, "1" if value == ir.NONE else "2"
            payloads.append(payload)
            self.paths.assign(index, tag, code)
        # The payloads are joined like any values; paths on which the tag is not 0 have none.
        assumed = head.value if isinstance(head, ir.Maybe) else head
        assumed = None if assumed == ir.NONE or isinstance(assumed, ir.Unbound) else assumed
        if assumed is None and all(p is None for p in payloads):
            return ir.Maybe(tag, None, none, unbound)
        inner = self.join(payloads, assumed)
        return inner if isinstance(inner, ir.Unreadable) else ir.Maybe(tag, inner, none, unbound)

    def _join_numbers(self, values: ValuesByPath, present: list[Value], head: Value | None) -> Value:
        kinds = [k for v in present if (k := ir.kind_of(v)) is not None]
        old = head if isinstance(head, ir.Scalar) and head.expr in self.loop_variables.names else None
        if old:
            kinds.append((old.kind, old.numpy))
        if ("b", True) in kinds and {k for k, _ in kinds} != {"b"}:
            # Python refuses minus of the first and not of the second; a joined number may be either.
            return ir.Unreadable("it is a numpy truth value or a number")
        kind, numpy = ir.join_kinds({k for k, _ in kinds}), any(n for _, n in kinds)
        result = old
        if result is None or (result.kind, result.numpy) != (kind, numpy):
            # In a loop the bound may grow with each iteration.
            bound = ir.INT_LIMIT if self.head is not None else max(_int_bound(v) for v in present)
            result = ir.Scalar(kind, self.paths.new_variable(self.hint), numpy, bound)
        for index, value in enumerate(values):
            self.paths.assign(index, result.expr, _DEFAULTS[kind] if value is None else ir.as_kind(value, kind))
        return result

    def _join_strings(self, values: ValuesByPath, present: list[Value], head: Value | None) -> Value:
        # The head's options come first, so that their numbers stay.
        options: list[str] = list(head.options) if isinstance(head, ir.StringChoice) else []
        for value in present:
            if isinstance(value, ir.StringChoice):
                new = value.options
            elif isinstance(value, ir.Constant) and isinstance(value.value, str):
                new = (value.value,)
            else:
                return value if isinstance(value, ir.UnknownString) else ir.Unreadable(_SEVERAL_TYPES)
            options.extend(o for o in new if o not in options)
        if isinstance(head, ir.UnknownString) or len(options) > _OPTIONS_MAX:
            return ir.UnknownString()
        name = self._variable(head.expr if isinstance(head, ir.StringChoice) else "", self.hint)
        for index, text in enumerate(values):
            self.paths.assign(index, name, _option_index(text, options))
        return ir.StringChoice(tuple(options), name)

    def _join_sequences(self, values: ValuesByPath, present: list[Value], head: Value | None) -> Value:
        tuples = [v for v in present if isinstance(v, ir.TupleValue)]
        same = len(tuples) == len(present) and len({(v.type, len(v.items)) for v in tuples}) == 1
        if same and not isinstance(head, ir.ObjectRef):
            first = tuples[0]
            old = head if isinstance(head, ir.TupleValue) and len(head.items) == len(first.items) else None
            items = self.join_items(values, old, len(first.items))
            unreadable = next((item for item in items if isinstance(item, ir.Unreadable)), None)
            return unreadable or ir.TupleValue(items, first.type)
        ids: list[int | None] = []
        # A tuple, or a small array, meets a list: give it an id on its path, and join objects.
        for state, value in zip(self._states, values, strict=True):
            if isinstance(value, ir.TupleValue):
                id = self.emitter.new_object_id()
                state.heap[id] = ir.FixedSequence(value.type, value.items)
                ids.append(id)
            else:
                ids.append(value.id if isinstance(value, ir.ObjectRef) else None)
        return self._merge_objects(ids, head)

    def join_items(self, sequences: Sequence[Any], head: Any, count: int) -> tuple[Value, ...]:
        """Join sequences of `count` items, item by item; a path or head without such a sequence has no items."""

        def item(sequence: Any, k: int) -> Value | None:
            return sequence.items[k] if isinstance(sequence, (ir.TupleValue, ir.FixedSequence)) else None

        return tuple(self.join([item(s, k) for s in sequences], item(head, k)) for k in range(count))

    def _merge_objects(self, ids: list[int | None], head: Value | None) -> Value:
        """Return the joined object for the objects of the paths."""
        old = head.id if isinstance(head, ir.ObjectRef) else None
        known = {i for i in ids if i is not None}
        if len(known) == 1 and (self.head is None or old in known):
            ref = ir.ObjectRef(known.pop())
            self.keep_objects(ref)
            return ref
        key = tuple(ids)
        if key not in self._joined_ids:
            for state, id in zip(self._states, ids, strict=True):
                # The joined object is a copy; another name of the original would not see a change of it.
                if id is not None and _count_refs(state, id) > 1:
                    _freeze(self.emitter, state, id)
            reused = old is not None and old in self.loop_variables.ids
            merged = old if old is not None and reused else self.emitter.new_object_id()
            self.loop_variables.ids.add(merged)
            self._joined_ids[key] = merged
            self._pending.append((merged, ids, merged if reused else None))
        return ir.ObjectRef(self._joined_ids[key])

    # -- objects

    def keep_objects(self, holder: Any) -> None:
        """Join the contents of the objects that a value, or a content, refers to, under the same ids."""
        for id in ir.refs_of(holder):
            key = (id,) * len(self._states)
            if key not in self._joined_ids:
                self._joined_ids[key] = id
                self._pending.append((id, [id] * len(self._states), id if self.head else None))

    def _join_objects(self) -> None:
        # Joining contents may bring up further objects; each pair of ids is joined once, so cycles end.
        while self._pending:
            id, ids, old = self._pending.pop()
            self.hint = "item"
            contents = [self._content(i, state) for state, i in zip(self._states, ids, strict=True)]
            head = self._content(old, self.head) if self.head else None
            if self.head is not None and head is None:
                self.changed = True
            content = join_contents(self, contents, head, len(set(ids)) == 1)
            if head is not None and content != head:
                self.changed = True
            if content is not None:
                self._result.heap[id] = content

    def _content(self, id: int | None, state: ir.ProgramState) -> ir.Content | None:
        if id is None or (id not in state.heap and id >= ir.MODULE_OBJECTS_MAX):
            return None
        return self.emitter.content(id, state)


def join_contents(joiner: Joiner, contents: ContentsByPath, head: ir.Content | None, same: bool) -> ir.Content | None:
    """Join the contents of one object.

    Args:
        joiner: The join.
        contents: Contents of the object on each path.
        head: For a loop, the contents that the last pass assumed.
        same: It is one object on all paths, not several that become one.
    """
    present = [c for c in contents if c is not None]
    if not present:
        return None if head is None else _keep_assumed_contents(joiner, len(contents), head)
    first = present[0]
    whole = len(present) == len(contents)
    if all(c == first for c in present) and (head == first if joiner.head is not None else whole):
        joiner.keep_objects(first)
        return first
    if isinstance(first, ir.DictContents) and all(isinstance(c, ir.DictContents) for c in present):
        return ir.DictContents(_join_members(joiner, contents, head))
    if isinstance(first, ir.ObjectFields) and all(
        isinstance(c, ir.ObjectFields) and (c.cls, c.name) == (first.cls, first.name) for c in present
    ):
        joiner.keep_objects(first.cls)
        return replace(first, items=_join_members(joiner, contents, head))
    lists = [c for c in present if isinstance(c, (ir.FixedSequence, ir.ArraySequence))]
    if len(lists) == len(present):
        return _join_lists(joiner, contents, lists, head, same)
    return ir.Unreadable("an object is of several types")


def _keep_assumed_contents(joiner: Joiner, n_paths: int, head: ir.Content) -> ir.Content:
    """Return what the last pass assumed and no path leads to: its variables still have to exist."""
    for value in ir.parts_of(head):
        joiner.join([None] * n_paths, value)
    return head


def _join_members(joiner: Joiner, contents: ContentsByPath, head: ir.Content | None) -> tuple[tuple[Any, Value], ...]:
    tables = [dict(c.items) if isinstance(c, (ir.DictContents, ir.ObjectFields)) else None for c in contents]
    old: dict[Any, Value] = dict(head.items) if isinstance(head, (ir.DictContents, ir.ObjectFields)) else {}
    members = []
    for name in {name: None for table in (*tables, old) for name in table or ()}:
        joiner.hint = str(name)
        values = [None if table is None else table.get(name, ir.UNBOUND) for table in tables]
        members.append((name, joiner.join(values, old.get(name, ir.UNBOUND) if head is not None else None)))
    return tuple(members)


def _join_lists(
    joiner: Joiner,
    contents: ContentsByPath,
    present: list[ir.FixedSequence | ir.ArraySequence],
    head: ir.Content | None,
    same: bool,
) -> ir.Content:
    type = present[0].type
    if any(c.type != type for c in present):
        return ir.Unreadable("a sequence is of several types")
    frozen = any(c.frozen for c in present)
    # -1 marks a list in an array, whose length may not be known.
    lengths = {len(c.items) if isinstance(c, ir.FixedSequence) else -1 for c in present}
    count = lengths.pop()
    if lengths or count < 0 or not (head is None or (isinstance(head, ir.FixedSequence) and len(head.items) == count)):
        return _join_in_memory(joiner, type, contents, head, frozen, same)
    items = joiner.join_items(contents, head, count)
    return ir.FixedSequence(type, items, frozen or (isinstance(head, ir.FixedSequence) and head.frozen))


def _join_in_memory(
    joiner: Joiner, type: str, contents: ContentsByPath, head: ir.Content | None, frozen: bool, same: bool
) -> ir.Content:
    """Join a list whose length differs: it moves into memory on every path that does not have it there."""
    paths = joiner.paths
    shape: ir.Shape | None = None
    inputs = [*zip(contents, paths.states, strict=True)]
    if joiner.head is not None and head is not None:
        inputs.append((head, joiner.head))
    for content, state in inputs:
        for element in _element_shapes(joiner.emitter, content, state):
            shape = element if shape is None else ir.join_shapes(shape, element)
            if shape is None:
                return ir.Unreadable("the items of a list have several shapes")
    shape = shape or ir.NumberShape("f")
    size = ir.shape_width(shape)
    base = _list_region(joiner, contents, head, size, same)
    length = base.length
    if not isinstance(length, ir.Scalar) or length.expr not in joiner.loop_variables.names:
        length = ir.Scalar("i", paths.new_variable("length"), bound=float(base.capacity))
    frozen = frozen or base.frozen
    result = replace(base, type=type, length=length, stride=size, shape=shape, frozen=frozen)
    for index, content in enumerate(contents):
        count = "0"
        if isinstance(content, ir.ArraySequence):
            count = ir.as_kind(content.length, "i")
            if (content.array, content.offset) != (result.array, result.offset):
                paths.copy(index, content, result)
        elif isinstance(content, ir.FixedSequence):
            count = str(len(content.items))
            paths.copy(index, content, result)
        paths.assign(index, length.expr, count)
    return result


def _list_region(
    joiner: Joiner, contents: ContentsByPath, head: ir.Content | None, size: int, same: bool
) -> ir.ArraySequence:
    """Return a region where the joined list can lie: the head's, the one that all paths share, or a new one."""
    arrays = (joiner.array, "S")
    if (
        isinstance(head, ir.ArraySequence)
        and head.array in arrays
        and head.capacity
        and ir.shape_width(head.shape) == size
    ):
        return head
    seqs = [c for c in contents if c is not None]
    first = seqs[0]
    if same and isinstance(first, ir.ArraySequence) and first.capacity and joiner.array == "M":
        place = (first.array, first.offset, size)
        if all(isinstance(c, ir.ArraySequence) and (c.array, c.offset, ir.shape_width(c.shape)) == place for c in seqs):
            return first
    capacity = LIST_CAPACITY if joiner.array == "M" else STATE_CAPACITY
    # The new name makes a site that no other join has.
    offset = joiner.emitter.region(joiner.paths.new_variable("region"), capacity * size, joiner.array)
    return ir.ArraySequence("list", joiner.array, str(offset), ir.NONE, size, ir.NumberShape("f"), capacity)


def _element_shapes(emitter: Emitter, content: ir.Content | None, state: ir.ProgramState) -> list[ir.Shape | None]:
    if isinstance(content, ir.ArraySequence):
        return [content.shape]
    if isinstance(content, ir.FixedSequence):
        return [shape_of(item, emitter, state) for item in content.items]
    return []


def _option_index(value: Value | None, options: list[str]) -> str:
    """Return the number of a string among the options of a join, as code."""
    if isinstance(value, ir.Constant):
        return str(options.index(value.value))
    if not isinstance(value, ir.StringChoice):
        return "0"
    # Its numbers are those of the join already.
    if tuple(options[: len(value.options)]) == value.options:
        return value.expr
    *firsts, last = [options.index(option) for option in value.options]
    tests = [f"{place} if {value.expr} == {k} else " for k, place in enumerate(firsts)]
    return f"({''.join(tests)}{last})"


def _int_bound(value: Value) -> float:
    if isinstance(value, ir.Scalar):
        return value.bound
    return float(abs(value.value)) if isinstance(value, ir.Constant) and isinstance(value.value, int) else ir.INT_LIMIT


def _count_refs(state: ir.ProgramState, id: int) -> int:
    """Return the number of places of a state that refer to an object."""
    return sum(ir.refs_of(place).count(id) for place in (*state.variables.values(), *state.heap.values()))


def _freeze(emitter: Emitter, state: ir.ProgramState, id: int) -> None:
    content = emitter.content(id, state)
    if isinstance(content, (ir.FixedSequence, ir.ArraySequence)):
        state.heap[id] = replace(content, frozen=True)
    elif isinstance(content, (ir.DictContents, ir.ObjectFields)):
        state.heap[id] = ir.Unreadable("an object with two names was joined with another")
