"""How fast a bundle's network is on this machine.

network     a bundle's network, on as many threads as are told
speed       its times and its golden answers
choice      what was chosen here, kept for the drive and the console

A bundle's network on a car: as everywhere else, but on as many threads as the bench found best.

How fast a bundle's network is on this machine, and whether it answers as it did where it was made.

The car is not armed where the 99th percentile of the time from a frame to an action exceeds 60 % of the control
period: the rest is for the camera, the bus, and a hot day.

What `racer car bench` chose on this machine, kept for `racer car drive` and the console.

One JSON file in the store: for each bundle that was measured the variant of it that may drive and is fastest, and on
how many threads. Bundles are named by their sha256, so that a new bundle of the same name is not taken for an old one.
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
"""Of the control period."""

_WARM_UP_RUNS: Final = 20
_SAMPLES_MIN: Final = 100


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """One bundle on so many threads; `refused` says why it must not drive, and is empty where it may."""

    bundle: Path
    threads: int
    period_ms: float
    times: Percentiles | None
    refused: str

    @property
    def p99_share(self) -> float:
        """Of the control period."""
        return self.times.p99 / self.period_ms if self.times else float("inf")


def time_network(
    act: Callable[[Mapping[str, NDArray]], object],
    observations: Mapping[str, NDArray],
    *,
    seconds: float,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Percentiles:
    """Times of single answers to recorded observations, one after the other, for so long but at least 100 of them."""
    count = len(next(iter(observations.values())))
    rows = [{name: values[k : k + 1] for name, values in observations.items()} for k in range(count)]
    for k in range(_WARM_UP_RUNS):
        act(rows[k % count])
    samples: list[int] = []
    start = clock()
    while len(samples) < _SAMPLES_MIN or clock() - start < seconds * 1e9:
        before = clock()
        act(rows[len(samples) % count])
        samples.append(clock() - before)
    found = percentiles(samples)
    assert found is not None
    return found


def speed_refusal(times: Percentiles, control_rate_hz: float) -> str:
    """Why a network is too slow for its rate; empty where it is not."""
    period_ms = 1e3 / control_rate_hz
    if times.p99 <= P99_FRACTION_MAX * period_ms:
        return ""
    return (
        f"answers within {times.p99:.1f} ms (p99) on this machine; at {control_rate_hz:g} Hz at most "
        f"{P99_FRACTION_MAX * period_ms:.1f} ms are allowed ({P99_FRACTION_MAX:.0%} of the period)"
    )


def bench_bundle(path: Path | str, bundle: Bundle, *, threads: int, seconds: float = 2.0) -> SpeedResult:
    """Check the recorded answers, then measure."""
    period_ms = 1e3 / bundle.contract.control_rate_hz
    try:
        network = OnnxPolicy(bundle, threads=threads)
        check_golden(bundle, network)
    except BundleError as error:
        return SpeedResult(Path(path), threads, period_ms, None, str(error))
    times = time_network(network.act, bundle.golden.inputs, seconds=seconds)
    return SpeedResult(Path(path), threads, period_ms, times, speed_refusal(times, bundle.contract.control_rate_hz))


def thread_counts() -> list[int]:
    """What is worth trying: one, and two where a core is left for the camera and one for the actuator."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [1, 2] if cores >= 4 else [1]


def bench_bundles(
    paths: Sequence[Path | str], *, threads: Sequence[int] = (), seconds: float = 2.0
) -> list[SpeedResult]:
    """Measure variants of one policy on each number of threads; those that may drive first, the fastest in front.

    Raises:
        RacerError: variants with different contracts' control rates are not variants of one policy.
        BundleError: a bundle is broken.
    """
    bundles = [(path, read_bundle(path)) for path in paths]
    if len({bundle.contract.control_rate_hz for _, bundle in bundles}) > 1:
        raise RacerError("these bundles were trained with different control rates; compare variants of one policy")
    found = [
        bench_bundle(path, bundle, threads=count, seconds=seconds)
        for path, bundle in bundles
        for count in threads or thread_counts()
    ]
    return sorted(found, key=lambda result: (bool(result.refused), result.p99_share, result.threads))


def machine_notes(root: Path = Path("/")) -> list[str]:
    """What the machine says of its clock, its heat and its power, each in a line; what cannot be read is left out."""
    notes = []
    governor = _read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        hint = "" if governor == "performance" else "; `performance` gives steadier times"
        notes.append(f"governor {governor}{hint}")
    heat = _read_text(root / "sys/class/thermal/thermal_zone0/temp")
    if heat.lstrip("-").isdigit():
        notes.append(f"{int(heat) / 1000:.0f} degrees C")
    throttled = _read_text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    try:
        bits = int(throttled, 16)
    except ValueError:
        return notes
    words = [word for bit, word in _THROTTLED.items() if bits >> bit & 1]
    notes.append(", ".join(words) if words else "power and heat are well")
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
    """A bundle to drive with, on so many threads; `words` say why, and are empty where nothing was measured."""

    bundle: Path
    threads: int
    words: str = ""


def save_choice(results: Sequence[SpeedResult], root: Path | None = None) -> Path:
    """Remember the first of the results for all of them; returns the file.

    Raises:
        OSError: the store cannot be written to.
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
    for digest in dict.fromkeys(_sha256(result.bundle) for result in results):
        choices.pop(digest, None)
        choices[digest] = entry
    newest = dict(list(choices.items())[-_CHOICES_MAX:])
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomically(path, json.dumps({"format": _CHOICE_FORMAT, "choices": newest}, indent=1) + "\n")


def load_choice(bundle: Path, *, threads: int | None = None, root: Path | None = None) -> BenchChoice:
    """What to drive with where `bundle` is asked for: the variant and the threads that the bench chose on this machine.

    Args:
        threads: given by a person; then the bundle is taken as it is.
    """
    if threads is not None:
        return BenchChoice(bundle, threads)
    entry = _read_choices((root or default_store_root()) / CHOICE_FILE).get(_sha256(bundle))
    if entry is None:
        return BenchChoice(bundle, 1)
    use = Path(entry["use"])
    other = entry["sha256"] != _sha256(bundle)
    if other and not (use.is_file() and _sha256(use) == entry["sha256"]):
        return BenchChoice(bundle, 1, f"its choice {use} is gone; {bundle.name} on 1 thread, measure again")
    on = "1 thread" if entry["threads"] == 1 else f"{entry['threads']} threads"
    words = f"{use.name if other else bundle.name} on {on}: p99 {entry['p99_ms']:.1f} ms, measured {entry['measured']}"
    return BenchChoice(use if other else bundle, entry["threads"], words)


def _read_choices(path: Path) -> dict[str, dict[str, Any]]:
    """The choices; a file that cannot be used counts as none, since measuring again costs seconds."""
    try:
        found = json.loads(path.read_bytes())
        choices = found["choices"] if found["format"] == _CHOICE_FORMAT else {}
        return {digest: entry for digest, entry in choices.items() if _is_valid_entry(entry)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_valid_entry(entry: dict[str, Any]) -> bool:
    words = all(isinstance(entry[key], str) for key in ("use", "sha256", "measured"))
    return words and 1 <= int(entry["threads"]) <= 16 and float(entry["p99_ms"]) >= 0.0


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
