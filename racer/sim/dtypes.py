"""The tables that the kernels read and write: one structured dtype for each kind of row.

A batch of cars is an (N, C) array of `CAR` rows, and so on. A structured row keeps the names inside compiled code
(``car.vx``), keeps what belongs to one car together in memory, and passes as a single argument. From numpy,
``world.cars["vx"]`` is the (N, C) view of a field.

SI units and radians; world frame x right, y up, angles counter-clockwise positive. Only `TELEMETRY` and
`CAR.steer_command` use the units of reward functions and actions (degrees, percent).
"""

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""Array parameter of a kernel; its docstring states shape and dtype."""
Row: TypeAlias = Any
"""Row of a structured array, whose fields are attributes in compiled code; numpy has no static type for that."""
Car: TypeAlias = Row
"""`CAR` row."""
Vehicle: TypeAlias = Row
"""`VEHICLE` row."""
Object: TypeAlias = Row
"""`OBJECT` row."""
Course: TypeAlias = Row
"""`COURSE` row."""


class EpisodeStatus(IntEnum):
    """Status of a car, with the words of DeepRacer's logs (simapp `markov/metrics/constants.py`).

    `LAP_COMPLETE` to `REVERSED` terminate an episode, `TIME_UP` truncates it.
    """

    PREPARE = 0
    IN_PROGRESS = 1
    LAP_COMPLETE = 2
    OFF_TRACK = 3
    CRASHED = 4
    IMMOBILIZED = 5
    REVERSED = 6
    TIME_UP = 7

    @property
    def word(self) -> str:
        """Name in results and logs."""
        return self.name.lower()


def fields(type_code: str, *names: str) -> list[tuple[str, str]]:
    """Return adjacent fields of one type, for a structured dtype."""
    return [(name, type_code) for name in names]


STUCK_DISTANCE = 0.0003
"""Movement in a control step up to which a car counts as stuck [m] (simapp `markov/reset/rules`)."""
STUCK_STEPS = 15
"""Consecutive stuck control steps that end an episode."""
BACKWARD_STEPS = 15
"""Consecutive control steps with less progress that end an episode (simapp NUMBER_OF_REVERSE_COUNTS)."""
STEPS_MAX = 100_000
"""Longest episode [control steps] (simapp)."""
STEER_MAP_PAIRS_MAX = 8
"""Largest number of pairs of a vehicle's steering map."""


VEHICLE = np.dtype(
    [
        ("mass", "f8"),  # kg
        ("yaw_inertia", "f8"),  # kg m^2
        ("front", "f8"),  # m, centre of gravity to front axle
        ("rear", "f8"),  # m, centre of gravity to rear axle
        ("cog_height", "f8"),  # m
        ("friction", "f8"),  # tyre-road friction coefficient
        ("stiffness_front", "f8"),  # 1/rad, cornering stiffness over normal load
        ("stiffness_rear", "f8"),  # 1/rad
        ("front_drive", "f8"),  # fraction of the drive force at the front axle, 0..1
        ("front_brake", "f8"),  # fraction of the brake force at the front axle, 0..1
        ("accel_max", "f8"),  # m/s^2, motor limit
        ("brake_max", "f8"),  # m/s^2
        ("power_max", "f8"),  # W, motor power at the wheels
        ("speed_gain", "f8"),  # 1/s, of the speed controller
        ("speed_max", "f8"),  # m/s
        ("steer_max", "f8"),  # rad
        ("steer_lag", "f8"),  # s, time constant of the servo
        ("steer_rate_max", "f8"),  # rad/s
        ("steer_offset", "f8"),  # rad, added to the angle of the servo
        ("steer_gain", "f8"),
        ("steer_backlash", "f8"),  # rad, play between servo and wheels
        ("steer_delay", "f8"),  # s, from a steering command to its effect, in whole physics steps
        ("steer_map_count", "i8"),  # pairs of the steering map; 0: the effective angle is the commanded one
        ("steer_map_commands", "f8", (STEER_MAP_PAIRS_MAX,)),  # rad, above 0, increasing
        ("steer_map_angles", "f8", (STEER_MAP_PAIRS_MAX,)),  # rad, effective angles at these commands
        ("throttle_gain", "f8"),
        ("throttle_deadband", "f8"),  # fraction of speed_max below which the motor does not turn
        ("length", "f8"),  # m, of the collision rectangle
        ("width", "f8"),  # m, of the collision rectangle
        ("track_front", "f8"),  # m, between the front wheel centres
        ("track_rear", "f8"),  # m, between the rear wheel centres
    ],
    align=True,
)
"""Parameters of one car. An (N, C) array, so that a randomised vehicle is a row with other values."""

CAR = np.dtype(
    [
        *fields("f8", "x", "y"),  # m, chassis origin = centre of gravity
        ("yaw", "f8"),  # rad, -pi..pi
        ("vx", "f8"),  # m/s, along the car
        ("vy", "f8"),  # m/s, to the left
        ("yaw_rate", "f8"),  # rad/s
        ("steer", "f8"),  # rad, angle of the front wheels
        ("backlash_offset", "f8"),  # rad, angle of the servo minus that of the front wheels, within the play
        *fields("f8", "ax", "ay"),  # m/s^2, of the last physics step
        ("s", "f8"),  # m, arc length of the front point's projection, 0..length
        ("lateral", "f8"),  # m, front point from the centre line, left positive
        ("travelled", "f8"),  # m, arc length gained since the start of the episode, unwrapped
        ("start_s", "f8"),  # m, arc length where the episode started
        ("progress", "f8"),  # percent
        ("steer_command", "f8"),  # degrees, as commanded
        ("speed_command", "f8"),  # m/s, as commanded
        ("rng", "u8"),  # state of this car's random stream
        ("stream", "u8"),  # key of the values that are drawn once for each of its episodes; constant
        ("segment", "i4"),  # row of the centre line behind the front point, within its track
        ("course", "i4"),  # row of the COURSE table
        ("steps", "i4"),  # as reward functions count: 1 after a reset
        ("episode", "i4"),
        ("stuck_steps", "i4"),  # steps in a row with (almost) no movement
        ("backward_steps", "i4"),  # steps in a row with less progress
        ("status", "i4"),  # an `EpisodeStatus`
        ("wheels_on", "i4"),  # number of wheel centres on the road, 0..4
        ("active", "i4"),  # 0: this slot holds no car
    ],
    align=True,
)
"""State of one car."""

OBJECT = np.dtype(
    [
        *fields("f8", "x", "y", "yaw"),  # m and rad, of its centre
        *fields("f8", "length", "width"),  # m, along and across its heading
        ("height", "f8"),  # m, from the ground
        ("speed", "f8"),  # m/s, set; a bot that pauses keeps it
        ("s", "f8"),  # m, arc length of its centre on its course
        ("lateral", "f8"),  # m from the centre line, left positive
        # m, arc length of the projection of its centre, and its distance from there: at a corner not `s` and `lateral`
        *fields("f8", "projected_s", "distance"),
        ("lane", "f8"),  # position across the road: 1 is the left border, -1 the right one, +-0.5 the lane lines
        ("lane_from", "f8"),  # lane in which a lane change began
        ("lane_to", "f8"),  # lane to which it leads; equal to lane_from where none is in progress
        ("changed", "f8"),  # m of arc since the lane change began
        ("change_in", "f8"),  # s until the next lane change begins; infinite for never
        ("pause", "f8"),  # s of standstill that remain after it ran into a car
        ("rng", "u8"),  # state of this object's random stream
        *fields("i4", "course", "segment"),  # row of the COURSE table, and row of the segment within the course
        ("kind", "i4"),  # `BOX` or `BOT`
        ("active", "i4"),
    ],
    align=True,
)
"""One object (a box or a bot) of a world. An (N, M) array."""

BOX, BOT = 0, 1
"""Kinds of objects: a static box and a scripted car."""
BOX_MARGIN = 0.1
"""Length added to both dimensions of a box for contacts and for the camera's view [m] (simapp `ObstacleDimensions`:
"0.1 buffer for each")."""

TELEMETRY = np.dtype(
    [
        *fields("?", "all_wheels_on_track", "is_left_of_center", "is_reversed", "is_crashed", "is_offtrack"),
        ("object_in_camera", "?"),
        *fields("i4", "closest_waypoint_prev", "closest_waypoint_next", "closest_object_prev", "closest_object_next"),
        *fields("f8", "steps", "x", "y"),
        ("heading", "f8"),  # degrees
        *fields("f8", "distance_from_center", "track_width", "track_length"),  # m
        ("progress", "f8"),  # percent
        ("speed", "f8"),  # commanded, m/s
        ("steering_angle", "f8"),  # commanded, degrees
        *fields("f8", "projection_distance", "sim_time"),  # m along the centre line, and s
        ("speed_measured", "f8"),  # m/s
        ("steering_angle_measured", "f8"),  # degrees
        ("slip_angle", "f8"),  # degrees, of the chassis at the centre of gravity
        ("yaw_rate", "f8"),  # degrees/s
        *fields("f8", "acceleration_forward", "acceleration_left"),  # m/s^2
        ("heading_error", "f8"),  # degrees, to the direction of the centre line
        ("curvature", "f8"),  # 1/m of the centre line here, left positive
        ("wheels_on_track", "i4"),
        ("course", "i4"),  # row of the COURSE table: which waypoints belong to this car
    ],
    align=True,
)
"""Input of a reward function for one car after a control step; `racer.reward.params` describes the keys."""

OBJECT_TELEMETRY = np.dtype(
    [
        *fields("f8", "x", "y"),
        ("heading", "f8"),  # radians, as in DeepRacer
        ("speed", "f8"),
        ("distance", "f8"),  # m along the centre line from its first row
        ("distance_from_center", "f8"),
        *fields("?", "is_left_of_center", "active"),
    ],
    align=True,
)
"""One object or other car in the frame of one car's course.

An (N, C, M + C - 1) array: objects first, then the other cars by index.
"""

COURSE = np.dtype(
    [
        ("first", "i4"),  # row of the first segment in SEGMENT
        ("rows", "i4"),  # rows of the track file
        ("segments", "i4"),  # rows when closed, rows - 1 when open
        ("closed", "i4"),
        # row of the first sample in CENTERLINE, and number of samples
        *fields("i4", "centerline_first", "centerline_count"),
        *fields("i4", "wall_first", "wall_groups"),  # row of the first group in WALL_GROUP, and number of groups
        ("backwards", "i4"),
        ("length", "f8"),  # m
        ("centerline_step", "f8"),  # m between samples of the centre line
    ],
    align=True,
)
"""One track in one direction of travel. Course 2 k is track k in its file's direction, course 2 k + 1 its reverse."""

SEGMENT = np.dtype(
    [
        *fields("f8", "x", "y"),  # m, centre line at this row
        # unit vector to the next row; that of the next segment with a length where this one has none
        *fields("f8", "ux", "uy"),
        ("length", "f8"),  # m to the next row
        ("s", "f8"),  # m, arc length at this row
        *fields("f8", "left_x", "left_y", "right_x", "right_y"),  # m, borders at this row
        # first border segment that can be nearest to a point of this segment, and number of such segments
        *fields("i4", "left_from", "left_count"),
        *fields("i4", "right_from", "right_count"),  # the same of the right border
        ("is_folded", "i4"),  # 1 where a triangle of the strip of road to the next row is clockwise
        # first and number of the strips that may overlap this one; 0 where none is folded
        *fields("i4", "folded_from", "folded_count"),
        # m from this segment, on either side, up to which no distant stretch of the centre line is nearer
        *fields("f8", "left_limit", "right_limit"),
    ],
    align=True,
)
"""One row of a course and the segment that starts there."""

CENTERLINE = np.dtype(
    [
        *fields("f8", "x", "y"),  # m
        ("heading", "f8"),  # rad, unwrapped along the course
        ("curvature", "f8"),  # 1/m, left positive
        *fields("f8", "left", "right"),  # m from the centre line to the borders
    ],
    align=True,
)
"""The centre line resampled at equal steps, so that a lookup needs no search. Sample j is at s = j centerline_step."""

WALL = np.dtype([("x", "f8"), ("y", "f8")], align=True)
"""A vertex of a wall; consecutive vertices of a group are joined."""

WALL_GROUP = np.dtype(
    [
        *fields("f8", "x", "y", "radius"),  # m, bounding circle
        *fields("i4", "first", "count"),  # row of the first vertex in WALL, and number of vertices
    ],
    align=True,
)
"""A short run of joined wall vertices with its bounding circle, so that a far run is skipped by one test."""


class Batch(NamedTuple):
    """Rows of N worlds of C cars and M objects, the argument of kernels."""

    cars: NDArray[np.void]
    """(N, C) CAR."""
    vehicles: NDArray[np.void]
    """(N, C) VEHICLE."""
    objects: NDArray[np.void]
    """(N, M) OBJECT."""
    telemetry: NDArray[np.void]
    """(N, C) TELEMETRY."""
    object_telemetry: NDArray[np.void]
    """(N, C, M + C - 1) OBJECT_TELEMETRY."""


class CourseTables(NamedTuple):
    """Tables of all courses of a world."""

    courses: NDArray[np.void]
    """(2 T,) COURSE."""
    segments: NDArray[np.void]
    """SEGMENT rows of all courses, concatenated."""
    centerlines: NDArray[np.void]
    """CENTERLINE rows of all courses, concatenated."""
    walls: NDArray[np.void]
    """WALL vertices."""
    wall_groups: NDArray[np.void]
    """WALL_GROUP; both directions of a track share them."""

    def centerline(self, index: int) -> NDArray[np.void]:
        """Return the CENTERLINE rows of one course."""
        first, count = self.courses[["centerline_first", "centerline_count"]][index]
        return self.centerlines[first : first + count]


class StepTiming(NamedTuple):
    """Times of a control step and of an episode."""

    substeps: int
    """Physics steps in a control step."""
    dt: float
    """Length of a physics step [s]."""
    steps_max: int
    """`CAR.steps` at which an episode is truncated; the count starts at 1 before the first step."""
