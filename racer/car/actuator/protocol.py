"""Messages between a pilot and the actuator: fixed in size, versioned, little endian, no floats.

They travel over a Unix socket of type SOCK_SEQPACKET: it keeps messages whole and in order, and tells both sides at
once when the other is gone. Each begins with magic, version and kind. What a command carries:

    policy -> degrees and m/s -> (calibrated map in the pilot's gate) -> µs -> COMMAND -> clamp, slew, deadlines -> bus

Microseconds cross here, not degrees: the map needs tables and floating point, and the process that must never fail
should hold neither. Times are CLOCK_MONOTONIC of this machine in nanoseconds, on both sides.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from racer.car.actuator.words import Command, Reason, Request, Source, State

MAGIC: Final = 0x4352
VERSION: Final = 1
DETAIL_BYTES: Final = 160

_HEAD: Final = struct.Struct("<HBBB3x")
_COMMAND: Final = struct.Struct("<HBBB3xQQQQHH")
_REQUEST: Final = struct.Struct("<HBBB3xI")
_STATUS: Final = struct.Struct(f"<HBBBBB1xIQQQQQHHIII{DETAIL_BYTES}s")
MESSAGE_MAX: Final = _STATUS.size


class Kind(IntEnum):
    """What a message is."""

    HELLO = 1
    COMMAND = 2
    REQUEST = 3
    STATUS = 4


class Role(IntEnum):
    """Who connects. A watcher sees the status and may ask to stop and to clear a fault, nothing more."""

    PILOT = 1
    WATCHER = 2


class Malformed(ValueError):
    """Bytes that are no message of this protocol."""


class OtherVersion(Malformed):
    """A message of another version of this protocol."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a connection."""

    role: Role


@dataclass(frozen=True, slots=True)
class Ask:
    """A person's request; the answer comes back in a status with the same number."""

    request: Request
    number: int


@dataclass(frozen=True, slots=True)
class Status:
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

    state: State
    reason: Reason
    answer: Reason
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


Message = Hello | Command | Ask | Status


def pack_hello(role: Role) -> bytes:
    """The first message of a connection."""
    return _HEAD.pack(MAGIC, VERSION, Kind.HELLO, role)


def pack_ask(ask: Ask) -> bytes:
    """A person's request."""
    return _REQUEST.pack(MAGIC, VERSION, Kind.REQUEST, ask.request, ask.number)


def pack_command(command: Command) -> bytes:
    """A pilot's command.

    Raises:
        Malformed: a number that does not fit, such as a negative pulse.
    """
    c = command
    try:
        return _COMMAND.pack(
            MAGIC, VERSION, Kind.COMMAND, c.source, c.seq, c.input_id, c.captured_ns, c.sent_ns,
            c.steering_us, c.throttle_us,
        )  # fmt: skip
    except struct.error as error:
        raise Malformed(f"no command: {error}") from None


def pack_status(status: Status) -> bytes:
    """What the actuator does; a long detail is cut."""
    s = status
    detail = s.detail.encode()[:DETAIL_BYTES].decode(errors="ignore").encode()
    return _STATUS.pack(
        MAGIC, VERSION, Kind.STATUS, s.state, s.reason, s.answer, s.answered, s.now_ns, s.since_ns,
        s.seq, s.input_id, s.written_ns, s.steering_us, s.throttle_us, s.rejected, s.retries, s.late, detail,
    )  # fmt: skip


def unpack(data: bytes) -> Message:
    """Any message.

    Raises:
        OtherVersion: a message of this protocol, of another version.
        Malformed: anything else that is no message.
    """
    if len(data) < _HEAD.size:
        raise Malformed(f"{len(data)} bytes are no message")
    magic, version, kind, _ = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise Malformed("not from a racer pilot or actuator")
    if version != VERSION:
        raise OtherVersion(f"version {version}; this is version {VERSION}")
    try:
        return _UNPACK[Kind(kind)](data)
    except (ValueError, struct.error) as error:
        raise Malformed(str(error)) from None


def _hello(data: bytes) -> Hello:
    return Hello(Role(_HEAD.unpack(data)[3]))


def _command(data: bytes) -> Command:
    source, seq, input_id, captured_ns, sent_ns, steering_us, throttle_us = _COMMAND.unpack(data)[3:]
    return Command(seq, Source(source), input_id, captured_ns, sent_ns, steering_us, throttle_us)


def _ask(data: bytes) -> Ask:
    request, number = _REQUEST.unpack(data)[3:]
    return Ask(Request(request), number)


def _status(data: bytes) -> Status:
    state, reason, answer, *rest = _STATUS.unpack(data)[3:]
    rest[-1] = rest[-1].rstrip(b"\0").decode()
    return Status(State(state), Reason(reason), Reason(answer), *rest)


_UNPACK: Final[dict[Kind, Callable[[bytes], Message]]] = {
    Kind.HELLO: _hello,
    Kind.COMMAND: _command,
    Kind.REQUEST: _ask,
    Kind.STATUS: _status,
}


def default_socket() -> str:
    """Where the actuator listens: `RACER_ACTUATOR`, or below the service's own folder of `/run`."""
    return os.environ.get("RACER_ACTUATOR") or "/run/racer/actuator.sock"
