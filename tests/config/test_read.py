"""Strict YAML in, `--set` on top, resolved YAML out."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from racer.config.env import VehicleConfig
from racer.config.read import apply_settings, read_train, read_vehicle, read_yaml, to_yaml, validate
from racer.config.train import TrainConfig
from racer.errors import AssetError, ConfigError
from support.paths import ROOT

CONFIGS = sorted(file for file in (ROOT / "configs").glob("*.yaml") if file.stem != "distill")  # of `racer distill`
VEHICLES = sorted((ROOT / "configs" / "vehicle").glob("*.yaml"))


@pytest.fixture
def write(tmp_path):
    """Write text into a configuration file and return its path."""

    def to_file(text):
        file = tmp_path / "my.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return to_file


def refusal(function, *arguments, **options):
    """The message of a ConfigError, checked to be one line."""
    with pytest.raises(ConfigError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.isprintable()
    return message


NOT_YAML = [
    ("track: a\nseed: 1\nseed: 2\n", "line 3: key 'seed' is given twice"),
    ("track: a\nppo: {gamma: 1, gamma: 1}\n", "line 2: key 'gamma' is given twice"),
    ("env:\n  start:\n    mode: random\n    mode: random\n", "line 4: key 'mode' is given twice"),
    ("track: a\n1: b\n", "line 2: key 1 is not a string"),
    ("track: [a\n", "line 2: while parsing a flow sequence"),
    ('track: "a\n', "line 2: while scanning a quoted scalar"),
    ("\ttrack: a\n", "line 1: while scanning for the next token"),
    ("track: !!python/name:os.system x\n", "line 1: could not determine a constructor"),
    ("track: *a\n", "line 1: found undefined alias"),
    ("track: a\n---\ntrack: b\n", "line 2: expected a single document"),
    ("- track\n", "holds a list; a configuration is a mapping"),
    ("reinvent_base\n", "holds a str; a configuration is a mapping"),
    ("a: " + "[" * 3000, "is nested too deeply"),
    ("track: \x00", "special characters are not allowed"),
    (b"track: \xff\xfe", "is not a text file"),
]


@pytest.mark.parametrize(("text", "told"), NOT_YAML)
def test_broken_yaml_is_one_line_with_the_place(write, text, told):
    """Refuse what is no strict YAML, naming the file, the line and what is wrong."""
    file = write(text)
    message = refusal(read_yaml, file)
    assert message.startswith(f"{file}: ") and told in message


def test_missing_files_are_one_line(tmp_path):
    """Name a file that is not there."""
    assert "No such file" in refusal(read_yaml, tmp_path / "none.yaml")
    with pytest.raises(AssetError, match="No config `nowhere`"):
        read_train("nowhere")


def test_an_empty_file_is_an_empty_mapping(write):
    """Read nothing from nothing: the defaults for a training; of a vehicle all is missing."""
    assert read_yaml(write("# only a comment\n")) == {}
    assert read_train(write("")) == TrainConfig()
    assert "`name` is missing. (and " in refusal(read_vehicle, write(""))


NUMBERS = [
    ("1e-4", 1e-4),
    ("1E-4", 1e-4),
    ("-1e-4", -1e-4),
    ("+2.5e+3", 2500.0),
    (".5e1", 5.0),
    ("1.e2", 100.0),
    ("1e6", 1e6),
    ("1.5", 1.5),
    ("12", 12),
    ("1_000", 1000),
    ("'1e6'", "1e6"),
    ("e6", "e6"),
    ("1e", "1e"),
    ("1e6x", "1e6x"),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers_are_numbers(write, text, value):
    """Read 1e-4 as people mean it; quoted text stays text."""
    data = read_yaml(write(f"a: {text}\n"))
    assert data == {"a": value} and type(data["a"]) is type(value)
    assert apply_settings({}, [f"a={text}"]) == data


def test_settings_reach_nested_keys_and_leave_the_rest():
    """Set nested keys, lists and mappings, in order; the data given stays as it was."""
    data = {"track": "a", "ppo": {"gamma": 0.9, "layers": [1, 2]}}
    done = apply_settings(
        data,
        ["ppo.learning_rate=1e-4", "ppo.layers=[32, 16]", " env.start.mode = random", "ppo.gamma=0.5",
         "ppo.gamma=0.6", "env.time_limit_s=null", "track=[b, c]", "reward=a=b", "vehicle="],
    )  # fmt: skip
    assert done == {
        "track": ["b", "c"],
        "ppo": {"gamma": 0.6, "layers": [32, 16], "learning_rate": 1e-4},
        "env": {"start": {"mode": "random"}, "time_limit_s": None},
        "reward": "a=b",
        "vehicle": None,
    }
    assert data == {"track": "a", "ppo": {"gamma": 0.9, "layers": [1, 2]}}
    assert apply_settings({"ppo": {"gamma": 0.9}}, ["ppo={n_steps: 8}"]) == {"ppo": {"n_steps": 8}}


BAD_SETTINGS = [
    ("ppo.gamma", "give a key and a value"),
    ("=1", "give a key and a value"),
    ("", "give a key and a value"),
    ("ppo.=1", "give a key and a value"),
    (".gamma=1", "give a key and a value"),
    ("ppo..gamma=1", "give a key and a value"),
    ("ppo.layers=[1", "the value is not YAML"),
    ("ppo={gamma: 1, gamma: 2}", "the value is not YAML"),
    ("ppo.layers=" + "[" * 3000, "the value is not YAML"),
    ("track.name=a", "`track` is a value and has no keys below it"),
    ("ppo\nx", "give a key and a value"),
]


@pytest.mark.parametrize(("setting", "told"), BAD_SETTINGS)
def test_bad_settings_are_one_line(setting, told):
    """Refuse what is no key=value, repeating it."""
    message = refusal(apply_settings, {"track": "a"}, [setting])
    assert message.startswith("--set ") and told in message


def test_whole_numbers_may_be_written_with_an_exponent(write):
    """Take 1e6 for a number of steps, from a file and from `--set`; refuse a fraction."""
    file = write("track: a\ntrain: {total_steps: 2e5}\n")
    assert read_train(file).train.total_steps == 200_000
    assert type(read_train(file, settings=["train.total_steps=1e6"]).train.total_steps) is int
    assert read_train(file, settings=["train.total_steps=1e6"]).train.total_steps == 1_000_000
    assert read_train(file, settings=["ppo.learning_rate=1e-4"]).ppo.learning_rate == 1e-4
    assert "fractional part" in refusal(read_train, file, settings=["train.total_steps=1.5"])


def test_options_win_over_settings_and_settings_over_the_file(write):
    """Put file, `--set` and options on top of each other; options that were not given change nothing."""
    file = write("track: a\nseed: 1\nreward: r\n")
    config = read_train(file, settings=["seed=2", "reward=s"], changes={"seed": 3, "reward": None})
    assert (config.track, config.seed, config.reward) == (("a",), 3, "s")


MISTAKES = [
    ("seeed: 1", "unknown key `seeed`. Did you mean `seed`?"),
    ("ppo: {learning: 1, gama: 1}", "`ppo.learning`. Did you mean `learning_rate`? (and 1 more)"),
    ("ppo: {gama: 1}", "unknown key `ppo.gama`. Did you mean `gamma`?"),
    ("env: {start: {modus: random}}", "unknown key `env.start.modus`. Did you mean `mode`?"),
    ("env: {lidar: {zzz: 1}}", "`env.lidar.zzz`. Allowed are: rays, view_deg, range_min, range_max, noise."),
    ("action_space: {sped: {low: 1, high: 2}}", "unknown key `action_space.sped`. Did you mean `speed`?"),
    ("action_space: [{sped: 1}]", "unknown key `action_space[0].sped`. Did you mean `speed`?"),
    ("action_space: {speed: {lo: 1, high: 2}}", "`action_space.speed.lo`. Did you mean `low`?"),
    ("action_space: {speed: {low: 9, high: 2}}", "`action_space.speed.low` is 9: 9 is outside 0.1..4"),
    ("action_space: []", "`action_space` is []: 0 actions are listed; a discrete space has 2..1000"),
    ("action_space: 3", "`action_space` is 3: an action space is a list"),
    ("ppo: 3", "`ppo` is 3: should be a mapping of keys to values"),
    ("ppo:", "`ppo` is empty: should be a mapping of keys to values"),
    ("env: {sensors: state}", "`env.sensors` is 'state': should be a list"),
    ("env: {sensors: []}", "`env.sensors` is []: should be a list of at least 1"),
    ("env: {sensors: [camra]}", "`env.sensors[0]` is 'camra': input should be 'state', 'camera', "),
    ("env: {sensors: [state, state]}", "each sensor may be named once"),
    ("env: {start: {mode: rnd}}", "`env.start.mode` is 'rnd': input should be 'round_robin' or 'random'"),
    ("env: {look_ahead: [1, 1]}", "`env.look_ahead` is [1, 1]: distances must be 0..1000 m, each greater"),
    ("env: {look_ahead: [1, 1e4]}", "distances must be 0..1000 m"),
    ("env: {lidar: {range_min: 5, range_max: 5}}", "range_min 5 must be below range_max 5"),
    ("ppo: {layers: [0]}", "`ppo.layers[0]` is 0: input should be greater than or equal to 1"),
    ("ppo: {layers: [64, [1]]}", "`ppo.layers[1]` is [1]"),
    ("ppo: {learning_rate: 5}", "`ppo.learning_rate` is 5: input should be less than or equal to 0.1"),
    ("ppo: {learning_rate: fast}", "`ppo.learning_rate` is 'fast': input should be a valid number"),
    ("ppo: {learning_rate: .nan}", "`ppo.learning_rate` is nan: input should be a finite number"),
    ("ppo: {learning_rate: yes}", "`ppo.learning_rate` is true: true and false"),
    ("ppo: {layers: [64, true]}", "`ppo.layers` is [64, True]: true and false"),
    ("ppo: {n_steps: 2, batch_size: 129}", "ppo.batch_size 129 is more than the 128 steps collected"),
    ("track: null", "`track` is empty: give a name, a path"),
    ("track: [a, 3]", "`track` is ['a', 3]: give a name, a path"),
    ("track: []", "`track` is []: should be a list of at least 1"),
    ("seed: -1", "`seed` is -1: input should be greater than or equal to 0"),
    ("seed: true", "`seed` is true: true and false"),
    ('"se\\ned": 1', "unknown key `se\\ned`. Did you mean `seed`?"),
    ('reward: "a\\nb"\nppo: {gamma: "a\\nb"}', "`ppo.gamma` is 'a\\nb'"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_mistakes_name_file_key_given_and_allowed(write, text, told):
    """Say in one line where, which key, what was given and what is allowed."""
    file = write(text if "track" in text else f"track: a\n{text}\n")
    message = refusal(read_train, file)
    assert message.startswith(f"{file}: ") and told in message


def test_a_mistake_in_a_setting_names_the_setting(write):
    """Name the file and what was set on top of it."""
    file = write("track: a\n")
    message = refusal(read_train, file, settings=["ppo.gama=1"])
    assert message == f"{file} --set ppo.gama=1: unknown key `ppo.gama`. Did you mean `gamma`?"


def test_vehicles_are_read_like_all_configurations(write):
    """Refuse a vehicle's unknown key in one line."""
    text = VEHICLES[0].read_text()
    assert "unknown key `mas`. Did you mean `mass`?" in refusal(read_vehicle, write(text + "\nmas: 1\n"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_shipped_configurations_are_read_and_written(file, write):
    """Walk every shipped training configuration: it reads, and its resolved form reads back to the same."""
    config = read_train(file.stem)
    assert read_train(write(to_yaml(config))) == config


@pytest.mark.parametrize("file", VEHICLES, ids=lambda file: file.stem)
def test_shipped_vehicles_are_read_and_written(file, write):
    """Walk every shipped vehicle likewise."""
    vehicle = read_vehicle(file.stem)
    assert vehicle.name == file.stem
    assert read_vehicle(write(to_yaml(vehicle))) == vehicle


DISCRETE = [{"steering_angle": angle, "speed": speed} for angle in (-30, -7.5, 0, 30) for speed in (0.1, 4)]


@pytest.mark.parametrize("space", [DISCRETE, {"speed": {"low": 0.3, "high": 1 / 3}}])
def test_resolved_yaml_says_everything(space, write):
    """Write every key of every model, so that a later change of a default does not change a run."""
    config = TrainConfig(track="a", action_space=space, env={"sensors": ["lidar", "state"]})
    data = yaml.safe_load(to_yaml(config))
    assert data == config.model_dump(mode="json")
    assert data["ppo"].keys() == type(config.ppo).model_fields.keys()
    assert data["env"]["lidar"].keys() == type(config.env.lidar).model_fields.keys()
    assert read_train(write(to_yaml(config))) == config


AWKWARD = ["1e6", "1e-4", "yes", "null", "~", "1:30", "0x1f", "-", "a: b", "#x", "two\nlines", "é", " a ", "'", ""]


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_survives(text, write):
    """Write text that looks like something else so that it reads back as the same text."""
    config = TrainConfig(track=(text, "x" * 200), reward=text)
    assert read_train(write(to_yaml(config))) == config


@given(
    rate=st.floats(min_value=1e-12, max_value=0.1),
    limit=st.none() | st.floats(min_value=1e-9, max_value=1e6),
    ahead=st.lists(st.floats(min_value=0, max_value=1000), min_size=1, max_size=50, unique=True).map(sorted),
    seed=st.integers(0, 2**32 - 1),
)
def test_numbers_survive_bit_for_bit(rate, limit, ahead, seed):
    """Read every float back as the same double."""
    config = TrainConfig(
        track="a", seed=seed, ppo={"learning_rate": rate}, env={"look_ahead": ahead, "time_limit_s": limit}
    )
    again = validate(TrainConfig, apply_settings(yaml.safe_load(to_yaml(config)), []), "again")
    assert again == config


def test_validate_names_where():
    """Begin the message with what the caller says was read."""
    assert refusal(validate, VehicleConfig, {}, "somewhere").startswith("somewhere: `name` is missing. (and ")
