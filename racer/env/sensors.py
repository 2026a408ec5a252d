"""The bridge between an environment's sensors and those of a contract."""

from __future__ import annotations

from collections.abc import Sequence

from racer.config.env import EnvConfig, LidarConfig
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
            fields["look_ahead"] = tuple(sensor.settings["look_ahead_m"])  # type: ignore[arg-type]
        elif sensor.name == "lidar":
            fields["lidar"] = LidarConfig(**sensor.settings)  # type: ignore[arg-type]
        else:
            raise BundleError(f"the policy needs sensor `{sensor.name}`; this simulator has `state` and `lidar`")
    config = EnvConfig(**fields)  # type: ignore[arg-type]
    for asked, given in zip(sensors, sensor_specs(config), strict=True):
        if asked.shape != given.shape or asked.fields != given.fields:
            raise BundleError(
                f"the policy's sensor `{asked.name}` {list(asked.shape)} has other fields than this simulator's "
                f"{list(given.shape)}; it was made by another version of racer"
            )
    return config
