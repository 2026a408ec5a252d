"""The codes that a kernel gives a car instead of a reward."""

from __future__ import annotations

RAISED, UNCOVERED, ENDLESS, NO_REWARD = 1, 2, 3, 4
"""Kinds of traps: Python would raise; not translated; too many rounds; the value is no reward."""
KINDS = 8
"""A code is line * KINDS + kind."""
