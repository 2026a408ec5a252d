"""`model_metadata.json` in and out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.config.actions import ContinuousActions, DiscreteActions, SpeedRange, SteeringRange
from racer.config.env import EnvConfig
from racer.deepracer.metadata import metadata_record, read_metadata
from racer.errors import ConfigError

TWO = [{"steering_angle": -30, "speed": 0.6}, {"steering_angle": 30.0, "speed": 4.0, "index": 1}]
RANGES = {"steering_angle": {"low": -20, "high": 30}, "speed": {"low": 1, "high": 2.5}}


def read(**data: Any) -> Any:
    """Read a metadata of these keys, by default with two actions."""
    return read_metadata({"action_space": TWO} | data, "m.json")


def noted(metadata: Any, text: str) -> bool:
    """Whether a note says so."""
    return any(text in note for note in metadata.notes)


def test_discrete_actions() -> None:
    """Take a list of actions as it stands, whatever their index; numbers may be text."""
    assert read().actions.table == ((-30.0, 0.6), (30.0, 4.0))
    assert read(action_space=[{"steering_angle": "-5", "speed": "1"}, *TWO]).actions.table[0] == (-5.0, 1.0)
    assert isinstance(read(action_space_type=" Discrete ").actions, DiscreteActions)


@pytest.mark.parametrize("kind", ["continuous", "CONTINUOUS", "continous"])
def test_continuous_actions(kind: str) -> None:
    """Take ranges, with the type in any case and in the spelling of DeepRacer on AWS."""
    found = read(action_space=RANGES, action_space_type=kind).actions
    assert (found.low, found.high) == ((-20.0, 1.0), (30.0, 2.5))


def test_wrapped_action_spaces() -> None:
    """Take the union of DeepRacer on AWS, whose member is spelled `continous`."""
    assert isinstance(
        read(action_space={"continous": RANGES}, action_space_type="continuous").actions, ContinuousActions
    )
    assert isinstance(read(action_space={"discrete": TWO}).actions, DiscreteActions)


def test_ranges_without_a_type() -> None:
    """Take ranges for continuous where the type is absent, and say so."""
    found = read(action_space=RANGES)
    assert isinstance(found.actions, ContinuousActions) and noted(found, "action_space_type is absent")
    assert not noted(read(action_space=RANGES, action_space_type="continuous"), "absent")


def test_actions_beyond_the_limits_are_clipped() -> None:
    """Clip as DeepRacer does, with a note; limits themselves stay."""
    found = read(action_space=[{"steering_angle": -45, "speed": 0.0}, {"steering_angle": 0, "speed": 5}])
    assert found.actions.table == ((-30.0, 0.1), (0.0, 4.0)) and noted(found, "clipped")
    assert not noted(read(), "clipped")
    wide = {"steering_angle": {"low": -40, "high": 40}, "speed": {"low": 0, "high": 9}}
    found = read(action_space=wide, action_space_type="continuous")
    assert (found.actions.low, found.actions.high) == ((-30.0, 0.1), (30.0, 4.0)) and noted(found, "clipped")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"action_space": []}, "0 actions are listed"),
        ({"action_space": TWO[:1]}, "1 actions are listed"),
        ({"action_space": TWO * 501}, "1002 actions are listed"),
        ({"action_space": [1, 2]}, "action 0 of `action_space` is 1"),
        ({"action_space": [*TWO, {"speed": 1}]}, "action 2 of"),
        ({"action_space": [*TWO, {"steering_angle": 0, "speed": None}]}, "`speed`, is null"),
        ({"action_space": "left"}, 'is "left"'),
        ({"action_space": {}}, "give a list of actions"),
        ({"action_space": RANGES | {"speed": 3}}, "give a list of actions"),
        ({"action_space": RANGES | {"speed": {"low": 2, "high": 2}}}, "`speed.low` 2 must be below"),
        ({"action_space": RANGES | {"speed": {"low": 5, "high": 6}}}, "must be below"),
        ({"action_space": RANGES | {"speed": {"low": True, "high": 2}}}, "`speed.low` is true"),
        ({"action_space_type": "continuous"}, "is continuous, but `action_space` is a list"),
        ({"action_space": RANGES, "action_space_type": "discrete"}, "is discrete, but `action_space` is an object"),
        ({"action_space_type": "diskrete"}, "Did you mean `discrete`?"),
        ({"action_space_type": 3}, "allowed are discrete, continuous"),
        ({"training_algorithm": "cliped_ppo"}, "allowed are clipped_ppo, sac. Did you mean `clipped_ppo`?"),
        ({"training_algorithm": "sac"}, "SAC needs a continuous action space"),
        ({"sensor": []}, "exactly one camera"),
        ({"sensor": ["LIDAR"]}, "exactly one camera"),
        ({"sensor": ["FRONT_FACING_CAMERA", "STEREO_CAMERAS"]}, "exactly one camera"),
        ({"sensor": ["observation", "LIDAR", "SECTOR_LIDAR"]}, "at most one lidar"),
        ({"sensor": ["FRONT_FACING_CAMRA"]}, "Did you mean `FRONT_FACING_CAMERA`?"),
        ({"sensor": [3]}, "`sensor` is 3"),
        ({"sensor": 3}, "give a list such as"),
        ({"version": 0}, "give a number from 1 to 6"),
        ({"version": "7"}, "give a number from 1 to 6"),
        ({"version": 2.5}, "give a whole number"),
        ({"version": True}, "`version` is true"),
        ({"version": "four"}, '`version` is "four"'),
        ({"version": None}, "`version` is null"),
        ({"lidar_config": {"num_sectors": 7}}, "it must divide 64"),
        ({"lidar_config": {"num_sectors": 0}}, "num_sectors` is 0"),
        ({"lidar_config": {"num_values_per_sector": 0}}, "num_values_per_sector` is 0"),
        ({"lidar_config": {"clipping_dist": 0.1}}, "clipping_dist` is 0.1"),
        ({"lidar_config": {"clipping_dist": 12.1}}, "clipping_dist` is 12.1"),
        ({"lidar_config": 3}, "`lidar_config` is 3"),
    ],
)
def test_refused(data: dict[str, Any], told: str) -> None:
    """Refuse what DeepRacer or racer cannot use, in one line that begins with the file."""
    with pytest.raises(ConfigError) as caught:
        read(**data)
    assert told in str(caught.value) and str(caught.value).startswith("m.json: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(("count", "noteworthy"), [(30, False), (31, True), (63, True), (1000, True)])
def test_more_actions_than_the_console_allowed(count: int, noteworthy: bool) -> None:
    """The console allowed 30 actions, the simulator any number; a larger list keeps its order and gets a note."""
    listed = [{"steering_angle": k * 60 / (count - 1) - 30, "speed": 1.0} for k in range(count)]
    imported = read(action_space=listed)
    assert len(imported.actions.table) == count  # type: ignore[union-attr]
    assert noted(imported, f"{count} actions") == noteworthy


def test_an_action_space_is_needed() -> None:
    """Refuse a metadata without one, as the simulator does."""
    with pytest.raises(ConfigError, match="`action_space` is missing"):
        read_metadata({"version": "5"}, "m.json")


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6, "1", "3", "5.0", 6.0])
def test_every_version(version: object) -> None:
    """Take versions 1 to 6 as text and as number."""
    assert read(version=version, sensor=["observation"]).env["sensors"] == ["camera"]


def test_sensors_by_version() -> None:
    """Version 1 knows the camera only; without a version the sensors make it version 2."""
    both = ["FRONT_FACING_CAMERA", "LIDAR"]
    assert read(sensor=both).env["sensors"] == ["camera", "lidar"]
    assert read(sensor=both, version="4").env["sensors"] == ["camera", "lidar"]
    found = read(sensor=both, version=1)
    assert found.env["sensors"] == ["camera"] and noted(found, "version 1 has no sensors")
    assert read().env["sensors"] == ["camera"]
    assert read(version="5").env["sensors"] == ["camera"]


@pytest.mark.parametrize(
    ("word", "sensor"),
    [
        ("observation", "camera"),
        ("FRONT_FACING_CAMERA", "camera"),
        ("LEFT_CAMERA", "camera"),
        ("left_camera", "camera"),
        ("STEREO_CAMERAS", "stereo"),
        ("state", "state"),
    ],
)
def test_cameras(word: str, sensor: str) -> None:
    """Take a camera over as it is, with nothing to note; the state sensor of our own logs too."""
    found = read(sensor=[word])
    assert found.env == {"sensors": [sensor]}
    assert found.notes == () or sensor == "state"
    assert EnvConfig(**found.env).camera.width == 160


@pytest.mark.parametrize(
    ("word", "name", "expected"),
    [
        ("LIDAR", "lidar", {"range_max": 1.0}),
        ("SECTOR_LIDAR", "sector_lidar", {"sectors": 8, "distance": 0.5}),
        ("DISCRETIZED_SECTOR_LIDAR", "discretized_sector_lidar", {"sectors": 4, "values": 5, "clipping_dist": 3.0}),
    ],
)
def test_lidars(word: str, name: str, expected: dict[str, float]) -> None:
    """Take each lidar over as it is; `lidar_config` is for the discretized one alone."""
    config = {"num_sectors": 4, "num_values_per_sector": 5, "clipping_dist": 3.0}
    found = read(sensor=["STEREO_CAMERAS", word], lidar_config=config)
    env = EnvConfig(**found.env)
    assert env.sensors[1:] == (name,)
    settings = getattr(env, name).model_dump()
    assert {key: settings[key] for key in expected} == expected
    assert (settings["rays"], settings["range_min"], settings["view_deg"]) == (64, 0.15, 300.0)
    assert not noted(found, f"sensor {word}")


@pytest.mark.parametrize(("clipping_dist", "expected"), [(None, (8, 8, 2.0)), (0.15, (8, 8, 0.15)), (12, (8, 8, 12))])
def test_lidar_config_defaults(clipping_dist: float | None, expected: tuple[float, ...]) -> None:
    """Take 8 sectors of 8 values up to 2 m where nothing else is said, and the ends of the allowed range."""
    config = {} if clipping_dist is None else {"lidar_config": {"clipping_dist": clipping_dist}}
    found = read(sensor=["observation", "DISCRETIZED_SECTOR_LIDAR"], **config)
    settings = EnvConfig(**found.env).discretized_sector_lidar
    assert (settings.sectors, settings.values, settings.clipping_dist) == expected


def test_algorithms_and_networks() -> None:
    """PPO where nothing is said; SAC in any case; networks by their names, SHALLOW where nothing else is said."""
    assert read().algorithm == "ppo" and read(training_algorithm="Clipped_PPO ").algorithm == "ppo"
    assert read(action_space=RANGES, training_algorithm="SAC").algorithm == "sac"
    assert read().network == "shallow"
    assert read(neural_network="DEEP_CONVOLUTIONAL_NETWORK").network == "deep"
    found = read(neural_network="DEEP_CONVOLUTIONAL_NETWORK_DEEP")
    assert found.network == "deepest" and noted(found, "without its batch normalisation and dropout")
    found = read(neural_network="RESNET")
    assert found.network == "shallow" and noted(found, "not one of DeepRacer's")
    assert noted(read(sensor=["state"], neural_network="DEEP_CONVOLUTIONAL_NETWORK"), "it reads pictures")


def test_unknown_keys_are_told() -> None:
    """Leave out what DeepRacer does not have, and guess what was meant."""
    found = read(sensors=["STEREO_CAMERAS"], colour=1)
    assert noted(found, '"sensors" in m.json: DeepRacer has no such key; left out. Did you mean `sensor`?')
    assert noted(found, '"colour" in m.json: DeepRacer has no such key; left out.')


ANGLES, SPEEDS = st.floats(-30.0, 30.0), st.floats(0.1, 4.0)


@given(st.lists(st.tuples(ANGLES, SPEEDS), min_size=2, max_size=30))
def test_discrete_round_trip(table: list[tuple[float, float]]) -> None:
    """Read back what is written for logs: the same actions in the same order."""
    actions = DiscreteActions.model_validate([{"steering_angle": angle, "speed": speed} for angle, speed in table])
    record = metadata_record(actions, "ppo", ("state", "lidar"), "racer")
    found = read_metadata(record, "m.json")
    assert found.actions == actions and found.algorithm == "ppo" and found.env["sensors"] == ["state", "lidar"]
    assert [action["index"] for action in record["action_space"]] == list(range(len(table)))


@pytest.mark.parametrize("camera", ["camera", "stereo"])
@pytest.mark.parametrize("lidar", ["lidar", "sector_lidar", "discretized_sector_lidar"])
def test_sensors_round_trip(camera: str, lidar: str) -> None:
    """Write sensors in DeepRacer's words, and read ours back."""
    actions = ContinuousActions()
    record = metadata_record(actions, "ppo", (camera, lidar), "racer")
    assert record["sensor"][1] == lidar.upper() and "CAMERA" in record["sensor"][0]
    assert read_metadata(record, "m.json").env["sensors"] == [camera, lidar]


def test_continuous_round_trip() -> None:
    """The same with ranges and SAC."""
    actions = ContinuousActions(steering_angle=SteeringRange(low=-12.5, high=20.0), speed=SpeedRange(low=0.5, high=3.0))
    found = read_metadata(metadata_record(actions, "sac", ("state",), "racer"), "m.json")
    assert (found.actions, found.algorithm) == (actions, "sac")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
KEYS = [
    "action_space",
    "action_space_type",
    "sensor",
    "version",
    "lidar_config",
    "training_algorithm",
    "neural_network",
]


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
def test_anything_is_read_or_refused_in_one_line(data: dict[str, Any]) -> None:
    """Any JSON gives a usable environment or one line, never another exception."""
    try:
        found = read_metadata({"action_space": TWO} | data, "m.json")
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        EnvConfig(**found.env)
        assert all(note.isprintable() for note in found.notes)
