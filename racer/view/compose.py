"""Draws a moment on a surface: the scene of the chosen view, marks, names, panel, camera and time line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pygame
from numpy.typing import NDArray

from racer.replay import ABSENT
from racer.view import marks as mark
from racer.view.chase import ChaseScene
from racer.view.hud import Clock, draw_bar, draw_help, draw_note, draw_panel
from racer.view.layout import Box, Layout, lay_out
from racer.view.scene import Moment, Stage
from racer.view.sensors import CarSensors
from racer.view.state import ZOOMS, Choices, Overlay, View
from racer.view.text import PANEL, Texts
from racer.view.topdown import Ground, draw_top

_LINE_PX, _TRAIL_PX = 1.6, 3.0
_LINE_M, _TRAIL_M = 0.012, 0.022
_BACK = (14, 16, 20)


class Painter:
    """Pictures of one stage at one scale of the screen; what is costly is kept from frame to frame."""

    def __init__(self, stage: Stage, *, scale: float = 1.0) -> None:
        """`scale` is how many pixels a point of text has."""
        self.stage = stage
        self.texts = Texts(scale)
        self.sensors = CarSensors(stage)
        self._ground = Ground(stage)
        self._chase = ChaseScene(stage)
        self._heat = mark.HeatMap(stage)
        self._tags: dict[int, pygame.Surface] = {}
        self._spots: list[tuple[pygame.Rect, int]] = []

    def layout(self, size: tuple[int, int]) -> Layout:
        """The parts of a surface of this size."""
        return lay_out(*size, self.texts.scale)

    def prepare(self, moment: Moment) -> Iterator[View]:
        """Draw each view with all overlays on a small surface of its own, so that nothing is compiled later on."""
        still = Clock(seconds=0.0, length=0.0, speed=1.0, paused=True, growing=False)
        for view in View:
            self.draw(pygame.Surface((640, 400)), moment, Choices(view=view, overlays=set(Overlay)), still)
            yield view

    def car_at(self, place: tuple[int, int]) -> int | None:
        """The car whose name is at a place of the last picture; None where there is none."""
        return next((car for spot, car in self._spots if spot.collidepoint(place)), None)

    def draw(
        self,
        surface: pygame.Surface,
        moment: Moment,
        choices: Choices,
        clock: Clock,
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
        if choices.view is View.TRACK:
            self._track(surface, layout.scene, moment, choices, wishes)
        elif choices.view is View.CHASE:
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
        draw_bar(surface, layout.bar, self.texts, clock)
        inset = choices.inset and choices.view is not View.CAMERA
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
        box: Box,
        moment: Moment,
        choices: Choices,
        wishes: NDArray[np.float64] | None,
    ) -> None:
        follow = min(choices.follow, len(self.stage.cars) - 1)
        row = moment.rows[follow]
        dot = self.texts.scale
        view, image = self._ground.cut(box[2:], ZOOMS[choices.zoom], (float(row["x"]), float(row["y"])))
        line, trail = _LINE_PX * dot * view.scale, _TRAIL_PX * dot * view.scale
        marks = self._marks(moment, choices, wishes, line, trail)
        draw_top(image, view, self.stage, moment, marks, follow, dot)
        surface.blit(_surface(image), box[:2])
        if Overlay.NAMES in choices.overlays:
            places = view.to_pixels(np.stack([moment.rows["x"], moment.rows["y"]], axis=-1))
            places[moment.rows["status"] == ABSENT] = np.nan
            self._names(surface, box, places)

    def _marks(
        self,
        moment: Moment,
        choices: Choices,
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
            parts.append(mark.borders(stage.track, line))
        if Overlay.WAYPOINTS in shown:
            parts.append(mark.waypoints(stage.track, line))
        if Overlay.TRAILS in shown:
            parts.append(mark.trails(stage, moment, trail))
        if row["status"] != ABSENT:
            if Overlay.LIDAR in shown:
                parts.append(mark.rays(*self.sensors.lidar(moment, follow), line))
            if Overlay.WANTS in shown:
                parts.append(mark.wants(stage, row, wishes, 1.2 * line))
        return mark.joined(parts)

    def _names(self, surface: pygame.Surface, box: Box, places: NDArray[np.float64]) -> None:
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

    def _camera(self, surface: pygame.Surface, box: Box, moment: Moment, follow: int, *, large: bool = False) -> None:
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
