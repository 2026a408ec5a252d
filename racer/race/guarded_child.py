"""Runs a race in the child process of `guarded_race.py`: opens the entrants, drives, and writes the result.

The request and the answer are JSON files in a folder of both processes. An error that the user can act on becomes part
of the answer; any other one ends the process, and the parent reports its last line.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from racer.assets import write_atomically
from racer.config.env import VehicleConfig
from racer.config.rules import Rules
from racer.errors import RacerError
from racer.process import limit_memory
from racer.race.guarded_race import Stopwatch, TimedPolicy
from racer.race.result import RaceResult
from racer.race.track_json import track_from_json
from racer.reward.sandbox import memory_max


def serve(folder: str) -> None:
    """Run the race of `request.json` in a folder, and write `answer.json` there."""
    place = Path(folder)
    request = json.loads((place / "request.json").read_text(encoding="utf-8"))
    # Before any model is opened: a graph's weights may ask for more memory than the machine has.
    limit_memory(memory_max())
    module, _, name = request["drive"].partition(":")
    try:
        watch = Stopwatch(place / "times", len(request["entries"]))
        answer = {"result": getattr(importlib.import_module(module), name)(request, watch).record()}
    except RacerError as error:
        answer = {"error": str(error)}
    except ModuleNotFoundError as error:
        answer = {"missing": error.name or ""}
    except OSError as error:
        answer = {"error": f"{error.filename or 'file system'}: {error.strerror or error}"}
    write_atomically(place / "answer.json", json.dumps(answer))


def drive(request: Mapping[str, Any], watch: Stopwatch) -> RaceResult:
    """Run the race of a request without a window."""
    from racer.race.session import run_session
    from racer.replay import write_replay

    result, replay = run_session(
        session_from_request(request, watch),
        record=request["replay"] is not None,
        watch=lambda session: watch.report(session.fraction),
    )
    if replay is not None:
        write_replay(request["replay"], replay)
        result = replace(result, replay=Path(request["replay"]))
    return result


def session_from_request(request: Mapping[str, Any], watch: Stopwatch) -> Any:
    """Make the race of a request, with policies whose time is measured."""
    import onnxruntime  # noqa: F401 (so that loading it is charged to no model)

    from racer.race.entrants import load_entrant
    from racer.race.session import RaceSession

    entrants = []
    for k, (path, label) in enumerate(request["entries"]):
        # Opening a model counts as its time, since a graph can make onnxruntime's optimizer slow.
        watch.start(k)
        entrant = load_entrant(path, label)
        watch.stop(k)
        entrants.append(replace(entrant, policy=TimedPolicy(entrant.policy, watch, k)))
    return RaceSession(
        entrants,
        track_from_json(request["track"]),
        Rules.model_validate_json(request["rules"]),
        VehicleConfig.model_validate_json(request["vehicle"]),
        seed=request["seed"],
        rules_name=request["rules_name"],
        threads=request["threads"],
    )
