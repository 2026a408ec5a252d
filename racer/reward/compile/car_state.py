"""What a car keeps between calls: where it lies in its row, and its way into a module and back.

layout        where everything lies in the row, as plain JSON
paths, rows   carry it into a module and back, for the calls that plain Python makes
fingerprint   checks that nothing else was kept

Names and objects of a module by their path: reading and setting them.

The state of a car, from its row into a module, and back.

Calls that the kernel leaves to plain Python are made with the state put into a module, and it is read back afterwards.

Whether two modules of the same source hold the same values.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.compile.values import INT_LIMIT, UNBOUND

StateLayout = list[dict[str, Any]]
"""See `racer.reward.compile.kernel_source`."""


class StateMismatch(Exception):
    """A module holds something that the row has no place for."""


def get_at_path(module: dict[str, Any], path: list[Any], default: Any = None) -> Any:
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
            cell = _closure_cell(found, name)
            try:
                found = cell.cell_contents
            except ValueError:
                return default
        else:
            found = getattr(found, {"func": "__func__", "self": "__self__", "fget": "fget"}[word])
    return found


def _closure_cell(function: Any, name: str) -> types.CellType:
    cell: types.CellType = function.__closure__[function.__code__.co_freevars.index(name)]
    return cell


def set_at_path(module: dict[str, Any], path: list[Any], value: Any) -> None:
    owner = get_at_path(module, path[:-1])
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
        cell = _closure_cell(owner, name)
        if value is UNBOUND:
            del cell.cell_contents
        else:
            cell.cell_contents = value
    else:
        raise StateMismatch(f"no way to set {path}")


def restore_state(module: dict[str, Any], layout: StateLayout, row: NDArray[np.float64]) -> None:
    """Give a module the state of a row."""
    for entry in layout:
        if "contents" in entry:
            get_at_path(module, entry["path"])[:] = _build_value(module, entry["contents"], row)
        else:
            set_at_path(module, entry["path"], _build_value(module, entry["value"], row))


def save_state(module: dict[str, Any], layout: StateLayout, row: NDArray[np.float64]) -> None:
    """Fill a row from a module.

    Raises:
        Mismatch: the module holds what the row has no place for; the row is then not to be used.
    """
    try:
        for entry in layout:
            if "contents" in entry:
                _save_value(module, entry["contents"], get_at_path(module, entry["path"]), row)
            else:
                _save_value(module, entry["value"], get_at_path(module, entry["path"], UNBOUND), row)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise StateMismatch(str(error)) from None


def _build_value(module: dict[str, Any], spec: dict[str, Any], row: NDArray[np.float64]) -> Any:
    word = spec["is"]
    if word == "const":
        return spec["value"]
    if word == "number":
        return _read_number(spec["kind"], spec["numpy"], float(row[spec["at"]]))
    if word == "maybe":
        tag = int(row[spec["at"]])
        return None if tag == 1 else UNBOUND if tag == 2 else _build_value(module, spec["value"], row)
    if word == "choice":
        return spec["options"][int(row[spec["at"]])]
    if word == "items":
        items = [_build_value(module, item, row) for item in spec["items"]]
        return np.array(items) if spec["type"] == "ndarray" else tuple(items) if spec["type"] == "tuple" else items
    if word == "object":
        return get_at_path(module, spec["path"])
    if word == "dict":
        made = {key: _build_value(module, item, row) for key, item in spec["items"]}
        return {key: item for key, item in made.items() if item is not UNBOUND}
    if word == "instance":
        cls = get_at_path(module, spec["class"])
        instance = object.__new__(cls)
        for name, item in spec["items"]:
            value = _build_value(module, item, row)
            if value is not UNBOUND:
                setattr(instance, name, value)
        return instance
    count = int(_build_value(module, spec["length"], row))
    shape, at = spec["shape"], spec["at"]
    size = _shape_size(shape)
    rows = [_build_element(shape, row[at + k * size : at + (k + 1) * size].tolist()) for k in range(count)]
    return np.array(rows) if spec["type"] == "ndarray" else tuple(rows) if spec["type"] == "tuple" else rows


def _read_number(kind: str, numpy: bool, value: float) -> Any:
    made: Any = bool(value) if kind == "b" else int(value) if kind == "i" else value
    if not numpy:
        return made
    return np.bool_(made) if kind == "b" else np.int64(made) if kind == "i" else np.float64(made)


def _shape_size(shape: Any) -> int:
    return 1 if isinstance(shape, list) else sum(_shape_size(item) for item in shape["items"])


def _build_element(shape: Any, numbers: list[float]) -> Any:
    if isinstance(shape, list):
        return _read_number(shape[0], shape[1], numbers[0])
    items, first = [], 0
    for item in shape["items"]:
        last = first + _shape_size(item)
        items.append(_build_element(item, numbers[first:last]))
        first = last
    kind = shape["type"]
    return tuple(items) if kind == "tuple" else np.array(items) if kind == "ndarray" else items


def _save_value(module: dict[str, Any], spec: dict[str, Any], value: Any, row: NDArray[np.float64]) -> None:
    word = spec["is"]
    if word == "maybe":
        row[spec["at"]] = 2.0 if value is UNBOUND else 1.0 if value is None else 0.0
        if value is not UNBOUND and value is not None:
            if spec["value"] is None:
                raise StateMismatch("a value where None was")
            _save_value(module, spec["value"], value, row)
        return
    if value is UNBOUND:
        raise StateMismatch("a name has lost its value")
    if word == "const":
        if type(value) is not type(spec["value"]) or repr(value) != repr(spec["value"]):
            raise StateMismatch("a constant has changed")
    elif word == "number":
        row[spec["at"]] = _number_fits(spec["kind"], spec["numpy"], value)
    elif word == "choice":
        row[spec["at"]] = spec["options"].index(value)
    elif word == "items":
        if type(value).__name__ != spec["type"] or len(value) != len(spec["items"]):
            raise StateMismatch("a list has changed its length")
        for item, inner in zip(value, spec["items"], strict=True):
            _save_value(module, inner, item, row)
    elif word == "object":
        if value is not get_at_path(module, spec["path"]):
            raise StateMismatch("another object")
    elif word in ("dict", "instance"):
        held = value if word == "dict" else vars(value)
        known = {key for key, _ in spec["items"]}
        if set(held) - known or (word == "instance" and type(value) is not get_at_path(module, spec["class"])):
            raise StateMismatch("an object has changed its shape")
        for key, inner in spec["items"]:
            _save_value(module, inner, held.get(key, UNBOUND), row)
    else:
        _save_rows(module, spec, value, row)


def _save_rows(module: dict[str, Any], spec: dict[str, Any], value: Any, row: NDArray[np.float64]) -> None:
    if type(value).__name__ != spec["type"] or len(value) > spec["capacity"]:
        raise StateMismatch("a list has grown too long")
    _save_value(module, spec["length"], len(value), row)
    size = _shape_size(spec["shape"])
    for k, item in enumerate(value):
        _save_element(spec["shape"], item, row, spec["at"] + k * size)


def _save_element(shape: Any, value: Any, row: NDArray[np.float64], at: int) -> None:
    if isinstance(shape, list):
        row[at] = _number_fits(shape[0], shape[1], value)
        return
    if type(value).__name__ != shape["type"] or len(value) != len(shape["items"]):
        raise StateMismatch("an item has changed its shape")
    for item, inner in zip(value, shape["items"], strict=True):
        _save_element(inner, item, row, at)
        at += _shape_size(inner)


def _number_fits(kind: str, numpy: bool, value: Any) -> float:
    allowed: tuple[type, ...] = {"b": (bool,), "i": (bool, int), "f": (float,), "n": (bool, int, float)}[kind]
    if numpy:
        allowed = (*allowed, np.bool_, np.integer, np.float64)
    if type(value) not in allowed and not (numpy and isinstance(value, allowed)):
        raise StateMismatch(f"a number of type {type(value).__name__}")
    if abs(value) > INT_LIMIT and not isinstance(value, float):
        raise StateMismatch("a whole number beyond 2**53")
    return float(value)


def fingerprint(module: dict[str, Any]) -> str:
    """A text that differs where two modules of the same source hold different values."""
    seen: dict[int, Any] = {}  # held, so that no number is used again

    def told(value: Any) -> str:
        if value is None or type(value) in (bool, int, float, str, bytes, complex):
            return repr(value)
        if isinstance(value, np.generic):
            return repr(value)
        if isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
            return "module"
        if id(value) in seen:
            return "again"
        seen[id(value)] = value
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
            cells = [c.cell_contents for c in value.__closure__ or () if _has_contents(c)]
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


def _has_contents(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
