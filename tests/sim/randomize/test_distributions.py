"""What episodes draw: bounds and shapes of the distributions, streams, vehicles, and actions on their way."""

import math

import numpy as np
import pytest

from racer.config.disturbance import DisturbanceConfig, disturbance_entries
from racer.sim.randomize.distributions import EPISODE_VALUES, Disturbances, action_delay_max
from racer.sim.world import World, vehicle_row
from support.naive_course import ring
from support.vehicles import load_vehicle as vehicle

DEGREES = math.pi / 180.0


def drawn(config, worlds=3000, seed=5, episode=0, **rest):
    """The values of one episode of many worlds."""
    world = World([ring()], vehicle(), worlds, seed=seed, **rest)
    world.cars["episode"] = episode
    given = Disturbances(world, DisturbanceConfig.model_validate(config))
    given.draw()
    return given, world


def test_the_rows_have_a_field_for_each_entry():
    """Name the drawn values after the entries of the configuration."""
    assert EPISODE_VALUES.names == tuple(name.replace(".", "_") for name in disturbance_entries(DisturbanceConfig()))


def test_distributions():
    """Stay within the bounds, with the means and the spreads of the textbook."""
    config = {
        "camera": {"pitch_deg": {"uniform": [-3, 1]}, "roll_deg": {"normal": [1, 2]}},
        "image": {"gamma": {"log_uniform": [0.5, 2]}, "glare": {"choice": [10, 20, 60]}, "exposure": 1.25},
    }
    rows = drawn(config)[0].drawn[:, 0]
    count, error = len(rows), 5.0 / math.sqrt(len(rows))  # five standard errors
    pitch = rows["camera_pitch_deg"]
    assert -3.0 <= pitch.min() < -2.9 and 0.9 < pitch.max() <= 1.0
    assert pitch.mean() == pytest.approx(-1.0, abs=error * 4.0 / math.sqrt(12.0))
    gamma = rows["image_gamma"]
    assert 0.5 <= gamma.min() < 0.52 and 1.95 < gamma.max() <= 2.0
    assert np.log(gamma).mean() == pytest.approx(0.0, abs=error * math.log(4.0) / math.sqrt(12.0))
    roll = rows["camera_roll_deg"]
    assert np.abs(roll - 1.0).max() <= 6.0
    assert roll.mean() == pytest.approx(1.0, abs=error * 2.0) and roll.std() == pytest.approx(2.0, rel=0.07)
    glare = rows["image_glare"]
    for value in (10.0, 20.0, 60.0):
        assert (glare == value).sum() == pytest.approx(count / 3.0, abs=5.0 * math.sqrt(count * 2.0 / 9.0))
    assert (rows["image_exposure"] == 1.25).all() and np.isnan(rows["vehicle_friction"]).all()
    assert abs(np.corrcoef(pitch, roll)[0, 1]) < error


def test_streams_belong_to_seed_world_slot_and_episode():
    """Draw the same again for the same, and something else where any of them differs."""
    config = {"camera": {"pitch_deg": {"uniform": [-3, 3]}}}

    def pitches(**rest):
        return drawn(config, **({"worlds": 6, "cars": 2} | rest))[0].drawn["camera_pitch_deg"]

    first = pitches()
    np.testing.assert_array_equal(pitches(), first)
    np.testing.assert_array_equal(pitches(worlds=2, first_world=3), first[3:5])
    assert len(np.unique(first)) == first.size
    for other in (pitches(seed=6), pitches(episode=1), pitches(first_world=6)):
        assert not np.isin(other, first).any()


def test_an_entry_does_not_move_another():
    """Draw the same pitch whatever else is drawn."""
    pitch = {"pitch_deg": {"uniform": [-3, 3]}}
    alone = drawn({"camera": pitch}, 50)[0].drawn["camera_pitch_deg"]
    more = drawn({"camera": pitch | {"height": {"uniform": [0.9, 1.1]}}, "vehicle": {"friction": 1.0}}, 50)
    np.testing.assert_array_equal(more[0].drawn["camera_pitch_deg"], alone)


def test_only_marked_cars_draw():
    """Leave the values and the vehicles of the others as they are."""
    given, world = drawn({"vehicle": {"mass": {"uniform": [0.8, 1.2]}}}, 4)
    before, masses = [row.tobytes() for row in given.drawn], world.vehicles["mass"].copy()
    world.cars["episode"] = 1
    given.draw(np.array([[False], [True], [False], [False]]))
    assert [row.tobytes() != old for row, old in zip(given.drawn, before, strict=True)] == [False, True, False, False]
    assert (world.vehicles["mass"] != masses)[:, 0].tolist() == [False, True, False, False]


VEHICLES = [
    # entry, value, field, what it becomes of the own value
    ("friction", 1.1, "friction", lambda own: 1.1),
    ("mass", 1.1, "mass", lambda own: 1.1 * own),
    ("mass", 1.1, "yaw_inertia", lambda own: 1.1 * own),
    ("wheelbase", 1.05, "front", lambda own: 1.05 * own),
    ("wheelbase", 1.05, "rear", lambda own: 1.05 * own),
    ("cog_forward", 0.01, "front", lambda own: own - 0.01),
    ("cog_forward", 0.01, "rear", lambda own: own + 0.01),
    ("steer_offset_deg", 2.0, "steer_offset", lambda own: own + 2.0 * DEGREES),
    ("steer_gain", 0.9, "steer_gain", lambda own: 0.9 * own),
    ("steer_backlash_deg", 2.0, "steer_backlash", lambda own: own + 2.0 * DEGREES),
    ("steer_lag", 0.1, "steer_lag", lambda own: 0.1),
    ("steer_rate_max_deg", 200.0, "steer_rate_max", lambda own: 200.0 * DEGREES),
    ("throttle_gain", 1.1, "throttle_gain", lambda own: 1.1 * own),
    ("throttle_deadband", 0.05, "throttle_deadband", lambda own: own + 0.05),
    ("throttle_lag", 0.2, "speed_gain", lambda own: 5.0),
    ("steer_delay", 0.05, "steer_delay", lambda own: 0.05),
]


@pytest.mark.parametrize(("entry", "value", "field", "becomes"), VEHICLES, ids=[f"{e}-{f}" for e, _, f, _ in VEHICLES])
def test_the_vehicle_takes_what_is_drawn(entry, value, field, becomes):
    """Put a drawn value into its field of the VEHICLE row and nowhere else; twice is not twice as much."""
    given, world = drawn({"vehicle": {entry: value}}, 2)
    given.draw()
    own = vehicle_row(world.vehicle)
    assert world.vehicles[1, 0][field] == pytest.approx(becomes(float(own[field])), rel=1e-12)
    mine = {f for e, _, f, _ in VEHICLES if e == entry}
    for other in set(own.dtype.names) - mine:
        assert np.array_equal(world.vehicles[1, 0][other], own[other]), other


def test_neutral_values_are_exactly_the_vehicle():
    """Leave every bit of a VEHICLE row where all values are neutral but one that concerns something else."""
    _, world = drawn({"vehicle": {"action_delay": 0.02}}, 2)
    assert world.vehicles.tobytes() == np.full((2, 1), vehicle_row(world.vehicle)).tobytes()


def test_a_vehicle_is_no_longer_than_nothing():
    """Keep both axles apart from the centre of gravity, whatever is drawn."""
    _, world = drawn({"vehicle": {"cog_forward": 0.05, "wheelbase": 0.5}}, 1)
    assert world.vehicles["front"].min() > 0.0


def test_backlash_is_the_play_operator():
    """Hold the wheels until the servo has taken up half the play, and again when it turns back."""
    play = 2.0 * DEGREES
    world = World([ring()], vehicle(steer_lag=0.0, steer_rate_max_deg=5000.0), 1, control_dt=1.0 / 120.0)
    world.vehicles["steer_backlash"] = play
    world.reset()
    commands = [0.4, 0.9, 3.0, 2.5, 1.2, 0.9, -2.0, -1.5]
    reached, wheel = [], 0.0
    for command in commands:
        world.step(np.array([[[command, 0.0]]]))
        reached.append(world.cars["steer"][0, 0])
    expected = []
    for command in commands:
        servo = command * DEGREES
        wheel = min(max(wheel, servo - 0.5 * play), servo + 0.5 * play)
        expected.append(wheel)
    np.testing.assert_allclose(reached, expected, atol=1e-12)
    assert expected[0] == 0.0 and expected[3] == expected[2]


@pytest.mark.parametrize(("command", "aim"), [(0.1, 0.0), (0.2, 0.0), (1.1, 1.0), (2.0, 2.0), (-1.1, -1.0)])
def test_deadband(command, aim):
    """Turn nothing below the deadband, and reach the top speed at full throttle: (u - d) / (1 - d)."""
    world = World([ring()], vehicle(speed_max=2.0), 1)
    world.vehicles["throttle_deadband"] = 0.1
    world.reset()
    world.vehicles["accel_max"] = world.vehicles["brake_max"] = world.vehicles["power_max"] = 1e6
    world.vehicles["friction"], world.vehicles["speed_gain"] = 1e6, 120.0
    world.step(np.array([[[0.0, command]]]))
    assert world.cars["vx"][0, 0] == pytest.approx(aim, abs=1e-3)


def path(world, commands):
    """(x, y, yaw, vx, steer) after each of some steps."""
    out = []
    for command in commands:
        world.step(np.array([[command]]))
        world.cars["stuck_steps"] = 0  # standing for a while is no fault here
        car = world.cars[0, 0]
        out.append([float(car[name]) for name in ("x", "y", "yaw", "vx", "steer")])
    return np.array(out)


@pytest.mark.parametrize("late", [0, 1, 3, 8, 11, 16, 20])
def test_a_delayed_action_comes_exactly_so_many_physics_steps_later(late):
    """Drive as a world of single physics steps that is given every command `late` of them later."""
    substeps, dt = 8, 1.0 / 120.0
    commands = np.random.default_rng(3).uniform([-20, 0.5], [20, 2.5], (12, 2))
    slow = World([ring()], vehicle(), 1, control_dt=substeps * dt, action_delay_max=20 * dt)
    fast = World([ring()], vehicle(), 1, control_dt=dt)
    slow.reset(), fast.reset()
    slow.delay.steps[:] = late
    each = np.repeat(commands, substeps, axis=0)
    each = np.vstack([np.zeros((late, 2)), each])[: len(each)]
    wanted = path(fast, each)[substeps - 1 :: substeps]
    np.testing.assert_allclose(path(slow, commands), wanted, atol=1e-9)
    assert slow.cars["steer_command"][0, 0] == commands[-1, 0]


def test_no_delay_is_exactly_no_delay():
    """Give the same bits with room for delays as without."""
    commands = np.random.default_rng(4).uniform([-20, 0.5], [20, 2.5], (20, 2))
    with_room, without = (World([ring()], vehicle(), 1, action_delay_max=longest) for longest in (0.1, 0.0))
    with_room.reset(), without.reset()
    np.testing.assert_array_equal(path(with_room, commands), path(without, commands))


def test_a_new_episode_has_nothing_on_its_way():
    """Forget the commands of the episode before."""
    world = World([ring()], vehicle(), 2, action_delay_max=0.1)
    world.reset()
    world.delay.steps[:] = 8
    world.step(np.full((2, 1, 2), 2.0))
    world.reset(np.array([[True], [False]]))
    assert not world.delay.commands[0].any() and world.delay.commands[1].any()
    world.step(np.full((2, 1, 2), 2.0))
    assert world.cars["vx"][0, 0] == 0.0 < world.cars["vx"][1, 0]


def test_delays_are_drawn_in_whole_physics_steps():
    """Round a drawn delay to the physics step, and make room for the longest."""
    config = DisturbanceConfig.model_validate({"vehicle": {"action_delay": {"choice": [0.0, 0.02, 0.05]}}})
    assert action_delay_max(config) == 0.05
    world = World([ring()], vehicle(), 200, action_delay_max=0.05)
    Disturbances(world, config).draw()
    assert set(world.delay.steps.ravel().tolist()) == {0, 2, 6}  # of 1/120 s
    assert world.delay.commands.shape == (200, 1, 2, 2)
