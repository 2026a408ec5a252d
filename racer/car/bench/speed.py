"""How fast a bundle's network is on this machine, and whether it answers as it did where it was made.

The car is not armed where the 99th percentile of the time from a frame to an action exceeds 60 % of the control
period: the rest is for the camera, the bus, and a hot day.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from numpy.typing import NDArray

from racer.bundle import Bundle, check_golden, read_bundle
from racer.car.bench.network import CarNetwork
from racer.car.timing import Percentiles, percentiles
from racer.errors import BundleError, RacerError

P99_SHARE_MAX: Final = 0.6
"""Of the control period."""

_WARM_UP: Final = 20
_LEAST: Final = 100


@dataclass(frozen=True, slots=True)
class Result:
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
    for k in range(_WARM_UP):
        act(rows[k % count])
    samples: list[int] = []
    start = clock()
    while len(samples) < _LEAST or clock() - start < seconds * 1e9:
        before = clock()
        act(rows[len(samples) % count])
        samples.append(clock() - before)
    found = percentiles(samples)
    assert found is not None
    return found


def speed_refusal(times: Percentiles, control_rate_hz: float) -> str:
    """Why a network is too slow for its rate; empty where it is not."""
    period_ms = 1e3 / control_rate_hz
    if times.p99 <= P99_SHARE_MAX * period_ms:
        return ""
    return (
        f"answers within {times.p99:.1f} ms (p99) on this machine; at {control_rate_hz:g} Hz at most "
        f"{P99_SHARE_MAX * period_ms:.1f} ms are allowed ({P99_SHARE_MAX:.0%} of the period)"
    )


def bench_bundle(path: Path | str, bundle: Bundle, *, threads: int, seconds: float = 2.0) -> Result:
    """Check the recorded answers, then measure."""
    period_ms = 1e3 / bundle.contract.control_rate_hz
    try:
        network = CarNetwork(bundle, threads=threads)
        check_golden(bundle, network)
    except BundleError as error:
        return Result(Path(path), threads, period_ms, None, str(error))
    times = time_network(network.act, bundle.golden.inputs, seconds=seconds)
    return Result(Path(path), threads, period_ms, times, speed_refusal(times, bundle.contract.control_rate_hz))


def thread_counts() -> list[int]:
    """What is worth trying: one, and two where a core is left for the camera and one for the actuator."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [1, 2] if cores >= 4 else [1]


def bench(paths: Sequence[Path | str], *, threads: Sequence[int] = (), seconds: float = 2.0) -> list[Result]:
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
    governor = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        hint = "" if governor == "performance" else "; `performance` gives steadier times"
        notes.append(f"governor {governor}{hint}")
    heat = _read(root / "sys/class/thermal/thermal_zone0/temp")
    if heat.lstrip("-").isdigit():
        notes.append(f"{int(heat) / 1000:.0f} degrees C")
    throttled = _read(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
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


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
