"""Configuration of a vehicle, its sensors, the objects on the road, and the environment.

`VehicleConfig` is one file of `configs/vehicle/`; `EnvConfig` is the part `env` of a training: control rate, sensors,
starts, objects, and the length of an episode.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from racer.config.base import Config, Fraction, NonNegative, Positive, ShortTime
from racer.optics import FISHEYE, PINHOLE, Lens, make_lens


class VehicleConfig(Config):
    """Parameters of the single-track model and shape of one kind of car; SI units, degrees where the name says so."""

    name: str
    mass: Positive = Field(description="mass [kg]")
    yaw_inertia: Positive = Field(description="yaw inertia about the vertical axis [kg m^2]")
    front: Positive = Field(description="distance from the centre of gravity to the front axle [m]")
    rear: Positive = Field(description="distance from the centre of gravity to the rear axle [m]")
    cog_height: NonNegative = Field(description="height of the centre of gravity [m]")
    friction: float = Field(gt=0.0, le=1.5, description="tyre-road friction coefficient")
    stiffness_front: Positive = Field(description="cornering stiffness over load, front axle [1/rad]")
    stiffness_rear: Positive = Field(description="cornering stiffness over load, rear axle [1/rad]")
    front_drive: Fraction = Field(description="fraction of the drive force at the front axle")
    front_brake: Fraction = Field(description="fraction of the brake force at the front axle")
    accel_max: Positive = Field(description="largest acceleration of the motor [m/s^2]")
    brake_max: Positive = Field(description="largest deceleration of the brake [m/s^2]")
    power_max: Positive = Field(description="power at the wheels [W]")
    speed_gain: Positive = Field(description="gain of the speed controller [1/s]")
    speed_max: float = Field(gt=0.0, le=30.0, description="top speed [m/s]")
    steer_max_deg: float = Field(gt=0.0, lt=45.0, description="largest steering angle at the wheels [degrees]")
    steer_lag: NonNegative = Field(description="time constant of the servo [s]")
    steer_rate_max_deg: Positive = Field(description="slew rate of the servo [degrees/s]")
    # An axle whose wheels scrub turns less than its geometry says, and not in proportion to the command.
    steer_map_deg: tuple[tuple[float, float], ...] = Field(
        default=(),
        max_length=8,
        description="pairs of commanded and effective steering angle, linear in between [degrees]; none: equal",
    )
    steer_delay: float = Field(
        default=0.0, ge=0.0, le=1.0, description="delay of the steering command, in whole physics steps [s]"
    )
    # Faults of one real car, neutral by default; `racer calibrate-sim` fits most of them to a recorded drive.
    steer_offset_deg: float = Field(default=0.0, ge=-10.0, le=10.0, description="steering offset of bad trim [degrees]")
    steer_gain: Positive = Field(default=1.0, description="steering angle reached over commanded angle")
    steer_backlash_deg: float = Field(default=0.0, ge=0.0, le=10.0, description="play from servo to wheels [degrees]")
    throttle_gain: Positive = Field(default=1.0, description="target speed over commanded speed")
    throttle_deadband: float = Field(default=0.0, ge=0.0, le=0.5, description="fraction of speed_max without motion")
    # The shape for collisions and for the wheels on the road; it has no part in the equations of motion.
    length: Positive = Field(description="length of the collision rectangle [m]")
    width: Positive = Field(description="width of the collision rectangle [m]")
    track_front: Positive = Field(description="distance between the front wheel centres [m]")
    track_rear: Positive = Field(description="distance between the rear wheel centres [m]")

    @field_validator("steer_map_deg")
    @classmethod
    def _steer_map(cls, pairs: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        commands = [command for command, _ in pairs]
        if commands and (min(commands) <= 0.0 or max(commands) > 90.0 or commands != sorted(set(commands))):
            raise ValueError(
                "commanded angles must be above 0, at most 90 degrees, each greater than the one before; the map holds "
                "for both sides and passes through 0"
            )
        if any(not 0.0 <= angle < 45.0 for _, angle in pairs):
            raise ValueError("effective angles must be at least 0 and below 45 degrees")
        return pairs


Sensor = Literal["state", "camera", "stereo", "lidar", "sector_lidar", "discretized_sector_lidar"]


def _each_once(sensors: tuple[Sensor, ...]) -> tuple[Sensor, ...]:
    if len(set(sensors)) != len(sensors):
        raise ValueError("each sensor may be named once")
    return sensors


Sensors = Annotated[tuple[Sensor, ...], AfterValidator(_each_once)]
"""Names of different sensors."""


class CameraConfig(Config):
    """A camera on the car; defaults are those of the DeepRacer simulator (racecar.gazebo, frustum.py).

    Positions are in the car's frame: forward and left of the middle between the axles, up from the ground.
    """

    width: int = Field(default=160, ge=8, le=1920, description="width of a picture [pixels]")
    height: int = Field(default=120, ge=8, le=1080, description="height of a picture [pixels]")
    colour: Literal["grey", "rgb"] = Field(default="grey", description="one channel or three")
    view_deg: float = Field(default=64.7, ge=20.0, le=160.0, description="horizontal field of view [degrees]")
    lens: Literal["pinhole", "fisheye"] = Field(
        default="pinhole",
        description="`fisheye`: r = f (a + k1 a^3 + k2 a^5 + k3 a^7 + k4 a^9) for a ray at angle a to the axis",
    )
    distortion: tuple[float, float, float, float] = Field(default=(0.0,) * 4, description="k1..k4 of the fisheye lens")
    # The pose of the simulator's camera; the lens of a real DeepRacer is wider, and the car remaps its frames.
    forward: float = Field(default=0.145, ge=-2.0, le=2.0, description="position of the lens, forward [m]")
    left: float = Field(default=0.0, ge=-2.0, le=2.0, description="position of the lens, left [m]")
    up: float = Field(default=0.130, gt=0.0, le=5.0, description="height of the lens above the ground [m]")
    pitch_deg: float = Field(default=15.0, ge=-30.0, le=89.0, description="rotation down from level [degrees]")
    roll_deg: float = Field(default=0.0, ge=-45.0, le=45.0, description="rotation clockwise seen from behind [degrees]")
    yaw_deg: float = Field(default=0.0, ge=-180.0, le=180.0, description="rotation to the left [degrees]")
    baseline: float = Field(default=0.06, gt=0.0, le=1.0, description="distance between the two lenses of `stereo` [m]")
    walls: Literal["apart", "all", "none"] = Field(
        default="apart", description="visible walls: those away from the road's borders, all, or none"
    )
    rate_hz: float | None = Field(default=None, ge=1.0, le=240.0, description="frame rate [Hz]; none: the control rate")

    @model_validator(mode="after")
    def _lens(self) -> CameraConfig:
        # A pinhole's image grows with the tangent of the angle: beyond 120 degrees most pixels show the edges.
        if self.lens == "pinhole" and self.view_deg > 120.0:
            raise ValueError(
                f"a pinhole lens has a view of at most 120 degrees, not {self.view_deg:g}; set lens: fisheye"
            )
        if self.lens == "pinhole" and any(self.distortion):
            raise ValueError("a pinhole lens has no distortion; set lens: fisheye")
        return self

    @property
    def channels(self) -> int:
        """Values of a pixel, 1 or 3."""
        return 3 if self.colour == "rgb" else 1

    @property
    def optics(self) -> Lens:
        """The lens of this camera, with its focal length from the width and the field of view."""
        # The same lens model draws the simulator's pictures and remaps the frames of a real camera.
        kind = FISHEYE if self.lens == "fisheye" else PINHOLE
        return make_lens(self.width, self.height, math.radians(self.view_deg), kind, self.distortion)


class _Rays(Config):
    """The rays of a lidar; defaults are those of the DeepRacer simulator (racecar.launch.py, sensors/constants.py)."""

    rays: int = Field(default=64, ge=1, le=4096, description="number of rays, evenly over the field of view")
    view_deg: float = Field(default=300.0, gt=0.0, le=360.0, description="field of view about the heading [degrees]")
    range_min: NonNegative = Field(default=0.15, description="smallest reported range [m]")


class LidarConfig(_Rays):
    """A planar lidar that reports the range of each ray."""

    range_max: float = Field(default=12.0, gt=0.0, le=200.0, description="largest range, also without obstacles [m]")
    noise: NonNegative = Field(default=0.01, description="standard deviation of a range [m]")

    @model_validator(mode="after")
    def _ranges(self) -> LidarConfig:
        if self.range_min >= self.range_max:
            raise ValueError(f"range_min {self.range_min:g} must be below range_max {self.range_max:g} (m)")
        return self


class _Sectors(_Rays):
    """A lidar whose rays are grouped in sectors."""

    noise: NonNegative = Field(default=0.01, description="standard deviation of a range [m]")
    sectors: int = Field(default=8, ge=1, le=4096, description="number of equal groups of rays, from right to left")

    @model_validator(mode="after")
    def _parts(self) -> Self:
        # A sector reports one value of its rays, so that all sectors need the same number of them.
        if self.rays % self.sectors:
            raise ValueError(f"sectors {self.sectors} must divide the {self.rays} rays")
        return self


class SectorLidarConfig(_Sectors):
    """One bit for each sector: whether an obstacle is near (SECTOR_LIDAR of the DeepRacer simulator)."""

    distance: float = Field(default=0.5, gt=0.0, le=200.0, description="range below which a sector's bit is set [m]")


class DiscretizedSectorLidarConfig(_Sectors):
    """Nearest distance of each sector in few steps (DISCRETIZED_SECTOR_LIDAR of the DeepRacer simulator)."""

    values: int = Field(default=8, ge=1, le=1000, description="number of equal steps of the distance in each sector")
    clipping_dist: float = Field(default=2.0, gt=0.0, le=200.0, description="range; obstacles beyond are ignored [m]")


RaceType = Literal["time_trial", "object_avoidance", "head_to_bot"]
OBJECTS_MAX = 6
"""Objects of one world, the limit of DeepRacer's console."""


class BotsConfig(Config):
    """Scripted cars; defaults are those of the DeepRacer simulator (bot_cars_agent_ctrl.py)."""

    speed: float = Field(default=0.2, ge=0.0, le=4.0, description="speed along the centre line [m/s]")
    lane_changes: Literal["never", "random"] = Field(default="never", description="`random`: to another lane and back")
    wait_min_s: ShortTime = Field(default=3.0, description="least time between two lane changes [s]")
    wait_max_s: ShortTime = Field(default=5.0, description="greatest time between two lane changes [s]")
    lane_change: float = Field(default=1.0, gt=0.0, le=20.0, description="arc length of a lane change [m]")
    pause_s: ShortTime = Field(default=2.0, description="time for which all bots stop after one hit the car [s]")

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if self.wait_min_s > self.wait_max_s:
            raise ValueError(f"wait_min_s {self.wait_min_s:g} must not be above wait_max_s {self.wait_max_s:g}")
        return self


class ObjectsConfig(Config):
    """Boxes and bots on the road; fractions and limits are those of DeepRacer's console."""

    race: RaceType = Field(default="time_trial", description="alone on the road, with boxes, or with driving bots")
    count: int = Field(default=3, ge=1, le=OBJECTS_MAX, description="boxes or bots; `fixed`: one for each position")
    placement: Literal["fixed", "spaced", "random"] = Field(
        default="random",
        description="`fixed`: at `positions`; `spaced`, `random`: relative to the car's start, in each episode",
    )
    positions: tuple[tuple[float, int], ...] = Field(
        default=(),
        max_length=OBJECTS_MAX,
        description="for `fixed`: [fraction of the lap, lane 1 inner or -1 outer] each",
    )
    lanes: Literal["placement", "alternating", "random", "inner", "outer"] = Field(
        default="placement",
        description="lane of each; `placement`: random for `placement: random`, else alternating",
    )
    first: Fraction = Field(default=0.07, description="least fraction of the lap, for `random`")
    last: Fraction = Field(default=0.90, description="greatest fraction of the lap, for `random`")
    gap: Fraction = Field(default=0.13, description="least fraction of the lap between two objects, for `random`")
    bots: BotsConfig = BotsConfig()

    @field_validator("positions")
    @classmethod
    def _positions(cls, positions: tuple[tuple[float, int], ...]) -> tuple[tuple[float, int], ...]:
        # DeepRacer's `OBJECT_POSITIONS` has the same two numbers.
        for fraction, lane in positions:
            if not 0.0 <= fraction <= 1.0 or lane not in (1, -1):
                raise ValueError(f"({fraction:g}, {lane}) is not a fraction 0..1 with a lane 1 (inner) or -1 (outer)")
        return positions

    @model_validator(mode="after")
    def _room(self) -> Self:
        # A time trial has no objects, whatever the other keys say, so that `race` can be changed alone.
        if self.placement == "fixed" and self.race != "time_trial" and not self.positions:
            raise ValueError("placement fixed needs positions, as in [[0.1, -1], [0.24, 1]]")
        # Positions that nothing reads are more likely a slip than meant.
        if self.positions and self.placement != "fixed":
            raise ValueError(f"positions are for placement fixed, not {self.placement}")
        if self.first > self.last:
            raise ValueError(f"first {self.first:g} must not be above last {self.last:g}")
        # `count` objects have count - 1 gaps between them; a sum that rounds up must not refuse a file that just fits.
        needed = (self.count - 1) * self.gap
        if self.placement == "random" and needed > self.last - self.first + 1e-9:
            raise ValueError(
                f"{self.count} objects with gaps of {self.gap:g} need {needed:g} of the lap, "
                f"but from {self.first:g} to {self.last:g} it is {self.last - self.first:g}"
            )
        return self

    @property
    def slots(self) -> int:
        """Number of objects in each world, 0 in a time trial."""
        if self.race == "time_trial":
            return 0
        return len(self.positions) if self.placement == "fixed" else self.count


class StartConfig(Config):
    """Starts of episodes."""

    mode: Literal["round_robin", "random"] = Field(
        default="round_robin", description="each episode `advance` further along the lap, or at a random place"
    )
    advance: float = Field(default=0.05, gt=0.0, le=1.0, description="fraction of a lap from one start to the next")
    direction: Literal["forward", "backward", "alternate", "either"] = Field(
        default="forward",
        description="direction of travel relative to the track file's; `alternate`: by episode; `either`: random",
    )
    lateral_share: float = Field(default=0.25, ge=0.0, lt=0.8, description="largest offset, fraction of the half width")
    turned_deg: float = Field(default=10.0, ge=0.0, le=180.0, description="largest heading error [degrees]")


class EnvConfig(Config):
    """An environment: control rate, sensors, objects and episodes."""

    control_rate_hz: float = Field(default=15.0, ge=1.0, le=120.0, description="control rate [Hz]")
    sensors: Sensors = Field(default=("state",), min_length=1, description="sensors of the policy")
    look_ahead: tuple[float, ...] = Field(
        default=(0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0, 3.6, 4.2),
        min_length=1,
        max_length=50,
        description="arc lengths ahead of the car that the state sensor reports [m]",
    )
    camera: CameraConfig = CameraConfig()
    lidar: LidarConfig = LidarConfig()
    sector_lidar: SectorLidarConfig = SectorLidarConfig()
    discretized_sector_lidar: DiscretizedSectorLidarConfig = DiscretizedSectorLidarConfig()
    disturbance: str = Field(default="none", min_length=1, description="name or path of a disturbance file")
    start: StartConfig = StartConfig()
    objects: ObjectsConfig = ObjectsConfig()
    time_limit_s: float | None = Field(
        default=None,
        gt=0.0,
        le=1e6,
        description="simulated time after which an episode is cut off [s]; none: 100000 steps",
    )

    @field_validator("look_ahead")
    @classmethod
    def _ahead(cls, distances: tuple[float, ...]) -> tuple[float, ...]:
        if min(distances) < 0.0 or max(distances) > 1000.0 or list(distances) != sorted(set(distances)):
            raise ValueError("distances must be 0..1000 m, each greater than the one before")
        return distances
