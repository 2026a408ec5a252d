"""Reads the health of the board from the kernel; None where a value cannot be read, so that it is not shown."""

from __future__ import annotations

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
"""Raspberry Pi documentation, `vcgencmd get_throttled`."""


def processor_temperature(root: Path = Path("/")) -> float | None:
    """Degrees Celsius of the processor, from the zone of that kind, else the first that has a plausible value."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    zones.sort(key=lambda zone: "cpu" not in (_read_text(zone / "type") or "").lower())
    for zone in zones:
        text = _read_text(zone / "temp")
        if text and text.lstrip("-").isdigit() and 0 < int(text) < 150_000:
            return int(text) / 1000.0
    return None


def throttling_causes(root: Path = Path("/")) -> list[str] | None:
    """What the firmware complains of, in words; empty where all is well."""
    for place in _THROTTLED_FILES:
        if text := _read_text(root / place):
            try:
                bits = int(text, 16)
            except ValueError:
                continue
            return [words for bit, words in _THROTTLED_BITS.items() if bits >> bit & 1]
    return None


def processor_load() -> float | None:
    """Runnable processes for each core, mean of the last minute."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except OSError:
        return None


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
