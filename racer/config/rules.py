"""The rules of a race: laps, penalties, where cars are put back, limits, and what ranks them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from racer.assets import find_asset
from racer.config.base import Config
from racer.config.env import ObjectsConfig
from racer.config.read import apply_settings, read_disturbance, read_yaml, validate

RaceKind = Literal["time_trial", "object_avoidance", "head_to_bot", "head_to_head"]
FaultRule = Literal["put_back", "end"]


class PenaltyRules(Config):
    """s of simulation that a fault costs. The clock of a race runs on meanwhile."""

    off_track_s: float = Field(default=3.0, ge=0.0, le=600.0, description="s for leaving the road with all wheels")
    collision_s: float = Field(
        default=5.0, ge=0.0, le=600.0, description="s for running into something, for the one that is behind"
    )
    stuck_s: float = Field(default=0.0, ge=0.0, le=600.0, description="s for standing still or driving backwards")
    served: Literal["standing", "added"] = Field(
        default="standing",
        description="`standing`: the car waits for so long; `added`: it goes on at once, the time is added to its lap",
    )


class RespawnRules(Config):
    """Where a car goes on after a fault; it starts from rest."""

    place: Literal["lane", "center"] = Field(
        default="lane", description="on the nearer lane line (or the other one, if it is free), or on the centre line"
    )
    back: float = Field(
        default=0.0, ge=0.0, le=20.0, description="m of arc behind where the car was a control step before its fault"
    )
    behind: float = Field(
        default=1.0, ge=0.2, le=20.0, description="m of arc, least, to an object ahead in the same lane"
    )
    mercy: int | None = Field(
        default=None, ge=1, le=1000, description="collisions with one object after which a car is put ahead of it"
    )


class GridRules(Config):
    """The start of a head-to-head: two lanes by turns."""

    spacing: float = Field(default=0.75, ge=0.4, le=10.0, description="m of arc from one slot to the next")
    order: Literal["given", "rotated", "drawn"] = Field(
        default="given",
        description="slots in the order of the entrants, one further with each trial, or by lot from the seed",
    )


class StartRules(Config):
    """Where cars that drive alone start; the same for all entrants."""

    spread: Literal["line", "lap"] = Field(
        default="line", description="all trials at the start line, or evenly around the lap"
    )
    lateral_share: float = Field(default=0.0, ge=0.0, lt=0.8, description="largest offset, share of the half width")
    turned_deg: float = Field(default=0.0, ge=0.0, le=90.0, description="degrees, largest heading error")


class LimitRules(Config):
    """Where a trial ends early."""

    time_s: float = Field(default=1200.0, gt=0.0, le=100_000.0, description="s of simulation of a trial")
    resets: int = Field(default=10_000, ge=0, le=1_000_000, description="times that a car is put back in a trial")


class RankingRules(Config):
    """What ranks the entrants: the lower time wins."""

    by: Literal["total", "best_lap", "best_window"] = Field(
        default="total",
        description="the sum of all laps of all trials, the shortest lap, or the best mean of consecutive laps",
    )
    window: int = Field(default=3, ge=1, le=1000, description="laps of `best_window`")


class Rules(Config):
    """The rules of a race."""

    race: RaceKind = Field(
        default="time_trial",
        description="each entrant alone; alone with boxes; alone with bots; all together, up to 8",
    )
    laps: int = Field(default=3, ge=1, le=1000, description="of a trial, one after the other without a stop")
    trials: int = Field(default=1, ge=1, le=1000, description="each from the start; an entrant's laps are all of them")
    countdown_s: float = Field(default=3.0, ge=0.0, le=60.0, description="s before the start; no part of any time")
    off_track: FaultRule = Field(default="put_back", description="put the car back, or end its trial")
    collision: Literal["put_back", "pause", "end"] = Field(
        default="put_back",
        description="of the one at fault; `pause`: it waits where it is, and is put back if it still touches then",
    )
    penalties: PenaltyRules = PenaltyRules()
    put_back: RespawnRules = RespawnRules()
    grid: GridRules = GridRules()
    start: StartRules = StartRules()
    limits: LimitRules = LimitRules()
    ranking: RankingRules = RankingRules()
    objects: ObjectsConfig = Field(default=ObjectsConfig(), description="boxes or bots; `race` follows from the above")
    disturbance: str = Field(default="none", min_length=1, description="name or path of what differs by chance")

    @model_validator(mode="before")
    @classmethod
    def _kind_of_objects(cls, data: Any) -> Any:
        """`objects.race` need not be said where `race` says it."""
        if not isinstance(data, Mapping):
            return data
        race, objects = data.get("race", "time_trial"), data.get("objects", {})
        if race in ("object_avoidance", "head_to_bot") and isinstance(objects, Mapping) and "race" not in objects:
            return {**data, "objects": {**objects, "race": race}}
        return data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        alone = "time_trial" if self.race == "head_to_head" else self.race
        if self.race != "head_to_head" and self.objects.race != alone:
            raise ValueError(f"objects.race is {self.objects.race}, but race is {self.race}; leave objects.race out")
        if self.ranking.by == "best_window" and self.ranking.window > self.laps * self.trials:
            raise ValueError(
                f"ranking.window of {self.ranking.window} laps is more than the {self.laps * self.trials} "
                "that are driven"
            )
        return self

    @property
    def sha256(self) -> str:
        """A hash of all that the rules say, and of what the disturbance's file says."""
        told = {"rules": self.model_dump(mode="json"), "disturbance": None}
        if self.disturbance != "none":
            told["disturbance"] = read_disturbance(self.disturbance).model_dump(mode="json")
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def read_rules(name: str | Path, *, settings: Sequence[str] = ()) -> Rules:
    """The rules of a name or a path.

    Args:
        settings: `key.key=value` each, on top of the file; values are YAML.

    Raises:
        AssetError: no rules of that name.
        ConfigError: a value that is not allowed, in one line.
    """
    path = find_asset("rules", name)
    where = " ".join([str(path), *(f"--set {setting}" for setting in settings)])
    return validate(
        Rules, apply_settings(read_yaml(path), settings), where if where.isprintable() else repr(where)[1:-1]
    )
