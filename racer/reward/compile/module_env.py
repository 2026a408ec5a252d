"""The user's module after it was run: its names and objects as values of the translator.

`check_forbidden` refuses files that use what a kernel must not depend on. `scope_of` lists the names of a function's
body, as Python's scoping rules say. `ModuleEnv` turns the module's real objects into values of the translator on
demand: numbers and strings become constants, long lists of numbers move into the kernel's table, and other objects are
numbered when they are first met. Each keeps the path by which `car_state` finds it again in another run of the same
module. Functions of Python, `math` and numpy are recognised by identity.
"""

from __future__ import annotations

import ast
import bisect
import builtins
import importlib.util
import json
import math
import statistics
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import Any

import numpy as np

from racer.reward.compile import values as ir
from racer.reward.compile.errors import CannotCompile, UnsupportedFunction
from racer.reward.compile.stdlib import STDLIB_FRAME, STDLIB_LAMBDAS, stdlib_value
from racer.reward.compile.values import Value
from racer.reward.module_values import MODULE_NAMES

# They reach files, or names that are made from text while the function runs.
FORBIDDEN_NAMES = "open exec eval compile input globals locals vars __import__ delattr breakpoint"
# Importing one of these changes nothing that another run of the module would see.
MODULES_ALLOWED = (
    "math cmath numpy datetime logging warnings heapq string re traceback typing json time random copy collections "
    "functools itertools statistics bisect enum dataclasses abc operator sys os __future__ types numbers shapely scipy"
)


def check_forbidden(tree: ast.Module) -> None:
    """Refuse a file that reads files, uses other modules, or makes names from text.

    A module that is installed and never used has no effect on a reward, such as `matplotlib.pyplot`.

    Raises:
        CannotCompile: The file must not be compiled.
    """
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", None)
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES.split():
            raise CannotCompile(f"it uses `{node.id}`", line)
        # Each imported module with the names that the file gives to it or to parts of it.
        imports: list[tuple[str, set[str]]] = []
        if isinstance(node, ast.Import):
            imports = [(alias.name, {alias.asname or alias.name.split(".")[0]}) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports = [(node.module or ".", {alias.asname or alias.name for alias in node.names})]
        for name, names in imports:
            top = name.split(".")[0]
            is_used = names & {*used, "*"} or not top or importlib.util.find_spec(top) is None
            if top not in MODULES_ALLOWED.split() and is_used:
                raise CannotCompile(f"it imports `{name}`", line)


ScopeNode = ast.FunctionDef | ast.Lambda | ast.ClassDef | ast.ListComp | ast.GeneratorExp | ast.SetComp


Position = tuple[int, int]


@dataclass
class Scope:
    """Names of one function's body.

    Attributes:
        local_names: Its local names.
        global_names: Names declared `global`.
        nonlocal_names: Names declared `nonlocal`.
        loads: Positions (line, column) at which each name is read, inner functions included.
        captured: Names that inner functions or comprehensions use.
        loops: First and last position of each outermost loop.
    """

    local_names: set[str] = field(default_factory=set)
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)
    loads: dict[str, list[Position]] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)
    loops: list[tuple[Position, Position]] = field(default_factory=list)


@dataclass
class CallFrame:
    """One call that is being translated: its scope, and the frame that its function was defined in."""

    scope: Scope
    parent: int
    is_class: bool = False
    is_comprehension: bool = False


# Nodes are hashed by identity, and the cache keeps them, so that no other node gets the same identity.
@cache
def scope_of(node: ScopeNode) -> Scope:
    """Return the scope of a function, class body or comprehension."""
    scope = Scope()
    body: list[ast.AST] = []
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        args = node.args
        named = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
        scope.local_names.update(arg.arg for arg in named if arg)
    if isinstance(node, ast.Lambda):
        body = [node.body]
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        body = list(node.body)
    else:
        for generator in node.generators:
            scope.local_names.update(n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name))
    for child in body:
        _collect_names(child, scope, in_loop=False)
    scope.local_names -= scope.global_names | scope.nonlocal_names
    return scope


def _collect_names(node: ast.AST, scope: Scope, in_loop: bool) -> None:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.AsyncFunctionDef)):
        if not isinstance(node, ast.Lambda):
            scope.local_names.add(node.name)
        _capture_names(node, scope)
        return
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
        _capture_names(node, scope)
        # `:=` inside a comprehension binds in the function around it.
        scope.local_names.update(n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
        return
    if isinstance(node, ast.Global):
        scope.global_names.update(node.names)
    elif isinstance(node, ast.Nonlocal):
        scope.nonlocal_names.update(node.names)
    elif isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            scope.local_names.add(node.id)
        if not isinstance(node.ctx, ast.Store):
            _add_load(scope, node)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        scope.local_names.update((alias.asname or alias.name.split(".")[0]) for alias in node.names)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        scope.local_names.add(node.name)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        _add_load(scope, node.target)
    is_loop = isinstance(node, (ast.For, ast.While))
    if isinstance(node, (ast.For, ast.While)) and not in_loop:
        scope.loops.append(node_span(node))
    for child in ast.iter_child_nodes(node):
        _collect_names(child, scope, in_loop or is_loop)


def _add_load(scope: Scope, name: ast.Name) -> None:
    scope.loads.setdefault(name.id, []).append((name.lineno, name.col_offset))


def _capture_names(node: ast.AST, scope: Scope) -> None:
    scope.captured.update(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def node_span(node: ast.stmt | ast.expr) -> tuple[Position, Position]:
    """Return the first and the last position of a node in the text."""
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)


KNOWN_MODULES = ("math", "numpy", "numpy.linalg", "json", "time", "random", "typing", "copy", "statistics", "bisect")
LIBRARY_CONSTANTS = ("pi", "e", "tau", "inf", "nan", "euler_gamma", "newaxis", "True_", "False_", "linalg")
"""Names of values in a library that a kernel may hold; any other may have been put there by user code."""


def known_builtins() -> dict[int, str]:
    """Return the dotted names of the functions and classes that the translator may know, by their identity.

    A function that the user's module has patched has another identity, so it is not among them.
    """
    names: dict[int, str] = {id(getattr(builtins, name)): f"builtins.{name}" for name in dir(builtins)}
    # The first module that holds a function names it: `numpy` has some of `numpy.linalg` too.
    for module in (math, np.linalg, np, json, bisect, statistics):
        for name in dir(module):
            value = getattr(module, name)
            if callable(value):
                names.setdefault(id(value), f"{module.__name__}.{name}")
    # numpy has two names for these; the handlers are listed under those of `math`.
    for name in ("sin", "cos", "tan"):
        for numpy_name, math_name in ((f"arc{name}", f"a{name}"), (f"arc{name}h", f"a{name}h")):
            names[id(getattr(np, numpy_name))] = f"numpy.{math_name}"
    names[id(np.arctan2)] = "numpy.atan2"
    names[id(np.absolute)] = "numpy.abs"
    names[id(np.power)] = "numpy.power"
    return names


def numpy_scalar(obj: Any) -> Value:
    """Return a numpy scalar as a value."""
    if isinstance(obj, np.floating) and not isinstance(obj, np.float64):
        return ir.Unreadable(f"a number of type {type(obj).__name__}")
    kind = "b" if isinstance(obj, np.bool_) else "i" if isinstance(obj, np.integer) else "f"
    if kind == "i" and abs(int(obj)) >= ir.INT_LIMIT:
        return ir.Unreadable("a whole number beyond 2**53")
    return ir.Scalar(kind, ir.literal(obj.item()), True, float(abs(obj.item())) if kind == "i" else ir.INT_LIMIT)


def row_shape(obj: Any) -> ir.Shape | None:
    """Return the shape of a row of a table; None where it does not consist of numbers."""
    kind = {bool: "b", int: "i", float: "f"}.get(type(obj))
    if kind:
        return ir.NumberShape(kind)
    if isinstance(obj, (np.float64, np.integer)):
        return ir.NumberShape("f" if isinstance(obj, np.float64) else "i", True)
    if isinstance(obj, np.ndarray) and obj.ndim == 1 and obj.dtype.kind in "if" and len(obj):
        return ir.RecordShape("ndarray", (ir.NumberShape(obj.dtype.kind, True),) * len(obj))
    if type(obj) in (list, tuple) and obj:
        return ir.record_shape(type(obj).__name__, [row_shape(item) for item in obj])
    return None


def same_layout(a: ir.Shape | None, b: ir.Shape | None) -> bool:
    """Check whether two shapes are equal but for the kinds of their numbers."""
    if isinstance(a, ir.NumberShape) and isinstance(b, ir.NumberShape):
        return a.numpy == b.numpy
    if not isinstance(a, ir.RecordShape) or not isinstance(b, ir.RecordShape):
        return False
    alike = (a.type, len(a.items)) == (b.type, len(b.items))
    return alike and all(same_layout(x, y) for x, y in zip(a.items, b.items, strict=True))


def table_shape(rows: Sequence[Any]) -> ir.Shape | None:
    """Return the shape that holds each of the rows of a table; None where they differ in more than number kinds."""
    shapes = [row_shape(row) for row in rows]
    return reduce(ir.join_shapes, shapes) if all(same_layout(shapes[0], shape) for shape in shapes) else None


def flat_numbers(row: Any) -> list[Any]:
    """Return the numbers of a row, rows inside it included."""
    if isinstance(row, (list, tuple, np.ndarray)):
        return [x for item in row for x in flat_numbers(item)]
    return [row]


# Attributes of the function with serial k are variables of frame `FUNCTION_FRAME - k`.
FUNCTION_FRAME = -1_000_000
# Steps from a module's globals to an object: ("global", name), then ("item", k), ("attr", name), ("cell", name), ...
ObjectPath = tuple[tuple[str, Any], ...]
# Sequences of at most this many items stay item by item, so that each item keeps its type and constants fold;
# longer ones of numbers become tables.
ITEMWISE_MAX = 8
_FORBIDDEN_HOOKS = ("__getattr__", "__getattribute__", "__setattr__", "__slots__", "__new__", "__del__")
_HIDDEN_MEMBERS = ("__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__annotations__")


class ModuleEnv:
    """Turns objects of a loaded module into values on demand.

    Args:
        module: Globals of the module after it was run.
        tree: Syntax tree of the module.
        file: File that the code objects of its functions name.

    Attributes:
        table: Numbers of all tables, one after the other.
        objects: Each object that was met, with its path, by its id.
        cells: Variables of each closure, with the path of its function, by its frame.
        functions: Each function object that was met, with its path, by its serial.
        serials: Number of each def and lambda, by the identity of its node.
    """

    def __init__(self, module: dict[str, Any], tree: ast.Module, file: str) -> None:
        self.module = module
        self.file = file
        self.table: list[float] = []
        self.objects: dict[int, tuple[Any, ObjectPath]] = {}
        self.cells: dict[int, tuple[dict[str, Any], ObjectPath]] = {}
        self.functions: dict[int, tuple[Any, ObjectPath]] = {}
        self.serials: dict[int, int] = dict(STDLIB_LAMBDAS)
        self._numbers: dict[int, int] = {}
        self._contents: dict[int, ir.Content] = {}
        self._variables: dict[ir.VariableKey, Value] = {}
        self._builtins = known_builtins()
        self._nodes: dict[tuple[int, str], list[ast.FunctionDef | ast.Lambda]] = {}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                # A code object's first line is the one of its first decorator.
                decorators = getattr(node, "decorator_list", [])
                name = getattr(node, "name", "<lambda>")
                for line in {node.lineno, *(d.lineno for d in decorators[:1])}:
                    self._nodes.setdefault((line, name), []).append(node)
                self.serials[id(node)] = len(self.serials) + 1

    def variable(self, key: ir.VariableKey) -> Value:
        """Return the value of a global, of a variable of a closure, or of an attribute of a function."""
        if key not in self._variables:
            frame, name = key
            if frame == STDLIB_FRAME:
                self._variables[key] = stdlib_value(name) or ir.UNBOUND
                return self._variables[key]
            if frame <= FUNCTION_FRAME:
                function, path = self.functions.get(FUNCTION_FRAME - frame, (None, ()))
                names, step = getattr(function, "__dict__", {}), "attr"
            elif frame == 0:
                # Such as `__file__`: it is another one for each copy of the file, and no part of the cache's key.
                if name in MODULE_NAMES and name in self.module:
                    return ir.Unreadable(f"the name `{name}`")
                names, path, step = self.module, (), "global"
            elif frame < 0:
                (names, path), step = self.cells[frame], "cell"
            else:
                return ir.UNBOUND
            if name not in names:
                return ir.UNBOUND
            self._variables[key] = self.value(names[name], (*path, (step, name)))
        return self._variables[key]

    def imported_value(self, owner: types.ModuleType, name: str) -> Value:
        """Return a name of a library module: a function, a class, a module or a constant of the library.

        `values_digest` covers the user's module alone. So a value that depends on the process (`sys.argv`), or that
        user code has put into a library (`np.table = ...`), must not become a part of a kernel.
        """
        obj = getattr(owner, name)
        if name in LIBRARY_CONSTANTS or isinstance(obj, types.ModuleType) or id(obj) in self._builtins:
            return self.value(obj, ())
        return ir.Unreadable(f"the value `{owner.__name__}.{name}`")

    def content(self, id: int) -> ir.Content:
        """Return the contents of an object of the module."""
        if id not in self._contents:
            if id not in self.objects:
                return ir.Unreadable("an object that is not known here")
            self._contents[id] = self._content(*self.objects[id])
        return self._contents[id]

    def value(self, obj: Any, path: ObjectPath) -> Value:
        """Return a real object as a value.

        Args:
            obj: Any object that the module, or a library, holds.
            path: The way to it from the module's globals.
        """
        kind = type(obj)
        # By the exact type: a subclass may have other operators.
        if obj is None or kind in (bool, float, str):
            return ir.Constant(obj)
        if kind is int:
            return ir.Constant(obj) if abs(obj) < ir.INT_LIMIT else ir.Unreadable("a whole number beyond 2**53")
        if isinstance(obj, (np.bool_, np.integer, np.floating)):
            return numpy_scalar(obj)
        if id(obj) in self._builtins:
            return ir.Builtin(self._builtins[id(obj)])
        if isinstance(obj, types.ModuleType):
            known = obj.__name__ in KNOWN_MODULES and sys.modules.get(obj.__name__) is obj
            return ir.Builtin(obj.__name__) if known else ir.Unreadable(f"the module `{obj.__name__}`")
        if kind is types.FunctionType:
            return self._function(obj, path)
        if kind is types.MethodType:
            function, receiver = self._part(obj.__func__, path, "func", 0), self._part(obj.__self__, path, "self", 0)
            return ir.BoundMethod(function, receiver)
        if kind in (staticmethod, classmethod):
            return ir.TupleValue((self._part(obj.__func__, path, "func", 0),), kind.__name__)
        if kind is property:
            return ir.TupleValue((self._part(obj.fget, path, "fget", 0),), "property")
        if kind is tuple and len(obj) <= ITEMWISE_MAX:
            return ir.TupleValue(self._items(obj, path))
        if kind in (set, frozenset) and len(obj) <= ITEMWISE_MAX and _is_plain_set(obj):
            return ir.TupleValue(tuple(ir.Constant(item) for item in sorted(obj)), "set")
        if kind in (list, tuple, dict, np.ndarray, set, frozenset) or self._is_users(obj):
            number = self._numbers.setdefault(id(obj), len(self._numbers) + 1)
            self.objects.setdefault(number, (obj, path))
            return ir.ObjectRef(number)
        return ir.Unreadable(f"a value of type {kind.__name__}")

    def _part(self, obj: Any, path: ObjectPath, step: str, name: Any) -> Value:
        return self.value(obj, (*path, (step, name)))

    def _items(self, items: Sequence[Any], path: ObjectPath, step: str = "item") -> tuple[Value, ...]:
        return tuple(self._part(item, path, step, k) for k, item in enumerate(items))

    def _members(self, members: dict[Any, Any], path: ObjectPath, step: str) -> tuple[tuple[Any, Value], ...]:
        return tuple((name, self._part(item, path, step, name)) for name, item in members.items())

    def _is_users(self, obj: Any) -> bool:
        """Check whether an object is a class of the user's file, or an instance of one."""
        cls = obj if isinstance(obj, type) else type(obj)
        # A metaclass, or a base from another module, may change how attributes work.
        name = self.module.get("__name__")
        if type(cls) is not type or cls.__module__ != name:
            return False
        return all(c is object or c.__module__ == name for c in cls.__mro__)

    def _function(self, obj: types.FunctionType, path: ObjectPath) -> Value:
        nodes = self._nodes.get((obj.__code__.co_firstlineno, obj.__name__), [])
        # Two lambdas on one line share a key, so neither of them is found.
        if obj.__code__.co_filename != self.file or len(nodes) != 1 or obj.__globals__ is not self.module:
            return ir.Unreadable(f"the function `{obj.__name__}`")
        frame = 0
        if obj.__closure__:
            frame = -len(self.cells) - 1
            cells = {}
            for name, cell in zip(obj.__code__.co_freevars, obj.__closure__, strict=True):
                try:
                    cells[name] = cell.cell_contents
                except ValueError:  # the variable has no value yet
                    continue
            self.cells[frame] = (cells, path)
        defaults = self._items(obj.__defaults__ or (), path, "default")
        keywords = self._members(obj.__kwdefaults__ or {}, path, "kwdefault")
        serial = self.serials[id(nodes[0])]
        self.functions.setdefault(serial, (obj, path))
        return ir.UserFunction(nodes[0], frame, defaults, keywords, serial)

    def _content(self, obj: Any, path: ObjectPath) -> ir.Content:
        if isinstance(obj, np.ndarray):
            return self._array(obj)
        if isinstance(obj, (list, tuple)):
            shape = table_shape(obj) if len(obj) > ITEMWISE_MAX else None
            if shape is not None:
                return self._table(list(obj), shape, type(obj).__name__)
            return ir.FixedSequence(type(obj).__name__, self._items(obj, path))
        if isinstance(obj, (set, frozenset)):
            if not obj or not _is_plain_set(obj) or any(isinstance(item, str) for item in obj):
                return ir.Unreadable("a set of what is not all numbers")
            # A set is only searched, so the order is free.
            rows = sorted(obj)
            return self._table(
                rows, ir.join_shapes(ir.NumberShape("i"), table_shape(rows)) or ir.NumberShape("n"), "set"
            )
        if isinstance(obj, dict):
            if not all(type(key) in (str, int, float, bool) for key in obj):
                return ir.Unreadable("a dict with keys that are neither strings nor numbers")
            return ir.DictContents(self._members(obj, path, "key"))
        if isinstance(obj, type):
            hooks = [name for name in _FORBIDDEN_HOOKS if name in vars(obj)]
            if hooks:
                return ir.Unreadable(f"the class `{obj.__name__}` has `{hooks[0]}`")
            members = {name: item for name, item in vars(obj).items() if name not in _HIDDEN_MEMBERS}
            fields = self._members(members, path, "attr")
            bases = tuple(self._part(b, path, "base", k) for k, b in enumerate(obj.__bases__) if b is not object)
            return ir.ObjectFields(fields, None, obj.__name__, bases)
        fields = self._members(vars(obj), path, "attr")
        return ir.ObjectFields(fields, self._part(type(obj), path, "class", 0))

    def _array(self, obj: Any) -> ir.Content:
        if obj.ndim not in (1, 2) or obj.dtype.kind not in "bif" or obj.size == 0:
            return ir.Unreadable("an array that is neither a row nor a table of numbers")
        # Arithmetic of float32 rounds differently.
        if obj.dtype.kind == "f" and obj.dtype != np.float64:
            return ir.Unreadable(f"an array of {obj.dtype}")
        shape: ir.Shape = ir.NumberShape(obj.dtype.kind, True)
        if obj.ndim == 1 and len(obj) <= ITEMWISE_MAX:
            return ir.FixedSequence("ndarray", tuple(numpy_scalar(x) for x in obj))
        if obj.ndim == 2:
            shape = ir.RecordShape("ndarray", (shape,) * obj.shape[1])
        return self._table(obj.tolist(), shape, "ndarray")

    def _table(self, rows: list[Any], shape: ir.Shape, type: str) -> ir.ArraySequence:
        numbers = flat_numbers(rows)
        if any(isinstance(x, int) and abs(x) >= ir.INT_LIMIT for x in numbers):
            raise UnsupportedFunction("a table with whole numbers beyond 2**53")
        offset = len(self.table)
        self.table.extend(float(x) for x in numbers)
        return ir.ArraySequence(type, "T", str(offset), ir.Constant(len(rows)), ir.shape_width(shape), shape)


def _is_plain_set(items: set[Any] | frozenset[Any]) -> bool:
    """Check whether a set holds only whole numbers and floats, or only strings."""
    kinds = {type(item) for item in items}
    return kinds <= {int, float} or kinds == {str}
