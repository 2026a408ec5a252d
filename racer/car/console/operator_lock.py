"""Who commands the car, and whether they are still there: one seat, fresh heartbeats, no second chances.

A heartbeat is fresh if its number rises and if it was made after the page had seen one of our last stamps. The second
half matters where the network stalls: what lay in its buffers arrives late, in order, with rising numbers, and must not
look alive. No clock of the page is trusted; times are of this machine's monotonic clock, in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from racer.errors import RacerError

DEADMAN_NS = 300_000_000
"""Time for which a held button counts after its last heartbeat; the actuator checks the same limit independently."""
PAGE_LOST_NS = 2_000_000_000
"""While the policy drives, a page that was silent for this long is lost, and the car stops."""
STAMP_AGE_MAX_NS = 300_000_000
"""A heartbeat must answer a stamp that is not older than this."""


class ConsoleRefusal(RacerError):
    """What a page asked for and may not have; the text says why."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat of a page.

    Attributes:
        number: rises with every heartbeat of a connection.
        seen: the newest stamp that the page got from us, µs (whole numbers of µs are exact in JavaScript).
        press: rises with every press of the button.
        held: whether the button is down.
        steering: -1 (right) .. 1 (left). throttle: 0..1.
    """

    number: int
    seen: int
    press: int
    held: bool
    steering: float
    throttle: float

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Heartbeat:
        """From a message.

        Raises:
            ConsoleRefusal: a field is missing, or is not what it should be.
        """
        number, seen, press, held = (data.get(key) for key in ("number", "seen", "press", "held"))
        steering, throttle = data.get("steering"), data.get("throttle")
        if not (_is_count(number) and _is_count(seen) and _is_count(press) and type(held) is bool):
            raise ConsoleRefusal("a heartbeat needs the whole numbers number, seen and press, and whether it is held")
        if not (_is_number_in_range(steering, -1.0) and _is_number_in_range(throttle, 0.0)):
            raise ConsoleRefusal("a heartbeat needs steering -1..1 and throttle 0..1")
        return cls(number, seen, press, held, float(steering), float(throttle))


class OperatorLock:
    """The commander's seat. Connections are named by a number that is never used twice."""

    def __init__(self) -> None:
        self.holder: int | None = None
        self.heard_ns = 0
        self._number = 0
        self._dead_press = -1

    def take(self, connection: int, now_ns: int) -> None:
        """Sit down.

        Raises:
            ConsoleRefusal: Another operator has the command.
        """
        if self.holder is not None and self.holder != connection:
            raise ConsoleRefusal("another page commands this car; take over there, which stops the car first")
        if self.holder is None:
            self.holder, self.heard_ns, self._number, self._dead_press = connection, now_ns, -1, -1

    def leave(self, connection: int) -> bool:
        """Stand up; whether it was this one who sat there."""
        if self.holder != connection:
            return False
        self.holder = None
        return True

    def require(self, connection: int) -> None:
        """Make sure that it is this one who commands.

        Raises:
            ConsoleRefusal: it is not.
        """
        if self.holder != connection:
            raise ConsoleRefusal("take command of the car first")

    def hear(self, connection: int, beat: Heartbeat, now_ns: int) -> bool:
        """Whether a heartbeat is the commander's and fresh; only then it counts."""
        age = now_ns - 1000 * beat.seen
        if connection != self.holder or beat.number <= self._number or not 0 <= age <= STAMP_AGE_MAX_NS:
            return False
        self._number = beat.number
        self.heard_ns = now_ns
        return True

    def holds(self, beat: Heartbeat) -> bool:
        """Whether the button counts as held: a press that went on over a stop must be let go of first."""
        return beat.held and beat.press > self._dead_press

    def stopped(self, press: int) -> None:
        """The car stopped; the press that was held then never moves it again."""
        self._dead_press = max(self._dead_press, press)

    def lost(self, now_ns: int, limit_ns: int) -> bool:
        """Whether there is a commander of whom nothing fresh was heard for longer than this."""
        return self.holder is not None and now_ns - self.heard_ns > limit_ns


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 62


def _is_number_in_range(value: object, low: float) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= 1.0
