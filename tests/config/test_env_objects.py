"""What may be put on the road: ranges, what needs what, and one-line errors."""

import pytest
from pydantic import ValidationError

from racer.config.env import BotsConfig, DiscretizedSectorLidarConfig, EnvConfig, ObjectsConfig, SectorLidarConfig
from racer.env.batch import resolve_env_config
from racer.errors import ConfigError


def fine(model, **fields):
    """Whether a model takes these fields."""
    try:
        model(**fields)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("model", "name", "accepted", "refused"),
    [
        (ObjectsConfig, "count", [1, 6], [0, 7, 2.5, True]),
        (ObjectsConfig, "first", [0.0, 0.2], [-0.01, 1.01, 0.91]),
        (ObjectsConfig, "last", [0.5, 1.0], [-0.01, 1.01, 0.06]),
        (ObjectsConfig, "gap", [0.0, 0.2], [-0.01, 1.01]),
        (ObjectsConfig, "race", ["time_trial", "object_avoidance", "head_to_bot"], ["rally", "", None]),
        (ObjectsConfig, "lanes", ["placement", "alternating", "random", "inner", "outer"], ["left", 1]),
        (BotsConfig, "speed", [0.0, 4.0], [-0.1, 4.1, float("nan")]),
        (BotsConfig, "lane_changes", ["never", "random"], [True, "always"]),
        (BotsConfig, "lane_change", [0.1, 20.0], [0.0, 20.1]),
        (BotsConfig, "pause_s", [0.0, 600.0], [-1.0, 601.0]),
        (BotsConfig, "wait_min_s", [0.0, 5.0], [-1.0, 5.1]),
        (BotsConfig, "wait_max_s", [3.0, 600.0], [2.9, 601.0]),
        (SectorLidarConfig, "distance", [0.01, 200.0], [0.0, 200.1]),
        (SectorLidarConfig, "sectors", [1, 8, 64], [0, 7, 128]),
        (SectorLidarConfig, "rays", [8, 16, 4096], [7, 12, 4104]),
        (DiscretizedSectorLidarConfig, "values", [1, 1000], [0, 1001]),
        (DiscretizedSectorLidarConfig, "clipping_dist", [0.15, 12.0, 200.0], [0.0, 200.1]),
    ],
)
def test_ranges(model, name, accepted, refused):
    """Check values at the ends of each range and the next ones outside."""
    for value in accepted:
        assert fine(model, **{name: value}), value
    for value in refused:
        assert not fine(model, **{name: value}), value


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({"placement": "fixed", "positions": [[0.1, -1], [0.24, 1]]}, True),
        ({"placement": "fixed", "positions": [[0.0, 1], [1.0, -1]]}, True),
        ({"placement": "fixed"}, False),  # no positions
        ({"placement": "fixed", "race": "time_trial"}, True),  # nothing is placed
        ({"placement": "fixed", "positions": [[0.1, 0]]}, False),  # a lane is 1 or -1
        ({"placement": "fixed", "positions": [[0.1, 2]]}, False),
        ({"placement": "fixed", "positions": [[1.1, 1]]}, False),
        ({"placement": "fixed", "positions": [[-0.1, 1]]}, False),
        ({"placement": "fixed", "positions": [[0.1, 1]] * 6}, True),
        ({"placement": "fixed", "positions": [[0.1, 1]] * 7}, False),
        ({"placement": "random", "positions": [[0.1, 1]]}, False),  # they would be left out
        ({"count": 6, "gap": 0.166}, True),  # 5 gaps in 0.83 of a lap
        ({"count": 6, "gap": 0.1661}, False),
        ({"count": 6, "gap": 0.1661, "placement": "spaced"}, True),
        ({"count": 1, "first": 0.5, "last": 0.5}, True),
        ({"count": 2, "first": 0.5, "last": 0.6}, False),
    ],
)
def test_what_fits_together(fields, accepted):
    """Check positions, lanes, and that random objects have room for their gaps."""
    assert fine(ObjectsConfig, **({"race": "object_avoidance"} | fields)) == accepted


@pytest.mark.parametrize(
    ("fields", "slots"),
    [
        ({}, 0),
        ({"race": "object_avoidance"}, 3),
        ({"race": "head_to_bot", "count": 5}, 5),
        ({"race": "object_avoidance", "placement": "fixed", "positions": [[0.1, 1], [0.5, -1]]}, 2),
    ],
)
def test_slots(fields, slots):
    """Count what stands in a world: nothing in a time trial, one object for each fixed position."""
    assert ObjectsConfig(**fields).slots == slots


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"objects": {"race": "rally"}}, "`objects.race` is 'rally'"),
        ({"objects": {"cout": 2}}, "unknown key `objects.cout`. Did you mean `count`?"),
        ({"objects": {"bots": {"sped": 1}}}, "unknown key `objects.bots.sped`. Did you mean `speed`?"),
        ({"objects": {"race": "head_to_bot", "placement": "fixed"}}, "placement fixed needs positions"),
        ({"objects": {"count": 6, "gap": 0.2}}, "6 objects with gaps of 0.2 need 1 of the lap"),
        ({"sector_lidar": {"sectors": 7}}, "sectors 7 must divide the 64 rays"),
    ],
)
def test_mistakes_are_one_line(fields, told):
    """Name the key, what was given and what to do."""
    with pytest.raises(ConfigError) as caught:
        resolve_env_config(fields, None)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_an_environment_has_no_objects_unless_told():
    """Keep the time trial as the default."""
    assert EnvConfig().objects == ObjectsConfig() and EnvConfig().objects.race == "time_trial"
