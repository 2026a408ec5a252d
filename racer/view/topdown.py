"""The view from above: the whole track, or a part of it around a car."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from racer.replay import ABSENT
from racer.sim.dtypes import BOT
from racer.sim.picture.picture import View, draw_boxes, draw_cars, draw_track
from racer.view.brush import paint_each, paint_shape
from racer.view.marks import Marks
from racer.view.scene import BOT_COLOUR, Moment, Stage

Image = NDArray[np.uint8]

_PIXELS_MAX = 40_000_000
"""Of the picture of a track that is looked at from near."""
_MARGIN_M = 0.35
_RING_PX = 2.0


class Ground:
    """The track, drawn once for each size and zoom, and cut to what is seen."""

    def __init__(self, stage: Stage) -> None:
        """Nothing is drawn yet."""
        self._track = stage.track
        self._key: tuple[int, int, float] = (0, 0, 0.0)
        self._whole = View(width_px=1, height_px=1, x=0.0, y=0.0, scale=1.0)
        self._image: Image = np.zeros((1, 1, 3), np.uint8)

    def cut(self, size: tuple[int, int], zoom: float, focus: tuple[float, float]) -> tuple[View, Image]:
        """A view of `size` (width, height) around a place in metres, as far as the track goes, and its own picture."""
        width, height = size
        zoom = min(zoom, (_PIXELS_MAX / (width * height)) ** 0.5)
        if self._key != (width, height, zoom):
            view = View.fit(self._track, round(width * zoom), round(height * zoom), _MARGIN_M)
            self._key, self._whole, self._image = (width, height, zoom), view, draw_track(self._track, view=view)
        whole = self._whole
        column, row = whole.to_pixels(focus)
        left = int(np.clip(round(float(column)) - width // 2, 0, whole.width_px - width))
        top = int(np.clip(round(float(row)) - height // 2, 0, whole.height_px - height))
        x = whole.x + (left + 0.5 * width - 0.5 * whole.width_px) * whole.scale
        y = whole.y - (top + 0.5 * height - 0.5 * whole.height_px) * whole.scale
        view = replace(whole, width_px=width, height_px=height, x=x, y=y)
        return view, self._image[top : top + height, left : left + width].copy()


def draw_top(image: Image, view: View, stage: Stage, moment: Moment, marks: Marks, follow: int, dot: float) -> None:
    """Draw what moves over the ground.

    Args:
        image: painted in place.
        view: of the image.
        stage: what stays.
        moment: what moves.
        marks: painted on the road, below boxes and cars.
        follow: the car that is marked.
        dot: pixels of the screen that count as one.
    """
    paint_each(image, view.to_pixels(marks.quads), marks.colours, marks.opacity)
    things = moment.things_of(stage.cars[follow].world)
    bots = things[things["kind"] == BOT]
    draw_boxes(image, view, things[things["kind"] != BOT])
    poses = np.stack([bots["x"], bots["y"], bots["yaw"], np.zeros(len(bots))], axis=1)
    draw_cars(image, view, poses, [BOT_COLOUR] * len(bots), stage.vehicle)
    rows = moment.rows
    shown = np.flatnonzero(rows["status"] != ABSENT)
    order = np.concatenate([shown[shown != follow], shown[shown == follow]])
    if follow in shown:
        _mark(image, view, rows[follow], stage, dot)
    poses = np.stack([rows[key][order] for key in ("x", "y", "yaw", "steer")], axis=1)
    draw_cars(image, view, poses, [stage.colour(int(car)) for car in order], stage.vehicle)


def _mark(image: Image, view: View, row: NDArray[np.void], stage: Stage, dot: float) -> None:
    """A white ring around a car."""
    angle = np.linspace(0.0, 2.0 * np.pi, 49)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = max(0.75 * stage.vehicle.length / view.scale, 12.0 * dot)
    outer = inner + _RING_PX * dot
    middle = view.to_pixels((row["x"], row["y"]))
    quads = np.stack([inner * circle[:-1], outer * circle[:-1], outer * circle[1:], inner * circle[1:]], axis=1)
    paint_shape(image, middle + quads, (255, 255, 255), 0.9)
