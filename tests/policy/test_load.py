"""What a user may call a policy."""

import subprocess
import sys

import numpy as np
import pytest

from racer.errors import AssetError, BundleError
from racer.policy import OnnxPolicy, Policy, PurePursuitPolicy, RandomPolicy, find_bundle, load_policy
from support.bundles import DISCRETE, write_linear


def test_named():
    """Load the policies that need no training, the random one with seed and action space."""
    assert isinstance(load_policy("pure_pursuit"), PurePursuitPolicy)
    policy = load_policy("random", seed=4, action_space=DISCRETE)
    seen = {"state": np.zeros((9, 48))}
    np.testing.assert_array_equal(policy.act(seen), RandomPolicy(DISCRETE, seed=4).act(seen))


def test_bundle_path(tmp_path):
    """Load a bundle from a path or its text."""
    path = write_linear(tmp_path / "car.bundle")
    for spec in (path, str(path)):
        policy: Policy = load_policy(spec)
        assert isinstance(policy, OnnxPolicy) and policy.name == "car"


def test_run_folder(tmp_path):
    """Take a run's best checkpoint, else its last, and name the run."""
    run = tmp_path / "first_try"
    write_linear(run / "last.bundle")
    assert load_policy(run).name == "first_try/last"
    write_linear(run / "best.bundle")
    assert load_policy(str(run)).name == "first_try/best"
    assert find_bundle(run) == run / "best.bundle"


def test_folder_without_checkpoints(tmp_path):
    """Say what was looked for in a folder."""
    with pytest.raises(AssetError, match=r"holds no checkpoint \(looked for best.bundle and last.bundle\)"):
        load_policy(tmp_path)


@pytest.mark.parametrize(
    ("spec", "meant"),
    [("pure_persuit", "pure_pursuit"), ("radnom", "random"), ("{}/caar.bundle", "{}/car.bundle")],
)
def test_did_you_mean(tmp_path, spec, meant):
    """Suggest the name or the file that was meant."""
    write_linear(tmp_path / "car.bundle")
    with pytest.raises(AssetError) as caught:
        load_policy(spec.format(tmp_path))
    assert f"Did you mean `{meant.format(tmp_path)}`?" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_bundle(tmp_path):
    """Give the bundle's own reason for a file that is there."""
    path = tmp_path / "car.bundle"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(BundleError, match="truncated or damaged"):
        load_policy(path)


def test_light():
    """Load the room without onnxruntime, torch, numba or gymnasium."""
    code = (
        "import sys, racer.policy; racer.policy.load_policy('pure_pursuit');"
        "print(sorted({'onnx', 'onnxruntime', 'torch', 'numba', 'gymnasium', 'scipy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
