"""From a loaded module to the text of its kernel."""

from __future__ import annotations

import ast
from typing import Any

from racer.reward.compile.desk.lines import Buffer
from racer.reward.compile.endings import NO_REWARD, UNCOVERED, CannotCompile, Hopeless, Unreachable
from racer.reward.compile.flow.context import Context
from racer.reward.compile.flow.join_code import Own
from racer.reward.compile.flow.joins import Joiner
from racer.reward.compile.module.rules import check_module
from racer.reward.compile.module.world import World
from racer.reward.compile.operations.coerce import as_number, present
from racer.reward.compile.translation.dispatch import PARTS
from racer.reward.compile.translation.kernel_text import Translation, written
from racer.reward.compile.translation.params_values import param_value
from racer.reward.compile.values.heap import Dict, Seq, State
from racer.reward.compile.values.kinds import f, number
from racer.reward.compile.values.value import Choice, Maybe, Scalar, Value
from racer.reward.params import PARAMS
from racer.reward.seam import REWARD_MAX


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
    check_module(tree)
    context = Context(World(module, tree, file), PARTS)
    try:
        body, entry, head = _settled(context, module)
    except RecursionError:
        raise CannotCompile("it is nested too deep") from None
    names = _kept_names(context, head)
    return written(context, body, entry, head, names)


def _settled(context: Context, module: dict[str, Any]) -> tuple[Buffer, Buffer, State]:
    """Translate until the state between calls no longer changes."""
    head = State()
    own = Own()
    for _ in range(16):
        buffer: Buffer = []
        context.begin(buffer, head.clone())
        slot: Buffer = []
        end = _one_call(context, module, slot)
        if end is None:
            first = context.traps[0] if context.traps else (0, "no call of it returns a number")
            raise CannotCompile(first[1], first[0] or None)
        end.vars = {key: value for key, value in end.vars.items() if key[0] <= 0 and not key[1].startswith("$")}
        entry: Buffer = []
        joiner = Joiner(context, [(State(), entry), (end, slot)], head=head, own=own, array="S")
        new = joiner.run()
        if not joiner.changed:
            return buffer, entry, head
        head = new
    raise CannotCompile("the types of what it keeps between calls do not settle")


def _one_call(context: Context, module: dict[str, Any], slot: Buffer) -> State | None:
    """Write one call; the state at its end, None where no way leads there."""
    params = context.new(Dict(tuple((p.name, param_value(context, p)) for p in PARAMS)))
    function = context.world.value(module["reward_function"], (("global", "reward_function"),))
    try:
        try:
            value = context.call_value(function, [params], {})
            _check_reward(context, value)
        except Hopeless:
            raise
        except CannotCompile as error:
            context.line = error.line or context.line
            raise context.trap(error.reason, UNCOVERED) from None
    except Unreachable:
        return None
    context.b.append(slot)
    context.b.append("P[0] += prints")
    context.b.append("R[i] = reward")
    context.b.append("return 0")
    return context.s


def _check_reward(context: Context, value: Value) -> None:
    value = present(context, value)
    if not number(value):
        raise context.trap("it returns no number", NO_REWARD)
    context.write(f"reward = {f(as_number(context, value))}")
    context.trap_if(f"not {-REWARD_MAX!r} <= reward <= {REWARD_MAX!r}", NO_REWARD)


def _kept_names(context: Context, head: State) -> dict[str, str]:
    """Kind of each variable that is kept."""
    names: dict[str, str] = {}

    def visit(thing: Any) -> None:
        if isinstance(thing, Scalar) and thing.expr in context.join_vars:
            names[thing.expr] = thing.kind
        elif isinstance(thing, Maybe):
            names[thing.tag] = "i"
            visit(thing.value)
        elif isinstance(thing, Choice):
            names[thing.expr] = "i"
        elif isinstance(thing, Seq):
            visit(thing.length)
        elif hasattr(thing, "items"):
            for item in thing.items:
                visit(item[1] if isinstance(item, tuple) else item)

    for value in (*head.vars.values(), *head.heap.values()):
        visit(value)
    return names
