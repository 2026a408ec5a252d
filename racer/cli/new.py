"""`racer new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    *,
    track: Annotated[str, typer.Option("--track", "-t", help="Copy this track: a name or a file.")] = "willow_bend",
) -> None:
    """Make a workspace: a track, a reward function, a configuration and a README; `racer train` works in it."""
    import shlex

    from racer.train.workspace import make_workspace

    files = make_workspace(folder, track)
    typer.echo(f"made {folder}:")
    for name in files:
        typer.echo(f"  {name}")
    typer.echo(f"continue with  cd {shlex.quote(str(folder))} && racer rewards plot my_reward && racer train")
