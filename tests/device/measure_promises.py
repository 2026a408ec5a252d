"""The promise table in figures: real pilots and actuators, killed and frozen for real, over a simulated chip.

    python tests/device/measure_promises.py --trials 200 [--others 50] [--json FILE]

Prints for each promise the time to neutral (median, 99th percentile, maximum), the lateness of a process that only
sleeps in the same run, and whether the promise holds at the 99th percentile after that lateness is taken off.
Exit 1 where one does not hold, or a car did not stop; with --emulated, where times say nothing, only for the latter.
"""

# ruff: noqa: T201
import argparse
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from racer.car.actuator.sim_chip import BusFault, read_fault_log
from racer.car.actuator.states import ActuatorState
from support.car_processes import Car, Sleeper, wait_for

MS = 1_000_000
AT_ONCE = 8


def killed(car):
    """SIGKILL to the pilot at a random moment."""
    car.event()
    time.sleep(random.uniform(0.0, 0.06))
    at = time.monotonic_ns()
    car.pilot.kill()
    return at


def frozen(car):
    """SIGSTOP to the pilot at a random moment."""
    car.event()
    time.sleep(random.uniform(0.0, 0.06))
    at = time.monotonic_ns()
    car.pilot.send_signal(signal.SIGSTOP)
    return at


def stalled(car):
    """The input dries up; commands go on. Counts from the last fresh input."""
    return car.event()


def bus(car):
    """Four transactions fail, one more than a tick's attempts. Counts from the first."""
    car.event()
    time.sleep(random.uniform(0.0, 0.06))
    car.chip().inject(BusFault.EIO, times=4)
    return wait_for(lambda: read_fault_log(car.chip_path))[0][0]


PROMISES = {
    "pilot killed": (killed, "steady", "frame", 20, ActuatorState.FAULT),
    "pilot frozen": (frozen, "steady", "frame", 120, ActuatorState.FAULT),
    "camera stalled": (stalled, "stale", "frame", 250, ActuatorState.DISARMED),
    "remote lost": (stalled, "stale", "person", 350, ActuatorState.DISARMED),
    "bus error": (bus, "steady", "frame", 40, ActuatorState.FAULT),
}


def percentile(values, share):
    """The value below which this share lies, nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -(-len(ranked) * share // 100) - 1))]


def measure(name, trials, folder, at_once):
    """Times to neutral of one promise, and the sleeper's lateness meanwhile."""
    what, event, source, _, end = PROMISES[name]
    times = []
    sleeper = Sleeper()
    while len(times) < trials:
        count = min(at_once, trials - len(times))
        cars = [Car(folder / f"{len(times) + k}") for k in range(count)]
        try:
            for car in cars:
                car.start_pilot(event, source)
            for car in cars:
                car.wait_until_driving()
            for car in cars:
                at = what(car)
                times.append(car.neutral_after(at))
                car.wait_for_state(end)
        finally:
            for car in cars:
                car.close()
    late = sleeper.lateness()
    sleeper.close()
    return times, late


def main():
    """Measure all, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="kills")
    parser.add_argument("--others", type=int, default=50, help="trials of each other promise")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--emulated", action="store_true", help="print the times, and judge only that every car stops")
    given = parser.parse_args()
    figures, good = {}, True
    heads = f"{'promise':<16}{'ms':>5}{'trials':>8}{'p50':>8}{'p99':>8}{'max':>8}"
    print(f"{heads}{'sleep p99':>11}{'sleep max':>11}  holds", flush=True)
    for name, (*_, promised, _) in PROMISES.items():
        with tempfile.TemporaryDirectory(prefix="racer-") as folder:
            trials = given.trials if name == "pilot killed" else given.others
            times, late = measure(name, trials, Path(folder), 2 if given.emulated else AT_ONCE)
        row = [percentile(times, share) / MS for share in (50, 99)] + [max(times) / MS, late[1] / MS, late[2] / MS]
        holds = row[1] - row[3] <= promised
        good &= holds or given.emulated
        figures[name] = dict(zip(("p50_ms", "p99_ms", "max_ms", "sleep_p99_ms", "sleep_max_ms"), row, strict=True))
        figures[name] |= {"promised_ms": promised, "trials": len(times), "holds": holds}
        numbers = "".join(f"{value:>{width}.2f}" for value, width in zip(row, (8, 8, 8, 11, 11), strict=True))
        print(f"{name:<16}{promised:>5}{len(times):>8}{numbers}  {'yes' if holds else 'NO'}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
