"""Safety limits of the actuator. None can be configured; other modules repeat some of them, and tests compare.

Times are integers of the monotonic clock [ns], pulses are integers [µs]: an integer cannot be NaN.
"""

from __future__ import annotations

PULSE_MIN_US = 900
PULSE_MAX_US = 2100
"""Absolute limits of a pulse [µs], whatever a file or a command requests; servos and controllers use 1000..2000."""

PERIOD_US = 20_000
"""Period of the pulses [µs]: 50 Hz, which every analogue servo and speed controller accepts."""

FREQUENCY_FACTOR_MIN = 0.9
FREQUENCY_FACTOR_MAX = 1.1
"""Limits of a chip's measured frequency divided by its nominal one; a larger deviation is a fault, not a tolerance."""

TICK_NS = 20_000_000
"""Interval of the bus writes [ns]: one in each period of the pulses."""

NEUTRAL_BEFORE_ARMING_NS = 2_000_000_000
"""Time of neutral throttle before the car may be armed [ns].

Speed controllers measure their neutral pulse after power-on and arm themselves only when they have received it."""

COMMAND_DEADLINE_NS = 100_000_000
"""Validity of a command after the pilot sent it [ns]; then the car stops hard."""

FRAME_DEADLINE_NS = 200_000_000
"""Validity of a camera frame after its capture [ns]; then the car stops softly."""

PERSON_DEADLINE_NS = 300_000_000
"""Validity of the operator's last heartbeat [ns]; then the car stops softly."""

ALL_OFF_AFTER_NS = 500_000_000
"""Time for which a hard stop holds neutral [ns], 25 pulses; then the outputs are off."""

LOOP_LATE_NS = 100_000_000
"""Longest gap between two writes while driving [ns]; a longer one is a hard stop."""

STEERING_SLEW_US = 200
"""Largest change of the steering pulse in one tick [µs].

Lock to lock (500 µs) in 50 ms is faster than a servo (100..150 ms), so that it catches jumps and does
not change how a trained policy steers.
"""

THROTTLE_SLEW_US = 40
"""Largest change of the throttle pulse in one tick while driving [µs].

A DeepRacer's full range forward (157 µs) in 80 ms is about the motor's own lag. It does not slow stops.
"""

BUS_RETRIES = 2
"""Number of further attempts of a bus write within the same tick."""

BUS_SLOW_NS = 20_000_000
"""Time after which no attempt of a write begins [ns]; two slower writes in a row count as a failed bus."""
