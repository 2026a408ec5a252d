"""Writes the report of a run: one HTML page that needs nothing else, not even a network.

A `RunRecord` (what the run folder holds) and a `DrivenRun` (laps of its best checkpoint) become texts and figures here;
`templates/report.html.j2` lays them out. Sources are split into lines, with Python's tokens marked by Pygments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from racer.assets import write_atomically
from racer.errors import MissingExtra, RunError
from racer.report.pages import render_page
from racer.report.run_drive import DrivenRun, drive_run
from racer.report.run_figures import driving_figures, ends_figures, learning_figures
from racer.report.run_maps import make_map
from racer.report.run_record import EvaluationRecord, RunRecord, read_record

LINES_MAX = 2000
"""Most lines of a source on a page; the page states how many are left out."""
_LINE_MAX = 2000
"""Longest line; the rest is cut off [characters]."""
_CHARACTERS_MAX = 400_000
"""Largest source on a page [characters]."""


@dataclass(frozen=True, kw_only=True)
class SourceText:
    """The lines that a page shows, as text or as markup, and the number of those that it leaves out."""

    lines: Sequence[str]
    left_out: int = 0


def source_text(text: str, *, python: bool) -> SourceText:
    """Split a text into lines; of a long one only the beginning is shown.

    Raises:
        MissingExtra: Pygments is not installed.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    lines = text.split("\n") if text else []
    # The limits keep a page readable in a browser, whatever the run folder holds.
    sizes = accumulate(min(len(line), _LINE_MAX) for line in lines[:LINES_MAX])
    shown = [line for line, size in zip(lines, sizes, strict=False) if size <= _CHARACTERS_MAX]
    cut = [line if len(line) <= _LINE_MAX else f"{line[:_LINE_MAX]} …" for line in shown]
    return SourceText(lines=_mark_tokens(cut) if python and cut else cut, left_out=len(lines) - len(shown))


def _mark_tokens(lines: Sequence[str]) -> Sequence[str]:
    """Return lines of Python as escaped markup, with a span of Pygments' short class name around each token."""
    try:
        from markupsafe import Markup
        from pygments import highlight
        from pygments.formatters.html import HtmlFormatter
        from pygments.lexers.python import PythonLexer
    except ImportError:
        raise MissingExtra("A page with sources (package `pygments`)", "train") from None

    # With these options the lexer keeps every character; the formatter ends spans at each line break.
    text = "".join(f"{line}\n" for line in lines)
    html = highlight(text, PythonLexer(stripnl=False, ensurenl=False), HtmlFormatter(nowrap=True))
    return [Markup(line) for line in html.removesuffix("\n").split("\n")]


_ROWS_MAX = 200
"""Evaluations in the table: the last ones, and the best."""


def write_report(run: Path, output: Path) -> DrivenRun:
    """Write the report of a run.

    Returns:
        The laps that were driven for it, with notes on what is missing.

    Raises:
        RunError: `run` does not hold a run, or `output` is a folder.
        MissingExtra: Jinja2, matplotlib, Pillow or Pygments is not installed.
        OSError: `output` cannot be written.
    """
    if output.is_dir():
        raise RunError(f"{output} is a folder; name the file of the report, as in -o {output / 'report.html'}")
    record = read_record(run)
    driven = drive_run(record)
    write_atomically(output, report_page(record, driven).encode("utf-8", errors="replace"))
    return driven


def report_page(record: RunRecord, driven: DrivenRun) -> str:
    """Return the whole page as HTML."""
    maps = [make_map(track.track, f"track{k}") for k, track in enumerate(driven.tracks)]
    shown = _shown_evaluations(record)
    return render_page(
        "report.html.j2",
        kind="report",
        title=_title(record),
        record=record,
        lead=_lead(record),
        figures=_headline(record),
        notes=[*_missing(record), *driven.notes],
        maps=maps,
        sections=[
            ("Driving", f"Laps of {driven.checkpoint}, driven again for this page.", driving_figures(driven, maps)),
            ("Learning", "", learning_figures(record)),
            ("Where episodes end", "", ends_figures(record, driven, maps)),
        ],
        evaluations=[_evaluation_row(evaluation, best=evaluation in record.best) for evaluation in shown],
        left_out=len(record.evaluations) - len(shown),
        sources=[
            ("Reward function", source_text(record.reward, python=True)),
            ("Configuration", source_text(record.config, python=False)),
        ],
        facts=list(_facts(record.info)),
    )


def _title(record: RunRecord) -> str:
    names = record.track_names
    return ", ".join(names) if 0 < len(names) <= 3 else f"{len(names)} tracks" if names else record.name


def _lead(record: RunRecord) -> str:
    """Return the line below the title: run, reward function and start."""
    started = str(record.info.get("started", ""))[:16].replace("T", " ")
    reward = record.info.get("reward")
    name = reward.get("name") if isinstance(reward, dict) else None
    parts = [f"run {record.name}"]
    parts += [f"reward {name}"] if name else []
    parts += [f"started {started} UTC"] if started else []
    return " · ".join(parts)


def _missing(record: RunRecord) -> list[str]:
    missing = []
    if not record.updates:
        missing.append("The run has no updates yet: there are no learning curves.")
    if not record.evaluations:
        missing.append("The run has no evaluations yet.")
    return missing


def _headline(record: RunRecord) -> list[tuple[str, str, str]]:
    """Return the headline figures: name, value and a small line below, each."""
    best = [evaluation.result for evaluation in record.best]
    laps = [lap for result in best for lap in result.laps]
    times = [time for result in best for time in result.times]
    trained = [row.best_lap_s for row in record.updates if row.best_lap_s is not None]
    rate = record.steps / record.elapsed_s if record.elapsed_s else None
    tracks = len(record.track_names)
    done = sum(lap.completed for lap in laps)
    # A run that was stopped during an evaluation has the best checkpoint's results of some tracks only.
    where = "" if tracks < 2 else f"{len(best)} of {tracks} tracks" if len(best) < tracks else f"{tracks} tracks"
    return [
        (
            "Completion",
            f"{100 * done / len(laps):.0f} %" if laps else "–",
            f"{done} of {len(laps)} laps" if laps else "",
        ),
        ("Best lap", f"{min(times):.2f} s" if times else "–", where or "in evaluations"),
        ("Mean lap", f"{sum(times) / len(times):.2f} s" if times else "–", "best checkpoint" if times else ""),
        ("Best lap in training", f"{min(trained):.2f} s" if trained else "–", "with exploration" if trained else ""),
        ("Steps", f"{record.steps:,}", f"{rate:,.0f} a second" if rate else ""),
        ("Time", _duration(record.elapsed_s), "of training" if record.elapsed_s else ""),
    ]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    # Two digits or more of the smaller unit: 99 s, 99 min, 1 h 40 min.
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _shown_evaluations(record: RunRecord) -> list[EvaluationRecord]:
    """Return the last evaluations, and before them the best where it is older."""
    last = record.evaluations[-_ROWS_MAX:]
    return [*(best for best in record.best if best not in last), *last]


def _evaluation_row(evaluation: EvaluationRecord, *, best: bool) -> dict[str, Any]:
    """Return the texts of a row of the table."""
    result = evaluation.result
    faults = Counter(lap.status.replace("_", " ") for lap in result.laps if not lap.completed)
    return {
        "best": best,
        "steps": f"{evaluation.steps:,}",
        "track": result.track,
        "laps": f"{sum(lap.completed for lap in result.laps)}/{len(result.laps)}",
        "best_s": "–" if result.best_lap_s is None else f"{result.best_lap_s:.2f}",
        "mean_s": "–" if result.mean_lap_s is None else f"{result.mean_lap_s:.2f}",
        "progress": f"{result.mean_progress:.1f}",
        "faults": ", ".join(f"{n} {status}" for status, n in faults.items()) or "none",
    }


def _facts(info: Any) -> Iterable[tuple[str, str]]:
    """Yield name and value of what run.json holds about the circumstances of the training."""
    # An edited run.json may hold anything under these keys.
    machine, git, packages, command = (info.get(key) for key in ("machine", "git", "packages", "command"))
    if isinstance(command, list):
        yield "command", " ".join(["racer", *map(str, command)])
    for key in ("seed", "started_from", "racer", "python"):
        if info.get(key) is not None:
            yield key.replace("_", " "), str(info[key])
    if isinstance(packages, dict):
        yield "packages", ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    if isinstance(machine, dict):
        yield "machine", ", ".join(str(value) for value in machine.values())
    if isinstance(git, dict):
        yield "git", f"{git.get('commit', '?')}{' with changes' if git.get('changed') else ''}"
