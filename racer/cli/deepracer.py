"""`racer deepracer`: model folders of DeepRacer come in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="DeepRacer model folders.", no_args_is_help=True)


@app.callback()
def deepracer() -> None:
    """DeepRacer model folders."""


@app.command("import")
def import_folder(
    folder: Annotated[Path, typer.Argument(help="Folder with reward_function.py and model_metadata.json.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Configuration to write; without: NAME.yaml here.")
    ] = None,
    track: Annotated[
        str | None, typer.Option("--track", "-t", help="Name, file or `generated:1..50`; without: the folder's own.")
    ] = None,
) -> None:
    """Make a configuration for `racer train` of a DeepRacer model folder, and say what has no counterpart."""
    from racer.assets import write_atomically
    from racer.deepracer.importing import import_project
    from racer.errors import ConfigError

    imported = import_project(folder, track=track)
    target = output or Path(f"{folder.expanduser().resolve().name}.yaml")
    if target.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{target} is to be a configuration; give a name that ends in .yaml")
    if output is None and target.exists():
        raise ConfigError(f"{target} exists already; name the file with -o, {target} too if it may be replaced")
    write_atomically(target, imported.to_yaml(folder.expanduser().resolve()))
    for word, told in imported.facts:
        typer.echo(f"{word:10s}{told}")
    for note in imported.notes:
        typer.echo(f"note      {note}")
    typer.echo(f"wrote     {target}")
    typer.echo(f"train     racer train --config {target if len(target.parts) > 1 else f'./{target}'}")
