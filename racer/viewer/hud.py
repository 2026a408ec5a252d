"""Text on surfaces: one font, sizes in points of the screen, each label made once.

Where things are in the window, in pixels.

The panel, the time line and the list of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pygame
from numpy.typing import NDArray

from racer.sim.dtypes import EpisodeStatus
from racer.viewer.playback import Moment, Stage, rank_cars, status_text

TextColour = tuple[int, int, int]

WHITE: TextColour = (236, 240, 245)
DIM: TextColour = (139, 150, 164)
FAINT: TextColour = (74, 84, 98)
ACCENT: TextColour = (255, 204, 64)
ALARM: TextColour = (255, 99, 88)
PANEL: TextColour = (20, 24, 30)
PANEL_EDGE: TextColour = (40, 47, 57)
_LABELS_MAX = 2000


class TextRenderer:
    """Fonts and labels for one scale of the screen."""

    def __init__(self, scale: float) -> None:
        """`scale` is how many pixels a point has."""
        pygame.font.init()
        self.scale = scale
        self._fonts: dict[int, pygame.font.Font] = {}
        self._labels: dict[tuple[str, int, TextColour], pygame.Surface] = {}

    def px(self, points: float) -> int:
        """Points as pixels."""
        return round(points * self.scale)

    def label(self, text: str, size: int, ink: TextColour = WHITE) -> pygame.Surface:
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
        ink: TextColour = WHITE,
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


Rect = tuple[int, int, int, int]
"""Left, top, width, height."""

SIDE, BAR, PAD = 272, 40, 14
"""Width of the panel, height of the time line and room around things, at a scale of 1."""
_SIDE_LEAST = 760
"""A window narrower than this has no panel."""
_INSET_SHAPE = 0.75


class Layout(NamedTuple):
    """The parts of a window."""

    scene: Rect
    side: Rect | None
    bar: Rect
    inset: Rect


def make_layout(width: int, height: int, scale: float) -> Layout:
    """The parts of a window of this size; `scale` is how many pixels a point has."""
    side, bar, pad = round(SIDE * scale), round(BAR * scale), round(PAD * scale)
    if width < _SIDE_LEAST * scale:
        inset = max(width // 4, 1)
        return Layout(
            (0, 0, width, max(height - bar, 1)),
            None,
            (0, max(height - bar, 1), width, bar),
            (max(width - inset - pad, 0), pad, inset, max(round(inset * _INSET_SHAPE), 1)),
        )
    inset = side - 2 * pad
    high = round(inset * _INSET_SHAPE)
    return Layout(
        (0, 0, width - side, max(height - bar, 1)),
        (width - side, 0, side, height),
        (0, max(height - bar, 1), width - side, bar),
        (width - side + pad, max(height - high - pad, 0), inset, high),
    )


def timeline_fraction_at(bar: Rect, x: int, scale: float) -> float | None:
    """Which share of the time line is at a column, 0..1; None outside of the line."""
    left, _, width, _ = timeline_rect(bar, scale)
    return min(max((x - left) / max(width, 1), 0.0), 1.0) if left - PAD <= x <= left + width + PAD else None


def timeline_rect(bar: Rect, scale: float) -> Rect:
    """The time line inside its bar."""
    left, top, width, height = bar
    before, after = round(150 * scale), round(84 * scale)
    thick = max(round(4 * scale), 2)
    return left + before, top + (height - thick) // 2, max(width - before - after, 1), thick


@dataclass(frozen=True, kw_only=True)
class TimelineState:
    """What the time line says."""

    seconds: float
    """s of simulation since the start."""
    length: float
    """s that there are."""
    speed: float
    paused: bool
    growing: bool
    """Whether it goes on."""
    ticks: tuple[tuple[float, TextColour], ...] = ()
    """Shares of the line at which something happened to the car that is followed."""


def event_ticks(rows: NDArray[np.void], car: int) -> tuple[tuple[float, TextColour], ...]:
    """Where a car completed laps and made faults."""
    status = rows["status"][:, car]
    news = np.flatnonzero(status[1:] != status[:-1]) + 1
    last = max(len(rows) - 1, 1)
    return tuple(
        (int(step) / last, ACCENT if status[step] == EpisodeStatus.LAP_COMPLETE else ALARM)
        for step in news
        if status[step] >= EpisodeStatus.LAP_COMPLETE
    )


def time_text(seconds: float) -> str:
    """12.34, and 1:02.34 from a minute on."""
    minutes, rest = divmod(max(seconds, 0.0), 60.0)
    return f"{int(minutes)}:{rest:05.2f}" if minutes >= 1.0 else f"{rest:.2f}"


def lap_reward(moment: Moment, car: int) -> float:
    """The rewards of a car's lap so far."""
    time = moment.past["lap_time"][:, car]
    began = np.flatnonzero(np.diff(time) < 0.0)
    first = int(began[-1]) + 1 if len(began) else 0
    driven = np.diff(time[first:], prepend=0.0) > 0.0
    return float(moment.past["reward"][first:, car][driven].sum())


def draw_panel(
    surface: pygame.Surface, box: Rect, texts: TextRenderer, stage: Stage, moment: Moment, follow: int, room: int
) -> list[tuple[pygame.Rect, int]]:
    """The car that is followed, and all cars by rank; `room` pixels at the bottom stay free.

    Returns:
        Where each car's line is.
    """
    left, top, width, height = box
    pygame.draw.rect(surface, PANEL, box)
    pygame.draw.line(surface, PANEL_EDGE, (left, top), (left, top + height))
    pad = texts.px(14)
    x, right, y = left + pad, left + width - pad, top + pad
    inside = right - x
    texts.put(surface, stage.track.name, 11, (x, y), DIM, width=inside)
    y += texts.px(22)
    row = moment.rows[follow]
    pygame.draw.rect(surface, stage.colour(follow), (x, y, texts.px(6), texts.px(17)))
    texts.put(surface, stage.cars[follow].name, 14, (x + texts.px(13), y), width=inside - texts.px(13))
    y += texts.px(28)
    y = _draw_facts(surface, texts, (x, right, y), stage, moment, follow)
    y = _draw_bars(surface, texts, (x, right, y), stage, row)
    y += texts.px(8)
    pygame.draw.line(surface, PANEL_EDGE, (x, y), (right, y))
    return _draw_ranks(surface, texts, (x, right, y + texts.px(12)), stage, moment, follow, top + height - room)


def _draw_facts(
    surface: pygame.Surface, texts: TextRenderer, span: tuple[int, int, int], stage: Stage, moment: Moment, car: int
) -> int:
    x, right, y = span
    row = moment.rows[car]
    word = status_text(row)
    texts.put(surface, time_text(float(row["lap_time"])), 26, (x, y))
    texts.put(
        surface, f"lap {int(row['laps']) + (word != 'lap complete')}", 13, (right, y + texts.px(1)), anchor="right"
    )
    texts.put(surface, word, 11, (right, y + texts.px(19)), ALARM if word != "lap complete" else ACCENT, anchor="right")
    y += texts.px(40)
    best = float(row["best"])
    facts: list[tuple[str, str]] = [
        ("best", time_text(best) if best > 0.0 else "-"),
        ("off-tracks", str(int(row["off_tracks"]))),
    ]
    if float(row["penalty"]) > 0.0:
        facts.append(("penalty", f"{float(row['penalty']):.1f} s"))
    if stage.cars[car].rewarded:
        facts.append(("reward", f"{float(row['reward']):.2f}   lap {lap_reward(moment, car):.1f}"))
    for key, value in facts:
        texts.put(surface, key, 12, (x, y), DIM)
        texts.put(surface, value, 12, (right, y), anchor="right")
        y += texts.px(20)
    return y + texts.px(2)


def _draw_bars(
    surface: pygame.Surface, texts: TextRenderer, span: tuple[int, int, int], stage: Stage, row: NDArray[np.void]
) -> int:
    x, right, y = span
    top = max(stage.vehicle.speed_max, 1e-6)
    steer = stage.vehicle.steer_max_deg
    bars = (
        ("speed", f"{float(row['speed']):.2f} m/s", 0.0, float(row["speed"]) / top, float(row["speed_command"]) / top),
        ("progress", f"{float(row['progress']):.1f} %", 0.0, float(row["progress"]) / 100.0, None),
        (
            "steering",
            f"{float(np.degrees(row['steer'])):+.0f}°",
            0.5,
            0.5 - float(np.degrees(row["steer"])) / steer / 2.0,
            0.5 - float(row["steer_command"]) / steer / 2.0,
        ),
    )
    for key, value, start, end, wanted in bars:
        texts.put(surface, key, 12, (x, y), DIM)
        texts.put(surface, value, 12, (right, y), anchor="right")
        y += texts.px(18)
        _draw_bar(surface, (x, y, right - x, texts.px(5)), start, end, wanted, texts.px(2))
        y += texts.px(13)
    return y


def _draw_bar(surface: pygame.Surface, box: Rect, start: float, end: float, wanted: float | None, tick: int) -> None:
    """A bar from one share of its width to another, with a tick at a third."""
    left, top, width, height = box
    pygame.draw.rect(surface, PANEL_EDGE, box)
    low, high = sorted((min(max(start, 0.0), 1.0), min(max(end, 0.0), 1.0)))
    pygame.draw.rect(surface, ACCENT, (left + round(low * width), top, max(round((high - low) * width), 1), height))
    if wanted is not None:
        at = left + round(min(max(wanted, 0.0), 1.0) * (width - tick))
        pygame.draw.rect(surface, WHITE, (at, top - tick, tick, height + 2 * tick))


def _draw_ranks(
    surface: pygame.Surface,
    texts: TextRenderer,
    span: tuple[int, int, int],
    stage: Stage,
    moment: Moment,
    follow: int,
    bottom: int,
) -> list[tuple[pygame.Rect, int]]:
    x, right, y = span
    step = texts.px(23)
    lines: list[tuple[pygame.Rect, int]] = []
    for place, car in enumerate(rank_cars(moment.rows), 1):
        if y + step > bottom:
            break
        row = moment.rows[car]
        lines.append((pygame.Rect(x, y - texts.px(4), right - x, step), car))
        ink: TextColour = WHITE if car == follow else DIM
        texts.put(surface, str(place), 12, (x + texts.px(8), y), FAINT if car != follow else WHITE, anchor="middle")
        pygame.draw.rect(surface, stage.colour(car), (x + texts.px(20), y + texts.px(1), texts.px(5), texts.px(13)))
        word = status_text(row)
        best = float(row["best"])
        told = word or f"{int(row['laps'])} + {float(row['progress']):.0f} %"
        if word == "lap complete":
            told = time_text(best)
        wide = texts.put(
            surface, told, 12, (right, y), ALARM if word and word != "lap complete" else ink, anchor="right"
        )
        name = x + texts.px(32)
        texts.put(surface, stage.cars[car].name, 12, (name, y), ink, width=right - name - wide - texts.px(8))
        y += step
    return lines


def draw_timeline(surface: pygame.Surface, box: Rect, texts: TextRenderer, clock: TimelineState) -> None:
    """The time line: where it is, how much there is, how fast it goes."""
    left, top, width, _ = box
    pygame.draw.rect(surface, PANEL, box)
    pygame.draw.line(surface, PANEL_EDGE, (left, top), (left + width, top))
    x, y, long, thick = timeline_rect(box, texts.scale)
    middle = y + thick // 2
    _draw_state_sign(surface, texts, (left + texts.px(14), middle), clock.paused)
    told = time_text(clock.seconds) + ("" if clock.growing else f" / {time_text(clock.length)}")
    texts.put(surface, told, 12, (left + texts.px(36), middle - texts.px(8)))
    pygame.draw.rect(surface, PANEL_EDGE, (x, y, long, thick))
    for at, ink in clock.ticks:
        pygame.draw.rect(surface, ink, (x + round(at * long) - texts.px(1), y - texts.px(6), texts.px(2), texts.px(5)))
    share = clock.seconds / clock.length if clock.length > 0.0 else 1.0
    pygame.draw.rect(surface, ACCENT, (x, y, round(share * long), thick))
    pygame.draw.circle(surface, WHITE, (x + round(share * long), middle), texts.px(5))
    texts.put(surface, f"x{clock.speed:g}", 12, (left + width - texts.px(66), middle - texts.px(8)), DIM)
    texts.put(surface, "F1", 12, (left + width - texts.px(14), middle - texts.px(8)), FAINT, anchor="right")


def _draw_state_sign(surface: pygame.Surface, texts: TextRenderer, at: tuple[int, int], paused: bool) -> None:
    """Two strokes while it stands still, a triangle while it goes."""
    x, y = at
    size = texts.px(6)
    if paused:
        for shift in (0, texts.px(7)):
            pygame.draw.rect(surface, ACCENT, (x + shift, y - size, texts.px(4), 2 * size))
    else:
        pygame.draw.polygon(surface, WHITE, [(x, y - size), (x, y + size), (x + 2 * size - 2, y)])


def draw_help(surface: pygame.Surface, box: Rect, texts: TextRenderer, lines: list[tuple[str, str]]) -> None:
    """The list of keys, over the scene."""
    step, pad = texts.px(22), texts.px(22)
    rows = -(-len(lines) // 2)
    keys = texts.px(104)
    column = keys + texts.px(210)
    width, height = min(2 * column + 2 * pad, box[2]), min(rows * step + 2 * pad + texts.px(26), box[3])
    panel = pygame.Surface((width, height), pygame.SRCALPHA)
    panel.fill((*PANEL, 235))
    texts.put(panel, "Keys", 15, (pad, pad - texts.px(4)))
    for k, (key, told) in enumerate(lines):
        x, y = pad + column * (k // rows), pad + texts.px(26) + step * (k % rows)
        texts.put(panel, key, 12, (x, y), ACCENT)
        texts.put(panel, told, 12, (x + keys, y))
    surface.blit(panel, (box[0] + (box[2] - width) // 2, box[1] + (box[3] - height) // 2))


def draw_waiting(surface: pygame.Surface, texts: TextRenderer, seconds: int, *, closing: bool) -> None:
    """What an empty window says while kernels are compiled; for the first second nothing."""
    surface.fill(PANEL)
    told = "closing" if closing else f"compiling, once after an installation: {seconds} s"
    if seconds or closing:
        label = texts.label(told, 14, WHITE)
        surface.blit(label, label.get_rect(center=surface.get_rect().center))


def draw_note(surface: pygame.Surface, box: Rect, texts: TextRenderer, note: str, *, top: bool = False) -> None:
    """A line at the bottom of the scene, or at its top."""
    label = texts.label(note, 13, WHITE)
    pad = texts.px(10)
    panel = pygame.Surface((label.get_width() + 2 * pad, label.get_height() + pad), pygame.SRCALPHA)
    panel.fill((*PANEL, 225))
    panel.blit(label, (pad, pad // 2))
    y = box[1] + pad if top else box[1] + box[3] - panel.get_height() - pad
    surface.blit(panel, (box[0] + (box[2] - panel.get_width()) // 2, y))
