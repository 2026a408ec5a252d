"""Translates the `reward_function` of a loaded module: the tables of handlers, and the passes over the function.

State that a function keeps between calls makes a call the body of a loop: the state at its beginning is the join of
the module as it was loaded and of the state at its end. So the call is translated again and again until that state no
longer changes. Example: `last = None` in the module and `last = params["x"]` in the call give `last` as None in the
first pass, as None or a float in the second, and the third changes nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from racer.reward.compile import expressions
from racer.reward.compile import values as ir
from racer.reward.compile.calls import call, call_value, routine
from racer.reward.compile.coercion import as_number, require_value
from racer.reward.compile.control_flow import PASSES_MAX, Context, HandlerTable, TranslatorParts
from racer.reward.compile.emitter import Buffer, LoopVariables
from racer.reward.compile.errors import NO_REWARD, CannotCompile, Unreachable
from racer.reward.compile.joins import Joiner
from racer.reward.compile.kernel_source import Translation, make_translation, param_value
from racer.reward.compile.module_env import ModuleEnv, check_forbidden, node_span
from racer.reward.compile.statements import HANDLERS, comprehension
from racer.reward.compile.values import Value
from racer.reward.params import FIRST_STEP, PARAMS
from racer.reward.protocol import REWARD_MAX

EXPRESSIONS: HandlerTable = {**expressions.HANDLERS, ast.ListComp: comprehension, ast.GeneratorExp: comprehension}


@contextmanager
def _at_node(context: Context, node: ast.expr | ast.stmt) -> Iterator[None]:
    """Translate what follows as a part of a node; errors and traps get its line."""
    saved, context.node = context.node, node
    # Inside the standard library the line stays that of the user's call.
    if not context.stdlib_depth:
        context.line = node.lineno
    try:
        yield
    finally:
        context.node = saved


def evaluate(context: Context, node: ast.expr) -> Value:
    """Translate an expression."""
    with _at_node(context, node):
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise context.unsupported(f"`{type(node).__name__}` expressions")
        value: Value = handler(context, node)
        return value


def execute(context: Context, statements: list[ast.stmt]) -> None:
    """Translate statements; a statement that is not covered becomes a trap, and what follows it is unreachable."""
    for statement in statements:
        with _at_node(context, statement), context.trap_uncovered():
            # The position decides which names are read later; only those are merged where branches meet.
            context.positions[context.current_frame] = node_span(statement)[0]
            handler = HANDLERS.get(type(statement))
            if handler is None:
                raise context.unsupported(f"`{type(statement).__name__.lower()}` statements")
            handler(context, statement)


PARTS = TranslatorParts(evaluate=evaluate, execute=execute, call=call, call_value=call_value, call_stdlib=routine)


def translate(module: dict[str, Any], text: str, file: str, first_step: int = FIRST_STEP) -> Translation:
    """Translate the `reward_function` of a module that was run.

    Args:
        module: globals of the module.
        text: source of the module.
        file: the file that its code objects name.
        first_step: `steps` in the first call of an episode.

    Raises:
        CannotCompile: the function is left to plain Python as a whole.
    """
    tree = ast.parse(text)
    check_forbidden(tree)
    context = Context(ModuleEnv(module, tree, file), PARTS)
    try:
        body, entry, head = _translate_to_fixpoint(context, module, first_step)
    except RecursionError:
        raise CannotCompile("it is nested too deeply") from None
    return make_translation(context, body, entry, head, _kept_kinds(context, head))


def _translate_to_fixpoint(
    context: Context, module: dict[str, Any], first_step: int
) -> tuple[Buffer, Buffer, ir.ProgramState]:
    """Translate until the state between calls no longer changes.

    Returns:
        The lines of a call, the lines that compute the first state, and the state at the beginning of a call.
    """
    head = ir.ProgramState()
    loop_variables = LoopVariables()
    for _ in range(PASSES_MAX):
        buffer: Buffer = []
        context.reset(buffer, head.clone())
        slot: Buffer = []
        end = _translate_call(context, module, slot, first_step)
        if end is None:
            # Every path ends in a trap, so the kernel would never give a reward.
            first = context.traps[0] if context.traps else (0, "no call of it returns a number")
            raise CannotCompile(first[1], first[0] or None)
        # Names of calls (frames above 0) and the translator's own names end with the call.
        end.variables = {
            key: value for key, value in end.variables.items() if key[0] <= 0 and not key[1].startswith("$")
        }
        entry: Buffer = []
        # An empty state is the module as it was loaded: a lookup falls through to `ModuleEnv`.
        inputs = [(ir.ProgramState(), entry), (end, slot)]
        joiner = Joiner(context, inputs, head=head, loop_variables=loop_variables, array="S")
        new = joiner.run()
        if not joiner.changed:
            return buffer, entry, head
        head = new
    raise CannotCompile("the types of its state between calls do not converge")


def _translate_call(context: Context, module: dict[str, Any], slot: Buffer, first_step: int) -> ir.ProgramState | None:
    """Write one call and return the state at its end, None where the end is not reached; `slot` precedes the end."""
    values = tuple((param.name, param_value(context, param, first_step)) for param in PARAMS)
    params = context.new_object(ir.DictContents(values))
    function = context.module_env.value(module["reward_function"], (("global", "reward_function"),))
    try:
        with context.trap_uncovered():
            value = require_value(context, context.call_value(function, [params], {}))
            if not ir.is_number(value):
                raise context.trap("it does not return a number", NO_REWARD)
            context.write(f"reward = {ir.as_float(as_number(context, value))}")
            context.trap_if(f"not {-REWARD_MAX!r} <= reward <= {REWARD_MAX!r}", NO_REWARD)  # NaN traps too
    except Unreachable:
        return None
    context.buffer += [slot, "P[0] += prints", "R[i] = reward", "return 0"]
    return context.state


def _kept_kinds(context: Context, head: ir.ProgramState) -> dict[str, str]:
    """Return the kind of each variable of the kernel that is kept between calls."""
    kinds: dict[str, str] = {}

    def visit(value: Any) -> None:
        if isinstance(value, ir.Scalar) and value.expr in context.join_vars:
            kinds[value.expr] = value.kind
        elif isinstance(value, (ir.Maybe, ir.StringChoice)):
            kinds[value.tag if isinstance(value, ir.Maybe) else value.expr] = "i"
        for part in ir.parts_of(value):
            visit(part)

    for value in (*head.variables.values(), *head.heap.values()):
        visit(value)
    return kinds
