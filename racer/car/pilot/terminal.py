"""Driving a real car from a terminal: Enter arms, Enter starts, Enter stops, Ctrl-C ends; one line for each change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from racer.car.actuator.states import ActuatorState
from racer.car.pilot.process import PilotProcess
from racer.car.pilot.readiness import PilotComponents

_ENTER_COMMANDS: Final = {
    ActuatorState.DISARMED: "arm",
    ActuatorState.ARMED: "drive",
    ActuatorState.DRIVING: "disarm",
    ActuatorState.FAULT: "clear",
}
_HINTS: Final = {
    "DISARMED": "Enter arms",
    "ARMED": "Enter starts",
    "DRIVING": "Enter stops",
    "FAULT": "look at the car, then Enter clears the fault",
}


def command_of_line(line: str, state: ActuatorState | None) -> str:
    """What a line of input means: an empty one is the next thing to do."""
    return line or (_ENTER_COMMANDS.get(state, "") if state is not None else "")


class StatusPrinter:
    """Prints a line whenever the state, its reason or an answer changes."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._write = write
        self._last = ""

    def __call__(self, record: dict[str, object]) -> None:
        """Look at a record of the pilot."""
        state = str(record["state"])
        why = record["why"] or record["stopped_by"] or record["reason"]
        words = f"{state:<10}{why}"
        if record["answer"]:
            words += f"  ({record['answer']})"
        if hint := _HINTS.get(state):
            words += f"  [{hint}]"
        if words != self._last:
            self._last = words
            self.warn(words)

    def warn(self, words: str) -> None:
        """A line."""
        self._write(f"{words}\n")
        sys.stdout.flush()


def drive_in_terminal(ready: PilotComponents, *, socket: str, camera: str, record: Path | None) -> PilotProcess:
    """Run a pilot until Ctrl-C or the end of input; afterwards the car is at rest.

    Args:
        record: folder of recorded drives; None records none.

    Raises:
        ActuatorGone: there is no actuator, or it went away.
        CameraError: the camera cannot be opened.
    """
    teller = StatusPrinter()
    pilot = PilotProcess(
        ready, socket=socket, camera=camera, record=record, tell=teller, warn=teller.warn, translate=command_of_line
    )
    pilot.run()
    return pilot
