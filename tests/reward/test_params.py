"""The table of params, its page, and the dicts that are built from it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.reward.params import NAMES, PARAMS, params_markdown
from racer.reward.rows import params_rows
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY
from support.paths import ROOT

DOCUMENTED = [
    "all_wheels_on_track",
    "x",
    "y",
    "heading",
    "closest_waypoints",
    "waypoints",
    "distance_from_center",
    "is_left_of_center",
    "track_width",
    "track_length",
    "progress",
    "steps",
    "speed",
    "steering_angle",
    "is_reversed",
    "is_crashed",
    "is_offtrack",
    "closest_objects",
    "objects_location",
    "objects_distance",
    "objects_heading",
    "objects_left_of_center",
    "objects_speed",
]
UNDOCUMENTED = ["object_in_camera", "objects_distance_from_center", "projection_distance", "sim_time"]
OURS = [
    "speed_measured",
    "steering_angle_measured",
    "slip_angle",
    "yaw_rate",
    "acceleration_forward",
    "acceleration_left",
    "heading_error",
    "curvature",
    "wheels_on_track",
]

WAYPOINTS = (((0.0, 0.0), (1.0, 0.0), (0.0, 0.0)), ((0.5, -1.0), (2.0, 3.0), (2.0, 4.0), (0.5, -1.0)))


def naive(row: np.void, things: np.ndarray | None, waypoints: Any) -> dict[str, Any]:
    """The dict of one car, key by key, as the reference says; the slow twin of `params_rows`."""
    copied = [
        "all_wheels_on_track",
        "is_left_of_center",
        "is_reversed",
        "is_crashed",
        "is_offtrack",
        "object_in_camera",
    ]
    numbers = [
        "x",
        "y",
        "heading",
        "distance_from_center",
        "track_width",
        "track_length",
        "progress",
        "steps",
        "speed",
        "steering_angle",
        "projection_distance",
        "sim_time",
        *OURS[:-1],
    ]
    made: dict[str, Any] = {key: bool(row[key]) for key in copied}
    made |= {key: float(row[key]) for key in numbers}
    made["wheels_on_track"] = int(row["wheels_on_track"])
    made["closest_waypoints"] = [int(row["closest_waypoint_prev"]), int(row["closest_waypoint_next"])]
    made["closest_objects"] = [int(row["closest_object_prev"]), int(row["closest_object_next"])]
    made["waypoints"] = [(float(x), float(y)) for x, y in waypoints[int(row["course"])]]
    there = [] if things is None else [thing for thing in things if thing["active"]]
    made["objects_location"] = [[float(thing["x"]), float(thing["y"])] for thing in there]
    made["objects_distance"] = [float(thing["distance"]) for thing in there]
    made["objects_heading"] = [float(thing["heading"]) for thing in there]
    made["objects_left_of_center"] = [bool(thing["is_left_of_center"]) for thing in there]
    made["objects_speed"] = [float(thing["speed"]) for thing in there]
    made["objects_distance_from_center"] = [float(thing["distance_from_center"]) for thing in there]
    return made


def test_table_holds_the_27_keys_and_ours() -> None:
    """List DeepRacer's 23 documented and 4 undocumented keys first, then ours, each once."""
    assert {p.name for p in PARAMS if not p.ours} == {*DOCUMENTED, *UNDOCUMENTED}
    assert [p.name for p in PARAMS if p.ours] == OURS
    assert len(NAMES) == len(set(NAMES)) == 27 + len(OURS)
    assert [p.ours for p in PARAMS] == sorted(p.ours for p in PARAMS)


def test_every_field_of_telemetry_is_told() -> None:
    """Use every field of both tables except the two that only steer the building."""
    used = {name for p in PARAMS if p.fill == "telemetry" for name in p.fields}
    assert used == set(TELEMETRY.names) - {"course"}
    assert {n for p in PARAMS if p.fill == "objects" for n in p.fields} == set(OBJECT_TELEMETRY.names) - {"active"}


def test_page_is_the_generated_one() -> None:
    """Keep docs/reward-params.md equal to the table."""
    page = ROOT / "docs" / "reward-params.md"
    assert page.read_text(encoding="utf-8") == params_markdown(), (
        "run: racer rewards params --markdown > docs/reward-params.md"
    )


def test_page_names_every_key_once() -> None:
    """Give each key one table row of six cells."""
    rows = [line for line in params_markdown().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(NAMES)
    assert {row.count(" | ") for row in rows} == {5}


def _has_type(value: Any, expected: str) -> bool:
    """Compare a value with the table's type, items of lists included, subclasses excluded."""
    if expected.startswith("list["):
        return type(value) is list and all(_has_type(item, expected[5:-1]) for item in value)
    if expected.startswith("tuple["):
        inner = expected[6:-1].split(", ")
        return type(value) is tuple and len(value) == len(inner) and all(map(_has_type, value, inner))
    return type(value) is {"bool": bool, "int": int, "float": float}[expected]


@pytest.mark.parametrize("count", [1, 40])
def test_every_key_has_the_type_of_the_table(
    count: int, telemetry: Callable[..., np.ndarray], objects: Callable[..., np.ndarray], waypoints: Any
) -> None:
    """Fill each key with exact Python types, in small and large batches."""
    for params in params_rows(telemetry(count)[:, 0], objects(count)[:, 0], waypoints):
        assert list(params) == list(NAMES)
        assert {p.name: type(params[p.name]) for p in PARAMS if not _has_type(params[p.name], p.type)} == {}


def test_a_hand_made_row(telemetry: Callable[..., np.ndarray], objects: Callable[..., np.ndarray]) -> None:
    """Put each number of a row where its key says."""
    rows = telemetry(x=1.5, y=-2.5, heading=-170.0, steps=2.0, speed=3.0, closest_waypoint_prev=2)[:, 0]
    rows["closest_waypoint_next"], rows["course"] = 0, 1
    (params,) = params_rows(rows, objects()[:, 0], WAYPOINTS)
    assert (params["x"], params["y"], params["heading"], params["speed"]) == (1.5, -2.5, -170.0, 3.0)
    assert params["steps"] == 2.0
    assert params["closest_waypoints"] == [2, 0]
    assert params["waypoints"] == list(WAYPOINTS[1])
    assert params["objects_location"] == [[0.0, 10.0], [1.0, 11.0]]
    assert params["objects_heading"] == [20.0, 21.0]
    assert params["objects_left_of_center"] == [True, False]


def test_without_objects_their_keys_are_empty(telemetry: Callable[..., np.ndarray], waypoints: Any) -> None:
    """Give empty lists, and the telemetry's closest objects, where nothing else is on the road."""
    (params,) = params_rows(telemetry(closest_object_prev=0, closest_object_next=0)[:, 0], None, waypoints)
    assert [params[p.name] for p in PARAMS if p.fill == "objects"] == [[]] * 6
    assert params["closest_objects"] == [0, 0]
    assert params["object_in_camera"] is bool(list(TELEMETRY.names).index("object_in_camera") % 2)


finite = st.floats(-1e6, 1e6)


@given(data=st.data(), cars=st.integers(1, 40), count=st.integers(0, 4), with_objects=st.booleans())
def test_dicts_equal_the_naive_builder(data: st.DataObject, cars: int, count: int, with_objects: bool) -> None:
    """Build what the slow twin builds, for any telemetry and any mask of active objects."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    rows = np.zeros(cars, TELEMETRY)
    things = np.zeros((cars, count), OBJECT_TELEMETRY)
    for table in (rows, things):
        for name in table.dtype.names or ():
            table[name] = rng.integers(-50, 50, table.shape) * (0.37 if table.dtype[name].kind == "f" else 1)
            if table.dtype[name].kind == "b":
                table[name] = rng.random(table.shape) < 0.5
    rows["x"][0] = data.draw(finite)
    rows["course"] = rng.integers(0, len(WAYPOINTS), cars)
    given_things = things if with_objects else None
    built = list(params_rows(rows, given_things, WAYPOINTS))
    assert built == [naive(rows[i], things[i] if with_objects else None, WAYPOINTS) for i in range(cars)]
    assert all(math.isfinite(params["x"]) for params in built)
