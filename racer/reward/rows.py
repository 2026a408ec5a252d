"""Telemetry to dicts: the params of each car of a batch, built from the table in `racer.reward.params`.

A sample of states that a reward function is checked on, without the simulator that drives it (see `states`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from racer.reward.params import NAMES, PARAMS, Param

Point = tuple[float, float]
Waypoints = Sequence[tuple[Point, ...]]
"""The waypoints of each course, indexed by `TELEMETRY.course`."""

_ROWWISE_MAX = 16
"""Rows below which conversion row by row is cheaper (measured: 1 us a row against 15 us a batch)."""


def params_rows(
    telemetry: NDArray[np.void], objects: NDArray[np.void] | None, waypoints: Waypoints
) -> Iterator[dict[str, Any]]:
    """Yield the dict of each car, made when it is asked for.

    Every dict and every list in it is new; what the lists hold is immutable or new as well. So whatever
    user code does to its dict, nobody else sees it. Whole columns are converted at once: that is several
    times cheaper than reading a structured row field by field.

    Args:
        telemetry: (B,) `TELEMETRY`.
        objects: (B, K) `OBJECT_TELEMETRY`, or None where there is nothing else on the road.
        waypoints: for each course the rows of its centre line.
    """
    fields = _fields(telemetry)
    things = None if objects is None else _ObjectColumns(objects)
    columns = [_column(param, fields, things, waypoints, len(telemetry)) for param in PARAMS]
    for values in zip(*columns, strict=True):
        yield dict(zip(NAMES, values))  # noqa: B905 (strict costs; the lengths are one)


def _fields(telemetry: NDArray[np.void]) -> dict[str, Sequence[Any]]:
    """The values of each field as Python objects: column by column, or row by row for a few rows."""
    names = telemetry.dtype.names or ()
    if len(telemetry) < _ROWWISE_MAX:
        return dict(zip(names, zip(*telemetry.tolist(), strict=True), strict=False))
    return {name: telemetry[name].tolist() for name in names}


class _ObjectColumns:
    """The active objects of each car of a batch, as lists of Python values."""

    def __init__(self, objects: NDArray[np.void]) -> None:
        self._active = objects["active"]
        self._objects = objects[self._active]
        ends = np.cumsum(self._active.sum(axis=1)).tolist()
        self._bounds = list(zip([0, *ends[:-1]], ends, strict=True))

    def column(self, names: tuple[str, ...]) -> list[list[Any]]:
        """For each car a fresh list with one item for each object: a value, or a fresh list of several."""
        if len(names) == 1:
            values = self._objects[names[0]].tolist()
        else:
            values = np.stack([self._objects[name] for name in names], axis=-1).tolist()
        return [values[first:last] for first, last in self._bounds]


def _column(
    param: Param,
    fields: dict[str, Sequence[Any]],
    things: _ObjectColumns | None,
    waypoints: Waypoints,
    count: int,
) -> Iterable[Any]:
    """The values of one key for all cars; lists are made one by one while the column is read."""
    names = param.fields
    if param.fill == "telemetry":
        return fields[names[0]] if len(names) == 1 else map(list, zip(*(fields[name] for name in names), strict=True))
    if param.fill == "waypoints":
        return map(list, map(waypoints.__getitem__, fields["course"]))
    return map(list, repeat((), count)) if things is None else things.column(names)


Scenario = Literal["time_trial", "backward", "objects"]
"""A time trial in the track file's direction, one against it, and one with objects on the road."""
SCENARIOS: tuple[Scenario, ...] = ("time_trial", "backward", "objects")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Control steps of N cars on one track.

    Attributes:
        track: the name of the track.
        where: what was driven.
        telemetry: (T, N, 1) `TELEMETRY`; rows with `steps` below 2 are not asked for.
        objects: (T, N, 1, K) `OBJECT_TELEMETRY`, or None in a time trial.
        waypoints: indexed by `telemetry["course"]`.
    """

    track: str
    where: Scenario
    telemetry: NDArray[np.void]
    objects: NDArray[np.void] | None
    waypoints: Waypoints

    @property
    def asked(self) -> NDArray[np.bool_]:
        """(T, N) True for the states that a reward is asked for."""
        return self.telemetry["steps"][..., 0] >= 2.0
