"""Reads simtraces, the step logs of DeepRacer's simulator and of racer, and predicts them open loop.

A prediction starts from the logged pose, speed and yaw rate of a row, receives the logged commands and nothing else,
and is compared with the logged position of the front point some time later. One prediction starts at each row:

    log          o───o───o───o───o───o───o───o        one row every 67 ms or so
    from row 2           ●∼∼∼∼∼∼∼∼∼∼∼∼∼● error after 0.5, 1, 2 s
    from row 3               ●∼∼∼∼∼∼∼∼∼∼∼∼∼●

Steering passes the vehicle's map and transport delay, then the servo's lag inside the vehicle model.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.errors import RacerError
from racer.sim.dtypes import CAR, Array
from racer.sim.jit import kernel
from racer.sim.telemetry import FRONT_POINT
from racer.sim.vehicle import GRAVITY, drive_vehicle
from racer.sim.world import vehicle_row

HORIZONS_S = (0.5, 1.0, 2.0)
"""Times after which a prediction is compared with the log [s]."""
OPEN_LOOP_DT = 1.0 / 120.0
"""Physics step [s]: the longest that the simulator uses."""
COLUMNS = ("episode", "steps", "X", "Y", "yaw", "steer", "throttle", "tstamp")
"""Columns that a prediction needs; others, such as rewards, are ignored."""
ROW_GAP_MAX_S = 0.35
"""Time between two rows after which the commands in between are unknown [s]; usual are 50 to 80 ms."""
ROW_GAP_MIN_S = 0.005
"""Rows closer than this repeat the one before; no speed can be derived from them [s]."""
JUMP_MIN = 0.3
"""A car that moved this far beyond twice its commanded speed was put back on the road [m]."""
_FIRST_ROW = 2
"""Predictions start here: the first two rows are those of the placing, where the car still settles."""
_SPEED_MIN = 0.05
"""Slowest speed from which a prediction starts [m/s]."""
_STEERING_SPEED_MIN = 0.3
"""Below this speed a steering angle cannot be derived from the yaw rate [m/s]."""


class SimtraceError(RacerError):
    """The file is not a simtrace, or its rows cannot be used."""


class SimtraceEpisode(NamedTuple):
    """Rows without a gap; each command holds from its row's time to that of the next row. All arrays are (K,)."""

    times: NDArray[np.float64]
    """Times [s], increasing."""
    x: NDArray[np.float64]
    """Positions of the front point [m], world frame."""
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    """Headings [rad], unwrapped."""
    steering: NDArray[np.float64]
    """Commanded steering angles [rad], left positive."""
    speed: NDArray[np.float64]
    """Commanded speeds [m/s]."""


def read_simtrace(path: str | Path) -> list[SimtraceEpisode]:
    """Read a simtrace CSV as stretches without gaps and jumps; stretches of less than ten rows are left out.

    DeepRacer's rows pair an action with the pose before it takes effect, those of racer with the pose after it
    (docs/decisions/0001). Both are returned in DeepRacer's pairing.

    Raises:
        SimtraceError: The file cannot be read, is not a simtrace, or holds values that are not numbers.
    """
    path = Path(path)
    episodes = _read_rows(path)
    if all(map(_paired_with_pose_after, episodes)):
        for rows in episodes:
            rows[:-1, 4:6] = rows[1:, 4:6]
    return [_make_episode(part) for rows in episodes for part in _split(rows) if len(part) >= 10]


def _read_rows(path: Path) -> list[NDArray[np.float64]]:
    """Return for each episode its rows: time, x, y, yaw [degrees], steering [degrees], speed, shape (K, 6)."""
    episodes: list[list[tuple[float, ...]]] = []
    last: tuple[str, float] | None = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
                raise SimtraceError(
                    f"{path} is not a simtrace: no column {', '.join(f'`{name}`' for name in missing)}; "
                    f"needed are {', '.join(COLUMNS)}, as in DeepRacer's simulation traces"
                )
            for row in reader:
                steps, *values = _numbers(row, f"{path}: line {reader.line_num}")
                # Steps count up within an episode; logs of several evaluations repeat episode numbers.
                if last is None or row["episode"] != last[0] or steps < last[1]:
                    episodes.append([])
                last = row["episode"], steps
                episodes[-1].append(tuple(values))
    except OSError as error:
        raise SimtraceError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SimtraceError(f"{path}: is not a text file") from None
    except csv.Error as error:
        raise SimtraceError(f"{path}: is not a CSV file: {error}") from None
    return [np.array(rows) for rows in episodes]


def _numbers(row: dict[str, str], where: str) -> list[float]:
    """Return steps, time, x, y, yaw, steering and speed of a row."""
    values = []
    for name in ("steps", "tstamp", "X", "Y", "yaw", "steer", "throttle"):
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            raise SimtraceError(f"{where}: `{name}` is {row[name]!r}, not a number") from None
        if not math.isfinite(value):
            raise SimtraceError(f"{where}: `{name}` is {row[name]}; remove that episode from the log")
        values.append(value)
    if abs(values[5]) > 90.0:
        raise SimtraceError(f"{where}: `steer` is {row['steer']}; a steering angle [degrees] is in -90..90")
    return values


def _paired_with_pose_after(rows: NDArray[np.float64]) -> bool:
    """Return whether the rows of an episode are racer's: no jitter of time, and the action of the placing repeated.

    Time stamps of DeepRacer's simulator vary by 10 ms and more.
    """
    steps = np.diff(rows[:, 0])
    return len(rows) < 3 or bool(np.ptp(steps) < 1e-5 and (rows[0, 4:6] == rows[1, 4:6]).all())


def _split(rows: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the stretches between gaps of time and jumps of position, without repeated rows."""
    keep = np.concatenate([[True], np.abs(np.diff(rows[:, 0])) >= ROW_GAP_MIN_S])
    rows = rows[keep]
    passed = np.diff(rows[:, 0])
    moved = np.hypot(np.diff(rows[:, 1]), np.diff(rows[:, 2]))
    reach = JUMP_MIN + 2.0 * np.abs(rows[:-1, 5]) * np.abs(passed)
    breaks = np.flatnonzero((passed < 0.0) | (passed > ROW_GAP_MAX_S) | (moved > reach))
    yield from np.split(rows, breaks + 1)


def _make_episode(rows: NDArray[np.float64]) -> SimtraceEpisode:
    times, x, y, yaw, steering, speed = rows.T.copy()
    return SimtraceEpisode(times, x, y, np.unwrap(np.radians(yaw)), np.radians(steering), speed)


class OpenLoop:
    """Predictions of a trace, prepared once for many vehicles.

    Attributes:
        starts: Indices of the rows at which predictions start, in `steering`, shape (K,).
        steering: Commanded steering angles of all rows [rad], shape (R,).
        actual: Logged positions of the front point at the horizons [m], shape (K, H, 2).
    """

    def __init__(
        self, trace: Sequence[SimtraceEpisode], horizons_s: Sequence[float] = HORIZONS_S, *, stride: int = 1
    ) -> None:
        """Prepare one prediction for each `stride`-th row whose longest horizon is in the log."""
        self._steps = np.array([round(horizon / OPEN_LOOP_DT) for horizon in horizons_s], np.int64)
        columns = [np.concatenate([getattr(episode, name) for episode in trace] or [np.zeros(0)]) for name in _FIELDS]
        self._times, x, y, yaw, self.steering, self.speed = columns
        starts, first_rows, actual, motions = [], [], [], []
        row = 0
        for episode in trace:
            ends = self._steps * OPEN_LOOP_DT + episode.times[:, None]
            inside = ends.max(axis=1) <= episode.times[-1]
            chosen = np.arange(_FIRST_ROW, len(episode.times) - 1, stride)
            chosen = chosen[inside[chosen]]
            starts.append(row + chosen)
            first_rows.append(np.full(len(chosen), row))
            places = (np.interp(ends[chosen], episode.times, values) for values in (episode.x, episode.y))
            actual.append(np.stack(list(places), axis=-1))
            motions.append(_central_differences(episode)[chosen])
            row += len(episode.times)
        self.starts = np.concatenate([*starts, np.zeros(0, np.int64)])
        self._first_rows = np.concatenate([*first_rows, np.zeros(0, np.int64)])
        self.actual = np.concatenate([*actual, np.zeros((0, len(self._steps), 2))])
        self._poses = np.stack([x, y, yaw], axis=1)[self.starts]
        self._motions = np.concatenate([*motions, np.zeros((0, 3))])

    def predict(self, vehicle: VehicleConfig) -> NDArray[np.float64]:
        """Return predicted positions of the front point at the horizons [m], shape (K, H, 2)."""
        # The map and the delay are applied to the logged commands here, so the row must not apply them again.
        plain = vehicle.model_copy(update=NEUTRAL_STEERING)
        effective = map_steering(self.steering, vehicle.steer_map_deg)
        return self.predict_row(vehicle_row(plain), effective, vehicle.steer_delay)

    def predict_row(
        self, vehicle: NDArray[np.void], effective: NDArray[np.float64], delay: float
    ) -> NDArray[np.float64]:
        """Predict with a VEHICLE row.

        Args:
            vehicle: Row without a steering map and without a delay; not changed.
            effective: Steering angles that the map makes of the commands [rad], shape (R,).
            delay: Transport delay of the steering [s]; the result is a smooth function of it.
        """
        x, y, yaw = self._poses.T
        vx, r = np.maximum(self._motions[:, 0], _SPEED_MIN), self._motions[:, 1]
        cars = np.zeros(len(vx), CAR)
        cars["x"], cars["y"] = x - FRONT_POINT * np.cos(yaw), y - FRONT_POINT * np.sin(yaw)
        cars["yaw"], cars["vx"], cars["vy"], cars["yaw_rate"] = yaw, vx, float(vehicle["rear"]) * r, r
        cars["steer"] = _derive_steering(vehicle, *self._motions.T)
        predicted = np.empty_like(self.actual)
        rows = np.array([vehicle], vehicle.dtype)
        commands = self._times, effective, self.speed
        _predict(cars, rows, self.starts, self._first_rows, *commands, delay, self._steps, OPEN_LOOP_DT, predicted)
        return predicted


_FIELDS = SimtraceEpisode._fields
NEUTRAL_STEERING = {name: VehicleConfig.model_fields[name].default for name in ("steer_map_deg", "steer_delay")}
"""Values of the fields that `map_steering` and the delay of a prediction replace."""


def _central_differences(episode: SimtraceEpisode) -> NDArray[np.float64]:
    """Return forward speed [m/s], yaw rate [rad/s] and its rate [rad/s^2] at each row but the ends, shape (K, 3)."""
    motion = np.zeros((len(episode.times), 3))
    passed = episode.times[2:] - episode.times[:-2]
    vx, vy, r = ((values[2:] - values[:-2]) / passed for values in (episode.x, episode.y, episode.yaw))
    yaw = episode.yaw[1:-1]
    motion[1:-1, 0], motion[1:-1, 1] = vx * np.cos(yaw) + vy * np.sin(yaw), r
    motion[1:-1, 2] = 2.0 * np.diff(np.diff(episode.yaw) / np.diff(episode.times)) / passed
    return motion


def _derive_steering(
    vehicle: NDArray[np.void], vx: NDArray[np.float64], r: NDArray[np.float64], r_rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the steering angle of the wheels [rad] from the motion of a car, shape (K,).

    The kinematic model gives delta = atan(L r / v). The yaw rate lags behind the wheels by the time constant of the
    linear single-track model, tau = I v / (C_f l_f^2 + C_r l_r^2), so r + tau dr/dt takes the place of r. Without it, a
    fit to soft tyres adds that lag to the delay of the steering.
    """
    front, rear = float(vehicle["front"]), float(vehicle["rear"])
    v = np.maximum(vx, _STEERING_SPEED_MIN)
    load = GRAVITY * float(vehicle["mass"]) / (front + rear)
    # C_f l_f^2 + C_r l_r^2 with C_f = c_f m g l_r / L and C_r = c_r m g l_f / L.
    damping = load * front * rear * float(vehicle["stiffness_front"] * front + vehicle["stiffness_rear"] * rear)
    steering = np.arctan((front + rear) * (r + float(vehicle["yaw_inertia"]) * v / damping * r_rate) / v)
    return np.asarray(np.clip(steering, -vehicle["steer_max"], vehicle["steer_max"]))


def map_steering(steering: NDArray[np.float64], pairs: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return effective steering angles [rad] of commanded ones [rad] by a vehicle's `steer_map_deg`.

    The map is odd, passes through the origin, is linear between its pairs, and constant beyond the last one; without
    pairs it is the identity.
    """
    if not pairs:
        return steering
    commanded, effective = np.radians(np.array([(0.0, 0.0), *pairs])).T
    return np.asarray(np.copysign(1.0, steering) * np.interp(np.abs(steering), commanded, effective))


def open_loop_errors(
    vehicle: VehicleConfig, trace: Sequence[SimtraceEpisode], horizons_s: Sequence[float] = HORIZONS_S
) -> NDArray[np.float64]:
    """Return mean distances [m] between predicted and logged front points at the horizons, shape (H,).

    Raises:
        SimtraceError: The trace is shorter than the longest horizon.
    """
    loop = OpenLoop(trace, horizons_s)
    if not len(loop.starts):
        raise SimtraceError(f"no stretch of this trace is {max(horizons_s):g} s long")
    return np.asarray(np.linalg.norm(loop.predict(vehicle) - loop.actual, axis=2).mean(axis=0))


@kernel
def _predict(
    cars: Array, vehicle: Array, starts: Array, first_rows: Array, times: Array, steering: Array, speed: Array,
    delay: float, steps: Array, dt: float, predicted: Array,
) -> None:  # fmt: skip
    """Predict from each start; write the front point after each of `steps` physics steps to `predicted`.

    Each physics step uses the mean of the delayed steering during it, so that the prediction is a smooth function of
    the delay. Commands before an episode's first row are unknown: the first one holds.
    """
    for k in range(starts.shape[0]):
        car, start, first = cars[k], starts[k], first_rows[k]
        last = steering.shape[0] - 1
        row = start  # its command is effective for the speed
        late = start  # and that of this row for the steering
        while late > first and times[late] > times[start] - delay:
            late -= 1
        done = 0
        for h in range(steps.shape[0]):
            for step in range(done, steps[h]):
                begin = times[start] + step * dt
                while row < last and times[row + 1] <= begin + 1e-9:
                    row += 1
                at, end, total = begin - delay, begin - delay + dt, 0.0
                while late < last and times[late + 1] < end:
                    held = times[late + 1] - at
                    if held > 0.0:
                        total += steering[late] * held
                        at = times[late + 1]
                    late += 1
                total += steering[late] * (end - at)
                drive_vehicle(car, vehicle[0], total / dt, speed[row], 1, dt)
            done = steps[h]
            predicted[k, h, 0] = car.x + FRONT_POINT * math.cos(car.yaw)
            predicted[k, h, 1] = car.y + FRONT_POINT * math.sin(car.yaw)
