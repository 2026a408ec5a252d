"""How translating a piece of a program can end early."""

from __future__ import annotations


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


class Hopeless(CannotCompile):
    """The same for the whole function: a trap in its place would not help."""


class Unreachable(Exception):
    """What follows in this block never runs: it returned, left its loop, or met a trap."""
