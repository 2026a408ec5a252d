"""A distillation of seconds: a teacher made by hand, few cars, small pictures, a small network."""

import numpy as np
from handmade_bundle import CONTINUOUS, linear_answers, linear_onnx

from racer.bundle import GoldenSample, write_bundle
from racer.config.read import read_distill
from racer.contract import make_contract, state_sensor

WORLDS, STEPS = 8, 8
ROUND = WORLDS * STEPS
"""Frames of a round."""
SETTINGS = [
    "env.disturbance=none",
    "env.camera={width: 40, height: 30}",
    "preprocess={frames: 2}",
    "layers=[16]",
    "dagger.rounds=4",
    f"dagger.worlds={WORLDS}",
    f"dagger.steps={STEPS}",
    "dagger.gradient_steps=4",
    "dagger.batch_size=32",
    "dagger.teacher_rounds=2",
    "dagger.memory_mb=1",
    "dagger.evaluate_every=2",
    "dagger.evaluate_laps=1",
    "dagger.threads=1",
    "dagger.precision=float32",
    "teacher.train={worlds: 8, total_steps: 512, evaluate_every: 512, evaluate_laps: 1}",
    "teacher.ppo={n_steps: 32, batch_size: 64}",
]
TRACK = "easy_oval"


def tiny_distillation(*settings, **changes):
    """The shipped configuration, made tiny; `settings` and `changes` on top."""
    return read_distill(settings=[*SETTINGS, *settings], changes={"track": TRACK} | changes)


def write_teacher(path, *, look_ahead=(0.3, 0.6, 0.9), space=CONTINUOUS):
    """A bundle that steers for the point 0.6 m ahead at 1 m/s: it laps a wide track.

    A circle through the car and a point at (d, y) has curvature 2 y / d^2; the wheels turn by wheelbase times that.
    """
    contract = make_contract(sensors=(state_sensor(look_ahead),), action_space=space, control_rate_hz=15.0)
    sensor = contract.sensors[0]
    weights = {"w": np.zeros((sensor.size, 2), "f4"), "b": np.zeros(2, "f4")}
    weights["w"][sensor.fields.index("ahead1_y"), 0] = np.degrees(0.164 * 2.0 / 0.6**2) / 30.0
    low, high = space.low[1], space.high[1]
    weights["b"][1] = (1.0 - (high + low) / 2.0) / ((high - low) / 2.0)
    state = np.random.default_rng(5).normal(size=(16, sensor.size)).astype("f4")
    golden = GoldenSample(inputs={"state": state}, outputs=linear_answers(contract, weights, state))
    write_bundle(path, onnx=linear_onnx(contract, weights), contract=contract, weights=weights, golden=golden)
    return path
