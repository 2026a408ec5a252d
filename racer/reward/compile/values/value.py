"""What the translator knows of a value.

All are immutable, so they may be shared; what an object holds is in `racer.reward.compile.values.heap`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

LIMIT = 2.0**53
"""Whole numbers beyond it leave the compiled path: they are Python's business."""


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
