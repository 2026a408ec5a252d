"""Films: as many pictures as there must be, the right size, whole files or none."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from racer.errors import ConfigError, MissingExtra
from racer.viewer import video
from racer.viewer.controls import ViewMode, ViewOptions
from racer.viewer.playback import ReplaySource
from support.replays import ring_replay

SMALL = (320, 200)


@pytest.fixture
def short():
    """A replay of a second and a bit."""
    return ReplaySource(ring_replay(steps=16))


def test_count_is_time_over_speed_and_a_second_more(source):
    """Have a picture for each part of a second, and hold the last one for a second."""
    assert video.frame_count(source, frames_per_s=30.0, speed=1.0) == np.ceil((59 / 15 + 1.0) * 30)
    assert video.frame_count(source, frames_per_s=10.0, speed=4.0) == np.ceil((59 / 60 + 1.0) * 10)


def test_pictures_move_and_then_stay(short):
    """Change while it drives, and stay for the last second."""
    frames = list(video.render_frames(short, size=SMALL, frames_per_s=8.0, speed=1.0, choices=ViewOptions()))
    assert len(frames) == 16 and all(frame.shape == (200, 320, 3) for frame in frames)
    same = [np.array_equal(a, b) for a, b in pairwise(frames)]
    assert same[:7] == [False] * 7 and same[8:] == [True] * 7


def test_gif_has_every_picture(short, tmp_path):
    """Write all pictures with their time."""
    told = []
    video.write_video(tmp_path / "a.gif", short, size=SMALL, frames_per_s=5.0, report=told.append)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.size == SMALL and film.n_frames in range(6, 11)
        shown_ms = 0
        for k in range(film.n_frames):
            film.seek(k)
            shown_ms += film.info["duration"]
    assert shown_ms == 10 * 200 and told[-1] == 1.0 and len(told) == 10


def test_mp4_has_every_picture(short, tmp_path):
    """Write a film that ffmpeg reads back, of even size."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "films" / "a.mp4"
    video.write_video(path, short, size=(321, 201), frames_per_s=10.0, choices=ViewOptions(view=ViewMode.CHASE))
    count, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert count == 20 and seconds == pytest.approx(2.0)
    reader = ffmpeg.read_frames(str(path))
    assert next(reader)["size"] == (320, 200)
    reader.close()
    assert [one.name for one in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_that_fails_leaves_nothing(short, tmp_path, monkeypatch, suffix):
    """Leave no half film where drawing fails."""
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")

    def fail(*_, **__):
        yield np.zeros((200, 320, 3), np.uint8)
        raise RuntimeError("no more")

    monkeypatch.setattr(video, "render_frames", fail)
    with pytest.raises(RuntimeError, match="no more"):
        video.write_video(tmp_path / f"a{suffix}", short, size=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_other_kinds_are_refused(short, tmp_path):
    """Name the kinds that there are."""
    with pytest.raises(ConfigError, match=r"\.mp4 or \.gif"):
        video.write_video(tmp_path / "a.avi", short)


def test_missing_packages_are_one_line(short, tmp_path, monkeypatch):
    """Name the extra that makes films."""
    import sys

    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtra, match=r"racer\[view\]"):
        video.write_video(tmp_path / "a.mp4", short)
