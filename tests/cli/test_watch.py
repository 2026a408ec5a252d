"""`racer watch`, `racer video` and `racer evaluate --replay`: from the command line to the window and the film."""

import pytest

from racer.replay import read_replay, write_replay
from support.bundles import write_linear
from support.commands import racer_alone
from support.replays import ring_replay
from support.runs import make_run
from support.tracks import ring


@pytest.fixture
def run(run, monkeypatch):
    """Run a command in this process, without a screen."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    return run


@pytest.fixture
def two(tmp_path):
    """Two replays on the same ring."""
    for name, cars in (("a", 2), ("b", 1)):
        write_replay(tmp_path / f"{name}.replay", ring_replay(cars=cars, steps=12))
    return tmp_path / "a.replay", tmp_path / "b.replay"


@pytest.fixture
def seen(monkeypatch):
    """Windows that were opened; each is closed after three frames."""
    from racer.viewer.window import ViewerWindow

    opened = []

    def few_frames(window):
        for _ in range(3):
            window.frame(0.2)
        opened.append(window)

    monkeypatch.setattr(ViewerWindow, "run", few_frames)
    yield opened
    import pygame

    pygame.quit()


def test_evaluation_is_written_and_watched(run, seen, tmp_path):
    """Write an evaluation's laps as a replay, and watch it."""
    file = tmp_path / "laps.replay"
    said = run("evaluate", "pure_pursuit", "-t", "zigzag", "--laps", "3", "--replay", file)
    assert said.code == 0 and f"wrote {file}" in said.out
    replay = read_replay(file)
    assert [car.name for car in replay.header.cars] == ["lap 1", "lap 2", "lap 3"]
    assert replay.header.cars[0].policy == "pure_pursuit" and replay.header.kind == "evaluation"
    said = run("watch", file, "--view", "chase")
    assert said.code == 0 and seen[0].playback.at == pytest.approx(9.0) and seen[0].choices.view == "chase"


def test_evaluation_of_a_run_has_rewards_and_its_hash(run, tmp_path):
    """Keep the run's own rewards, and which bundle drove."""
    import hashlib

    folder = make_run(tmp_path / "run")
    said = run("evaluate", folder, "--laps", "2", "--json", "--replay", tmp_path / "x.replay")
    assert said.code == 0 and "wrote" in said.err
    replay = read_replay(tmp_path / "x.replay")
    digest = hashlib.sha256((folder / "best.bundle").read_bytes()).hexdigest()
    assert all(car.rewarded and car.policy_sha256 == digest for car in replay.header.cars)
    rows = replay.rows[:, 0]
    assert rows["reward"][1] == pytest.approx(rows["speed_command"][1] + 0.5, abs=2e-3)


def test_policies_are_watched_together(run, seen, tmp_path):
    """Let a run and a bundle drive, with a person, and write what was driven."""
    folder, bundle = make_run(tmp_path / "run"), write_linear(tmp_path / "my.bundle")
    out = tmp_path / "mine.replay"
    said = run("watch", folder, bundle, "--me", "--replay", out, "--show", "waypoints,lidar,wants,heat")
    assert said.code == 0 and said.err == ""
    names = [car.name for car in seen[0].playback.source.stage.cars]
    assert names == ["run/best", "my", "you"] and seen[0].choices.follow == 2
    assert seen[0].playback.source.stage.track.name == "0"  # the run's own copy
    assert [car.name for car in read_replay(out).header.cars] == names


def test_a_training_is_followed(run, seen, tmp_path):
    """Drive a run's newest checkpoint."""
    folder = make_run(tmp_path / "run")
    write_linear(folder / "last.bundle")
    assert run("watch", folder, "--live").code == 0
    assert seen[0].playback.source.stage.cars[0].name == "run/last"


def test_ghosts_are_filmed_without_a_display(two, tmp_path):
    """Make a film of two replays in a process that has no screen and loads no torch."""
    after = "assert not {'torch', 'stable_baselines3', 'matplotlib'} & set(sys.modules)"
    before = "import os\nfor key in ('DISPLAY', 'WAYLAND_DISPLAY', 'SDL_VIDEODRIVER'): os.environ.pop(key, None)"
    out = tmp_path / "race.gif"
    said = racer_alone("video", *two, "-o", out, "--size", "320x200", "--fps", "5", before=before, after=after)
    assert said.code == 0 and said.err == "" and said.out == f"{out}: 9 pictures, 1.8 s\n"
    assert out.read_bytes()[:4] == b"GIF8"


def test_policies_are_filmed(run, tmp_path):
    """Let a policy and a bundle drive for two seconds on the first one's track, and make a film of both."""
    out = tmp_path / "drive.gif"
    said = run(
        *("video", "pure_pursuit", write_linear(tmp_path / "my.bundle"), "-t", "zigzag", "--seconds", 2, "-o", out),
        *("--size", "160x100", "--fps", "5", "--show", "names"),
    )
    # 2 s of driving and 1 s for which the last picture stays.
    assert (said.code, said.out) == (0, f"{out}: 15 pictures, 3.0 s\n") and out.read_bytes()[:4] == b"GIF8"


def test_help_loads_nothing_heavy():
    """Show the help without pygame, numba or numpy."""
    said = racer_alone("--help", after="assert not {'pygame', 'numba', 'numpy'} & set(sys.modules), sys.modules.keys()")
    assert said.code == 0 and "watch" in said.out and "video" in said.out


def test_no_display_is_one_line(two):
    """Name `racer video` where there is no screen."""
    before = "import os\nfor key in ('DISPLAY', 'WAYLAND_DISPLAY', 'SDL_VIDEODRIVER'): os.environ.pop(key, None)"
    said = racer_alone("watch", two[0], before=before)
    assert said.code == 1 and said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("error: No display") and "`racer video`" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["watch", "{a}", "pure_pursuit"], "`pure_pursuit` is not a replay"),
        (["watch", "{a}", "--me"], "has been driven already"),
        (["watch", "pure_pursiut"], "Did you mean `pure_pursuit`?"),
        (["watch", "pure_pursuit", "--live"], "follows one run"),
        (["watch", "{a}", "--view", "chas"], "Did you mean `chase`?"),
        (["watch", "{a}", "--show", "lidr"], "Did you mean `lidar`?"),
        (["watch", "{a}", "--replay", "x.replay"], "these are replays already"),
        (["video", "{a}", "-o", "x.avi"], "A film is .mp4 or .gif"),
        (["video", "{a}", "-o", "x.gif", "--size", "12"], "width x height"),
        (["video", "{other}", "{a}", "-o", "x.gif"], "only replays on the same track"),
        (["video", "{none}", "-o", "x.gif"], "the file does not exist"),
    ],
)
def test_mistakes_are_one_line(run, seen, two, tmp_path, monkeypatch, arguments, told):
    """Refuse with what to do, and write nothing."""
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other.replay"
    write_replay(other, ring_replay(name="oval", track=ring("oval", radius=2.0)))
    before = sorted(path.name for path in tmp_path.iterdir())
    words = {"a": two[0], "other": other, "none": tmp_path / "none.replay"}
    said = run(*(word.format(**words) for word in arguments))
    assert said.code == 1 and told in said.err and said.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
