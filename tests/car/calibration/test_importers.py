"""Calibrations of other programs' cars, read without running anything."""

import json

import pytest

from racer.car.calibration.calibration import CalibrationError, read_calibration, write_calibration
from racer.car.calibration.importers import import_deepracer, import_donkey

DRIVER = {"kind": "pca9685", "device": "1", "address": 0x40, "steering_channel": 1, "throttle_channel": 0}
DEEPRACER = {
    "Calibration": {
        "Servo": {"min": 1200000, "mid": 1450000, "max": 1700000, "polarity": 1},
        "Motor": {"min": 1311000, "mid": 1446000, "max": 1603500, "polarity": -1},
        "version": 1,
    }
}
DONKEY = """
# my car
import os
PWM_STEERING_THROTTLE = {
    "PWM_STEERING_PIN": "PCA9685.1:40.1",
    "PWM_THROTTLE_PIN": "PCA9685.1:40.0",
    "STEERING_LEFT_PWM": 460,
    "STEERING_RIGHT_PWM": 290,
    "THROTTLE_FORWARD_PWM": 500,
    "THROTTLE_STOPPED_PWM": 370,
    "THROTTLE_REVERSE_PWM": 220,
}
"""


@pytest.fixture
def file(tmp_path):
    """The other program's file."""
    return tmp_path / "theirs"


def test_deepracer_defaults(file, tmp_path):
    """The values that every DeepRacer car starts with: +1 is left and forward, polarity -1 turns them round."""
    file.write_text(json.dumps(DEEPRACER))
    made, notes = import_deepracer(file, car_id="blue", driver=DRIVER)
    s, t = made.steering, made.throttle
    assert (s.left_us, s.centre_us, s.right_us, s.invert) == (1700, 1450, 1200, False)
    assert (t.fwd_max_us, t.stop_us, t.rev_max_us, t.invert) == (1311, 1446, 1604, True)
    assert (t.fwd_start_us, t.rev_start_us, t.esc.reverse) == (1446, 1446, "none")
    assert made.speed_table == () and len(notes) == 4
    write_calibration(tmp_path / "ours.json", made)
    assert read_calibration(tmp_path / "ours.json", car_id="blue") == made


def test_deepracer_other_polarity(file):
    """Both polarities turned."""
    data = json.loads(json.dumps(DEEPRACER))
    data["Calibration"]["Servo"]["polarity"] = -1
    data["Calibration"]["Motor"]["polarity"] = 1
    file.write_text(json.dumps(data))
    made, _ = import_deepracer(file, car_id="blue", driver=DRIVER)
    assert (made.steering.left_us, made.steering.right_us, made.steering.invert) == (1200, 1700, True)
    assert (made.throttle.fwd_max_us, made.throttle.rev_max_us, made.throttle.invert) == (1604, 1311, False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("min", 800000),
        ("max", 2200000),
        ("mid", 1100000),
        ("polarity", 0),
        ("polarity", True),
        ("mid", "x"),
        ("min", None),
    ],
)
def test_deepracer_bad_values(file, key, value):
    """Out of bounds, out of order, of the wrong kind."""
    data = json.loads(json.dumps(DEEPRACER))
    data["Calibration"]["Servo"][key] = value
    file.write_text(json.dumps(data))
    with pytest.raises(CalibrationError, match="theirs"):
        import_deepracer(file, car_id="blue", driver=DRIVER)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"Calibration": 1}', b'{"Calibration": {"Servo": {}}}', b"\xff"])
def test_no_deepracer_file(file, raw):
    """Anything else is refused in one line, which says what it should hold."""
    file.write_bytes(raw)
    with pytest.raises(CalibrationError, match=r"is not a DeepRacer calibration.*Servo") as error:
        import_deepracer(file, car_id="blue", driver=DRIVER)
    assert "\n" not in str(error.value)


def test_donkey_newer_form(file):
    """Steps of 4.07 µs; a pulse below the absolute limit is cut and told."""
    file.write_text(DONKEY)
    made, notes = import_donkey(file, car_id="blue")
    s, t = made.steering, made.throttle
    assert (s.left_us, s.centre_us, s.right_us, s.invert) == (1872, 1526, 1180, False)
    assert (t.fwd_max_us, t.stop_us, t.rev_max_us, t.invert) == (2035, 1506, 900, False)
    assert made.driver.model_dump() == DRIVER
    assert notes[-1] == "THROTTLE_REVERSE_PWM 220 is 895 µs; cut to 900 µs, the absolute limit"


def test_donkey_older_form(file):
    """Single keys, decimal address, channels of their own, steering the other way round."""
    file.write_text(
        "STEERING_LEFT_PWM = 290\nSTEERING_RIGHT_PWM = 460\nTHROTTLE_FORWARD_PWM = 300\nTHROTTLE_STOPPED_PWM = 370\n"
        "THROTTLE_REVERSE_PWM = 420\nPCA9685_I2C_ADDR = 0x41\nPCA9685_I2C_BUSNUM = None\n"
        "STEERING_CHANNEL = 4\nTHROTTLE_CHANNEL = 5\n"
    )
    made, _ = import_donkey(file, car_id="blue")
    assert made.steering.invert and made.throttle.invert
    assert (made.driver.address, made.driver.device) == (0x41, "1")
    assert (made.driver.steering_channel, made.driver.throttle_channel) == (4, 5)


def test_donkey_file_is_never_run(file, tmp_path):
    """Code in it has no effect; only plain constants count."""
    mark = tmp_path / "mark"
    file.write_text(f"open({str(mark)!r}, 'w')\n" + DONKEY + "THROTTLE_STOPPED_PWM = int('1')\n")
    made, _ = import_donkey(file, car_id="blue")
    assert made.throttle.stop_us == 1506
    assert not mark.exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"STEERING_LEFT_PWM": 460,', "", "does not set STEERING_LEFT_PWM"),
        ("460", "46.0", "STEERING_LEFT_PWM is 46.0"),
        ("460", "0", "should be a whole number of 1..4095"),
        ("460", "4096", "should be a whole number of 1..4095"),
        ("460", "True", "STEERING_LEFT_PWM is True"),
        ("460", "290", "steering"),
        ("370", "510", "throttle"),
        ("PCA9685.1:40.1", "PIGPIO.BCM.13", "only pins of a PCA9685"),
        ("PCA9685.1:40.1", "PCA9685.1:41.1", "two chips"),
        ("PCA9685.1:40.1", "PCA9685.1:40.0", "two different channels"),
        ("import os", "import", "not a Python file"),
        ("# my car", "\0", "not a Python file"),
    ],
)
def test_donkey_bad_files(file, old, new, told):
    """Missing, out of bounds, wired otherwise, or no Python: one line that says so."""
    file.write_text(DONKEY.replace(old, new))
    with pytest.raises(CalibrationError, match=told) as error:
        import_donkey(file, car_id="blue")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    """A folder, a missing file, a huge one."""
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(CalibrationError, match="cannot be read"):
            import_donkey(path, car_id="blue")
        with pytest.raises(CalibrationError, match="cannot be read"):
            import_deepracer(path, car_id="blue", driver=DRIVER)
    (tmp_path / "huge").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(CalibrationError, match="far too long"):
        import_donkey(tmp_path / "huge", car_id="blue")
