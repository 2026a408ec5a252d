"""Pictures of worlds from above, for `render_mode="rgb_array"`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.config.vehicle import VehicleConfig
from racer.sim.dtypes import BOT, BOX
from racer.sim.picture.picture import View, draw_boxes, draw_cars, draw_path, draw_track
from racer.track.track import Track

if TYPE_CHECKING:
    from racer.sim.world import World

Picture = NDArray[np.uint8]

WIDTH_PX = 600
CAR_COLOUR = (214, 40, 40)
BOX_COLOUR = (181, 136, 84)
BOT_COLOUR = (150, 158, 170)


class Renderer:
    """Draws worlds over backgrounds that are made once for each track."""

    def __init__(self, world: World, width_px: int = WIDTH_PX) -> None:
        """`width_px` is the width of a picture; its height follows from the track."""
        self._world = world
        self._width = width_px
        self._backgrounds: dict[int, tuple[View, NDArray[np.uint8]]] = {}

    def draw(self, n: int) -> NDArray[np.uint8]:
        """World `n` as it stands, (H, W, 3) uint8."""
        world = self._world
        index = int(world.cars["course"][n, 0]) // 2
        if index not in self._backgrounds:
            track = world.tracks[index]
            view = View.fit(track, self._width)
            self._backgrounds[index] = view, draw_track(track, view=view)
        view, background = self._backgrounds[index]
        image = background.copy()
        objects = world.objects[n][world.objects["active"][n] == 1]
        boxes, bots = objects[objects["kind"] == BOX], objects[objects["kind"] == BOT]
        if len(boxes):
            draw_boxes(image, view, boxes, BOX_COLOUR)
        if len(bots):
            places = np.stack([bots["x"], bots["y"], bots["yaw"]], axis=1)
            draw_cars(image, view, places, [BOT_COLOUR] * len(bots), world.vehicle)
        cars = world.cars[n][world.cars["active"][n] == 1]
        poses = np.stack([cars["x"], cars["y"], cars["yaw"], cars["steer"]], axis=1)
        draw_cars(image, view, poses, [CAR_COLOUR] * len(cars), world.vehicle)
        return image


class Paths:
    """Where cars went, for a picture: given to `evaluate` as `watch`."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._seen: list[NDArray[np.void]] = []

    def __call__(self, world: World) -> None:
        """Remember the first car of each world."""
        self._seen.append(world.cars[:, 0].copy())

    def draw(self, track: Track, vehicle: VehicleConfig, width_px: int = 1200) -> tuple[Picture, float, float]:
        """The paths over the track, coloured by speed, and the cars where they ended.

        Returns:
            (picture (H, W, 3) uint8, least speed, greatest speed in m/s): dark blue is the least, yellow the greatest.
        """
        rows = np.stack(self._seen)
        moving = np.vstack([np.ones((1, rows.shape[1]), bool), rows["steps"][1:] != rows["steps"][:-1]])
        speed = np.hypot(rows["vx"], rows["vy"])
        # A standing start would take up most of the colours.
        low, high = np.percentile(speed[moving], [5.0, 100.0])
        view = View.fit(track, width_px)
        image = draw_track(track, view=view)
        for n in range(rows.shape[1]):
            path = rows[moving[:, n], n]
            xy = np.stack([path["x"], path["y"]], axis=1)
            draw_path(image, view, xy, np.hypot(path["vx"], path["vy"]), width_px=4.0, limits=(low, high))
        last = rows[-1]
        poses = np.stack([last["x"], last["y"], last["yaw"], last["steer"]], axis=1)
        draw_cars(image, view, poses, [CAR_COLOUR] * len(last), vehicle)
        return image, float(low), float(high)
