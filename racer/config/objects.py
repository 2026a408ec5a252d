"""What else is on the road: the type of race, boxes, bots, and where they are put."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from racer.config.base import Config

RaceType = Literal["time_trial", "object_avoidance", "head_to_bot"]
OBJECTS_MAX = 6
"""Of one world, as DeepRacer's console has it."""


class BotsConfig(Config):
    """Scripted cars; defaults are those of the DeepRacer simulator (bot_cars_agent_ctrl.py)."""

    speed: float = Field(default=0.2, ge=0.0, le=4.0, description="m/s along the centre line")
    lane_changes: Literal["never", "random"] = Field(
        default="never", description="`random`: to the other lane and back, after times by chance"
    )
    wait_min_s: float = Field(default=3.0, ge=0.0, le=600.0, description="s, least time between two lane changes")
    wait_max_s: float = Field(default=5.0, ge=0.0, le=600.0, description="s, greatest time between two lane changes")
    lane_change: float = Field(default=1.0, gt=0.0, le=20.0, description="m of centre line that a lane change takes")
    pause_s: float = Field(
        default=2.0, ge=0.0, le=600.0, description="s for which all bots stand after one ran into the car"
    )

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if self.wait_min_s > self.wait_max_s:
            raise ValueError(f"wait_min_s {self.wait_min_s:g} must not be above wait_max_s {self.wait_max_s:g}")
        return self


class ObjectsConfig(Config):
    """What else is on the road; shares and limits are those of DeepRacer's console."""

    race: RaceType = Field(
        default="time_trial", description="alone on the road, with boxes that stand, or with bots that drive"
    )
    count: int = Field(default=3, ge=1, le=OBJECTS_MAX, description="boxes or bots; `fixed`: one for each position")
    placement: Literal["fixed", "spaced", "random"] = Field(
        default="random",
        description="`fixed`: `positions` of the track; `spaced`, `random`: counted from the car's start, each episode",
    )
    positions: tuple[tuple[float, int], ...] = Field(
        default=(), max_length=OBJECTS_MAX, description="for `fixed`: (share of the lap, lane 1 inner or -1 outer) each"
    )
    lanes: Literal["placement", "alternating", "random", "inner", "outer"] = Field(
        default="placement",
        description="lane of each; `placement`: by chance where they are placed by chance, else by turns",
    )
    first: float = Field(default=0.07, ge=0.0, le=1.0, description="share of the lap, least, of `random`")
    last: float = Field(default=0.90, ge=0.0, le=1.0, description="share of the lap, greatest, of `random`")
    gap: float = Field(default=0.13, ge=0.0, le=1.0, description="share of the lap between two at least, of `random`")
    bots: BotsConfig = BotsConfig()

    @field_validator("positions")
    @classmethod
    def _positions(cls, positions: tuple[tuple[float, int], ...]) -> tuple[tuple[float, int], ...]:
        for share, lane in positions:
            if not 0.0 <= share <= 1.0 or lane not in (1, -1):
                raise ValueError(f"({share:g}, {lane}) is no share of 0..1 with a lane of 1 (inner) or -1 (outer)")
        return positions

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.placement == "fixed" and self.race != "time_trial" and not self.positions:
            raise ValueError("placement fixed needs positions, as in [[0.1, -1], [0.24, 1]]")
        if self.positions and self.placement != "fixed":
            raise ValueError(f"positions are for placement fixed, not {self.placement}")
        if self.first > self.last:
            raise ValueError(f"first {self.first:g} must not be above last {self.last:g}")
        needed = (self.count - 1) * self.gap
        if self.placement == "random" and needed > self.last - self.first + 1e-9:
            raise ValueError(
                f"{self.count} objects with gaps of {self.gap:g} need {needed:g} of the lap, "
                f"but from {self.first:g} to {self.last:g} it is {self.last - self.first:g}"
            )
        return self

    @property
    def slots(self) -> int:
        """Objects in each world."""
        if self.race == "time_trial":
            return 0
        return len(self.positions) if self.placement == "fixed" else self.count
