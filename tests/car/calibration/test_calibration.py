"""Calibration files: round trips, every way in which one can be bad (catalogue K1), and two readers that agree."""

import copy
import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.car.actuator import calibrated_range, limits
from racer.car.actuator.calibrated_range import CalibrationRefused, calibration_digest, own_car_id, read_actuator_setup
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import CalibratedRange, Pulses
from racer.car.calibration import calibration as room
from racer.car.calibration.calibration import (
    CalibrationError,
    make_calibration,
    read_calibration,
    stamp_calibration,
    write_calibration,
)
from racer.errors import RacerError
from support.car_processes import CAR_ID, calibration


@pytest.fixture
def path(tmp_path):
    """Where the calibration lies."""
    return tmp_path / "calibration.json"


def put(path, data, *, sign=True):
    """Write plain data with a hash that fits."""
    data = data | ({"sha256": calibration_digest(data)} if sign else {})
    path.write_text(json.dumps(data))
    return path


def test_limits_are_restated_alike():
    """The file's bounds and the actuator's own are the same numbers in two places."""
    assert (room.PULSE_MIN_US, room.PULSE_MAX_US) == (limits.PULSE_MIN_US, limits.PULSE_MAX_US) == (900, 2100)
    assert limits.NEUTRAL_BEFORE_ARMING_NS / 1e9 == room.ARM_MIN_S == 2.0
    assert (room.FREQUENCY_FACTOR_MIN, room.FREQUENCY_FACTOR_MAX) == (0.9, 1.1)
    assert (limits.FREQUENCY_FACTOR_MIN, limits.FREQUENCY_FACTOR_MAX) == (0.9, 1.1)
    assert (limits.TICK_NS, limits.PERIOD_US) == (20_000_000, 20_000)
    assert (limits.COMMAND_DEADLINE_NS, limits.FRAME_DEADLINE_NS) == (100_000_000, 200_000_000)
    assert (limits.PERSON_DEADLINE_NS, limits.ALL_OFF_AFTER_NS) == (300_000_000, 500_000_000)
    assert (limits.BUS_RETRIES, limits.BUS_SLOW_NS, limits.LOOP_LATE_NS) == (2, 20_000_000, 100_000_000)
    assert (limits.STEERING_SLEW_US, limits.THROTTLE_SLEW_US) == (200, 40)


def test_digest_is_one_for_one_content():
    """The order of keys does not matter, and a number that JSON does not have is refused."""
    assert (
        calibration_digest({"a": 1, "b": 2})
        == calibration_digest({"b": 2, "a": 1})
        != calibration_digest({"a": 2, "b": 1})
    )
    with pytest.raises(ValueError):
        calibration_digest({"a": math.nan})


@pytest.mark.parametrize(("more", "good"), [(0, True), (1, False)])
def test_longest_file(path, more, good):
    """A file of exactly a mebibyte is read, one byte more is far too long."""
    data = calibration("chip")
    text = json.dumps(data)
    path.write_text(text + " " * ((1 << 20) - len(text) + more))
    if good:
        assert read_actuator_setup(str(path), CAR_ID).trim.steering_centre == 1450
    else:
        with pytest.raises(CalibrationRefused, match="longer than 1048576 bytes"):
            read_actuator_setup(str(path), CAR_ID)


def with_pulses(part, **pulses):
    """A calibration with other pulses in one part."""
    data = calibration("chip")
    data[part] = data[part] | pulses
    return data


_STEERING, _THROTTLE = "steering", "throttle"


@pytest.mark.parametrize(
    ("data", "good"),
    [
        (with_pulses(_STEERING, right_us=900, left_us=2100), True),
        (with_pulses(_STEERING, right_us=899), False),
        (with_pulses(_STEERING, left_us=2101), False),
        (with_pulses(_STEERING, right_us=1449, left_us=1451), True),
        (with_pulses(_STEERING, right_us=1450), False),
        (with_pulses(_STEERING, left_us=1450), False),
        (with_pulses(_THROTTLE, rev_start_us=1446, rev_max_us=1446, fwd_start_us=1446), True),
        (with_pulses(_THROTTLE, fwd_start_us=1447), False),
        (with_pulses(_THROTTLE, rev_start_us=1445), False),
    ],
)
def test_edges_of_the_pulses(path, data, good):
    """900 and 2100 µs are allowed, steering rises by at least 1 µs, throttle may stay but never turns back."""
    put(path, data)
    if good:
        read_actuator_setup(str(path), CAR_ID)
        read_calibration(path, car_id=CAR_ID)
        return
    with pytest.raises(CalibrationRefused):
        read_actuator_setup(str(path), CAR_ID)
    with pytest.raises(CalibrationError):
        read_calibration(path, car_id=CAR_ID)


@pytest.mark.parametrize(("address", "good"), [(2, False), (3, True), (119, True), (120, False)])
def test_edges_of_the_address(path, address, good):
    """I2C has the addresses 3..119, to both readers."""
    data = calibration("1")
    data["driver"] = data["driver"] | {"kind": "pca9685", "device": "1", "address": address}
    put(path, data)
    if good:
        assert read_actuator_setup(str(path), CAR_ID).wiring.address == address
        assert read_calibration(path, car_id=CAR_ID).driver.address == address
        return
    with pytest.raises(CalibrationRefused):
        read_actuator_setup(str(path), CAR_ID)
    with pytest.raises(CalibrationError):
        read_calibration(path, car_id=CAR_ID)


@pytest.mark.parametrize(
    ("factor", "good"),
    [(0.9, True), (1, True), (1.03, True), (1.1, True), (0.899, False), (1.101, False), (True, False), ("1", False)],
)
def test_edges_of_the_frequency_factor(path, factor, good):
    """A chip is at most 10 % off, to both readers; a nominal one leaves its file as it was."""
    data = calibration("1")
    data["driver"] = data["driver"] | {"kind": "pca9685", "device": "1", "frequency_factor": factor}
    put(path, data)
    if good:
        assert read_actuator_setup(str(path), CAR_ID).wiring.frequency_factor == factor
        kept = read_calibration(path, car_id=CAR_ID)
        assert kept.driver.frequency_factor == factor
        assert ("frequency_factor" in kept.to_json()) == (factor != 1)
        return
    with pytest.raises(CalibrationRefused):
        read_actuator_setup(str(path), CAR_ID)
    with pytest.raises(CalibrationError):
        read_calibration(path, car_id=CAR_ID)


def test_messages_about_order_begin_with_the_key(path):
    """Pulses out of order are named; Python's words for the file's parts are not."""
    data = with_pulses("steering", left_us=1100)
    data.pop("sha256", None)
    with pytest.raises(CalibrationError, match=r"here: `steering`: left 1100, centre 1450") as error:
        make_calibration(data, "here")
    assert "dict" not in str(error.value)


def test_long_serial_number(tmp_path):
    """Only the first 64 bytes of the board's number are read."""
    place = tmp_path / "sys/firmware/devicetree/base"
    place.mkdir(parents=True)
    (place / "serial-number").write_text("0123456789" * 8)
    assert own_car_id({}, f"{tmp_path}/") == "pi-67890123"


def test_round_trip(path):
    """What is written is what is read, by both readers; the first file stays as .bak."""
    data = calibration("chip")
    data.pop("sha256")
    one = stamp_calibration(make_calibration(data, "here"), tool="a test")
    write_calibration(path, one)
    assert read_calibration(path, car_id=CAR_ID) == one
    two = one.model_copy(update={"tool": "another"})
    write_calibration(path, two)
    assert read_calibration(path, car_id=None) == two
    assert read_calibration(path.with_name("calibration.json.bak"), car_id=CAR_ID) == one
    setup = read_actuator_setup(str(path), CAR_ID)
    assert setup.trim == CalibratedRange(1200, 1450, 1700, 1311, 1446, 1446)
    assert setup.wiring.text == "sim:chip:1:0"
    assert one.tool.startswith("a test, racer ") and one.created.endswith("+00:00")
    assert sorted(each.name for each in path.parent.iterdir()) == ["calibration.json", "calibration.json.bak"]


@pytest.mark.parametrize(
    ("reverse", "low", "high"), [("none", 1311, 1446), ("direct", 1311, 1603), ("double_tap", 1311, 1603)]
)
def test_backwards_only_where_the_file_says_how(path, reverse, low, high):
    """Without a way to reverse, the actuator refuses every pulse beyond stop."""
    data = calibration("chip")
    data["throttle"]["esc"]["reverse"] = reverse
    found = read_actuator_setup(str(put(path, data)), CAR_ID).trim
    assert (found.throttle_low, found.throttle_high) == (low, high)


def test_not_inverted_throttle(path):
    """A car whose longer pulse drives forward."""
    throttle = {
        "stop_us": 1500, "fwd_start_us": 1520, "fwd_max_us": 1900, "rev_start_us": 1500, "rev_max_us": 1500,
        "invert": False, "esc": {"arm_s": 3.0, "reverse": "none"},
    }  # fmt: skip
    put(path, calibration("chip", throttle=throttle))
    assert read_actuator_setup(str(path), CAR_ID).trim == CalibratedRange(1200, 1450, 1700, 1500, 1500, 1900)
    read_calibration(path, car_id=CAR_ID)


def change(*keys, value):
    """A change of one value, deep inside."""

    def apply(data):
        *way, last = keys
        for key in way:
            data = data[key]
        data[last] = value

    return apply


def swapped(data):
    """Left and right exchanged."""
    steering = data["steering"]
    steering["left_us"], steering["right_us"] = steering["right_us"], steering["left_us"]


BAD = {
    "steering swapped": swapped,
    "steering invert flipped": change("steering", "invert", value=True),
    "steering invert no flag": change("steering", "invert", value=0),
    "centre outside": change("steering", "centre_us", value=1200),
    "left too far": change("steering", "left_us", value=2101),
    "right too far": change("steering", "right_us", value=899),
    "pulse is text": change("steering", "left_us", value="1700"),
    "pulse is a fraction": change("steering", "left_us", value=1700.5),
    "pulse is true": change("steering", "left_us", value=True),
    "throttle invert flipped": change("throttle", "invert", value=False),
    "stop beyond forward": change("throttle", "stop_us", value=1420),
    "forward of no length": change("throttle", "fwd_max_us", value=1430),
    "backwards the wrong way": change("throttle", "rev_max_us", value=1440),
    "reverse unknown": change("throttle", "esc", "reverse", value="maybe"),
    "driver unknown": change("driver", "kind", value="gpio"),
    "one channel for both": change("driver", "steering_channel", value=0),
    "channel 16": change("driver", "steering_channel", value=16),
    "channel is text": change("driver", "steering_channel", value="1"),
    "address 0": change("driver", "address", value=0),
    "device has a colon": change("driver", "device", value="a:b"),
    "device has a zero byte": change("driver", "device", value="a\0b"),
    "device is empty": change("driver", "device", value=""),
    "other car": change("car_id", value="another-car"),
    "version 2": change("version", value=2),
    "version true": change("version", value=True),
    "another format": change("format", value="calibration"),
    "steering missing": lambda data: data.pop("steering"),
    "stop missing": lambda data: data["throttle"].pop("stop_us"),
    "throttle is a list": change("throttle", value=[]),
    "steering is none": change("steering", value=None),
}


@pytest.mark.parametrize("name", BAD)
def test_both_readers_refuse(path, name):
    """Signed, but bad: the pilot's reader and the actuator's, each on its own, refuse and say which file."""
    data = calibration("chip")
    BAD[name](data)
    put(path, data)
    with pytest.raises(CalibrationRefused, match=r"calibration\.json"):
        read_actuator_setup(str(path), CAR_ID)
    with pytest.raises(CalibrationError, match=r"calibration\.json") as error:
        read_calibration(path, car_id=CAR_ID)
    assert "\n" not in str(error.value) and isinstance(error.value, RacerError)


@pytest.mark.parametrize(
    ("apply", "told"),
    [
        (change("steering", "max_deg_left", value=0.0), "max_deg_left"),
        (change("throttle", "esc", "arm_s", value=1.9), "arm_s"),
        (change("speed_table", value=[[0.0, 0.5]]), "at least two rows"),
        (change("speed_table", value=[[0.0, 0.5], [0.5, 0.5]]), "must rise"),
        (change("speed_table", value=[[0.5, 0.5], [0.5, 0.6]]), "must rise"),
        (change("speed_table", value=[[-0.1, 0.5], [0.5, 0.6]]), "0..1"),
        (change("speed_table", value=[[0.0, 0.5], [1.1, 0.6]]), "0..1"),
        (change("speed_table", value=[[0.0, -0.5], [1.0, 0.6]]), "0..30"),
        (change("speed_table", value=[[0.0, 0.5], [1.0, 30.5]]), "0..30"),
        (change("camera", value={"view_deg": 5.0}), "view_deg"),
        (change("sterring", value={}), "sterring"),
    ],
)
def test_the_pilot_s_reader_refuses_more(path, apply, told):
    """What only the pilot uses is checked by the pilot alone."""
    data = calibration("chip")
    apply(data)
    put(path, data)
    with pytest.raises(CalibrationError, match=told.replace(".", r"\.")):
        read_calibration(path, car_id=CAR_ID)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "not a racer calibration"),
        (b"null", "not a racer calibration"),
        (b'{"format": "racer-calibration", "version": 1, "version": 1}', "given twice"),
        (b'{"format": "racer-calibration", "version": NaN}', "is not a number that JSON allows"),
        (b"[" * 100_000, "not valid JSON"),
        (b" " * (1 << 20) + b" ", "longer than 1048576 bytes"),
        (b'{"format": "racer-calibration", "version": 1}', "sha256 differs"),
    ],
)
def test_what_is_no_calibration_at_all(path, raw, told):
    """Bytes of any kind are refused with a reason."""
    path.write_bytes(raw)
    with pytest.raises(CalibrationRefused, match=told):
        read_actuator_setup(str(path), CAR_ID)
    with pytest.raises(CalibrationError, match=told):
        read_calibration(path, car_id=None)


def test_a_missing_file_says_what_to_do(path):
    """The path, the reason, the command."""
    with pytest.raises(CalibrationError, match=r"No such file.*racer car calibration import"):
        read_calibration(path, car_id=CAR_ID)


def test_every_turned_byte_is_seen(path):
    """One byte of the file changed, here and there: refused, or the same values (white space between them)."""
    put(path, calibration("chip"))
    raw = path.read_bytes()
    good = read_actuator_setup(str(path), CAR_ID)
    dice = random.Random(3)
    for at in range(0, len(raw), 3):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ (1 << dice.randrange(8))]) + raw[at + 1 :])
        try:
            assert read_actuator_setup(str(path), CAR_ID) == good
        except CalibrationRefused:
            continue


def test_every_truncation_is_seen(path):
    """A file that was half written is no calibration."""
    put(path, calibration("chip"))
    raw = path.read_bytes()
    for length in range(0, len(raw), 3):
        path.write_bytes(raw[:length])
        with pytest.raises(CalibrationRefused):
            read_actuator_setup(str(path), CAR_ID)


_LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5000, 5000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_content_moves_a_pulse_beyond_the_limits(tmp_path_factory, data):
    """K1: values of any kind in any place. What the actuator accepts, the pilot's reader accepts for those parts, and
    no machine on it leaves 900..2100 µs; nothing but `Refused` is ever raised."""
    path = tmp_path_factory.mktemp("k1") / "calibration.json"
    content = copy.deepcopy(calibration("chip"))
    for _ in range(data.draw(st.integers(1, 4))):
        part = content[data.draw(st.sampled_from(["steering", "throttle", "driver"]))]
        key = data.draw(st.sampled_from(sorted(part)))
        old = part[key]
        near = st.integers(old - 300, old + 300) if type(old) is int else _LEAF
        part[key] = data.draw(st.one_of(_LEAF, near))
    put(path, content)
    try:
        setup = read_actuator_setup(str(path), CAR_ID)
    except CalibrationRefused:
        return
    machine = ActuatorStateMachine(trim=setup.trim, now_ns=0)
    assert machine.pulses(0) == Pulses(setup.trim.steering_centre, setup.trim.throttle_stop)
    row = [getattr(setup.trim, name) for name in setup.trim.__slots__]
    assert all(900 <= pulse <= 2100 for pulse in row)
    try:
        read_calibration(path, car_id=CAR_ID)
    except CalibrationError as error:
        assert "max_deg" in str(error) or "arm_s" in str(error) or "esc" in str(error)


@pytest.mark.parametrize(
    ("environment", "serial", "name"),
    [
        ({"RACER_CAR_ID": "blue"}, b"100000001234abcd\0", "blue"),
        ({}, b"100000001234abcd\0", "pi-1234abcd"),
        ({}, b"\0", None),
        ({}, b"\xff", None),
        ({}, None, None),
    ],
)
def test_own_car_id(tmp_path, environment, serial, name):
    """What was given, else the board's number, else the host's name."""
    if serial is not None:
        folder = tmp_path / "sys/firmware/devicetree/base"
        folder.mkdir(parents=True)
        (folder / "serial-number").write_bytes(serial)
    found = own_car_id(environment, f"{tmp_path}/")
    assert found == name if name else found.startswith("host-")


def test_default_calibration():
    """The environment's, else the service's."""
    assert calibrated_range.default_calibration_path({"RACER_CALIBRATION": "x.json"}) == "x.json"
    assert calibrated_range.default_calibration_path({}) == "/var/lib/racer/calibration.json"
