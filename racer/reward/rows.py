"""Telemetry of a batch as the dicts that reward functions get, and samples of telemetry.

`params_rows` builds the dict of each car from the table in `racer.reward.params`. `Sample` holds recorded states that
a reward function is checked on, without the simulator that drives them (`racer.reward.states`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from racer.reward.params import FIRST_STEP, NAMES, PARAMS, Param

Records = NDArray[np.void]
"""Rows of `TELEMETRY` or `OBJECT_TELEMETRY`."""
Point = tuple[float, float]
Waypoints = Sequence[tuple[Point, ...]]
"""The waypoints of each course [m], indexed by `TELEMETRY.course`."""

_ROWWISE_MAX = 16
"""Rows below which conversion row by row is cheaper (measured: 1 us for a row against 15 us for a batch)."""


def params_rows(
    telemetry: Records, objects: Records | None, waypoints: Waypoints, first_step: int = FIRST_STEP
) -> Iterator[dict[str, Any]]:
    """Yield the dict of each car, built when the iterator reaches it.

    Every dict and every list in it is new, and the items of the lists are immutable or new too. So a change that
    user code makes to its dict has no other effect. Whole columns are converted at once: that is several times
    cheaper than reading a structured row field by field.

    Args:
        telemetry: rows of `TELEMETRY`, shape (B,).
        objects: rows of `OBJECT_TELEMETRY`, shape (B, K); None without objects.
        waypoints: for each course the points of its centre line [m].
        first_step: `steps` in the first call of an episode.
    """
    fields = _fields(telemetry)
    if first_step != FIRST_STEP:
        fields["steps"] = [steps + (first_step - FIRST_STEP) for steps in fields["steps"]]
    object_columns = None if objects is None else _ObjectColumns(objects)
    columns = [_column(param, fields, object_columns, waypoints, len(telemetry)) for param in PARAMS]
    for values in zip(*columns, strict=True):
        yield dict(zip(NAMES, values))  # noqa: B905 (strict costs time; the lengths are equal)


def params_of(
    index: int, telemetry: Records, objects: Records | None, waypoints: Waypoints, first_step: int = FIRST_STEP
) -> dict[str, Any]:
    """Build the dict of one car of flat rows: user code may have changed the one that it received."""
    row = slice(index, index + 1)
    return next(params_rows(telemetry[row], None if objects is None else objects[row], waypoints, first_step))


def _fields(telemetry: Records) -> dict[str, Sequence[Any]]:
    """Convert each field to Python objects: column by column, or row by row for a few rows."""
    names = telemetry.dtype.names or ()
    # `tolist` of a structured row gives a tuple in the order of the fields.
    if len(telemetry) < _ROWWISE_MAX:
        return dict(zip(names, zip(*telemetry.tolist(), strict=True), strict=False))
    return {name: telemetry[name].tolist() for name in names}


class _ObjectColumns:
    """The active objects of each car of a batch, as lists of Python values."""

    def __init__(self, objects: Records) -> None:
        active = objects["active"]
        self._objects = objects[active]
        # Boolean indexing lists the active objects car by car, so the objects of car n are one slice.
        ends = np.cumsum(active.sum(axis=1)).tolist()
        self._bounds = list(zip([0, *ends[:-1]], ends, strict=True))

    def column(self, names: tuple[str, ...]) -> list[list[Any]]:
        """Return for each car a new list with one item for each object: a value, or a new list of several."""
        if len(names) == 1:
            values = self._objects[names[0]].tolist()
        else:
            values = np.stack([self._objects[name] for name in names], axis=-1).tolist()
        return [values[first:last] for first, last in self._bounds]


def _column(
    param: Param, fields: dict[str, Sequence[Any]], objects: _ObjectColumns | None, waypoints: Waypoints, count: int
) -> Iterable[Any]:
    """Return the values of one key for all cars; lists are built one by one while the column is read."""
    names = param.fields
    # A key of one field has its value; a key of several, such as `closest_waypoints`, has a new list of them.
    if param.fill == "telemetry":
        return fields[names[0]] if len(names) == 1 else map(list, zip(*(fields[name] for name in names), strict=True))
    # A new list of the same points for each car: user code may change a list, but not a point.
    if param.fill == "waypoints":
        return map(list, map(waypoints.__getitem__, fields["course"]))
    return map(list, repeat((), count)) if objects is None else objects.column(names)


Scenario = Literal["time_trial", "backward", "objects", "bots"]
"""A time trial in the direction of the track file, one against it, one with boxes on the road, and one with bots."""
SCENARIOS: tuple[Scenario, ...] = ("time_trial", "backward", "objects")
"""The scenarios of a time trial; those with boxes show what the function would do in another race."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Control steps of N cars on one track.

    Attributes:
        track: name of the track.
        where: the scenario.
        closed: whether the track is a loop.
        telemetry: rows of `TELEMETRY`, shape (T, N, 1); rows with `steps` below 2 get no reward.
        objects: rows of `OBJECT_TELEMETRY`, shape (T, N, 1, K); None without objects.
        waypoints: points of each centre line [m], indexed by `telemetry["course"]`.
    """

    track: str
    where: Scenario
    telemetry: Records
    objects: Records | None
    waypoints: Waypoints
    closed: bool = True

    @property
    def rewarded(self) -> NDArray[np.bool_]:
        """Mask of the states that get a reward, shape (T, N)."""
        return self.telemetry["steps"][..., 0] >= 2.0
