"""Where the state of a car lies in its row, and how it goes into a module and comes out of one.

A layout is plain JSON: a list of entries, each with the path of a name or object of the module and what is kept there.
Calls that the kernel leaves to plain Python are made with the state put into a module, and it is read back afterwards.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.compile.context import Context
from racer.reward.compile.values import (
    LIMIT,
    UNBOUND,
    CannotCompile,
    Choice,
    Const,
    Content,
    Dict,
    Fields,
    Function,
    Hopeless,
    Items,
    Leaf,
    Maybe,
    Native,
    Ref,
    Scalar,
    Seq,
    Shape,
    State,
    Tup,
    Value,
    width,
)
from racer.reward.compile.world import FUNCTION_FRAME, World

Layout = list[dict[str, Any]]
_IMPORTED = 1_000_000


class Mismatch(Exception):
    """A module holds something that the row has no place for."""


# -- making


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
        if id >= _IMPORTED or content == world.content(id):
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
        if value.id < _IMPORTED:
            return {"is": "object", "path": _steps(world.objects[value.id][1])}
        content = head.heap[value.id]
        if isinstance(content, (Items, Seq)):
            return _contents(world, head, names, content, name)
        if isinstance(content, Dict):
            return {"is": "dict", "items": [[k, _spec(world, head, names, v, name)] for k, v in content.items]}
        if isinstance(content, Fields) and isinstance(content.cls, Ref) and content.cls.id < _IMPORTED:
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


def check_kept(context: Context, head: State, names: dict[str, int]) -> None:
    """Raise `CannotCompile` where what is kept has no layout."""
    try:
        make_layout(context.world, head, names)
    except KeyError:
        raise CannotCompile("it keeps something between calls that is not covered") from None


# -- a row into a module, and back


def put_state(module: dict[str, Any], layout: Layout, row: NDArray[np.float64]) -> None:
    """Give a module the state of a row."""
    for entry in layout:
        if "contents" in entry:
            _found(module, entry["path"])[:] = _built(module, entry["contents"], row)
        else:
            _set(module, entry["path"], _built(module, entry["value"], row))


def take_state(module: dict[str, Any], layout: Layout, row: NDArray[np.float64]) -> None:
    """Fill a row from a module.

    Raises:
        Mismatch: the module holds what the row has no place for; the row is then not to be used.
    """
    try:
        for entry in layout:
            if "contents" in entry:
                _taken(module, entry["contents"], _found(module, entry["path"]), row)
            else:
                _taken(module, entry["value"], _found(module, entry["path"], UNBOUND), row)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise Mismatch(str(error)) from None


def _built(module: dict[str, Any], spec: dict[str, Any], row: NDArray[np.float64]) -> Any:
    word = spec["is"]
    if word == "const":
        return spec["value"]
    if word == "number":
        return _number(spec["kind"], spec["numpy"], float(row[spec["at"]]))
    if word == "maybe":
        tag = int(row[spec["at"]])
        return None if tag == 1 else UNBOUND if tag == 2 else _built(module, spec["value"], row)
    if word == "choice":
        return spec["options"][int(row[spec["at"]])]
    if word == "items":
        items = [_built(module, item, row) for item in spec["items"]]
        return np.array(items) if spec["type"] == "ndarray" else tuple(items) if spec["type"] == "tuple" else items
    if word == "object":
        return _found(module, spec["path"])
    if word == "dict":
        made = {key: _built(module, item, row) for key, item in spec["items"]}
        return {key: item for key, item in made.items() if item is not UNBOUND}
    if word == "instance":
        cls = _found(module, spec["class"])
        instance = object.__new__(cls)
        for name, item in spec["items"]:
            value = _built(module, item, row)
            if value is not UNBOUND:
                setattr(instance, name, value)
        return instance
    count = int(_built(module, spec["length"], row))
    shape, at = spec["shape"], spec["at"]
    size = _size(shape)
    rows = [_element(shape, row[at + k * size : at + (k + 1) * size].tolist()) for k in range(count)]
    return np.array(rows) if spec["type"] == "ndarray" else tuple(rows) if spec["type"] == "tuple" else rows


def _number(kind: str, numpy: bool, value: float) -> Any:
    made: Any = bool(value) if kind == "b" else int(value) if kind == "i" else value
    if not numpy:
        return made
    return np.bool_(made) if kind == "b" else np.int64(made) if kind == "i" else np.float64(made)


def _size(shape: Any) -> int:
    return 1 if isinstance(shape, list) else sum(_size(item) for item in shape["items"])


def _element(shape: Any, numbers: list[float]) -> Any:
    if isinstance(shape, list):
        return _number(shape[0], shape[1], numbers[0])
    items, first = [], 0
    for item in shape["items"]:
        last = first + _size(item)
        items.append(_element(item, numbers[first:last]))
        first = last
    kind = shape["type"]
    return tuple(items) if kind == "tuple" else np.array(items) if kind == "ndarray" else items


def _taken(module: dict[str, Any], spec: dict[str, Any], value: Any, row: NDArray[np.float64]) -> None:
    word = spec["is"]
    if word == "maybe":
        row[spec["at"]] = 2.0 if value is UNBOUND else 1.0 if value is None else 0.0
        if value is not UNBOUND and value is not None:
            if spec["value"] is None:
                raise Mismatch("a value where None was")
            _taken(module, spec["value"], value, row)
        return
    if value is UNBOUND:
        raise Mismatch("a name has lost its value")
    if word == "const":
        if type(value) is not type(spec["value"]) or repr(value) != repr(spec["value"]):
            raise Mismatch("a constant has changed")
    elif word == "number":
        row[spec["at"]] = _plain(spec["kind"], spec["numpy"], value)
    elif word == "choice":
        row[spec["at"]] = spec["options"].index(value)
    elif word == "items":
        if type(value).__name__ != spec["type"] or len(value) != len(spec["items"]):
            raise Mismatch("a list has changed its length")
        for item, inner in zip(value, spec["items"], strict=True):
            _taken(module, inner, item, row)
    elif word == "object":
        if value is not _found(module, spec["path"]):
            raise Mismatch("another object")
    elif word in ("dict", "instance"):
        held = value if word == "dict" else vars(value)
        known = {key for key, _ in spec["items"]}
        if set(held) - known or (word == "instance" and type(value) is not _found(module, spec["class"])):
            raise Mismatch("an object has changed its shape")
        for key, inner in spec["items"]:
            _taken(module, inner, held.get(key, UNBOUND), row)
    else:
        _take_rows(module, spec, value, row)


def _take_rows(module: dict[str, Any], spec: dict[str, Any], value: Any, row: NDArray[np.float64]) -> None:
    if type(value).__name__ != spec["type"] or len(value) > spec["capacity"]:
        raise Mismatch("a list has grown too long")
    _taken(module, spec["length"], len(value), row)
    size = _size(spec["shape"])
    for k, item in enumerate(value):
        _take_element(spec["shape"], item, row, spec["at"] + k * size)


def _take_element(shape: Any, value: Any, row: NDArray[np.float64], at: int) -> None:
    if isinstance(shape, list):
        row[at] = _plain(shape[0], shape[1], value)
        return
    if type(value).__name__ != shape["type"] or len(value) != len(shape["items"]):
        raise Mismatch("an item has changed its shape")
    for item, inner in zip(value, shape["items"], strict=True):
        _take_element(inner, item, row, at)
        at += _size(inner)


def _plain(kind: str, numpy: bool, value: Any) -> float:
    allowed: tuple[type, ...] = {"b": (bool,), "i": (bool, int), "f": (float,), "n": (bool, int, float)}[kind]
    if numpy:
        allowed = (*allowed, np.bool_, np.integer, np.float64)
    if type(value) not in allowed and not (numpy and isinstance(value, allowed)):
        raise Mismatch(f"a number of type {type(value).__name__}")
    if abs(value) > LIMIT and not isinstance(value, float):
        raise Mismatch("a whole number beyond 2**53")
    return float(value)


def _found(module: dict[str, Any], path: list[Any], default: Any = None) -> Any:
    """What lies at a path."""
    found: Any = module
    for place, (word, name) in enumerate(path):
        last = place == len(path) - 1
        if word == "global" or word in ("item", "key"):
            if last and default is not None and (name not in found if isinstance(found, dict) else False):
                return default
            found = found[name]
        elif word == "attr":
            if last and default is not None and name not in vars(found):
                return default
            found = vars(found)[name]
        elif word == "class":
            found = type(found)
        elif word == "base":
            found = found.__bases__[name]
        elif word == "default":
            found = found.__defaults__[name]
        elif word == "kwdefault":
            found = found.__kwdefaults__[name]
        elif word == "cell":
            cell = _cell(found, name)
            try:
                found = cell.cell_contents
            except ValueError:
                return default
        else:
            found = getattr(found, {"func": "__func__", "self": "__self__", "fget": "fget"}[word])
    return found


def _cell(function: Any, name: str) -> types.CellType:
    cell: types.CellType = function.__closure__[function.__code__.co_freevars.index(name)]
    return cell


def _set(module: dict[str, Any], path: list[Any], value: Any) -> None:
    owner = _found(module, path[:-1])
    word, name = path[-1]
    if word in ("global", "item", "key"):
        if value is UNBOUND:
            owner.pop(name, None)
        else:
            owner[name] = value
    elif word == "attr":
        if value is not UNBOUND:
            setattr(owner, name, value)
        elif name in vars(owner):
            delattr(owner, name)
    elif word == "cell":
        cell = _cell(owner, name)
        if value is UNBOUND:
            del cell.cell_contents
        else:
            cell.cell_contents = value
    else:
        raise Mismatch(f"no way to set {path}")


def fingerprint(module: dict[str, Any]) -> str:
    """A text that differs where two modules of the same source hold different values."""
    seen: set[int] = set()

    def told(value: Any) -> str:
        if value is None or type(value) in (bool, int, float, str, bytes, complex):
            return repr(value)
        if isinstance(value, np.generic):
            return repr(value)
        if isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
            return "module"
        if id(value) in seen:
            return "again"
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            return f"{value.dtype}{value.shape}{value.tolist()!r}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}[{','.join(map(told, value))}]"
        if isinstance(value, (set, frozenset)):
            return f"set[{','.join(sorted(map(told, value)))}]"
        if isinstance(value, dict):
            return (
                f"dict[{','.join(f'{told(k)}:{told(v)}' for k, v in sorted(value.items(), key=lambda i: str(i[0])))}]"
            )
        if isinstance(value, types.FunctionType):
            cells = [c.cell_contents for c in value.__closure__ or () if _filled(c)]
            return f"function[{told([value.__defaults__, value.__kwdefaults__, vars(value), cells])}]"
        if isinstance(value, type):
            if value.__module__ != module.get("__name__"):
                return value.__qualname__
            held = {k: v for k, v in vars(value).items() if not k.startswith("__")}
            return f"class[{told(held)}]"
        if isinstance(value, (staticmethod, classmethod)):
            return told(value.__func__)
        if isinstance(value, (property, types.MethodType)):
            return "callable"
        if hasattr(value, "__dict__"):
            return f"{type(value).__name__}[{told(vars(value))}]"
        return type(value).__name__

    return told({k: v for k, v in module.items() if not k.startswith("__")})


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


__all__ = ["Layout", "Mismatch", "check_kept", "fingerprint", "make_layout", "put_state", "take_state", "width"]
