"""The calibration wizard in the page: one at a time, for the page that commands the car."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from racer.car.calibration.calibration import Calibration, CalibrationError
from racer.car.calibration.wizard import Wizard
from racer.car.calibration.wizard_bench import Bench

_CHANGE_MAX_US = 100


class WizardDesk:
    """A wizard and its bench, as long as one is going on.

    Args:
        start: makes both; raises a RacerError where the car's own actuator runs.
        save: writes the calibration.
    """

    def __init__(self, start: Callable[[], tuple[Wizard, Bench]], save: Callable[[Calibration], None]) -> None:
        self._start, self._save = start, save
        self._wizard: Wizard | None = None
        self._bench: Bench | None = None
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
            if type(by) is not int or abs(by) > _CHANGE_MAX_US:
                raise CalibrationError(f"change by at most {_CHANGE_MAX_US} us at once")
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
