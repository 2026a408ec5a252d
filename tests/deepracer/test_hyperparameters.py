"""`hyperparameters.json` in and out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.config.train import TrainConfig
from racer.deepracer.hyperparameters import hyperparameters_record, read_ppo, read_sac
from racer.errors import ConfigError

CONSOLE = {
    "batch_size": 128,
    "num_epochs": 3,
    "lr": 1e-4,
    "beta_entropy": 0.02,
    "discount_factor": 0.99,
    "loss_type": "huber",
    "num_episodes_between_training": 40,
    "exploration_type": "categorical",
    "e_greedy_value": 0.05,
    "epsilon_steps": 10000,
    "stack_size": 1,
    "term_cond_max_episodes": 1000,
    "term_cond_avg_score": 350.0,
}


RATE = {"learning_rate_end": 1.0}


def ppo(data: dict[str, Any], lap_steps: int = 150) -> dict[str, Any]:
    """The sections, checked as a configuration."""
    sections, _ = read_ppo(data, "h.json", lap_steps=lap_steps)
    TrainConfig(**sections)
    return sections


def notes(data: dict[str, Any]) -> str:
    """All notes of a PPO model."""
    return "\n".join(read_ppo(data, "h.json", lap_steps=150)[1])


def test_defaults_are_the_simulators() -> None:
    """Use DeepRacer's own defaults for what is absent: discount 0.999, 20 episodes, 10 epochs."""
    found = ppo({})
    wanted = {"learning_rate": 3e-4, "learning_rate_end": 1.0, "batch_size": 64, "n_epochs": 10, "gamma": 0.999}
    wanted |= {"gae_lambda": 0.95, "clip_range": 0.2, "ent_coef": 0.01, "n_steps": 160}
    assert found == {"ppo": wanted, "train": {"worlds": 20}}


def test_values_are_taken_over() -> None:
    """Take every value that has a counterpart."""
    found = ppo(CONSOLE)
    assert found["train"] == {"worlds": 40}
    assert found["ppo"] == {
        "learning_rate": 1e-4,
        "learning_rate_end": 1.0,
        "batch_size": 128,
        "n_epochs": 3,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "clip_range": 0.2,
        "ent_coef": 0.02,
        "n_steps": 160,
    }
    assert ppo({"batch_size": "128", "lr": "0.0001"})["ppo"]["batch_size"] == 128


@pytest.mark.parametrize(
    ("episodes", "batch", "lap_steps", "n_steps"),
    [
        (20, 64, 150, 160),  # one lap of each car, and a little more: 3200 steps are 50 batches of 64
        (20, 64, 160, 160),
        (20, 64, 161, 176),
        (100, 64, 150, 100),  # no more than 10,000 steps in an update, as in DeepRacer-for-Cloud
        (100, 64, 97, 97),  # 112 would be too many
        (1, 512, 150, 512),  # a batch fits
        (5, 512, 150, 150),  # 512 would be far more than a lap
        (5, 512, 20, 103),
        (20, 64, 1, 4),
        (1000, 2, 1, 2),  # SB3's PPO wants two steps
    ],
)
def test_episodes_become_steps(episodes: int, batch: int, lap_steps: int, n_steps: int) -> None:
    """As many cars as episodes drive a lap each, within the limits; the note says it."""
    data = {"num_episodes_between_training": episodes, "batch_size": batch}
    found = ppo(data, lap_steps)
    assert (found["train"]["worlds"], found["ppo"]["n_steps"]) == (episodes, n_steps)
    told = read_ppo(data, "h.json", lap_steps=lap_steps)[1][-1]
    assert f"{episodes} cars drive {n_steps} steps each" in told and f"takes {lap_steps}" in told


def test_what_has_no_counterpart_is_told() -> None:
    """One note for each setting that racer has not; none for what is the same here."""
    told = notes(CONSOLE)
    assert "loss_type huber" in told and "term_cond_max_episodes 1000" in told and "term_cond_avg_score" in told
    assert "exploration" not in told and "stack_size" not in told
    told = notes({"exploration_type": "e-greedy", "stack_size": 4, "loss_type": "mean squared error", "sac_alpha": 0.2})
    assert "exploration_type e-greedy" in told and "stack_size 4" in told and "sac_alpha" in told
    assert "loss_type" not in told
    assert "Did you mean `beta_entropy`?" in notes({"beta_entrop": 1})


@pytest.mark.parametrize("loss", ["mean squared error", "mean_squared_error", "Mean Squared Error "])
def test_spellings_of_the_loss(loss: str) -> None:
    """Know both spellings of the mean squared error."""
    assert "loss_type" not in notes({"loss_type": loss})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", 1),
        ("batch_size", 64.5),
        ("batch_size", None),
        ("num_epochs", 0),
        ("lr", 0),
        ("lr", 0.2),
        ("lr", "fast"),
        ("beta_entropy", 1.1),
        ("beta_entropy", -0.1),
        ("discount_factor", 1.01),
        ("num_episodes_between_training", 0),
        ("num_episodes_between_training", True),
        ("loss_type", "l2"),
        ("loss_type", 3),
        ("exploration_type", "random"),
        ("exploration_type", []),
        ("stack_size", 0),
        ("term_cond_max_episodes", "many"),
        ("sac_alpha", -1),
    ],
)
def test_refused(key: str, value: object) -> None:
    """Refuse a value out of range, naming file, key and value."""
    with pytest.raises(ConfigError, match=rf"^h\.json: `{key}` is .*; (give|allowed)"):
        (read_sac if key == "sac_alpha" else lambda data, where: read_ppo(data, where, lap_steps=100))(
            {key: value}, "h.json"
        )


def test_sac() -> None:
    """Take SAC's settings with the simulator's defaults; PPO's get a note."""
    sections, told = read_sac({}, "h.json")
    assert sections == {"sac": RATE | {"learning_rate": 3e-4, "batch_size": 64, "gamma": 0.999, "ent_coef": 0.2}}
    sections, told = read_sac(CONSOLE | {"sac_alpha": 0.5, "num_episodes_between_training": 1}, "h.json")
    assert sections == {"sac": RATE | {"learning_rate": 1e-4, "batch_size": 128, "gamma": 0.99, "ent_coef": 0.5}}
    assert any("num_epochs: is for PPO" in note for note in told)
    assert any(note.startswith("num_episodes_between_training 1: SAC here learns") for note in told)


@given(
    st.fixed_dictionaries(
        {
            "batch_size": st.integers(2, 1000),
            "num_epochs": st.integers(1, 100),
            "lr": st.floats(1e-8, 0.1),
            "beta_entropy": st.floats(0.0, 1.0),
            "discount_factor": st.floats(0.0, 1.0),
        }
    )
)
def test_round_trip(data: dict[str, Any]) -> None:
    """What logs say of a training that was imported is what was imported."""
    sections, _ = read_ppo(data, "h.json", lap_steps=100)
    record = hyperparameters_record(TrainConfig(**sections), 20)
    assert {key: record[key] for key in data} == data
    assert record["num_episodes_between_training"] == 20


@pytest.mark.parametrize(("ent_coef", "alpha"), [("auto", 0.2), (0.4, 0.4)])
def test_sac_record(ent_coef: float | str, alpha: float) -> None:
    """Logs of a SAC training say its own settings, and the default where the entropy is tuned by itself."""
    config = TrainConfig.model_validate({"algorithm": "sac", "sac": {"ent_coef": ent_coef, "learning_rate": 2e-4}})
    record = hyperparameters_record(config, 20)
    assert (record["sac_alpha"], record["lr"], record["batch_size"]) == (alpha, 2e-4, 512)
    assert "num_epochs" not in record and "beta_entropy" not in record
