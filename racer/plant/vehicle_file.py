"""The vehicle file of a fit: the fitted values among the others, and in comments how far each is to be believed."""

from __future__ import annotations

import math

import numpy as np
import yaml
from numpy.typing import NDArray

from racer import __version__
from racer.plant.fit import Estimate, Fit

_FIELDS = {"steer_offset": "steer_offset_deg", "throttle_lag": "speed_gain"}
_UNITS = {"speed": "m/s", "yaw_rate": "rad/s", "pose_along": "m", "pose_across": "m", "pose_yaw": "rad"}


def estimate_words(one: Estimate) -> str:
    """`0.90012 +- 0.00071, was 1`, with the unit."""
    unit = f" {one.unit}" if one.unit else ""
    if one.why:
        return f"{one.before:.4g}{unit}, kept: {one.why}"
    digits = max(0, min(6, 1 - math.floor(math.log10(max(one.error, 1e-6)))))
    return f"{one.value:.{digits}f} +- {one.error:.2g}{unit}, was {one.before:.4g}"


def residual_words(fit: Fit) -> list[str]:
    """A line for each channel: how far the simulator was and is from it."""
    return [
        f"{one.channel}: {one.after:.3g} {_UNITS[one.channel]} rms of {one.count} values, was {one.before:.3g}"
        for one in fit.residuals
    ]


def disturbance_lines(fit: Fit, glass_to_wire: NDArray[np.float64]) -> list[str]:
    """The measured latencies as a training's disturbances; empty where none was measured."""
    lines = []
    if not fit["latency"].why:
        lines.append(f"vehicle: {{action_delay: {fit['latency'].value:.3f}}}")
    if len(glass_to_wire):
        low, high = np.percentile(glass_to_wire, [5, 95])
        lines.append(f"camera_delivery: {{latency: {{uniform: [{low:.3f}, {high:.3f}]}}}}")
    return lines


def vehicle_yaml(fit: Fit, *, source: str, base: str, name: str, glass_to_wire: NDArray[np.float64]) -> str:
    """The text of a vehicle file.

    Args:
        source: the drive, base: the vehicle that the fit began with.
        glass_to_wire: s from a frame's capture to the bus, as the drive recorded it.
    """
    lines = [
        f"# Fitted by racer {__version__} to {fit.seconds:.1f} s of {source}, beginning with the vehicle `{base}`.",
        f"# Measured channels: {', '.join(word.replace('_', ' ') for word in fit.channels)}.",
        "# After +- stands one standard deviation, if the model holds. Values without a comment are those of the base.",
        *(f"# Residual {words}" for words in residual_words(fit)),
        *(f"# Mind: {words}." for words in fit.warnings),
    ]
    if told := disturbance_lines(fit, glass_to_wire):
        lines.append(
            "# Latency is no property of a vehicle. To train with what this drive had, put into `disturbances`:"
        )
        lines += [f"#   {line}" for line in told]
    notes = {_FIELDS.get(one.name, one.name): one for one in fit.estimates}
    values = fit.vehicle.model_copy(update={"name": name}).model_dump()
    for key, value in values.items():
        if one := notes.get(key):
            what = "throttle lag (1 / speed_gain) of " if one.name == "throttle_lag" else ""
            lines.append(f"# {what}{estimate_words(one)}")
        lines.append(yaml.safe_dump({key: value}, default_flow_style=False).strip())
    return "\n".join(lines) + "\n"
