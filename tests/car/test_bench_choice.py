"""What the bench chose is kept, and used for exactly the bundles that were measured."""

import pytest

from racer.car.bench import CHOICE_FILE, BenchChoice, SpeedResult, load_choice, save_choice
from racer.car.timing import Percentiles

TIMES = Percentiles(1.0, 2.0, 3.25, 4.0, 100)


def result(path, threads, refused=""):
    """A measurement."""
    return SpeedResult(path, threads, 66.7, None if refused else TIMES, refused)


@pytest.fixture
def bundles(tmp_path):
    """Two files that stand for variants."""
    paths = [tmp_path / "fp32.bundle", tmp_path / "int8.bundle"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_nothing_measured(bundles, tmp_path):
    """The bundle itself on one thread, without words."""
    assert load_choice(bundles[0], root=tmp_path) == BenchChoice(bundles[0], 1)


def test_choice_is_used_for_every_variant(bundles, tmp_path):
    """int8 on two threads won: asking for either gives it, with the figures."""
    save_choice([result(bundles[1], 2), result(bundles[0], 1), result(bundles[0], 2)], tmp_path)
    for asked in bundles:
        choice = load_choice(asked, root=tmp_path)
        assert (choice.bundle, choice.threads) == (bundles[1], 2)
        assert choice.reason.startswith("int8.bundle on 2 threads: p99 3.2 ms, measured 20")
    assert load_choice(bundles[0], threads=3, root=tmp_path) == BenchChoice(bundles[0], 3)


def test_other_bytes_are_another_bundle(bundles, tmp_path):
    """Train again into the same file: what was measured counts no more; a choice that is gone is said."""
    save_choice([result(bundles[1], 2), result(bundles[0], 1)], tmp_path)
    bundles[1].write_bytes(b"new")
    assert load_choice(bundles[1], root=tmp_path) == BenchChoice(bundles[1], 1)
    told = load_choice(bundles[0], root=tmp_path)
    assert (told.bundle, told.threads) == (bundles[0], 1) and "is gone" in told.reason


def test_newest_measurement_counts(bundles, tmp_path):
    """Measure again with another outcome."""
    save_choice([result(bundles[0], 1)], tmp_path)
    save_choice([result(bundles[0], 2)], tmp_path)
    assert load_choice(bundles[0], root=tmp_path).threads == 2


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "racer-car-bench"}', '{"format": "x", "choices": {}}',
     '{"format": "racer-car-bench", "choices": 3}', '{"format": "racer-car-bench", "choices": {"a": 1}}'],
)  # fmt: skip
def test_damaged_file_counts_as_none(bundles, tmp_path, text):
    """Measuring again costs seconds; driving must not hang on this file."""
    (tmp_path / CHOICE_FILE).write_text(text)
    assert load_choice(bundles[0], root=tmp_path) == BenchChoice(bundles[0], 1)
    save_choice([result(bundles[0], 2)], tmp_path)
    assert load_choice(bundles[0], root=tmp_path).threads == 2
