"""The user's module as it was run: what its names mean.

rules           what a file must not use
scopes          the names of a function's body
world           the module's real objects, as values of the translator
tables          numbers and tables of numbers in them
known_natives   functions of Python, math and numpy in them, by identity

What a file must not use to be compiled.

The names of a function's body: which are its own, and where they are read.

The modules and functions that the translator may know, by identity.

Numbers and tables of numbers that a module holds.

The module as it was loaded: its real objects, as abstract values.

Objects are numbered when they are first met, and each keeps the path by which a module's own object is found again
(`racer.reward.compile.state.rows` reads and writes state by it).
"""

from __future__ import annotations

import ast
import bisect
import builtins
import json
import math
import statistics
import sys
import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from racer.reward.compile.errors import CannotCompile, UnsupportedFunction
from racer.reward.compile.stdlib import STDLIB_FRAME, STDLIB_LAMBDAS, stdlib_value
from racer.reward.compile.values import (
    INT_LIMIT,
    UNBOUND,
    ArraySequence,
    BoundMethod,
    Builtin,
    Constant,
    Content,
    DictContents,
    FixedSequence,
    InvalidContents,
    NumberShape,
    ObjectFields,
    ObjectRef,
    RecordShape,
    Scalar,
    Shape,
    TupleValue,
    Unreadable,
    UserFunction,
    Value,
    VariableKey,
    join_shapes,
    literal,
    shape_width,
)

FORBIDDEN_NAMES = (
    "open",
    "exec",
    "eval",
    "compile",
    "input",
    "globals",
    "locals",
    "vars",
    "__import__",
    "delattr",
    "breakpoint",
)
MODULES_ALLOWED = [
    "math",
    "cmath",
    "numpy",
    "datetime",
    "logging",
    "warnings",
    "heapq",
    "string",
    "re",
    "traceback",
    "typing",
    "json",
    "time",
    "random",
    "copy",
    "collections",
    "functools",
    "itertools",
    "statistics",
    "bisect",
    "enum",
    "dataclasses",
    "abc",
    "operator",
    "sys",
    "os",
    "__future__",
    "types",
    "numbers",
    "shapely",
    "scipy",
]


def check_forbidden(tree: ast.Module) -> None:
    """Raise `CannotCompile` for what must not be compiled: files, other modules, names made from text."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", None)
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            raise CannotCompile(f"it uses `{node.id}`", line)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        for name in names:
            if name.split(".")[0] not in MODULES_ALLOWED:
                raise CannotCompile(f"it imports `{name}`", line)


ScopeNode = ast.FunctionDef | ast.Lambda | ast.ClassDef | ast.ListComp | ast.GeneratorExp | ast.SetComp


@dataclass
class Scope:
    """Names of one function's body.

    Attributes:
        local_names: its local names.
        global_names: names declared `global`.
        nonlocal_names: names declared `nonlocal`.
        loads: for each name the places where it is read, inner functions included.
        captured: names that inner functions or comprehensions use.
        loops: the spans of its outermost loops.
    """

    local_names: set[str] = field(default_factory=set)
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)
    loads: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)
    loops: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)


@dataclass
class CallFrame:
    """One call that is being translated: its scope, and the frame that its function was defined in."""

    scope: Scope
    parent: int
    is_class: bool = False
    is_comprehension: bool = False


_scopes: dict[int, tuple[ast.AST, Scope]] = {}


def scope_of(node: ScopeNode) -> Scope:
    """The scope of a function, class body or comprehension."""
    if id(node) in _scopes and _scopes[id(node)][0] is node:
        return _scopes[id(node)][1]
    scope = Scope()
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        scope.local_names.update(a.arg for a in every)
        scope.local_names.update(a.arg for a in (arguments.vararg, arguments.kwarg) if a)
    if isinstance(node, ast.Lambda):
        body: list[ast.AST] = [node.body]
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        body = list(node.body)
    else:
        for generator in node.generators:
            scope.local_names.update(n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name))
        body = []
    for child in body:
        _collect_names(child, scope, 0)
    scope.local_names -= scope.global_names | scope.nonlocal_names
    _scopes[id(node)] = (node, scope)
    return scope


def _collect_names(node: ast.AST, scope: Scope, loops: int) -> None:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.AsyncFunctionDef)):
        if not isinstance(node, ast.Lambda):
            scope.local_names.add(node.name)
        _capture_names(node, scope)
        return
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
        _capture_names(node, scope)
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                scope.local_names.add(inner.target.id)
        return
    if isinstance(node, ast.Global):
        scope.global_names.update(node.names)
    elif isinstance(node, ast.Nonlocal):
        scope.nonlocal_names.update(node.names)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            scope.loads.setdefault(node.id, []).append((node.lineno, node.col_offset))
        else:
            scope.local_names.add(node.id)
            if isinstance(node.ctx, ast.Del):
                scope.loads.setdefault(node.id, []).append((node.lineno, node.col_offset))
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        scope.local_names.update((alias.asname or alias.name.split(".")[0]) for alias in node.names)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        scope.local_names.add(node.name)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        scope.loads.setdefault(node.target.id, []).append((node.target.lineno, node.target.col_offset))
    if isinstance(node, (ast.For, ast.While)) and loops == 0:
        scope.loops.append(node_span(node))
    inside = loops + isinstance(node, (ast.For, ast.While))
    for child in ast.iter_child_nodes(node):
        _collect_names(child, scope, inside)


def _capture_names(node: ast.AST, scope: Scope) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            scope.captured.add(inner.id)


def node_span(node: ast.stmt | ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a node begins and ends in the text."""
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)


KNOWN_MODULES = ("math", "numpy", "numpy.linalg", "json", "time", "random", "typing", "copy", "statistics", "bisect")


def known_builtins() -> dict[int, str]:
    """The functions and classes that the translator may know, by identity: a patched one is not among them."""
    found: dict[int, str] = {}
    for name in dir(builtins):
        found[id(getattr(builtins, name))] = f"builtins.{name}"
    modules = ((math, "math"), (np.linalg, "numpy.linalg"), (np, "numpy"), (json, "json"), (bisect, "bisect"))
    for module, prefix in (*modules, (statistics, "statistics")):
        for name in dir(module):
            value = getattr(module, name)
            if callable(value) and id(value) not in found:
                found[id(value)] = f"{prefix}.{name}"
    for name in ("sin", "cos", "tan"):
        for old, new in ((f"arc{name}", f"a{name}"), (f"arc{name}h", f"a{name}h")):
            found[id(getattr(np, old))] = f"numpy.{new}"
    found[id(np.arctan2)] = "numpy.atan2"
    found[id(np.absolute)] = "numpy.abs"
    found[id(np.power)] = "numpy.power"
    return found


def numpy_scalar(obj: Any) -> Value:
    if isinstance(obj, np.floating) and not isinstance(obj, np.float64):
        return Unreadable(f"a number of type {type(obj).__name__}")
    kind = "b" if isinstance(obj, np.bool_) else "i" if isinstance(obj, np.integer) else "f"
    if kind == "i" and abs(int(obj)) >= INT_LIMIT:
        return Unreadable("a whole number beyond 2**53")
    return Scalar(kind, literal(obj.item()), True, float(abs(obj.item())) if kind == "i" else INT_LIMIT)


def row_shape(obj: Any) -> Shape | None:
    """The shape of a row of a table; None where it is no numbers."""
    kind = {bool: "b", int: "i", float: "f"}.get(type(obj))
    if kind:
        return NumberShape(kind)
    if isinstance(obj, (np.float64, np.integer)):
        return NumberShape("f" if isinstance(obj, np.float64) else "i", True)
    if isinstance(obj, np.ndarray) and obj.ndim == 1 and obj.dtype.kind in "if" and len(obj):
        return RecordShape("ndarray", (NumberShape(obj.dtype.kind, True),) * len(obj))
    if type(obj) in (list, tuple) and obj:
        items = [row_shape(item) for item in obj]
        if all(item is not None for item in items):
            return RecordShape(type(obj).__name__, tuple(item for item in items if item is not None))
    return None


def has_shape(obj: Any, shape: Shape) -> bool:
    """Whether a row has a shape, whatever kinds its numbers are."""
    found = row_shape(obj)
    if isinstance(found, NumberShape) and isinstance(shape, NumberShape):
        return found.numpy == shape.numpy
    if not isinstance(found, RecordShape) or not isinstance(shape, RecordShape):
        return False
    return found.type == shape.type and len(found.items) == len(shape.items) and _same_layout(found, shape)


def _same_layout(one: Shape, two: Shape) -> bool:
    if isinstance(one, NumberShape) and isinstance(two, NumberShape):
        return one.numpy == two.numpy
    if (
        isinstance(one, RecordShape)
        and isinstance(two, RecordShape)
        and len(one.items) == len(two.items)
        and one.type == two.type
    ):
        return all(_same_layout(a, b) for a, b in zip(one.items, two.items, strict=True))
    return False


def widest_shape(rows: list[Any], shape: Shape) -> Shape:
    """The shape with kinds that hold the numbers of all rows."""
    found: Shape | None = shape
    for row in rows:
        one = row_shape(row)
        if isinstance(found, RecordShape) and found.type == "ndarray":
            break
        if isinstance(found, NumberShape) and found.numpy:
            break
        assert one is not None
        assert found is not None
        found = join_shapes(found, one)
    return found or shape


def flat_numbers(row: Any) -> list[Any]:
    if isinstance(row, (list, tuple, np.ndarray)):
        return [x for item in row for x in flat_numbers(item)]
    return [row]


FUNCTION_FRAME = -1_000_000
"""Attributes of function number k are variables of frame `FUNCTION_FRAME - k`."""
ObjectPath = tuple[tuple[str, Any], ...]
ITEMWISE_MAX = 8
"""Sequences of at most this many items stay item by item; longer ones of numbers become tables."""
_FORBIDDEN_HOOKS = ("__getattr__", "__getattribute__", "__setattr__", "__slots__", "__new__", "__del__")


class ModuleEnv:
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
        self.objects: dict[int, tuple[Any, ObjectPath]] = {}
        self.cells: dict[int, tuple[dict[str, Any], ObjectPath]] = {}
        self._numbers: dict[int, int] = {}
        self._contents: dict[int, Content] = {}
        self._variables: dict[VariableKey, Value] = {}
        self._natives = known_builtins()
        self._nodes: dict[tuple[int, str], list[ast.FunctionDef | ast.Lambda]] = {}
        self.serials: dict[int, int] = dict(STDLIB_LAMBDAS)
        self.functions: dict[int, tuple[Any, ObjectPath]] = {}
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

    def variable(self, key: VariableKey) -> Value:
        """A global of the module (frame 0) or a closure's cell (frames below 0)."""
        if key not in self._variables:
            frame, name = key
            if frame == STDLIB_FRAME:
                self._variables[key] = stdlib_value(name) or UNBOUND
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
                return InvalidContents("an object that is not known here")
            obj, path = self.objects[id]
            self._contents[id] = self._content(obj, path)
        return self._contents[id]

    def value(self, obj: Any, path: ObjectPath) -> Value:
        """A real object as an abstract value."""
        kind = type(obj)
        if obj is None or kind in (bool, float, str):
            return Constant(obj)
        if kind is int:
            return Constant(obj) if abs(obj) < INT_LIMIT else Unreadable("a whole number beyond 2**53")
        if isinstance(obj, (np.bool_, np.integer, np.floating)):
            return numpy_scalar(obj)
        if id(obj) in self._natives:
            return Builtin(self._natives[id(obj)])
        if isinstance(obj, types.ModuleType):
            known = obj.__name__ in KNOWN_MODULES and sys.modules.get(obj.__name__) is obj
            return Builtin(obj.__name__) if known else Unreadable(f"the module `{obj.__name__}`")
        if kind is types.FunctionType:
            return self._function(obj, path)
        if kind is types.MethodType:
            return BoundMethod(
                self.value(obj.__func__, (*path, ("func", 0))), self.value(obj.__self__, (*path, ("self", 0)))
            )
        if kind in (staticmethod, classmethod):
            return TupleValue((self.value(obj.__func__, (*path, ("func", 0))),), kind.__name__)
        if kind is property:
            return TupleValue((self.value(obj.fget, (*path, ("fget", 0))),), "property")
        if kind is tuple and len(obj) <= ITEMWISE_MAX:
            return TupleValue(tuple(self.value(item, (*path, ("item", k))) for k, item in enumerate(obj)))
        if kind in (set, frozenset) and len(obj) <= ITEMWISE_MAX and _plain_set(obj):
            return TupleValue(tuple(Constant(item) for item in sorted(obj)), "set")
        if kind in (list, tuple, dict, np.ndarray, set, frozenset) or self._is_users(obj):
            return self._ref(obj, path)
        return Unreadable(f"a value of type {kind.__name__}")

    def _is_users(self, obj: Any) -> bool:
        """A class of the user's, or an instance of one."""
        cls = obj if isinstance(obj, type) else type(obj)
        name = self.module.get("__name__")
        if type(cls) is not type or cls.__module__ != name:
            return False
        return all(c is object or c.__module__ == name for c in cls.__mro__)

    def _ref(self, obj: Any, path: ObjectPath) -> ObjectRef:
        number = self._numbers.get(id(obj))
        if number is None:
            number = len(self._numbers) + 1
            self._numbers[id(obj)] = number
            self.objects[number] = (obj, path)
        return ObjectRef(number)

    def _function(self, obj: types.FunctionType, path: ObjectPath) -> Value:
        nodes = self._nodes.get((obj.__code__.co_firstlineno, obj.__name__), [])
        if obj.__code__.co_filename != self.file or len(nodes) != 1 or obj.__globals__ is not self.module:
            return Unreadable(f"the function `{obj.__name__}`")
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
        return UserFunction(nodes[0], frame, defaults, keywords, serial)

    def _content(self, obj: Any, path: ObjectPath) -> Content:
        if isinstance(obj, np.ndarray):
            return self._array(obj)
        if isinstance(obj, (list, tuple)):
            shape = row_shape(obj[0]) if len(obj) > ITEMWISE_MAX else None
            if shape is not None and all(has_shape(item, shape) for item in obj):
                return self._table(list(obj), shape, type(obj).__name__)
            items = tuple(self.value(item, (*path, ("item", k))) for k, item in enumerate(obj))
            return FixedSequence(type(obj).__name__, items)
        if isinstance(obj, (set, frozenset)):
            if not obj or not _plain_set(obj) or any(isinstance(item, str) for item in obj):
                return InvalidContents("a set of what is not all numbers")
            return self._table(sorted(obj), NumberShape("i"), "set")
        if isinstance(obj, dict):
            if not all(type(key) in (str, int, float, bool) for key in obj):
                return InvalidContents("a dict with keys that are neither strings nor numbers")
            return DictContents(tuple((key, self.value(item, (*path, ("key", key)))) for key, item in obj.items()))
        if isinstance(obj, type):
            hooks = [name for name in _FORBIDDEN_HOOKS if name in vars(obj)]
            if hooks:
                return InvalidContents(f"the class `{obj.__name__}` has `{hooks[0]}`")
            hidden = ("__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__annotations__")
            members = {name: item for name, item in vars(obj).items() if name not in hidden}
            fields = tuple((name, self.value(item, (*path, ("attr", name)))) for name, item in members.items())
            bases = tuple(self.value(b, (*path, ("base", k))) for k, b in enumerate(obj.__bases__) if b is not object)
            return ObjectFields(fields, None, obj.__name__, bases)
        fields = tuple((name, self.value(item, (*path, ("attr", name)))) for name, item in vars(obj).items())
        return ObjectFields(fields, self.value(type(obj), (*path, ("class", 0))))

    def _array(self, obj: Any) -> Content:
        if obj.ndim not in (1, 2) or obj.dtype.kind not in "bif" or obj.size == 0:
            return InvalidContents("an array that is neither a row nor a table of numbers")
        if obj.dtype.kind == "f" and obj.dtype != np.float64:
            return InvalidContents(f"an array of {obj.dtype}")
        leaf = NumberShape(obj.dtype.kind, True)
        if obj.ndim == 1:
            if len(obj) <= ITEMWISE_MAX:
                return FixedSequence("ndarray", tuple(numpy_scalar(x) for x in obj))
            return self._table(obj.tolist(), leaf, "ndarray")
        return self._table(obj.tolist(), RecordShape("ndarray", (leaf,) * obj.shape[1]), "ndarray")

    def _table(self, rows: list[Any], shape: Shape, type: str) -> ArraySequence:
        shape = widest_shape(rows, shape)
        numbers = [x for row in rows for x in flat_numbers(row)]
        if any(isinstance(x, int) and abs(x) >= INT_LIMIT for x in numbers):
            raise UnsupportedFunction("a table with whole numbers beyond 2**53")
        offset = len(self.table)
        self.table.extend(float(x) for x in numbers)
        return ArraySequence(type, "T", str(offset), Constant(len(rows)), shape_width(shape), shape)


def _plain_set(items: set[Any] | frozenset[Any]) -> bool:
    """Whether a set holds only whole numbers and floats, or only strings."""
    kinds = {type(item) for item in items}
    return kinds <= {int, float} or kinds == {str}
