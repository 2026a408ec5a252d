"""Observations are checked and cast, never scaled."""

import numpy as np
import pytest

from racer.config.env import LidarConfig
from racer.contract import SensorSpec, lidar_sensor, make_contract, state_sensor
from racer.errors import BundleError
from racer.preprocess import prepare
from support.bundles import CONTINUOUS

CAMERA = SensorSpec(name="camera", shape=(4, 6, 1), dtype="uint8", scale=(1 / 255,))
BOTH = make_contract(
    sensors=(lidar_sensor(LidarConfig(rays=5)), state_sensor((0.3, 0.6, 0.9))),
    action_space=CONTINUOUS,
    control_rate_hz=15,
)
SEEN = make_contract(sensors=(CAMERA,), action_space=CONTINUOUS, control_rate_hz=15)


def observation(batch=3):
    """Both sensors in float64, in another order, with one that is not needed."""
    return {
        "state": np.arange(batch * 20.0).reshape(batch, 20),
        "camera": np.zeros((batch, 1)),
        "lidar": np.full((batch, 5), 7.25),
    }


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_cast_without_scaling(batch):
    """Give float32 in the contract's order, values as they were."""
    given = observation(batch)
    ready = prepare(BOTH, given)
    assert list(ready) == ["lidar", "state"]
    for name, values in ready.items():
        assert values.dtype == np.float32 and values.flags.c_contiguous
        np.testing.assert_array_equal(values, given[name].astype("f4"))


def test_no_copy_where_none_is_needed():
    """Pass an array on that fits already, and straighten one that is not contiguous."""
    given = {name: values.astype("f4") for name, values in observation().items()}
    assert prepare(BOTH, given)["state"] is given["state"]
    given["state"] = np.asfortranarray(given["state"])
    assert prepare(BOTH, given)["state"].flags.c_contiguous


def test_camera_stays_bytes():
    """Keep uint8, and refuse floats that a cast would cut."""
    frames = np.arange(24, dtype=np.uint8).reshape(1, 4, 6, 1)
    assert prepare(SEEN, {"camera": frames})["camera"].dtype == np.uint8
    with pytest.raises(BundleError, match="`camera` gave float64, the policy takes uint8"):
        prepare(SEEN, {"camera": frames / 255})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"lidar": None},
            "sensor `lidar`, which is not among those given (state, camera, lidaar). Did you mean `lidaar`?",
        ),
        ({"lidar": np.zeros((3, 6))}, "Sensor `lidar` gave shape (3, 6), the policy takes (B, 5)"),
        ({"lidar": np.zeros(5)}, "Sensor `lidar` gave shape (5,), the policy takes (B, 5)"),
        ({"state": np.zeros((3, 20, 1))}, "Sensor `state` gave shape (3, 20, 1)"),
        ({"state": np.zeros((2, 20))}, "Sensor `state` gave 2 observations, `lidar` gave 3"),
        ({"state": np.zeros((3, 20), dtype=bool)}, "Sensor `state` gave bool"),
        ({"state": np.zeros((3, 20), dtype=object)}, "Sensor `state` gave object"),
    ],
)
def test_refused(change, said):
    """Name the sensor, what it gave and what is taken, in one line."""
    given = observation() | change
    if given["lidar"] is None:
        given["lidaar"] = np.zeros((3, 5))
        del given["lidar"]
    with pytest.raises(BundleError) as caught:
        prepare(BOTH, given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
