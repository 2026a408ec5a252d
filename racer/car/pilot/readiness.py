"""Checks everything that a pilot needs before it starts: bundle, calibration, lens, golden answers, speed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from racer.bundle import Bundle, check_golden, read_bundle
from racer.car.bench import speed_refusal, time_network
from racer.car.calibration.calibration import Calibration
from racer.car.camera.lens import CameraRemap, LensRefusal, make_remap
from racer.car.gate import SPEED_LIMIT_DEFAULT, ActionBounds, Gate, MappingName, bundle_refusals, mapping_warning
from racer.car.timing import Percentiles
from racer.config.base import explain
from racer.config.env import CameraConfig
from racer.errors import BundleError, RacerError
from racer.policy.onnx import OnnxPolicy

PILOT_SENSORS: Final = ("camera",)
"""Sensors that the pilot can read on a car."""

_TIMING_S: Final = 0.5
"""Duration of the measurement at the start [s]; `racer car bench` measures for longer."""


class PilotNotReady(RacerError):
    """The bundle must not drive this car; the message holds every reason in one line."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network that may drive this car.

    Attributes:
        name: Name of the bundle.
        sha256: Hash of the bundle's file.
        network: The network.
        remap: Lens of the car's camera to the camera of the training.
        bounds: Bounds of the gate.
        mapping: How speeds become throttle.
        times: Times of one answer on this machine [ms].
    """

    name: str
    sha256: str
    network: OnnxPolicy
    remap: CameraRemap
    bounds: ActionBounds
    mapping: MappingName
    times: Percentiles


@dataclass(frozen=True, slots=True)
class PilotComponents:
    """Checked parts of a pilot.

    Attributes:
        calibration: Calibration of the car.
        speed_limit: Fraction of the car's top speed, above 0, up to 1.
        model: Model that may drive; None where only an operator drives.
        notes: Warnings for the user, one line each.
    """

    calibration: Calibration
    speed_limit: float
    model: LoadedModel | None = None
    notes: tuple[str, ...] = ()

    def gate(self, fraction: float) -> Gate:
        """Return the gate of the model with this speed limit.

        Raises:
            GateRefusal: The fraction is not above 0, up to 1.
        """
        assert self.model is not None
        return Gate(self.calibration, self.model.bounds, mapping=self.model.mapping, speed_limit=fraction)


def make_pilot_components(
    bundle_path: Path | str | None,
    calibration: Calibration,
    *,
    mapping: MappingName = "table",
    speed_limit: float = SPEED_LIMIT_DEFAULT,
    threads: int = 1,
    name: str = "",
) -> PilotComponents:
    """Check and build the parts of a pilot.

    Args:
        bundle_path: Bundle to drive with; None where only an operator drives.
        calibration: Calibration of the car.
        mapping: How speeds become throttle.
        speed_limit: Fraction of the car's top speed, above 0, up to 1.
        threads: Number of threads of the network.
        name: Name of the bundle; empty for that of its file.

    Raises:
        PilotNotReady: The bundle must not drive this car; the message holds every reason.
        BundleError: The bundle is broken.
    """
    if bundle_path is None:
        return PilotComponents(calibration, speed_limit)
    bundle = read_bundle(bundle_path)
    bundle = replace(bundle, name=name or bundle.name)
    # From cheap to expensive: the network runs only if sensors, limits and lens fit.
    if reasons := pilot_refusals(bundle, calibration, mapping=mapping):
        raise PilotNotReady(f"bundle {bundle.name} cannot drive this car: {'; '.join(reasons)}")
    network = OnnxPolicy(bundle, threads=threads)
    try:
        check_golden(bundle, network)
    except BundleError as error:
        raise PilotNotReady(str(error)) from None
    times = time_network(network.act, bundle.golden.inputs, seconds=_TIMING_S)
    if slow := speed_refusal(times, bundle.contract.control_rate_hz):
        raise PilotNotReady(f"bundle {bundle.name} cannot drive this car: {slow}")
    # The golden answers and the measurement have filled the network's memory of earlier frames.
    network.reset()
    assert calibration.camera is not None
    remap = make_remap(calibration.camera, contract_camera(bundle), bundle.contract.preprocessing)
    sha256 = hashlib.sha256(Path(bundle_path).read_bytes()).hexdigest()
    bounds = ActionBounds.of_contract(bundle.contract)
    model = LoadedModel(bundle.name, sha256, network, remap, bounds, mapping, times)
    warning = mapping_warning(bundle.contract, calibration) if mapping == "deepracer" else None
    return PilotComponents(calibration, speed_limit, model, (warning,) if warning else ())


def pilot_refusals(bundle: Bundle, calibration: Calibration, *, mapping: MappingName = "table") -> list[str]:
    """Return why this bundle must not drive this car, by sensors, limits and lens; the network does not run.

    Args:
        bundle: Bundle to check; `racer deploy` checks it by this function, too.
        calibration: Calibration of the car.
        mapping: How speeds become throttle.
    """
    reasons = bundle_refusals(bundle.contract, calibration, sensors=PILOT_SENSORS, mapping=mapping)
    if not any(sensor.name == "camera" for sensor in bundle.contract.sensors):
        return reasons
    # All reasons are collected, so that a user can fix them at once.
    if calibration.camera is None:
        return [*reasons, "the calibration does not describe the camera; add its field of view and lens"]
    try:
        make_remap(calibration.camera, contract_camera(bundle), bundle.contract.preprocessing)
    except (LensRefusal, PilotNotReady) as error:
        reasons.append(str(error))
    return reasons


def contract_camera(bundle: Bundle) -> CameraConfig:
    """Return the camera that a bundle was trained with.

    Raises:
        PilotNotReady: This version cannot read the camera of the contract.
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
