"""`racer rewards`: the commands, and what they print, draw and begin.

The pictures that `racer rewards plot`, `compare` and `watch` write.

What `racer rewards check` and `racer rewards watch` print.

Notices when a file that somebody edits has changed and has come to rest.

`racer rewards watch`: the loop of check and picture beside an editor.

`racer rewards`: check, draw, compare, watch and begin reward functions, and what they are told.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import new as beginning

if TYPE_CHECKING:
    from racer.reward.check.report import CheckReport


def check_png_path(path: Path) -> Path:
    """The path, if it names a PNG.

    Raises:
        RewardError: it names something else.
    """
    from racer.errors import RewardError

    if path.suffix.lower() != ".png":
        raise RewardError(f"`{path}` is no PNG; name the picture with .png.")
    return path


_LEVELS = {"time_trial": "error", "some_tracks": "error", "backward": "note", "objects": "note"}
_PARAMS_SHOWN = 8


def print_report(file: str, report: CheckReport) -> None:
    """Print a report for people."""
    typer.echo(f"{file}: {verdict(report)}")
    typer.echo(f"path     {report.path}: {report.reason or 'not known'}")
    if report.us_per_call_python is not None:
        cost = f"{report.us_per_call_python:.1f} us in plain Python"
        if report.us_per_call_compiled is not None:
            cost = f"{report.us_per_call_compiled:.2f} us compiled, {cost}"
        typer.echo(f"cost     {cost}, for each car and step")
    if report.max_abs_difference is not None:
        typer.echo(f"differs  by {report.max_abs_difference:.1e} at most between the two paths")
    if report.keys:
        typer.echo(f"keys     {', '.join(report.keys)}")
    if report.history:
        from racer.reward.check.report import HISTORIES

        typer.echo(f"memory   {HISTORIES[report.history]}")
    if report.rewards is not None:
        low, middle, high = report.rewards
        typer.echo(f"rewards  {low:.4g} to {high:.4g}, median {middle:.4g}")
    if report.states:
        typer.echo(f"states   {report.states:,} of {', '.join(report.tracks)}")
    if report.printed_lines:
        typer.echo(f"prints   {report.printed_lines:,} lines, which nobody sees in a training")
    for error in report.errors:
        _print_error(error, report.keys)


def verdict(report: CheckReport) -> str:
    """One word or two."""
    if not report.ok:
        return "NOT GOOD, a training would stop" if _stops(report) else "NOT GOOD"
    return "good" if not report.errors else "good for a time trial"


def _stops(report: CheckReport) -> bool:
    return any(error["kind"] not in ("strict", "unknown_key") for error in report.errors)


def _print_error(error: dict[str, Any], keys: list[str]) -> None:
    word = "note" if error["kind"] == "unknown_key" else _LEVELS[error["where"]]
    where = f"{error['file']}:{error['line']}" if error["line"] else error["file"]
    typer.echo(f"{word}: {where}: {error['message']}")
    params = error["params"]
    if params:
        track = error["track"].partition(",")[0]
        shown = [f"{key}={_short(params[key])}" for key in keys if key in params][:_PARAMS_SHOWN]
        typer.echo(f"  first on {track}, with {', '.join(shown) or 'any params'}")


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def watch_file(path: Path, wait: Callable[[], object]) -> Iterator[str]:
    """Yield the file's text now, and again whenever it has changed.

    An editor may empty a file before it fills it, write it in pieces, or put a new one in its place: a text is
    yielded once a second look, one `wait` later, finds the same file. A file that is gone, empty or no text is
    waited for.

    Args:
        path: the file.
        wait: called between two looks; sleeps, or ends the watching by raising.
    """
    told: str | None = None
    before: tuple[tuple[int, int] | None, str | None] = (None, None)
    seen: tuple[int, int] | None = None
    while True:
        stamp = _file_stamp(path)
        if stamp is not None and (stamp != seen or told is None):
            now = (stamp, _file_text(path))
            if now == before and now[1]:
                seen = stamp
                if now[1] != told:
                    told = now[1]
                    yield told
            before = now
        wait()


def _file_stamp(path: Path) -> tuple[int, int] | None:
    """(mtime in ns, size), None where there is no file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size


def _file_text(path: Path) -> str | None:
    """What the file holds; None where it cannot be read as text right now."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


POLL_S = 0.4
"""s between two looks at the file."""


def watch_reward(
    file: str, track: str, output: Path | None, *, speed: float = 2.0, wait: Callable[[], object] | None = None
) -> None:
    """Check and draw whenever the file has changed, until `wait` (by default a short sleep) raises.

    A file that cannot be used is told in one line, and the last good picture stays.

    Raises:
        RacerError: at the beginning, where there is no such file or track.
    """
    from racer.reward.source import read_source
    from racer.track.load import load_track

    path = read_source(file).path
    assert path is not None
    road = load_track(track)
    target = check_png_path(output or Path(f"{path.stem}.png"))
    typer.echo(f"watching {path} on {road.name}; the picture is {target}; Ctrl-C ends it")
    for _ in watch_file(path, wait or functools.partial(time.sleep, POLL_S)):
        _check_and_plot(path, track, target, speed)


def _check_and_plot(path: Path, track: str, target: Path, speed: float) -> None:
    """Check and draw what the file holds now."""
    from racer.errors import RacerError
    from racer.report import reward_plot
    from racer.report.reward_values import reward_landscape
    from racer.reward.check.report import check_reward
    from racer.track.load import load_track

    typer.echo("")
    try:
        print_report(str(path), check_reward(path, tracks=[track]))
        seen = reward_landscape(path, track, speed=speed)
        reward_plot.save_png(reward_plot.plot_reward(seen, load_track(track)), target)
    except RacerError as error:
        typer.echo(f"not drawn: {error}")
        return
    typer.echo(f"drawn    {target}")


app = typer.Typer(help="Check, draw, compare, watch and begin reward functions.", no_args_is_help=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="A reward function: name or file.")]
TrackOption = Annotated[str | None, typer.Option("--track", "-t", help="Name, file, or generated:SEED.")]
Speed = Annotated[float, typer.Option("--speed", min=0.1, max=4.0, help="m/s at which the lanes are driven.")]


@app.callback()
def rewards() -> None:
    """Check, draw, compare, watch and begin reward functions."""


@app.command()
def check(
    file: File,
    *,
    track: Annotated[
        list[str] | None,
        typer.Option("--track", "-t", help="May be given several times; without: yours and four shipped ones."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also refuse what DeepRacer's console refuses, such as other imports.")
    ] = False,
) -> None:
    """Run a reward function over sampled states; exit 1 where a training would stop."""
    from racer.reward.check.report import check_reward

    report = check_reward(file, tracks=track or _tracks_to_check(), strict=strict)
    if as_json:
        typer.echo(json.dumps(report.record(), indent=2))
    else:
        print_report(file, report)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def plot(
    file: File,
    *,
    track: TrackOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; NAME.png by default.")] = None,
    speed: Speed = 2.0,
) -> None:
    """Draw what a reward function pays: over the track, and by speed, heading and steering."""
    from racer.report import reward_plot
    from racer.report.reward_values import reward_landscape
    from racer.track.load import load_track

    chosen = track or _default_track()
    road = load_track(chosen)
    seen = reward_landscape(file, chosen, speed=speed)
    target = check_png_path(output or Path(f"{seen.name}.png"))
    reward_plot.save_png(reward_plot.plot_reward(seen, road), target)
    low, high = seen.range
    typer.echo(f"{target}: {seen.name} on {road.name}, rewards {low:.4g} to {high:.4g}")
    if seen.failed:
        typer.echo(f"{seen.failed:,} calls failed; the first: {seen.problem}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A reward function: name or file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    *,
    track: TrackOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; A_B.png by default.")] = None,
    speed: Speed = 2.0,
) -> None:
    """Draw two reward functions side by side, on the same scale."""
    from racer.report import reward_plot
    from racer.report.reward_values import reward_landscape
    from racer.track.load import load_track

    chosen = track or _default_track()
    road = load_track(chosen)
    seen = [reward_landscape(file, chosen, speed=speed) for file in (first, second)]
    target = check_png_path(output or Path(f"{seen[0].name}_{seen[1].name}.png"))
    reward_plot.save_png(reward_plot.plot_rewards(seen, road), target)
    typer.echo(f"{target}: {seen[0].name} and {seen[1].name} on {road.name}")
    for one in seen:
        low, high = one.range
        typer.echo(f"  {one.name}: rewards {low:.4g} to {high:.4g}")
        if one.failed:
            typer.echo(f"    {one.failed:,} calls failed; the first: {one.problem}")


@app.command()
def watch(
    file: File,
    *,
    track: TrackOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; NAME.png by default.")] = None,
    speed: Speed = 2.0,
) -> None:
    """Check and draw a reward function again whenever its file changes; Ctrl-C ends it.

    A training that runs keeps the reward function that it started with.
    """
    watch_reward(file, track or _default_track(), output, speed=speed)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, or a file that ends with .py.")],
) -> None:
    """Write a commented reward function to begin with."""
    path = beginning.write_template(name)
    typer.echo(f"wrote {path}")
    typer.echo(f"check it  racer rewards check {beginning.reward_spec(path)}")
    typer.echo(f"see it    racer rewards plot {beginning.reward_spec(path)}")
    typer.echo(f"train     racer train --reward {beginning.reward_spec(path)}")


@app.command()
def params(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the docs page.")] = False,
) -> None:
    """Print the keys of the dict that a reward function gets."""
    from racer.reward.params import PARAMS
    from racer.reward.params import params_markdown as page

    if markdown:
        typer.echo(page(), nl=False)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("key", "type", "unit", "range", "meaning", box=None, pad_edge=False)
    for param in PARAMS:
        name = f"{param.name} (racer only)" if param.ours else param.name
        cells = (name, param.type, param.unit, param.range, param.meaning)
        table.add_row(*(escape(cell) for cell in cells))
    Console().print(table)


def _tracks_to_check() -> list[str]:
    """The tracks that `racer train` would take here, and the shipped ones of different kinds."""
    from racer.config.read import read_train
    from racer.reward.check.report import CHECK_TRACKS

    own = [track for track in read_train().track if ".." not in track]  # not fifty generated ones
    return list(dict.fromkeys([*own, *CHECK_TRACKS]))


def _default_track() -> str:
    """The track of the configuration that `racer train` would take here."""
    from racer.config.read import read_train

    return read_train().track[0]
