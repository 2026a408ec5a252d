"""What lies before the translator: the code written so far, names, objects and memory.

lines      lines of written code
desk       all of it
names      which variable a name means
elements   values as elements of lists

Lines of written code, while they are put together.

The translator's desk: the code written so far, the state at this point, names, objects and memory.

Which variable a name means, and how long its value is needed, as Python's scoping rules say.

Values as elements of lists: their shape, their numbers, and the code that copies them.

What a join writes at the end of each way that leads to it: assignments and copies, as if made at once.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from racer.reward.compile.errors import KINDS, UNCOVERED, CannotCompile, UnsupportedFunction
from racer.reward.compile.module_env import CallFrame, ModuleEnv
from racer.reward.compile.stdlib import STDLIB_FRAME
from racer.reward.compile.values import (
    ArraySequence,
    Constant,
    Content,
    FixedSequence,
    NumberShape,
    ObjectRef,
    ProgramState,
    RecordShape,
    Scalar,
    Shape,
    TupleValue,
    Value,
    VariableKey,
    as_kind,
    kind_of,
    leaf_kinds,
    shape_width,
)

Buffer = list[Any]
"""Lines of code; a list inside is a slot that is filled later, a tuple is a compound statement."""
ATOM = re.compile(r"[A-Za-z_]\w*\Z|-?[\d.]+(e[+-]?\d+)?\Z")


def flatten_lines(buffer: Buffer, indent: int = 1) -> list[str]:
    """The lines of a buffer."""
    pad = "    " * indent
    lines: list[str] = []
    for item in buffer:
        if isinstance(item, str):
            lines.append(pad + item)
        elif isinstance(item, list):
            lines.extend(flatten_lines(item, indent))
        elif item[0] == "while":
            lines.append(f"{pad}while {item[1]}:")
            lines.extend(flatten_lines(item[2], indent + 1) or [pad + "    pass"])
        else:
            then, orelse = flatten_lines(item[2], indent + 1), flatten_lines(item[3], indent + 1)
            if not then and not orelse:
                continue
            if then:
                lines.append(f"{pad}if {item[1]}:")
                lines.extend(then)
                if orelse:
                    lines.append(f"{pad}else:")
            else:
                lines.append(f"{pad}if not ({item[1]}):")
            lines.extend(orelse)
    return lines


LINES_MAX = 30_000
"""Lines written in all passes, after which the translation is given up."""
LIST_CAPACITY = 16_384
"""Elements of a list that grows: a centre line of 250 points may be drawn sixty times finer."""
STATE_CAPACITY = 128
"""Elements of a list that grows and is kept between calls."""
MEMORY_MAX, STATE_MAX = 4_000_000, 4096
"""Numbers in the memory of a call, and in the lists of a car's state."""
TABLE_MAX = 2_000_000
"""Numbers in the table."""


class Emitter:
    """What all parts of the translator share; `Context` adds branches, loops and traps.

    Attributes:
        world: the module as it was loaded.
        s: state at this point.
        b: where code is written.
        node: of the user's code that is being translated.
        line: of the user's file, for traps.
        path: call sites that lead here; names what is made here in a way that a second pass repeats.
        join_vars: variables that joins have made.
        held: objects that are kept though no name refers to them.
        current: number of the frame of the call that is being translated.
        frames: scope and parent of each frame.
        places: where in its function each frame is.
        memory, state_memory: numbers that lists take so far.
    """

    def __init__(self, world: ModuleEnv) -> None:
        self.module_env = world
        self.state = ProgramState()
        self.buffer: Buffer = []
        self.node: ast.AST | None = None
        self.line = 0
        self.path: tuple[Any, ...] = ()
        self.join_vars: set[str] = set()
        self.pinned: set[int] = set()
        self.table = world.table
        self.tables: dict[Any, int] = {}
        self.current_frame = 0
        self.frames: dict[int, CallFrame] = {}
        self.positions: dict[int, tuple[int, int]] = {}
        self.memory = 0
        self.state_memory = 0
        self._names = 0
        self._ids = 1_000_000
        self._lines = 0
        self._frames: dict[tuple[Any, ...], int] = {}
        self._regions: dict[tuple[Any, ...], int] = {}

    # -- names, objects and memory

    def new_name(self, hint: str = "t") -> str:
        """A new variable of the written code."""
        self._names += 1
        clean = re.sub(r"\W", "", hint, flags=re.ASCII)[:20] or "t"
        return f"{clean}_{self._names}"

    def site(self) -> int:
        """The place in the user's code that is being translated."""
        return id(self.node)

    def frame_number(self, path: tuple[Any, ...]) -> int:
        """The number of the frame of the call that a path leads to."""
        return self._frames.setdefault(path, len(self._frames) + 1)

    def new_object(self, content: Content) -> ObjectRef:
        """A new object."""
        self._ids += 1
        self.state.heap[self._ids] = content
        return ObjectRef(self._ids)

    def new_object_id(self) -> int:
        """The number of an object that a join makes."""
        self._ids += 1
        return self._ids

    def region(self, site: Any, numbers: int, array: str = "M") -> int:
        """Room for numbers in the memory of a call (`M`) or in the state of a car (`S`); one for each site."""
        key = (self.path, site, numbers, array)
        if key not in self._regions:
            if array == "M":
                self._regions[key] = self.memory
                self.memory += numbers
            else:
                self._regions[key] = self.state_memory
                self.state_memory += numbers
            if self.memory > MEMORY_MAX or self.state_memory > STATE_MAX:
                raise UnsupportedFunction("its lists need too much memory", self.line)
        return self._regions[key]

    def lookup(self, key: VariableKey, state: ProgramState | None = None) -> Value:
        """The value of a name, from the state or from the module as it was loaded."""
        found = (state or self.state).variables.get(key)
        return self.module_env.variable(key) if found is None else found

    def content(self, id: int, state: ProgramState | None = None) -> Content:
        """The contents of an object, from the state or from the module as it was loaded."""
        found = (state or self.state).heap.get(id)
        return self.module_env.content(id) if found is None else found

    def add_table(self, numbers: list[float]) -> int:
        """Append numbers to the table; where they start."""
        first = len(self.table)
        if first + len(numbers) > TABLE_MAX:
            raise UnsupportedFunction("its tables are too large", self.line)
        self.table.extend(numbers)
        return first

    # -- code

    def write(self, line: str) -> None:
        """Write a line."""
        self._lines += 1
        if self._lines > LINES_MAX:
            raise UnsupportedFunction("it is too large to compile", self.line)
        self.buffer.append(line)

    def temp(self, expr: str, hint: str = "t") -> str:
        """Name an expression's value."""
        name = self.new_name(hint)
        self.write(f"{name} = {expr}")
        return name

    def atom(self, value: Scalar, hint: str = "t") -> Scalar:
        """The same number under a name, so that using it twice does not compute it twice."""
        if ATOM.match(value.expr):
            return value
        return Scalar(value.kind, self.temp(value.expr, hint), value.numpy, value.bound)

    def address(self, seq: ArraySequence, index: str) -> str:
        """Where element `index` of a sequence starts."""
        step = index if seq.stride == 1 else f"{seq.stride} * {index}"
        return step if seq.offset == "0" else f"{seq.offset} + {step}"

    def trap_code(self, kind: int) -> str:
        """The code of a trap at this line."""
        return str(self.line * KINDS + kind)

    def unsupported(self, reason: str) -> CannotCompile:
        """What to raise where something is not covered."""
        return CannotCompile(reason, self.line)


def resolve_name(desk: Emitter, name: str) -> VariableKey:
    """The variable that a name means here."""
    number = desk.current_frame
    first = True
    while number != 0:
        if number == STDLIB_FRAME:
            return (number, name)
        if number < 0:
            if name in desk.module_env.cells[number][0]:
                return (number, name)
            return (0, name)
        frame = desk.frames[number]
        scope = frame.scope
        if name in scope.global_names:
            return (0, name)
        if name in scope.local_names and (first or not frame.is_class):
            return (number, name)
        first = first and frame.is_comprehension
        number = frame.parent
    return (0, name)


def is_live(desk: Emitter, key: VariableKey) -> bool:
    """Whether a name's value may still be read after this point."""
    number, name = key
    if number <= 0 or name.startswith("$"):
        return True
    frame = desk.frames.get(number)
    if frame is None:
        return True
    scope = frame.scope
    if name in scope.captured or name not in scope.local_names or frame.is_comprehension or frame.is_class:
        return True
    places = scope.loads.get(name)
    if not places:
        return False
    here = desk.positions.get(number)
    if here is None:
        return True
    end = here
    for first, last in scope.loops:
        if first <= here <= last:
            end = min(end, first)
            break
    return any(place >= end for place in places)


def shape_of(value: Value, desk: Emitter, state: ProgramState | None = None) -> Shape | None:
    """The shape of a value as an element of a list; None where it has none."""
    kind = kind_of(value)
    if kind is not None:
        return NumberShape(*kind)
    if isinstance(value, TupleValue):
        return _record_shape(value.type, value.items, desk, state)
    if isinstance(value, ObjectRef):
        content = desk.content(value.id, state)
        if isinstance(content, FixedSequence):
            return _record_shape(content.type, content.items, desk, state)
    return None


def _record_shape(type: str, items: tuple[Value, ...], desk: Emitter, state: ProgramState | None) -> Shape | None:
    shapes = [shape_of(item, desk, state) for item in items]
    if not shapes or any(s is None for s in shapes):
        return None
    return RecordShape(type, tuple(s for s in shapes if s is not None))


def leaf_values(value: Value, desk: Emitter, state: ProgramState | None = None) -> list[Value]:
    """The numbers of an element."""
    if isinstance(value, TupleValue):
        return [leaf for item in value.items for leaf in leaf_values(item, desk, state)]
    if isinstance(value, ObjectRef):
        content = desk.content(value.id, state)
        assert isinstance(content, FixedSequence)
        return [leaf for item in content.items for leaf in leaf_values(item, desk, state)]
    return [value]


def copy_elements(desk: Emitter, content: Content, seq: ArraySequence, state: ProgramState) -> None:
    """Write code that copies a sequence's elements to the beginning of a region."""
    size = shape_width(seq.shape)
    kinds = leaf_kinds(seq.shape)
    if isinstance(content, FixedSequence):
        if len(content.items) > seq.capacity:
            raise CannotCompile("a list is too long", desk.line)
        base = int(seq.offset)
        for k, item in enumerate(content.items):
            for j, (leaf, _) in enumerate(zip(leaf_values(item, desk, state), kinds, strict=True)):
                desk.write(f"{seq.array}[{base + k * size + j}] = {as_kind(leaf, 'f')}")
        return
    assert isinstance(content, ArraySequence)
    length = as_kind(content.length, "i")
    if not isinstance(content.length, Constant):
        desk.write(f"if {length} > {seq.capacity}: return {desk.trap_code(UNCOVERED)}")
    elif content.length.value > seq.capacity:
        raise CannotCompile("a list is too long", desk.line)
    index = desk.new_name("j")
    desk.write(f"{index} = 0")
    body: Buffer = [f"if {index} >= {length}: break"]
    for j in range(size):
        source = f"{content.array}[{desk.address(content, index)} + {j}]"
        body.append(f"{seq.array}[{seq.offset} + {size} * {index} + {j}] = {source}")
    body.append(f"{index} += 1")
    desk.buffer.append(("while", "True", body))


_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass
class LoopVariables:
    """What the joins of one loop's head have made."""

    names: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)


class JoinInputs:
    """The ways that meet in a join, and what is to be written at the end of each.

    Args:
        inputs: the state at the end of each way, and the slot where code can be added there.
        own: names and objects that earlier passes of the same loop made.

    Attributes:
        states: the state at the end of each way.
    """

    def __init__(self, desk: Emitter, inputs: list[tuple[ProgramState, Buffer]], own: LoopVariables) -> None:
        self.desk = desk
        self.own = own
        self.states = [state for state, _ in inputs]
        self._slots = [slot for _, slot in inputs]
        self._assigns: list[list[tuple[str, str]]] = [[] for _ in inputs]
        self._copies: list[list[tuple[Content, ArraySequence]]] = [[] for _ in inputs]

    def fresh(self, hint: str) -> str:
        """A new variable that the join gives a value on every way."""
        name = self.desk.new_name(hint)
        self.desk.join_vars.add(name)
        self.own.names.add(name)
        return name

    def assign(self, index: int, name: str, expr: str) -> None:
        """On way `index`: `name = expr`."""
        if name != expr:
            self._assigns[index].append((name, expr))

    def copy(self, index: int, content: Content, seq: ArraySequence) -> None:
        """On way `index`: copy a sequence's elements into a region."""
        self._copies[index].append((content, seq))

    def write(self) -> None:
        """Write the code of all ways."""
        for index, slot in enumerate(self._slots):
            saved, self.desk.buffer = self.desk.buffer, slot
            try:
                self._write(index)
            finally:
                self.desk.buffer = saved

    def _write(self, index: int) -> None:
        """All at once: an expression that reads a name assigned here is computed first."""
        desk = self.desk
        targets = {(seq.array, seq.offset) for _, seq in self._copies[index]}
        for content, seq in self._copies[index]:
            if isinstance(content, ArraySequence) and (content.array, content.offset) in targets:
                raise CannotCompile("lists change places", desk.line)
            copy_elements(desk, content, seq, self.states[index])
        names = {name for name, _ in self._assigns[index]}
        later: list[tuple[str, str]] = []
        for name, expr in self._assigns[index]:
            if any(word in names for word in _WORD.findall(expr)):
                later.append((name, desk.temp(expr)))
            else:
                later.append((name, expr))
        for name, expr in later:
            desk.write(f"{name} = {expr}")
