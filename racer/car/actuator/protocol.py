"""Messages between a pilot and the actuator: fixed in size, versioned, little endian, without floats.

They travel over a Unix socket of type SOCK_SEQPACKET, which keeps messages whole and in order and reports a closed peer
at once. Each message begins with magic, version and kind. The path of a command:

    policy -> degrees and m/s -> (calibrated map in the pilot's gate) -> µs -> COMMAND -> clamp, slew, deadlines -> bus

The unit of a command is microseconds, not degrees: the map needs tables and floating point, and the process that must
never fail should hold neither. Times are CLOCK_MONOTONIC of this machine [ns] on both sides.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

from racer.car.actuator.states import ActuatorCommand, ActuatorRequest, ActuatorState, CommandSource, StopReason

MAGIC: Final = 0x4352
VERSION: Final = 1
DETAIL_BYTES: Final = 160


class MessageKind(IntEnum):
    """Kind of a message."""

    HELLO = 1
    COMMAND = 2
    REQUEST = 3
    STATUS = 4


class ClientRole(IntEnum):
    """Role of a connection. A watcher receives the status and may only request a stop and the clearing of a fault."""

    PILOT = 1
    WATCHER = 2


class MalformedMessage(ValueError):
    """Raised for bytes that are not a message of this protocol, and for values that do not fit into one."""


class VersionMismatch(MalformedMessage):
    """Raised for a message of another version of this protocol."""


@dataclass(frozen=True, slots=True)
class HelloMessage:
    """First message of a connection."""

    role: ClientRole


@dataclass(frozen=True, slots=True)
class RequestMessage:
    """Request of an operator; a status with the same number in `answered` holds the answer."""

    request: ActuatorRequest
    number: int


@dataclass(frozen=True, slots=True)
class ActuatorStatus:
    """State of the actuator and its outputs, sent after every bus write.

    Attributes:
        state: State of the state machine.
        reason: Reason of this state.
        answer: Why the newest request of this connection was refused; `NONE` if it was granted.
        answered: Number of that request; 0 before the first.
        now_ns: Start of the last bus write, whether it succeeded or not [ns].
        since_ns: Time at which `state` was entered [ns].
        seq: Sequence number of the newest command that is on the bus.
        input_id: Frame or heartbeat of that command.
        written_ns: Time at which that command was first on the bus [ns]. Minus the capture time of the input, it is
            the latency from glass to wheel.
        steering_us: Steering pulse on the bus [µs]; 0 is off.
        throttle_us: Throttle pulse on the bus [µs]; 0 is off.
        rejected: Number of messages and commands that were not accepted.
        retries: Number of bus writes that were tried again.
        late: Number of ticks that were missed.
        detail: More text on the reason, such as the error in the calibration; at most `DETAIL_BYTES` are sent.
    """

    state: ActuatorState
    reason: StopReason
    answer: StopReason
    answered: int
    now_ns: int
    since_ns: int
    seq: int
    input_id: int
    written_ns: int
    steering_us: int
    throttle_us: int
    rejected: int
    retries: int
    late: int
    detail: str

    @property
    def reason_text(self) -> str:
        """Return the reason of the state for an operator; the detail replaces the general text."""
        return self.detail or self.reason.text


ActuatorMessage = HelloMessage | ActuatorCommand | RequestMessage | ActuatorStatus

_HEAD: Final = struct.Struct("<HBBB3x")  # magic, version, kind, first value

# Class, layout and enums of each kind. After magic, version and kind, a layout holds the fields of the class in the
# order of their declaration: first the enums, of one byte each, so that each head ends with the first of them.
_MESSAGES: Final[dict[MessageKind, tuple[type[Any], struct.Struct, tuple[type[IntEnum], ...]]]] = {
    MessageKind.HELLO: (HelloMessage, _HEAD, (ClientRole,)),
    MessageKind.COMMAND: (ActuatorCommand, struct.Struct("<HBBB3xQQQQHH"), (CommandSource,)),
    MessageKind.REQUEST: (RequestMessage, struct.Struct("<HBBB3xI"), (ActuatorRequest,)),
    MessageKind.STATUS: (
        ActuatorStatus,
        struct.Struct(f"<HBBBBB1xIQQQQQHHIII{DETAIL_BYTES}s"),
        (ActuatorState, StopReason, StopReason),
    ),
}
_KINDS: Final = {message_type: kind for kind, (message_type, _, _) in _MESSAGES.items()}
MESSAGE_MAX: Final = _MESSAGES[MessageKind.STATUS][1].size


def pack(message: ActuatorMessage) -> bytes:
    """Return a message as bytes; the detail of a status is cut to whole characters in `DETAIL_BYTES`.

    Raises:
        MalformedMessage: A value does not fit, such as a negative pulse.
    """
    kind = _KINDS[type(message)]
    values: list[Any] = [getattr(message, field.name) for field in fields(message)]
    if isinstance(message, ActuatorStatus):
        values[-1] = message.detail.encode()[:DETAIL_BYTES].decode(errors="ignore").encode()
    try:
        return _MESSAGES[kind][1].pack(MAGIC, VERSION, kind, *values)
    except struct.error as error:
        raise MalformedMessage(f"not a valid {kind.name.lower()}: {error}") from None


def unpack(data: bytes) -> ActuatorMessage:
    """Return the message that these bytes contain.

    Raises:
        VersionMismatch: The message has another version of this protocol.
        MalformedMessage: The bytes are not a message.
    """
    if len(data) < _HEAD.size:
        raise MalformedMessage(f"{len(data)} bytes are too short for a message")
    magic, version, kind, _ = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise MalformedMessage("not from a racer pilot or actuator")
    if version != VERSION:
        raise VersionMismatch(f"protocol version {version}; this racer uses version {VERSION}")
    try:
        message_type, layout, enums = _MESSAGES[MessageKind(kind)]
        values: list[Any] = list(layout.unpack(data)[3:])
        values[: len(enums)] = [enum(value) for enum, value in zip(enums, values, strict=False)]
        if message_type is ActuatorStatus:
            values[-1] = values[-1].rstrip(b"\0").decode()
        message: ActuatorMessage = message_type(*values)
        return message
    except (ValueError, struct.error) as error:
        raise MalformedMessage(str(error)) from None


def default_socket() -> str:
    """Return the path of the actuator's socket: `RACER_ACTUATOR`, or the service's folder in `/run`."""
    return os.environ.get("RACER_ACTUATOR") or "/run/racer/actuator.sock"
