"""Episodes out of a batch, and their CSV, against a naive twin that keeps everything."""

import csv
import io
import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.deepracer.trace import HEADER, EpisodeTrace, LoggedEpisode, simtrace
from racer.sim.dtypes import TELEMETRY, EpisodeStatus
from support.deepracer_drives import ACTIONS, Kept, drive, make_trial

DT = 1.0 / 15.0


class Twin:
    """Keeps a list of dicts for each world, in plain Python."""

    def __init__(self, worlds: int) -> None:
        self.worlds, self.time = worlds, 0.0
        self.open: list[list[dict[str, float]]] = [[] for _ in range(worlds)]
        self.episodes: list[tuple[int, list[dict[str, float]]]] = []

    def _row(self, telemetry: NDArray[np.void], n: int, status: EpisodeStatus, reward: float) -> dict[str, float]:
        assert TELEMETRY.names is not None
        told = {name: telemetry[n][name].item() for name in TELEMETRY.names}
        return told | {"status": status, "reward": reward, "time": self.time}

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        for n in range(self.worlds):
            if which is None or which[n]:
                self.open[n] = [self._row(telemetry, n, EpisodeStatus.PREPARE, 0.0)]

    def stepped(self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]) -> None:
        self.time += DT
        for n in range(self.worlds):
            if telemetry[n]["steps"] > 1 and self.open[n]:
                self.open[n].append(self._row(telemetry, n, EpisodeStatus(int(status[n])), float(rewards[n])))
                if status[n] >= EpisodeStatus.LAP_COMPLETE:
                    self.episodes.append((n, self.open[n]))
                    self.open[n] = []


@pytest.mark.parametrize("again", [True, False])
def test_episodes_equal_the_twins(again: bool) -> None:
    """The same episodes in the same order with the same numbers, whether worlds start again or wait."""
    trial = make_trial(6)
    kept, twin = Kept(4), Twin(4)
    drive(trial, [kept, twin], steps=300, again=again)
    assert len(kept.episodes) == len(twin.episodes) >= 3
    assert {episode.status for episode in kept.episodes} >= {EpisodeStatus.LAP_COMPLETE, EpisodeStatus.OFF_TRACK}
    for episode, (world, rows) in zip(kept.episodes, twin.episodes, strict=True):
        assert episode.world == world
        assert episode.rows.dtype.names is not None
        for name in set(episode.rows.dtype.names) - {"wall"}:
            assert episode.rows[name].tolist() == [row[name] for row in rows]
        assert episode.rows["steps"].tolist() == list(range(1, len(rows) + 1))
        assert episode.reward == math.fsum(row["reward"] for row in rows) or episode.reward == pytest.approx(
            math.fsum(row["reward"] for row in rows), rel=1e-12
        )
        assert episode.ended_s - episode.began_s == pytest.approx((len(rows) - 1) * DT)


def rows_of(count: int, status: EpisodeStatus) -> tuple[EpisodeTrace, list[LoggedEpisode]]:
    """One world told by hand: `count` steps, the last with a status."""
    trace = EpisodeTrace(1, DT, clock=iter(np.arange(1000.0, 5000.0)).__next__)
    telemetry = np.zeros(3, TELEMETRY)
    telemetry["steps"] = 1
    trace.started(telemetry)
    ended: list[LoggedEpisode] = []
    for step in range(2, count + 2):
        telemetry["steps"], telemetry["progress"] = step, 0.1 * step
        state = np.array([status if step == count + 1 else EpisodeStatus.IN_PROGRESS] * 3, np.int32)
        ended += trace.stepped(telemetry, state, np.array([0.5, 9.0, 9.0]))
    return trace, ended


def test_long_episodes_find_room() -> None:
    """An episode longer than any room made before is whole."""
    _, episodes = rows_of(1500, EpisodeStatus.TIME_UP)
    assert len(episodes) == 1
    rows = episodes[0].rows
    assert rows["steps"].tolist() == list(range(1, 1502)) and rows["wall"].tolist() == list(range(1000, 2501))
    assert episodes[0].reward == 750.0


def test_a_start_in_the_midst_of_an_episode_drops_it() -> None:
    """What was begun and not ended is not handed out."""
    trace, episodes = rows_of(5, EpisodeStatus.IN_PROGRESS)
    assert episodes == []
    telemetry = np.zeros(3, TELEMETRY)
    telemetry["steps"] = 1
    trace.started(telemetry, np.array([True, False, False]))
    telemetry["steps"] = 2
    ended = trace.stepped(telemetry, np.full(3, EpisodeStatus.CRASHED, np.int32), np.ones(3))
    assert [len(episode.rows) for episode in ended] == [2]
    assert ended[0].status is EpisodeStatus.CRASHED


def test_steps_before_a_start_are_passed_over() -> None:
    """A world of which no placing was told gives nothing."""
    telemetry = np.zeros(2, TELEMETRY)
    telemetry["steps"] = 7
    assert EpisodeTrace(2, DT).stepped(telemetry, np.full(2, EpisodeStatus.OFF_TRACK, np.int32), np.ones(2)) == []


def test_csv_has_the_columns_and_formats() -> None:
    """19 columns in DeepRacer's order; numbers, words and actions as there."""
    trial = make_trial(3)
    kept = Kept(3)
    drive(trial, [kept], steps=250)
    text = simtrace(kept.episodes, first=40, actions=ACTIONS, waypoints=trial.waypoints)
    assert text.startswith(HEADER + "\n") and text.endswith("\n") and len(HEADER.split(",")) == 19
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == sum(len(episode.rows) for episode in kept.episodes)
    assert [line["episode"] for line in lines if line["steps"] == "1"] == [
        str(40 + k) for k in range(len(kept.episodes))
    ]
    table = np.array(ACTIONS.table)
    k = 0
    for episode in kept.episodes:
        center = np.array(trial.waypoints[int(episode.rows["course"][0])])
        for row in episode.rows:
            line = lines[k]
            k += 1
            if row["steps"] > 1:
                assert float(line["reward"]) == pytest.approx(row["reward"], rel=1e-9)
                assert (float(line["steer"]), float(line["throttle"])) == tuple(table[int(line["action"])])
            ends = [int(row["closest_waypoint_prev"]), int(row["closest_waypoint_next"])]
            gaps = [math.dist(center[end], (row["x"], row["y"])) for end in ends]
            assert int(line["closest_waypoint"]) == ends[int(gaps[1] < gaps[0])]
            assert line["X"] == f"{row['x']:.4f}" and line["yaw"] == f"{row['heading']:.4f}"
            assert line["tstamp"] == f"{row['time']:.6f}" and line["track_len"] == f"{row['track_length']:.2f}"
            assert line["episode_status"] == EpisodeStatus(int(row["status"])).word
            assert line["all_wheels_on_track"] == str(bool(row["all_wheels_on_track"]))
            assert line["done"] == str(row["status"] >= EpisodeStatus.LAP_COMPLETE)
            assert (line["pause_duration"], line["obstacle_crash_counter"]) == ("0.0", "0")
    complete = [line for line in lines if line["episode_status"] == "lap_complete"]
    assert complete and all(line["progress"] == "100.0000" for line in complete)


def test_the_prepare_row_names_the_first_action() -> None:
    """Step 1 stands still, but carries the action that follows, as in DeepRacer."""
    trial = make_trial(2)
    kept = Kept(2)
    drive(trial, [kept], steps=120)
    lines = list(
        csv.DictReader(io.StringIO(simtrace(kept.episodes, first=0, actions=ACTIONS, waypoints=trial.waypoints)))
    )
    for prepare, first in itertools.pairwise(lines):
        if prepare["steps"] == "1":
            assert (
                prepare["episode_status"] == "prepare" and prepare["reward"] == "0" and prepare["progress"] == "0.0000"
            )
            assert [prepare[key] for key in ("steer", "throttle", "action")] == [
                first[key] for key in ("steer", "throttle", "action")
            ]


def test_continuous_actions() -> None:
    """Continuous actions are written as a pair."""
    _, episodes = rows_of(2, EpisodeStatus.REVERSED)
    episodes[0].rows["steering_angle"], episodes[0].rows["speed"] = [0.0, -12.5, 7.25], [0.0, 1.0, 2.5]
    text = simtrace(episodes, first=0, actions=ContinuousActions(), waypoints=[((0.0, 0.0), (1.0, 0.0))])
    pairs = [line["action"] for line in csv.DictReader(io.StringIO(text))]
    assert pairs == ["[-12.5000 1.0000]", "[-12.5000 1.0000]", "[7.2500 2.5000]"]


def test_small_rewards_survive() -> None:
    """A reward of 1e-5 is not rounded away."""
    _, episodes = rows_of(1, EpisodeStatus.OFF_TRACK)
    episodes[0].rows["reward"] = [0.0, 1e-5]
    text = simtrace(episodes, first=0, actions=ContinuousActions(), waypoints=[((0.0, 0.0), (1.0, 0.0))])
    assert [float(line["reward"]) for line in csv.DictReader(io.StringIO(text))] == [0.0, 1e-5]


def test_actions_of_a_single_precision_policy_are_found() -> None:
    """An action that went through float32 is found in the list of actions."""
    actions = DiscreteActions.model_validate(
        [{"steering_angle": a, "speed": v} for a, v in [(-29.9, 0.1), (-29.9, 0.3), (0.1, 0.3), (29.9, 4.0)]]
    )
    _, episodes = rows_of(3, EpisodeStatus.OFF_TRACK)
    chosen = np.array(actions.table, np.float32)[[1, 1, 2, 0]]
    episodes[0].rows["steering_angle"], episodes[0].rows["speed"] = chosen.T
    text = simtrace(episodes, first=0, actions=actions, waypoints=[((0.0, 0.0), (1.0, 0.0))])
    assert [line["action"] for line in csv.DictReader(io.StringIO(text))] == ["1", "1", "2", "0"]
