"""The translator's `Context`: the emitter with traps, branches, loops, and blocks that can be left early.

A branch or a loop runs its parts on copies of the state, writes each into its own buffer, and joins the states where
the paths meet. A part that is not covered, or that Python would refuse, ends in a trap and is left out of the join.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from racer.reward.compile.emitter import Buffer, Emitter, LoopVariables
from racer.reward.compile.errors import RAISED, UNCOVERED, CannotCompile, Unreachable, UnsupportedFunction
from racer.reward.compile.joins import Joiner
from racer.reward.compile.module_env import ModuleEnv
from racer.reward.compile.values import Builtin, ProgramState, Value, VariableKey

# Kinds widen at most three times (b, i, n) and lists move to memory once, so a loop converges in a few passes.
PASSES_MAX = 16


@dataclass(eq=False)
class BlockExits:
    """An open loop or block of the generated code.

    Attributes:
        exits: State and slot of each jump to its end.
        back_edges: State and slot of each jump to its head.
        pending: Flag, target and keyword (`break` or `continue`) of each jump that passes through it.
    """

    exits: list[tuple[ProgramState, Buffer]] = field(default_factory=list)
    back_edges: list[tuple[ProgramState, Buffer]] = field(default_factory=list)
    pending: list[tuple[str, BlockExits, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ExceptTarget:
    """An `except` whose `try` is being translated.

    Attributes:
        error: Exception class that it catches; None where that is not known, so that no error may pass it.
        target: Block that a jump to it leaves.
        depth: Length of `Context.active_frames` at the `try`.
    """

    error: type[BaseException] | None
    target: BlockExits
    depth: int


@dataclass(frozen=True, kw_only=True)
class TranslatorParts:
    """The parts of the translator that need each other in circles; `translate` names them.

    Attributes:
        evaluate: Translates an expression to a value.
        execute: Translates statements.
        call: Translates a call, from its syntax.
        call_value: Translates a call of a value with values.
        call_stdlib: Translates a call of a function of the runtime library.
    """

    evaluate: Callable[[Context, ast.expr], Value]
    execute: Callable[[Context, list[ast.stmt]], None]
    call: Callable[[Context, ast.Call], Value]
    call_value: Callable[[Context, Value, list[Value], dict[str, Value]], Value]
    call_stdlib: Callable[..., Value]


class Context(Emitter):
    """The emitter with traps, branches, loops and blocks; each part of the translator receives it.

    Attributes:
        traps: Line and reason of what was not covered.
        open_blocks: Loops and blocks that are open, the outermost first.
        user_loops: For each open loop of the user's program the targets of `break` and `continue`.
        return_target: Block that a `return` leaves, and the variable that receives its value.
        except_targets: The `except` clauses that are in force, the innermost last.
        stdlib_depth: Above 0 inside the runtime library, whose lines are not the user's.
        active_frames: Frames of the calls that are being translated, the outermost first.
        call_stack: Their functions.
    """

    def __init__(self, module_env: ModuleEnv, parts: TranslatorParts) -> None:
        super().__init__(module_env)
        self._parts = parts
        self.traps: list[tuple[int, str]] = []
        self.reset([], ProgramState())

    def reset(self, buffer: Buffer, state: ProgramState) -> None:
        """Begin the function again, at its start: no block is open and no trap was written."""
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
        """Call a function of Python or numpy by its dotted name."""
        return self.call_value(Builtin(name), args, named)

    def call_stdlib(self, name: str, *args: Value) -> Value:
        """Call a function of the runtime library."""
        return self._parts.call_stdlib(self, name, *args)

    # -- traps

    def trap_if(self, test: str, kind: int = RAISED, error: str = "") -> None:
        """Write a trap for where `test` holds: a return to plain Python, or a jump to the handler of `error`.

        Args:
            test: Condition, as code.
            kind: Kind of the trap.
            error: Name of the exception that Python raises; empty where it is not known.
        """
        handler = self._handler_of(error)
        if handler is not None:
            self.branch(test, lambda: self._jump_to_handler(handler))
        else:
            self.write(f"if {test}: return {self.trap_code(kind)}")

    def trap(self, reason: str, kind: int = RAISED, error: str = "") -> Unreachable:
        """Write a trap that always holds; the caller raises the returned exception.

        Args:
            reason: Text for the user.
            kind: Kind of the trap.
            error: Name of the exception that Python raises; empty where it is not known.
        """
        if kind == UNCOVERED:
            self.traps.append((self.line, reason))
        handler = self._handler_of(error)
        if handler is not None:
            try:
                self._jump_to_handler(handler)
            except Unreachable as end:
                return end
        self.write(f"return {self.trap_code(kind)}")
        return Unreachable()

    def trap_where(self, test: bool | str, reason: str, error: str = "") -> None:
        """Write a trap for where a test holds; the test may be known at translation time.

        Args:
            test: Condition: known, or as code.
            reason: For the user, where the test always holds.
            error: Name of the exception that Python raises; empty where it is not known.
        """
        if test is True:
            raise self.trap(reason, error=error)
        if test:
            self.trap_if(str(test), error=error)

    @contextmanager
    def trap_uncovered(self) -> Iterator[None]:
        """Write a trap for a piece that is not covered, and raise `Unreachable` in place of its error."""
        try:
            yield
        except UnsupportedFunction:
            raise
        except CannotCompile as error:
            self.line = error.line or self.line
            raise self.trap(error.reason, UNCOVERED) from None

    def _handler_of(self, error: str) -> ExceptTarget | None:
        """Return the user's handler that catches an exception; None where there is none, or it is not known."""
        if not error or self.stdlib_depth:
            return None
        raised = getattr(builtins, error)
        for handler in reversed(self.except_targets):
            # It may catch the exception or not, so plain Python decides.
            if handler.error is None:
                return None
            if issubclass(raised, handler.error):
                return handler
        return None

    def _jump_to_handler(self, handler: ExceptTarget) -> None:
        """Jump to a handler; the calls that are left on the way lose their names."""
        alive = {0, *self.active_frames[: handler.depth]}
        for key in [key for key in self.state.variables if key[0] > 0 and key[0] not in alive]:
            del self.state.variables[key]
        raise self.leave(handler.target)

    # -- branches

    def translate_block(self, action: Callable[[], object]) -> tuple[ProgramState | None, Buffer]:
        """Run an action on a copy of the state, into a new buffer.

        Returns:
            The state at its end, None where that is never reached, and the buffer.
        """
        saved = self.state, self.buffer
        self.state, self.buffer = self.state.clone(), []
        try:
            # The trap stays inside this branch: calls that take the other one are still compiled.
            with self.trap_uncovered():
                action()
            return self.state, self.buffer
        except Unreachable:
            return None, self.buffer
        finally:
            self.state, self.buffer = saved

    def branch(self, test: bool | str, then: Callable[[], object], orelse: Callable[[], object] | None = None) -> None:
        """Write an `if` and continue with the joined state of both branches; a known test needs no `if`.

        Args:
            test: Condition: known, or as code.
            then: Translates the first branch.
            orelse: Translates the second branch; empty by default.

        Raises:
            Unreachable: Neither branch reaches its end.
        """
        if isinstance(test, bool):
            (then if test else orelse or (lambda: None))()
            return
        branches = [self.translate_block(then), self.translate_block(orelse or (lambda: None))]
        ends = [(state, buffer) for state, buffer in branches if state is not None]
        merged = self._join_ends(ends) if ends else None
        self.buffer.append(("if", test, branches[0][1], branches[1][1]))
        if merged is None:
            raise Unreachable
        self.state = merged

    def choose(self, test: bool | str, then: Callable[[], Value], orelse: Callable[[], Value]) -> Value:
        """Return the value of one of two expressions, by a test: known, or as code."""
        if isinstance(test, bool):
            return then() if test else orelse()
        # A hidden variable carries the value through the join.
        key = (0, f"${self.new_name()}")

        def assign(action: Callable[[], Value]) -> None:
            value = action()
            self.state.variables[key] = value

        self.branch(test, lambda: assign(then), lambda: assign(orelse))
        return self.state.variables.pop(key)

    def choose_number(self, expr: str, count: int, value_of: Callable[[int], Value]) -> Value:
        """Return `value_of(k)` for the number k below `count` that `expr` gives, as a chain of tests."""

        def rest(k: int) -> Value:
            if k == count - 1:
                return value_of(k)
            return self.choose(f"{expr} == {k}", lambda: value_of(k), lambda: rest(k + 1))

        return rest(0)

    def _join_ends(self, ends: list[tuple[ProgramState, Buffer]]) -> ProgramState:
        """Return the joined state of paths, given as the state at the end of each and the buffer to write to."""
        return ends[0][0] if len(ends) == 1 else Joiner(self, ends).run()

    # -- loops and blocks

    def loop(self, body: Callable[[BlockExits], object], drop: set[VariableKey] | None = None) -> None:
        """Write a `while True`; the body calls `leave` to end it.

        The body is translated again until the state at the loop's head no longer changes; see `joins`.

        Args:
            body: Translates one iteration.
            drop: Names whose value at the head is never read.
        """
        entry = self.state
        head = entry.clone()
        for key in drop or ():
            head.variables.pop(key, None)
        loop_variables = LoopVariables()
        for _ in range(PASSES_MAX):
            exits = BlockExits()
            buffer = self._translate_inside(exits, head, body)
            slot: Buffer = []
            paths = [(entry, slot), *exits.back_edges]
            joiner = Joiner(self, paths, head=head, loop_variables=loop_variables, drop=drop)
            joined = joiner.run()
            # Invariant: `buffer` was written for `head`, so both are right once the join gives `head` again.
            if not joiner.changed:
                break
            head = joined
        else:
            raise UnsupportedFunction("the types in a loop do not converge", self.line)
        self.buffer.append(slot)
        self._close(exits, buffer)

    def breakable(self, body: Callable[[BlockExits], object]) -> None:
        """Write a block that `leave` can end early: a `while True` that ends in `break`."""
        exits = BlockExits()
        buffer = self._translate_inside(exits, self.state, body, once=True)
        self._close(exits, buffer)

    def _translate_inside(
        self, exits: BlockExits, head: ProgramState, body: Callable[[BlockExits], object], once: bool = False
    ) -> Buffer:
        saved = self.state, self.buffer
        self.open_blocks.append(exits)
        self.state, self.buffer = head.clone(), []
        buffer = self.buffer
        try:
            body(exits)
            slot: Buffer = []
            buffer.append(slot)
            if once:
                buffer.append("break")
            # Falling out of the inside ends a block, and begins the next iteration of a loop.
            (exits.exits if once else exits.back_edges).append((self.state, slot))
        except Unreachable:
            pass
        finally:
            self.open_blocks.pop()
            self.state, self.buffer = saved
        return buffer

    def _close(self, exits: BlockExits, buffer: Buffer) -> None:
        """Write a finished loop or block, and pass on the jumps that only crossed it."""
        self.buffer.extend(f"{flag} = False" for flag in dict.fromkeys(flag for flag, _, _ in exits.pending))
        self.buffer.append(("while", "True", buffer))
        outer = self.open_blocks[-1] if self.open_blocks else None
        # In the next block out, a jump to that block's end or head is its keyword; others continue outwards.
        for flag, target, keyword in exits.pending:
            self.buffer.append(f"if {flag}: {keyword if outer is target else 'break'}")
            if outer is not target and outer is not None:
                outer.pending.append((flag, target, keyword))
        if not exits.exits:
            raise Unreachable
        self.state = self._join_ends(exits.exits)

    def leave(self, target: BlockExits, keyword: str = "break") -> Unreachable:
        """Jump to the end of a loop or block, or to a loop's head; the caller raises the returned exception.

        Python's `break` leaves one loop only. A jump across several sets a flag and breaks out of the innermost; each
        block on the way tests the flag behind its end and breaks too.

        Args:
            target: The loop or block.
            keyword: `break`, or `continue` for the head.
        """
        slot: Buffer = []
        self.buffer.append(slot)
        (target.exits if keyword == "break" else target.back_edges).append((self.state, slot))
        inner = self.open_blocks[-1]
        if inner is target:
            self.buffer.append(keyword)
        else:
            flag = self.new_name("leave")
            self.buffer += [f"{flag} = True", "break"]
            inner.pending.append((flag, target, keyword))
        return Unreachable()


# The function that translates each kind of expression or statement.
HandlerTable = dict[type[ast.AST], Callable[[Context, Any], Any]]
