"""Objects on the ground of a frame: boxes, cars and walls, in the order in which they hide each other.

Objects do not overlap, so of two there is a side of one of them beyond which the other lies; the one on
the camera's side of that line is painted later. Walls are higher than things: a wall between a thing and the camera is
painted after it, all other walls before. Walls have one colour, so that they need no order among themselves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from racer.optics import PINHOLE
from racer.sim.appearance import (
    AXLE,
    BODY,
    BOX,
    CABIN,
    CAP_TINTS,
    CAR_HEIGHT,
    CHASSIS,
    COUNTS,
    FAR_CAR,
    HUB,
    LAMPS,
    MAIN,
    POST,
    RIM,
    RINGS,
    SIDE_TINTS,
    WHEELS,
    WING,
)
from racer.sim.camera.coverage import clear_box, compose, compose_walls, draw_prism, trace_polygon
from racer.sim.camera.lens import is_out_of_view, rotate_to_camera, world_to_camera
from racer.sim.camera.tables import GREY_WEIGHTS, WALL, WALL_HEIGHT
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
        ("opacity", "f8"),
        ("detailed", "i4"),  # 1: with the parts that only people see, and with its own axles:
        ("front", "f8"),  # m, of the front axle ahead of the middle
        ("rear", "f8"),
        ("half_front", "f8"),  # m, from the middle to the hubs of the front wheels
        ("half_rear", "f8"),
        ("steer_cos", "f8"),  # of the front wheels, to the left
        ("steer_sin", "f8"),
    ],
    align=True,
)
"""A box or a car in view."""

_PLAIN_BOX_PIXELS = 5.0
"""Pixels of width below which a car is a plain box."""
PARTS_MAX = 10
_SHADE_ACROSS, _SHADE_ALONG = 0.85, 0.35
"""Brightness of a wall along y of the world, and what is added along x."""
_RED, _GREEN, _BLUE = GREY_WEIGHTS


@device
def add_thing(things: Any, count: int, rig: Any, pose: Any, length: float, width: float, height: float) -> int:
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
    thing["painted"], thing["opacity"], thing["detailed"] = 0, 1.0, 0
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
        count = add_thing(things, count, rig, poses[j], length, width, CAR_HEIGHT * length)
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
        count = add_thing(things, count, rig, poses[j], thing["length"], thing["width"], height)
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
def _add_rear(parts: Any, at: int) -> int:
    """Append wing and tail lamps; returns how many parts there are."""
    parts[at], parts[at + 1], parts[at + 2], parts[at + 3] = POST, WING, LAMPS, LAMPS + 1
    return at + 4


@device
def _list_parts(rig: Any, thing: Any, parts: Any) -> int:
    """Fill `parts` with what a thing is made of, the far parts first; returns how many."""
    if thing["car"] == 0:
        parts[0] = BOX
        return 1
    x, y, z = rotate_to_camera(rig, thing["a"], thing["b"], -rig["up"])
    if 2.0 * rig["focal"] * thing["half_width"] < _PLAIN_BOX_PIXELS * math.sqrt(x * x + y * y + z * z):
        parts[0] = FAR_CAR
        return 1
    eye_x = -(thing["cos"] * thing["a"] + thing["sin"] * thing["b"])
    eye_y = -(thing["sin"] * thing["a"] - thing["cos"] * thing["b"])
    # Wheels beside the body: those on the camera's side are painted after it, and on each side the far one first.
    near_side = 0 if eye_y > 0.65 * thing["half_width"] else 1 if eye_y < -0.65 * thing["half_width"] else 2
    rear = 1 if eye_x > 0.0 else 0
    detailed, behind = thing["detailed"] != 0, eye_x < -0.4 * thing["half_length"]
    at = _add_rear(parts, 0) if detailed and not behind else 0
    for after in range(2):
        for side in range(2):
            if (side == near_side) == (after == 1):
                parts[at], parts[at + 1] = WHEELS + 2 * side + rear, WHEELS + 2 * side + 1 - rear
                at += 2
        if after == 0:
            parts[at], parts[at + 1] = BODY if detailed else CHASSIS, CABIN
            at += 2
    return _add_rear(parts, at) if detailed and behind else at


@device
def _place_part(canvas: Any, rig: Any, thing: Any, part: int) -> None:
    """Set `canvas.caps` to the two ends of a part."""
    c, s, a, b = thing["cos"], thing["sin"], thing["a"], thing["b"]
    length, width, height = 2.0 * thing["half_length"], 2.0 * thing["half_width"], thing["height"]
    wheel = part - WHEELS if thing["detailed"] != 0 and WHEELS <= part < WHEELS + 4 else -1
    for end in range(2):
        for k in range(COUNTS[part]):
            x, left, up = RINGS[part, end, k, 0], RINGS[part, end, k, 1], RINGS[part, end, k, 2]
            if wheel < 0:
                x, left = length * x, width * left
            else:
                front, side = wheel & 1 == 0, 1.0 if wheel < 2 else -1.0
                x, left = length * (x - (AXLE if front else -AXLE)), width * (left - side * HUB)
                if front:
                    x, left = (
                        thing["front"] + thing["steer_cos"] * x - thing["steer_sin"] * left,
                        side * thing["half_front"] + thing["steer_sin"] * x + thing["steer_cos"] * left,
                    )
                else:
                    x, left = x - thing["rear"], side * thing["half_rear"] + left
            # The thing's left is the level frame's right, turned the other way round.
            cx, cy, cz = rotate_to_camera(rig, a + c * x + s * left, b + s * x - c * left, height * up - rig["up"])
            canvas.caps[end, k, 0], canvas.caps[end, k, 1], canvas.caps[end, k, 2] = cx, cy, cz


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
        _place_part(canvas, rig, thing, part)
        cap = RIM if thing["detailed"] != 0 and WHEELS <= part < WHEELS + 4 else CAP_TINTS[part]
        draw_prism(canvas, rig, COUNTS[part], cap, SIDE_TINTS[part], thing["opacity"])


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
def _place_wall(rig: Any, points: Any, la: float, lb: float, ra: float, rb: float, low: float, high: float) -> None:
    """Set the first rows of `points` to the wall from (la, lb) to (ra, rb), level frame."""
    points[0, 0], points[0, 1], points[0, 2] = rotate_to_camera(rig, la, lb, low)
    points[1, 0], points[1, 1], points[1, 2] = rotate_to_camera(rig, ra, rb, low)
    points[2, 0], points[2, 1], points[2, 2] = rotate_to_camera(rig, ra, rb, high)
    points[3, 0], points[3, 1], points[3, 2] = rotate_to_camera(rig, la, lb, high)


@device
def _shade_walls(canvas: Any, rig: Any, height: float, listed: int) -> None:
    """Paint the listed walls of a pinhole's picture, the far ones first, each shaded by its direction in the world.

    They are painted over their own union: a seam between neighbours then shows the plain colour of the wall.
    """
    points, segments, weights = canvas.points, canvas.segments, canvas.weights
    for i in np.argsort(-segments[:listed, 5]):
        wall = segments[i]
        _place_wall(rig, points, wall[0], wall[1], wall[2], wall[3], -rig["up"], height - rig["up"])
        weights[0] = 1.0
        for k in range(len(weights) - 1):
            weights[k + 1] = min(canvas.colours[k, WALL] * wall[4], 255.0)
        clear_box(canvas.box)
        trace_polygon(canvas.solid, canvas.box, rig, points, 4, rig["near"], weights)
        compose(canvas)


@device
def _trace_walls(
    canvas: Any, rig: Any, course: Any, walls: Any, groups: Any, height: float, count: int, wanted: int
) -> tuple[int, int]:
    """Add the walls that come after `wanted` things, and list them in `canvas.segments` if there is room for any.

    Returns:
        The most things that a wall comes after, and how many walls were listed.
    """
    points, segments, most, listed = canvas.points, canvas.segments, 0, 0
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
            _place_wall(rig, points, la, lb, ra, rb, low, high)
            limit = rig["near"]
            if rig["lens"] != PINHOLE:
                long = math.sqrt((a1 - a0) * (a1 - a0) + (b1 - b0) * (b1 - b0))
                limit = -0.5 * abs(a0 * b1 - b0 * a1) / max(long, 1e-9)
            trace_polygon(canvas.solid, canvas.box, rig, points, 4, limit, canvas.weights[:1])
            if len(segments) > 0:
                dx, dy = walls[k]["x"] - walls[k - 1]["x"], walls[k]["y"] - walls[k - 1]["y"]
                segments[listed, 0], segments[listed, 1], segments[listed, 2], segments[listed, 3] = la, lb, ra, rb
                segments[listed, 4] = _SHADE_ACROSS + _SHADE_ALONG * abs(dx) / max(math.sqrt(dx * dx + dy * dy), 1e-9)
                segments[listed, 5] = (la + ra) * (la + ra) + (lb + rb) * (lb + rb)
                listed += 1
    return most, listed


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
            most, listed = _trace_walls(canvas, rig, course, tables.walls, tables.wall_groups, height, count, i)
            compose_walls(canvas, canvas.colours, WALL)
            if listed > 0:
                _shade_walls(canvas, rig, height, listed)
        if i < count:
            _draw_object(canvas, rig, things[order[i]], paints[things[order[i]]["index"]])
