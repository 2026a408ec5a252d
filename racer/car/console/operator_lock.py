"""Decides which page commands the car, and whether it is still alive: one operator, with fresh heartbeats.

A heartbeat is fresh if its number rises, and if the page made it after it had received one of the console's last
stamps. The second condition matters where the network stalls: buffered heartbeats arrive late, in order and with rising
numbers, and must not count. Clocks of pages are not trusted; times are of this machine's monotonic clock [ns].

Example: the page receives stamp 7.000 s and sends heartbeat 12 with it. At 7.200 s the heartbeat counts; at 7.301 s, or
after heartbeat 13, it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from racer.errors import RacerError

DEADMAN_NS = 300_000_000
"""Time for which a held button counts after its last heartbeat [ns]; the actuator checks the same limit separately."""
PAGE_LOST_NS = 2_000_000_000
"""Silence after which a page is lost while the policy drives [ns]; the car then stops."""
STAMP_AGE_MAX_NS = 300_000_000
"""Largest age of the stamp that a heartbeat answers [ns]."""


class ConsoleRefusal(RacerError):
    """A request of a page that is refused; the message states the reason."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat of a page.

    Attributes:
        number: Rises with every heartbeat of a connection.
        seen: Newest stamp that the page received [µs]; JavaScript represents whole µs exactly.
        press: Rises with every press of the button.
        held: Whether the button is down.
        steering: -1 (right) to 1 (left).
        throttle: 0 to 1.
    """

    number: int
    seen: int
    press: int
    held: bool
    steering: float
    throttle: float

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Heartbeat:
        """Read a heartbeat from a message.

        Raises:
            ConsoleRefusal: A field is missing, or has a wrong type or value.
        """
        number, seen, press, held = (data.get(key) for key in ("number", "seen", "press", "held"))
        steering, throttle = data.get("steering"), data.get("throttle")
        if not (_is_count(number) and _is_count(seen) and _is_count(press) and type(held) is bool):
            raise ConsoleRefusal("a heartbeat needs the whole numbers number, seen and press, and whether it is held")
        if not (_is_number_in_range(steering, -1.0) and _is_number_in_range(throttle, 0.0)):
            raise ConsoleRefusal("a heartbeat needs steering -1..1 and throttle 0..1")
        return cls(number, seen, press, held, float(steering), float(throttle))


class OperatorLock:
    """Holds the one connection that commands the car. The number of a connection is never used twice.

    Attributes:
        holder: Number of the commanding connection; None where there is none.
        heard_ns: Time of its last fresh heartbeat [ns].
    """

    def __init__(self) -> None:
        self.holder: int | None = None
        self.heard_ns = 0
        self._number = 0
        self._dead_press = -1

    def claim(self, connection: int, now_ns: int) -> None:
        """Give a connection the command.

        Raises:
            ConsoleRefusal: Another connection has the command.
        """
        if self.holder not in (None, connection):
            raise ConsoleRefusal("another page commands this car; take over there, which stops the car first")
        # Claiming again must not reset the numbers: that would make old heartbeats fresh.
        if self.holder is None:
            self.holder, self.heard_ns, self._number, self._dead_press = connection, now_ns, -1, -1

    def release(self, connection: int) -> bool:
        """Take the command from a connection; returns whether it had it."""
        if self.holder != connection:
            return False
        self.holder = None
        return True

    def require(self, connection: int) -> None:
        """Check that a connection has the command.

        Raises:
            ConsoleRefusal: It does not.
        """
        if self.holder != connection:
            raise ConsoleRefusal("take command of the car first")

    def accept(self, connection: int, beat: Heartbeat, now_ns: int) -> bool:
        """Return whether a heartbeat is fresh and of the commanding connection; only then it counts."""
        age = now_ns - 1000 * beat.seen
        if connection != self.holder or beat.number <= self._number or not 0 <= age <= STAMP_AGE_MAX_NS:
            return False
        self._number = beat.number
        self.heard_ns = now_ns
        return True

    def is_held(self, beat: Heartbeat) -> bool:
        """Return whether the button counts as held; a press that lasted through a stop must be released first."""
        return beat.held and beat.press > self._dead_press

    def note_stop(self, press: int) -> None:
        """Note a stop of the car; the press that was held then never moves the car again."""
        self._dead_press = max(self._dead_press, press)

    def is_silent(self, now_ns: int, limit_ns: int) -> bool:
        """Return whether the commanding connection has been silent for longer than a limit [ns]."""
        return self.holder is not None and now_ns - self.heard_ns > limit_ns


def _is_count(value: object) -> TypeGuard[int]:
    # `type` and not `isinstance`, because True is an int.
    return type(value) is int and 0 <= value < 1 << 62


def _is_number_in_range(value: object, low: float) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= 1.0
