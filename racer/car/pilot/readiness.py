"""Everything that must be right before a pilot starts: bundle, calibration, lens, golden answers, speed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from racer.bundle import Bundle, check_golden, read_bundle
from racer.car.bench import speed_refusal, time_network
from racer.car.calibration.calibration import Calibration
from racer.car.camera.lens import CameraRemap, LensRefusal, make_remap
from racer.car.gate import SPEED_LIMIT_DEFAULT, ActionBounds, Gate, bundle_refusals, mapping_warning
from racer.car.pilot.manual import ManualControl
from racer.car.timing import Percentiles
from racer.config.base import explain
from racer.config.env import CameraConfig
from racer.errors import BundleError, RacerError
from racer.policy.onnx import OnnxPolicy

PILOT_SENSORS: Final = ("camera",)
"""What the pilot can read on a car."""

_TIMING_S: Final = 0.5

MappingName = Literal["table", "deepracer"]


class PilotNotReady(RacerError):
    """A bundle that must not drive this car; every reason, in one line."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network that may drive this car: its table of rays, its gate's bounds, and how fast it answers here."""

    name: str
    sha256: str
    network: OnnxPolicy
    remap: CameraRemap
    bounds: ActionBounds
    mapping: MappingName
    times: Percentiles


@dataclass(frozen=True, slots=True)
class PilotComponents:
    """What a pilot is made of. Without a model a person drives by hand; without a camera nobody sees.

    Attributes:
        notes: what a person should know, a line each.
    """

    calibration: Calibration
    speed_limit: float
    model: LoadedModel | None = None
    notes: tuple[str, ...] = ()

    @property
    def camera(self) -> CameraConfig | None:
        """The car's real camera."""
        return self.calibration.camera

    def hand(self) -> ManualControl:
        """For a person driving."""
        return ManualControl(self.calibration, speed_limit=self.speed_limit)

    def gate(self, share: float) -> Gate:
        """The model's gate with this speed limit.

        Raises:
            GateRefusal: not a share above 0, up to 1.
        """
        assert self.model is not None
        return Gate(self.calibration, self.model.bounds, mapping=self.model.mapping, speed_limit=share)


def make_pilot_components(
    bundle_path: Path | str | None,
    calibration: Calibration,
    *,
    mapping: MappingName = "table",
    speed_limit: float = SPEED_LIMIT_DEFAULT,
    threads: int = 1,
    name: str = "",
) -> PilotComponents:
    """Check everything and build it.

    Args:
        bundle_path: None for a pilot that only lets a person drive.
        name: what to call the bundle; empty: as its file.

    Raises:
        NotReady: with every reason why this bundle must not drive this car.
        BundleError: the bundle is broken.
    """
    if bundle_path is None:
        return PilotComponents(calibration, speed_limit)
    bundle = read_bundle(bundle_path)
    bundle = replace(bundle, name=name or bundle.name)
    told = pilot_refusals(bundle, calibration, mapping=mapping)
    if told:
        raise PilotNotReady(f"bundle {bundle.name} cannot drive this car: {'; '.join(told)}")
    network = OnnxPolicy(bundle, threads=threads)
    try:
        check_golden(bundle, network)
    except BundleError as error:
        raise PilotNotReady(str(error)) from None
    times = time_network(network.act, bundle.golden.inputs, seconds=_TIMING_S)
    if slow := speed_refusal(times, bundle.contract.control_rate_hz):
        raise PilotNotReady(f"bundle {bundle.name} cannot drive this car: {slow}")
    network.reset()
    assert calibration.camera is not None
    remap = make_remap(calibration.camera, contract_camera(bundle), bundle.contract.preprocessing)
    sha256 = hashlib.sha256(Path(bundle_path).read_bytes()).hexdigest()
    bounds = ActionBounds.of_contract(bundle.contract)
    model = LoadedModel(bundle.name, sha256, network, remap, bounds, mapping, times)
    warning = mapping_warning(bundle.contract, calibration) if mapping == "deepracer" else None
    return PilotComponents(calibration, speed_limit, model, (warning,) if warning else ())


def pilot_refusals(bundle: Bundle, calibration: Calibration, *, mapping: MappingName = "table") -> list[str]:
    """Why this bundle must not drive this car, without running it: sensors, limits, lens. Deploying asks this too."""
    told = bundle_refusals(bundle.contract, calibration, sensors=PILOT_SENSORS, mapping=mapping)
    if not any(sensor.name == "camera" for sensor in bundle.contract.sensors):
        return told
    if calibration.camera is None:
        return [*told, "the calibration does not say what this car's camera sees; measure it"]
    try:
        make_remap(calibration.camera, contract_camera(bundle), bundle.contract.preprocessing)
    except (LensRefusal, PilotNotReady) as error:
        told.append(str(error))
    return told


def contract_camera(bundle: Bundle) -> CameraConfig:
    """The camera that a bundle was trained with.

    Raises:
        NotReady: the contract does not say it so that this version understands it.
    """
    from pydantic import ValidationError

    sensor = next(sensor for sensor in bundle.contract.sensors if sensor.name == "camera")
    try:
        camera = CameraConfig.model_validate(sensor.settings)
    except ValidationError as error:
        raise PilotNotReady(explain(error, CameraConfig, f"bundle {bundle.name}: its camera")) from None
    if (camera.height, camera.width, camera.channels) != sensor.shape:
        raise PilotNotReady(f"bundle {bundle.name}: its camera's settings do not give pictures of {list(sensor.shape)}")
    return camera
