"""The bench on the device: what it measures, what it refuses, what it picks."""

import dataclasses
import itertools

import numpy as np
import pytest

from racer.bundle import read_bundle, write_bundle
from racer.car.bench import (
    P99_FRACTION_MAX,
    bench_bundle,
    bench_bundles,
    machine_notes,
    speed_refusal,
    thread_counts,
    time_network,
)
from racer.car.timing import Pacer, Percentiles, PilotTiming, percentiles
from racer.errors import RacerError
from support.camera_bundles import contract_of, write_camera_bundle

MS = 1_000_000


def small_bundle(path, rate_hz=15.0, bias=0.1):
    """A bundle for a small camera."""
    contract = contract_of(rate_hz=rate_hz, width=32, height=24)
    return write_camera_bundle(path, np.full((24, 32), 1e-5), bias, contract=contract)


def times_of(p99):
    """Percentiles with one of interest."""
    return Percentiles(1.0, 1.0, p99, p99, 100)


@pytest.mark.parametrize(("share", "refused"), [(0.5, False), (0.6, False), (0.6001, True), (2.0, True)])
def test_p99_beyond_60_percent_of_the_period_is_refused(share, refused):
    """Walk around the limit at 20 Hz; the message names both times."""
    assert P99_FRACTION_MAX == 0.6
    told = speed_refusal(times_of(50.0 * share), 20.0)
    assert bool(told) is refused
    if refused:
        assert "20 Hz" in told and "30.0 ms" in told and f"{50 * share:.1f} ms" in told


def test_times_are_those_of_the_clock():
    """Give a clock by which each look at it takes longer than the one before: the percentiles are ranks of samples."""
    now = itertools.accumulate(itertools.count(0, 1000))
    found = time_network(lambda observation: None, {"camera": np.zeros((3, 2))}, seconds=0.0, clock=now.__next__)
    assert found.count == 100 and found.p50 < found.p95 < found.p99 < found.max


def test_answers_are_asked_one_by_one_from_the_recording():
    """Look at what is asked: single rows, by turns, at least a hundred after the warm-up."""
    asked = []
    rows = {"camera": np.arange(6).reshape(3, 2)}
    time_network(lambda observation: asked.append(observation["camera"]), rows, seconds=0.0)
    assert len(asked) == 120 and all(each.shape == (1, 2) for each in asked)
    assert [int(each[0, 0]) for each in asked[20:24]] == [0, 2, 4, 0]


def test_percentiles_are_samples_that_were_seen():
    """Take 1..1000: 500, 950, 990 and the longest; of one sample all are it, of none there are none."""
    found = percentiles([k * MS for k in range(1000, 0, -1)])
    assert (found.p50, found.p95, found.p99, found.max, found.count) == (500.0, 950.0, 990.0, 1000.0, 1000)
    assert percentiles([7 * MS]) == Percentiles(7.0, 7.0, 7.0, 7.0, 1)
    assert percentiles([]) is None


def test_window_forgets_the_oldest():
    """Keep 600 of 1000."""
    timing = PilotTiming()
    for k in range(1000):
        timing.late.append(k * MS)
    assert percentiles(timing.late).count == 600 and timing.record()["late_ms"] == [699.0, 969.0, 993.0, 999.0]


def test_pacer_keeps_its_grid():
    """Come in time, late and very late: deadlines stay multiples of the period, skipped ones are counted."""
    pacer = Pacer(100, 1000)
    assert (pacer.next(1000), pacer.due_ns) == (0, 1100)
    assert (pacer.next(1199), pacer.due_ns) == (0, 1200)
    assert (pacer.next(1300), pacer.due_ns) == (1, 1400)
    assert (pacer.next(1999), pacer.due_ns) == (5, 2000)


def test_glass_to_wheel_is_counted_once_a_frame():
    """Report a frame's write twice and one that was never sent: one sample."""
    timing = PilotTiming()
    timing.sent(4, 10 * MS)
    timing.written(4, 95 * MS)
    timing.written(4, 115 * MS)
    timing.written(9, 120 * MS)
    assert percentiles(timing.glass_to_wheel) == Percentiles(85.0, 85.0, 85.0, 85.0, 1)
    assert timing.record()["glass_to_wheel_ms"] == [85.0] * 4


def test_good_bundle_is_measured(tmp_path):
    """Bench a small one on one and two threads: both may drive, recorded answers were checked."""
    path = small_bundle(tmp_path / "a.bundle")
    results = bench_bundles([path], threads=(1, 2), seconds=0.05)
    assert {result.threads for result in results} == {1, 2}
    assert all(result.times.count >= 100 for result in results)


def test_wrong_recorded_answers_are_refused(tmp_path):
    """Change a recorded answer: the bundle is refused with what differs, and nothing is measured."""
    good = read_bundle(small_bundle(tmp_path / "a.bundle"))
    outputs = {name: values.copy() for name, values in good.golden.outputs.items()}
    outputs["action"][2, 0] += 0.5
    golden = dataclasses.replace(good.golden, outputs=outputs)
    write_bundle(tmp_path / "b.bundle", onnx=good.onnx, contract=good.contract, weights=good.weights, golden=golden)
    result = bench_bundle(tmp_path / "b.bundle", read_bundle(tmp_path / "b.bundle"), threads=1, seconds=0.05)
    assert result.times is None and "recorded observation 2" in result.refused
    best, worst = bench_bundles([tmp_path / "b.bundle", tmp_path / "a.bundle"], threads=(1,), seconds=0.05)
    assert best.bundle.name == "a.bundle" and worst.bundle.name == "b.bundle"


def test_too_slow_for_its_rate_is_refused(tmp_path):
    """Ask for 1000 actions a second of a slow clock's network: refused, with the share."""
    bundle = read_bundle(small_bundle(tmp_path / "a.bundle", rate_hz=1000.0))
    times = time_network(
        lambda observation: None, bundle.golden.inputs, seconds=0.0, clock=itertools.count(0, MS).__next__
    )
    assert "1000 Hz" in speed_refusal(times, bundle.contract.control_rate_hz)


def test_bundles_of_different_rates_are_no_variants(tmp_path):
    """Compare 15 Hz and 20 Hz: refused."""
    paths = [small_bundle(tmp_path / f"{rate}.bundle", rate_hz=rate) for rate in (15.0, 20.0)]
    with pytest.raises(RacerError, match="different control rates"):
        bench_bundles(paths, seconds=0.05)


def test_threads_leave_cores_for_others(monkeypatch):
    """Two threads are tried from four cores on."""
    for cores, wanted in ((1, [1]), (2, [1]), (3, [1]), (4, [1, 2]), (8, [1, 2])):
        monkeypatch.setattr("os.sched_getaffinity", lambda pid, cores=cores: set(range(cores)))
        assert thread_counts() == wanted


def test_machine_notes_read_what_there_is(tmp_path):
    """Write a Pi's files: governor, heat and the firmware's bits become words; without files there are none."""
    assert machine_notes(tmp_path) == []
    for name, text in {
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/class/thermal/thermal_zone0/temp": "71500\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    governor, heat, power = machine_notes(tmp_path)
    assert "ondemand" in governor and "performance" in governor and heat == "72 degrees C"
    assert power == "under-voltage now, throttled now, under-voltage since the start, throttled since the start"
