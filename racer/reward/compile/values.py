"""What the translator knows of a value: abstract values, the contents of objects, and the state of a program point.

All are immutable but `State`; a change of an object replaces its contents in `State.heap`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

LIMIT = 2.0**53
"""Whole numbers beyond it leave the compiled path: they are Python's business."""


class CannotCompile(Exception):
    """A piece of a program that the translator does not cover.

    Attributes:
        reason: in words.
        line: of the user's file, None where it is not known.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Hopeless(CannotCompile):
    """The same for the whole function: a trap in its place would not help."""


class Unreachable(Exception):
    """What follows in this block never runs: it returned, left its loop, or met a trap."""


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A value that is known while translating: None, a number or a string."""

    value: Any

    def _key(self) -> tuple[type, str]:
        return type(self.value), repr(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number that the kernel computes."""

    kind: str
    """`b` bool, `i` int, `f` float; `n` is held as a float and may be an int in Python."""
    expr: str
    numpy: bool = False
    """It is a numpy scalar in Python."""
    bound: float = field(default=LIMIT, compare=False)
    """Largest absolute value of an int."""


@dataclass(frozen=True, slots=True)
class Tup:
    """An immutable sequence of known length: a tuple, a list that nobody may change, or a small array."""

    items: tuple[Value, ...]
    type: str = "tuple"


@dataclass(frozen=True, slots=True)
class Ref:
    """An object; its contents are in `State.heap`."""

    id: int


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value, or None (tag 1), or nothing yet (tag 2, a name without a value)."""

    tag: str
    value: Value | None
    none: bool
    unbound: bool


@dataclass(frozen=True, slots=True)
class Text:
    """Some string; good for printing only."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several known strings, by number."""

    options: tuple[str, ...]
    expr: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the user's: a def or a lambda."""

    node: ast.FunctionDef | ast.Lambda = field(compare=False)
    frame: int
    """The frame that it was defined in; 0 for the module."""
    defaults: tuple[Value, ...] = ()
    keyword_defaults: tuple[tuple[str, Value], ...] = ()
    serial: int = 0
    """Number of its node, so that equal means the same function."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A method with its receiver."""

    function: Value
    receiver: Value


@dataclass(frozen=True, slots=True)
class Native:
    """A module, function or class of Python's or numpy's, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a built-in type."""

    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class Range:
    """`range(...)`."""

    start: Value
    stop: Value
    step: int


@dataclass(frozen=True, slots=True)
class Lazy:
    """`enumerate`, `zip` or `reversed`."""

    kind: str
    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Poison:
    """Something that must not be read."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unbound:
    """A name without a value."""


Value = (
    Const
    | Scalar
    | Tup
    | Ref
    | Maybe
    | Text
    | Choice
    | Function
    | Bound
    | Native
    | Method
    | Range
    | Lazy
    | Poison
    | Unbound
)
UNBOUND = Unbound()
NONE = Const(None)


@dataclass(frozen=True, slots=True)
class Leaf:
    """The shape of an element that is one number."""

    kind: str
    numpy: bool = False


@dataclass(frozen=True, slots=True)
class Rec:
    """The shape of an element that is a sequence of known length."""

    type: str
    items: tuple[Leaf | Rec, ...]


Shape = Leaf | Rec


def width(shape: Shape) -> int:
    """How many numbers an element of this shape takes."""
    return 1 if isinstance(shape, Leaf) else sum(width(item) for item in shape.items)


@dataclass(frozen=True, slots=True)
class Items:
    """Contents of a sequence of known length."""

    type: str
    items: tuple[Value, ...]
    frozen: bool = False
    """It was copied somewhere by value: changing it would be seen in one place only."""


@dataclass(frozen=True, slots=True)
class Seq:
    """Contents of a sequence in an array: element j starts at `array[offset + stride * j]`."""

    type: str
    array: str
    """`T` table, `W` waypoints, `M` memory of the call."""
    offset: str
    length: Value
    stride: int
    shape: Shape
    capacity: int = 0
    """Elements that fit; 0 where it must not be written."""
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Dict:
    """Contents of a dict with known keys."""

    items: tuple[tuple[Any, Value], ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """Attributes of an instance, a class or a function; `cls` is what it is an instance of."""

    items: tuple[tuple[str, Value], ...]
    cls: Value | None = None
    name: str = ""
    bases: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """Contents that two ways of the program left in shapes that do not fit together."""

    reason: str


Content = Items | Seq | Dict | Fields | Broken
Key = tuple[int, str]


class State:
    """Names and objects at one point of the program."""

    __slots__ = ("heap", "vars")

    def __init__(self, vars: dict[Key, Value] | None = None, heap: dict[int, Content] | None = None) -> None:
        self.vars: dict[Key, Value] = vars or {}
        self.heap: dict[int, Content] = heap or {}

    def clone(self) -> State:
        """A copy whose changes are its own."""
        return State(dict(self.vars), dict(self.heap))


def refs_of(thing: Any) -> list[int]:
    """The objects that a value or the contents of an object refer to."""
    if isinstance(thing, Ref):
        return [thing.id]
    if isinstance(thing, (Tup, Items)):
        return [r for item in thing.items for r in refs_of(item)]
    if isinstance(thing, (Dict, Fields)):
        more = refs_of(thing.cls) if isinstance(thing, Fields) and thing.cls else []
        return more + [r for _, item in thing.items for r in refs_of(item)]
    if isinstance(thing, Maybe):
        return refs_of(thing.value)
    if isinstance(thing, Bound):
        return refs_of(thing.function) + refs_of(thing.receiver)
    if isinstance(thing, Method):
        return refs_of(thing.receiver)
    if isinstance(thing, Lazy):
        return [r for part in thing.parts for r in refs_of(part)]
    if isinstance(thing, Function):
        more = [r for d in thing.defaults for r in refs_of(d)]
        return more + [r for _, d in thing.keyword_defaults for r in refs_of(d)]
    return []
