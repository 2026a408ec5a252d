"""Client side of the actuator's socket, for pilots and watchers. No call waits without a limit or queues messages."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from racer.car.actuator.protocol import (
    MESSAGE_MAX,
    ActuatorStatus,
    ClientRole,
    HelloMessage,
    MalformedMessage,
    RequestMessage,
    default_socket,
    pack,
    unpack,
)
from racer.car.actuator.states import ActuatorCommand, ActuatorRequest, CommandSource, Pulses, StopReason


class ActuatorGone(Exception):
    """Raised if the actuator cannot be reached or refuses the connection; the text contains the reason."""


class ActuatorClient:
    """Connection to the actuator.

    A pilot sends a command every 20 to 40 ms, even without a new camera frame: each command has a new sequence number
    and the number of the frame that it was computed from. `poll` reads the status. Connect in the process that drives:
    the actuator watches the process that connected.

    Raises:
        ActuatorGone: No actuator listens at this path.
    """

    def __init__(
        self, path: str = "", *, role: ClientRole = ClientRole.PILOT, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.status: ActuatorStatus | None = None
        self._clock = clock
        self._seq = 0
        self._requests = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = path or default_socket()
        try:
            self._socket.connect(path)
            self._socket.send(pack(HelloMessage(role)))
        except OSError as error:
            self._socket.close()
            raise ActuatorGone(f"no actuator at {path}: {error.strerror}") from None
        self._socket.setblocking(False)

    def send(
        self, pulses: Pulses, *, input_id: int, captured_ns: int, source: CommandSource = CommandSource.FRAME
    ) -> bool:
        """Send a command; return False if the actuator does not read, in which case the command is dropped.

        Args:
            pulses: Pulses of steering and throttle.
            input_id: Number of the frame or heartbeat that the command was computed from.
            captured_ns: Capture time of this input, CLOCK_MONOTONIC [ns].
            source: Kind of this input.

        Raises:
            ActuatorGone: The actuator closed the connection.
            MalformedMessage: A value does not fit into the message.
        """
        self._seq += 1
        steering_us, throttle_us = pulses.steering_us, pulses.throttle_us
        command = ActuatorCommand(source, self._seq, input_id, captured_ns, self._clock(), steering_us, throttle_us)
        return self._send(command)

    def request(self, request: ActuatorRequest) -> int:
        """Send an operator's request and return its number, which the answer repeats as `status.answered`.

        Raises:
            ActuatorGone: The actuator closed the connection, or does not read.
        """
        self._requests += 1
        if not self._send(RequestMessage(request, self._requests)):
            raise ActuatorGone("the actuator does not read its messages")
        return self._requests

    def request_answer(self, request: ActuatorRequest, *, timeout_s: float = 1.0) -> StopReason:
        """Send a request and wait for its answer. Not for a pilot's loop, whose commands would wait meanwhile.

        Raises:
            ActuatorGone: The actuator closed the connection, or does not answer in time.
        """
        number = self.request(request)
        until = self._clock() + int(timeout_s * 1e9)
        while (left := until - self._clock()) > 0:
            status = self.poll(left / 1e9)
            if status and status.answered == number:
                return status.answer
        raise ActuatorGone(f"the actuator did not answer within {timeout_s:g} s")

    def poll(self, timeout_s: float = 0.0) -> ActuatorStatus | None:
        """Return the newest status, after waiting at most this long [s]; None if none arrived.

        Raises:
            ActuatorGone: The actuator closed the connection.
        """
        newest = None
        ready, _, _ = select.select([self._socket], [], [], timeout_s)
        # All waiting messages are read, so that the newest one is returned and the actuator's send buffer never fills.
        while ready:
            try:
                data = self._socket.recv(MESSAGE_MAX)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                # The actuator sends its refusal of a connection before it closes it.
                if self.status and self.status.answer in (StopReason.BUSY, StopReason.VERSION):
                    raise ActuatorGone(f"the actuator refused: {self.status.answer.text}")
                raise ActuatorGone("the actuator is gone")
            try:
                message = unpack(data)
            except MalformedMessage as error:
                raise ActuatorGone(f"incompatible actuator: {error}") from None
            if isinstance(message, ActuatorStatus):
                self.status = newest = message
        return newest

    def fileno(self) -> int:
        """Return the socket's descriptor for `select`; it is readable when a status waits."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection; the actuator stops a car hard whose pilot disconnects, unless it is disarmed."""
        self._socket.close()

    def _send(self, message: ActuatorCommand | RequestMessage) -> bool:
        try:
            self._socket.send(pack(message))
        except BlockingIOError:
            return False
        except OSError as error:
            raise ActuatorGone(f"the actuator is gone: {error.strerror}") from None
        return True
