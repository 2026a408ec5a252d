"""The state of a car, from its row into a module, and back.

Calls that the kernel leaves to plain Python are made with the state put into a module, and it is read back afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.compile.state.paths import Layout, Mismatch, found_at, set_at
from racer.reward.compile.values.value import LIMIT, UNBOUND


def put_state(module: dict[str, Any], layout: Layout, row: NDArray[np.float64]) -> None:
    """Give a module the state of a row."""
    for entry in layout:
        if "contents" in entry:
            found_at(module, entry["path"])[:] = _built(module, entry["contents"], row)
        else:
            set_at(module, entry["path"], _built(module, entry["value"], row))


def take_state(module: dict[str, Any], layout: Layout, row: NDArray[np.float64]) -> None:
    """Fill a row from a module.

    Raises:
        Mismatch: the module holds what the row has no place for; the row is then not to be used.
    """
    try:
        for entry in layout:
            if "contents" in entry:
                _taken(module, entry["contents"], found_at(module, entry["path"]), row)
            else:
                _taken(module, entry["value"], found_at(module, entry["path"], UNBOUND), row)
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
        return found_at(module, spec["path"])
    if word == "dict":
        made = {key: _built(module, item, row) for key, item in spec["items"]}
        return {key: item for key, item in made.items() if item is not UNBOUND}
    if word == "instance":
        cls = found_at(module, spec["class"])
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
        if value is not found_at(module, spec["path"]):
            raise Mismatch("another object")
    elif word in ("dict", "instance"):
        held = value if word == "dict" else vars(value)
        known = {key for key, _ in spec["items"]}
        if set(held) - known or (word == "instance" and type(value) is not found_at(module, spec["class"])):
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
