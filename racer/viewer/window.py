"""The window: events become commands, time passes, a moment is drawn."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pygame
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.errors import RacerError
from racer.viewer.compose import Painter
from racer.viewer.controls import (
    ManualPolicy,
    Overlay,
    ViewerCommand,
    ViewOptions,
    apply_command,
    command_for_key,
    list_keys,
)
from racer.viewer.hud import TextRenderer, TimelineState, draw_waiting, event_ticks, timeline_fraction_at
from racer.viewer.playback import Playback, PlaybackSource

SIZE = (1280, 800)
FRAMES_PER_S = 60
_DENSE_ROWS = 1800
"""A screen of more rows is taken for one with two pixels to a point."""
_NOTE_S = 3.0
_TICK_MAX_S = 0.25
"""A frame that took longer counts as this: a window that was dragged does not jump ahead."""
_DEAD_ZONE = 0.08
_PREPARE_LOOK_S = 0.02


class ViewerWindow:
    """One window on one source.

    Attributes:
        playback: where it stands.
        choices: what is shown.
    """

    def __init__(
        self,
        source: PlaybackSource,
        *,
        size: tuple[int, int] = SIZE,
        scale: float | None = None,
        person: ManualPolicy | None = None,
        folder: Path | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Open the window.

        Args:
            source: what is watched.
            size: points.
            scale: pixels of a point; None: by the screen.
            person: who is told what the keyboard and the first gamepad say.
            folder: where pictures are saved; None: the working directory.
            clock: s.

        Raises:
            RacerError: there is no display.
        """
        _open_display()
        scale = _density() if scale is None else scale
        self.playback = Playback(source)
        self.choices = ViewOptions()
        self.closed = False
        self._painter = Painter(source.stage, scale=scale)
        self._person, self._folder, self._clock = person, folder or Path(), clock
        self._held: set[int] = set()
        self._dragging = self._full = False
        self._note_until = 0.0
        self._pads: dict[int, pygame.joystick.JoystickType] = {}
        self._size = (round(size[0] * scale), round(size[1] * scale))
        self._set_mode()
        pygame.display.set_caption(f"racer: {source.stage.track.name}")
        if person is not None:
            pygame.joystick.init()
            self.choices.follow = len(source.stage.cars) - 1

    def run(self) -> None:
        """Show it until the window is closed."""
        try:
            self.prepare()
            pace, last = pygame.time.Clock(), self._clock()
            while not self.closed:
                now = self._clock()
                self.frame(min(now - last, _TICK_MAX_S))
                last = now
                pace.tick(FRAMES_PER_S)
        finally:
            pygame.quit()

    def prepare(self) -> None:
        """Draw each view once out of sight and go on by a control step, while the window answers.

        The first time after an installation that compiles for up to a minute, and the window says so. Who closes it
        meanwhile waits no longer than for the part that is being compiled.
        """
        failed: list[BaseException] = []

        def work() -> None:
            try:
                for _ in self._painter.prepare(self.playback.moment()):
                    if self.closed:
                        return
                self.playback.source.step()
            except BaseException as error:  # raised below, where the window's own errors are
                failed.append(error)

        # No daemon: a process that ends while LLVM works in a thread may crash.
        thread = threading.Thread(target=work, name="racer-prepare")
        thread.start()
        began, shown = time.perf_counter(), -1
        texts = TextRenderer(self._painter.texts.scale)
        while thread.is_alive():
            for event in pygame.event.get([pygame.QUIT, pygame.KEYDOWN]):
                quits = event.type == pygame.QUIT or command_for_key(event.key) is ViewerCommand.QUIT
                self.closed = self.closed or quits
            waited = int(time.perf_counter() - began)
            if waited != shown:
                draw_waiting(pygame.display.get_surface(), texts, waited, closing=self.closed)
                pygame.display.flip()
                shown = waited
            thread.join(_PREPARE_LOOK_S)
        if failed:
            raise failed[0]

    def frame(self, seconds: float) -> None:
        """Do what the person did, let `seconds` pass, and draw."""
        for event in pygame.event.get():
            self._handle(event)
        if self._person is not None:
            self._drive(self._person)
        self.playback.tick(seconds)
        if self.choices.note and self._clock() > self._note_until:
            self.choices.note = ""
        self.draw()
        pygame.display.flip()

    def draw(self) -> None:
        """Draw the moment."""
        source, playback = self.playback.source, self.playback
        dt, rows = source.stage.control_dt, source.rows
        clock = TimelineState(
            seconds=playback.at * dt,
            length=(len(rows) - 1) * dt,
            speed=playback.speed,
            paused=playback.paused or playback.ended,
            growing=source.length is None,
            ticks=event_ticks(rows, min(self.choices.follow, len(source.stage.cars) - 1)),
        )
        keys = list_keys(driving=self._person is not None)
        self._painter.draw(
            pygame.display.get_surface(), playback.moment(), self.choices, clock, keys=keys, wishes=self._wishes()
        )

    def tell(self, note: str) -> None:
        """Show a line for a while."""
        self.choices.note, self._note_until = note, self._clock() + _NOTE_S

    def do(self, command: ViewerCommand) -> None:
        """Do what a command says."""
        if command is ViewerCommand.QUIT:
            self.closed = True
        elif command is ViewerCommand.SCREENSHOT:
            self._save_picture()
        elif command is ViewerCommand.FULLSCREEN:
            self._full = not self._full
            self._set_mode()
        else:
            apply_command(command, self.choices, self.playback)
            stage = self.playback.source.stage
            if command is ViewerCommand.HEAT and not any(car.rewarded for car in stage.cars):
                self.tell("there are no rewards to show; `racer watch --reward NAME` asks a reward function")

    def _handle(self, event: pygame.event.Event) -> None:
        match event.type:
            case pygame.QUIT:
                self.closed = True
            case pygame.KEYDOWN:
                self._held.add(event.key)
                command = command_for_key(event.key, driving=self._person is not None)
                if command is ViewerCommand.FOLLOW_NEXT and event.mod & pygame.KMOD_SHIFT:
                    command = ViewerCommand.FOLLOW_PREVIOUS
                if command is not None:
                    self.do(command)
            case pygame.KEYUP:
                self._held.discard(event.key)
            case pygame.WINDOWFOCUSLOST:
                self._held.clear()
            case pygame.MOUSEBUTTONDOWN if event.button == 1:
                self._dragging = self._on_bar(event.pos)
                self._scrub(event.pos)
                car = self._painter.car_at(event.pos)
                self.choices.follow = self.choices.follow if car is None else car
            case pygame.MOUSEBUTTONUP if event.button == 1:
                self._dragging = False
            case pygame.MOUSEMOTION:
                self._scrub(event.pos)
            case pygame.MOUSEWHEEL:
                self.do(ViewerCommand.ZOOM_IN if event.y > 0 else ViewerCommand.ZOOM_OUT)
            case pygame.JOYDEVICEADDED if self._person is not None:
                pad = pygame.joystick.Joystick(event.device_index)
                self._pads[pad.get_instance_id()] = pad
            case pygame.JOYDEVICEREMOVED:
                self._pads.pop(event.instance_id, None)

    def _on_bar(self, at: tuple[int, int]) -> bool:
        left, top, width, height = self._painter.layout(pygame.display.get_surface().get_size()).bar
        return left <= at[0] < left + width and top <= at[1] < top + height

    def _scrub(self, at: tuple[int, int]) -> None:
        """Go where the time line is held."""
        if not self._dragging:
            return
        layout = self._painter.layout(pygame.display.get_surface().get_size())
        share = timeline_fraction_at(layout.bar, at[0], self._painter.texts.scale)
        if share is not None:
            self.playback.seek(share * (len(self.playback.source.rows) - 1))

    def _drive(self, person: ManualPolicy) -> None:
        held = self._held
        turn = (pygame.K_LEFT in held) - (pygame.K_RIGHT in held)
        throttle = (pygame.K_UP in held) - (pygame.K_DOWN in held)
        person.keys = (float(turn), float(throttle))
        person.pad = None
        for pad in self._pads.values():
            steer = pad.get_axis(0)
            go = pad.get_axis(5) if pad.get_numaxes() > 5 else -1.0
            brake = pad.get_axis(2) if pad.get_numaxes() > 5 else -1.0
            throttle_axis = 0.5 * (go - brake) if pad.get_numaxes() > 5 else -pad.get_axis(1)
            if abs(steer) > _DEAD_ZONE or abs(throttle_axis) > _DEAD_ZONE:
                person.pad = (-steer, throttle_axis)

    def _wishes(self) -> NDArray[np.float64] | None:
        """What the followed car's policy thinks of its actions, where it stands at the newest step."""
        wishes = getattr(self.playback.source, "wishes", None)
        if wishes is None or Overlay.WANTS not in self.choices.overlays:
            return None
        newest = self.playback.at > len(self.playback.source.rows) - 3
        return wishes(min(self.choices.follow, len(self.playback.source.stage.cars) - 1)) if newest else None

    def _save_picture(self) -> None:
        buffer = io.BytesIO()
        pygame.image.save(pygame.display.get_surface(), buffer, "picture.png")
        stem = f"racer-{datetime.now():%Y%m%d-%H%M%S}"
        path, tail = self._folder / f"{stem}.png", 2
        while path.exists():
            path, tail = self._folder / f"{stem}-{tail}.png", tail + 1
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            self.tell(f"{path} cannot be written: {error.strerror}")
            return
        self.tell(f"saved {path}")

    def _set_mode(self) -> None:
        flags = pygame.FULLSCREEN if self._full else pygame.RESIZABLE
        try:
            pygame.display.set_mode((0, 0) if self._full else self._size, flags)
        except pygame.error as error:
            raise RacerError(_no_display(str(error))) from None


def _open_display() -> None:
    """Start the display.

    Raises:
        RacerError: there is none.
    """
    named = os.environ.get("SDL_VIDEODRIVER")
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not named and not any(os.environ.get(key) for key in screens):
        raise RacerError(_no_display("neither DISPLAY nor WAYLAND_DISPLAY is set"))
    try:
        pygame.display.init()
    except pygame.error as error:
        raise RacerError(_no_display(str(error))) from None


def _no_display(why: str) -> str:
    return f"There is no display to open a window on ({why}); `racer video` makes a film without one"


def _density() -> float:
    sizes = pygame.display.get_desktop_sizes()
    return 2.0 if sizes and sizes[0][1] >= _DENSE_ROWS else 1.0
