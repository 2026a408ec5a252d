"""Messages: round trips, and that no bytes whatever do more than be refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.car.actuator.protocol import (
    DETAIL_BYTES,
    MESSAGE_MAX,
    VERSION,
    ActuatorStatus,
    ClientRole,
    HelloMessage,
    MalformedMessage,
    RequestMessage,
    VersionMismatch,
    default_socket,
    pack,
    unpack,
)
from racer.car.actuator.states import ActuatorCommand, ActuatorRequest, ActuatorState, CommandSource, StopReason

U64, U32, U16 = (st.integers(0, 2**bits - 1) for bits in (64, 32, 16))
COMMANDS = st.builds(ActuatorCommand, st.sampled_from(CommandSource), U64, U64, U64, U64, U16, U16)
STATES = st.builds(
    ActuatorStatus,
    st.sampled_from(ActuatorState),
    st.sampled_from(StopReason),
    st.sampled_from(StopReason),
    *(U32, U64, U64, U64, U64, U64, U16, U16, U32, U32, U32),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
)  # fmt: skip


@given(COMMANDS)
def test_command_round_trip(command):
    """What a pilot sends is what the actuator reads."""
    assert unpack(pack(command)) == command


@given(STATES)
def test_status_round_trip(status):
    """What the actuator sends is what a pilot reads."""
    assert len(pack(status)) == MESSAGE_MAX
    assert unpack(pack(status)) == status


@pytest.mark.parametrize("role", ClientRole)
def test_hello_round_trip(role):
    """Who connects."""
    assert unpack(pack(HelloMessage(role))) == HelloMessage(role)


@pytest.mark.parametrize("request_", ActuatorRequest)
def test_ask_round_trip(request_):
    """What a person asks."""
    assert unpack(pack(RequestMessage(request_, 7))) == RequestMessage(request_, 7)


def test_sizes_and_places_are_fixed():
    """Another language could speak it: the bytes of a command, written out."""
    command = ActuatorCommand(CommandSource.PERSON, 1, 2, 3, 4, 1500, 1446)
    assert pack(command) == struct.pack("<HBBB3xQQQQHH", 0x4352, VERSION, 2, 2, 1, 2, 3, 4, 1500, 1446)
    assert len(pack(command)) == 44


def test_a_long_detail_is_cut_at_a_character():
    """Cut, whole characters only."""
    long = "é" * DETAIL_BYTES
    status = ActuatorStatus(ActuatorState.BOOT, StopReason.NONE, StopReason.NONE, *[0] * 11, long)
    assert unpack(pack(status)).detail == "é" * (DETAIL_BYTES // 2)


@given(st.binary(max_size=MESSAGE_MAX + 10))
def test_any_bytes_are_refused_or_read(data):
    """Nothing but `Malformed` comes out of unpacking."""
    try:
        unpack(data)
    except MalformedMessage:
        return


@given(COMMANDS, st.integers(0, 43), st.integers(1, 255))
def test_any_changed_byte_is_refused_or_read(command, at, change):
    """A damaged command is refused, or is another whole command."""
    data = bytearray(pack(command))
    data[at] ^= change
    try:
        assert unpack(bytes(data)) != command or at in (5, 6, 7)
    except MalformedMessage:
        return


def test_other_versions_and_lengths():
    """Named apart, so that a pilot is told to be updated."""
    data = bytearray(pack(ActuatorCommand(CommandSource.FRAME, 1, 2, 3, 4, 1500, 1446)))
    with pytest.raises(MalformedMessage, match="requires a buffer of 44"):
        unpack(bytes(data) + b"x")
    with pytest.raises(MalformedMessage, match="3 bytes"):
        unpack(bytes(data[:3]))
    data[2] += 1
    with pytest.raises(VersionMismatch, match="version 2"):
        unpack(bytes(data))
    data[0] += 1
    with pytest.raises(MalformedMessage, match="not from"):
        unpack(bytes(data))


@pytest.mark.parametrize("pulse", [-1, 65536, 1500.5, float("nan")])
def test_no_command_from_what_is_no_pulse(pulse):
    """A NaN cannot even be written down."""
    with pytest.raises(MalformedMessage):
        pack(ActuatorCommand(CommandSource.FRAME, 1, 2, 3, 4, pulse, 1446))


def test_default_socket(monkeypatch):
    """The environment's, else the service's."""
    monkeypatch.setenv("RACER_ACTUATOR", "/x")
    assert default_socket() == "/x"
    monkeypatch.delenv("RACER_ACTUATOR")
    assert default_socket() == "/run/racer/actuator.sock"
