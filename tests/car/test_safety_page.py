"""The page that says what stops the car: each test that it names exists, and no fault of the catalogue is left out."""

import re

from support.paths import ROOT

PAGE = (ROOT / "docs" / "car-safety.md").read_text(encoding="utf-8")
CATALOGUE = [
    "S1", "S2", "S3", "S4", "C1", "I1", "B1", "W1", "M1", "M2", "D1", "K1", "T1", "L1", "L2", "R1", "E1", "P1", "G1",
]  # fmt: skip


def test_every_test_that_is_named_exists():
    """A promise whose test was renamed or removed is no promise."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    defined = set(re.findall(r"^(?:def |class )?((?:test_|Test)\w+)(?=[(:]| =)", source, flags=re.MULTILINE))
    named = set(re.findall(r"`((?:test_|Test)\w+)`", PAGE))
    assert len(named) > 40 and not named - defined, sorted(named - defined)
    for name in re.findall(r"`(?:tests/device/)?([\w-]+\.py|run-\w+)`", PAGE):
        assert (ROOT / "tests" / "device" / name).exists(), name


def test_the_whole_catalogue_is_there():
    """Each id has a row that names at least one test or program."""
    rows = dict(re.findall(r"^\| ([A-Z]\d) \|(.*)$", PAGE, flags=re.MULTILINE))
    assert list(rows) == CATALOGUE
    assert all("`" in row for row in rows.values())
