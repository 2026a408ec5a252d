"""Statements of the user's code."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable

from racer.reward.compile.arithmetic import present, truth
from racer.reward.compile.blocks import has_jump, has_return
from racer.reward.compile.calls import forget
from racer.reward.compile.context import ENDLESS, UNCOVERED, Catch, Context, Jumps
from racer.reward.compile.expressions import operate, subscript
from racer.reward.compile.joins import as_kind
from racer.reward.compile.objects import attribute, function_value, set_attribute
from racer.reward.compile.scopes import Frame, resolve, scope_of, span
from racer.reward.compile.sequences import append, contents, element, is_sequence, iteration, length, part, put, type_of
from racer.reward.compile.values import (
    UNBOUND,
    CannotCompile,
    Const,
    Dict,
    Fields,
    Hopeless,
    Items,
    Native,
    Ref,
    Scalar,
    Text,
    Unreachable,
    Value,
)

UNROLL_MAX = 16
"""Rounds of a loop that is written out."""
CHAIN_MIN = 5
"""Branches of an `elif` chain from which on it is written flat."""


def execute(context: Context, statements: list[ast.stmt]) -> None:
    """Translate statements; one that is not covered becomes a trap."""
    for statement in statements:
        saved = context.node
        context.node = statement
        if not context.quiet:
            context.line = getattr(statement, "lineno", context.line)
        context.places[context.current] = span(statement)[0]
        try:
            handler = _HANDLERS.get(type(statement))
            if handler is None:
                raise context.cannot(f"`{type(statement).__name__.lower()}` statements")
            handler(context, statement)
        except Hopeless:
            raise
        except CannotCompile as error:
            context.line = error.line or context.line
            raise context.trap(error.reason, UNCOVERED) from None
        finally:
            context.node = saved


def _expression(context: Context, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        context.evaluate(context, node.value)


def _pass(context: Context, node: ast.stmt) -> None:
    """Nothing."""


def _return(context: Context, node: ast.Return) -> None:
    value = context.evaluate(context, node.value) if node.value else Const(None)
    value = context.atom(value, "result") if isinstance(value, Scalar) else value
    target, key = context.returns
    context.s.vars[key] = value
    if key[0] in context.frames and not context.frames[key[0]].scope.captured:
        forget(context, key[0])
    if target is not None:
        raise context.leave(target)


def _assign(context: Context, node: ast.Assign) -> None:
    value = context.evaluate(context, node.value)
    for target in node.targets:
        assign(context, target, value)


def _annotated(context: Context, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(context, node.target, context.evaluate(context, node.value))


def assign(context: Context, target: ast.expr, value: Value) -> None:
    """Give a target a value."""
    if isinstance(target, ast.Name):
        key = resolve(context, target.id, store=True)
        assert key is not None
        context.s.vars[key] = context.atom(value, target.id) if isinstance(value, Scalar) else value
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(context, target, value)
    elif isinstance(target, ast.Attribute):
        value = context.atom(value, target.attr) if isinstance(value, Scalar) else value
        set_attribute(context, present(context, context.evaluate(context, target.value)), target.attr, value)
    elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
        value = context.atom(value) if isinstance(value, Scalar) else value
        where = present(context, context.evaluate(context, target.value))
        put(context, where, context.evaluate(context, target.slice), value)
    else:
        raise context.cannot("an assignment to a slice")


def _unpack(context: Context, target: ast.Tuple | ast.List, value: Value) -> None:
    value = present(context, value)
    if any(isinstance(t, ast.Starred) for t in target.elts):
        found = contents(context, value)
        if not isinstance(found, Items):
            raise context.cannot("`*` with a list of unknown length")
        star = next(k for k, t in enumerate(target.elts) if isinstance(t, ast.Starred))
        after = len(target.elts) - star - 1
        if len(found.items) < star + after:
            raise context.trap("too few values to unpack")
        middle = context.new(Items("list", found.items[star : len(found.items) - after]))
        values = [*found.items[:star], middle, *found.items[len(found.items) - after :]]
        for t, v in zip(target.elts, values, strict=True):
            assign(context, t.value if isinstance(t, ast.Starred) else t, v)
        return
    if not is_sequence(context, value) and not hasattr(value, "parts") and not hasattr(value, "stop"):
        raise context.cannot("unpacking of this value")
    n = length(context, value)
    if isinstance(n, Const):
        if n.value != len(target.elts):
            raise context.trap("another number of values to unpack", error="ValueError")
    else:
        context.trap_if(f"{n.expr} != {len(target.elts)}", error="ValueError")
    values = [element(context, value, Const(k)) for k in range(len(target.elts))]
    values = [context.atom(v) if isinstance(v, Scalar) else v for v in values]
    for t, v in zip(target.elts, values, strict=True):
        assign(context, t, v)


def _augmented(context: Context, node: ast.AugAssign) -> None:
    name = type(node.op).__name__
    target = node.target
    if isinstance(target, ast.Name):
        old = context.evaluate(context, ast.copy_location(ast.Name(target.id, ast.Load()), target))
        value = context.evaluate(context, node.value)
        if name == "Add" and type_of(context, old) == "list":
            context.routine("extend", old, value)
            return
        assign(context, target, operate(context, name, old, value))
    elif isinstance(target, ast.Attribute):
        owner = present(context, context.evaluate(context, target.value))
        old = attribute(context, owner, target.attr)
        value = context.evaluate(context, node.value)
        if name == "Add" and type_of(context, old) == "list":
            context.routine("extend", old, value)
            return
        new = operate(context, name, old, value)
        set_attribute(context, owner, target.attr, context.atom(new, target.attr) if isinstance(new, Scalar) else new)
    elif isinstance(target.slice, ast.Slice):
        raise context.cannot("an assignment to a slice")
    else:
        owner = present(context, context.evaluate(context, target.value))
        index = context.evaluate(context, target.slice)
        index = context.atom(index) if isinstance(index, Scalar) else index
        old = subscript(context, owner, index)
        new = operate(context, name, old, context.evaluate(context, node.value))
        put(context, owner, index, context.atom(new) if isinstance(new, Scalar) else new)


def _if(context: Context, node: ast.If) -> None:
    chain: list[tuple[ast.expr, list[ast.stmt]]] = [(node.test, node.body)]
    rest = node.orelse
    while len(rest) == 1 and isinstance(rest[0], ast.If):
        chain.append((rest[0].test, rest[0].body))
        rest = rest[0].orelse
    if len(chain) < CHAIN_MIN:
        test = truth(context, context.evaluate(context, node.test))
        if isinstance(test, bool):
            execute(context, node.body if test else node.orelse)
            return
        context.branch(test, lambda: execute(context, node.body), lambda: execute(context, node.orelse))
        return

    def body(jumps: Jumps) -> None:
        for condition, statements in chain:
            context.line = condition.lineno
            test = truth(context, context.evaluate(context, condition))
            if test is False:
                continue
            if test is True:
                execute(context, statements)
                raise context.leave(jumps)
            context.branch(test, lambda s=statements: _then_leave(context, s, jumps))  # type: ignore[misc]
        execute(context, rest)

    context.once(body)


def _then_leave(context: Context, statements: list[ast.stmt], target: Jumps) -> None:
    execute(context, statements)
    raise context.leave(target)


def _while(context: Context, node: ast.While) -> None:
    def body(jumps: Jumps) -> None:
        context.write("budget -= 1")
        context.trap_if("budget < 0", ENDLESS)
        test = truth(context, context.evaluate(context, node.test))
        if test is False:
            _then_leave(context, node.orelse, jumps)
        if isinstance(test, str):
            context.branch(f"not {test}", lambda: _then_leave(context, node.orelse, jumps))
        _round(context, node.body, jumps, jumps)

    context.loop(body)


def _round(context: Context, statements: list[ast.stmt], leave: Jumps, again: Jumps) -> None:
    """One round of a user's loop."""
    context.user_loops = [*context.user_loops, (leave, again)]
    try:
        execute(context, statements)
    finally:
        context.user_loops = context.user_loops[:-1]


def _for(context: Context, node: ast.For) -> None:
    iterable = context.evaluate(context, node.iter)
    first = context.places[context.current]

    def body(value: Value, leave: Jumps, again: Jumps) -> None:
        assign(context, node.target, value)
        _round(context, node.body, leave, again)

    names = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    drop = {key for n in names if (key := resolve(context, n)) and key[0] > 0 and not _read_after(context, key, node)}
    del first
    each(
        context,
        iterable,
        body,
        jumps=has_jump(node.body) or any(has_return(s) for s in node.body),
        orelse=lambda: execute(context, node.orelse),
        drop=drop,
    )


def _read_after(context: Context, key: tuple[int, str], node: ast.For) -> bool:
    """Whether a loop's variable is read outside the loop."""
    frame = context.frames[key[0]]
    if frame.is_comprehension or key[1] in frame.scope.captured:
        return not frame.is_comprehension
    first, last = span(node)
    return any(not first <= place < last for place in frame.scope.loads.get(key[1], []))


def each(
    context: Context,
    iterable: Value,
    body: Callable[[Value, Jumps, Jumps], None],
    *,
    jumps: bool,
    orelse: Callable[[], None] | None = None,
    drop: set[tuple[int, str]] | None = None,
    small: int = 0,
) -> None:
    """A loop over anything; loops of few rounds over what differs are written out.

    Args:
        body: called with the item, the target of `break` and the target of `continue`.
        jumps: the body may jump.
        orelse: what runs where the loop ends by itself.
        drop: names that the head need not know.
        small: a known number of rounds up to which the loop is written out in any case.
    """
    iterable = present(context, iterable)
    n, get, uneven = iteration(context, iterable)
    if isinstance(n, Const) and (n.value <= small or (uneven and n.value <= UNROLL_MAX)):
        _written_out(context, iterable, n.value, get, body, jumps, orelse)
        return
    if uneven:
        raise context.cannot("a loop over values of several types")
    count = as_kind(n, "i")
    context.write(f"budget -= {count}")
    context.trap_if("budget < 0", ENDLESS)
    counter = context.name("k")
    context.write(f"{counter} = -1")

    def ended(target: Jumps) -> None:
        if orelse:
            orelse()
        raise context.leave(target)

    def run(target: Jumps) -> None:
        at = context.name("k")
        context.write(f"{counter} += 1")
        context.write(f"{at} = {counter}")
        now = as_kind(length(context, iterable), "i")
        if now != count:  # the body changes the list that it goes over
            context.write("budget -= 1")
            context.trap_if("budget < 0", ENDLESS)
        context.branch(f"{at} >= {now}", lambda: ended(target))
        body(get(Scalar("i", at, bound=2.0**31)), target, target)

    context.loop(run, drop)


def _written_out(
    context: Context,
    iterable: Value,
    count: int,
    get: Callable[[Scalar | Const], Value],
    body: Callable[[Value, Jumps, Jumps], None],
    jumps: bool,
    orelse: Callable[[], None] | None,
) -> None:
    path = context.path

    def rounds(leave: Jumps) -> None:
        for k in range(count):
            context.path = (*path, ("round", k))
            if length(context, iterable) != Const(count):
                raise context.cannot("a loop that changes the list that it goes over")
            value = get(Const(k))
            if jumps:
                context.once(lambda again, v=value: body(v, leave, again))  # type: ignore[misc]
            else:
                body(value, leave, leave)
        if length(context, iterable) != Const(count):
            raise context.cannot("a loop that changes the list that it goes over")
        if orelse:
            orelse()

    try:
        if jumps:
            context.once(rounds)
        else:
            rounds(Jumps())
    finally:
        context.path = path


def _break(context: Context, node: ast.stmt) -> None:
    raise context.leave(context.user_loops[-1][0])


def _continue(context: Context, node: ast.stmt) -> None:
    target = context.user_loops[-1]
    raise context.leave(target[1], "continue" if target[0] is target[1] else "break")


def _try(context: Context, node: ast.Try) -> None:
    """Exceptions whose kind is known go to their handler; other traps end in plain Python, which runs the handlers."""
    every = [*node.body, *node.orelse, *(s for h in node.handlers for s in h.body)]
    if node.finalbody and any(has_return(s) or has_jump([s]) for s in every):
        raise context.cannot("`finally` after a jump")
    tries = context.tries

    def whole(end: Jumps) -> None:
        def guarded(left: list[ast.ExceptHandler]) -> None:
            if not left:
                execute(context, node.body)
                context.tries = tries
                execute(context, node.orelse)
                raise context.leave(end)
            handler = left[-1]

            def inside(target: Jumps) -> None:
                for error in reversed(_caught(handler)):
                    context.tries = [*context.tries, Catch(error, target, len(context.active))]
                guarded(left[:-1])

            context.once(inside)
            context.tries = tries
            if handler.name:
                key = resolve(context, handler.name, store=True)
                assert key is not None
                context.s.vars[key] = Text()
            execute(context, handler.body)
            raise context.leave(end)

        guarded(node.handlers)

    try:
        context.once(whole)
    finally:
        context.tries = tries
    execute(context, node.finalbody)


def _caught(handler: ast.ExceptHandler) -> list[type[BaseException] | None]:
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
    error = _caught(ast.ExceptHandler(made, None, [])) if isinstance(made, ast.Name) else [None]
    quiet, context.quiet = context.quiet, 0  # the prelude raises what Python does
    try:
        raise context.trap("an exception is raised", error=error[0].__name__ if error[0] else "")
    finally:
        context.quiet = quiet


def _assert(context: Context, node: ast.Assert) -> None:
    test = truth(context, context.evaluate(context, node.test))
    if test is False:
        raise context.trap("an assertion fails", error="AssertionError")
    if isinstance(test, str):
        context.trap_if(f"not {test}", error="AssertionError")


def _function(context: Context, node: ast.FunctionDef) -> None:
    if node.decorator_list and not all(
        isinstance(d, ast.Name) and d.id in ("staticmethod", "classmethod", "property") for d in node.decorator_list
    ):
        raise context.cannot("a decorator")
    value: Value = function_value(context, node)
    for decorator in node.decorator_list:
        from racer.reward.compile.values import Tup

        assert isinstance(decorator, ast.Name)
        value = Tup((value,), decorator.id)
    key = resolve(context, node.name, store=True)
    assert key is not None
    context.s.vars[key] = value


def _class(context: Context, node: ast.ClassDef) -> None:
    if node.decorator_list or node.keywords:
        raise context.cannot("a class with a decorator or metaclass")
    bases = [context.evaluate(context, base) for base in node.bases]
    bases = [base for base in bases if base != Native("builtins.object")]
    path = (*context.path, id(node))
    number = context.frame(path)
    scope = scope_of(node)
    outer = context.current
    context.frames[number] = Frame(scope, outer, is_class=True)
    context.current = number
    context.active.append(number)
    try:
        execute(context, node.body)
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


def _delete(context: Context, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            context.evaluate(context, ast.copy_location(ast.Name(target.id, ast.Load()), target))
            key = resolve(context, target.id, store=True)
            assert key is not None
            context.s.vars[key] = UNBOUND
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            owner = present(context, context.evaluate(context, target.value))
            index = context.evaluate(context, target.slice)
            content = context.content(owner.id) if isinstance(owner, Ref) else None
            if isinstance(content, Dict) and isinstance(owner, Ref):
                subscript(context, owner, index)
                assert isinstance(index, Const)
                kept = tuple((k, v) for k, v in content.items if k != index.value)
                context.s.heap[owner.id] = Dict(kept)
            else:
                context.routine("pop_at", owner, index)
        else:
            raise context.cannot("this `del`")


def comprehension(context: Context, node: ast.ListComp | ast.GeneratorExp) -> Value:
    """A list comprehension, or a generator expression as the list of its items."""
    path = (*context.path, id(node))
    number = context.frame(path)
    out = context.new(Items("list", ()))
    outer, path_before, node_before = context.current, context.path, context.node
    first = context.evaluate(context, node.generators[0].iter)
    context.frames[number] = Frame(scope_of(node), outer, is_comprehension=True)
    context.current, context.path = number, path

    def level(k: int) -> None:
        generator = node.generators[k]
        iterable = first if k == 0 else context.evaluate(context, generator.iter)
        names = {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}

        def body(value: Value, leave: Jumps, again: Jumps) -> None:
            assign(context, generator.target, value)
            _filtered(context, list(generator.ifs), lambda: inside(k))

        each(context, iterable, body, jumps=False, drop={(number, n) for n in names}, small=8)

    def inside(k: int) -> None:
        if k + 1 < len(node.generators):
            level(k + 1)
        else:
            value = context.evaluate(context, node.elt)
            context.node = node.elt
            append(context, out, context.atom(value) if isinstance(value, Scalar) else value)

    assert isinstance(out, Ref)
    context.held.add(out.id)
    context.active.append(number)
    try:
        level(0)
    finally:
        context.held.discard(out.id)
        context.active.pop()
        context.current, context.path, context.node = outer, path_before, node_before
    forget(context, number)
    return out


def _filtered(context: Context, tests: list[ast.expr], action: Callable[[], None]) -> None:
    if not tests:
        action()
        return
    test = truth(context, context.evaluate(context, tests[0]))
    if test is True:
        _filtered(context, tests[1:], action)
    elif test is not False:
        context.branch(test, lambda: _filtered(context, tests[1:], action))


_HANDLERS: dict[type, Callable[..., None]] = {
    ast.Expr: _expression,
    ast.Pass: _pass,
    ast.Global: _pass,
    ast.Nonlocal: _pass,
    ast.Return: _return,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
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
    ast.Delete: _delete,
}

__all__ = ["Unreachable", "execute", "part"]
