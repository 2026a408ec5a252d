"""From a frame to two pulses: lens, preprocessing, network, physical action, gate. And the thread that it runs in."""

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
    """The part of a policy that drives a car."""

    @property
    def contract(self) -> PolicyContract: ...

    def act(self, observation: dict[str, NDArray[np.uint8]], /) -> NDArray[np.float32]:
        """(1, 2) degrees and m/s."""
        ...

    def reset(self) -> None:
        """Forget what was seen."""
        ...


class DriveOrder(Protocol):
    """What a pilot may send, whoever it comes from: pulses, and what they were made from.

    Attributes:
        pulses: for driving; `held` the same steering without throttle.
        input_id, captured_ns: number and time of the frame, or of the person's heartbeat.
        steering_deg, speed: as it was asked, degrees and m/s.
        asked_ns, done_ns: when it was asked and when it was done.
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
    """What the network made of a frame.

    Attributes:
        pulses: for driving; `held` the same steering without throttle. Both None where there is a fault.
        steering_deg, speed: as the network asked, degrees and m/s.
        asked_ns, done_ns: when it was asked and when it was done.
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
        """A frame."""
        return CommandSource.FRAME

    @property
    def input_id(self) -> int:
        """The frame's number."""
        return self.frame.number

    @property
    def captured_ns(self) -> int:
        """When the frame was taken."""
        return self.frame.captured_ns


class InferencePipeline:
    """One car's way from a frame to pulses; no thread of its own.

    Args:
        pause: for which part of a second each answer is held back, to try out slow computers.
    """

    def __init__(
        self,
        network: DrivingNetwork,
        remap: CameraRemap,
        gate: Gate,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self.gate = gate
        self._network = network
        self._remap = remap
        self._clock = clock
        self._pause = pause
        self._sensor = next(sensor.name for sensor in network.contract.sensors if sensor.name in PICTURES)

    def decide(self, frame: CameraFrame, *, anew: bool = False) -> InferenceResult:
        """Ask the network; what goes wrong is in the decision's fault.

        Args:
            anew: the car begins to drive here: forget the frames before this one.
        """
        asked = self._clock()
        self._pause()
        steering = speed = float("nan")
        try:
            if anew:
                self._network.reset()
            action = np.asarray(self._network.act({self._sensor: self._remap(frame.pixels)[None]}))
            if action.shape != (1, 2):
                raise ValueError(f"it answered with shape {action.shape}")
            steering, speed = float(action[0, 0]), float(action[0, 1])
            pulses = self.gate.pulses(steering, speed)
            held = self.gate.pulses(steering, 0.0)
        except GateRefusal as refusal:
            return self._failed(frame, asked, steering, speed, DrivingFault("action_refused", str(refusal)))
        except Exception as error:  # a network's runtime may raise anything; the car stops
            words = " ".join(f"{type(error).__name__} {error}".split())[:200]
            return self._failed(frame, asked, steering, speed, DrivingFault("inference_failed", words))
        return InferenceResult(frame, pulses, held, steering, speed, asked, self._clock())

    def _failed(
        self, frame: CameraFrame, asked: int, steering: float, speed: float, fault: DrivingFault
    ) -> InferenceResult:
        return InferenceResult(frame, None, None, steering, speed, asked, self._clock(), fault)


class InferenceEngine(Protocol):
    """Where the pilot asks: one question at a time, and answers without waiting."""

    @property
    def busy(self) -> bool:
        """True while an answer is on its way."""
        ...

    def ask(self, frame: CameraFrame, *, anew: bool) -> None:
        """Begin to decide; only while not busy."""
        ...

    def answer(self) -> InferenceResult | None:
        """The answer, once it is there; then None."""
        ...


class NullInference:
    """Where no model is loaded: never busy, and never an answer."""

    busy = False

    def ask(self, frame: CameraFrame, *, anew: bool) -> None:
        """Nobody is there."""

    def answer(self) -> InferenceResult | None:
        """None."""
        return None


class InferenceThread:
    """A brain in a thread, so that a slow answer does not keep the pilot from saying that it is alive.

    Attributes:
        wake: a file to `select` on, readable when an answer came.
    """

    def __init__(self, brain: InferencePipeline) -> None:
        self.wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._brain = brain
        self._question: tuple[CameraFrame, bool] | None = None
        self._answer: InferenceResult | None = None
        self._busy = False
        self._closing = False
        self._asked = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="brain", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """True from `ask` until `answer` has given the answer."""
        return self._busy

    def ask(self, frame: CameraFrame, *, anew: bool) -> None:
        """Begin to decide."""
        assert not self._busy, "one question at a time"
        self._busy = True
        self._question = (frame, anew)
        self._asked.release()

    def answer(self) -> InferenceResult | None:
        """The answer, once it is there."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 64)
        decision = self._answer
        if decision is not None:
            self._answer, self._busy = None, False
        return decision

    def close(self) -> None:
        """End the thread; one that hangs in the network is left behind."""
        self._closing = True
        self._asked.release()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            self._asked.acquire()
            if self._closing or self._question is None:
                return
            frame, anew = self._question
            self._answer = self._brain.decide(frame, anew=anew)
            os.write(self._waker, b"!")
