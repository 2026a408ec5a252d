"""The view from above: the whole track, or a part of it around a car.

Draws a moment on a surface: the scene of the chosen view, marks, names, panel, camera and time line.
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
from racer.viewer import marks as mark
from racer.viewer.chase import ChaseScene
from racer.viewer.controls import ZOOMS, Overlay, ViewMode, ViewOptions
from racer.viewer.hud import (
    PANEL,
    Layout,
    Rect,
    TextRenderer,
    TimelineState,
    draw_help,
    draw_note,
    draw_panel,
    draw_timeline,
    make_layout,
)
from racer.viewer.marks import Marks
from racer.viewer.playback import Moment, Stage
from racer.viewer.sensors import CarSensors

Image = NDArray[np.uint8]

_PIXELS_MAX = 40_000_000
"""Of the picture of a track that is looked at from near."""
_MARGIN_M = 0.35
_RING_PX = 2.0


class TrackBackground:
    """The track, drawn once for each size and zoom, and cut to what is seen."""

    def __init__(self, stage: Stage) -> None:
        """Nothing is drawn yet."""
        self._track = stage.track
        self._key: tuple[int, int, float] = (0, 0, 0.0)
        self._whole = Viewport(width_px=1, height_px=1, x=0.0, y=0.0, scale=1.0)
        self._image: Image = np.zeros((1, 1, 3), np.uint8)

    def cut(self, size: tuple[int, int], zoom: float, focus: tuple[float, float]) -> tuple[Viewport, Image]:
        """A view of `size` (width, height) around a place in metres, as far as the track goes, and its own picture."""
        width, height = size
        zoom = min(zoom, (_PIXELS_MAX / (width * height)) ** 0.5)
        if self._key != (width, height, zoom):
            view = Viewport.fit(self._track, round(width * zoom), round(height * zoom), _MARGIN_M)
            self._key, self._whole, self._image = (width, height, zoom), view, draw_track(self._track, view=view)
        whole = self._whole
        column, row = whole.to_pixels(focus)
        left = int(np.clip(round(float(column)) - width // 2, 0, whole.width_px - width))
        top = int(np.clip(round(float(row)) - height // 2, 0, whole.height_px - height))
        x = whole.x + (left + 0.5 * width - 0.5 * whole.width_px) * whole.scale
        y = whole.y - (top + 0.5 * height - 0.5 * whole.height_px) * whole.scale
        view = replace(whole, width_px=width, height_px=height, x=x, y=y)
        return view, self._image[top : top + height, left : left + width].copy()


def draw_topdown(
    image: Image, view: Viewport, stage: Stage, moment: Moment, marks: Marks, follow: int, dot: float
) -> None:
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
    paint_polygons(image, view.to_pixels(marks.quads), marks.colours, marks.opacity)
    things = moment.things_of(stage.cars[follow].world)
    bots = things[things["kind"] == BOT]
    draw_boxes(image, view, things[things["kind"] != BOT])
    poses = np.stack([bots["x"], bots["y"], bots["yaw"], np.zeros(len(bots))], axis=1)
    draw_cars(image, view, poses, [BOT_COLOUR] * len(bots), stage.vehicle)
    rows = moment.rows
    shown = np.flatnonzero(rows["status"] != ABSENT)
    order = np.concatenate([shown[shown != follow], shown[shown == follow]])
    if follow in shown:
        _mark_car(image, view, rows[follow], stage, dot)
    poses = np.stack([rows[key][order] for key in ("x", "y", "yaw", "steer")], axis=1)
    draw_cars(image, view, poses, [stage.colour(int(car)) for car in order], stage.vehicle)


def _mark_car(image: Image, view: Viewport, row: NDArray[np.void], stage: Stage, dot: float) -> None:
    """A white ring around a car."""
    angle = np.linspace(0.0, 2.0 * np.pi, 49)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = max(0.75 * stage.vehicle.length / view.scale, 12.0 * dot)
    outer = inner + _RING_PX * dot
    middle = view.to_pixels((row["x"], row["y"]))
    quads = np.stack([inner * circle[:-1], outer * circle[:-1], outer * circle[1:], inner * circle[1:]], axis=1)
    paint_shape(image, middle + quads, (255, 255, 255), 0.9)


_LINE_PX, _TRAIL_PX = 1.6, 3.0
_LINE_M, _TRAIL_M = 0.012, 0.022
_BACK = (14, 16, 20)


class Painter:
    """Pictures of one stage at one scale of the screen; what is costly is kept from frame to frame."""

    def __init__(self, stage: Stage, *, scale: float = 1.0) -> None:
        """`scale` is how many pixels a point of text has."""
        self.stage = stage
        self.texts = TextRenderer(scale)
        self.sensors = CarSensors(stage)
        self._ground = TrackBackground(stage)
        self._chase = ChaseScene(stage)
        self._heat = mark.HeatMap(stage)
        self._tags: dict[int, pygame.Surface] = {}
        self._spots: list[tuple[pygame.Rect, int]] = []

    def layout(self, size: tuple[int, int]) -> Layout:
        """The parts of a surface of this size."""
        return make_layout(*size, self.texts.scale)

    def prepare(self, moment: Moment) -> Iterator[ViewMode]:
        """Draw each view with all overlays on a small surface of its own, so that nothing is compiled later on."""
        still = TimelineState(seconds=0.0, length=0.0, speed=1.0, paused=True, growing=False)
        for view in ViewMode:
            self.draw(pygame.Surface((640, 400)), moment, ViewOptions(view=view, overlays=set(Overlay)), still)
            yield view

    def car_at(self, place: tuple[int, int]) -> int | None:
        """The car whose name is at a place of the last picture; None where there is none."""
        return next((car for spot, car in self._spots if spot.collidepoint(place)), None)

    def draw(
        self,
        surface: pygame.Surface,
        moment: Moment,
        choices: ViewOptions,
        clock: TimelineState,
        *,
        keys: list[tuple[str, str]] | None = None,
        wishes: NDArray[np.float64] | None = None,
    ) -> None:
        """Draw everything.

        Args:
            surface: all of it is painted.
            moment: what moves.
            choices: what is to be seen.
            clock: for the time line.
            keys: lines of the list of keys, where it is asked for.
            wishes: (A, 3) degrees, m/s and probability of the actions of the car that is followed.
        """
        layout = self.layout(surface.get_size())
        self._spots = []
        follow = min(choices.follow, len(self.stage.cars) - 1)
        if choices.view is ViewMode.TRACK:
            self._track(surface, layout.scene, moment, choices, wishes)
        elif choices.view is ViewMode.CHASE:
            image = self._chase.draw(
                layout.scene[2:], moment, follow, self._marks(moment, choices, wishes, _LINE_M, _TRAIL_M)
            )
            surface.blit(_surface(image), layout.scene[:2])
            if Overlay.NAMES in choices.overlays:
                places = self._chase.places(layout.scene[2:], moment, follow)
                places[follow] = np.nan
                self._names(surface, layout.scene, places)
        else:
            self._camera(surface, layout.scene, moment, follow, large=True)
        draw_timeline(surface, layout.bar, self.texts, clock)
        inset = choices.inset and choices.view is not ViewMode.CAMERA
        if layout.side is not None:
            room = layout.side[3] - layout.inset[1] + self.texts.px(14) if inset else 0
            self._spots += draw_panel(surface, layout.side, self.texts, self.stage, moment, follow, room)
        if inset:
            self._camera(surface, layout.inset, moment, follow)
        if moment.said:
            draw_note(surface, layout.scene, self.texts, moment.said, top=True)
        if choices.note:
            draw_note(surface, layout.scene, self.texts, choices.note)
        if choices.help and keys is not None:
            draw_help(surface, layout.scene, self.texts, keys)

    def _track(
        self,
        surface: pygame.Surface,
        box: Rect,
        moment: Moment,
        choices: ViewOptions,
        wishes: NDArray[np.float64] | None,
    ) -> None:
        follow = min(choices.follow, len(self.stage.cars) - 1)
        row = moment.rows[follow]
        dot = self.texts.scale
        view, image = self._ground.cut(box[2:], ZOOMS[choices.zoom], (float(row["x"]), float(row["y"])))
        line, trail = _LINE_PX * dot * view.scale, _TRAIL_PX * dot * view.scale
        marks = self._marks(moment, choices, wishes, line, trail)
        draw_topdown(image, view, self.stage, moment, marks, follow, dot)
        surface.blit(_surface(image), box[:2])
        if Overlay.NAMES in choices.overlays:
            places = view.to_pixels(np.stack([moment.rows["x"], moment.rows["y"]], axis=-1))
            places[moment.rows["status"] == ABSENT] = np.nan
            self._names(surface, box, places)

    def _marks(
        self,
        moment: Moment,
        choices: ViewOptions,
        wishes: NDArray[np.float64] | None,
        line: float,
        trail: float,
    ) -> mark.Marks:
        """The marks that are asked for; widths in metres."""
        stage, shown = self.stage, choices.overlays
        follow = min(choices.follow, len(stage.cars) - 1)
        row = moment.rows[follow]
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
                parts.append(mark.ray_marks(*self.sensors.lidar(moment, follow), line))
            if Overlay.WANTS in shown:
                parts.append(mark.action_marks(stage, row, wishes, 1.2 * line))
        return mark.join_marks(parts)

    def _names(self, surface: pygame.Surface, box: Rect, places: NDArray[np.float64]) -> None:
        """Names beside the cars at (K, 2) pixels, NaN for none; one that would cover another moves below it."""
        taken: list[pygame.Rect] = []
        clip = surface.get_clip()
        surface.set_clip(box)
        away, gap = self.texts.px(13), self.texts.px(1)
        shown = np.flatnonzero(np.isfinite(places).all(axis=1))
        for car in shown[np.argsort(places[shown, 1], kind="stable")].tolist():
            label = self._tag(car)
            at = label.get_rect(topleft=(box[0] + places[car, 0] + away, box[1] + places[car, 1] - away))
            while (hit := at.collidelist(taken)) >= 0:
                at.top = taken[hit].bottom + gap
            taken.append(at)
            surface.blit(label, at)
            self._spots.append((at, car))
        surface.set_clip(clip)

    def _tag(self, car: int) -> pygame.Surface:
        """A car's name on a dark ground, with its colour in front."""
        if car not in self._tags:
            text = self.texts.label(self.stage.cars[car].name, 11)
            pad, stripe = self.texts.px(4), self.texts.px(3)
            tag = pygame.Surface((text.get_width() + 2 * pad + stripe, text.get_height() + pad), pygame.SRCALPHA)
            tag.fill((*PANEL, 190))
            tag.fill(self.stage.colour(car), (0, 0, stripe, tag.get_height()))
            tag.blit(text, (pad + stripe, pad // 2 + 1))
            self._tags[car] = tag
        return self._tags[car]

    def _camera(self, surface: pygame.Surface, box: Rect, moment: Moment, follow: int, *, large: bool = False) -> None:
        """What the car's own camera sees, as large as fits."""
        left, top, width, height = box
        pygame.draw.rect(surface, _BACK, box)
        image = self.sensors.camera(moment, follow, large=large)
        share = min(width / image.shape[1], height / image.shape[0])
        size = max(round(image.shape[1] * share), 1), max(round(image.shape[0] * share), 1)
        picture = pygame.transform.smoothscale(_surface(image), size)
        surface.blit(picture, (left + (width - size[0]) // 2, top + (height - size[1]) // 2))


def _surface(image: NDArray[np.uint8]) -> pygame.Surface:
    """A surface that shares the memory of an (H, W, 3) image."""
    return pygame.image.frombuffer(np.ascontiguousarray(image).data, (image.shape[1], image.shape[0]), "RGB")
