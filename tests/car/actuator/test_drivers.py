"""Drivers over simulated hardware: what is written, what is read back, and every fault of catalogue B1."""

import sys
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.car.actuator import drivers, limits
from racer.car.actuator.calibrated_range import NullDriver, Wiring, open_driver, parse_wiring
from racer.car.actuator.drivers import (
    MODE1,
    PRESCALE,
    PRESCALE_50_HZ,
    BusError,
    Pca9685,
    SysfsPwm,
    call_with_retries,
    pulse_to_steps,
)
from racer.car.actuator.sim_chip import FOREVER, BusFault, SimBus, read_fault_log, read_log
from racer.car.actuator.states import Pulses
from support.car_processes import on_chip

REST, FAST = Pulses(1450, 1446), Pulses(1700, 1311)


@pytest.fixture
def sim(tmp_path):
    """A simulated chip on its bus, as it is after switching on."""
    made = SimBus(tmp_path / "chip")
    yield made
    made.close()


@pytest.fixture
def driver(sim):
    """A started driver on it."""
    made = Pca9685(sim, 0x40, steering=1, throttle=0)
    made.start()
    return made


def shown(sim):
    """What both outputs carry, steering first."""
    return sim.chip.pulse_us(1), sim.chip.pulse_us(0)


def test_start_puts_out_nothing_whatever_was_left(sim):
    """A chip left moving by a dead program is silent from the first write on, and never moves while it is set up."""
    before = Pca9685(sim, 0x40, steering=1, throttle=0)
    before.start()
    before.write(FAST)
    started = len(read_log(sim.chip.path, 0))
    Pca9685(sim, 0x40, steering=1, throttle=0).start()
    assert [pulse for _, _, pulse in read_log(sim.chip.path, 0)[started:]] == [None] * 5
    assert sim.chip.load(PRESCALE) == PRESCALE_50_HZ == 121


def test_registers_are_the_data_sheet_s():
    """PCA9685, rev. 4: table 4 (registers), table 5 (bits of MODE1), section 7.3.5 (prescale for 50 Hz at 25 MHz)."""
    assert (drivers.MODE1, drivers.LED0_ON_L, drivers.ALL_LED_OFF_H, drivers.PRESCALE) == (0x00, 0x06, 0xFD, 0xFE)
    assert (drivers.RESTART, drivers.AUTO_INCREMENT, drivers.SLEEP, drivers.FULL_OFF) == (0x80, 0x20, 0x10, 0x10)
    assert (drivers.OSCILLATOR_HZ, drivers.STEPS, drivers.PRESCALE_50_HZ) == (25_000_000, 4096, 121)


def test_oscillator_is_given_its_time(sim, monkeypatch):
    """The data sheet asks for 500 µs after waking; a millisecond would be more than is needed."""
    slept = []
    monkeypatch.setattr(drivers.time, "sleep", slept.append)
    Pca9685(sim, 0x40, steering=1, throttle=0).start()
    assert len(slept) == 1 and 0.0005 < slept[0] < 0.001


def test_closing_closes_the_bus(tmp_path):
    """The driver lets go of its bus."""
    sim = SimBus(tmp_path / "chip")
    Pca9685(sim, 0x40, steering=1, throttle=0).close()
    with pytest.raises(ValueError):
        sim.read_byte_data(0x40, MODE1)


@given(st.integers(0, 5000), st.floats(limits.FREQUENCY_FACTOR_MIN, limits.FREQUENCY_FACTOR_MAX))
def test_an_off_frequency_chip_gives_the_same_pulses(asked, factor):
    """Steps last 1 / factor as long: half a step from what was asked, and never beyond the absolute limits."""
    step_us = limits.PERIOD_US / 4096 / factor
    us = pulse_to_steps(asked, factor) * step_us
    assert limits.PULSE_MIN_US - 1e-9 <= us <= limits.PULSE_MAX_US + 1e-9
    if 906 < asked < 2094:
        assert abs(us - asked) <= 0.5 * step_us + 1e-9


def test_the_factor_of_the_wiring_reaches_the_chip(tmp_path):
    """A chip 5 % fast is sent 5 % more steps; other drivers have no factor."""
    counts = []
    for text in (f"sim:{tmp_path / 'a'}", f"sim:{tmp_path / 'b'}:1:0:1.05"):
        driver = open_driver(parse_wiring(text))
        driver.start()
        driver.write(Pulses(1500, 1450))
        sim = SimBus(text.split(":")[1])
        counts.append([sim.chip.pulse_us(channel) / on_chip(us) for channel, us in ((1, 1500), (0, 1450))])
        driver.close()
        sim.close()
    assert counts[0] == [1.0, 1.0] and counts[1] == pytest.approx([1.05, 1.05], abs=4e-3)
    for text in ("sysfs_pwm:/x:0:1:1.03", "sim:/x:1:0:0.89", "sim:/x:1:0:1.11", "sim:/x:1:0:nan", "sim:/x:1:0:x"):
        with pytest.raises(ValueError):
            parse_wiring(text)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_any_pulse_is_the_nearest_step_within_the_limits(tmp_path_factory, steering, throttle):
    """Within half a step of what was asked, and inside 900..2100 µs for anything that was asked."""
    sim = SimBus(tmp_path_factory.mktemp("any") / "chip")
    driver = Pca9685(sim, 0x40, steering=7, throttle=15)
    driver.start()
    driver.write(Pulses(steering, throttle))
    for channel, asked in ((7, steering), (15, throttle)):
        us = pulse_to_steps(asked) * limits.PERIOD_US / 4096
        assert limits.PULSE_MIN_US <= us <= limits.PULSE_MAX_US
        if 905 < asked < 2095:
            assert abs(us - asked) <= limits.PERIOD_US / 4096 / 2
        assert sim.chip.pulse_us(channel) == on_chip(asked)
    sim.close()


def test_off_and_on_again(sim, driver):
    """Off cuts both outputs; the next pulses bring them back."""
    driver.write(FAST)
    assert shown(sim) == (on_chip(1700), on_chip(1311))
    driver.write(None)
    assert shown(sim) == (None, None)
    driver.write(REST)
    assert shown(sim)[1] == on_chip(1446)


@pytest.mark.parametrize("fault", [BusFault.NACK, BusFault.EIO, BusFault.ENODEV, BusFault.STUCK])
@pytest.mark.parametrize("pulses", [FAST, None])
def test_each_fault_is_seen(sim, driver, fault, pulses):
    """Every fault that lasts makes a write fail, also one that the bus itself does not report."""
    driver.write(REST)
    sim.chip.inject(fault)
    with pytest.raises(OSError):
        driver.write(pulses)
    assert fault in {kind for _, kind in read_fault_log(sim.chip.path)} or fault is BusFault.STUCK
    sim.chip.inject(BusFault.NONE, times=0)
    driver.write(pulses)


def test_turned_bits_are_seen_and_mended(sim, driver):
    """One transaction in a hundred with a turned bit: no write that passed left a wrong pulse."""
    sim.chip.inject(BusFault.FLIP, amount=10)
    retries = 0
    for k in range(500):
        wanted = Pulses(1300 + k % 300, 1400 + k % 100)
        retries += call_with_retries(driver.write, wanted, clock=lambda: 0)
        held = tuple(on_chip(us) for us in (wanted.steering_us, wanted.throttle_us))
        assert shown(sim) == held
    assert retries > 0


@pytest.mark.parametrize(("register", "value"), [(MODE1, 0x11), (MODE1, 0x00), (MODE1, 0x21)])
def test_a_chip_that_was_reset_is_seen(sim, driver, register, value):
    """A supply that dipped leaves the chip asleep or in another mode."""
    sim.chip.store(register, value)
    for pulses in (None, REST):
        with pytest.raises(BusError, match="the chip"):
            driver.write(pulses)


def test_a_chip_with_another_rate_is_seen(sim, driver):
    """Pulses would all be longer or shorter."""
    sim.chip.store(MODE1, 0x30)
    sim.chip.store(PRESCALE, 0x1E)
    sim.chip.store(MODE1, 0x20)
    with pytest.raises(BusError, match="50 Hz"):
        driver.write(REST)
    sim.chip.store(PRESCALE, PRESCALE_50_HZ)
    assert sim.chip.load(PRESCALE) == 0x1E  # only a sleeping chip takes it


def test_a_write_that_failed_is_not_in_the_log_of_pulses(sim, driver):
    """What the log says was on the wire is only what the chip took."""
    driver.write(REST)
    before = len(read_log(sim.chip.path, 0))
    sim.chip.inject(BusFault.EIO, times=1)
    with pytest.raises(OSError):
        driver.write(FAST)
    assert len(read_log(sim.chip.path, 0)) == before
    driver.write(FAST)
    assert read_log(sim.chip.path, 0)[-1][2] == on_chip(1311)


def test_registers_that_are_none_keep_nothing(sim):
    """The data sheet reserves what lies between the channels and 0xFA."""
    sim.chip.store(0x80, 7)
    assert sim.chip.load(0x80) == 0


def failing(times, clock=None, step=0):
    """A write that fails some times, each taking a while."""
    left = [times]

    def write():
        if clock:
            clock[0] += step
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(5, "Input/output error")

    return write


def test_three_attempts_and_no_more():
    """Two retries within a tick; then the bus has failed."""
    assert call_with_retries(failing(0), clock=lambda: 0) == 0
    assert call_with_retries(failing(2), clock=lambda: 0) == 2
    with pytest.raises(BusError, match="Input/output"):
        call_with_retries(failing(3), clock=lambda: 0)


@pytest.mark.parametrize(("step", "good"), [(limits.BUS_SLOW_NS, True), (limits.BUS_SLOW_NS + 1, False)])
def test_no_attempt_after_a_tick(step, good):
    """A bus that hangs is not tried again in the same tick."""
    clock = [10**12]
    if good:
        assert call_with_retries(failing(1, clock, step), clock=lambda: clock[0]) == 1
    else:
        with pytest.raises(BusError):
            call_with_retries(failing(1, clock, step), clock=lambda: clock[0])


def test_slow_bus_takes_its_time(sim, driver, monkeypatch):
    """The simulated bus sleeps as long as it was told."""
    slept = []
    monkeypatch.setattr("racer.car.actuator.sim_chip.time.sleep", slept.append)
    sim.chip.inject(BusFault.SLOW, times=2, amount=30_000)
    driver.write(REST)
    assert slept == [0.03, 0.03]


def test_registers_outlive_the_process_and_can_be_reset(tmp_path):
    """What a second process finds is what the first left; a reset is as after switching on."""
    first = SimBus(tmp_path / "chip")
    driver = Pca9685(first, 0x40, steering=1, throttle=0)
    driver.start()
    driver.write(FAST)
    driver.close()
    second = SimBus(tmp_path / "chip")
    assert second.chip.pulse_us(0) == on_chip(1311)
    second.chip.reset()
    assert shown(second) == (None, None)
    assert second.read_byte_data(0x40, 0xFD) == 0
    second.close()


@pytest.fixture
def folder(tmp_path):
    """A PWM chip of the kernel with two channels, as files."""
    for channel in (0, 1):
        (tmp_path / f"pwm{channel}").mkdir()
        for name in ("period", "duty_cycle", "enable"):
            (tmp_path / f"pwm{channel}" / name).write_text("0")
    (tmp_path / "export").write_text("")
    return tmp_path


def held(folder):
    """Period, duty and enable of both channels."""
    names = ("period", "duty_cycle", "enable")
    return [[int((folder / f"pwm{channel}" / name).read_text()) for name in names] for channel in (0, 1)]


def test_sysfs_pwm(folder):
    """Silent at the start, nanoseconds afterwards, clamped, and off again."""
    (folder / "pwm0" / "enable").write_text("1")
    (folder / "pwm0" / "duty_cycle").write_text("1700000")
    driver = SysfsPwm(str(folder), steering=1, throttle=0)
    driver.start()
    assert held(folder) == [[20_000_000, 0, 0]] * 2
    driver.write(Pulses(1500, 1446))
    assert held(folder) == [[20_000_000, 1_446_000, 1], [20_000_000, 1_500_000, 1]]
    driver.write(Pulses(0, 9999))
    assert held(folder) == [[20_000_000, 2_100_000, 1], [20_000_000, 900_000, 1]]
    driver.write(None)
    assert held(folder) == [[20_000_000, 0, 0]] * 2
    driver.close()


def test_sysfs_pwm_that_does_not_take_a_value(folder, monkeypatch):
    """A file that keeps its old value is a failed bus."""
    driver = SysfsPwm(str(folder), steering=1, throttle=0)
    monkeypatch.setattr("racer.car.actuator.drivers._write_attribute", lambda path, value: None)
    with pytest.raises(BusError, match="duty_cycle did not take 1446000"):
        driver.write(REST)


def test_sysfs_pwm_closes_the_file_of_a_write_that_failed():
    """Three attempts at 50 Hz would use up 1024 descriptors within seconds. `/dev/full` refuses every write."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            drivers._write_attribute("/dev/full", 1_446_000)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_sysfs_pwm_exports_its_channels(tmp_path):
    """A channel that nobody exported is asked for; a chip that is not there is an OSError."""
    (tmp_path / "export").write_text("")
    SysfsPwm(str(tmp_path), steering=1, throttle=0)
    assert (tmp_path / "export").read_text() == "1"
    with pytest.raises(OSError):
        SysfsPwm(str(tmp_path / "absent"), steering=1, throttle=0)


@pytest.mark.parametrize(
    ("text", "wiring"),
    [
        ("pca9685:1:0x40", Wiring("pca9685", "1", 0x40, 1, 0)),
        ("pca9685:01:64:3:2", Wiring("pca9685", "1", 64, 3, 2)),
        ("sysfs_pwm:/sys/class/pwm/pwmchip0:0:1", Wiring("sysfs_pwm", "/sys/class/pwm/pwmchip0", 0x40, 0, 1)),
        ("sim:/x", Wiring("sim", "/x", 0x40, 1, 0)),
        ("sim:/x:15:0", Wiring("sim", "/x", 0x40, 15, 0)),
        ("sim:/x:0:15", Wiring("sim", "/x", 0x40, 0, 15)),
        ("pca9685:1:0x40:1:0:1.03", Wiring("pca9685", "1", 0x40, 1, 0, 1.03)),
        ("sim:/x:1:0:0.9", Wiring("sim", "/x", 0x40, 1, 0, 0.9)),
        ("sim:/x:1:0:1.1", Wiring("sim", "/x", 0x40, 1, 0, 1.1)),
    ],
)
def test_wiring_reads_and_writes_back(text, wiring):
    """Words to wiring and back."""
    assert parse_wiring(text) == wiring
    assert parse_wiring(wiring.text) == wiring


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pca9685",
        "pca9685:1",
        "sim",
        "sim:/x:1",
        "sim:/x:1:1",
        "sim:/x:-1:0",
        "sim:/x:0:16",
        "sim:/x:16:0",
        "sim::1:0",
        "sim:/x\0y",
        "sim:/x:1:0\0",
        "gpio:1:2",
        "pca9685:a:1",
    ],
)
def test_no_wiring(text):
    """Refuse what is no wiring."""
    with pytest.raises(ValueError):
        parse_wiring(text)


def test_smbus2_is_opened_with_short_time_outs(tmp_path, monkeypatch):
    """The real bus: two ioctls bound what the kernel may wait; adapters without them are used as they are."""
    calls = []

    class SMBus(SimBus):
        fd = 77

        def __init__(self, number):
            super().__init__(tmp_path / f"chip{number}")

    monkeypatch.setitem(sys.modules, "smbus2", types.SimpleNamespace(SMBus=SMBus))
    monkeypatch.setattr("fcntl.ioctl", lambda *given: calls.append(given))
    driver = open_driver(parse_wiring("pca9685:1:0x40"))
    driver.start()
    driver.write(REST)
    assert calls == [(77, 0x0701, 0), (77, 0x0702, 2)]
    driver.close()

    def refuse(*given):
        raise OSError(25, "Inappropriate ioctl")

    monkeypatch.setattr("fcntl.ioctl", refuse)
    open_driver(parse_wiring("pca9685:1:0x40")).close()


def test_smbus2_is_missing(monkeypatch):
    """Say which extra brings it."""
    monkeypatch.setitem(sys.modules, "smbus2", None)
    with pytest.raises(ImportError, match=r"pip install 'racer\[car\]'"):
        open_driver(parse_wiring("pca9685:1:0x40"))


def test_open_other_drivers(tmp_path, folder):
    """Each kind of wiring opens its driver."""
    assert isinstance(open_driver(parse_wiring(f"sysfs_pwm:{folder}")), SysfsPwm)
    sim = open_driver(parse_wiring(f"sim:{tmp_path / 'chip'}"))
    assert isinstance(sim, Pca9685)
    sim.close()


def test_no_driver_refuses_pulses():
    """Nothing is connected: off is all it can do."""
    driver = NullDriver()
    driver.start()
    driver.write(None)
    with pytest.raises(BusError):
        driver.write(REST)
    driver.close()
    assert FOREVER == 2**32 - 1 and drivers.limits.BUS_RETRIES == 2
