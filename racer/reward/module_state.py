"""Saves what a user's function keeps in its module, and restores it in a new module of the same text.

A module that was run from a text has no name by which pickle could find its functions and classes. Here they are saved
by their names in the module instead, so that instances of a user's classes are saved too. A value that pickle cannot
save, such as a lock, keeps in the new module what it had after the import.
"""

from __future__ import annotations

import inspect
import io
import pickle
import types
from typing import Any

from racer.reward.source import RewardCallable


def save_module_state(function: RewardCallable) -> dict[str, bytes]:
    """Return the values of a function's module by name: its data, and the attributes of its classes and functions."""
    module = _module_of(function)
    names = {id(value): name for name, value in module.items() if isinstance(value, _OWNERS)}
    saved = {}
    for name, value in module.items():
        if name.startswith("__") or isinstance(value, types.ModuleType):
            continue
        if isinstance(value, _OWNERS):
            if value.__module__ != module.get("__name__"):
                continue
            # Methods, properties, and what Python itself puts there, are those of the new module's class.
            value = {key: item for key, item in vars(value).items() if _is_data(key, item)}
        buffer = io.BytesIO()
        try:
            _ModulePickler(buffer, names).dump(value)
        except Exception:  # whatever the methods of a user's class raise
            continue
        saved[name] = buffer.getvalue()
    return saved


def restore_module_state(function: RewardCallable, saved: dict[str, bytes]) -> None:
    """Set the values of a function's module to saved ones; names that were not saved stay as they are."""
    module = _module_of(function)
    for name, data in saved.items():
        value = _ModuleUnpickler(io.BytesIO(data), module).load()
        if not isinstance(module.get(name), _OWNERS):
            module[name] = value
            continue
        for key, item in value.items():
            setattr(module[name], key, item)


_OWNERS = (type, types.FunctionType)
"""Kinds of objects of a module that hold attributes and are the same in each module of a text."""


def _is_data(key: str, item: object) -> bool:
    return not key.startswith("__") and not callable(item) and not hasattr(type(item), "__get__")


def _module_of(function: RewardCallable) -> dict[str, Any]:
    """Return the globals of a function, or of the class of a callable object."""
    function = inspect.unwrap(function)
    if not isinstance(function, types.FunctionType):
        function = vars(type(function)).get("__call__", function)
    return getattr(function, "__globals__", {})


class _ModulePickler(pickle.Pickler):
    """Pickles functions and classes of the module, and modules, by their names."""

    def __init__(self, buffer: io.BytesIO, names: dict[int, str]) -> None:
        super().__init__(buffer)
        self._names = names

    def persistent_id(self, obj: Any) -> tuple[str, str] | None:
        if id(obj) in self._names:
            return "name", self._names[id(obj)]
        return ("module", obj.__name__) if isinstance(obj, types.ModuleType) else None


class _ModuleUnpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, module: dict[str, Any]) -> None:
        super().__init__(buffer)
        self._module = module

    def persistent_load(self, pid: tuple[str, str]) -> Any:
        kind, name = pid
        return self._module[name] if kind == "name" else __import__(name, fromlist=["_"])
