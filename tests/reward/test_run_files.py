"""The files that the reward function of a run reads: copied at the first read, and read from there ever after."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from racer.errors import RewardError
from racer.reward.run_files import RunFiles

READERS: dict[str, Callable[[str], object]] = {
    "open": lambda name: Path(name).open().read(),  # noqa: SIM115
    "builtin": lambda name: open(name).read(),  # noqa: PTH123, SIM115
    "read_text": lambda name: Path(name).read_text(),
    "np.loadtxt": lambda name: float(np.loadtxt(name)),
    "np.genfromtxt": lambda name: float(np.genfromtxt(name)),
    "os.open": lambda name: os.read(os.open(name, os.O_RDONLY), 9).decode(),
    "size": lambda name: Path(name).stat().st_size,
}


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder in which the training is started, and go there."""
    folder = tmp_path / "start"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_read_gets_what_the_first_one_got(
    start: Path, monkeypatch: pytest.MonkeyPatch, reader: str, absolute: bool
) -> None:
    """Read the copy, whatever became of the file and wherever the process is now; outside of it, the file itself."""
    read = READERS[reader]
    name = str(start / "value.txt") if absolute else "value.txt"
    Path("value.txt").write_text("1")
    with RunFiles(start / "run", start, record=True):
        before = read(name)
    assert sorted(file.name for file in (start / "run").iterdir()) == ["0-value.txt", "files.json"]
    Path("value.txt").write_text("700")
    assert read(name) != before
    Path("value.txt").unlink()
    (start / "elsewhere").mkdir()
    monkeypatch.chdir(start / "elsewhere")
    with RunFiles(start / "run", start, record=False):
        assert read(name) == before
    with pytest.raises((FileNotFoundError, OSError)):
        read(name)


def test_binary_files(start: Path) -> None:
    """Copy what np.load, np.fromfile and a memory map read."""
    np.save("a.npy", [1.0])
    np.array([1.0]).tofile("a.bin")
    for value in (1.0, 1.0):
        with RunFiles(start / "run", start, record=True):
            assert np.load("a.npy")[0] == np.fromfile("a.bin")[0] == np.load("a.npy", mmap_mode="r")[0] == value
        np.save("a.npy", [700.0])
        np.array([700.0]).tofile("a.bin")


def test_a_file_that_was_missing_stays_missing(start: Path) -> None:
    """Remember that a file was not there, and open none that has come since."""
    with RunFiles(start / "run", start, record=True):
        assert not os.path.exists("flag")  # noqa: PTH110
    Path("flag").write_text("")
    with RunFiles(start / "run", start, record=True):
        assert not os.path.exists("flag")  # noqa: PTH110
        with pytest.raises(FileNotFoundError, match="flag"):
            Path("flag").read_text()
    assert os.path.exists("flag")  # noqa: PTH110


def test_a_file_that_the_function_writes_is_its_own(start: Path) -> None:
    """Read back what was written."""
    with RunFiles(start / "run", start, record=True):
        assert not Path("cache.txt").exists()
        for text in ("one", "two"):
            Path("cache.txt").write_text(text)
            assert Path("cache.txt").read_text() == text
    assert not list((start / "run").glob("*cache*"))


def test_files_of_python_and_folders_are_left_where_they_are(start: Path) -> None:
    """Copy nothing of the libraries, and read a new file in its place without a record."""
    Path("new.txt").write_text("1")
    with RunFiles(start / "run", start, record=True):
        assert Path(np.__file__).read_text() and start.is_dir()
    with RunFiles(start / "run", start, record=False):
        assert Path("new.txt").read_text() == "1"
    assert not (start / "run").exists()


def test_everything_is_as_before_afterwards(start: Path) -> None:
    """Put the functions back, also after an error and inside another context."""
    before = open, os.stat, os.open, np.lib._datasource.open  # type: ignore[attr-defined]
    files = RunFiles(start / "run", start, record=True)
    with pytest.raises(ValueError, match="no"), files, files:
        raise ValueError("no")
    assert (open, os.stat, os.open, np.lib._datasource.open) == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("index", ["[]", "{", json.dumps({"/a": "../../etc/passwd"}), json.dumps({"/a": 3})])
def test_a_list_that_is_none_is_refused(start: Path, index: str) -> None:
    """Trust no list of another person: copies are files of the folder."""
    (start / "run").mkdir()
    (start / "run" / "files.json").write_text(index)
    with pytest.raises(RewardError, match=r"files\.json"):
        RunFiles(start / "run", start, record=False)
