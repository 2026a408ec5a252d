"""What each kind of statement means, and comprehensions, which are loops with an assignment.

assignments      `=`, `+=`, `del`
branches         `if`, `return`, and statements that only compute
loops            `while`, `for`, `break`, `continue`
comprehensions   list comprehensions and generator expressions
errors           `try`, `raise`, `assert`
definitions      `def`, `class` and `import` inside functions

Assignments: to names, attributes, items, several at once; and `del`.

`if`, `return`, and statements that do nothing but compute.

`while` and `for`, `break` and `continue`.

List comprehensions and generator expressions.

`try`, `raise` and `assert`.

Functions and classes that are defined, and modules that are imported, while a function runs.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable

from racer.reward.compile.calls import drop_frame, has_jump, has_return
from racer.reward.compile.coercion import contents_of, is_sequence, length_of, require_value, truth_of, type_of
from racer.reward.compile.control_flow import BlockExits, Context, ExceptTarget, HandlerTable
from racer.reward.compile.emitter import resolve_name
from racer.reward.compile.errors import ENDLESS
from racer.reward.compile.expressions import binary_operation, get_subscript
from racer.reward.compile.module_env import CallFrame, node_span, scope_of
from racer.reward.compile.object_ops import function_value, get_attribute, set_attribute
from racer.reward.compile.sequence_ops import append, element_at, for_each, set_item
from racer.reward.compile.values import (
    UNBOUND,
    Builtin,
    BuiltinMethod,
    Constant,
    DictContents,
    FixedSequence,
    ObjectFields,
    ObjectRef,
    Scalar,
    TupleValue,
    UnknownString,
    Value,
)


def _assign(context: Context, node: ast.Assign) -> None:
    value = context.evaluate(node.value)
    for target in node.targets:
        assign(context, target, value)


def _annotated(context: Context, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(context, node.target, context.evaluate(node.value))


def assign(context: Context, target: ast.expr, value: Value) -> None:
    """Give a target a value."""
    if isinstance(target, ast.Name):
        key = resolve_name(context, target.id)
        context.state.variables[key] = context.atom(value, target.id) if isinstance(value, Scalar) else value
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(context, target, value)
    elif isinstance(target, ast.Attribute):
        value = context.atom(value, target.attr) if isinstance(value, Scalar) else value
        set_attribute(context, require_value(context, context.evaluate(target.value)), target.attr, value)
    elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
        value = context.atom(value) if isinstance(value, Scalar) else value
        where = require_value(context, context.evaluate(target.value))
        set_item(context, where, context.evaluate(target.slice), value)
    else:
        raise context.unsupported("an assignment to a slice")


def _unpack(context: Context, target: ast.Tuple | ast.List, value: Value) -> None:
    value = require_value(context, value)
    if any(isinstance(t, ast.Starred) for t in target.elts):
        found = contents_of(context, value)
        if not isinstance(found, FixedSequence):
            raise context.unsupported("`*` with a list of unknown length")
        star = next(k for k, t in enumerate(target.elts) if isinstance(t, ast.Starred))
        after = len(target.elts) - star - 1
        if len(found.items) < star + after:
            raise context.trap("too few values to unpack")
        middle = context.new_object(FixedSequence("list", found.items[star : len(found.items) - after]))
        values = [*found.items[:star], middle, *found.items[len(found.items) - after :]]
        for t, v in zip(target.elts, values, strict=True):
            assign(context, t.value if isinstance(t, ast.Starred) else t, v)
        return
    if not is_sequence(context, value) and not hasattr(value, "parts") and not hasattr(value, "stop"):
        raise context.unsupported("unpacking of this value")
    n = length_of(context, value)
    if isinstance(n, Constant):
        if n.value != len(target.elts):
            raise context.trap("another number of values to unpack", error="ValueError")
    else:
        context.trap_if(f"{n.expr} != {len(target.elts)}", error="ValueError")
    values = [element_at(context, value, Constant(k)) for k in range(len(target.elts))]
    values = [context.atom(v) if isinstance(v, Scalar) else v for v in values]
    for t, v in zip(target.elts, values, strict=True):
        assign(context, t, v)


def _augmented(context: Context, node: ast.AugAssign) -> None:
    name = type(node.op).__name__
    target = node.target
    if isinstance(target, ast.Name):
        old = context.evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target))
        value = context.evaluate(node.value)
        if name == "Add" and type_of(context, old) == "list":
            context.call_stdlib("extend", old, value)
            return
        assign(context, target, binary_operation(context, name, old, value))
    elif isinstance(target, ast.Attribute):
        owner = require_value(context, context.evaluate(target.value))
        old = get_attribute(context, owner, target.attr)
        value = context.evaluate(node.value)
        if name == "Add" and type_of(context, old) == "list":
            context.call_stdlib("extend", old, value)
            return
        new = binary_operation(context, name, old, value)
        set_attribute(context, owner, target.attr, context.atom(new, target.attr) if isinstance(new, Scalar) else new)
    elif isinstance(target.slice, ast.Slice):
        raise context.unsupported("an assignment to a slice")
    else:
        owner = require_value(context, context.evaluate(target.value))
        index = context.evaluate(target.slice)
        index = context.atom(index) if isinstance(index, Scalar) else index
        old = get_subscript(context, owner, index)
        new = binary_operation(context, name, old, context.evaluate(node.value))
        set_item(context, owner, index, context.atom(new) if isinstance(new, Scalar) else new)


def _delete(context: Context, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            context.evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            key = resolve_name(context, target.id)
            context.state.variables[key] = UNBOUND
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            owner = require_value(context, context.evaluate(target.value))
            index = context.evaluate(target.slice)
            content = context.content(owner.id) if isinstance(owner, ObjectRef) else None
            if isinstance(content, DictContents) and isinstance(owner, ObjectRef):
                get_subscript(context, owner, index)
                assert isinstance(index, Constant)
                kept = tuple((k, v) for k, v in content.items if k != index.value)
                context.state.heap[owner.id] = DictContents(kept)
            else:
                context.call_stdlib("pop_at", owner, index)
        elif isinstance(target, ast.Subscript) and ast.unparse(target.slice) in (":", "::"):
            owner = context.evaluate(target.value)
            context.call_value(BuiltinMethod(owner, "clear"), [], {})
        else:
            raise context.unsupported("this `del`")


ASSIGNMENT_HANDLERS: HandlerTable = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
}


CHAIN_MIN = 5
"""Branches of an `elif` chain from which on it is written flat."""


def _expression(context: Context, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        context.evaluate(node.value)


def _pass(context: Context, node: ast.stmt) -> None:
    """Nothing."""


def _return(context: Context, node: ast.Return) -> None:
    value = context.evaluate(node.value) if node.value else Constant(None)
    value = context.atom(value, "result") if isinstance(value, Scalar) else value
    target, key = context.return_target
    context.state.variables[key] = value
    if key[0] in context.frames and not context.frames[key[0]].scope.captured:
        drop_frame(context, key[0])
    if target is not None:
        raise context.leave(target)


def _if(context: Context, node: ast.If) -> None:
    chain: list[tuple[ast.expr, list[ast.stmt]]] = [(node.test, node.body)]
    rest = node.orelse
    while len(rest) == 1 and isinstance(rest[0], ast.If):
        chain.append((rest[0].test, rest[0].body))
        rest = rest[0].orelse
    if len(chain) < CHAIN_MIN:
        test = truth_of(context, context.evaluate(node.test))
        if isinstance(test, bool):
            context.execute(node.body if test else node.orelse)
            return
        context.branch(test, lambda: context.execute(node.body), lambda: context.execute(node.orelse))
        return

    def body(jumps: BlockExits) -> None:
        for condition, statements in chain:
            context.line = condition.lineno
            test = truth_of(context, context.evaluate(condition))
            if test is False:
                continue
            if test is True:
                context.execute(statements)
                raise context.leave(jumps)
            context.branch(test, lambda s=statements: then_leave(context, s, jumps))  # type: ignore[misc]
        context.execute(rest)

    context.breakable(body)


def then_leave(context: Context, statements: list[ast.stmt], target: BlockExits) -> None:
    context.execute(statements)
    raise context.leave(target)


BRANCH_HANDLERS: HandlerTable = {
    ast.Expr: _expression,
    ast.Pass: _pass,
    ast.Global: _pass,
    ast.Nonlocal: _pass,
    ast.Return: _return,
    ast.If: _if,
}


def _while(context: Context, node: ast.While) -> None:
    line = context.line

    def body(jumps: BlockExits) -> None:
        context.line = line  # a second pass comes here from the loop's end
        context.write("budget -= 1")
        context.trap_if("budget < 0", ENDLESS)
        test = truth_of(context, context.evaluate(node.test))
        if test is False:
            then_leave(context, node.orelse, jumps)
        if isinstance(test, str):
            context.branch(f"not {test}", lambda: then_leave(context, node.orelse, jumps))
        _loop_body(context, node.body, jumps, jumps)

    context.loop(body)


def _loop_body(context: Context, statements: list[ast.stmt], leave: BlockExits, again: BlockExits) -> None:
    """One round of a user's loop."""
    context.user_loops = [*context.user_loops, (leave, again)]
    try:
        context.execute(statements)
    finally:
        context.user_loops = context.user_loops[:-1]


def _for(context: Context, node: ast.For) -> None:
    iterable = context.evaluate(node.iter)

    def body(value: Value, leave: BlockExits, again: BlockExits) -> None:
        assign(context, node.target, value)
        _loop_body(context, node.body, leave, again)

    names = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    drop = {
        key for n in names if (key := resolve_name(context, n)) and key[0] > 0 and not _read_after(context, key, node)
    }
    for_each(
        context,
        iterable,
        body,
        jumps=has_jump(node.body) or any(has_return(s) for s in node.body),
        orelse=lambda: context.execute(node.orelse),
        drop=drop,
    )


def _read_after(context: Context, key: tuple[int, str], node: ast.For) -> bool:
    """Whether a loop's variable is read outside the loop."""
    frame = context.frames[key[0]]
    if frame.is_comprehension or key[1] in frame.scope.captured:
        return not frame.is_comprehension
    first, last = node_span(node)
    return any(not first <= place < last for place in frame.scope.loads.get(key[1], []))


def _break(context: Context, node: ast.stmt) -> None:
    raise context.leave(context.user_loops[-1][0])


def _continue(context: Context, node: ast.stmt) -> None:
    target = context.user_loops[-1]
    raise context.leave(target[1], "continue" if target[0] is target[1] else "break")


LOOP_HANDLERS: HandlerTable = {
    ast.While: _while,
    ast.For: _for,
    ast.Break: _break,
    ast.Continue: _continue,
}


def comprehension(context: Context, node: ast.ListComp | ast.GeneratorExp) -> Value:
    """A list comprehension, or a generator expression as the list of its items."""
    path = (*context.path, id(node))
    number = context.frame_number(path)
    out = context.new_object(FixedSequence("list", ()))
    outer, path_before, node_before = context.current_frame, context.path, context.node
    first = context.evaluate(node.generators[0].iter)
    context.frames[number] = CallFrame(scope_of(node), outer, is_comprehension=True)
    context.current_frame, context.path = number, path

    def level(k: int) -> None:
        generator = node.generators[k]
        iterable = first if k == 0 else context.evaluate(generator.iter)
        names = {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}

        def body(value: Value, leave: BlockExits, again: BlockExits) -> None:
            assign(context, generator.target, value)
            _filtered(context, list(generator.ifs), lambda: inside(k))

        for_each(context, iterable, body, jumps=False, drop={(number, n) for n in names}, small=8)

    def inside(k: int) -> None:
        if k + 1 < len(node.generators):
            level(k + 1)
        else:
            value = context.evaluate(node.elt)
            context.node = node.elt
            append(context, out, context.atom(value) if isinstance(value, Scalar) else value)

    assert isinstance(out, ObjectRef)
    context.pinned.add(out.id)
    context.active_frames.append(number)
    try:
        level(0)
    finally:
        context.pinned.discard(out.id)
        context.active_frames.pop()
        context.current_frame, context.path, context.node = outer, path_before, node_before
    drop_frame(context, number)
    return out


def _filtered(context: Context, tests: list[ast.expr], action: Callable[[], None]) -> None:
    if not tests:
        action()
        return
    test = truth_of(context, context.evaluate(tests[0]))
    if test is True:
        _filtered(context, tests[1:], action)
    elif test is not False:
        context.branch(test, lambda: _filtered(context, tests[1:], action))


COMPREHENSION_HANDLERS: HandlerTable = {
    ast.ListComp: comprehension,
    ast.GeneratorExp: comprehension,
}


def _try(context: Context, node: ast.Try) -> None:
    """Exceptions whose kind is known go to their handler; other traps end in plain Python, which runs the handlers."""
    every = [*node.body, *node.orelse, *(s for h in node.handlers for s in h.body)]
    if node.finalbody and any(has_return(s) or has_jump([s]) for s in every):
        raise context.unsupported("`finally` after a jump")
    tries = context.except_targets

    def whole(end: BlockExits) -> None:
        def guarded(left: list[ast.ExceptHandler]) -> None:
            if not left:
                context.execute(node.body)
                context.except_targets = tries
                context.execute(node.orelse)
                raise context.leave(end)
            handler = left[-1]

            def inside(target: BlockExits) -> None:
                for error in reversed(_caught_classes(handler)):
                    context.except_targets = [
                        *context.except_targets,
                        ExceptTarget(error, target, len(context.active_frames)),
                    ]
                guarded(left[:-1])

            context.breakable(inside)
            context.except_targets = tries
            if handler.name:
                key = resolve_name(context, handler.name)
                context.state.variables[key] = UnknownString()
            context.execute(handler.body)
            raise context.leave(end)

        guarded(node.handlers)

    try:
        context.breakable(whole)
    finally:
        context.except_targets = tries
    context.execute(node.finalbody)


def _caught_classes(handler: ast.ExceptHandler) -> list[type[BaseException] | None]:
    """The exception classes that a handler catches; None among them where one is not a built-in."""
    if handler.type is None:
        return [BaseException]
    found: list[type[BaseException] | None] = []
    for name in handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]:
        value = getattr(builtins, name.id, None) if isinstance(name, ast.Name) else None
        found.append(value if isinstance(value, type) and issubclass(value, BaseException) else None)
    return found


def _raise(context: Context, node: ast.Raise) -> None:
    made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    error = _caught_classes(ast.ExceptHandler(made, None, [])) if isinstance(made, ast.Name) else [None]
    quiet, context.stdlib_depth = context.stdlib_depth, 0  # the prelude raises what Python does
    try:
        raise context.trap("an exception is raised", error=error[0].__name__ if error[0] else "")
    finally:
        context.stdlib_depth = quiet


def _assert(context: Context, node: ast.Assert) -> None:
    test = truth_of(context, context.evaluate(node.test))
    if test is False:
        raise context.trap("an assertion fails", error="AssertionError")
    if isinstance(test, str):
        context.trap_if(f"not {test}", error="AssertionError")


ERROR_HANDLERS: HandlerTable = {
    ast.Try: _try,
    ast.Raise: _raise,
    ast.Assert: _assert,
}


def _function(context: Context, node: ast.FunctionDef) -> None:
    if node.decorator_list and not all(
        isinstance(d, ast.Name) and d.id in ("staticmethod", "classmethod", "property") for d in node.decorator_list
    ):
        raise context.unsupported("a decorator")
    value: Value = function_value(context, node)
    for decorator in node.decorator_list:
        assert isinstance(decorator, ast.Name)
        value = TupleValue((value,), decorator.id)
    key = resolve_name(context, node.name)
    context.state.variables[key] = value


def _class(context: Context, node: ast.ClassDef) -> None:
    if node.decorator_list or node.keywords:
        raise context.unsupported("a class with a decorator or metaclass")
    bases = [context.evaluate(base) for base in node.bases]
    bases = [base for base in bases if base != Builtin("builtins.object")]
    path = (*context.path, id(node))
    number = context.frame_number(path)
    scope = scope_of(node)
    outer = context.current_frame
    context.frames[number] = CallFrame(scope, outer, is_class=True)
    context.current_frame = number
    context.active_frames.append(number)
    try:
        context.execute(node.body)
    finally:
        context.current_frame = outer
        context.active_frames.pop()
    names = [key for key in context.state.variables if key[0] == number]
    members = tuple((name, context.state.variables[(number, name)]) for _, name in names)
    hooks = {"__getattr__", "__getattribute__", "__setattr__", "__slots__", "__new__", "__del__"}
    if any(name in hooks for name, _ in members):
        raise context.unsupported("a class that changes how attributes work")
    drop_frame(context, number)
    key = resolve_name(context, node.name)
    context.state.variables[key] = context.new_object(
        ObjectFields(members, None, f"{node.name}@{node.lineno}", tuple(bases))
    )


def _import(context: Context, node: ast.Import) -> None:
    for alias in node.names:
        name = alias.name if alias.asname else alias.name.split(".")[0]
        module = sys.modules.get(name)
        if module is None or alias.name not in sys.modules:
            raise context.unsupported(f"an import of `{alias.name}`")
        key = resolve_name(context, alias.asname or name)
        context.state.variables[key] = context.module_env.value(module, ())


def _import_from(context: Context, node: ast.ImportFrom) -> None:
    module = sys.modules.get(node.module or "")
    if module is None or node.level:
        raise context.unsupported(f"an import of `{node.module}`")
    for alias in node.names:
        if alias.name == "*" or not hasattr(module, alias.name):
            raise context.unsupported(f"an import of `{alias.name}`")
        key = resolve_name(context, alias.asname or alias.name)
        context.state.variables[key] = context.module_env.value(getattr(module, alias.name), ())


DEFINITION_HANDLERS: HandlerTable = {
    ast.FunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
}
