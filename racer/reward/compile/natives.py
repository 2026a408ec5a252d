"""All functions of Python, `math`, numpy and others that the translator knows, by their dotted names."""

from __future__ import annotations

from racer.reward.compile import (
    native_arrays,
    native_conversions,
    native_extremes,
    native_lists,
    native_numbers,
    native_objects,
    native_rows,
    native_texts,
)
from racer.reward.compile.native_handlers import Handler

NATIVES: dict[str, Handler] = {
    **native_numbers.NATIVES,
    **native_conversions.NATIVES,
    **native_extremes.NATIVES,
    **native_lists.NATIVES,
    **native_arrays.NATIVES,
    **native_rows.NATIVES,
    **native_objects.NATIVES,
    **native_texts.NATIVES,
}
