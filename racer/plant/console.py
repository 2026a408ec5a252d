"""The car's page in front of the simulator: laps in the terminal and in the page's log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from racer.car.console.desk import Desk
from racer.car.console.serve import run
from racer.plant.session import Rig, SessionError


def serve_rig(rig: Rig, desk: Desk, server: Any, *, tell: Callable[[Mapping[str, Any]], None]) -> None:
    """Serve until a signal, or until one of the simulated car's processes ends.

    Args:
        server: a uvicorn server of this desk.
        tell: gets each lap.

    Raises:
        SessionError: a process of the simulated car ended.
    """
    failed: list[SessionError] = []
    closing = threading.Event()

    def told(lap: Mapping[str, Any]) -> None:
        desk.record.event(lap_words(lap))
        tell(lap)

    def watch() -> None:
        try:
            while not closing.is_set():
                rig.turn()
        except SessionError as error:
            if not closing.is_set():
                failed.append(error)
                server.should_exit = True

    rig.told_laps = told
    thread = threading.Thread(target=watch, name="rig", daemon=True)
    thread.start()
    try:
        run(server)
    finally:
        closing.set()
        thread.join()
        if failed:
            raise failed[0]


def lap_words(lap: Mapping[str, Any]) -> str:
    """A lap, or what became of it."""
    if lap["completed"]:
        return f"lap {lap['time_s']:.2f} s"
    return f"{lap['ended_by'].replace('_', ' ')} at {lap['progress']:.0f} %, put back on the road"
