"""`try`, `raise` and `assert`."""

from __future__ import annotations

import ast
import builtins

from racer.reward.compile.calls.blocks import has_jump, has_return
from racer.reward.compile.desk.names import resolve
from racer.reward.compile.flow.context import Catch, Context, Handlers, Jumps
from racer.reward.compile.operations.coerce import truth
from racer.reward.compile.values.value import Text


def _try(context: Context, node: ast.Try) -> None:
    """Exceptions whose kind is known go to their handler; other traps end in plain Python, which runs the handlers."""
    every = [*node.body, *node.orelse, *(s for h in node.handlers for s in h.body)]
    if node.finalbody and any(has_return(s) or has_jump([s]) for s in every):
        raise context.cannot("`finally` after a jump")
    tries = context.tries

    def whole(end: Jumps) -> None:
        def guarded(left: list[ast.ExceptHandler]) -> None:
            if not left:
                context.execute(node.body)
                context.tries = tries
                context.execute(node.orelse)
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
            context.execute(handler.body)
            raise context.leave(end)

        guarded(node.handlers)

    try:
        context.once(whole)
    finally:
        context.tries = tries
    context.execute(node.finalbody)


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
    test = truth(context, context.evaluate(node.test))
    if test is False:
        raise context.trap("an assertion fails", error="AssertionError")
    if isinstance(test, str):
        context.trap_if(f"not {test}", error="AssertionError")


HANDLERS: Handlers = {
    ast.Try: _try,
    ast.Raise: _raise,
    ast.Assert: _assert,
}
