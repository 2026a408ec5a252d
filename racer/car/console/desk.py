"""What the console does, without a web server: takes messages of pages, asks the pilot, watches over the commander."""

from __future__ import annotations

import hmac
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from racer.car.console.record import Record
from racer.car.console.seat import DEADMAN_NS, LOST_NS, Beat, ConsoleRefusal, Seat
from racer.car.console.wizard_desk import WizardDesk
from racer.car.link.seam import ManualInput, PilotLink, PilotStatus
from racer.car.store.store import Store

MOVING = ("ARMED", "DRIVING")
_RATE_MAX, _BURST_MAX = 100.0, 200.0
"""Messages a second of one connection, and at once; a page sends 20 a second."""


class Flooded(ConsoleRefusal):
    """A connection sends more than a page ever would; it is closed."""


class Connection:
    """One page. Its allowance of messages refills with time."""

    def __init__(self, number: int, now_ns: int) -> None:
        self.number = number
        self._left = _BURST_MAX
        self._at_ns = now_ns

    def spend(self, now_ns: int) -> None:
        """Take one message from the allowance.

        Raises:
            Flooded: nothing is left.
        """
        self._left = min(_BURST_MAX, self._left + (now_ns - self._at_ns) * 1e-9 * _RATE_MAX) - 1.0
        self._at_ns = now_ns
        if self._left < 0.0:
            raise Flooded(f"more than {_RATE_MAX:g} messages a second")


class Desk:
    """The console's rules over one pilot. Any thread may call it.

    Args:
        token: what a page must know; compared in constant time.
        wizard: calibrates the car from the page, where that is possible.
        clock: CLOCK_MONOTONIC in ns, as the pilot's and the actuator's.
    """

    def __init__(
        self,
        link: PilotLink,
        store: Store,
        *,
        token: str,
        wizard: WizardDesk | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if len(token) < 16:
            raise ConsoleRefusal(f"a token of {len(token)} characters can be guessed; use at least 16")
        self.link, self.store, self.wizard, self.clock = link, store, wizard, clock
        self.record = Record(clock)
        self.seat = Seat()
        self._token = token.encode()
        self._count = itertools.count(1)
        self._inputs = itertools.count(1)
        self._press = -1
        self._lock = threading.RLock()
        self._slow_lock = threading.Lock()
        # These may wait for the actuator, read files or load networks: one at a time, and heartbeats do not wait.
        self._do: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "arm": self._arm,
            "start": lambda _: self.link.start(),
            "clear": lambda _: self.link.clear(),
            "limit": self._limit,
            "model": self._model,
            "rollback": self._rollback,
            "wizard": self._wizard,
        }

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(token.encode(), self._token)

    def opened(self, token: str) -> Connection:
        """A page that knows the token.

        Raises:
            ConsoleRefusal: it does not.
        """
        if not self.knows(token):
            self.record.event("a page with a wrong token was refused")
            raise ConsoleRefusal("wrong token; open the address that `racer car console` printed")
        return Connection(next(self._count), self.clock())

    def closed(self, connection: Connection) -> None:
        """A page is gone; if it commanded, the car stops at once."""
        with self._lock:
            if self.seat.leave(connection.number):
                self._stop_if_moving("the page that commanded the car is gone")

    def stop(self, who: str) -> None:
        """Stop hard. Anybody may, at any time, without token or command."""
        # No lock: nothing may hold this up.
        self.seat.stopped(self._press)
        if self.wizard:
            self.wizard.stop()
        self.link.stop(f"stopped from the console by {who}")
        self.record.event(f"STOP from {who}")

    def take(self, connection: Connection, message: Mapping[str, Any]) -> None:
        """Do what a message of a page asks for.

        Raises:
            RacerError: it was not done; the text says why.
            Flooded: close the connection.
        """
        now = self.clock()
        what = message.get("do")
        if what == "stop":
            return self.stop("a page")
        connection.spend(now)
        with self._lock:
            if what == "beat":
                return self._beat(connection, Beat.of(message), now)
            if what == "claim":
                return self._claim(connection, now, force=message.get("force") is True)
            if what == "release":
                return self.closed(connection)
            self.seat.require(connection.number)
            if what == "disarm":
                return self._stop_if_moving("a person disarmed it")
        if not isinstance(what, str) or what not in self._do:
            raise ConsoleRefusal(f"the console cannot do {what!r:.40}")
        with self._slow_lock:
            self._do[what](message)
        words = [what, *(str(message[key])[:40] for key in ("driver", "share", "act") if key in message)]
        self.record.event(" ".join(words))
        with self._lock:
            if self.seat.holder != connection.number:
                self._stop_if_moving("its page lost command meanwhile")
        return None

    def tick(self) -> PilotStatus:
        """Look after the commander, twenty times a second; returns what the pilot does."""
        with self._lock:
            status, now = self.link.status(), self.clock()
            if status.state in MOVING:
                limit = DEADMAN_NS if status.driver == "manual" else LOST_NS
                if self.seat.holder is None or self.seat.lost(now, limit):
                    self._stop_if_moving("nothing was heard from the page that commands the car")
            if self.seat.lost(now, LOST_NS):
                self._stop_if_moving("nothing was heard from the page that commands the car")
                self.seat.holder = None
        self.record.sample(status)
        return status

    def view(self, connection: Connection | None) -> dict[str, Any]:
        """What a page shows, as JSON data; `stamp` goes into its heartbeats."""
        status = self.link.status()
        holder = self.seat.holder
        mine = connection is not None and holder == connection.number
        return asdict(status) | {
            "stamp": self.clock() // 1000,
            "wizard": self.wizard.view() if self.wizard else None,
            "command": "mine" if mine else "free" if holder is None else "taken",
        }

    def _beat(self, connection: Connection, beat: Beat, now: int) -> None:
        if not self.seat.hear(connection.number, beat, now):
            return
        held = self.seat.holds(beat)
        self._press = max(self._press, beat.press)
        # A fresh heartbeat with the button up is a person who is there and asks for no throttle.
        steering, throttle = (beat.steering, beat.throttle) if held else (0.0, 0.0)
        self.link.manual(ManualInput(next(self._inputs), now, steering, throttle))

    def _claim(self, connection: Connection, now: int, *, force: bool) -> None:
        if force and self.seat.holder not in (None, connection.number):
            self._stop_if_moving("another page took command")
            self.seat.holder = None
            self.record.event("another page took command")
        if self.seat.holder is None:
            self._press = -1  # each page counts its own presses
        self.seat.take(connection.number, now)

    def _arm(self, message: Mapping[str, Any]) -> None:
        driver = message.get("driver")
        if driver not in ("policy", "manual"):
            raise ConsoleRefusal("who should drive: `policy` or `manual`?")
        if self.seat.lost(self.clock(), DEADMAN_NS):
            raise ConsoleRefusal("this page's heartbeats do not arrive in time; the connection is too slow to drive by")
        self.seat.stopped(self._press)
        self.link.arm(driver)

    def _limit(self, message: Mapping[str, Any]) -> None:
        share = message.get("share")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 < share <= 1.0:
            raise ConsoleRefusal("the speed limit is a share above 0, up to 1")
        self.link.set_speed_limit(float(share))

    def _model(self, message: Mapping[str, Any]) -> None:
        """The pilot loads it first; only what it took is in use after a restart."""
        card = self.store.card(str(message.get("sha256")))
        self.store.verified(card.sha256)
        self.link.use_model(self.store.path(card.sha256))
        self.store.use(card.sha256)

    def _rollback(self, _: Mapping[str, Any]) -> None:
        if self.store.previous is None:
            raise ConsoleRefusal("there is no model to go back to")
        self._model({"sha256": self.store.previous})

    def _wizard(self, message: Mapping[str, Any]) -> None:
        if self.wizard is None:
            raise ConsoleRefusal("run `racer car calibration wizard` in a terminal on the car")
        self.wizard.do(message)
        if message.get("act") == "save":
            self.link.reload_calibration()

    def _stop_if_moving(self, why: str) -> None:
        self.seat.stopped(self._press)
        if self.wizard:
            self.wizard.stop()
        if self.link.status().state in MOVING:
            self.link.disarm()
            self.record.event(f"stopped: {why}")
