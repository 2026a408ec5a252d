"""`racer car`: what is printed, what is written, what is refused."""

import json

import pytest

from support.commands import racer_alone

DEEPRACER = {
    "Calibration": {
        "Servo": {"min": 1200000, "mid": 1450000, "max": 1700000, "polarity": 1},
        "Motor": {"min": 1311000, "mid": 1446000, "max": 1603500, "polarity": -1},
    }
}


@pytest.fixture
def run(run, home, monkeypatch):
    """Run a command in this process, in an empty folder, on a car called blue."""
    monkeypatch.setenv("RACER_CAR_ID", "blue")
    monkeypatch.setenv("RACER_CALIBRATION", str(home / "ours.json"))
    monkeypatch.setenv("RACER_ACTUATOR", str(home / "no-actuator"))
    (home / "theirs.json").write_text(json.dumps(DEEPRACER))
    return lambda *arguments: run("car", *arguments)


def test_import_show_check(run, tmp_path):
    """From a DeepRacer car's file to a checked calibration; the older one is kept."""
    for _ in range(2):
        said = run("calibration", "import", "deepracer", "theirs.json", "-o", "ours.json")
        assert said.code == 0, said.err
        assert said.out.splitlines()[-1] == "wrote  ours.json, for car blue"
        assert sum(line.startswith("note   ") for line in said.out.splitlines()) == 5
    assert (tmp_path / "ours.json.bak").is_file()
    said = run("calibration", "show")
    assert said.out.splitlines()[:2] == [
        "car       blue",
        "driver    pca9685 1, steering on channel 1, throttle on 0",
    ]
    assert "left 1700 us at 30 deg" in said.out and "no table" in said.out
    assert run("calibration", "check") == (0, f"{tmp_path / 'ours.json'}: good for car blue\n", "")
    said = run("calibration", "check", "--car-id", "red")
    assert said.code == 1 and "is of car `blue`, this is car `red`" in said.err


def test_import_with_another_wiring(run):
    """A DeepRacer file does not say how the car is wired."""
    arguments = ("calibration", "import", "deepracer", "theirs.json", "-o", "ours.json", "--wiring")
    assert run(*arguments, "pca9685:3:0x41:2:5").code == 0
    assert "pca9685 3, steering on channel 2, throttle on 5" in run("calibration", "show").out
    said = run(*arguments, "wires")
    assert said.code == 1 and said.err.startswith("error: `wires` is not a wiring")


def test_import_from_donkey(run, tmp_path):
    """A myconfig.py."""
    (tmp_path / "myconfig.py").write_text(
        "STEERING_LEFT_PWM = 460\nSTEERING_RIGHT_PWM = 290\nTHROTTLE_FORWARD_PWM = 500\nTHROTTLE_STOPPED_PWM = 370\n"
        "THROTTLE_REVERSE_PWM = 230\n"
    )
    arguments = ("calibration", "import", "donkey", "myconfig.py", "-o", "ours.json")
    assert run(*arguments).code == 0
    assert run("calibration", "check").code == 0
    assert "frequency factor" not in run("calibration", "show").out
    assert run(*arguments, "--frequency-factor", "1.03").code == 0
    assert run("calibration", "check").code == 0
    assert "throttle on 0, frequency factor 1.03" in run("calibration", "show").out
    assert run(*arguments, "--frequency-factor", "1.2").code == 2


def test_import_from_another_drive_train(run, tmp_path):
    """Exit 1 with the drive train's name, and write nothing."""
    (tmp_path / "myconfig.py").write_text('DRIVE_TRAIN_TYPE = "VESC"\n')
    said = run("calibration", "import", "donkey", "myconfig.py", "-o", "ours.json")
    assert said.code == 1 and "DRIVE_TRAIN_TYPE is 'VESC'" in said.err
    assert not (tmp_path / "ours.json").exists()


def test_missing_calibration(run):
    """One line: the path and the way on."""
    said = run("calibration", "show")
    assert said.code == 1 and said.err.count("\n") == 1
    assert "No such file" in said.err and "racer car calibration import" in said.err


@pytest.mark.parametrize("command", ["status", "stop", "clear"])
def test_no_actuator(run, command):
    """One line that names the socket and the service."""
    said = run("actuator", command)
    assert said.code == 1 and "no-actuator" in said.err and "racer-actuator running?" in said.err


def test_neutral_without_anything(run, tmp_path):
    """Exit 1: it could not stop the car, and says so."""
    said = racer_alone("car", "actuator", "neutral", cwd=tmp_path)
    assert said.code == 1 and "cannot stop the car" in said.err


def test_unit_is_for_this_car(run, tmp_path):
    """The device of the calibration, or of the wiring that was given."""
    run("calibration", "import", "deepracer", "theirs.json", "-o", "ours.json", "--wiring", "pca9685:7:0x40")
    said = run("actuator", "unit")
    assert said.code == 0
    assert "DeviceAllow=/dev/i2c-7 rw\n" in said.out and f"--calibration {tmp_path / 'ours.json'}" in said.out
    said = run("actuator", "unit", "--wiring", "sysfs_pwm:/sys/class/pwm/pwmchip2:0:1")
    assert "ReadWritePaths=/sys/class/pwm/pwmchip2\n" in said.out and "SupplementaryGroups=gpio" in said.out
    assert run("actuator", "unit", "--wiring", "x").code == 1
