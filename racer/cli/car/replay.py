"""`racer car replay`: look at a recorded drive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def replay(
    drive: Annotated[Path, typer.Argument(help="A recorded drive (.drive).")],
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Also write a contact sheet of frames and actions, a PNG.")
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="List every event and change of state.")] = False,
    pulses: Annotated[
        bool, typer.Option("--pulses", help="Make the pulses again with this build; exit 1 where one differs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Show what a recorded drive was: who drove, how long, how late, what happened."""
    from racer.assets import write_atomically
    from racer.car.drives.picture import contact_sheet
    from racer.car.drives.read import read_drive
    from racer.car.drives.summary import check_pulses, states, summary

    found = read_drive(drive)
    rows = list(summary(found))
    told = list(states(found))
    zero = min((at for at, _ in told if at), default=0)
    check = check_pulses(found) if pulses else None
    if picture is not None:
        write_atomically(picture, contact_sheet(found))
    if as_json:
        data = {"summary": dict(rows), "events": [{"s": max(at - zero, 0) / 1e9, "what": words} for at, words in told]}
        checked = {"steps": check.steps, "same": check.same, "first": check.first} if check else None
        typer.echo(json.dumps(data | {"pulses": checked}, indent=1))
    else:
        for name, words in rows:
            typer.echo(f"{name:<10}{words}")
        for at, words in told if events else told[-5:]:
            typer.echo(f"{max(at - zero, 0) / 1e9:8.2f}  {words}")
        if check:
            typer.echo(f"pulses    {check.same} of {check.steps} control steps give the same pulses again")
        if picture is not None:
            typer.echo(f"wrote     {picture}")
    if check and check.first is not None:
        from racer.errors import RacerError

        raise RacerError(f"{drive}: step {check.first} gives other pulses with this build")
