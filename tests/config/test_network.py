"""What is done to pictures: the order of the steps, the shapes they give, and what is refused."""

import pytest
from pydantic import ValidationError

from racer.config.network import (
    CNNS,
    DEEPRACER_NAMES,
    AreaStep,
    CropStep,
    GreyStep,
    MaskStep,
    PreprocessConfig,
    ResizeStep,
    StackStep,
    shape_after_step,
)


def test_nothing_is_done_without_being_asked():
    """Leave pictures as they are by default."""
    assert PreprocessConfig().steps == ()


def test_order_of_the_steps():
    """Go from grey over crop, mask, area and resize to the stack, whatever order a file has."""
    config = PreprocessConfig(
        frames=4, width=40, height=20, shrink=2, mask_top=3, crop_top=8, crop_right=2, colour="grey"
    )
    assert config.steps == (
        GreyStep(),
        CropStep(top=8, right=2),
        MaskStep(rows=3),
        AreaStep(factor=2),
        ResizeStep(height=20, width=40),
        StackStep(frames=4),
    )


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (GreyStep(), (120, 160, 3), (120, 160, 1)),
        (CropStep(top=24, bottom=1, left=2, right=3), (120, 160, 1), (95, 155, 1)),
        (MaskStep(rows=119), (120, 160, 2), (120, 160, 2)),
        (AreaStep(factor=4), (120, 160, 2), (30, 40, 2)),
        (ResizeStep(height=7, width=9), (120, 160, 3), (7, 9, 3)),
        (StackStep(frames=3), (48, 80, 2), (48, 80, 6)),
    ],
)
def test_shapes(step, before, after):
    """Give the shape that each step leaves."""
    assert shape_after_step(step, before) == after


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (GreyStep(), "step grey needs 3 channels; the picture has 1"),
        (CropStep(top=60, bottom=60), "step crop leaves nothing of a picture of 160 x 120 pixels"),
        (CropStep(right=160), "step crop leaves nothing"),
        (MaskStep(rows=120), "step mask makes all 120 rows black"),
        (AreaStep(factor=7), "step area by 7 does not divide a picture of 160 x 120 pixels; crop it first"),
    ],
)
def test_steps_that_do_not_fit(step, told):
    """Refuse a step that cannot be done with a picture of 160 x 120."""
    with pytest.raises(ValueError, match=told):
        shape_after_step(step, (120, 160, 1))


@pytest.mark.parametrize(
    "given", [{"frames": 0}, {"frames": 17}, {"shrink": 0}, {"width": 80}, {"crop_top": -1}, {"mask": 1}]
)
def test_values_refused(given):
    """Refuse what no pipeline can do, half a size, and unknown keys."""
    with pytest.raises(ValidationError):
        PreprocessConfig(**given)


def test_networks_by_deepracers_figures():
    """The shapes after DeepRacer's convolutions of 160 x 120, by hand, and the weights of its FC layer of 512."""
    assert CNNS["shallow"].shape_after(120, 160) == (64, 11, 16)
    assert CNNS["deep"].shape_after(120, 160) == (64, 25, 35)
    assert CNNS["deepest"].shape_after(120, 160) == (64, 3, 6)
    assert set(DEEPRACER_NAMES.values()) == set(CNNS) - {"small"}
    assert all(CNNS[name].name == name for name in CNNS)


def test_pictures_too_small_for_a_network():
    """Name the network and the size it was given."""
    with pytest.raises(ValueError, match="network shallow cannot read a picture as small as 40 x 24 pixels"):
        CNNS["shallow"].shape_after(24, 40)
