"""The camera: against a naive twin, known points through both lenses, what hides what, and golden frames."""

import functools
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from racer.config.env import CameraConfig
from racer.config.read import read_vehicle
from racer.errors import ConfigError
from racer.sim.camera.camera import Camera
from racer.sim.dtypes import BOT
from racer.sim.world import World
from racer.track.load import load_track
from racer.track.track import Track, TrackAppearance
from support import tracks
from support.naive_camera import axes, picture
from support.paths import ROOT
from support.tracks import band, wide_eight

GOLDEN = Path(__file__).parent / "golden"
TRACKS = ROOT / "tracks"
VEHICLE = read_vehicle(ROOT / "configs" / "vehicle" / "deepracer.yaml")
AXLE = 0.5 * (VEHICLE.front - VEHICLE.rear)
SMALL = {"width": 80, "height": 60, "colour": "rgb"}
FISHEYE = {"lens": "fisheye", "view_deg": 120.0, "distortion": (0.02, -0.01, 0.0, 0.0)}


straight = functools.partial(tracks.straight, walls="none")


def ring(radius=1.6, rows=60, **fields):
    """A circle without walls, its borders mitred."""
    return band(tracks.ring(radius=radius, rows=rows, repeat=False).center, **fields)


def world_of(track, worlds=1, **options):
    """A world with its cars at rest somewhere along the track."""
    world = World([track] if isinstance(track, Track) else track, VEHICLE, worlds, **options)
    world.reset()
    return world


def at(world, *poses):
    """Put the cars of the first world at (x, y, yaw)."""
    for car, pose in enumerate(poses):
        for name, value in zip(("x", "y", "yaw"), pose, strict=True):
            world.cars[name][0, car] = value


def shot(world, which=(0, 0), eyes=1, change=None, **config):
    """One frame, and the camera that made it."""
    camera = Camera(world, CameraConfig(**config), eyes=eyes)
    if change:
        change(camera)
    camera.update_poses()
    camera.render()
    return camera.frames[which], camera


# --- The naive twin -------------------------------------------------------------------------------------------------

POSES = {
    "ring": (ring(), (1.55, 0.3, 1.8)),
    "eight, at the crossing": (wide_eight(), (-0.7, -0.6, 0.75)),
    "open, at its end": (straight(), (4.6, 0.1, 0.1)),
    "beside the road": (ring(radius=2.5), (0.6, 0.2, -0.4)),
}
VIEWS = {
    "default": {},
    "rolled": {"roll_deg": 20.0, "pitch_deg": 25.0},
    "mounted askew": {"yaw_deg": -30.0, "left": 0.1, "up": 0.3, "pitch_deg": 40.0},
    "fisheye": FISHEYE,
    "fisheye, rolled": {**FISHEYE, "roll_deg": -25.0, "pitch_deg": 5.0},
    "fisheye from above": {"lens": "fisheye", "view_deg": 150.0, "pitch_deg": 75.0, "up": 0.8},
    "fisheye looking up": {"lens": "fisheye", "view_deg": 150.0, "pitch_deg": -12.0},
}
CASES = [("ring", view) for view in VIEWS] + [(pose, "default") for pose in POSES if pose != "ring"]


@pytest.mark.parametrize(("pose", "view"), CASES)
def test_ground_equals_the_naive_twin(pose, view):
    """Paint road, lines, dashes, start line, field and sky as 4 x 4 rays through each pixel see them."""
    track, place = POSES[pose]
    world = world_of(track)
    at(world, place)
    frame, camera = shot(world, **SMALL, **VIEWS[view])
    expected = picture(camera.rows[0, 0], camera.appearances[0, 0], place, track, width=80, height=60, axle=AXLE)
    error = np.abs(frame - expected).mean(axis=2)
    assert error.mean() < 0.9, error.mean()
    assert np.quantile(error, 0.99) < 16.0
    assert np.ptp(expected.mean(axis=2)) > 100.0


@pytest.mark.parametrize("view", ["default", "rolled", "fisheye"])
def test_solids_and_walls_equal_the_naive_twin(view):
    """Let boxes and walls hide the ground and each other as rays do: near ones, far ones, askew ones, cut ones."""
    track = ring(walls="offset", wall_offset=0.3)
    place = (1.55, 0.3, 1.8)
    world = world_of(track, objects=5)
    at(world, place)
    boxes = [
        (1.25, 1.05, 0.4, 0.4, 0.3, 0.25),
        (1.0, 1.35, 1.2, 0.4, 0.3, 0.25),
        (1.0, 0.95, -0.3, 0.3, 0.1, 0.15),
        (-0.1, 1.7, 2.9, 0.2, 0.5, 0.35),
        (1.72, 0.5, 1.0, 0.2, 0.1, 0.4),
    ]
    world.objects["active"] = 1
    for row, box in zip(world.objects[0], boxes, strict=True):
        for name, value in zip(("x", "y", "yaw", "length", "width", "height"), box, strict=True):
            row[name] = value

    def black(camera):
        camera.object_colours[:] = 0.0

    frame, camera = shot(world, change=black, **SMALL, **VIEWS[view])
    black_boxes = [(*box, (0.0, 0.0, 0.0)) for box in boxes]
    expected = picture(
        camera.rows[0, 0], camera.appearances[0, 0], place, track,
        width=80, height=60, axle=AXLE, boxes=black_boxes, walls=True,
    )  # fmt: skip
    error = np.abs(frame - expected).mean(axis=2)
    assert error.mean() < 0.9, error.mean()
    assert np.quantile(error, 0.99) < 16.0
    wall = np.abs(expected - camera.appearances[0, 0]["wall"]).max(axis=2) < 1.0
    assert (expected.max(axis=2) < 1.0).mean() > 0.1 and wall.any() and (expected.max(axis=2) > 200.0).any()


# --- Known points ---------------------------------------------------------------------------------------------------


def projected(row, point, lens):
    """Column and row of a point (right, down, ahead of the camera)."""
    x, y, z = point
    if lens == "pinhole":
        return row["column"] + row["focal"] * x / z, row["row"] + row["focal"] * y / z
    angle = np.arctan2(np.hypot(x, y), z)
    r = row["focal"] * (angle + sum(row[f"k{n}"] * angle ** (2 * n + 1) for n in (1, 2, 3, 4)))
    return row["column"] + r * x / np.hypot(x, y), row["row"] + r * y / np.hypot(x, y)


@pytest.mark.parametrize("lens", ["pinhole", "fisheye"])
def test_edge_lines_are_where_the_formula_puts_them(lens):
    """Find both rims of both edge lines within half a pixel of the projection of points on them."""
    half, line = 0.4, 0.076
    world = world_of(straight(rows=3, look=TrackAppearance(center_line=TrackAppearance().road)))
    at(world, (1.0, 0.0, 0.0))
    frame, camera = shot(world, colour="grey", **({"lens": "fisheye", "view_deg": 110.0} if lens == "fisheye" else {}))
    row = camera.rows[0, 0]
    right, down, ahead = axes(row, 0.0)
    eye = np.array([1.0 + AXLE + row["forward"], 0.0, row["up"]])
    grey = {
        name: float(np.dot((0.299, 0.587, 0.114), getattr(TrackAppearance(), name)))
        for name in ("road", "edge_line", "field")
    }
    checked = 0
    for x in np.linspace(1.5, 4.0, 26):
        for side in (1.0, -1.0):
            for y, outside, inside in ((half, "field", "edge_line"), (half - line, "edge_line", "road")):
                way = np.array([x, side * y, 0.0]) - eye
                u, v = projected(row, (way @ right, way @ down, way @ ahead), lens)
                if not (3 < u < 157 and 3 < v < 117):
                    continue
                # The row through the point crosses the rim once; where half the step is reached, there it is.
                values = frame[int(v), :, 0].astype(float)
                span = values[:80][::-1] if side > 0.0 else values[80:]
                level = 0.5 * (grey[outside] + grey[inside])
                rising = (span[:-1] - level) * (span[1:] - level) <= 0.0
                places = [
                    k + (span[k] - level) / (span[k] - span[k + 1])
                    for k in np.flatnonzero(rising & (np.diff(span) != 0))
                ]
                columns = [79.5 - place if side > 0.0 else 80.5 + place for place in places]
                # The rim runs on from the middle of the row to the point's own height.
                way_b = np.array([x + 0.01, side * y, 0.0]) - eye
                u_b, v_b = projected(row, (way_b @ right, way_b @ down, way_b @ ahead), lens)
                expected = u + (int(v) + 0.5 - v) * (u_b - u) / (v_b - v)
                assert min(abs(column - expected) for column in columns) < 0.5, (x, y, side)
                checked += 1
    assert checked > 25


def test_horizon_is_level_with_the_lens():
    """Begin the ground f tan(pitch) above the middle row, in every column, wherever the car stands."""
    frame, camera = shot(world_of(ring()), pitch_deg=10.0)
    row = camera.rows[0, 0]
    horizon = row["row"] - row["focal"] * np.tan(row["pitch"])
    sky, ground = frame[int(horizon) - 1, :, 0], frame[int(horizon) + 1, :, 0]
    assert (np.abs(sky.astype(int) - 222) < 4).all() and (ground < 150).all()


# --- What hides what ------------------------------------------------------------------------------------------------


def one_box(x, y=0.0, height=0.25):
    """A straight road with a car at its beginning and a box."""
    world = world_of(straight(length=12.0), objects=2)
    at(world, (0.5, 0.0, 0.0))
    put(world, 0, x, y, height)
    return world


def put(world, slot, x, y, height):
    """Set an object of the first world."""
    row = world.objects[0, slot]
    row["x"], row["y"], row["length"], row["width"], row["height"], row["active"] = x, y, 0.4, 0.3, height, 1


def paint(camera, first, second):
    """Give the two objects colours."""
    camera.object_colours[0, 0, -2], camera.object_colours[0, 0, -1] = first, second


def test_nearer_box_hides_the_farther_one_whatever_their_order():
    """Paint by distance, not by number."""
    red, blue = (255, 0, 0), (0, 0, 255)
    for near, far in ((0, 1), (1, 0)):
        world = one_box(1.6)
        put(world, near, 1.6, 0.0, 0.25)
        put(world, far, 2.4, 0.1, 0.25)
        colours = (red, blue) if near == 0 else (blue, red)
        frame, _ = shot(world, change=lambda camera, c=colours: paint(camera, *c), colour="rgb")
        assert frame[30, 80, 0] > 100 and frame[30, 80, 2] < 20
        seen = frame[20:50].astype(int)
        assert (seen[..., 0] - seen[..., 2] > 80).sum() > 500 and (seen[..., 2] - seen[..., 0] > 80).sum() < 300


def test_wall_hides_the_box_behind_it_and_is_hidden_by_one_before_it():
    """Sort boxes and walls: the wall of a bend across the road is 1 m high, the box 0.25 m."""
    track = ring(radius=2.0, rows=90, walls="offset", wall_offset=0.1)
    for x, shown in ((0.0, True), (5.5, False)):
        world = world_of(track, objects=2)
        at(world, (-1.0, 0.3, 0.0))
        # The inner wall stands at 1.5 m from the middle, the outer one at 2.5 m.
        put(world, 0, x, 0.3, 0.25)
        frame, _ = shot(
            world, change=lambda camera: paint(camera, (255, 0, 0), (0, 0, 255)), colour="rgb", pitch_deg=5.0
        )
        red = (frame[..., 0] > 100) & (frame[..., 1] < 20)
        assert red.any() == shown
        assert (np.abs(frame.astype(int) - TrackAppearance().wall).max(axis=2) < 2).sum() > 2000


def test_walls_are_seen_as_asked():
    """`apart` shows walls off the road, `all` those on its borders too, `none` none; wall_height 0 hides them."""
    colour = np.array(TrackAppearance().wall)

    def walls(track, **options):
        frame, _ = shot(world_of(track), colour="rgb", **options)
        return int((np.abs(frame.astype(int) - colour).max(axis=2) < 2).sum())

    borders, apart = ring(walls="borders"), ring(walls="offset", wall_offset=0.3)
    assert walls(borders) == 0 and walls(borders, walls="all") > 3000
    assert walls(apart) > 3000 and walls(apart, walls="none") == 0
    assert walls(ring(), walls="all") == 0

    def low(camera):
        camera.appearances["wall_height"] = 0.0

    frame, _ = shot(world_of(apart), colour="rgb", change=low)
    assert (np.abs(frame.astype(int) - colour).max(axis=2) >= 2).all()


def test_cars_see_each_other_and_not_themselves():
    """Show the other car where it is, of its own colour; a slot without a car shows nothing, nor does another track."""
    world = world_of([straight(), straight()], cars=2)
    at(world, (0.5, 0.0, 0.0), (1.6, 0.0, 0.0))
    world.cars["course"] = 0
    frame, camera = shot(world, colour="rgb")
    blue = camera.object_colours[0, 0, 1]
    assert blue[2] > 200

    def blues(picture):
        return int(((picture[..., 2].astype(int) - picture[..., 0] > 60) & (picture[..., 0] < 60)).sum())

    assert blues(frame) > 120 and blues(camera.frames[0, 1]) == 0
    for name, value in (("active", 0), ("course", 2)):
        before = world.cars[name][0, 1]
        world.cars[name][0, 1] = value
        camera.update_poses()
        camera.render()
        assert blues(camera.frames[0, 0]) == 0
        world.cars[name][0, 1] = before


def test_bot_looks_like_a_car():
    """A bot is drawn as a car of the same size, a box as a box."""
    world = world_of(straight(), cars=2, objects=1)
    at(world, (0.5, 0.0, 0.0), (1.6, 0.1, 0.3))
    frame, camera = shot(world, colour="rgb")
    row = world.objects[0, 0]
    row["x"], row["y"], row["yaw"], row["kind"], row["active"] = 1.6, 0.1, 0.3, BOT, 1
    row["length"], row["width"] = VEHICLE.length, VEHICLE.width
    world.cars["active"][0, 1] = 0
    camera.object_colours[0, 0, 2] = camera.object_colours[0, 0, 1]
    seen = frame.copy()
    camera.update_poses()
    camera.render()
    assert np.array_equal(camera.frames[0, 0], seen)


# --- Every camera its own -------------------------------------------------------------------------------------------


def busy(worlds, first_world=0):
    """Worlds with three cars and two boxes each on two tracks, cameras that all differ."""
    world = world_of(
        [ring(walls="offset", wall_offset=0.4), wide_eight()], worlds, cars=3, objects=2, first_world=first_world
    )
    camera = Camera(world, CameraConfig())
    for n in range(worlds):
        random = np.random.default_rng(first_world + n)
        world.cars["course"][n] = 2 * ((first_world + n) % 2)
        for rows in (world.cars[n], world.objects[n]):
            rows["x"], rows["y"] = random.uniform(-2, 2, (2, len(rows)))
            rows["yaw"] = random.uniform(-3, 3, len(rows))
        world.objects["course"][n] = world.cars["course"][n, 0]
        for name, value in (("length", 0.4), ("width", 0.3), ("height", 0.25), ("active", 1)):
            world.objects[name][n] = value
        for name, spread in (("pitch", 0.2), ("roll", 0.2), ("yaw", 0.3), ("k1", 0.02)):
            camera.rows[name][n] += random.uniform(-spread, spread, 3)
        camera.rows["lens"][n] = random.integers(0, 2, 3)
    camera.update_poses()
    for n in range(worlds):
        camera.appearances["road"][n, :, 0] = 20.0 + 10.0 * ((first_world + n) % 5)
    camera.render()
    return camera


def test_world_alone_equals_the_same_world_in_a_batch():
    """Bit for bit, with every camera different, whatever was drawn before on the same canvas; and so does a rerun."""
    batch = busy(6)
    for n in range(6):
        assert np.array_equal(busy(1, first_world=n).frames[0], batch.frames[n]), n
    again = batch.frames.copy()
    batch.render()
    assert np.array_equal(batch.frames, again)
    assert len({frame.tobytes() for frame in batch.frames.reshape(18, -1)}) == 18


def test_threads_change_nothing():
    """Draw the same on several threads."""
    frames = []
    for threads in (1, 3):
        world = world_of(ring(), 7, cars=2, threads=threads)
        camera = Camera(world, CameraConfig())
        camera.update_poses()
        camera.render()
        frames.append(camera.frames)
        world.close()
    assert np.array_equal(*frames)


def test_only_marked_cameras_look_and_draw():
    """Leave `seen` and `frames` of the others alone."""
    world = world_of(ring(), 3)
    _, camera = shot(world)
    frames, seen = camera.frames.copy(), camera.poses.copy()
    world.cars["yaw"] += 0.5
    which = np.array([[False], [True], [False]])
    camera.update_poses(which)
    camera.render(which)
    assert (camera.poses != seen).any(axis=(1, 2, 3)).tolist() == [False, True, False]
    assert (camera.frames != frames).any(axis=(1, 2, 3, 4)).tolist() == [False, True, False]


def test_past_is_drawn_when_seen_says_so():
    """Draw what `seen` holds, not where the cars are by now."""
    world = world_of(ring())
    frame, camera = shot(world)
    before = frame.copy()
    world.cars["x"] += 0.3
    camera.render()
    assert np.array_equal(camera.frames[0, 0], before)


def test_look_follows_the_car_to_another_track():
    """Take the colours of the track that the car is on, and keep what was changed while it stays there."""
    world = world_of([ring(), ring(look=TrackAppearance(field=(200, 10, 10)))], 2)
    world.cars["course"] = 0
    camera = Camera(world, CameraConfig(colour="rgb"))
    camera.appearances["road"] = 90.0
    world.cars["course"][1] = 2
    camera.update_poses()
    assert camera.appearances["field"].tolist() == [[[126, 133, 65]], [[200, 10, 10]]]
    assert camera.appearances["road"][0, 0].tolist() == [90, 90, 90] and camera.appearances["road"][1, 0].tolist() == [
        64,
        63,
        61,
    ]


# --- Channels -------------------------------------------------------------------------------------------------------


def test_grey_is_the_luma_of_rgb():
    """0.299 R + 0.587 G + 0.114 B of the sRGB values, within rounding."""
    world = world_of(ring(walls="offset", wall_offset=0.3), cars=2)
    at(world, (1.55, 0.3, 1.8), (1.1, 1.0, 2.0))
    rgb, _ = shot(world, colour="rgb")
    grey, _ = shot(world, colour="grey")
    assert np.abs(rgb @ [0.299, 0.587, 0.114] - grey[..., 0]).max() <= 1.5


def test_stereo_is_two_cameras_side_by_side():
    """Left channel, then right: the pictures of single cameras 0.06 m apart; in colour it is refused."""
    world = world_of(ring())
    both, _ = shot(world, eyes=2)
    assert both.shape == (120, 160, 2)
    for channel, left in ((0, 0.03), (1, -0.03)):
        single, _ = shot(world, left=left)
        assert np.array_equal(both[..., channel], single[..., 0])
    with pytest.raises(ConfigError, match="stereo"):
        Camera(world, CameraConfig(colour="rgb"), eyes=2)


def test_lens_that_folds_is_refused():
    """A fisheye whose rays turn back before the corners has no picture."""
    with pytest.raises(ConfigError, match="fisheye of 120 degrees"):
        Camera(world_of(ring()), CameraConfig(lens="fisheye", view_deg=120.0, distortion=(-0.4, 0.0, 0.0, 0.0)))


# --- Far and near ---------------------------------------------------------------------------------------------------


def test_far_lines_do_not_flicker():
    """Move 1 mm: no pixel of the far third changes by more than a few grey levels, and nearer ones change smoothly."""
    world = world_of(straight(length=30.0, rows=7))
    at(world, (0.5, 0.05, 0.0))
    _, camera = shot(world)
    frames = []
    for step in range(60):
        world.cars["x"] = 0.5 + 0.001 * step
        camera.update_poses()
        camera.render()
        frames.append(camera.frames[0, 0, :, :, 0].astype(int))
    changes = np.array([np.abs(b - a) for a, b in pairwise(frames)])
    horizon = int(camera.rows["row"][0, 0] - camera.rows["focal"][0, 0] * np.tan(camera.rows["pitch"][0, 0]))
    assert changes[:, : horizon + 12].max() <= 12
    # Over half a period of the dashes a far pixel stays within a narrow band.
    assert np.ptp(np.array(frames)[:, : horizon + 9], axis=0).max() <= 16


def test_memory_does_not_grow_with_the_area():
    """Draw a 7 km circuit at full scale: the tables take what its length asks for, the canvas nothing more."""
    angle = np.linspace(0.0, 2.0 * np.pi, 1400, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    small = world_of(band(2.0 * circle[::20], half_width=0.4))
    large = world_of(band(1114.0 * circle, half_width=6.0))

    def tables(world):
        frame, camera = shot(world)
        assert (frame < 80).mean() > 0.3
        return sum(array.nbytes for array in camera._scenes), sum(array.nbytes for array in camera._canvases[0])

    (few, canvas), (many, same) = tables(small), tables(large)
    assert canvas == same
    assert many < 2_500_000 and many / few < 7000.0 / 12.0


def test_crossing_is_open_road():
    """Where a road crosses itself, no edge line runs across it and shares count once."""
    track = wide_eight(look=TrackAppearance(center_line=TrackAppearance().road))
    world = world_of(track)
    at(world, (-0.55, -0.5, 0.735))
    frame, _ = shot(world, colour="rgb", pitch_deg=35.0)
    road = np.abs(frame.astype(int) - TrackAppearance().road).max(axis=2) < 3
    assert road[60:, 60:100].all()


def test_start_line_ends_in_the_edge_lines():
    """Mix only the colours of the ground where the start line of a bend reaches into its edge lines."""
    look = TrackAppearance(center_line=TrackAppearance().road)
    world = world_of(ring(look=look))
    at(world, (1.6, -0.6, 0.5 * np.pi))
    frame, _ = shot(world, colour="rgb", width=640, height=480, pitch_deg=35.0, up=0.4, view_deg=72.0)
    colours = np.array([look.road, look.edge_line, look.field])
    ground = frame[200:].reshape(-1, 3)
    assert (ground >= colours.min(axis=0) - 1).all() and (ground <= colours.max(axis=0) + 1).all()
    assert (ground == look.edge_line).all(axis=1).sum() > 5000


# --- Golden frames --------------------------------------------------------------------------------------------------


def scenes():
    """What the contact sheet shows, by name."""
    for name, track, config in (
        ("road", "willow_bend", {}),
        ("walls", "lakeside", {}),
        ("crossing", "crossover", {"pitch_deg": 25.0}),
        ("fisheye", "willow_bend", FISHEYE),
        ("rolled", "zigzag", {"roll_deg": 12.0, "yaw_deg": 20.0}),
    ):
        yield name, shot(world_of(load_track(TRACKS / f"{track}.yaml")), colour="rgb", **config)[0]
    for name, config in (("things", {}), ("things_fisheye", {"lens": "fisheye", "view_deg": 120.0})):
        world = world_of(load_track(TRACKS / "willow_bend.yaml"), cars=3, objects=3)
        world.place(np.array([[[0, 1.0, -0.1, 0.0], [0, 1.75, 0.12, 0.5], [0, 2.6, -0.22, -0.2]]]))
        for slot, (s, lateral) in enumerate(((2.1, -0.1), (3.0, 0.25), (3.9, -0.25))):
            world.put_object(0, slot, s=s, lateral=lateral)
        yield name, shot(world, colour="rgb", **config)[0]


def test_golden_frames():
    """Look as the stored frames do; with RACER_REGENERATE_GOLDENS=1 they are written anew, to be looked at."""
    names = []
    for name, frame in scenes():
        file = GOLDEN / f"camera_{name}.png"
        if os.environ.get("RACER_REGENERATE_GOLDENS") == "1":
            Image.fromarray(frame).save(file)
        stored = np.asarray(Image.open(file))
        assert stored.shape == frame.shape
        difference = np.abs(stored.astype(int) - frame)
        assert difference.max() <= 2, f"{file.name}: {int(difference.max())} levels"
        names.append(name)
    assert len(names) == 7
