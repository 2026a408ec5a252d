"""What an environment is made of: rates, sensors, starts, and when an episode is cut off."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from racer.config.base import Config
from racer.config.objects import ObjectsConfig
from racer.config.sensors import (
    CameraConfig,
    DiscretizedSectorLidarConfig,
    LidarConfig,
    SectorLidarConfig,
    Sensor,
)


class StartConfig(Config):
    """Where episodes start."""

    mode: Literal["round_robin", "random"] = Field(
        default="round_robin", description="each episode a share of the lap further, or anywhere"
    )
    advance: float = Field(default=0.05, gt=0.0, le=1.0, description="share of a lap from one start to the next")
    direction: Literal["forward", "backward", "alternate", "either"] = Field(
        default="forward", description="of travel against the track file's own; by episode, or by chance"
    )
    lateral_share: float = Field(default=0.25, ge=0.0, lt=0.8, description="largest offset, share of the half width")
    turned_deg: float = Field(default=10.0, ge=0.0, le=180.0, description="degrees, largest heading error")


class EnvConfig(Config):
    """An environment: one control loop, its sensors, its episodes."""

    control_rate_hz: float = Field(default=15.0, ge=1.0, le=120.0, description="actions per second")
    sensors: tuple[Sensor, ...] = Field(default=("state",), min_length=1, description="what the policy sees")
    look_ahead: tuple[float, ...] = Field(
        default=(0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0, 3.6, 4.2),
        min_length=1,
        max_length=50,
        description="m of arc ahead of the car at which the state sensor looks",
    )
    camera: CameraConfig = CameraConfig()
    lidar: LidarConfig = LidarConfig()
    sector_lidar: SectorLidarConfig = SectorLidarConfig()
    discretized_sector_lidar: DiscretizedSectorLidarConfig = DiscretizedSectorLidarConfig()
    disturbance: str = Field(
        default="none", min_length=1, description="name or path of what differs from episode to episode"
    )
    start: StartConfig = StartConfig()
    objects: ObjectsConfig = ObjectsConfig()
    time_limit_s: float | None = Field(
        default=None,
        gt=0.0,
        le=1e6,
        description="s of simulation after which an episode is cut off; none: 100000 steps",
    )

    @field_validator("sensors")
    @classmethod
    def _once(cls, sensors: tuple[Sensor, ...]) -> tuple[Sensor, ...]:
        if len(set(sensors)) != len(sensors):
            raise ValueError("each sensor may be named once")
        return sensors

    @field_validator("look_ahead")
    @classmethod
    def _ahead(cls, distances: tuple[float, ...]) -> tuple[float, ...]:
        if min(distances) < 0.0 or max(distances) > 1000.0 or list(distances) != sorted(set(distances)):
            raise ValueError("distances are 0..1000 m, each above the one before")
        return distances
