"""Where the state of a car lies in its row.

A layout is plain JSON: a list of entries, each with the path of a name or object of the module and what is kept there.
"""

from __future__ import annotations

from typing import Any

from racer.reward.compile.endings import Hopeless
from racer.reward.compile.module.world import FUNCTION_FRAME, World
from racer.reward.compile.state.paths import Layout
from racer.reward.compile.values.heap import IMPORTED, Content, Dict, Fields, Items, Seq, State
from racer.reward.compile.values.shapes import Leaf, Shape
from racer.reward.compile.values.value import UNBOUND, Choice, Const, Function, Maybe, Native, Ref, Scalar, Tup, Value


def make_layout(world: World, head: State, names: dict[str, int]) -> Layout:
    """The layout of what a translation keeps between calls.

    Raises:
        CannotCompile: something is kept that is no number, list of numbers or object that holds them.
    """
    entries: Layout = []
    for (frame, name), value in head.vars.items():
        if value == world.variable((frame, name)) or value == UNBOUND:
            continue
        if frame == 0:
            path: list[Any] = [["global", name]]
        elif frame <= FUNCTION_FRAME:
            path = [*_steps(world.functions[FUNCTION_FRAME - frame][1]), ["attr", name]]
        else:
            path = [*_steps(world.cells[frame][1]), ["cell", name]]
        entries.append({"path": path, "value": _spec(world, head, names, value, name)})
    for id, content in head.heap.items():
        if id >= IMPORTED or content == world.content(id):
            continue
        place = _steps(world.objects[id][1])
        entries.extend(_object(world, head, names, place, content, world.content(id)))
    return entries


def _steps(path: tuple[tuple[str, Any], ...]) -> list[Any]:
    return [list(step) for step in path]


def _object(
    world: World, head: State, names: dict[str, int], place: list[Any], content: Content, before: Content
) -> Layout:
    if isinstance(content, (Dict, Fields)) and isinstance(before, (Dict, Fields)):
        word = "key" if isinstance(content, Dict) else "attr"
        old = dict(before.items)
        return [
            {"path": [*place, [word, name]], "value": _spec(world, head, names, value, str(name))}
            for name, value in content.items
            if value != old.get(name, UNBOUND)
        ]
    if isinstance(content, (Items, Seq)) and content.type == "list":
        return [{"path": place, "contents": _contents(world, head, names, content, "a list")}]
    raise Hopeless("an object is kept between calls in a shape that is not covered")


def _spec(world: World, head: State, names: dict[str, int], value: Value, name: str) -> dict[str, Any]:
    if isinstance(value, Const):
        return {"is": "const", "value": value.value}
    if isinstance(value, Scalar) and value.expr in names:
        return {"is": "number", "kind": value.kind, "numpy": value.numpy, "at": names[value.expr]}
    if isinstance(value, Maybe):
        inner = None if value.value is None else _spec(world, head, names, value.value, name)
        return {"is": "maybe", "at": names[value.tag], "value": inner}
    if isinstance(value, Choice):
        return {"is": "choice", "options": list(value.options), "at": names[value.expr]}
    if isinstance(value, Tup) and value.type in ("tuple", "list", "ndarray"):
        return {
            "is": "items",
            "type": value.type,
            "items": [_spec(world, head, names, item, name) for item in value.items],
        }
    if isinstance(value, Ref):
        if value.id < IMPORTED:
            return {"is": "object", "path": _steps(world.objects[value.id][1])}
        content = head.heap[value.id]
        if isinstance(content, (Items, Seq)):
            return _contents(world, head, names, content, name)
        if isinstance(content, Dict):
            return {"is": "dict", "items": [[k, _spec(world, head, names, v, name)] for k, v in content.items]}
        if isinstance(content, Fields) and isinstance(content.cls, Ref) and content.cls.id < IMPORTED:
            return {
                "is": "instance",
                "class": _steps(world.objects[content.cls.id][1]),
                "items": [[k, _spec(world, head, names, v, name)] for k, v in content.items],
            }
    if isinstance(value, (Function, Native)):
        raise Hopeless(f"`{name}` keeps a function between calls")
    raise Hopeless(f"`{name}` keeps something between calls that is no number")


def _contents(world: World, head: State, names: dict[str, int], content: Items | Seq, name: str) -> dict[str, Any]:
    if isinstance(content, Items):
        if content.type not in ("list", "tuple", "ndarray"):
            raise Hopeless(f"`{name}` keeps a {content.type} between calls")
        items = [_spec(world, head, names, item, name) for item in content.items]
        return {"is": "items", "type": content.type, "items": items}
    if content.array != "S":
        raise Hopeless(f"`{name}` keeps a long list between calls")
    return {
        "is": "rows",
        "type": content.type,
        "at": int(content.offset),
        "capacity": content.capacity,
        "shape": _shape(content.shape),
        "length": _spec(world, head, names, content.length, name),
    }


def _shape(shape: Shape) -> Any:
    if isinstance(shape, Leaf):
        return [shape.kind, shape.numpy]
    return {"type": shape.type, "items": [_shape(item) for item in shape.items]}
