"""Turns a camera frame into two pulses: lens, preprocessing, network, physical action, gate; in a separate thread."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.car.actuator.states import CommandSource, Pulses
from racer.car.camera.lens import CameraRemap
from racer.car.faults import DrivingFault
from racer.car.gate import Gate, GateRefusal
from racer.car.mailbox import CameraFrame
from racer.contract import PICTURES, PolicyContract


class DrivingNetwork(Protocol):
    """The part of `OnnxPolicy` that drives a car."""

    @property
    def contract(self) -> PolicyContract: ...

    def act(self, observation: dict[str, NDArray[np.uint8]], /) -> NDArray[np.float32]:
        """Return the action: steering angle [deg] and speed [m/s], shape (1, 2)."""
        ...

    def reset(self) -> None:
        """Forget earlier frames."""
        ...


class DriveOrder(Protocol):
    """What a pilot may send, of the network or of an operator: pulses, and what they were made from.

    Attributes:
        source: Kind of its origin.
        input_id: Number of the frame, or of the operator's heartbeat.
        captured_ns: Time of the frame or heartbeat [ns].
        pulses: Pulses for driving.
        held: The same steering without throttle.
        steering_deg: Steering angle before the gate, left positive [deg].
        speed: Speed before the gate [m/s].
        asked_ns: Time of the question [ns].
        done_ns: Time of the answer [ns].
    """

    @property
    def source(self) -> CommandSource: ...
    @property
    def input_id(self) -> int: ...
    @property
    def captured_ns(self) -> int: ...
    @property
    def pulses(self) -> Pulses | None: ...
    @property
    def held(self) -> Pulses | None: ...
    @property
    def steering_deg(self) -> float: ...
    @property
    def speed(self) -> float: ...
    @property
    def asked_ns(self) -> int: ...
    @property
    def done_ns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class InferenceResult:
    """Result of the network for one frame; a `DriveOrder` where there is no fault.

    Attributes:
        frame: Frame that the network used.
        pulses: Pulses for driving; None where there is a fault.
        held: The same steering without throttle; None where there is a fault.
        steering_deg: Steering angle of the network, left positive [deg].
        speed: Speed of the network [m/s].
        asked_ns: Time of the question [ns].
        done_ns: Time of the answer [ns].
        fault: What went wrong; None where nothing did.
    """

    frame: CameraFrame
    pulses: Pulses | None
    held: Pulses | None
    steering_deg: float
    speed: float
    asked_ns: int
    done_ns: int
    fault: DrivingFault | None = None

    @property
    def source(self) -> CommandSource:
        """The network's input is a frame."""
        return CommandSource.FRAME

    @property
    def input_id(self) -> int:
        """Number of the frame."""
        return self.frame.number

    @property
    def captured_ns(self) -> int:
        """Time of the frame [ns]."""
        return self.frame.captured_ns


class InferencePipeline:
    """Computes pulses from a frame, in the thread that calls it.

    Args:
        network: Network of the bundle.
        remap: Lens of the car's camera to the camera of the training.
        gate: Limits and calibration of this car.
        clock: Monotonic time [ns].

    Attributes:
        gate: Gate of the next frame; replaced when the speed limit changes.
    """

    def __init__(
        self,
        network: DrivingNetwork,
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
        asked = self._clock()
        steering = speed = float("nan")
        try:
            if reset:
                self._network.reset()
            action = np.asarray(self._network.act({self._sensor: self._remap(frame.pixels)[None]}))
            if action.shape != (1, 2):
                raise ValueError(f"it answered with shape {action.shape}")
            steering, speed = float(action[0, 0]), float(action[0, 1])
            pulses = self.gate.pulses(steering, speed)
            held = self.gate.pulses(steering, 0.0)
        except GateRefusal as refusal:
            return self._failed(frame, asked, steering, speed, DrivingFault("action_refused", str(refusal)))
        except Exception as error:  # a runtime may raise any error, and the car must stop
            words = " ".join(f"{type(error).__name__} {error}".split())[:200]
            return self._failed(frame, asked, steering, speed, DrivingFault("inference_failed", words))
        return InferenceResult(frame, pulses, held, steering, speed, asked, self._clock())

    def _failed(
        self, frame: CameraFrame, asked: int, steering: float, speed: float, fault: DrivingFault
    ) -> InferenceResult:
        return InferenceResult(frame, None, None, steering, speed, asked, self._clock(), fault)


class InferenceEngine(Protocol):
    """Runs a network for the pilot: one frame at a time, and the pilot never waits."""

    @property
    def busy(self) -> bool:
        """Whether a frame is being worked on."""
        ...

    def ask(self, frame: CameraFrame, *, reset: bool) -> None:
        """Start the network on a frame; only while not busy."""
        ...

    def answer(self) -> InferenceResult | None:
        """Return the result once; None before and after."""
        ...


class NullInference:
    """Inference of a car without a model: never busy, never a result."""

    busy = False

    def ask(self, frame: CameraFrame, *, reset: bool) -> None:
        """Ignore the frame."""

    def answer(self) -> InferenceResult | None:
        """Return None."""
        return None


class InferenceThread:
    """Runs a pipeline in a thread, so that a slow network does not delay the pilot's heartbeats.

    Args:
        pipeline: Pipeline that the thread runs.

    Attributes:
        wake: File descriptor for `select`, readable when a result is ready.
    """

    def __init__(self, pipeline: InferencePipeline) -> None:
        self.wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pipeline = pipeline
        self._question: tuple[CameraFrame, bool] | None = None
        self._answer: InferenceResult | None = None
        self._busy = False
        self._closing = False
        self._asked = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a result is due: from `ask` until `answer` has returned it."""
        return self._busy

    def ask(self, frame: CameraFrame, *, reset: bool) -> None:
        """Start the network on a frame."""
        assert not self._busy, "one question at a time"
        self._busy = True
        self._question = (frame, reset)
        self._asked.release()

    def answer(self) -> InferenceResult | None:
        """Return the result once; None before and after."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 64)
        decision = self._answer
        if decision is not None:
            self._answer, self._busy = None, False
        return decision

    def close(self) -> None:
        """End the thread; one that hangs in the network is left running."""
        self._closing = True
        self._asked.release()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            self._asked.acquire()
            if self._closing or self._question is None:
                return
            frame, reset = self._question
            self._answer = self._pipeline.decide(frame, reset=reset)
            os.write(self._waker, b"!")
