"""The process that a race is run in, see `racer.race.guard`: it opens the entrants and leaves what came of it."""

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
    """Run the race that `request.json` tells and leave `answer.json`."""
    place = Path(folder)
    request = json.loads((place / "request.json").read_text(encoding="utf-8"))
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
    """Run the race without anybody's eyes."""
    from racer.race.session import make_recorder, run_session
    from racer.replay import write_replay

    contest = session_from_request(request, watch)
    result, driven = run_session(
        contest, make_recorder if request["replay"] else None, watch=lambda contest: watch.tell(contest.share)
    )
    if driven is not None:
        write_replay(request["replay"], driven)
        result = replace(result, replay=Path(request["replay"]))
    return result


def session_from_request(request: Mapping[str, Any], watch: Stopwatch) -> Any:
    """The race, with entrants whose time is taken."""
    import onnxruntime  # noqa: F401 (loading it is nobody's fault)

    from racer.race.entrants import load_entrant
    from racer.race.session import RaceSession

    entrants = []
    for k, one in enumerate(request["entries"]):
        watch.start(k)
        opened = load_entrant(one["path"], one["label"])
        watch.stop(k)
        entrants.append(replace(opened, policy=TimedPolicy(opened.policy, watch, k)))
    return RaceSession(
        entrants,
        track_from_json(request["track"]),
        Rules.model_validate_json(request["rules"]),
        VehicleConfig.model_validate_json(request["vehicle"]),
        seed=request["seed"],
        rules_name=request["rules_name"],
        threads=request["threads"],
    )
