"""Disturbance files: what is taken, what is refused and how, and what the shipped ones hold."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from racer.assets import asset_names
from racer.config.base import Config
from racer.config.disturbance import GROUPS, Distribution, DisturbanceConfig, disturbance_entries, is_disturbed
from racer.config.read import read_disturbance, read_vehicle, to_yaml, validate
from racer.errors import ConfigError
from support.paths import ROOT


def refusal(data):
    """The line that refuses a disturbance."""
    with pytest.raises(ConfigError) as caught:
        validate(DisturbanceConfig, data, "mine.yaml")
    line = str(caught.value)
    assert "\n" not in line
    return line


REFUSED = [
    ({"camra": {}}, "unknown key `camra`. Did you mean `camera`?"),
    ({"camera": {"pich_deg": 1}}, "unknown key `camera.pich_deg`. Did you mean `pitch_deg`?"),
    ({"camera": {"pitch_deg": {"unifrm": [1, 2]}}}, "unknown key `camera.pitch_deg.unifrm`. Did you mean `uniform`?"),
    ({"camera": {"pitch_deg": {"uniform": [3, -3]}}}, "uniform is from low to high, not 3 to -3"),
    ({"camera": {"pitch_deg": [-3, 3]}}, "give a number, or one of the keys"),
    ({"camera": {"pitch_deg": "steep"}}, "give a number, or one of the keys"),
    ({"camera": {"pitch_deg": True}}, "true and false (also yes, no, on, off) are not allowed"),
    ({"camera": {"pitch_deg": 21}}, "draws 21, which is not within -20..20"),
    ({"camera": {"pitch_deg": {"normal": [15, 2]}}}, "draws 9..21, which is not within -20..20"),
    ({"camera": {"pitch_deg": {"normal": [0, -1]}}}, "a standard deviation is 0 or more, not -1"),
    ({"camera": {"pitch_deg": {"uniform": [0, 1], "choice": [1]}}}, "give exactly one of"),
    ({"camera": {"pitch_deg": {}}}, "not none"),
    ({"image": {"gamma": {"log_uniform": [0, 1]}}}, "log_uniform needs numbers above 0, not 0"),
    ({"image": {"glare": {"choice": []}}}, "should be a list of at least 1"),
    ({"image": {"glare": {"choice": [0, 256]}}}, "draws 0..256, which is not within 0..255"),
    ({"camera_delivery": {"drop": {"uniform": [0, 1]}}}, "which is not within 0..0.9"),
    ({"vehicle": {"mass": None}}, "`vehicle.mass` is empty"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_a_mistake_is_one_line(data, words):
    """Say in one line what was given and what is allowed."""
    assert words in refusal(data)


def test_what_is_not_drawn_may_be_left_to_the_vehicle():
    """Take no value for friction and lags, whose neutral value is the vehicle's own."""
    empty = [name for name, one in disturbance_entries(DisturbanceConfig()).items() if one is None]
    assert empty == [
        "vehicle.friction", "vehicle.steer_lag", "vehicle.steer_rate_max_deg", "vehicle.throttle_lag",
        "vehicle.steer_delay",
    ]  # fmt: skip


def test_a_number_is_a_constant():
    """Read a plain number, and write it back as what it stands for."""
    config = validate(DisturbanceConfig, {"image": {"exposure": 2}}, "mine.yaml")
    assert config.image.exposure.bounds == (2.0, 2.0)
    assert validate(DisturbanceConfig, yaml.safe_load(to_yaml(config)), "again") == config


@given(
    st.sampled_from(["uniform", "log_uniform", "choice"]),
    st.tuples(st.floats(0.05, 10.0), st.floats(0.05, 10.0)).map(sorted),
)
def test_bounds_are_the_least_and_the_greatest(kind, pair):
    """Tell the range of a distribution by its numbers."""
    assert Distribution(**{kind: tuple(pair)}).bounds == tuple(pair)


def test_every_limit_is_where_the_description_says():
    """Take each entry at both of its limits and refuse it beyond, as its description tells."""
    for group in GROUPS:
        model = type(getattr(DisturbanceConfig(), group))
        for name, field in model.model_fields.items():
            low, high = (float(part) for part in field.description.rpartition("within ")[2].split(".."))
            span = high - low
            assert span > 0.0
            for value in (low, high):
                assert getattr(model(**{name: value}), name).bounds == (value, value)
            for value in (low - 0.01 * span, high + 0.01 * span):
                assert "is not within" in refusal({group: {name: value}})


def test_all_that_is_shipped_can_be_read():
    """Read every shipped disturbance; only `none` is neutral."""
    folder = ROOT / "configs" / "disturbance"
    shipped = {path.stem: read_disturbance(path) for path in folder.glob("*.yaml")}
    assert set(shipped) == {"none", "mild", "real", "any_vehicle"} <= set(asset_names("disturbance"))
    assert [name for name in sorted(shipped) if not is_disturbed(shipped[name])] == ["none"]
    assert all(is_disturbed(shipped[name], group) for name in ("mild", "real", "any_vehicle") for group in GROUPS)


FROM_THE_NOTES = {
    # on-car notes, section 4, starting ranges; ms and rad/s turned into s and degrees/s
    "camera.height": (0.9, 1.1),
    "camera.pitch_deg": (-3.0, 3.0),
    "camera.roll_deg": (-2.0, 2.0),
    "camera.yaw_deg": (-2.0, 2.0),
    "camera.left": (-0.005, 0.005),
    "camera.view": (0.95, 1.05),
    "image.exposure": (0.5, 1.6),
    "image.gamma": (0.7, 1.4),
    "image.contrast": (0.7, 1.3),
    "image.tint": (0.9, 1.1),
    "image.vignette": (0.0, 0.4),
    "image.noise": (0.0, 8.0),
    "image.motion_blur": (0.0, 3.0),
    "image.defocus": (0.0, 1.5),
    "image.jpeg_quality": (50.0, 100.0),
    "camera_delivery.latency": (0.030, 0.120),
    "camera_delivery.jitter": (0.015, 0.015),
    "camera_delivery.drop": (0.0, 0.05),
    "camera_delivery.repeat": (0.0, 0.02),
    "vehicle.steer_offset_deg": (-3.0, 3.0),
    "vehicle.steer_gain": (0.85, 1.15),
    "vehicle.steer_backlash_deg": (0.0, 2.0),
    # widened for `deepracer`, which was fitted to a log of the simulator
    "vehicle.steer_lag": (0.040, 0.180),
    "vehicle.steer_rate_max_deg": (math.degrees(3.0), math.degrees(8.0)),
    "vehicle.throttle_gain": (0.8, 1.2),
    "vehicle.throttle_deadband": (0.0, 0.08),
    "vehicle.throttle_lag": (0.030, 0.250),
    "vehicle.friction": (0.6, 1.2),
    "vehicle.steer_delay": (0.0, 0.11),
    "vehicle.mass": (0.85, 1.15),
    "vehicle.cog_forward": (-0.010, 0.010),
    "vehicle.wheelbase": (0.98, 1.02),
}


def test_real_has_the_ranges_of_the_notes():
    """Ship the starting ranges of the notes on the car as `real`, and nothing of it wider in `mild`."""
    real, mild = disturbance_entries(read_disturbance("real")), disturbance_entries(read_disturbance("mild"))
    for name, bounds in FROM_THE_NOTES.items():
        assert real[name].bounds == pytest.approx(bounds, rel=1e-3), name
        if not name.startswith("camera_delivery."):
            assert bounds[0] - 1e-3 <= mild[name].bounds[0] and mild[name].bounds[1] <= bounds[1] + 1e-3, name


@pytest.mark.parametrize(("name", "vehicles"), [
    ("real", ["deepracer"]),
    ("any_vehicle", ["deepracer", "deepracer_2022", "deepracer_geometric"]),
])  # fmt: skip
def test_ranges_hold_the_vehicles_that_they_are_for(name, vehicles):
    """Draw the values of `deepracer` under `real`, and those of all three DeepRacers under `any_vehicle`."""
    entries = disturbance_entries(read_disturbance(name))
    base = dict(read_vehicle("deepracer").steer_map_deg)
    for vehicle in map(read_vehicle, vehicles):
        values = {"friction": vehicle.friction, "steer_lag": vehicle.steer_lag, "steer_delay": vehicle.steer_delay}
        values["throttle_lag"] = 1.0 / vehicle.speed_gain
        values["throttle_gain"] = vehicle.throttle_gain / read_vehicle("deepracer").throttle_gain
        angles = dict(vehicle.steer_map_deg) or {command: command for command in base}
        # The shapes of the maps differ; the factor at 5 degrees, where little is known of any of them, may be outside.
        values |= {f"steer_gain {command:g}": angles[command] / base[command] for command in base if command > 5.0}
        for key, value in values.items():
            low, high = entries[f"vehicle.{key.split()[0]}"].bounds
            assert low <= value <= high, (vehicle.name, key)


def test_any_vehicle_is_real_but_for_the_vehicle():
    """Differ from `real` in nothing but the vehicle, and there only by wider ranges."""
    real, wide = read_disturbance("real"), read_disturbance("any_vehicle")
    assert real.model_copy(update={"vehicle": wide.vehicle}) == wide
    for name, entry in disturbance_entries(real).items():
        if entry is not None:
            low, high = disturbance_entries(wide)[name].bounds
            assert low <= entry.bounds[0] and entry.bounds[1] <= high, name


def test_groups_are_all_the_groups():
    """Draw from every group of the configuration."""
    assert list(GROUPS) == list(DisturbanceConfig.model_fields)
    assert all(isinstance(getattr(DisturbanceConfig(), group), Config) for group in GROUPS)
