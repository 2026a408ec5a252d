"""Functions and classes that are defined, and modules that are imported, while a function runs."""

from __future__ import annotations

import ast
import sys

from racer.reward.compile.calls.inlining import forget
from racer.reward.compile.desk.names import resolve
from racer.reward.compile.flow.context import Context, Handlers
from racer.reward.compile.module.scopes import Frame, scope_of
from racer.reward.compile.operations.objects import function_value
from racer.reward.compile.values.heap import Fields
from racer.reward.compile.values.value import Native, Tup, Value


def _function(context: Context, node: ast.FunctionDef) -> None:
    if node.decorator_list and not all(
        isinstance(d, ast.Name) and d.id in ("staticmethod", "classmethod", "property") for d in node.decorator_list
    ):
        raise context.cannot("a decorator")
    value: Value = function_value(context, node)
    for decorator in node.decorator_list:
        assert isinstance(decorator, ast.Name)
        value = Tup((value,), decorator.id)
    key = resolve(context, node.name, store=True)
    assert key is not None
    context.s.vars[key] = value


def _class(context: Context, node: ast.ClassDef) -> None:
    if node.decorator_list or node.keywords:
        raise context.cannot("a class with a decorator or metaclass")
    bases = [context.evaluate(base) for base in node.bases]
    bases = [base for base in bases if base != Native("builtins.object")]
    path = (*context.path, id(node))
    number = context.frame(path)
    scope = scope_of(node)
    outer = context.current
    context.frames[number] = Frame(scope, outer, is_class=True)
    context.current = number
    context.active.append(number)
    try:
        context.execute(node.body)
    finally:
        context.current = outer
        context.active.pop()
    names = [key for key in context.s.vars if key[0] == number]
    members = tuple((name, context.s.vars[(number, name)]) for _, name in names)
    hooks = {"__getattr__", "__getattribute__", "__setattr__", "__slots__", "__new__", "__del__"}
    if any(name in hooks for name, _ in members):
        raise context.cannot("a class that changes how attributes work")
    forget(context, number)
    key = resolve(context, node.name, store=True)
    assert key is not None
    context.s.vars[key] = context.new(Fields(members, None, f"{node.name}@{node.lineno}", tuple(bases)))


def _import(context: Context, node: ast.Import) -> None:
    for alias in node.names:
        name = alias.name if alias.asname else alias.name.split(".")[0]
        module = sys.modules.get(name)
        if module is None or alias.name not in sys.modules:
            raise context.cannot(f"an import of `{alias.name}`")
        key = resolve(context, alias.asname or name, store=True)
        assert key is not None
        context.s.vars[key] = context.world.value(module, ())


def _import_from(context: Context, node: ast.ImportFrom) -> None:
    module = sys.modules.get(node.module or "")
    if module is None or node.level:
        raise context.cannot(f"an import of `{node.module}`")
    for alias in node.names:
        if alias.name == "*" or not hasattr(module, alias.name):
            raise context.cannot(f"an import of `{alias.name}`")
        key = resolve(context, alias.asname or alias.name, store=True)
        assert key is not None
        context.s.vars[key] = context.world.value(getattr(module, alias.name), ())


HANDLERS: Handlers = {
    ast.FunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
}
