"""The module as it was loaded: its real objects, as abstract values.

Objects are numbered when they are first met, and each keeps the path by which a module's own object is found again
(`racer.reward.compile.state.rows` reads and writes state by it).
"""

from __future__ import annotations

import ast
import sys
import types
from typing import Any

import numpy as np

from racer.reward.compile.endings import Hopeless
from racer.reward.compile.module.known_natives import KNOWN_MODULES, known_natives
from racer.reward.compile.module.tables import fits, numbers_of, numpy_scalar, row_shape, widest
from racer.reward.compile.prelude.functions import LAMBDAS, LIBRARY_FRAME, library_value
from racer.reward.compile.values.heap import Broken, Content, Dict, Fields, Items, Key, Seq
from racer.reward.compile.values.shapes import Leaf, Rec, Shape, width
from racer.reward.compile.values.value import LIMIT, UNBOUND, Bound, Const, Function, Native, Poison, Ref, Tup, Value

FUNCTION_FRAME = -1_000_000
"""Attributes of function number k are variables of frame `FUNCTION_FRAME - k`."""
Path = tuple[tuple[str, Any], ...]
SMALL = 8
"""Sequences of at most this many items stay item by item; longer ones of numbers become tables."""
_FORBIDDEN_HOOKS = ("__getattr__", "__getattribute__", "__setattr__", "__slots__", "__new__", "__del__")


class World:
    """Imports objects of a loaded module on demand.

    Args:
        module: the module's globals, as they are after it was run.
        tree: its syntax tree.
        file: the file that its functions' code names.

    Attributes:
        table: the numbers of tables.
    """

    def __init__(self, module: dict[str, Any], tree: ast.Module, file: str) -> None:
        self.module = module
        self.file = file
        self.table: list[float] = []
        self.objects: dict[int, tuple[Any, Path]] = {}
        self.cells: dict[int, tuple[dict[str, Any], Path]] = {}
        self._numbers: dict[int, int] = {}
        self._contents: dict[int, Content] = {}
        self._variables: dict[Key, Value] = {}
        self._natives = known_natives()
        self._nodes: dict[tuple[int, str], list[ast.FunctionDef | ast.Lambda]] = {}
        self.serials: dict[int, int] = dict(LAMBDAS)
        self.functions: dict[int, tuple[Any, Path]] = {}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                lines = {node.lineno}
                name = "<lambda>"
                if isinstance(node, ast.FunctionDef):
                    name = node.name
                    lines.update(d.lineno for d in node.decorator_list[:1])
                for line in lines:
                    self._nodes.setdefault((line, name), []).append(node)
                self.serials[id(node)] = len(self.serials) + 1

    def variable(self, key: Key) -> Value:
        """A global of the module (frame 0) or a closure's cell (frames below 0)."""
        if key not in self._variables:
            frame, name = key
            if frame == LIBRARY_FRAME:
                self._variables[key] = library_value(name) or UNBOUND
            elif frame <= FUNCTION_FRAME:
                obj, path = self.functions.get(FUNCTION_FRAME - frame, (None, ()))
                if obj is None or name not in vars(obj):
                    return UNBOUND
                self._variables[key] = self.value(vars(obj)[name], (*path, ("attr", name)))
            elif frame == 0 and name in self.module:
                self._variables[key] = self.value(self.module[name], (("global", name),))
            elif frame < 0 and name in self.cells[frame][0]:
                cells, path = self.cells[frame]
                self._variables[key] = self.value(cells[name], (*path, ("cell", name)))
            else:
                return UNBOUND
        return self._variables[key]

    def content(self, id: int) -> Content:
        """The contents of an object of the module."""
        if id not in self._contents:
            if id not in self.objects:
                return Broken("an object that is not known here")
            obj, path = self.objects[id]
            self._contents[id] = self._content(obj, path)
        return self._contents[id]

    def value(self, obj: Any, path: Path) -> Value:
        """A real object as an abstract value."""
        kind = type(obj)
        if obj is None or kind in (bool, float, str):
            return Const(obj)
        if kind is int:
            return Const(obj) if abs(obj) < LIMIT else Poison("a whole number beyond 2**53")
        if isinstance(obj, (np.bool_, np.integer, np.floating)):
            return numpy_scalar(obj)
        if id(obj) in self._natives:
            return Native(self._natives[id(obj)])
        if isinstance(obj, types.ModuleType):
            known = obj.__name__ in KNOWN_MODULES and sys.modules.get(obj.__name__) is obj
            return Native(obj.__name__) if known else Poison(f"the module `{obj.__name__}`")
        if kind is types.FunctionType:
            return self._function(obj, path)
        if kind is types.MethodType:
            return Bound(self.value(obj.__func__, (*path, ("func", 0))), self.value(obj.__self__, (*path, ("self", 0))))
        if kind in (staticmethod, classmethod):
            return Tup((self.value(obj.__func__, (*path, ("func", 0))),), kind.__name__)
        if kind is property:
            return Tup((self.value(obj.fget, (*path, ("fget", 0))),), "property")
        if kind is tuple and len(obj) <= SMALL:
            return Tup(tuple(self.value(item, (*path, ("item", k))) for k, item in enumerate(obj)))
        if kind in (set, frozenset) and len(obj) <= SMALL and _plain_set(obj):
            return Tup(tuple(Const(item) for item in sorted(obj)), "set")
        if kind in (list, tuple, dict, np.ndarray, set, frozenset) or self._is_users(obj):
            return self._ref(obj, path)
        return Poison(f"a value of type {kind.__name__}")

    def _is_users(self, obj: Any) -> bool:
        """A class of the user's, or an instance of one."""
        cls = obj if isinstance(obj, type) else type(obj)
        name = self.module.get("__name__")
        if type(cls) is not type or cls.__module__ != name:
            return False
        return all(c is object or c.__module__ == name for c in cls.__mro__)

    def _ref(self, obj: Any, path: Path) -> Ref:
        number = self._numbers.get(id(obj))
        if number is None:
            number = len(self._numbers) + 1
            self._numbers[id(obj)] = number
            self.objects[number] = (obj, path)
        return Ref(number)

    def _function(self, obj: types.FunctionType, path: Path) -> Value:
        nodes = self._nodes.get((obj.__code__.co_firstlineno, obj.__name__), [])
        if obj.__code__.co_filename != self.file or len(nodes) != 1 or obj.__globals__ is not self.module:
            return Poison(f"the function `{obj.__name__}`")
        frame = 0
        if obj.__closure__:
            frame = -len(self.cells) - 1
            cells = {}
            for name, cell in zip(obj.__code__.co_freevars, obj.__closure__, strict=True):
                try:
                    cells[name] = cell.cell_contents
                except ValueError:
                    continue
            self.cells[frame] = (cells, path)
        defaults = tuple(self.value(d, (*path, ("default", k))) for k, d in enumerate(obj.__defaults__ or ()))
        keywords = tuple(
            (name, self.value(d, (*path, ("kwdefault", name)))) for name, d in (obj.__kwdefaults__ or {}).items()
        )
        serial = self.serials[id(nodes[0])]
        self.functions.setdefault(serial, (obj, path))
        return Function(nodes[0], frame, defaults, keywords, serial)

    def _content(self, obj: Any, path: Path) -> Content:
        if isinstance(obj, np.ndarray):
            return self._array(obj)
        if isinstance(obj, (list, tuple)):
            shape = row_shape(obj[0]) if len(obj) > SMALL else None
            if shape is not None and all(fits(item, shape) for item in obj):
                return self._table(list(obj), shape, type(obj).__name__)
            items = tuple(self.value(item, (*path, ("item", k))) for k, item in enumerate(obj))
            return Items(type(obj).__name__, items)
        if isinstance(obj, (set, frozenset)):
            if not obj or not _plain_set(obj) or any(isinstance(item, str) for item in obj):
                return Broken("a set of what is not all numbers")
            return self._table(sorted(obj), Leaf("i"), "set")
        if isinstance(obj, dict):
            if not all(type(key) in (str, int, float, bool) for key in obj):
                return Broken("a dict with keys that are neither strings nor numbers")
            return Dict(tuple((key, self.value(item, (*path, ("key", key)))) for key, item in obj.items()))
        if isinstance(obj, type):
            hooks = [name for name in _FORBIDDEN_HOOKS if name in vars(obj)]
            if hooks:
                return Broken(f"the class `{obj.__name__}` has `{hooks[0]}`")
            hidden = ("__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__annotations__")
            members = {name: item for name, item in vars(obj).items() if name not in hidden}
            fields = tuple((name, self.value(item, (*path, ("attr", name)))) for name, item in members.items())
            bases = tuple(self.value(b, (*path, ("base", k))) for k, b in enumerate(obj.__bases__) if b is not object)
            return Fields(fields, None, obj.__name__, bases)
        fields = tuple((name, self.value(item, (*path, ("attr", name)))) for name, item in vars(obj).items())
        return Fields(fields, self.value(type(obj), (*path, ("class", 0))))

    def _array(self, obj: Any) -> Content:
        if obj.ndim not in (1, 2) or obj.dtype.kind not in "bif" or obj.size == 0:
            return Broken("an array that is neither a row nor a table of numbers")
        if obj.dtype.kind == "f" and obj.dtype != np.float64:
            return Broken(f"an array of {obj.dtype}")
        leaf = Leaf(obj.dtype.kind, True)
        if obj.ndim == 1:
            if len(obj) <= SMALL:
                return Items("ndarray", tuple(numpy_scalar(x) for x in obj))
            return self._table(obj.tolist(), leaf, "ndarray")
        return self._table(obj.tolist(), Rec("ndarray", (leaf,) * obj.shape[1]), "ndarray")

    def _table(self, rows: list[Any], shape: Shape, type: str) -> Seq:
        shape = widest(rows, shape)
        numbers = [x for row in rows for x in numbers_of(row)]
        if any(isinstance(x, int) and abs(x) >= LIMIT for x in numbers):
            raise Hopeless("a table with whole numbers beyond 2**53")
        offset = len(self.table)
        self.table.extend(float(x) for x in numbers)
        return Seq(type, "T", str(offset), Const(len(rows)), width(shape), shape)


def _plain_set(items: set[Any] | frozenset[Any]) -> bool:
    """Whether a set holds only whole numbers and floats, or only strings."""
    kinds = {type(item) for item in items}
    return kinds <= {int, float} or kinds == {str}
