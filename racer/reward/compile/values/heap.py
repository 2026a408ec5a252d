"""The contents of objects, and the state of a program point.

Contents are immutable: a change of an object replaces its contents in `State.heap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from racer.reward.compile.values.shapes import Shape
from racer.reward.compile.values.value import Bound, Function, Lazy, Maybe, Method, Ref, Tup, Value

IMPORTED = 1_000_000
"""Objects of the module have smaller numbers than those that the function makes."""


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
