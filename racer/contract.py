"""The contract of a policy: everything that its network sees and says.

A bundle carries it as `contract.json`. The simulator, a race and the car build their observations and read
the network's outputs by it and by nothing else. Observations are in SI units; what the network multiplies
them by stands in the contract and is built into the ONNX graph.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from racer import __version__
from racer.config.actions import (
    ActionSpace,
    ContinuousActions,
    DiscreteActions,
    action_space_difference,
    action_space_type,
)
from racer.config.env import (
    CameraConfig,
    DiscretizedSectorLidarConfig,
    EnvConfig,
    LidarConfig,
    ObjectsConfig,
    SectorLidarConfig,
)
from racer.config.network import AnyPreprocessStep, Cnn, PreprocessStep, Shape, StackStep, shape_after_step
from racer.errors import BundleError

FORMAT: Final = "racer-policy"
VERSION = 2
"""2: pictures, with preprocessing and a convolutional network. What was written as 1 means the same as ever."""
ONNX_OPSET = 18

SensorName = Literal["camera", "stereo", "lidar", "sector_lidar", "discretized_sector_lidar", "state"]
PICTURES: Final = ("camera", "stereo")
"""Sensors whose observations the preprocessing works on: (height, width, channels) uint8."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_OWN_STATE: tuple[tuple[str, str, float], ...] = (
    ("lateral_offset", "m", 2.0),
    ("heading_error", "rad", 1.0),
    ("speed", "m/s", 0.25),
    ("lateral_speed", "m/s", 1.0),
    ("yaw_rate", "rad/s", 0.2),
    ("steering_angle", "rad", 2.0),
    ("command_steering", "rad", 2.0),
    ("command_speed", "m/s", 0.25),
)
"""Name, unit and scale; scales bring ordinary driving to about -1..1 (4 m/s, 30 degrees, a road 1 m wide)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SensorSpec(_Frozen):
    """One input of the network: what a sensor puts out, without the batch dimension.

    Inside the network an element becomes ``value * scale + offset``. `scale`, `offset` and `units` have one
    entry for each element, or a single one for all.
    """

    name: SensorName
    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=1 << 20)], ...], Field(min_length=1, max_length=4)]
    dtype: Literal["float32", "uint8"]
    fields: tuple[str, ...] = Field(default=(), description="a name for each element; empty where order says all")
    units: Annotated[tuple[str, ...], Field(min_length=1)] = ("1",)
    scale: Annotated[tuple[Finite, ...], Field(min_length=1)] = (1.0,)
    offset: Annotated[tuple[Finite, ...], Field(min_length=1)] = (0.0,)
    settings: dict[str, JsonValue] = Field(
        default_factory=dict, description="how the sensor is mounted and set, SI units in the names"
    )

    @property
    def size(self) -> int:
        """Elements of one observation."""
        return math.prod(self.shape)

    @model_validator(mode="after")
    def _lengths(self) -> SensorSpec:
        for key in ("units", "scale", "offset"):
            if len(getattr(self, key)) not in (1, self.size):
                raise ValueError(f"sensor `{self.name}` has {self.size} elements but {len(getattr(self, key))} {key}")
        if self.fields and (len(self.fields) != self.size or len(set(self.fields)) != self.size):
            raise ValueError(f"sensor `{self.name}` needs {self.size} different field names")
        return self


class NetworkInfo(_Frozen):
    """The network's layers, so that the torch policy can be built again from `weights.npz`."""

    algorithm: Literal["ppo", "sac"] = Field(
        default="ppo", description="a Gaussian whose mean is clipped to -1..1, or one that is squashed by tanh"
    )
    policy_layers: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = (64, 64)
    value_layers: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = (64, 64)
    activation: Literal["tanh", "relu", "elu"] = "tanh"
    cnn: Cnn | None = Field(default=None, description="reads each picture; the layers above read all sensors together")
    value_sensors: tuple[SensorSpec, ...] = Field(
        default=(), description="what only the value network saw, in training, in place of the policy's sensors"
    )


class OnnxInfo(_Frozen):
    """The graph's outside: `action` is (B, 2) degrees and m/s; the other output is what it came from."""

    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, str]


class TrainedOn(_Frozen):
    """Where the policy comes from."""

    run: str = ""
    tracks: tuple[str, ...] = ()
    vehicle: str = ""
    reward: str = ""
    objects: ObjectsConfig = ObjectsConfig()
    seed: int | None = None
    steps: Annotated[int, Field(ge=0)] = 0
    racer_version: str = __version__


class PolicyContract(_Frozen):
    """Everything that a network sees and says."""

    format: Literal["racer-policy"] = FORMAT
    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    sensors: Annotated[tuple[SensorSpec, ...], Field(min_length=1)]
    frame_stack: Annotated[int, Field(ge=1, le=16)] = 1
    preprocessing: tuple[PreprocessStep, ...] = Field(
        default=(), max_length=16, description="what is done to pictures, in this order; nothing to other sensors"
    )
    control_rate_hz: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    action_space_type: Literal["continuous", "discrete"]
    action_space: ActionSpace
    network: NetworkInfo
    onnx: OnnxInfo
    trained_on: TrainedOn = TrainedOn()
    hashes: dict[str, Sha256] = Field(default_factory=dict, description="sha256 of what the policy was made from")

    @model_validator(mode="after")
    def _fits_together(self) -> PolicyContract:
        names = tuple(sensor.name for sensor in self.sensors)
        if len(set(names)) != len(names):
            raise ValueError(f"a sensor is listed twice: {', '.join(names)}")
        self._fits_pictures()
        if self.action_space_type != action_space_type(self.action_space):
            raise ValueError(f"action_space_type is {self.action_space_type}, its action_space is not")
        if self.onnx.inputs != names:
            raise ValueError(f"the graph's inputs {self.onnx.inputs} are not the sensors {names}")
        if self.onnx.outputs != _outputs(self.action_space):
            raise ValueError(f"the graph's outputs {self.onnx.outputs} should be {_outputs(self.action_space)}")
        return self

    def _fits_pictures(self) -> None:
        if self.version == 1 and (self.preprocessing or self.frame_stack != 1 or self.network.cnn):
            raise ValueError("frame_stack, preprocessing and network.cnn came with version 2")
        stacks = [step.frames for step in self.preprocessing if isinstance(step, StackStep)]
        if (stacks or [1]) != [self.frame_stack]:
            raise ValueError(f"frame_stack is {self.frame_stack}, the steps of preprocessing stack {stacks or 1}")
        if stacks and not isinstance(self.preprocessing[-1], StackStep):
            raise ValueError("step stack is not the last one of preprocessing")
        seen = [*self.inputs, *network_inputs(self.network.value_sensors, self.preprocessing)]
        for sensor in seen:
            if sensor.name in PICTURES and self.network.cnn is not None:
                self.network.cnn.shape_after(sensor.shape[0], sensor.shape[1])

    @property
    def inputs(self) -> tuple[SensorSpec, ...]:
        """What the network takes: the sensors with the shapes that they have after the preprocessing."""
        return network_inputs(self.sensors, self.preprocessing)

    def to_json(self) -> str:
        """The contract as readable JSON text."""
        return json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "contract.json") -> PolicyContract:
        """Read a contract.

        Raises:
            BundleError: no contract, made by a newer version, or not one that this version understands.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{source} is no JSON: {error}") from None
        check_version(data, name=FORMAT, newest=VERSION, source=source)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise BundleError(f"{source} cannot be used: {where}: {first['msg']}") from None


def network_inputs(sensors: Sequence[SensorSpec], steps: Sequence[AnyPreprocessStep]) -> tuple[SensorSpec, ...]:
    """Sensors with the shapes that they have after the preprocessing.

    Raises:
        ValueError: a step cannot be done with a picture of that shape.
    """
    inputs = []
    for sensor in sensors:
        if sensor.name not in PICTURES:
            inputs.append(sensor)
            continue
        if len(sensor.shape) != 3 or sensor.dtype != "uint8" or len(sensor.scale) != 1 or len(sensor.offset) != 1:
            raise ValueError(f"sensor `{sensor.name}` should be uint8 (height, width, channels) with a single scale")
        shape: Shape = (sensor.shape[0], sensor.shape[1], sensor.shape[2])
        for step in steps:
            shape = shape_after_step(step, shape)
        inputs.append(sensor.model_copy(update={"shape": shape}))
    return tuple(inputs)


def check_version(data: Any, *, name: str, newest: int, source: str) -> None:
    """Refuse what is not of format `name`, or of a version above `newest`.

    Raises:
        BundleError: naming both versions where the file is newer.
    """
    if not isinstance(data, dict) or data.get("format") != name:
        raise BundleError(f"{source} is not of format `{name}`")
    version = data.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BundleError(f"{source} has no usable version: {version!r}; versions 1..{newest} can be read")
    if version > newest:
        _refuse_newer(version, newest, source)


def _refuse_newer(version: int, newest: int, source: str) -> NoReturn:
    raise BundleError(
        f"{source} has version {version}, but racer {__version__} reads versions up to {newest}; update racer"
    )


def _outputs(space: ContinuousActions | DiscreteActions) -> tuple[str, str]:
    return ("action", "logits" if isinstance(space, DiscreteActions) else "mean")


def make_contract(
    *,
    sensors: tuple[SensorSpec, ...],
    action_space: ContinuousActions | DiscreteActions,
    control_rate_hz: float,
    preprocessing: Sequence[AnyPreprocessStep] = (),
    network: NetworkInfo | None = None,
    trained_on: TrainedOn | None = None,
    hashes: dict[str, str] | None = None,
) -> PolicyContract:
    """A contract for a policy of our own making; what follows from its parts is filled in."""
    return PolicyContract(
        sensors=sensors,
        frame_stack=next((step.frames for step in preprocessing if isinstance(step, StackStep)), 1),
        preprocessing=tuple(preprocessing),
        control_rate_hz=control_rate_hz,
        action_space_type=action_space_type(action_space),  # type: ignore[arg-type]
        action_space=action_space,
        network=network or NetworkInfo(),
        onnx=OnnxInfo(
            opset=ONNX_OPSET,
            inputs=tuple(sensor.name for sensor in sensors),
            outputs=_outputs(action_space),
        ),
        trained_on=trained_on or TrainedOn(),
        hashes=hashes or {},
    )


def state_sensor(look_ahead: Sequence[float] = EnvConfig().look_ahead) -> SensorSpec:
    """The `state` sensor: the car's own motion, then places on the centre line ahead.

    Args:
        look_ahead: metres of centre line from the car to each place, rising; a place gives x, y (car frame:
            x forward, y left) and the road's reach left and right.
    """
    rows = list(_OWN_STATE)
    for k, distance in enumerate(look_ahead):
        near = 1.0 / max(distance, 0.3)
        rows += [(f"ahead{k}_{axis}", "m", near) for axis in ("x", "y")]
        rows += [(f"ahead{k}_{side}", "m", 2.0) for side in ("left", "right")]
    names, units, scale = zip(*rows, strict=True)
    return SensorSpec(
        name="state",
        shape=(len(rows),),
        dtype="float32",
        fields=names,
        units=units,
        scale=scale,
        settings={"look_ahead_m": list(look_ahead)},
    )


def camera_sensor(camera: CameraConfig = CameraConfig()) -> SensorSpec:  # noqa: B008 (frozen)
    """The `camera` sensor: (height, width, channels) bytes, rows from the top; the network sees -1..1.

    The settings are those of `CameraConfig`: metres, and degrees where the name says so.
    """
    return _picture("camera", camera, camera.channels)


def stereo_sensor(camera: CameraConfig = CameraConfig()) -> SensorSpec:  # noqa: B008 (frozen)
    """The `stereo` sensor: the channels of the left lens, then those of the right one."""
    return _picture("stereo", camera, 2 * camera.channels)


def _picture(name: Literal["camera", "stereo"], camera: CameraConfig, channels: int) -> SensorSpec:
    return SensorSpec(
        name=name,
        shape=(camera.height, camera.width, channels),
        dtype="uint8",
        scale=(1.0 / 127.5,),
        offset=(-1.0,),
        settings=camera.model_dump(mode="json"),
    )


def lidar_sensor(lidar: LidarConfig = LidarConfig()) -> SensorSpec:  # noqa: B008 (frozen)
    """The `lidar` sensor: distances in metres from right to left; scaled so that the longest is 1."""
    return SensorSpec(
        name="lidar",
        shape=(lidar.rays,),
        dtype="float32",
        units=("m",),
        scale=(1.0 / lidar.range_max,),
        settings=lidar.model_dump(),
    )


def sector_lidar_sensor(lidar: SectorLidarConfig = SectorLidarConfig()) -> SensorSpec:  # noqa: B008 (frozen)
    """The `sector_lidar` sensor: 1 for each sector with something near, from right to left; else 0."""
    return SensorSpec(name="sector_lidar", shape=(lidar.sectors,), dtype="float32", settings=lidar.model_dump())


def discretized_sector_lidar_sensor(
    lidar: DiscretizedSectorLidarConfig = DiscretizedSectorLidarConfig(),  # noqa: B008 (frozen)
) -> SensorSpec:
    """The `discretized_sector_lidar` sensor: for each sector, right to left, a 1 at its nearest thing's distance."""
    return SensorSpec(
        name="discretized_sector_lidar",
        shape=(lidar.sectors * lidar.values,),
        dtype="float32",
        settings=lidar.model_dump(),
    )


def contract_difference(one: PolicyContract, other: PolicyContract) -> str | None:
    """Name both observation or action spaces where one's policy cannot go on as the other's; else None."""
    seen = [", ".join(f"{s.name} {s.dtype}{list(s.shape)}" for s in each.sensors) for each in (one, other)]
    if seen[0] != seen[1]:
        return f"observation space {seen[0]}, against {seen[1]}"
    for mine, its in zip(one.sensors, other.sensors, strict=True):
        if told := _first_difference(mine, its):
            return f"observation space `{mine.name}` {told}"
    if one.preprocessing != other.preprocessing:
        steps = [", ".join(step.step for step in each.preprocessing) or "none" for each in (one, other)]
        if steps[0] == steps[1]:
            steps = [json.dumps([step.model_dump() for step in each.preprocessing]) for each in (one, other)]
        return f"preprocessing {steps[0]}, against {steps[1]}"
    return action_space_difference(one.action_space, other.action_space)


def _first_difference(mine: SensorSpec, its: SensorSpec) -> str | None:
    if mine.settings != its.settings:
        return f"with settings {mine.settings}, against {its.settings}"
    for key in ("fields", "scale", "offset"):
        for k, (a, b) in enumerate(zip_longest(getattr(mine, key), getattr(its, key))):
            if a != b:
                return f"with {key}[{k}] {a}, against {b}"
    return None
