"""Measures how fast a bundle's network runs on this machine, checks its golden answers, and saves the choice.

A bundle must not drive where the 99th percentile of the time from a frame to an action exceeds 60 % of the control
period: the rest is for the camera, the bus and a hot day.

`racer car bench` writes its choice for `racer car drive` and the console to one JSON file in the store: for each
measured bundle the fastest variant that may drive, and its number of threads. Bundles are named by their sha256, so
that a new bundle of the same name is not taken for an old one.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.bundle import Bundle, check_golden, read_bundle
from racer.car.models.store import default_store_root
from racer.car.recording.drive_file import utc_text
from racer.car.timing import Percentiles, percentiles
from racer.errors import BundleError, RacerError
from racer.policy.onnx import OnnxPolicy

P99_FRACTION_MAX: Final = 0.6
"""Largest 99th percentile, as a fraction of the control period."""

_WARM_UP_RUNS: Final = 20
_SAMPLES_MIN: Final = 100


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """Speed of one bundle with one number of threads.

    Attributes:
        bundle: File of the bundle.
        threads: Number of threads.
        period_ms: Control period [ms].
        times: Times of one answer [ms]; None if it failed.
        refused: Why it must not drive; empty if it may.
    """

    bundle: Path
    threads: int
    period_ms: float
    times: Percentiles | None
    refused: str

    @property
    def p99_fraction(self) -> float:
        """99th percentile as a fraction of the control period."""
        return self.times.p99 / self.period_ms if self.times else float("inf")


def time_network(
    act: Callable[[Mapping[str, NDArray]], object],
    observations: Mapping[str, NDArray],
    *,
    seconds: float,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Percentiles:
    """Measure single answers to recorded observations, one after the other, at least 100 of them.

    Args:
        act: The network.
        observations: Recorded observations, each of shape (B, ...).
        seconds: Shortest time of the measurement [s].
        clock: Time [ns].
    """
    count = len(next(iter(observations.values())))
    rows = [{name: values[k : k + 1] for name, values in observations.items()} for k in range(count)]
    # The first runs allocate memory and are slower than all later ones.
    for k in range(_WARM_UP_RUNS):
        act(rows[k % count])
    samples: list[int] = []
    start = clock()
    while len(samples) < _SAMPLES_MIN or clock() - start < seconds * 1e9:
        before = clock()
        act(rows[len(samples) % count])
        samples.append(clock() - before)
    times = percentiles(samples)
    assert times is not None  # there are at least _SAMPLES_MIN samples
    return times


def speed_refusal(times: Percentiles, control_rate_hz: float) -> str:
    """Return why a network is too slow for its control rate [Hz]; empty if it is fast enough."""
    period_ms = 1e3 / control_rate_hz
    if times.p99 <= P99_FRACTION_MAX * period_ms:
        return ""
    return (
        f"answers within {times.p99:.1f} ms (p99) on this machine; at {control_rate_hz:g} Hz at most "
        f"{P99_FRACTION_MAX * period_ms:.1f} ms are allowed ({P99_FRACTION_MAX:.0%} of the period)"
    )


def bench_bundle(path: Path | str, bundle: Bundle, *, threads: int, seconds: float = 2.0) -> SpeedResult:
    """Check the golden answers of a bundle, then measure it for some seconds."""
    period_ms = 1e3 / bundle.contract.control_rate_hz
    try:
        network = OnnxPolicy(bundle, threads=threads)
        check_golden(bundle, network)
    except BundleError as error:
        return SpeedResult(Path(path), threads, period_ms, None, str(error))
    times = time_network(network.act, bundle.golden.inputs, seconds=seconds)
    return SpeedResult(Path(path), threads, period_ms, times, speed_refusal(times, bundle.contract.control_rate_hz))


def thread_counts() -> list[int]:
    """Return the numbers of threads to try: one, and two where cores remain for the camera and the actuator."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [1, 2] if cores >= 4 else [1]


def bench_bundles(
    paths: Sequence[Path | str], *, threads: Sequence[int] = (), seconds: float = 2.0
) -> list[SpeedResult]:
    """Measure variants of one policy on each number of threads; return those that may drive first, fastest first.

    Args:
        paths: Files of the bundles.
        threads: Numbers of threads; empty for those of `thread_counts`.
        seconds: Shortest time of each measurement [s].

    Raises:
        RacerError: The bundles have different control rates, so they are not variants of one policy.
        BundleError: A bundle is broken.
    """
    bundles = [(path, read_bundle(path)) for path in paths]
    if len({bundle.contract.control_rate_hz for _, bundle in bundles}) > 1:
        raise RacerError("these bundles were trained with different control rates; compare variants of one policy")
    results = [
        bench_bundle(path, bundle, threads=count, seconds=seconds)
        for path, bundle in bundles
        for count in threads or thread_counts()
    ]
    # Of equally fast variants the one with fewer threads is first: it leaves cores for the camera and the actuator.
    return sorted(results, key=lambda result: (bool(result.refused), result.p99_fraction, result.threads))


def machine_notes(root: Path = Path("/")) -> list[str]:
    """Return the machine's governor, temperature and power warnings, one line each, without those not readable."""
    notes = []
    governor = _read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        hint = "" if governor == "performance" else "; `performance` gives steadier times"
        notes.append(f"governor {governor}{hint}")
    heat = _read_text(root / "sys/class/thermal/thermal_zone0/temp")
    if heat.lstrip("-").isdigit():
        notes.append(f"{int(heat) / 1000:.0f} degrees C")
    # The firmware reports a hexadecimal number: low bits for now, high bits for the time since the start.
    throttled = _read_text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    try:
        bits = int(throttled, 16)
    except ValueError:
        return notes
    notes.append(", ".join(text for bit, text in _THROTTLED.items() if bits >> bit & 1) or "no power or heat warnings")
    return notes


_THROTTLED: Final = {
    0: "under-voltage now",
    1: "clock capped now",
    2: "throttled now",
    3: "hot now",
    16: "under-voltage since the start",
    18: "throttled since the start",
}
"""Bits of the Raspberry Pi's firmware (vcgencmd get_throttled)."""


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


CHOICE_FILE: Final = "bench.json"
_CHOICE_FORMAT: Final = "racer-car-bench"
_CHOICES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class BenchChoice:
    """Bundle to drive with and its number of threads; the reason as text is empty without a measurement."""

    bundle: Path
    threads: int
    reason: str = ""


def save_choice(results: Sequence[SpeedResult], root: Path | None = None) -> Path:
    """Save the first of the results as the choice for all of their bundles, and return the file.

    Args:
        results: Sorted results of `bench_bundles`.
        root: Folder of the store; None for the default.

    Raises:
        OSError: The store cannot be written to.
    """
    best = results[0]
    assert best.times is not None and not best.refused
    path = (root or default_store_root()) / CHOICE_FILE
    entry = {
        "use": str(best.bundle.absolute()),
        "sha256": _sha256(best.bundle),
        "threads": best.threads,
        "p99_ms": round(best.times.p99, 3),
        "measured": utc_text(),
    }
    choices = _read_choices(path)
    # Every measured variant leads to the same choice. Entries are removed and added again, so that the newest are last.
    for digest in dict.fromkeys(_sha256(result.bundle) for result in results):
        choices.pop(digest, None)
        choices[digest] = entry
    newest = dict(list(choices.items())[-_CHOICES_MAX:])
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomically(path, json.dumps({"format": _CHOICE_FORMAT, "choices": newest}, indent=1) + "\n")


def load_choice(bundle: Path, *, threads: int | None = None, root: Path | None = None) -> BenchChoice:
    """Return the variant of a bundle and the number of threads that the bench chose on this machine.

    Args:
        bundle: Requested bundle.
        threads: Number of threads of the user; then the bundle is used as it is.
        root: Folder of the store; None for the default.
    """
    if threads is not None:
        return BenchChoice(bundle, threads)
    entry = _read_choices((root or default_store_root()) / CHOICE_FILE).get(_sha256(bundle))
    if entry is None:
        return BenchChoice(bundle, 1)
    use = Path(entry["use"])
    # The bundle itself may have moved since; another variant must still be the file that was measured.
    other = entry["sha256"] != _sha256(bundle)
    if other and not (use.is_file() and _sha256(use) == entry["sha256"]):
        return BenchChoice(bundle, 1, f"its choice {use} is gone; {bundle.name} on 1 thread, measure again")
    on = "1 thread" if entry["threads"] == 1 else f"{entry['threads']} threads"
    chosen = use if other else bundle
    reason = f"{chosen.name} on {on}: p99 {entry['p99_ms']:.1f} ms, measured {entry['measured']}"
    return BenchChoice(chosen, entry["threads"], reason)


def _read_choices(path: Path) -> dict[str, dict[str, Any]]:
    """Return the saved choices; an unusable file counts as empty, since measuring again costs seconds."""
    try:
        data = json.loads(path.read_bytes())
        choices = data["choices"] if data["format"] == _CHOICE_FORMAT else {}
        return {digest: entry for digest, entry in choices.items() if _is_valid_entry(entry)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_valid_entry(entry: dict[str, Any]) -> bool:
    texts = all(isinstance(entry[key], str) for key in ("use", "sha256", "measured"))
    return texts and 1 <= int(entry["threads"]) <= 16 and float(entry["p99_ms"]) >= 0.0


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
