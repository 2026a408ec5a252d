"""Exact coverage of pixels by polygons, from sums down the columns of the picture.

Each edge of a polygon adds, to every pixel that it crosses, the change of the area below it; a running sum from the
first row down then gives the fraction of each pixel that the polygons cover, times their winding number. The sums of a
row are independent of each other, so that they fill vector registers. Edges left or right of the picture or below it
add nothing, edges above it count in its first row.

Example: an edge from (0, 1.5) to (1, 1.5) in a column adds 0.5 to row 1 and 0.5 to row 2; the running sum is 0, 0.5, 1:
half of pixel row 1 and all rows below it.

Pixel frame: x right, y down, the centre of pixel (column 0, row 0) at (0.5, 0.5).
"""

from __future__ import annotations

from racer.sim.dtypes import Array
from racer.sim.jit import device, force_inline

SPARE = 2
"""Rows of a plane of sums below the picture, for the additions at its lower edge."""


@device
def _add_piece(sums: Array, column: int, height: int, along: float, y0: float, y1: float) -> None:
    """Add the part of an edge within one column, `along` pixels wide (signed), from row coordinate y0 to y1."""
    low, high = (y0, y1) if y0 < y1 else (y1, y0)
    if high <= 0.0:
        sums[0, column] += along
        return
    if low >= height:
        return
    if low < 0.0:
        above = along * (low / (low - high))
        sums[0, column] += above
        along -= above
        low = 0.0
    if high > height:
        along *= (height - low) / (high - low)
        high = float(height)
    first, last = int(low), int(high)
    if first == last:
        inside = along * (first + 1 - 0.5 * (low + high))
        sums[first, column] += inside
        sums[first + 1, column] += along - inside
        return
    # Row by row, `reached` is the covered width at the middle of the row: the area of a trapezoid one row high.
    rate = along / (high - low)
    part = first + 1 - low
    inside = 0.5 * rate * part * part
    sums[first, column] += inside
    for row in range(first + 1, last):
        reached = rate * (row + 0.5 - low)
        sums[row, column] += reached - inside
        inside = reached
    part = high - last
    reached = rate * (last - low + part * (1.0 - 0.5 * part))
    sums[last, column] += reached - inside
    sums[last + 1, column] += along - reached


@force_inline
def add_edge(sums: Array, xa: float, ya: float, xb: float, yb: float, weight: float) -> None:
    """Add one directed edge [pixels] to `sums` (H + SPARE, W); the area below it counts `weight` if it points right."""
    height, width = sums.shape[0] - SPARE, sums.shape[1]
    if xa > xb:
        xa, ya, xb, yb = xb, yb, xa, ya
        weight = -weight
    if xb <= 0.0 or xa >= width or (ya >= height and yb >= height) or xb - xa < 1e-9:
        return
    slope = (yb - ya) / (xb - xa)
    if xa < 0.0:
        ya -= slope * xa
        xa = 0.0
    if xb > width:
        xb = float(width)
    column = int(xa)
    x, y = xa, ya
    while x < xb:
        x_next = min(column + 1.0, xb)
        y_next = ya + slope * (x_next - xa)
        _add_piece(sums, column, height, weight * (x_next - x), y, y_next)
        x, y = x_next, y_next
        column += 1
