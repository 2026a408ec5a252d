"""Makes the figures of a report: each a chart or a map with its heading, its key and its alternative text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from racer.config.actions import SPEED_MAX, STEERING_MAX_DEG
from racer.report import run_charts as charts
from racer.report import run_maps as maps
from racer.report.pages import FigureCard
from racer.report.run_charts import Axis, Series, format_number
from racer.report.run_drive import DrivenRun, DrivenTrack
from racer.report.run_record import EvaluationRecord, RunRecord, UpdateRecord

END_COLOURS = {"lap_complete": 2, "off_track": 1, "crashed": 4, "reversed": 3, "immobilized": 6, "time_up": 0}
"""Status and series colour, in the order of drawing."""
_OTHER = 5
"""Series colour of all other statuses."""
_CURVES = (
    (
        "mean_progress", 0, "Mean progress, % of a lap", "Mean progress of training episodes over steps", " %",
        "Of the episodes that ended before each update.",
    ),
    (
        "mean_reward", 3, "Mean reward of an episode", "Mean reward of an episode over steps", "",
        "Summed over the episode; longer episodes collect more.",
    ),
    (
        "mean_steps", 1, "Mean length of an episode, control steps", "Mean length of an episode over steps",
        " control steps", "",
    ),
    ("steps_per_s", 5, "Training speed, steps a second", "Training speed over steps", " steps/s", ""),
)  # fmt: skip
"""Field of the updates, series colour, heading, subject of its alternative text, unit and caption."""
_INTERVALS = 60
"""Most intervals of the chart of ends."""
LAPS_DRAWN = 10
"""Most paths of a map; more would hide each other."""


def _spread(name: str, y: Sequence[float], unit: str = "") -> str:
    """Describe a curve in a sentence."""
    first, last, most = (f"{format_number(value)}{unit}" for value in (y[0], y[-1], max(y)))
    return f"{name}: from {first} to {last}, at most {most}."


def _steps(record: RunRecord) -> Axis:
    return Axis("steps", 0.0, max(record.steps, 1))


def learning_figures(record: RunRecord) -> list[FigureCard]:
    """Draw progress, completion, reward, lap times and more over steps; unknown quantities are left out."""
    curves = [_curve(record, *texts) for texts in _CURVES]
    cards = [curves[0], _completion(record), curves[1], _lap_times(record), *curves[2:]]
    return [card for card in cards if card is not None]


def _known(updates: Sequence[UpdateRecord], field: str) -> tuple[list[float], list[float]]:
    """Return steps and values of the updates that have a field."""
    known = [row for row in updates if getattr(row, field) is not None]
    return [row.steps for row in known], [float(getattr(row, field)) for row in known]


def _by_track(evaluations: Iterable[EvaluationRecord]) -> list[tuple[int, str, list[EvaluationRecord]]]:
    """Return series colour, name and evaluations of each track, in the order of their first evaluations."""
    groups: dict[str, list[EvaluationRecord]] = {}
    for evaluation in evaluations:
        groups.setdefault(evaluation.result.track, []).append(evaluation)
    # The last of the seven colours is the training's.
    return [(k % 6, name, group) for k, (name, group) in enumerate(groups.items())]


def _curve(
    record: RunRecord, field: str, colour: int, heading: str, about: str, unit: str, caption: str
) -> FigureCard | None:
    """Draw one field of the updates over steps; None where no update has it."""
    x, y = _known(record.updates, field)
    if not x:
        return None
    y_axis = Axis(unit.strip(), low=0.0 if min(y) >= 0.0 else None, high=100.0 if unit == " %" else None)
    series = [Series(x=x, y=y, colour=colour)]
    chart = charts.line_chart(series, x=_steps(record), y=y_axis, key=field, alt=_spread(about, y, unit))
    return FigureCard(heading=heading, drawing=chart, caption=caption)


def _completion(record: RunRecord) -> FigureCard | None:
    lines, keys, sentences = [], [], []
    for colour, track, evaluations in _by_track(record.evaluations):
        y = [100.0 * evaluation.result.completion_rate for evaluation in evaluations]
        lines.append(Series(x=[evaluation.steps for evaluation in evaluations], y=y, dots=True, colour=colour))
        keys.append((track, colour))
        sentences.append(_spread(f"Completed laps on {track}", y, " %"))
    if not lines:
        return None
    percent = Axis("percent", 0.0, 100.0)
    chart = charts.line_chart(lines, x=_steps(record), y=percent, key="completion", alt=" ".join(sentences))
    return FigureCard(
        heading="Laps completed in evaluations, %", drawing=chart, keys=tuple(keys) if len(keys) > 1 else ()
    )


def _lap_times(record: RunRecord) -> FigureCard | None:
    lines, keys, sentences = [], [], []
    x, y = _known(record.updates, "best_lap_s")
    if x:
        lines.append(Series(x=x, y=y, colour=6))
        keys.append(("best so far in training", 6))
        sentences.append(_spread("Best lap so far in training", y, " s"))
    timed = [evaluation for evaluation in record.evaluations if evaluation.result.times]
    for colour, track, evaluations in _by_track(timed):
        means = [float(np.mean(evaluation.result.times)) for evaluation in evaluations]
        laps = [(evaluation.steps, time) for evaluation in evaluations for time in evaluation.result.times]
        lines.append(Series(x=[evaluation.steps for evaluation in evaluations], y=means, colour=colour))
        lines.append(Series(x=[a for a, _ in laps], y=[b for _, b in laps], colour=colour, dots=True, line=False))
        keys.append((f"evaluations on {track}", colour))
        sentences.append(_spread(f"Mean lap of evaluations on {track}", means, " s"))
    if not lines:
        return None
    chart = charts.line_chart(lines, x=_steps(record), y=Axis("s"), key="lap_times", alt=" ".join(sentences))
    return FigureCard(
        heading="Lap times, s",
        drawing=chart,
        keys=tuple(keys),
        caption="A dot is a lap, the line through them is their mean.",
    )


def driving_figures(driven: DrivenRun, pictures: Sequence[maps.TrackMap]) -> list[FigureCard]:
    """Draw paths by speed and by reward on each track, then speeds and actions on all of them.

    Args:
        driven: Laps of each track.
        pictures: Pictures of its tracks, in the same order.
    """
    cards = []
    for track, picture in zip(driven.tracks, pictures, strict=True):
        cards += _paths(track, picture)
    if driven.tracks:
        cards += [_profiles(driven.tracks), _actions(driven)]
    return cards


def _paths(driven: DrivenTrack, picture: maps.TrackMap) -> list[FigureCard]:
    name, laps = driven.track.name, driven.laps[:LAPS_DRAWN]
    paths = [lap.places for lap in laps]
    done = sum(lap.time_s is not None for lap in laps)
    alt = f"{name} from above with the paths of {len(laps)} laps, {done} of them completed, coloured by"
    quantities = [("speed", "m/s", [lap.speed for lap in laps], "")]
    # Rewards are recorded for all laps or for none.
    rewards = [lap.reward for lap in laps if lap.reward is not None]
    if len(rewards) == len(laps):
        quantities.append(("reward", "reward of a step", rewards, _largest(rewards)))
    return [
        FigureCard(
            heading=f"{name}: {quantity}",
            drawing=maps.path_map(picture, paths, values, key=f"{picture.key}-{quantity}", alt=f"{alt} {quantity}."),
            ramp=maps.ramp_legend(values, unit),
            caption=caption,
        )
        for quantity, unit, values, caption in quantities
    ]


def _profiles(tracks: Sequence[DrivenTrack]) -> FigureCard:
    """Draw speed over the fastest lap of each track, or over the longest attempt where none was completed."""
    lines, keys, sentences = [], [], []
    for k, driven in enumerate(tracks):
        done = [lap for lap in driven.laps if lap.time_s is not None]
        lap = min(done, key=lambda lap: lap.time_s or 0.0) if done else max(driven.laps, key=lambda lap: len(lap.speed))
        which = f"{driven.track.name}, " + ("longest attempt" if lap.time_s is None else f"{lap.time_s:.2f} s")
        distance, speed = np.hypot(*np.diff(lap.places, axis=0).T).cumsum().tolist(), lap.speed.tolist()
        if len(tracks) == 1:
            lines.append(Series(x=distance, y=lap.actions[:, 1].tolist(), colour=6))
            keys.append(("commanded", 6))
        lines.append(Series(x=distance, y=speed, colour=k))
        keys.append((which, k))
        sentences.append(f"{which}: at most {max(speed, default=0.0):.2f} m/s.")
    length = max((distance for series in lines for distance in series.x), default=1.0)
    alt = " ".join(["Speed over the fastest laps.", *sentences])
    chart = charts.line_chart(lines, x=Axis("m driven", 0.0, length), y=Axis("m/s", 0.0), key="profiles", alt=alt)
    return FigureCard(
        heading="Speed over the fastest lap, m/s", drawing=chart, keys=tuple(keys[::-1] if len(tracks) == 1 else keys)
    )


def _largest(rewards: Sequence[np.ndarray]) -> str:
    """Return a sentence where single rewards, such as one for a finished lap, lie far beyond the colours."""
    low, high = maps.value_range(rewards)
    least, most = min(float(r.min()) for r in rewards), max(float(r.max()) for r in rewards)
    beyond = most > high + 0.5 * (high - low) or least < low - 0.5 * (high - low)
    return f"Single rewards reach from {format_number(least)} to {format_number(most)}." if beyond else ""


def _actions(driven: DrivenRun) -> FigureCard:
    """Draw the actions that the policy chose, over all episodes on all tracks."""
    actions = np.concatenate([lap.actions for track in driven.tracks for lap in track.episodes])
    # Steering is positive to the left, so the axis runs from left to right with falling numbers.
    x, y = Axis("steering, ° (left is +)", STEERING_MAX_DEG, -STEERING_MAX_DEG), Axis("m/s", 0.0, SPEED_MAX)
    mean = f"{len(actions):,} actions; the mean commanded speed is {actions[:, 1].mean():.2f} m/s"
    if driven.table is not None:
        # Actions come from a float32 graph, so rows of the table are matched with a tolerance.
        counts = [int(np.isclose(actions, row, atol=1e-4).all(axis=1).sum()) for row in driven.table]
        shares = [100.0 * n / len(actions) for n in counts]
        parts = "; ".join(
            f"{angle:g} degrees at {speed:g} m/s {share:.0f} %"
            for (angle, speed), share in zip(driven.table, shares, strict=True)
        )
        # Wider than the limits of actions: discs at the limits are drawn whole.
        wide = {"x": Axis(x.label, 36.0, -36.0), "y": Axis(y.label, 0.0, 4.4)}
        alt = f"Shares of the actions: {parts}."
        chart = charts.bubble_chart(driven.table, shares, **wide, key="actions", alt=alt)
    else:
        limits = (-STEERING_MAX_DEG, STEERING_MAX_DEG), (0.0, SPEED_MAX)
        cells, across, up = np.histogram2d(actions[:, 0], actions[:, 1], bins=(30, 24), range=limits)
        alt = f"Histogram of steering against speed: {mean}, the mean steering {actions[:, 0].mean():.1f} degrees."
        chart = charts.heat_chart(cells, across, up, x=x, y=y, key="actions", alt=alt)
    return FigureCard(heading="Actions: steering and speed", drawing=chart, caption=f"{mean}.")


def _word(status: str) -> str:
    return status.replace("_", " ")


def _colour(status: str) -> int:
    return END_COLOURS.get(status, _OTHER)


def _ordered(statuses: set[str]) -> list[str]:
    """Return statuses in the order of drawing: those with a colour, then the others by name."""
    return [status for status in END_COLOURS if status in statuses] + sorted(statuses - set(END_COLOURS))


def ends_figures(record: RunRecord, driven: DrivenRun, pictures: Sequence[maps.TrackMap]) -> list[FigureCard]:
    """Draw how training episodes ended over time, and where the best checkpoint's episodes end on each track.

    Args:
        record: The run.
        driven: Episodes of each track.
        pictures: Pictures of its tracks, in the same order.
    """
    over_time = _ends_over_time(record)
    on_tracks = [_ends_map(track, picture) for track, picture in zip(driven.tracks, pictures, strict=True)]
    return [over_time, *on_tracks] if over_time else on_tracks


def _ends_over_time(record: RunRecord) -> FigureCard | None:
    rows = [row for row in record.updates if sum(row.ends.values())]
    if not rows:
        return None
    statuses = _ordered({status for row in rows for status, n in row.ends.items() if n})
    # A long training has thousands of updates: neighbouring ones share an interval.
    groups = np.array_split(np.arange(len(rows)), min(_INTERVALS, len(rows)))
    sums = [[sum(rows[i].ends.get(status, 0) for i in group) for status in statuses] for group in groups]
    counts = np.array(sums, np.float64)
    shares = 100.0 * counts / counts.sum(axis=1, keepdims=True)
    edges = [0.0, *(float(rows[group[-1]].steps) for group in groups)]
    whole = 100.0 * counts.sum(axis=0) / counts.sum()
    alt = "How training episodes ended: " + ", ".join(
        f"{_word(status)} {share:.1f} % ({last:.0f} % at the end)"
        for status, share, last in zip(statuses, whole, shares[-1], strict=True)
    )
    colours = [_colour(status) for status in statuses]
    chart = charts.share_chart(edges, shares, colours, x=_steps(record), key="ends", alt=f"{alt}.")
    keys = tuple((_word(status), _colour(status)) for status in statuses)
    return FigureCard(heading="Ends of training episodes, %", drawing=chart, keys=keys)


def _ends_map(driven: DrivenTrack, picture: maps.TrackMap) -> FigureCard:
    counts = Counter(lap.status for lap in driven.episodes)
    statuses = _ordered(set(counts))
    summary = ", ".join(f"{counts[status]} {_word(status)}" for status in statuses)
    drawn = maps.ends_map(
        picture,
        np.array([lap.places[-1] for lap in driven.episodes]).reshape(-1, 2),
        [_colour(lap.status) for lap in driven.episodes],
        [_word(lap.status) for lap in driven.episodes],
        crosses=[lap.time_s is None for lap in driven.episodes],
        key=f"{picture.key}-ends",
        alt=f"{driven.track.name} from above with a mark where each episode ended: {summary}.",
    )
    keys = tuple((f"{counts[status]} {_word(status)}", _colour(status)) for status in statuses)
    starts = "all around the track" if driven.track.closed else "the beginning of the track"
    caption = f"{len(driven.episodes)} episodes, started from {starts}. Dots: laps; crosses: faults."
    return FigureCard(heading=f"{driven.track.name}: where episodes end", drawing=drawn, keys=keys, caption=caption)
