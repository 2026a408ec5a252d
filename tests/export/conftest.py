"""A trained-like policy for each action space and choice of sensors, built once."""

import functools

import numpy as np
import pytest
import torch

from racer.config.env import CameraConfig, LidarConfig
from racer.config.network import CNNS, Cnn, PreprocessConfig
from racer.contract import (
    PICTURES,
    NetworkInfo,
    camera_sensor,
    lidar_sensor,
    make_contract,
    state_sensor,
    stereo_sensor,
)
from racer.export import build_policy, trace
from racer.preprocess import prepare_drive
from support.bundles import CONTINUOUS, DISCRETE

STATE, LIDAR = state_sensor((0.3, 0.6, 0.9)), lidar_sensor(LidarConfig(rays=8))
CAMERA = camera_sensor(CameraConfig(width=48, height=40))
STEREO = stereo_sensor(CameraConfig(width=48, height=40))
STACKED = PreprocessConfig(crop_top=8, frames=3).steps
TINY = Cnn(name="tiny", convolutions=({"filters": 4, "kernel": 5, "stride": 4},), dense=(8,))
PREPROCESSING = {"continuous-camera": STACKED, "discrete-camera-lidar": STACKED, "critic-camera": STACKED}
CNN = {"continuous-camera": CNNS["small"]}
VALUE_SENSORS = {"critic-camera": (STATE,)}
CASES = {
    "continuous-state": (CONTINUOUS, (STATE,)),
    "continuous-lidar": (CONTINUOUS, (LIDAR,)),
    "discrete-state": (DISCRETE, (STATE,)),
    "discrete-both": (DISCRETE, (LIDAR, STATE)),
    "sac-state": (CONTINUOUS, (STATE,)),
    "continuous-camera": (CONTINUOUS, (CAMERA,)),
    "discrete-camera-lidar": (DISCRETE, (LIDAR, CAMERA)),
    "continuous-stereo": (CONTINUOUS, (STEREO,)),
    "critic-camera": (CONTINUOUS, (CAMERA,)),
    "sac-camera": (CONTINUOUS, (CAMERA, STATE)),
}


class Case:
    """A contract, a policy of it with weights that matter, the traced graph, and recorded observations."""

    def __init__(self, name):
        space, sensors = CASES[name]
        self.contract = make_contract(
            sensors=sensors,
            action_space=space,
            control_rate_hz=15.0,
            preprocessing=PREPROCESSING.get(name, ()),
            network=NetworkInfo(
                algorithm="sac" if name.startswith("sac") else "ppo",
                policy_layers=(16, 16),
                value_layers=(8,),
                activation="tanh",
                cnn=CNN.get(name, TINY) if any(sensor.name in PICTURES for sensor in sensors) else None,
                value_sensors=VALUE_SENSORS.get(name, ()),
            ),
        )
        self.sac = name.startswith("sac")
        """Squashed by tanh instead of clipped; other names of weights."""
        self.first, self.head, self.value = (
            ("actor.latent_pi.0.weight", "actor.mu.bias", "critic.qf0.0.weight")
            if self.sac
            else ("mlp_extractor.policy_net.0.weight", "action_net.bias", "value_net.weight")
        )
        self.policy = self.other_policy(1)
        self.graph = trace(self.contract)
        self.observations = self.seen(64, seed=2)
        self.inputs = prepare_drive(self.contract, self.observations)

    def seen(self, count, seed):
        """Random observations of the contract's sensors."""
        draw = np.random.default_rng(seed)
        return {
            s.name: draw.integers(0, 256, (count, *s.shape), dtype=np.uint8)
            if s.dtype == "uint8"
            else (draw.normal(size=(count, *s.shape)) / np.array(s.scale)).astype("f4")
            for s in self.contract.sensors
        }

    def other_policy(self, seed):
        """A policy of the same contract with weights from a seed."""
        policy = build_policy(self.contract)
        stream = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in policy.parameters():
                # Layers with many inputs get smaller weights, so that outputs stay in the range of actions.
                spread = 0.4 if parameter.dim() < 2 else min(0.4, 1.6 / parameter[0].numel() ** 0.5)
                parameter.copy_(torch.randn(parameter.shape, generator=stream) * spread)
        return policy


@functools.cache
def made(name):
    """A case, built when it is first asked for."""
    return Case(name)


@pytest.fixture(params=CASES)
def case(request):
    """Each case in turn; tests leave it as it is."""
    return made(request.param)


@pytest.fixture
def continuous():
    """The case of a continuous policy that sees the state."""
    return made("continuous-state")


@pytest.fixture
def discrete():
    """The case of a discrete policy that sees the state."""
    return made("discrete-state")
