"""The emitter of kernel code, and the state of a translation: names, objects, memory, and position in the program.

`Emitter` is the part of the translator's `Context` that writes lines. Below it are the rules for names (which variable
a name means, and how long its value is needed), values as elements of lists, and `JoinInputs`, which collects what a
join writes at the end of each path that leads to it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from racer.reward.compile import values as ir
from racer.reward.compile.errors import KINDS, UNCOVERED, CannotCompile, UnsupportedFunction
from racer.reward.compile.module_env import CallFrame, ModuleEnv, Position
from racer.reward.compile.stdlib import STDLIB_FRAME
from racer.reward.compile.values import Value

# Lines of code. A list inside is a slot that is filled later: the code of a join is known only when all paths to it
# are. A tuple is ("while", test, buffer) or ("if", test, buffer, buffer).
Buffer = list[Any]
# Code that can be repeated at no cost: a name or a number.
ATOM = re.compile(r"[A-Za-z_]\w*\Z|-?[\d.]+(e[+-]?\d+)?\Z")
_WORD = re.compile(r"[A-Za-z_]\w*")


def flatten_lines(buffer: Buffer, indent: int = 1) -> list[str]:
    """Return the lines of a buffer, indented."""
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
            if then:
                lines += [f"{pad}if {item[1]}:", *then]
                if orelse:
                    lines += [f"{pad}else:", *orelse]
            elif orelse:
                lines += [f"{pad}if not ({item[1]}):", *orelse]
    return lines


# All passes over loops write lines; nested loops whose types converge slowly multiply them.
LINES_MAX = 30_000
# A list that grows: a centre line of 250 points may be drawn sixty times finer.
LIST_CAPACITY = 16_384
# A list that grows and is kept between calls: each car has it in its state row.
STATE_CAPACITY = 128
# Numbers (8 B each) in the memory of a call (`M`), and in the lists of a car's state (`S`).
MEMORY_MAX = {"M": 4_000_000, "S": 4096}
# Numbers in the table.
TABLE_MAX = 2_000_000


class Emitter:
    """The state of the translation that all its parts share; `Context` adds branches, loops and traps.

    Args:
        module_env: The module as it was loaded.

    Attributes:
        state: Names and objects at this point of the program.
        buffer: Lines are written here.
        node: Syntax of the user's program that is being translated.
        line: Line of the user's file, for traps.
        path: Call sites that lead here. Regions and frames are keyed by it, so that a second pass gets the same ones.
        join_vars: Variables that joins have made.
        pinned: Objects that are kept though no name refers to them.
        table: Numbers of all tables.
        tables: Start in the table of each constant sequence that was added to it.
        current_frame: Number of the frame of the call that is being translated.
        frames: Scope and parent of each frame.
        positions: Position in its function that each frame has reached.
        memory: Numbers in use by lists, in the memory of a call (`M`) and in a car's state row (`S`).
    """

    def __init__(self, module_env: ModuleEnv) -> None:
        self.module_env = module_env
        self.state = ir.ProgramState()
        self.buffer: Buffer = []
        self.node: ast.AST | None = None
        self.line = 0
        self.path: tuple[Any, ...] = ()
        self.join_vars: set[str] = set()
        self.pinned: set[int] = set()
        self.table = module_env.table
        self.tables: dict[Any, int] = {}
        self.current_frame = 0
        self.frames: dict[int, CallFrame] = {}
        self.positions: dict[int, Position] = {}
        self.memory = {"M": 0, "S": 0}
        self._name_count = 0
        self._last_id = ir.MODULE_OBJECTS_MAX
        self._line_count = 0
        self._frames: dict[tuple[Any, ...], int] = {}
        self._regions: dict[tuple[Any, ...], int] = {}

    # -- names, objects and memory

    def new_name(self, hint: str = "t") -> str:
        """Return the name of a new variable of the generated code; `hint` is what it begins with."""
        self._name_count += 1
        # Python's names may hold any letters, and a hint may be the key of a dict.
        clean = re.sub(r"\W", "", hint, flags=re.ASCII)[:20] or "t"
        return f"{clean}_{self._name_count}"

    def site(self) -> int:
        """Return the identity of the syntax that is being translated."""
        return id(self.node)

    def frame_number(self, path: tuple[Any, ...]) -> int:
        """Return the number of the frame of the call that a path leads to."""
        # The same path has the same frame on each pass, so that names of a loop's head are found again.
        return self._frames.setdefault(path, len(self._frames) + 1)

    def new_object(self, content: ir.Content) -> ir.ObjectRef:
        """Make an object."""
        id = self.new_object_id()
        self.state.heap[id] = content
        return ir.ObjectRef(id)

    def new_object_id(self) -> int:
        """Return an id that no object has."""
        self._last_id += 1
        return self._last_id

    def region(self, site: Any, numbers: int, array: str = "M") -> int:
        """Reserve room for numbers; the same site gets the same room on every pass.

        Args:
            site: Place in the program that needs the room; `path` is added to it.
            numbers: Count of numbers.
            array: `M` memory of the call, or `S` state of the car.

        Returns:
            Index of the first number.

        Raises:
            UnsupportedFunction: The lists of the function need too much memory.
        """
        key = (self.path, site, numbers, array)
        if key not in self._regions:
            self._regions[key] = self.memory[array]
            self.memory[array] += numbers
            if self.memory[array] > MEMORY_MAX[array]:
                raise UnsupportedFunction("its lists need too much memory", self.line)
        return self._regions[key]

    def lookup(self, key: ir.VariableKey, state: ir.ProgramState | None = None) -> Value:
        """Return the value of a name, from a state (this one by default) or from the module as it was loaded."""
        value = (state or self.state).variables.get(key)
        return self.module_env.variable(key) if value is None else value

    def content(self, id: int, state: ir.ProgramState | None = None) -> ir.Content:
        """Return the contents of an object, from a state or from the module as it was loaded."""
        content = (state or self.state).heap.get(id)
        return self.module_env.content(id) if content is None else content

    def add_table(self, numbers: list[float]) -> int:
        """Append numbers to the table and return the index of the first."""
        first = len(self.table)
        if first + len(numbers) > TABLE_MAX:
            raise UnsupportedFunction("its tables are too large", self.line)
        self.table.extend(numbers)
        return first

    # -- code

    def write(self, line: str) -> None:
        """Write a line."""
        self._line_count += 1
        if self._line_count > LINES_MAX:
            raise UnsupportedFunction("it is too large to compile", self.line)
        self.buffer.append(line)

    def temp(self, expr: str, hint: str = "t") -> str:
        """Assign an expression to a new variable and return its name."""
        name = self.new_name(hint)
        self.write(f"{name} = {expr}")
        return name

    def atom(self, value: ir.Scalar, hint: str = "t") -> ir.Scalar:
        """Return the same number as a name, so that using it twice does not compute it twice."""
        if ATOM.match(value.expr):
            return value
        return ir.Scalar(value.kind, self.temp(value.expr, hint), value.numpy, value.bound)

    def address(self, seq: ir.ArraySequence, index: str) -> str:
        """Return the code of the index in its array at which element `index` of a sequence starts."""
        step = index if seq.stride == 1 else f"{seq.stride} * {index}"
        return step if seq.offset == "0" else f"{seq.offset} + {step}"

    def trap_code(self, kind: int) -> str:
        """Return the code of a trap at this line."""
        return str(self.line * KINDS + kind)

    def unsupported(self, reason: str) -> CannotCompile:
        """Return the exception for what the translator does not cover here."""
        return CannotCompile(reason, self.line)


def resolve_name(emitter: Emitter, name: str) -> ir.VariableKey:
    """Return the variable that a name means in the current frame, by Python's scoping rules."""
    number = emitter.current_frame
    # Names of a class body are visible in the body itself and in its comprehensions, not in its methods.
    in_body = True
    while number != 0:
        if number == STDLIB_FRAME:
            return (number, name)
        if number < 0:
            return (number, name) if name in emitter.module_env.cells[number][0] else (0, name)
        frame = emitter.frames[number]
        if name in frame.scope.global_names:
            return (0, name)
        if name in frame.scope.local_names and (in_body or not frame.is_class):
            return (number, name)
        in_body = in_body and frame.is_comprehension
        number = frame.parent
    return (0, name)


def is_live(emitter: Emitter, key: ir.VariableKey) -> bool:
    """Check whether a name's value may be read after this point; joins leave out the others."""
    number, name = key
    frame = emitter.frames.get(number)
    if number <= 0 or name.startswith("$") or frame is None:
        return True
    scope = frame.scope
    # Functions inside may read a captured name whenever they are called.
    if name in scope.captured or name not in scope.local_names or frame.is_comprehension or frame.is_class:
        return True
    loads = scope.loads.get(name)
    if not loads:
        return False
    position = emitter.positions.get(number)
    if position is None:
        return True
    # The next iteration of a loop reads what lies before this point too: count from the start of the outermost loop.
    start = next((first for first, last in scope.loops if first <= position <= last), position)
    return any(load >= start for load in loads)


def shape_of(value: Value, emitter: Emitter, state: ir.ProgramState | None = None) -> ir.Shape | None:
    """Return the shape of a value as an element of a list; None where it cannot lie in an array."""
    kind = ir.kind_of(value)
    if kind is not None:
        return ir.NumberShape(*kind)
    sequence: Value | ir.Content = value
    if isinstance(value, ir.ObjectRef):
        sequence = emitter.content(value.id, state)
    if not isinstance(sequence, (ir.TupleValue, ir.FixedSequence)) or not sequence.items:
        return None
    return ir.record_shape(sequence.type, [shape_of(item, emitter, state) for item in sequence.items])


def leaf_values(value: Value, emitter: Emitter, state: ir.ProgramState | None = None) -> list[Value]:
    """Return the numbers of an element."""
    if isinstance(value, ir.ObjectRef):
        content = emitter.content(value.id, state)
        assert isinstance(content, ir.FixedSequence)
        value = ir.TupleValue(content.items)
    if isinstance(value, ir.TupleValue):
        return [leaf for item in value.items for leaf in leaf_values(item, emitter, state)]
    return [value]


def copy_elements(emitter: Emitter, content: ir.Content, seq: ir.ArraySequence, state: ir.ProgramState) -> None:
    """Write code that copies a sequence's elements to the beginning of a region.

    Args:
        emitter: Writes the code.
        content: The sequence.
        seq: The region, as a sequence.
        state: State in which the contents of the elements are read.
    """
    size = ir.shape_width(seq.shape)
    if isinstance(content, ir.FixedSequence):
        if len(content.items) > seq.capacity:
            raise emitter.unsupported("a list is too long")
        base = int(seq.offset)
        for k, item in enumerate(content.items):
            for j, (leaf, _) in enumerate(
                zip(leaf_values(item, emitter, state), ir.leaf_kinds(seq.shape), strict=True)
            ):
                emitter.write(f"{seq.array}[{base + k * size + j}] = {ir.as_kind(leaf, 'f')}")
        return
    # The lists may differ in stride and shape, so each number is copied by its place in the element.
    assert isinstance(content, ir.ArraySequence)
    length = ir.as_kind(content.length, "i")
    if not isinstance(content.length, ir.Constant):
        emitter.write(f"if {length} > {seq.capacity}: return {emitter.trap_code(UNCOVERED)}")
    elif content.length.value > seq.capacity:
        raise emitter.unsupported("a list is too long")
    index = emitter.new_name("j")
    emitter.write(f"{index} = 0")
    body: Buffer = [f"if {index} >= {length}: break"]
    for j in range(size):
        source = f"{content.array}[{emitter.address(content, index)} + {j}]"
        body.append(f"{seq.array}[{seq.offset} + {size} * {index} + {j}] = {source}")
    body.append(f"{index} += 1")
    emitter.buffer.append(("while", "True", body))


@dataclass
class LoopVariables:
    """Names and object ids that the joins of one loop's head have made, over all passes."""

    names: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)


class JoinInputs:
    """The paths that meet in a join, and the code that is written at the end of each.

    Args:
        emitter: Writes the code.
        inputs: State at the end of each path, and the slot where code can be added there.
        loop_variables: Names and objects that earlier passes of the same loop made.

    Attributes:
        states: State at the end of each path.
    """

    def __init__(
        self, emitter: Emitter, inputs: list[tuple[ir.ProgramState, Buffer]], loop_variables: LoopVariables
    ) -> None:
        self.emitter = emitter
        self.loop_variables = loop_variables
        self.states = [state for state, _ in inputs]
        self._slots = [slot for _, slot in inputs]
        self._assigns: list[list[tuple[str, str]]] = [[] for _ in inputs]
        self._copies: list[list[tuple[ir.Content, ir.ArraySequence]]] = [[] for _ in inputs]

    def new_variable(self, hint: str) -> str:
        """Return a new variable, to which the join assigns a value on every path."""
        name = self.emitter.new_name(hint)
        self.emitter.join_vars.add(name)
        self.loop_variables.names.add(name)
        return name

    def assign(self, index: int, name: str, expr: str) -> None:
        """On path `index`: `name = expr`."""
        if name != expr:
            self._assigns[index].append((name, expr))

    def copy(self, index: int, content: ir.Content, seq: ir.ArraySequence) -> None:
        """On path `index`: copy a sequence's elements into a region."""
        self._copies[index].append((content, seq))

    def write(self) -> None:
        """Write the code of all paths."""
        for index, slot in enumerate(self._slots):
            saved, self.emitter.buffer = self.emitter.buffer, slot
            try:
                self._write(index)
            finally:
                self.emitter.buffer = saved

    def _write(self, index: int) -> None:
        """Write the copies and assignments of one path, which take effect all at once.

        Python's `a, b = b, a` in a loop gives `a_1 = b_2` and `b_2 = a_1` here. An expression that reads a name which
        is assigned here is therefore computed before the first assignment; lists that change places are not covered.
        """
        emitter = self.emitter
        # Copies are not buffered: one that reads what another overwrites would read the new elements.
        targets = {(seq.array, seq.offset) for _, seq in self._copies[index]}
        for content, seq in self._copies[index]:
            if isinstance(content, ir.ArraySequence) and (content.array, content.offset) in targets:
                raise emitter.unsupported("lists change places")
            copy_elements(emitter, content, seq, self.states[index])
        names = {name for name, _ in self._assigns[index]}
        ready = [
            (name, emitter.temp(expr) if names.intersection(_WORD.findall(expr)) else expr)
            for name, expr in self._assigns[index]
        ]
        for name, expr in ready:
            emitter.write(f"{name} = {expr}")
