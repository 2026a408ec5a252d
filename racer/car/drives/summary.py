"""What a recorded drive was, in a few lines of text; and whether this build would send the same pulses again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.car.actuator.words import TEXT, Reason, Source, State
from racer.car.calibration.calibration import make_calibration
from racer.car.drives.file import DriveError
from racer.car.drives.read import Drive
from racer.car.gate import ActionBounds, Gate


@dataclass(frozen=True, slots=True)
class PulseCheck:
    """Pulses of a drive against those of this build's gate.

    Attributes:
        steps: control steps that were compared. same: those with the same two pulses.
        first: number of the first step that differs; None: none does.
    """

    steps: int
    same: int
    first: int | None


def check_pulses(drive: Drive) -> PulseCheck:
    """Put the recorded actions through this build's gate with the recorded calibration (catalogue R1).

    Raises:
        DriveError: the drive was recorded without calibration or bounds.
        GateRefusal: this build refuses an action that was sent then.
    """
    header = drive.header
    if header.calibration is None or header.bounds is None:
        raise DriveError(f"{drive.path} has no calibration or no bounds, so its pulses cannot be made again")
    data = {key: value for key, value in header.calibration.items() if key != "sha256"}
    calibration = make_calibration(data, f"{drive.path}: its calibration")
    gates: dict[float, Gate] = {}
    same, first = 0, None
    for row in drive.steps:
        limit = float(row["speed_limit"])
        if limit not in gates:
            gates[limit] = Gate(calibration, ActionBounds(*header.bounds), mapping=header.mapping, speed_limit=limit)
        made = gates[limit].pulses(float(row["asked_steering_deg"]), float(row["asked_speed"]))
        # Whatever was asked, the pilot sends neutral while the car does not drive.
        throttle = made.throttle_us if row["applied_speed"] else gates[limit].rest.throttle_us
        if (made.steering_us, throttle) == (row["steering_us"], row["throttle_us"]):
            same += 1
        elif first is None:
            first = int(row["number"])
    return PulseCheck(len(drive.steps), same, first)


def summary(drive: Drive) -> Iterator[tuple[str, str]]:
    """A name and a line for each thing worth telling."""
    header = drive.header
    yield "drive", f"{drive.seconds:.1f} s, {header.started or 'at an unknown time'}, racer {header.racer}"
    yield "car", header.car_id or "unknown"
    by = sum(drive.steps["source"] == Source.PERSON)
    yield "driver", f"{header.model or 'no policy'}; {by} of {len(drive.steps)} control steps by a person"
    yield "steps", _steps_words(drive)
    yield "frames", f"{len(drive.frames)}{_sizes(drive)}"
    measured = [name for name in ("speed", "yaw_rate", "x") if np.isfinite(drive.measured[name]).any()]
    words = ", ".join({"x": "pose", "yaw_rate": "yaw rate"}.get(name, name) for name in measured)
    yield "measured", f"{len(drive.measured)} rows: {words}" if words else "nothing; `racer calibrate-sim` needs that"
    for name, times in timings(drive).items():
        yield name, _percentiles(times)
    if len(drive.actuator):
        last = drive.actuator[-1]
        counts = f"{last['rejected']} commands rejected, {last['retries']} bus retries, {last['late']} late ticks"
        yield "actuator", counts
    if drive.damage:
        yield "damage", drive.damage


def timings(drive: Drive) -> dict[str, NDArray[np.float64]]:
    """Times in ms: `latency` from capture to bus, `policy` from its start to its answer, `period` between steps."""
    steps = drive.steps
    found = {
        "policy": (steps["answered_ns"].astype(np.int64) - steps["started_ns"].astype(np.int64)) / 1e6,
        "period": np.diff(steps["sent_ns"].astype(np.int64)) / 1e6,
    }
    captured = {int(row["input_id"]): int(row["captured_ns"]) for row in steps[::-1]}
    written = {
        int(row["input_id"]): int(row["written_ns"]) for row in drive.actuator[::-1] if int(row["written_ns"]) > 0
    }
    late = [(at - captured[number]) / 1e6 for number, at in written.items() if number in captured]
    return {"latency": np.array(late)} | found


def states(drive: Drive) -> Iterator[tuple[int, str]]:
    """When the actuator's state changed, and into what and why; events too, in order of time."""
    told = [(event.at_ns, f"{event.what}: {event.text}".rstrip(": ")) for event in drive.events]
    before = None
    for row in drive.actuator:
        now = (int(row["state"]), int(row["reason"]))
        if now != before:
            told.append((int(row["now_ns"]), _state_words(*now)))
        before = now
    yield from sorted(told)


def _state_words(state: int, reason: int) -> str:
    """Names for the numbers; those of a later version stay numbers."""
    name = State(state).name if state in list(State) else f"state {state}"
    why = TEXT.get(Reason(reason), "") if reason in list(Reason) else f"reason {reason}"
    return f"{name}{': ' + why if why else ''}"


def _steps_words(drive: Drive) -> str:
    steps = drive.steps
    if not len(steps):
        return "none"
    moving = steps["applied_speed"] > 0.0
    asked, applied = steps["asked_speed"], steps["applied_speed"]
    cut = int((moving & (applied < asked - 1e-9)).sum())
    top = f"up to {applied.max():.2f} m/s" if moving.any() else "never moving"
    return f"{len(steps)} at {drive.header.control_rate_hz:g} Hz, {top}; speed cut by the limit in {cut}"


def _sizes(drive: Drive) -> str:
    kinds = sorted({(f.width, f.height, f.channels, f.encoding.name.lower()) for f in drive.frames})
    size = sum(entry.size for entry in drive.frames)
    words = ", ".join(f"{w}x{h} {'grey' if c == 1 else 'colour'} {name}" for w, h, c, name in kinds)
    return f" of {words}, {size / 2**20:.1f} MiB" if kinds else ""


def _percentiles(times: NDArray[np.float64]) -> str:
    if not len(times):
        return "not known"
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, longest {times.max():.1f} ms"
