"""Pictures of reward functions: the drives that they show, their numbers, their scales, and watching a file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.errors import RewardError
from racer.report import reward_values
from racer.report.reward_plot import _corners, plot_rewards, save_png
from racer.report.reward_values import CONTROL_DT, RewardLandscape, measure_landscape, reward_landscape, steady_drive
from racer.reward.file_watch import watch_file
from racer.track.load import load_track

TRACK = "thimble"


class NoProcess:
    """Stands for the process that user code runs in."""

    def renew(self) -> None:
        """Do nothing."""

    def watch(self, seconds: float) -> None:
        """Do nothing."""

    def rest(self) -> None:
        """Do nothing."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a reward function."""

    def make(body: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(f"def reward_function(params):\n    {body}\n", encoding="utf-8")
        return path

    return make


@pytest.fixture
def seen(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., RewardLandscape]:
    """The landscape of a function, worked out in this process."""

    def answer(function: str, request: Any, *, file: str) -> Any:
        from racer.reward.sandbox import SandboxResult

        return SandboxResult(result=measure_landscape(request, NoProcess()), stage={})  # type: ignore[arg-type]

    monkeypatch.setattr(reward_values, "run_sandboxed", answer)

    def make(body: str, *, track: str = TRACK, name: str = "mine.py") -> RewardLandscape:
        return reward_landscape(write(body, name), track)

    return make


def test_steady_drive_is_what_it_says() -> None:
    """Drive two lanes round a closed track: place, heading, progress and steps follow from the arguments."""
    track = load_track("easy_oval")  # 1.10 m wide
    steps = 60
    advance = track.length / steps
    drive = steady_drive(track, steps=steps, share=np.array([0.5, -0.25]), heading_error=10.0, advance=advance)
    rows = drive.telemetry[..., 0]
    assert np.array_equal(rows["steps"][:, 0], np.arange(2.0, steps + 2.0))
    assert rows["progress"][:, 1] == pytest.approx(100.0 * np.arange(1, steps + 1) / steps)
    # The point is 0.14 m ahead of the chassis origin, so 10 degrees put it 0.14 sin(10) to the left.
    aside = 0.14 * np.sin(np.radians(10.0))
    straight = np.abs(rows["curvature"][:, 0]) < 1e-6
    assert straight.sum() > 5
    assert rows["distance_from_center"][straight, 0] == pytest.approx(0.5 * 0.55 + aside, abs=1e-3)
    assert rows["distance_from_center"][straight, 1] == pytest.approx(0.25 * 0.55 - aside, abs=1e-3)
    assert rows["heading_error"][straight] == pytest.approx(10.0, abs=0.1)
    assert rows["is_left_of_center"][:, 0].all() and not rows["is_left_of_center"][:, 1].any()


def test_speed_moves_the_car() -> None:
    """Move on by the speed times the time of a step."""
    drive = steady_drive(load_track("easy_oval"), steps=4, speed=np.array([1.0, 3.0]))
    gained = np.diff(drive.telemetry["progress"][..., 0], axis=0) / 100.0 * load_track("easy_oval").length
    assert gained[0] == pytest.approx([1.0 * CONTROL_DT, 3.0 * CONTROL_DT])


def test_open_track_ends() -> None:
    """Ask for nothing behind the end of an open track."""
    track = load_track("river_run")
    drive = steady_drive(track, steps=10, start=np.array([0.0, track.length - 0.5]), speed=3.0)
    assert drive.rewarded[:, 0].all()
    assert not drive.rewarded[-1, 1] and drive.rewarded[0, 1]


def test_landscape_of_a_known_function(seen: Callable[..., RewardLandscape]) -> None:
    """Find the function itself in the map and in the curves."""
    found = seen('return params["speed"] - abs(params["heading_error"]) / 90.0', track="easy_oval")
    assert found.rewards == pytest.approx(2.0, abs=0.03)  # the car turns about its origin, not its point
    assert found.curves["speed"].rewards[1] == pytest.approx(found.curves["speed"].values, abs=2e-3)
    turned = found.curves["heading_error"]
    assert turned.rewards[1] == pytest.approx(2.0 - np.abs(turned.values) / 90.0, abs=0.02)
    assert found.curves["steering"].rewards == pytest.approx(2.0, abs=2e-3)
    assert found.failed == 0 and found.name == "mine"


def test_landscape_with_failures(seen: Callable[..., RewardLandscape]) -> None:
    """Leave out the states that failed, count them and name the first."""
    found = seen('return 1.0 if params["is_left_of_center"] else None')
    assert np.isfinite(found.rewards).any() and np.isnan(found.rewards).any()
    assert found.failed >= np.isnan(found.rewards).sum()
    assert "mine.py:2: returned None" in found.problem


def test_nothing_to_draw(seen: Callable[..., RewardLandscape]) -> None:
    """Refuse a function that fails everywhere, with its own message."""
    with pytest.raises(RewardError, match=r"mine.py:2: raised KeyError: 'typo'.*nothing to draw"):
        seen('return params["typo"]')


def test_hang_is_an_error(write: Callable[..., Path]) -> None:
    """Tell the line of an endless loop; the real process is used."""
    path = write("while True: pass")
    with pytest.raises(RewardError, match=r"mine.py:2: does not come back within 0.5 s"):
        reward_landscape(path, TRACK, hang_s=0.5)


def test_pictures(seen: Callable[..., RewardLandscape], tmp_path: Path) -> None:
    """Draw one and two functions; two share one scale of colours, and the files are PNGs."""
    track = load_track(TRACK)
    one = seen('return params["speed"]')
    two = seen('return params["distance_from_center"]', name="two.py")
    both = plot_rewards([one, two], track)
    meshes = [part for axes in both.axes for part in axes.collections if type(part).__name__ == "QuadMesh"]
    clims = {mesh.get_clim() for mesh in meshes[:2]}
    assert len(clims) == 1
    (low, high) = clims.pop()
    assert low == pytest.approx(0.0, abs=0.1) and high == pytest.approx(2.0)
    for name, figure in [("one.png", plot_rewards([one], track)), ("both.png", both)]:
        path = save_png(figure, tmp_path / name)
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 20_000


def test_a_name_is_not_a_formula(seen: Callable[..., RewardLandscape], tmp_path: Path) -> None:
    """Draw names and messages with dollars and backslashes as they are."""
    track = load_track(TRACK)
    body = 'return 1.0 if params["is_left_of_center"] else 1 / 0 if params["x"] > 1e9 else int("$\\\\frac$")'
    odd = seen(body, name="$\\frac$.py")
    assert odd.failed and "$" in odd.problem
    for figure in (plot_rewards([odd], track), plot_rewards([odd, odd], track)):
        assert save_png(figure, tmp_path / "odd.png").stat().st_size > 20_000
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert f"$\\frac$ on {TRACK}" in titles


def test_corners_lie_between_centres() -> None:
    """Find the corners of a regular grid half a cell outside and between its centres."""
    centres = np.add.outer(np.arange(3.0), np.zeros(2))
    assert _corners(centres)[:, 0] == pytest.approx([-0.5, 0.5, 1.5, 2.5])


class Editor:
    """Edits a file step by step, whenever the watcher waits; stops it behind the last step."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = iter(steps)

    def __call__(self) -> None:
        try:
            step = next(self._steps)
        except StopIteration:
            raise KeyboardInterrupt from None
        step()


def watched(path: Path, *steps: Callable[[], object]) -> list[str]:
    """The texts that a watcher yields while an editor works."""
    texts: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        texts.extend(watch_file(path, Editor(*steps)))
    return texts


def put(path: Path, text: str, stamp: int) -> Callable[[], object]:
    """A step that writes a text, with a time of its own."""

    def write() -> None:
        path.write_text(text)
        os.utime(path, ns=(stamp, stamp))

    return write


def nothing() -> None:
    """A step in which nobody edits."""


def test_watch_yields_at_rest(tmp_path: Path) -> None:
    """Yield the first text and each change once, and no half-written one."""
    path = tmp_path / "a.py"
    put(path, "one", 1)()
    steps = [nothing, nothing, put(path, "tw", 2), put(path, "two", 3), nothing, nothing, put(path, "two", 4), nothing]
    assert watched(path, *steps, nothing) == ["one", "two"]


def test_watch_waits_for_a_file_that_is_gone(tmp_path: Path) -> None:
    """Wait while an editor has put the file away, emptied it, or left no text in it."""
    path = tmp_path / "a.py"
    put(path, "one", 1)()
    steps = [nothing, path.unlink, nothing, put(path, "", 2), nothing, nothing]
    steps += [lambda: path.write_bytes(b"\xff\xfe\xff"), nothing, nothing, put(path, "new", 5), nothing, nothing]
    assert watched(path, *steps) == ["one", "new"]


def test_watch_sees_the_same_text_back_again(tmp_path: Path) -> None:
    """Yield again what was there two changes ago."""
    path = tmp_path / "a.py"
    put(path, "one", 1)()
    steps = [nothing, put(path, "two", 2), nothing, nothing, put(path, "one", 3), nothing, nothing]
    assert watched(path, *steps) == ["one", "two", "one"]
