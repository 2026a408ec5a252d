"""Starts the real actuator and the real pilot as processes, with the simulator as the car between them.

`HilRig` is a simulated car without a pilot, for the console, which starts its own; `HilSession` adds a pilot and drives
laps. `simulated_calibration` is the calibration that an owner of the simulated car would have measured, and
`serve_console_with_rig` serves the car's page in front of the simulator.
"""

from __future__ import annotations

import contextlib
import select
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

from racer.bundle import Bundle, read_bundle
from racer.car.calibration.calibration import (
    Calibration,
    DriverConfig,
    SteeringCalibration,
    ThrottleCalibration,
    read_calibration,
    write_calibration,
)
from racer.car.console.controller import ConsoleController
from racer.car.console.startup import run_server
from racer.car.gate import SPEED_LIMIT_DEFAULT
from racer.car.pilot.readiness import contract_camera, pilot_refusals
from racer.config.env import CameraConfig, VehicleConfig
from racer.config.read import read_vehicle
from racer.errors import MissingExtra, RacerError
from racer.process import ChildProcess, JsonLinesChild

START_TIMEOUT_S: Final = 120.0
"""Longest start of a process [s]: the first one compiles the simulator."""
ARM_TIMEOUT_S: Final = 20.0
"""Longest time from a stop until the car drives again [s]."""
STOPS_MAX: Final = 20
"""Number of stops after which a drive is given up."""


class HilError(RacerError):
    """A process of a simulated drive did not start, or has ended."""


@dataclass
class HilDrive:
    """Results of a simulated drive.

    Attributes:
        laps: Laps, completed or not, as records of `HilLap`.
        stops: Reasons of the stops.
        pilot: Last record of the pilot; its times are p50, p95, p99 and the longest [ms].
        recorded: Files of recorded drives.
        memory_mb: Largest memory of the pilot [MiB].
    """

    laps: list[dict[str, Any]] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    pilot: dict[str, Any] = field(default_factory=dict)
    recorded: list[str] = field(default_factory=list)
    memory_mb: float = 0.0

    @property
    def completed(self) -> int:
        """Number of completed laps."""
        return sum(lap["completed"] for lap in self.laps)


def peak_memory_mb(pid: int) -> float:
    """Largest resident memory of a running process so far [MiB]; 0 where the system does not report it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return 0.0


def bundle_camera(bundle: Bundle) -> CameraConfig | None:
    """Return the camera that a bundle was trained with; None where it needs none."""
    return contract_camera(bundle) if any(sensor.name == "camera" for sensor in bundle.contract.sensors) else None


class HilRig:
    """A simulated car, as a context manager: the actuator on a simulated chip, and the simulation, in one folder.

    Args:
        track: Track to drive on.
        vehicle: Vehicle of the simulation.
        latency_ms: Time from the capture of a frame to its arrival [ms].
        camera: Real camera of the simulated car.
        seed: Seed of the simulation.

    Attributes:
        place: Temporary folder of all files and sockets.
        calibration: Calibration file of the car.
        drive: Results so far.
        on_lap: Receives each lap.

    Raises:
        RacerError: The vehicle cannot be used.
    """

    def __init__(
        self,
        *,
        track: str,
        vehicle: str = "deepracer",
        latency_ms: float = 60.0,
        camera: CameraConfig | None = None,
        seed: int = 0,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="racer-car-")
        self.place = place = Path(self._folder.name)
        self.chip = place / "chip"
        made = simulated_calibration(read_vehicle(vehicle), camera or CameraConfig(), chip=self.chip)
        self.throttle_channel = made.driver.throttle_channel
        self.stop_us = made.throttle.stop_us
        self.calibration = write_calibration(place / "calibration.json", made)
        self.socket, self.eye = str(place / "actuator"), str(place / "camera")
        common = ["--calibration", str(self.calibration)]
        self.car_options = ["--socket", self.socket, "--car-id", SIMULATED_CAR_ID, *common]
        self._plant_command = ["racer.hil", "--track", track, "--vehicle", vehicle, *common]
        self._plant_command += ["--socket", self.eye, "--latency-ms", str(latency_ms), "--seed", str(seed)]
        self.pilot: JsonLinesChild | None = None
        self.drive = HilDrive()
        self.on_lap: Callable[[Mapping[str, Any]], None] = lambda lap: None

    def __enter__(self) -> Self:
        """Start the actuator, then the simulation.

        Raises:
            MissingExtra: The simulator is not installed, as on a car.
            HilError: One of them did not start.
        """
        if find_spec("numba") is None:
            raise MissingExtra("A simulated drive", "train")
        # On a real car systemd runs the actuator, and it outlives the pilot; here it ends with this process. Ctrl-C
        # reaches it directly, and the other children through this process.
        self.actuator = ChildProcess("racer.car.actuator", "run", *self.car_options, stdout=None, ends_with_parent=True)
        self.plant = JsonLinesChild(*self._plant_command)
        try:
            self.wait(lambda: self.plant.newest.get("event") == "ready", START_TIMEOUT_S, "the simulator to start")
            self.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes, the pilot first."""
        # The pilot first: without an actuator it would report a fault.
        if self.pilot is not None:
            self.pilot.end(signal.SIGTERM)
        self.actuator.end(signal.SIGTERM)
        self.plant.end(signal.SIGTERM)
        self._folder.cleanup()

    def ready(self) -> None:
        """Do what a subclass needs once the car is on the road."""

    def turn(self, timeout_s: float = 0.1) -> None:
        """Wait for records of the processes and take them.

        Args:
            timeout_s: Longest wait [s].

        Raises:
            HilError: One of the processes has ended.
        """
        children = {child.output: child for child in (self.plant, self.pilot) if child is not None}
        ready, _, _ = select.select(list(children), [], [], timeout_s)
        for file in ready:
            for record in children[file].receive() or ():
                if record.get("event") == "lap":
                    self.drive.laps.append(record)
                    self.on_lap(record)
                if (path := str(record.get("drive", ""))) and path not in self.drive.recorded:
                    self.drive.recorded.append(path)
        # The checks come last: an ended process may have written its last records.
        for name, child in {"actuator": self.actuator, "plant": self.plant, "pilot": self.pilot}.items():
            if child is not None and (code := child.process.poll()) is not None:
                raise HilError(f"the {name} ended: {child.last_error() or f'status {code}'}")

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Take turns until a condition holds.

        Args:
            done: The condition.
            seconds: Longest wait [s].
            what: Name of the condition, for the message.

        Raises:
            HilError: It took too long.
        """
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                raise HilError(f"waited {seconds:g} s for {what}; {self.record.get('answer') or 'no answer'}")
            self.turn()

    @property
    def record(self) -> dict[str, Any]:
        """Newest record of the pilot."""
        return self.pilot.newest if self.pilot else {}

    def settle(self, seconds: float) -> None:
        """Take turns for some time [s]."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.turn(left)

    def where(self) -> dict[str, Any]:
        """Return the present state of the simulated car."""
        self.plant.newest = {}  # an older answer must not count
        self.plant.send("where")
        self.wait(lambda: self.plant.newest.get("event") == "where", 5.0, "the plant")
        return self.plant.newest


class HilSession(HilRig):
    """A simulated car with a pilot.

    Args:
        bundle: Bundle of the pilot.
        track: Track to drive on.
        vehicle: Vehicle of the simulation.
        latency_ms: Time from the capture of a frame to its arrival [ms].
        speed_limit: Fraction of the car's top speed, above 0, up to 1.
        camera: Real camera of the simulated car; None for that of the contract.
        seed: Seed of the simulation.
        threads: Number of threads of the network.
        record: Folder of recorded drives; None records nothing.

    Raises:
        RacerError: The bundle, the track or the vehicle cannot be used.
    """

    def __init__(
        self,
        bundle: Path | str,
        *,
        track: str,
        vehicle: str = "deepracer",
        latency_ms: float = 60.0,
        speed_limit: float = SPEED_LIMIT_DEFAULT,
        camera: CameraConfig | None = None,
        seed: int = 0,
        threads: int = 1,
        record: Path | None = None,
    ) -> None:
        opened = read_bundle(bundle)
        camera = camera or bundle_camera(opened)
        super().__init__(track=track, vehicle=vehicle, latency_ms=latency_ms, camera=camera, seed=seed)
        # Checked before any process starts: compiling the simulator takes longer than this answer.
        if reasons := pilot_refusals(opened, read_calibration(self.calibration, car_id=SIMULATED_CAR_ID)):
            self._folder.cleanup()
            raise HilError(f"bundle {opened.name} cannot drive this car: {'; '.join(reasons)}")
        self._pilot_command = ["racer.car.pilot.process", str(bundle), *self.car_options, "--threads", str(threads)]
        self._pilot_command += ["--camera", f"sim:{self.eye}", "--speed-limit", str(speed_limit)]
        self._pilot_command += ["--record", str(record.absolute())] if record else []

    def ready(self) -> None:
        """Start the pilot."""
        self.start_pilot()

    def start_pilot(self) -> None:
        """Start a pilot process and wait until it is ready to be armed."""
        self.pilot = JsonLinesChild(*self._pilot_command)
        self.wait(lambda: self.record.get("refusal") == "", START_TIMEOUT_S, "the pilot to receive frames")

    def go(self) -> None:
        """Arm the car and start it, as a person would; repeats where a busy machine was late in between.

        Raises:
            HilError: The car does not start.
        """
        assert self.pilot is not None
        commands = {"DISARMED": "arm", "ARMED": "drive", "FAULT": "clear"}
        until = time.monotonic() + ARM_TIMEOUT_S
        while self.record.get("state") != "DRIVING":
            if time.monotonic() > until:
                raise HilError(f"the car does not start: {self.record.get('answer') or self.record.get('refusal')}")
            if command := commands.get(self.record.get("state", "")):
                self.pilot.send(command)
            # Time for the command to take effect, so that it is not sent twice.
            self.turn(0.1)
            self.settle(0.25)

    def laps(self, count: int, *, on_lap: Callable[[Mapping[str, Any]], None] = lambda lap: None) -> HilDrive:
        """Drive laps, completed or not; each stop is noted, and the car starts again.

        Args:
            count: Number of laps.
            on_lap: Receives each lap.

        Raises:
            HilError: The car stopped more than `STOPS_MAX` times.
        """
        assert self.pilot is not None
        self.on_lap = on_lap
        self.go()
        while len(self.drive.laps) < count:
            self.turn()
            if self.record.get("state") not in ("DRIVING", "ARMED"):
                self.drive.stops.append(str(self.record.get("stopped_by") or self.record.get("reason")))
                if len(self.drive.stops) > STOPS_MAX:
                    raise HilError(f"the car was stopped {STOPS_MAX} times, last by: {self.drive.stops[-1]}")
                self.go()
        del self.drive.laps[count:]  # one turn can receive more laps than were missing
        self.drive.pilot = dict(self.record)
        self.drive.memory_mb = peak_memory_mb(self.pilot.process.pid)
        return self.drive


SIMULATED_CAR_ID = "simulated"


def simulated_calibration(vehicle: VehicleConfig, camera: CameraConfig, *, chip: Path | str) -> Calibration:
    """Make a calibration with the pulses of a DeepRacer and the angles and speeds of a vehicle.

    The pulses are those of /opt/aws/deepracer/calibration.json. The speed is proportional to the throttle, as in the
    simulator's speed controller.

    Args:
        vehicle: Vehicle of the simulation.
        camera: Camera of the car.
        chip: File of the simulated chip.
    """
    # Left has the longer pulse, and more throttle the shorter one, which `invert` states.
    full = vehicle.steer_max_deg
    return Calibration(
        car_id=SIMULATED_CAR_ID,
        driver=DriverConfig(kind="sim", device=str(chip)),
        steering=SteeringCalibration(
            left_us=1700, centre_us=1450, right_us=1200, max_deg_left=full, max_deg_right=full, invert=False
        ),
        throttle=ThrottleCalibration(
            stop_us=1446, fwd_start_us=1446, fwd_max_us=1311, rev_start_us=1446, rev_max_us=1446, invert=True
        ),
        speed_table=((0.0, 0.0), (1.0, vehicle.speed_max)),
        camera=camera,
        tool="racer car drive --sim",
    )


def action_of_pulses(
    calibration: Calibration, steering_us: float | None, throttle_us: float | None
) -> tuple[float, float]:
    """Return the steering angle, left positive [deg], and the speed [m/s] of two pulses: the inverse calibration.

    Both maps are linear here.

    Args:
        calibration: Calibration of the car.
        steering_us: Steering pulse [µs]; None without a pulse: the wheels are straight.
        throttle_us: Throttle pulse [µs]; None without a pulse: the car is at rest.
    """
    s, t = calibration.steering, calibration.throttle
    angle = 0.0
    if steering_us is not None:
        # Left and right of the centre have different slopes.
        angle = (steering_us - s.centre_us) / (s.left_us - s.centre_us) * s.max_deg_left
        if angle < 0.0:
            angle = -(steering_us - s.centre_us) / (s.right_us - s.centre_us) * s.max_deg_right
    # The chip's resolution is 4.9 µs: a pulse within half of it beside the stop is the stop.
    if throttle_us is None or abs(throttle_us - t.stop_us) <= 2.5:
        return angle, 0.0
    fraction = (throttle_us - t.fwd_start_us) / (t.fwd_max_us - t.fwd_start_us)
    return angle, max(0.0, fraction) * calibration.speed_max


def serve_console_with_rig(
    rig: HilRig, controller: ConsoleController, server: Any, *, on_lap: Callable[[Mapping[str, Any]], None]
) -> None:
    """Serve until a signal, or until one of the simulated car's processes ends.

    Args:
        rig: The simulated car.
        controller: Controller of the page; its log receives each lap.
        server: Server of the page (uvicorn).
        on_lap: Receives each lap.

    Raises:
        HilError: A process of the simulated car has ended.
    """
    errors: list[HilError] = []
    closing = threading.Event()

    def log_lap(lap: Mapping[str, Any]) -> None:
        controller.log.event(lap_text(lap))
        on_lap(lap)

    def watch() -> None:
        try:
            while not closing.is_set():
                rig.turn()
        except HilError as error:
            if not closing.is_set():  # while closing, the processes are meant to end
                errors.append(error)
                server.should_exit = True

    # The server must run in the main thread, where signals arrive; the rig is watched beside it.
    rig.on_lap = log_lap
    thread = threading.Thread(target=watch, name="rig", daemon=True)
    thread.start()
    try:
        run_server(server)
    finally:
        closing.set()
        thread.join()
        if errors:
            raise errors[0]


def lap_text(lap: Mapping[str, Any]) -> str:
    """Return a lap as text: its time, or why it ended."""
    if lap["completed"]:
        return f"lap {lap['time_s']:.2f} s"
    return f"{lap['ended_by'].replace('_', ' ')} at {lap['progress']:.0f} %, put back on the road"
