"""Scores and ranks, as tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.config.rules import RankingRules
from racer.race.result import LapResult, best_lap, best_window, rank_scores, score, total_time


def laps(*times):
    """Laps of these times; None: not completed."""
    return tuple(LapResult(trial=1, number=k, time_s=time) for k, time in enumerate(times, 1))


@pytest.mark.parametrize(
    ("times", "count", "expected"),
    [
        ((10.0, 11.0, 12.0), 3, 33.0),
        ((10.0, 11.0), 3, None),
        ((10.0, None, 12.0), 3, None),
        ((), 1, None),
        ((7.5,), 1, 7.5),
    ],
)
def test_the_total_needs_all_laps(times, count, expected):
    """Sum all laps, or nothing where one of them is missing."""
    assert total_time(laps(*times), count) == expected


@pytest.mark.parametrize(
    ("times", "expected"), [((10.0, 9.0, 12.0), 9.0), ((None, 9.5), 9.5), ((None,), None), ((), None)]
)
def test_the_best_lap_needs_one(times, expected):
    """Take the shortest completed lap."""
    assert best_lap(laps(*times)) == expected


@pytest.mark.parametrize(
    ("times", "window", "expected"),
    [
        ((10.0, 8.0, 9.0, 13.0), 2, 8.5),
        ((10.0, 8.0, 9.0, 13.0), 3, 9.0),
        ((10.0, 8.0, 9.0, 13.0), 1, 8.0),
        ((10.0, 8.0, None, 9.0, 7.0), 2, 8.0),
        ((10.0, None, 8.0, None, 9.0), 2, None),
        ((10.0, 8.0), 3, None),
    ],
)
def test_the_window_is_of_laps_in_a_row(times, window, expected):
    """Take the best mean of consecutive completed laps."""
    assert best_window(laps(*times), window) == expected


@pytest.mark.parametrize(("by", "expected"), [("total", 30.0), ("best_lap", 8.0), ("best_window", 9.0)])
def test_the_rules_say_what_ranks(by, expected):
    """Score the same laps by each ranking."""
    assert score(laps(12.0, 8.0, 10.0), RankingRules(by=by, window=2), 3) == expected


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3.0, 1.0, 2.0], [3, 1, 2]),
        ([1.0, 1.0, 2.0], [1, 1, 3]),
        ([2.0, 1.0, 2.0, 2.0, 5.0], [2, 1, 2, 2, 5]),
        ([None, 1.0, None], [None, 1, None]),
        ([0.1 + 0.2, 0.3], [1, 1]),
        ([], []),
    ],
)
def test_equal_scores_share_a_rank(scores, expected):
    """Give the next rank behind a tie as many places further."""
    assert rank_scores(scores) == expected


@given(st.lists(st.one_of(st.none(), st.integers(0, 5).map(float)), max_size=8), st.randoms())
def test_ranks_do_not_depend_on_the_order(scores, random):
    """Shuffle the scores; each keeps its rank."""
    order = list(range(len(scores)))
    random.shuffle(order)
    shuffled = rank_scores([scores[k] for k in order])
    assert [shuffled[order.index(k)] for k in range(len(scores))] == rank_scores(scores)
