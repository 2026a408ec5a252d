"""From a loaded module to the text of its kernel.

translate       the loop over passes, until what is kept between calls has settled
dispatch        which function translates which syntax
params_values   the keys of params
kernel_text     the text, from the lines of one call

What translates each kind of expression and statement: all of them in two tables, and the way through these.

From a loaded module to the text of its kernel.
"""

from __future__ import annotations

import ast
from typing import Any

from racer.reward.compile import expressions, statements
from racer.reward.compile.calls import call, call_value, routine
from racer.reward.compile.coercion import as_number, require_value
from racer.reward.compile.control_flow import Context, HandlerTable, TranslatorParts
from racer.reward.compile.emitter import Buffer, LoopVariables
from racer.reward.compile.errors import NO_REWARD, UNCOVERED, CannotCompile, Unreachable, UnsupportedFunction
from racer.reward.compile.joins import Joiner
from racer.reward.compile.kernel_source import Translation, make_translation, param_value
from racer.reward.compile.module_env import ModuleEnv, check_forbidden, node_span
from racer.reward.compile.values import (
    ArraySequence,
    DictContents,
    Maybe,
    ProgramState,
    Scalar,
    StringChoice,
    Value,
    as_float,
    is_number,
)
from racer.reward.params import PARAMS
from racer.reward.protocol import REWARD_MAX

EXPRESSIONS: HandlerTable = {
    **expressions.NAME_HANDLERS,
    **expressions.OPERATOR_HANDLERS,
    **expressions.COMPARISON_HANDLERS,
    **expressions.SUBSCRIPT_HANDLERS,
    **expressions.DISPLAY_HANDLERS,
    **statements.COMPREHENSION_HANDLERS,
}
STATEMENTS: HandlerTable = {
    **statements.ASSIGNMENT_HANDLERS,
    **statements.BRANCH_HANDLERS,
    **statements.LOOP_HANDLERS,
    **statements.ERROR_HANDLERS,
    **statements.DEFINITION_HANDLERS,
}


def evaluate(context: Context, node: ast.expr) -> Value:
    """Translate an expression."""
    saved = context.node
    context.node = node
    if not context.stdlib_depth:
        context.line = getattr(node, "lineno", context.line)
    try:
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise context.unsupported(f"`{type(node).__name__}` expressions")
        value: Value = handler(context, node)
        return value
    finally:
        context.node = saved


def execute(context: Context, statements: list[ast.stmt]) -> None:
    """Translate statements; one that is not covered becomes a trap."""
    for statement in statements:
        saved = context.node
        context.node = statement
        if not context.stdlib_depth:
            context.line = getattr(statement, "lineno", context.line)
        context.positions[context.current_frame] = node_span(statement)[0]
        try:
            handler = STATEMENTS.get(type(statement))
            if handler is None:
                raise context.unsupported(f"`{type(statement).__name__.lower()}` statements")
            handler(context, statement)
        except UnsupportedFunction:
            raise
        except CannotCompile as error:
            context.line = error.line or context.line
            raise context.trap(error.reason, UNCOVERED) from None
        finally:
            context.node = saved


PARTS = TranslatorParts(evaluate=evaluate, execute=execute, call=call, call_value=call_value, call_stdlib=routine)


def translate(module: dict[str, Any], text: str, file: str) -> Translation:
    """Translate the `reward_function` of a module that was run.

    Args:
        module: its globals.
        text: its source.
        file: the file that its code objects name.

    Raises:
        CannotCompile: it is left to plain Python as a whole.
    """
    tree = ast.parse(text)
    check_forbidden(tree)
    context = Context(ModuleEnv(module, tree, file), PARTS)
    try:
        body, entry, head = _translate_to_fixpoint(context, module)
    except RecursionError:
        raise CannotCompile("it is nested too deep") from None
    names = _kept_names(context, head)
    return make_translation(context, body, entry, head, names)


def _translate_to_fixpoint(context: Context, module: dict[str, Any]) -> tuple[Buffer, Buffer, ProgramState]:
    """Translate until the state between calls no longer changes."""
    head = ProgramState()
    own = LoopVariables()
    for _ in range(16):
        buffer: Buffer = []
        context.reset(buffer, head.clone())
        slot: Buffer = []
        end = _translate_call(context, module, slot)
        if end is None:
            first = context.traps[0] if context.traps else (0, "no call of it returns a number")
            raise CannotCompile(first[1], first[0] or None)
        end.variables = {
            key: value for key, value in end.variables.items() if key[0] <= 0 and not key[1].startswith("$")
        }
        entry: Buffer = []
        joiner = Joiner(context, [(ProgramState(), entry), (end, slot)], head=head, loop_variables=own, array="S")
        new = joiner.run()
        if not joiner.changed:
            return buffer, entry, head
        head = new
    raise CannotCompile("the types of what it keeps between calls do not settle")


def _translate_call(context: Context, module: dict[str, Any], slot: Buffer) -> ProgramState | None:
    """Write one call; the state at its end, None where no way leads there."""
    params = context.new_object(DictContents(tuple((p.name, param_value(context, p)) for p in PARAMS)))
    function = context.module_env.value(module["reward_function"], (("global", "reward_function"),))
    try:
        try:
            value = context.call_value(function, [params], {})
            _check_reward(context, value)
        except UnsupportedFunction:
            raise
        except CannotCompile as error:
            context.line = error.line or context.line
            raise context.trap(error.reason, UNCOVERED) from None
    except Unreachable:
        return None
    context.buffer.append(slot)
    context.buffer.append("P[0] += prints")
    context.buffer.append("R[i] = reward")
    context.buffer.append("return 0")
    return context.state


def _check_reward(context: Context, value: Value) -> None:
    value = require_value(context, value)
    if not is_number(value):
        raise context.trap("it returns no number", NO_REWARD)
    context.write(f"reward = {as_float(as_number(context, value))}")
    context.trap_if(f"not {-REWARD_MAX!r} <= reward <= {REWARD_MAX!r}", NO_REWARD)


def _kept_names(context: Context, head: ProgramState) -> dict[str, str]:
    """Kind of each variable that is kept."""
    names: dict[str, str] = {}

    def visit(thing: Any) -> None:
        if isinstance(thing, Scalar) and thing.expr in context.join_vars:
            names[thing.expr] = thing.kind
        elif isinstance(thing, Maybe):
            names[thing.tag] = "i"
            visit(thing.value)
        elif isinstance(thing, StringChoice):
            names[thing.expr] = "i"
        elif isinstance(thing, ArraySequence):
            visit(thing.length)
        elif hasattr(thing, "items"):
            for item in thing.items:
                visit(item[1] if isinstance(item, tuple) else item)

    for value in (*head.variables.values(), *head.heap.values()):
        visit(value)
    return names
