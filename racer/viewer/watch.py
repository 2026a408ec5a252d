"""Turns the arguments of `racer watch` and `racer video` into a window or a film.

Several replays play together as ghosts. Several policies drive together on the track of the first one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from racer.assets import did_you_mean
from racer.env.batch import DEFAULT_RATE_HZ
from racer.errors import ConfigError
from racer.replay import is_replay, merge_replays, read_replay, write_replay
from racer.trained_policy import find_trained_policy
from racer.viewer.controls import ManualPolicy, Overlay, ViewMode, ViewOptions
from racer.viewer.live import LiveDriver, LiveSource, make_driver
from racer.viewer.playback import PlaybackSource, ReplaySource
from racer.viewer.video import ProgressCallback, check_film_path, write_video
from racer.viewer.window import ViewerWindow

SIZE_MIN = 64
"""Smallest width and height of a film [pixels]."""
_Choice = TypeVar("_Choice", bound=StrEnum)


def parse_view_options(view: str, show: str) -> ViewOptions:
    """Return the options that `--view` and `--show` name.

    Raises:
        ConfigError: A view or an overlay is unknown.
    """
    names = [name.strip() for name in show.split(",") if name.strip()]
    overlays = {_parse_choice(Overlay, name, "--show has") for name in names}
    return ViewOptions(view=_parse_choice(ViewMode, view, "--view is"), overlays=overlays)


def _parse_choice(kind: type[_Choice], name: str, given: str) -> _Choice:
    """Return the member of an enum; `given` begins the message about a name that it lacks."""
    allowed = [member.value for member in kind]
    if name not in allowed:
        raise ConfigError(f"{given} `{name}`; allowed are {', '.join(allowed)}.{did_you_mean(name, allowed)}")
    return kind(name)


def is_replay_file(spec: str) -> bool:
    """Return whether an argument of a command names a replay file, not a policy."""
    return Path(spec).suffix == ".replay" or (Path(spec).is_file() and is_replay(spec))


def read_replays(files: Sequence[str | Path]) -> ReplaySource:
    """Read replay files; several play together, each under its file's name.

    Raises:
        ReplayError: A file is not a replay, or they are of different tracks.
    """
    paths = [Path(file) for file in files]
    return ReplaySource(merge_replays([read_replay(path) for path in paths], [path.stem for path in paths]))


def open_source(
    specs: Sequence[str],
    *,
    track: str | None = None,
    vehicle: str | None = None,
    reward: str | None = None,
    seed: int = 0,
    live: bool = False,
    me: bool = False,
) -> tuple[PlaybackSource, ManualPolicy | None]:
    """Open replays, or policies that drive while they are watched.

    Args:
        specs: Replay files, or run folders, bundles and policies that need no training.
        track: Track instead of the first policy's own.
        vehicle: Vehicle instead of the first policy's own.
        reward: Reward function instead of each run's own.
        seed: Seed of everything that is drawn.
        live: Follow the training of a run: drive its newest checkpoint.
        me: Add a car that the user drives.

    Returns:
        The source, and the policy that the keyboard drives; None where there is none.

    Raises:
        ConfigError: Replays and policies are mixed, or the options do not fit them.
    """
    if any(map(is_replay_file, specs)):
        if live or me:
            raise ConfigError("--live and --me need policies; a replay has been driven already")
        if policies := [spec for spec in specs if not is_replay_file(spec)]:
            raise ConfigError(f"`{policies[0]}` is not a replay; watch either replays or policies, not both at once")
        return read_replays(specs), None
    trained = [
        find_trained_policy(spec, seed=seed, track=track, vehicle=vehicle, reward=reward, newest=live) for spec in specs
    ]
    if live and (len(trained) != 1 or trained[0].run is None):
        raise ConfigError("--live follows one run; give its folder")
    drivers = [make_driver(policy, live=live) for policy in trained]
    first, person = trained[0], None
    if me:
        rates = (driver.policy.control_rate_hz for driver in drivers)
        person = ManualPolicy(first.vehicle, control_dt=1.0 / next(filter(None, rates), DEFAULT_RATE_HZ))
        drivers.append(LiveDriver(policy=person))
    return LiveSource(first.track, first.vehicle, drivers, seed=seed), person


def show_source(
    source: PlaybackSource,
    person: ManualPolicy | None,
    options: ViewOptions,
    *,
    scale: float | None = None,
    replay: Path | None = None,
) -> int:
    """Show a source in a window until the user closes it, and write what policies drove.

    Args:
        source: What is shown.
        person: The policy that the keyboard drives; None where there is none.
        options: The view and overlays at the start.
        scale: Pixels per point; None for the screen's own.
        replay: Replay file to write at the end; None for none.

    Returns:
        Number of control steps of the source.

    Raises:
        ConfigError: `replay` was given for a source that is a replay itself.
        RacerError: The machine has no display.
    """
    if replay is not None and not isinstance(source, LiveSource):
        raise ConfigError("--replay writes what policies drive; these are replays already")
    window = ViewerWindow(source, scale=scale, person=person)
    options.follow = window.choices.follow
    window.choices = options
    window.run()
    if replay is not None and isinstance(source, LiveSource):
        write_replay(replay, source.recorder.replay())
    return len(source.rows)


def make_film(
    specs: Sequence[str],
    out: Path,
    *,
    track: str | None = None,
    seconds: float = 20.0,
    view: str = "track",
    follow: int = 1,
    speed: float = 1.0,
    size: str | None = None,
    fps: float | None = None,
    show: str = "trails,names",
    report: ProgressCallback = lambda fraction: None,
) -> tuple[int, float]:
    """Make a film of replays, or of policies that drive, without a display.

    Args:
        specs: Replay files, or run folders, bundles and policies that need no training.
        out: The film: .mp4 or .gif.
        track: Track instead of the first policy's own.
        seconds: Time that policies drive [s].
        view: `track`, `chase` or `camera`.
        follow: Number of the car that is followed, from 1.
        speed: Playback speed, in multiples of real time.
        size: `WIDTHxHEIGHT` in pixels; None for 1280x800, and for 640x400 in a GIF.
        fps: Pictures per second; None for 30, and for 15 in a GIF.
        show: Overlays, separated by commas.
        report: Called with the finished fraction, 0..1.

    Returns:
        Number of pictures, and length of the film [s].

    Raises:
        ConfigError: An option cannot be used.
        MissingExtra: A package that makes films is not installed.
    """
    # A film needs surfaces and fonts, not a screen.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    gif = out.suffix.lower() == ".gif"
    options, pixels = parse_view_options(view, show), _parse_size(size or ("640x400" if gif else "1280x800"))
    check_film_path(out)
    source, _ = open_source(specs, track=track)
    if isinstance(source, LiveSource):
        for _ in range(round(seconds / source.stage.control_dt)):
            source.step()
        source = ReplaySource(source.recorder.replay())
    options.follow = min(follow, len(source.stage.cars)) - 1
    rate = fps or (15.0 if gif else 30.0)
    return write_video(out, source, size=pixels, frames_per_s=rate, speed=speed, choices=options, report=report)


def _parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if match is None or min(int(match[1]), int(match[2])) < SIZE_MIN:
        raise ConfigError(
            f"--size is `{text}`; give width x height in pixels, {SIZE_MIN} or more each, such as 1280x800"
        )
    return int(match[1]), int(match[2])
