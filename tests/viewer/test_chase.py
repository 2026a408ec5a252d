"""The chase view: marks where the lens puts them, cut behind it, steered wheels, shaded walls and haze."""

from dataclasses import replace

import numpy as np
import pytest
from ring_drive import RADIUS, ring_replay

from racer.track.track import TrackAppearance
from racer.viewer.chase import ChaseScene
from racer.viewer.marks import Marks, no_marks
from racer.viewer.playback import Playback, ReplaySource

SIZE = (640, 400)


def seen(replay, marks=None, at=10.0):
    """The picture of a moment as integers."""
    source = ReplaySource(replay)
    playback = Playback(source)
    playback.seek(at)
    return ChaseScene(source.stage).draw(SIZE, playback.moment(), 0, marks or no_marks()).astype(int)


def mark(*corners, opacity=1.0):
    """One magenta quad [m]."""
    return Marks(np.array([corners], float), np.array([[255.0, 0.0, 255.0]]), np.array([opacity]))


def around(x, y, half=0.02):
    """A small square [m]."""
    return [(x + a * half, y + b * half) for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))]


@pytest.mark.parametrize("ahead", [0.0, 0.3, 0.8])
def test_marks_are_where_the_pinhole_puts_them(ahead):
    """Find a square on the ground at f y / z, with the lens 2.9 car lengths behind the car and 1.25 above."""
    replay = ring_replay(cars=1)
    replay.rows["x"], replay.rows["y"], replay.rows["yaw"] = RADIUS, 0.0, np.pi / 2.0
    plain = seen(replay)
    # To the right of the car, so that it does not hide the square: x in the world is right here, y is ahead.
    image = seen(replay, mark(*around(RADIUS + 0.3, ahead)))
    rows, columns = np.nonzero(np.abs(image - plain).max(axis=2) > 60)
    length = replay.header.vehicle.length
    f, pitch = 320.0 / np.tan(np.radians(36.0)), np.radians(13.0)
    forward, up = 2.9 * length + ahead, -1.25 * length
    z, y = np.cos(pitch) * forward - np.sin(pitch) * up, -np.sin(pitch) * forward - np.cos(pitch) * up
    assert columns.mean() + 0.5 == pytest.approx(320.0 + f * 0.3 / z, abs=1.0)
    assert rows.mean() + 0.5 == pytest.approx(200.0 + f * y / z, abs=1.0)


def test_marks_mix_by_their_opacity():
    """Mix half of magenta into the road, in sRGB: the mean of both colours."""
    replay = ring_replay(cars=1)
    x, y = RADIUS * np.cos(1.2), RADIUS * np.sin(1.2)
    plain = seen(replay)
    whole = seen(replay, mark(*around(x, y, 0.15)))
    half = seen(replay, mark(*around(x, y, 0.15), opacity=0.5))
    inside = (whole == (255, 0, 255)).all(axis=2)
    assert inside.sum() > 50
    assert np.abs(half[inside] - 0.5 * (plain[inside] + whole[inside])).max() <= 1.0


def test_marks_are_cut_off_behind_the_lens():
    """Draw the part of a mark ahead of the lens, where it begins 3 m behind the lens."""
    replay = ring_replay(cars=1)
    replay.rows["x"], replay.rows["y"], replay.rows["yaw"] = RADIUS, 0.0, np.pi / 2.0
    strip = mark((1.7, -4.0), (1.8, -4.0), (1.8, 0.5), (1.7, 0.5))
    image = seen(replay, strip)
    assert (image[-1] == (255, 0, 255)).all(axis=1).any()
    nothing = mark((1.7, -4.0), (1.8, -4.0), (1.8, -3.0), (1.7, -3.0))
    assert np.array_equal(seen(replay, nothing), seen(replay))


def test_steering_turns_the_front_wheels_alone():
    """Change pixels where the front wheels are and leave the rear half of the car as it is."""
    replay = ring_replay(cars=1)
    images = []
    for steer in (0.0, 0.45):
        replay.rows["steer"] = steer
        image = seen(replay)
        images.append(image)
    rows, columns = np.nonzero((images[0] != images[1]).any(axis=2))
    assert len(rows) > 30
    # The middle of the car is on the axis to the left and right; what is further away is higher in the picture.
    length = replay.header.vehicle.length
    f, pitch, away, up = 320.0 / np.tan(np.radians(36.0)), np.radians(13.0), 2.9 * length, 1.25 * length
    middle = 200.0 + f * np.tan(np.arctan2(up, away) - pitch)
    assert rows.max() < middle
    assert columns.min() < 320 < columns.max()


def test_wheels_stand_on_the_axles_of_the_vehicle():
    """Move the rear wheels out with the track of the rear axle."""
    widths = []
    for track in (0.16, 0.26):
        replay = ring_replay(cars=1)
        vehicle = replay.header.vehicle.model_copy(update={"track_rear": track})
        replay = replace(replay, header=replay.header.model_copy(update={"vehicle": vehicle}))
        image = seen(replay)
        dark = np.nonzero(image[200:300].max(axis=2) < 30)[1]
        widths.append(dark.max() - dark.min())
    assert widths[1] > widths[0] + 20


def test_walls_are_shaded_and_hide_the_field():
    """See more than one tone of the wall on a ring, the nearer wall over the farther one, and none without walls."""
    replay = ring_replay(cars=1)
    tones = []
    for walls in ("borders", "none"):
        header = replay.header.model_copy(update={"track": replay.header.track.model_copy(update={"walls": walls})})
        image = seen(replace(replay, header=header))
        wall = np.array(TrackAppearance().wall)
        share = image @ wall / (wall @ wall)
        like = np.abs(image - share[..., None] * wall).max(axis=2) < 3
        like &= (share > 0.8) & (share < 1.25)
        tones.append(len(np.unique(np.round(share[like], 2))) if like.sum() > 500 else 0)
    assert tones[0] > 5 and tones[1] == 0


def test_ground_fades_to_the_horizon():
    """Take on a quarter of the colour of the horizon far away, by 1 - exp(-d / 14 m), and none nearby."""
    replay = ring_replay(cars=1)
    image = seen(replay)
    f, pitch, up = 320.0 / np.tan(np.radians(36.0)), np.radians(13.0), 1.25 * replay.header.vehicle.length
    field, horizon = np.array(TrackAppearance().field, float), np.array((205, 218, 226))
    first = 200.0 - f * np.tan(pitch)
    checked = 0
    for row in range(int(first) + 2, int(first) + 12):
        # Ground distance of the row along the axis direction: z = up / (down per unit ahead).
        down = np.cos(pitch) * (row + 0.5 - 200.0) / f + np.sin(pitch)
        share = 0.25 * (1.0 - np.exp(-up / down / 14.0))
        pixel = image[row, 5]
        if np.abs(pixel - field).max() < 60:
            assert np.abs(pixel - (field + share * (horizon - field))).max() <= 1.0
            checked += 1
    assert checked > 5
