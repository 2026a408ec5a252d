"""What `racer rewards check` and `racer rewards watch` print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from racer.reward.check import CheckReport

_WORDS = {"time_trial": "error", "some_tracks": "error", "backward": "note", "objects": "note"}
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
        from racer.reward.check import HISTORIES

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
    word = "note" if error["kind"] == "unknown_key" else _WORDS[error["where"]]
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
