"""The vehicle: a dynamic single-track model with saturating, load-dependent tyres, a servo and a speed controller.

Symbols: v_x, v_y speed of the centre of gravity ahead and to the left; r yaw rate; delta angle of the front wheels;
l_f, l_r distances of the axles from the centre of gravity, L = l_f + l_r; h its height; m mass; I yaw inertia; F_x, F_y
forces of an axle in its wheels' frame; F_z its load; mu friction. Equations, after Althoff, Koschi, Manzinger,
"CommonRoad: Vehicle Models" (single-track and multi-body models, body frame) but for the tyres:

    (1)  m (dv_x/dt - v_y r) = F_xf cos delta - F_yf sin delta + F_xr
    (2)  m (dv_y/dt + v_x r) = F_yf cos delta + F_xf sin delta + F_yr
    (3)  I dr/dt = l_f (F_yf cos delta + F_xf sin delta) - l_r F_yr
    (4)  F_zf = m (g l_r - h a_x) / L,  F_zr = m (g l_f + h a_x) / L
    (5)  s_f = ((v_y + l_f r) cos delta - v_x sin delta) / |v_x cos delta + (v_y + l_f r) sin delta|,
         s_r = (v_y - l_r r) / |v_x|
    (6)  F_y = -C s (1 - z + z^2/3), z = C |s| / (3 F_max), up to z = 1; then F_max against s
    (7)  F_max^2 = (mu F_z)^2 - F_x^2
    (8)  kinematic model: r = v_x tan(delta) / L, v_y = l_r r

(6) is the brush model with parabolic pressure, after Fiala 1954 and Pacejka, "Tire and Vehicle Dynamics", chapter 3;
(7) the friction circle. Servo: first order with a rate limit. Motor: proportional speed control within the motor's
acceleration, its power, the brakes and the tyres.

Integration: the tyres' lateral forces are those of a linearly implicit Euler step of lateral speed and yaw rate with
the tyres' secant stiffness, so that the step is stable down to standstill (tyre damping grows as 1/speed), cut off at
the tyres' grip; the turn of the car's frame is stepped by the midpoint rule, the rest explicitly. A steady state of
the equations is one of the scheme. Below `BLEND_FAST` the result is blended with the kinematic model.

Steering: a command passes a transport delay, the steering map (`effective_steering`), gain and trim, then the servo.
The delays are whole physics steps: `steer_delay` of the vehicle holds for the steering alone, `ActionDelay.steps` for
steering and speed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.dtypes import Array, Car, Vehicle
from racer.sim.jit import device, force_inline


class ActionDelay(NamedTuple):
    """Delays of the cars' actions, and the commands that have not taken effect yet."""

    steps: NDArray[np.int32]
    """Physics steps from an action to its effect, shape (N, C); the steering is later by the vehicle's delay."""
    commands: NDArray[np.float64]
    """Last R commands, newest first, steering angle [degrees] and speed [m/s], shape (N, C, R, 2).

    R is 0 where no action is ever delayed.
    """


def make_action_delay(worlds: int, cars: int, *, longest: int = 0, substeps: int = 1) -> ActionDelay:
    """Make the buffers for delays of up to `longest` physics steps, `substeps` per control step; all delays are 0.

    `longest` is the sum of the largest delay of the action and that of the steering.
    """
    rows = 0 if longest <= 0 else math.ceil(longest / substeps) + 1
    return ActionDelay(np.zeros((worlds, cars), np.int32), np.zeros((worlds, cars, rows, 2)))


def clear_delay(delay: ActionDelay, which: NDArray[np.bool_]) -> None:
    """Replace all delayed commands of the marked cars, shape (N, C), by straight wheels and standstill."""
    if delay.commands.shape[2]:
        delay.commands[which] = 0.0


@device
def push_command(commands: Array, steering: float, speed: float) -> None:
    """Insert a new command before the delayed ones.

    Args:
        commands: Commands, shape (R, 2), newest first; changed in place.
        steering: Steering angle of the new command [degrees].
        speed: Speed of the new command [m/s].
    """
    for row in range(commands.shape[0] - 1, 0, -1):
        commands[row, 0] = commands[row - 1, 0]
        commands[row, 1] = commands[row - 1, 1]
    commands[0, 0], commands[0, 1] = steering, speed


@device
def delayed_rows(rows: int, steps: int, substeps: int) -> tuple[int, int, int]:
    """Return which delayed commands hold in a control step.

    With 8 substeps and a delay of 11 steps the command of row 2 holds for 3 steps, then that of row 1 for 5: (3, 2, 1).

    Args:
        rows: Number of delayed commands R; a longer delay than they cover is shortened to R - 1 control steps.
        steps: Delay [physics steps].
        substeps: Physics steps in a control step.

    Returns:
        The number of physics steps for which the older command still holds, its row, and that of the command that
        follows it.
    """
    steps = min(steps, (rows - 1) * substeps)
    row = steps // substeps
    # Where the newer command holds from the first step on, the older one may be in no row.
    return steps % substeps, min(row + 1, rows - 1), row


GRAVITY = 9.81
"""Standard gravity [m/s^2]."""
BLEND_SLOW = 0.1
"""Speed up to which the car moves by the kinematic model [m/s]."""
BLEND_FAST = 0.3
"""Speed from which on the car moves by the dynamic model [m/s]."""
SLIP_SPEED_MIN = 0.05
"""Least denominator of a slip, which is a ratio of speeds [m/s]; keeps it finite at standstill."""
TURN_STEP_MAX = 0.5
"""Largest turn in a physics step [rad], ten turns a second at 120 Hz; the scheme is unstable from 2 on."""
_POWER_SPEED_MIN = 0.1
"""Speed below which the power limit is that of this speed [m/s]."""
_LOAD_MIN = 0.01
"""Least load of an axle over the mass [m/s^2]; keeps the tyre model finite where an axle lifts off."""


@device
def tire_secant(slip: float, stiffness: float, force_max: float) -> float:
    """Return the lateral force over the slip of the brush tyre [N], positive; the force is ``-secant * slip``.

    Args:
        slip: Tangent of the slip angle.
        stiffness: Cornering stiffness [N/rad].
        force_max: Largest lateral force [N], above zero.
    """
    size = abs(slip)
    z = stiffness * size / (3.0 * force_max)
    if z < 1.0:  # equation 6
        return stiffness * (1.0 - z + z * z / 3.0)
    return force_max / size


@device
def small_sin_cos(angle: float) -> tuple[float, float]:
    """Return sine and cosine by series, within 1e-9 for |angle| up to about 0.6 rad."""
    a = angle * angle
    sine = angle * (1.0 - a / 6.0 * (1.0 - a / 20.0 * (1.0 - a / 42.0 * (1.0 - a / 72.0))))
    cosine = 1.0 - a / 2.0 * (1.0 - a / 12.0 * (1.0 - a / 30.0 * (1.0 - a / 56.0 * (1.0 - a / 90.0))))
    return sine, cosine


@device
def effective_steering(vehicle: Vehicle, command: float) -> float:
    """Return the effective steering angle [rad] of a commanded one [rad], by the vehicle's steering map.

    The map is odd, passes through the origin, is linear between its pairs and constant beyond the last one; it is exact
    at its pairs. Without pairs it is the identity.
    """
    count = vehicle.steer_map_count
    if count == 0:
        return command
    size = abs(command)
    below, angle = 0.0, 0.0
    for k in range(count):
        if size < vehicle.steer_map_commands[k]:
            fraction = (size - below) / (vehicle.steer_map_commands[k] - below)
            return math.copysign(angle + fraction * (vehicle.steer_map_angles[k] - angle), command)
        below, angle = vehicle.steer_map_commands[k], vehicle.steer_map_angles[k]
    return math.copysign(angle, command)


@device
def _steer_target(vehicle: Vehicle, command: float) -> float:
    """Return the target of the servo [rad] for a commanded angle [rad], with the vehicle's errors and limits."""
    target = vehicle.steer_gain * effective_steering(vehicle, command) + vehicle.steer_offset
    return min(max(target, -vehicle.steer_max), vehicle.steer_max)


@device
def _speed_target(vehicle: Vehicle, speed_command: float) -> float:
    """Return the target of the motor [m/s] for a commanded speed [m/s], with the vehicle's errors and limits."""
    if vehicle.throttle_deadband > 0.0:
        beyond = abs(speed_command) - vehicle.throttle_deadband * vehicle.speed_max
        speed_command = math.copysign(max(beyond, 0.0) / (1.0 - vehicle.throttle_deadband), speed_command)
    return min(vehicle.throttle_gain * speed_command, vehicle.speed_max)


@force_inline
def _demanded_acceleration(vehicle: Vehicle, demand: float, vx: float, inverse_mass: float) -> tuple[float, float]:
    """Return a demanded acceleration within the limits of motor and brakes [m/s^2], and its fraction in front."""
    motor_max = min(vehicle.accel_max, vehicle.power_max * inverse_mass / max(vx, _POWER_SPEED_MIN))
    demand = min(max(demand, -vehicle.brake_max), motor_max)
    return demand, vehicle.front_drive if demand > 0.0 else vehicle.front_brake


@force_inline
def _axle_limits(friction: float, load: float, force: float) -> tuple[float, float]:
    """Return the longitudinal force of an axle within its grip [N], and the largest lateral force beside it [N]."""
    grip = friction * load
    fx = min(max(force, -grip), grip)
    # Equation 7. A remainder of 0.1 % keeps the secant finite when a wheel locks or spins.
    return fx, math.sqrt(max(grip * grip - fx * fx, 1e-6 * grip * grip))


@force_inline
def _tire_secants(
    vehicle: Vehicle, body: tuple[float, float, float, float], motion: tuple[float, float, float],
    steering: tuple[float, float], loads: tuple[float, float], limits: tuple[float, float],
) -> tuple[float, float]:  # fmt: skip
    """Return the lateral force over the sideways speed of each axle's wheels [N s/m].

    Arguments as of `_lateral_forces`; `loads` are those of the axles [N].
    """
    front, rear, _, _ = body
    vx, vy, r = motion
    sin_d, cos_d = steering
    # Equation 5: sideways over forward speed in the wheels' own frame.
    side_speed = vy + front * r
    inverse_front = 1.0 / max(abs(vx * cos_d + side_speed * sin_d), SLIP_SPEED_MIN)
    inverse_rear = 1.0 / max(abs(vx), SLIP_SPEED_MIN)
    slip_front = (side_speed * cos_d - vx * sin_d) * inverse_front
    slip_rear = (vy - rear * r) * inverse_rear
    return (
        tire_secant(slip_front, vehicle.stiffness_front * loads[0], limits[0]) * inverse_front,
        tire_secant(slip_rear, vehicle.stiffness_rear * loads[1], limits[1]) * inverse_rear,
    )


@force_inline
def _turn_frame(vx: float, vy: float, ax: float, ay: float, r: float, dt: float) -> tuple[float, float]:
    """Return the speeds (v_x, v_y) [m/s] after a step of `dt` [s] in a frame that turns at `r` [rad/s].

    The terms v_y r and v_x r of equations 1 and 2 by the midpoint rule, which neither adds nor removes energy.
    """
    half = 0.5 * dt * r
    forward = vx + dt * ax + half * vy
    sideways = vy + dt * ay - half * vx
    scale = 1.0 / (1.0 + half * half)
    return (forward + half * sideways) * scale, (sideways - half * forward) * scale


@force_inline
def _lateral_forces(
    body: tuple[float, float, float, float], motion: tuple[float, float, float], steering: tuple[float, float],
    secants: tuple[float, float], limits: tuple[float, float], fx_front: float, dt: float,
) -> tuple[float, float]:  # fmt: skip
    """Return the lateral forces of both axles [N], from an implicit step of (v_y, r).

    Args:
        body: l_f, l_r [m], 1 / m [1/kg] and 1 / I [1/(kg m^2)].
        motion: v_x, v_y [m/s] and r [rad/s] before the step.
        steering: Sine and cosine of delta.
        secants: Lateral force over sideways speed of each axle [N s/m].
        limits: Largest lateral force of each axle [N].
        fx_front: Longitudinal force of the front axle [N].
        dt: Length of the step [s].
    """
    front, rear, inverse_mass, inverse_inertia = body
    vx, vy, r = motion
    sin_d, cos_d = steering
    k_front, k_rear = secants
    # Equations 2 and 3 with F_y = -k (sideways speed at the end of the step), a linear system for v_y and r at the end
    # of the step; Cramer's rule.
    k_body = k_front * cos_d * cos_d
    push = (fx_front + k_front * cos_d * vx) * sin_d
    a11 = 1.0 + dt * inverse_mass * (k_body + k_rear)
    a12 = dt * (vx + inverse_mass * (k_body * front - k_rear * rear))
    a21 = dt * inverse_inertia * (k_body * front - k_rear * rear)
    a22 = 1.0 + dt * inverse_inertia * (k_body * front * front + k_rear * rear * rear)
    b1 = vy + dt * inverse_mass * push
    b2 = r + dt * inverse_inertia * front * push
    inverse = 1.0 / (a11 * a22 - a12 * a21)
    vy_end = (b1 * a22 - a12 * b2) * inverse
    r_end = (a11 * b2 - a21 * b1) * inverse
    # The secants are those of the slips before the step: where a slip jumps, the force could exceed the tyre's grip.
    force_front = -k_front * ((vy_end + front * r_end) * cos_d - vx * sin_d)
    force_front = min(max(force_front, -limits[0]), limits[0])
    return force_front, min(max(-k_rear * (vy_end - rear * r_end), -limits[1]), limits[1])


@force_inline
def _blend_kinematic(
    body: tuple[float, float, float, float], motion: tuple[float, float, float], steering: tuple[float, float]
) -> tuple[float, float]:
    """Return v_y [m/s] and r [rad/s] blended with the kinematic model; arguments as of `_lateral_forces`."""
    front, rear, _, _ = body
    vx, vy, r = motion
    sin_d, cos_d = steering
    dynamic = max((abs(vx) + abs(vy) - BLEND_SLOW) / (BLEND_FAST - BLEND_SLOW), 0.0)
    r_kinematic = vx * sin_d / (cos_d * (front + rear))  # equation 8
    return dynamic * vy + (1.0 - dynamic) * rear * r_kinematic, dynamic * r + (1.0 - dynamic) * r_kinematic


@force_inline
def _move_pose(
    pose: tuple[float, float, float, float], motion: tuple[float, float, float], dt: float
) -> tuple[float, float, float, float]:
    """Return a pose after a step of `dt` [s]: x, y [m], cosine and sine of the yaw; motion as of `_lateral_forces`."""
    x, y, cos_yaw, sin_yaw = pose
    vx, vy, r = motion
    # Position along the mean heading of the step; the frame turns by half a step twice.
    sin_h, cos_h = small_sin_cos(0.5 * dt * r)
    cos_m = cos_yaw * cos_h - sin_yaw * sin_h
    sin_m = sin_yaw * cos_h + cos_yaw * sin_h
    x += dt * (vx * cos_m - vy * sin_m)
    y += dt * (vx * sin_m + vy * cos_m)
    return x, y, cos_m * cos_h - sin_m * sin_h, sin_m * cos_h + cos_m * sin_h


@device
def drive_vehicle(
    car: Car, vehicle: Vehicle, steer_command: float, speed_command: float, substeps: int, dt: float,
    steer_before: float = 0.0, steps_before: int = 0,
) -> None:  # fmt: skip
    """Move one car through `substeps` physics steps under a command.

    Args:
        car: CAR row, changed in place.
        vehicle: VEHICLE row; its steering delay is the caller's part.
        steer_command: Steering angle [rad], left positive.
        speed_command: Speed [m/s].
        substeps: Number of physics steps.
        dt: Length of a physics step [s].
        steer_before: Steering angle of the first `steps_before` physics steps [rad].
        steps_before: Number of physics steps until `steer_command` takes effect.
    """
    mass, front, rear = vehicle.mass, vehicle.front, vehicle.rear
    load_share = mass / (front + rear)
    inverse_mass, inverse_inertia = 1.0 / mass, 1.0 / vehicle.yaw_inertia
    body = (front, rear, inverse_mass, inverse_inertia)
    steer_target, speed_target = _steer_target(vehicle, steer_command), _speed_target(vehicle, speed_command)
    target = _steer_target(vehicle, steer_before) if steps_before > 0 else steer_target
    # Exact for a held command: delta(t + dt) = target + (delta - target) exp(-dt / lag).
    steer_share = 1.0 - math.exp(-dt / vehicle.steer_lag) if vehicle.steer_lag > 0.0 else 1.0
    steer_step_max = vehicle.steer_rate_max * dt
    play = 0.5 * vehicle.steer_backlash
    # A faster controller than one that meets its target in a single step would oscillate about it.
    speed_gain = min(vehicle.speed_gain, 1.0 / dt)
    turn_max = TURN_STEP_MAX / dt

    x, y, yaw = car.x, car.y, car.yaw
    vx, vy, r = car.vx, car.vy, car.yaw_rate
    servo, steer, ax, ay = car.steer + car.backlash_offset, car.steer, car.ax, car.ay
    cos_yaw, sin_yaw = math.cos(yaw), math.sin(yaw)

    for k in range(substeps):
        # One call with a change of the target costs less than two calls, each with its own exponential and sines.
        if k == steps_before:
            target = steer_target
        step = (target - servo) * steer_share
        servo += min(max(step, -steer_step_max), steer_step_max)
        # The wheels move only after the servo has crossed the play (the play operator of hysteresis).
        steer = min(max(steer, servo - play), servo + play)
        sin_d, cos_d = small_sin_cos(steer)

        demand, front_share = _demanded_acceleration(vehicle, speed_gain * (speed_target - vx), vx, inverse_mass)
        # Equation 4, with the acceleration of the step before.
        load_front = max(load_share * (GRAVITY * rear - vehicle.cog_height * ax), _LOAD_MIN * mass)
        load_rear = max(load_share * (GRAVITY * front + vehicle.cog_height * ax), _LOAD_MIN * mass)
        fx_front, fy_front_max = _axle_limits(vehicle.friction, load_front, mass * demand * front_share)
        fx_rear, fy_rear_max = _axle_limits(vehicle.friction, load_rear, mass * demand * (1.0 - front_share))

        motion, steering, limits = (vx, vy, r), (sin_d, cos_d), (fy_front_max, fy_rear_max)
        secants = _tire_secants(vehicle, body, motion, steering, (load_front, load_rear), limits)
        fy_front, fy_rear = _lateral_forces(body, motion, steering, secants, limits, fx_front, dt)

        # Equations 3, 1 and 2.
        push = fy_front * cos_d + fx_front * sin_d
        r_new = r + dt * inverse_inertia * (front * push - rear * fy_rear)
        r_new = min(max(r_new, -turn_max), turn_max)
        ax = inverse_mass * (fx_front * cos_d + fx_rear - fy_front * sin_d)
        ay = inverse_mass * (push + fy_rear)
        vx_new, vy_new = _turn_frame(vx, vy, ax, ay, r_new, dt)
        if abs(vx_new) + abs(vy_new) < BLEND_FAST:
            vy_new, r_new = _blend_kinematic(body, (vx_new, vy_new, r_new), steering)
            ay = (vy_new - vy) / dt + vx * r_new
        vx, vy, r = vx_new, vy_new, r_new

        x, y, cos_yaw, sin_yaw = _move_pose((x, y, cos_yaw, sin_yaw), (vx, vy, r), dt)
        yaw += dt * r

    if abs(yaw) > math.pi:  # by more than one turn in a long control step
        yaw -= 2.0 * math.pi * math.floor(yaw / (2.0 * math.pi) + 0.5)
    car.x, car.y, car.yaw = x, y, yaw
    car.vx, car.vy, car.yaw_rate = vx, vy, r
    car.steer, car.backlash_offset, car.ax, car.ay = steer, servo - steer, ax, ay
