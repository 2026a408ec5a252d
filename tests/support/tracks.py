"""Tracks and track tables for the tests: circles, straights, eights, and courses with irregular rows.

Left and right are by the direction of travel; closed tracks run counter-clockwise.
"""

import numpy as np
from numpy.typing import NDArray

from racer.track.polygons import mitred_normals
from racer.track.track import Track


def ring(name="ring", radius=1.5, half_width=0.5, *, rows=120, repeat=True, **fields):
    """A circle with row 0 at angle 0; the last row repeats the first unless `repeat` is false.

    Its length is 2 pi radius but for the chords [m]; `fields` are further fields of `Track`, or replace these.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, rows + 1)
    angle[-1] = 0.0
    out = np.stack([np.cos(angle), np.sin(angle)], axis=1)[: rows + repeat]
    lines = {"center": radius * out, "left": (radius - half_width) * out, "right": (radius + half_width) * out}
    return Track(**({"name": name} | lines | fields))


def straight(length=6.0, rows=13, half_width=0.4, **fields):
    """An open track along x."""
    x = np.linspace(0.0, length, rows)
    sides = {"center": 0.0, "left": half_width, "right": -half_width}
    lines = {side: np.stack([x, np.full(rows, y)], axis=1) for side, y in sides.items()}
    return Track(**({"name": "straight", "closed": False} | lines | fields))


def ribbon(center, left, right=None, *, closed=True, name="made", walls="borders"):
    """A track from a centre line and distances (numbers or one for each row) to the borders."""
    center = np.asarray(center, float)
    right = left if right is None else right
    ahead = np.roll(center, -1, axis=0) - center
    behind = center - np.roll(center, 1, axis=0)
    if not closed:
        ahead[-1], behind[0] = behind[-1], ahead[0]
    chord = unit(ahead) + unit(behind)
    normal = unit(np.stack([-chord[:, 1], chord[:, 0]], axis=1))
    return Track(
        name=name,
        center=center,
        left=center + normal * np.reshape(np.broadcast_to(left, len(center)), (-1, 1)),
        right=center - normal * np.reshape(np.broadcast_to(right, len(center)), (-1, 1)),
        closed=closed,
        walls=walls,
    )


def unit(vectors):
    """Vectors over their lengths; zero stays zero."""
    return vectors / np.maximum(np.hypot(vectors[:, 0], vectors[:, 1]), 1e-12)[:, None]


def repeat_row(track, row):
    """The same track with one row twice."""
    index = np.sort(np.append(np.arange(len(track.center)), row))
    return Track(
        name=track.name, center=track.center[index], left=track.left[index], right=track.right[index],
        closed=track.closed, walls=track.walls,
    )  # fmt: skip


def band(center, half_width=0.4, **fields):
    """A track of constant width without walls; its borders are mitred at the rows of the centre line."""
    center = np.asarray(center, dtype=float)
    side = mitred_normals(center, closed=fields.get("closed", True)) * half_width
    return Track(
        **({"name": "made", "walls": "none", "center": center, "left": center + side, "right": center - side} | fields)
    )


def wide_eight(*, repeat=False, **fields):
    """A band 6.4 m long that crosses itself, not at its start; the last row may repeat the first."""
    t = np.linspace(0, 2 * np.pi, 97)[: 96 + repeat] + 0.6
    return band(np.stack([3.2 * np.sin(t), 1.7 * np.sin(2 * t)], axis=1), **fields)


def figure_of_eight(size=3.0, rows=160, half_width=0.35):
    """A closed track that crosses itself."""
    t = 2 * np.pi * np.arange(rows) / rows + 0.3
    return ribbon(np.stack([size * np.sin(t), size * np.sin(t) * np.cos(t)], axis=1), half_width, name="eight")


def uneven(rows=70):
    """A closed track whose widths differ from row to row and side to side, its rows unevenly spaced."""
    t = np.sort(2 * np.pi * (np.arange(rows) + 0.6 * np.random.default_rng(3).random(rows)) / rows)
    r = 2.5 + 0.5 * np.cos(3 * t)
    left, right = 0.45 + 0.15 * np.sin(5 * t), 0.4 + 0.2 * np.cos(4 * t)
    return ribbon(np.stack([r * np.cos(t), r * np.sin(t)], axis=1), left, right, name="uneven")


def closing_gap():
    """A closed track whose last row ends 7 cm short of the first, as two published files do."""
    full = ring(radius=2.0, half_width=0.4, rows=90, repeat=False)
    keep = slice(0, 89)
    gap = full.center[88] + (full.center[0] - full.center[88]) * 0.5
    assert np.hypot(*(gap - full.center[0])) > 0.05
    return Track(
        name="gap",
        center=np.vstack([full.center[keep], gap]),
        left=np.vstack([full.left[keep], 0.5 * (full.left[88] + full.left[0])]),
        right=np.vstack([full.right[keep], 0.5 * (full.right[88] + full.right[0])]),
    )


def load_route(path):
    """A DeepRacer route file as a `Track`, left and right by the direction of travel."""
    rows = np.load(path, allow_pickle=False).astype(float)
    center, inner, outer = rows[:, :2], rows[:, 2:4], rows[:, 4:6]
    closed = bool(np.hypot(*(center[0] - center[-1])) < 0.1)
    chord = np.roll(center, -1, axis=0) - np.roll(center, 1, axis=0)
    if not closed:
        chord[0], chord[-1] = center[1] - center[0], center[-1] - center[-2]
    across = inner - center
    inner_left = np.sum(chord[:, 0] * across[:, 1] - chord[:, 1] * across[:, 0]) > 0
    left, right = (inner, outer) if inner_left else (outer, inner)
    return Track(name=path.stem, center=center, left=left, right=right, closed=closed)


# Tables of numbers that tests write into track files.


def ring_route(
    rows: int = 60, radius: float = 2.0, width: float = 0.8, *, clockwise: bool = False
) -> NDArray[np.float64]:
    """A circular DeepRacer route (rows, 6): centre, inner, outer; the last row repeats the first."""
    angle = np.linspace(0.0, 2 * np.pi, rows)
    angle[-1] = 0.0
    if clockwise:
        angle = -angle
    unit = np.column_stack([np.cos(angle), np.sin(angle)])
    return np.hstack([unit * radius, unit * (radius - width / 2), unit * (radius + width / 2)])


def straight_route(rows: int = 22, length: float = 5.7, width: float = 0.6) -> NDArray[np.float64]:
    """An open DeepRacer route along x."""
    x = np.linspace(0.0, length, rows)
    zero = np.zeros(rows)
    return np.column_stack([x, zero, x, zero + width / 2, x, zero - width / 2])


def eight_line(rows: int = 200, size: float = 3.0) -> NDArray[np.float64]:
    """Centre line (rows, 2) of a figure of eight (lemniscate of Gerono), first row not repeated."""
    t = np.arange(rows) * 2 * np.pi / rows
    return np.column_stack([size * np.cos(t), size * np.sin(2 * t) / 2])
