"""P1: the real pilot and actuator drive the simulated car for an hour, beside hogs, and are stopped all the time.

    python tests/device/soak.py BUNDLE [--minutes 60] [--track willow_bend] [--json FILE]

One process for each processor counts as fast as it can, one writes over 256 MB without a pause. Every few seconds a
fault stops the car (camera stalled, frozen, black or torn; pilot hung) and is mended; in the end the pilot is killed.
Holds: every stop reaches a neutral pulse in its time, less the lateness of a process that only sleeps; neither process
grows. The simulator goes before the hogs, as physics does. Exit 1 where something does not hold.
"""

# ruff: noqa: T201
import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from measure_promises import MS, percentile

from racer.car.actuator.sim_chip import SimChip
from racer.hil.faults import measure_stop
from racer.hil.session import HilError, HilSession
from support.car_processes import Sleeper

PROMISED_MS = {"kill": 20, "hang": 120, "stall": 250, "freeze": 450, "black": 450, "torn": 450}
"""A picture that goes wrong must be seen three or five times before it is sure (`racer.car.faults`)."""
STEP_US = 5.0
KINDS = ("stall", "hang", "freeze", "black", "torn")
GROWTH_MAX_MB = {"actuator": 1.0, "pilot": 8.0}
"""From the first sample after warming up to the last: what Python's allocator does, and no leak of an hour."""
CPU_HOG = "while True: pass"
MEMORY_HOG = "room = bytearray(1 << 28)\nwhile True: room[:] = bytes(1 << 28)"


class Hogs:
    """Processes that want everything; a context manager."""

    def __enter__(self):
        """Start them."""
        wanted = [CPU_HOG] * (os.cpu_count() or 1) + [MEMORY_HOG]
        self.processes = [subprocess.Popen([sys.executable, "-c", code]) for code in wanted]
        return self

    def __exit__(self, *_):
        """End them."""
        for process in self.processes:
            process.kill()
            process.wait()


class Soak:
    """Stops, times and memory of one soak."""

    def __init__(self, session):
        self.session = session
        self.stops = {kind: [] for kind in PROMISED_MS}
        self.missed, self.unseen = [], []
        self.memory = []
        self.early = 0

    def stop(self, kind):
        """One fault; a car that stands already, because the machine was late, is no stop of ours."""
        if self.session.where()["speed"] < 0.1:
            self.early += 1
            return
        try:
            stopped = measure_stop(self.session, kind)
        except HilError as error:  # a simulator that was too late to say how the car stands, or a car that goes on
            self.unseen.append(f"{kind}: {error}")
            if not self.mended():
                self.missed.append(self.unseen[-1])
            return
        self.stops[kind].append(stopped.neutral_ms)

    def mended(self):
        """Take every fault away; whether the throttle is neutral all the same."""
        pulse = SimChip(self.session.chip).pulse_us(self.session.throttle_channel)
        if self.session.pilot is None:
            self.session.start_pilot()
        self.session.pilot.process.send_signal(signal.SIGCONT)
        self.session.plant.say("none")
        return pulse is None or abs(pulse - self.session.stop_us) <= STEP_US

    def sample(self, minute):
        """Memory now."""
        actuator, pilot = self.session.actuator.memory_mb(), self.session.pilot.memory_mb()
        self.memory.append({"minute": minute, "actuator": actuator, "pilot": pilot})

    def growth(self, name):
        """MB between the median of the second tenth of the samples and that of the last."""
        part = max(1, len(self.memory) // 10)
        first = percentile([row[name] for row in self.memory[part : 2 * part] or self.memory], 50)
        return percentile([row[name] for row in self.memory[-part:]], 50) - first


def soak(session, minutes, dice):
    """Drive, stop, mend, until the time is over."""
    made, begin, told = Soak(session), time.monotonic(), 0.0
    for number, kind in enumerate(itertools.cycle(KINDS), 1):
        passed = (time.monotonic() - begin) / 60.0
        if passed >= minutes:
            break
        with contextlib.suppress(HilError):  # a machine too busy to arm on is tried again
            session.go()
            session.settle(dice.uniform(1.0, 4.0))
        made.stop(kind)
        made.sample(passed)
        if passed - told >= 5.0:
            told = passed
            row = made.memory[-1]
            print(f"{passed:5.1f} min, {number} stops, {row['actuator']:.1f} and {row['pilot']:.1f} MB", flush=True)
    with contextlib.suppress(HilError):
        session.go()
        session.settle(2.0)
        made.stop("kill")
    return made


def judged(made, late_ms):
    """Figures, and whether all holds."""
    figures, good = {"sleep_p99_ms": late_ms, "stood_already": made.early, "missed": made.missed}, not made.missed
    for kind, times in made.stops.items():
        if not times:
            continue
        p50, p99 = percentile(times, 50), percentile(times, 99)
        holds = p99 - late_ms <= PROMISED_MS[kind]
        good &= holds
        figures[kind] = {"stops": len(times), "p50_ms": p50, "p99_ms": p99, "max_ms": max(times), "holds": holds}
        words = f"p50 {p50:.1f}, p99 {p99:.1f}, max {max(times):.1f} of {PROMISED_MS[kind]} ms"
        print(f"{kind:<8}{len(times):>5} stops  {words}  {'holds' if holds else 'DOES NOT HOLD'}")
    for name, most in GROWTH_MAX_MB.items():
        grown = made.growth(name)
        good &= grown <= most
        figures[f"{name}_growth_mb"] = grown
        print(
            f"{name:<10} {made.memory[0][name]:.1f} MB at first, {made.memory[-1][name]:.1f} at last, grew {grown:+.2f}"
        )
    print(f"a sleeper was {late_ms:.1f} ms late (p99); {made.early} times the car stood already")
    print(f"stops that the simulator was too late to see: {made.unseen}; missed: {made.missed}")
    return figures, good


def main():
    """Soak; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--track", default="willow_bend")
    parser.add_argument("--speed-limit", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    session = HilSession(given.bundle, track=given.track, speed_limit=given.speed_limit, seed=given.seed)
    with session:
        os.setpriority(os.PRIO_PROCESS, session.plant.process.pid, -12)
        sleeper = Sleeper()
        with contextlib.closing(sleeper), Hogs():
            made = soak(session, given.minutes, random.Random(given.seed))
            late_ms = sleeper.lateness()[1] / MS
    figures, good = judged(made, late_ms)
    if given.json:
        given.json.write_text(json.dumps(figures | {"minutes": given.minutes, "memory": made.memory}, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
