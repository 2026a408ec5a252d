"""Draws text on surfaces: fonts and labels, the layout of a window, its panel, time line and list of keys."""

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


Rect = tuple[int, int, int, int]
"""Left, top, width and height [pixels]."""

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
        scene=(0, 0, width - side, bar_top),
        side=None if narrow else (width - side, 0, side, height),
        bar=(0, bar_top, width - side, bar),
        inset=(max(width - inset_width - pad, 0), inset_top, inset_width, inset_height),
    )


def timeline_fraction_at(bar: Rect, x: int, scale: float) -> float | None:
    """Return the fraction of the time line at a column `x` [pixels], 0..1; None outside of the line."""
    left, _, width, _ = timeline_rect(bar, scale)
    # A margin at both ends, so that a drag reaches the first and the last row.
    return min(max((x - left) / max(width, 1), 0.0), 1.0) if left - PAD <= x <= left + width + PAD else None


def timeline_rect(bar: Rect, scale: float) -> Rect:
    """Return the place of the time line inside its bar; `scale` is pixels of a point."""
    left, top, width, height = bar
    before, after = round(150 * scale), round(84 * scale)
    thick = max(round(4 * scale), 2)
    return left + before, top + (height - thick) // 2, max(width - before - after, 1), thick


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


def draw_panel(
    surface: pygame.Surface, box: Rect, texts: TextRenderer, stage: Stage, moment: Moment, follow: int, room: int
) -> list[tuple[pygame.Rect, int]]:
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
    left, top, width, height = box
    pygame.draw.rect(surface, PANEL, box)
    pygame.draw.line(surface, PANEL_EDGE, (left, top), (left, top + height))
    pad = texts.px(14)
    x, right, y = left + pad, left + width - pad, top + pad
    inside = right - x
    texts.write(surface, stage.track.name, 11, (x, y), DIM, width=inside)
    y += texts.px(22)
    row = moment.rows[follow]
    pygame.draw.rect(surface, stage.colour(follow), (x, y, texts.px(6), texts.px(17)))
    texts.write(surface, stage.cars[follow].name, 14, (x + texts.px(13), y), width=inside - texts.px(13))
    y += texts.px(28)
    y = _draw_facts(surface, texts, (x, right, y), stage, moment, follow)
    y = _draw_bars(surface, texts, (x, right, y), stage, row)
    y += texts.px(8)
    pygame.draw.line(surface, PANEL_EDGE, (x, y), (right, y))
    return _draw_ranks(surface, texts, (x, right, y + texts.px(12)), stage, moment, follow, top + height - room)


def _draw_facts(
    surface: pygame.Surface, texts: TextRenderer, span: tuple[int, int, int], stage: Stage, moment: Moment, car: int
) -> int:
    """Draw lap time, status, best lap, faults and rewards of a car; return the next free row [pixels]."""
    x, right, y = span
    row = moment.rows[car]
    word = status_text(row)
    texts.write(surface, time_text(float(row["lap_time"])), 26, (x, y))
    texts.write(
        surface, f"lap {int(row['laps']) + (word != 'lap complete')}", 13, (right, y + texts.px(1)), anchor="right"
    )
    texts.write(
        surface, word, 11, (right, y + texts.px(19)), ALARM if word != "lap complete" else ACCENT, anchor="right"
    )
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
        _write_pair(surface, texts, span[:2], y, key, value)
        y += texts.px(20)
    return y + texts.px(2)


def _write_pair(
    surface: pygame.Surface, texts: TextRenderer, span: tuple[int, int], y: int, key: str, value: str
) -> None:
    """Write a key at the left end of a span and its value at the right end."""
    texts.write(surface, key, 12, (span[0], y), DIM)
    texts.write(surface, value, 12, (span[1], y), anchor="right")


def _draw_bars(
    surface: pygame.Surface, texts: TextRenderer, span: tuple[int, int, int], stage: Stage, row: NDArray[np.void]
) -> int:
    """Draw bars of speed, progress and steering; return the next free row [pixels]."""
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
            # Steering is positive to the left, so a left turn fills the bar from its middle to the left.
            0.5 - float(np.degrees(row["steer"])) / steer / 2.0,
            0.5 - float(row["steer_command"]) / steer / 2.0,
        ),
    )
    for key, value, start, end, command in bars:
        _write_pair(surface, texts, span[:2], y, key, value)
        y += texts.px(18)
        _draw_bar(surface, (x, y, right - x, texts.px(5)), start, end, command, texts.px(2))
        y += texts.px(13)
    return y


def _draw_bar(surface: pygame.Surface, box: Rect, start: float, end: float, command: float | None, tick: int) -> None:
    """Draw a bar from one fraction of its width to another, with a tick at the fraction of the command."""
    left, top, width, height = box
    pygame.draw.rect(surface, PANEL_EDGE, box)
    # Clipped: measured values may lie slightly beyond the vehicle's limits.
    low, high = sorted((min(max(start, 0.0), 1.0), min(max(end, 0.0), 1.0)))
    pygame.draw.rect(surface, ACCENT, (left + round(low * width), top, max(round((high - low) * width), 1), height))
    if command is not None:
        at = left + round(min(max(command, 0.0), 1.0) * (width - tick))
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
    """Draw the cars by rank down to `bottom` [pixels]; return place and car of each line."""
    x, right, y = span
    step = texts.px(23)
    lines: list[tuple[pygame.Rect, int]] = []
    for place, car in enumerate(rank_cars(moment.rows), 1):
        # Cars that do not fit above the camera picture are left out.
        if y + step > bottom:
            break
        row = moment.rows[car]
        lines.append((pygame.Rect(x, y - texts.px(4), right - x, step), car))
        ink: TextColour = WHITE if car == follow else DIM
        texts.write(surface, str(place), 12, (x + texts.px(8), y), FAINT if car != follow else WHITE, anchor="middle")
        pygame.draw.rect(surface, stage.colour(car), (x + texts.px(20), y + texts.px(1), texts.px(5), texts.px(13)))
        word = status_text(row)
        value = word or f"{int(row['laps'])} + {float(row['progress']):.0f} %"
        if word == "lap complete":
            value = time_text(float(row["best"]))
        wide = texts.write(
            surface, value, 12, (right, y), ALARM if word and word != "lap complete" else ink, anchor="right"
        )
        name = x + texts.px(32)
        texts.write(surface, stage.cars[car].name, 12, (name, y), ink, width=right - name - wide - texts.px(8))
        y += step
    return lines


def draw_timeline(surface: pygame.Surface, box: Rect, texts: TextRenderer, clock: TimelineState) -> None:
    """Draw the time line: position, length and speed of the playback."""
    left, top, width, _ = box
    pygame.draw.rect(surface, PANEL, box)
    pygame.draw.line(surface, PANEL_EDGE, (left, top), (left + width, top))
    x, y, long, thick = timeline_rect(box, texts.scale)
    middle = y + thick // 2
    _draw_state_sign(surface, texts, (left + texts.px(14), middle), clock.paused)
    position = time_text(clock.seconds) + ("" if clock.growing else f" / {time_text(clock.length)}")
    texts.write(surface, position, 12, (left + texts.px(36), middle - texts.px(8)))
    pygame.draw.rect(surface, PANEL_EDGE, (x, y, long, thick))
    for at, ink in clock.ticks:
        pygame.draw.rect(surface, ink, (x + round(at * long) - texts.px(1), y - texts.px(6), texts.px(2), texts.px(5)))
    done = round((clock.seconds / clock.length if clock.length > 0.0 else 1.0) * long)
    pygame.draw.rect(surface, ACCENT, (x, y, done, thick))
    pygame.draw.circle(surface, WHITE, (x + done, middle), texts.px(5))
    texts.write(surface, f"x{clock.speed:g}", 12, (left + width - texts.px(66), middle - texts.px(8)), DIM)
    texts.write(surface, "F1", 12, (left + width - texts.px(14), middle - texts.px(8)), FAINT, anchor="right")


def _draw_state_sign(surface: pygame.Surface, texts: TextRenderer, at: tuple[int, int], paused: bool) -> None:
    """Draw two bars while paused, a triangle while playing."""
    x, y = at
    size = texts.px(6)
    if paused:
        for shift in (0, texts.px(7)):
            pygame.draw.rect(surface, ACCENT, (x + shift, y - size, texts.px(4), 2 * size))
    else:
        pygame.draw.polygon(surface, WHITE, [(x, y - size), (x, y + size), (x + 2 * size - 2, y)])


def draw_help(surface: pygame.Surface, box: Rect, texts: TextRenderer, lines: list[tuple[str, str]]) -> None:
    """Draw the list of keys over the scene; `lines` holds the names of keys and what they do."""
    step, pad = texts.px(22), texts.px(22)
    # Two columns of equal length, rounded up.
    rows = -(-len(lines) // 2)
    keys = texts.px(104)
    column = keys + texts.px(210)
    width, height = min(2 * column + 2 * pad, box[2]), min(rows * step + 2 * pad + texts.px(26), box[3])
    panel = pygame.Surface((width, height), pygame.SRCALPHA)
    panel.fill((*PANEL, 235))
    texts.write(panel, "Keys", 15, (pad, pad - texts.px(4)))
    for k, (key, text) in enumerate(lines):
        x, y = pad + column * (k // rows), pad + texts.px(26) + step * (k % rows)
        texts.write(panel, key, 12, (x, y), ACCENT)
        texts.write(panel, text, 12, (x + keys, y))
    surface.blit(panel, (box[0] + (box[2] - width) // 2, box[1] + (box[3] - height) // 2))


def draw_waiting(surface: pygame.Surface, texts: TextRenderer, seconds: int, *, closing: bool) -> None:
    """Draw the empty window while kernels are compiled, with a text after the first second."""
    surface.fill(PANEL)
    text = "closing" if closing else f"compiling, once after an installation: {seconds} s"
    if seconds or closing:
        label = texts.label(text, 14, WHITE)
        surface.blit(label, label.get_rect(center=surface.get_rect().center))


def draw_note(surface: pygame.Surface, box: Rect, texts: TextRenderer, note: str, *, top: bool = False) -> None:
    """Draw a line of text at the bottom of the scene, or at its top."""
    label = texts.label(note, 13, WHITE)
    pad = texts.px(10)
    panel = pygame.Surface((label.get_width() + 2 * pad, label.get_height() + pad), pygame.SRCALPHA)
    panel.fill((*PANEL, 225))
    panel.blit(label, (pad, pad // 2))
    y = box[1] + pad if top else box[1] + box[3] - panel.get_height() - pad
    surface.blit(panel, (box[0] + (box[2] - panel.get_width()) // 2, y))
