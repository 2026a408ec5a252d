"""Everything that must be right before a pilot starts: bundle, calibration, lens, golden answers, speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from racer.bundle import Bundle, check_golden, read_bundle
from racer.car.bench import speed_refusal, time_network
from racer.car.calibration import Calibration
from racer.car.gate import SPEED_LIMIT_DEFAULT, ActionBounds, Gate, bundle_refusals, mapping_warning
from racer.car.lens import LensRefusal, Remap, make_remap
from racer.car.pilot_network import CarNetwork
from racer.car.timing import Percentiles
from racer.config.base import explain
from racer.config.sensors import CameraConfig
from racer.errors import BundleError, RacerError

SENSORS: Final = ("camera",)
"""What the pilot can read on a car."""

_BENCH_S: Final = 0.5

Mapping = Literal["table", "deepracer"]


class NotReady(RacerError):
    """A bundle that must not drive this car; every reason, in one line."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a pilot is made of."""

    name: str
    network: CarNetwork
    remap: Remap
    gate: Gate
    camera: CameraConfig
    times: Percentiles
    notes: tuple[str, ...]


def make_ready(
    bundle_path: Path | str,
    calibration: Calibration,
    *,
    mapping: Mapping = "table",
    speed_limit: float = SPEED_LIMIT_DEFAULT,
    threads: int = 1,
) -> Ready:
    """Check everything and build it.

    Raises:
        NotReady: with every reason why this bundle must not drive this car.
        BundleError: the bundle is broken.
    """
    bundle = read_bundle(bundle_path)
    told = refusals(bundle, calibration, mapping=mapping)
    if told:
        raise NotReady(f"bundle {bundle.name} cannot drive this car: {'; '.join(told)}")
    network = CarNetwork(bundle, threads=threads)
    try:
        check_golden(bundle, network)
    except BundleError as error:
        raise NotReady(str(error)) from None
    times = time_network(network.act, bundle.golden.inputs, seconds=_BENCH_S)
    if slow := speed_refusal(times, bundle.contract.control_rate_hz):
        raise NotReady(f"bundle {bundle.name} cannot drive this car: {slow}")
    network.reset()
    assert calibration.camera is not None
    warning = mapping_warning(bundle.contract, calibration) if mapping == "deepracer" else None
    return Ready(
        name=bundle.name,
        network=network,
        remap=make_remap(calibration.camera, contract_camera(bundle), bundle.contract.preprocessing),
        gate=Gate(calibration, ActionBounds.of_contract(bundle.contract), mapping=mapping, speed_limit=speed_limit),
        camera=calibration.camera,
        times=times,
        notes=(warning,) if warning else (),
    )


def refusals(bundle: Bundle, calibration: Calibration, *, mapping: Mapping = "table") -> list[str]:
    """Why this bundle must not drive this car, without running it: sensors, limits, lens. Deploying asks this too."""
    told = bundle_refusals(bundle.contract, calibration, sensors=SENSORS, mapping=mapping)
    if not any(sensor.name == "camera" for sensor in bundle.contract.sensors):
        return told
    if calibration.camera is None:
        return [*told, "the calibration does not say what this car's camera sees; measure it"]
    try:
        make_remap(calibration.camera, contract_camera(bundle), bundle.contract.preprocessing)
    except (LensRefusal, NotReady) as error:
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
        raise NotReady(explain(error, CameraConfig, f"bundle {bundle.name}: its camera")) from None
    if (camera.height, camera.width, camera.channels) != sensor.shape:
        raise NotReady(f"bundle {bundle.name}: its camera's settings do not give pictures of {list(sensor.shape)}")
    return camera
