"""What the translator knows of a value, of an object's contents, of a list's elements and of a number.

value    a number, a constant, an object, a function, or one of several
kinds    bool, int, float: kinds of numbers, and numbers as code
shapes   the elements of a list
heap     the contents of objects, and the state of a program point

What the translator knows of a value.

All are immutable, so they may be shared; what an object holds is in `racer.reward.compile.values.heap`.

Kinds of numbers, and numbers as code.

A kind is a letter: `b` bool, `i` int, `f` float; `n` is held as a float and may be an int in Python.

The shape of a list's elements: how many numbers each takes, and of what kinds.

The contents of objects, and the state of a program point.

Contents are immutable: a change of an object replaces its contents in `State.heap`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

INT_LIMIT = 2.0**53
"""Whole numbers beyond it leave the compiled path: they are Python's business."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value that is known while translating: None, a number or a string."""

    value: Any

    def _key(self) -> tuple[type, str]:
        return type(self.value), repr(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key() == other._key()

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
    bound: float = field(default=INT_LIMIT, compare=False)
    """Largest absolute value of an int."""


@dataclass(frozen=True, slots=True)
class TupleValue:
    """An immutable sequence of known length: a tuple, a list that nobody may change, or a small array."""

    items: tuple[Value, ...]
    type: str = "tuple"


@dataclass(frozen=True, slots=True)
class ObjectRef:
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
class UnknownString:
    """Some string; good for printing only."""


@dataclass(frozen=True, slots=True)
class StringChoice:
    """One of several known strings, by number."""

    options: tuple[str, ...]
    expr: str


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function of the user's: a def or a lambda."""

    node: ast.FunctionDef | ast.Lambda = field(compare=False)
    frame: int
    """The frame that it was defined in; 0 for the module."""
    defaults: tuple[Value, ...] = ()
    keyword_defaults: tuple[tuple[str, Value], ...] = ()
    serial: int = 0
    """Number of its node, so that equal means the same function."""


@dataclass(frozen=True, slots=True)
class BoundMethod:
    """A method with its receiver."""

    function: Value
    receiver: Value


@dataclass(frozen=True, slots=True)
class Builtin:
    """A module, function or class of Python's or numpy's, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class BuiltinMethod:
    """A method of a built-in type."""

    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class RangeValue:
    """`range(...)`."""

    start: Value
    stop: Value
    step: int


@dataclass(frozen=True, slots=True)
class LazyIterable:
    """`enumerate`, `zip` or `reversed`."""

    kind: str
    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that must not be read."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unbound:
    """A name without a value."""


Value = (
    Constant
    | Scalar
    | TupleValue
    | ObjectRef
    | Maybe
    | UnknownString
    | StringChoice
    | UserFunction
    | BoundMethod
    | Builtin
    | BuiltinMethod
    | RangeValue
    | LazyIterable
    | Unreadable
    | Unbound
)
UNBOUND = Unbound()
NONE = Constant(None)


_KIND_OF = {bool: "b", int: "i", float: "f"}


def kind_of(value: Value) -> tuple[str, bool] | None:
    """Kind of a number and whether it is numpy's; None for what is no number."""
    if isinstance(value, Scalar):
        return value.kind, value.numpy
    if isinstance(value, Constant) and type(value.value) in _KIND_OF:
        return _KIND_OF[type(value.value)], False
    return None


def number_kind(value: Scalar | Constant) -> str:
    """Kind of a number."""
    found = kind_of(value)
    assert found is not None
    return found[0]


def is_number(value: Value) -> bool:
    """Whether a value is a number."""
    return isinstance(value, Scalar) or (isinstance(value, Constant) and isinstance(value.value, (bool, int, float)))


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
    if isinstance(value, Constant):
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


def as_float(value: Scalar | Constant) -> str:
    """A number as a float expression."""
    return as_kind(value, "f")


def is_zero(value: Scalar | Constant) -> str:
    """The test for zero."""
    return f"{as_kind(value, 'f')} == 0.0" if number_kind(value) in "fn" else f"{as_kind(value, 'i')} == 0"


def bound_of(value: Scalar | Constant) -> float:
    if isinstance(value, Scalar):
        return 1.0 if value.kind == "b" else value.bound
    return float(abs(value.value))


def as_numpy(value: Value) -> Value:
    """The number as numpy's own type."""
    if isinstance(value, Scalar):
        return Scalar(value.kind, value.expr, True, value.bound)
    if isinstance(value, Constant) and isinstance(value.value, (bool, int, float)):
        k = number_kind(value)
        return Scalar(k, as_kind(value, k), True, abs(float(value.value)) if k == "i" else INT_LIMIT)
    return value


@dataclass(frozen=True, slots=True)
class NumberShape:
    """The shape of an element that is one number."""

    kind: str
    numpy: bool = False


@dataclass(frozen=True, slots=True)
class RecordShape:
    """The shape of an element that is a sequence of known length."""

    type: str
    items: tuple[NumberShape | RecordShape, ...]


Shape = NumberShape | RecordShape


def shape_width(shape: Shape) -> int:
    """How many numbers an element of this shape takes."""
    return 1 if isinstance(shape, NumberShape) else sum(shape_width(item) for item in shape.items)


def join_shapes(one: Shape | None, two: Shape | None) -> Shape | None:
    """The shape that holds both; None where there is none."""
    if isinstance(one, NumberShape) and isinstance(two, NumberShape):
        return NumberShape(join_kinds({one.kind, two.kind}), one.numpy or two.numpy)
    if (
        isinstance(one, RecordShape)
        and isinstance(two, RecordShape)
        and one.type == two.type
        and len(one.items) == len(two.items)
    ):
        items = tuple(join_shapes(a, b) for a, b in zip(one.items, two.items, strict=True))
        if all(item is not None for item in items):
            return RecordShape(one.type, tuple(item for item in items if item is not None))
    return None


def leaf_kinds(shape: Shape) -> list[str]:
    return [shape.kind] if isinstance(shape, NumberShape) else [k for item in shape.items for k in leaf_kinds(item)]


MODULE_OBJECTS_MAX = 1_000_000
"""Objects of the module have smaller numbers than those that the function makes."""


@dataclass(frozen=True, slots=True)
class FixedSequence:
    """Contents of a sequence of known length."""

    type: str
    items: tuple[Value, ...]
    frozen: bool = False
    """It was copied somewhere by value: changing it would be seen in one place only."""


@dataclass(frozen=True, slots=True)
class ArraySequence:
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
class DictContents:
    """Contents of a dict with known keys."""

    items: tuple[tuple[Any, Value], ...]


@dataclass(frozen=True, slots=True)
class ObjectFields:
    """Attributes of an instance, a class or a function; `cls` is what it is an instance of."""

    items: tuple[tuple[str, Value], ...]
    cls: Value | None = None
    name: str = ""
    bases: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class InvalidContents:
    """Contents that two ways of the program left in shapes that do not fit together."""

    reason: str


Content = FixedSequence | ArraySequence | DictContents | ObjectFields | InvalidContents
VariableKey = tuple[int, str]


class ProgramState:
    """Names and objects at one point of the program."""

    __slots__ = ("heap", "variables")

    def __init__(
        self, variables: dict[VariableKey, Value] | None = None, heap: dict[int, Content] | None = None
    ) -> None:
        self.variables: dict[VariableKey, Value] = variables or {}
        self.heap: dict[int, Content] = heap or {}

    def clone(self) -> ProgramState:
        """A copy whose changes are its own."""
        return ProgramState(dict(self.variables), dict(self.heap))


def refs_of(thing: Any) -> list[int]:
    """The objects that a value or the contents of an object refer to."""
    if isinstance(thing, ObjectRef):
        return [thing.id]
    if isinstance(thing, (TupleValue, FixedSequence)):
        return [r for item in thing.items for r in refs_of(item)]
    if isinstance(thing, (DictContents, ObjectFields)):
        more = refs_of(thing.cls) if isinstance(thing, ObjectFields) and thing.cls else []
        return more + [r for _, item in thing.items for r in refs_of(item)]
    if isinstance(thing, Maybe):
        return refs_of(thing.value)
    if isinstance(thing, BoundMethod):
        return refs_of(thing.function) + refs_of(thing.receiver)
    if isinstance(thing, BuiltinMethod):
        return refs_of(thing.receiver)
    if isinstance(thing, LazyIterable):
        return [r for part in thing.parts for r in refs_of(part)]
    if isinstance(thing, UserFunction):
        more = [r for d in thing.defaults for r in refs_of(d)]
        return more + [r for _, d in thing.keyword_defaults for r in refs_of(d)]
    return []
