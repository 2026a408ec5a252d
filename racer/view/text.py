"""Text on surfaces: one font, sizes in points of the screen, each label made once."""

from __future__ import annotations

import pygame

Ink = tuple[int, int, int]

WHITE: Ink = (236, 240, 245)
DIM: Ink = (139, 150, 164)
FAINT: Ink = (74, 84, 98)
ACCENT: Ink = (255, 204, 64)
ALARM: Ink = (255, 99, 88)
PANEL: Ink = (20, 24, 30)
PANEL_EDGE: Ink = (40, 47, 57)
_LABELS_MAX = 2000


class Texts:
    """Fonts and labels for one scale of the screen."""

    def __init__(self, scale: float) -> None:
        """`scale` is how many pixels a point has."""
        pygame.font.init()
        self.scale = scale
        self._fonts: dict[int, pygame.font.Font] = {}
        self._labels: dict[tuple[str, int, Ink], pygame.Surface] = {}

    def px(self, points: float) -> int:
        """Points as pixels."""
        return round(points * self.scale)

    def label(self, text: str, size: int, ink: Ink = WHITE) -> pygame.Surface:
        """A picture of a text; `size` in points."""
        key = (text, size, ink)
        if key not in self._labels:
            if len(self._labels) > _LABELS_MAX:
                self._labels.clear()
            if size not in self._fonts:
                self._fonts[size] = pygame.font.Font(None, self.px(size * 1.36))
            self._labels[key] = self._fonts[size].render(text, True, ink)
        return self._labels[key]

    def put(
        self,
        surface: pygame.Surface,
        text: str,
        size: int,
        at: tuple[float, float],
        ink: Ink = WHITE,
        *,
        anchor: str = "left",
        width: int | None = None,
    ) -> int:
        """Write a line; `at` is its top left, top middle or top right corner by `anchor`.

        Returns:
            Its width in pixels. One that is wider than `width` is cut, and ends in dots.
        """
        label = self.label(text, size, ink)
        if width is not None and label.get_width() > width:
            while len(text) > 1 and self.label(text + "...", size, ink).get_width() > width:
                text = text[:-1]
            label = self.label(text + "...", size, ink)
        wide = label.get_width()
        left = at[0] - (wide if anchor == "right" else wide / 2 if anchor == "middle" else 0)
        surface.blit(label, (round(left), round(at[1])))
        return wide
