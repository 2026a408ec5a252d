"""Pictures of worlds from above, for `render_mode="rgb_array"`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.sim.picture import View, draw_boxes, draw_cars, draw_track
from racer.sim.world import World

WIDTH_PX = 600
CAR_COLOUR = (214, 40, 40)
BOX_COLOUR = (181, 136, 84)


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
        boxes = world.objects[n][world.objects["active"][n] == 1]
        if len(boxes):
            draw_boxes(image, view, boxes, BOX_COLOUR)
        cars = world.cars[n][world.cars["active"][n] == 1]
        poses = np.stack([cars["x"], cars["y"], cars["yaw"], cars["steer"]], axis=1)
        draw_cars(image, view, poses, [CAR_COLOUR] * len(cars), world.vehicle)
        return image
