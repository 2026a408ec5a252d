"""A trained-like policy for each action space and choice of sensors, built once."""

import functools

import numpy as np
import pytest
import torch
from handmade_bundle import CONTINUOUS, DISCRETE

from racer.config.sensors import LidarConfig
from racer.contract import NetworkInfo, lidar_sensor, make_contract, state_sensor
from racer.export import build_policy, trace

STATE, LIDAR = state_sensor((0.3, 0.6, 0.9)), lidar_sensor(LidarConfig(rays=8))
CASES = {
    "continuous-state": (CONTINUOUS, (STATE,)),
    "continuous-lidar": (CONTINUOUS, (LIDAR,)),
    "discrete-state": (DISCRETE, (STATE,)),
    "discrete-both": (DISCRETE, (LIDAR, STATE)),
    "sac-state": (CONTINUOUS, (STATE,)),
}


class Case:
    """A contract, a policy of it with weights that matter, the traced graph, and recorded observations."""

    def __init__(self, name):
        space, sensors = CASES[name]
        self.contract = make_contract(
            sensors=sensors,
            action_space=space,
            control_rate_hz=15.0,
            network=NetworkInfo(
                algorithm="sac" if name.startswith("sac") else "ppo",
                policy_layers=(16, 16),
                value_layers=(8,),
                activation="tanh",
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
        draw = np.random.default_rng(2)
        self.observations = {
            s.name: (draw.normal(size=(64, *s.shape)) / np.array(s.scale)).astype("f4") for s in sensors
        }

    def other_policy(self, seed):
        """A policy of the same contract with weights from a seed."""
        policy = build_policy(self.contract)
        stream = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=stream) * 0.4)
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
