"""All functions of Python, `math`, numpy and others that the translator knows, by their dotted names."""

from __future__ import annotations

from racer.reward.compile.natives import arrays, conversions, extremes, lists, numbers, objects, rows, texts
from racer.reward.compile.natives.handlers import Handler

NATIVES: dict[str, Handler] = {
    **numbers.NATIVES,
    **conversions.NATIVES,
    **extremes.NATIVES,
    **lists.NATIVES,
    **arrays.NATIVES,
    **rows.NATIVES,
    **objects.NATIVES,
    **texts.NATIVES,
}
