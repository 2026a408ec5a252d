"""Exceptions that end the translation of a piece of a program early, and the codes of the traps of a kernel.

A trap is a place where a kernel returns a code instead of a reward; plain Python then makes that one call. The code is
`line * KINDS + kind`, with the line of the user's file and one of the kinds below.
"""

from __future__ import annotations

# Python would raise; the translator does not cover it; too many loop iterations; the value is not a reward.
RAISED, UNCOVERED, ENDLESS, NO_REWARD = 1, 2, 3, 4
# More than there are kinds, so that a code gives its line and its kind back; 0 means that there is a reward.
KINDS = 8


class CannotCompile(Exception):
    """A piece of a program that the translator does not cover.

    Attributes:
        reason: Text for the user.
        line: Line of the user's file; None where it is not known.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class UnsupportedFunction(CannotCompile):
    """A reason to leave the whole function to plain Python: a trap in its place would not help."""


class Unreachable(Exception):
    """The rest of this block never runs: the program returned, left its loop, or met a trap."""
