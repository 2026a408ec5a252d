"""Disturbances: what differs from episode to episode, each value with a distribution of its own.

A value is drawn for each car at the start of each episode, from streams of its own; frames then draw their jitter,
drops and noise from it. Every default is neutral: an empty configuration disturbs nothing.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import Field, ValidationInfo, field_validator, model_validator

from racer.config.base import Config

NORMAL_CUTOFF = 3.0
"""Normal distributions are cut off at this many standard deviations."""
CHOICES_MAX = 16
"""Most values of a `choice`."""
_KINDS = ("constant", "uniform", "log_uniform", "normal", "choice")


class Distribution(Config):
    """Where a value is drawn from: exactly one of the keys, or a plain number for a constant."""

    constant: float | None = Field(default=None, description="always this")
    uniform: tuple[float, float] | None = Field(default=None, description="from, to")
    log_uniform: tuple[float, float] | None = Field(default=None, description="from, to, both above 0; even in ratio")
    normal: tuple[float, float] | None = Field(
        default=None, description="mean and standard deviation; cut off at three of them"
    )
    choice: tuple[float, ...] | None = Field(
        default=None, min_length=1, max_length=CHOICES_MAX, description="one of these, evenly"
    )

    @model_validator(mode="before")
    @classmethod
    def _number(cls, given: Any) -> Any:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return {"constant": given}
        if isinstance(given, (list, tuple, str)):
            raise ValueError("give a number, or one of the keys uniform, log_uniform, normal, choice")
        return given

    @model_validator(mode="after")
    def _one(self) -> Distribution:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}, not {' and '.join(given) or 'none'}")
        for pair in (self.uniform, self.log_uniform):
            if pair is not None and pair[0] > pair[1]:
                raise ValueError(f"{given[0]} is from low to high, not {pair[0]:g} to {pair[1]:g}")
        if self.log_uniform is not None and self.log_uniform[0] <= 0.0:
            raise ValueError(f"log_uniform needs numbers above 0, not {self.log_uniform[0]:g}")
        if self.normal is not None and self.normal[1] < 0.0:
            raise ValueError(f"a standard deviation is 0 or more, not {self.normal[1]:g}")
        return self

    @property
    def kind(self) -> str:
        """Which of the keys was given."""
        return next(name for name in _KINDS if getattr(self, name) is not None)

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers of that key."""
        given = getattr(self, self.kind)
        return given if isinstance(given, tuple) else (given,)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn."""
        if self.normal is not None:
            mean, deviation = self.normal
            return mean - NORMAL_CUTOFF * deviation, mean + NORMAL_CUTOFF * deviation
        return min(self.values), max(self.values)


def _value(neutral: float | None, low: float, high: float, description: str) -> Any:
    """A field that holds a distribution within low..high; None stands for the vehicle's own value."""
    default = None if neutral is None else Distribution(constant=neutral)
    told = f"{description}; within {low:g}..{high:g}"
    return Field(default=default, description=told, json_schema_extra={"low": low, "high": high})


class _Group(Config):
    """Distributions whose fields state within what they must stay."""

    @field_validator("*", mode="after")
    @classmethod
    def _within(cls, given: Distribution | None, info: ValidationInfo) -> Distribution | None:
        extra = cls.model_fields[info.field_name or ""].json_schema_extra
        if given is None or not isinstance(extra, dict):
            return given
        low, high = cast(float, extra["low"]), cast(float, extra["high"])
        least, greatest = given.bounds
        # The ends of a normal distribution are sums: rounding must not refuse what is meant to touch the limit.
        slack = 1e-9 * max(abs(low), abs(high), 1.0)
        if least < low - slack or greatest > high + slack:
            drawn = f"{least:g}" if least == greatest else f"{least:g}..{greatest:g}"
            raise ValueError(f"draws {drawn}, which is not within {low:g}..{high:g}")
        return given


class VehicleDisturbance(_Group):
    """The car. Factors are of the vehicle's own value; without a value the vehicle's own stands."""

    friction: Distribution | None = _value(None, 0.05, 1.5, "tyre-road friction coefficient; none: the vehicle's own")
    mass: Distribution = _value(1.0, 0.2, 5.0, "factor, of the yaw inertia too")
    cog_forward: Distribution = _value(0.0, -0.05, 0.05, "m, centre of gravity further forward")
    wheelbase: Distribution = _value(1.0, 0.5, 2.0, "factor")
    steer_offset_deg: Distribution = _value(0.0, -10.0, 10.0, "degrees, added by a bad trim")
    steer_gain: Distribution = _value(1.0, 0.2, 3.0, "factor of the angle reached")
    steer_backlash_deg: Distribution = _value(0.0, 0.0, 10.0, "degrees, play between servo and wheels")
    steer_lag: Distribution | None = _value(None, 0.0, 1.0, "s, time constant of the servo; none: the vehicle's own")
    steer_rate_max_deg: Distribution | None = _value(
        None, 10.0, 5000.0, "degrees/s, slew of the servo; none: the vehicle's own"
    )
    throttle_gain: Distribution = _value(1.0, 0.2, 3.0, "factor of the speed aimed at")
    throttle_deadband: Distribution = _value(0.0, 0.0, 0.5, "share of the top speed below which nothing turns")
    throttle_lag: Distribution | None = _value(
        None, 0.01, 2.0, "s, time constant of the speed: 1 / speed_gain; none: the vehicle's own"
    )
    action_delay: Distribution = _value(0.0, 0.0, 1.0, "s from an action to servo and motor, in whole physics steps")


class CameraDisturbance(_Group):
    """How the camera was screwed on, and its lens, against the configured ones."""

    height: Distribution = _value(1.0, 0.2, 5.0, "factor of the height above ground")
    left: Distribution = _value(0.0, -0.2, 0.2, "m further to the left")
    forward: Distribution = _value(0.0, -0.2, 0.2, "m further forward")
    pitch_deg: Distribution = _value(0.0, -20.0, 20.0, "degrees further down")
    roll_deg: Distribution = _value(0.0, -20.0, 20.0, "degrees further clockwise")
    yaw_deg: Distribution = _value(0.0, -20.0, 20.0, "degrees further to the left")
    view: Distribution = _value(1.0, 0.5, 1.5, "factor of the field of view")


class LookDisturbance(_Group):
    """How the track and what is around it are painted."""

    tape: Distribution = _value(1.0, 0.0, 4.0, "factor of the brightness of all lines")
    tape_wear: Distribution = _value(0.0, 0.0, 1.0, "share of the road's colour in the lines")
    tape_width: Distribution = _value(1.0, 0.1, 4.0, "factor of the widths of the lines")
    road: Distribution = _value(1.0, 0.0, 4.0, "factor of the road's brightness")
    field: Distribution = _value(1.0, 0.0, 4.0, "factor of the field's brightness")
    wall: Distribution = _value(1.0, 0.0, 8.0, "factor of the walls' brightness")
    sky: Distribution = _value(1.0, 0.0, 4.0, "factor of the backdrop's brightness")
    hue: Distribution = _value(1.0, 0.0, 4.0, "factor of each channel of each colour, drawn for each anew")
    crowd: Distribution = _value(0.0, 0.0, 1.0, "share of the backdrop that things of random brightness cover")
    crowd_height_deg: Distribution = _value(20.0, 0.0, 90.0, "degrees above the horizon that they reach")


class ImageDisturbance(_Group):
    """What lens, sensor, light and compression do to a frame."""

    exposure: Distribution = _value(1.0, 0.05, 10.0, "factor of the light")
    gamma: Distribution = _value(1.0, 0.1, 5.0, "exponent of a value in 0..1")
    contrast: Distribution = _value(1.0, 0.0, 5.0, "factor of the distance to mid grey")
    tint: Distribution = _value(1.0, 0.2, 3.0, "factor of each channel, drawn for each; a grey camera has one")
    vignette: Distribution = _value(0.0, 0.0, 1.0, "share of the light lost in a corner")
    noise: Distribution = _value(0.0, 0.0, 64.0, "grey levels, standard deviation of each pixel")
    motion_blur: Distribution = _value(0.0, 0.0, 8.0, "pixels of 160, width of the smear along rows")
    defocus: Distribution = _value(0.0, 0.0, 3.0, "pixels of 160, standard deviation of the spot")
    jpeg_quality: Distribution = _value(100.0, 1.0, 100.0, "of the compression; from 100 on there is none")
    glare: Distribution = _value(0.0, 0.0, 255.0, "grey levels added in the middle of a bright spot")
    shadow: Distribution = _value(0.0, 0.0, 1.0, "share of the light lost in the middle of a dark spot")
    spot_size: Distribution = _value(
        0.3, 0.02, 2.0, "share of the frame's width, radius of such a spot, drawn for each"
    )


class DeliveryDisturbance(_Group):
    """The way of a frame from the sensor to the policy."""

    latency: Distribution = _value(0.0, 0.0, 1.0, "s from capture to policy")
    jitter: Distribution = _value(0.0, 0.0, 0.5, "s, each frame is later by up to this, evenly")
    drop: Distribution = _value(0.0, 0.0, 0.9, "share of the frames that never arrive")
    repeat: Distribution = _value(
        0.0, 0.0, 0.9, "share of the control steps that are given the frame of the step before"
    )
    phase: Distribution = _value(
        0.0, 0.0, 1.0, "share of a frame's period from an episode's start to the first frame, where a rate is set"
    )


class DisturbanceConfig(Config):
    """All that may differ from episode to episode."""

    vehicle: VehicleDisturbance = VehicleDisturbance()
    camera: CameraDisturbance = CameraDisturbance()
    look: LookDisturbance = LookDisturbance()
    image: ImageDisturbance = ImageDisturbance()
    camera_delivery: DeliveryDisturbance = DeliveryDisturbance()
    lidar_delivery: DeliveryDisturbance = DeliveryDisturbance()


GROUPS = ("vehicle", "camera", "look", "image", "camera_delivery", "lidar_delivery")
"""The groups of values, in the order in which they are drawn."""


def disturbance_entries(config: DisturbanceConfig) -> dict[str, Distribution | None]:
    """Every value under its full name, `camera.pitch_deg`; None for the vehicle's own."""
    return {
        f"{group}.{name}": getattr(getattr(config, group), name)
        for group in GROUPS
        for name in type(getattr(config, group)).model_fields
    }


def is_disturbed(config: DisturbanceConfig, *groups: str) -> bool:
    """Whether anything in the named groups, or in any, is not neutral."""
    neutral = DisturbanceConfig()
    return any(getattr(config, group) != getattr(neutral, group) for group in groups or GROUPS)
