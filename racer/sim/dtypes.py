"""Status of an episode of a car; words as in DeepRacer's logs (simapp `markov/metrics/constants.py`).

The tables that the kernels read and write: one structured dtype for each kind of row.

A batch of cars is an (N, C) array of `CAR` rows, and so on. A structured row keeps the names inside compiled code
(``car.vx``), keeps what belongs to one car together in memory, and passes as a single argument. From numpy,
``world.cars["vx"]`` is the (N, C) view of a field.

SI units and radians, world frame x right, y up, counter-clockwise positive; `TELEMETRY` alone holds what reward
functions see, in their units (degrees, percent).
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class EpisodeStatus(IntEnum):
    """Status of a car. `LAP_COMPLETE`..`REVERSED` end an episode, `TIME_UP` cuts it off."""

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
        """The word in results and logs."""
        return self.name.lower()


STUCK_DISTANCE = 0.0003
"""m per control step; a car that moves no more than this is stuck (simapp `markov/reset/rules`)."""
STUCK_STEPS = 15
"""Limit of control steps in a row."""
BACKWARD_STEPS = 15
"""Control steps in a row with less progress (NUMBER_OF_REVERSE_COUNTS)."""
STEPS_MAX = 100_000
"""Control steps of one episode (simapp)."""


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
        ("front_drive", "f8"),  # share of the drive force at the front axle, 0..1
        ("front_brake", "f8"),  # share of the brake force at the front axle, 0..1
        ("accel_max", "f8"),  # m/s^2, motor limit
        ("brake_max", "f8"),  # m/s^2
        ("power_max", "f8"),  # W, motor power at the wheels
        ("speed_gain", "f8"),  # 1/s, of the speed controller
        ("speed_max", "f8"),  # m/s
        ("steer_max", "f8"),  # rad
        ("steer_lag", "f8"),  # s, time constant of the servo
        ("steer_rate_max", "f8"),  # rad/s
        ("steer_offset", "f8"),  # rad, added to what the servo reaches
        ("steer_gain", "f8"),
        ("steer_backlash", "f8"),  # rad, play between servo and wheels
        ("throttle_gain", "f8"),
        ("throttle_deadband", "f8"),  # share of speed_max below which the motor does not turn
        ("length", "f8"),  # m, of the collision rectangle
        ("width", "f8"),  # m, of the collision rectangle
        ("track_front", "f8"),  # m, between the front wheel centres
        ("track_rear", "f8"),  # m, between the rear wheel centres
    ],
    align=True,
)
"""Parameters of one car; an (N, C) array, so that randomising is just values."""

CAR = np.dtype(
    [
        ("x", "f8"),  # m, chassis origin = centre of gravity
        ("y", "f8"),
        ("yaw", "f8"),  # rad, -pi..pi
        ("vx", "f8"),  # m/s, along the car
        ("vy", "f8"),  # m/s, to the left
        ("yaw_rate", "f8"),  # rad/s
        ("steer", "f8"),  # rad, angle of the front wheels
        ("slack", "f8"),  # rad, how far the servo is ahead of them within its play
        ("ax", "f8"),  # m/s^2, of the last physics step
        ("ay", "f8"),
        ("s", "f8"),  # m, arc length of the front point's projection, 0..length
        ("lateral", "f8"),  # m, front point from the centre line, left positive
        ("travelled", "f8"),  # m, arc length gained since the start of the episode, unwrapped
        ("start_s", "f8"),  # m, arc length where the episode started
        ("progress", "f8"),  # percent
        ("steer_command", "f8"),  # degrees, as commanded
        ("speed_command", "f8"),  # m/s, as commanded
        ("rng", "u8"),  # state of this car's random stream
        ("stream", "u8"),  # key of what is drawn once for each of its episodes; stays
        ("segment", "i4"),  # row of the centre line behind the front point, within its track
        ("course", "i4"),  # row of the COURSE table
        ("steps", "i4"),  # as reward functions count: 1 after a reset
        ("episode", "i4"),
        ("stuck_steps", "i4"),  # steps in a row with (almost) no movement
        ("backward_steps", "i4"),  # steps in a row with less progress
        ("status", "i4"),  # a `Status`
        ("wheels_on", "i4"),  # how many wheel centres are on the road, 0..4
        ("active", "i4"),  # 0: this slot holds no car
    ],
    align=True,
)
"""State of one car."""

OBJECT = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("yaw", "f8"),
        ("length", "f8"),  # m, along its heading
        ("width", "f8"),
        ("height", "f8"),  # m, from the ground
        ("speed", "f8"),  # m/s, set; a bot that pauses keeps it
        ("s", "f8"),  # m, arc length of its centre on its course
        ("lateral", "f8"),  # m from the centre line, left positive
        ("lane", "f8"),  # where across the road: 1 is the left border, -1 the right one, +-0.5 the lane lines
        ("lane_from", "f8"),  # the lane that a lane change began in
        ("lane_to", "f8"),  # the lane that it leads to; `lane` itself where none is under way
        ("changed", "f8"),  # m of arc into the lane change
        ("change_in", "f8"),  # s until the next lane change begins; infinite: never
        ("pause", "f8"),  # remaining standstill [s], because it ran into a car
        ("rng", "u8"),  # state of this object's random stream
        ("course", "i4"),
        ("segment", "i4"),
        ("kind", "i4"),  # `BOX` or `BOT`
        ("active", "i4"),
    ],
    align=True,
)
"""One object (a box or a bot) of a world; an (N, M) array."""

BOX, BOT = 0, 1
"""Kinds of objects: a box that does not move, and a scripted car."""

TELEMETRY = np.dtype(
    [
        ("all_wheels_on_track", "?"),
        ("is_left_of_center", "?"),
        ("is_reversed", "?"),
        ("is_crashed", "?"),
        ("is_offtrack", "?"),
        ("object_in_camera", "?"),
        ("closest_waypoint_prev", "i4"),
        ("closest_waypoint_next", "i4"),
        ("closest_object_prev", "i4"),
        ("closest_object_next", "i4"),
        ("steps", "f8"),
        ("x", "f8"),
        ("y", "f8"),
        ("heading", "f8"),  # degrees
        ("distance_from_center", "f8"),
        ("track_width", "f8"),
        ("track_length", "f8"),
        ("progress", "f8"),  # percent
        ("speed", "f8"),  # commanded, m/s
        ("steering_angle", "f8"),  # commanded, degrees
        ("projection_distance", "f8"),
        ("sim_time", "f8"),
        ("speed_measured", "f8"),  # m/s
        ("steering_angle_measured", "f8"),  # degrees
        ("slip_angle", "f8"),  # degrees, of the chassis at the centre of gravity
        ("yaw_rate", "f8"),  # degrees/s
        ("acceleration_forward", "f8"),  # m/s^2
        ("acceleration_left", "f8"),  # m/s^2
        ("heading_error", "f8"),  # degrees, to the direction of the centre line
        ("curvature", "f8"),  # 1/m of the centre line here, left positive
        ("wheels_on_track", "i4"),
        ("course", "i4"),  # row of the COURSE table: which waypoints belong to this car
    ],
    align=True,
)
"""Input of a reward function about one car after a control step; `racer.reward.params` describes the keys."""

OBJECT_TELEMETRY = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("heading", "f8"),  # radians, as DeepRacer gives it
        ("speed", "f8"),
        ("distance", "f8"),  # m along the centre line from its first row
        ("distance_from_center", "f8"),
        ("is_left_of_center", "?"),
        ("active", "?"),
    ],
    align=True,
)
"""One other thing on the road as seen by one car; an (N, C, M + C - 1) array: objects first, then the other cars."""

COURSE = np.dtype(
    [
        ("first", "i4"),  # row of the first segment in SEGMENT
        ("rows", "i4"),  # rows of the track file
        ("segments", "i4"),  # rows when closed, rows - 1 when open
        ("closed", "i4"),
        ("rail_first", "i4"),  # row of the first sample in RAIL
        ("rail_count", "i4"),
        ("wall_first", "i4"),  # row of the first wall group in WALL_GROUP
        ("wall_groups", "i4"),
        ("backwards", "i4"),
        ("length", "f8"),  # m
        ("rail_step", "f8"),  # m between rail samples
    ],
    align=True,
)
"""One track in one direction of travel. Course 2k is track k in its file's direction, 2k + 1 the reverse."""

SEGMENT = np.dtype(
    [
        ("x", "f8"),  # m, centre line at this row
        ("y", "f8"),
        ("ux", "f8"),  # unit vector to the next row; of the next longer segment where this one has no length
        ("uy", "f8"),
        ("length", "f8"),  # m to the next row
        ("s", "f8"),  # m, arc length at this row
        ("left_x", "f8"),
        ("left_y", "f8"),
        ("right_x", "f8"),
        ("right_y", "f8"),
        ("left_from", "i4"),  # border segments that can be nearest to a point of this segment: the first, and
        ("left_count", "i4"),  # how many
        ("right_from", "i4"),
        ("right_count", "i4"),
    ],
    align=True,
)
"""One row of a course and the segment that starts there."""

CENTERLINE = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("heading", "f8"),  # rad, unwrapped along the course
        ("curvature", "f8"),  # 1/m, left positive
        ("left", "f8"),  # m from the centre line to the left border
        ("right", "f8"),
    ],
    align=True,
)
"""The centre line resampled at equal steps, for looking ahead without a search. Sample j is at s = j * rail_step."""

WALL = np.dtype([("x", "f8"), ("y", "f8")], align=True)
"""A vertex of a wall; consecutive vertices of a group are joined."""

WALL_GROUP = np.dtype(
    [
        ("x", "f8"),  # m, centre of the bounding circle
        ("y", "f8"),
        ("radius", "f8"),
        ("first", "i4"),  # row of the first vertex in WALL
        ("count", "i4"),  # vertices
    ],
    align=True,
)
"""A short run of joined wall vertices, with a circle around it so that far ones are skipped at once."""


class Batch(NamedTuple):
    """The rows of N worlds of C cars and M objects, as kernels take them."""

    cars: NDArray[np.void]
    """(N, C) CAR."""
    vehicles: NDArray[np.void]
    """(N, C) VEHICLE."""
    objects: NDArray[np.void]
    """(N, M) OBJECT."""
    telemetry: NDArray[np.void]
    """(N, C) TELEMETRY."""
    things: NDArray[np.void]
    """(N, C, M + C - 1) OBJECT_TELEMETRY."""


class CourseTables(NamedTuple):
    """The tables of all courses of a world."""

    courses: NDArray[np.void]
    """(2 T,) COURSE."""
    segments: NDArray[np.void]
    """SEGMENT, all courses one after another."""
    rails: NDArray[np.void]
    """CENTERLINE rows of all courses, one after the other."""
    walls: NDArray[np.void]
    """WALL vertices."""
    wall_groups: NDArray[np.void]
    """WALL_GROUP; both directions of a track share them."""


class StepTiming(NamedTuple):
    """Times of a control step."""

    substeps: int
    """Physics steps in a control step."""
    dt: float
    """s of a physics step."""
    steps_max: int
    """`steps` at which an episode is cut off; the count starts at 1 before the first step."""
