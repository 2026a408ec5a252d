"""The state of a car between calls: from its row of numbers into a module and back.

A call that the kernel leaves to plain Python is made in a module of the user's file. `restore_state` gives the module
the state of the car's row, and `save_state` writes the state after the call back. The layout is plain JSON: a list of
entries, each with the path of a name or object of the module and what is kept there (`kernel_source` makes it).
`fingerprint` checks that a module holds nothing that the row has no place for.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.compile.values import INT_LIMIT, UNBOUND

# Entries {"path": [[step, name], ...], "value": SPEC}, or "contents" for a list that is filled in place. A SPEC is:
#   {"is": "const", "value"}                              a constant
#   {"is": "number", "kind", "numpy", "at"}               the number at index `at` of the row
#   {"is": "maybe", "at", "value": SPEC or None}          a tag: 0 the value, 1 None, 2 the name has no value
#   {"is": "choice", "options", "at"}                     a string, by its number among the options
#   {"is": "items", "type", "items": [SPEC, ...]}         a list, tuple or array of known length
#   {"is": "rows", "type", "at", "capacity", "shape", "length": SPEC}    a list of changing length, from `at` on
#   {"is": "dict", "items": [[key, SPEC], ...]}           a dict
#   {"is": "instance", "class": path, "items"}            an instance that a call has made
#   {"is": "object", "path"}                              an object of the module
StateLayout = list[dict[str, Any]]


# The attribute of an object to which a step of a path leads.
_ATTRIBUTES = {
    **{"class": "__class__", "base": "__bases__", "default": "__defaults__", "kwdefault": "__kwdefaults__"},
    **{"func": "__func__", "self": "__self__", "fget": "fget"},
}


# Type of a number of Python and of numpy, by its kind.
_NUMBER_TYPES: dict[str, tuple[Any, Any]] = {
    **{"b": (bool, np.bool_), "i": (int, np.int64)},
    **{"f": (float, np.float64), "n": (float, np.float64)},
}


class StateMismatch(Exception):
    """A module holds something that the row has no place for."""


def get_at_path(module: dict[str, Any], path: list[Any], default: Any = None) -> Any:
    """Return the object at a path.

    Args:
        module: Globals of a module.
        path: Steps from there; see `module_env.ObjectPath`.
        default: Returned where the last name of the path has no value; by default that is a KeyError for a name.
    """
    obj: Any = module
    for position, (step, name) in enumerate(path):
        may_lack = default is not None and position == len(path) - 1
        if step in ("global", "item", "key"):
            if may_lack and isinstance(obj, dict) and name not in obj:
                return default
            obj = obj[name]
        elif step == "attr":
            if may_lack and name not in vars(obj):
                return default
            obj = vars(obj)[name]
        elif step == "cell":
            cell = _closure_cell(obj, name)
            try:
                obj = cell.cell_contents
            except ValueError:  # the variable has no value
                return default
        else:
            obj = getattr(obj, _ATTRIBUTES[step])
            if step in ("base", "default", "kwdefault"):
                obj = obj[name]
    return obj


def _closure_cell(function: Any, name: str) -> types.CellType:
    cell: types.CellType = function.__closure__[function.__code__.co_freevars.index(name)]
    return cell


def set_at_path(module: dict[str, Any], path: list[Any], value: Any) -> None:
    """Set the object at a path; `UNBOUND` deletes it.

    Raises:
        StateMismatch: The last step of the path leads to something that cannot be set.
    """
    owner = get_at_path(module, path[:-1])
    step, name = path[-1]
    if step in ("global", "item", "key"):
        if value is UNBOUND:
            owner.pop(name, None)
        else:
            owner[name] = value
    elif step == "attr":
        if value is not UNBOUND:
            setattr(owner, name, value)
        elif name in vars(owner):
            delattr(owner, name)
    elif step == "cell":
        cell = _closure_cell(owner, name)
        if value is UNBOUND:
            del cell.cell_contents
        else:
            cell.cell_contents = value
    else:
        raise StateMismatch(f"no way to set {path}")


def restore_state(module: dict[str, Any], layout: StateLayout, row: NDArray[np.float64]) -> None:
    """Restore the state of a car in a module.

    Args:
        module: Globals of the module.
        layout: Where the state lies in the row.
        row: State of the car, shape (numbers,).
    """
    for entry in layout:
        if "contents" in entry:
            # In place: other names of the list must see the change.
            get_at_path(module, entry["path"])[:] = _build_value(module, entry["contents"], row)
        else:
            set_at_path(module, entry["path"], _build_value(module, entry["value"], row))


def save_state(module: dict[str, Any], layout: StateLayout, row: NDArray[np.float64]) -> None:
    """Write the state of a module into a car's row.

    Args:
        module: Globals of the module.
        layout: Where the state lies in the row.
        row: State of the car, shape (numbers,); filled in place.

    Raises:
        StateMismatch: The module holds what the row has no place for; the row must not be used.
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
    kind = spec["is"]
    if kind == "const":
        return spec["value"]
    if kind == "number":
        return _build_number(spec["kind"], spec["numpy"], float(row[spec["at"]]))
    if kind == "maybe":
        tag = int(row[spec["at"]])
        return None if tag == 1 else UNBOUND if tag == 2 else _build_value(module, spec["value"], row)
    if kind == "choice":
        return spec["options"][int(row[spec["at"]])]
    if kind == "object":
        return get_at_path(module, spec["path"])
    if kind == "items":
        return _as_type([_build_value(module, item, row) for item in spec["items"]], spec["type"])
    if kind in ("dict", "instance"):
        members = {name: _build_value(module, item, row) for name, item in spec["items"]}
        members = {name: item for name, item in members.items() if item is not UNBOUND}
        if kind == "dict":
            return members
        # Without `__init__`, which may count, print or read other state.
        instance = object.__new__(get_at_path(module, spec["class"]))
        for name, item in members.items():
            setattr(instance, name, item)
        return instance
    count = int(_build_value(module, spec["length"], row))
    shape, at = spec["shape"], spec["at"]
    size = _shape_size(shape)
    rows = [_build_element(shape, row[at + k * size : at + (k + 1) * size].tolist()) for k in range(count)]
    return _as_type(rows, spec["type"])


def _as_type(items: list[Any], type: str) -> Any:
    return np.array(items) if type == "ndarray" else tuple(items) if type == "tuple" else items


def _build_number(kind: str, numpy: bool, value: float) -> Any:
    return _NUMBER_TYPES[kind][numpy](value)


def _shape_size(shape: Any) -> int:
    return 1 if isinstance(shape, list) else sum(_shape_size(item) for item in shape["items"])


def _build_element(shape: Any, numbers: list[float]) -> Any:
    if isinstance(shape, list):
        return _build_number(shape[0], shape[1], numbers[0])
    items, first = [], 0
    for item in shape["items"]:
        last = first + _shape_size(item)
        items.append(_build_element(item, numbers[first:last]))
        first = last
    return _as_type(items, shape["type"])


def _save_value(module: dict[str, Any], spec: dict[str, Any], value: Any, row: NDArray[np.float64]) -> None:
    kind = spec["is"]
    if kind == "maybe":
        row[spec["at"]] = 2.0 if value is UNBOUND else 1.0 if value is None else 0.0
        if value is not UNBOUND and value is not None:
            if spec["value"] is None:
                raise StateMismatch("a value where None was")
            _save_value(module, spec["value"], value, row)
        return
    if value is UNBOUND:
        raise StateMismatch("a name has lost its value")
    if kind == "const":
        if type(value) is not type(spec["value"]) or repr(value) != repr(spec["value"]):
            raise StateMismatch("a constant has changed")
    elif kind == "number":
        row[spec["at"]] = _checked_number(spec["kind"], spec["numpy"], value)
    elif kind == "choice":
        row[spec["at"]] = spec["options"].index(value)
    elif kind == "items":
        if type(value).__name__ != spec["type"] or len(value) != len(spec["items"]):
            raise StateMismatch("a list has changed its length")
        for item, inner in zip(value, spec["items"], strict=True):
            _save_value(module, inner, item, row)
    elif kind == "object":
        if value is not get_at_path(module, spec["path"]):
            raise StateMismatch("another object")
    elif kind in ("dict", "instance"):
        members = value if kind == "dict" else vars(value)
        known = {key for key, _ in spec["items"]}
        if set(members) - known or (kind == "instance" and type(value) is not get_at_path(module, spec["class"])):
            raise StateMismatch("an object has changed its shape")
        for key, inner in spec["items"]:
            _save_value(module, inner, members.get(key, UNBOUND), row)
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
        row[at] = _checked_number(shape[0], shape[1], value)
        return
    if type(value).__name__ != shape["type"] or len(value) != len(shape["items"]):
        raise StateMismatch("an item has changed its shape")
    for item, inner in zip(value, shape["items"], strict=True):
        _save_element(inner, item, row, at)
        at += _shape_size(inner)


def _checked_number(kind: str, numpy: bool, value: Any) -> float:
    """Return a number as it lies in the row; a StateMismatch where it would come back as another."""
    allowed: tuple[type, ...] = {"b": (bool,), "i": (bool, int), "f": (float,), "n": (bool, int, float)}[kind]
    if numpy:
        allowed = (*allowed, np.bool_, np.integer, np.float64)
    if type(value) not in allowed and not (numpy and isinstance(value, allowed)):
        raise StateMismatch(f"a number of type {type(value).__name__}")
    if abs(value) > INT_LIMIT and not isinstance(value, float):
        raise StateMismatch("a whole number beyond 2**53")
    return float(value)


def fingerprint(module: dict[str, Any]) -> str:
    """Return a text that is different for two modules of the same source that hold different values."""
    seen: dict[int, Any] = {}  # keeps the objects, so that their identities are not used again

    def members(values: dict[str, Any]) -> str:
        return describe({name: value for name, value in values.items() if not name.startswith("__")})

    def describe(value: Any) -> str:
        if value is None or isinstance(value, np.generic) or type(value) in (bool, int, float, str, bytes, complex):
            return repr(value)
        if isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
            return "module"
        # Objects may refer to each other in circles.
        if id(value) in seen:
            return "again"
        seen[id(value)] = value
        if isinstance(value, np.ndarray):
            return f"{value.dtype}{value.shape}{value.tolist()!r}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}[{','.join(map(describe, value))}]"
        if isinstance(value, (set, frozenset)):
            return f"set[{','.join(sorted(map(describe, value)))}]"
        if isinstance(value, dict):
            items = sorted(value.items(), key=lambda item: str(item[0]))
            return f"dict[{','.join(f'{describe(k)}:{describe(v)}' for k, v in items)}]"
        if isinstance(value, types.FunctionType):
            cells = [c.cell_contents for c in value.__closure__ or () if _has_contents(c)]
            return f"function[{describe([value.__defaults__, value.__kwdefaults__, vars(value), cells])}]"
        if isinstance(value, type):
            users = value.__module__ == module.get("__name__")
            return f"class[{members(dict(vars(value)))}]" if users else value.__qualname__
        if isinstance(value, (staticmethod, classmethod)):
            return describe(value.__func__)
        if isinstance(value, (property, types.MethodType)):
            return "callable"
        if hasattr(value, "__dict__"):
            return f"{type(value).__name__}[{describe(vars(value))}]"
        return type(value).__name__

    return members(module)


def _has_contents(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
