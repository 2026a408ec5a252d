"""Reading run folders of every state."""

import json

import pytest

from racer.errors import RunError
from racer.report.run_record import read_record
from support.runs import evaluation, make_run, update
from support.tracks import ring


def test_a_finished_run_is_read(tmp_path):
    """Read every figure of a run that ended well."""
    record = read_record(make_run(tmp_path / "mine"))
    assert (record.name, record.track_names, record.steps, record.elapsed_s) == ("mine", ["ring"], 4000, 4.0)
    assert record.finished and record.config.startswith("track:") and "reward_function" in record.reward
    assert [row.steps for row in record.updates] == [2000, 4000]
    assert record.updates[0].ends == {"off_track": 5, "lap_complete": 3}
    [best] = record.best
    assert best.result.times == [7.5, 8.0] and best.result.completion_rate == pytest.approx(2 / 3)


def test_the_best_is_the_last_that_was_kept(tmp_path):
    """Take the evaluation marked last as best, with all of its tracks, and not the last one driven."""
    tracks = [ring("one"), ring("two")]
    rows = [evaluation(steps, name, best=steps < 3000) for steps in (1000, 2000, 3000) for name in ("one", "two")]
    record = read_record(make_run(tmp_path / "run", tracks=tracks, rows=rows))
    assert [(one.steps, one.result.track) for one in record.best] == [(2000, "one"), (2000, "two")]


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_line_cut_off_is_left_out(tmp_path, cut):
    """Read what comes before a last line that a stop cut anywhere."""
    run = make_run(tmp_path / "run", rows=[update(1000), update(2000)])
    first, second = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(first + second[:cut])
    record = read_record(run)
    assert [row.steps for row in record.updates] == [1000]


@pytest.mark.parametrize(
    "row",
    [
        4,
        None,
        [],
        {},
        {"kind": "update"},
        {"kind": "update", "steps": "many"},
        {"kind": "update", "steps": float("nan")},
        {"kind": "evaluation", "steps": 5, "laps": 7},
        {"kind": "evaluation", "steps": 5, "laps": []},
        {"kind": "of another version", "steps": 5},
    ],
)
def test_rows_that_say_nothing_are_left_out(tmp_path, row):
    """Skip rows of another kind or without what is needed."""
    record = read_record(make_run(tmp_path / "run", rows=[row, update(1000)]))
    assert [one.steps for one in record.updates] == [1000] and record.evaluations == ()


def test_odd_values_are_unknown(tmp_path):
    """Take values that are no finite numbers as not told."""
    odd = update(10, mean_reward=float("inf"), mean_progress="far", steps_per_s=None, best_lap_s=True, ends=[1])
    [row] = read_record(make_run(tmp_path / "run", rows=[odd])).updates
    assert (row.mean_reward, row.mean_progress, row.steps_per_s, row.best_lap_s, dict(row.ends)) == (None,) * 4 + ({},)


def test_an_unfinished_run_counts_from_its_metrics(tmp_path):
    """Tell steps and time of a run whose run.json does not know them yet."""
    run = make_run(tmp_path / "run", rows=[update(1000), update(2000)])
    told = json.loads((run / "run.json").read_text())
    for key in ("finished", "steps", "elapsed_s"):
        del told[key]
    (run / "run.json").write_text(json.dumps(told))
    record = read_record(run)
    assert (record.finished, record.steps, record.elapsed_s, record.best) == (False, 2000, 2.0, ())


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"run"', '{"tracks": [4]}', '{"tracks": "oval"}'])
def test_what_is_no_run_is_refused(tmp_path, text):
    """Refuse a folder whose run.json is none, in one line."""
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError) as caught:
        read_record(tmp_path)
    assert "is no run" in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_run_json_is_refused(tmp_path):
    """Refuse an empty folder and a path that leads nowhere."""
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(RunError, match="is no run folder"):
            read_record(path)
