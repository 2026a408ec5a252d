"""Opens the window: turns events into commands, lets time pass, and draws frames."""

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
from racer.viewer import hud
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
from racer.viewer.playback import Playback, PlaybackSource

SIZE = (1280, 800)
FRAMES_PER_S = 60
_DENSE_ROWS = 1800
"""Rows from which a screen is taken to have two pixels for each point."""
_NOTE_S = 3.0
"""Time for which a note is shown [s]."""
_TICK_MAX_S = 0.25
"""Longest time that a frame advances the clock [s]: a window that was dragged does not jump ahead."""
_DEAD_ZONE = 0.08
"""Deflection of a gamepad's stick that counts as none, of a full deflection of 1."""
_PREPARE_POLL_S = 0.02
"""Time between two checks of the window's events while views are prepared [s]."""


class ViewerWindow:
    """A window that shows one source.

    Attributes:
        playback: Position in the source.
        choices: Chosen view, car and overlays.
        closed: True after the window was closed.
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
            source: What is shown.
            size: Width and height [points].
            scale: Pixels of a point; None chooses by the screen.
            person: Policy that receives the input of the keyboard and the gamepads.
            folder: Folder for saved pictures; None for the working directory.
            clock: Returns the time [s].

        Raises:
            RacerError: No display is found.
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
            # The person's car is the last one.
            self.choices.follow = len(source.stage.cars) - 1

    def run(self) -> None:
        """Draw frames until the window is closed."""
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
        """Draw each view once off the screen and drive a control step, while the window still reacts.

        After an installation this compiles for up to a minute, and the window shows it. Closing the window meanwhile
        waits only for the part that is being compiled.
        """
        errors: list[BaseException] = []

        def work() -> None:
            try:
                for _ in self._painter.prepare(self.playback.moment()):
                    if self.closed:
                        return
                self.playback.source.step()
            except BaseException as error:  # raised below, in the thread of the window
                errors.append(error)

        # Not a daemon thread: a process that ends while LLVM works in a thread may crash.
        thread = threading.Thread(target=work, name="racer-prepare")
        thread.start()
        started, shown = time.perf_counter(), -1
        texts = hud.TextRenderer(self._painter.texts.scale)
        while thread.is_alive():
            # Other events stay in the queue for the first frame.
            for event in pygame.event.get([pygame.QUIT, pygame.KEYDOWN]):
                quits = event.type == pygame.QUIT or command_for_key(event.key) is ViewerCommand.QUIT
                self.closed = self.closed or quits
            # Drawn once a second, since drawing takes processor time from the compiler.
            waited = int(time.perf_counter() - started)
            if waited != shown:
                hud.draw_waiting(pygame.display.get_surface(), texts, waited, closing=self.closed)
                pygame.display.flip()
                shown = waited
            thread.join(_PREPARE_POLL_S)
        if errors:
            raise errors[0]

    def frame(self, seconds: float) -> None:
        """Handle input, let the given time [s] pass, and draw."""
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
        """Draw the current moment."""
        source, playback = self.playback.source, self.playback
        dt, rows = source.stage.control_dt, source.rows
        clock = hud.TimelineState(
            seconds=playback.at * dt,
            length=(len(rows) - 1) * dt,
            speed=playback.speed,
            paused=playback.paused or playback.ended,
            growing=source.length is None,
            ticks=hud.event_ticks(rows, min(self.choices.follow, len(source.stage.cars) - 1)),
        )
        keys = list_keys(driving=self._person is not None)
        surface, probabilities = pygame.display.get_surface(), self._action_probabilities()
        self._painter.draw(surface, playback.moment(), self.choices, clock, keys=keys, probabilities=probabilities)

    def show_note(self, note: str) -> None:
        """Show a line for three seconds."""
        self.choices.note, self._note_until = note, self._clock() + _NOTE_S

    def run_command(self, command: ViewerCommand) -> None:
        """Carry out a command."""
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
                self.show_note(
                    "there are no rewards to show; choose a reward function with `racer watch --reward NAME`"
                )

    def _handle(self, event: pygame.event.Event) -> None:
        match event.type:
            case pygame.QUIT:
                self.closed = True
            case pygame.KEYDOWN:
                self._held.add(event.key)
                command = command_for_key(event.key, driving=self._person is not None)
                # Shift and tab, as in other programs.
                if command is ViewerCommand.FOLLOW_NEXT and event.mod & pygame.KMOD_SHIFT:
                    command = ViewerCommand.FOLLOW_PREVIOUS
                if command is not None:
                    self.run_command(command)
            case pygame.KEYUP:
                self._held.discard(event.key)
            case pygame.WINDOWFOCUSLOST:
                # The window receives no release of a key that is let go elsewhere.
                self._held.clear()
            case pygame.MOUSEBUTTONDOWN if event.button == 1:
                # A press on the time line starts a drag; a press on a name follows that car.
                self._dragging = self._layout().bar.collidepoint(event.pos)
                self._scrub(event.pos)
                car = self._painter.car_at(event.pos)
                self.choices.follow = self.choices.follow if car is None else car
            case pygame.MOUSEBUTTONUP if event.button == 1:
                self._dragging = False
            case pygame.MOUSEMOTION:
                self._scrub(event.pos)
            case pygame.MOUSEWHEEL:
                self.run_command(ViewerCommand.ZOOM_IN if event.y > 0 else ViewerCommand.ZOOM_OUT)
            case pygame.JOYDEVICEADDED if self._person is not None:
                # Kept, since pygame closes a joystick whose object is collected.
                pad = pygame.joystick.Joystick(event.device_index)
                self._pads[pad.get_instance_id()] = pad
            case pygame.JOYDEVICEREMOVED:
                self._pads.pop(event.instance_id, None)

    def _layout(self) -> hud.Layout:
        return hud.make_layout(*pygame.display.get_surface().get_size(), self._painter.texts.scale)

    def _scrub(self, at: tuple[int, int]) -> None:
        """Move to the place at which the time line is held."""
        fraction = hud.timeline_fraction_at(self._layout().bar, at[0], self._painter.texts.scale)
        if self._dragging and fraction is not None:
            self.playback.seek(fraction * (len(self.playback.source.rows) - 1))

    def _drive(self, person: ManualPolicy) -> None:
        held = self._held
        turn = (pygame.K_LEFT in held) - (pygame.K_RIGHT in held)
        throttle = float((pygame.K_UP in held) - (pygame.K_DOWN in held))
        person.keys = (float(turn), throttle)
        person.pad = None
        for pad in self._pads.values():
            # Axes 5 and 2 are the triggers, -1 released to 1 pressed; a pad without them drives by axis 1, up negative.
            steer = pad.get_axis(0)
            throttle = 0.5 * (pad.get_axis(5) - pad.get_axis(2)) if pad.get_numaxes() > 5 else -pad.get_axis(1)
            if abs(steer) > _DEAD_ZONE or abs(throttle) > _DEAD_ZONE:
                person.pad = (-steer, throttle)

    def _action_probabilities(self) -> NDArray[np.float64] | None:
        """Return the action probabilities of the followed car; None where they are not shown or not of this moment."""
        probabilities = getattr(self.playback.source, "action_probabilities", None)
        if probabilities is None or Overlay.WANTS not in self.choices.overlays:
            return None
        # The policy's outputs exist for the newest step only; playback trails it by up to two steps.
        newest = self.playback.at > len(self.playback.source.rows) - 3
        return probabilities(min(self.choices.follow, len(self.playback.source.stage.cars) - 1)) if newest else None

    def _save_picture(self) -> None:
        # Through memory, so that a full disk leaves no half picture.
        buffer = io.BytesIO()
        pygame.image.save(pygame.display.get_surface(), buffer, "picture.png")
        stem = f"racer-{datetime.now():%Y%m%d-%H%M%S}"
        path, tail = self._folder / f"{stem}.png", 2
        # Several pictures within one second get numbers.
        while path.exists():
            path, tail = self._folder / f"{stem}-{tail}.png", tail + 1
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            self.show_note(f"{path} cannot be written: {error.strerror}")
            return
        self.show_note(f"saved {path}")

    def _set_mode(self) -> None:
        flags = pygame.FULLSCREEN if self._full else pygame.RESIZABLE
        try:
            pygame.display.set_mode((0, 0) if self._full else self._size, flags)
        except pygame.error as error:
            raise RacerError(_no_display(str(error))) from None


def _open_display() -> None:
    """Start pygame's display.

    Raises:
        RacerError: No display is found.
    """
    named = os.environ.get("SDL_VIDEODRIVER")
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    # Without a screen SDL may take its offscreen driver, and the window would open unseen.
    if sys.platform.startswith("linux") and not named and not any(os.environ.get(key) for key in screens):
        raise RacerError(_no_display("neither DISPLAY nor WAYLAND_DISPLAY is set"))
    try:
        pygame.display.init()
    except pygame.error as error:
        raise RacerError(_no_display(str(error))) from None


def _no_display(why: str) -> str:
    return f"No display to open a window on ({why}); `racer video` makes a film without one"


def _density() -> float:
    sizes = pygame.display.get_desktop_sizes()
    return 2.0 if sizes and sizes[0][1] >= _DENSE_ROWS else 1.0
