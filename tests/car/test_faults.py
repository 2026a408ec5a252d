"""What the pilot calls wrong with a frame (catalogue C1, T1), and when a slow network is too slow (I1)."""

import numpy as np
import pytest

from racer.car.actuator import limits
from racer.car.faults import (
    BLACK_FRAMES,
    BLACK_LEVEL,
    FAULT_TABLE,
    FRAME_AGE_MAX_NS,
    FROZEN_FRAMES,
    LATE_MAX,
    LATE_WINDOW_NS,
    DrivingFault,
    FaultClass,
    FrameChecks,
    LateInferences,
)
from racer.car.mailbox import CameraFrame
from support.recorded_drives import noise as picture

SHAPE = (24, 32, 1)
MS = 1_000_000


class Camera:
    """Numbers and times that go on by themselves."""

    def __init__(self):
        self.checks = FrameChecks(SHAPE)
        self.number = 0

    def shows(self, pixels, *, number=None, captured_ms=None, now_ms=None):
        """The fault's name of the next frame, or None."""
        self.number += 1
        number = self.number if number is None else number
        captured = 33 * number if captured_ms is None else captured_ms
        now = captured + 5 if now_ms is None else now_ms
        fault = self.checks.check(CameraFrame(number, captured * MS, pixels), now * MS)
        return fault.name if fault else None


def test_frame_age_is_the_actuators():
    """Compare the restated limit with the actuator's own."""
    assert FRAME_AGE_MAX_NS == limits.FRAME_DEADLINE_NS


def test_good_frames_have_no_fault():
    """Look at a hundred frames with noise."""
    camera = Camera()
    assert {camera.shows(picture(k)) for k in range(100)} == {None}


@pytest.mark.parametrize(
    "pixels",
    [
        picture(0, (24, 33, 1)), picture(0, (12, 32, 1)), picture(0, (24, 32, 3)), picture(0)[..., 0],
        picture(0).astype(np.float32), picture(0).astype(np.int8), None, np.zeros((0, 0, 1), np.uint8),
    ],
)  # fmt: skip
def test_another_kind_of_picture_is_wrong_at_once(pixels):
    """Give another size, number of channels, dtype, or no array, after good frames."""
    camera = Camera()
    camera.shows(picture(1))
    assert camera.shows(pixels) == "frame_wrong"


def test_same_pixels_are_frozen_from_the_fifth_time():
    """Repeat a picture with new numbers and times: four times are let through, the fifth is not."""
    camera = Camera()
    told = [camera.shows(picture(7)) for _ in range(FROZEN_FRAMES + 2)]
    assert told == [None] * (FROZEN_FRAMES - 1) + ["frame_frozen"] * 3


def test_same_number_is_frozen_too():
    """Repeat a whole frame, number and time included."""
    camera = Camera()
    told = [camera.shows(picture(7), number=3, captured_ms=99, now_ms=99 + 33 * k) for k in range(FROZEN_FRAMES)]
    assert told[-1] == "frame_frozen" and set(told[:-1]) == {None}


def test_one_other_pixel_thaws():
    """Change one pixel by one before the fifth time: nothing is frozen."""
    camera = Camera()
    for k in range(3 * FROZEN_FRAMES):
        pixels = picture(7)
        pixels[0, 0, 0] += k % (FROZEN_FRAMES - 1) == 0
        assert camera.shows(pixels) is None


def test_black_from_the_third_time():
    """Show frames at the black level and one above it; noise keeps them from being frozen."""
    camera = Camera()
    dark = [picture(k) % (BLACK_LEVEL + 1) for k in range(BLACK_FRAMES)]
    assert [camera.shows(pixels) for pixels in dark] == [None] * (BLACK_FRAMES - 1) + ["frame_black"]
    dark[0][0, 0] = BLACK_LEVEL + 1
    assert camera.shows(dark[0]) is None


def test_all_zero_is_black_though_its_rows_are_one_value():
    """Show zeros: the first two may be a camera that starts, and none is called torn."""
    camera = Camera()
    zeros = np.zeros(SHAPE, np.uint8)
    assert [camera.shows(zeros) for _ in range(BLACK_FRAMES)][-1] == "frame_black"
    assert Camera().shows(zeros) is None


@pytest.mark.parametrize(("rows", "torn"), [(5, False), (6, True), (12, True)])
def test_half_frames_are_torn(rows, torn):
    """Fill the lowest rows with one value: a quarter of the picture is too much."""
    pixels = picture(3)
    pixels[-rows:] = 128
    assert (Camera().shows(pixels) == "frame_torn") is torn


@pytest.mark.parametrize(
    ("number", "captured_ms", "now_ms", "wrong"),
    [
        (11, 334, 340, False), (11, 333, 340, True), (11, 300, 340, True), (9, 400, 410, True),
        (11, 341, 340, True), (11, 340, 340, False), (11, 3_600_000, 340, True),
    ],
)  # fmt: skip
def test_times_go_forwards_and_not_into_the_future(number, captured_ms, now_ms, wrong):
    """Follow frame 10 of 333 ms with numbers and times at, before and after it, and in the future."""
    camera = Camera()
    camera.shows(picture(0), number=10, captured_ms=333)
    told = camera.shows(picture(1), number=number, captured_ms=captured_ms, now_ms=now_ms)
    assert (told == "frame_time") is wrong


def test_single_late_answers_are_forgiven():
    """Be late as often as is allowed, then once more within the window, then once after it."""
    late = LateInferences()
    told = [late.late(k * MS) for k in range(LATE_MAX)]
    assert told[:-1] == [None] * (LATE_MAX - 1) and told[-1].name == "inference_late"
    late.clear()
    assert all(late.late(k * (LATE_WINDOW_NS // (LATE_MAX - 1))) is None for k in range(20))


def test_every_fault_has_a_class_and_words():
    """Walk the table: camera faults are soft, the network's are not, and each says why."""
    for name, (kind, words) in FAULT_TABLE.items():
        fault = DrivingFault(name, "more")
        assert fault.fault_class is kind and fault.text == f"{words}: more" and DrivingFault(name).text == words
        if name.startswith(("camera", "frame")):
            assert kind is FaultClass.SOFT_DISABLE
    assert DrivingFault("inference_failed").fault_class is FaultClass.IMMEDIATE_DISABLE
    assert DrivingFault("action_refused").fault_class is FaultClass.IMMEDIATE_DISABLE
    assert DrivingFault("not_ready").fault_class is FaultClass.NO_ENTRY
