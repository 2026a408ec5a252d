"""The vehicle model against the PyPI package commonroad-vehicle-models (see `commonroad.py` and docs/vehicle.md)."""

import itertools

import numpy as np
import pytest

from support.commonroad import CASES, LINEAR, linear_errors, oracle_parameters, ramp_steer, table, tire_curves
from support.paths import ROOT
from support.vehicles import GRAVITY

DOCS = ROOT / "docs" / "vehicle.md"


@pytest.mark.parametrize("case", CASES)
def test_single_track_with_linear_tires(case):
    """Compare a step of steering at slips below 0.03 rad: the errors are the brush tyre's and the integrator's."""
    # The brush tyre's force is linear times 1 - z + z^2/3, z = stiffness |slip| / (3 mu F_z): off by at most z.
    # The rest is what is left where z = 0, by the integrator and by cos(delta) = 1 - delta^2 / 2.
    z, yaw_rate, slip = linear_errors(case)
    none, yaw_rate_linear, slip_linear = linear_errors(case, friction=LINEAR)
    assert none < 1e-5
    assert yaw_rate <= z + yaw_rate_linear
    assert slip <= z + slip_linear
    # Not by chance: the tyre's share is there, and most of the bound's size where slips are large.
    if z > 0.1:
        assert slip > 0.5 * z


@pytest.mark.parametrize("case", CASES)
def test_linear_limit_converges_to_the_oracle(case):
    """Check that with linear tyres the difference falls with the step, down to the neglected delta^2."""
    steer = CASES[case][2]
    errors = [np.array(linear_errors(case, dt, LINEAR)[1:]) for dt in (1 / 120, 1 / 480, 1 / 1920)]
    floor = 2.0 * steer**2
    for coarse, fine in itertools.pairwise(errors):
        # First order: a quarter of the step, a quarter of the error (a third is allowed, for the higher orders).
        assert (fine <= coarse / 3.0 + floor).all()
    assert (errors[-1] <= 0.004 + floor).all()


def test_tire_curve_against_pacejka():
    """Compare the brush tyre with Pacejka's curve of equal slope and peak: same shape within 6 % of the peak."""
    p = oracle_parameters("bmw")
    peak = p.tire.p_dy1
    slips = np.linspace(0.0005, 0.5, 1000)
    ours, theirs = tire_curves(p, slips)
    assert ours[0] / slips[0] == pytest.approx(theirs[0] / slips[0], rel=4e-3)  # stiffness; z = 0.0035
    assert ours.max() == pytest.approx(theirs.max(), rel=1e-6)
    top = int(theirs.argmax())
    # The brush slides fully at slip 3 mu / c = 0.1435, Pacejka's curve peaks at 0.149.
    assert np.tan(slips[top]) == pytest.approx(3 * peak / -p.tire.p_ky1, rel=0.05)
    assert np.abs(ours - theirs)[: top + 1].max() <= 0.06 * peak
    # Beyond, rubber on a road loses grip and the brush does not: 7 % at 0.5 rad.
    assert 0.92 * peak < theirs[-1] < 0.94 * peak
    assert ours[-1] == pytest.approx(peak, rel=1e-9)


@pytest.mark.parametrize("speed", [10.0, 15.0])
def test_largest_lateral_acceleration_against_the_drift_model(speed):
    """Compare the grip that a slow ramp of steering finds: both saturate below mu g, within the curves' 6 %."""
    p = oracle_parameters("bmw")
    ours, theirs, *_ = ramp_steer(p, speed, 0.03, 10.0)
    limit = p.tire.p_dy1 * GRAVITY
    assert 0.9 * limit < theirs < limit
    assert theirs < ours <= limit
    assert ours - theirs <= 0.06 * limit


def test_documented_table_is_the_measured_one():
    """Check that docs/vehicle.md shows what the models do (else `PYTHONPATH=tests python -m support.commonroad`)."""
    text = DOCS.read_text()
    for line in table():
        assert line in text
