"""What the person at the window chose, and the commands that change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from racer.view.playback import SPEEDS, Playback

SKIP_S = 5.0
"""s of simulation that the arrow keys skip."""
ZOOMS = (1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0)


class View(StrEnum):
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


class Command(Enum):
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


_OVERLAYS = {Command[overlay.name]: overlay for overlay in Overlay}


@dataclass
class Choices:
    """What is shown, and how."""

    view: View = View.TRACK
    follow: int = 0
    overlays: set[Overlay] = field(default_factory=lambda: {Overlay.TRAILS, Overlay.NAMES})
    inset: bool = True
    help: bool = False
    zoom: int = 0
    note: str = ""
    """A line that is shown for a while."""


def apply(command: Command, choices: Choices, playback: Playback) -> None:
    """Do what a command says, but for those that need the window itself."""
    cars = len(playback.source.stage.cars)
    match command:
        case Command.PAUSE:
            if playback.ended and not playback.paused:
                playback.restart()
            else:
                playback.paused = not playback.paused
        case Command.STEP:
            playback.step(1)
        case Command.STEP_BACK:
            playback.step(-1)
        case Command.FASTER:
            playback.gear = min(playback.gear + 1, len(SPEEDS) - 1)
        case Command.SLOWER:
            playback.gear = max(playback.gear - 1, 0)
        case Command.AHEAD:
            playback.skip(SKIP_S)
        case Command.BACK:
            playback.skip(-SKIP_S)
        case Command.FOLLOW_NEXT:
            choices.follow = (choices.follow + 1) % cars
        case Command.FOLLOW_PREVIOUS:
            choices.follow = (choices.follow - 1) % cars
        case Command.VIEW:
            views = list(View)
            choices.view = views[(views.index(choices.view) + 1) % len(views)]
        case Command.ZOOM_IN:
            choices.zoom = min(choices.zoom + 1, len(ZOOMS) - 1)
        case Command.ZOOM_OUT:
            choices.zoom = max(choices.zoom - 1, 0)
        case Command.RESTART:
            playback.restart()
        case Command.INSET:
            choices.inset = not choices.inset
        case Command.HELP:
            choices.help = not choices.help
        case _ if command in _OVERLAYS:
            choices.overlays ^= {_OVERLAYS[command]}
