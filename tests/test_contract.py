"""The contract: round trip, versions, and what does not fit together."""

import json

import pytest
from pydantic import ValidationError

from racer.config.env import CameraConfig, LidarConfig
from racer.config.network import CNNS, PreprocessConfig, StackStep
from racer.contract import (
    VERSION,
    NetworkInfo,
    PolicyContract,
    SensorSpec,
    TrainedOn,
    camera_sensor,
    contract_difference,
    lidar_sensor,
    make_contract,
    state_sensor,
    stereo_sensor,
)
from racer.errors import BundleError
from support.bundles import CONTINUOUS, DISCRETE

SENSORS = [
    (state_sensor(),),
    (lidar_sensor(),),
    (state_sensor((0.5, 1, 1.5, 2)), lidar_sensor(LidarConfig(rays=8))),
    (camera_sensor(CameraConfig(view_deg=120, lens="fisheye", distortion=(0.1, 0, 0, -0.02))), state_sensor()),
    (stereo_sensor(),),
]
STEPS = PreprocessConfig(crop_top=24, shrink=2, frames=3).steps
FIRST_VERSION = """{"format": "racer-policy", "version": 1, "sensors": [{"name": "lidar", "shape": [8], "dtype":
 "float32", "fields": [], "units": ["m"], "scale": [0.25], "offset": [0.0], "settings": {"rays": 8, "view_deg": 300.0,
 "range_min": 0.15, "range_max": 4.0, "noise": 0.01}}], "frame_stack": 1, "preprocessing": [], "control_rate_hz": 15.0,
 "action_space_type": "continuous", "action_space": {"steering_angle": {"low": -30.0, "high": 30.0}, "speed": {"low":
 0.5, "high": 4.0}}, "network": {"algorithm": "ppo", "policy_layers": [64, 64], "value_layers": [64, 64],
 "activation": "tanh"}, "onnx": {"opset": 18, "inputs": ["lidar"], "outputs": ["action", "mean"]}, "trained_on":
 {"run": "r", "tracks": ["willow_bend"], "vehicle": "deepracer", "reward": "default", "seed": 0, "steps": 600000,
 "racer_version": "0.1.0"}, "hashes": {}}"""
"""As racer 0.1.0 wrote it."""


def contract(**changes):
    """A small contract with changes."""
    given = {"sensors": (state_sensor(),), "action_space": CONTINUOUS, "control_rate_hz": 15.0}
    return make_contract(**(given | changes))


@pytest.mark.parametrize("sensors", SENSORS)
@pytest.mark.parametrize("space", [CONTINUOUS, DISCRETE])
def test_round_trip(sensors, space):
    """Read back what was written, value for value."""
    made = contract(
        sensors=sensors,
        action_space=space,
        network=NetworkInfo(policy_layers=(32,), value_layers=(16, 8), activation="elu"),
        trained_on=TrainedOn(run="r", tracks=("a", "b"), vehicle="deepracer", seed=3, steps=10),
        hashes={"reward.py": "0" * 64},
    )
    assert PolicyContract.from_json(made.to_json()) == made
    assert made.onnx.inputs == tuple(sensor.name for sensor in sensors)


def sighted(steps=STEPS, **changes):
    """A contract of a policy that sees a camera."""
    given = {"sensors": (camera_sensor(), state_sensor()), "network": NetworkInfo(cnn=CNNS["small"])}
    return contract(**(given | {"preprocessing": steps} | changes))


def test_pictures_go_round():
    """Read back a camera policy: lens and pose, steps, network, what its critic saw."""
    made = sighted(network=NetworkInfo(cnn=CNNS["deep"], value_sensors=(state_sensor(), camera_sensor())))
    again = PolicyContract.from_json(made.to_json())
    assert again == made and again.frame_stack == 3 and again.version == VERSION
    assert CameraConfig(**again.sensors[0].settings) == CameraConfig()


def test_inputs_are_what_the_preprocessing_leaves():
    """Give the network's shapes; sensors keep theirs, and what is no picture keeps its own."""
    made = sighted()
    assert [(each.name, each.shape) for each in made.sensors] == [("camera", (120, 160, 1)), ("state", (48,))]
    assert [(each.name, each.shape) for each in made.inputs] == [("camera", (48, 80, 3)), ("state", (48,))]
    stereo = sighted(sensors=(stereo_sensor(CameraConfig(colour="rgb")),), steps=(StackStep(frames=2),))
    assert stereo.inputs[0].shape == (120, 160, 12)


def test_pictures_reach_from_minus_one_to_one():
    """Bring black to -1 and white to 1."""
    sensor = camera_sensor()
    assert 0 * sensor.scale[0] + sensor.offset[0] == -1.0
    assert 255 * sensor.scale[0] + sensor.offset[0] == 1.0


def test_first_version_is_read():
    """Read a contract of version 1 as ever, and see nothing new in it."""
    read = PolicyContract.from_json(FIRST_VERSION)
    assert read.version == 1 and read.preprocessing == () and read.frame_stack == 1
    assert read.network.cnn is None and read.network.value_sensors == ()
    assert read.inputs == read.sensors and read.sensors[0].shape == (8,)
    assert contract_difference(read, read.model_copy(update={"version": 2})) is None


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.update(version=1), "came with version 2"),
        (lambda d: d.update(frame_stack=2), "frame_stack is 2, the steps of preprocessing stack [3]"),
        (lambda d: d["preprocessing"].pop(), "frame_stack is 3, the steps of preprocessing stack 1"),
        (lambda d: d["preprocessing"].reverse(), "step stack is not the last one"),
        (lambda d: d["preprocessing"].append({"step": "stack", "frames": 3}), "stack [3, 3]"),
        (lambda d: d["preprocessing"][0].update(top=119), "step area by 2 does not divide"),
        (lambda d: d["preprocessing"][0].update(top=108), "network small cannot read a picture as small as 80 x 6"),
        (lambda d: d["preprocessing"][0].update(up=1), "up: Extra inputs are not permitted"),
        (lambda d: d["preprocessing"][0].update(step="cut"), "preprocessing.0"),
        (lambda d: d["preprocessing"][2].update(filled_with="zeros"), "first_frame"),
        (lambda d: d["preprocessing"][2].update(frames=17), "less than or equal to 16"),
        (lambda d: d["preprocessing"][2].update(frames=True), "preprocessing.2.stack.frames"),
        (lambda d: d["sensors"][0].update(dtype="float32"), "should be uint8 (height, width, channels)"),
        (lambda d: d["sensors"][0].update(shape=[19200]), "should be uint8 (height, width, channels)"),
        (lambda d: d["network"]["cnn"].update(convolutions=[]), "network.cnn.convolutions"),
    ],
)
def test_pictures_refused_in_one_line(edit, said):
    """Refuse steps that do not fit each other, the sensors, the network or the version."""
    data = json.loads(sighted().to_json())
    edit(data)
    with pytest.raises(BundleError) as caught:
        PolicyContract.from_json(json.dumps(data))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_difference_names_the_preprocessing():
    """Tell other steps, and other figures of the same steps."""
    assert contract_difference(sighted(), sighted()) is None
    said = contract_difference(sighted(), sighted(steps=STEPS[:2]))
    assert said == "preprocessing crop, area, stack, against crop, area"
    said = contract_difference(sighted(), sighted(steps=(*STEPS[:2], StackStep(frames=2))))
    assert said is not None and '"frames": 3' in said and '"frames": 2' in said
    other = camera_sensor(CameraConfig(pitch_deg=20))
    said = contract_difference(sighted(), sighted(sensors=(other, state_sensor())))
    assert said is not None and "'pitch_deg': 15.0" in said and "'pitch_deg': 20.0" in said


def test_state_fields_stand_in_their_fixed_order():
    """Name the state's numbers as env makes them: own motion, commands, x, y, left, right of each point."""
    sensor = state_sensor((0.5, 1))
    assert sensor.fields == (
        *("lateral_offset", "heading_error", "speed", "lateral_speed", "yaw_rate", "steering_angle"),
        *("command_steering", "command_speed"),
        *("ahead0_x", "ahead0_y", "ahead0_left", "ahead0_right"),
        *("ahead1_x", "ahead1_y", "ahead1_left", "ahead1_right"),
    )
    assert sensor.shape == (16,)
    assert sensor.scale[8] == 2.0 and sensor.scale[12] == 1.0  # 1 / metres ahead
    assert sensor.settings == {"look_ahead_m": [0.5, 1]}


def edited(edit):
    """The JSON of a contract after an edit."""
    data = json.loads(contract().to_json())
    edit(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.update(version=VERSION + 1), f"version {VERSION + 1}, but racer"),
        (lambda d: d.update(version=VERSION + 1, news=1), f"reads versions up to {VERSION}"),
        (lambda d: d.update(version="1"), "no usable version: '1'"),
        (lambda d: d.update(version=True), "no usable version: True"),
        (lambda d: d.update(version=0), "no usable version: 0"),
        (lambda d: d.update(format="other"), "not of format `racer-policy`"),
        (lambda d: d.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda d: d.pop("control_rate_hz"), "control_rate_hz: Field required"),
        (lambda d: d.update(control_rate_hz=0), "control_rate_hz"),
        (lambda d: d.update(frame_stack=2), "frame_stack"),
        (lambda d: d.update(preprocessing=["crop"]), "preprocessing"),
        (lambda d: d.update(sensors=[]), "sensors"),
        (lambda d: d.update(sensors=d["sensors"] * 2), "listed twice"),
        (lambda d: d["sensors"][0].update(name="sonar"), "sensors.0.name"),
        (lambda d: d["sensors"][0].update(dtype="float64"), "sensors.0.dtype"),
        (lambda d: d["sensors"][0]["scale"].pop(), "has 48 elements but 47 scale"),
        (lambda d: d["sensors"][0]["fields"].__setitem__(0, "speed"), "needs 48 different field names"),
        (lambda d: d["sensors"][0]["shape"].__setitem__(0, 0), "sensors.0.shape"),
        (lambda d: d.update(action_space_type="discrete"), "action_space_type is discrete"),
        (lambda d: d["action_space"]["speed"].update(high=5.0), "outside 0.1..4 m/s"),
        (lambda d: d["onnx"].update(inputs=["lidar"]), "the graph's inputs ('lidar',)"),
        (lambda d: d["onnx"].update(outputs=["action", "logits"]), "should be ('action', 'mean')"),
        (lambda d: d.update(hashes={"x": "abc"}), "hashes.x"),
    ],
)
def test_refused_in_one_line(edit, said):
    """Refuse a contract that is newer, unknown or does not fit together, saying why."""
    with pytest.raises(BundleError) as caught:
        PolicyContract.from_json(edited(edit), source="car.bundle: contract.json")
    assert said in str(caught.value)
    assert str(caught.value).startswith("car.bundle: contract.json ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"format": NaN}'])
def test_not_json(text):
    """Refuse bytes that are no JSON object, however deep."""
    with pytest.raises(BundleError):
        PolicyContract.from_json(text)


def test_scale_must_be_finite():
    """Refuse an infinite constant."""
    with pytest.raises(ValidationError):
        SensorSpec(name="lidar", shape=(2,), dtype="float32", scale=(float("inf"),))


def test_difference_names_both():
    """Tell another observation or action space with both named; other tracks make no difference."""
    assert contract_difference(contract(), contract(trained_on=TrainedOn(run="x"))) is None
    said = contract_difference(contract(), contract(sensors=(lidar_sensor(),)))
    assert said == "observation space state float32[48], against lidar float32[64]"
    said = contract_difference(contract(), contract(sensors=(state_sensor(tuple(0.25 * k for k in range(10))),)))
    assert said is not None and "[0.3, 0.6, 0.9" in said and "against {'look_ahead_m': [0.0, 0.25" in said
    said = contract_difference(contract(), contract(action_space=DISCRETE))
    assert said is not None and "continuous" in said and "discrete, 6 actions" in said
    scaled = lidar_sensor().model_copy(update={"scale": (0.5,)})
    said = contract_difference(contract(sensors=(lidar_sensor(),)), contract(sensors=(scaled,)))
    assert said is not None and "scale[0] 0.08" in said and "against 0.5" in said
