"""`racer report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Run folder; its training may be unfinished.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write this HTML file; by default RUN/report.html.")
    ] = None,
) -> None:
    """Write one HTML page about a run: curves, laps, paths, actions, ends of episodes, configuration, reward."""
    from racer.report.run_page import write_report

    output = output or run / "report.html"
    driven = write_report(run, output)
    # Notes say which parts of the page are missing and why; they do not belong to the result.
    for note in driven.notes:
        typer.echo(f"note      {note}", err=True)
    typer.echo(f"report    {output}  ({output.stat().st_size / 1e3:,.0f} kB)")
