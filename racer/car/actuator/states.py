"""States, requests, stop reasons and commands of the actuator. All numbers are part of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


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
    """Reason of a stop (1..11) or of a refusal (20..28); the numbers are part of the protocol."""

    NONE = 0
    NO_CALIBRATION = 1
    COMMAND_LATE = 2
    FRAME_LATE = 3
    PERSON_LATE = 4
    PILOT_GONE = 5
    STOP_ASKED = 6
    DISARM_ASKED = 7
    BUS = 8
    CLOSING = 9
    LOOP_LATE = 10
    CRASHED = 11
    NOT_DISARMED = 20
    NOT_ARMED = 21
    NO_FAULT = 22
    NEUTRAL_TOO_SHORT = 23
    THROTTLE_NOT_NEUTRAL = 24
    NO_PILOT = 25
    BUSY = 26
    VERSION = 27
    NOT_THE_PILOT = 28


REASON_TEXT: Final[dict[StopReason, str]] = {
    StopReason.NONE: "",
    StopReason.NO_CALIBRATION: "no usable calibration",
    StopReason.COMMAND_LATE: "no fresh command for 100 ms",
    StopReason.FRAME_LATE: "no fresh camera frame for 200 ms",
    StopReason.PERSON_LATE: "nothing from the person driving for 300 ms",
    StopReason.PILOT_GONE: "the pilot is gone",
    StopReason.STOP_ASKED: "a person stopped the car",
    StopReason.DISARM_ASKED: "a person disarmed the car",
    StopReason.BUS: "the servo bus failed",
    StopReason.CLOSING: "the actuator is closing",
    StopReason.LOOP_LATE: "the actuator itself was late",
    StopReason.CRASHED: "the actuator failed",
    StopReason.NOT_DISARMED: "only a disarmed car can be armed",
    StopReason.NOT_ARMED: "only an armed car can start",
    StopReason.NO_FAULT: "the car has no fault to clear",
    StopReason.NEUTRAL_TOO_SHORT: "throttle must have been neutral for 2 s",
    StopReason.THROTTLE_NOT_NEUTRAL: "the pilot must ask for neutral throttle while the car is armed",
    StopReason.NO_PILOT: "no pilot is connected",
    StopReason.BUSY: "another pilot is connected",
    StopReason.VERSION: "the pilot speaks another version of the protocol",
    StopReason.NOT_THE_PILOT: "only the pilot may ask for this",
}


@dataclass(frozen=True, slots=True)
class CalibratedRange:
    """Calibrated range of the pulses of a command [µs]; low is below high, whatever direction the wiring has."""

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
    """Command of a pilot.

    Attributes:
        seq: Sequence number; rises by at least one with each command of a connection.
        source: Kind of input that the command was computed from.
        input_id: Number of that camera frame, or of the operator's heartbeat.
        captured_ns: Monotonic capture time of that input [ns].
        sent_ns: Monotonic time at which the command was sent [ns].
        steering_us: Steering pulse [µs].
        throttle_us: Throttle pulse [µs].
    """

    seq: int
    source: CommandSource
    input_id: int
    captured_ns: int
    sent_ns: int
    steering_us: int
    throttle_us: int
