"""The simulated car as a car owner would have measured it: its calibration, and what its pulses do."""

from __future__ import annotations

from pathlib import Path

from racer.car.calibration.calibration import Calibration, Driver, Steering, Throttle
from racer.config.sensors import CameraConfig
from racer.config.vehicle import VehicleConfig

CAR_ID = "simulated"


def simulated_calibration(vehicle: VehicleConfig, camera: CameraConfig, *, chip: Path | str) -> Calibration:
    """Pulses of a DeepRacer (`on-car` notes: /opt/aws/deepracer/calibration.json), angles and speeds of the vehicle.

    The speed rises straight with the throttle, as in the simulator's speed controller.
    """
    full = vehicle.steer_max_deg
    return Calibration(
        car_id=CAR_ID,
        driver=Driver(kind="sim", device=str(chip)),
        steering=Steering(
            left_us=1700, centre_us=1450, right_us=1200, max_deg_left=full, max_deg_right=full, invert=False
        ),
        throttle=Throttle(
            stop_us=1446, fwd_start_us=1446, fwd_max_us=1311, rev_start_us=1446, rev_max_us=1446, invert=True
        ),
        speed_table=((0.0, 0.0), (1.0, vehicle.speed_max)),
        camera=camera,
        tool="racer car drive --sim",
    )


def action_of(calibration: Calibration, steering_us: float | None, throttle_us: float | None) -> tuple[float, float]:
    """What pulses do to the car: degrees (left positive) and m/s. Without a pulse servo and motor do nothing.

    The calibration read backwards; both maps are straight lines here.
    """
    s, t = calibration.steering, calibration.throttle
    angle = 0.0
    if steering_us is not None:
        share = (steering_us - s.centre_us) / (s.left_us - s.centre_us)
        angle = share * s.max_deg_left
        if share < 0.0:
            angle = -(steering_us - s.centre_us) / (s.right_us - s.centre_us) * s.max_deg_right
    if throttle_us is None:
        return angle, 0.0
    # The chip's steps are 4.9 µs: half of one beside the stop is the stop.
    if abs(throttle_us - t.stop_us) <= 2.5:
        return angle, 0.0
    share = (throttle_us - t.fwd_start_us) / (t.fwd_max_us - t.fwd_start_us)
    return angle, max(0.0, share) * calibration.speed_max
