"""Names and objects of a module by their path: reading and setting them."""

from __future__ import annotations

import types
from typing import Any

from racer.reward.compile.values.value import UNBOUND

Layout = list[dict[str, Any]]
"""See `racer.reward.compile.state.layout`."""


class Mismatch(Exception):
    """A module holds something that the row has no place for."""


def found_at(module: dict[str, Any], path: list[Any], default: Any = None) -> Any:
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


def set_at(module: dict[str, Any], path: list[Any], value: Any) -> None:
    owner = found_at(module, path[:-1])
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
