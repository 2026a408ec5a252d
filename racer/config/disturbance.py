"""Disturbances: values that differ from episode to episode, each with a separate distribution.

At the start of an episode the simulator draws each value for each car from that car's random streams; frames then
draw their jitter, drops and noise with it. Every default is neutral: an empty configuration disturbs nothing.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import Field, ValidationInfo, field_validator, model_validator

from racer.config.base import Config

NORMAL_CUTOFF = 3.0
"""Normal distributions are cut off at this many standard deviations."""
CHOICES_MAX = 16
"""Largest number of values of a `choice`."""
_KINDS = ("constant", "uniform", "log_uniform", "normal", "choice")


class Distribution(Config):
    """Distribution of a value: exactly one of the keys, or a plain number for a constant."""

    constant: float | None = Field(default=None, description="always this value")
    uniform: tuple[float, float] | None = Field(default=None, description="from, to")
    log_uniform: tuple[float, float] | None = Field(default=None, description="from, to, above 0; uniform in logarithm")
    normal: tuple[float, float] | None = Field(default=None, description="mean, standard deviation; cut off at three")
    choice: tuple[float, ...] | None = Field(
        default=None, min_length=1, max_length=CHOICES_MAX, description="one of these values, all equally likely"
    )

    @model_validator(mode="before")
    @classmethod
    def _number(cls, given: Any) -> Any:
        # `mass: 1.1` is short for `mass: {constant: 1.1}`; a bool is an int in Python, and a slip here.
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return {"constant": given}
        if isinstance(given, (list, tuple, str)):
            raise ValueError("give a number, or one of the keys uniform, log_uniform, normal, choice")
        return given

    @model_validator(mode="after")
    def _check_numbers(self) -> Distribution:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        # This check is the first, because the following messages name `given[0]`.
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}, not {' and '.join(given) or 'none'}")
        # Equal ends are allowed; such a range is a constant.
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
        """The key of `_KINDS` that was given."""
        return next(name for name in _KINDS if getattr(self, name) is not None)

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers of the key that was given."""
        given = getattr(self, self.kind)
        return given if isinstance(given, tuple) else (given,)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value that can be drawn."""
        # The bounds of a choice are among its values, and a constant is both of its bounds.
        if self.normal is not None:
            mean, deviation = self.normal
            return mean - NORMAL_CUTOFF * deviation, mean + NORMAL_CUTOFF * deviation
        return min(self.values), max(self.values)


def _value(neutral: float | None, low: float, high: float, description: str) -> Any:
    """Make a field for a distribution within low..high; without a neutral value the default is the vehicle's.

    The bounds go into the field's JSON schema, where `_Group` reads them to check what the user gives.
    """
    default = None if neutral is None else Distribution(constant=neutral)
    description = f"{description}; within {low:g}..{high:g}"
    return Field(default, description=description, json_schema_extra={"low": low, "high": high})


class _Group(Config):
    """Distributions with bounds; each field states its bounds."""

    @field_validator("*", mode="after")
    @classmethod
    def _within(cls, given: Distribution | None, info: ValidationInfo) -> Distribution | None:
        extra = cls.model_fields[info.field_name or ""].json_schema_extra
        if given is None or not isinstance(extra, dict):
            return given
        low, high = cast(float, extra["low"]), cast(float, extra["high"])
        least, greatest = given.bounds
        # The ends of a normal distribution are sums; rounding must not refuse a distribution that ends at the bound.
        tolerance = 1e-9 * max(abs(low), abs(high), 1.0)
        if least < low - tolerance or greatest > high + tolerance:
            drawn = f"{least:g}" if least == greatest else f"{least:g}..{greatest:g}"
            raise ValueError(f"draws {drawn}, which is not within {low:g}..{high:g}")
        return given


class VehicleDisturbance(_Group):
    """Deviations of the car; factors multiply the value of the vehicle's file."""

    # Values without a neutral default replace the vehicle's value: a factor could not change a lag of 0.
    friction: Distribution | None = _value(None, 0.05, 1.5, "tyre-road friction coefficient; none: the vehicle's")
    mass: Distribution = _value(1.0, 0.2, 5.0, "factor of mass and yaw inertia")
    cog_forward: Distribution = _value(0.0, -0.05, 0.05, "shift of the centre of gravity forward [m]")
    wheelbase: Distribution = _value(1.0, 0.5, 2.0, "factor of the wheelbase")
    steer_offset_deg: Distribution = _value(0.0, -10.0, 10.0, "steering offset of a bad trim [degrees]")
    steer_gain: Distribution = _value(1.0, 0.2, 3.0, "factor of the steering angle reached")
    steer_backlash_deg: Distribution = _value(0.0, 0.0, 10.0, "play between servo and wheels [degrees]")
    steer_lag: Distribution | None = _value(None, 0.0, 1.0, "time constant of the servo [s]; none: the vehicle's")
    steer_rate_max_deg: Distribution | None = _value(None, 10.0, 5000.0, "slew rate [degrees/s]; none: the vehicle's")
    throttle_gain: Distribution = _value(1.0, 0.2, 3.0, "factor of the target speed")
    throttle_deadband: Distribution = _value(0.0, 0.0, 0.5, "fraction of the top speed below which the motor is off")
    throttle_lag: Distribution | None = _value(None, 0.01, 2.0, "1 / speed_gain [s]; none: the vehicle's")
    action_delay: Distribution = _value(0.0, 0.0, 1.0, "delay to servo and motor, in whole physics steps [s]")
    steer_delay: Distribution | None = _value(None, 0.0, 1.0, "delay of the steering alone [s]; none: the vehicle's")


class CameraDisturbance(_Group):
    """Deviations of the camera's mount and lens from the configuration."""

    height: Distribution = _value(1.0, 0.2, 5.0, "factor of the height above ground")
    left: Distribution = _value(0.0, -0.2, 0.2, "shift to the left [m]")
    forward: Distribution = _value(0.0, -0.2, 0.2, "shift forward [m]")
    pitch_deg: Distribution = _value(0.0, -20.0, 20.0, "rotation downwards [degrees]")
    roll_deg: Distribution = _value(0.0, -20.0, 20.0, "rotation clockwise [degrees]")
    yaw_deg: Distribution = _value(0.0, -20.0, 20.0, "rotation to the left [degrees]")
    view: Distribution = _value(1.0, 0.5, 1.5, "factor of the field of view")


class LookDisturbance(_Group):
    """Deviations of the colours and lines of the track and its surroundings."""

    tape: Distribution = _value(1.0, 0.0, 4.0, "factor of the brightness of all lines")
    tape_wear: Distribution = _value(0.0, 0.0, 1.0, "fraction of the road's colour in the lines")
    tape_width: Distribution = _value(1.0, 0.1, 4.0, "factor of the widths of the lines")
    road: Distribution = _value(1.0, 0.0, 4.0, "factor of the road's brightness")
    field: Distribution = _value(1.0, 0.0, 4.0, "factor of the field's brightness")
    wall: Distribution = _value(1.0, 0.0, 8.0, "factor of the walls' brightness")
    sky: Distribution = _value(1.0, 0.0, 4.0, "factor of the backdrop's brightness")
    hue: Distribution = _value(1.0, 0.0, 4.0, "factor of each channel of each colour, drawn separately for each")
    crowd: Distribution = _value(0.0, 0.0, 1.0, "fraction of the backdrop covered by shapes of random brightness")
    crowd_height_deg: Distribution = _value(20.0, 0.0, 90.0, "height of these shapes above the horizon [degrees]")


class ImageDisturbance(_Group):
    """Effects of lens, sensor, light and compression on a frame."""

    exposure: Distribution = _value(1.0, 0.05, 10.0, "factor of the light")
    gamma: Distribution = _value(1.0, 0.1, 5.0, "exponent of a pixel value in 0..1")
    contrast: Distribution = _value(1.0, 0.0, 5.0, "factor of the difference from mid grey")
    tint: Distribution = _value(1.0, 0.2, 3.0, "factor of each channel, drawn separately; a grey camera has one")
    vignette: Distribution = _value(0.0, 0.0, 1.0, "fraction of the light lost in a corner")
    noise: Distribution = _value(0.0, 0.0, 64.0, "standard deviation of the noise of each pixel [grey levels]")
    motion_blur: Distribution = _value(0.0, 0.0, 8.0, "width of the blur along rows [pixels of a 160-pixel row]")
    defocus: Distribution = _value(0.0, 0.0, 3.0, "standard deviation of the blur [pixels of a 160-pixel row]")
    jpeg_quality: Distribution = _value(100.0, 1.0, 100.0, "quality of the JPEG compression; 100: no compression")
    glare: Distribution = _value(0.0, 0.0, 255.0, "brightness added in the middle of a bright spot [grey levels]")
    shadow: Distribution = _value(0.0, 0.0, 1.0, "fraction of the light lost in the middle of a dark spot")
    spot_size: Distribution = _value(0.3, 0.02, 2.0, "radius of a bright or dark spot, fraction of the frame's width")


class DeliveryDisturbance(_Group):
    """Delays and losses of a frame between sensor and policy."""

    latency: Distribution = _value(0.0, 0.0, 1.0, "time from capture to policy [s]")
    jitter: Distribution = _value(0.0, 0.0, 0.5, "largest additional delay of a frame, uniformly drawn [s]")
    drop: Distribution = _value(0.0, 0.0, 0.9, "fraction of the frames that never arrive")
    repeat: Distribution = _value(0.0, 0.0, 0.9, "fraction of the control steps that get the frame of the step before")
    phase: Distribution = _value(0.0, 0.0, 1.0, "time to an episode's first frame where a rate is set [frame periods]")


class DisturbanceConfig(Config):
    """All values that may differ from episode to episode."""

    vehicle: VehicleDisturbance = VehicleDisturbance()
    camera: CameraDisturbance = CameraDisturbance()
    look: LookDisturbance = LookDisturbance()
    image: ImageDisturbance = ImageDisturbance()
    camera_delivery: DeliveryDisturbance = DeliveryDisturbance()
    lidar_delivery: DeliveryDisturbance = DeliveryDisturbance()


# A new group belongs at the end, and a new entry of a group into `ENTRIES_ADDED`: the order decides which random
# numbers each value is drawn from.
GROUPS = tuple(DisturbanceConfig.model_fields)
"""Names of the groups of values, in the order in which the simulator draws them."""
ENTRIES_ADDED = ("vehicle.steer_delay",)
"""Entries that are drawn after all others, so that they left the random numbers of the older ones as they were."""


def disturbance_entries(config: DisturbanceConfig) -> dict[str, Distribution | None]:
    """Return each distribution by its full name, such as `camera.pitch_deg`; None means the vehicle's value."""
    return {
        f"{group}.{name}": getattr(getattr(config, group), name)
        for group in GROUPS
        for name in type(getattr(config, group)).model_fields
    }


def is_disturbed(config: DisturbanceConfig, *groups: str) -> bool:
    """Return whether any value of the named groups, or of all groups without names, is not neutral."""
    neutral = DisturbanceConfig()
    return any(getattr(config, group) != getattr(neutral, group) for group in groups or GROUPS)
