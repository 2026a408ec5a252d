"""The bridge between an environment's sensors and those of a contract."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from racer.config.base import explain
from racer.config.env import EnvConfig
from racer.contract import (
    PICTURES,
    SensorSpec,
    camera_sensor,
    discretized_sector_lidar_sensor,
    lidar_sensor,
    sector_lidar_sensor,
    state_sensor,
    stereo_sensor,
)
from racer.errors import BundleError


def sensor_specs(config: EnvConfig) -> tuple[SensorSpec, ...]:
    """The contract's description of the sensors of an environment, in the order of the configuration."""
    made = {
        "state": lambda: state_sensor(look_ahead=config.look_ahead),
        "lidar": lambda: lidar_sensor(config.lidar),
        "sector_lidar": lambda: sector_lidar_sensor(config.sector_lidar),
        "discretized_sector_lidar": lambda: discretized_sector_lidar_sensor(config.discretized_sector_lidar),
        "camera": lambda: camera_sensor(config.camera),
        "stereo": lambda: stereo_sensor(config.camera),
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
        elif sensor.name in ("lidar", "sector_lidar", "discretized_sector_lidar"):
            fields[sensor.name] = sensor.settings
        elif sensor.name in PICTURES:
            if fields.setdefault("camera", sensor.settings) != sensor.settings:
                raise BundleError(
                    "the policy's `camera` and `stereo` have different lenses; this simulator has one kind"
                )
        else:
            raise BundleError(f"the policy needs sensor `{sensor.name}`, which this simulator does not have")
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
