"""What the board tells, from a copy of its files; the token's file; the address to open; hosts and origins."""

import stat

import pytest

from racer.car.console.health import processor_temperature, throttling_causes
from racer.car.console.origin import host_allowed, origin_allowed, own_host_names
from racer.car.console.startup import console_address, read_token
from racer.errors import RacerError


def put(root, path, text):
    """One file of a kernel."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_nothing_to_measure(tmp_path):
    """A machine without these files shows neither."""
    assert processor_temperature(tmp_path) is None and throttling_causes(tmp_path) is None


def test_temperature_of_the_processor(tmp_path):
    """The processor's zone is taken before another; nonsense is no temperature."""
    for zone, kind, value in (("0", "nvme", "31000"), ("1", "cpu-thermal", "54321"), ("2", "x", "nonsense")):
        put(tmp_path, f"sys/class/thermal/thermal_zone{zone}/type", kind + "\n")
        put(tmp_path, f"sys/class/thermal/thermal_zone{zone}/temp", value + "\n")
    assert processor_temperature(tmp_path) == 54.321
    put(tmp_path, "sys/class/thermal/thermal_zone1/temp", "-274000\n")
    assert processor_temperature(tmp_path) == 31.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", []),
        ("50005", ["voltage too low", "throttled", "voltage was too low", "was throttled"]),
        ("nonsense", None),
    ],
)
def test_throttling(tmp_path, text, words):
    """The firmware's bits in words."""
    put(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", text + "\n")
    assert throttling_causes(tmp_path) == words


def test_token_is_made_once_and_is_the_owners(tmp_path):
    """Made where there is none, private, kept; what is no token is refused."""
    token = read_token(tmp_path / "token")
    assert len(token) >= 32 and read_token(tmp_path / "token") == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(RacerError, match="delete it to get a new one"):
        read_token(tmp_path / "token")


def test_address():
    """The token stands behind the hash, which a browser does not send."""
    assert console_address("127.0.0.1", 8440, "abc") == "http://127.0.0.1:8440/#token=abc"
    assert console_address("::1", 80, "abc") == "http://[::1]:80/#token=abc"
    assert "0.0.0.0" not in console_address("0.0.0.0", 80, "abc")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8440", True), ("[::1]:8440", True), ("192.168.1.9", True), ("localhost", True), ("my.car:1", True),
        ("evil.example", False), ("127.0.0.1.evil.example", False), ("", False), (None, False), ("[::1", False),
        ("localhost@evil.example", False),
    ],
)  # fmt: skip
def test_hosts(host, allowed):
    """Addresses and own names, nothing else."""
    assert host_allowed(host, own_host_names(["My.Car"])) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True), ("http://car:1", True), ("https://CAR:1", True), ("http://car:2", False), ("http://car", False),
        ("null", False), ("http://car:1.evil.example", False), ("", False),
    ],
)  # fmt: skip
def test_origins(origin, allowed):
    """The page's own origin, or none at all."""
    assert origin_allowed(origin, "car:1") is allowed
