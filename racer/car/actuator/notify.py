"""systemd's notification socket: readiness, the watchdog, a line of status. A datagram, no library."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Talks to the service manager that started this process, where one did.

    The watchdog's datagram goes out at most four times in its time-out: `fed` is called after every good bus write
    and nowhere else.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._every_ns = int(environment.get("WATCHDOG_USEC") or 0) * 1000 // 4
        self._last_ns = -self._every_ns
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if path else None

    def say(self, *lines: str) -> None:
        """Send lines such as `READY=1`; a manager that does not listen must not stop a car's actuator."""
        if self._socket:
            try:
                self._socket.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                self._last_ns = -self._every_ns  # say it again at the next write

    def fed(self, now_ns: int) -> None:
        """The bus took a write: the watchdog may rest for a while."""
        if self._every_ns and now_ns - self._last_ns >= self._every_ns:
            self._last_ns = now_ns
            self.say("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()
