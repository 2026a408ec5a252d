"""`racer video`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer


def video(
    replays: Annotated[list[Path], typer.Argument(help="Replay files; several drive together as ghosts.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The film: .mp4 or .gif.")],
    view: Annotated[str, typer.Option(help="track, chase or camera.")] = "track",
    follow: Annotated[int, typer.Option(min=1, help="Number of the car that is followed.")] = 1,
    speed: Annotated[float, typer.Option(min=0.1, max=64.0, help="Times real time.")] = 1.0,
    size: Annotated[str | None, typer.Option(help="Width x height in pixels; 1280x800, of a GIF 640x400.")] = None,
    fps: Annotated[float | None, typer.Option(min=1.0, max=120.0, help="Pictures a second; 30, of a GIF 15.")] = None,
    show: Annotated[str, typer.Option(help="Overlays, comma separated, as in `racer watch`.")] = "trails,names",
) -> None:
    """Make a film of replays, without a display."""
    import os

    # A film needs surfaces and fonts, no screen.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    from racer.cli.progress import ProgressLine
    from racer.cli.watch import parse_choices
    from racer.replay import merge_replays, read_replay
    from racer.viewer.playback import ReplaySource
    from racer.viewer.video import frame_count, write_video

    small = out.suffix.lower() == ".gif"
    choices = parse_choices(view, show)
    both = merge_replays([read_replay(path) for path in replays], [path.stem for path in replays])
    choices.follow = min(follow, len(both.header.cars)) - 1
    source = ReplaySource(both)
    rate = fps or (15.0 if small else 30.0)
    with ProgressLine("drawing") as progress:
        write_video(
            out,
            source,
            size=_size(size or ("640x400" if small else "1280x800")),
            frames_per_s=rate,
            speed=speed,
            choices=choices,
            report=progress,
        )
    count = frame_count(source, frames_per_s=rate, speed=speed)
    typer.echo(f"{out}: {count} pictures, {count / rate:.1f} s")


def _size(text: str) -> tuple[int, int]:
    from racer.errors import ConfigError

    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if match is None or min(int(match[1]), int(match[2])) < 64:
        raise ConfigError(f"--size is `{text}`; give width x height in pixels, 64 or more each, such as 1280x800")
    return int(match[1]), int(match[2])
