"""`racer deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def deploy(
    bundle: Annotated[Path, typer.Argument(help="Bundle that `racer export` wrote.")],
    host: Annotated[str, typer.Argument(metavar="USER@HOST", help="Car, as for ssh.")],
    use: Annotated[bool, typer.Option("--use", help="Switch to the bundle once the car has checked it.")] = False,
    racer: Annotated[str, typer.Option("--racer", help="Call racer by this command on the car.")] = "racer",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Use this port of ssh; by default 22.")] = None,
) -> None:
    """Send a bundle to a car over ssh; the car checks it before anything changes there."""
    from racer.car.models.deploy import deploy as send

    done = send(bundle, host, use=use, racer=racer, port=port)
    typer.echo(f"ready     {done.name} ({done.sha256[:12]}) on {host}")
    typer.echo(f"parity    {done.parity}")
    # The car installs a bundle beside the others, so that a broken one cannot stop it from driving.
    typer.echo("in use    yes" if done.used else f"in use    no; choose it with: racer car models use {done.name}")
