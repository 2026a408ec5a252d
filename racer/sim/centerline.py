"""Positions on a course: projection onto the centre line, poses at an arc length, nearest borders, and the road area.

Results mean the same as in DeepRacer's simapp `track_geom/track_data.py` (projection onto the polyline of the file's
rows; nearest border points seen from the projection; wheels by their centre points). A projection searches near the
place where the car was, and the whole line where that can miss the nearest point. On a course that crosses itself it
stays near that place. Borders and road are always those near the projection along the course.

There are two tables of a centre line. `SEGMENT` rows are the polyline of the file: positions come from them, after a
binary search. `CENTERLINE` rows are samples at equal steps: headings, curvatures and border distances come from them,
smoothed and without a search.
"""

import math

from racer.sim.dtypes import Array, Course, CourseTables, Row
from racer.sim.jit import device, force_inline, kernel

CLEAR_REACH = 0.2
"""Arc on both sides of a projection within which `project_on_centerline` compares every segment [m]."""


@device
def wrap_angle(angle: float) -> float:
    """Return an angle [rad] wrapped to -pi..pi."""
    return angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))


@device
def segment_distance(segment: Row, x: float, y: float) -> tuple[float, float]:
    """Return (squared distance [m^2], arc from the segment's start [m]) of a point and its nearest segment point."""
    dx, dy = x - segment.x, y - segment.y
    along = min(max(dx * segment.ux + dy * segment.uy, 0.0), segment.length)
    ex, ey = dx - along * segment.ux, dy - along * segment.uy
    return ex * ex + ey * ey, along


@force_inline
def _at_later_row(course: Course, segments: Array, segment: int, along: float) -> tuple[int, float]:
    """Return (segment, along) with the end of a segment replaced by the start of the next.

    Outside a corner both are equally near, and rounding would choose between them.
    """
    while along > segments[course.first + segment].length - 1e-9 and (
        course.closed == 1 or segment + 1 < course.segments
    ):
        segment = segment + 1 if segment + 1 < course.segments else 0
        along = 0.0
    return segment, along


@device
def _project_anywhere(course: Course, segments: Array, x: float, y: float) -> tuple[int, float, float]:
    """Return (segment, along, squared distance) of the point of the whole centre line nearest to (x, y)."""
    best, best_along, best_distance = 0, 0.0, math.inf
    for index in range(course.segments):
        distance, along = segment_distance(segments[course.first + index], x, y)
        if distance <= best_distance:
            best, best_distance, best_along = index, distance, along
    best, best_along = _at_later_row(course, segments, best, best_along)
    return best, best_along, best_distance


@device
def project_on_centerline(
    course: Course, segments: Array, near: int, x: float, y: float, reach: float
) -> tuple[int, float, float]:
    """Project a point [m] onto the centre line, beginning at segment `near`.

    The search covers `reach` [m] of arc (at least `CLEAR_REACH`) on both sides of that segment, and `CLEAR_REACH`
    beyond the nearest point so far. Its result is the nearest point of the whole line where the distance is at most the
    limit of its segment (`racer.sim.projection_limits`). Beyond the limit the whole line is searched: off the road, at
    tight kinks, between neighbouring legs. A course that crosses itself has no limits: there the nearest point may
    belong to the other leg, which the car cannot reach.

    Returns:
        (segment, along, lateral): row of the segment within the course, arc from its start [m], and distance from the
        centre line [m], left positive. Of equal candidates the later row wins, as `bisect_right` does in DeepRacer.
    """
    first, count = course.first, course.segments
    best = near
    best_distance, best_along = segment_distance(segments[first + near], x, y)
    # `arc` is the distance from the end of segment `near` to the start of the candidate: 0 for the next segment.
    index, arc, window = near, -segments[first + near].length, reach
    for _ in range(count - 1):
        arc += segments[first + index].length
        index += 1
        if index == count:
            if course.closed == 0:
                break
            index = 0
        if arc > window:
            break
        distance, along = segment_distance(segments[first + index], x, y)
        if distance <= best_distance:
            best, best_distance, best_along = index, distance, along
            window = max(window, arc + along + CLEAR_REACH)
    # Backwards a candidate must be strictly nearer, because the later row wins.
    index, arc, window = near, 0.0, reach
    for _ in range(count - 1):
        index -= 1
        if index < 0:
            if course.closed == 0:
                break
            index = count - 1
        if arc > window:
            break
        arc += segments[first + index].length
        distance, along = segment_distance(segments[first + index], x, y)
        if distance < best_distance:
            best, best_distance, best_along = index, distance, along
            window = max(window, arc - along + CLEAR_REACH)
    best, best_along = _at_later_row(course, segments, best, best_along)
    nearest = segments[first + best]
    side = nearest.ux * (y - nearest.y) - nearest.uy * (x - nearest.x)
    limit = nearest.left_limit if side >= 0.0 else nearest.right_limit
    # From the ends of an open course a point may lie in any direction, for which the limits do not hold.
    at_end = course.closed == 0 and (
        (best == 0 and best_along <= 0.0) or (best == count - 1 and best_along >= nearest.length)
    )
    if best_distance > limit * limit or (at_end and limit < math.inf):
        best, best_along, best_distance = _project_anywhere(course, segments, x, y)
        nearest = segments[first + best]
        side = nearest.ux * (y - nearest.y) - nearest.uy * (x - nearest.x)
    lateral = math.sqrt(best_distance)
    return best, best_along, lateral if side >= 0.0 else -lateral


@device
def _nearest_on_segment(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> tuple[float, float, float]:
    """Return (squared distance, px, py) of the point of segment a-b nearest to (x, y)."""
    ex, ey = bx - ax, by - ay
    square = ex * ex + ey * ey
    t = 0.0
    if square > 0.0:
        t = min(max(((x - ax) * ex + (y - ay) * ey) / square, 0.0), 1.0)
    px, py = ax + t * ex, ay + t * ey
    return (x - px) * (x - px) + (y - py) * (y - py), px, py


@device
def nearest_border_points(
    course: Course, segments: Array, segment: int, x: float, y: float
) -> tuple[float, float, float, float]:
    """Find the nearest points of both borders to the centre-line point (x, y) on `segment`.

    Returns:
        (left x, left y, right x, right y) [m].
    """
    first, rows = course.first, course.rows
    here = segments[first + segment]
    best = math.inf
    left_x = left_y = right_x = right_y = 0.0
    for k in range(here.left_count):
        i = (here.left_from + k) % rows
        a, b = segments[first + i], segments[first + (i + 1) % rows]
        distance, px, py = _nearest_on_segment(a.left_x, a.left_y, b.left_x, b.left_y, x, y)
        if distance < best:
            best, left_x, left_y = distance, px, py
    best = math.inf
    for k in range(here.right_count):
        i = (here.right_from + k) % rows
        a, b = segments[first + i], segments[first + (i + 1) % rows]
        distance, px, py = _nearest_on_segment(a.right_x, a.right_y, b.right_x, b.right_y, x, y)
        if distance < best:
            best, right_x, right_y = distance, px, py
    return left_x, left_y, right_x, right_y


@device
def center_point_at(course: Course, segments: Array, s: float) -> tuple[int, float, float]:
    """Return (segment, x, y) of the centre line at arc length `s` [m] in 0..length."""
    # Invariant: the last segment that starts at or before s is in low..high.
    low, high = 0, course.segments - 1
    while low < high:
        middle = (low + high + 1) // 2
        if segments[course.first + middle].s <= s:
            low = middle
        else:
            high = middle - 1
    here = segments[course.first + low]
    along = min(max(s - here.s, 0.0), here.length)
    return low, here.x + along * here.ux, here.y + along * here.uy


@device
def samples_at(course: Course, s: float) -> tuple[int, int, float]:
    """Return the CENTERLINE samples around arc length `s` [m], and the position between them.

    Returns:
        (row before, row after, fraction of the way between them). A closed course wraps; at and beyond the end of an
        open one both rows are the last, so that an interpolated value is that of the end whatever the fraction.
    """
    steps = s / course.centerline_step
    j = int(steps)
    fraction = steps - j
    if course.closed == 1:
        j = j % course.centerline_count
        k = j + 1 if j + 1 < course.centerline_count else 0
    else:
        j = min(max(j, 0), course.centerline_count - 1)
        k = min(j + 1, course.centerline_count - 1)
    return course.centerline_first + j, course.centerline_first + k, fraction


@device
def direction_at(course: Course, centerlines: Array, s: float) -> tuple[float, float]:
    """Return (heading [rad], curvature [1/m], left positive) of the centre line at arc length `s` [m]."""
    j, k, fraction = samples_at(course, s)
    a, b = centerlines[j], centerlines[k]
    # The last and the first sample of a closed course differ by whole turns.
    return a.heading + fraction * wrap_angle(b.heading - a.heading), a.curvature + fraction * (
        b.curvature - a.curvature
    )


@device
def borders_at(course: Course, centerlines: Array, s: float) -> tuple[float, float]:
    """Return (left, right): the distances from the centre line to the borders [m] at arc length `s` [m]."""
    j, k, fraction = samples_at(course, s)
    a, b = centerlines[j], centerlines[k]
    return a.left + fraction * (b.left - a.left), a.right + fraction * (b.right - a.right)


@device
def half_width_at(course: Course, centerlines: Array, s: float) -> float:
    """Return the distance from the centre line to the nearer border [m] at the sample before arc length `s` [m]."""
    sample = centerlines[samples_at(course, s)[0]]
    return min(sample.left, sample.right)


@device
def pose_at(course: Course, tables: CourseTables, s: float, lateral: float) -> tuple[int, float, float, float, float]:
    """Return a pose beside the centre line.

    Args:
        course: COURSE row.
        tables: Tables of all courses.
        s: Arc length [m] in 0..length.
        lateral: Distance from the centre line [m], left positive.

    Returns:
        (segment, x [m], y [m], heading [rad], curvature [1/m]); the last two are those of the centre line.
    """
    segment, x, y = center_point_at(course, tables.segments, s)
    heading, curvature = direction_at(course, tables.centerlines, s)
    return segment, x - lateral * math.sin(heading), y + lateral * math.cos(heading), heading, curvature


@device
def _is_in_triangle(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, x: float, y: float) -> bool:
    """Return True inside or on the edge of a triangle of either orientation."""
    d1 = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
    d2 = (cx - bx) * (y - by) - (cy - by) * (x - bx)
    d3 = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
    return (d1 >= 0.0 and d2 >= 0.0 and d3 >= 0.0) or (d1 <= 0.0 and d2 <= 0.0 and d3 <= 0.0)


@device
def _is_on_strip(course: Course, segments: Array, index: int, x: float, y: float) -> bool:
    """Return True where the point is on the piece of road between row `index` and the next row."""
    a = segments[course.first + index]
    b = segments[course.first + (index + 1) % course.rows]
    return _is_in_triangle(a.left_x, a.left_y, a.right_x, a.right_y, b.right_x, b.right_y, x, y) or _is_in_triangle(
        a.left_x, a.left_y, b.right_x, b.right_y, b.left_x, b.left_y, x, y
    )


@device
def _winding_of_triangle(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, x: float, y: float) -> int:
    """Return 1 for a point in a counter-clockwise triangle, -1 in a clockwise one, and 0 outside."""
    if not _is_in_triangle(ax, ay, bx, by, cx, cy, x, y):
        return 0
    return 1 if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) > 0.0 else -1


@device
def _strip_winding(course: Course, segments: Array, index: int, x: float, y: float) -> int:
    """Return how often the strip of row `index` winds around a point: the sum over its two triangles."""
    a, b = segments[course.first + index], segments[course.first + (index + 1) % course.rows]
    return _winding_of_triangle(
        a.left_x, a.left_y, a.right_x, a.right_y, b.right_x, b.right_y, x, y
    ) + _winding_of_triangle(a.left_x, a.left_y, b.right_x, b.right_y, b.left_x, b.left_y, x, y)


@device
def _is_in_fold(course: Course, segments: Array, strip: int, x: float, y: float) -> bool:
    """Return True where a folded strip that may overlap strip `strip` also holds a point, which is in that strip."""
    here = segments[course.first + strip]
    for k in range(here.folded_count):
        index = (here.folded_from + k) % course.rows
        if segments[course.first + index].is_folded == 1 and _is_on_strip(course, segments, index, x, y):
            return True
    return False


@device
def _count_windings(course: Course, segments: Array, strip: int, x: float, y: float) -> int:
    """Count how often the road near a strip that holds a point winds around the point; 0 off the road.

    Rows that lie far from across the road can fold a strip: one of its triangles turns the other way and lies outside
    the road, on top of a triangle of a neighbouring strip. Each of the two covers what the other must not, so that
    their windings cancel there: the sum is the winding number of the polygon between the borders.
    """
    windings = 0
    here = segments[course.first + strip]
    for k in range(here.folded_count):
        index = (here.folded_from + k) % course.rows
        windings += _strip_winding(course, segments, index, x, y)
    return windings


@device
def _find_strip(course: Course, segments: Array, near: int, x: float, y: float, reach: float) -> int:
    """Return the first strip found that holds a point, within `reach` [m] of arc of segment `near`; -1 for none."""
    if _is_on_strip(course, segments, near, x, y):
        return near
    count = course.segments
    ahead = behind = near
    arc_ahead = arc_behind = 0.0
    # Both directions by turns: the strip of a wheel is a few rows from the car's, so that most searches are short.
    for _ in range(count):
        searching = False
        if arc_ahead <= reach and (course.closed == 1 or ahead + 1 < count):
            ahead = ahead + 1 if ahead + 1 < count else 0
            searching = True
            if _is_on_strip(course, segments, ahead, x, y):
                return ahead
            arc_ahead += segments[course.first + ahead].length
        if arc_behind <= reach and (course.closed == 1 or behind > 0):
            behind = behind - 1 if behind > 0 else count - 1
            searching = True
            if _is_on_strip(course, segments, behind, x, y):
                return behind
            arc_behind += segments[course.first + behind].length
        if not searching:
            break
    return -1


@device
def is_on_road(course: Course, segments: Array, near: int, x: float, y: float, reach: float) -> bool:
    """Return True where a point [m] lies on the road within `reach` [m] of arc of segment `near`.

    The road is the union of the strips between consecutive rows (two triangles each), without what folded strips cover
    beyond it. That is the polygon between the borders wherever these do not cross themselves.
    """
    strip = _find_strip(course, segments, near, x, y, reach)
    if strip < 0 or not _is_in_fold(course, segments, strip, x, y):
        return strip >= 0
    return _count_windings(course, segments, strip, x, y) != 0


@kernel
def measure_border_distances(courses: Array, segments: Array, centerlines: Array) -> None:
    """Fill `left` and `right` of all CENTERLINE samples: the distances to the nearest points of the borders [m].

    Rows of a file need not lie across the road, so that the nearest point must be searched.
    """
    for k in range(courses.shape[0]):
        course = courses[k]
        for j in range(course.centerline_count):
            sample = centerlines[course.centerline_first + j]
            segment, x, y = center_point_at(course, segments, min(j * course.centerline_step, course.length))
            left_x, left_y, right_x, right_y = nearest_border_points(course, segments, segment, x, y)
            sample.left = math.hypot(left_x - x, left_y - y)
            sample.right = math.hypot(right_x - x, right_y - y)
