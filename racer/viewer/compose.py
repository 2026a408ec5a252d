"""Draws a moment on a surface: the scene of the chosen view, marks, names, panel, camera picture and time line.

The view from above is drawn here, as the whole track or a part of it around a car; `chase` and `sensors` draw the other
two views.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pygame
from numpy.typing import NDArray

from racer.render.raster import paint_polygons, paint_shape
from racer.render.topdown import Viewport, draw_boxes, draw_cars, draw_track
from racer.replay import ABSENT
from racer.sim.appearance import BOT_COLOUR
from racer.sim.dtypes import BOT
from racer.viewer import hud
from racer.viewer import marks as mark
from racer.viewer.chase import ChaseScene
from racer.viewer.controls import ZOOMS, Overlay, ViewMode, ViewOptions
from racer.viewer.playback import Moment, Stage
from racer.viewer.sensors import CarSensors

Image = NDArray[np.uint8]
Probabilities = mark.Points | None
"""Steering angle [degrees], speed [m/s] and probability of each action of a policy, shape (A, 3); None for unknown."""

_PIXELS_MAX = 40_000_000
"""Pixels of the picture of a whole track at a magnification."""
_MARGIN_M = 0.35
"""Ground around the track [m]."""
_RING_PX = 2.0
"""Width of the ring around the followed car [pixels]."""


class TrackBackground:
    """The track from above, drawn once for each size and zoom, from which views are cut."""

    def __init__(self, stage: Stage) -> None:
        """Draw nothing yet."""
        self._track = stage.track
        self._key: tuple[int, int, float] = (0, 0, 0.0)
        self._whole = Viewport(width_px=1, height_px=1, x=0.0, y=0.0, scale=1.0)
        self._image: Image = np.zeros((1, 1, 3), np.uint8)

    def cut(self, size: tuple[int, int], zoom: float, focus: tuple[float, float]) -> tuple[Viewport, Image]:
        """Cut a view around a place, within the picture of the whole track.

        Args:
            size: Width and height [pixels].
            zoom: Magnification; 1 fits the whole track.
            focus: The place, x and y [m].

        Returns:
            The view, and a copy of its part of the picture.
        """
        width, height = size
        # A large window and a high zoom together would take gigabytes.
        zoom = min(zoom, (_PIXELS_MAX / (width * height)) ** 0.5)
        if self._key != (width, height, zoom):
            view = Viewport.fit(self._track, round(width * zoom), round(height * zoom), _MARGIN_M)
            self._key, self._whole, self._image = (width, height, zoom), view, draw_track(self._track, view=view)
        whole = self._whole
        column, row = whole.to_pixels(focus)
        # The cut stays within the picture, so a car near the edge is not in the middle of the view.
        left = int(np.clip(round(float(column)) - width // 2, 0, whole.width_px - width))
        top = int(np.clip(round(float(row)) - height // 2, 0, whole.height_px - height))
        x = whole.x + (left + 0.5 * width - 0.5 * whole.width_px) * whole.scale
        y = whole.y - (top + 0.5 * height - 0.5 * whole.height_px) * whole.scale
        view = replace(whole, width_px=width, height_px=height, x=x, y=y)
        return view, self._image[top : top + height, left : left + width].copy()


def draw_topdown(
    image: Image, view: Viewport, stage: Stage, moment: Moment, marks: mark.Marks, follow: int, dot: float
) -> None:
    """Draw everything that moves over the picture of the track.

    Args:
        image: Picture of the track, painted in place.
        view: View of the image.
        stage: What does not change.
        moment: What moves.
        marks: Quads on the road, below boxes and cars.
        follow: Number of the car that gets a ring and is drawn last.
        dot: Pixels of the screen for each point.
    """
    paint_polygons(image, view.to_pixels(marks.quads), marks.colours, marks.opacity)
    objects = moment.objects_of(stage.cars[follow].world)
    bots = objects[objects["kind"] == BOT]
    draw_boxes(image, view, objects[objects["kind"] != BOT])
    poses = np.stack([bots["x"], bots["y"], bots["yaw"], np.zeros(len(bots))], axis=1)
    draw_cars(image, view, poses, [BOT_COLOUR] * len(bots), stage.vehicle)
    rows = moment.rows
    shown = np.flatnonzero(rows["status"] != ABSENT)
    # The followed car last, above the others.
    order = np.concatenate([shown[shown != follow], shown[shown == follow]])
    if follow in shown:
        _mark_car(image, view, rows[follow], stage, dot)
    poses = np.stack([rows[key][order] for key in ("x", "y", "yaw", "steer")], axis=1)
    draw_cars(image, view, poses, [stage.colour(int(car)) for car in order], stage.vehicle)


def _mark_car(image: Image, view: Viewport, row: NDArray[np.void], stage: Stage, dot: float) -> None:
    """Draw a white ring around a car."""
    # 48 quads between two circles.
    angle = np.linspace(0.0, 2.0 * np.pi, 49)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = max(0.75 * stage.vehicle.length / view.scale, 12.0 * dot)
    outer = inner + _RING_PX * dot
    middle = view.to_pixels((row["x"], row["y"]))
    quads = np.stack([inner * circle[:-1], outer * circle[:-1], outer * circle[1:], inner * circle[1:]], axis=1)
    paint_shape(image, middle + quads, (255, 255, 255), 0.9)


_LINE_PX, _TRAIL_PX = 1.6, 3.0
"""Widths of lines and trails in the view from above [points]."""
_LINE_M, _TRAIL_M = 0.012, 0.022
"""Widths of lines and trails in the chase view [m]."""
_BACK = (14, 16, 20)
"""Colour beside a camera picture that does not fill its place."""


class Painter:
    """Draws moments of one stage at one scale of the screen; costly parts are kept from frame to frame.

    Attributes:
        stage: What does not change.
        texts: Fonts and labels.
        sensors: Cameras and lidars of the cars.
    """

    def __init__(self, stage: Stage, *, scale: float = 1.0) -> None:
        """Prepare for a screen with `scale` pixels for each point of text."""
        self.stage = stage
        self.texts = hud.TextRenderer(scale)
        self.sensors = CarSensors(stage)
        self._ground = TrackBackground(stage)
        self._chase = ChaseScene(stage)
        self._heat = mark.HeatMap(stage)
        self._tags: dict[int, pygame.Surface] = {}
        self._spots: list[tuple[pygame.Rect, int]] = []

    def prepare(self, moment: Moment) -> Iterator[ViewMode]:
        """Draw each view with all overlays on a small separate surface, so that nothing is compiled later."""
        still = hud.TimelineState(seconds=0.0, length=0.0, speed=1.0, paused=True, growing=False)
        for view in ViewMode:
            self.draw(pygame.Surface((640, 400)), moment, ViewOptions(view=view, overlays=set(Overlay)), still)
            yield view

    def car_at(self, place: tuple[int, int]) -> int | None:
        """Return the car whose name is at a place of the last picture [pixels]; None where there is none."""
        return next((car for spot, car in self._spots if spot.collidepoint(place)), None)

    def draw(
        self,
        surface: pygame.Surface,
        moment: Moment,
        choices: ViewOptions,
        clock: hud.TimelineState,
        *,
        keys: list[tuple[str, str]] | None = None,
        probabilities: Probabilities = None,
    ) -> None:
        """Draw all parts of the window.

        Args:
            surface: Surface that is painted.
            moment: What moves.
            choices: Chosen view, car and overlays.
            clock: State of the time line.
            keys: Lines of the list of keys; it is drawn where the choices include it.
            probabilities: Probabilities of the actions of the followed car.
        """
        layout = hud.make_layout(*surface.get_size(), self.texts.scale)
        self._spots = []
        follow = min(choices.follow, len(self.stage.cars) - 1)
        choices = replace(choices, follow=follow)
        if choices.view is ViewMode.CAMERA:
            self._draw_camera(surface, layout.scene, moment, follow, large=True)
        else:
            draw_scene = self._draw_track if choices.view is ViewMode.TRACK else self._draw_chase
            image, places = draw_scene(layout.scene.size, moment, choices, probabilities)
            surface.blit(_surface(image), layout.scene)
            if Overlay.NAMES in choices.overlays:
                self._draw_names(surface, layout.scene, places)
        hud.draw_timeline(surface, layout.bar, self.texts, clock)
        inset = choices.inset and choices.view is not ViewMode.CAMERA
        if layout.side is not None:
            # The list of cars ends above the camera picture.
            room = layout.side.height - layout.inset.top + self.texts.px(hud.PAD) if inset else 0
            self._spots += hud.draw_panel(surface, layout.side, self.texts, self.stage, moment, follow, room)
        if inset:
            self._draw_camera(surface, layout.inset, moment, follow)
        if moment.event:
            hud.draw_note(surface, layout.scene, self.texts, moment.event, top=True)
        if choices.note:
            hud.draw_note(surface, layout.scene, self.texts, choices.note)
        if choices.help and keys is not None:
            hud.draw_help(surface, layout.scene, self.texts, keys)

    def _draw_track(
        self, size: tuple[int, int], moment: Moment, choices: ViewOptions, probabilities: Probabilities
    ) -> tuple[Image, mark.Points]:
        """Return the view from above, and the places of the cars in it [pixels], NaN for absent ones, shape (K, 2)."""
        row, dot = moment.rows[choices.follow], self.texts.scale
        view, image = self._ground.cut(size, ZOOMS[choices.zoom], (float(row["x"]), float(row["y"])))
        # Marks are made in metres, so screen widths are converted by the view's scale.
        line, trail = _LINE_PX * dot * view.scale, _TRAIL_PX * dot * view.scale
        marks = self._marks(moment, choices, probabilities, line, trail)
        draw_topdown(image, view, self.stage, moment, marks, choices.follow, dot)
        places = view.to_pixels(np.stack([moment.rows["x"], moment.rows["y"]], axis=-1))
        places[moment.rows["status"] == ABSENT] = np.nan
        return image, places

    def _draw_chase(
        self, size: tuple[int, int], moment: Moment, choices: ViewOptions, probabilities: Probabilities
    ) -> tuple[Image, mark.Points]:
        """Return the view from behind a car, and the places above the other cars [pixels], shape (K, 2)."""
        marks = self._marks(moment, choices, probabilities, _LINE_M, _TRAIL_M)
        places = self._chase.places(size, moment, choices.follow)
        # The followed car fills the middle of the view; its name is in the panel.
        places[choices.follow] = np.nan
        return self._chase.draw(size, moment, choices.follow, marks), places

    def _marks(
        self, moment: Moment, choices: ViewOptions, probabilities: Probabilities, line: float, trail: float
    ) -> mark.Marks:
        """Return the marks of the chosen overlays; `line` and `trail` are widths [m]."""
        stage, shown = self.stage, choices.overlays
        row = moment.rows[choices.follow]
        parts = []
        if Overlay.HEAT in shown:
            parts.append(self._heat.marks(moment.past))
        if Overlay.BORDERS in shown:
            parts.append(mark.border_marks(stage.track, line))
        if Overlay.WAYPOINTS in shown:
            parts.append(mark.waypoint_marks(stage.track, line))
        if Overlay.TRAILS in shown:
            parts.append(mark.trail_marks(stage, moment, trail))
        if row["status"] != ABSENT:
            if Overlay.LIDAR in shown:
                parts.append(mark.ray_marks(*self.sensors.lidar(moment, choices.follow), line))
            if Overlay.WANTS in shown:
                parts.append(mark.action_marks(stage, row, probabilities, 1.2 * line))
        return mark.join_marks(parts)

    def _draw_names(self, surface: pygame.Surface, box: pygame.Rect, places: mark.Points) -> None:
        """Draw names beside the cars; a name that would cover another one moves below it.

        Args:
            surface: Surface that is painted.
            box: Part of it to which drawing is clipped.
            places: Places of the cars [pixels], shape (K, 2); NaN for cars without a name.
        """
        occupied: list[pygame.Rect] = []
        clip = surface.get_clip()
        surface.set_clip(box)
        away, gap = self.texts.px(13), self.texts.px(1)
        shown = np.flatnonzero(np.isfinite(places).all(axis=1))
        # From top to bottom, so that names move as little as possible.
        for car in shown[np.argsort(places[shown, 1], kind="stable")].tolist():
            label = self._tag(car)
            at = label.get_rect(topleft=(box.left + places[car, 0] + away, box.top + places[car, 1] - away))
            # Ends, as each move is downwards and there are finitely many names.
            while (hit := at.collidelist(occupied)) >= 0:
                at.top = occupied[hit].bottom + gap
            occupied.append(at)
            surface.blit(label, at)
            self._spots.append((at, car))
        surface.set_clip(clip)

    def _tag(self, car: int) -> pygame.Surface:
        """Return a car's name on a dark ground, with its colour in front."""
        if car not in self._tags:
            text = self.texts.label(self.stage.cars[car].name, 11)
            pad, stripe = self.texts.px(4), self.texts.px(3)
            tag = hud.make_plate(text.get_width() + 2 * pad + stripe, text.get_height() + pad, 190)
            tag.fill(self.stage.colour(car), (0, 0, stripe, tag.get_height()))
            tag.blit(text, (pad + stripe, pad // 2 + 1))
            self._tags[car] = tag
        return self._tags[car]

    def _draw_camera(
        self, surface: pygame.Surface, box: pygame.Rect, moment: Moment, follow: int, *, large: bool = False
    ) -> None:
        """Draw the picture of the car's own camera, as large as fits."""
        pygame.draw.rect(surface, _BACK, box)
        # The policy's own picture in the corner; in full size with more pixels and in colour.
        image = self.sensors.camera(moment, follow, large=large)
        scale = min(box.width / image.shape[1], box.height / image.shape[0])
        width, height = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
        picture = pygame.transform.smoothscale(_surface(image), (width, height))
        surface.blit(picture, (box.left + (box.width - width) // 2, box.top + (box.height - height) // 2))


def _surface(image: NDArray[np.uint8]) -> pygame.Surface:
    """Return a surface that shares the memory of an image of shape (H, W, 3)."""
    return pygame.image.frombuffer(np.ascontiguousarray(image).data, (image.shape[1], image.shape[0]), "RGB")
