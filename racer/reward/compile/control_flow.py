"""The desk with what shapes the written code: traps, branches, loops, and blocks that can be left."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from racer.reward.compile.emitter import Buffer, Emitter, LoopVariables
from racer.reward.compile.errors import RAISED, UNCOVERED, CannotCompile, Unreachable, UnsupportedFunction
from racer.reward.compile.joins import Joiner
from racer.reward.compile.module_env import ModuleEnv
from racer.reward.compile.values import Builtin, ProgramState, Value, VariableKey

PASSES_MAX = 16
"""Passes over a loop, after which its types are taken never to settle."""


class BlockExits:
    """A loop or block of the written code, while its inside is written."""

    def __init__(self) -> None:
        self.exits: list[tuple[ProgramState, Buffer]] = []
        self.backs: list[tuple[ProgramState, Buffer]] = []
        self.pending: list[tuple[str, BlockExits, str]] = []
        """Flag, target and word of each jump that passes through."""


@dataclass(frozen=True)
class ExceptTarget:
    """An `except` whose `try` is being translated.

    Attributes:
        error: the exception class that it catches; None where that is not known, so that none may pass.
        target: the block that a jump to it leaves.
        depth: how many of `Context.active` were active at the `try`.
    """

    error: type[BaseException] | None
    target: BlockExits
    depth: int


@dataclass(frozen=True, kw_only=True)
class TranslatorParts:
    """The parts of the translator that need each other in circles; `translation.dispatch` names them.

    Attributes:
        evaluate: an expression, as a value.
        execute: statements.
        call: a call, from its syntax.
        call_value: a call of a value with values.
        call_stdlib: a call of a function of the prelude.
    """

    evaluate: Callable[[Context, ast.expr], Value]
    execute: Callable[[Context, list[ast.stmt]], None]
    call: Callable[[Context, ast.Call], Value]
    call_value: Callable[[Context, Value, list[Value], dict[str, Value]], Value]
    call_stdlib: Callable[..., Value]


class Context(Emitter):
    """What all parts of the translator are given; see the package's docstring.

    Attributes:
        traps: line and reason of what was not covered.
        jumps: the loops and blocks that are open, the outermost first.
        user_loops: for each open loop of the user's the targets of `break` and `continue`.
        returns: what a `return` leaves, and where it puts its value.
        tries: the `except`s that are in force.
        quiet: over 0 inside the prelude, whose lines are not the user's.
        active: frames of the calls that are being translated, the outermost first.
        stack: their functions.
    """

    def __init__(self, world: ModuleEnv, parts: TranslatorParts) -> None:
        super().__init__(world)
        self._parts = parts
        self.traps: list[tuple[int, str]] = []
        self.reset([], ProgramState())

    def reset(self, buffer: Buffer, state: ProgramState) -> None:
        """Start over with the function: nothing is open, nothing was met."""
        self.buffer, self.state = buffer, state
        self.traps.clear()
        self.open_blocks: list[BlockExits] = []
        self.user_loops: list[tuple[BlockExits, BlockExits]] = []
        self.return_target: tuple[BlockExits | None, VariableKey] = (None, (0, ""))
        self.stdlib_depth = 0
        self.except_targets: list[ExceptTarget] = []
        self.active_frames: list[int] = []
        self.call_stack: list[Any] = []
        self.path, self.current_frame = (), 0
        self.frames, self.positions = {}, {}

    # -- the other parts

    def evaluate(self, node: ast.expr) -> Value:
        """Translate an expression."""
        return self._parts.evaluate(self, node)

    def execute(self, statements: list[ast.stmt]) -> None:
        """Translate statements."""
        self._parts.execute(self, statements)

    def call(self, node: ast.Call) -> Value:
        """Translate a call."""
        return self._parts.call(self, node)

    def call_value(self, function: Value, args: list[Value], named: dict[str, Value]) -> Value:
        """Call any value."""
        return self._parts.call_value(self, function, args, named)

    def call_builtin(self, name: str, args: list[Value], named: dict[str, Value]) -> Value:
        """Call a function that the translator knows, by its dotted name."""
        return self.call_value(Builtin(name), args, named)

    def call_stdlib(self, name: str, *args: Value) -> Value:
        """Call a function of the prelude."""
        return self._parts.call_stdlib(self, name, *args)

    # -- traps

    def trap_if(self, test: str, kind: int = RAISED, error: str = "") -> None:
        """Leave to plain Python where `test` holds, or go to the handler that catches `error`."""
        target = self._catcher(error)
        if target is not None:
            self.branch(test, lambda: self._raised(target))
        else:
            self.write(f"if {test}: return {self.trap_code(kind)}")

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
        self.write(f"return {self.trap_code(kind)}")
        return Unreachable()

    def _catcher(self, error: str) -> ExceptTarget | None:
        """The handler of the user's that catches an exception; None where there is none, or it is not known."""
        if not error or self.stdlib_depth:
            return None
        raised = getattr(builtins, error)
        for catch in reversed(self.except_targets):
            if catch.error is None:
                return None
            if issubclass(raised, catch.error):
                return catch
        return None

    def _raised(self, catch: ExceptTarget) -> None:
        """Jump to a handler; the calls that are left on the way lose their names."""
        alive = {0, *self.active_frames[: catch.depth]}
        for key in [key for key in self.state.variables if key[0] > 0 and key[0] not in alive]:
            del self.state.variables[key]
        raise self.leave(catch.target)

    # -- branches

    def translate_block(self, action: Callable[[], object]) -> tuple[ProgramState | None, Buffer]:
        """Run an action on a copy of the state and into a buffer of its own; None where its end is not reached."""
        saved = self.state, self.buffer
        self.state, self.buffer = self.state.clone(), []
        try:
            action()
            return self.state, self.buffer
        except Unreachable:
            return None, self.buffer
        except CannotCompile as error:
            if isinstance(error, UnsupportedFunction):
                raise
            line, self.line = self.line, error.line or self.line
            try:
                raise self.trap(error.reason, UNCOVERED)
            except Unreachable:
                return None, self.buffer
            finally:
                self.line = line
        finally:
            self.state, self.buffer = saved

    def branch(self, test: str, then: Callable[[], object], orelse: Callable[[], object] | None = None) -> None:
        """Write an `if` and go on with what both ways have in common."""
        one = self.translate_block(then)
        two = self.translate_block(orelse or (lambda: None))
        line = ("if", test, one[1], two[1])
        ends = [(state, buffer) for state, buffer in (one, two) if state is not None]
        merged = self._merged(ends) if ends else None
        self.buffer.append(line)
        if merged is None:
            raise Unreachable
        self.state = merged

    def choose(self, test: str, then: Callable[[], Value], orelse: Callable[[], Value]) -> Value:
        """The value of one of two expressions, by a test."""
        key = (0, f"${self.new_name()}")

        def put(action: Callable[[], Value]) -> Callable[[], None]:
            def run() -> None:
                value = action()
                self.state.variables[key] = value

            return run

        self.branch(test, put(then), put(orelse))
        return self.state.variables.pop(key)

    def _merged(self, ends: list[tuple[ProgramState, Buffer]]) -> ProgramState:
        if len(ends) == 1:
            return ends[0][0]
        slots: list[tuple[ProgramState, Buffer]] = []
        for state, buffer in ends:
            slot: Buffer = []
            buffer.append(slot)
            slots.append((state, slot))
        return Joiner(self, slots).run()

    # -- loops and blocks

    def loop(self, body: Callable[[BlockExits], object], drop: set[VariableKey] | None = None) -> None:
        """Write a `while True`; the body calls `leave` to end it.

        The body is translated again until the state at its head no longer changes.

        Args:
            drop: names whose value at the head is never read.
        """
        entry = self.state
        head = entry.clone()
        for key in drop or ():
            head.variables.pop(key, None)
        kept = self.buffer
        own = LoopVariables()
        for _ in range(PASSES_MAX):
            jumps = BlockExits()
            buffer = self._inside(jumps, head, body)
            slot: Buffer = []
            joiner = Joiner(self, [(entry, slot), *jumps.backs], head=head, loop_variables=own, drop=drop)
            new = joiner.run()
            if not joiner.changed:
                break
            head = new
        else:
            raise UnsupportedFunction("the types in a loop do not settle", self.line)
        kept.append(slot)
        self._close(jumps, buffer, kept)

    def breakable(self, body: Callable[[BlockExits], object]) -> None:
        """Write a block that `leave` can end early."""
        jumps = BlockExits()
        kept, entry = self.buffer, self.state
        buffer = self._inside(jumps, entry, body, once=True)
        self._close(jumps, buffer, kept)

    def _inside(
        self, jumps: BlockExits, head: ProgramState, body: Callable[[BlockExits], object], once: bool = False
    ) -> Buffer:
        saved = self.state, self.buffer
        self.open_blocks.append(jumps)
        self.state, self.buffer = head.clone(), []
        buffer = self.buffer
        try:
            body(jumps)
            slot: Buffer = []
            buffer.append(slot)
            if once:
                buffer.append("break")
            (jumps.exits if once else jumps.backs).append((self.state, slot))
        except Unreachable:
            pass
        finally:
            self.open_blocks.pop()
            self.state, self.buffer = saved
        return buffer

    def _close(self, jumps: BlockExits, buffer: Buffer, kept: Buffer) -> None:
        for flag in dict.fromkeys(flag for flag, _, _ in jumps.pending):
            kept.append(f"{flag} = False")
        kept.append(("while", "True", buffer))
        outer = self.open_blocks[-1] if self.open_blocks else None
        for flag, target, word in jumps.pending:
            kept.append(f"if {flag}: {word if outer is target else 'break'}")
            if outer is not target and outer is not None:
                outer.pending.append((flag, target, word))
        if not jumps.exits:
            raise Unreachable
        if len(jumps.exits) == 1:
            self.state = jumps.exits[0][0]
        else:
            self.state = Joiner(self, jumps.exits).run()

    def leave(self, target: BlockExits, word: str = "break") -> Unreachable:
        """Jump out of a loop or block, or (`continue`) to a loop's head; raise what is returned."""
        slot: Buffer = []
        self.buffer.append(slot)
        (target.exits if word == "break" else target.backs).append((self.state, slot))
        inner = self.open_blocks[-1]
        if inner is target:
            self.buffer.append(word)
        else:
            flag = self.new_name("leave")
            self.buffer.append(f"{flag} = True")
            self.buffer.append("break")
            inner.pending.append((flag, target, word))
        return Unreachable()


HandlerTable = dict[type[ast.AST], Callable[[Context, Any], Any]]
"""What translates each kind of expression or statement."""
