"""The ground of a frame: field, road, edge lines, centre line, start line, and the sky above.

Each kind of surface is a plane of sums (`fill`) that its edges are added to; then all planes are summed down the
rows and mixed. The inner road lies in the road, lines and dashes in the inner road, so that a pixel's colour is

    field + c0 (edge - field) + c1 (road - edge) + c2 (1 - c3) (center - road) + c3 (start - road)

with the covered shares c: exact where several kinds share a pixel. Where a road crosses itself, shares count once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from racer.sim.camera.fill import SPARE
from racer.sim.camera.road import DASH_PLANE, GROUND_PLANE, PLANES, START_PLANE, trace_dashes, trace_road, trace_starts
from racer.sim.camera.rows import CENTER, CENTER_GAIN, EDGE, EDGE_GAIN, FIELD, HORIZON, ROAD, SKY, START
from racer.sim.camera.trace import trace_horizon
from racer.sim.jit import inlined

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
"""Of the pictures' own type: a plain 1.0 would make float64 of all that it meets."""


@inlined
def mix_ground(sums: Any, cover: Any, light: Any, colours: Any, rig: Any, first: int, last: int, starts: bool) -> None:
    """Sum all planes down the rows and paint `light` (K, H, W) float32; leaves the planes zero.

    Rows before `first` are sky, rows after `last` have none. `colours` (K, LOOK) for each channel. `starts` says
    whether a start line was drawn.
    """
    channels, height, width = light.shape
    running, share = cover[0], cover[1]
    running[:] = 0.0
    share[GROUND_PLANE, :] = _ONE
    share[START_PLANE, :] = _ZERO
    for row in range(height):
        if row >= first:
            for p in range(PLANES):
                # Most rows of these two planes hold nothing, and the shares stay as they are.
                if (p == GROUND_PLANE and row > last + 1) or (p == START_PLANE and not starts):
                    continue
                added, total, out = sums[p, row], running[p], share[p]
                for x in range(width):
                    total[x] += added[x]
                    added[x] = _ZERO
                    out[x] = min(abs(total[x]), _ONE)
        for k in range(channels):
            line = light[k, row]
            if row <= last:
                _paint_sky(line, colours[k, SKY], colours[k, HORIZON], rig, row)
            if row >= first:
                _paint_ground(line, share, colours[k], row <= last)
    for p in range(PLANES):
        for row in range(height, height + SPARE):
            for x in range(width):
                sums[p, row, x] = 0.0


@inlined
def _paint_sky(line: Any, top: float, horizon: float, rig: Any, row: int) -> None:
    """From the colour of the horizon to that of the sky at 45 degrees up."""
    rise = rig["yc"] * (row + 0.5 - rig["row"]) + rig["xc"] * (0.5 - rig["column"])
    start, slope = np.float32(rise / rig["focal"] + rig["zc"]), np.float32(rig["xc"] / rig["focal"])
    for x in range(len(line)):
        line[x] = horizon + (top - horizon) * min(max(start + slope * np.float32(x), _ZERO), _ONE)


@inlined
def _paint_ground(line: Any, share: Any, colours: Any, sky: bool) -> None:
    road, inner, dash, start, ground = share[0], share[1], share[2], share[3], share[4]
    field = colours[FIELD]
    to_edge, to_road = colours[EDGE] - field, colours[ROAD] - colours[EDGE]
    to_center, to_start = colours[CENTER] - colours[ROAD], colours[START] - colours[ROAD]
    if sky:
        for x in range(len(line)):
            line[x] += ground[x] * (field - line[x])
    else:
        for x in range(len(line)):
            line[x] = field
    for x in range(len(line)):
        lines = dash[x] * (_ONE - start[x]) * to_center + start[x] * to_start
        line[x] += road[x] * to_edge + inner[x] * to_road + lines


@inlined
def draw_ground(canvas: Any, look: Any, rig: Any, scene: Any, tables: Any) -> None:
    """Paint sky and ground into `canvas.light`; `tables` are the `Scenes`."""
    sums, box, light = canvas.sums, canvas.box, canvas.light
    low, high = trace_horizon(sums[GROUND_PLANE], box, rig, canvas.points)
    height = light.shape[1]
    first, last = int(min(max(low, 0.0), float(height))), int(min(max(high, -1.0), float(height)))
    if high < 0.0:
        last = -1
    starts = False
    if first < height:
        points = canvas.points
        trace_road(sums, box, points, rig, scene, tables.borders, tables.border_runs, look[EDGE_GAIN])
        dashes, runs = tables.dashes, tables.dash_runs
        trace_dashes(sums[DASH_PLANE], box, points, rig, scene, dashes, runs, look[CENTER_GAIN])
        starts = trace_starts(sums[START_PLANE], box, points, rig, scene, tables.starts)
    mix_ground(sums, canvas.cover, light, canvas.colours, rig, first, last, starts)
