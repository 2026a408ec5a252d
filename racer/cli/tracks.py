"""`racer tracks`: lists, shows, checks, converts, generates and fetches tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from racer import assets
from racer.cli.options import AsJson, Picture, check_png_path, print_json
from racer.errors import TrackError

app = typer.Typer(no_args_is_help=True, help="List, show, check, convert, generate and fetch tracks.")

_SPEC_HELP = "Track: a name, a file, or generated:SEED; options follow an @, as in Monza.csv@1/18."
Force = Annotated[bool, typer.Option("--force", help="Write over a file that exists.")]


@app.command("list")
def list_tracks(*, as_json: AsJson = False) -> None:
    """List every track that has a name here: local, built-in and fetched ones."""
    from racer.track.describe import format_widths, summarize_track

    rows = [summarize_track(name) for name in assets.asset_names("track")]
    if as_json:
        print_json(rows, indent=2)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "length m", "width m", "radius m", "closed", "description", box=None, pad_edge=False)
    table.columns[1].justify = table.columns[2].justify = table.columns[3].justify = "right"
    for row in rows:
        # One broken file in ./tracks must not hide the list.
        if "error" in row:
            table.add_row(row["name"], "", "", "", "", row["error"], style="red")
        else:
            closed = "yes" if row["closed"] else "no"
            radius = f"{row['radius_min_m']:.2f}" if row["radius_min_m"] else ""
            table.add_row(row["name"], f"{row['length_m']:.1f}", format_widths(row), radius, closed, row["description"])
    Console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help=_SPEC_HELP)],
    *,
    output: Picture = None,
    width_px: Annotated[int, typer.Option(min=64, max=8192, help="Draw the picture this wide (pixels).")] = 1200,
) -> None:
    """Draw a track into a PNG file."""
    from racer.track.describe import describe_track
    from racer.track.load import load_track

    track = load_track(name)
    output = check_png_path(output or Path(f"{track.name}.png"))
    from racer.render.topdown import draw_track, write_png

    write_png(output, draw_track(track, width_px=width_px))
    typer.echo(f"{output}: {describe_track(track)}")


@app.command("check")
def check_tracks(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help=_SPEC_HELP)],
    *,
    vehicle: Annotated[str, typer.Option(help="Check for this vehicle: a name or a file.")] = "deepracer",
    as_json: AsJson = False,
) -> None:
    """Check tracks; exit 1 where one has an error, 0 where there are only warnings."""
    from racer.config.read import read_vehicle
    from racer.track.describe import check_track_file

    config = read_vehicle(vehicle)
    reports = [check_track_file(file, config) for file in files]
    if as_json:
        print_json(reports, indent=2)
    else:
        for report in reports:
            _print_report(report)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(1)


@app.command()
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help=_SPEC_HELP)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="New file: .npy or .yaml.")],
    *,
    scale: Annotated[str | None, typer.Option(help="Multiply the file's metres by this number, such as 1/18.")] = None,
    width: Annotated[
        float | None,
        typer.Option("--width", help="Give a race line this width (m); by default as in the file."),
    ] = None,
    force: Force = False,
) -> None:
    """Convert a track to DeepRacer's .npy or to racer's .yaml."""
    from racer.track.describe import describe_track, write_track
    from racer.track.load import load_track, parse_fraction

    factor = parse_fraction("--scale", "scale", scale) if scale is not None else None
    track = load_track(source, scale=factor, width=width)
    write_track(track, target, force=force)
    typer.echo(f"{target}: {describe_track(track)}")


@app.command()
def generate(
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Make the track of this seed.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write this .yaml or .npy file; by default tracks/generated_SEED.yaml."),
    ] = None,
    force: Force = False,
) -> None:
    """Make a new closed track for a 1/18 car."""
    from racer.track.describe import describe_track, write_track
    from racer.track.generator import generate_track

    track, target = generate_track(seed), output or Path("tracks") / f"generated_{seed}.yaml"
    write_track(track, target, force=force)
    typer.echo(f"{target}: {describe_track(track)}")


@app.command("fetch")
def fetch_tracks(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Published DeepRacer tracks.")] = None,
    *,
    show_list: Annotated[bool, typer.Option("--list", help="List what can be fetched.")] = False,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="Use this mirror; {repository}, {commit}, {path} and {name} are filled in."),
    ] = None,
) -> None:
    """Download published DeepRacer tracks, check their hashes, and keep them for use by name."""
    from racer.track.load import fetch_route, find_route, read_manifest

    routes = read_manifest()
    if show_list:
        for route in routes.values():
            typer.echo(f"{route.name:32} {route.length_m:6.1f} m  {route.width_m:5.2f} m wide  {route.licence}")
        return
    if not names:
        raise TrackError("Name the tracks to fetch; `racer tracks fetch --list` shows them.")
    # All names are looked up before the first download.
    for route in [find_route(name, routes) for name in names]:
        path = fetch_route(route, base_url=base_url)
        typer.echo(f"{route.name}: {route.length_m:g} m, kept in {path}")
        typer.echo(f"  licence {route.licence}, from {route.repository} {route.commit[:12]}")


def _print_report(report: dict[str, Any]) -> None:
    from racer.track.describe import format_widths

    facts = f", {report['length_m']:.1f} m, {format_widths(report)} m wide" if "name" in report else ""
    count = len(report["findings"])
    passed = f"drivable, {count} warning{'s' * (count > 1)}" if count else "good"
    typer.echo(f"{report['file']}: {passed if report['ok'] else 'ERROR'}{facts}")
    for finding in report["findings"]:
        row = "" if finding["row"] is None else f" row {finding['row']}:"
        typer.echo(f"  {finding['level']}:{row} {finding['message']}")
