"""A loop over anything: written as a loop, or, where its items differ, written out."""

from __future__ import annotations

from collections.abc import Callable

from racer.reward.compile.endings import ENDLESS
from racer.reward.compile.flow.context import Context, Jumps
from racer.reward.compile.operations.coerce import present
from racer.reward.compile.operations.sequence_items import iteration
from racer.reward.compile.operations.sequences import length
from racer.reward.compile.values.kinds import as_kind
from racer.reward.compile.values.value import Const, Range, Scalar, Value

UNROLL_MAX = 16
"""Rounds of a loop that is written out."""


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
    line = context.line
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
        now = count if isinstance(iterable, Range) else as_kind(length(context, iterable), "i")
        context.line = line
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
