"""Runs the commands of pages on one pilot, without a web server, and stops the car when the commanding page is lost.

`WizardSession` is the calibration wizard of the page: one at a time, for the page that commands the car.
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
"""Allowed messages of one connection, per second and at once; a page sends 20 per second."""


class MessageRateExceeded(Exception):
    """A connection sends more than a page ever does, and is closed; not an error that its page receives."""


class PageConnection:
    """Connection of one page, with an allowance of messages that refills with time (a token bucket)."""

    def __init__(self, number: int, now_ns: int) -> None:
        self.number = number
        self._left = _BURST_MAX
        self._at_ns = now_ns

    def spend(self, now_ns: int) -> None:
        """Take one message from the allowance.

        Args:
            now_ns: Present time [ns].

        Raises:
            MessageRateExceeded: The allowance is empty.
        """
        # The allowance refills at `_RATE_MAX` up to `_BURST_MAX`; each message takes 1.
        self._left = min(_BURST_MAX, self._left + (now_ns - self._at_ns) * 1e-9 * _RATE_MAX) - 1.0
        self._at_ns = now_ns
        if self._left < 0.0:
            raise MessageRateExceeded(f"more than {_RATE_MAX:g} messages a second")


class ConsoleController:
    """Applies the console's rules to one pilot. Any thread may call it.

    Args:
        link: Link to the pilot.
        store: Bundles of the car.
        token: Token that a page must send; compared in constant time.
        wizard: Calibration from the page; None where that is not possible.
        clock: Clock of the car, CLOCK_MONOTONIC [ns], as of the pilot and the actuator.

    Attributes:
        log: Events and samples.
        operator: The page that commands the car.

    Raises:
        ConsoleRefusal: The token is too short.
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
        self.log = EventLog(clock)
        self.operator = OperatorLock()
        self._token = token.encode()
        self._count = itertools.count(1)
        self._inputs = itertools.count(1)
        self._press = -1  # newest press of the commanding page; presses up to a stop never move the car again
        self._lock = threading.RLock()
        self._slow_lock = threading.Lock()
        # These may wait for the actuator, read files or load networks. `_slow_lock` lets one run at a time, and
        # `_lock` is free meanwhile, so that heartbeats and the watch over them continue.
        self._slow_commands: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "arm": self._arm,
            "start": lambda _: self.link.start(),
            "clear": lambda _: self.link.clear(),
            "limit": self._limit,
            "model": self._model,
            "rollback": self._rollback,
            "wizard": self._wizard,
        }

    def accepts_token(self, token: str) -> bool:
        """Return whether a token is right."""
        return hmac.compare_digest(token.encode(), self._token)

    def open_page(self, token: str) -> PageConnection:
        """Open the connection of a page.

        Raises:
            ConsoleRefusal: The token is wrong.
        """
        if not self.accepts_token(token):
            self.log.event("a page with a wrong token was refused")
            raise ConsoleRefusal("wrong token; open the address that `racer car console` printed")
        return PageConnection(next(self._count), self.clock())

    def close_page(self, connection: PageConnection) -> None:
        """Close the connection of a page; if it commanded the car, the car stops at once."""
        with self._lock:
            if self.operator.release(connection.number):
                self._stop_if_moving("the page that commanded the car is gone")

    def stop(self, source: str) -> None:
        """Stop hard; every page may, at any time, without token or command.

        Args:
            source: Name of the page or client, for the log.
        """
        # Without a lock: nothing may delay this.
        self.operator.note_stop(self._press)
        if self.wizard:
            self.wizard.stop()
        self.link.stop(f"stopped from the console by {source}")
        self.log.event(f"STOP from {source}")

    def handle_message(self, connection: PageConnection, message: Mapping[str, Any]) -> None:
        """Run the command of a message.

        Raises:
            RacerError: The command was not done; the message states the reason.
            MessageRateExceeded: The connection must be closed.
        """
        now = self.clock()
        command = message.get("do")
        if command == "stop":
            return self.stop("a page")
        connection.spend(now)
        with self._lock:
            if command == "beat":
                return self._beat(connection, Heartbeat.of(message), now)
            if command == "claim":
                return self._claim(connection, now, force=message.get("force") is True)
            if command == "release":
                return self.close_page(connection)
            self.operator.require(connection.number)
            if command == "disarm":
                return self._stop_if_moving("a person disarmed it")
        if not isinstance(command, str) or command not in self._slow_commands:
            raise ConsoleRefusal(f"the console has no command {command!r:.40}")
        with self._slow_lock:
            self._slow_commands[command](message)
        arguments = (str(message[key])[:40] for key in ("driver", "share", "act") if key in message)
        self.log.event(" ".join([command, *arguments]))
        with self._lock:
            # A slow command, such as arming, may end after its page has lost command: then no page watches the car.
            if self.operator.holder != connection.number:
                self._stop_if_moving("its page lost command meanwhile")
        return None

    def tick(self) -> PilotStatus:
        """Stop the car if the commanding page is lost; called 20 times per second. Returns the pilot's status."""
        with self._lock:
            status, now = self.link.status(), self.clock()
            if status.state in MOVING_STATES:
                # By hand the button must be held, so silence counts at once; a policy needs no steady input.
                limit = DEADMAN_NS if status.driver == "manual" else PAGE_LOST_NS
                if self.operator.holder is None or self.operator.is_silent(now, limit):
                    self._stop_if_moving("nothing was heard from the page that commands the car")
            # Also a page that commands a car at rest loses command, so that another one can take it.
            if self.operator.is_silent(now, PAGE_LOST_NS):
                self._stop_if_moving("nothing was heard from the page that commands the car")
                self.operator.holder = None
        self.log.sample(status)
        return status

    def view(self, connection: PageConnection | None) -> dict[str, Any]:
        """Return what a page shows, as JSON data; the page returns `stamp` [µs] in its heartbeats."""
        status = self.link.status()
        holder = self.operator.holder
        mine = connection is not None and holder == connection.number
        return asdict(status) | {
            "stamp": self.clock() // 1000,
            "wizard": self.wizard.view() if self.wizard else None,
            "command": "mine" if mine else "free" if holder is None else "taken",
        }

    def _beat(self, connection: PageConnection, beat: Heartbeat, now: int) -> None:
        if not self.operator.accept(connection.number, beat, now):
            return
        held = self.operator.is_held(beat)
        self._press = max(self._press, beat.press)
        # A fresh heartbeat with a released button is sent, too: the operator is present and asks for no throttle.
        steering, throttle = (beat.steering, beat.throttle) if held else (0.0, 0.0)
        self.link.manual(ManualInput(next(self._inputs), now, steering, throttle))

    def _claim(self, connection: PageConnection, now: int, *, force: bool) -> None:
        if force and self.operator.holder not in (None, connection.number):
            self._stop_if_moving("another page took command")
            self.operator.holder = None
            self.log.event("another page took command")
        if self.operator.holder is None:
            self._press = -1  # each page counts its presses from 0
        self.operator.claim(connection.number, now)

    def _arm(self, message: Mapping[str, Any]) -> None:
        driver = message.get("driver")
        if driver not in ("policy", "manual"):
            raise ConsoleRefusal("choose the driver: `policy` or `manual`")
        # A page whose heartbeats are late now could not hold the car later.
        if self.operator.is_silent(self.clock(), DEADMAN_NS):
            raise ConsoleRefusal("this page's heartbeats do not arrive in time; the connection is too slow to drive by")
        self.operator.note_stop(self._press)
        self.link.arm(driver)

    def _limit(self, message: Mapping[str, Any]) -> None:
        limit = message.get("share")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0.0 < limit <= 1.0:
            raise ConsoleRefusal("the speed limit is a fraction above 0, up to 1")
        self.link.set_speed_limit(float(limit))

    def _model(self, message: Mapping[str, Any]) -> None:
        # The pilot loads the model first; only a model that it accepted is in use after a restart.
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
            # The pilot opened the car with the old calibration.
            self.link.reload_calibration()

    def _stop_if_moving(self, why: str) -> None:
        self.operator.note_stop(self._press)
        if self.wizard:
            self.wizard.stop()
        if self.link.status().state in MOVING_STATES:
            self.link.disarm()
            self.log.event(f"stopped: {why}")


_PULSE_CHANGE_MAX_US = 100
"""Largest change of a pulse by one message [µs]: a wrong message must not swing a wheel to its end."""


class WizardSession:
    """Holds the wizard and the pulse preview of a calibration, while one is in progress.

    Args:
        start: Creates both; raises a RacerError where the car's actuator runs.
        save: Writes the calibration.
    """

    def __init__(
        self, start: Callable[[], tuple[CalibrationWizard, ActuatorPreview]], save: Callable[[Calibration], None]
    ) -> None:
        self._start, self._save = start, save
        self._wizard: CalibrationWizard | None = None
        self._bench: ActuatorPreview | None = None
        self._saved = False

    def do(self, message: Mapping[str, Any]) -> None:
        """Run the step in the field `act`: begin, change, show, accept, back, save or cancel.

        Raises:
            RacerError: The step was not done; the message states the reason.
        """
        act = message.get("act")
        if act == "begin":
            self.close()
            self._wizard, self._bench = self._start()
            self._saved = False
            return
        if self._wizard is None or self._bench is None:
            raise CalibrationError("no calibration is in progress; begin one")
        if act == "cancel":
            self.close()
        elif act == "change":
            difference_us = message.get("by")
            if type(difference_us) is not int or abs(difference_us) > _PULSE_CHANGE_MAX_US:
                raise CalibrationError(f"change by at most {_PULSE_CHANGE_MAX_US} us at once")
            self._wizard.change(difference_us)
        elif act == "show":
            if pulses := self._wizard.shown():
                self._bench.show(pulses)
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
            raise CalibrationError(f"the wizard has no step {act!r:.40}")

    def view(self) -> dict[str, Any]:
        """Return what the page shows, as JSON data."""
        wizard = self._wizard  # once, because another thread may close it
        return {"step": wizard.view() if wizard else None, "saved": self._saved}

    def stop(self) -> None:
        """End a preview at once, without waiting."""
        if bench := self._bench:
            bench.stop()

    def close(self) -> None:
        """End the wizard without saving."""
        bench, self._bench, self._wizard = self._bench, None, None
        if bench:
            bench.close()
