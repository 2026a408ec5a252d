"""Serves the actuator's socket: one pilot and a few watchers; every other connection is refused."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from racer.car.actuator.protocol import (
    MESSAGE_MAX,
    ActuatorStatus,
    ClientRole,
    HelloMessage,
    MalformedMessage,
    RequestMessage,
    VersionMismatch,
    pack,
    unpack,
)
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import ActuatorCommand, ActuatorRequest, StopReason

_CONNECTIONS_MAX: Final = 6
_MESSAGES_PER_READ: Final = 64
_WATCHER_REQUESTS: Final = (ActuatorRequest.STOP, ActuatorRequest.CLEAR)


class SocketTaken(OSError):
    """Raised if another actuator runs already."""


class ClientConnection:
    """One client.

    Attributes:
        role: Role from its hello; None before.
        answer: Answer to its newest request.
        answered: Number of that request.
        process: Descriptor of a pilot's process (pidfd); -1 if it is not watched. The process is watched besides the
            socket, because a child of a pilot that was killed may hold the socket open.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.role: ClientRole | None = None
        self.answer = StopReason.NONE
        self.answered = 0
        self.process = -1

    def close(self) -> None:
        """Close the socket and the descriptor of the process."""
        self.sock.close()
        if self.process >= 0:
            os.close(self.process)


class ActuatorServer:
    """Listens, passes messages to the state machine, and sends the status.

    Each registered file holds a function and its arguments, which `serve` calls when the file is readable.

    Args:
        path: Path of the socket.
        machine: State machine of the car.
        clock: Monotonic time [ns].

    Raises:
        SocketTaken: Another process serves this path.
    """

    def __init__(self, path: str, machine: ActuatorStateMachine, clock: Callable[[], int]) -> None:
        self._machine = machine
        self._clock = clock
        self._path = path
        # select() keeps microseconds where poll and epoll round a time-out up to whole milliseconds.
        self._selector = selectors.SelectSelector()
        self._connections: list[ClientConnection] = []
        # The kernel releases a lock when its process ends, however it ends. A socket file stays after a kill, and its
        # presence proves nothing.
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise SocketTaken(f"another actuator serves {path}") from None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._listener.bind(path)
        os.chmod(path, 0o660)  # noqa: PTH101
        self._listener.listen(4)
        self._selector.register(self._listener, selectors.EVENT_READ, (self._accept,))

    def wake_on(self, file: int) -> None:
        """Also wake when this file is readable, and drain it (the pipe of the signals)."""
        self._selector.register(file, selectors.EVENT_READ, (os.read, file, 4096))

    def serve(self, timeout_s: float) -> None:
        """Wait at most this long [s] for input and handle all of it."""
        for key, _ in self._selector.select(timeout_s):
            if key.fd in self._selector.get_map():  # an earlier event may have closed this connection
                handler, *arguments = key.data
                handler(*arguments)

    def send_status(self, status: ActuatorStatus) -> None:
        """Send the status to every connection; a connection that does not read loses messages and blocks nothing."""
        for connection in list(self._connections):
            self._send(connection, status)

    def close(self) -> None:
        """Close all connections and remove the socket."""
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # noqa: PTH108
        os.close(self._lock)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock, _ = self._listener.accept()
            sock.setblocking(False)
            if len(self._connections) >= _CONNECTIONS_MAX:
                sock.close()
                return
            connection = ClientConnection(sock)
            self._connections.append(connection)
            self._selector.register(sock, selectors.EVENT_READ, (self._read, connection))

    def _read(self, connection: ClientConnection) -> None:
        """Read the waiting messages, a limited number of them: a flood must not delay the next tick."""
        for _ in range(_MESSAGES_PER_READ):
            try:
                data = connection.sock.recv(MESSAGE_MAX)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._drop(connection)
                return
            self._take(connection, data)
            if connection not in self._connections:
                return

    def _take(self, connection: ClientConnection, data: bytes) -> None:
        try:
            message = unpack(data)
        except VersionMismatch:
            self._refuse(connection, StopReason.VERSION)
            return
        except MalformedMessage:
            self._machine.rejected += 1
            return
        if connection.role is None:
            self._greet(connection, message)
        elif isinstance(message, ActuatorCommand) and connection.role is ClientRole.PILOT:
            self._machine.take(message, self._clock())
        elif isinstance(message, RequestMessage):
            allowed = connection.role is ClientRole.PILOT or message.request in _WATCHER_REQUESTS
            connection.answered = message.number
            connection.answer = (
                self._machine.request(message.request, self._clock()) if allowed else StopReason.NOT_THE_PILOT
            )  # fmt: skip
        else:
            self._machine.rejected += 1

    def _greet(self, connection: ClientConnection, message: object) -> None:
        if not isinstance(message, HelloMessage):
            self._drop(connection)
            return
        if message.role is ClientRole.PILOT:
            if self._machine.pilot:
                self._refuse(connection, StopReason.BUSY)
                return
            self._machine.pilot_came(self._clock())
            self._watch_process(connection)
        connection.role = message.role

    def _watch_process(self, connection: ClientConnection) -> None:
        """Watch the end of the pilot's process; kernels without this still report the closed socket."""
        with contextlib.suppress(OSError, AttributeError):
            # struct ucred: process, user and group, of 4 bytes each.
            credentials = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            connection.process = os.pidfd_open(int.from_bytes(credentials[:4], "little"))
            self._selector.register(connection.process, selectors.EVENT_READ, (self._drop, connection))

    def _refuse(self, connection: ClientConnection, reason: StopReason) -> None:
        connection.answer = reason
        self._send(connection, machine_status(self._machine, self._clock()))
        with contextlib.suppress(OSError):  # a close with unread messages would discard the answer
            for _ in range(_MESSAGES_PER_READ):
                connection.sock.recv(MESSAGE_MAX)
        self._drop(connection)

    def _send(self, connection: ClientConnection, status: ActuatorStatus) -> None:
        personal = replace(status, answer=connection.answer, answered=connection.answered)
        try:
            connection.sock.send(pack(personal))
        except BlockingIOError:  # this client does not read; it loses the status
            pass
        except OSError:
            self._drop(connection)

    def _drop(self, connection: ClientConnection) -> None:
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self._selector.unregister(connection.sock)
        if connection.process >= 0:
            self._selector.unregister(connection.process)
        connection.close()
        if connection.role is ClientRole.PILOT:
            self._machine.pilot_gone(self._clock())


def machine_status(machine: ActuatorStateMachine, now_ns: int) -> ActuatorStatus:
    """Return the status of the machine alone, before anything was written to the bus."""
    return ActuatorStatus(
        machine.state, machine.reason, StopReason.NONE, 0, now_ns, machine.since_ns,
        0, 0, 0, 0, 0, machine.rejected, 0, 0, "",
    )  # fmt: skip
