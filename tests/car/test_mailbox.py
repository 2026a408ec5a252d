"""The single slot between camera and pilot."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from racer.car.mailbox import CameraFrame, Mailbox


def frame(number):
    """A small frame."""
    return CameraFrame(number, number * 1000, np.zeros((2, 2, 1), np.uint8))


def test_newest_frame_wins_and_the_old_one_is_counted():
    """Put three, take one: the third, with two dropped."""
    box = Mailbox()
    for number in (1, 2, 3):
        box.put(frame(number))
    assert box.take().number == 3
    assert box.dropped == 2


def test_a_frame_is_taken_once():
    """Take twice: the second time there is none."""
    box = Mailbox()
    assert box.take() is None
    box.put(frame(1))
    assert box.take().number == 1 and box.take() is None


@given(st.lists(st.booleans(), max_size=60))
def test_every_frame_is_taken_dropped_or_waits(puts):
    """Put and take in any order: the counts add up, numbers never go back, and at most one frame waits."""
    box, put, taken, last = Mailbox(), 0, 0, 0
    for is_put in puts:
        if is_put:
            put += 1
            box.put(frame(put))
        elif (got := box.take()) is not None:
            assert got.number == put and got.number > last
            last, taken = got.number, taken + 1
    waits = box.take() is not None
    assert taken + waits + box.dropped == put and waits == (put > last)


def test_two_threads_lose_no_count():
    """Let one thread put 2000 frames while another takes: taken plus dropped is what was put, order is kept."""
    box, seen = Mailbox(), []
    done = threading.Event()

    def take():
        while not done.is_set():
            if (got := box.take()) is not None:
                seen.append(got.number)

    taker = threading.Thread(target=take)
    taker.start()
    for number in range(1, 2001):
        box.put(frame(number))
    done.set()
    taker.join()
    waits = box.take() is not None
    assert len(seen) + waits + box.dropped == 2000
    assert seen == sorted(set(seen))
