"""A digest of all values that a loaded module holds, as far as a kernel may depend on them.

A kernel has the values of its module in it: numbers as constants, lists and arrays as tables. They come from the text
of the file, which does not change, but also from files, the environment and the folder at the time of the import. So
the digest is a part of the key of the cache: a kernel is used only for the values that it was made with.

Everything that `compile.module_env` turns into values is described here, in the order that user code would meet it.
Objects of other types, which the translator cannot read, are described by their type alone: no kernel depends on them.
A digest does not depend on identities, so it is the same in each process.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

MODULE_NAMES = (
    "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__", "__builtins__", "__annotations__",
)  # fmt: skip
"""Names that Python itself puts into a module; a kernel does not read them."""
_CLASS_NAMES = ("__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__annotations__")


def values_digest(module: dict[str, Any], file: str) -> str:
    """Return a digest of the values of a module, hexadecimal.

    Args:
        module: Globals of the module after it was run.
        file: File that the code objects of its functions name.

    Raises:
        ValueError: The values cannot be described, for example because they are nested too deeply.
    """
    digest = _ValuesDigest(module, file)
    try:
        digest.add_members((name, value) for name, value in module.items() if name not in MODULE_NAMES)
    except Exception as error:  # a RecursionError, or an object of user code that does not behave like its type
        raise ValueError(f"the values of its module have no fingerprint ({type(error).__name__})") from None
    return digest.hexdigest()


class _ValuesDigest:
    """Hashes values one after the other; each begins with a tag, and its parts are counted, so that none run together.

    Args:
        module: Globals of the module.
        file: File that the code objects of its functions name.
    """

    def __init__(self, module: dict[str, Any], file: str) -> None:
        self._module, self._file = module, file
        self._hash = hashlib.sha256()
        # The objects are kept, so that no identity is used twice. An object is described where it is first met, and
        # named by its number where it is met again: `a = b` is not the same as a copy.
        self._seen: dict[int, tuple[int, Any]] = {}

    def hexdigest(self) -> str:
        """Return the digest of all values so far."""
        return self._hash.hexdigest()

    def add_members(self, members: Iterable[tuple[Any, Any]]) -> None:
        """Add names or keys with their values, in their order: loops over a dict depend on it."""
        items = list(members)
        self._tag("members", str(len(items)))
        for name, value in items:
            self.add(name)
            self.add(value)

    def add(self, value: Any) -> None:
        """Add one value."""
        kind = type(value)
        # By the exact type, as in `compile.module_env`: a subclass may behave in another way.
        if value is None or kind in (bool, float, complex):
            self._tag(kind.__name__, repr(value))
        elif kind is int:
            self._tag("int", hex(value))  # `repr` refuses integers of more than 4,300 digits
        elif kind is str:
            self._tag("str", value)
        elif kind is bytes:
            self._tag("bytes", value.hex())
        elif isinstance(value, np.generic):
            self._tag(str(value.dtype), repr(value) if value.dtype.hasobject else value.tobytes().hex())
        elif isinstance(value, types.ModuleType):
            self._tag("module", value.__name__)
        elif id(value) in self._seen:
            self._tag("again", str(self._seen[id(value)][0]))
        else:
            self._seen[id(value)] = (len(self._seen), value)
            self._add_object(value)

    def _add_object(self, value: Any) -> None:
        """Add an object that may hold others, or be met again."""
        if isinstance(value, np.ndarray):
            self._add_array(value)
        elif isinstance(value, types.FunctionType):
            self._add_function(value)
        elif isinstance(value, type):
            self._add_class(value)
        elif isinstance(value, types.MethodType):
            self._add_parts("method", [value.__func__, value.__self__])
        elif isinstance(value, (staticmethod, classmethod)):
            self._add_parts(type(value).__name__, [value.__func__])
        elif isinstance(value, property):
            self._add_parts("property", [value.fget])
        else:
            self._add_instance(value)

    def _add_instance(self, value: Any) -> None:
        """Add a container, an instance of a user's class, or the type of anything else."""
        cls = type(value)
        users = self._is_users(cls)
        # The methods of the built-in types are called directly: a subclass may define others.
        if isinstance(value, list):
            self._add_parts(cls.__name__, list.__iter__(value))
        elif isinstance(value, tuple):
            self._add_parts(cls.__name__, tuple.__iter__(value))
        elif isinstance(value, dict):
            self._tag(cls.__name__, "")
            self.add_members(dict.items(value))
        elif cls in (set, frozenset):
            self._add_set(value)
        else:
            self._tag("object", self._full_name(cls))
            # Functions of libraries have many types, such as two of numpy's; a name identifies each.
            if not users and callable(value):
                names = [getattr(value, name, "") for name in ("__module__", "__qualname__", "__name__")]
                self._tag("callable", " ".join(str(name) for name in names if name != self._module.get("__name__")))
        if users:
            self.add(cls)
            self.add_members(getattr(value, "__dict__", {}).items())

    def _add_parts(self, tag: str, parts: Iterable[Any]) -> None:
        items = list(parts)
        self._tag(tag, str(len(items)))
        for item in items:
            self.add(item)

    def _add_set(self, items: set[Any] | frozenset[Any]) -> None:
        # The order of strings in a set differs from process to process. Sets of numbers or strings are sorted; the
        # translator reads no others.
        kinds = {type(item) for item in items}
        if kinds <= {int, float, bool} or kinds == {str}:
            # By the type too: 1, 1.0 and True are equal.
            self._add_parts(type(items).__name__, sorted(items, key=lambda item: (item, type(item).__name__)))
        else:
            self._tag(type(items).__name__, f"{len(items)} objects")

    def _add_array(self, array: np.ndarray) -> None:
        self._tag(type(array).__name__, f"{array.dtype} {array.shape}")
        if array.dtype.hasobject:
            self._add_parts("items", array.ravel().tolist())
        else:
            self._hash.update(array.tobytes())

    def _add_function(self, function: types.FunctionType) -> None:
        code = function.__code__
        if code.co_filename != self._file:
            self._tag("function", self._full_name(function))
            return
        # The text is part of the key, so the place of a function in it says which one it is.
        self._tag("function", f"{code.co_qualname} {code.co_firstlineno} {code.co_code.hex()}")
        self._add_parts("parts", [function.__defaults__, function.__kwdefaults__, vars(function)])
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._add_parts(name, _cell_parts(cell))

    def _add_class(self, cls: type) -> None:
        if not self._is_users(cls):
            self._tag("class", self._full_name(cls))
            return
        self._add_parts(f"class {cls.__qualname__}", cls.__bases__)
        self.add_members((name, value) for name, value in vars(cls).items() if name not in _CLASS_NAMES)

    def _is_users(self, obj: Any) -> bool:
        """Check whether a class or function is of the user's module."""
        return bool(obj.__module__ == self._module.get("__name__"))

    def _full_name(self, obj: Any) -> str:
        # The name of the user's module has a number, which is another one each time.
        return obj.__qualname__ if self._is_users(obj) else f"{obj.__module__}.{obj.__qualname__}"

    def _tag(self, tag: str, text: str) -> None:
        data = f"{tag}:{text}".encode("utf-8", "surrogatepass")
        self._hash.update(b"%d:" % len(data) + data)


def _cell_parts(cell: types.CellType) -> list[Any]:
    """Return the contents of a cell as a list, empty where the variable has no value."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []
