"""The bridge between an environment's sensors and those of a contract."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from racer.config.base import explain
from racer.config.env import EnvConfig
from racer.contract import SensorSpec, lidar_sensor, state_sensor
from racer.errors import BundleError


def sensor_specs(config: EnvConfig) -> tuple[SensorSpec, ...]:
    """The contract's description of the sensors of an environment, in the order of the configuration."""
    made = {
        "state": lambda: state_sensor(look_ahead=config.look_ahead),
        "lidar": lambda: lidar_sensor(config.lidar),
    }
    return tuple(made[name]() for name in config.sensors)


def config_for(sensors: Sequence[SensorSpec], control_rate_hz: float | None) -> EnvConfig:
    """An environment that shows a policy what its contract says it sees.

    Raises:
        BundleError: the simulator has no such sensor, or would fill it differently.
    """
    fields: dict[str, object] = {"sensors": tuple(sensor.name for sensor in sensors)}
    if control_rate_hz is not None:
        fields["control_rate_hz"] = control_rate_hz
    for sensor in sensors:
        if sensor.name == "state":
            fields["look_ahead"] = sensor.settings.get("look_ahead_m")
        elif sensor.name == "lidar":
            fields["lidar"] = sensor.settings
        else:
            raise BundleError(f"the policy needs sensor `{sensor.name}`; this simulator has `state` and `lidar`")
    try:
        config = EnvConfig.model_validate(fields)
    except ValidationError as error:
        raise BundleError(explain(error, EnvConfig, "the policy cannot be shown what it needs")) from None
    for asked, given in zip(sensors, sensor_specs(config), strict=True):
        if asked.shape != given.shape or asked.fields != given.fields:
            raise BundleError(
                f"the policy's sensor `{asked.name}` {list(asked.shape)} has other fields than this simulator's "
                f"{list(given.shape)}; it was made by another version of racer"
            )
    return config
