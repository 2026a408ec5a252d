"""Which variable a name means, and how long its value is needed, as Python's scoping rules say."""

from __future__ import annotations

from racer.reward.compile.desk.desk import Desk
from racer.reward.compile.prelude.functions import LIBRARY_FRAME
from racer.reward.compile.values.heap import Key


def resolve(desk: Desk, name: str, store: bool = False) -> Key | None:
    """The variable that a name means here."""
    number = desk.current
    first = True
    while number != 0:
        if number == LIBRARY_FRAME:
            return (number, name)
        if number < 0:
            if name in desk.world.cells[number][0]:
                return (number, name)
            return (0, name)
        frame = desk.frames[number]
        scope = frame.scope
        if name in scope.shared:
            return (0, name)
        if name in scope.own and (first or not frame.is_class):
            return (number, name)
        first = first and frame.is_comprehension
        number = frame.parent
    return (0, name)


def is_live(desk: Desk, key: Key) -> bool:
    """Whether a name's value may still be read after this point."""
    number, name = key
    if number <= 0 or name.startswith("$"):
        return True
    frame = desk.frames.get(number)
    if frame is None:
        return True
    scope = frame.scope
    if name in scope.captured or name not in scope.own or frame.is_comprehension or frame.is_class:
        return True
    places = scope.loads.get(name)
    if not places:
        return False
    here = desk.places.get(number)
    if here is None:
        return True
    end = here
    for first, last in scope.loops:
        if first <= here <= last:
            end = min(end, first)
            break
    return any(place >= end for place in places)
