"""The contract of a policy: its sensors, preprocessing, action space, network and control rate.

A bundle holds it as `contract.json`. Simulator, race and car build observations and read the network's outputs by the
contract alone. Observations are in SI units; the scales of the network's inputs are in the contract and in the ONNX
graph. `read_document` reads the contract and other versioned JSON files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Any, Final, Literal, TypeVar

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
"""Newest version. Version 2 added pictures, preprocessing and convolutional networks; version 1 is read unchanged."""
ONNX_OPSET = 18

SensorName = Literal["camera", "stereo", "lidar", "sector_lidar", "discretized_sector_lidar", "state"]
PICTURES: Final = ("camera", "stereo")
"""Sensors that give pictures, (height, width, channels) uint8; only these are preprocessed."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
_Model = TypeVar("_Model", bound=BaseModel)
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
"""Name, unit and scale of the car's state; scaled values of ordinary driving are about -1..1 (4 m/s, 30 degrees)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SensorSpec(_Frozen):
    """One input of the network: the output of a sensor, without the batch dimension.

    Inside the network an element becomes ``value * scale + offset``. `scale`, `offset` and `units` have one entry for
    each element, or a single one for all.
    """

    name: SensorName
    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=1 << 20)], ...], Field(min_length=1, max_length=4)]
    dtype: Literal["float32", "uint8"]
    fields: tuple[str, ...] = Field(default=(), description="a name for each element; empty where the order suffices")
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
    """The network's layers, from which the torch policy is rebuilt with `weights.npz`."""

    algorithm: Literal["ppo", "sac"] = Field(
        default="ppo", description="a Gaussian whose mean is clipped to -1..1, or one that is squashed by tanh"
    )
    policy_layers: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = (64, 64)
    value_layers: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = (64, 64)
    activation: Literal["tanh", "relu", "elu"] = "tanh"
    cnn: Cnn | None = Field(default=None, description="reads each picture; the layers above read all sensors together")
    value_sensors: tuple[SensorSpec, ...] = Field(
        default=(), description="inputs of the value network in training, in place of the policy's sensors"
    )


class OnnxInfo(_Frozen):
    """Inputs and outputs of the graph: `action` (B, 2) in degrees and m/s, then the `logits` or `mean` behind it."""

    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, str]


class TrainedOn(_Frozen):
    """Origin of the policy: run, tracks, vehicle, reward, objects, seed and steps."""

    run: str = ""
    tracks: tuple[str, ...] = ()
    vehicle: str = ""
    reward: str = ""
    objects: ObjectsConfig = ObjectsConfig()
    seed: int | None = None
    steps: Annotated[int, Field(ge=0)] = 0
    racer_version: str = __version__


class PolicyContract(_Frozen):
    """Everything that simulator, race and car need to use a policy's network."""

    format: Literal["racer-policy"] = FORMAT
    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    sensors: Annotated[tuple[SensorSpec, ...], Field(min_length=1)]
    frame_stack: Annotated[int, Field(ge=1, le=16)] = 1
    preprocessing: tuple[PreprocessStep, ...] = Field(
        default=(), max_length=16, description="steps applied to pictures, in this order; other sensors are not changed"
    )
    control_rate_hz: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    action_space_type: Literal["continuous", "discrete"]
    action_space: ActionSpace
    network: NetworkInfo
    onnx: OnnxInfo
    trained_on: TrainedOn = TrainedOn()
    hashes: dict[str, Sha256] = Field(default_factory=dict, description="sha256 of files that the policy was made from")

    @model_validator(mode="after")
    def _fits_together(self) -> PolicyContract:
        names = tuple(sensor.name for sensor in self.sensors)
        if len(set(names)) != len(names):
            raise ValueError(f"a sensor is listed twice: {', '.join(names)}")
        self._fits_pictures()
        if self.action_space_type != action_space_type(self.action_space):
            raise ValueError(f"action_space_type is {self.action_space_type}, its action_space is not")
        # In the order of the sensors: the torch policy takes its inputs by position.
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
        # A step after the stack would get several frames in one picture.
        if stacks and not isinstance(self.preprocessing[-1], StackStep):
            raise ValueError("step stack is not the last one of preprocessing")
        inputs = [*self.inputs, *network_inputs(self.network.value_sensors, self.preprocessing)]
        for sensor in inputs:
            # Raises where a picture is too small for the convolutions.
            if sensor.name in PICTURES and self.network.cnn is not None:
                self.network.cnn.shape_after(sensor.shape[0], sensor.shape[1])

    @property
    def inputs(self) -> tuple[SensorSpec, ...]:
        """The network's inputs: the sensors with their shapes after the preprocessing."""
        return network_inputs(self.sensors, self.preprocessing)

    def to_json(self) -> str:
        """Return the contract as indented JSON text."""
        return json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "contract.json") -> PolicyContract:
        """Read a contract.

        Raises:
            BundleError: The text is not a contract, or one of a newer version.
        """
        return read_document(cls, text, name=FORMAT, newest=VERSION, source=source)


def network_inputs(sensors: Sequence[SensorSpec], steps: Sequence[AnyPreprocessStep]) -> tuple[SensorSpec, ...]:
    """Return the sensors with their shapes after the preprocessing.

    Raises:
        ValueError: A step does not fit a picture of that shape.
    """
    inputs = []
    for sensor in sensors:
        if sensor.name not in PICTURES:
            inputs.append(sensor)
            continue
        if len(sensor.shape) != 3 or sensor.dtype != "uint8" or len(sensor.scale) != 1 or len(sensor.offset) != 1:
            raise ValueError(f"sensor `{sensor.name}` should be uint8 (height, width, channels) with a single scale")
        shape: Shape = (sensor.shape[0], sensor.shape[1], sensor.shape[2])
        # Each step gives the shape that the next one takes; one that does not fit raises.
        for step in steps:
            shape = shape_after_step(step, shape)
        inputs.append(sensor.model_copy(update={"shape": shape}))
    return tuple(inputs)


def read_json(text: str | bytes, *, name: str, newest: int, source: str) -> dict[str, Any]:
    """Read a JSON object that states its format and version; refuse those above the newest known version.

    Args:
        text: Content of a file.
        name: The expected format.
        newest: The newest version that can be read.
        source: Name of the file for messages.

    Raises:
        BundleError: The text is not JSON of that format; the message names both versions where the file is newer.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{source} is not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("format") != name:
        raise BundleError(f"{source} is not of format `{name}`")
    version = data.get("version")
    # JSON's true and false are integers in Python.
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BundleError(f"{source} has no usable version: {version!r}; versions 1..{newest} can be read")
    if version > newest:
        raise BundleError(
            f"{source} has version {version}, but racer {__version__} reads versions up to {newest}; update racer"
        )
    return data


def read_document(model: type[_Model], text: str | bytes, *, name: str, newest: int, source: str) -> _Model:
    """Read a JSON document into its model; the arguments are those of `read_json`.

    Raises:
        BundleError: The text is not JSON of that format and version, or a field has a wrong value.
    """
    # Before the fields: a newer version may have other ones, and the message about its number is the useful one.
    read_json(text, name=name, newest=newest, source=source)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BundleError(f"{source} cannot be used: {where}: {first['msg']}") from None


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
    """Make the contract of a trained policy; frame stack, action space type and graph follow from the arguments."""
    return PolicyContract(
        sensors=sensors,
        frame_stack=next((step.frames for step in preprocessing if isinstance(step, StackStep)), 1),
        preprocessing=tuple(preprocessing),
        control_rate_hz=control_rate_hz,
        action_space_type=action_space_type(action_space),  # type: ignore[arg-type]
        action_space=action_space,
        network=network or NetworkInfo(),
        onnx=OnnxInfo(
            opset=ONNX_OPSET, inputs=tuple(sensor.name for sensor in sensors), outputs=_outputs(action_space)
        ),
        trained_on=trained_on or TrainedOn(),
        hashes=hashes or {},
    )


def state_sensor(look_ahead: Sequence[float] = EnvConfig().look_ahead) -> SensorSpec:
    """Describe the `state` sensor: the car's motion, then points of the centre line ahead.

    Args:
        look_ahead: Arc length from the car to each point [m], increasing; a point gives x, y [m] (car frame: x
            forward, y left) and the distances to the left and right border [m].
    """
    rows = list(_OWN_STATE)
    for k, distance in enumerate(look_ahead):
        near = 1.0 / max(distance, 0.3)  # a point ahead is about its distance away; the bound limits the scale
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
    """Describe the `camera` sensor: (height, width, channels) bytes, rows from the top, scaled to -1..1.

    The settings are those of `CameraConfig`: metres, and degrees where the name ends in `_deg`.
    """
    return _picture("camera", camera, camera.channels)


def stereo_sensor(camera: CameraConfig = CameraConfig()) -> SensorSpec:  # noqa: B008 (frozen)
    """Describe the `stereo` sensor: the channels of the left lens, then those of the right one."""
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
    """Describe the `lidar` sensor: distances from right to left [m], scaled so that the longest is 1."""
    return SensorSpec(
        name="lidar",
        shape=(lidar.rays,),
        dtype="float32",
        units=("m",),
        scale=(1.0 / lidar.range_max,),
        settings=lidar.model_dump(),
    )


def sector_lidar_sensor(lidar: SectorLidarConfig | DiscretizedSectorLidarConfig) -> SensorSpec:
    """Describe the sensor of a lidar that reports sectors, from right to left.

    `sector_lidar` holds 1 for each sector with a near obstacle, else 0; `discretized_sector_lidar` holds for each
    sector a 1 at the distance of its nearest obstacle.
    """
    name: SensorName = "sector_lidar"
    size = lidar.sectors
    if isinstance(lidar, DiscretizedSectorLidarConfig):
        name, size = "discretized_sector_lidar", lidar.sectors * lidar.values
    return SensorSpec(name=name, shape=(size,), dtype="float32", settings=lidar.model_dump())


def contract_difference(first: PolicyContract, second: PolicyContract) -> str | None:
    """Describe the first difference that prevents one policy from being trained on as the other; None for none."""
    both = (first, second)
    sensors = [", ".join(f"{s.name} {s.dtype}{list(s.shape)}" for s in contract.sensors) for contract in both]
    if sensors[0] != sensors[1]:
        return f"observation space {sensors[0]}, against {sensors[1]}"
    for a, b in zip(first.sensors, second.sensors, strict=True):
        if difference := _sensor_difference(a, b):
            return f"observation space `{a.name}` {difference}"
    if first.preprocessing != second.preprocessing:
        steps = [", ".join(step.step for step in contract.preprocessing) or "none" for contract in both]
        if steps[0] == steps[1]:
            # The same steps by name: their settings differ.
            steps = [json.dumps([step.model_dump() for step in contract.preprocessing]) for contract in both]
        return f"preprocessing {steps[0]}, against {steps[1]}"
    return action_space_difference(first.action_space, second.action_space)


def _sensor_difference(first: SensorSpec, second: SensorSpec) -> str | None:
    if first.settings != second.settings:
        return f"with settings {first.settings}, against {second.settings}"
    # Name, dtype and shape are equal here. Element by element, so that the message names the first that differs.
    for key in ("fields", "scale", "offset"):
        for k, (a, b) in enumerate(zip_longest(getattr(first, key), getattr(second, key))):
            if a != b:
                return f"with {key}[{k}] {a}, against {b}"
    return None
