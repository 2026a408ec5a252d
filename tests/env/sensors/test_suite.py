"""Sensors on every car of a world: each car sees what it would see as the first one."""

import numpy as np
import pytest

from racer.config.env import EnvConfig
from racer.config.read import read_disturbance, read_vehicle
from racer.env.sensors.suite import SensorSuite
from racer.sim.randomize.distributions import Disturbances, action_delay_max
from racer.sim.world import World
from support.tracks import ring

CONFIG = EnvConfig.model_validate(
    {
        "sensors": ["state", "lidar", "sector_lidar", "camera"],
        "lidar": {"rays": 12, "noise": 0.0},
        "sector_lidar": {"noise": 0.0, "distance": 1.5},
        "camera": {"width": 48, "height": 36},
    }
)
LATE = CONFIG.model_copy(update={"camera": CONFIG.camera.model_copy(update={"rate_hz": 20.0})})
VEHICLE = read_vehicle("deepracer")
CARS = 3


def world_of(order, disturbance=None):
    """A world whose slots hold the cars of `order`, started on a grid along the ring."""
    late = 0.0 if disturbance is None else action_delay_max(disturbance)
    world = World([ring()], VEHICLE, 2, cars=len(order), action_delay_max=late)
    world.reset()
    poses = np.zeros((2, len(order), 4))
    poses[:, :, 1] = 1.0 + 0.8 * np.array(order)
    poses[:, :, 2] = 0.2 * (np.array(order) - 1)
    world.place(poses)
    return world


def drive(order, config, steps=8):
    """Copies of what all cars of `order` saw, sensor -> (T, N, C, ...), by the numbers of the cars."""
    world = world_of(order)
    sensing = SensorSuite(world, config, cars="all")
    sensing.start()
    seen = []
    actions = np.zeros((2, len(order), 2))
    actions[:, :, 0], actions[:, :, 1] = 6.0, 0.7 + 0.3 * np.array(order)
    for step in range(steps + 1):
        if step:
            world.step(actions)
            sensing.observe()
        back = np.argsort(order)
        seen.append({name: values[:, back].copy() for name, values in sensing.observation.items()})
    return {name: np.stack([one[name] for one in seen]) for name in seen[0]}


@pytest.mark.parametrize("config", [CONFIG, LATE], ids=["now", "late"])
def test_no_slot_is_special(config):
    """Put the same cars into other slots: each sees the same, but for the colours of the others."""
    one, other = drive([0, 1, 2], config), drive([2, 0, 1], config)
    assert set(one) == {"state", "lidar", "sector_lidar", "camera"}
    for name in ("state", "lidar", "sector_lidar"):
        assert (one[name] == other[name]).all(), name
    assert one["camera"].shape == (9, 2, CARS, 36, 48, 1)
    # Cars are painted by their slots.
    differ = (one["camera"] != other["camera"]).mean()
    assert differ < 0.05
    assert (one["lidar"][-1, :, 0] != one["lidar"][-1, :, 1]).any()


@pytest.mark.parametrize("config", [CONFIG, LATE], ids=["now", "late"])
def test_alone_all_is_the_first(config):
    """Sense the only car of each world both ways: the same bits in another shape."""
    disturbance = read_disturbance("mild")
    told = []
    for cars in ("first", "all"):
        world = world_of([0], disturbance)
        disturbances = Disturbances(world, disturbance)
        disturbances.draw()
        world.reset()
        sensing = SensorSuite(world, config, disturbances, cars=cars)
        sensing.start()
        for _ in range(6):
            world.step(np.full((2, 1, 2), [5.0, 1.5]))
            sensing.observe()
        told.append({name: values.reshape(2, -1).copy() for name, values in sensing.observation.items()})
    for name in told[0]:
        assert (told[0][name] == told[1][name]).all(), name


def test_only_marked_cars_are_sensed():
    """Leave the buffers of the others as they are, and of a car that starts anew forget only its own past."""
    world = world_of([0, 1, 2])
    sensing = SensorSuite(world, LATE, cars="all")
    sensing.start()
    before = {name: values.copy() for name, values in sensing.observation.items()}
    for _ in range(4):
        world.step(np.full((2, 3, 2), [6.0, 1.5]))
        marked = np.zeros((2, 3), np.bool_)
        marked[0, 1] = True
        sensing.observe(marked)
    for name in ("state", "lidar", "camera"):
        changed = (sensing.observation[name] != before[name]).reshape(2, 3, -1).any(axis=2)
        assert changed.tolist() == [[False, True, False], [False] * 3], name
    kept = sensing.observation["camera"].copy()
    poses = np.zeros((2, 3, 4))
    poses[:, :, 1] = 6.0
    marked[:] = False
    marked[1, 2] = True
    world.place(poses, marked)
    sensing.start(marked)
    changed = (sensing.observation["camera"] != kept).reshape(2, 3, -1).any(axis=2)
    assert changed.tolist() == [[False] * 3, [False, False, True]]
    assert world.cars["steps"][1].tolist() == [5, 5, 1]
