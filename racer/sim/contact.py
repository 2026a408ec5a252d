"""Contacts: what touches what, and who is behind.

Two rectangles are disjoint if and only if one of the four side directions separates them (separating axis theorem;
Gottschalk, Lin, Manocha, "OBBTree", 1996, in two dimensions).

Of two that drive, the one behind is at fault, by the arc length of their front points (simapp
`rollout_agent_ctrl._check_for_episode_termination`); against a box it is always the car.
"""

import math

from racer.sim.dtypes import BOT
from racer.sim.jit import device, kernel
from racer.sim.telemetry import FRONT_POINT

BOX_MARGIN = 0.1
"""m added to both sides of a box for contacts (simapp `ObstacleDimensions`: "0.1 buffer for each")."""
NO_CONTACT, BEHIND, AHEAD = 0, 1, 2
"""Of a car against another thing: it does not touch; it touches and is behind, at fault; it touches and is ahead."""


@device
def rectangles_overlap(x1, y1, yaw1, length1, width1, x2, y2, yaw2, length2, width2):  # type: ignore[no-untyped-def]
    """True where two rectangles (centre, heading, length along it, width across) share a point.

    Touching counts. A circle test first: most pairs are far from each other.
    """
    dx, dy = x2 - x1, y2 - y1
    reach = 0.5 * (math.hypot(length1, width1) + math.hypot(length2, width2))
    if dx * dx + dy * dy > reach * reach:
        return False
    c1, s1 = math.cos(yaw1), math.sin(yaw1)
    c2, s2 = math.cos(yaw2), math.sin(yaw2)
    turn_c = abs(c1 * c2 + s1 * s2)
    turn_s = abs(c1 * s2 - s1 * c2)
    l1, w1, l2, w2 = 0.5 * length1, 0.5 * width1, 0.5 * length2, 0.5 * width2
    return (
        abs(dx * c1 + dy * s1) <= l1 + l2 * turn_c + w2 * turn_s
        and abs(dy * c1 - dx * s1) <= w1 + l2 * turn_s + w2 * turn_c
        and abs(dx * c2 + dy * s2) <= l2 + l1 * turn_c + w1 * turn_s
        and abs(dy * c2 - dx * s2) <= w2 + l1 * turn_s + w1 * turn_c
    )


@kernel
def check_rectangles_overlap(x1, y1, yaw1, length1, width1, x2, y2, yaw2, length2, width2):  # type: ignore[no-untyped-def]
    """`rectangles_overlap` for one pair, callable from plain Python."""
    return rectangles_overlap(x1, y1, yaw1, length1, width1, x2, y2, yaw2, length2, width2)


@device
def arc_gap(car, s, on, tables):  # type: ignore[no-untyped-def]
    """m of arc by which the front point at `s` of course `on` is ahead of a car's, the short way round a loop."""
    course = tables.courses[car.course]
    if on % 2 != car.course % 2:
        # Seen from the other direction of travel, as `report_things` has it.
        s = tables.segments[course.first + course.rows - 1].s - s
    gap = s - car.s
    if course.closed == 1:
        gap -= course.length * math.floor(gap / course.length + 0.5)
    return gap


@device
def classify_contact(world, me, k, batch, tables):  # type: ignore[no-untyped-def]
    """Contact of a car with object `k`, objects first, then the cars of its world: `NO_CONTACT`, `BEHIND` or `AHEAD`.

    Level with each other, both are behind.
    """
    cars, vehicles, number = batch.cars, batch.vehicles, batch.objects.shape[1]
    car, vehicle = cars[world, me], vehicles[world, me]
    if k < number:
        thing = batch.objects[world, k]
        margin = 0.0 if thing.kind == BOT else BOX_MARGIN
        if thing.active == 0 or thing.course // 2 != car.course // 2 or not rectangles_overlap(
            car.x, car.y, car.yaw, vehicle.length, vehicle.width,
            thing.x, thing.y, thing.yaw, thing.length + margin, thing.width + margin,
        ):  # fmt: skip
            return NO_CONTACT
        if thing.kind != BOT:
            return BEHIND
        return BEHIND if arc_gap(car, thing.s + FRONT_POINT, thing.course, tables) >= 0.0 else AHEAD
    other, shape = cars[world, k - number], vehicles[world, k - number]
    if k - number == me or other.active == 0 or other.course // 2 != car.course // 2 or not rectangles_overlap(
        car.x, car.y, car.yaw, vehicle.length, vehicle.width,
        other.x, other.y, other.yaw, shape.length, shape.width,
    ):  # fmt: skip
        return NO_CONTACT
    return BEHIND if arc_gap(car, other.s, other.course, tables) >= 0.0 else AHEAD


@kernel
def find_contacts(first, last, batch, tables, out):  # type: ignore[no-untyped-def]
    """Write the contact of each car with each other object, (N, C, M + C - 1) int8 in the order of `things`."""
    number, cars = batch.objects.shape[1], batch.cars
    for n in range(first, last):
        for c in range(cars.shape[1]):
            slot = 0
            for k in range(number + cars.shape[1]):
                if k == number + c:
                    continue
                out[n, c, slot] = NO_CONTACT
                if cars[n, c].active == 1:
                    out[n, c, slot] = classify_contact(n, c, k, batch, tables)
                slot += 1
