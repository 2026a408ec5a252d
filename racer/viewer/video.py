"""Writes a replay as a film, without a display: mp4 through imageio-ffmpeg, GIF through Pillow."""

from __future__ import annotations

import contextlib
import io
import math
import os
import secrets
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.errors import ConfigError, MissingExtra, RacerError
from racer.viewer.compose import Painter
from racer.viewer.controls import ViewOptions
from racer.viewer.hud import TimelineState, event_ticks
from racer.viewer.playback import Playback, PlaybackSource

_PACKAGES = {".mp4": "imageio_ffmpeg", ".gif": "PIL"}
"""Ending of a film's name: package that writes it."""
_HOLD_S = 1.0
"""Time for which the last picture stays [s]."""
_POINTS = 1280
"""Width of a film whose text has the size of the window's text [pixels]."""
_GIF_RATE_MAX = 50.0
"""Most pictures of a second of a GIF: it stores times in hundredths, and players slow down those below 2."""
ProgressCallback = Callable[[float], None]


def check_film_path(path: Path) -> None:
    """Check that a film can be written, before the race that it shows is driven.

    Raises:
        ConfigError: The file is neither .mp4 nor .gif.
        MissingExtra: The package that writes it is not installed.
    """
    package = _PACKAGES.get(path.suffix.lower())
    if package is None:
        raise ConfigError(f"A film is {' or '.join(_PACKAGES)}, not `{path.name}`; give a name such as race.mp4")
    if find_spec(package) is None:
        raise MissingExtra(f"Making a film (package `{package}`)", "view")


def render_frames(
    source: PlaybackSource,
    *,
    size: tuple[int, int],
    frames_per_s: float,
    speed: float,
    choices: ViewOptions,
    report: ProgressCallback = lambda fraction: None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures of a replay, shape (H, W, 3), uint8.

    Args:
        source: A replay.
        size: Width and height [pixels].
        frames_per_s: Pictures of each second.
        speed: Speed as a multiple of real time.
        choices: What is shown.
        report: Called with the fraction that is done after each picture.
    """
    painter = Painter(source.stage, scale=max(size[0] / _POINTS, 0.5))
    playback, surface = Playback(source), pygame.Surface(size)
    dt, steps = source.stage.control_dt, len(source.rows) - 1
    ticks = event_ticks(source.rows, choices.follow)
    count = frame_count(source, frames_per_s=frames_per_s, speed=speed)
    for k in range(count):
        # Beyond the last row `seek` stays there, which holds the last picture.
        playback.seek(k * speed / frames_per_s / dt)
        clock = TimelineState(
            seconds=playback.at * dt, length=steps * dt, speed=speed, paused=False, growing=False, ticks=ticks
        )
        painter.draw(surface, playback.moment(), choices, clock)
        yield np.ascontiguousarray(pygame.surfarray.pixels3d(surface).swapaxes(0, 1))
        report((k + 1) / count)


def frame_count(source: PlaybackSource, *, frames_per_s: float, speed: float) -> int:
    """Return the number of pictures of a film of a source."""
    seconds = (len(source.rows) - 1) * source.stage.control_dt / speed
    return math.ceil((seconds + _HOLD_S) * frames_per_s)


def write_video(
    path: Path,
    source: PlaybackSource,
    *,
    size: tuple[int, int] = (1280, 800),
    frames_per_s: float = 30.0,
    speed: float = 1.0,
    choices: ViewOptions | None = None,
    report: ProgressCallback = lambda fraction: None,
) -> tuple[int, float]:
    """Write a film, whole or not at all.

    Args:
        path: File that ends in .mp4 or .gif.
        source: A replay.
        size: Width and height [pixels]; odd numbers are reduced by 1.
        frames_per_s: Pictures of each second; a GIF has 50 at most.
        speed: Speed as a multiple of real time.
        choices: What is shown; None for the default view.
        report: Called with the fraction that is done after each picture.

    Returns:
        Number of pictures, and length of the film [s].

    Raises:
        ConfigError: The path has another ending.
        MissingExtra: imageio-ffmpeg or Pillow is not installed.
    """
    check_film_path(path)
    gif = path.suffix.lower() == ".gif"
    # H.264 with 4:2:0 colours needs even sizes.
    size = (size[0] // 2 * 2, size[1] // 2 * 2)
    frames_per_s = min(frames_per_s, _GIF_RATE_MAX) if gif else frames_per_s
    options = choices or ViewOptions()
    frames = render_frames(source, size=size, frames_per_s=frames_per_s, speed=speed, choices=options, report=report)
    if gif:
        _write_gif(path, frames, frames_per_s)
    else:
        _write_mp4(path, frames, size, frames_per_s)
    count = frame_count(source, frames_per_s=frames_per_s, speed=speed)
    return count, count / frames_per_s


def _write_mp4(path: Path, frames: Iterator[NDArray[np.uint8]], size: tuple[int, int], frames_per_s: float) -> None:
    import imageio_ffmpeg

    path.parent.mkdir(parents=True, exist_ok=True)
    # A separate name in the same folder, so that the finished film appears at once.
    fresh = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.tmp.mp4")
    writer: Any = imageio_ffmpeg.write_frames(
        str(fresh),
        size,
        fps=frames_per_s,
        codec="libx264",
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=["-crf", "20", "-preset", "veryfast", "-movflags", "+faststart"],
        quality=None,
    )
    try:
        fresh.touch()  # so that the system reports a folder without permission, in place of ffmpeg
        writer.send(None)
        for frame in frames:
            try:
                writer.send(frame)
            except OSError:  # the pipe is broken; ffmpeg has printed why
                raise RacerError(f"{path} was not written: ffmpeg ended early") from None
        writer.close()
        fresh.replace(path)
    except BaseException:
        # Also for an interrupt: the unfinished file is removed.
        with contextlib.suppress(OSError):
            writer.close()
        fresh.unlink(missing_ok=True)
        raise


def _write_gif(path: Path, frames: Iterator[NDArray[np.uint8]], frames_per_s: float) -> None:
    from PIL import Image

    # One palette for all pictures, from the first: without it colours flicker.
    first = Image.fromarray(next(frames)).quantize(255, dither=Image.Dither.NONE)
    # A generator: pictures are made while the GIF is written, one at a time.
    rest = (Image.fromarray(frame).quantize(palette=first, dither=Image.Dither.NONE) for frame in frames)
    buffer = io.BytesIO()
    first.save(
        buffer, "GIF", save_all=True, append_images=rest, duration=round(1000.0 / frames_per_s), loop=0, optimize=False
    )
    write_atomically(path, buffer.getvalue())
