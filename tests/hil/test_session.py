"""Real processes in real time around the simulator: laps (G1), and stops by real faults. All but one lap are slow."""

import pytest

from racer.config.env import CameraConfig
from racer.hil.faults import HIL_FAULTS, measure_stop
from racer.hil.session import HilError, HilSession
from support.camera_bundles import driving_bundle

pytestmark = pytest.mark.timeout(280)

TRACK = "easy_oval"
STOPPING_M = 1.0
"""m, generous: 250 ms at this speed, the brakes, and a machine that others use."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """One linear layer that drives the oval by sight."""
    return driving_bundle(tmp_path_factory.mktemp("bundles") / "linear.bundle", TRACK)


def test_a_lap_through_the_real_processes(bundle):
    """Drive a lap by sight with frames 60 ms late: completed, in little memory, no command refused (G1)."""
    with HilSession(bundle, track=TRACK, latency_ms=60.0, speed_limit=0.5) as session:
        drive = session.laps(1)
    assert drive.completed == 1, drive
    assert drive.memory_mb <= 200.0
    assert drive.pilot["rejected"] == 0 and drive.pilot["glass_to_wheel_ms"][0] >= 60.0


@pytest.mark.slow
def test_a_lap_with_another_lens(bundle):
    """Give the car a wide fisheye, mounted higher and flatter: remapped, it drives the same road."""
    lens = CameraConfig(
        width=320, height=240, lens="fisheye", view_deg=140.0, distortion=(-0.03, 0.004, 0.0, 0.0),
        pitch_deg=10.0, up=0.15,
    )  # fmt: skip
    with HilSession(bundle, track=TRACK, latency_ms=40.0, speed_limit=0.5, camera=lens) as session:
        assert session.laps(1).completed == 1


@pytest.mark.slow
def test_faults_stop_the_car(bundle):
    """Kill the pilot, hang it, and spoil its camera, one after the other in full drive: it stands within a metre."""
    with HilSession(bundle, track=TRACK, latency_ms=60.0, speed_limit=0.5) as session:
        for kind in HIL_FAULTS:
            session.go()
            session.settle(2.0)
            stopped = measure_stop(session, kind)
            assert stopped.distance <= STOPPING_M, stopped
            assert stopped.reason, stopped


def test_lens_that_sees_too_little_does_not_start(bundle):
    """Give the car a narrow lens: refused before any process starts."""
    with pytest.raises(HilError, match=r"shows .* of the picture that the policy uses"):
        HilSession(bundle, track=TRACK, camera=CameraConfig(view_deg=40.0))
