"""The lens model: rays and pixels are inverse to each other, known angles, and compiled functions equal plain ones."""

import math

import numpy as np
import pytest

from racer import optics
from racer.config.env import CameraConfig
from racer.optics import FISHEYE, PINHOLE, Lens, fisheye_radius, level_to_camera, make_lens, pixel_rays, project
from racer.sim.camera import lens as compiled
from racer.sim.camera.tables import CAMERA

LENSES = {
    "default": CameraConfig().optics,
    "wide": make_lens(320, 240, math.radians(100.0)),
    "fisheye": make_lens(320, 240, math.radians(140.0), FISHEYE, (-0.03, 0.004, 0.0, 0.0)),
}


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_rays_come_back_to_their_pixels(lens):
    """Project the ray of each pixel: it falls on the centre of that pixel."""
    rays = pixel_rays(lens)
    assert np.allclose(np.linalg.norm(rays, axis=-1), 1.0, atol=1e-9)
    column, row, ahead = project(lens, 3.7 * rays)
    assert ahead.all()
    assert np.allclose(column, np.arange(lens.width) + 0.5, atol=1e-6)
    assert np.allclose(row, (np.arange(lens.height) + 0.5)[:, None], atol=1e-6)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_half_the_view_is_half_the_picture(lens, share):
    """Put the ray at half the field of view on the edge, and those nearer to the axis where the equation puts them."""
    view = {"default": math.radians(64.7), "wide": math.radians(100.0), "fisheye": math.radians(140.0)}
    half = 0.5 * next(view[name] for name, other in LENSES.items() if other == lens)
    a = share * half
    # r / f = tan(a), or a + k1 a^3 + k2 a^5; at half the view r is half the width.
    reach = math.tan if lens.lens == PINHOLE else lambda x: x + lens.k1 * x**3 + lens.k2 * x**5
    column, row, _ = project(lens, np.array([math.sin(a), 0.0, math.cos(a)]))
    assert column == pytest.approx(0.5 * lens.width * (1.0 + reach(a) / reach(half)))
    assert row == pytest.approx(0.5 * lens.height)


def test_nothing_behind_is_shown():
    """Show no point behind a pinhole, and through a fisheye none more than 2.6 rad from the axis."""
    points = np.array([[0.0, 0.1, -1.0], [0.0, 0.1, 1.0], [1.0, 0.0, -0.5]])
    assert project(LENSES["default"], points)[2].tolist() == [False, True, False]
    assert project(LENSES["fisheye"], points)[2].tolist() == [False, True, True]


@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (0.3, 0.0), (0.2, 0.4), (-0.5, -0.1)])
def test_axes_are_a_rotation(pitch, roll):
    """Have orthonormal axes with right x down = ahead, ahead down by the pitch, right down by the roll."""
    axes = np.array(level_to_camera(pitch, roll))
    assert np.allclose(axes @ axes.T, np.eye(3))
    # Level (forward, right, up) is left-handed, so that the cross product of right and down is minus ahead.
    assert np.allclose(np.cross(axes[0], axes[1]), -axes[2])
    assert axes[2] @ [0, 0, -1] == pytest.approx(math.sin(pitch))
    assert axes[0] @ [0, 0, -1] == pytest.approx(math.cos(pitch) * math.sin(roll))


def test_compiled_functions_are_the_plain_ones():
    """Give the same bits from the kernels' copies on a row of the renderer and from numpy on a lens."""
    row = np.zeros(1, CAMERA)[0]
    lens = Lens(FISHEYE, 160, 120, 90.0, 80.0, 60.0, -0.03, 0.004, 0.001, -0.0002)
    for name in ("k1", "k2", "k3", "k4"):
        row[name] = getattr(lens, name)
    angles = np.linspace(0.0, optics.ANGLE_MAX, 200)
    plain = fisheye_radius(lens, angles)
    assert [compiled.fisheye_radius(row, angle) for angle in angles] == plain.tolist()
    assert np.allclose(compiled.level_to_camera(0.3, -0.2), level_to_camera(0.3, -0.2), rtol=0.0, atol=1e-15)
