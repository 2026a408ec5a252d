"""States, requests, stop reasons and commands of the actuator; all numbers are part of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ActuatorState(IntEnum):
    """State of the actuator's state machine; the numbers are part of the protocol."""

    BOOT = 0
    DISARMED = 1
    ARMED = 2
    DRIVING = 3
    SOFT_STOP = 4
    HARD_STOP = 5
    FAULT = 6


class ActuatorRequest(IntEnum):
    """Request of an operator; the numbers are part of the protocol."""

    ARM = 1
    DRIVE = 2
    DISARM = 3
    STOP = 4
    CLEAR = 5


class CommandSource(IntEnum):
    """Kind of input that a command was computed from; the numbers are part of the protocol."""

    FRAME = 1
    PERSON = 2


class StopReason(IntEnum):
    """Reason of a stop (1..11) or of a refusal (20..28); the numbers are part of the protocol.

    Attributes:
        text: Description for an operator; empty for `NONE`.
    """

    text: str

    def __new__(cls, number: int, text: str = "") -> StopReason:
        """Return the member with this number; the text is not part of its value."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.text = text
        return member

    NONE = 0
    NO_CALIBRATION = 1, "no usable calibration"
    COMMAND_LATE = 2, "no fresh command for 100 ms"
    FRAME_LATE = 3, "no fresh camera frame for 200 ms"
    PERSON_LATE = 4, "no heartbeat of the operator for 300 ms"
    PILOT_GONE = 5, "the pilot is gone"
    STOP_ASKED = 6, "a person stopped the car"
    DISARM_ASKED = 7, "a person disarmed the car"
    BUS = 8, "the servo bus failed"
    CLOSING = 9, "the actuator is closing"
    LOOP_LATE = 10, "the actuator itself was late"
    CRASHED = 11, "the actuator failed"
    NOT_DISARMED = 20, "only a disarmed car can be armed"
    NOT_ARMED = 21, "only an armed car can start"
    NO_FAULT = 22, "the car has no fault to clear"
    NEUTRAL_TOO_SHORT = 23, "throttle must have been neutral for 2 s"
    THROTTLE_NOT_NEUTRAL = 24, "the pilot must command neutral throttle while the car is armed"
    NO_PILOT = 25, "no pilot is connected"
    BUSY = 26, "another pilot is connected"
    VERSION = 27, "the pilot uses another version of the protocol"
    NOT_THE_PILOT = 28, "only the pilot may request this"


@dataclass(frozen=True, slots=True)
class CalibratedRange:
    """Calibrated range of a command's pulses [µs].

    `low` is below `high` whichever direction the wiring has: which of the two is left, or forward, is known to the
    pilot's gate alone.
    """

    steering_low: int
    steering_centre: int
    steering_high: int
    throttle_low: int
    throttle_stop: int
    throttle_high: int


@dataclass(frozen=True, slots=True)
class Pulses:
    """Pulses of the two outputs [µs]."""

    steering_us: int
    throttle_us: int


@dataclass(frozen=True, slots=True)
class ActuatorCommand:
    """Command of a pilot; its fields are in the order of the protocol.

    Attributes:
        source: Kind of input that the command was computed from.
        seq: Sequence number; increases with each command of a connection.
        input_id: Number of that camera frame, or of the operator's heartbeat.
        captured_ns: Monotonic capture time of that input [ns].
        sent_ns: Monotonic time at which the command was sent [ns].
        steering_us: Steering pulse [µs].
        throttle_us: Throttle pulse [µs].
    """

    source: CommandSource
    seq: int
    input_id: int
    captured_ns: int
    sent_ns: int
    steering_us: int
    throttle_us: int
