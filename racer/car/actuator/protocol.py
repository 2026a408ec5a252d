"""Messages between a pilot and the actuator: fixed in size, versioned, little endian, no floats.

They travel over a Unix socket of type SOCK_SEQPACKET, which keeps messages whole and in order and reports a closed peer
at once. Each message begins with magic, version and kind. The path of a command:

    policy -> degrees and m/s -> (calibrated map in the pilot's gate) -> µs -> COMMAND -> clamp, slew, deadlines -> bus

The unit of a command is microseconds, not degrees: the map needs tables and floating point, and the process that must
never fail should hold neither. Times are CLOCK_MONOTONIC of this machine in nanoseconds, on both sides.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from racer.car.actuator.states import ActuatorCommand, ActuatorRequest, ActuatorState, CommandSource, StopReason

MAGIC: Final = 0x4352
VERSION: Final = 1
DETAIL_BYTES: Final = 160

_HEAD: Final = struct.Struct("<HBBB3x")
_COMMAND: Final = struct.Struct("<HBBB3xQQQQHH")
_REQUEST: Final = struct.Struct("<HBBB3xI")
_STATUS: Final = struct.Struct(f"<HBBBBB1xIQQQQQHHIII{DETAIL_BYTES}s")
MESSAGE_MAX: Final = _STATUS.size


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
    """Raised for bytes that are not a message of this protocol."""


class VersionMismatch(MalformedMessage):
    """Raised for a message of another version of this protocol."""


@dataclass(frozen=True, slots=True)
class HelloMessage:
    """First message of a connection."""

    role: ClientRole


@dataclass(frozen=True, slots=True)
class RequestMessage:
    """A person's request; the answer comes back in a status with the same number."""

    request: ActuatorRequest
    number: int


@dataclass(frozen=True, slots=True)
class ActuatorStatus:
    """What the actuator does, sent at every tick and after every request.

    Attributes:
        answered: number of the newest request of this connection; `answer` says why it was refused, if it was.
        now_ns, since_ns: now, and when `state` was entered.
        seq, input_id: of the newest command that was on the bus.
        written_ns: when it was first on the bus; with the input's own time this is the latency from glass to wheel.
        steering_us, throttle_us: what the outputs carry; 0 is off.
        rejected: commands that were not accepted. retries: bus writes tried again. late: ticks missed.
        detail: more words on why, such as what is wrong with the calibration.
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


ActuatorMessage = HelloMessage | ActuatorCommand | RequestMessage | ActuatorStatus


def pack_hello(role: ClientRole) -> bytes:
    """The first message of a connection."""
    return _HEAD.pack(MAGIC, VERSION, MessageKind.HELLO, role)


def pack_request(ask: RequestMessage) -> bytes:
    """A person's request."""
    return _REQUEST.pack(MAGIC, VERSION, MessageKind.REQUEST, ask.request, ask.number)


def pack_command(command: ActuatorCommand) -> bytes:
    """A pilot's command.

    Raises:
        Malformed: a number that does not fit, such as a negative pulse.
    """
    c = command
    try:
        return _COMMAND.pack(
            MAGIC, VERSION, MessageKind.COMMAND, c.source, c.seq, c.input_id, c.captured_ns, c.sent_ns,
            c.steering_us, c.throttle_us,
        )  # fmt: skip
    except struct.error as error:
        raise MalformedMessage(f"not a valid command: {error}") from None


def pack_status(status: ActuatorStatus) -> bytes:
    """Return a status as bytes; a detail longer than `DETAIL_BYTES` is cut."""
    s = status
    detail = s.detail.encode()[:DETAIL_BYTES].decode(errors="ignore").encode()
    return _STATUS.pack(
        MAGIC, VERSION, MessageKind.STATUS, s.state, s.reason, s.answer, s.answered, s.now_ns, s.since_ns,
        s.seq, s.input_id, s.written_ns, s.steering_us, s.throttle_us, s.rejected, s.retries, s.late, detail,
    )  # fmt: skip


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
        return _UNPACK[MessageKind(kind)](data)
    except (ValueError, struct.error) as error:
        raise MalformedMessage(str(error)) from None


def _unpack_hello(data: bytes) -> HelloMessage:
    return HelloMessage(ClientRole(_HEAD.unpack(data)[3]))


def _unpack_command(data: bytes) -> ActuatorCommand:
    source, seq, input_id, captured_ns, sent_ns, steering_us, throttle_us = _COMMAND.unpack(data)[3:]
    return ActuatorCommand(seq, CommandSource(source), input_id, captured_ns, sent_ns, steering_us, throttle_us)


def _unpack_request(data: bytes) -> RequestMessage:
    request, number = _REQUEST.unpack(data)[3:]
    return RequestMessage(ActuatorRequest(request), number)


def _unpack_status(data: bytes) -> ActuatorStatus:
    state, reason, answer, *rest = _STATUS.unpack(data)[3:]
    rest[-1] = rest[-1].rstrip(b"\0").decode()
    return ActuatorStatus(ActuatorState(state), StopReason(reason), StopReason(answer), *rest)


_UNPACK: Final[dict[MessageKind, Callable[[bytes], ActuatorMessage]]] = {
    MessageKind.HELLO: _unpack_hello,
    MessageKind.COMMAND: _unpack_command,
    MessageKind.REQUEST: _unpack_request,
    MessageKind.STATUS: _unpack_status,
}


def default_socket() -> str:
    """Return the path of the actuator's socket: `RACER_ACTUATOR`, or the service's folder in `/run`."""
    return os.environ.get("RACER_ACTUATOR") or "/run/racer/actuator.sock"
