"""Pictures of worlds: shape, type, and the car where it is."""

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.env.vector import RacerVectorEnv
from racer.evaluate import evaluate
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.render.topdown import RENDER_CAR_COLOUR, RENDER_WIDTH_PX, DrivenPaths, Viewport, WorldRenderer, draw_track
from racer.sim.appearance import BOX_COLOUR
from racer.sim.world import World
from racer.track.load import load_track
from support.environments import progress_reward, single
from support.tracks import ring


def batch(worlds, **options):
    """A batch that draws."""
    env = RacerVectorEnv(worlds, **({"track": ring(), "reward": progress_reward, "render_mode": "rgb_array"} | options))
    env.reset(seed=1)
    return env


def changed(image, background):
    """(row, column) of the pixels that the car covers."""
    return np.argwhere((image != background).any(axis=2))


def test_pictures_are_images_of_the_whole_track():
    """Give (H, W, 3) uint8 for each world; the ring is square but for its margins."""
    pictures = batch(3).render()
    assert isinstance(pictures, tuple) and len(pictures) == 3
    for image in pictures:
        assert image.dtype == np.uint8 and image.shape[1:] == (RENDER_WIDTH_PX, 3)
        assert abs(image.shape[0] - RENDER_WIDTH_PX) <= 1
    alone = single(render_mode="rgb_array")
    alone.reset(seed=1)
    assert alone.render().tobytes() == pictures[0].tobytes()


def test_without_a_render_mode_there_is_no_picture():
    """Give None, as Gymnasium wants it."""
    assert batch(2, render_mode=None).render() is None
    env = single()
    env.reset(seed=1)
    assert env.render() is None


def test_the_car_is_where_it_is():
    """Change pixels around the car's position alone, some in its colour, and follow it."""
    env = batch(4)
    track = ring()
    view = Viewport.fit(track, RENDER_WIDTH_PX)
    background = draw_track(track, view=view)
    seen = []
    for _ in range(3):
        for n, image in enumerate(env.render()):
            car = env.trial.world.cars[n, 0]
            column, row = view.to_pixels(np.array([car["x"], car["y"]]))
            pixels = changed(image, background)
            seen.append(pixels.mean(axis=0))
            # A car is 0.4 m long at most: about 60 pixels of a picture of 5 m on 600.
            reach = 0.4 / view.scale
            assert len(pixels) > 100
            assert np.abs(pixels - [row, column]).max() < reach
            assert np.abs(pixels.mean(axis=0) - [row, column]).max() < 0.1 / view.scale
            assert (image == RENDER_CAR_COLOUR).all(axis=2).sum() > 20
        for _ in range(8):
            env.step(np.tile([6.0, 1.5], (4, 1)))
    assert len({tuple(at.round()) for at in seen}) == len(seen), "pictures that do not move"


def test_a_picture_is_the_callers_own():
    """Draw on a fresh copy each time, so that nothing remains of earlier pictures or of what a caller paints."""
    env = batch(1)
    first = env.render()[0]
    kept = first.copy()
    first[:] = 0
    assert env.render()[0].tobytes() == kept.tobytes()
    env.step(np.array([[6.0, 4.0]]))
    again = env.render()[0]
    assert again.tobytes() != kept.tobytes()
    assert (again != kept).any(axis=2).sum() < 5000


def test_each_world_shows_its_own_track():
    """Draw every world over the track that it drives, in either direction."""
    double = ring(name="double", center=2 * ring().center, left=2 * ring().left, right=2 * ring().right)
    env = batch(4, track=[ring(), double], config={"start": {"direction": "alternate"}})
    backgrounds = [draw_track(track, view=Viewport.fit(track, RENDER_WIDTH_PX)) for track in (ring(), double)]
    for n, image in enumerate(env.render()):
        assert len(changed(image, backgrounds[n % 2])) < 10_000
        assert len(changed(image, backgrounds[1 - n % 2])) > 10_000 or image.shape != backgrounds[1 - n % 2].shape


def test_drawing_changes_nothing():
    """Leave the world as it was, bit for bit."""
    env, twin = batch(2), batch(2)
    for _ in range(5):
        env.render()
        one, other = env.step(np.full((2, 2), 3.0)), twin.step(np.full((2, 2), 3.0))
        assert one[0]["state"].tobytes() == other[0]["state"].tobytes()


@pytest.mark.parametrize("active", [True, False])
def test_boxes_are_drawn_where_they_are_active(active):
    """Show a box on the road in its colour, and no box that is not there."""
    env = batch(1)
    world = World([ring()], env.trial.world.vehicle, 1, objects=1)
    world.reset()
    world.put_object(0, 0, s=4.0)
    world.objects["active"] = int(active)
    image = WorldRenderer(world).draw(0)
    assert bool((image == BOX_COLOUR).all(axis=2).sum() > 200) is active


def test_paths_are_drawn_where_cars_went_and_coloured_by_speed():
    """Find a car's own places painted, slow ones darker than fast ones, and the rest of the road as it was."""
    track = load_track("easy_oval")
    paths = DrivenPaths()
    result = evaluate(PurePursuitPolicy(), track, read_vehicle("deepracer"), laps=1, watch=paths)
    assert result.completion_rate == 1.0
    image, slow, fast = paths.draw(track, read_vehicle("deepracer"), 900)
    assert 0.0 < slow < fast < 4.0
    view = Viewport.fit(track, 900)
    bare = draw_track(track, view=view)
    rows = np.stack(paths._cars)[:, 0]
    speed = np.hypot(rows["vx"], rows["vy"])
    at = np.rint(view.to_pixels(np.stack([rows["x"], rows["y"]], axis=1)) - 0.5).astype(int)
    painted = (image != bare).any(axis=2)
    assert painted[at[:, 1], at[:, 0]].all()
    assert painted.mean() < 0.03
    fastest, slowest = int(speed.argmax()), int(np.abs(speed - slow).argmin())
    light = [int(image[at[k, 1], at[k, 0]].sum()) for k in (slowest, fastest)]
    assert light[0] < light[1]
