"""How translating a piece of a program can end early, and how a call of a kernel can: the codes of its traps."""

from __future__ import annotations

RAISED, UNCOVERED, ENDLESS, NO_REWARD = 1, 2, 3, 4
"""Kinds of traps: Python would raise; not translated; too many rounds; the value is no reward."""
KINDS = 8
"""The code that a kernel gives a car instead of a reward is line * KINDS + kind."""


class CannotCompile(Exception):
    """A piece of a program that the translator does not cover.

    Attributes:
        reason: in words.
        line: of the user's file, None where it is not known.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class UnsupportedFunction(CannotCompile):
    """The same for the whole function: a trap in its place would not help."""


class Unreachable(Exception):
    """What follows in this block never runs: it returned, left its loop, or met a trap."""
