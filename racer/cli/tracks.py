"""`racer tracks`: list, show, check, convert, generate and fetch tracks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer import assets
from racer.errors import MissingExtra, RacerError, TrackError

if TYPE_CHECKING:
    from racer.track.track import Track

app = typer.Typer(no_args_is_help=True, help="List, show, check, convert, generate and fetch tracks.")

_SPEC_HELP = "A name, a file, or generated:SEED; options follow an @, as in Monza.csv@1/18."
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Scale = Annotated[str | None, typer.Option("--scale", help="Factor on the file's metres: a number or 1/18.")]


@app.command("list")
def list_tracks(*, as_json: AsJson = False) -> None:
    """List every track that has a name here: local, built-in and fetched ones."""
    rows = [_summary(name) for name in assets.asset_names("track")]
    if as_json:
        _echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", box=None, pad_edge=False)
    table.add_column("length m", justify="right")
    table.add_column("width m", justify="right")
    table.add_column("closed")
    table.add_column("description")
    for row in rows:
        if "error" in row:
            table.add_row(row["name"], "", "", "", row["error"], style="red")
            continue
        table.add_row(
            row["name"],
            f"{row['length_m']:.1f}",
            _width_text(row),
            "yes" if row["closed"] else "no",
            row["description"],
        )
    Console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help=_SPEC_HELP)],
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; NAME.png by default.")] = None,
    width_px: Annotated[int, typer.Option("--width-px", min=64, max=8192, help="Width of the picture.")] = 1200,
) -> None:
    """Draw a track to a PNG."""
    from racer.track.load import load_track

    track = load_track(name)
    output = output or Path(f"{track.name}.png")
    if output.suffix.lower() != ".png":
        raise TrackError(f"`{output}` is no PNG; name the picture with .png.")
    try:
        from PIL import Image

        from racer.render.topdown import draw_track
    except ModuleNotFoundError as problem:
        if (problem.name or "").startswith("racer"):
            raise
        raise MissingExtra("Drawing a track", "train") from None
    import io

    buffer = io.BytesIO()
    Image.fromarray(draw_track(track, width_px=width_px)).save(buffer, format="PNG")
    assets.write_atomically(output, buffer.getvalue())
    _echo(f"{output}: {_describe_track(track)}")


@app.command("check")
def check_tracks(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=_SPEC_HELP)],
    *,
    as_json: AsJson = False,
) -> None:
    """Check tracks; exit 1 where one has an error (a warning is none)."""
    reports = [_check_report(file) for file in files]
    if as_json:
        _echo(json.dumps(reports, indent=2))
    else:
        for report in reports:
            _print_report(report)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(1)


@app.command()
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help=_SPEC_HELP)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The new file: .npy or .yaml.")],
    *,
    scale: Scale = None,
    width: Annotated[
        float | None, typer.Option("--width", help="Road width in the file's metres, for a race line.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Convert a track to DeepRacer's .npy or to our .yaml."""
    from racer.track.load import load_track, parse_fraction

    factor = parse_fraction("--scale", "scale", scale) if scale is not None else None
    _write(load_track(source, scale=factor, width=width), target, force=force)


@app.command()
def generate(
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same track.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="tracks/generated_SEED.yaml by default; or .npy.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Make a new closed track for a 1/18 car."""
    from racer.track.generator import generate_track as make

    _write(make(seed), output or Path("tracks") / f"generated_{seed}.yaml", force=force)


@app.command("fetch")
def fetch_tracks(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Published DeepRacer tracks.")] = None,
    *,
    show_list: Annotated[bool, typer.Option("--list", help="List what can be fetched.")] = False,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="Mirror; {repository}, {commit}, {path}, {name} are filled in."),
    ] = None,
) -> None:
    """Download published DeepRacer tracks, check their hash and keep them for use by name."""
    from racer.track.load import fetch_route, find_route, read_manifest

    routes = read_manifest()
    if show_list:
        for route in routes.values():
            _echo(f"{route.name:32} {route.length_m:6.1f} m  {route.width_m:5.2f} m wide  {route.licence}")
        return
    if not names:
        raise TrackError("Name the tracks to fetch; `racer tracks fetch --list` shows them.")
    wanted = [find_route(name, routes) for name in names]
    for route in wanted:
        path = fetch_route(route, base_url=base_url)
        _echo(f"{route.name}: {route.length_m:g} m, kept in {path}")
        _echo(f"  licence {route.licence}, from {route.repository} {route.commit[:12]}")


def _summary(name: str) -> dict[str, Any]:
    from racer.track.load import load_track

    try:
        track = load_track(name)
    except RacerError as problem:
        return {"name": name, "error": str(problem)}
    return {
        "name": name,
        "length_m": round(track.length, 3),
        "width_min_m": round(float(track.widths.min()), 3),
        "width_max_m": round(float(track.widths.max()), 3),
        "closed": track.closed,
        "description": track.description,
        "file": track.source,
    }


def _check_report(file: str) -> dict[str, Any]:
    """The findings of one file; a file that cannot be loaded is one error."""
    from racer.track.check import TrackFinding, check_track
    from racer.track.load import load_track

    facts: dict[str, Any] = {"file": file}
    try:
        track = load_track(file)
        facts |= {
            "name": track.name,
            "length_m": round(track.length, 3),
            "width_min_m": round(float(track.widths.min()), 3),
            "width_max_m": round(float(track.widths.max()), 3),
            "closed": track.closed,
            "rows": len(track.center),
        }
        findings = check_track(track)
    except RacerError as problem:
        findings = [TrackFinding(level="error", code="unreadable", message=str(problem))]
    facts["ok"] = all(finding.level != "error" for finding in findings)
    facts["findings"] = [dict(finding.__dict__) for finding in findings]
    return facts


def _print_report(report: dict[str, Any]) -> None:
    facts = f"{report['length_m']:.1f} m, {_width_text(report)} m wide" if "name" in report else ""
    _echo(f"{report['file']}: {'good' if report['ok'] else 'ERROR'}{', ' + facts if facts else ''}")
    for finding in report["findings"]:
        row = "" if finding["row"] is None else f" row {finding['row']}:"
        _echo(f"  {finding['level']}:{row} {finding['message']}")


def _write(track: Track, target: Path, *, force: bool) -> None:
    from racer.track.course import write_course
    from racer.track.npy import write_npy

    writers = {".npy": write_npy, ".yaml": write_course, ".yml": write_course}
    writer = writers.get(target.suffix.lower())
    if writer is None:
        raise TrackError(f"`{target}` has no format that can be written; give .npy or .yaml.")
    if target.exists() and not force:
        raise TrackError(f"`{target}` exists; choose another name or add --force.")
    writer(track, target)
    _echo(f"{target}: {_describe_track(track)}")


def _describe_track(track: Track) -> str:
    widths = {"width_min_m": float(track.widths.min()), "width_max_m": float(track.widths.max())}
    kind = "closed" if track.closed else "open"
    return f"{kind}, {track.length:.2f} m long, {_width_text(widths)} m wide, {len(track.center)} rows"


def _width_text(row: dict[str, Any]) -> str:
    low, high = f"{row['width_min_m']:.2f}", f"{row['width_max_m']:.2f}"
    return low if low == high else f"{low}..{high}"


def _echo(text: str) -> None:
    typer.echo(text)
