"""How well `racer calibrate-sim` recovers known parameters: the table of docs/car-recording.md.

    python tests/device/measure_fit.py [--cars 12] [--seconds 30]

Each car has parameters drawn over the whole ranges below, drives, is recorded with noisy sensors, and is fitted.
Prints the root mean square and the largest error, and the share of estimates within two of their standard deviations.
"""

# ruff: noqa: T201
import argparse
import math
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

from racer.car.recording.reader import read_drive
from racer.config.read import read_vehicle
from racer.sysid.drive_data import extract_drive_data
from racer.sysid.fit import fit_vehicle
from support.simulated_drives import record

RANGES = {
    "steer_offset": (-4.0, 4.0), "steer_gain": (0.8, 1.2), "steer_lag": (0.03, 0.13), "throttle_gain": (0.75, 1.25),
    "throttle_deadband": (0.0, 0.1), "throttle_lag": (0.08, 0.25),
}  # fmt: skip
CHANNELS = (("speed", "yaw_rate"), ("pose",), ("speed", "yaw_rate", "pose"), ("speed",))


def draw(rng):
    """A car: truth as the fit names it, and the delay in physics steps of 1/120 s."""
    truth = {name: float(rng.uniform(*ends)) for name, ends in RANGES.items()}
    steps = int(rng.integers(0, 19))
    return truth | {"latency": steps / 120.0}, steps


def fields(truth):
    """The vehicle's own fields for it."""
    made = {name: value for name, value in truth.items() if name not in ("latency", "throttle_lag")}
    return made | {"steer_offset": math.radians(truth["steer_offset"]), "speed_gain": 1.0 / truth["throttle_lag"]}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cars", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    base = read_vehicle("deepracer")
    for channels in CHANNELS:
        rows = {}
        for car in range(given.cars):
            truth, steps = draw(np.random.default_rng(car))
            with tempfile.TemporaryDirectory() as folder:
                path = record(
                    Path(folder) / "a.mcap", given.seconds, fields(truth),
                    latency_steps=steps, seed=100 + car, channels=channels,
                )  # fmt: skip
                fit = fit_vehicle(extract_drive_data(read_drive(path)), base)
            for one in fit.estimates:
                rows.setdefault((one.name, one.unit), []).append(
                    (one.value - truth[one.name], one.error, bool(one.why))
                )
        print(f"{' + '.join(channels)}: {given.cars} cars, {given.seconds:g} s each", flush=True)
        for (name, unit), found in rows.items():
            used = np.array([(off, error) for off, error, kept in found if not kept])
            if not len(used):
                print(f"  {name:<18} not fitted")
                continue
            off, error = np.abs(used.T[0]), used.T[1]
            print(
                f"  {name:<18} rms {np.sqrt(np.mean(off**2)):.4f} {unit:<4} largest {off.max():.4f}  "
                f"stated {np.median(error):.4f}  within 2 sd {np.mean(off <= 2.0 * error):.0%}  "
                f"fitted {len(used)} of {len(found)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
