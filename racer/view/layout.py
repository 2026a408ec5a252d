"""Where things are in the window, in pixels."""

from __future__ import annotations

from typing import NamedTuple

Box = tuple[int, int, int, int]
"""Left, top, width, height."""

SIDE, BAR, PAD = 272, 40, 14
"""Width of the panel, height of the time line and room around things, at a scale of 1."""
_SIDE_LEAST = 760
"""A window narrower than this has no panel."""
_INSET_SHAPE = 0.75


class Layout(NamedTuple):
    """The parts of a window."""

    scene: Box
    side: Box | None
    bar: Box
    inset: Box


def lay_out(width: int, height: int, scale: float) -> Layout:
    """The parts of a window of this size; `scale` is how many pixels a point has."""
    side, bar, pad = round(SIDE * scale), round(BAR * scale), round(PAD * scale)
    if width < _SIDE_LEAST * scale:
        inset = max(width // 4, 1)
        return Layout(
            (0, 0, width, max(height - bar, 1)),
            None,
            (0, max(height - bar, 1), width, bar),
            (max(width - inset - pad, 0), pad, inset, max(round(inset * _INSET_SHAPE), 1)),
        )
    inset = side - 2 * pad
    high = round(inset * _INSET_SHAPE)
    return Layout(
        (0, 0, width - side, max(height - bar, 1)),
        (width - side, 0, side, height),
        (0, max(height - bar, 1), width - side, bar),
        (width - side + pad, max(height - high - pad, 0), inset, high),
    )


def place_on_bar(bar: Box, x: int, scale: float) -> float | None:
    """Which share of the time line is at a column, 0..1; None outside of the line."""
    left, _, width, _ = line_of(bar, scale)
    return min(max((x - left) / max(width, 1), 0.0), 1.0) if left - PAD <= x <= left + width + PAD else None


def line_of(bar: Box, scale: float) -> Box:
    """The time line inside its bar."""
    left, top, width, height = bar
    before, after = round(150 * scale), round(84 * scale)
    thick = max(round(4 * scale), 2)
    return left + before, top + (height - thick) // 2, max(width - before - after, 1), thick
