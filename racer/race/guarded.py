"""The process that a race is run in, see `racer.race.guard`: it opens the entrants and leaves what came of it."""

from __future__ import annotations

import importlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from racer.assets import write_atomically
from racer.config.rules import Rules
from racer.config.vehicle import VehicleConfig
from racer.errors import RacerError
from racer.race.result import RaceResult
from racer.race.stopwatch import Stopwatch, Timed
from racer.race.track_text import track_of_text
from racer.reward.check_process import limit_memory


def serve(folder: str) -> None:
    """Run the race that `request.json` tells and leave `answer.json`."""
    place = Path(folder)
    request = json.loads((place / "request.json").read_text(encoding="utf-8"))
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    limit_memory()
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


def _end_with_the_other() -> None:
    """End this process when the one that asked for the race is gone: standard input is a pipe from there."""
    while os.read(0, 1):
        pass
    os._exit(1)


def drive(request: Mapping[str, Any], watch: Stopwatch) -> RaceResult:
    """Run the race without anybody's eyes."""
    from racer.race.race import recorder_of, run
    from racer.replay import write_replay

    contest = contest_of(request, watch)
    result, driven = run(
        contest, recorder_of if request["replay"] else None, watch=lambda contest: watch.tell(contest.share)
    )
    if driven is not None:
        write_replay(request["replay"], driven)
        result = replace(result, replay=Path(request["replay"]))
    return result


def contest_of(request: Mapping[str, Any], watch: Stopwatch) -> Any:
    """The race, with entrants whose time is taken."""
    import onnxruntime  # noqa: F401 (loading it is nobody's fault)

    from racer.race.contest import Contest
    from racer.race.entrants import enter

    entrants = []
    for k, one in enumerate(request["entries"]):
        watch.start(k)
        opened = enter(one["path"], one["label"])
        watch.stop(k)
        entrants.append(replace(opened, policy=Timed(opened.policy, watch, k)))
    return Contest(
        entrants,
        track_of_text(request["track"]),
        Rules.model_validate_json(request["rules"]),
        VehicleConfig.model_validate_json(request["vehicle"]),
        seed=request["seed"],
        rules_name=request["rules_name"],
        threads=request["threads"],
    )
