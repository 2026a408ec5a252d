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
    assert made.speed_table == () and len(notes) == 5
    assert "PCA9685" in notes[-1] and "--frequency-factor" in notes[-1]
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


def test_deepracer_floats(file):
    """Numbers that a tool wrote with a decimal point are the same pulses; half a nanosecond is rounded away."""
    data = json.loads(json.dumps(DEEPRACER))
    data["Calibration"]["Servo"] = {"min": 1200000.0, "mid": 1.39e6, "max": 1700000.4, "polarity": 1.0}
    file.write_text(json.dumps(data))
    made, _ = import_deepracer(file, car_id="blue", driver=DRIVER)
    assert (made.steering.left_us, made.steering.centre_us, made.steering.right_us) == (1700, 1390, 1200)


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("Servo", {"min": 800000}, r"Calibration\.Servo\.min is 800000 ns; .*900..2100"),
        ("Motor", {"max": 2.2e6}, r"Calibration\.Motor\.max is 2200000\.0 ns; .*900..2100"),
        ("Servo", {"mid": 1100000}, r"Calibration\.Servo: .*`mid` must lie between `min` and `max`"),
        ("Servo", {"max": 1450000}, r"Calibration\.Servo: .*`mid` must lie between `min` and `max`"),
        ("Motor", {"mid": 1700000}, r"Calibration\.Motor: .*`mid` must lie between `min` and `max`"),
        ("Servo", {"mid": "x"}, r"Calibration\.Servo\.mid is 'x'; .*a number of nanoseconds"),
        ("Servo", {"mid": True}, r"Calibration\.Servo\.mid is True; .*a number of nanoseconds"),
        ("Motor", {"mid": float("nan")}, r"Calibration\.Motor\.mid is nan; .*a number of nanoseconds"),
        ("Motor", {"polarity": -0.5}, r"Calibration\.Motor\.polarity is -0\.5; .*1 or -1"),
    ],
)
def test_deepracer_messages_name_the_keys_of_its_file(file, part, changes, message):
    """The message names the key and the number in the user's file, not a field of racer's calibration."""
    data = json.loads(json.dumps(DEEPRACER))
    data["Calibration"][part] |= changes
    file.write_text(json.dumps(data))
    with pytest.raises(CalibrationError, match=message) as error:
        import_deepracer(file, car_id="blue", driver=DRIVER)
    assert "invert" not in str(error.value) and "dict" not in str(error.value)


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
        ("460", "290", "STEERING_LEFT_PWM and STEERING_RIGHT_PWM are both 290"),
        ("370", "510", "THROTTLE_STOPPED_PWM 510 must lie between THROTTLE_REVERSE_PWM 220 and THROTTLE_FORWARD_PWM"),
        ("370", "500", "THROTTLE_STOPPED_PWM 500 must lie between"),
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


# The drive trains of donkeycar 5 that have no servo and speed controller on a PCA9685.
OTHER_DRIVE_TRAINS = [
    "MM1",
    "SERVO_HBRIDGE_2PIN",
    "SERVO_HBRIDGE_3PIN",
    "SERVO_HBRIDGE_PWM",
    "DC_STEER_THROTTLE",
    "DC_TWO_WHEEL",
    "DC_TWO_WHEEL_L298N",
    "PIGPIO_PWM",
    "VESC",
    "ROBOCARSHAT",
    "MOCK",
]
# Keys of donkeycar's own configuration for every drive train, in its order; values differ where they must not leak.
FULL = """
import os
CAR_PATH = os.path.dirname(os.path.realpath(__file__))
PCA9685_I2C_ADDR = 0x40
PCA9685_I2C_BUSNUM = None
DRIVE_TRAIN_TYPE = "PWM_STEERING_THROTTLE"
PWM_STEERING_THROTTLE = {
    "PWM_STEERING_PIN": "PCA9685.1:40.1",
    "PWM_STEERING_SCALE": 1.0,
    "PWM_STEERING_INVERTED": False,
    "PWM_THROTTLE_PIN": "PCA9685.1:40.0",
    "PWM_THROTTLE_SCALE": 1.0,
    "PWM_THROTTLE_INVERTED": False,
    "STEERING_LEFT_PWM": 480,
    "STEERING_RIGHT_PWM": 330,
    "THROTTLE_FORWARD_PWM": 410,
    "THROTTLE_STOPPED_PWM": 372,
    "THROTTLE_REVERSE_PWM": 330,
}
STEERING_CHANNEL = 3
STEERING_LEFT_PWM = 460
STEERING_RIGHT_PWM = 290
THROTTLE_CHANNEL = 2
THROTTLE_FORWARD_PWM = 500
THROTTLE_STOPPED_PWM = 370
THROTTLE_REVERSE_PWM = 225
STEERING_PWM_PIN = 13
STEERING_PWM_FREQ = 50
STEERING_PWM_INVERTED = False
SERVO_HBRIDGE_2PIN = {
    "FWD_DUTY_PIN": "RPI_GPIO.BOARD.18",
    "BWD_DUTY_PIN": "RPI_GPIO.BOARD.16",
    "PWM_STEERING_PIN": "RPI_GPIO.BOARD.33",
    "PWM_STEERING_SCALE": 1.0,
    "PWM_STEERING_INVERTED": False,
    "STEERING_LEFT_PWM": 450,
    "STEERING_RIGHT_PWM": 280,
}
SERVO_HBRIDGE_3PIN = {
    "FWD_PIN": "RPI_GPIO.BOARD.18",
    "DUTY_PIN": "RPI_GPIO.BOARD.35",
    "PWM_STEERING_PIN": "RPI_GPIO.BOARD.33",
    "STEERING_LEFT_PWM": 440,
    "STEERING_RIGHT_PWM": 270,
}
VESC_SERIAL_PORT = "/dev/ttyACM0"
DC_STEER_THROTTLE = {"LEFT_DUTY_PIN": "RPI_GPIO.BOARD.18", "RIGHT_DUTY_PIN": "RPI_GPIO.BOARD.16"}
DC_TWO_WHEEL = {"LEFT_FWD_DUTY_PIN": "RPI_GPIO.BOARD.18"}
DC_TWO_WHEEL_L298N = {"LEFT_FWD_PIN": "RPI_GPIO.BOARD.16"}
WEB_CONTROL_PORT = int(os.getenv("WEB_CONTROL_PORT", 8887))
"""
OF_DICT, OF_KEYS = (1953, 1648, 1343, 1514, 1668, 1343), (1872, 1526, 1180, 1506, 2035, 916)


def pulses(made):
    """Left, centre, right, stop, forward and reverse [us]."""
    s, t = made.steering, made.throttle
    return s.left_us, s.centre_us, s.right_us, t.stop_us, t.fwd_max_us, t.rev_max_us


def typed(name, text=FULL):
    """The full configuration with another drive train."""
    return text.replace('DRIVE_TRAIN_TYPE = "PWM_STEERING_THROTTLE"', f"DRIVE_TRAIN_TYPE = {name!r}")


def test_donkey_drive_train_chooses_the_pulses(file):
    """Each drive train reads its own settings from a file that holds all of them, in either order."""
    (head, dictionary), tail = FULL.split("PWM_STEERING_THROTTLE = {"), "\n}\n"
    dictionary, rest = dictionary.split(tail, 1)
    moved = head + rest + "PWM_STEERING_THROTTLE = {" + dictionary + tail
    for text in (FULL, moved):
        file.write_text(text)
        made, _ = import_donkey(file, car_id="blue")
        assert pulses(made) == OF_DICT
        assert (made.driver.steering_channel, made.driver.throttle_channel) == (1, 0)
        file.write_text(typed("I2C_SERVO", text))
        made, _ = import_donkey(file, car_id="blue")
        assert pulses(made) == OF_KEYS
        assert (made.driver.steering_channel, made.driver.throttle_channel) == (3, 2)


@pytest.mark.parametrize("name", [*OTHER_DRIVE_TRAINS, "PWM", "pwm_steering_throttle", ""])
def test_donkey_refuses_other_drive_trains_by_name(file, name):
    """A drive train without servo and speed controller on a PCA9685, or an unknown one, is not imported."""
    file.write_text(typed(name))
    with pytest.raises(CalibrationError, match=f"DRIVE_TRAIN_TYPE is '{name}'") as error:
        import_donkey(file, car_id="blue")
    assert "PWM_STEERING_THROTTLE, I2C_SERVO" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["None", "5", '["I2C_SERVO"]', 'os.getenv("TRAIN")'])
def test_donkey_refuses_a_drive_train_that_is_not_a_name(file, value):
    """A type that cannot be read is never guessed."""
    file.write_text(FULL.replace('DRIVE_TRAIN_TYPE = "PWM_STEERING_THROTTLE"', f"DRIVE_TRAIN_TYPE = {value}"))
    with pytest.raises(CalibrationError, match="DRIVE_TRAIN_TYPE is"):
        import_donkey(file, car_id="blue")


def test_donkey_without_a_drive_train(file):
    """A file with pulses of one kind needs no type; with both kinds it does."""
    file.write_text(FULL.replace('DRIVE_TRAIN_TYPE = "PWM_STEERING_THROTTLE"', ""))
    with pytest.raises(CalibrationError, match=r"both in PWM_STEERING_THROTTLE and .*DRIVE_TRAIN_TYPE"):
        import_donkey(file, car_id="blue")
    keys = "".join(line for line in FULL.splitlines(keepends=True) if line.startswith(("STEERING_", "THROTTLE_")))
    file.write_text(keys)
    made, notes = import_donkey(file, car_id="blue")
    assert pulses(made) == OF_KEYS
    assert any("DRIVE_TRAIN_TYPE" in note and "I2C_SERVO" in note for note in notes)
    for name, missing in (("I2C_SERVO", "STEERING_LEFT_PWM"), ("PWM_STEERING_THROTTLE", "PWM_STEERING_THROTTLE")):
        file.write_text(f"DRIVE_TRAIN_TYPE = {name!r}\n")
        with pytest.raises(CalibrationError, match=f"does not set {missing}"):
            import_donkey(file, car_id="blue")


def test_donkey_channels_that_the_file_does_not_set(file):
    """Donkeycar's usual channels are taken, and a note says so; a single pin is an error."""
    bare = DONKEY.replace('    "PWM_STEERING_PIN": "PCA9685.1:40.1",\n', "")
    file.write_text(bare)
    with pytest.raises(CalibrationError, match="does not set PWM_STEERING_PIN"):
        import_donkey(file, car_id="blue")
    file.write_text(bare.replace('    "PWM_THROTTLE_PIN": "PCA9685.1:40.0",\n', ""))
    made, notes = import_donkey(file, car_id="blue")
    assert made.driver.model_dump() == DRIVER
    assert any(note.startswith("PWM_STEERING_PIN, PWM_THROTTLE_PIN") for note in notes)
    file.write_text(typed("I2C_SERVO").replace("STEERING_CHANNEL = 3\n", "").replace("THROTTLE_CHANNEL = 2\n", ""))
    made, notes = import_donkey(file, car_id="blue")
    assert (made.driver.steering_channel, made.driver.throttle_channel) == (1, 0)
    assert any(note.startswith("STEERING_CHANNEL, THROTTLE_CHANNEL") for note in notes)


def test_donkey_with_one_channel_for_both(file):
    """The last STEERING_CHANNEL of donkeycar 5's own configuration is 0, the throttle's: not a car that drives."""
    file.write_text(typed("I2C_SERVO") + "STEERING_CHANNEL = 2\n")
    with pytest.raises(CalibrationError, match="both on channel 2; use two different channels"):
        import_donkey(file, car_id="blue")


@pytest.mark.parametrize(
    ("scale", "left_us"),
    [("0.83", 1619), ("1", 1953), ("1.05", 2051), ("1.5", None), ("0.002", None), ("0", None), ("-1", None)]
    + [(text, None) for text in ("True", "'1.0'", "None", "1e999", "float('nan')", "os.getenv('X')")],
)
def test_donkey_scale(file, scale, left_us):
    """int(480 x scale) steps, as donkeycar computes them; a scale that is not a number or leaves 1..4095 is refused."""
    file.write_text(FULL.replace('"PWM_STEERING_SCALE": 1.0', f'"PWM_STEERING_SCALE": {scale}', 1))
    if left_us is None and scale != "1.5":
        with pytest.raises(CalibrationError, match=r"PWM_STEERING_SCALE|STEERING_LEFT_PWM 480"):
            import_donkey(file, car_id="blue")
        return
    made, notes = import_donkey(file, car_id="blue")
    # 480 x 1.5 = 720 steps are 2930 us: cut to the absolute limit, with a note.
    assert made.steering.left_us == (left_us or 2100)
    assert made.throttle.stop_us == 1514, "the throttle has its own scale"
    assert any("PWM_STEERING_SCALE" in note for note in notes) == (scale != "1")
    assert left_us or any("cut to 2100" in note for note in notes)


@pytest.mark.parametrize("key", ["PWM_STEERING_INVERTED", "PWM_THROTTLE_INVERTED"])
@pytest.mark.parametrize("value", ["True", "1", "'yes'", "bool(1)"])
def test_donkey_refuses_inverted_levels(file, key, value):
    """The car's circuit inverts the level; racer's actuator would not, so every pulse would be a wrong one."""
    file.write_text(FULL.replace(f'"{key}": False', f'"{key}": {value}', 1))
    with pytest.raises(CalibrationError, match=key):
        import_donkey(file, car_id="blue")


@pytest.mark.parametrize(
    ("statement", "steering_left_us"),
    [
        ('PWM_STEERING_THROTTLE["STEERING_LEFT_PWM"] = 470', 1912),
        ("PWM_STEERING_THROTTLE: dict = {}", "STEERING_LEFT_PWM"),
        ('PWM_STEERING_THROTTLE.update({"STEERING_LEFT_PWM": 470})', "PWM_STEERING_THROTTLE is computed"),
        ('PWM_STEERING_THROTTLE |= {"STEERING_LEFT_PWM": 470}', "PWM_STEERING_THROTTLE is computed"),
        ('PWM_STEERING_THROTTLE["STEERING_LEFT_PWM"] += 10', "PWM_STEERING_THROTTLE is computed"),
        ('PWM_STEERING_THROTTLE["STEERING_LEFT_PWM"] = 460 + 10', "STEERING_LEFT_PWM is computed"),
        ("PWM_STEERING_THROTTLE[NAME] = 470", "PWM_STEERING_THROTTLE is computed"),
        ("if os.name:\n    PWM_STEERING_THROTTLE = {}", "PWM_STEERING_THROTTLE is computed"),
        ('for DRIVE_TRAIN_TYPE in ["I2C_SERVO"]:\n    pass', "DRIVE_TRAIN_TYPE is computed"),
        ('A, DRIVE_TRAIN_TYPE = 1, "I2C_SERVO"', "DRIVE_TRAIN_TYPE is computed"),
        ("from mine import DRIVE_TRAIN_TYPE", "DRIVE_TRAIN_TYPE is computed"),
        ("from mine import *", "DRIVE_TRAIN_TYPE is computed"),
        ("del PWM_STEERING_THROTTLE", "PWM_STEERING_THROTTLE is computed"),
        ("print(DRIVE_TRAIN_TYPE)", 1953),
        ("def f():\n    PWM_STEERING_THROTTLE = 1", 1953),
    ],
)
def test_donkey_values_that_are_changed_later(file, statement, steering_left_us):
    """A later constant counts; a value that only a run of the file would give is refused, never its older one taken."""
    file.write_text(FULL + statement + "\n")
    if isinstance(steering_left_us, int):
        assert import_donkey(file, car_id="blue")[0].steering.left_us == steering_left_us
        return
    with pytest.raises(CalibrationError, match=steering_left_us):
        import_donkey(file, car_id="blue")


def test_frequency_factor(file):
    """A chip 3 % fast makes donkeycar's pulses 3 % shorter; the factor stands in the driver."""
    file.write_text(FULL)
    made, notes = import_donkey(file, car_id="blue", frequency_factor=1.03)
    assert pulses(made)[:3] == (round(480 * 1e6 / 60 / 4096 / 1.03), 1600, 1304)
    assert made.driver.model_dump() == DRIVER | {"frequency_factor": 1.03}
    assert not any("--frequency-factor" in note for note in notes)
    assert any("--frequency-factor" in note for note in import_donkey(file, car_id="blue")[1])


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
