"""Contacts: which bodies overlap, and which of them is behind.

Two rectangles are disjoint if and only if one of the four side directions separates them (separating axis theorem;
Gottschalk, Lin, Manocha, "OBBTree", 1996, in two dimensions).

Of two driving bodies the one behind is at fault, by the arc lengths of their front points (simapp
`rollout_agent_ctrl._check_for_episode_termination`); in a contact with a box it is always the car.
"""

import math

from racer.sim.centerline import CLEAR_REACH, project_on_centerline
from racer.sim.dtypes import BOT, BOX_MARGIN, Array, Batch, Car, CourseTables, Object, Row, Vehicle
from racer.sim.jit import device, kernel
from racer.sim.telemetry import FRONT_POINT

NO_CONTACT, BEHIND, AHEAD = 0, 1, 2
"""Contact of a car with another body: none; the car is behind, which is at fault; the car is ahead."""


def _rectangles_overlap(
    x1: float, y1: float, yaw1: float, length1: float, width1: float,
    x2: float, y2: float, yaw2: float, length2: float, width2: float,
) -> bool:  # fmt: skip
    """Return True where two rectangles share a point; touching counts.

    A rectangle is given by its centre (x, y) [m], its heading [rad], and its length along and width across it [m].
    """
    # A test of the bounding circles first, because most pairs are far from each other.
    dx, dy = x2 - x1, y2 - y1
    reach = 0.5 * (math.hypot(length1, width1) + math.hypot(length2, width2))
    if dx * dx + dy * dy > reach * reach:
        return False
    # Project both rectangles on the four side directions; turn_c and turn_s are |cos| and |sin| of the angle between.
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


rectangles_overlap = device(_rectangles_overlap)
"""Overlap of two rectangles, called by kernels."""
check_rectangles_overlap = kernel(_rectangles_overlap)
"""Overlap of two rectangles, called from plain Python: its compiled code is cached."""


@device
def arc_gap(car: Car, s: float, course_index: int, tables: CourseTables) -> float:
    """Return the arc [m] by which the front point at `s` of another course is ahead of a car's.

    On a closed course it is the short way round. Both courses belong to one track.
    """
    course = tables.courses[car.course]
    if course_index % 2 != car.course % 2:
        # Mirror it into the car's direction of travel, as `write_object_telemetry` does.
        s = tables.segments[course.first + course.rows - 1].s - s
    gap = s - car.s
    if course.closed == 1:
        gap -= course.length * math.floor(gap / course.length + 0.5)
    return gap


@device
def _is_touching(car: Car, vehicle: Vehicle, other: Row, shape: Row, margin: float) -> bool:
    """Return True where a car overlaps another body on its track.

    Args:
        car: CAR row.
        vehicle: VEHICLE row of the car.
        other: CAR or OBJECT row.
        shape: Row with the length and the width of the other.
        margin: Length added to both [m].
    """
    return other.active == 1 and other.course // 2 == car.course // 2 and rectangles_overlap(
        car.x, car.y, car.yaw, vehicle.length, vehicle.width,
        other.x, other.y, other.yaw, shape.length + margin, shape.width + margin,
    )  # fmt: skip


@device
def _front_arc(bot: Object, tables: CourseTables) -> float:
    """Return the arc length of the projection of a bot's front point [m], on its own course."""
    course = tables.courses[bot.course]
    x, y = bot.x + FRONT_POINT * math.cos(bot.yaw), bot.y + FRONT_POINT * math.sin(bot.yaw)
    segment, along, _ = project_on_centerline(course, tables.segments, bot.segment, x, y, CLEAR_REACH)
    return tables.segments[course.first + segment].s + along


@device
def classify_contact(world: int, index: int, k: int, batch: Batch, tables: CourseTables) -> int:
    """Return the contact of car `index` with body `k` of its world: `NO_CONTACT`, `BEHIND` or `AHEAD`.

    Bodies are the objects, then all cars. Of two cars level with each other, both are behind.
    """
    cars, vehicles, number = batch.cars, batch.vehicles, batch.objects.shape[1]
    car, vehicle = cars[world, index], vehicles[world, index]
    if k < number:
        obj = batch.objects[world, k]
        if not _is_touching(car, vehicle, obj, obj, 0.0 if obj.kind == BOT else BOX_MARGIN):
            return NO_CONTACT
        is_behind = obj.kind != BOT or arc_gap(car, _front_arc(obj, tables), obj.course, tables) >= 0.0
        return BEHIND if is_behind else AHEAD
    other = cars[world, k - number]
    if k - number == index or not _is_touching(car, vehicle, other, vehicles[world, k - number], 0.0):
        return NO_CONTACT
    return BEHIND if arc_gap(car, other.s, other.course, tables) >= 0.0 else AHEAD


@kernel
def find_contacts(
    first: int, last: int, batch: Batch, tables: CourseTables,
    # outputs
    out: Array,
) -> None:  # fmt: skip
    """Write the contacts of each car of worlds `first` to `last` - 1 with each object and other car.

    Args:
        first: First world.
        last: World after the last one.
        batch: Rows of the worlds.
        tables: Tables of all courses.
        out: Contacts, shape (N, C, M + C - 1), int8, in the order of `OBJECT_TELEMETRY` rows.
    """
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
