"""Sequences put where an index that is not known can reach them: into the table, or into memory."""

from __future__ import annotations

from racer.reward.compile.desk.desk import LIST_CAPACITY
from racer.reward.compile.desk.elements import copy_into, leaves, shape_of
from racer.reward.compile.flow.context import Context
from racer.reward.compile.values.heap import Items, Seq
from racer.reward.compile.values.shapes import Leaf, Shape, join_shapes, width
from racer.reward.compile.values.value import Const, Value


def table(context: Context, found: Items) -> Seq | None:
    """The same sequence in the table, where it holds constants of one shape only."""
    shape: Shape | None = None
    numbers: list[float] = []
    for value in found.items:
        one = shape_of(value, context)
        shape = one if shape is None else join_shapes(shape, one)
        if shape is None or one is None:
            return None
        for leaf in leaves(value, context):
            if not isinstance(leaf, Const):
                return None
            numbers.append(float(leaf.value))
    if shape is None:
        return None
    key = (found, shape)
    known = context.tables.get(key)
    if known is None:
        known = context.put_table(numbers)
        context.tables[key] = known
    return Seq(found.type, "T", str(known), Const(len(found.items)), width(shape), shape)


def in_memory(context: Context, found: Items | Seq, site: object) -> Seq:
    """The same sequence in memory that may be written, copied there."""
    if isinstance(found, Seq) and found.capacity:
        return found
    shape: Shape | None = None
    if isinstance(found, Seq):
        shape = found.shape
    else:
        for value in found.items:
            one = shape_of(value, context)
            shape = one if shape is None else join_shapes(shape, one)
            if shape is None:
                raise context.cannot("a list whose items have several shapes")
    shape = shape or Leaf("f")
    size = width(shape)
    offset = context.region(site, LIST_CAPACITY * size)
    count: Value = Const(len(found.items)) if isinstance(found, Items) else found.length
    seq = Seq(found.type, "M", str(offset), count, size, shape, LIST_CAPACITY)
    copy_into(context, found, seq, context.s)
    return seq
