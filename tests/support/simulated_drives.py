"""Drives of a simulated car with known parameters, recorded through the recorder into a file, with noisy sensors."""

import math
from pathlib import Path

import numpy as np

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import ActuatorState, StopReason
from racer.car.recording.drive_file import DriveHeader, FileStorage
from racer.car.recording.recorder import ControlStep, DriveRecorder
from racer.config.actions import ContinuousActions
from racer.config.read import read_vehicle
from racer.deepracer.trace import EpisodeTrace, simtrace
from racer.sim.dtypes import EpisodeStatus
from racer.sim.world import World
from racer.track.track import Track

RATE_HZ = 60.0
"""Sensors; commands change four times more slowly, at 15 Hz."""
HELD = 4
NOISE = {"speed": 0.03, "yaw_rate": 0.05, "xy": 0.005, "yaw": 0.01}
"""m/s, rad/s, m and rad: a wheel sensor, a cheap gyroscope, a mat with a camera above."""
START_NS = 5_000_000_000


def wide_circle():
    """A road 38 m wide round a circle, so that nothing ends a drive."""
    turn = np.linspace(0.0, 2.0 * np.pi, 200, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return Track(name="wide", center=20.0 * ring, left=1.0 * ring, right=39.0 * ring, closed=True)


def excitation(seconds, rng):
    """Commands, degrees and m/s at 15 Hz: steps of steering to both sides and steps of speed, held for 0.2..1 s."""
    rows = []
    while len(rows) < seconds * RATE_HZ / HELD:
        steering, speed = rng.uniform(-25.0, 25.0), rng.uniform(0.4, 1.6)
        rows += [(steering, speed)] * int(rng.integers(3, 16))
    return np.array(rows)


def drive(seconds, truth, *, latency_steps, seed, actions=None):
    """Drive `deepracer_geometric` changed by `truth`: actions, and x, y, yaw, speed and yaw rate at 60 Hz."""
    rng = np.random.default_rng(seed)
    world = World(
        [wide_circle()], read_vehicle("deepracer_geometric"), 1, control_dt=1.0 / RATE_HZ, action_delay_max=0.5
    )
    world.steps_max = 10**9
    for name, value in truth.items():
        world.vehicles[name] = value
    world.reset()
    world.delay.steps[:] = latency_steps
    actions = excitation(seconds, rng) if actions is None else actions
    rows = []
    for action in np.repeat(actions, HELD, axis=0)[: int(seconds * RATE_HZ)]:
        world.cars["backward_steps"] = world.cars["stuck_steps"] = 0  # this car may go where it wants
        world.step(action[None, None, :].astype(np.float64))
        assert not world.ended.any()
        rows.append([world.cars[name][0, 0] for name in ("x", "y", "yaw", "vx", "yaw_rate")])
    world.close()
    return actions, np.array(rows), rng


def record(path, seconds, truth, *, latency_steps=7, seed=0, channels=("speed", "yaw_rate"), noise=1.0, actions=None):
    """A recorded drive of such a car; its path."""
    actions, moved, rng = drive(seconds, truth, latency_steps=latency_steps, seed=seed, actions=actions)
    recorder = DriveRecorder(lambda: FileStorage(Path(path)), DriveHeader(car_id="simulated", started_ns=START_NS))
    for k in range(len(moved)):
        at = START_NS + round(k * 1e9 / RATE_HZ)
        if k % HELD == 0:
            _step(recorder, k // HELD, at, *actions[k // HELD])
        values = {}
        x, y, yaw, speed, yaw_rate = moved[k]
        if "speed" in channels:
            values["speed"] = speed + noise * rng.normal(0.0, NOISE["speed"])
        if "yaw_rate" in channels:
            values["yaw_rate"] = yaw_rate + noise * rng.normal(0.0, NOISE["yaw_rate"])
        if "pose" in channels:
            x, y = (v + noise * rng.normal(0.0, NOISE["xy"]) for v in (x, y))
            turned = yaw + noise * rng.normal(0.0, NOISE["yaw"])
            values |= {"x": x, "y": y, "yaw": math.remainder(turned, 2.0 * math.pi)}
        recorder.measured(at + round(1e9 / RATE_HZ), **values)
        recorder.drain()
    recorder.close()
    assert not recorder.status().failure
    return Path(path)


def _step(recorder, number, at, steering, speed):
    """A command that reached the bus at `at`, made from a frame that was taken 40 ms before and sent 2 ms before."""
    recorder.step(
        ControlStep(
            number=number, input_id=number, captured_ns=at - 40_000_000, started_ns=at - 12_000_000,
            answered_ns=at - 3_000_000, sent_ns=at - 2_000_000, asked_steering_deg=steering, asked_speed=speed,
            applied_steering_deg=steering, applied_speed=speed, speed_limit=1.0, steering_us=1450, throttle_us=1400,
        )
    )  # fmt: skip
    recorder.actuator(
        ActuatorStatus(
            ActuatorState.DRIVING,
            StopReason.NONE,
            StopReason.NONE,
            0,
            at,
            0,
            number,
            number,
            at,
            1450,
            1400,
            0,
            0,
            0,
            "",
        )
    )


def record_simtrace(path, seconds, vehicle, *, seed=0, actions=None):
    """Write the simtrace of an episode of random steps that a car of `vehicle` drives; its path."""
    world = World([wide_circle()], vehicle, 1, control_dt=HELD / RATE_HZ)
    world.steps_max = 10**9
    world.reset()
    trace = EpisodeTrace(1, world.control_dt)
    trace.started(world.telemetry[:, 0])
    actions = excitation(seconds, np.random.default_rng(seed)) if actions is None else actions
    status = np.full(1, EpisodeStatus.IN_PROGRESS, np.int32)
    for k, action in enumerate(actions):
        world.cars["backward_steps"] = world.cars["stuck_steps"] = 0  # this car may go where it wants
        world.step(action[None, None, :].astype(np.float64))
        assert not world.ended.any()
        if k == len(actions) - 1:
            status[:] = EpisodeStatus.TIME_UP
        episodes = trace.stepped(world.telemetry[:, 0], status, np.zeros(1))
    world.close()
    center = [tuple(point) for point in wide_circle().center]
    Path(path).write_text(simtrace(episodes, first=0, actions=ContinuousActions(), waypoints=[center]))
    return Path(path)
