"""The simulator's workload is a drive of laps, replayed exactly; a drive of anything else is refused."""

import numpy as np
import pytest

from racer.bench import simulation
from racer.bench.simulation import BenchDrive, bench_lidar, bench_reward, bench_sim
from racer.env.batch import make_time_trial
from racer.errors import RacerError
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.sim.dtypes import EpisodeStatus

TRACK, WORLDS = "easy_oval", 8


class Crawling(PurePursuitPolicy):
    """Follows the track too slowly for a lap."""

    def act(self, observation):
        return super().act(observation) * [1.0, 0.0] + [0.0, 0.3]


class Straight(PurePursuitPolicy):
    """Leaves the road at the first bend."""

    def act(self, observation):
        return np.tile([0.0, 2.0], (len(observation["state"]), 1))


def trial(**options):
    """A small batch."""
    return make_time_trial(worlds=WORLDS, track=TRACK, reward=None, **options)


def test_drive_completes_laps_and_replays_bit_for_bit():
    """Every car laps; driven again by the recorded actions, every car ends in the same state."""
    drive = BenchDrive(trial())
    assert drive.laps >= WORLDS
    end = drive.trial.world.cars.copy()
    drive.restart()
    laps = 0
    for step in range(drive.steps):
        drive.trial.step(drive.actions[step])
        laps += int((drive.trial.world.status[:, 0] == EpisodeStatus.LAP_COMPLETE).sum())
        if drive.ended[step].any():
            drive.trial.start(drive.ended[step])
    assert laps == drive.laps and np.array_equal(drive.trial.world.cars, end)
    assert drive.steps_per_s(rounds=1) > 0.0


def test_drive_fills_state_and_telemetry():
    """Measure what a training needs: the state sensor and the reward function's params are up to date."""
    drive = BenchDrive(trial())
    world = drive.trial.world
    assert np.ptp(world.telemetry["progress"]) > 0.0 and (world.telemetry["speed_measured"] > 0.0).any()
    np.testing.assert_allclose(drive.trial.observation["state"][:, 2], world.cars["vx"][:, 0], rtol=1e-6)
    assert world.physics_dt <= 1.0 / 120.0 + 1e-12 and world.control_dt == pytest.approx(1.0 / 15.0)


def test_all_worlds_are_counted(monkeypatch):
    """Steps per second are those of all cars together: a round of 2 s gives steps * worlds / 2."""
    drive = BenchDrive(trial())

    def replayed(work, *, prepare, wall, rounds):
        prepare()
        work()
        return 2.0

    monkeypatch.setattr(simulation, "median_s", replayed)
    assert drive.steps_per_s() == drive.steps * WORLDS / 2.0


@pytest.mark.parametrize("policy", [Crawling, Straight])
def test_workload_without_laps_is_refused(monkeypatch, policy):
    """Fail where the cars do not lap, and say how many did."""
    monkeypatch.setattr(simulation, "PurePursuitPolicy", policy)
    with pytest.raises(RacerError, match=f"only 0% of the cars completed a lap on {TRACK}, at least 90%"):
        bench_sim(TRACK, worlds=WORLDS, rounds=1)


def test_replay_of_another_drive_is_refused():
    """Fail where the recorded actions do not drive the recorded laps: one car steers off for two seconds."""
    drive = BenchDrive(trial())
    drive.actions[20:50, 2, 0] = 30.0
    with pytest.raises(RacerError, match="the replayed drive differs"):
        drive.steps_per_s(rounds=1)


def test_figures_of_a_quick_bench_are_complete():
    """Give every key of its part, numbers above 0, and report what is measured."""
    lines = []
    record = bench_sim(TRACK, worlds=WORLDS, rounds=1, report=lines.append)
    record |= bench_lidar(TRACK, worlds=2, rounds=1, report=lines.append)
    record |= bench_reward(TRACK, worlds=4, steps=5, rounds=1, report=lines.append)
    assert len(record) == 6 and all(value > 0.0 for value in record.values())
    assert [line.split(":")[0] for line in lines] == ["sim", "sim", "lidar", "lidar", "reward", "reward"]


def test_lidar_bench_casts_the_rays_it_names(monkeypatch):
    """Cast 64 and 1080 rays over 12 m with walls at the borders: no ray of a car on the road reaches 12 m."""
    drives = []

    class Kept(BenchDrive):
        def __init__(self, trial):
            super().__init__(trial)
            drives.append(trial)

    monkeypatch.setattr(simulation, "BenchDrive", Kept)
    bench_lidar(TRACK, worlds=2, rounds=1)
    assert [drive.observation["lidar"].shape for drive in drives] == [(2, 64), (2, 1080)]
    for drive in drives:
        assert drive.config.lidar.range_max == 12.0 and set(drive.observation) == {"state", "lidar"}
        assert drive.observation["lidar"].max() < 12.0 and drive.world.pool.threads == 1
