"""What stands on the ground of a frame: boxes, cars and walls, in the order in which they hide each other.

Things stand apart on the ground, so that of two there is a side of one of them beyond which the other lies; the one on
the camera's side of that line is painted later. Walls are higher than things: a wall between a thing and the camera is
painted after it, all other walls before. Walls have one colour, so that they need no order among themselves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from racer.sim.camera.coverage import CORNERS_MAX, clear_box, compose_walls, draw_prism, trace_polygon
from racer.sim.camera.lens import is_out_of_view, level_to_camera, world_to_camera
from racer.sim.camera.tables import GREY_WEIGHTS, PINHOLE, WALL, WALL_HEIGHT
from racer.sim.dtypes import BOT
from racer.sim.jit import device

VISIBLE_OBJECT = np.dtype(
    [
        ("a", "f8"),  # m, level frame: ahead of the lens
        ("b", "f8"),  # to its right
        ("cos", "f8"),  # of its heading, right of the camera's
        ("sin", "f8"),
        ("half_length", "f8"),
        ("half_width", "f8"),
        ("height", "f8"),
        ("away", "f8"),  # m
        ("index", "i4"),  # among the cars and then the objects
        ("car", "i4"),  # 1: shaped like a car
        ("painted", "i4"),
    ],
    align=True,
)
"""A box or a car in view."""

CAR_HEIGHT = 0.43
"""Of a car, as a share of its length: that of a covered 1/18-scale car."""
WHEEL_COLOUR, GLASS_COLOUR = (22.0, 22.0, 24.0), (52.0, 60.0, 68.0)
MAIN, WHEEL, GLASS = 0, 1, 2
"""Rows of `canvas.tints`."""
_PLAIN_BOX_PIXELS = 5.0
"""Pixels of width below which a car is a plain box."""
_BOX, _FAR_CAR, _CHASSIS, _CABIN, _WHEELS = range(5)
"""Parts; four wheels: front left, rear left, front right, rear right."""
_SHAPES = np.array(
    [
        # Lower end, then upper: rear and front (shares of the length), half width (of the width), up (of the height).
        (-0.5, 0.5, 0.5, 0.0, -0.5, 0.5, 0.5, 1.0),
        (-0.47, 0.47, 0.42, 0.1, -0.47, 0.47, 0.42, 0.7),
        (-0.48, 0.48, 0.32, 0.16, -0.47, 0.45, 0.29, 0.55),
        (-0.36, 0.22, 0.27, 0.552, -0.26, 0.02, 0.21, 1.0),
        # A wheel: hub ahead of the middle, radius (of the length), hub left of the middle, thickness (of the width).
        (0.253, 0.108, 0.41, 0.17, 0.0, 0.0, 0.0, 0.0),
    ]
)
PARTS_MAX = 6
_RED, _GREEN, _BLUE = GREY_WEIGHTS


@device
def _add_object(things: Any, count: int, rig: Any, pose: Any, length: float, width: float, height: float) -> int:
    """Append a thing if any of it can be seen; returns how many there are."""
    x, y, z = world_to_camera(rig, pose[0], pose[1], 0.5 * height)
    if is_out_of_view(rig, x, y, z, 0.5 * math.sqrt(length * length + width * width + height * height)):
        return count
    thing = things[count]
    dx, dy = pose[0] - rig["x"], pose[1] - rig["y"]
    c, s = math.cos(pose[2]), math.sin(pose[2])
    thing["a"], thing["b"] = rig["cos"] * dx + rig["sin"] * dy, rig["sin"] * dx - rig["cos"] * dy
    thing["cos"], thing["sin"] = rig["cos"] * c + rig["sin"] * s, rig["sin"] * c - rig["cos"] * s
    thing["half_length"], thing["half_width"], thing["height"] = 0.5 * length, 0.5 * width, height
    thing["away"] = math.sqrt(dx * dx + dy * dy)
    thing["painted"] = 0
    return count + 1


@device
def collect_visible(things: Any, rig: Any, n: int, c: int, poses: Any, cars: Any, vehicles: Any, objects: Any) -> int:
    """Fill `things` with what car c of world n can see; returns how many."""
    track = cars[n, c]["course"] >> 1
    count = 0
    for j in range(cars.shape[1]):
        if j == c or cars[n, j]["active"] == 0 or cars[n, j]["course"] >> 1 != track:
            continue
        length, width = vehicles[n, j]["length"], vehicles[n, j]["width"]
        before = count
        count = _add_object(things, count, rig, poses[j], length, width, CAR_HEIGHT * length)
        if count > before:
            things[before]["index"], things[before]["car"] = j, 1
    for m in range(objects.shape[1]):
        thing = objects[n, m]
        if thing["active"] == 0 or thing["course"] >> 1 != track:
            continue
        before = count
        j = cars.shape[1] + m
        bot = thing["kind"] == BOT
        height = CAR_HEIGHT * thing["length"] if bot else thing["height"]
        count = _add_object(things, count, rig, poses[j], thing["length"], thing["width"], height)
        if count > before:
            things[before]["index"], things[before]["car"] = j, 1 if bot else 0
    return count


@device
def _separating_side(p: Any, q: Any) -> int:
    """1 where a side of p has the camera on its inner side and q on its outer one, -1 for the reverse, else 0."""
    c, s = p["cos"], p["sin"]
    eye_x, eye_y = -(c * p["a"] + s * p["b"]), s * p["a"] - c * p["b"]
    da, db = q["a"] - p["a"], q["b"] - p["b"]
    x, y = c * da + s * db, c * db - s * da
    turn_c, turn_s = abs(c * q["cos"] + s * q["sin"]), abs(c * q["sin"] - s * q["cos"])
    reach_x = turn_c * q["half_length"] + turn_s * q["half_width"]
    reach_y = turn_s * q["half_length"] + turn_c * q["half_width"]
    # Of two sides that part them, one that the camera looks at from inside decides just as well as one from outside.
    if x - reach_x >= p["half_length"]:
        return 1 if eye_x < p["half_length"] else -1
    if -x - reach_x >= p["half_length"]:
        return 1 if -eye_x < p["half_length"] else -1
    if y - reach_y >= p["half_width"]:
        return 1 if eye_y < p["half_width"] else -1
    if -y - reach_y >= p["half_width"]:
        return 1 if -eye_y < p["half_width"] else -1
    return 0


@device
def _hides(p: Any, q: Any) -> bool:
    """True where p, if it covers q at all, is the nearer of them."""
    side = _separating_side(p, q)
    if side == 0:
        side = -_separating_side(q, p)
    return side > 0 or (side == 0 and p["away"] < q["away"])


@device
def _next_object(things: Any, count: int) -> int:
    """The unpainted thing that hides no other unpainted one; the farthest of several."""
    best, best_away = -1, -1.0
    farthest, farthest_away = -1, -1.0
    for i in range(count):
        if things[i]["painted"] != 0:
            continue
        if things[i]["away"] > farthest_away:
            farthest, farthest_away = i, things[i]["away"]
        if things[i]["away"] <= best_away:
            continue
        free = True
        for j in range(count):
            if j != i and things[j]["painted"] == 0 and _hides(things[i], things[j]):
                free = False
                break
        if free:
            best, best_away = i, things[i]["away"]
    return best if best >= 0 else farthest


@device
def _list_parts(rig: Any, thing: Any, parts: Any) -> int:
    """Fill `parts` with what a thing is made of, the far parts first; returns how many."""
    if thing["car"] == 0:
        parts[0] = _BOX
        return 1
    x, y, z = level_to_camera(rig, thing["a"], thing["b"], -rig["up"])
    if 2.0 * rig["focal"] * thing["half_width"] < _PLAIN_BOX_PIXELS * math.sqrt(x * x + y * y + z * z):
        parts[0] = _FAR_CAR
        return 1
    eye_x = -(thing["cos"] * thing["a"] + thing["sin"] * thing["b"])
    eye_y = -(thing["sin"] * thing["a"] - thing["cos"] * thing["b"])
    # Wheels beside the body: those on the camera's side are painted after it, and on each side the far one first.
    near_side = 0 if eye_y > 0.65 * thing["half_width"] else 1 if eye_y < -0.65 * thing["half_width"] else 2
    rear = 1 if eye_x > 0.0 else 0
    at = 0
    for after in range(2):
        for side in range(2):
            if (side == near_side) == (after == 1):
                parts[at], parts[at + 1] = _WHEELS + 2 * side + rear, _WHEELS + 2 * side + 1 - rear
                at += 2
        if after == 0:
            parts[at], parts[at + 1] = _CHASSIS, _CABIN
            at += 2
    return at


@device
def _place_part(canvas: Any, rig: Any, thing: Any, part: int) -> int:
    """Set `canvas.caps` to the two ends of a part; returns how many corners each has."""
    c, s, a, b = thing["cos"], thing["sin"], thing["a"], thing["b"]
    length, width, height = 2.0 * thing["half_length"], 2.0 * thing["half_width"], thing["height"]
    wheel = part >= _WHEELS
    corners = CORNERS_MAX if wheel else 4
    shape = _SHAPES[min(part, _WHEELS)]
    for end in range(2):
        for k in range(corners):
            if wheel:
                angle = 2.0 * math.pi * (k + 0.5) / CORNERS_MAX
                hub = shape[0] if (part - _WHEELS) & 1 == 0 else -shape[0]
                x = length * (hub + shape[1] * math.cos(angle))
                left = width * ((shape[2] if part < _WHEELS + 2 else -shape[2]) + (end - 0.5) * shape[3])
                up = length * shape[1] * (1.0 - math.sin(angle))
            else:
                x = length * shape[4 * end + (1 if k == 0 or k == 3 else 0)]
                left = width * (shape[4 * end + 2] if k < 2 else -shape[4 * end + 2])
                up = height * shape[4 * end + 3]
            # The thing's left is the level frame's right, turned the other way round.
            cx, cy, cz = level_to_camera(rig, a + c * x + s * left, b + s * x - c * left, up - rig["up"])
            canvas.caps[end, k, 0], canvas.caps[end, k, 1], canvas.caps[end, k, 2] = cx, cy, cz
    return corners


@device
def _draw_object(canvas: Any, rig: Any, thing: Any, paint: Any) -> None:
    """Paint a thing, its parts one after the other."""
    tints, parts = canvas.tints, canvas.parts
    for k in range(tints.shape[1]):
        tints[MAIN, k] = paint[k]
    if tints.shape[1] == 1:
        tints[MAIN, 0] = _RED * paint[0] + _GREEN * paint[1] + _BLUE * paint[2]
    for k in range(_list_parts(rig, thing, parts)):
        part = parts[k]
        cap = WHEEL if part >= _WHEELS else MAIN
        draw_prism(canvas, rig, _place_part(canvas, rig, thing, part), cap, GLASS if part == _CABIN else cap)


@device
def _count_before_wall(things: Any, order: Any, count: int, xa: float, ya: float, xb: float, yb: float) -> int:
    """How many of the things in `order` are painted before the wall between two points (level frame): it hides them."""
    for i in range(count - 1, -1, -1):
        p = things[order[i]]
        a, b, away = p["a"], p["b"], p["away"]
        ex, ey = xb - xa, yb - ya
        eye_side, thing_side = ey * xa - ex * ya, ex * (b - ya) - ey * (a - xa)
        if eye_side * thing_side >= 0.0 or away <= 0.0:
            continue
        # Ahead and aside of the line of sight to the thing; the wedge that it fills widens with the distance.
        share = (p["half_length"] + p["half_width"]) / away
        u0, v0 = (xa * a + ya * b) / away, (ya * a - xa * b) / away
        u1, v1 = (xb * a + yb * b) / away, (yb * a - xb * b) / away
        if (
            (u0 <= 0.0 and u1 <= 0.0)
            or (v0 > share * u0 and v1 > share * u1)
            or (v0 < -share * u0 and v1 < -share * u1)
        ):
            continue
        return i + 1
    return 0


@device
def _trace_walls(
    canvas: Any, rig: Any, course: Any, walls: Any, groups: Any, height: float, count: int, wanted: int
) -> int:
    """Add the walls that come after `wanted` things; returns the most things that a wall comes after."""
    points, most = canvas.points, 0
    low, high = -rig["up"], height - rig["up"]
    for g in range(course["wall_first"], course["wall_first"] + course["wall_groups"]):
        group = groups[g]
        x, y, z = world_to_camera(rig, group["x"], group["y"], 0.5 * height)
        radius = math.sqrt(group["radius"] * group["radius"] + 0.25 * height * height)
        if is_out_of_view(rig, x, y, z, radius):
            continue
        a1, b1 = 0.0, 0.0
        for k in range(group["first"], group["first"] + group["count"]):
            a0, b0 = a1, b1
            dx, dy = walls[k]["x"] - rig["x"], walls[k]["y"] - rig["y"]
            a1, b1 = rig["cos"] * dx + rig["sin"] * dy, rig["sin"] * dx - rig["cos"] * dy
            if k == group["first"]:
                continue
            place = _count_before_wall(canvas.things, canvas.order, count, a0, b0, a1, b1) if count > 0 else 0
            most = max(most, place)
            if place != wanted:
                continue
            # Always the same way round as seen from here, so that walls behind one another do not cancel.
            forth = a0 * b1 - b0 * a1 >= 0.0
            la, lb, ra, rb = (a0, b0, a1, b1) if forth else (a1, b1, a0, b0)
            points[0, 0], points[0, 1], points[0, 2] = level_to_camera(rig, la, lb, low)
            points[1, 0], points[1, 1], points[1, 2] = level_to_camera(rig, ra, rb, low)
            points[2, 0], points[2, 1], points[2, 2] = level_to_camera(rig, ra, rb, high)
            points[3, 0], points[3, 1], points[3, 2] = level_to_camera(rig, la, lb, high)
            limit = rig["near"]
            if rig["lens"] != PINHOLE:
                long = math.sqrt((a1 - a0) * (a1 - a0) + (b1 - b0) * (b1 - b0))
                limit = -0.5 * abs(a0 * b1 - b0 * a1) / max(long, 1e-9)
            trace_polygon(canvas.solid, canvas.box, rig, points, 4, limit, canvas.weights[:1])
    return most


@device
def draw_objects(
    canvas: Any, look: Any, rig: Any, scene: Any, course: Any, tables: Any, paints: Any, count: int
) -> None:
    """Paint the walls and the `count` things that `collect` found over the ground."""
    things, order = canvas.things, canvas.order
    for i in range(count):
        order[i] = _next_object(things, count)
        things[order[i]]["painted"] = 1
    height = look[WALL_HEIGHT]
    most = 0 if scene["walled"] != 0 and height > 0.0 else -1
    for i in range(count + 1):
        if i <= most:
            canvas.weights[0] = 1.0
            clear_box(canvas.box)
            most = _trace_walls(canvas, rig, course, tables.walls, tables.wall_groups, height, count, i)
            compose_walls(canvas, canvas.colours, WALL)
        if i < count:
            _draw_object(canvas, rig, things[order[i]], paints[things[order[i]]["index"]])
