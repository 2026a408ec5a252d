"""Drives a real car from a terminal: Enter arms, starts and stops the car, Ctrl-C ends; one line for each change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from racer.car.actuator.states import ActuatorState
from racer.car.pilot.process import PilotProcess
from racer.car.pilot.readiness import PilotComponents

_ENTER: Final = {
    "DISARMED": ("arm", "Enter arms"),
    "ARMED": ("drive", "Enter starts"),
    "DRIVING": ("disarm", "Enter stops"),
    "FAULT": ("clear", "look at the car, then Enter clears the fault"),
}
"""State of the actuator to the command of an empty line and its hint."""


def command_of_line(line: str, state: ActuatorState | None) -> str:
    """Return the command of a line of input; an empty line is the next command in order."""
    return line or (_ENTER.get(state.name, ("", ""))[0] if state is not None else "")


class StatusPrinter:
    """Prints a line whenever the state, its reason or an answer changes."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._write = write
        self._last = ""

    def __call__(self, record: dict[str, object]) -> None:
        """Print a record of the pilot, if it differs from the last."""
        state = str(record["state"])
        why = record["why"] or record["stopped_by"] or record["reason"]
        line = f"{state:<10}{why}"
        if record["answer"]:
            line += f"  ({record['answer']})"
        if state in _ENTER:
            line += f"  [{_ENTER[state][1]}]"
        # The pilot reports ten times a second; a person needs only the changes.
        if line != self._last:
            self._last = line
            self.warn(line)

    def warn(self, line: str) -> None:
        """Print one line."""
        self._write(f"{line}\n")
        sys.stdout.flush()


def drive_in_terminal(components: PilotComponents, *, socket: str, camera: str, record: Path | None) -> PilotProcess:
    """Run a pilot until Ctrl-C or the end of input; afterwards the car is at rest.

    Args:
        components: Checked parts of the pilot.
        socket: Path of the actuator's socket.
        camera: Camera, as in `racer.car.camera.sources`.
        record: Folder of recorded drives; None records nothing.

    Raises:
        ActuatorGone: No actuator serves this path, or the connection is lost.
        CameraError: The camera cannot be opened.
    """
    printer = StatusPrinter()
    pilot = PilotProcess(
        components,
        socket=socket,
        camera=camera,
        record=record,
        report=printer,
        warn=printer.warn,
        translate=command_of_line,
    )
    pilot.run()
    return pilot
