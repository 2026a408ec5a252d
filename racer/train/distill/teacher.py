"""Labels states with a teacher's actions; its input is the simulator's own state, without delay and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.bundle import read_bundle
from racer.config.actions import ContinuousActions, DiscreteActions
from racer.contract import PolicyContract
from racer.errors import RunError
from racer.policy.load import find_bundle
from racer.policy.onnx import OnnxPolicy
from racer.sim.world import World


class TeacherLabels:
    """Computes a teacher's actions from the true state of each world, independent of the student's sensors."""

    def __init__(self, teacher: OnnxPolicy, world: World) -> None:
        """Allocate the buffers for a policy whose only sensor is `state`."""
        self._teacher, self._world = teacher, world
        sensor = teacher.sensors[0]
        # Distances ahead on the centre line [m] at which the state describes the road.
        self._distances = np.array(sensor.settings["look_ahead_m"], np.float64)
        self._state = np.zeros((*world.cars.shape, sensor.size), np.float32)

    def commands(self) -> NDArray[np.float64]:
        """Return steering [deg] and speed [m/s], shape (N, 2), for the first car of each world in its current state."""
        # The exact present state; the student's own sensors may be late and noisy.
        self._world.observe_state(self._distances, self._state)
        return np.asarray(self._teacher.act({"state": self._state[:, 0]}), np.float64)


def find_teacher_bundle(source: str | Path) -> Path:
    """Return the path of a run's or a given bundle that can teach.

    Raises:
        AssetError: The run or bundle does not exist.
        RunError: The policy has other sensors than `state`.
    """
    path = find_bundle(source)
    check_teacher(read_bundle(path).contract, str(source))
    return path


def check_teacher(contract: PolicyContract, source: str) -> None:
    """Check that a policy can teach.

    Raises:
        RunError: The policy has other sensors than `state`.
    """
    names = [sensor.name for sensor in contract.sensors]
    if names != ["state"]:
        raise RunError(
            f"{source} has sensors {', '.join(names)}; a teacher has `state` alone. "
            "Train one with: racer train --set env.sensors=[state]"
        )


def load_teacher(path: Path) -> OnnxPolicy:
    """Load the teacher in a bundle.

    Raises:
        BundleError: The bundle is damaged.
        RunError: The policy has other sensors than `state`.
    """
    bundle = read_bundle(path)
    check_teacher(bundle.contract, str(path))
    return OnnxPolicy(bundle)


class ActionScaler:
    """Converts between commands ([deg], [m/s]) and fractions -1..1 of an action space's half ranges."""

    def __init__(self, space: ContinuousActions | DiscreteActions) -> None:
        """Take the ranges of `space`, from its lowest to its highest commands."""
        self._middle = (np.array(space.high) + np.array(space.low)) / 2.0
        self._half = (np.array(space.high) - np.array(space.low)) / 2.0

    def fractions(self, commands: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the fractions (N, 2) of commands (N, 2), clipped to -1..1."""
        return np.clip((commands - self._middle) / self._half, -1.0, 1.0).astype(np.float32)

    def commands(self, fractions: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the commands (N, 2), steering [deg] and speed [m/s], of fractions (N, 2), clipped to -1..1."""
        return self._middle + np.clip(np.asarray(fractions, np.float64), -1.0, 1.0) * self._half
