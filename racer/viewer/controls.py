"""What the person at the window chose, and the commands that change it.

Which keys do what: one table, for the loop, for the list in the window and for the docs.

A person as a policy: what the keyboard or a gamepad says, as steering angle and speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

import numpy as np
import pygame
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.contract import SensorSpec, state_sensor
from racer.viewer.playback import SPEEDS, Playback

SKIP_S = 5.0
"""s of simulation that the arrow keys skip."""
ZOOMS = (1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0)


class ViewMode(StrEnum):
    """From where it is seen."""

    TRACK = "track"
    CHASE = "chase"
    CAMERA = "camera"


class Overlay(StrEnum):
    """What may be drawn on top."""

    WAYPOINTS = "waypoints"
    BORDERS = "borders"
    LIDAR = "lidar rays"
    HEAT = "reward heat map"
    WANTS = "what the policy wants"
    TRAILS = "trails"
    NAMES = "names"


class ViewerCommand(Enum):
    """What a key does."""

    PAUSE = "pause or go on"
    STEP = "one control step"
    STEP_BACK = "one control step back"
    FASTER = "twice as fast (to x64)"
    SLOWER = "half as fast (to x0.25)"
    AHEAD = f"{SKIP_S:g} s ahead"
    BACK = f"{SKIP_S:g} s back"
    FOLLOW_NEXT = "follow the next car"
    FOLLOW_PREVIOUS = "follow the previous car"
    VIEW = "next view: track, chase, camera"
    ZOOM_IN = "nearer"
    ZOOM_OUT = "farther"
    RESTART = "from the start"
    WAYPOINTS = "waypoints"
    BORDERS = "borders"
    LIDAR = "lidar rays"
    HEAT = "reward heat map"
    WANTS = "what the policy wants"
    TRAILS = "trails"
    NAMES = "names"
    INSET = "the car's camera"
    SCREENSHOT = "save a picture"
    FULLSCREEN = "full screen"
    HELP = "this list"
    QUIT = "quit"


_OVERLAYS = {ViewerCommand[overlay.name]: overlay for overlay in Overlay}


@dataclass
class ViewOptions:
    """What is shown, and how."""

    view: ViewMode = ViewMode.TRACK
    follow: int = 0
    overlays: set[Overlay] = field(default_factory=lambda: {Overlay.TRAILS, Overlay.NAMES})
    inset: bool = True
    help: bool = False
    zoom: int = 0
    note: str = ""
    """A line that is shown for a while."""


def apply_command(command: ViewerCommand, choices: ViewOptions, playback: Playback) -> None:
    """Do what a command says, but for those that need the window itself."""
    cars = len(playback.source.stage.cars)
    match command:
        case ViewerCommand.PAUSE:
            if playback.ended and not playback.paused:
                playback.restart()
            else:
                playback.paused = not playback.paused
        case ViewerCommand.STEP:
            playback.step(1)
        case ViewerCommand.STEP_BACK:
            playback.step(-1)
        case ViewerCommand.FASTER:
            playback.gear = min(playback.gear + 1, len(SPEEDS) - 1)
        case ViewerCommand.SLOWER:
            playback.gear = max(playback.gear - 1, 0)
        case ViewerCommand.AHEAD:
            playback.skip(SKIP_S)
        case ViewerCommand.BACK:
            playback.skip(-SKIP_S)
        case ViewerCommand.FOLLOW_NEXT:
            choices.follow = (choices.follow + 1) % cars
        case ViewerCommand.FOLLOW_PREVIOUS:
            choices.follow = (choices.follow - 1) % cars
        case ViewerCommand.VIEW:
            views = list(ViewMode)
            choices.view = views[(views.index(choices.view) + 1) % len(views)]
        case ViewerCommand.ZOOM_IN:
            choices.zoom = min(choices.zoom + 1, len(ZOOMS) - 1)
        case ViewerCommand.ZOOM_OUT:
            choices.zoom = max(choices.zoom - 1, 0)
        case ViewerCommand.RESTART:
            playback.restart()
        case ViewerCommand.INSET:
            choices.inset = not choices.inset
        case ViewerCommand.HELP:
            choices.help = not choices.help
        case _ if command in _OVERLAYS:
            choices.overlays ^= {_OVERLAYS[command]}


KEY_BINDINGS: dict[ViewerCommand, tuple[tuple[str, int], ...]] = {
    ViewerCommand.PAUSE: (("space", pygame.K_SPACE),),
    ViewerCommand.STEP: ((".", pygame.K_PERIOD),),
    ViewerCommand.STEP_BACK: ((",", pygame.K_COMMA),),
    ViewerCommand.FASTER: (
        ("+", pygame.K_PLUS),
        ("", pygame.K_EQUALS),
        ("", pygame.K_KP_PLUS),
        ("]", pygame.K_RIGHTBRACKET),
    ),
    ViewerCommand.SLOWER: (("-", pygame.K_MINUS), ("", pygame.K_KP_MINUS), ("[", pygame.K_LEFTBRACKET)),
    ViewerCommand.AHEAD: (("right", pygame.K_RIGHT),),
    ViewerCommand.BACK: (("left", pygame.K_LEFT),),
    ViewerCommand.FOLLOW_NEXT: (("tab", pygame.K_TAB), ("n", pygame.K_n)),
    ViewerCommand.FOLLOW_PREVIOUS: (("p", pygame.K_p),),
    ViewerCommand.VIEW: (("v", pygame.K_v),),
    ViewerCommand.ZOOM_IN: (("z", pygame.K_z), ("page up", pygame.K_PAGEUP)),
    ViewerCommand.ZOOM_OUT: (("x", pygame.K_x), ("page down", pygame.K_PAGEDOWN)),
    ViewerCommand.RESTART: (("r", pygame.K_r),),
    ViewerCommand.WAYPOINTS: (("1", pygame.K_1),),
    ViewerCommand.BORDERS: (("2", pygame.K_2),),
    ViewerCommand.LIDAR: (("3", pygame.K_3),),
    ViewerCommand.HEAT: (("4", pygame.K_4),),
    ViewerCommand.WANTS: (("5", pygame.K_5),),
    ViewerCommand.TRAILS: (("6", pygame.K_6), ("t", pygame.K_t)),
    ViewerCommand.NAMES: (("7", pygame.K_7),),
    ViewerCommand.INSET: (("c", pygame.K_c),),
    ViewerCommand.SCREENSHOT: (("s", pygame.K_s), ("F12", pygame.K_F12)),
    ViewerCommand.FULLSCREEN: (("f", pygame.K_f), ("F11", pygame.K_F11)),
    ViewerCommand.HELP: (("F1", pygame.K_F1), ("h", pygame.K_h)),
    ViewerCommand.QUIT: (("q", pygame.K_q), ("esc", pygame.K_ESCAPE)),
}
DRIVING_KEYS = (pygame.K_LEFT, pygame.K_RIGHT, pygame.K_UP, pygame.K_DOWN)
"""Keys of a person who drives; they do nothing else then."""

_COMMANDS = {key: command for command, keys in KEY_BINDINGS.items() for _, key in keys}


def command_for_key(key: int, *, driving: bool = False) -> ViewerCommand | None:
    """What a key does; None for nothing."""
    return None if driving and key in DRIVING_KEYS else _COMMANDS.get(key)


def list_keys(*, driving: bool = False) -> list[tuple[str, str]]:
    """Keys and what they do, for people."""
    rows = [("arrows", "drive: steer, go, brake")] if driving else []
    for command, keys in KEY_BINDINGS.items():
        shown = [name for name, key in keys if name and not (driving and key in DRIVING_KEYS)]
        if shown:
            rows.append((", ".join(shown), command.value))
    return rows


_TURN_S, _BACK_S = 0.30, 0.15
"""s from straight ahead to the full angle while a key is held, and back after it is let go."""
_GO_S, _ROLL_S, _BRAKE_S = 2.0, 3.0, 0.6
"""s from 0 to the top speed, from there to 0 with no key held, and with the brake."""


class ManualPolicy:
    """Drives as it is told between two control steps.

    Attributes:
        keys: turn (-1 right, 0, 1 left) and throttle (-1 brake, 0 let roll, 1 go) of the keyboard.
        pad: turn -1..1 and throttle -1..1 of a gamepad; None where none is used.
    """

    control_rate_hz = None

    def __init__(self, vehicle: VehicleConfig, *, control_dt: float, name: str = "you") -> None:
        """Stand still, wheels straight; `control_dt` in s."""
        self.name = name
        self.sensors: tuple[SensorSpec, ...] = (state_sensor(),)
        self.keys: tuple[float, float] = (0.0, 0.0)
        self.pad: tuple[float, float] | None = None
        self._dt = control_dt
        self._steer_max, self._speed_max = vehicle.steer_max_deg, vehicle.speed_max
        self._turn = self._speed = 0.0

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """(1, 2) degrees and m/s; the observation is for the others, the person looks at the window."""
        turn, throttle = self.keys if self.pad is None else self.pad
        if self.pad is None:
            reach = self._dt / (_TURN_S if turn != 0.0 else _BACK_S)
            self._turn += float(np.clip(turn - self._turn, -reach, reach))
        else:
            self._turn = float(np.clip(turn, -1.0, 1.0))
        seconds = _GO_S / max(throttle, 1e-6) if throttle > 0.0 else -_BRAKE_S if throttle < 0.0 else -_ROLL_S
        self._speed = float(np.clip(self._speed + self._dt / seconds, 0.0, 1.0))
        return np.array([[self._turn * self._steer_max, self._speed * self._speed_max]], np.float32)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Stand still again."""
        self._turn = self._speed = 0.0
