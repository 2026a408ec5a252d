"""Objects on the ground of a frame: boxes, cars and walls, in the order in which they hide each other.

Objects do not overlap, so that of two there is a side of one of them beyond which the other lies; the one on
the camera's side of that line is painted later. Walls are higher than objects: a wall between an object and the camera
is painted after it, all other walls before. Walls have one colour, so that their order among themselves is free.
"""

from __future__ import annotations

import math

import numpy as np

from racer.optics import PINHOLE
from racer.sim import appearance as shape
from racer.sim.appearance import CAR_HEIGHT, COUNTS, RINGS, WHEELS
from racer.sim.camera.coverage import clear_box, compose, compose_walls, draw_prism, trace_polygon
from racer.sim.camera.lens import is_out_of_view, rotate_to_camera, world_to_camera
from racer.sim.camera.tables import GREY_WEIGHTS, WALL, WALL_HEIGHT, Canvas
from racer.sim.dtypes import BOT, Array, Batch, CourseTables, Row, fields
from racer.sim.jit import device

VISIBLE_OBJECT = np.dtype(
    [
        *fields("f8", "a", "b"),  # m, level frame: ahead of the lens and to its right
        *fields("f8", "cos", "sin"),  # of its heading minus the camera's, to the right
        *fields("f8", "half_length", "half_width", "height", "away"),  # m; the last is the distance from the lens
        ("index", "i4"),  # among the cars and then the objects
        ("car", "i4"),  # 1: shaped like a car
        ("painted", "i4"),
        ("opacity", "f8"),
        ("detailed", "i4"),  # 1: with the parts that only pictures for people show, and with its own axles:
        *fields("f8", "front", "rear"),  # m, of the axles ahead of and behind the middle
        *fields("f8", "half_front", "half_rear"),  # m, from the middle to the hubs of the wheels
        *fields("f8", "steer_cos", "steer_sin"),  # of the front wheels, to the left
    ],
    align=True,
)
"""A box or a car in view."""

_PLAIN_BOX_PIXELS = 5.0
"""Width below which a car is drawn as a plain box [pixels]."""
PARTS_MAX = 10
"""Largest number of parts of an object."""
_SHADE_ACROSS, _SHADE_ALONG = 0.85, 0.35
"""Brightness of a wall along y of the world, and that added to a wall along x."""
_RED, _GREEN, _BLUE = GREY_WEIGHTS


@device
def add_visible(
    pose: Array, length: float, width: float, height: float, camera: Row, count: int, visible: Array
) -> int:
    """Append an object to `visible` if any of it can be in the picture.

    Args:
        pose: x, y [m] and yaw [rad].
        length: Length [m].
        width: Width [m].
        height: Height [m].
        camera: PLACED_CAMERA row.
        count: Number of rows that are in use.
        visible: VISIBLE_OBJECT rows, of which row `count` may be written.

    Returns:
        The new number of rows.
    """
    x, y, z = world_to_camera(camera, pose[0], pose[1], 0.5 * height)
    if is_out_of_view(camera, x, y, z, 0.5 * math.sqrt(length * length + width * width + height * height)):
        return count
    obj = visible[count]
    dx, dy = pose[0] - camera.x, pose[1] - camera.y
    c, s = math.cos(pose[2]), math.sin(pose[2])
    obj.a, obj.b = camera.cos * dx + camera.sin * dy, camera.sin * dx - camera.cos * dy
    obj.cos, obj.sin = camera.cos * c + camera.sin * s, camera.sin * c - camera.cos * s
    obj.half_length, obj.half_width, obj.height = 0.5 * length, 0.5 * width, height
    obj.away = math.sqrt(dx * dx + dy * dy)
    obj.painted, obj.opacity, obj.detailed = 0, 1.0, 0
    return count + 1


@device
def collect_visible(n: int, c: int, batch: Batch, poses: Array, camera: Row, visible: Array) -> int:
    """Fill `visible` with the other bodies in view of car c of world n, at `poses`; return their number."""
    cars, objects = batch.cars, batch.objects
    track = cars[n, c].course >> 1
    count = 0
    for j in range(cars.shape[1] + objects.shape[1]):
        before = count
        if j < cars.shape[1]:
            if j == c or cars[n, j].active == 0 or cars[n, j].course >> 1 != track:
                continue
            is_car = True
            length, width, height = batch.vehicles[n, j].length, batch.vehicles[n, j].width, 0.0
        else:
            obj = objects[n, j - cars.shape[1]]
            if obj.active == 0 or obj.course >> 1 != track:
                continue
            is_car = obj.kind == BOT
            length, width, height = obj.length, obj.width, obj.height
        if is_car:
            height = CAR_HEIGHT * length
        count = add_visible(poses[j], length, width, height, camera, count, visible)
        if count > before:
            visible[before].index, visible[before].car = j, 1 if is_car else 0
    return count


@device
def _separating_side(p: Row, q: Row) -> int:
    """Return 1 where a side of p separates the camera (inside) from q (outside), -1 for both outside, else 0."""
    c, s = p.cos, p.sin
    eye_x, eye_y = -(c * p.a + s * p.b), s * p.a - c * p.b
    da, db = q.a - p.a, q.b - p.b
    x, y = c * da + s * db, c * db - s * da
    turn_c, turn_s = abs(c * q.cos + s * q.sin), abs(c * q.sin - s * q.cos)
    reach_x = turn_c * q.half_length + turn_s * q.half_width
    reach_y = turn_s * q.half_length + turn_c * q.half_width
    # In the frame of p; reach_x, reach_y are the half extents of q along its axes. Of two separating sides either is
    # right, so that the first one decides.
    if x - reach_x >= p.half_length:
        return 1 if eye_x < p.half_length else -1
    if -x - reach_x >= p.half_length:
        return 1 if -eye_x < p.half_length else -1
    if y - reach_y >= p.half_width:
        return 1 if eye_y < p.half_width else -1
    if -y - reach_y >= p.half_width:
        return 1 if -eye_y < p.half_width else -1
    return 0


@device
def _hides(p: Row, q: Row) -> bool:
    """Return True where p, if both overlap in the picture, is in front of q."""
    side = _separating_side(p, q)
    if side == 0:
        side = -_separating_side(q, p)
    return side > 0 or (side == 0 and p.away < q.away)


@device
def _next_object(visible: Array, count: int) -> int:
    """Return the unpainted object that hides no other unpainted one; the farthest of several, or of all in a cycle."""
    best, best_away = -1, -1.0
    farthest, farthest_away = -1, -1.0
    for i in range(count):
        if visible[i].painted != 0:
            continue
        if visible[i].away > farthest_away:
            farthest, farthest_away = i, visible[i].away
        if visible[i].away <= best_away:
            continue
        free = True
        for j in range(count):
            if j != i and visible[j].painted == 0 and _hides(visible[i], visible[j]):
                free = False
                break
        if free:
            best, best_away = i, visible[i].away
    return best if best >= 0 else farthest


@device
def _add_rear(parts: Array, at: int) -> int:
    """Append wing and tail lamps; return the number of parts."""
    parts[at], parts[at + 1], parts[at + 2], parts[at + 3] = shape.POST, shape.WING, shape.LAMPS, shape.LAMPS + 1
    return at + 4


@device
def _list_parts(camera: Row, obj: Row, parts: Array) -> int:
    """Fill `parts` with the parts of an object, the far ones first; return their number."""
    if obj.car == 0:
        parts[0] = shape.BOX
        return 1
    x, y, z = rotate_to_camera(camera, obj.a, obj.b, -camera.up)
    if 2.0 * camera.focal * obj.half_width < _PLAIN_BOX_PIXELS * math.sqrt(x * x + y * y + z * z):
        parts[0] = shape.FAR_CAR
        return 1
    eye_x = -(obj.cos * obj.a + obj.sin * obj.b)
    eye_y = -(obj.sin * obj.a - obj.cos * obj.b)
    # Wheels beside the body: those on the camera's side are painted after it, and on each side the far one first.
    near_side = 0 if eye_y > 0.65 * obj.half_width else 1 if eye_y < -0.65 * obj.half_width else 2
    rear = 1 if eye_x > 0.0 else 0
    detailed, behind = obj.detailed != 0, eye_x < -0.4 * obj.half_length
    at = _add_rear(parts, 0) if detailed and not behind else 0
    for after in range(2):
        for side in range(2):
            if (side == near_side) == (after == 1):
                parts[at], parts[at + 1] = WHEELS + 2 * side + rear, WHEELS + 2 * side + 1 - rear
                at += 2
        if after == 0:
            parts[at], parts[at + 1] = shape.BODY if detailed else shape.CHASSIS, shape.CABIN
            at += 2
    return _add_rear(parts, at) if detailed and behind else at


@device
def _place_part(canvas: Canvas, camera: Row, obj: Row, part: int) -> None:
    """Set `canvas.caps` to the two ends of a part of an object."""
    c, s, a, b = obj.cos, obj.sin, obj.a, obj.b
    length, width, height = 2.0 * obj.half_length, 2.0 * obj.half_width, obj.height
    wheel = part - WHEELS if obj.detailed != 0 and WHEELS <= part < WHEELS + 4 else -1
    for end in range(2):
        for k in range(COUNTS[part]):
            x, left, up = RINGS[part, end, k, 0], RINGS[part, end, k, 1], RINGS[part, end, k, 2]
            if wheel < 0:
                x, left = length * x, width * left
            else:
                front, side = wheel & 1 == 0, 1.0 if wheel < 2 else -1.0
                x, left = length * (x - (shape.AXLE if front else -shape.AXLE)), width * (left - side * shape.HUB)
                if front:
                    x, left = (
                        obj.front + obj.steer_cos * x - obj.steer_sin * left,
                        side * obj.half_front + obj.steer_sin * x + obj.steer_cos * left,
                    )
                else:
                    x, left = x - obj.rear, side * obj.half_rear + left
            # The level frame is mirrored: its second axis points right.
            cx, cy, cz = rotate_to_camera(camera, a + c * x + s * left, b + s * x - c * left, height * up - camera.up)
            canvas.caps[end, k, 0], canvas.caps[end, k, 1], canvas.caps[end, k, 2] = cx, cy, cz


@device
def _draw_object(canvas: Canvas, camera: Row, obj: Row, paint: Array) -> None:
    """Paint an object, its parts one after the other."""
    tints, parts = canvas.tints, canvas.parts
    for k in range(tints.shape[1]):
        tints[shape.MAIN, k] = paint[k]
    if tints.shape[1] == 1:
        tints[shape.MAIN, 0] = _RED * paint[0] + _GREEN * paint[1] + _BLUE * paint[2]
    for k in range(_list_parts(camera, obj, parts)):
        part = parts[k]
        _place_part(canvas, camera, obj, part)
        cap = shape.RIM if obj.detailed != 0 and WHEELS <= part < WHEELS + 4 else shape.CAP_TINTS[part]
        draw_prism(canvas, camera, COUNTS[part], cap, shape.SIDE_TINTS[part], obj.opacity)


@device
def _count_before_wall(visible: Array, order: Array, count: int, xa: float, ya: float, xb: float, yb: float) -> int:
    """Return how many of the objects in `order` are painted before the wall between two points (level frame).

    They are all up to the last one that the wall may hide.
    """
    for i in range(count - 1, -1, -1):
        p = visible[order[i]]
        a, b, away = p.a, p.b, p.away
        ex, ey = xb - xa, yb - ya
        eye_side, object_side = ey * xa - ex * ya, ex * (b - ya) - ey * (a - xa)
        if eye_side * object_side >= 0.0 or away <= 0.0:
            continue
        # Both ends of the wall along and across the line of sight to the object; the object fills a wedge around it.
        slope = (p.half_length + p.half_width) / away
        u0, v0 = (xa * a + ya * b) / away, (ya * a - xa * b) / away
        u1, v1 = (xb * a + yb * b) / away, (yb * a - xb * b) / away
        if (
            (u0 <= 0.0 and u1 <= 0.0)
            or (v0 > slope * u0 and v1 > slope * u1)
            or (v0 < -slope * u0 and v1 < -slope * u1)
        ):
            continue
        return i + 1
    return 0


@device
def _place_wall(
    camera: Row, points: Array, la: float, lb: float, ra: float, rb: float, low: float, high: float
) -> None:
    """Set the first rows of `points` to the wall from (la, lb) to (ra, rb), level frame, between two heights."""
    points[0, 0], points[0, 1], points[0, 2] = rotate_to_camera(camera, la, lb, low)
    points[1, 0], points[1, 1], points[1, 2] = rotate_to_camera(camera, ra, rb, low)
    points[2, 0], points[2, 1], points[2, 2] = rotate_to_camera(camera, ra, rb, high)
    points[3, 0], points[3, 1], points[3, 2] = rotate_to_camera(camera, la, lb, high)


@device
def _shade_walls(canvas: Canvas, camera: Row, height: float, listed: int) -> None:
    """Paint the listed walls of a pinhole's picture, the far ones first, each shaded by its direction in the world.

    They are painted over their union, so that a seam between neighbours has the plain colour of the wall.
    """
    points, segments, weights = canvas.points, canvas.segments, canvas.weights
    for i in np.argsort(-segments[:listed, 5]):
        wall = segments[i]
        _place_wall(camera, points, wall[0], wall[1], wall[2], wall[3], -camera.up, height - camera.up)
        weights[0] = 1.0
        for k in range(len(weights) - 1):
            weights[k + 1] = min(canvas.colours[k, WALL] * wall[4], 255.0)
        clear_box(canvas.box)
        trace_polygon(canvas.solid, canvas.box, camera, points, 4, camera.near, weights)
        compose(canvas)


@device
def _trace_walls(
    canvas: Canvas, camera: Row, course: Row, walls: Array, groups: Array, height: float, count: int, wanted: int
) -> tuple[int, int]:
    """Add the walls that are painted after exactly `wanted` objects.

    They are listed in `canvas.segments` too, if it has rows.

    Returns:
        The largest number of objects that any wall is painted after, and the number of listed walls.
    """
    points, segments, most, listed = canvas.points, canvas.segments, 0, 0
    low, high = -camera.up, height - camera.up
    for g in range(course.wall_first, course.wall_first + course.wall_groups):
        group = groups[g]
        x, y, z = world_to_camera(camera, group.x, group.y, 0.5 * height)
        radius = math.sqrt(group.radius * group.radius + 0.25 * height * height)
        if is_out_of_view(camera, x, y, z, radius):
            continue
        a1, b1 = 0.0, 0.0
        for k in range(group.first, group.first + group.count):
            a0, b0 = a1, b1
            dx, dy = walls[k].x - camera.x, walls[k].y - camera.y
            a1, b1 = camera.cos * dx + camera.sin * dy, camera.sin * dx - camera.cos * dy
            if k == group.first:
                continue
            place = _count_before_wall(canvas.visible, canvas.order, count, a0, b0, a1, b1) if count > 0 else 0
            most = max(most, place)
            if place != wanted:
                continue
            # The same orientation for all as seen from the camera, so that walls behind one another do not cancel.
            forth = a0 * b1 - b0 * a1 >= 0.0
            la, lb, ra, rb = (a0, b0, a1, b1) if forth else (a1, b1, a0, b0)
            _place_wall(camera, points, la, lb, ra, rb, low, high)
            limit = camera.near
            if camera.lens != PINHOLE:
                long = math.sqrt((a1 - a0) * (a1 - a0) + (b1 - b0) * (b1 - b0))
                limit = -0.5 * abs(a0 * b1 - b0 * a1) / max(long, 1e-9)
            trace_polygon(canvas.solid, canvas.box, camera, points, 4, limit, canvas.weights[:1])
            if len(segments) > 0:
                dx, dy = walls[k].x - walls[k - 1].x, walls[k].y - walls[k - 1].y
                segments[listed, 0], segments[listed, 1], segments[listed, 2], segments[listed, 3] = la, lb, ra, rb
                segments[listed, 4] = _SHADE_ACROSS + _SHADE_ALONG * abs(dx) / max(math.sqrt(dx * dx + dy * dy), 1e-9)
                segments[listed, 5] = (la + ra) * (la + ra) + (lb + rb) * (lb + rb)
                listed += 1
    return most, listed


@device
def draw_objects(
    canvas: Canvas, appearance: Array, camera: Row, scene: Row, course: Row, tables: CourseTables,
    object_colours: Array, count: int,
) -> None:  # fmt: skip
    """Paint the walls and the `count` rows of `canvas.visible` over the ground."""
    visible, order = canvas.visible, canvas.order
    for i in range(count):
        order[i] = _next_object(visible, count)
        visible[order[i]].painted = 1
    height = appearance[WALL_HEIGHT]
    most = 0 if scene.walled != 0 and height > 0.0 else -1
    for i in range(count + 1):
        if i <= most:
            canvas.weights[0] = 1.0
            clear_box(canvas.box)
            most, listed = _trace_walls(canvas, camera, course, tables.walls, tables.wall_groups, height, count, i)
            compose_walls(canvas, canvas.colours, WALL)
            if listed > 0:
                _shade_walls(canvas, camera, height, listed)
        if i < count:
            _draw_object(canvas, camera, visible[order[i]], object_colours[visible[order[i]].index])
