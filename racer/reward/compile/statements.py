"""Translates each kind of statement, and comprehensions, which are loops with an assignment.

A handler takes the context and a node of the user's syntax tree, writes code and changes the state: the values of
names and the contents of objects from this point on. `HANDLERS` is the table of all kinds.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from racer.reward.compile import values as ir
from racer.reward.compile.calls import check_decorators, drop_frame, has_jump, has_return
from racer.reward.compile.coercion import contents_of, is_sequence, length_of, require_value, type_of
from racer.reward.compile.control_flow import BlockExits, Context, ExceptTarget, HandlerTable
from racer.reward.compile.emitter import resolve_name
from racer.reward.compile.errors import ENDLESS
from racer.reward.compile.expressions import as_atom, binary_operation, get_subscript, truth_of_expression
from racer.reward.compile.module_env import CallFrame, node_span, scope_of
from racer.reward.compile.object_ops import function_value, get_attribute, set_attribute
from racer.reward.compile.sequence_ops import append, element_at, for_each, set_item
from racer.reward.compile.values import Value


def _assign(context: Context, node: ast.Assign) -> None:
    value = context.evaluate(node.value)
    for target in node.targets:
        assign(context, target, value)


def _annotated(context: Context, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(context, node.target, context.evaluate(node.value))


def assign(context: Context, target: ast.expr, value: Value) -> None:
    """Assign a value to a target: a name, an attribute, an item, or a tuple of targets."""
    if isinstance(target, ast.Name):
        context.state.variables[resolve_name(context, target.id)] = as_atom(context, value, target.id)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(context, target, value)
    elif isinstance(target, ast.Attribute):
        value = as_atom(context, value, target.attr)
        set_attribute(context, require_value(context, context.evaluate(target.value)), target.attr, value)
    elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
        value = as_atom(context, value)
        owner = require_value(context, context.evaluate(target.value))
        set_item(context, owner, context.evaluate(target.slice), value)
    else:
        raise context.unsupported("an assignment to a slice")


def _unpack(context: Context, target: ast.Tuple | ast.List, value: Value) -> None:
    value = require_value(context, value)
    if any(isinstance(t, ast.Starred) for t in target.elts):
        _unpack_starred(context, target, value)
        return
    if not is_sequence(context, value) and not isinstance(value, (ir.LazyIterable, ir.RangeValue)):
        raise context.unsupported("unpacking of this value")
    length = length_of(context, value)
    count = len(target.elts)
    differs = length.value != count if isinstance(length, ir.Constant) else f"{length.expr} != {count}"
    context.trap_where(differs, "another number of values to unpack", "ValueError")
    # All items are read before the first assignment, which may change one of them: `a, b = b, a`.
    items = [element_at(context, value, ir.Constant(k)) for k in range(len(target.elts))]
    items = [as_atom(context, item) for item in items]
    for inner, item in zip(target.elts, items, strict=True):
        assign(context, inner, item)


def _unpack_starred(context: Context, target: ast.Tuple | ast.List, value: Value) -> None:
    content = contents_of(context, value)
    if not isinstance(content, ir.FixedSequence):
        raise context.unsupported("`*` with a list of unknown length")
    star = next(k for k, t in enumerate(target.elts) if isinstance(t, ast.Starred))
    end = len(content.items) - (len(target.elts) - star - 1)
    if end < star:
        raise context.trap("too few values to unpack")
    middle = context.new_object(ir.FixedSequence("list", content.items[star:end]))
    items = [*content.items[:star], middle, *content.items[end:]]
    for inner, item in zip(target.elts, items, strict=True):
        assign(context, inner.value if isinstance(inner, ast.Starred) else inner, item)


def _augmented(context: Context, node: ast.AugAssign) -> None:
    name = type(node.op).__name__
    target = node.target
    owner: Value = ir.NONE
    if isinstance(target, ast.Subscript):
        if isinstance(target.slice, ast.Slice):
            raise context.unsupported("an assignment to a slice")
        owner = require_value(context, context.evaluate(target.value))
        index = as_atom(context, context.evaluate(target.slice))
        # Owner and index are evaluated once, before the right side, as in Python.
        old = get_subscript(context, owner, index)
        new = binary_operation(context, name, old, context.evaluate(node.value))
        set_item(context, owner, index, as_atom(context, new))
        return
    if isinstance(target, ast.Name):
        old = context.evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target))
    else:
        owner = require_value(context, context.evaluate(target.value))
        old = get_attribute(context, owner, target.attr)
    value = context.evaluate(node.value)
    if name == "Add" and type_of(context, old) == "list":  # `+=` changes the list itself, and all names of it
        context.call_stdlib("extend", old, value)
        return
    new = binary_operation(context, name, old, value)
    if isinstance(target, ast.Name):
        assign(context, target, new)
    else:
        set_attribute(context, owner, target.attr, as_atom(context, new, target.attr))


def _delete(context: Context, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            # Reading the name first traps where it has no value.
            context.evaluate(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            context.state.variables[resolve_name(context, target.id)] = ir.UNBOUND
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            owner = require_value(context, context.evaluate(target.value))
            index = context.evaluate(target.slice)
            content = context.content(owner.id) if isinstance(owner, ir.ObjectRef) else None
            if isinstance(content, ir.DictContents) and isinstance(owner, ir.ObjectRef):
                get_subscript(context, owner, index)  # traps where the key is missing
                assert isinstance(index, ir.Constant)
                items = tuple((k, v) for k, v in content.items if k != index.value)
                context.state.heap[owner.id] = ir.DictContents(items)
            else:
                context.call_stdlib("pop_at", owner, index)
        elif isinstance(target, ast.Subscript) and ast.unparse(target.slice) in (":", "::"):
            owner = context.evaluate(target.value)
            context.call_value(ir.BuiltinMethod(owner, "clear"), [], {})
        else:
            raise context.unsupported("this `del`")


CHAIN_MIN = 5
"""Branches from which on an `elif` chain is written as a flat block."""


def _expression(context: Context, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        context.evaluate(node.value)


def _pass(context: Context, node: ast.stmt) -> None:
    """Write nothing; `global` and `nonlocal` are part of the scope already."""


def _return(context: Context, node: ast.Return) -> None:
    value = as_atom(context, context.evaluate(node.value), "result") if node.value else ir.NONE
    # The value waits under the name `$return`. Without a target the statement is the last one of its branch, see
    # `tail_form`; else it leaves the block of the function's body.
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
        test = truth_of_expression(context, node.test)
        context.branch(test, lambda: context.execute(node.body), lambda: context.execute(node.orelse))
        return

    # Nested `else` blocks would join the states once for each level, and Python limits the indentation to 100 levels.
    # In a block every branch leaves to the same end, so all states are joined once:
    #
    #     block:
    #         if test 1: statements 1; leave
    #         if test 2: statements 2; leave
    #         rest
    def body(block: BlockExits) -> None:
        for condition, statements in chain:
            context.line = condition.lineno
            test = truth_of_expression(context, condition)
            context.branch(test, lambda s=statements: _execute_and_leave(context, s, block))  # type: ignore[misc]
        context.execute(rest)

    context.breakable(body)


def _execute_and_leave(context: Context, statements: list[ast.stmt], target: BlockExits) -> NoReturn:
    context.execute(statements)
    raise context.leave(target)


def _while(context: Context, node: ast.While) -> None:
    line = context.line

    def body(loop: BlockExits) -> None:
        context.line = line  # a second pass arrives here from the end of the loop
        # A kernel cannot be interrupted, so an endless loop has to end itself.
        context.write("budget -= 1")
        context.trap_if("budget < 0", ENDLESS)
        test = truth_of_expression(context, node.test)
        if test is False:
            _execute_and_leave(context, node.orelse, loop)
        if isinstance(test, str):
            context.branch(f"not {test}", lambda: _execute_and_leave(context, node.orelse, loop))
        _loop_body(context, node.body, loop, loop)

    context.loop(body)


def _loop_body(context: Context, statements: list[ast.stmt], leave: BlockExits, again: BlockExits) -> None:
    """Translate one iteration of a user's loop; `break` leaves `leave`, `continue` leaves or repeats `again`."""
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

    # A target that is read only inside the loop need not be merged at its head: each iteration assigns it first.
    keys = {resolve_name(context, name) for name in _target_names(node.target)}
    drop = {key for key in keys if key[0] > 0 and not _read_outside(context, key, node)}
    for_each(
        context,
        iterable,
        body,
        jumps=has_jump(node.body) or any(has_return(s) for s in node.body),
        orelse=lambda: context.execute(node.orelse),
        drop=drop,
    )


def _target_names(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _read_outside(context: Context, key: tuple[int, str], node: ast.For) -> bool:
    """Return whether a loop's variable is read outside the loop."""
    frame = context.frames[key[0]]
    if frame.is_comprehension or key[1] in frame.scope.captured:
        return not frame.is_comprehension
    first, last = node_span(node)
    return any(not first <= position < last for position in frame.scope.loads.get(key[1], []))


def _break(context: Context, node: ast.stmt) -> None:
    raise context.leave(context.user_loops[-1][0])


def _continue(context: Context, node: ast.stmt) -> None:
    # A loop is one block, continued at its head. An unrolled `for` has a block for each iteration:
    # `continue` leaves that one.
    leave, again = context.user_loops[-1]
    raise context.leave(again, "continue" if leave is again else "break")


@contextmanager
def _frame(context: Context, node: ast.ClassDef | ast.ListComp | ast.GeneratorExp, number: int) -> Iterator[None]:
    """Translate what follows in the frame of a class body or a comprehension."""
    outer, is_class = context.current_frame, isinstance(node, ast.ClassDef)
    context.frames[number] = CallFrame(scope_of(node), outer, is_class=is_class, is_comprehension=not is_class)
    context.current_frame = number
    context.active_frames.append(number)
    try:
        yield
    finally:
        context.current_frame = outer
        context.active_frames.pop()


def comprehension(context: Context, node: ast.ListComp | ast.GeneratorExp) -> Value:
    """Translate a list comprehension, or a generator expression as the list of its items."""
    path = (*context.path, id(node))
    number = context.frame_number(path)
    out = context.new_object(ir.FixedSequence("list", ()))
    path_before, node_before = context.path, context.node
    first = context.evaluate(node.generators[0].iter)  # in the outer frame, as in Python

    def write_loop(k: int) -> None:
        generator = node.generators[k]
        iterable = first if k == 0 else context.evaluate(generator.iter)

        def body(value: Value, leave: BlockExits, again: BlockExits) -> None:
            assign(context, generator.target, value)
            _filtered(context, list(generator.ifs), lambda: write_inside(k))

        drop = {(number, name) for name in _target_names(generator.target)}
        for_each(context, iterable, body, jumps=False, drop=drop, small=8)

    def write_inside(k: int) -> None:
        if k + 1 < len(node.generators):
            write_loop(k + 1)
        else:
            value = context.evaluate(node.elt)
            context.node = node.elt
            append(context, out, as_atom(context, value))

    assert isinstance(out, ir.ObjectRef)
    context.path = path
    context.pinned.add(out.id)
    try:
        with _frame(context, node, number):
            write_loop(0)
    finally:
        context.pinned.discard(out.id)
        context.path, context.node = path_before, node_before
    drop_frame(context, number)
    return out


def _filtered(context: Context, tests: list[ast.expr], action: Callable[[], None]) -> None:
    """Run an action under all conditions of a comprehension."""
    if not tests:
        action()
        return
    test = truth_of_expression(context, tests[0])
    context.branch(test, lambda: _filtered(context, tests[1:], action))


def _try(context: Context, node: ast.Try) -> None:
    """Translate `try`.

    A trap of a known exception jumps to its handler. Other traps end in plain Python, which runs the handlers. The
    body is the innermost of nested blocks, one for each handler, which a jump to that handler leaves:

        block: end
            block: handler 1            <- a trap that `except A` catches leaves this block
                block: handler 2        <- a trap that `except B` catches leaves this one
                    body; leave end
                statements of `except B`; leave end
            statements of `except A`; leave end
        statements of `finally`
    """
    inner = [*node.body, *node.orelse, *(s for h in node.handlers for s in h.body)]
    # A jump out of `try` would have to run `finally` on its way.
    if node.finalbody and any(has_return(s) or has_jump([s]) for s in inner):
        raise context.unsupported("`finally` after a jump")
    outer_targets = context.except_targets

    def write_all(end: BlockExits) -> None:
        def write_handlers(handlers: list[ast.ExceptHandler]) -> None:
            if not handlers:
                context.execute(node.body)
                context.except_targets = outer_targets
                _execute_and_leave(context, node.orelse, end)
            handler = handlers[-1]

            def write_body(target: BlockExits) -> None:
                depth = len(context.active_frames)
                # A trap searches the targets from the last one on, so the classes of a handler are added in reverse.
                caught = [ExceptTarget(error, target, depth) for error in reversed(_caught_classes(handler))]
                context.except_targets = [*context.except_targets, *caught]
                write_handlers(handlers[:-1])

            context.breakable(write_body)
            context.except_targets = outer_targets
            if handler.name:
                context.state.variables[resolve_name(context, handler.name)] = ir.UnknownString()
            _execute_and_leave(context, handler.body, end)

        write_handlers(node.handlers)

    try:
        context.breakable(write_all)
    finally:
        context.except_targets = outer_targets
    context.execute(node.finalbody)


def _caught_classes(handler: ast.ExceptHandler) -> list[type[BaseException] | None]:
    """Return the exception classes that a handler catches; None in place of one that is not a built-in."""
    if handler.type is None:
        return [BaseException]
    classes: list[type[BaseException] | None] = []
    for name in handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]:
        value = getattr(builtins, name.id, None) if isinstance(name, ast.Name) else None
        classes.append(value if isinstance(value, type) and issubclass(value, BaseException) else None)
    return classes


def _raise(context: Context, node: ast.Raise) -> None:
    name = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    error = _caught_classes(ast.ExceptHandler(name, None, []))[0] if isinstance(name, ast.Name) else None
    # A `raise` in the standard library means the exception that Python raises there, so handlers may catch it.
    depth, context.stdlib_depth = context.stdlib_depth, 0
    try:
        raise context.trap("an exception is raised", error=error.__name__ if error else "")
    finally:
        context.stdlib_depth = depth


def _assert(context: Context, node: ast.Assert) -> None:
    test = truth_of_expression(context, node.test)
    context.trap_where(not test if isinstance(test, bool) else f"not {test}", "an assertion fails", "AssertionError")


def _function(context: Context, node: ast.FunctionDef) -> None:
    decorators = check_decorators(context, node)
    value: Value = function_value(context, node)
    for name in decorators:
        value = ir.TupleValue((value,), name)
    context.state.variables[resolve_name(context, node.name)] = value


def _class(context: Context, node: ast.ClassDef) -> None:
    if node.decorator_list or node.keywords:
        raise context.unsupported("a class with a decorator or metaclass")
    bases = [context.evaluate(base) for base in node.bases]
    bases = [base for base in bases if base != ir.Builtin("builtins.object")]
    number = context.frame_number((*context.path, id(node)))
    with _frame(context, node, number):
        context.execute(node.body)
    members = tuple((name, value) for (frame, name), value in context.state.variables.items() if frame == number)
    # With these methods an attribute is not simply a field of the object or of its class.
    hooks = {"__getattr__", "__getattribute__", "__setattr__", "__slots__", "__new__", "__del__"}
    if any(name in hooks for name, _ in members):
        raise context.unsupported("a class that changes how attributes work")
    drop_frame(context, number)
    cls = context.new_object(ir.ObjectFields(members, None, f"{node.name}@{node.lineno}", tuple(bases)))
    context.state.variables[resolve_name(context, node.name)] = cls


def _import(context: Context, node: ast.Import) -> None:
    for alias in node.names:
        name = alias.name if alias.asname else alias.name.split(".")[0]
        # Only modules that are loaded already: an import inside a kernel cannot run, and need not.
        module = sys.modules.get(name)
        if module is None or alias.name not in sys.modules:
            raise context.unsupported(f"an import of `{alias.name}`")
        context.state.variables[resolve_name(context, alias.asname or name)] = context.module_env.value(module, ())


def _import_from(context: Context, node: ast.ImportFrom) -> None:
    module = sys.modules.get(node.module or "")
    if module is None or node.level:
        raise context.unsupported(f"an import of `{node.module}`")
    for alias in node.names:
        if alias.name == "*" or not hasattr(module, alias.name):
            raise context.unsupported(f"an import of `{alias.name}`")
        value = context.module_env.imported_value(module, alias.name)
        context.state.variables[resolve_name(context, alias.asname or alias.name)] = value


HANDLERS: HandlerTable = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.Expr: _expression,
    ast.Pass: _pass,
    ast.Global: _pass,
    ast.Nonlocal: _pass,
    ast.Return: _return,
    ast.If: _if,
    ast.While: _while,
    ast.For: _for,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Try: _try,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.FunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
}
