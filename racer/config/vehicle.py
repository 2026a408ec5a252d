"""A vehicle: the parameters of the single-track model and the shape of the car."""

from __future__ import annotations

from pydantic import Field

from racer.config.base import Config


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
