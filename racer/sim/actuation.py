"""The way of an action to servo and motor: a command that takes effect later, in whole physics steps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.jit import inlined


class Delay(NamedTuple):
    """The delays of the cars' actions, and the commands that are on their way."""

    steps: NDArray[np.int32]
    """(N, C) physics steps from an action to its effect."""
    commands: NDArray[np.float64]
    """(N, C, R, 2): the last R commands, newest first, degrees and m/s; R is 0 where nothing is ever delayed."""


def make_delay(worlds: int, cars: int, *, longest: int = 0, substeps: int = 1) -> Delay:
    """Room for delays of up to `longest` physics steps, `substeps` of which make a control step; none at first."""
    rows = 0 if longest <= 0 else math.ceil(longest / substeps) + 1
    return Delay(np.zeros((worlds, cars), np.int32), np.zeros((worlds, cars, rows, 2)))


def forget(delay: Delay, which: NDArray[np.bool_]) -> None:
    """Let nothing be on its way to the cars that `which` (N, C) marks: wheels straight, standing."""
    if delay.commands.shape[2]:
        delay.commands[which] = 0.0


@inlined
def take_command(commands, steps, steering, speed, substeps):  # type: ignore[no-untyped-def]
    """Put a new command behind those on their way.

    Args:
        commands: (R, 2), newest first; changed in place.
        steps: physics steps from an action to its effect.

    Returns:
        How many physics steps of this control step the older command is held, and the row of the one that follows;
        the older one is in the next row.
    """
    for row in range(commands.shape[0] - 1, 0, -1):
        commands[row, 0] = commands[row - 1, 0]
        commands[row, 1] = commands[row - 1, 1]
    commands[0, 0], commands[0, 1] = steering, speed
    return steps % substeps, steps // substeps
