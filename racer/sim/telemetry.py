"""Input of reward functions: TELEMETRY and OBJECT_TELEMETRY rows from located and judged cars.

Meaning of the values: `racer.reward.params`, after simapp `agent_ctrl/utils.py` and `track_geom/track_data.py`.

The `state` sensor: what a privileged policy sees, from the simulator's own knowledge.

Field order of a row, in SI units: `FIELDS`, then for each look-ahead distance the centre-line point in the car's
frame (x forward, y left, origin at the chassis) and the distances from there to the left and the right border.
"""

import math

from racer.sim.centerline import nearest_border_points
from racer.sim.dtypes import BOT, EpisodeStatus
from racer.sim.jit import device, kernel

FRONT_POINT = 0.14
"""m ahead of the chassis origin: the point whose position and projection reward functions see
(simapp `RELATIVE_POSITION_OF_FRONT_OF_CAR`)."""
CAMERA_FORWARD = 0.1453
"""m, of the camera from the chassis origin (simapp URDF)."""
CAMERA_HALF_VIEW = 0.5 * 1.13
"""rad (simapp `racecar.gazebo`)."""
CAMERA_NEAR = 0.2
"""m (simapp `cameras/frustum.py`)."""
_CRASHED = int(EpisodeStatus.CRASHED)
_DEGREES = 180.0 / math.pi


@device
def write_telemetry(car, tables, control_dt, row):  # type: ignore[no-untyped-def]
    """Fill one TELEMETRY row from a located and judged car."""
    course, segments = tables.courses[car.course], tables.segments
    here = segments[course.first + car.segment]
    along = car.s - here.s
    left_x, left_y, right_x, right_y = nearest_border_points(
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
    row.is_crashed = car.status == _CRASHED
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
    heading, curvature = centerline_at(course, tables.rails, car.s)
    error = car.yaw - heading
    error -= 2.0 * math.pi * math.floor((error + math.pi) / (2.0 * math.pi))
    row.heading_error = error * _DEGREES
    row.curvature = curvature
    row.course = car.course
    row.object_in_camera = False
    row.closest_object_prev = 0
    row.closest_object_next = 0


@device
def centerline_at(course, rails, s):  # type: ignore[no-untyped-def]
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


@device
def write_object_telemetry(world, me, batch, tables):  # type: ignore[no-untyped-def]
    """Fill the OBJECT_TELEMETRY rows of one car, and what its TELEMETRY says of the nearest things.

    Objects come first, then the other cars. A thing on the other direction of the same track is mirrored.
    """
    cars, objects, things = batch.cars, batch.objects, batch.things
    car, row = cars[world, me], batch.telemetry[world, me]
    course = tables.courses[car.course]
    # Arc length of the last row: what a point's own is taken from when it is seen from the other direction.
    last_s = tables.segments[course.first + course.rows - 1].s
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
            # A box has heading 0 in DeepRacer, whatever its orientation.
            out.x, out.y, out.speed = thing.x, thing.y, thing.speed
            out.heading = thing.yaw if thing.kind == BOT else 0.0
            s, lateral, on, active = thing.s, thing.lateral, thing.course, thing.active
        else:
            other = cars[world, k - number]
            out.x, out.y, out.heading, out.speed = other.x, other.y, other.yaw, other.vx
            s, lateral, on, active = other.s, other.lateral, other.course, other.active
        active *= on // 2 == car.course // 2
        if on % 2 != car.course % 2:
            s, lateral = last_s - s, -lateral
            if s < 0.0:
                s += course.length
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


STATE_FIELDS = (
    "lateral_offset",
    "heading_error",
    "speed",
    "lateral_speed",
    "yaw_rate",
    "steering_angle",
    "command_steering",
    "command_speed",
)
"""m, rad, m/s, m/s, rad/s, rad (measured), rad and m/s (last command)."""
LOOK_AHEAD_FIELDS = ("x", "y", "left", "right")
"""m; for each look-ahead distance."""


def state_field_names(look_ahead: int) -> list[str]:
    """Names of the elements of a state row with `look_ahead` distances."""
    return [*STATE_FIELDS, *(f"ahead{k}_{part}" for k in range(look_ahead) for part in LOOK_AHEAD_FIELDS)]


@kernel
def observe_state(first, last, which, cars, tables, distances, out):  # type: ignore[no-untyped-def]
    """Fill `out` (N, C, 8 + 4 K) float32 for the cars that `which` (N, C) marks.

    Args:
        distances: (K,) float64, arc ahead of the front point [m]. Beyond an open track's end the centre line continues
            straight.
    """
    for n in range(first, last):
        for c in range(cars.shape[1]):
            car = cars[n, c]
            if not which[n, c] or car.active == 0:
                continue
            course, rails = tables.courses[car.course], tables.rails
            row = out[n, c]
            heading, _ = centerline_at(course, rails, car.s)
            error = car.yaw - heading
            row[0] = car.lateral
            row[1] = error - 2.0 * math.pi * math.floor((error + math.pi) / (2.0 * math.pi))
            row[2] = car.vx
            row[3] = car.vy
            row[4] = car.yaw_rate
            row[5] = car.steer
            row[6] = car.steer_command * (math.pi / 180.0)
            row[7] = car.speed_command
            cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
            for k in range(distances.shape[0]):
                where = (car.s + distances[k]) / course.rail_step
                j = int(where)
                part = where - j
                beyond = 0.0
                if course.closed == 1:
                    j = j % course.rail_count
                    i = j + 1 if j + 1 < course.rail_count else 0
                else:
                    if j >= course.rail_count - 1:
                        beyond = (where - (course.rail_count - 1)) * course.rail_step
                        j, part = course.rail_count - 1, 0.0
                    i = min(j + 1, course.rail_count - 1)
                a, b = rails[course.rail_first + j], rails[course.rail_first + i]
                dx = a.x + part * (b.x - a.x) - car.x
                dy = a.y + part * (b.y - a.y) - car.y
                if beyond > 0.0:
                    dx += beyond * math.cos(a.heading)
                    dy += beyond * math.sin(a.heading)
                at = 8 + 4 * k
                row[at] = dx * cos_yaw + dy * sin_yaw
                row[at + 1] = dy * cos_yaw - dx * sin_yaw
                row[at + 2] = a.left + part * (b.left - a.left)
                row[at + 3] = a.right + part * (b.right - a.right)
