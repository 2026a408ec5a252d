"""`python -m racer.hil --track TRACK --calibration FILE --socket PATH`: the simulated car as a process, in real time.

It reads the pulses of the simulated chip 120 times a second, moves the car, and sends frames to the camera's socket.
It writes laps as JSON lines to standard output. Commands on standard input cause faults of the camera (`stall`,
`freeze`, `black`, `torn`, `none`) or ask for the state of the car (`where`); the end of input ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
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
"""Simulation steps between two measurements: 60 measurements a second."""

SPEED_NOISE, YAW_RATE_NOISE = 0.03, 0.05
"""Standard deviations of a wheel sensor [m/s] and of a cheap gyroscope [rad/s]."""


class HilSimulation:
    """Simulated chip, vehicle, camera and frame server, in step with the clock.

    Args:
        options: Parsed command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.calibration = read_calibration(options.calibration, car_id=SIMULATED_CAR_ID)
        assert self.calibration.camera is not None
        self.vehicle = SimVehicle(load_tracks([options.track])[0], read_vehicle(options.vehicle), seed=options.seed)
        self.camera = SimCamera(self.vehicle.world, self.calibration.camera, seed=options.seed)
        # Compiling takes seconds, in which a car that is on the road would not be simulated.
        self.vehicle.step(0.0, 0.0)
        self.camera.take()
        self.chip = SimChip(self.calibration.driver.device)
        self.frames = FrameServer(options.socket, latency_ns=round(options.latency_ms * 1e6))
        rate = self.calibration.camera.rate_hz or DEFAULT_RATE_HZ
        # A whole number of steps, so the rate is rounded to a divisor of 120 Hz.
        self.steps_a_frame = max(1, round(1.0 / (rate * STEP_S)))
        self.late = 0
        self.over = False
        self._random = np.random.default_rng([options.seed, 0x5E5])
        self._steps = 0
        self._input = b""

    def run(self) -> None:
        """Run until the end of input."""
        pacer = Pacer(round(STEP_S * 1e9), time.monotonic_ns())
        self.report({"event": "ready"})
        while not self.over:
            left = (pacer.due_ns - time.monotonic_ns()) / 1e9
            readable, _, _ = select.select([sys.stdin.fileno()], [], [], max(0.0, left))
            if readable:
                self._read_commands()
            now = time.monotonic_ns()
            if now >= pacer.due_ns:
                skipped = pacer.next(now)
                self.late += skipped
                for _ in range(1 + skipped):  # a busy machine must not slow the simulated time
                    self.step()
        self.frames.close()

    def step(self) -> None:
        """Advance the simulation by one step."""
        driver = self.calibration.driver
        pulses = self.chip.pulse_us(driver.steering_channel), self.chip.pulse_us(driver.throttle_channel)
        lap = self.vehicle.step(*action_of_pulses(self.calibration, *pulses))
        if lap is not None:
            self.report({"event": "lap", **asdict(lap), "late": self.late})
        self._steps += 1
        if self._steps % MEASUREMENT_STEPS == 0:
            self._sense()
        if self._steps % self.steps_a_frame == 0 and (frame := self.camera.take()) is not None:
            self.frames.put(frame)

    def _sense(self) -> None:
        """Send speed and yaw rate with the noise of sensors, for the recording."""
        car = self.vehicle.world.cars[0, 0]
        speed, yaw_rate = self._random.normal((car["vx"], car["yaw_rate"]), (SPEED_NOISE, YAW_RATE_NOISE))
        self.frames.sense(time.monotonic_ns(), float(speed), float(yaw_rate))

    def where(self) -> dict[str, object]:
        """Return the state of the car: distance driven [m], speed [m/s], progress of the lap [%]."""
        car = self.vehicle.world.cars[0, 0]
        return {
            "event": "where",
            "now_ns": time.monotonic_ns(),
            "distance": round(self.vehicle.distance, 4),
            "speed": round(self.vehicle.speed, 4),
            "progress": round(float(car["progress"]), 2),
            "camera_ns": self.camera.last_ns,
        }

    def report(self, record: dict[str, object]) -> None:
        """Write one JSON line to standard output."""
        # One write for a whole line, so that records of a killed process are complete.
        os.write(sys.stdout.fileno(), json.dumps(record).encode() + b"\n")

    def _read_commands(self) -> None:
        # Unbuffered, because `select` does not see what Python's own buffer holds.
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.over = True
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            command = line.decode(errors="replace").strip()
            if command == "where":
                self.report(self.where())
            for fault in CAMERA_FAULTS:
                if command == fault:
                    self.camera.fault = fault


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments and run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.hil", description=__doc__)
    parser.add_argument("--track", required=True)
    parser.add_argument("--vehicle", default="deepracer")
    parser.add_argument("--calibration", required=True, metavar="FILE")
    parser.add_argument("--socket", required=True, metavar="PATH", help="socket of the camera's frames")
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
