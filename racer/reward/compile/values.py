"""The intermediate representation: values, element shapes, object contents, and the state at a point of the program.

The other modules of the compiler import this one as `ir`, so that `ast.X` is always the user's syntax and `ir.X` what
the translator has made of it.

A `Value` describes what an expression of the user's program has: a known constant, a number that the kernel computes,
an object, a function, or one of several. A number has a kind, which is a letter:

    b   bool
    i   int, held as an int64; its absolute value stays within `INT_LIMIT`
    f   float
    n   held as a float, but Python may have an int there: no index, no integer division

A `Shape` describes the elements of a list in an array, a `Content` what an object holds. All of these are immutable
and may be shared: a change of an object replaces its content in `ProgramState.heap`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

# Largest absolute value of a whole number in a kernel; every one up to it is exact as a float too.
INT_LIMIT = 2.0**53
# Upper bound of lengths and indices; sums and products of two of them stay below 2**63.
LENGTH_BOUND = 2.0**31


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value that is known while translating: None, a number or a string."""

    value: Any

    def _key(self) -> tuple[type, str]:
        # Python's `==` takes 1, 1.0 and True for equal, and NaN for different from itself.
        return type(self.value), repr(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number that the kernel computes.

    Attributes:
        kind: `b`, `i`, `f` or `n`; see the module's docstring.
        expr: Its code.
        numpy: Whether it is a numpy scalar in Python.
        bound: Largest absolute value of an int.
    """

    kind: str
    expr: str
    numpy: bool = False
    # Not compared: a loop's head would converge only when the bounds do, and those of a counter never do.
    bound: float = field(default=INT_LIMIT, compare=False)


@dataclass(frozen=True, slots=True)
class TupleValue:
    """An immutable sequence of known length: a tuple, a list that is never changed, or a small array."""

    items: tuple[Value, ...]
    type: str = "tuple"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object; its contents are in `ProgramState.heap`."""

    id: int


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value that may be missing.

    Attributes:
        tag: Variable of the kernel: 0 the value is there, 1 it is None, 2 the name has no value yet.
        value: The value at tag 0; None where tag 0 never occurs.
        none: Whether the tag may be 1.
        unbound: Whether the tag may be 2.
    """

    tag: str
    value: Value | None
    none: bool
    unbound: bool


@dataclass(frozen=True, slots=True)
class UnknownString:
    """A string whose text is not tracked; it can only be printed."""


@dataclass(frozen=True, slots=True)
class StringChoice:
    """One of several known strings; `expr` is the number of the option."""

    options: tuple[str, ...]
    expr: str


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A def or a lambda of the user's file or of the stdlib.

    Attributes:
        node: Its syntax.
        frame: Frame that it was defined in; 0 for the module.
        defaults: Default values of its last parameters.
        keyword_defaults: Default values of keyword-only parameters.
        serial: Number of its node: functions with equal serials have the same code.
    """

    node: ast.FunctionDef | ast.Lambda = field(compare=False)
    frame: int
    defaults: tuple[Value, ...] = ()
    keyword_defaults: tuple[tuple[str, Value], ...] = ()
    serial: int = 0


@dataclass(frozen=True, slots=True)
class BoundMethod:
    """A method with its receiver."""

    function: Value
    receiver: Value


@dataclass(frozen=True, slots=True)
class Builtin:
    """A module, function or class of Python or numpy, by its dotted name."""

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
    """`enumerate`, `zip` or `reversed`, with its arguments."""

    kind: str
    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value, or the contents of an object, that the translator does not cover; a read of it traps.

    Two paths of a program may leave a name or an object in shapes that do not fit together; that is not an error until
    the name or object is read.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Unbound:
    """The mark of a name without a value."""


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
    """Return the kind of a number and whether it is a numpy scalar; None for any other value."""
    if isinstance(value, Scalar):
        return value.kind, value.numpy
    # By the exact type: True is an int for `isinstance`.
    if isinstance(value, Constant) and type(value.value) in _KIND_OF:
        return _KIND_OF[type(value.value)], False
    return None


def number_kind(value: Scalar | Constant) -> str:
    """Return the kind of a number."""
    return value.kind if isinstance(value, Scalar) else _KIND_OF[type(value.value)]


def is_number(value: Value) -> bool:
    """Check whether a value is a number."""
    return kind_of(value) is not None


def any_numpy(*values: Value) -> bool:
    """Check whether one of the values is a numpy scalar."""
    return any(isinstance(value, Scalar) and value.numpy for value in values)


def join_kinds(kinds: set[str]) -> str:
    """Return the narrowest kind that holds all of these."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return "i" if kinds <= {"b", "i"} else "n"


def literal(value: bool | int | float) -> str:
    """Return a number as code."""
    if isinstance(value, float):
        # NAN and INF are globals of the kernel's file; the repr of other floats reads back as the same float.
        if value != value:
            return "NAN"
        if value in (float("inf"), float("-inf")):
            return "INF" if value > 0 else "(-INF)"
    # Parentheses, because the code may be an operand: -2 ** 2 is -4.
    return f"({value!r})" if not isinstance(value, bool) and value < 0 else repr(value)


def as_kind(value: Value, kind: str) -> str:
    """Return a number as an expression of the same or a wider kind."""
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
    """Return a number as a float expression."""
    return as_kind(value, "f")


def is_zero(value: Scalar | Constant) -> str:
    """Return the test for zero as code."""
    return f"{as_kind(value, 'f')} == 0.0" if number_kind(value) in "fn" else f"{as_kind(value, 'i')} == 0"


def bound_of(value: Scalar | Constant) -> float:
    """Return the largest absolute value that an int can have."""
    if isinstance(value, Scalar):
        return 1.0 if value.kind == "b" else value.bound
    return float(abs(value.value))


def index_scalar(expr: str) -> Scalar:
    """Return an int whose code is an index or a length."""
    return Scalar("i", expr, bound=LENGTH_BOUND)


def as_numpy(value: Value) -> Value:
    """Return a number as a numpy scalar, and any other value as it is."""
    if isinstance(value, Scalar):
        return replace(value, numpy=True)
    if isinstance(value, Constant) and is_number(value):
        # Not a constant: numpy's rules differ (1 / 0 is infinity), so Python must not fold it.
        kind = number_kind(value)
        return Scalar(kind, as_kind(value, kind), True, bound_of(value) if kind == "i" else INT_LIMIT)
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
    """Return how many numbers an element of this shape takes."""
    return len(leaf_kinds(shape))


def join_shapes(a: Shape | None, b: Shape | None) -> Shape | None:
    """Return the shape that holds both; None where there is none."""
    if isinstance(a, NumberShape) and isinstance(b, NumberShape):
        return NumberShape(join_kinds({a.kind, b.kind}), a.numpy or b.numpy)
    if not isinstance(a, RecordShape) or not isinstance(b, RecordShape):
        return None
    if (a.type, len(a.items)) != (b.type, len(b.items)):
        return None
    items = [join_shapes(x, y) for x, y in zip(a.items, b.items, strict=True)]
    return record_shape(a.type, items)


def record_shape(type: str, items: list[Shape | None]) -> RecordShape | None:
    """Return the shape of a sequence from the shapes of its items; None where one of these is None."""
    known = tuple(item for item in items if item is not None)
    return RecordShape(type, known) if len(known) == len(items) else None


def leaf_kinds(shape: Shape) -> list[str]:
    """Return the kind of each number of an element."""
    return [shape.kind] if isinstance(shape, NumberShape) else [k for item in shape.items for k in leaf_kinds(item)]


# Objects of the module have ids below this; objects that the function makes have ids above.
MODULE_OBJECTS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class FixedSequence:
    """Contents of a sequence of known length.

    Attributes:
        type: `list`, `tuple`, `ndarray` or `set`.
        items: Its values.
        frozen: Whether it was copied by value into another object. A change would reach one of the two only, so
            there must be none.
    """

    type: str
    items: tuple[Value, ...]
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class ArraySequence:
    """Contents of a sequence in an array of the kernel: element j starts at `array[offset + stride * j]`.

    Attributes:
        type: `list`, `tuple`, `ndarray` or `set`.
        array: `T` table, `W` waypoints, `M` memory of the call, `S` state of the car.
        offset: Code of the index at which element 0 starts.
        length: Number of elements.
        stride: Numbers from one element to the next.
        shape: Shape of an element.
        capacity: Elements that fit; 0 where the array must not be written.
        frozen: As in `FixedSequence`.
    """

    type: str
    array: str
    offset: str
    length: Value
    stride: int
    shape: Shape
    capacity: int = 0
    frozen: bool = False


def view_of(seq: ArraySequence, type: str, shape: Shape | None = None) -> ArraySequence:
    """Return the same elements as a read-only sequence of another type, and with another shape of the same width."""
    # Without a capacity: writing through the view would change the original.
    return ArraySequence(type, seq.array, seq.offset, seq.length, seq.stride, shape or seq.shape)


@dataclass(frozen=True, slots=True)
class DictContents:
    """Contents of a dict with known keys."""

    items: tuple[tuple[Any, Value], ...]


@dataclass(frozen=True, slots=True)
class ObjectFields:
    """Attributes of an instance, a class or a function.

    Attributes:
        items: Name and value of each attribute.
        cls: Class of an instance; None for a class or a function.
        name: Name of a class.
        bases: Base classes of a class, without `object`.
    """

    items: tuple[tuple[str, Value], ...]
    cls: Value | None = None
    name: str = ""
    bases: tuple[Value, ...] = ()


Content = FixedSequence | ArraySequence | DictContents | ObjectFields | Unreadable
# Number of the frame and name; frame 0 is the module, frames below 0 hold closures and attributes of functions.
VariableKey = tuple[int, str]


@dataclass(slots=True, eq=False)
class ProgramState:
    """Names and objects at one point of the program.

    Attributes:
        variables: Value of each name that has been assigned.
        heap: Contents of each object that was made or changed, by its id.
    """

    variables: dict[VariableKey, Value] = field(default_factory=dict)
    heap: dict[int, Content] = field(default_factory=dict)

    def clone(self) -> ProgramState:
        """Return a copy that can be changed separately."""
        # Values and contents are immutable, so copying the two dicts is enough.
        return ProgramState(dict(self.variables), dict(self.heap))


def parts_of(holder: Any) -> Sequence[Any]:
    """Return the values that a value, or the contents of an object, consists of; they do not include `holder`."""
    match holder:
        case TupleValue() | FixedSequence():
            return holder.items
        case ArraySequence():
            return [holder.length]
        case DictContents():
            return [value for _, value in holder.items]
        case ObjectFields():
            return [holder.cls, *(value for _, value in holder.items)]
        case Maybe():
            return [holder.value]
        case BoundMethod():
            return [holder.function, holder.receiver]
        case BuiltinMethod():
            return [holder.receiver]
        case LazyIterable():
            return holder.parts
        case UserFunction():
            return [*holder.defaults, *(value for _, value in holder.keyword_defaults)]
        case _:
            return []


def refs_of(holder: Any) -> list[int]:
    """Return the ids of the objects that a value, or the contents of an object, refers to."""
    # With repetitions: a join counts the references to an object.
    inner = [ref for part in parts_of(holder) for ref in refs_of(part)]
    return [holder.id, *inner] if isinstance(holder, ObjectRef) else inner
