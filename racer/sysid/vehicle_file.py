"""The vehicle file of a fit: every fitted value with its uncertainty as a comment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from racer.config.env import VehicleConfig


@dataclass(frozen=True, slots=True)
class ParameterEstimate:
    """Result for a parameter, in its unit.

    Attributes:
        value: Value of the fitted vehicle.
        before: Value of the vehicle before the fit.
        error: One standard deviation; infinite where the parameter was not fitted.
        why: Why it kept its value; empty where it was fitted.
    """

    name: str
    unit: str
    value: float
    before: float
    error: float
    why: str = ""


def estimate_text(estimate: ParameterEstimate) -> str:
    """Return an estimate as text with its unit, such as `0.90012 +- 0.00071, was 1`."""
    unit = f" {estimate.unit}" if estimate.unit else ""
    if estimate.why:
        return f"{estimate.before:.4g}{unit}, kept: {estimate.why}"
    # As many decimals as the error has with two significant digits.
    digits = max(0, min(6, 1 - math.floor(math.log10(max(estimate.error, 1e-6)))))
    return f"{estimate.value:.{digits}f} +- {estimate.error:.2g}{unit}, was {estimate.before:.4g}"


def commented_yaml(vehicle: VehicleConfig, head: Sequence[str], comments: Mapping[str, Sequence[str]]) -> str:
    """Return the text of a vehicle file.

    Args:
        vehicle: The vehicle.
        head: Lines at the top, as comments.
        comments: Field of the vehicle to the lines above its value, as comments.
    """
    lines = [f"# {line}" for line in head]
    for key, value in vehicle.model_dump().items():
        lines += [f"# {line}" for line in comments.get(key, ())]
        # Each pair of a map is written in one line.
        style = None if isinstance(value, tuple | list) and value else False
        lines.append(yaml.safe_dump({key: value}, default_flow_style=style).strip())
    return "\n".join(lines) + "\n"
