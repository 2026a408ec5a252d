"""Draws text on surfaces: fonts and labels, the layout of a window, its panel, time line and list of keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pygame
from numpy.typing import NDArray
from pygame import Rect

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
"""Most labels that are kept."""


class TextRenderer:
    """Fonts and labels for one scale of the screen; each label is made once.

    Attributes:
        scale: Pixels of a point.
    """

    def __init__(self, scale: float) -> None:
        """Prepare for a screen with `scale` pixels for each point."""
        pygame.font.init()
        self.scale = scale
        self._fonts: dict[int, pygame.font.Font] = {}
        self._labels: dict[tuple[str, int, TextColour], pygame.Surface] = {}

    def px(self, points: float) -> int:
        """Return a length in points as pixels."""
        return round(points * self.scale)

    def label(self, text: str, size: int, ink: TextColour = WHITE) -> pygame.Surface:
        """Return a picture of a text; `size` is its height [points]."""
        key = (text, size, ink)
        if key not in self._labels:
            if len(self._labels) > _LABELS_MAX:
                # Running times make a new label for every frame: start over rather than grow.
                self._labels.clear()
            if size not in self._fonts:
                # pygame's default font is 1.36 times as high as its letters.
                self._fonts[size] = pygame.font.Font(None, self.px(size * 1.36))
            self._labels[key] = self._fonts[size].render(text, True, ink)
        return self._labels[key]

    def write(
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
        """Write a line of text.

        Args:
            surface: Surface that is painted.
            text: The text.
            size: Height [points].
            at: Place of its top left, top middle or top right corner [pixels], by `anchor`.
            ink: Colour.
            anchor: `left`, `middle` or `right`.
            width: Largest width [pixels]; a longer text is cut, and ends in dots. None for no limit.

        Returns:
            Its width [pixels].
        """
        label = self.label(text, size, ink)
        if width is not None and label.get_width() > width:
            # Letter by letter: fonts are proportional, so the fitting length is not known beforehand.
            while len(text) > 1 and self.label(text + "...", size, ink).get_width() > width:
                text = text[:-1]
            label = self.label(text + "...", size, ink)
        wide = label.get_width()
        left = at[0] - (wide if anchor == "right" else wide / 2 if anchor == "middle" else 0)
        surface.blit(label, (round(left), round(at[1])))
        return wide


SIDE, BAR, PAD = 272, 40, 14
"""Width of the panel, height of the time line, and margin around parts [points]."""
_SIDE_LEAST = 760
"""Least width of a window with a panel [points]."""
_INSET_SHAPE = 0.75
"""Height over width of the car's camera picture."""


class Layout(NamedTuple):
    """Parts of a window; `side` is None in a narrow one."""

    scene: Rect
    side: Rect | None
    bar: Rect
    inset: Rect


def make_layout(width: int, height: int, scale: float) -> Layout:
    """Divide a window.

    Args:
        width: Width [pixels].
        height: Height [pixels].
        scale: Pixels of a point.
    """
    # A narrow window has no panel, and the camera picture lies over the scene's top right corner.
    narrow = width < _SIDE_LEAST * scale
    bar, pad, side = round(BAR * scale), round(PAD * scale), 0 if narrow else round(SIDE * scale)
    inset_width = max(width // 4, 1) if narrow else side - 2 * pad
    inset_height = max(round(inset_width * _INSET_SHAPE), 1)
    bar_top, inset_top = max(height - bar, 1), pad if narrow else max(height - inset_height - pad, 0)
    return Layout(
        scene=Rect(0, 0, width - side, bar_top),
        side=None if narrow else Rect(width - side, 0, side, height),
        bar=Rect(0, bar_top, width - side, bar),
        inset=Rect(max(width - inset_width - pad, 0), inset_top, inset_width, inset_height),
    )


def timeline_fraction_at(bar: Rect, x: int, scale: float) -> float | None:
    """Return the fraction of the time line at a column `x` [pixels], 0..1; None outside of the line."""
    line = timeline_rect(bar, scale)
    # A margin at both ends, so that a drag reaches the first and the last row.
    return min(max((x - line.left) / line.width, 0.0), 1.0) if line.left - PAD <= x <= line.right + PAD else None


def timeline_rect(bar: Rect, scale: float) -> Rect:
    """Return the place of the time line inside its bar; `scale` is pixels of a point."""
    # Left of the line is room for the state and the position, right of it for the speed.
    before, after, thick = round(150 * scale), round(84 * scale), max(round(4 * scale), 2)
    return Rect(bar.left + before, bar.top + (bar.height - thick) // 2, max(bar.width - before - after, 1), thick)


@dataclass(frozen=True, kw_only=True)
class TimelineState:
    """State of the time line.

    Attributes:
        seconds: Simulation time since the start [s].
        length: Simulation time of all rows [s].
        speed: Playback speed, as a multiple of real time.
        paused: True while the clock has no effect.
        growing: True where rows are still added.
        ticks: Events of the followed car: fraction of the line, and colour.
    """

    seconds: float
    length: float
    speed: float
    paused: bool
    growing: bool
    ticks: tuple[tuple[float, TextColour], ...] = ()


def event_ticks(rows: NDArray[np.void], car: int) -> tuple[tuple[float, TextColour], ...]:
    """Return the ticks of a car: the laps that it completed, and its faults."""
    status = rows["status"][:, car]
    # A status is listed where it begins, not in every row in which a car waits.
    changes = np.flatnonzero(status[1:] != status[:-1]) + 1
    # Fractions of the whole line, so that ticks move together while a simulation grows.
    last = max(len(rows) - 1, 1)
    return tuple(
        (int(step) / last, ACCENT if status[step] == EpisodeStatus.LAP_COMPLETE else ALARM)
        for step in changes
        if status[step] >= EpisodeStatus.LAP_COMPLETE
    )


def time_text(seconds: float) -> str:
    """Return a time [s] as text: 12.34, and 1:02.34 from a minute on."""
    minutes, rest = divmod(max(seconds, 0.0), 60.0)
    return f"{int(minutes)}:{rest:05.2f}" if minutes >= 1.0 else f"{rest:.2f}"


def lap_reward(moment: Moment, car: int) -> float:
    """Return the sum of the rewards of a car's lap so far."""
    time = moment.past["lap_time"][:, car]
    # Lap time falls back only where a lap begins.
    lap_ends = np.flatnonzero(np.diff(time) < 0.0)
    first = int(lap_ends[-1]) + 1 if len(lap_ends) else 0
    # A car that waits keeps its last reward; its lap time does not rise then.
    driven = np.diff(time[first:], prepend=0.0) > 0.0
    return float(moment.past["reward"][first:, car][driven].sum())


class _Column:
    """The panel's content, written row by row from top to bottom.

    Attributes:
        surface: Surface that is painted.
        texts: Fonts and labels.
        left: Left end of the rows [pixels].
        right: Right end of the rows [pixels].
        y: Top of the next row [pixels].
    """

    def __init__(self, surface: pygame.Surface, box: Rect, texts: TextRenderer) -> None:
        """Begin at the top of a box, within its margins."""
        pad = texts.px(PAD)
        self.surface, self.texts, self.px = surface, texts, texts.px
        self.left, self.right, self.y = box.left + pad, box.right - pad, box.top + pad

    def text(self, text: str, size: int, ink: TextColour = WHITE, *, x: float = 0.0, width: int | None = None) -> int:
        """Write a text `x` points from the left end, at most up to the right one; return its width [pixels]."""
        left = self.left + self.px(x)
        width = self.right - left if width is None else width
        return self.texts.write(self.surface, text, size, (left, self.y), ink, width=width)

    def text_right(self, text: str, size: int, ink: TextColour = WHITE, *, down: float = 0.0) -> int:
        """Write a text at the right end, `down` points below the row's top; return its width [pixels]."""
        return self.texts.write(self.surface, text, size, (self.right, self.y + self.px(down)), ink, anchor="right")

    def pair(self, key: str, value: str) -> None:
        """Write a key at the left end and its value at the right one."""
        self.texts.write(self.surface, key, 12, (self.left, self.y), DIM)
        self.text_right(value, 12)

    def block(self, colour: TextColour, x: float, y: float, width: float, height: float) -> None:
        """Paint a rectangle at a place in the row [points]."""
        px = self.px
        pygame.draw.rect(self.surface, colour, (self.left + px(x), self.y + px(y), px(width), px(height)))

    def advance(self, points: float) -> None:
        """Move to the next row."""
        self.y += self.px(points)


def draw_panel(
    surface: pygame.Surface, box: Rect, texts: TextRenderer, stage: Stage, moment: Moment, follow: int, room: int
) -> list[tuple[Rect, int]]:
    """Draw the panel: the followed car, and all cars by rank.

    Args:
        surface: Surface that is painted.
        box: Place of the panel.
        texts: Fonts and labels.
        stage: What does not change.
        moment: What moves.
        follow: Number of the followed car.
        room: Height at the bottom that stays free [pixels].

    Returns:
        Place and car of each line of the ranking.
    """
    pygame.draw.rect(surface, PANEL, box)
    pygame.draw.line(surface, PANEL_EDGE, box.topleft, box.bottomleft)
    column = _Column(surface, box, texts)
    column.text(stage.track.name, 11, DIM)
    column.advance(22)
    column.block(stage.colour(follow), 0, 0, 6, 17)
    column.text(stage.cars[follow].name, 14, x=13)
    column.advance(28)
    _draw_facts(column, stage, moment, follow)
    _draw_bars(column, stage, moment.rows[follow])
    column.advance(8)
    pygame.draw.line(surface, PANEL_EDGE, (column.left, column.y), (column.right, column.y))
    column.advance(12)
    return _draw_ranks(column, stage, moment, follow, box.bottom - room)


def _draw_facts(column: _Column, stage: Stage, moment: Moment, car: int) -> None:
    """Draw lap time, status, best lap, faults and rewards of a car."""
    row = moment.rows[car]
    status, best = status_text(row), float(row["best"])
    done = status == "lap complete"
    column.text(time_text(float(row["lap_time"])), 26)
    column.text_right(f"lap {int(row['laps']) + (not done)}", 13, down=1)
    column.text_right(status, 11, ACCENT if done else ALARM, down=19)
    column.advance(40)
    facts = [("best", time_text(best) if best > 0.0 else "-"), ("off-tracks", str(int(row["off_tracks"])))]
    if float(row["penalty"]) > 0.0:
        facts.append(("penalty", f"{float(row['penalty']):.1f} s"))
    if stage.cars[car].rewarded:
        facts.append(("reward", f"{float(row['reward']):.2f}   lap {lap_reward(moment, car):.1f}"))
    for key, value in facts:
        column.pair(key, value)
        column.advance(20)
    column.advance(2)


def _draw_bars(column: _Column, stage: Stage, row: NDArray[np.void]) -> None:
    """Draw bars of speed, progress and steering, each with a tick at the command."""
    top, steer = max(stage.vehicle.speed_max, 1e-6), stage.vehicle.steer_max_deg
    angle, command = float(np.degrees(row["steer"])), float(row["steer_command"])
    bars = (
        ("speed", f"{float(row['speed']):.2f} m/s", 0.0, float(row["speed"]) / top, float(row["speed_command"]) / top),
        ("progress", f"{float(row['progress']):.1f} %", 0.0, float(row["progress"]) / 100.0, None),
        # Steering is positive to the left, so a left turn fills the bar from its middle to the left.
        ("steering", f"{angle:+.0f}°", 0.5, 0.5 - angle / steer / 2.0, 0.5 - command / steer / 2.0),
    )
    for key, value, start, end, tick in bars:
        column.pair(key, value)
        column.advance(18)
        box = Rect(column.left, column.y, column.right - column.left, column.px(5))
        _draw_bar(column.surface, box, start, end, tick, column.px(2))
        column.advance(13)


def _draw_bar(surface: pygame.Surface, box: Rect, start: float, end: float, command: float | None, tick: int) -> None:
    """Draw a bar from one fraction of its width to another, with a tick at the fraction of the command."""
    pygame.draw.rect(surface, PANEL_EDGE, box)
    # Clipped: measured values may lie slightly beyond the vehicle's limits.
    low, high = sorted((min(max(start, 0.0), 1.0), min(max(end, 0.0), 1.0)))
    left, width = box.left + round(low * box.width), max(round((high - low) * box.width), 1)
    pygame.draw.rect(surface, ACCENT, (left, box.top, width, box.height))
    if command is not None:
        at = box.left + round(min(max(command, 0.0), 1.0) * (box.width - tick))
        pygame.draw.rect(surface, WHITE, (at, box.top - tick, tick, box.height + 2 * tick))


def _draw_ranks(column: _Column, stage: Stage, moment: Moment, follow: int, bottom: int) -> list[tuple[Rect, int]]:
    """Draw the cars by rank down to `bottom` [pixels]; return place and car of each line."""
    px = column.px
    lines: list[tuple[Rect, int]] = []
    for place, car in enumerate(rank_cars(moment.rows), 1):
        # Cars that do not fit above the camera picture are left out.
        if column.y + px(23) > bottom:
            break
        row, status = moment.rows[car], status_text(moment.rows[car])
        lines.append((Rect(column.left, column.y - px(4), column.right - column.left, px(23)), car))
        ink, faint = (WHITE, WHITE) if car == follow else (DIM, FAINT)
        at = column.left + px(8), column.y
        column.texts.write(column.surface, str(place), 12, at, faint, anchor="middle")
        column.block(stage.colour(car), 20, 1, 5, 13)
        if status == "lap complete":
            wide = column.text_right(time_text(float(row["best"])), 12, ink)
        elif status:
            wide = column.text_right(status, 12, ALARM)
        else:
            wide = column.text_right(f"{int(row['laps'])} + {float(row['progress']):.0f} %", 12, ink)
        name_left = column.left + px(32)
        column.text(stage.cars[car].name, 12, ink, x=32, width=column.right - name_left - wide - px(8))
        column.advance(23)
    return lines


def draw_timeline(surface: pygame.Surface, box: Rect, texts: TextRenderer, clock: TimelineState) -> None:
    """Draw the time line: position, length and speed of the playback."""
    px, line = texts.px, timeline_rect(box, texts.scale)
    middle = line.top + line.height // 2
    text_top = middle - px(8)
    pygame.draw.rect(surface, PANEL, box)
    pygame.draw.line(surface, PANEL_EDGE, box.topleft, box.topright)
    _draw_state_sign(surface, texts, (box.left + px(14), middle), clock.paused)
    position = time_text(clock.seconds) + ("" if clock.growing else f" / {time_text(clock.length)}")
    texts.write(surface, position, 12, (box.left + px(36), text_top))
    pygame.draw.rect(surface, PANEL_EDGE, line)
    for at, ink in clock.ticks:
        pygame.draw.rect(surface, ink, (line.left + round(at * line.width) - px(1), line.top - px(6), px(2), px(5)))
    done = round((clock.seconds / clock.length if clock.length > 0.0 else 1.0) * line.width)
    pygame.draw.rect(surface, ACCENT, (line.left, line.top, done, line.height))
    pygame.draw.circle(surface, WHITE, (line.left + done, middle), px(5))
    texts.write(surface, f"x{clock.speed:g}", 12, (box.right - px(66), text_top), DIM)
    texts.write(surface, "F1", 12, (box.right - px(14), text_top), FAINT, anchor="right")


def _draw_state_sign(surface: pygame.Surface, texts: TextRenderer, at: tuple[int, int], paused: bool) -> None:
    """Draw two bars while paused, a triangle while playing."""
    x, y = at
    size = texts.px(6)
    if paused:
        for shift in (0, texts.px(7)):
            pygame.draw.rect(surface, ACCENT, (x + shift, y - size, texts.px(4), 2 * size))
    else:
        pygame.draw.polygon(surface, WHITE, [(x, y - size), (x, y + size), (x + 2 * size - 2, y)])


def make_plate(width: int, height: int, opacity: int) -> pygame.Surface:
    """Return a dark ground for text, of a size [pixels] and an opacity 0..255."""
    plate = pygame.Surface((width, height), pygame.SRCALPHA)
    plate.fill((*PANEL, opacity))
    return plate


def draw_help(surface: pygame.Surface, box: Rect, texts: TextRenderer, lines: list[tuple[str, str]]) -> None:
    """Draw the list of keys over the scene; `lines` holds the names of keys and what they do."""
    step, pad, keys = texts.px(22), texts.px(22), texts.px(104)
    # Two columns of equal length, rounded up.
    rows, column = -(-len(lines) // 2), keys + texts.px(210)
    width, height = min(2 * column + 2 * pad, box.width), min(rows * step + 2 * pad + texts.px(26), box.height)
    plate = make_plate(width, height, 235)
    texts.write(plate, "Keys", 15, (pad, pad - texts.px(4)))
    for k, (key, text) in enumerate(lines):
        x, y = pad + column * (k // rows), pad + texts.px(26) + step * (k % rows)
        texts.write(plate, key, 12, (x, y), ACCENT)
        texts.write(plate, text, 12, (x + keys, y))
    surface.blit(plate, (box.left + (box.width - width) // 2, box.top + (box.height - height) // 2))


def draw_waiting(surface: pygame.Surface, texts: TextRenderer, seconds: int, *, closing: bool) -> None:
    """Draw the empty window while kernels are compiled, with a text after the first second."""
    surface.fill(PANEL)
    text = "closing" if closing else f"compiling, once after an installation: {seconds} s"
    if seconds or closing:
        label = texts.label(text, 14, WHITE)
        surface.blit(label, label.get_rect(center=surface.get_rect().center))


def draw_note(surface: pygame.Surface, box: Rect, texts: TextRenderer, note: str, *, top: bool = False) -> None:
    """Draw a line of text at the bottom of the scene, or at its top."""
    label, pad = texts.label(note, 13), texts.px(10)
    width, height = label.get_width() + 2 * pad, label.get_height() + pad
    plate = make_plate(width, height, 225)
    plate.blit(label, (pad, pad // 2))
    surface.blit(plate, (box.left + (box.width - width) // 2, box.top + pad if top else box.bottom - height - pad))
