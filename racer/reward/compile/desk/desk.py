"""The translator's desk: the code written so far, the state at this point, names, objects and memory."""

from __future__ import annotations

import ast
import re
from typing import Any

from racer.reward.compile.desk.lines import ATOM, Buffer
from racer.reward.compile.endings import KINDS, CannotCompile, Hopeless
from racer.reward.compile.module.scopes import Frame
from racer.reward.compile.module.world import World
from racer.reward.compile.values.heap import Content, Key, Seq, State
from racer.reward.compile.values.value import Ref, Scalar, Value

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


class Desk:
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

    def __init__(self, world: World) -> None:
        self.world = world
        self.s = State()
        self.b: Buffer = []
        self.node: ast.AST | None = None
        self.line = 0
        self.path: tuple[Any, ...] = ()
        self.join_vars: set[str] = set()
        self.held: set[int] = set()
        self.table = world.table
        self.tables: dict[Any, int] = {}
        self.current = 0
        self.frames: dict[int, Frame] = {}
        self.places: dict[int, tuple[int, int]] = {}
        self.memory = 0
        self.state_memory = 0
        self._names = 0
        self._ids = 1_000_000
        self._lines = 0
        self._frames: dict[tuple[Any, ...], int] = {}
        self._regions: dict[tuple[Any, ...], int] = {}

    # -- names, objects and memory

    def name(self, hint: str = "t") -> str:
        """A new variable of the written code."""
        self._names += 1
        clean = re.sub(r"\W", "", hint, flags=re.ASCII)[:20] or "t"
        return f"{clean}_{self._names}"

    def site(self) -> int:
        """The place in the user's code that is being translated."""
        return id(self.node)

    def frame(self, path: tuple[Any, ...]) -> int:
        """The number of the frame of the call that a path leads to."""
        return self._frames.setdefault(path, len(self._frames) + 1)

    def new(self, content: Content) -> Ref:
        """A new object."""
        self._ids += 1
        self.s.heap[self._ids] = content
        return Ref(self._ids)

    def new_id(self) -> int:
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
                raise Hopeless("its lists need too much memory", self.line)
        return self._regions[key]

    def lookup(self, key: Key, state: State | None = None) -> Value:
        """The value of a name, from the state or from the module as it was loaded."""
        found = (state or self.s).vars.get(key)
        return self.world.variable(key) if found is None else found

    def content(self, id: int, state: State | None = None) -> Content:
        """The contents of an object, from the state or from the module as it was loaded."""
        found = (state or self.s).heap.get(id)
        return self.world.content(id) if found is None else found

    def put_table(self, numbers: list[float]) -> int:
        """Append numbers to the table; where they start."""
        first = len(self.table)
        if first + len(numbers) > TABLE_MAX:
            raise Hopeless("its tables are too large", self.line)
        self.table.extend(numbers)
        return first

    # -- code

    def write(self, line: str) -> None:
        """Write a line."""
        self._lines += 1
        if self._lines > LINES_MAX:
            raise Hopeless("it is too large to compile", self.line)
        self.b.append(line)

    def temp(self, expr: str, hint: str = "t") -> str:
        """Name an expression's value."""
        name = self.name(hint)
        self.write(f"{name} = {expr}")
        return name

    def atom(self, value: Scalar, hint: str = "t") -> Scalar:
        """The same number under a name, so that using it twice does not compute it twice."""
        if ATOM.match(value.expr):
            return value
        return Scalar(value.kind, self.temp(value.expr, hint), value.numpy, value.bound)

    def address(self, seq: Seq, index: str) -> str:
        """Where element `index` of a sequence starts."""
        step = index if seq.stride == 1 else f"{seq.stride} * {index}"
        return step if seq.offset == "0" else f"{seq.offset} + {step}"

    def code(self, kind: int) -> str:
        """The code of a trap at this line."""
        return str(self.line * KINDS + kind)

    def cannot(self, reason: str) -> CannotCompile:
        """What to raise where something is not covered."""
        return CannotCompile(reason, self.line)
