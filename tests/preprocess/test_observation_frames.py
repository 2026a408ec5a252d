"""The frames of each car: what is remembered, what a reset forgets, and what it does not."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.config.env import CameraConfig
from racer.config.network import PreprocessConfig
from racer.contract import camera_sensor, lidar_sensor, stereo_sensor
from racer.errors import BundleError
from racer.preprocess import Preprocessor
from racer.preprocess.observation import FrameRing

SMALL = CameraConfig(width=16, height=12)


class NaiveRing:
    """One deque for each car."""

    def __init__(self, frames, cars):
        self.frames, self.past = frames, [deque(maxlen=frames) for _ in range(cars)]

    def reset(self, which):
        """Empty those of the marked cars."""
        for past, forget in zip(self.past, which, strict=True):
            if forget:
                past.clear()

    def push(self, pictures):
        """Oldest first; an empty one is filled with the frame."""
        for past, picture in zip(self.past, pictures, strict=True):
            past.extend([picture] * (1 if past else self.frames))
        return np.stack([np.concatenate(list(past), axis=-1) for past in self.past])


@given(
    st.integers(2, 5),
    st.integers(1, 2),
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_ring_is_a_deque_for_each_car(frames, channels, resets):
    """Hold what a deque for each car holds, through any resets; a look ahead changes nothing."""
    ring, naive = FrameRing(frames), NaiveRing(frames, 3)
    draw = np.random.default_rng(1)
    for which in resets:
        ring.reset(np.array(which))
        naive.reset(which)
        pictures = draw.integers(0, 256, (3, 4, 5, channels), dtype=np.uint8)
        looked = [ring.peek(pictures[k], k) for k in range(3)]
        made = ring.push(pictures)
        assert made.flags.c_contiguous and (made == naive.push(pictures)).all()
        assert (np.stack(looked) == made).all()


def test_what_was_given_out_stays():
    """Make a new array for every frame: who keeps an older one keeps it as it was, and may write into it."""
    ring, frames = FrameRing(2), np.arange(6, dtype=np.uint8).reshape(3, 1, 1, 2, 1)
    kept = [ring.push(frame) for frame in frames]
    told = [[0, 0, 1, 1], [0, 2, 1, 3], [2, 4, 3, 5]]
    assert [each.reshape(-1).tolist() for each in kept] == told
    ring.reset()
    for frame, expected in zip(frames, told, strict=True):
        stacked = ring.push(frame)
        assert stacked.reshape(-1).tolist() == expected
        stacked[:] = 77


def test_reset_of_all_takes_another_number_of_cars():
    """Refuse another number of cars in the middle of a drive, and take it after a reset of all."""
    preprocess = Preprocessor((camera_sensor(SMALL),), PreprocessConfig(frames=2).steps)
    preprocess({"camera": np.zeros((2, 12, 16, 1), np.uint8)})
    with pytest.raises(BundleError, match="`camera` gave 3 frames, but the frames of 2 cars are stored; reset"):
        preprocess({"camera": np.zeros((3, 12, 16, 1), np.uint8)})
    preprocess.reset()
    assert preprocess({"camera": np.ones((3, 12, 16, 1), np.uint8)})["camera"].all()


def test_no_stack_no_memory():
    """Take any number of cars at any time where frames are not stacked."""
    preprocess = Preprocessor((camera_sensor(SMALL),), PreprocessConfig(shrink=2).steps)
    for cars in (2, 5, 1):
        assert preprocess({"camera": np.zeros((cars, 12, 16, 1), np.uint8)})["camera"].shape == (cars, 6, 8, 1)
    preprocess.reset(np.array([True]))


def test_every_picture_has_its_own_ring():
    """Stack camera and stereo apart, leave a lidar as it is, keep the order of the contract."""
    sensors = (lidar_sensor(), stereo_sensor(SMALL), camera_sensor(SMALL))
    preprocess = Preprocessor(sensors, PreprocessConfig(crop_top=2, shrink=2, frames=3).steps)
    draw = np.random.default_rng(0)
    seen = []
    for _ in range(3):
        seen.append(
            {
                "camera": draw.integers(0, 256, (2, 12, 16, 1), dtype=np.uint8),
                "stereo": draw.integers(0, 256, (2, 12, 16, 2), dtype=np.uint8),
                "lidar": draw.random((2, 64), np.float32),
            }
        )
        inputs = preprocess(seen[-1])
    assert list(inputs) == ["lidar", "stereo", "camera"]
    assert inputs["lidar"] is seen[-1]["lidar"]
    alone = Preprocessor(sensors, PreprocessConfig(crop_top=2, shrink=2).steps)
    for name in ("camera", "stereo"):
        expected = np.concatenate([alone(each)[name] for each in seen], axis=-1)
        assert (inputs[name] == expected).all()


def test_peek_is_the_next_frame_of_one_car():
    """Show one car's inputs for one more observation, and remember nothing of it."""
    preprocess = Preprocessor((camera_sensor(SMALL),), PreprocessConfig(shrink=2, frames=2).steps)
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (3, 2, 12, 16, 1), dtype=np.uint8)
    preprocess({"camera": frames[0]})
    looked = [preprocess.peek({"camera": frames[1, k]}, k)["camera"] for k in range(2)]
    preprocess.peek({"camera": frames[2, 0]}, 0)
    assert (preprocess({"camera": frames[1]})["camera"] == np.stack(looked)).all()
