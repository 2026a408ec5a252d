"""The way of an action to servo and motor: a command that takes effect later, in whole physics steps.

The vehicle: a dynamic single-track model with saturating, load-dependent tyres, a servo and a speed controller.

Equations of motion: single-track model, Althoff, Koschi, Manzinger, "CommonRoad: Vehicle Models", section on the
single-track and multi-body models (body-frame form). Tyres: brush model with parabolic pressure, after Fiala 1954
and Pacejka, "Tire and Vehicle Dynamics", chapter 3; the lateral limit is what the longitudinal force leaves of the
friction circle. Servo: first order with a rate limit. Motor: proportional speed control within the motor's
acceleration, its power, the brakes and the tyres.

Integration: the tyres' lateral forces are those of a linearly implicit Euler step of lateral speed and yaw rate with
the tyres' secant stiffness, so that the step is stable down to standstill (tyre damping grows as 1/speed), cut off at
the tyres' grip; the turn of the car's frame is stepped by the midpoint rule, the rest explicitly. A steady state of
the equations is one of the scheme. Below `BLEND_FAST` the result is blended with the kinematic model.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.jit import device


class ActionDelay(NamedTuple):
    """The delays of the cars' actions, and the commands that are on their way."""

    steps: NDArray[np.int32]
    """(N, C) physics steps from an action to its effect."""
    commands: NDArray[np.float64]
    """(N, C, R, 2): the last R commands, newest first, degrees and m/s; R is 0 where nothing is ever delayed."""


def make_action_delay(worlds: int, cars: int, *, longest: int = 0, substeps: int = 1) -> ActionDelay:
    """Room for delays of up to `longest` physics steps, `substeps` of which make a control step; none at first."""
    rows = 0 if longest <= 0 else math.ceil(longest / substeps) + 1
    return ActionDelay(np.zeros((worlds, cars), np.int32), np.zeros((worlds, cars, rows, 2)))


def clear_delay(delay: ActionDelay, which: NDArray[np.bool_]) -> None:
    """Let nothing be on its way to the cars that `which` (N, C) marks: wheels straight, standing."""
    if delay.commands.shape[2]:
        delay.commands[which] = 0.0


@device
def push_command(commands, steps, steering, speed, substeps):  # type: ignore[no-untyped-def]
    """Put a new command behind those on their way.

    Args:
        commands: (R, 2), newest first; changed in place.
        steps: physics steps from an action to its effect.

    Returns:
        How many physics steps of this control step the older command is held, and the row of the one that follows;
        the older one is in the next row.
    """
    for row in range(commands.shape[0] - 1, 0, -1):
        commands[row, 0] = commands[row - 1, 0]
        commands[row, 1] = commands[row - 1, 1]
    commands[0, 0], commands[0, 1] = steering, speed
    return steps % substeps, steps // substeps


GRAVITY = 9.81
"""m/s^2"""
BLEND_SLOW = 0.1
"""m/s; at and below, the car moves by the kinematic model."""
BLEND_FAST = 0.3
"""m/s; at and above, by the dynamic one."""
SLIP_SPEED_MIN = 0.05
"""m/s; keeps the slip (a ratio of speeds) finite at standstill."""
TURN_STEP_MAX = 0.5
"""rad of yaw in a physics step, ten turns a second at 120 Hz; the scheme is unstable from 2 on."""
_POWER_SPEED_MIN = 0.1
"""m/s; below, the power limit is that of this speed."""


@device
def tire_secant(slip: float, stiffness: float, force_max: float) -> float:
    """Lateral force over slip of the brush tyre, N; positive. The force is ``-secant * slip``.

    Args:
        slip: tangent of the slip angle.
        stiffness: cornering stiffness, N/rad.
        force_max: largest lateral force, N, above zero.

    With z = stiffness |slip| / (3 force_max): force = stiffness slip (1 - z + z^2/3) up to z = 1, then force_max
    (Pacejka, chapter 3, brush model in pure side slip).
    """
    size = abs(slip)
    z = stiffness * size / (3.0 * force_max)
    if z < 1.0:
        return stiffness * (1.0 - z + z * z / 3.0)
    return force_max / size


@device
def small_sin_cos(angle: float) -> tuple[float, float]:
    """Sine and cosine for |angle| up to about 0.6 rad, by series; within 1e-9 there."""
    a = angle * angle
    sine = angle * (1.0 - a / 6.0 * (1.0 - a / 20.0 * (1.0 - a / 42.0 * (1.0 - a / 72.0))))
    cosine = 1.0 - a / 2.0 * (1.0 - a / 12.0 * (1.0 - a / 30.0 * (1.0 - a / 56.0 * (1.0 - a / 90.0))))
    return sine, cosine


@device
def drive_vehicle(car, vehicle, steer_command, speed_command, substeps, dt):  # type: ignore[no-untyped-def]
    """Move one car through a control step of `substeps` physics steps of `dt` seconds.

    Args:
        car: CAR row, changed in place.
        vehicle: VEHICLE row.
        steer_command: rad, left positive.
        speed_command: m/s.
    """
    mass = vehicle.mass
    front, rear = vehicle.front, vehicle.rear
    base = front + rear
    load_share = mass / base
    friction = vehicle.friction
    inverse_mass = 1.0 / mass
    inverse_inertia = 1.0 / vehicle.yaw_inertia
    steer_target = vehicle.steer_gain * steer_command + vehicle.steer_offset
    steer_target = min(max(steer_target, -vehicle.steer_max), vehicle.steer_max)
    if vehicle.throttle_deadband > 0.0:
        beyond = abs(speed_command) - vehicle.throttle_deadband * vehicle.speed_max
        speed_command = math.copysign(max(beyond, 0.0) / (1.0 - vehicle.throttle_deadband), speed_command)
    speed_target = min(vehicle.throttle_gain * speed_command, vehicle.speed_max)
    # Exact for a held command: delta(t + dt) = target + (delta - target) exp(-dt / lag).
    steer_share = 1.0 - math.exp(-dt / vehicle.steer_lag) if vehicle.steer_lag > 0.0 else 1.0
    steer_step_max = vehicle.steer_rate_max * dt
    play = 0.5 * vehicle.steer_backlash
    # A faster controller than one that meets its target in a single step would swing about it.
    speed_gain = min(vehicle.speed_gain, 1.0 / dt)
    turn_max = TURN_STEP_MAX / dt

    x, y, yaw = car.x, car.y, car.yaw
    vx, vy, r = car.vx, car.vy, car.yaw_rate
    servo, steer, ax, ay = car.steer + car.slack, car.steer, car.ax, car.ay
    cos_yaw, sin_yaw = math.cos(yaw), math.sin(yaw)

    for _ in range(substeps):
        step = (steer_target - servo) * steer_share
        servo += min(max(step, -steer_step_max), steer_step_max)
        # The wheels stay where they are until the servo has taken up the play (the play operator of hysteresis).
        steer = min(max(steer, servo - play), servo + play)
        sin_d, cos_d = small_sin_cos(steer)

        # Motor and brakes: what the speed controller asks for, within the limits.
        demand = speed_gain * (speed_target - vx)
        motor_max = min(vehicle.accel_max, vehicle.power_max * inverse_mass / max(vx, _POWER_SPEED_MIN))
        demand = min(max(demand, -vehicle.brake_max), motor_max)
        share = vehicle.front_drive if demand > 0.0 else vehicle.front_brake

        # Axle loads with the longitudinal load transfer of the step before.
        load_front = max(load_share * (GRAVITY * rear - vehicle.cog_height * ax), 0.01 * mass)
        load_rear = max(load_share * (GRAVITY * front + vehicle.cog_height * ax), 0.01 * mass)
        grip_front, grip_rear = friction * load_front, friction * load_rear
        fx_front = min(max(mass * demand * share, -grip_front), grip_front)
        fx_rear = min(max(mass * demand * (1.0 - share), -grip_rear), grip_rear)
        # A sliver is left, so that the secant below stays finite when a wheel locks or spins.
        side_front = math.sqrt(max(grip_front * grip_front - fx_front * fx_front, 1e-6 * grip_front * grip_front))
        side_rear = math.sqrt(max(grip_rear * grip_rear - fx_rear * fx_rear, 1e-6 * grip_rear * grip_rear))

        # Slip of each axle: sideways over forward speed in the wheel's own frame.
        side_speed = vy + front * r
        inverse_front = 1.0 / max(abs(vx * cos_d + side_speed * sin_d), SLIP_SPEED_MIN)
        inverse_rear = 1.0 / max(abs(vx), SLIP_SPEED_MIN)
        slip_front = (side_speed * cos_d - vx * sin_d) * inverse_front
        slip_rear = (vy - rear * r) * inverse_rear
        k_front = tire_secant(slip_front, vehicle.stiffness_front * load_front, side_front) * inverse_front
        k_rear = tire_secant(slip_rear, vehicle.stiffness_rear * load_rear, side_rear) * inverse_rear

        # Implicit step of (vy, r): forces are -k (sideways speed at the end of the step). Cramer's rule.
        k_body = k_front * cos_d * cos_d
        push = (fx_front + k_front * cos_d * vx) * sin_d
        a11 = 1.0 + dt * inverse_mass * (k_body + k_rear)
        a12 = dt * (vx + inverse_mass * (k_body * front - k_rear * rear))
        a21 = dt * inverse_inertia * (k_body * front - k_rear * rear)
        a22 = 1.0 + dt * inverse_inertia * (k_body * front * front + k_rear * rear * rear)
        b1 = vy + dt * inverse_mass * push
        b2 = r + dt * inverse_inertia * front * push
        inverse = 1.0 / (a11 * a22 - a12 * a21)
        vy_new = (b1 * a22 - a12 * b2) * inverse
        r_new = (a11 * b2 - a21 * b1) * inverse

        # The secants are those of the slips before the step: what a jump of a slip adds is beyond the tyre's grip.
        force_front = -k_front * ((vy_new + front * r_new) * cos_d - vx * sin_d)
        force_front = min(max(force_front, -side_front), side_front)
        force_rear = min(max(-k_rear * (vy_new - rear * r_new), -side_rear), side_rear)
        push = force_front * cos_d + fx_front * sin_d
        r_new = r + dt * inverse_inertia * (front * push - rear * force_rear)
        r_new = min(max(r_new, -turn_max), turn_max)
        ax = inverse_mass * (fx_front * cos_d + fx_rear - force_front * sin_d)
        ay = inverse_mass * (push + force_rear)
        # The turn of the frame by the midpoint rule, which neither adds nor takes energy.
        half = 0.5 * dt * r_new
        forward = vx + dt * ax + half * vy
        sideways = vy + dt * ay - half * vx
        scale = 1.0 / (1.0 + half * half)
        vx_new = (forward + half * sideways) * scale
        vy_new = (sideways - half * forward) * scale

        pace = abs(vx_new) + abs(vy_new)
        if pace < BLEND_FAST:
            dynamic = max((pace - BLEND_SLOW) / (BLEND_FAST - BLEND_SLOW), 0.0)
            r_kinematic = vx_new * sin_d / (cos_d * base)
            r_new = dynamic * r_new + (1.0 - dynamic) * r_kinematic
            vy_new = dynamic * vy_new + (1.0 - dynamic) * rear * r_kinematic
            ay = (vy_new - vy) / dt + vx * r_new
        vx, vy, r = vx_new, vy_new, r_new

        # Position along the mean heading of the step; the frame is turned by half a step twice.
        sin_h, cos_h = small_sin_cos(0.5 * dt * r)
        cos_m = cos_yaw * cos_h - sin_yaw * sin_h
        sin_m = sin_yaw * cos_h + cos_yaw * sin_h
        x += dt * (vx * cos_m - vy * sin_m)
        y += dt * (vx * sin_m + vy * cos_m)
        cos_yaw = cos_m * cos_h - sin_m * sin_h
        sin_yaw = sin_m * cos_h + cos_m * sin_h
        yaw += dt * r

    if abs(yaw) > math.pi:  # by more than one turn in a long control step
        yaw -= 2.0 * math.pi * math.floor(yaw / (2.0 * math.pi) + 0.5)
    car.x, car.y, car.yaw = x, y, yaw
    car.vx, car.vy, car.yaw_rate = vx, vy, r
    car.steer, car.slack, car.ax, car.ay = steer, servo - steer, ax, ay
