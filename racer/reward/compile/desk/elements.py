"""Values as elements of lists: their shape, their numbers, and the code that copies them."""

from __future__ import annotations

from racer.reward.compile.desk.desk import Desk
from racer.reward.compile.desk.lines import Buffer
from racer.reward.compile.endings import UNCOVERED, CannotCompile
from racer.reward.compile.values.heap import Content, Items, Seq, State
from racer.reward.compile.values.kinds import as_kind, kind_of
from racer.reward.compile.values.shapes import Leaf, Rec, Shape, leaf_kinds, width
from racer.reward.compile.values.value import Const, Ref, Tup, Value


def shape_of(value: Value, desk: Desk, state: State | None = None) -> Shape | None:
    """The shape of a value as an element of a list; None where it has none."""
    kind = kind_of(value)
    if kind is not None:
        return Leaf(*kind)
    if isinstance(value, Tup):
        return _rec(value.type, value.items, desk, state)
    if isinstance(value, Ref):
        content = desk.content(value.id, state)
        if isinstance(content, Items):
            return _rec(content.type, content.items, desk, state)
    return None


def _rec(type: str, items: tuple[Value, ...], desk: Desk, state: State | None) -> Shape | None:
    shapes = [shape_of(item, desk, state) for item in items]
    if not shapes or any(s is None for s in shapes):
        return None
    return Rec(type, tuple(s for s in shapes if s is not None))


def leaves(value: Value, desk: Desk, state: State | None = None) -> list[Value]:
    """The numbers of an element."""
    if isinstance(value, Tup):
        return [leaf for item in value.items for leaf in leaves(item, desk, state)]
    if isinstance(value, Ref):
        content = desk.content(value.id, state)
        assert isinstance(content, Items)
        return [leaf for item in content.items for leaf in leaves(item, desk, state)]
    return [value]


def copy_into(desk: Desk, content: Content, seq: Seq, state: State) -> None:
    """Write code that copies a sequence's elements to the beginning of a region."""
    size = width(seq.shape)
    kinds = leaf_kinds(seq.shape)
    if isinstance(content, Items):
        if len(content.items) > seq.capacity:
            raise CannotCompile("a list is too long", desk.line)
        base = int(seq.offset)
        for k, item in enumerate(content.items):
            for j, (leaf, _) in enumerate(zip(leaves(item, desk, state), kinds, strict=True)):
                desk.write(f"{seq.array}[{base + k * size + j}] = {as_kind(leaf, 'f')}")
        return
    assert isinstance(content, Seq)
    length = as_kind(content.length, "i")
    if not isinstance(content.length, Const):
        desk.write(f"if {length} > {seq.capacity}: return {desk.code(UNCOVERED)}")
    elif content.length.value > seq.capacity:
        raise CannotCompile("a list is too long", desk.line)
    index = desk.name("j")
    desk.write(f"{index} = 0")
    body: Buffer = [f"if {index} >= {length}: break"]
    for j in range(size):
        source = f"{content.array}[{desk.address(content, index)} + {j}]"
        body.append(f"{seq.array}[{seq.offset} + {size} * {index} + {j}] = {source}")
    body.append(f"{index} += 1")
    desk.b.append(("while", "True", body))
