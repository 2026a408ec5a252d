"""Rules of races: presets, what is refused, and what the hash covers."""

import pytest

from racer.assets import asset_names
from racer.config.read import to_yaml
from racer.config.rules import Rules, read_rules
from racer.errors import AssetError, ConfigError
from support.paths import ROOT

SHIPPED = sorted(file.stem for file in (ROOT / "configs" / "rules").glob("*.yaml"))


def test_four_presets_are_shipped():
    """Find the presets by name."""
    assert SHIPPED == ["console", "drfc", "league", "simapp"]
    assert set(SHIPPED) <= set(asset_names("rules"))


@pytest.mark.parametrize(
    ("name", "laps", "trials", "off_track", "collision", "on_fault", "by"),
    [
        ("simapp", 1, 10, 2.0, 5.0, "end", "best_lap"),
        ("drfc", 1, 3, 5.0, 5.0, "put_back", "total"),
        ("console", 3, 1, 2.0, 5.0, "put_back", "best_window"),
        ("league", 3, 1, 3.0, 5.0, "put_back", "total"),
    ],
)
def test_presets_say_what_the_reference_says(name, laps, trials, off_track, collision, on_fault, by):
    """Hold each preset against its column."""
    rules = read_rules(name)
    assert (rules.laps, rules.trials) == (laps, trials)
    assert (rules.penalties.off_track_s, rules.penalties.collision_s) == (off_track, collision)
    assert rules.off_track == rules.collision == on_fault and rules.ranking.by == by
    assert rules.put_back.behind == 1.0 and rules.grid.spacing == 0.75
    assert read_rules("drfc").limits.resets == 100
    assert (read_rules("console").limits.time_s, read_rules("console").limits.resets) == (1200.0, 10_000)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("race", ["time_trial", "object_avoidance", "head_to_bot", "head_to_head"])
def test_rules_read_back(tmp_path, name, race):
    """Write resolved rules and read them: the same, with the same hash; another race has another one."""
    rules = read_rules(name, settings=[f"race={race}"])
    file = tmp_path / "own.yaml"
    file.write_text(to_yaml(rules))
    again = read_rules(file)
    assert again == rules and again.sha256 == rules.sha256
    assert (rules.sha256 == read_rules(name).sha256) == (race == "time_trial")


def test_the_kind_of_objects_follows_from_the_race():
    """Leave out `objects.race`; a head-to-head may name it."""
    assert Rules(race="head_to_bot").objects.race == "head_to_bot"
    assert Rules.model_validate({"race": "object_avoidance", "objects": {"count": 2}}).objects.slots == 2
    assert Rules(race="head_to_head").objects.slots == 0
    together = Rules.model_validate({"race": "head_to_head", "objects": {"race": "object_avoidance"}})
    assert together.objects.slots == 3


def test_the_hash_covers_the_disturbance(tmp_path, monkeypatch):
    """Change what a disturbance's file says: other rules."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "configs" / "disturbance"
    folder.mkdir(parents=True)
    hashes = set()
    for source in ("mild", "real"):
        (folder / "own.yaml").write_text((ROOT / "configs" / "disturbance" / f"{source}.yaml").read_text())
        hashes.add(read_rules("league", settings=["disturbance=own"]).sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["lap=3"], "unknown key `lap`. Did you mean `laps`?"),
        (["laps=0"], "`laps` is 0"),
        (["race=freestyle"], "`race` is 'freestyle'"),
        (["penalties.off_track_s=-1"], "`penalties.off_track_s` is -1"),
        (["ranking.by=best_window", "ranking.window=9"], "ranking.window of 9 laps is more than the 3"),
        (["race=head_to_bot", "objects.race=object_avoidance"], "leave objects.race out"),
        (["put_back.behind=yes"], "true and false"),
        (["limits.time_s=.inf"], "`limits.time_s`"),
    ],
)
def test_wrong_rules_are_one_line(settings, words):
    """Name the key, what was given and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        read_rules("league", settings=settings)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_name_is_told_the_nearest():
    """Guess what was meant."""
    with pytest.raises(AssetError, match=r"No rule set `leage` .*Did you mean `league`\?"):
        read_rules("leage")
