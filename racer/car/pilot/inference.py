"""Turns a camera frame into two pulses: lens, preprocessing, network, physical action, gate; in a separate thread."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from racer.car.actuator.states import CommandSource, Pulses
from racer.car.camera.lens import CameraRemap
from racer.car.faults import DrivingFault
from racer.car.gate import Gate, GateRefusal
from racer.car.mailbox import CameraFrame
from racer.contract import PICTURES
from racer.policy.onnx import OnnxPolicy


@dataclass(frozen=True, slots=True)
class DriveOrder:
    """What the pilot may send, from the network or from an operator: pulses, and the input that they were made from.

    Attributes:
        source: Kind of the input.
        input_id: Number of the frame, or of the operator's heartbeat.
        captured_ns: Time of the frame or heartbeat [ns].
        pulses: Pulses for driving.
        held: Pulses of the same steering without throttle.
        steering_deg: Steering angle before the gate, left positive [degrees].
        speed: Speed before the gate [m/s].
        started_ns: Time at which the computation started [ns].
        done_ns: Time at which it was done [ns].
    """

    source: CommandSource
    input_id: int
    captured_ns: int
    pulses: Pulses
    held: Pulses
    steering_deg: float
    speed: float
    started_ns: int
    done_ns: int


@dataclass(frozen=True, slots=True)
class InferenceResult:
    """Result of the network for one frame.

    Attributes:
        frame: Frame that the network used.
        started_ns: Time at which the network started [ns].
        done_ns: Time at which it was done [ns].
        order: Order to send; None if there is a fault.
        fault: Error of the network, or the refusal of its action; None if there is an order.
    """

    frame: CameraFrame
    started_ns: int
    done_ns: int
    order: DriveOrder | None = None
    fault: DrivingFault | None = None


class InferencePipeline:
    """Computes pulses from a frame, in the thread that calls it.

    Args:
        network: Network of the bundle.
        remap: Converts the picture of the car's camera to that of the training.
        gate: Limits and calibration of this car.
        clock: Monotonic time [ns].

    Attributes:
        gate: Gate of the next frame; replaced when the speed limit changes.
    """

    def __init__(
        self,
        network: OnnxPolicy,
        remap: CameraRemap,
        gate: Gate,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.gate = gate
        self._network = network
        self._remap = remap
        self._clock = clock
        self._sensor = next(sensor.name for sensor in network.contract.sensors if sensor.name in PICTURES)

    def decide(self, frame: CameraFrame, *, reset: bool = False) -> InferenceResult:
        """Run the network; an error of any kind becomes the fault of the result.

        Args:
            frame: Frame of the camera.
            reset: Whether the car begins to drive here, so that the network forgets earlier frames.
        """
        started = self._clock()
        try:
            # A stacked or recurrent network must not see the frames of an earlier drive.
            if reset:
                self._network.reset()
            action = np.asarray(self._network.act({self._sensor: self._remap(frame.pixels)[None]}))
            if action.shape != (1, 2):
                raise ValueError(f"its action has shape {action.shape}, not (1, 2)")
            steering, speed = float(action[0, 0]), float(action[0, 1])
            # Both are computed here, so that the pilot can release the throttle later without the gate.
            pulses, held = self.gate.pulses(steering, speed), self.gate.pulses(steering, 0.0)
        except GateRefusal as refusal:
            fault = DrivingFault("action_refused", str(refusal))
        except Exception as error:  # a runtime may raise any error, and the car must stop
            fault = DrivingFault("inference_failed", " ".join(f"{type(error).__name__} {error}".split())[:200])
        else:
            source, number, done = CommandSource.FRAME, frame.number, self._clock()
            order = DriveOrder(source, number, frame.captured_ns, pulses, held, steering, speed, started, done)
            return InferenceResult(frame, started, done, order)
        return InferenceResult(frame, started, self._clock(), fault=fault)


class InferenceThread:
    """Runs a pipeline in a thread, so that a slow network does not delay the pilot's heartbeats.

    Args:
        pipeline: Pipeline that the thread runs.

    Attributes:
        wake: File descriptor for `select`, readable when a result is ready.
        busy: Whether a result is due: from `start` until `take_result` has returned it.
    """

    def __init__(self, pipeline: InferencePipeline) -> None:
        self.wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.busy = False
        self._pipeline = pipeline
        # Pilot and thread use the job and the result in turns, and an assignment is atomic, so no lock is needed.
        self._job: tuple[CameraFrame, bool] | None = None
        self._result: InferenceResult | None = None
        self._closing = False
        self._jobs = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def start(self, frame: CameraFrame, *, reset: bool) -> None:
        """Start the network on a frame; only while not busy."""
        assert not self.busy, "one frame at a time"
        self.busy = True
        self._job = (frame, reset)
        self._jobs.release()

    def take_result(self) -> InferenceResult | None:
        """Return the result once; None before and after."""
        # The pipe is emptied before the result is read: a result that arrives between both wakes the loop once more.
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 64)
        result = self._result
        if result is not None:
            self._result, self.busy = None, False
        return result

    def close(self) -> None:
        """End the thread; one that hangs in the network is left running."""
        self._closing = True
        self._jobs.release()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            self._jobs.acquire()
            if self._closing or self._job is None:
                return
            frame, reset = self._job
            # The result is stored before the wake-up, so that a woken pilot always meets it.
            self._result = self._pipeline.decide(frame, reset=reset)
            os.write(self._waker, b"!")
