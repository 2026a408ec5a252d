"""The bridge between an environment's sensors and those of a contract.

The sensors of a batch of cars: what each sees, delivered to its policy.

`state` is the simulator's own knowledge and is never late; frames and scans may be, see `racer.sim.disturb.delivery`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from racer.config.base import explain
from racer.config.disturbance import is_disturbed
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
from racer.env.sensors.camera import CameraSensor
from racer.env.sensors.lidar import LidarSensor, SectorLidarSensor
from racer.errors import BundleError
from racer.sim.randomize.distributions import Disturbances, frame_age_max
from racer.sim.randomize.pose_history import PoseHistory
from racer.sim.world import World


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


def env_config_for(sensors: Sequence[SensorSpec], control_rate_hz: float | None) -> EnvConfig:
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


Observation = dict[str, NDArray[Any]]


class SensorSuite:
    """The sensors of one configuration, on the first car of each world or on all.

    Attributes:
        observation: sensor -> (N, ...) buffers, rewritten by each `observe`; (N, C, ...) where all cars have them.
        cameras: `camera` and `stereo`, where they are chosen.
        lidars: `lidar`, `sector_lidar` and `discretized_sector_lidar`, likewise.
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
        self._everywhere = np.ones(len(world.cars), np.bool_)
        self.observation: Observation = {}
        self._look_ahead = np.array(config.look_ahead, np.float64)
        if "state" in config.sensors:
            width = len(world.state_names(len(config.look_ahead)))
            self._state = np.zeros((*world.cars.shape, width), np.float32)
            self.observation["state"] = self._told(self._state)
        late = {
            group: _make_pose_history(world, config, disturbances, group)
            for group in ("camera_delivery", "lidar_delivery")
        }
        self._pasts = [past for past in late.values() if past is not None]
        self.lidars: dict[str, LidarSensor | SectorLidarSensor] = {}
        past = late["lidar_delivery"]
        if "lidar" in config.sensors:
            lidar = LidarSensor(world, config.lidar, past=past, disturbances=disturbances)
            self.lidars["lidar"], self.observation["lidar"] = lidar, self._told(lidar.ranges)
        for name, settings in (
            ("sector_lidar", config.sector_lidar),
            ("discretized_sector_lidar", config.discretized_sector_lidar),
        ):
            if name in config.sensors:
                sectors = SectorLidarSensor(world, settings, past=past, disturbances=disturbances)
                self.lidars[name], self.observation[name] = sectors, self._told(sectors.sectors)
        self.cameras: dict[str, CameraSensor] = {}
        for name, eyes in (("camera", 1), ("stereo", 2)):
            if name in config.sensors:
                past = late["camera_delivery"]
                made = CameraSensor(world, config.camera, eyes=eyes, past=past, disturbances=disturbances)
                self.cameras[name] = made
                self.observation[name] = self._told(made.frames)

    @property
    def _sensors(self) -> list[LidarSensor | SectorLidarSensor | CameraSensor]:
        return [*self.lidars.values(), *self.cameras.values()]

    def start(self, which: NDArray[np.bool_] | None = None) -> None:
        """New episodes have begun of all cars or of those that `which` marks, (N,) or (N, C); fill their buffers."""
        marked = self._mark(which)
        for past in self._pasts:
            past.start(marked)
        for sensor in self._sensors:
            sensor.start(marked)
        self._fill(marked)

    def observe(self, which: NDArray[np.bool_] | None = None) -> None:
        """Fill the buffers of all cars, or of those that `which` marks, (N,) or (N, C), after a control step.

        Once for each control step of a world, with all cars that are to be filled.
        """
        marked = self._mark(which)
        # What a car sees late is where others were, also while nobody of these cars looked.
        for past in self._pasts:
            past.step(marked[:, 0] if self._first else self._everywhere)
        self._fill(marked)

    def _mark(self, which: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """(N, C), of the first car of each world or of all that have sensors."""
        if not self._first:
            self._marked[:] = True if which is None else which
        else:
            self._marked[:, 0] = True if which is None else which
        return self._marked

    def _told(self, buffer: NDArray[Any]) -> NDArray[Any]:
        """What `observation` shows of an (N, C, ...) buffer."""
        return buffer[:, 0] if self._first else buffer

    def _fill(self, which: NDArray[np.bool_]) -> None:
        if "state" in self.observation:
            self._world.observe_state(self._look_ahead, self._state, which)
        for sensor in self._sensors:
            sensor.observe(which)


def _make_pose_history(
    world: World, config: EnvConfig, disturbances: Disturbances | None, group: str
) -> PoseHistory | None:
    """What the frames of a sensor are taken from; None where they are always of the present."""
    camera = group == "camera_delivery"
    if not (_SENSORS_OF_GROUP[group] & set(config.sensors)):
        return None
    period = 1.0 / config.camera.rate_hz if camera and config.camera.rate_hz is not None else 0.0
    noisy = disturbances is not None and is_disturbed(
        disturbances.config, group, *(("image", "look") if camera else ())
    )
    if period == 0.0 and not noisy:
        return None
    longest = frame_age_max(disturbances, group, control_dt=world.control_dt, period=period)
    return PoseHistory(world, longest)


_SENSORS_OF_GROUP = {
    "camera_delivery": {"camera", "stereo"},
    "lidar_delivery": {"lidar", "sector_lidar", "discretized_sector_lidar"},
}
