"""The shape of a list's elements: how many numbers each takes, and of what kinds."""

from __future__ import annotations

from dataclasses import dataclass

from racer.reward.compile.values.kinds import join_kinds


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


def join_shapes(one: Shape | None, two: Shape | None) -> Shape | None:
    """The shape that holds both; None where there is none."""
    if isinstance(one, Leaf) and isinstance(two, Leaf):
        return Leaf(join_kinds({one.kind, two.kind}), one.numpy or two.numpy)
    if isinstance(one, Rec) and isinstance(two, Rec) and one.type == two.type and len(one.items) == len(two.items):
        items = tuple(join_shapes(a, b) for a, b in zip(one.items, two.items, strict=True))
        if all(item is not None for item in items):
            return Rec(one.type, tuple(item for item in items if item is not None))
    return None


def leaf_kinds(shape: Shape) -> list[str]:
    return [shape.kind] if isinstance(shape, Leaf) else [k for item in shape.items for k in leaf_kinds(item)]
