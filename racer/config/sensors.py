"""What the sensors of a car are set to."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from racer.config.base import Config

Sensor = Literal["state", "camera", "stereo", "lidar", "sector_lidar", "discretized_sector_lidar"]


class CameraConfig(Config):
    """A camera on the car; defaults are those of the DeepRacer simulator (racecar.gazebo, frustum.py).

    The mount is in the car's frame: forward and left of the middle between the axles, up from the ground.
    """

    width: int = Field(default=160, ge=8, le=1920, description="pixels")
    height: int = Field(default=120, ge=8, le=1080, description="pixels")
    colour: Literal["grey", "rgb"] = Field(default="grey", description="one channel or three")
    view_deg: float = Field(default=64.7, ge=20.0, le=160.0, description="degrees, horizontal field of view")
    lens: Literal["pinhole", "fisheye"] = Field(
        default="pinhole",
        description="`fisheye`: r = f (a + k1 a^3 + k2 a^5 + k3 a^7 + k4 a^9) for a ray at angle a to the axis",
    )
    distortion: tuple[float, float, float, float] = Field(
        default=(0.0, 0.0, 0.0, 0.0), description="k1..k4 of the fisheye lens"
    )
    forward: float = Field(default=0.145, ge=-2.0, le=2.0, description="m, of the lens")
    left: float = Field(default=0.0, ge=-2.0, le=2.0, description="m, of the lens")
    up: float = Field(default=0.130, gt=0.0, le=5.0, description="m, of the lens above the ground")
    pitch_deg: float = Field(default=15.0, ge=-30.0, le=89.0, description="degrees, down from level")
    roll_deg: float = Field(default=0.0, ge=-45.0, le=45.0, description="degrees, clockwise as seen from behind")
    yaw_deg: float = Field(default=0.0, ge=-180.0, le=180.0, description="degrees, to the left")
    baseline: float = Field(default=0.06, gt=0.0, le=1.0, description="m between the two lenses of `stereo`")
    walls: Literal["apart", "all", "none"] = Field(
        default="apart", description="walls to be seen: those that stand apart from the road, on its borders too, none"
    )
    rate_hz: float | None = Field(
        default=None, ge=1.0, le=240.0, description="frames a second; none: one for each control step, taken then"
    )

    @model_validator(mode="after")
    def _lens(self) -> CameraConfig:
        if self.lens == "pinhole" and self.view_deg > 120.0:
            raise ValueError(f"a pinhole lens sees at most 120 degrees, not {self.view_deg:g}; set lens: fisheye")
        if self.lens == "pinhole" and any(self.distortion):
            raise ValueError("a pinhole lens has no distortion; set lens: fisheye")
        return self

    @property
    def channels(self) -> int:
        """Values of a pixel."""
        return 3 if self.colour == "rgb" else 1


class LidarConfig(Config):
    """A planar lidar; defaults are those of the DeepRacer simulator (racecar.launch.py, sensors/constants.py)."""

    rays: int = Field(default=64, ge=1, le=4096, description="rays, evenly over the field of view")
    view_deg: float = Field(default=300.0, gt=0.0, le=360.0, description="degrees, field of view about the heading")
    range_min: float = Field(default=0.15, ge=0.0, description="m; nearer things are reported at this range")
    range_max: float = Field(default=12.0, gt=0.0, le=200.0, description="m; nothing nearer gives this range")
    noise: float = Field(default=0.01, ge=0.0, description="m, standard deviation of a range")

    @model_validator(mode="after")
    def _ranges(self) -> LidarConfig:
        if self.range_min >= self.range_max:
            raise ValueError(f"range_min {self.range_min:g} must be below range_max {self.range_max:g} (m)")
        return self


class _Sectors(Config):
    """The lidar under the sectors; defaults as in `LidarConfig`."""

    rays: int = Field(default=64, ge=1, le=4096, description="rays, evenly over the field of view")
    view_deg: float = Field(default=300.0, gt=0.0, le=360.0, description="degrees, field of view about the heading")
    range_min: float = Field(default=0.15, ge=0.0, description="m; nearer things are taken to be here")
    noise: float = Field(default=0.01, ge=0.0, description="m, standard deviation of a range")
    sectors: int = Field(default=8, ge=1, le=4096, description="equal parts of the rays, from right to left")

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.rays % self.sectors:
            raise ValueError(f"sectors {self.sectors} must divide the {self.rays} rays")
        return self


class SectorLidarConfig(_Sectors):
    """One bit for each sector: is something near? (simapp SECTOR_LIDAR)"""

    distance: float = Field(default=0.5, gt=0.0, le=200.0, description="m; nearer things set the bit of their sector")


class DiscretizedSectorLidarConfig(_Sectors):
    """The nearest thing of each sector as one of a few distances (simapp DISCRETIZED_SECTOR_LIDAR)."""

    values: int = Field(default=8, ge=1, le=1000, description="equal parts of the distance, in each sector")
    clipping_dist: float = Field(default=2.0, gt=0.0, le=200.0, description="m; things from here on are not seen")
