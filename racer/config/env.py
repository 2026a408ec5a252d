"""A vehicle: the parameters of the single-track model and the shape of the car.

What the sensors of a car are set to.

What else is on the road: the type of race, boxes, bots, and where they are put.

What an environment is made of: rates, sensors, starts, and when an episode is cut off.
"""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from racer.config.base import Config
from racer.optics import FISHEYE, PINHOLE, Lens, make_lens


class VehicleConfig(Config):
    """One kind of car. SI units; angles in degrees where the name says so."""

    name: str
    mass: float = Field(gt=0.0, description="kg")
    yaw_inertia: float = Field(gt=0.0, description="kg m^2 about the vertical axis")
    front: float = Field(gt=0.0, description="m from the centre of gravity to the front axle")
    rear: float = Field(gt=0.0, description="m from the centre of gravity to the rear axle")
    cog_height: float = Field(ge=0.0, description="m, height of the centre of gravity")
    friction: float = Field(gt=0.0, le=1.5, description="tyre-road friction coefficient")
    stiffness_front: float = Field(gt=0.0, description="1/rad, cornering stiffness over load, front axle")
    stiffness_rear: float = Field(gt=0.0, description="1/rad, cornering stiffness over load, rear axle")
    front_drive: float = Field(ge=0.0, le=1.0, description="share of the drive force at the front axle")
    front_brake: float = Field(ge=0.0, le=1.0, description="share of the brake force at the front axle")
    accel_max: float = Field(gt=0.0, description="m/s^2, motor")
    brake_max: float = Field(gt=0.0, description="m/s^2")
    power_max: float = Field(gt=0.0, description="W at the wheels")
    speed_gain: float = Field(gt=0.0, description="1/s, speed controller")
    speed_max: float = Field(gt=0.0, le=30.0, description="m/s")
    steer_max_deg: float = Field(gt=0.0, lt=45.0, description="degrees, at the wheels")
    steer_lag: float = Field(ge=0.0, description="s, time constant of the servo")
    steer_rate_max_deg: float = Field(gt=0.0, description="degrees/s")
    steer_offset_deg: float = Field(default=0.0, ge=-10.0, le=10.0, description="degrees added by a bad trim")
    steer_gain: float = Field(default=1.0, gt=0.0, description="angle reached over angle asked for")
    steer_backlash_deg: float = Field(
        default=0.0, ge=0.0, le=10.0, description="degrees of play between servo and wheels"
    )
    throttle_gain: float = Field(default=1.0, gt=0.0, description="speed aimed at over speed asked for")
    throttle_deadband: float = Field(
        default=0.0, ge=0.0, le=0.5, description="share of speed_max below which the motor does not turn"
    )
    length: float = Field(gt=0.0, description="m, collision rectangle along the car")
    width: float = Field(gt=0.0, description="m, collision rectangle across the car")
    track_front: float = Field(gt=0.0, description="m between the front wheel centres")
    track_rear: float = Field(gt=0.0, description="m between the rear wheel centres")


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

    @property
    def optics(self) -> Lens:
        """The lens of this camera."""
        kind = FISHEYE if self.lens == "fisheye" else PINHOLE
        return make_lens(self.width, self.height, math.radians(self.view_deg), kind, self.distortion)


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
