"""Source text as HTML with line numbers, and Python with its comments, words and strings told apart.

The report of a run: one HTML page that needs nothing else, not even a network.

There is no script in it, and its content security policy forbids scripts and requests of any kind. Every text that
comes from the run is escaped.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterable, Sequence
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

from racer import __version__
from racer.assets import write_atomically
from racer.errors import RunError
from racer.report.page_style import STYLE
from racer.report.run_drive import DrivenRun, drive_run
from racer.report.run_figures import driving_figures, ends_figures, learning_figures
from racer.report.run_record import EvaluationRecord, RunRecord, read_record

LINES_MAX = 2000
"""More lines are left out of a page, and said to be."""
_LINE_MAX = 2000
_CHARACTERS_MAX = 400_000
_KINDS = {"COMMENT": "com", "STRING": "str", "FSTRING_START": "str", "FSTRING_MIDDLE": "str", "FSTRING_END": "str"}
Marks = dict[int, list[tuple[int, int, str]]]


def source_html(text: str, *, python: bool, label: str) -> str:
    """A scrollable block; numbers come from the style sheet, so that they are not copied with the text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    lines = text.split("\n") if text else []
    marks = _python_marks(text) if python else {}
    sizes = accumulate(min(len(line), _LINE_MAX) for line in lines[:LINES_MAX])
    shown = [line for line, size in zip(lines, sizes, strict=False) if size <= _CHARACTERS_MAX]
    rows = "".join(f"<span>{_line_html(line, marks.get(k, []))}\n</span>" for k, line in enumerate(shown, 1))
    more = len(lines) - len(shown)
    note = f'<p class="note">{more:,} more lines are not shown.</p>' if more > 0 else ""
    return (
        f'<pre class="source" tabindex="0" role="region" aria-label="{escape(label)}"><code>{rows}</code></pre>{note}'
    )


def _line_html(line: str, marks: list[tuple[int, int, str]]) -> str:
    parts, at = [], 0
    for start, end, kind in marks:
        if at <= start < end <= _LINE_MAX:
            parts += [escape(line[at:start]), f'<i class="{kind}">{escape(line[start:end])}</i>']
            at = end
    rest = line[at:_LINE_MAX] + (" …" if len(line) > _LINE_MAX else "")
    return "".join([*parts, escape(rest)])


def _python_marks(text: str) -> Marks:
    """Line -> (from column, to column, kind); of what is no Python, the lines before the first mistake."""
    marks: Marks = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = _KINDS.get(tokenize.tok_name[token.type], "")
            if token.type == tokenize.NAME and keyword.iskeyword(token.string):
                kind = "key"
            if kind:
                (first, start), (last, end) = token.start, token.end
                for row in range(first, min(last, LINES_MAX) + 1):
                    marks.setdefault(row, []).append(
                        (start if row == first else 0, end if row == last else _LINE_MAX, kind)
                    )
    except (tokenize.TokenError, SyntaxError):
        return marks
    return marks


_ROWS_MAX = 200
"""Evaluations in the table: the last ones, and the best."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_report(run: Path, output: Path) -> DrivenRun:
    """Write the report of a run.

    Returns:
        What was driven for it, and what could not be.

    Raises:
        RunError: there is no run at `run`, or `output` is a folder.
        OSError: `output` cannot be written.
    """
    if output.is_dir():
        raise RunError(f"{output} is a folder; name the file of the report, as in -o {output / 'report.html'}")
    record = read_record(run)
    driven = drive_run(record)
    write_atomically(output, render_page(record, driven).encode("utf-8", errors="replace"))
    return driven


def render_page(record: RunRecord, driven: DrivenRun) -> str:
    """The whole page as HTML."""
    title = _title(record)
    body = "".join(
        [
            _header(record, driven, title),
            "<main>",
            _section("Driving", f"Laps of {driven.checkpoint}, driven again for this page.", driving_figures(driven)),
            _section("Learning", "", learning_figures(record)),
            _section("Where episodes end", "", ends_figures(record, driven)),
            _evaluations(record),
            _sources(record),
            _circumstances(record),
            "</main>",
            f"<footer>Written by racer {escape(__version__)}. This page needs no network.</footer>",
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)} - racer report</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _title(record: RunRecord) -> str:
    names = record.track_names
    return ", ".join(names) if 0 < len(names) <= 3 else f"{len(names)} tracks" if names else record.name


def _section(heading: str, told: str, figures: Sequence[str]) -> str:
    """A heading with figures side by side; nothing where there are none."""
    if not figures:
        return ""
    lead = f'<p class="note">{escape(told)}</p>' if told else ""
    return f'<section><h2>{escape(heading)}</h2>{lead}<div class="grid2">{"".join(figures)}</div></section>'


def _header(record: RunRecord, driven: DrivenRun, title: str) -> str:
    kind, word = ("state", "finished") if record.finished else ("state open", "not finished")
    state = f'<span class="{kind}">{word}</span> '
    started = str(record.info.get("started", ""))[:16].replace("T", " ")
    reward = record.info.get("reward")
    name = reward.get("name") if isinstance(reward, dict) else None
    told = [f"run {record.name}"]
    told += [f"reward {name}"] if name else []
    told += [f"started {started} UTC"] if started else []
    notes = [*_missing(record), *driven.notes]
    warnings = "".join(f"<li>{escape(note)}</li>" for note in notes)
    cells = "".join(
        f"<div><dt>{escape(word)}</dt><dd>{escape(value)} <small>{escape(small)}</small></dd></div>"
        for word, value, small in _headline(record)
    )
    return (
        f'<header><h1>{escape(title)}</h1><p class="lead">{state}{escape(" · ".join(told))}</p>'
        f'<dl class="figures">{cells}</dl>'
        + (f'<ul class="warnings" aria-label="What is missing">{warnings}</ul>' if notes else "")
        + "</header>"
    )


def _missing(record: RunRecord) -> list[str]:
    missing = []
    if not record.updates:
        missing.append("The run has no updates yet: there are no learning curves.")
    if not record.evaluations:
        missing.append("The run has no evaluations yet.")
    return missing


def _headline(record: RunRecord) -> list[tuple[str, str, str]]:
    """Word, figure and a small line below, of each headline figure."""
    best = [one.result for one in record.best]
    laps = [lap for result in best for lap in result.laps]
    times = [time for result in best for time in result.times]
    trained = [row.best_lap_s for row in record.updates if row.best_lap_s is not None]
    rate = record.steps / record.elapsed_s if record.elapsed_s else None
    tracks = len(record.track_names)
    done = sum(lap.completed for lap in laps)
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
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _evaluations(record: RunRecord) -> str:
    if not record.evaluations:
        return ""
    heads = ("steps", "track", "laps", "best s", "mean s", "mean progress %", "faults")
    words = {"track", "faults"}
    best = {id(one) for one in record.best}
    head = "".join(f'<th scope="col"{_words(word in words)}>{word}</th>' for word in heads)
    last = record.evaluations[-_ROWS_MAX:]
    shown = [*(one for one in record.best if all(one is not other for other in last)), *last]
    rows = "".join(_evaluation_row(one, id(one) in best) for one in shown)
    left_out = len(record.evaluations) - len(shown)
    note = "Marked: the best checkpoint." + (f" {left_out:,} earlier ones are not shown." if left_out else "")
    return (
        '<section><h2>Evaluations</h2><div class="card"><div class="scroll" tabindex="0" role="region" '
        f'aria-label="Evaluations"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="note">{note}</p></div></section>'
    )


def _evaluation_row(one: EvaluationRecord, best: bool) -> str:
    result = one.result
    faults: dict[str, int] = {}
    for lap in result.laps:
        if not lap.completed:
            faults[lap.status] = faults.get(lap.status, 0) + 1
    cells = [
        (f"{one.steps:,}", False),
        (result.track, True),
        (f"{sum(lap.completed for lap in result.laps)}/{len(result.laps)}", False),
        ("–" if result.best_lap_s is None else f"{result.best_lap_s:.2f}", False),
        ("–" if result.mean_lap_s is None else f"{result.mean_lap_s:.2f}", False),
        (f"{result.mean_progress:.1f}", False),
        (", ".join(f"{n} {word.replace('_', ' ')}" for word, n in faults.items()) or "none", True),
    ]
    inside = "".join(f"<td{_words(words)}>{escape(text)}</td>" for text, words in cells)
    return f'<tr class="best">{inside}</tr>' if best else f"<tr>{inside}</tr>"


def _words(left: bool) -> str:
    return ' class="words"' if left else ""


def _sources(record: RunRecord) -> str:
    parts = []
    for heading, text, python in (("Reward function", record.reward, True), ("Configuration", record.config, False)):
        source = source_html(text, python=python, label=heading) if text else '<p class="note">Not in the folder.</p>'
        parts.append(f"<section><h2>{heading}</h2>{source}</section>")
    return "".join(parts)


def _circumstances(record: RunRecord) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(word)}</th><td>{escape(value)}</td></tr>' for word, value in _facts(record.info)
    )
    table = f'<div class="card"><table class="facts"><tbody>{rows}</tbody></table></div>'
    return f"<section><h2>Circumstances</h2>{table}</section>" if rows else ""


def _facts(info: Any) -> Iterable[tuple[str, str]]:
    """What run.json tells of the training's surroundings."""
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
