"""The `state` sensor: what a privileged policy sees, from the simulator's own knowledge.

Field order of a row, in SI units: `FIELDS`, then for each look-ahead distance the centre-line point in the car's
frame (x forward, y left, origin at the chassis) and the distances from there to the left and the right border.
"""

import math

from racer.sim.jit import kernel
from racer.sim.telemetry import rail_at

FIELDS = (
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
AHEAD_FIELDS = ("x", "y", "left", "right")
"""m; for each look-ahead distance."""


def field_names(look_ahead: int) -> list[str]:
    """Names of the elements of a state row with `look_ahead` distances."""
    return [*FIELDS, *(f"ahead{k}_{part}" for k in range(look_ahead) for part in AHEAD_FIELDS)]


@kernel
def observe_state(first, last, which, cars, tables, distances, out):  # type: ignore[no-untyped-def]
    """Fill `out` (N, C, 8 + 4 K) float32 for the cars that `which` (N, C) marks.

    Args:
        distances: (K,) float64, m of arc ahead of the front point. Beyond the end of an open track the rail goes on
            straight.
    """
    for n in range(first, last):
        for c in range(cars.shape[1]):
            car = cars[n, c]
            if not which[n, c] or car.active == 0:
                continue
            course, rails = tables.courses[car.course], tables.rails
            row = out[n, c]
            heading, _ = rail_at(course, rails, car.s)
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
