"""One control step of a range of worlds: move, locate, touch, judge, and fill the telemetry.

Order (design): action -> physics steps -> locate on the course -> contacts -> status -> telemetry. Sensors follow in
kernels of their own.
"""

import math

from racer.sim.contact import rectangles_overlap
from racer.sim.jit import inlined, kernel
from racer.sim.locate import nearest_borders, on_road, project
from racer.sim.status import BACKWARD_STEPS, STUCK_DISTANCE, STUCK_STEPS, Status
from racer.sim.vehicle import drive

FRONT_POINT = 0.14
"""m ahead of the chassis origin: the point whose position and projection reward functions see
(simapp `RELATIVE_POSITION_OF_FRONT_OF_CAR`)."""
OBJECT_MARGIN = 0.1
"""m added to both sides of a box for contacts (simapp `ObstacleDimensions`: "0.1 buffer for each")."""
CAMERA_FORWARD = 0.1453
"""m, of the camera from the chassis origin (simapp URDF)."""
CAMERA_HALF_VIEW = 0.5 * 1.13
"""rad (simapp `racecar.gazebo`)."""
CAMERA_NEAR = 0.2
"""m (simapp `cameras/frustum.py`)."""
REACH = 0.5
"""m of arc searched beside what the car moved."""
WHEEL_REACH = 2.0
"""m of arc searched for a wheel on either side of the front point: round the tightest inner border."""

# Plain integers: they compile faster than members of the enum.
IN_PROGRESS, LAP_COMPLETE, OFF_TRACK = (
    int(Status.IN_PROGRESS),
    int(Status.LAP_COMPLETE),
    int(Status.OFF_TRACK),
)
CRASHED, IMMOBILIZED = int(Status.CRASHED), int(Status.IMMOBILIZED)
REVERSED, TIME_UP = int(Status.REVERSED), int(Status.TIME_UP)
_DEGREES = 180.0 / math.pi
_ROUNDING = 1e-9
"""Percent; the sum of many gains may miss a whole lap by this, most of all at the end of an open track."""


@inlined
def locate_car(car, vehicle, courses, segments, reach):  # type: ignore[no-untyped-def]
    """Project the front point, update `s`, `lateral`, `travelled`, `progress`, and count the wheels on the road."""
    course = courses[car.course]
    cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
    front_x, front_y = car.x + FRONT_POINT * cos_yaw, car.y + FRONT_POINT * sin_yaw
    segment, along, lateral = project(course, segments, car.segment, front_x, front_y, reach)
    s = segments[course.first + segment].s + along
    gained = s - car.s
    if course.closed == 1:
        if gained > 0.5 * course.length:
            gained -= course.length
        elif gained < -0.5 * course.length:
            gained += course.length
    car.segment, car.s, car.lateral = segment, s, lateral
    car.travelled += gained
    goal = course.length if course.closed == 1 else max(course.length - car.start_s, 1e-9)
    car.progress = 100.0 * car.travelled / goal
    if car.progress > 100.0 - _ROUNDING:
        car.progress = 100.0

    # Wheel centres are about 0.3 m at most from the front point.
    wheels = 0
    for k in range(4):
        along_car = vehicle.front if k < 2 else -vehicle.rear
        across = 0.5 * (vehicle.track_front if k < 2 else vehicle.track_rear)
        if k % 2 == 1:
            across = -across
        wheel_x = car.x + along_car * cos_yaw - across * sin_yaw
        wheel_y = car.y + along_car * sin_yaw + across * cos_yaw
        if on_road(course, segments, segment, wheel_x, wheel_y, WHEEL_REACH):
            wheels += 1
    car.wheels_on = wheels


@inlined
def touches(world, me, cars, objects, vehicles):  # type: ignore[no-untyped-def]
    """True where a car overlaps an object (with its margin) or another car of its world, on the same track."""
    car, vehicle = cars[world, me], vehicles[world, me]
    for k in range(objects.shape[1]):
        thing = objects[world, k]
        if thing.active == 1 and thing.course // 2 == car.course // 2 and rectangles_overlap(
            car.x, car.y, car.yaw, vehicle.length, vehicle.width,
            thing.x, thing.y, thing.yaw, thing.length + OBJECT_MARGIN, thing.width + OBJECT_MARGIN,
        ):  # fmt: skip
            return True
    for k in range(cars.shape[1]):
        if k == me:
            continue
        other, shape = cars[world, k], vehicles[world, k]
        if other.active == 1 and other.course // 2 == car.course // 2 and rectangles_overlap(
            car.x, car.y, car.yaw, vehicle.length, vehicle.width,
            other.x, other.y, other.yaw, shape.length, shape.width,
        ):  # fmt: skip
            return True
    return False


@inlined
def judge(car, crashed, steps_max):  # type: ignore[no-untyped-def]
    """Status of a car after a step; a fault comes before a completed lap."""
    if crashed:
        car.status = CRASHED
    elif car.wheels_on == 0:
        car.status = OFF_TRACK
    elif car.progress >= 100.0:
        car.status = LAP_COMPLETE
    elif car.stuck_steps >= STUCK_STEPS:
        car.status = IMMOBILIZED
    elif car.backward_steps >= BACKWARD_STEPS:
        car.status = REVERSED
    elif car.steps >= steps_max:
        car.status = TIME_UP
    else:
        car.status = IN_PROGRESS


@inlined
def report(car, courses, segments, rails, control_dt, row):  # type: ignore[no-untyped-def]
    """Fill one TELEMETRY row from a located and judged car."""
    course = courses[car.course]
    here = segments[course.first + car.segment]
    along = car.s - here.s
    left_x, left_y, right_x, right_y = nearest_borders(
        course, segments, car.segment, here.x + along * here.ux, here.y + along * here.uy
    )
    x = car.x + FRONT_POINT * math.cos(car.yaw)
    y = car.y + FRONT_POINT * math.sin(car.yaw)
    to_left = (x - left_x) * (x - left_x) + (y - left_y) * (y - left_y)
    to_right = (x - right_x) * (x - right_x) + (y - right_y) * (y - right_y)
    row.x, row.y = x, y
    row.heading = car.yaw * _DEGREES
    row.all_wheels_on_track = car.wheels_on == 4
    row.wheels_on_track = car.wheels_on
    row.is_offtrack = car.wheels_on == 0
    row.is_crashed = car.status == CRASHED
    row.is_reversed = course.backwards == 1
    row.is_left_of_center = to_left < to_right
    row.distance_from_center = abs(car.lateral)
    row.track_width = math.sqrt((left_x - right_x) * (left_x - right_x) + (left_y - right_y) * (left_y - right_y))
    row.track_length = course.length
    row.progress = car.progress
    row.steps = car.steps
    row.speed = car.speed_command
    row.steering_angle = car.steer_command
    row.projection_distance = car.s
    row.sim_time = car.steps * control_dt
    # As bisect_right has it, a projection on a row belongs to that row: so also on the last row of an open track.
    prev = car.segment
    if course.closed == 0 and prev + 1 == course.segments and along >= here.length:
        prev += 1
    row.closest_waypoint_prev = prev
    row.closest_waypoint_next = prev + 1 if prev + 1 < course.rows else 0
    row.speed_measured = math.sqrt(car.vx * car.vx + car.vy * car.vy)
    row.steering_angle_measured = car.steer * _DEGREES
    row.slip_angle = math.atan2(car.vy, car.vx) * _DEGREES if row.speed_measured > 1e-3 else 0.0
    row.yaw_rate = car.yaw_rate * _DEGREES
    row.acceleration_forward = car.ax
    row.acceleration_left = car.ay
    heading, curvature = rail_at(course, rails, car.s)
    error = car.yaw - heading
    error -= 2.0 * math.pi * math.floor((error + math.pi) / (2.0 * math.pi))
    row.heading_error = error * _DEGREES
    row.curvature = curvature
    row.course = car.course
    row.object_in_camera = False
    row.closest_object_prev = 0
    row.closest_object_next = 0


@inlined
def rail_at(course, rails, s):  # type: ignore[no-untyped-def]
    """(heading, curvature) of the centre line at arc length `s`, linear between rail samples."""
    where = s / course.rail_step
    j = int(where)
    part = where - j
    if course.closed == 1:
        j = j % course.rail_count
        k = j + 1 if j + 1 < course.rail_count else 0
    else:
        j = min(max(j, 0), course.rail_count - 1)
        k = min(j + 1, course.rail_count - 1)
    a, b = rails[course.rail_first + j], rails[course.rail_first + k]
    turn = b.heading - a.heading
    turn -= 2.0 * math.pi * math.floor((turn + math.pi) / (2.0 * math.pi))
    return a.heading + part * turn, a.curvature + part * (b.curvature - a.curvature)


@inlined
def report_things(world, me, cars, objects, courses, telemetry, things):  # type: ignore[no-untyped-def]
    """Fill the OBJECT_TELEMETRY rows of one car, and what its TELEMETRY says of the nearest things.

    Objects come first, then the other cars. A thing on the other direction of the same track is mirrored.
    """
    car, row = cars[world, me], telemetry[world, me]
    course = courses[car.course]
    number = objects.shape[1]
    slot = present = 0
    # Numbers among the things that are present, as reward functions index them, and their slots.
    before = after = -1
    seen = seen_behind = 0
    gap_before, gap_after = math.inf, math.inf
    for k in range(number + cars.shape[1]):
        if k == number + me:
            continue
        out = things[world, me, slot]
        if k < number:
            thing = objects[world, k]
            # A box has heading 0 in DeepRacer, however it stands.
            out.x, out.y, out.speed = thing.x, thing.y, thing.speed
            out.heading = thing.yaw if thing.speed != 0.0 else 0.0
            s, lateral, on, active = thing.s, thing.lateral, thing.course, thing.active
        else:
            other = cars[world, k - number]
            out.x, out.y, out.heading, out.speed = other.x, other.y, other.yaw, other.vx
            s, lateral, on, active = other.s, other.lateral, other.course, other.active
        active *= on // 2 == car.course // 2
        if on % 2 != car.course % 2:
            s, lateral = course.length - s, -lateral
        out.distance = s
        out.distance_from_center = abs(lateral)
        out.is_left_of_center = lateral > 0.0
        out.active = active == 1
        if active == 1:
            gap = s - car.s
            if course.closed == 1:
                gap -= course.length * math.floor(gap / course.length)
                ahead, behind = gap, course.length - gap
            else:
                ahead = gap if gap >= 0.0 else math.inf
                behind = -gap if gap < 0.0 else math.inf
            if ahead < gap_after:
                gap_after, after, seen = ahead, present, slot
            if behind < gap_before:
                gap_before, before, seen_behind = behind, present, slot
            present += 1
        slot += 1
    if after >= 0 or before >= 0:
        row.closest_object_prev = before if before >= 0 else after
        row.closest_object_next = after if after >= 0 else before
        next_thing = things[world, me, seen if after >= 0 else seen_behind]
        cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
        dx = next_thing.x - car.x - CAMERA_FORWARD * cos_yaw
        dy = next_thing.y - car.y - CAMERA_FORWARD * sin_yaw
        ahead = dx * cos_yaw + dy * sin_yaw
        aside = dy * cos_yaw - dx * sin_yaw
        row.object_in_camera = ahead >= CAMERA_NEAR and abs(aside) <= ahead * math.tan(CAMERA_HALF_VIEW)


@inlined
def judge_and_report(world, cars, objects, vehicles, courses, segments, rails, steps_max, control_dt, telemetry, things):  # type: ignore[no-untyped-def]  # fmt: skip
    """Contacts, status and telemetry of the cars of one world, once all have been moved and located."""
    for c in range(cars.shape[1]):
        car = cars[world, c]
        if car.active == 1 and car.status <= IN_PROGRESS and car.steps > 1:
            judge(car, touches(world, c, cars, objects, vehicles), steps_max)
    for c in range(cars.shape[1]):
        if cars[world, c].active == 0:
            telemetry[world, c].steps = 0
        else:
            report(cars[world, c], courses, segments, rails, control_dt, telemetry[world, c])
            if things.shape[2] > 0:
                report_things(world, c, cars, objects, courses, telemetry, things)


@kernel
def step_worlds(first, last, actions, cars, objects, vehicles, courses, segments, rails, substeps, dt, steps_max, telemetry, things):  # type: ignore[no-untyped-def]  # fmt: skip
    """Step worlds `first`..`last`.

    Args:
        actions: (N, C, 2) float64, degrees (left positive) and m/s.
        cars, objects, vehicles: (N, C) CAR, (N, M) OBJECT, (N, C) VEHICLE.
        substeps, dt: physics steps in a control step, and seconds of each.
        steps_max: control steps after which an episode is cut off.
        telemetry, things: outputs, (N, C) TELEMETRY and (N, C, M + C - 1) OBJECT_TELEMETRY.

    A car whose episode has ended stays where it is until it is placed again.
    """
    control_dt = substeps * dt
    for n in range(first, last):
        for c in range(cars.shape[1]):
            car, vehicle = cars[n, c], vehicles[n, c]
            if car.active == 0 or car.status > IN_PROGRESS:
                continue
            car.steer_command = actions[n, c, 0]
            car.speed_command = actions[n, c, 1]
            x, y, progress = car.x, car.y, car.progress
            drive(car, vehicle, car.steer_command / _DEGREES, car.speed_command, substeps, dt)
            moved = math.sqrt((car.x - x) * (car.x - x) + (car.y - y) * (car.y - y))
            locate_car(car, vehicle, courses, segments, REACH + 1.5 * moved)
            car.steps += 1
            car.stuck_steps = car.stuck_steps + 1 if moved <= STUCK_DISTANCE else 0
            car.backward_steps = car.backward_steps + 1 if car.progress < progress else 0
        judge_and_report(n, cars, objects, vehicles, courses, segments, rails, steps_max, control_dt, telemetry, things)
