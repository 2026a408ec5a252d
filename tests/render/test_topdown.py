"""Pictures: exact coverage, ribbons without seams, lines of the right width, and golden frames."""

import functools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from racer.config.read import read_vehicle
from racer.render.raster import fill_polygons, polygon_coverage, srgb_to_linear
from racer.render.topdown import Viewport, draw_boxes, draw_cars, draw_path, draw_track
from racer.sim.appearance import BOX_COLOUR, CAR_COLOURS
from racer.sim.dtypes import OBJECT
from racer.track.polygons import dash_triangles, mitred_normals, road_triangles, start_line_quads
from racer.track.track import Track, TrackAppearance
from support import tracks
from support.paths import ROOT
from support.tracks import band

GOLDEN = Path(__file__).parent / "golden"
VEHICLE = read_vehicle(ROOT / "configs" / "vehicle" / "deepracer.yaml")
PLAIN = TrackAppearance(road=(64, 63, 61), edge_line=(64, 63, 61), center_line=(64, 63, 61), field=(10, 200, 30))
figure_of_eight = functools.partial(tracks.wide_eight, repeat=True)
straight = functools.partial(tracks.straight, length=3.0, rows=8, half_width=0.5, walls="none")


def clipped_area(polygon, column, row):
    """Signed area of a polygon within one pixel: clip its edges by Sutherland and Hodgman, then the shoelace."""
    points = [np.array(point, dtype=float) for point in polygon]
    for axis, bound, sign in ((0, column, 1), (0, column + 1, -1), (1, row, 1), (1, row + 1, -1)):
        kept = []
        for a, b in zip(points, points[1:] + points[:1], strict=True):
            inside_a, inside_b = sign * (a[axis] - bound) >= 0, sign * (b[axis] - bound) >= 0
            if inside_a:
                kept.append(a)
            if inside_a != inside_b:
                kept.append(a + (b - a) * (bound - a[axis]) / (b[axis] - a[axis]))
        points = kept
    x, y = np.array(points).T if points else np.zeros((2, 1))
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def covered(rings, width, height):
    """Coverage (H, W) of rings in pixels."""
    out = np.full((height, width), -1.0)
    points = np.concatenate([np.asarray(ring, dtype=float) for ring in rings])
    polygon_coverage(points, np.concatenate([[0], np.cumsum([len(ring) for ring in rings])]), out)
    return out


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.floats(-6, 18), st.floats(-6, 14)), min_size=3, max_size=3))
def test_coverage_is_the_exact_area(triangle):
    """Equal the clipped area of a triangle in every pixel, also where it leaves the picture."""
    out = covered([triangle], 12, 9)
    expected = [[abs(clipped_area(triangle, column, row)) for column in range(12)] for row in range(9)]
    np.testing.assert_allclose(out, expected, atol=1e-9)


def test_coverage_of_a_known_rectangle():
    """A rectangle from (1.25, 2.5) to (4, 5.75) covers known quarters."""
    out = covered([[(1.25, 2.5), (4, 2.5), (4, 5.75), (1.25, 5.75)]], 6, 8)
    columns, rows = np.array([0, 0.75, 1, 1, 0, 0]), np.array([0, 0, 0.5, 1, 1, 0.75, 0, 0])
    np.testing.assert_allclose(out, np.outer(rows, columns), atol=1e-12)


def test_overlapping_rings_cover_once():
    """Rings that turn the same way are filled by the non-zero rule, and a shared edge vanishes."""
    square = np.array([(1.0, 1.0), (5.5, 1.0), (5.5, 5.5), (1.0, 5.5)])
    out = covered([square, square + 2.0], 9, 9)
    assert out.max() == 1.0
    assert out[4, 4] == pytest.approx(1.0)
    split = [[(1, 1), (6.3, 1), (3.1, 7)], [(1, 1), (3.1, 7), (0.5, 6.2)]]
    np.testing.assert_allclose(
        covered(split, 8, 8), covered([[(1, 1), (6.3, 1), (3.1, 7), (0.5, 6.2)]], 8, 8), atol=1e-12
    )


def painted(rings, colour, opacity=1.0, under=0, size=(8, 8)):
    """A picture of one shape."""
    image = np.full((*size, 3), under, np.uint8)
    points = np.concatenate([np.asarray(ring, dtype=float) for ring in rings])
    starts = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])])
    fill_polygons(points, starts, np.array([0, len(rings)]), np.array([[*srgb_to_linear(colour), opacity]]), image)
    return image


def test_colours_mix_in_linear_light():
    """Half of a white pixel on black is sRGB 188; full pixels are exact, and empty ones untouched."""
    square = [(1.5, 2.0), (5.0, 2.0), (5.0, 6.0), (1.5, 6.0)]
    image = painted([square], (255, 255, 255))
    assert (image[2:6, 1] == 188).all()
    assert (image[2:6, 2:5] == 255).all()
    assert image.sum(dtype=np.int64) == 3 * 4 * (188 + 3 * 255)
    assert (painted([square], (255, 255, 255), opacity=0.5)[2:6, 2:5] == 188).all()


def test_every_colour_is_exact():
    """All 256 values of sRGB survive being painted in full, and being painted over by next to nothing."""
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    for value in range(256):
        assert (painted([square], (value,) * 3, under=255 - value, size=(1, 1)) == value).all()
        assert (painted([square], (value,) * 3, opacity=1e-5, under=value, size=(1, 1)) == value).all()


def test_shapes_outside_leave_the_picture_alone():
    """Shapes beyond each side, thin ones and those with NaN change nothing."""
    square = np.array([(0.0, 0.0), (3.0, 0.0), (3.0, 3.0), (0.0, 3.0)])
    for shift in ((-3, 2), (8, 2), (2, -3), (2, 8), (-1e6, 0), (np.nan, np.nan)):
        assert (painted([square + shift], (255, 0, 0)) == 0).all()
    assert (painted([square * [0, 1] + [4, 1]], (255, 0, 0)) == 0).all()
    huge = painted([square * 1e6 - 1e6], (255, 0, 0))
    assert (huge == [255, 0, 0]).all()


def hairpin(**options):
    """A turn so tight that the inner border folds over itself."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 15)
    bend = np.stack([0.3 * np.cos(t), 0.3 * np.sin(t)], axis=1)
    line = np.vstack([[[-2.0, -0.3]], bend, [[-2.0, 0.3]]])
    return band(line, half_width=0.4, closed=False, **options)


@pytest.mark.parametrize("course", [figure_of_eight, hairpin, straight], ids=["figure_of_eight", "hairpin", "straight"])
def test_road_has_no_seams(course):
    """Every pixel within the road has exactly its colour, at the crossing and in the fold as well."""
    track = course(look=PLAIN)
    view = Viewport.fit(track, 160)
    image = draw_track(track, view=view)
    rows, columns = np.mgrid[: view.height_px, : view.width_px]
    pixels = np.stack([columns, rows], axis=-1) + 0.5
    line = view.to_pixels(np.vstack([track.center, track.center[:1]]) if track.closed else track.center)
    a, e = line[:-1], np.diff(line, axis=0)
    along = np.sum((pixels[:, :, None] - a) * e, axis=-1) / np.maximum(np.sum(e * e, axis=-1), 1e-12)
    beside = (along >= 0) & (along <= 1)
    away = np.hypot(*np.moveaxis(pixels[:, :, None] - a - np.clip(along, 0, 1)[..., None] * e, -1, 0))
    half = track.widths.min() / 2 / view.scale
    inside = np.any(beside & (away < 0.99 * half - 2.0), axis=-1)
    assert inside.sum() > 1500
    assert (image[inside] == PLAIN.road).all()
    outside = away.min(axis=-1) > 1.05 * half + 2.0
    assert (image[outside] == PLAIN.field).all()


@pytest.mark.parametrize("name", ["Tokyo_Training_track", "Bowtie_track", "penbay_pro"])
def test_road_lies_between_the_borders(shared_tracks, name):
    """On real files, whose rows lie askew, the triangles cover what lies between the borders and no more."""
    rows = np.load(shared_tracks / "deepracer" / f"{name}.npy")
    track = Track(name=name, center=rows[:, :2], left=rows[:, 2:4], right=rows[:, 4:])
    view = Viewport.fit(track, 300)
    ours = covered(list(view.to_pixels(road_triangles(track.left, track.right, closed=True))), 300, view.height_px)
    rings = [view.to_pixels(track.left), view.to_pixels(track.right[::-1])]
    np.testing.assert_allclose(ours, covered(rings, 300, view.height_px), atol=1e-6)


def test_whole_pixels_shift_the_picture():
    """Moving the window by whole pixels moves the picture and changes nothing else."""
    track = figure_of_eight()
    here = Viewport(width_px=120, height_px=90, x=0.5, y=0.25, scale=1 / 32)
    there = Viewport(width_px=120, height_px=90, x=0.5 + 7 / 32, y=0.25 - 5 / 32, scale=1 / 32)
    first, second = draw_track(track, view=here), draw_track(track, view=there)
    assert (first[5:, 7:] == second[:-5, :-7]).all()


def test_lines_have_their_widths_inside_the_borders():
    """Across a straight road: field, edge line 0.076 m inside the border, road, centre line 0.026 m."""
    look = TrackAppearance(dash_gap=0.0, dash_length=1.0)
    track = straight(look=look)
    view = Viewport(width_px=4, height_px=1200, x=2.5, y=0.0, scale=0.001)
    image = draw_track(track, view=view)[:, 2].astype(int)
    expected = np.array([look.field] * 1200)
    expected[100:1100] = look.edge_line
    expected[176:1024] = look.road
    expected[587:613] = look.center_line
    wrong = np.abs(image - expected).max(axis=1) > 1
    assert not wrong.any()


def test_thin_lines_stay_visible_far_out():
    """At 0.2 m a pixel both edge lines are at least one pixel bright."""
    track = straight(length=30.0, half_width=2.0)
    view = Viewport(width_px=5, height_px=40, x=15.0, y=0.03, scale=0.2)
    column = draw_track(track, view=view)[:, 2].astype(int)
    light = srgb_to_linear(column).mean(axis=1)
    road_light, line_light = srgb_to_linear(track.look.road).mean(), srgb_to_linear(track.look.edge_line).mean()
    for part in (light[:20], light[20:]):
        brightest = np.argmax(part)
        gained = np.maximum(part[brightest - 1 : brightest + 2] - road_light, 0.0).sum()
        assert gained > 0.9 * (line_light - road_light)


def test_dashes_fit_the_lap():
    """A whole number of dashes, half of the line, on a closed course; they are cut at the rows they pass."""
    t = np.linspace(0, 2 * np.pi, 41)
    track = band(np.stack([2 * np.cos(t), 2 * np.sin(t)], axis=1), half_width=0.5)
    triangles = dash_triangles(track, 0.02, 0.051, 0.051)
    ab, ac = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    area = 0.5 * (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    assert (area > 0).all()
    assert area.sum() == pytest.approx(0.02 * track.length / 2, rel=1e-3)


def test_start_line_is_square_across():
    """On rows askew by 45 degrees the start line is square to the road and ends at the edge lines."""
    x = np.linspace(-3, 3, 31)
    track = Track(
        name="askew",
        center=np.stack([x, 0 * x], axis=1),
        left=np.stack([x + 0.5, 0 * x + 0.5], axis=1),
        right=np.stack([x - 0.5, 0 * x - 0.5], axis=1),
        closed=False,
    )
    start, finish = start_line_quads(track, 0.1, 0.05)
    np.testing.assert_allclose(np.sort(start[:, 0]), [-3, -3, -2.9, -2.9], atol=1e-6)
    np.testing.assert_allclose(np.sort(finish[:, 0]), [2.9, 2.9, 3, 3], atol=1e-6)
    np.testing.assert_allclose(np.sort(start[:, 1]), [-0.45, -0.45, 0.45, 0.45], atol=1e-6)
    np.testing.assert_allclose(np.sort(finish[:, 1]), [-0.45, -0.45, 0.45, 0.45], atol=1e-6)


def test_normals_are_mitred():
    """At a right angle the parallel line passes the corner; repeated points look past each other."""
    corner = mitred_normals(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(corner, [[0, 1], [-1, 1], [-1, 1], [-1, 0]], atol=1e-12)
    ring = mitred_normals(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]), closed=True)
    np.testing.assert_allclose(ring, [[1, 1], [-1, 1], [-1, -1], [1, -1], [1, 1]], atol=1e-12)


def test_view_fits_the_track():
    """All borders and the margin are in the picture, y points up, and pixels are square."""
    track = figure_of_eight()
    for view in (Viewport.fit(track, 300), Viewport.fit(track, 300, 90), Viewport.fit(track, 90, 300)):
        pixels = view.to_pixels(np.concatenate([track.left, track.right]))
        room = 0.5 / view.scale - 1.0
        assert pixels.min() >= room
        assert (pixels <= np.array([view.width_px, view.height_px]) - room).all()
        step = view.to_pixels([view.x + view.scale, view.y + view.scale])
        np.testing.assert_allclose(step, [view.width_px / 2 + 1, view.height_px / 2 - 1])


CLOSE = Viewport(width_px=120, height_px=80, x=0.0, y=0.0, scale=0.005)


def test_car_is_to_scale_and_shows_its_direction():
    """A car covers its rectangle, is light ahead of its middle and dark at its wheels."""
    image = np.full((80, 120, 3), 120, np.uint8)
    draw_cars(image, CLOSE, [[0.0, 0.0, 0.0]], [(200, 30, 30)], VEHICLE)
    rows, columns = np.nonzero((image != 120).any(axis=2))
    assert columns.min() == pytest.approx(60 - 0.5 * VEHICLE.length / 0.005, abs=2.5)
    assert columns.max() == pytest.approx(60 + 0.5 * VEHICLE.length / 0.005, abs=2.5)
    assert np.ptp(rows) * 0.005 == pytest.approx(VEHICLE.width, abs=0.015)
    screen = image[40, 60 + round(0.1 * VEHICLE.length / 0.005)].astype(int)
    behind = image[40, 60 - round(0.1 * VEHICLE.length / 0.005)].astype(int)
    assert screen.sum() > behind.sum() + 200
    assert (image[40, 60 + round(0.36 * VEHICLE.length / 0.005)] == (200, 30, 30)).all()
    left_rear_wheel = CLOSE.to_pixels([-VEHICLE.rear, 0.5 * VEHICLE.track_rear + 0.005]).astype(int)
    assert image[left_rear_wheel[1], left_rear_wheel[0]].max() < 40


def test_cars_turn_and_steer():
    """A car turned by half a turn is the picture turned; steering moves the front wheels alone."""
    images = np.full((4, 80, 120, 3), 120, np.uint8)
    draw_cars(images[0], CLOSE, [[0.0, 0.0, 0.0]], None, VEHICLE)
    draw_cars(images[1], CLOSE, [[0.0, 0.0, np.pi]], None, VEHICLE)
    draw_cars(images[2], CLOSE, [[0.0, 0.0, 0.0, 0.5]], None, VEHICLE)
    draw_cars(images[3], CLOSE, [[np.nan, 0.0, 0.0], [0.0, np.nan, 0.0]], None, VEHICLE)
    wide = images.astype(int)
    assert abs(wide[1] - wide[0][::-1, ::-1]).max() <= 1
    changed = np.nonzero((images[0] != images[2]).any(axis=2))[1]
    assert changed.min() > 60
    assert (images[3] == 120).all()


def test_cars_keep_a_least_size():
    """Far out a car still covers some dozens of pixels, in its own colour."""
    image = np.zeros((60, 60, 3), np.uint8)
    draw_cars(image, Viewport(width_px=60, height_px=60, x=0.0, y=0.0, scale=0.5), [[0, 0, 0.4]], None, VEHICLE)
    assert (image != 0).any(axis=2).sum() > 40
    assert (abs(image.astype(int) - CAR_COLOURS[0]).max(axis=2) < 60).sum() >= 8


def test_boxes_are_drawn_where_they_are_active():
    """An active box covers its rectangle, an inactive one nothing."""
    objects = np.zeros(2, OBJECT)
    objects["length"], objects["width"], objects["x"] = 0.2, 0.1, [0.1, -0.1]
    objects["active"] = [1, 0]
    image = np.zeros((80, 120, 3), np.uint8)
    draw_boxes(image, CLOSE, objects)
    expected = np.zeros((80, 120), bool)
    expected[30:50, 60:100] = True
    assert ((image != 0).any(axis=2) == expected).all()
    assert (image[33, 70] == BOX_COLOUR).all()


def test_path_shows_values_and_breaks():
    """A trail goes from dark blue to yellow, has its width, and is broken by NaN."""
    x = np.linspace(-0.25, 0.25, 101)
    line = np.stack([x, 0 * x], axis=1)
    line[50] = np.nan
    image = np.zeros((80, 120, 3), np.uint8)
    draw_path(image, CLOSE, line, x, width_px=2.0)
    assert (image[39:41, 11] == (68, 1, 84)).all()
    assert (abs(image[39:41, 108].astype(int) - (253, 231, 37)) <= 20).all()
    drawn = (image != 0).any(axis=2)
    assert drawn.any(axis=1).sum() == 2
    assert drawn[39, 10:110].sum() == 98
    assert not drawn[39, 59:61].any()
    same = np.zeros_like(image)
    draw_path(same, CLOSE, line, (9, 8, 7), width_px=4.0)
    assert (same[38:42, 20] == (9, 8, 7)).all()


def golden_frames():
    """The frames that are kept: a crossing with walls, a dense scene from near, an open course from far."""
    eight = figure_of_eight(walls="offset", wall_offset=0.25)
    view = Viewport.fit(eight, 240)
    frame = draw_track(eight, view=view)
    poses = [[*eight.center[k], np.arctan2(*(eight.center[k + 1] - eight.center[k])[::-1]), 0.3] for k in (3, 30, 60)]
    draw_path(frame, view, eight.center[:61:4] + 0.1, np.arange(16.0))
    draw_cars(frame, view, poses, None, VEHICLE)
    yield "eight", frame
    pin = hairpin(walls="borders")
    view = Viewport(width_px=240, height_px=150, x=-0.1, y=0.0, scale=0.008)
    frame = draw_track(pin, view=view)
    box = np.zeros(1, OBJECT)
    box["x"], box["y"], box["yaw"], box["length"], box["width"], box["active"] = -0.6, 0.4, 0.5, 0.24, 0.38, 1
    draw_boxes(frame, view, box)
    draw_cars(frame, view, [[-0.3, -0.25, 0.1, -0.4], [0.3, 0.1, 1.8, 0.5]], None, VEHICLE)
    yield "hairpin", frame
    t = np.linspace(0, 9, 120)
    far = band(np.stack([4 * t, 5 * np.sin(t)], axis=1), half_width=1.5, closed=False)
    view = Viewport.fit(far, 240)
    frame = draw_track(far, view=view)
    draw_cars(frame, view, [[8.0, 4.4, -0.3], [20.0, -4.4, 0.6]], None, VEHICLE)
    yield "far", frame


def test_golden_frames():
    """Equal the kept frames but for the last bits; RACER_REGENERATE_GOLDENS=1 draws them anew, to be looked at."""
    for name, frame in golden_frames():
        file = GOLDEN / f"picture_{name}.png"
        if os.environ.get("RACER_REGENERATE_GOLDENS") == "1":
            Image.fromarray(frame).save(file, optimize=True)
        kept = np.asarray(Image.open(file).convert("RGB")).astype(np.int32)
        assert kept.shape == frame.shape
        difference = np.abs(kept - frame.astype(np.int32))
        assert difference.max() <= 2, f"{name}: {np.count_nonzero(difference > 2)} values differ"
