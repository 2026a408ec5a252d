"""Where a point is on its course: projection onto the centre line, nearest borders, and whether it is on the road.

Everything is local to where the car was: a course may cross itself, its neighbouring legs may be close, and its
borders may be uneven. Meaning of the results: DeepRacer simapp `track_geom/track_data.py` (projection onto the
polyline of the file's rows; nearest border points seen from the projection; wheels by centre points), restricted to
the neighbourhood.
"""

import math

from racer.sim.jit import device, kernel


@device
def _segment_distance(segment, x, y):  # type: ignore[no-untyped-def]
    """(squared distance, along) from a point to a row's segment of the centre line."""
    dx, dy = x - segment.x, y - segment.y
    along = min(max(dx * segment.ux + dy * segment.uy, 0.0), segment.length)
    ex, ey = dx - along * segment.ux, dy - along * segment.uy
    return ex * ex + ey * ey, along


@device
def project_on_centerline(course, segments, near, x, y, reach):  # type: ignore[no-untyped-def]
    """Project a point onto the centre line, looking `reach` metres of arc both ways from segment `near`.

    Returns:
        (segment, along, lateral): row of the segment within the course, metres along it, and metres from the
        centre line, left positive. Of equal candidates the later row wins, as `bisect_right` does in DeepRacer.
    """
    first, count = course.first, course.segments
    best = near
    best_distance, best_along = _segment_distance(segments[first + near], x, y)
    index, arc = near, -segments[first + near].length
    for _ in range(count - 1):
        arc += segments[first + index].length
        index += 1
        if index == count:
            if course.closed == 0:
                break
            index = 0
        if arc > reach:
            break
        distance, along = _segment_distance(segments[first + index], x, y)
        if distance <= best_distance:
            best, best_distance, best_along = index, distance, along
    index, arc = near, 0.0
    for _ in range(count - 1):
        index -= 1
        if index < 0:
            if course.closed == 0:
                break
            index = count - 1
        if arc > reach:
            break
        arc += segments[first + index].length
        distance, along = _segment_distance(segments[first + index], x, y)
        if distance < best_distance:
            best, best_distance, best_along = index, distance, along
    # The end of a segment is the start of the next; outside a corner rounding would choose between them.
    while best_along > segments[first + best].length - 1e-9 and (course.closed == 1 or best + 1 < count):
        best = best + 1 if best + 1 < count else 0
        best_along = 0.0
    found = segments[first + best]
    side = found.ux * (y - found.y) - found.uy * (x - found.x)
    lateral = math.sqrt(best_distance)
    return best, best_along, lateral if side >= 0.0 else -lateral


@device
def _nearest_on_segment(ax, ay, bx, by, x, y):  # type: ignore[no-untyped-def]
    """(squared distance, px, py) of the point of segment a-b nearest to (x, y)."""
    ex, ey = bx - ax, by - ay
    square = ex * ex + ey * ey
    t = 0.0
    if square > 0.0:
        t = min(max(((x - ax) * ex + (y - ay) * ey) / square, 0.0), 1.0)
    px, py = ax + t * ex, ay + t * ey
    return (x - px) * (x - px) + (y - py) * (y - py), px, py


@device
def nearest_border_points(course, segments, at, x, y):  # type: ignore[no-untyped-def]
    """Nearest points of the left and the right border to the centre-line point (x, y) on segment `at`.

    Returns:
        (left x, left y, right x, right y), metres.
    """
    first, rows = course.first, course.rows
    here = segments[first + at]
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
def center_point_at(course, segments, s):  # type: ignore[no-untyped-def]
    """(segment, x, y) of the centre line at arc length `s` in 0..length."""
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
def _is_in_triangle(ax, ay, bx, by, cx, cy, x, y):  # type: ignore[no-untyped-def]
    """True inside or on the edge of a triangle of either orientation."""
    d1 = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
    d2 = (cx - bx) * (y - by) - (cy - by) * (x - bx)
    d3 = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
    return (d1 >= 0.0 and d2 >= 0.0 and d3 >= 0.0) or (d1 <= 0.0 and d2 <= 0.0 and d3 <= 0.0)


@device
def _is_on_strip(course, segments, index, x, y):  # type: ignore[no-untyped-def]
    """True where the point is on the piece of road between row `index` and the next row."""
    a = segments[course.first + index]
    b = segments[course.first + (index + 1) % course.rows]
    return _is_in_triangle(a.left_x, a.left_y, a.right_x, a.right_y, b.right_x, b.right_y, x, y) or _is_in_triangle(
        a.left_x, a.left_y, b.right_x, b.right_y, b.left_x, b.left_y, x, y
    )


@device
def is_on_road(course, segments, near, x, y, reach):  # type: ignore[no-untyped-def]
    """True where a point lies on the road within `reach` metres of arc of segment `near`.

    The road is the union of the strips between consecutive rows (two triangles each), which is the polygon between
    the borders wherever these do not cross themselves.
    """
    if _is_on_strip(course, segments, near, x, y):
        return True
    count = course.segments
    ahead = behind = near
    arc_ahead = arc_behind = 0.0
    for _ in range(count):
        going = False
        if arc_ahead <= reach and (course.closed == 1 or ahead + 1 < count):
            ahead = ahead + 1 if ahead + 1 < count else 0
            going = True
            if _is_on_strip(course, segments, ahead, x, y):
                return True
            arc_ahead += segments[course.first + ahead].length
        if arc_behind <= reach and (course.closed == 1 or behind > 0):
            behind = behind - 1 if behind > 0 else count - 1
            going = True
            if _is_on_strip(course, segments, behind, x, y):
                return True
            arc_behind += segments[course.first + behind].length
        if not going:
            break
    return False


@kernel
def measure_border_distances(courses, segments, rails):  # type: ignore[no-untyped-def]
    """Fill `left` and `right` of all RAIL samples: distances to the nearest points of the borders, metres.

    Rows of a file need not lie across the road, so the borders are searched for the nearest point.
    """
    for k in range(courses.shape[0]):
        course = courses[k]
        for j in range(course.rail_count):
            rail = rails[course.rail_first + j]
            at, x, y = center_point_at(course, segments, min(j * course.rail_step, course.length))
            left_x, left_y, right_x, right_y = nearest_border_points(course, segments, at, x, y)
            rail.left = math.hypot(left_x - x, left_y - y)
            rail.right = math.hypot(right_x - x, right_y - y)
