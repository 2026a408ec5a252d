"""The translator's desk: the code written so far, the state at this point, branches, loops and traps."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from racer.reward.compile.joins import Joiner, Own
from racer.reward.compile.scopes import Frame
from racer.reward.compile.values import (
    CannotCompile,
    Const,
    Content,
    Hopeless,
    Key,
    Ref,
    Scalar,
    Seq,
    State,
    Unreachable,
    Value,
)

Buffer = list[Any]
"""Lines of code; a list inside is a slot that is filled later, a tuple is a compound statement."""

RAISED, UNCOVERED, ENDLESS, NO_REWARD = 1, 2, 3, 4
"""Kinds of traps: Python would raise; not translated; too many rounds; the value is no reward."""
KINDS = 8
"""A code is line * KINDS + kind."""

LINES_MAX = 30_000
"""Lines written in all passes, after which the translation is given up."""
LIST_CAPACITY = 2048
"""Elements of a list that grows."""
STATE_CAPACITY = 128
"""Elements of a list that grows and is kept between calls."""
ATOM = re.compile(r"[A-Za-z_]\w*\Z|-?[\d.]+(e[+-]?\d+)?\Z")


class Jumps:
    """A loop or block of the written code, while its inside is written."""

    def __init__(self) -> None:
        self.exits: list[tuple[State, Buffer]] = []
        self.backs: list[tuple[State, Buffer]] = []
        self.pending: list[tuple[str, Jumps, str]] = []
        """Flag, target and word of each jump that passes through."""


@dataclass(frozen=True)
class Catch:
    """An `except` whose `try` is being translated.

    Attributes:
        error: the exception class that it catches; None where that is not known, so that none may pass.
        target: the block that a jump to it leaves.
        depth: how many of `Context.active` were active at the `try`.
    """

    error: type[BaseException] | None
    target: Jumps
    depth: int


class Context:
    """What all parts of the translator share; see the package's docstring.

    Attributes:
        s: state at this point.
        b: where code is written.
        line: of the user's file, for traps.
        path: call sites that lead here; names what is made here in a way that a second pass repeats.
        traps: line and reason of what was not covered.
    """

    def __init__(self, world: Any) -> None:
        self.world = world
        self.s = State()
        self.b: Buffer = []
        self.line = 0
        self.path: tuple[Any, ...] = ()
        self.jumps: list[Jumps] = []
        self.traps: list[tuple[int, str]] = []
        self.join_vars: set[str] = set()
        self.join_ids: set[int] = set()
        self.held: set[int] = set()
        self.table: list[float] = []
        self.tables: dict[Any, int] = {}
        self.node: ast.AST | None = None
        self.evaluate: Callable[[Context, ast.expr], Value]
        self.execute: Callable[[Context, list[ast.stmt]], None]
        self.call: Callable[..., Value]
        self.call_value: Callable[..., Value]
        self.routine: Callable[..., Value]
        self.user_loops: list[tuple[Jumps, Jumps]] = []
        self.returns: tuple[Jumps | None, Key] = (None, (0, ""))
        self.quiet = 0
        self.tries: list[Catch] = []
        self.active: list[int] = []
        """Frames of the calls that are being translated, the outermost first."""
        self.is_live: Callable[[Key], bool] = lambda key: True
        self.keys: set[str] = set()
        self.uses_objects = False
        self.stack: list[Any] = []
        self.current = 0
        self.frames: dict[int, Frame] = {}
        self.places: dict[int, tuple[int, int]] = {}
        self._names = 0
        self._ids = 1_000_000
        self._lines = 0
        self._frames: dict[tuple[Any, ...], int] = {}
        self._regions: dict[tuple[Any, ...], int] = {}
        self.memory = 0
        self.state_memory = 0

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
        self.join_ids.add(self._ids)
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
            if self.memory > 4_000_000 or self.state_memory > 4096:
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

    def code(self, kind: int) -> str:
        """The code of a trap at this line."""
        return str(self.line * KINDS + kind)

    def trap_if(self, test: str, kind: int = RAISED, error: str = "") -> None:
        """Leave to plain Python where `test` holds, or go to the handler that catches `error`."""
        target = self._catcher(error)
        if target is not None:
            self.branch(test, lambda: self._raised(target))
        else:
            self.write(f"if {test}: return {self.code(kind)}")

    def _catcher(self, error: str) -> Catch | None:
        """The handler of the user's that catches an exception; None where there is none, or it is not known."""
        if not error or self.quiet:
            return None
        raised = getattr(builtins, error)
        for catch in reversed(self.tries):
            if catch.error is None:
                return None
            if issubclass(raised, catch.error):
                return catch
        return None

    def _raised(self, catch: Catch) -> None:
        """Jump to a handler; the calls that are left on the way lose their names."""
        alive = {0, *self.active[: catch.depth]}
        for key in [key for key in self.s.vars if key[0] > 0 and key[0] not in alive]:
            del self.s.vars[key]
        raise self.leave(catch.target)

    def trap(self, reason: str, kind: int = RAISED, error: str = "") -> Unreachable:
        """Leave to plain Python here, always; raise what is returned.

        Args:
            error: name of the exception that Python raises.
        """
        if kind == UNCOVERED:
            self.traps.append((self.line, reason))
        target = self._catcher(error)
        if target is not None:
            try:
                self._raised(target)
            except Unreachable as end:
                return end
        self.write(f"return {self.code(kind)}")
        return Unreachable()

    def cannot(self, reason: str) -> CannotCompile:
        """What to raise where something is not covered."""
        return CannotCompile(reason, self.line)

    # -- branches

    def block(self, action: Callable[[], object]) -> tuple[State | None, Buffer]:
        """Run an action on a copy of the state and into a buffer of its own; None where its end is not reached."""
        saved = self.s, self.b
        self.s, self.b = self.s.clone(), []
        try:
            action()
            return self.s, self.b
        except Unreachable:
            return None, self.b
        except CannotCompile as error:
            if isinstance(error, Hopeless):
                raise
            line, self.line = self.line, error.line or self.line
            try:
                raise self.trap(error.reason, UNCOVERED)
            except Unreachable:
                return None, self.b
            finally:
                self.line = line
        finally:
            self.s, self.b = saved

    def branch(self, test: str, then: Callable[[], object], orelse: Callable[[], object] | None = None) -> None:
        """Write an `if` and go on with what both ways have in common."""
        one = self.block(then)
        two = self.block(orelse or (lambda: None))
        line = ("if", test, one[1], two[1])
        ends = [(state, buffer) for state, buffer in (one, two) if state is not None]
        merged = self._merged(ends) if ends else None
        self.b.append(line)
        if merged is None:
            raise Unreachable
        self.s = merged

    def choose(self, test: str, then: Callable[[], Value], orelse: Callable[[], Value]) -> Value:
        """The value of one of two expressions, by a test."""
        key = (0, f"${self.name()}")

        def put(action: Callable[[], Value]) -> Callable[[], None]:
            def run() -> None:
                value = action()
                self.s.vars[key] = value

            return run

        self.branch(test, put(then), put(orelse))
        return self.s.vars.pop(key)

    def _merged(self, ends: list[tuple[State, Buffer]]) -> State:
        if len(ends) == 1:
            return ends[0][0]
        slots: list[tuple[State, Buffer]] = []
        for state, buffer in ends:
            slot: Buffer = []
            buffer.append(slot)
            slots.append((state, slot))
        return Joiner(self, slots).run()

    # -- loops and blocks

    def loop(self, body: Callable[[Jumps], object], drop: set[Key] | None = None) -> None:
        """Write a `while True`; the body calls `leave` to end it.

        The body is translated again until the state at its head no longer changes.

        Args:
            drop: names whose value at the head is never read.
        """
        entry = self.s
        head = entry.clone()
        for key in drop or ():
            head.vars.pop(key, None)
        kept = self.b
        own = Own()
        for _ in range(16):
            jumps = Jumps()
            buffer = self._inside(jumps, head, body)
            slot: Buffer = []
            joiner = Joiner(self, [(entry, slot), *jumps.backs], head=head, own=own, drop=drop)
            new = joiner.run()
            if not joiner.changed:
                break
            head = new
        else:
            raise Hopeless("the types in a loop do not settle", self.line)
        kept.append(slot)
        self._close(jumps, buffer, kept)

    def once(self, body: Callable[[Jumps], object]) -> None:
        """Write a block that `leave` can end early."""
        jumps = Jumps()
        kept, entry = self.b, self.s
        buffer = self._inside(jumps, entry, body, once=True)
        self._close(jumps, buffer, kept)

    def _inside(self, jumps: Jumps, head: State, body: Callable[[Jumps], object], once: bool = False) -> Buffer:
        saved = self.s, self.b
        self.jumps.append(jumps)
        self.s, self.b = head.clone(), []
        buffer = self.b
        try:
            body(jumps)
            slot: Buffer = []
            buffer.append(slot)
            if once:
                buffer.append("break")
            (jumps.exits if once else jumps.backs).append((self.s, slot))
        except Unreachable:
            pass
        finally:
            self.jumps.pop()
            self.s, self.b = saved
        return buffer

    def _close(self, jumps: Jumps, buffer: Buffer, kept: Buffer) -> None:
        for flag in dict.fromkeys(flag for flag, _, _ in jumps.pending):
            kept.append(f"{flag} = False")
        kept.append(("while", "True", buffer))
        outer = self.jumps[-1] if self.jumps else None
        for flag, target, word in jumps.pending:
            kept.append(f"if {flag}: {word if outer is target else 'break'}")
            if outer is not target and outer is not None:
                outer.pending.append((flag, target, word))
        if not jumps.exits:
            raise Unreachable
        if len(jumps.exits) == 1:
            self.s = jumps.exits[0][0]
        else:
            self.s = Joiner(self, jumps.exits).run()

    def leave(self, target: Jumps, word: str = "break") -> Unreachable:
        """Jump out of a loop or block, or (`continue`) to a loop's head; raise what is returned."""
        slot: Buffer = []
        self.b.append(slot)
        (target.exits if word == "break" else target.backs).append((self.s, slot))
        inner = self.jumps[-1]
        if inner is target:
            self.b.append(word)
        else:
            flag = self.name("leave")
            self.b.append(f"{flag} = True")
            self.b.append("break")
            inner.pending.append((flag, target, word))
        return Unreachable()

    # -- numbers in the table

    def put_table(self, numbers: list[float]) -> int:
        """Append numbers to the table; where they start."""
        first = len(self.table)
        if first + len(numbers) > 2_000_000:
            raise Hopeless("its tables are too large", self.line)
        self.table.extend(numbers)
        return first

    def address(self, seq: Seq, index: str) -> str:
        """Where element `index` of a sequence starts."""
        step = index if seq.stride == 1 else f"{seq.stride} * {index}"
        return step if seq.offset == "0" else f"{seq.offset} + {step}"


def flatten(buffer: Buffer, indent: int = 1) -> list[str]:
    """The lines of a buffer."""
    pad = "    " * indent
    lines: list[str] = []
    for item in buffer:
        if isinstance(item, str):
            lines.append(pad + item)
        elif isinstance(item, list):
            lines.extend(flatten(item, indent))
        elif item[0] == "while":
            lines.append(f"{pad}while {item[1]}:")
            lines.extend(flatten(item[2], indent + 1) or [pad + "    pass"])
        else:
            then, orelse = flatten(item[2], indent + 1), flatten(item[3], indent + 1)
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


def number(value: Value) -> bool:
    """Whether a value is a number."""
    return isinstance(value, Scalar) or (isinstance(value, Const) and isinstance(value.value, (bool, int, float)))
