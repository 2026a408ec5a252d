"""Every number that makes the car safe. None can be configured; other modules restate them and tests compare.

Times are integer nanoseconds of the monotonic clock, pulses integer microseconds: a NaN cannot be written down.
"""

from __future__ import annotations

PULSE_MIN_US = 900
PULSE_MAX_US = 2100
"""No pulse outside these, whatever a file or a command says. Servos and speed controllers use 1000..2000."""

PERIOD_US = 20_000
"""50 Hz, which every analogue servo and speed controller takes."""

TICK_NS = 20_000_000
"""The bus is written once in a period of the pulses."""

NEUTRAL_BEFORE_ARMING_NS = 2_000_000_000
"""Neutral for this long before the car may be armed; speed controllers learn their neutral in that time."""

COMMAND_DEADLINE_NS = 100_000_000
"""A command is good for this long after the pilot sent it; then the car stops hard."""

FRAME_DEADLINE_NS = 200_000_000
"""A camera frame is good for this long after it was taken; then the car stops softly."""

PERSON_DEADLINE_NS = 300_000_000
"""A person's held button is good for this long after it was last heard of; then the car stops softly."""

ALL_OFF_AFTER_NS = 500_000_000
"""A hard stop holds neutral for this long (25 pulses), then the outputs are off."""

LOOP_LATE_NS = 100_000_000
"""Where the actuator itself slept longer than this while driving, it kept no promise: it stops hard."""

STEERING_SLEW_US = 200
"""Change of the steering pulse in one tick. Lock to lock (500 µs) in 50 ms is faster than a servo (100..150 ms),
so that it catches jumps and does not change how a trained policy steers."""

THROTTLE_SLEW_US = 40
"""Change of the throttle pulse in one tick while driving. A DeepRacer's full range forward (157 µs) in 80 ms is about
the motor's own lag. Stops are not slowed by it."""

BUS_RETRIES = 2
"""Second and third attempts of a bus write, within the same tick."""

BUS_SLOW_NS = 20_000_000
"""No attempt begins after this; and two writes in a row that took longer count as a failed bus, as a stop would."""
