"""The memory of a distillation: bounded, an even sample of all that was given, and stacks like those of the ring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.preprocess.observation import FrameRing
from racer.train.distill.frames import DrivenFrames

SHAPE = (2, 3, 1)


def memory(*, capacity, steps=2, stack=1, seed=0):
    """A memory with room for so many stretches."""
    return DrivenFrames(
        bytes_max=capacity * (steps + stack - 1) * int(np.prod(SHAPE)),
        steps=steps,
        stack=stack,
        frame_shape=SHAPE,
        seed=seed,
    )


def give(kept, numbers):
    """Add one stretch for each number, which is in all of its frames (modulo 256) and labels."""
    steps = 2
    for number in numbers:
        frames = np.full((1, steps, *SHAPE), number % 256, np.uint8)
        kept.add(frames, np.full((1, steps, 2), number, np.float32), np.zeros((1, steps), np.int64))


def all_kept(kept):
    """The numbers that can still be drawn."""
    _, labels = kept.sample(200 * kept.capacity, np.random.default_rng(0))
    return sorted(set(labels[:, 0].astype(int).tolist()))


def test_all_is_kept_until_it_is_full():
    """Keep every stretch while there is room, with its own labels."""
    kept = memory(capacity=5)
    give(kept, range(5))
    assert kept.count == kept.added == 5 and kept.frames == 10
    stacks, labels = kept.sample(500, np.random.default_rng(1))
    assert (stacks[..., 0] == labels[:, :1, None]).all()
    assert all_kept(kept) == [0, 1, 2, 3, 4]


def test_its_size_stays():
    """Hold no more than there is room for, however much is given; frames keep their labels."""
    kept = memory(capacity=5)
    give(kept, range(100))
    assert kept.count == 5 and kept.added == 100 and len(all_kept(kept)) == 5
    stacks, labels = kept.sample(500, np.random.default_rng(1))
    assert (stacks[..., 0] == labels[:, :1, None]).all()


def test_every_stretch_is_kept_with_the_same_chance():
    """Of 20 stretches with room for 5 each stays in a quarter of the memories: binomial, 6 standard deviations."""
    runs, seen = 400, np.zeros(20)
    for seed in range(runs):
        kept = memory(capacity=5, seed=seed)
        give(kept, range(20))
        seen[all_kept(kept)] += 1
    assert seen.sum() == 5 * runs
    assert np.abs(seen - runs / 4).max() < 6.0 * np.sqrt(runs * 0.25 * 0.75)


def test_no_room_is_told():
    """Refuse a size that holds not one stretch."""
    with pytest.raises(ValueError, match="have no room for 3 frames"):
        DrivenFrames(bytes_max=10, steps=2, stack=2, frame_shape=SHAPE)


@settings(max_examples=30, deadline=None)
@given(
    stack=st.integers(1, 4),
    steps=st.integers(1, 6),
    resets=st.sets(st.integers(1, 20)),
    channels=st.sampled_from([1, 3]),
)
def test_stacks_are_those_of_the_ring(stack, steps, resets, channels):
    """Drive three stretches with episodes that end anywhere: what is drawn is what the network saw while driving."""
    draw = np.random.default_rng(7)
    ring, shape = FrameRing(stack), (2, 3, channels)
    kept = DrivenFrames(bytes_max=10**6, steps=steps, stack=stack, frame_shape=shape)
    age, seen = 0, []
    for stretch in range(3):
        frames = np.zeros((1, stack - 1 + steps, *shape), np.uint8)
        ages = np.zeros((1, steps), np.int64)
        for step in range(steps):
            if stretch * steps + step in resets:
                ring.reset(np.ones(1, np.bool_))
                age = 0
            frame = draw.integers(256, size=(1, *shape)).astype(np.uint8)
            stacks = ring.push(frame)
            if step == 0:
                for k in range(stack - 1):
                    frames[:, k] = stacks[..., k * channels : (k + 1) * channels]
            frames[:, stack - 1 + step] = frame
            ages[:, step] = age
            seen.append(stacks[0])
            age += 1
        places = stretch * steps + np.arange(steps)
        kept.add(frames, np.repeat(places[None, :, None], 2, axis=2).astype(np.float32), ages)
    stacks, labels = kept.sample(200, draw)
    for one, place in zip(stacks, labels[:, 0].astype(int), strict=True):
        assert np.array_equal(one, seen[place])
