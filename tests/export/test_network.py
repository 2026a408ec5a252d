"""The network that trains is the one that drives: scaling, head, weights."""

import numpy as np
import pytest
import torch

from racer.contract import SensorSpec, make_contract
from racer.errors import ExportError
from racer.export.network import (
    DeployedPolicy,
    ScaledFeatures,
    build_policy,
    load_weights,
    observation_space,
    weight_arrays,
)
from support.bundles import CONTINUOUS, DISCRETE

TWO = (
    SensorSpec(name="lidar", shape=(2,), dtype="float32", scale=(0.5,), offset=(-1.0,)),
    SensorSpec(name="state", shape=(2,), dtype="uint8", scale=(0.01, 0.02), offset=(0.0, 3.0)),
)


def contract(sensors, space=CONTINUOUS):
    """A contract of these sensors."""
    return make_contract(sensors=sensors, action_space=space, control_rate_hz=15.0)


def test_features_are_scaled_and_joined():
    """Give value * scale + offset, sensors in the contract's order, bytes too."""
    features = ScaledFeatures(observation_space(contract(TWO)), TWO)
    seen = {
        "state": torch.tensor([[100, 200]], dtype=torch.uint8),
        "lidar": torch.tensor([[4.0, 12.0]]),
    }
    torch.testing.assert_close(features(seen), torch.tensor([[1.0, 5.0, 1.0, 7.0]]))
    assert features.features_dim == 4
    assert not features.state_dict()  # constants belong to the contract


def test_features_without_offset():
    """Give value * scale where no offset is set."""
    sensors = (SensorSpec(name="lidar", shape=(2,), dtype="float32", scale=(0.5, 2.0)),)
    features = ScaledFeatures(observation_space(contract(sensors)), sensors)
    torch.testing.assert_close(features({"lidar": torch.tensor([[4.0, 12.0]])}), torch.tensor([[2.0, 24.0]]))


def test_policy_sees_the_scaled_features(case):
    """Give SB3's own deterministic action on SI observations, mapped to degrees and m/s."""
    tensors = {name: torch.from_numpy(values) for name, values in case.inputs.items()}
    for sensor in case.contract.network.value_sensors:  # SB3's own way reads them too
        tensors[sensor.name] = torch.zeros(64, *sensor.shape)
    with torch.no_grad():
        chosen = case.policy._predict(tensors, deterministic=True).numpy()
        deployed = DeployedPolicy(case.policy, case.contract)
        action = deployed(*(tensors[name] for name in case.inputs))[0].numpy()
    space = case.contract.action_space
    if case.contract.action_space_type == "discrete":
        wanted = np.array(space.table)[chosen]
        assert len(set(chosen.tolist())) > 2
    else:
        low, high = np.array(space.low), np.array(space.high)
        wanted = low + (np.clip(chosen, -1, 1) + 1) / 2 * (high - low)
        assert (np.abs(chosen) > 1).any() != case.sac  # clipping is exercised, squashing leaves nothing to clip
    np.testing.assert_allclose(action, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("mean", "action"),
    [
        ((0, 0), (0, 2.25)),
        ((-1, -1), (-30, 0.5)),
        ((1, 1), (30, 4)),
        ((7, -9), (30, 0.5)),
        ((0.5, -0.5), (15, 1.375)),
    ],
)
def test_continuous_head(continuous, mean, action):
    """Map -1..1 to low..high linearly and clip beyond."""
    policy = build_policy(continuous.contract)
    with torch.no_grad():
        policy.action_net.weight.zero_()
        policy.action_net.bias.copy_(torch.tensor(mean, dtype=torch.float32))
        given, raw = DeployedPolicy(policy, continuous.contract)(torch.zeros(1, 20))
    np.testing.assert_allclose(given.numpy(), [action], atol=1e-5)
    np.testing.assert_allclose(raw.numpy(), [mean])


@pytest.mark.parametrize("best", range(6))
def test_discrete_head(discrete, best):
    """Give the row of the list whose logit is highest."""
    policy = build_policy(discrete.contract)
    with torch.no_grad():
        policy.action_net.weight.zero_()
        policy.action_net.bias.copy_(torch.nn.functional.one_hot(torch.tensor(best), 6).float())
        given, _ = DeployedPolicy(policy, discrete.contract)(torch.zeros(2, 20))
    np.testing.assert_array_equal(given.numpy(), [DISCRETE.table[best]] * 2)


def test_weights_go_round(case):
    """Build the same policy again from its weights as arrays."""
    weights = weight_arrays(case.policy)
    again = build_policy(case.contract, weights)
    for name, values in weight_arrays(again).items():
        np.testing.assert_array_equal(values, weights[name])
    for (name, tensor), own in zip(again.state_dict().items(), case.policy.state_dict().values(), strict=True):
        assert torch.equal(tensor, own), name  # those under further names too
    again.get_parameter(case.head).data.zero_()
    assert weights[case.head].any()  # a copy, not a view


def test_other_weights_are_refused(continuous):
    """Name the weight that is missing, unknown or of another shape."""
    weights = weight_arrays(continuous.policy)
    policy = build_policy(continuous.contract)
    with pytest.raises(ExportError, match="have an unknown `zzz`"):
        load_weights(policy, weights | {"zzz": np.zeros(1)})
    with pytest.raises(ExportError, match=r"are without `action_net\.bias`"):
        load_weights(policy, {k: v for k, v in weights.items() if k != "action_net.bias"})
    with pytest.raises(ExportError, match=r"`log_std` has shape \(3,\), the contract's network has \(2,\)"):
        load_weights(policy, weights | {"log_std": np.zeros(3, "f4")})


def test_random_numbers_are_left_alone(continuous):
    """Leave torch's random stream as it was, so that a checkpoint does not change a training."""
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    build_policy(continuous.contract)
    torch.testing.assert_close(torch.rand(3), wanted)
