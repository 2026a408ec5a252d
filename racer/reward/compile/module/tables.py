"""Numbers and tables of numbers that a module holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from racer.reward.compile.values.kinds import literal
from racer.reward.compile.values.shapes import Leaf, Rec, Shape, join_shapes
from racer.reward.compile.values.value import LIMIT, Poison, Scalar, Value


def numpy_scalar(obj: Any) -> Value:
    if isinstance(obj, np.floating) and not isinstance(obj, np.float64):
        return Poison(f"a number of type {type(obj).__name__}")
    kind = "b" if isinstance(obj, np.bool_) else "i" if isinstance(obj, np.integer) else "f"
    if kind == "i" and abs(int(obj)) >= LIMIT:
        return Poison("a whole number beyond 2**53")
    return Scalar(kind, literal(obj.item()), True, float(abs(obj.item())) if kind == "i" else LIMIT)


def row_shape(obj: Any) -> Shape | None:
    """The shape of a row of a table; None where it is no numbers."""
    kind = {bool: "b", int: "i", float: "f"}.get(type(obj))
    if kind:
        return Leaf(kind)
    if isinstance(obj, (np.float64, np.integer)):
        return Leaf("f" if isinstance(obj, np.float64) else "i", True)
    if isinstance(obj, np.ndarray) and obj.ndim == 1 and obj.dtype.kind in "if" and len(obj):
        return Rec("ndarray", (Leaf(obj.dtype.kind, True),) * len(obj))
    if type(obj) in (list, tuple) and obj:
        items = [row_shape(item) for item in obj]
        if all(item is not None for item in items):
            return Rec(type(obj).__name__, tuple(item for item in items if item is not None))
    return None


def fits(obj: Any, shape: Shape) -> bool:
    """Whether a row has a shape, whatever kinds its numbers are."""
    found = row_shape(obj)
    if isinstance(found, Leaf) and isinstance(shape, Leaf):
        return found.numpy == shape.numpy
    if not isinstance(found, Rec) or not isinstance(shape, Rec):
        return False
    return found.type == shape.type and len(found.items) == len(shape.items) and _same(found, shape)


def _same(one: Shape, two: Shape) -> bool:
    if isinstance(one, Leaf) and isinstance(two, Leaf):
        return one.numpy == two.numpy
    if isinstance(one, Rec) and isinstance(two, Rec) and len(one.items) == len(two.items) and one.type == two.type:
        return all(_same(a, b) for a, b in zip(one.items, two.items, strict=True))
    return False


def widest(rows: list[Any], shape: Shape) -> Shape:
    """The shape with kinds that hold the numbers of all rows."""
    found: Shape | None = shape
    for row in rows:
        one = row_shape(row)
        if isinstance(found, Rec) and found.type == "ndarray":
            break
        if isinstance(found, Leaf) and found.numpy:
            break
        assert one is not None
        assert found is not None
        found = join_shapes(found, one)
    return found or shape


def numbers_of(row: Any) -> list[Any]:
    if isinstance(row, (list, tuple, np.ndarray)):
        return [x for item in row for x in numbers_of(item)]
    return [row]
