"""The newest frame in a file that two processes map: whole frames only, and never in the writer's way."""

import numpy as np
import pytest

from racer.car.mailbox import _COUNT, SHARED_PIXELS_MAX, CameraFrame, SharedFrame
from support.recorded_drives import picture


@pytest.fixture
def ends(tmp_path):
    """A writer and a reader of one file."""
    both = SharedFrame(tmp_path / "window"), SharedFrame(tmp_path / "window")
    yield both
    for end in both:
        end.close()


def test_newest_frame_comes_through(ends):
    """Nothing, then a grey frame, then a colour one of another size: the newest, bit for bit, under a rising count."""
    writer, reader = ends
    assert reader.newest() is None and reader.count() == 0
    for count, channels in ((1, 1), (2, 3)):
        shown = CameraFrame(40 + count, 1000 * count, picture(count, 10 * count, 20 * count, channels))
        writer.put(shown)
        seen = reader.newest()
        assert (seen.number, seen.captured_ns, reader.count()) == (shown.number, shown.captured_ns, count)
        assert np.array_equal(seen.pixels, shown.pixels)


def test_half_a_frame_is_not_shown(ends):
    """A writer that died between its two counts leaves no picture; the next writer's frame is shown again."""
    writer, reader = ends
    writer.put(CameraFrame(1, 1, picture(1)))
    _COUNT.pack_into(writer._map, 0, 99)
    assert reader.newest() is None
    writer.put(CameraFrame(2, 2, picture(2)))
    assert reader.newest().number == 2 and reader.count() == 100


@pytest.mark.parametrize(
    "pixels",
    [None, np.zeros((4, 4, 1)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8),
     np.zeros((0, 4, 1), np.uint8), np.zeros((SHARED_PIXELS_MAX // 4 + 1, 4, 1), np.uint8)],
)  # fmt: skip
def test_what_is_no_picture_is_left_out(ends, pixels):
    """Another type or shape, nothing at all, too large: the last picture stays."""
    writer, reader = ends
    writer.put(CameraFrame(1, 1, picture(1)))
    writer.put(CameraFrame(2, 2, pixels))
    assert reader.newest().number == 1


def test_a_damaged_head_is_no_picture(ends):
    """A head that claims more than the file holds is not followed."""
    writer, reader = ends
    writer.put(CameraFrame(1, 1, picture(1)))
    writer._map[32:38] = b"\xff" * 6
    assert reader.newest() is None
