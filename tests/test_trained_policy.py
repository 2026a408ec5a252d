"""What a user names is resolved once: policy, contract, run, track, vehicle and reward function."""

import hashlib
from dataclasses import replace

import pytest
from handmade_bundle import write_linear
from synthetic_run import make_run

from racer.errors import AssetError, BundleError, RewardError
from racer.runs import RunFolder
from racer.trained_policy import find_trained_policy


def test_run_is_resolved_with_its_own_copies(tmp_path):
    """Take the best checkpoint, the run's copies of track, vehicle and reward, and the checkpoint's hash."""
    folder = make_run(tmp_path / "run")
    trained = find_trained_policy(folder)
    assert (trained.file, trained.run) == (folder / "best.bundle", RunFolder(folder))
    assert trained.policy.name == "run/best" and trained.contract == trained.policy.contract
    assert trained.track.source == str(folder / "tracks" / "0.yaml") and trained.vehicle.name == "deepracer"
    assert trained.reward == folder / "reward.py" and trained.load_reward(2, path="python").path == "python"
    assert trained.sha256 == hashlib.sha256((folder / "best.bundle").read_bytes()).hexdigest()


def test_newest_checkpoint_is_the_last(tmp_path):
    """Take `last.bundle` for `--live`, under the run's name, and refuse a run that has none yet."""
    folder = make_run(tmp_path / "run")
    with pytest.raises(AssetError, match=r"last\.bundle"):
        find_trained_policy(folder, newest=True)
    write_linear(folder / "last.bundle")
    assert find_trained_policy(folder, newest=True).policy.name == "run/last"


def test_bundle_takes_what_its_contract_names(tmp_path):
    """Look up track and vehicle of a bundle by name; it has neither run nor reward function."""
    trained = find_trained_policy(write_linear(tmp_path / "my.bundle"))
    assert trained.run is None and trained.reward is None and trained.load_reward(1) is None
    assert trained.policy.name == "my" and trained.vehicle.name == "deepracer"


@pytest.mark.parametrize("name", ["pure_pursuit", "random"])
def test_policy_without_training_has_defaults(name):
    """Drive the default track and vehicle without a bundle."""
    trained = find_trained_policy(name)
    assert (trained.file, trained.run, trained.bundle, trained.contract) == (None, None, None, None)
    assert (trained.policy.name, trained.sha256) == (name, "")
    assert (trained.track.name, trained.vehicle.name) == ("willow_bend", "deepracer")


def test_what_the_user_names_comes_first(tmp_path):
    """Prefer a named track, vehicle and reward function to the run's own."""
    named = find_trained_policy(make_run(tmp_path / "run"), track="zigzag", vehicle="f1tenth", reward="default")
    assert (named.track.name, named.vehicle.name, named.reward) == ("zigzag", "f1tenth", "default")


def test_each_part_is_read_once(tmp_path):
    """Keep what was read when its file is gone; a replaced object reads the disk again."""
    folder = make_run(tmp_path / "run")
    trained = find_trained_policy(folder)
    before = trained.policy, trained.track, trained.vehicle, trained.sha256
    for file in ("best.bundle", "tracks/0.yaml", "vehicle.yaml"):
        (folder / file).unlink()
    assert (trained.policy, trained.track, trained.vehicle, trained.sha256) == before
    with pytest.raises(BundleError, match=r"best\.bundle cannot be read"):
        _ = replace(trained).policy


def test_nothing_is_read_before_it_is_needed(tmp_path):
    """Find a foreign bundle without loading it: a race leaves that to its guarded process."""
    (tmp_path / "foreign.bundle").write_bytes(b"not a bundle")
    assert find_trained_policy(tmp_path / "foreign.bundle").file == tmp_path / "foreign.bundle"


def test_mistakes_name_what_was_typed(tmp_path):
    """Name the policy as the user typed it, and the option that helps."""
    folder = make_run(tmp_path / "run", reward="def (")
    with pytest.raises(RewardError):
        find_trained_policy(folder).load_reward(1, path="python")
    with pytest.raises(AssetError, match="Did you mean `pure_pursuit`"):
        find_trained_policy("pure_pursiut")
