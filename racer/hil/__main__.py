"""`python -m racer.plant BUNDLE|CAMERA ...`: the simulated car as a process, in real time.

It reads the pulses off the simulated chip 120 times a second, moves the car, and sends frames to the camera's socket.
JSON lines on standard output tell of laps; words on standard input make the camera fail (`stall`, `freeze`,
`black`, `torn`, `none`) or ask how the car stands (`where`); the end of input ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from racer.car.actuator.sim_chip import SimChip
from racer.car.calibration.calibration import read_calibration
from racer.car.timing import Pacer
from racer.config.read import read_vehicle
from racer.errors import RacerError
from racer.hil.camera import CAMERA_FAULTS, DEFAULT_RATE_HZ, SimCamera
from racer.hil.frame_server import FrameServer
from racer.hil.session import SIMULATED_CAR_ID, action_of_pulses
from racer.hil.vehicle import STEP_S, SimVehicle
from racer.track.load import load_tracks

MEASUREMENT_STEPS: Final = 2
"""Steps of the road between two measurements, which makes 60 of them a second."""

SPEED_NOISE, YAW_RATE_NOISE = 0.03, 0.05
"""Standard deviations, m/s and rad/s, of a wheel sensor and of a cheap gyroscope."""


class HilSimulation:
    """Chip, road, eye and feed, kept in step with the clock."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.calibration = read_calibration(given.calibration, car_id=SIMULATED_CAR_ID)
        assert self.calibration.camera is not None
        self.road = SimVehicle(load_tracks([given.track])[0], read_vehicle(given.vehicle), seed=given.seed)
        self.eye = SimCamera(self.road.world, self.calibration.camera, seed=given.seed)
        self.road.step(0.0, 0.0)
        self.eye.take()  # compiled now, not on the road
        self.chip = SimChip(self.calibration.driver.device)
        self.feed = FrameServer(given.socket, latency_ns=round(given.latency_ms * 1e6))
        rate = self.calibration.camera.rate_hz or DEFAULT_RATE_HZ
        self.steps_a_frame = max(1, round(1.0 / (rate * STEP_S)))
        self.late = 0
        self.over = False
        self._random = np.random.default_rng([given.seed, 0x5E5])
        self._steps = 0
        self._words = b""

    def run(self) -> None:
        """Until the end of input."""
        pacer = Pacer(round(STEP_S * 1e9), time.monotonic_ns())
        self.tell({"event": "ready"})
        while not self.over:
            left = (pacer.due_ns - time.monotonic_ns()) / 1e9
            news, _, _ = select.select([sys.stdin.fileno()], [], [], max(0.0, left))
            if news:
                self._listen()
            now = time.monotonic_ns()
            if now >= pacer.due_ns:
                skipped = pacer.next(now)
                self.late += skipped
                for _ in range(1 + skipped):  # the road does not wait for a busy machine
                    self.step()
        self.feed.close()

    def step(self) -> None:
        """One step of the road."""
        driver = self.calibration.driver
        pulses = self.chip.pulse_us(driver.steering_channel), self.chip.pulse_us(driver.throttle_channel)
        lap = self.road.step(*action_of_pulses(self.calibration, *pulses))
        if lap is not None:
            self.tell({"event": "lap", **lap.record(), "late": self.late})
        self._steps += 1
        if self._steps % MEASUREMENT_STEPS == 0:
            self._sense()
        if self._steps % self.steps_a_frame == 0:
            frame = self.eye.take()
            if frame is not None:
                self.feed.put(frame)

    def _sense(self) -> None:
        """Speed and yaw rate as sensors would measure them, for a recording."""
        car = self.road.world.cars[0, 0]
        speed, yaw_rate = self._random.normal((car["vx"], car["yaw_rate"]), (SPEED_NOISE, YAW_RATE_NOISE))
        self.feed.sense(time.monotonic_ns(), float(speed), float(yaw_rate))

    def where(self) -> dict[str, object]:
        """How the car stands: metres driven, m/s, percent of the lap."""
        car = self.road.world.cars[0, 0]
        return {
            "event": "where",
            "now_ns": time.monotonic_ns(),
            "distance": round(self.road.distance, 4),
            "speed": round(self.road.speed, 4),
            "progress": round(float(car["progress"]), 2),
            "camera_ns": self.eye.last_ns,
        }

    def tell(self, record: dict[str, object]) -> None:
        """One line."""
        os.write(sys.stdout.fileno(), json.dumps(record).encode() + b"\n")

    def _listen(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.over = True
        *lines, self._words = (self._words + data).split(b"\n")
        for line in lines:
            word = line.decode(errors="replace").strip()
            if word == "where":
                self.tell(self.where())
            for fault in CAMERA_FAULTS:
                if word == fault:
                    self.eye.fault = fault


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.hil", description=__doc__)
    parser.add_argument("--track", required=True)
    parser.add_argument("--vehicle", default="deepracer")
    parser.add_argument("--calibration", required=True, metavar="FILE")
    parser.add_argument("--socket", required=True, metavar="PATH", help="where the camera's frames go")
    parser.add_argument("--latency-ms", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    try:
        HilSimulation(parser.parse_args(arguments)).run()
    except RacerError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
