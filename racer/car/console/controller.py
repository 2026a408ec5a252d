"""What the console does, without a web server: takes messages of pages, asks the pilot, watches over the commander.

The calibration wizard in the page: one at a time, for the page that commands the car.
"""

from __future__ import annotations

import hmac
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from racer.car.calibration.calibration import Calibration, CalibrationError
from racer.car.calibration.preview import ActuatorPreview
from racer.car.calibration.wizard import CalibrationWizard
from racer.car.console.event_log import EventLog
from racer.car.console.operator_lock import DEADMAN_NS, PAGE_LOST_NS, ConsoleRefusal, Heartbeat, OperatorLock
from racer.car.link.protocol import ManualInput, PilotLink, PilotStatus
from racer.car.models.store import ModelStore

MOVING_STATES = ("ARMED", "DRIVING")
_RATE_MAX, _BURST_MAX = 100.0, 200.0
"""Messages a second of one connection, and at once; a page sends 20 a second."""


class MessageRateExceeded(ConsoleRefusal):
    """A connection sends more than a page ever would; it is closed."""


class PageConnection:
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
            raise MessageRateExceeded(f"more than {_RATE_MAX:g} messages a second")


class ConsoleController:
    """The console's rules over one pilot. Any thread may call it.

    Args:
        token: what a page must know; compared in constant time.
        wizard: calibrates the car from the page, where that is possible.
        clock: CLOCK_MONOTONIC in ns, as the pilot's and the actuator's.
    """

    def __init__(
        self,
        link: PilotLink,
        store: ModelStore,
        *,
        token: str,
        wizard: WizardSession | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if len(token) < 16:
            raise ConsoleRefusal(f"a token of {len(token)} characters can be guessed; use at least 16")
        self.link, self.store, self.wizard, self.clock = link, store, wizard, clock
        self.record = EventLog(clock)
        self.seat = OperatorLock()
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

    def opened(self, token: str) -> PageConnection:
        """A page that knows the token.

        Raises:
            ConsoleRefusal: it does not.
        """
        if not self.knows(token):
            self.record.event("a page with a wrong token was refused")
            raise ConsoleRefusal("wrong token; open the address that `racer car console` printed")
        return PageConnection(next(self._count), self.clock())

    def closed(self, connection: PageConnection) -> None:
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

    def take(self, connection: PageConnection, message: Mapping[str, Any]) -> None:
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
                return self._beat(connection, Heartbeat.of(message), now)
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
            if status.state in MOVING_STATES:
                limit = DEADMAN_NS if status.driver == "manual" else PAGE_LOST_NS
                if self.seat.holder is None or self.seat.lost(now, limit):
                    self._stop_if_moving("nothing was heard from the page that commands the car")
            if self.seat.lost(now, PAGE_LOST_NS):
                self._stop_if_moving("nothing was heard from the page that commands the car")
                self.seat.holder = None
        self.record.sample(status)
        return status

    def view(self, connection: PageConnection | None) -> dict[str, Any]:
        """What a page shows, as JSON data; `stamp` goes into its heartbeats."""
        status = self.link.status()
        holder = self.seat.holder
        mine = connection is not None and holder == connection.number
        return asdict(status) | {
            "stamp": self.clock() // 1000,
            "wizard": self.wizard.view() if self.wizard else None,
            "command": "mine" if mine else "free" if holder is None else "taken",
        }

    def _beat(self, connection: PageConnection, beat: Heartbeat, now: int) -> None:
        if not self.seat.hear(connection.number, beat, now):
            return
        held = self.seat.holds(beat)
        self._press = max(self._press, beat.press)
        # A fresh heartbeat with the button up is a person who is there and asks for no throttle.
        steering, throttle = (beat.steering, beat.throttle) if held else (0.0, 0.0)
        self.link.manual(ManualInput(next(self._inputs), now, steering, throttle))

    def _claim(self, connection: PageConnection, now: int, *, force: bool) -> None:
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
            raise ConsoleRefusal("no earlier model to go back to")
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
        if self.link.status().state in MOVING_STATES:
            self.link.disarm()
            self.record.event(f"stopped: {why}")


_PULSE_CHANGE_MAX_US = 100


class WizardSession:
    """A wizard and its bench, as long as one is going on.

    Args:
        start: makes both; raises a RacerError where the car's own actuator runs.
        save: writes the calibration.
    """

    def __init__(
        self, start: Callable[[], tuple[CalibrationWizard, ActuatorPreview]], save: Callable[[Calibration], None]
    ) -> None:
        self._start, self._save = start, save
        self._wizard: CalibrationWizard | None = None
        self._bench: ActuatorPreview | None = None
        self._saved = False

    def do(self, message: Mapping[str, Any]) -> None:
        """Begin, change, show, accept, back, save or cancel.

        Raises:
            RacerError: it was not done; the text says why.
        """
        act = message.get("act")
        if act == "begin":
            self.close()
            self._wizard, self._bench = self._start()
            self._saved = False
            return
        if self._wizard is None or self._bench is None:
            raise CalibrationError("no calibration is going on; begin one")
        if act == "cancel":
            self.close()
        elif act == "change":
            by = message.get("by")
            if type(by) is not int or abs(by) > _PULSE_CHANGE_MAX_US:
                raise CalibrationError(f"change by at most {_PULSE_CHANGE_MAX_US} us at once")
            self._wizard.change(by)
        elif act == "show":
            if shown := self._wizard.shown():
                self._bench.show(shown)
        elif act == "accept":
            given = message.get("given")
            self._wizard.accept(given if isinstance(given, dict) else {})
        elif act == "back":
            self._wizard.back()
        elif act == "save":
            self._save(self._wizard.result())
            self.close()
            self._saved = True
        else:
            raise CalibrationError(f"the wizard cannot do {act!r:.40}")

    def view(self) -> dict[str, Any]:
        """What the page shows."""
        wizard = self._wizard
        return {"step": wizard.view() if wizard else None, "saved": self._saved}

    def stop(self) -> None:
        """End a showing at once; waits for nothing."""
        if bench := self._bench:
            bench.stop()

    def close(self) -> None:
        """End the wizard; nothing is saved."""
        bench, self._bench, self._wizard = self._bench, None, None
        if bench:
            bench.close()
