"""Reads the health of the board from the kernel; None where a value cannot be read, so that it is not shown."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_THROTTLED_FILES: Final = (
    "sys/devices/platform/soc/soc:firmware/get_throttled",
    "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",
)
"""Raspberry Pi's firmware driver; the second is where a Pi 5's kernel has put it (not tried on a board)."""
_THROTTLED_BITS: Final = {
    0: "voltage too low",
    1: "clock capped",
    2: "throttled",
    3: "hot, clock lowered",
    16: "voltage was too low",
    17: "clock was capped",
    18: "was throttled",
    19: "was hot",
}
"""Bits of the firmware's word (Raspberry Pi documentation, `vcgencmd get_throttled`): 0 to 3 hold now, 16 to 19 since
the start."""


def processor_temperature(root: Path = Path("/")) -> float | None:
    """Return the temperature of the processor [°C].

    A thermal zone of the processor comes first, else the first zone with a plausible value.
    """
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    # The sort is stable: zones of the processor first, each group by name.
    zones.sort(key=lambda zone: "cpu" not in (_read_text(zone / "type") or "").lower())
    for zone in zones:
        text = _read_text(zone / "temp")
        if text and text.lstrip("-").isdigit() and 0 < int(text) < 150_000:
            return int(text) / 1000.0
    return None


def throttling_causes(root: Path = Path("/")) -> list[str] | None:
    """Return the causes of throttling that the firmware reports, as text; an empty list where there are none."""
    for file in _THROTTLED_FILES:
        with contextlib.suppress(ValueError):
            bits = int(_read_text(root / file) or "", 16)
            return [cause for bit, cause in _THROTTLED_BITS.items() if bits >> bit & 1]
    return None


def processor_load() -> float | None:
    """Return the number of runnable processes for each core, mean of the last minute."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except OSError:
        return None


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
