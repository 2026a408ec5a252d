"""Each pass over the pixels against numpy, the compression against Pillow, and what cameras draw for an episode."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from racer.config.disturbance import DisturbanceConfig
from racer.config.env import CameraConfig
from racer.sim.camera.camera import Camera
from racer.sim.camera.tables import APPEARANCE_SIZE, CAMERA, SKY
from racer.sim.random import random_bits_at
from racer.sim.randomize.camera import CameraEffects, randomize_frames
from racer.sim.randomize.distributions import Disturbances
from racer.sim.randomize.image import SPOTS, make_effects, make_image_buffers
from racer.sim.randomize.latency import FRAME_STREAM
from racer.sim.world import World
from support.naive_course import ring
from support.vehicles import load_vehicle

H, W, R = 20, 44, 6
VIEW = 1.2


def apply(frames, *, yaw=0.0, frame=0, curve=None, taps=None, cameras=None, sky=(0.0, 0.0, 0.0), **fields):
    """Frames (H, W, channels) after `disturb_frames` with some fields of their EFFECT row set; others are neutral."""
    effects, curves, blur = make_effects(1, 1, R)
    effects["light"], effects["jpeg"], effects["flat"] = 1.0, 100.0, int(curve is None)
    effects["spot_size"], effects["key"] = 1.0, 12345
    curves[:] = np.arange(256) if curve is None else curve
    for axis, one in enumerate(taps or ()):
        blur[0, 0, axis, : len(one)] = one
        effects["radius" if axis == 0 else "radius_down"] = len(one) - 1
    for name, value in fields.items():
        effects[name] = value
    ways, seen = np.zeros((1, 1), FRAME_STREAM), np.zeros((1, 1, 1, 3))
    ways["frame"], seen[..., 2] = frame, yaw
    looks = np.zeros((1, 1, APPEARANCE_SIZE), np.float32)
    looks[..., SKY : SKY + 3] = sky
    rows = np.zeros((1, 1), CAMERA) if cameras is None else cameras
    out = frames[None, None].copy()
    which = np.ones((1, 1), np.bool_)
    bench = make_image_buffers(*frames.shape[:2], R)
    randomize_frames(0, 1, which, ways, VIEW, rows, looks, seen, effects, curves, blur, out, bench)
    return out[0, 0]


def noise(channels=1, seed=0, low=0, high=256, size=(H, W)):
    """A frame of random pixels."""
    return np.random.default_rng(seed).integers(low, high, (*size, channels), np.uint8)


def rounded(values):
    """Grey levels as a sensor rounds them."""
    return np.floor(np.clip(values, 0.0, 255.0) + 0.5)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_neutral_effects_leave_every_bit(channels):
    """Change nothing where every value is neutral, also through a tone curve."""
    frames = noise(channels)
    np.testing.assert_array_equal(apply(frames), frames)
    np.testing.assert_array_equal(apply(frames, flat=0), frames)


def test_exposure_and_tint():
    """Multiply each channel of a colour frame by its factor; a stereo pair takes the first for both."""
    light = np.array([0.55, 1.3, 1.0], np.float32)
    frames = noise(3)
    np.testing.assert_array_equal(apply(frames, light=light), rounded(frames * light))
    frames = noise(2)
    np.testing.assert_array_equal(apply(frames, light=light), rounded(frames * light[0]))


def test_vignette():
    """Lose the stated share in the corners and none in the middle, by the square of the distance."""
    y, x = np.mgrid[:H, :W]
    dy, dx = y - 0.5 * (H - 1), x - 0.5 * (W - 1)
    square = (dx**2 + dy**2) / ((0.5 * (W - 1)) ** 2 + (0.5 * (H - 1)) ** 2)
    frames = np.full((H, W, 1), 200, np.uint8)
    out = apply(frames, vignette=0.4)[:, :, 0]
    np.testing.assert_allclose(out, 200.0 * (1.0 - 0.4 * square), atol=0.51)
    assert out[0, 0] == out[-1, -1] == 120


@pytest.mark.parametrize("yaw", [0.0, 0.3, -0.5])
def test_spots(yaw):
    """Add light and take it away in round spots that move against the turning of the car."""
    fields = {
        "spot_turn": np.array([0.45, 0.5, 0.55, 0.9], np.float32)[:SPOTS],
        "spot_row": np.array([0.2, 0.6, 0.5, 0.3], np.float32)[:SPOTS],
        "spot_size": np.array([9.0, 14.0, 6.0, 12.0], np.float32)[:SPOTS],
        "spot_add": np.array([60.0, 0.0, 90.0, 0.0], np.float32)[:SPOTS],
        "spot_loss": np.array([0.0, 0.4, 0.0, 0.3], np.float32)[:SPOTS],
    }
    frames = noise(low=30, high=160)
    y, x = np.mgrid[:H, :W]
    factor, added = np.ones((H, W)), np.zeros((H, W))
    for turn, row, size, add, loss in zip(*fields.values(), strict=True):
        place = turn + 0.5 * yaw / VIEW
        column = W * (2.0 * (place - math.floor(place)) - 0.5)
        share = np.maximum(1.0 - ((x - column) ** 2 + (y - row * H) ** 2) / size**2, 0.0) ** 2
        factor *= 1.0 - loss * share
        added += add * share
    out = apply(frames, yaw=yaw, **fields)
    np.testing.assert_allclose(out[:, :, 0], frames[:, :, 0] * factor + added, atol=0.51)
    assert (out != frames).mean() > 0.3


def test_noise():
    """Add normal numbers of the stated spread that belong to the frame's number."""
    frames = np.full((H, W, 1), 128, np.uint8)
    first = apply(frames, noise=8.0, frame=3)
    np.testing.assert_array_equal(apply(frames, noise=8.0, frame=3), first)
    assert (apply(frames, noise=8.0, frame=4) != first).mean() > 0.8
    many = np.array([apply(frames, noise=8.0, frame=k) for k in range(40)], np.float64) - 128.0
    assert many.mean() == pytest.approx(0.0, abs=0.2) and many.std() == pytest.approx(8.0, rel=0.03)
    rows = many.reshape(-1, W)
    assert abs(np.corrcoef(rows[:-1].ravel(), rows[1:].ravel())[0, 1]) < 0.05
    colour = apply(np.full((H, W, 3), 128, np.uint8), noise=8.0)
    assert (colour[:, :, 0] != colour[:, :, 1]).mean() > 0.8


def test_noise_is_read_from_one_table():
    """Start each row of the noise where the frame's own stream says."""
    key = np.uint64(random_bits_at(np.uint64(random_bits_at(np.uint64(12345), 3 + (1 << 40))), 0))
    table = make_image_buffers(H, W, R).noise.astype(np.float64)
    starts = [int(random_bits_at(key, y)) >> 50 for y in range(H)]
    wanted = rounded(100.0 + 5.0 * np.array([table[start : start + W] for start in starts]))
    out = apply(np.full((H, W, 1), 100, np.uint8), noise=5.0, frame=3)[:, :, 0]
    assert (out == wanted).mean() > 0.999


def test_the_tone_curve_is_looked_up():
    """Send each level through the curve, after the light."""
    curve = np.random.default_rng(1).integers(0, 256, 256).astype(np.uint8)
    frames = noise()
    np.testing.assert_array_equal(apply(frames, curve=curve), curve[frames])
    half = rounded(frames * 0.5).astype(int)
    np.testing.assert_array_equal(apply(frames, curve=curve, light=0.5), curve[half])


@pytest.mark.parametrize(
    "taps", [([0.5, 0.25], []), ([0.2, 0.2, 0.1, 0.1], [0.4, 0.3]), ([1 / 7] * 4, [0.6, 0.1, 0.1])]
)
def test_blur(taps):
    """Average along rows and then down columns; the last pixels go on beyond the edges."""
    frames = noise(seed=5)
    wanted = frames[:, :, 0].astype(np.float64)
    for axis, one in zip((1, 0), taps, strict=True):
        whole = np.concatenate([one[:0:-1], one]) if len(one) else [1.0]
        reach = len(whole) // 2
        padded = np.pad(wanted, [(reach, reach) if k == axis else (0, 0) for k in range(2)], "edge")
        wanted = np.apply_along_axis(lambda line, w=whole: np.convolve(line, w, "valid"), axis, padded)
    given = tuple(one for one in taps if len(one))
    np.testing.assert_allclose(apply(frames, taps=given)[:, :, 0], wanted, atol=0.51)


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 99])
def test_compression_is_that_of_a_jpeg(quality):
    """Come out as Pillow's own JPEG does, but for rounding in its integer arithmetic; odd sizes too."""
    size = (44, 61)
    y, x = np.mgrid[: size[0], : size[1]]
    smooth = 120 + 60 * np.sin(x / 9.0) + 50 * np.cos(y / 5.0 + x / 20.0) + 40 * (x > 30)
    frames = rounded(smooth + np.random.default_rng(2).normal(0, 4, size)).astype(np.uint8)[:, :, None]
    file = io.BytesIO()
    Image.fromarray(frames[:, :, 0]).save(file, "JPEG", quality=quality)
    theirs = np.asarray(Image.open(file), np.float64)
    ours = apply(frames, jpeg=float(quality))[:, :, 0].astype(np.float64)
    whole = np.s_[: size[0] // 8 * 8, : size[1] // 8 * 8]  # how blocks over the edge are filled is the encoder's affair
    # A coefficient half way between two steps may be rounded to either.
    assert np.abs(ours - theirs)[whole].mean() < 0.3 and (np.abs(ours - theirs)[whole] <= 2.0).mean() > 0.95
    assert np.abs(ours - frames[:, :, 0]).mean() > 0.2
    assert np.abs(ours - theirs).mean() < 0.1 * np.abs(ours - frames[:, :, 0]).mean() + 0.5


def camera_row(pitch=0.2, roll=0.0, yaw=0.0):
    """A pinhole in the middle of the frame."""
    row = np.zeros((1, 1), CAMERA)
    row["focal"], row["column"], row["row"] = 0.5 * W / math.tan(0.5 * VIEW), 0.5 * W, 0.5 * H
    row["pitch"], row["roll"], row["yaw"] = pitch, roll, yaw
    return row


def horizon(row):
    """Row of the horizon in each column, from the projection of level directions."""
    camera = row[0, 0]
    x = (np.arange(W) + 0.5 - camera["column"]) / camera["focal"]
    sp, cp, sr, cr = (f(camera[a]) for a in ("pitch", "roll") for f in (math.sin, math.cos))
    tangent = (x * cp + sp * sr) / cr
    return camera["row"] - camera["focal"] * (sp * cr + sr * tangent) / cp


@pytest.mark.parametrize("roll", [0.0, 0.1, -0.1])
def test_the_crowd_stands_on_the_horizon(roll):
    """Paint over the backdrop alone, above the horizon, in every column where the crowd is dense."""
    row = camera_row(roll=roll)
    sky = np.full((H, W, 1), 200, np.uint8)
    sky[:, 20:23] = 90  # something that stands before it
    out = apply(sky, clutter=1.0, clutter_height=0.4, cameras=row, sky=(200.0,) * 3)[:, :, 0]
    np.testing.assert_array_equal(out[:, 20:23], 90)
    level = np.arange(H)[:, None] + 0.0
    changed = out != sky[:, :, 0]
    assert not changed[level > horizon(row) + 3.0].any()
    free = np.ones(W, bool)
    free[20:23] = False
    above = (level < horizon(row)) & (level > horizon(row) - 1.5)
    assert changed[:, free][above[:, free]].all()
    nobody = apply(sky, clutter=0.0, clutter_height=0.4, cameras=row, sky=(200.0,) * 3)
    np.testing.assert_array_equal(nobody, sky)


def test_the_crowd_stays_where_it_is():
    """Show the same things in the same directions when the car turns, whether by its heading or by its camera."""
    sky = np.full((H, W, 1), 200, np.uint8)
    fields = {"clutter": 0.7, "clutter_height": 0.5, "sky": (200.0,) * 3}
    turned = apply(sky, yaw=0.3, cameras=camera_row(), **fields)
    np.testing.assert_array_equal(apply(sky, cameras=camera_row(yaw=0.3), **fields), turned)
    np.testing.assert_array_equal(apply(sky, yaw=0.3 - 2.0 * math.pi, cameras=camera_row(), **fields), turned)
    assert (apply(sky, cameras=camera_row(), **fields) != turned).any()


def cameras(config, worlds=40, colour="grey", **rest):
    """A camera and its effects once an episode has started."""
    world = World([ring()], load_vehicle(), worlds, **rest)
    given = Disturbances(world, DisturbanceConfig.model_validate(config))
    camera = Camera(world, CameraConfig(width=64, height=48, colour=colour))
    effects = CameraEffects(world, camera, given)
    given.draw()
    world.reset()
    effects.start(world.all_cars)
    return world, camera, effects, given.drawn


def test_mounts():
    """Move the camera and change its field of view by what is drawn; the next episode starts from its own place."""
    config = {
        "camera": {"height": 1.1, "left": 0.004, "forward": -0.01, "pitch_deg": 2.0, "roll_deg": -1.0, "yaw_deg": 1.5}
        | {"view": {"uniform": [0.95, 1.05]}}
    }
    world, camera, effects, drawn = cameras(config)
    effects.start(world.all_cars)
    own, row = CameraConfig(), camera.rows[3, 0]
    assert row["up"] == pytest.approx(1.1 * own.up) and row["left"] == pytest.approx(0.004)
    assert row["forward"] == pytest.approx(own.forward - 0.01)
    angles = [math.degrees(row[name]) for name in ("pitch", "roll", "yaw")]
    assert angles == pytest.approx([own.pitch_deg + 2.0, -1.0, 1.5])
    views = np.degrees(2.0 * np.arctan(32.0 / camera.rows["focal"][:, 0]))
    np.testing.assert_allclose(views, own.view_deg * drawn["camera_view"][:, 0], rtol=1e-12)
    assert np.ptp(views) > 4.0


def test_looks():
    """Multiply colours, let the road through worn tape, and make a backdrop of one colour for the crowd."""
    config = {"look": {"road": 1.5, "field": 0.5, "wall": 2.0, "sky": 0.5, "tape": 0.8, "tape_wear": 0.25}}
    config["look"] |= {"tape_width": 1.2, "crowd": 0.5}
    world, camera, effects, _ = cameras(config, 3)
    plain = Camera(world, camera.config)
    ours, own = camera.appearances[1, 0], plain.appearances[1, 0]
    road = np.minimum(1.5 * own["road"], 255.0)
    np.testing.assert_allclose(ours["road"], road, rtol=1e-6)
    for name, factor in (("field", 0.5), ("wall", 2.0)):
        np.testing.assert_allclose(ours[name], np.minimum(factor * own[name], 255.0), rtol=1e-6)
    for name in ("edge_line", "center_line", "start_line"):
        np.testing.assert_allclose(ours[name], 0.75 * 0.8 * own[name] + 0.25 * road, rtol=1e-6)
    np.testing.assert_allclose(ours["sky"], 0.25 * (own["sky"] + own["horizon"]), rtol=1e-6)
    np.testing.assert_array_equal(ours["sky"], ours["horizon"])
    assert ours["edge_line_gain"] == pytest.approx(1.2) and ours["center_line_gain"] == pytest.approx(1.2)
    again = camera.appearances.copy()
    effects.start(world.all_cars)
    assert camera.appearances.tobytes() == again.tobytes()


def test_hues_belong_to_channels_colours_and_things():
    """Draw the factor of each channel of each colour for itself, within its bounds."""
    world, camera, _, _ = cameras({"look": {"hue": {"uniform": [0.5, 1.0]}}}, 3, objects=2)
    plain = Camera(world, camera.config)
    ratios = [
        camera.appearances[1, 0][name] / plain.appearances[1, 0][name] for name in ("road", "field", "wall", "sky")
    ]
    ratios += list(camera.object_colours[1, 0] / np.maximum(plain.object_colours[1, 0], 1.0))
    values = np.concatenate(ratios)
    values = values[values > 0.0]
    assert values.min() >= 0.5 - 1e-6 and values.max() <= 1.0 + 1e-6 and len(np.unique(values)) == len(values)


def test_curves_and_blurs():
    """Make the tone curve and the taps of an episode by their formulas."""
    config = {"image": {"gamma": 1.4, "contrast": 0.7, "motion_blur": 5.0, "defocus": 2.0, "exposure": 0.9}}
    _, _, effects, _ = cameras(config, 2)
    level = np.arange(256.0)
    curve = np.clip(127.5 + 0.7 * (255.0 * (level / 255.0) ** 1.4 - 127.5), 0.0, 255.0)
    rows, curves, all_taps = effects._effects
    np.testing.assert_array_equal(curves[1, 0], np.floor(curve + 0.5))
    row = rows[1, 0]
    np.testing.assert_allclose(row["light"], 0.9, rtol=1e-6)
    scale = 64.0 / 160.0
    for axis, (radius, motion) in enumerate(((row["radius"], 5.0 * scale), (row["radius_down"], 0.0))):
        taps = all_taps[1, 0, axis, : radius + 1].astype(np.float64)
        whole = np.concatenate([taps[:0:-1], taps])
        assert whole.sum() == pytest.approx(1.0, abs=1e-5) and (np.diff(taps) <= 1e-9).all()
        reach = np.arange(-radius, radius + 1)
        # Variances of a smear and a spot add up; a pixel's own width of 1/12 goes with the smear.
        width = motion + 1.0
        share = np.clip(np.minimum(reach + 0.5, 0.5 * width) - np.maximum(reach - 0.5, -0.5 * width), 0.0, None)
        wanted = (share * reach**2).sum() / share.sum() + (2.0 * scale) ** 2
        assert (whole * reach**2).sum() == pytest.approx(wanted, rel=0.12)


def test_no_blur_is_one_tap():
    """Leave blurs out where none is drawn."""
    _, _, effects, _ = cameras({"image": {"exposure": 0.9}}, 1)
    rows = effects._effects[0]
    assert rows["radius"].max() == 0 and rows["flat"].min() == 1


@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_a_frame_belongs_to_its_world_alone(colour):
    """Draw and disturb the same frame of a world in any batch, on any number of threads."""

    def frames(worlds, **rest):
        world, camera, effects, _ = cameras(EVERYTHING, worlds, colour, seed=3, **rest)
        camera.update_poses()
        camera.render()
        effects.disturb(world.all_cars, np.zeros(world.cars.shape, FRAME_STREAM))
        world.close()
        return camera.frames

    batch = frames(9)
    np.testing.assert_array_equal(frames(2, first_world=4), batch[4:6])
    np.testing.assert_array_equal(frames(9, threads=3), batch)
    assert len({frame.tobytes() for frame in batch}) == 9


EVERYTHING = {
    "camera": {"pitch_deg": {"uniform": [-3, 3]}, "roll_deg": {"uniform": [-2, 2]}},
    "look": {"hue": {"uniform": [0.7, 1.3]}, "crowd": {"uniform": [0, 1]}},
    "image": {
        "exposure": {"uniform": [0.5, 1.5]},
        "gamma": {"uniform": [0.7, 1.4]},
        "tint": {"uniform": [0.8, 1.2]},
        "noise": {"uniform": [0, 8]},
        "motion_blur": {"uniform": [0, 3]},
        "defocus": {"uniform": [0, 1.5]},
        "jpeg_quality": {"uniform": [40, 100]},
        "glare": {"choice": [0, 80]},
        "shadow": {"choice": [0, 0.4]},
    },
}
