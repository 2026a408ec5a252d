"""Input of the window: commands and their keys, the options that they change, and a person as a policy.

`ViewerCommand` is the one table of keys, for the loop, for the list in the window and for the docs.
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
from racer.viewer.playback import SPEED_MAX, SPEED_MIN, Playback

SKIP_S = 5.0
"""Simulation time that the arrow keys skip [s]."""
ZOOMS = (1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0)
"""Magnifications of the view from above."""


class ViewMode(StrEnum):
    """Viewpoint."""

    TRACK = "track"
    CHASE = "chase"
    CAMERA = "camera"


class Overlay(StrEnum):
    """Optional parts of a picture: members are named as the commands that switch them, values as in `--show`."""

    WAYPOINTS = "waypoints"
    BORDERS = "borders"
    LIDAR = "lidar"
    HEAT = "heat"
    WANTS = "wants"
    TRAILS = "trails"
    NAMES = "names"


class ViewerCommand(Enum):
    """What a key does.

    Attributes:
        text: Description for people.
        keys: Names and codes of its keys; a key without a name is not listed.
    """

    PAUSE = "pause or continue", ("space", pygame.K_SPACE)
    STEP = "one control step", (".", pygame.K_PERIOD)
    STEP_BACK = "one control step back", (",", pygame.K_COMMA)
    FASTER = (
        "twice as fast (to x64)",
        ("+", pygame.K_PLUS),
        ("", pygame.K_EQUALS),
        ("", pygame.K_KP_PLUS),
        ("]", pygame.K_RIGHTBRACKET),
    )
    SLOWER = "half as fast (to x0.25)", ("-", pygame.K_MINUS), ("", pygame.K_KP_MINUS), ("[", pygame.K_LEFTBRACKET)
    AHEAD = f"{SKIP_S:g} s ahead", ("right", pygame.K_RIGHT)
    BACK = f"{SKIP_S:g} s back", ("left", pygame.K_LEFT)
    FOLLOW_NEXT = "follow the next car", ("tab", pygame.K_TAB), ("n", pygame.K_n)
    FOLLOW_PREVIOUS = "follow the previous car", ("p", pygame.K_p)
    VIEW = "next view: track, chase, camera", ("v", pygame.K_v)
    ZOOM_IN = "nearer", ("z", pygame.K_z), ("page up", pygame.K_PAGEUP)
    ZOOM_OUT = "farther", ("x", pygame.K_x), ("page down", pygame.K_PAGEDOWN)
    RESTART = "from the start", ("r", pygame.K_r)
    WAYPOINTS = "waypoints", ("1", pygame.K_1)
    BORDERS = "borders", ("2", pygame.K_2)
    LIDAR = "lidar rays", ("3", pygame.K_3)
    HEAT = "reward heat map", ("4", pygame.K_4)
    WANTS = "probable actions of the policy", ("5", pygame.K_5)
    TRAILS = "trails", ("6", pygame.K_6), ("t", pygame.K_t)
    NAMES = "names", ("7", pygame.K_7)
    INSET = "the car's camera", ("c", pygame.K_c)
    SCREENSHOT = "save a picture", ("s", pygame.K_s), ("F12", pygame.K_F12)
    FULLSCREEN = "full screen", ("f", pygame.K_f), ("F11", pygame.K_F11)
    HELP = "this list", ("F1", pygame.K_F1), ("h", pygame.K_h)
    QUIT = "quit", ("q", pygame.K_q), ("esc", pygame.K_ESCAPE)

    def __init__(self, text: str, *keys: tuple[str, int]) -> None:
        """Take the parts of the value."""
        self.text, self.keys = text, keys


_OVERLAYS = {ViewerCommand[overlay.name]: overlay for overlay in Overlay}
_BACKWARDS = {
    *(ViewerCommand.STEP_BACK, ViewerCommand.SLOWER, ViewerCommand.BACK),
    *(ViewerCommand.FOLLOW_PREVIOUS, ViewerCommand.ZOOM_OUT),
}
"""The second command of each pair of opposite ones."""


@dataclass
class ViewOptions:
    """What is shown, and how.

    Attributes:
        view: Viewpoint.
        follow: Number of the car that is followed.
        overlays: Parts that are drawn on top.
        inset: Whether the car's camera is shown in the corner.
        help: Whether the list of keys is shown.
        zoom: Index into `ZOOMS`.
        note: A line that is shown for a while; empty for none.
    """

    view: ViewMode = ViewMode.TRACK
    follow: int = 0
    overlays: set[Overlay] = field(default_factory=lambda: {Overlay.TRAILS, Overlay.NAMES})
    inset: bool = True
    help: bool = False
    zoom: int = 0
    note: str = ""


def apply_command(command: ViewerCommand, choices: ViewOptions, playback: Playback) -> None:
    """Carry out a command on the options or the playback; commands that need the window have no effect here."""
    sign = -1 if command in _BACKWARDS else 1
    match command:
        case ViewerCommand.PAUSE:
            # At the end of a replay the space bar plays it again.
            if playback.ended and not playback.paused:
                playback.restart()
            else:
                playback.paused = not playback.paused
        case ViewerCommand.STEP | ViewerCommand.STEP_BACK:
            playback.step(sign)
        case ViewerCommand.FASTER | ViewerCommand.SLOWER:
            playback.speed = min(max(playback.speed * 2.0**sign, SPEED_MIN), SPEED_MAX)
        case ViewerCommand.AHEAD | ViewerCommand.BACK:
            playback.skip(sign * SKIP_S)
        case ViewerCommand.FOLLOW_NEXT | ViewerCommand.FOLLOW_PREVIOUS:
            choices.follow = (choices.follow + sign) % len(playback.source.stage.cars)
        case ViewerCommand.VIEW:
            views = list(ViewMode)
            choices.view = views[(views.index(choices.view) + 1) % len(views)]
        case ViewerCommand.ZOOM_IN | ViewerCommand.ZOOM_OUT:
            choices.zoom = min(max(choices.zoom + sign, 0), len(ZOOMS) - 1)
        case ViewerCommand.RESTART:
            playback.restart()
        case ViewerCommand.INSET:
            choices.inset = not choices.inset
        case ViewerCommand.HELP:
            choices.help = not choices.help
        # Each remaining command switches the overlay of its name.
        case _ if command in _OVERLAYS:
            choices.overlays ^= {_OVERLAYS[command]}


DRIVING_KEYS = (pygame.K_LEFT, pygame.K_RIGHT, pygame.K_UP, pygame.K_DOWN)
"""Keys that steer while a person drives; they run no command then."""

_COMMANDS = {key: command for command in ViewerCommand for _, key in command.keys}


def command_for_key(key: int, *, driving: bool = False) -> ViewerCommand | None:
    """Return the command of a key; None for a key without one."""
    return None if driving and key in DRIVING_KEYS else _COMMANDS.get(key)


def list_keys(*, driving: bool = False) -> list[tuple[str, str]]:
    """Return the names of keys and what they do, for people."""
    # The arrow keys skip through a replay, unless a person drives with them.
    rows = [("arrows", "drive: steer, accelerate, brake")] if driving else []
    for command in ViewerCommand:
        names = [name for name, key in command.keys if name and not (driving and key in DRIVING_KEYS)]
        if names:
            rows.append((", ".join(names), command.text))
    return rows


_TURN_S, _BACK_S = 0.30, 0.15
"""Time from straight ahead to the full angle while a key is held, and back after its release [s]."""
_GO_S, _ROLL_S, _BRAKE_S = 2.0, 3.0, 0.6
"""Time from 0 to the top speed, from there to 0 without a key, and with the brake [s]."""


class ManualPolicy:
    """A policy that a person controls with the keyboard or a gamepad.

    Attributes:
        keys: Turn (-1 right, 0, 1 left) and throttle (-1 brake, 0 roll, 1 accelerate) of the keyboard.
        pad: Turn -1..1 and throttle -1..1 of a gamepad; None where none is used.
    """

    control_rate_hz = None

    def __init__(self, vehicle: VehicleConfig, *, control_dt: float, name: str = "you") -> None:
        """Begin at rest with straight wheels; `control_dt` is the length of a control step [s]."""
        self.name = name
        self.sensors: tuple[SensorSpec, ...] = (state_sensor(),)
        self.keys: tuple[float, float] = (0.0, 0.0)
        self.pad: tuple[float, float] | None = None
        self._dt = control_dt
        self._steer_max, self._speed_max = vehicle.steer_max_deg, vehicle.speed_max
        self._turn = self._speed = 0.0

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Return the steering angle [degrees] and speed [m/s] of the input, shape (1, 2), for any observation."""
        turn, throttle = self.keys if self.pad is None else self.pad
        if self.pad is None:
            # Keys are all or nothing: the wheels follow at a limited rate, as with a spring-loaded stick.
            reach = self._dt / (_TURN_S if turn != 0.0 else _BACK_S)
            self._turn += float(np.clip(turn - self._turn, -reach, reach))
        else:
            # A stick is proportional and needs no ramp.
            self._turn = float(np.clip(turn, -1.0, 1.0))
        # Half the throttle takes twice the time to the top speed; brake and rolling have fixed times.
        seconds = _GO_S / max(throttle, 1e-6) if throttle > 0.0 else -_BRAKE_S if throttle < 0.0 else -_ROLL_S
        self._speed = float(np.clip(self._speed + self._dt / seconds, 0.0, 1.0))
        return np.array([[self._turn * self._steer_max, self._speed * self._speed_max]], np.float32)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Return to rest with straight wheels."""
        self._turn = self._speed = 0.0
