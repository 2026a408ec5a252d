"""`racer deepracer`: reads model folders of DeepRacer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Import DeepRacer model folders.", no_args_is_help=True)


# Without a callback typer would make the only command the group itself.
@app.callback()
def deepracer() -> None:
    """Import DeepRacer model folders."""


@app.command("import")
def import_folder(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder with reward_function.py and model_metadata.json, or a downloaded .tar.gz of it."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write this configuration; by default FOLDER.yaml here.")
    ] = None,
    track: Annotated[
        str | None,
        typer.Option(
            "--track", "-t", help="Train on this track: a name, a file or `generated:1..50`; by default its own."
        ),
    ] = None,
) -> None:
    """Make a configuration for `racer train` from a DeepRacer model folder, and report what has no counterpart."""
    import shlex

    from racer.assets import write_atomically
    from racer.deepracer.importing import import_project
    from racer.deepracer.project import model_folder
    from racer.errors import ConfigError

    imported = import_project(folder, track=track)
    # Resolved, because `.` and `..` have no name that a file could be called by.
    source = model_folder(folder)
    target = output or Path(f"{source.name}.yaml")
    if target.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{target} cannot be a configuration; give a name that ends in .yaml")
    if output is None and target.exists():
        raise ConfigError(f"{target} exists already; name the file with -o, {target} too if it may be replaced")
    write_atomically(target, imported.to_yaml(source))
    for label, text in imported.facts:
        typer.echo(f"{label:10s}{text}")
    for note in imported.notes:
        typer.echo(f"note      {note}")
    typer.echo(f"wrote     {target}")
    given = str(target) if len(target.parts) > 1 else f"./{target}"
    typer.echo(f"train     racer train --config {shlex.quote(given)}")
