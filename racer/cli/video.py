"""`racer video`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from racer.cli.options import PolicyTrack


def video(
    what: Annotated[
        list[str],
        typer.Argument(help="Replay files, or run folders, bundles and `pure_pursuit`; several drive together."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the film into this .mp4 or .gif file.")],
    track: PolicyTrack = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=3600.0, help="Let policies drive for this time (s).")] = 20.0,
    view: Annotated[str, typer.Option(help="Show this view: track, chase or camera.")] = "track",
    follow: Annotated[int, typer.Option(min=1, help="Follow the car with this number.")] = 1,
    speed: Annotated[float, typer.Option(min=0.1, max=64.0, help="Play at this multiple of real time.")] = 1.0,
    size: Annotated[str | None, typer.Option(help="Draw WxH (pixels); by default 1280x800, in a GIF 640x400.")] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=1.0, max=120.0, help="Draw this many pictures per second; by default 30, in a GIF 15."),
    ] = None,
    show: Annotated[str, typer.Option(help="Show these overlays, separated by commas.")] = "trails,names",
) -> None:
    """Make a film of replays, or of policies that drive, without a display."""
    from racer.cli.progress import ProgressLine
    from racer.viewer.watch import make_film

    with ProgressLine("drawing") as progress:
        count, length = make_film(
            what,
            out,
            track=track,
            seconds=seconds,
            view=view,
            follow=follow,
            speed=speed,
            size=size,
            fps=fps,
            show=show,
            report=progress,
        )
    typer.echo(f"{out}: {count} pictures, {length:.1f} s")
