"""What the pictures show: the colour of the place where something must be, in every view."""

import os
from dataclasses import replace

import numpy as np
import pygame
import pytest

from racer.config.env import CameraConfig
from racer.sim.appearance import BOT_COLOUR
from racer.sim.dtypes import BOT
from racer.track.track import TrackAppearance
from racer.viewer.chase import ChaseScene
from racer.viewer.compose import Painter, TrackBackground, draw_topdown
from racer.viewer.controls import Overlay, ViewMode, ViewOptions
from racer.viewer.hud import (
    TimelineState,
    event_ticks,
    lap_reward,
    make_layout,
    time_text,
    timeline_fraction_at,
    timeline_rect,
)
from racer.viewer.marks import no_marks
from racer.viewer.playback import Playback, ReplaySource
from racer.viewer.sensors import CarSensors
from support.replays import RADIUS, ring_replay
from support.tracks import ring

LOOK = TrackAppearance()
SIZE = (600, 600)


def shown(replay, at, **choices):
    """A picture (H, W, 3) of a replay, 900 by 640."""
    source = ReplaySource(replay)
    playback = Playback(source)
    playback.seek(at)
    surface = pygame.Surface((900, 640))
    surface.fill((255, 0, 255))
    clock = TimelineState(seconds=at / 15, length=59 / 15, speed=1.0, paused=False, growing=False)
    painter = Painter(source.stage)
    painter.draw(surface, playback.moment(), ViewOptions(**choices), clock)
    return pygame.surfarray.array3d(surface).swapaxes(0, 1), painter


def top(replay, at=0.0, zoom=1.0, follow=0):
    """The view from above of a replay's moment, and which metres are where."""
    source = ReplaySource(replay)
    playback = Playback(source)
    playback.seek(at)
    moment = playback.moment()
    focus = (float(moment.rows["x"][follow]), float(moment.rows["y"][follow]))
    view, image = TrackBackground(source.stage).cut(SIZE, zoom, focus)
    draw_topdown(image, view, source.stage, moment, no_marks(), follow, 1.0)
    return image, view


def at_place(image, view, x, y):
    """The colour of a place in metres."""
    column, row = view.to_pixels((x, y))
    return tuple(image[int(row), int(column)].tolist())


def near(colour, other, tolerance=40):
    """Whether two colours look the same."""
    return np.abs(np.subtract(colour, other, dtype=float)).max() <= tolerance


@pytest.mark.parametrize("zoom", [1.0, 2.0, 4.5])
def test_ground_is_where_it_is_said_to_be(zoom):
    """See road, field and a box where the world has them, at every zoom."""
    replay = ring_replay(cars=1, boxes=1)
    image, view = top(replay, zoom=zoom)
    points = [((RADIUS + 0.25, 0.35), LOOK.road), ((0.8, 0.1), LOOK.field), ((RADIUS - 0.46, 0.0), LOOK.edge_line)]
    for place, colour in points:
        if zoom == 1.0 or np.abs(np.subtract(place, (view.x, view.y))).max() < 0.45 * view.scale * 600:
            assert near(at_place(image, view, *place), colour, 6), place
    if zoom == 1.0:
        assert at_place(image, view, -RADIUS, 0.1)[0] > 120  # the box: brown
    assert image.shape == (600, 600, 3) and view.scale == pytest.approx(top(replay)[1].scale / zoom)


def test_zoom_keeps_the_car_in_the_picture():
    """Show the followed car at every zoom and place, near the middle where the track goes on."""
    replay = ring_replay(cars=2)
    for at in (0.0, 17.0, 40.0):
        image, view = top(replay, at, zoom=3.0, follow=1)
        row = replay.rows[int(at), 1]
        column, line = view.to_pixels((row["x"], row["y"]))
        assert 30 < column < 570 and 30 < line < 570
        assert not near(at_place(image, view, row["x"], row["y"]), LOOK.road, 20)


def test_cars_have_their_colours_and_bots_are_grey():
    """See a car's own colour at its place, a bot's grey, and nothing of another world's objects."""
    replay = ring_replay(cars=2, boxes=3)
    things = replay.objects.copy()
    things["kind"][0, 1], things["world"][0, 2] = BOT, 7
    image, view = top(replace(replay, objects=things))

    def has(x, y, colour):
        column, row = view.to_pixels((x, y)).astype(int)
        return any(near(pixel, colour) for pixel in image[row - 8 : row + 9, column - 8 : column + 9].reshape(-1, 3))

    stage = ReplaySource(replay).stage
    assert has(RADIUS, 0.0, stage.colour(0)) and has(0.0, RADIUS, stage.colour(1))
    bot, ghost = things[0, 1], things[0, 2]
    assert has(bot["x"], bot["y"], BOT_COLOUR)
    assert near(at_place(image, view, ghost["x"] * 1.05, ghost["y"] * 1.05), LOOK.road, 6)


def test_followed_car_has_a_ring():
    """Draw white around the car that is followed, and not around the other."""
    replay = ring_replay(cars=2)
    for follow in (0, 1):
        image, view = top(replay, follow=follow)
        whites = []
        for car in (0, 1):
            column, row = view.to_pixels((replay.rows["x"][0, car], replay.rows["y"][0, car])).astype(int)
            part = image[row - 30 : row + 30, column - 30 : column + 30]
            whites.append(int((part > 240).all(axis=2).sum()))
        assert whites[follow] > 40 + whites[1 - follow]


def chase(replay, at=10.0, follow=0, size=(640, 400)):
    """The chase view of a replay's moment."""
    source = ReplaySource(replay)
    playback = Playback(source)
    playback.seek(at)
    scene = ChaseScene(source.stage)
    return scene.draw(size, playback.moment(), follow, no_marks()), scene, playback.moment(), source.stage


def test_chase_has_sky_above_and_road_below():
    """See sky at the top, the road before the car, and the car's own colour in the middle."""
    image, _, _, stage = chase(ring_replay(cars=1))
    assert image[0, :, 2].min() > 150 and (image[0, :, 2] > image[0, :, 0]).all()
    assert near(image[395, 320], LOOK.road, 12)
    middle = image[180:330, 220:420].reshape(-1, 3)
    assert sum(near(pixel, stage.colour(0), 50) for pixel in middle[::7]) > 20


def test_chase_stays_behind_the_car_through_a_jump():
    """Look along the car's way, also right after it was put somewhere else."""
    replay = ring_replay(cars=1)
    replay.rows["x"][30:] += 0.0
    _, scene, moment, _ = chase(replay, at=20.0)
    x, y, yaw = scene.pose(moment, 0)
    row = moment.rows[0]
    assert (x, y) == (row["x"], row["y"])
    assert np.cos(yaw - row["yaw"]) > 0.9


def test_other_worlds_cars_are_seen_through():
    """Draw a ghost fainter than a rival at the same place."""
    pictures = []
    for worlds in ([0, 0], [0, 1]):
        replay = ring_replay(cars=2, worlds=worlds)
        for key in ("x", "y", "yaw"):
            replay.rows[key][:50, 1] = replay.rows[key][5:55, 0]
        pictures.append(chase(replay, at=0.0)[0].astype(int))
    alone = ring_replay(cars=2)
    alone.rows["status"][:, 1] = -1
    empty = chase(alone, at=0.0)[0].astype(int)
    rival, ghost = (np.abs(picture - empty).sum() for picture in pictures)
    assert 0 < ghost < 0.75 * rival


def test_chase_places_names_above_the_cars_in_sight():
    """Give a place in the picture to a car ahead, and none to one behind the lens."""
    replay = ring_replay(cars=2)
    for key in ("x", "y", "yaw"):
        replay.rows[key][:50, 1] = replay.rows[key][5:55, 0]
    _, scene, moment, _ = chase(replay, at=0.0)
    places = scene.places((640, 400), moment, 0)
    assert np.isfinite(places).all() and places[1, 1] < 300
    behind = scene.places((640, 400), moment, 1)
    assert np.isnan(behind[0]).all() or behind[0, 1] > places[1, 1]


def test_crossing_and_walled_tracks_are_drawn():
    """Draw the chase view of every kind of wall, from many places, without a hole."""
    from racer.track.load import load_track

    for name in ("crossover", "lakeside", "switchback"):
        track = load_track(name)
        replay = ring_replay(cars=1, track=track)
        rows = replay.rows
        step = len(track.center) // 60 + 1
        places = track.center[(np.arange(60) * step) % len(track.center)]
        rows["x"][:, 0], rows["y"][:, 0] = places.T
        header = replay.header.model_copy(
            update={"track": replay.header.track.model_copy(update={"walls": track.walls, "wall_offset": 0.4})}
        )
        for at in range(0, 60, 20):
            image = chase(replace(replay, header=header), at=float(at), size=(160, 100))[0]
            assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("view", list(ViewMode))
@pytest.mark.parametrize("overlays", [set(), set(Overlay)])
def test_every_view_fills_the_picture(view, overlays):
    """Paint every pixel in every view, with nothing and with everything on top."""
    image, _ = shown(ring_replay(cars=2, boxes=2, rewarded=True), 20.0, view=view, overlays=overlays)
    assert not (image == (255, 0, 255)).all(axis=2).any()


def test_a_car_that_is_not_there_is_not_drawn():
    """Follow a car that is absent without a failure."""
    replay = ring_replay(cars=2)
    replay.rows["status"][:, 0] = -1
    for view in ViewMode:
        shown(replay, 20.0, view=view, overlays=set(Overlay), follow=0)


def test_the_inset_is_the_cars_camera():
    """Show the frame of the car's own camera, grey where its policy sees grey, with other cars of its world only."""
    replay = ring_replay(cars=2)
    for key in ("x", "y", "yaw"):
        replay.rows[key][:50, 1] = replay.rows[key][4:54, 0]
    frames = {}
    for worlds in ((0, 0), (0, 1)):
        cars = tuple(
            car.model_copy(update={"world": world, "camera": CameraConfig()})
            for car, world in zip(replay.header.cars, worlds, strict=True)
        )
        source = ReplaySource(replace(replay, header=replay.header.model_copy(update={"cars": cars})))
        moment = Playback(source).moment()
        frames[worlds] = CarSensors(source.stage).camera(moment, 0)
    frame = frames[0, 1]
    assert frame.shape == (120, 160, 3) and (frame[..., 0] == frame[..., 2]).all() and np.ptp(frame) > 50
    assert (frames[0, 0] != frame).sum() > 200
    large = CarSensors(source.stage).camera(moment, 0, large=True)
    assert large.shape == (720, 960, 3) and (large[..., 0] != large[..., 2]).any()


def test_lidar_rays_end_on_the_walls():
    """End each ray on the ring's borders, at the distance of the circle that it meets."""
    source = ReplaySource(ring_replay(cars=1))
    start, ends = CarSensors(source.stage).lidar(Playback(source).moment(), 0)
    radius = np.hypot(*ends.T)
    assert start.tolist() == pytest.approx([RADIUS, 0.0])
    assert (np.minimum(np.abs(radius - 1.0), np.abs(radius - 2.0)) < 0.003).all()
    assert len(ends) == 64


def test_time_is_written_as_people_do():
    """Show minutes from one minute on."""
    assert [time_text(s) for s in (0.0, 9.996, 59.99, 60.0, 83.456)] == ["0.00", "10.00", "59.99", "1:00.00", "1:23.46"]


def test_reward_of_a_lap_begins_with_it():
    """Sum the rewards of this lap alone."""
    source = ReplaySource(ring_replay(rewarded=True))
    playback = Playback(source)
    playback.seek(30.0)
    assert lap_reward(playback.moment(), 0) == pytest.approx(30 * 0.5)
    playback.seek(45.0)
    assert lap_reward(playback.moment(), 0) == pytest.approx(5 * 0.5)
    assert lap_reward(playback.moment(), 1) == pytest.approx(45 * 1.5)


def test_ticks_mark_laps_and_faults():
    """Mark where a car's laps and faults are on the time line."""
    rows = ring_replay().rows
    rows["status"][30, 1] = 2
    ticks = event_ticks(rows, 1)
    assert [share for share, _ in ticks] == pytest.approx([30 / 59, 1.0]) and ticks[0][1] != ticks[1][1]
    assert event_ticks(rows, 0) == ()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("size", [(1280, 800), (640, 480), (200, 100)])
def test_layout_covers_the_window(size, scale):
    """Cover the window without overlaps by scene, panel and time line."""
    layout = make_layout(*size, scale)
    parts = [layout.scene, layout.bar, *([layout.side] if layout.side else [])]
    count = np.zeros(size, int)
    for left, up, width, height in parts:
        count[left : left + width, up : up + height] += 1
    assert (count <= 1).all()
    if min(size) > 200:
        assert (count == 1).all()


def test_places_on_the_time_line():
    """Turn columns of the time line into shares, and leave the rest of the bar alone."""
    bar = pygame.Rect(0, 760, 1008, 40)
    left, _, width, _ = timeline_rect(bar, 1.0)
    got = [timeline_fraction_at(bar, x, 1.0) for x in (0, left, left + width // 2, left + width, 1000)]
    assert got == [None, 0.0, pytest.approx(0.5, abs=0.01), 1.0, None]


def test_pictures_need_no_screen():
    """Draw without a display having been opened."""
    pygame.quit()
    assert os.environ["SDL_VIDEODRIVER"] == "dummy" and not pygame.display.get_init()
    shown(ring_replay(), 3.0)
    assert not pygame.display.get_init()


def test_names_are_found_where_they_are_drawn():
    """Tell which car's name is at a place."""
    _, painter = shown(ring_replay(cars=2), 5.0)
    found = {painter.car_at((x, y)) for x in range(0, 900, 6) for y in range(0, 640, 6)}
    assert found == {None, 0, 1}


def test_a_track_of_another_shape_fits():
    """Fit a track that is much wider than high, with room around it."""
    wide = ring(radius=1.5)
    stretched = replace(wide, center=wide.center * [4, 1], left=wide.left * [4, 1], right=wide.right * [4, 1])
    image, view = top(ring_replay(cars=1, track=stretched))
    assert near(at_place(image, view, 0.0, 1.5 + 0.25), LOOK.road, 6)
    assert near(image[5, 300], LOOK.field, 3) and near(image[300, 2], LOOK.field, 3)
