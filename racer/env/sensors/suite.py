"""Collects the sensors of one configuration for a batch of cars, and translates them from and to a contract.

`state` comes from the simulator's own state and is never late; frames and scans may be late, see
`racer.sim.randomize.latency`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from racer import contract
from racer.config.base import explain
from racer.config.disturbance import is_disturbed
from racer.config.env import EnvConfig
from racer.contract import PICTURES, SensorSpec
from racer.env.sensors.camera import CameraSensor
from racer.env.sensors.lidar import LidarSensor, SectorLidarSensor
from racer.errors import BundleError
from racer.sim.randomize.distributions import Disturbances, frame_age_max
from racer.sim.randomize.pose_history import PoseHistory
from racer.sim.telemetry import state_field_names
from racer.sim.world import World

Observation = dict[str, NDArray[Any]]

_LIDARS = ("lidar", "sector_lidar", "discretized_sector_lidar")
_EYES = {"camera": 1, "stereo": 2}
"""Lenses of each sensor that takes pictures."""


def sensor_specs(config: EnvConfig) -> tuple[SensorSpec, ...]:
    """Return the contract's description of the sensors of an environment, in the order of the configuration."""
    make = {
        "state": lambda: contract.state_sensor(look_ahead=config.look_ahead),
        "lidar": lambda: contract.lidar_sensor(config.lidar),
        "sector_lidar": lambda: contract.sector_lidar_sensor(config.sector_lidar),
        "discretized_sector_lidar": lambda: contract.sector_lidar_sensor(config.discretized_sector_lidar),
        "camera": lambda: contract.camera_sensor(config.camera),
        "stereo": lambda: contract.stereo_sensor(config.camera),
    }
    return tuple(make[name]() for name in config.sensors)


def env_config_for(sensors: Sequence[SensorSpec], control_rate_hz: float | None) -> EnvConfig:
    """Make the configuration whose sensors fill the inputs that a contract describes.

    Args:
        sensors: Inputs of a policy.
        control_rate_hz: Control rate [Hz]; None for the default.

    Raises:
        BundleError: The simulator lacks such a sensor, or would fill it differently.
    """
    fields: dict[str, object] = {"sensors": tuple(sensor.name for sensor in sensors)}
    if control_rate_hz is not None:
        fields["control_rate_hz"] = control_rate_hz
    for sensor in sensors:
        if sensor.name == "state":
            fields["look_ahead"] = sensor.settings.get("look_ahead_m")
        elif sensor.name in _LIDARS:
            fields[sensor.name] = sensor.settings
        elif sensor.name in PICTURES:
            # `camera` and `stereo` share one set of settings, so they must agree.
            if fields.setdefault("camera", sensor.settings) != sensor.settings:
                raise BundleError(
                    "the policy's `camera` and `stereo` have different lenses; this simulator has one kind"
                )
        else:
            raise BundleError(f"the policy needs sensor `{sensor.name}`, which this simulator does not have")
    try:
        config = EnvConfig.model_validate(fields)
    except ValidationError as error:
        raise BundleError(explain(error, EnvConfig, "the simulator cannot provide the policy's sensors")) from None
    # Settings alone do not prove that the elements mean the same: an older version may have filled other fields.
    for needed, simulated in zip(sensors, sensor_specs(config), strict=True):
        if needed.shape != simulated.shape or needed.fields != simulated.fields:
            raise BundleError(
                f"the policy's sensor `{needed.name}` {list(needed.shape)} has other fields than this simulator's "
                f"{list(simulated.shape)}; it was made by another version of racer"
            )
    return config


class SensorSuite:
    """Sensors of one configuration, on the first car of each world or on all cars.

    Attributes:
        observation: Buffers of shape (N, ...) for each sensor, rewritten by each `observe`; (N, C, ...) where all cars
            have sensors.
        cameras: The chosen ones of `camera` and `stereo`.
        lidars: The chosen ones of `lidar`, `sector_lidar` and `discretized_sector_lidar`.
    """

    def __init__(
        self,
        world: World,
        config: EnvConfig,
        disturbances: Disturbances | None = None,
        *,
        cars: Literal["first", "all"] = "first",
    ) -> None:
        """Make the buffers."""
        self._world = world
        self._first = cars == "first"
        self._marked = np.zeros(world.cars.shape, np.bool_)
        self._all_worlds = np.ones(len(world.cars), np.bool_)
        self._look_ahead = np.array(config.look_ahead, np.float64)
        frames, scans = (
            _make_pose_history(world, config, disturbances, group) for group in ("camera_delivery", "lidar_delivery")
        )
        self._histories = [history for history in (frames, scans) if history is not None]
        self.lidars: dict[str, LidarSensor | SectorLidarSensor] = {}
        self.cameras: dict[str, CameraSensor] = {}
        buffers: Observation = {}
        self._buffers = buffers
        if "state" in config.sensors:
            width = len(state_field_names(len(config.look_ahead)))
            self._state = buffers["state"] = np.zeros((*world.cars.shape, width), np.float32)
        if "lidar" in config.sensors:
            lidar = LidarSensor(world, config.lidar, past=scans, disturbances=disturbances)
            self.lidars["lidar"], buffers["lidar"] = lidar, lidar.ranges
        for name in ("sector_lidar", "discretized_sector_lidar"):
            if name in config.sensors:
                sectors = SectorLidarSensor(world, getattr(config, name), past=scans, disturbances=disturbances)
                self.lidars[name], buffers[name] = sectors, sectors.sectors
        for name, eyes in _EYES.items():
            if name in config.sensors:
                camera = CameraSensor(world, config.camera, eyes=eyes, past=frames, disturbances=disturbances)
                self.cameras[name], buffers[name] = camera, camera.frames
        self.observation = self._views()
        self._sensors = [*self.lidars.values(), *self.cameras.values()]

    def _views(self) -> Observation:
        return {name: values[:, 0] if self._first else values for name, values in self._buffers.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickle and copy turn views into separate arrays, which no sensor would fill.
        self.__dict__ |= state
        self.observation = self._views()

    def start(self, which: NDArray[np.bool_] | None = None) -> None:
        """Fill the buffers of cars that start a new episode.

        Args:
            which: The cars, shape (N,) or (N, C); None for all.
        """
        marked = self._mark(which)
        for history in self._histories:
            history.start(marked)
        for sensor in self._sensors:
            sensor.start(marked)
        self._fill(marked)

    def observe(self, which: NDArray[np.bool_] | None = None) -> None:
        """Fill the buffers after a control step. Call it once for each step, with all cars that are to be filled.

        Args:
            which: The cars, shape (N,) or (N, C); None for all.
        """
        marked = self._mark(which)
        # A late frame shows where the other cars were, so the history records also cars that are not observed now.
        for history in self._histories:
            history.step(marked[:, 0] if self._first else self._all_worlds)
        self._fill(marked)

    def _mark(self, which: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return the mask of cars with sensors, shape (N, C)."""
        marked = self._marked[:, 0] if self._first else self._marked
        marked[:] = True if which is None else which
        return self._marked

    def _fill(self, which: NDArray[np.bool_]) -> None:
        if "state" in self.observation:
            self._world.observe_state(self._look_ahead, self._state, which)
        for sensor in self._sensors:
            sensor.observe(which)


_SENSORS_OF_GROUP = {"camera_delivery": set(PICTURES), "lidar_delivery": set(_LIDARS)}


def _make_pose_history(
    world: World, config: EnvConfig, disturbances: Disturbances | None, group: str
) -> PoseHistory | None:
    """Make the history that late frames or scans are taken from; None where they always show the present.

    Args:
        world: World of the cars.
        config: Chosen sensors and the frame rate of the camera.
        disturbances: What may delay them.
        group: `camera_delivery` or `lidar_delivery`, a group of keys of a disturbance.
    """
    if not (_SENSORS_OF_GROUP[group] & set(config.sensors)):
        return None
    camera = group == "camera_delivery"
    period = 1.0 / config.camera.rate_hz if camera and config.camera.rate_hz is not None else 0.0
    # Noise and paint are drawn for each new frame, so disturbed frames need numbers even where none is late.
    groups = (group, "image", "look") if camera else (group,)
    if period == 0.0 and (disturbances is None or not is_disturbed(disturbances.config, *groups)):
        return None
    return PoseHistory(world, frame_age_max(disturbances, group, control_dt=world.control_dt, period=period))
