"""A track: centre line, left border and right border as frozen arrays.

Rows are the file's own rows in the direction of travel, because users' reward functions hold tables that
index
them: row i of the centre line belongs to row i of both borders. On a closed track the last row usually
repeats the first; rows are joined cyclically (row R-1 to row 0), so that a repeated row makes one segment
of length zero and a file with a small gap gets its closing segment. Rows may repeat anywhere (DeepRacer
files have an old seam). Metres, x right, y up, angles counter-clockwise; left and right are by direction of
travel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Walls = Literal["borders", "offset", "none"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a track is painted: sRGB colours 0..255 and widths in metres.

    Defaults: means measured from the DeepRacer simulator's textures and meshes (shared reference, tracks.md).
    """

    road: Colour = (64, 63, 61)
    edge_line: Colour = (223, 223, 222)
    center_line: Colour = (225, 143, 0)
    field: Colour = (126, 133, 65)
    wall: Colour = (36, 70, 81)
    edge_line_width: float = 0.076
    """White line inside each border."""
    center_line_width: float = 0.026
    dash_length: float = 0.051
    dash_gap: float = 0.051
    start_line_length: float = 0.078
    """Along the road; across, it spans the road between the edge lines."""
    wall_height: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """One course in one direction of travel.

    Attributes:
        name: what users call it; shown in results.
        center: (R, 2) float64 centre line, metres.
        left: (R, 2) float64 left border at each row.
        right: (R, 2) float64 right border at each row.
        closed: True for a loop, False for a point-to-point course.
        walls: `borders` puts walls on the borders, `offset` at `wall_offset` metres outside them, `none`
            has none.
        look: colours and line widths.
        source: the file or generator it came from, for messages and run folders.
        backwards: True where this is the reverse of the file's own direction.
        description: one line for people; empty where the file has none.
    """

    name: str
    center: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    closed: bool = True
    walls: Walls = "borders"
    wall_offset: float = 0.0
    look: Look = field(default_factory=Look)
    source: str = ""
    backwards: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        for key in ("center", "left", "right"):
            rows = np.array(getattr(self, key), dtype=np.float64, order="C")
            rows.flags.writeable = False
            object.__setattr__(self, key, rows)

    @property
    def segment_vectors(self) -> NDArray[np.float64]:
        """(S, 2) vectors; S = R on a closed track (the last joins row 0), R - 1 on an open one."""
        following = np.roll(self.center, -1, axis=0) if self.closed else self.center[1:]
        return following - self.center[: len(following)]

    @property
    def segment_lengths(self) -> NDArray[np.float64]:
        """(S,) length of each segment in metres; zero where a row repeats."""
        vectors = self.segment_vectors
        return np.hypot(vectors[:, 0], vectors[:, 1])

    @property
    def length(self) -> float:
        """Length of the centre line in metres."""
        return float(self.segment_lengths.sum())

    @property
    def widths(self) -> NDArray[np.float64]:
        """(R,) distance between the two borders at each row, metres."""
        across = self.left - self.right
        return np.hypot(across[:, 0], across[:, 1])

    def reversed(self) -> Track:
        """The same course driven the other way: rows in reverse order, left and right exchanged."""
        return replace(
            self,
            center=self.center[::-1],
            left=self.right[::-1],
            right=self.left[::-1],
            backwards=not self.backwards,
        )
