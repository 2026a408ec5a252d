"""Measurements of cars: the input of reward functions and the `state` sensor.

`TELEMETRY` and `OBJECT_TELEMETRY` rows are filled from located and judged cars. Their values mean the same as in simapp
`agent_ctrl/utils.py` and `track_geom/track_data.py`; `racer.reward.params` describes them.

A `state` row holds what a privileged policy observes, in SI units: `STATE_FIELDS`, then for each look-ahead distance
the centre-line point in the car's frame (x forward, y left, origin at the chassis) and the distances from that point to
the left and the right border.
"""

import math

from racer.sim.centerline import direction_at, nearest_border_points, samples_at, wrap_angle
from racer.sim.dtypes import BOT, BOX_MARGIN, Array, Batch, Car, Course, CourseTables, EpisodeStatus, Row
from racer.sim.jit import device, force_inline, kernel

FRONT_POINT = 0.14
"""Distance from the chassis origin to the point whose position and projection reward functions receive [m]
(simapp `RELATIVE_POSITION_OF_FRONT_OF_CAR`)."""
CAMERA_FORWARD, CAMERA_HEIGHT = 0.14529379, 0.13032555
"""Position of the camera ahead of the chassis origin and above the ground [m] (simapp URDF)."""
CAMERA_PITCH = 0.2618
"""Angle by which the camera looks down [rad] (simapp URDF)."""
CAMERA_HALF_VIEW = 0.5 * 1.13
"""Half of the horizontal field of view [rad] (simapp `racecar.gazebo`)."""
CAMERA_NEAR, CAMERA_FAR = 0.2, 300.0
"""Depths between which the camera shows an object [m] (simapp `cameras/frustum.py`)."""
BOX_ORIGIN_HEIGHT = 0.1
"""Height of the origin of a box above the ground [m] (simapp `OBSTACLE_Z`); that of a car is on the ground."""
_CRASHED = int(EpisodeStatus.CRASHED)
_DEGREES = 180.0 / math.pi
_COS_PITCH, _SIN_PITCH, _TAN_HALF_VIEW = math.cos(CAMERA_PITCH), math.sin(CAMERA_PITCH), math.tan(CAMERA_HALF_VIEW)


@device
def write_telemetry(car: Car, tables: CourseTables, control_dt: float, row: Row) -> None:
    """Fill one TELEMETRY row from a located and judged car; `control_dt` is the length of a control step [s]."""
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
    # A projection on a row belongs to that row, as with bisect_right; so also on the last row of an open track.
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
    heading, curvature = direction_at(course, tables.centerlines, car.s)
    row.heading_error = wrap_angle(car.yaw - heading) * _DEGREES
    row.curvature = curvature
    row.course = car.course
    row.object_in_camera = False
    row.closest_object_prev = 0
    row.closest_object_next = 0


@device
def _write_other(
    car: Car, course: Course, last_s: float, other: Row, s: float, distance: float, heading: float, speed: float,
    # outputs
    out: Row,
) -> None:  # fmt: skip
    """Fill one OBJECT_TELEMETRY row of a car from another car or an object.

    An object on the other direction of the same track is mirrored.

    Args:
        car: CAR row.
        course: COURSE row of the car.
        last_s: Arc length of the last row of this course [m], where the reverse course starts.
        other: CAR or OBJECT row.
        s: Arc length of the projection of the other [m], on its own course.
        distance: Distance of the other from the centre line [m].
        heading: Reported heading of the other [rad].
        speed: Reported speed of the other [m/s].
        out: OBJECT_TELEMETRY row, written.
    """
    lateral = other.lateral
    if other.course % 2 != car.course % 2:
        s, lateral = last_s - s, -lateral
        if s < 0.0:
            s += course.length
    out.x, out.y, out.heading, out.speed = other.x, other.y, heading, speed
    out.distance = s
    out.distance_from_center = distance
    out.is_left_of_center = lateral > 0.0
    out.active = other.active == 1 and other.course // 2 == car.course // 2


@device
def _is_in_camera(car: Car, x: float, y: float, yaw: float, length: float, width: float, height: float) -> bool:
    """Return True where the centre or a corner of a rectangle is in the field of view of DeepRacer's camera on a car.

    The camera's upper limit, 10 degrees above the horizon, is never below a point that is lower than the camera; its
    lower limit meets the ground nearer than `CAMERA_NEAR`. Therefore only the sides and the depth need a test.

    Args:
        car: CAR row.
        x: Centre of the rectangle [m].
        y: The same.
        yaw: Its heading [rad].
        length: Length along that heading [m].
        width: Width across it [m].
        height: Height of the five points above the ground [m], at most `CAMERA_HEIGHT`.
    """
    cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
    dx, dy = x - car.x, y - car.y
    # Position of the centre: to the left of the camera's axis, and along that axis, which points down.
    aside = dy * cos_yaw - dx * sin_yaw
    depth = (dx * cos_yaw + dy * sin_yaw - CAMERA_FORWARD) * _COS_PITCH + (CAMERA_HEIGHT - height) * _SIN_PITCH
    if CAMERA_NEAR < depth < CAMERA_FAR and abs(aside) < depth * _TAN_HALF_VIEW:
        return True
    # Most objects are so far beside the view, or behind it, that no corner can be inside.
    radius = 0.5 * (length + width)
    if depth + radius <= CAMERA_NEAR or abs(aside) - radius >= (depth + radius) * _TAN_HALF_VIEW:
        return False
    cos_turned, sin_turned = math.cos(yaw - car.yaw), math.sin(yaw - car.yaw)
    for k in range(4):
        along = 0.5 * length if k < 2 else -0.5 * length
        across = 0.5 * width if k % 2 == 0 else -0.5 * width
        corner_depth = depth + (along * cos_turned - across * sin_turned) * _COS_PITCH
        corner_aside = aside + along * sin_turned + across * cos_turned
        if CAMERA_NEAR < corner_depth < CAMERA_FAR and abs(corner_aside) < corner_depth * _TAN_HALF_VIEW:
            return True
    return False


@device
def write_object_telemetry(world: int, index: int, batch: Batch, tables: CourseTables) -> None:
    """Fill the OBJECT_TELEMETRY rows of car `index` of a world, and the nearest objects in its TELEMETRY row.

    Objects come first, then the other cars.
    """
    cars, objects, rows = batch.cars, batch.objects, batch.object_telemetry
    car, row = cars[world, index], batch.telemetry[world, index]
    course = tables.courses[car.course]
    last_s = tables.segments[course.first + course.rows - 1].s
    number = objects.shape[1]
    slot = present = 0
    # Reward functions index the objects that are present; the slots index all rows.
    before = after = 0
    next_body = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    gap_before, gap_after = math.inf, math.inf
    for k in range(number + cars.shape[1]):
        if k == number + index:
            continue
        out = rows[world, index, slot]
        if k < number:
            # A box has heading 0 in DeepRacer, whatever its orientation.
            obj = objects[world, k]
            is_bot = obj.kind == BOT
            heading = obj.yaw if is_bot else 0.0
            _write_other(car, course, last_s, obj, obj.projected_s, obj.distance, heading, obj.speed, out)
            margin, height = (0.0, 0.0) if is_bot else (BOX_MARGIN, BOX_ORIGIN_HEIGHT)
            body = (obj.x, obj.y, obj.yaw, obj.length + margin, obj.width + margin, height)
        else:
            other = cars[world, k - number]
            _write_other(car, course, last_s, other, other.s, abs(other.lateral), other.yaw, other.vx, out)
            shape = batch.vehicles[world, k - number]
            body = (other.x, other.y, other.yaw, shape.length, shape.width, 0.0)
        if out.active:
            # The order is cyclic on open tracks, too: behind the first object is the last. An object level with the
            # car counts as behind; of objects level with each other the first is next and the last is previous.
            gap = out.distance - car.s
            ahead = gap if gap > 0.0 else gap + course.length
            behind = -gap if gap <= 0.0 else course.length - gap
            if ahead < gap_after:
                gap_after, after, next_body = ahead, present, body
            if behind <= gap_before:
                gap_before, before = behind, present
            present += 1
        slot += 1
    if present > 0:
        row.closest_object_prev, row.closest_object_next = before, after
        row.object_in_camera = _is_in_camera(car, *next_body)


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
"""First elements of a state row: m, rad, m/s, m/s, rad/s, rad (measured), rad and m/s (last command)."""
LOOK_AHEAD_FIELDS = ("x", "y", "left", "right")
"""Elements of each look-ahead distance [m]."""


def state_field_names(look_ahead: int) -> list[str]:
    """Return the names of the elements of a state row with `look_ahead` distances."""
    return [*STATE_FIELDS, *(f"ahead{k}_{part}" for k in range(look_ahead) for part in LOOK_AHEAD_FIELDS)]


@force_inline
def _observe_ahead(car: Car, tables: CourseTables, distances: Array, row: Array) -> None:
    """Fill the look-ahead part of a state row, shape (8 + 4 K,)."""
    course, centerlines = tables.courses[car.course], tables.centerlines
    cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
    for k in range(distances.shape[0]):
        s = car.s + distances[k]
        i, j, fraction = samples_at(course, s)
        a, b = centerlines[i], centerlines[j]
        dx = a.x + fraction * (b.x - a.x) - car.x
        dy = a.y + fraction * (b.y - a.y) - car.y
        if course.closed == 0 and i == j:
            # At or beyond the last sample of an open track.
            beyond = (s / course.centerline_step - (course.centerline_count - 1)) * course.centerline_step
            dx += beyond * math.cos(a.heading)
            dy += beyond * math.sin(a.heading)
        at = 8 + 4 * k
        row[at] = dx * cos_yaw + dy * sin_yaw
        row[at + 1] = dy * cos_yaw - dx * sin_yaw
        row[at + 2] = a.left + fraction * (b.left - a.left)
        row[at + 3] = a.right + fraction * (b.right - a.right)


@kernel
def observe_state(
    first: int, last: int, which: Array, cars: Array, tables: CourseTables, distances: Array,
    # outputs
    out: Array,
) -> None:  # fmt: skip
    """Fill the `state` rows of the marked cars of worlds `first` to `last` - 1.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        cars: CAR rows, shape (N, C).
        tables: Tables of all courses.
        distances: Arc lengths ahead of the front point [m], shape (K,), float64. Beyond an open track's end the centre
            line continues straight.
        out: State rows, shape (N, C, 8 + 4 K), float32.
    """
    for n in range(first, last):
        for c in range(cars.shape[1]):
            car = cars[n, c]
            if not which[n, c] or car.active == 0:
                continue
            row = out[n, c]
            heading, _ = direction_at(tables.courses[car.course], tables.centerlines, car.s)
            row[0] = car.lateral
            row[1] = wrap_angle(car.yaw - heading)
            row[2] = car.vx
            row[3] = car.vy
            row[4] = car.yaw_rate
            row[5] = car.steer
            row[6] = car.steer_command * (math.pi / 180.0)
            row[7] = car.speed_command
            _observe_ahead(car, tables, distances, row)
