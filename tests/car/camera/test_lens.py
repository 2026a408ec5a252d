"""The table from a real lens to the contract's view, against the simulator's own camera."""

import math

import numpy as np
import pytest

from racer.car.camera.lens import CameraRemap, LensRefusal, make_remap, needed_pixels
from racer.config.env import CameraConfig
from racer.config.network import AreaStep, CropStep, MaskStep
from racer.config.read import read_vehicle
from racer.preprocess.observation import to_grey
from racer.sim.camera.camera import Camera
from racer.sim.world import World
from racer.track.load import load_tracks

WANTED = CameraConfig()
FISHEYE = CameraConfig(
    width=320, height=240, lens="fisheye", view_deg=140.0, distortion=(-0.03, 0.004, 0.0, 0.0), pitch_deg=10.0, up=0.15
)
WIDE = CameraConfig(
    width=320, height=240, view_deg=100.0, pitch_deg=12.0, roll_deg=2.0, yaw_deg=-3.0, left=0.01, up=0.12
)


def test_same_camera_passes_pixels_untouched():
    """Remap to the same view, whatever its rate and walls are: the very same array comes out (E1)."""
    remap = make_remap(CameraConfig(rate_hz=30.0, walls="all"), WANTED)
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 1), dtype=np.uint8)
    assert remap(pixels) is pixels


def test_colour_becomes_grey_as_in_preprocessing():
    """Give a colour picture of the same view: it is the preprocessing's own grey."""
    remap = make_remap(CameraConfig(colour="rgb"), WANTED)
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    assert remap.shape == (120, 160, 3)
    assert np.array_equal(remap(pixels), to_grey(pixels[None])[0])


def test_grey_camera_cannot_give_colour():
    """Refuse a contract that sees in colour."""
    with pytest.raises(LensRefusal, match="colour"):
        make_remap(WANTED, CameraConfig(colour="rgb"))


@pytest.mark.parametrize("real", [FISHEYE, WIDE])
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_one_value_stays_one_value(real, level):
    """Remap a flat picture: the weights of each pixel sum to one, exactly."""
    flat = np.full((real.height, real.width, 1), level, np.uint8)
    assert (make_remap(real, WANTED)(flat) == level).all()


def rendered(config, s):
    """What the simulator shows through a camera at some places of a track."""
    world = World(load_tracks(["easy_oval"]), read_vehicle("deepracer"), len(s))
    poses = np.zeros((len(s), 1, 4))
    poses[:, 0, 1] = s
    poses[:, 0, 3] = 0.1
    world.place(poses)
    camera = Camera(world, config)
    camera.update_poses()
    camera.render()
    return camera.frames[:, 0]


@pytest.mark.parametrize("real", [FISHEYE, WIDE])
def test_remapped_frame_is_what_the_contracts_camera_shows(real):
    """Render a road through both cameras: the remapped frame is within a few grey values of the contract's,
    where taking the real frame as it is, only scaled, would be far off."""
    s = [0.5, 3.0, 6.0, 9.0]
    remap = make_remap(real, WANTED)
    for seen, wanted in zip(rendered(real, s), rendered(WANTED, s), strict=True):
        inside = remap.visible[8:-8, 8:-8]
        off = np.abs(remap(seen)[..., 0].astype(float) - wanted[..., 0])[8:-8, 8:-8][inside]
        raw = np.abs(seen[::2, ::2, 0].astype(float) - wanted[..., 0])
        assert off.mean() < 4.0 and np.percentile(off, 90) < 12.0
        assert off.mean() < 0.35 * raw.mean()


def test_height_is_made_up_for_on_the_ground():
    """Find a point on the ground by hand: 1 m ahead, seen by a lens 5 cm higher, falls on the row of the formula."""
    real = CameraConfig(up=0.18)
    remap = CameraRemap(real, WANTED)
    pixels = np.tile(np.arange(120, dtype=np.uint8)[:, None, None], (1, 160, 1))  # each pixel's value is its row
    out = remap(pixels)
    for row in (60, 75, 90):
        f, pitch = WANTED.optics.focal, math.radians(15.0)
        down = pitch + math.atan((row + 0.5 - 60.0) / f)
        away = 0.13 / math.tan(down)  # of the ground point, from below the lens
        wanted = 60.0 + f * math.tan(math.atan2(0.18, away) - pitch) - 0.5
        assert out[row, 80, 0] == pytest.approx(wanted, abs=0.6)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"view_deg": 40.0}, "all around"),
        ({"pitch_deg": 40.0}, "above"),
        ({"pitch_deg": -20.0}, "below"),
        ({"yaw_deg": 25.0}, "on the right"),
        ({"yaw_deg": -25.0}, "on the left"),
    ],
)
def test_lens_that_sees_too_little_is_refused(changes, where):
    """Narrow it or turn it away: refused, with the side where the picture is missing and what the contract wants."""
    with pytest.raises(LensRefusal, match=f"missing {where}.*64.7 degrees"):
        make_remap(CameraConfig(**changes), WANTED)


def test_what_the_network_does_not_look_at_need_not_be_seen():
    """Aim a little low: refused for the whole picture, good where the top is cut off or masked."""
    low = CameraConfig(pitch_deg=19.0, view_deg=68.0)
    with pytest.raises(LensRefusal):
        make_remap(low, WANTED)
    make_remap(low, WANTED, (CropStep(top=24), AreaStep(factor=2)))
    make_remap(low, WANTED, (MaskStep(rows=24),))


def test_needed_pixels_of_steps():
    """Count them: crops add up, a mask takes rows, and steps after a change of size change nothing."""
    assert needed_pixels(WANTED, ()).all()
    needed = needed_pixels(WANTED, (CropStep(top=20, left=10), CropStep(top=4, right=6), MaskStep(rows=6)))
    assert needed.sum() == (120 - 30) * (160 - 16) and not needed[29].any() and needed[30, 10]
    assert needed_pixels(WANTED, (AreaStep(factor=2), CropStep(top=10))).all()
