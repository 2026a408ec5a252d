"""Tables of numbers that tests write into track files."""

import numpy as np
from numpy.typing import NDArray


def ring(rows: int = 60, radius: float = 2.0, width: float = 0.8, *, clockwise: bool = False) -> NDArray[np.float64]:
    """A circular DeepRacer route (rows, 6): centre, inner, outer; the last row repeats the first."""
    angle = np.linspace(0.0, 2 * np.pi, rows)
    angle[-1] = 0.0
    if clockwise:
        angle = -angle
    unit = np.column_stack([np.cos(angle), np.sin(angle)])
    return np.hstack([unit * radius, unit * (radius - width / 2), unit * (radius + width / 2)])


def straight(rows: int = 22, length: float = 5.7, width: float = 0.6) -> NDArray[np.float64]:
    """An open DeepRacer route along x."""
    x = np.linspace(0.0, length, rows)
    zero = np.zeros(rows)
    return np.column_stack([x, zero, x, zero + width / 2, x, zero - width / 2])


def eight(rows: int = 200, size: float = 3.0) -> NDArray[np.float64]:
    """Centre line (rows, 2) of a figure of eight (lemniscate of Gerono), first row not repeated."""
    t = np.arange(rows) * 2 * np.pi / rows
    return np.column_stack([size * np.cos(t), size * np.sin(2 * t) / 2])
