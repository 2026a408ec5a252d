"""Same seed, same bits: reruns, worlds alone and in a batch, threads, and the interpreter."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from racer.sim.world import StartOptions, World
from support.naive_course import VEHICLE, ring
from support.processes import environment
from support.tracks import figure_of_eight, straight, uneven

START = StartOptions(mode="random", direction="either", lateral_share=0.4, heading_error_max=0.2)
TRACKS = [ring(), uneven(), straight(), figure_of_eight()]


def bits(table):
    """The bytes of each field of a table; what pads its rows is nobody's."""
    return {name: np.ascontiguousarray(table[name]).tobytes() for name in table.dtype.names}


def trajectory(world, steps=40, seed=2):
    """Copies of (cars, telemetry, things, state) after each of some steps; ended cars start again.

    The actions belong to the worlds' numbers, so that a world gets the same ones in any batch.
    """
    world.reset()
    frames = []
    distances = np.array([0.5, 1.0, 2.5])
    state = np.zeros((*world.cars.shape, 8 + 4 * len(distances)), np.float32)
    noise = np.random.default_rng(seed).uniform([-30, 0.3], [30, 3.5], (steps, 400, 4, 2))
    for step in range(steps):
        world.step(np.ascontiguousarray(noise[step, world.world_ids % 400, : world.cars.shape[1]]))
        world.observe_state(distances, state)
        frames.append((world.cars.copy(), world.telemetry.copy(), world.object_telemetry.copy(), state.copy()))
        if world.ended.any():
            world.reset(world.ended)
    return frames


def same(one, other):
    """Whether two trajectories are equal, bit for bit."""
    return all(
        a.tobytes() == b.tobytes() if a.dtype.names is None else bits(a) == bits(b)
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def make(worlds, **rest):
    """Worlds on four kinds of track."""
    return World(TRACKS, VEHICLE, worlds, **({"start": START, "seed": 11, "cars": 2, "objects": 1} | rest))


def test_the_same_seed_gives_the_same_bits():
    """Check two runs of the same world, and of one world reseeded; another seed differs."""
    world = make(20)
    first = trajectory(world)
    again = trajectory(make(20))
    assert same(first, again)
    world.seed(11)
    assert same(trajectory(world), first)
    assert not same(trajectory(make(20, seed=12)), first)


@pytest.mark.parametrize("start", [START, StartOptions(direction="alternate", lateral_share=0.3)])
@pytest.mark.parametrize("cars", [1, 2])
def test_a_world_alone_is_the_world_in_the_batch(start, cars):
    """Check every world of a batch against itself alone: starts, streams, contacts and restarts."""
    batch = trajectory(make(7, start=start, cars=cars))
    for i in range(7):
        alone = trajectory(make(1, start=start, cars=cars, first_world=i))
        for frame, single in zip(batch, alone, strict=True):
            assert same([[table[i : i + 1] for table in frame]], [single])


def test_threads_do_not_change_a_bit():
    """Check one thread against two and three on enough worlds for all of them to get some."""
    one, two, three = (trajectory(make(200, threads=threads), steps=12) for threads in (1, 2, 3))
    assert same(one, two) and same(one, three)


SCRIPT = """
import pickle, sys
import numba
from test_determinism import make, trajectory
frames = trajectory(make(3), steps=15)
pickle.dump((numba.config.DISABLE_JIT, frames), open(sys.argv[1], "wb"))
"""


def test_the_interpreter_agrees_with_the_compiler(tmp_path):
    """Run a small world as plain Python (NUMBA_DISABLE_JIT=1): the same to 1e-9, integers exactly."""
    out = tmp_path / "frames.pickle"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(out)],
        env=environment(Path(__file__).parent, NUMBA_DISABLE_JIT="1"), check=True, timeout=240,
    )  # fmt: skip
    disabled, plain = pickle.loads(out.read_bytes())
    assert disabled == 1
    for frame, expected in zip(trajectory(make(3), steps=15), plain, strict=True):
        for table, other in zip(frame[:3], expected[:3], strict=True):
            for name in table.dtype.names:
                if table.dtype[name].kind == "f":
                    assert np.abs(table[name] - other[name]).max() <= 1e-9, name
                else:
                    assert (table[name] == other[name]).all(), name
