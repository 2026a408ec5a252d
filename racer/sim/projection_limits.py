"""Limits of the local projection onto a centre line: up to which distance it finds the nearest point of the whole line.

They are measured once, with the courses, so that a step compares few segments and yet reports the nearest point.
"""

import math

from racer.sim.centerline import CLEAR_REACH, segment_distance
from racer.sim.dtypes import Array, Course, Row
from racer.sim.jit import device, kernel

_LIMIT_MARGIN = 0.999
"""Factor of the limits, for the tolerance of the search for them."""


@device
def _radius_to(x: float, y: float, low: float, high: float) -> float:
    """Return the radius [m] of the least disc that touches the x axis in `low`..`high` and reaches (x, y), y > 0."""
    beside, y = max(low - x, x - high, 0.0), max(y, 1e-12)
    return (beside * beside + y * y) / (2.0 * y)


@device
def _touching_disc_radius(here: Row, low: float, high: float, there: Row, side: float) -> float:
    """Return the radius of the least disc that touches segment `here` from one side and reaches segment `there` [m].

    In the frame of `here` (x along it, y to that side) a disc that touches it at (t, 0) reaches a point (x, y > 0) with
    radius ((x - t)^2 + y^2) / (2 y). For the best t in `low`..`high` this is convex in (x, y), so that a ternary search
    along `there` finds the least; infinite where `there` is on the other side.

    Args:
        here: SEGMENT row.
        low: Least distance of the touching point from the start of `here` [m].
        high: Greatest such distance [m].
        there: SEGMENT row of another segment.
        side: 1.0 for discs to the left, -1.0 to the right.
    """
    dx, dy = there.x - here.x, there.y - here.y
    x, y = dx * here.ux + dy * here.uy, side * (dy * here.ux - dx * here.uy)
    x_slope = there.ux * here.ux + there.uy * here.uy
    y_slope = side * (there.uy * here.ux - there.ux * here.uy)
    begin, end = 0.0, there.length
    if max(y, y + end * y_slope) <= 0.0:
        return math.inf
    if y < 0.0:
        begin = -y / y_slope
    elif y + end * y_slope < 0.0:
        end = -y / y_slope
    radius = math.inf
    # Each turn leaves two thirds of the interval: 1e-7 of it in the end.
    for _ in range(40):
        third = (end - begin) / 3.0
        near, far = begin + third, end - third
        near_radius = _radius_to(x + near * x_slope, y + near * y_slope, low, high)
        far_radius = _radius_to(x + far * x_slope, y + far * y_slope, low, high)
        radius = min(radius, near_radius, far_radius)
        if near_radius < far_radius:
            end = far
        else:
            begin = near
    return radius


@device
def _segments_meet(a: Row, b: Row) -> bool:
    """Return True where two segments share a point, to a micrometre."""
    least = math.inf
    for s, t in ((a, b), (b, a)):
        for along in (0.0, t.length):
            least = min(least, segment_distance(s, t.x + along * t.ux, t.y + along * t.uy)[0])
    # Equal points a + along_a u and b + along_b v of the two lines, by cross products with the directions u and v.
    dx, dy = b.x - a.x, b.y - a.y
    turn = a.ux * b.uy - a.uy * b.ux
    crosses = False
    if turn != 0.0:
        along_a, along_b = (dx * b.uy - dy * b.ux) / turn, (dx * a.uy - dy * a.ux) / turn
        crosses = 0.0 <= along_a <= a.length and 0.0 <= along_b <= b.length
    return crosses or least < 1e-12


@device
def _measure_limits(course: Course, segments: Array, index: int, limit_max: float) -> tuple[float, float, bool]:
    """Measure how far from one segment a local projection is certain to be the nearest of the whole line.

    A point at distance d beside its projection f has a nearer point q on the line if and only if q lies in the disc of
    radius d that touches the line at f from that side. So the limit is the radius of the least such disc that reaches a
    segment which `project_on_centerline` need not have compared: one that starts more than `CLEAR_REACH` of arc ahead
    of f, or ends more than that behind it.

    Returns:
        (left limit [m], right limit [m], whether the course meets itself here).
    """
    here = segments[course.first + index]
    left = right = limit_max
    meets = False
    for other in range(course.segments):
        there = segments[course.first + other]
        # A disc that would lower a limit reaches no further than twice that limit from f.
        dx = there.x + 0.5 * there.length * there.ux - here.x - 0.5 * here.length * here.ux
        dy = there.y + 0.5 * there.length * there.uy - here.y - 0.5 * here.length * here.uy
        near = 2.0 * max(left, right) + 0.5 * (here.length + there.length)
        if other == index or there.length == 0.0 or dx * dx + dy * dy > near * near:
            continue
        # Arc from the start of `here` ahead to the start of `there`, and back to its end.
        ahead, behind = there.s - here.s, here.s - there.s - there.length
        if other > index:
            behind = behind + course.length if course.closed == 1 else math.inf
        else:
            ahead = ahead + course.length if course.closed == 1 else math.inf
        low, high = max(0.0, CLEAR_REACH - behind), min(here.length, ahead - CLEAR_REACH)
        if low > high:
            continue
        meets = meets or (low == 0.0 and high == here.length and _segments_meet(here, there))
        left = min(left, _touching_disc_radius(here, low, high, there, 1.0))
        right = min(right, _touching_disc_radius(here, low, high, there, -1.0))
    return left, right, meets


@device
def _include_first_rows(course: Course, segments: Array) -> None:
    """Lower the limits of each segment of a course to those that hold at its first row, too.

    Outside a corner the direction u from the row to the point is between the normals n and m of its two segments, which
    differ by an angle a: u = b n + c m with b, c >= 0 and b + c <= 1 / cos(a / 2). A disc that touches the row in this
    direction has the radius |q|^2 / (2 u q) to a point q, which is at least cos(a / 2) times that of n or that of m.
    """
    before = -1
    for j in range(course.segments):
        if segments[course.first + j].length > 0.0:
            before = j
    if course.closed == 0:
        before = -1
    last_left = last_right = math.inf
    if before >= 0:
        last_left, last_right = segments[course.first + before].left_limit, segments[course.first + before].right_limit
    for j in range(course.segments):
        row = segments[course.first + j]
        if row.length == 0.0:
            continue
        left, right = row.left_limit, row.right_limit
        turn = 1.0
        if before >= 0:
            previous = segments[course.first + before]
            turn = previous.ux * row.ux + previous.uy * row.uy
        # Beyond a right angle the side of a point is not that of the segment: the whole line is always searched.
        factor = _LIMIT_MARGIN * math.sqrt(0.5 * (1.0 + turn)) if turn > 0.0 else 0.0
        row.left_limit, row.right_limit = factor * min(left, last_left), factor * min(right, last_right)
        before, last_left, last_right = j, left, right


@kernel
def measure_projection_limits(courses: Array, segments: Array) -> None:
    """Fill `left_limit` and `right_limit` of all SEGMENT rows; infinite on a course that crosses itself."""
    for k in range(courses.shape[0]):
        course = courses[k]
        limit_max = 1.0
        for j in range(course.rows):
            row = segments[course.first + j]
            limit_max = max(limit_max, math.hypot(row.left_x - row.right_x, row.left_y - row.right_y))
        meets = False
        for j in range(course.segments):
            row = segments[course.first + j]
            if row.length > 0.0:
                row.left_limit, row.right_limit, meets_here = _measure_limits(course, segments, j, limit_max)
                meets = meets or meets_here
        if meets:
            for j in range(course.rows):
                row = segments[course.first + j]
                row.left_limit = row.right_limit = math.inf
            continue
        _include_first_rows(course, segments)
