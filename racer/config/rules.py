"""Rules of a race: laps, penalties, respawning after a fault, limits, and the ranking."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from racer.config.base import Config, ShortTime
from racer.config.env import ObjectsConfig
from racer.config.read import read_asset, read_disturbance

RaceKind = Literal["time_trial", "object_avoidance", "head_to_bot", "head_to_head"]
FaultRule = Literal["put_back", "end"]


class PenaltyRules(Config):
    """Penalties for faults, in simulated time; the clock of the race runs meanwhile."""

    off_track_s: ShortTime = Field(default=3.0, description="penalty for leaving the road with all wheels [s]")
    collision_s: ShortTime = Field(default=5.0, description="penalty for a collision, for the car that is behind [s]")
    stuck_s: ShortTime = Field(default=0.0, description="penalty for standing still or driving backwards [s]")
    served: Literal["standing", "added"] = Field(
        default="standing",
        description="`standing`: the car waits for the penalty; `added`: it continues, its lap counts longer",
    )


class RespawnRules(Config):
    """Where a car continues after a fault; it starts from rest."""

    place: Literal["lane", "center"] = Field(default="lane", description="nearer free lane line, or centre line")
    back: float = Field(default=0.0, ge=0.0, le=20.0, description="arc length back from the step before its fault [m]")
    behind: float = Field(default=1.0, ge=0.2, le=20.0, description="least distance to an object ahead in its lane [m]")
    mercy: int | None = Field(default=None, ge=1, le=1000, description="hits of an object before a car is put past it")


class GridRules(Config):
    """Starting grid of a head-to-head race; slots alternate between two lanes."""

    spacing: float = Field(default=0.75, ge=0.4, le=10.0, description="arc length from one slot to the next [m]")
    order: Literal["given", "rotated", "drawn"] = Field(
        default="given",
        description="slots in the order of the entrants, rotated by one with each trial, or from the seed",
    )


class StartRules(Config):
    """Starts of cars that drive alone; the same for all entrants."""

    spread: Literal["line", "lap"] = Field(default="line", description="at the start line, or evenly around the lap")
    lateral_share: float = Field(default=0.0, ge=0.0, lt=0.8, description="largest offset, fraction of the half width")
    turned_deg: float = Field(default=0.0, ge=0.0, le=90.0, description="largest heading error [degrees]")


class LimitRules(Config):
    """Limits that end a trial early."""

    # A car that cannot drive at all would otherwise respawn for ever.
    time_s: float = Field(default=1200.0, gt=0.0, le=100_000.0, description="simulated time of a trial [s]")
    resets: int = Field(default=10_000, ge=0, le=1_000_000, description="respawns of a car in a trial")


class RankingRules(Config):
    """The time that ranks the entrants; the lowest wins."""

    by: Literal["total", "best_lap", "best_window"] = Field(
        default="total", description="sum of all laps of all trials, shortest lap, or best mean of consecutive laps"
    )
    window: int = Field(default=3, ge=1, le=1000, description="laps of `best_window`")


class Rules(Config):
    """The rules of a race."""

    race: RaceKind = Field(default="time_trial", description="alone, with boxes, with bots, or up to 8 together")
    laps: int = Field(default=3, ge=1, le=1000, description="laps of a trial, one after the other without a stop")
    trials: int = Field(default=1, ge=1, le=1000, description="trials of an entrant; each begins at the start")
    countdown_s: float = Field(default=3.0, ge=0.0, le=60.0, description="countdown, part of no lap time [s]")
    off_track: FaultRule = Field(default="put_back", description="put the car back, or end its trial")
    collision: Literal["put_back", "pause", "end"] = Field(
        default="put_back",
        description="for the car at fault; `pause`: it waits in place, and is put back if it still touches afterwards",
    )
    penalties: PenaltyRules = PenaltyRules()
    put_back: RespawnRules = RespawnRules()
    grid: GridRules = GridRules()
    start: StartRules = StartRules()
    limits: LimitRules = LimitRules()
    ranking: RankingRules = RankingRules()
    objects: ObjectsConfig = Field(default=ObjectsConfig(), description="boxes or bots; leave `race` out")
    disturbance: str = Field(default="none", min_length=1, description="name or path of a disturbance file")

    @model_validator(mode="before")
    @classmethod
    def _kind_of_objects(cls, data: Any) -> Any:
        """Copy `race` to `objects.race` where the file leaves it out."""
        if not isinstance(data, Mapping):
            return data
        # Only with objects: a time trial has none, and a head-to-head race may have boxes or bots besides the entrants.
        race, objects = data.get("race", "time_trial"), data.get("objects", {})
        if race in ("object_avoidance", "head_to_bot") and isinstance(objects, Mapping) and "race" not in objects:
            return {**data, "objects": {**objects, "race": race}}
        return data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.race not in ("head_to_head", self.objects.race):
            raise ValueError(f"objects.race is {self.objects.race}, but race is {self.race}; leave objects.race out")
        if self.ranking.by == "best_window" and self.ranking.window > self.laps * self.trials:
            raise ValueError(
                f"ranking.window of {self.ranking.window} laps is more than the {self.laps * self.trials} "
                "that are driven"
            )
        return self

    @property
    def sha256(self) -> str:
        """Hash of all rules and of the content of the disturbance's file."""
        # The name of a disturbance file does not say what is in it, so its content is part of the hash.
        content = {"rules": self.model_dump(mode="json"), "disturbance": None}
        if self.disturbance != "none":
            content["disturbance"] = read_disturbance(self.disturbance).model_dump(mode="json")
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_rules(name: str | Path, *, settings: Sequence[str] = ()) -> Rules:
    """Read the rules of a name or a path.

    Args:
        name: Name or path of the file.
        settings: `key.key=value` each, on top of the file; values are YAML.

    Raises:
        AssetError: There are no rules of that name.
        ConfigError: A value is not allowed; one line.
    """
    return read_asset(Rules, "rules", name, settings=settings)
