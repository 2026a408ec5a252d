"""Makes the figures of a report: each a chart or a map with its heading, its key and its alternative text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from racer.config.actions import SPEED_MAX, STEERING_MAX_DEG
from racer.report import run_charts as charts
from racer.report import run_maps as maps
from racer.report.pages import FigureCard
from racer.report.run_charts import Axis, Series, format_number, make_axis
from racer.report.run_drive import DrivenRun, DrivenTrack
from racer.report.run_record import RunRecord, UpdateRecord

END_COLOURS = {"lap_complete": 2, "off_track": 1, "crashed": 4, "reversed": 3, "immobilized": 6, "time_up": 0}
"""Status -> series colour, in the order of drawing; others take the last colour."""
_OTHER = 5
_CURVES = (
    (
        "mean_progress", "Mean progress, % of a lap", "Mean progress of training episodes over steps", " %",
        "Of the episodes that ended before each update.",
    ),
    (
        "mean_reward", "Mean reward of an episode", "Mean reward of an episode over steps", "",
        "Summed over the episode; longer episodes collect more.",
    ),
    (
        "mean_steps", "Mean length of an episode, control steps", "Mean length of an episode over steps",
        " control steps", "",
    ),
    ("steps_per_s", "Training speed, steps a second", "Training speed over steps", " steps/s", ""),
)  # fmt: skip
"""Field of the updates, heading, what its alternative text is about, unit and caption."""
_CURVE_COLOURS = {"mean_progress": 0, "mean_reward": 3, "mean_steps": 1, "steps_per_s": 5}
_INTERVALS = 60
LAPS_DRAWN = 10


def _spread(word: str, y: Sequence[float], unit: str = "") -> str:
    """Describe a curve in a sentence."""
    first, last, most = (f"{format_number(value)}{unit}" for value in (y[0], y[-1], max(y)))
    return f"{word}: from {first} to {last}, at most {most}."


def _steps(record: RunRecord) -> Axis:
    return make_axis([0.0, float(max(record.steps, 1))], "steps", low=0.0, high=float(max(record.steps, 1)))


def learning_figures(record: RunRecord) -> list[FigureCard]:
    """Draw progress, completion, reward, lap times and more over steps; unknown quantities are left out."""
    curves = [_curve(record, field, *texts) for field, *texts in _CURVES]
    cards = [curves[0], _completion(record), curves[1], _lap_times(record), *curves[2:]]
    return [card for card in cards if card is not None]


def _known(updates: Sequence[UpdateRecord], field: str) -> tuple[list[float], list[float]]:
    """Return steps and values of the updates that have a field."""
    known = [(float(row.steps), value) for row in updates if (value := getattr(row, field)) is not None]
    return [x for x, _ in known], [float(y) for _, y in known]


def _curve(record: RunRecord, field: str, heading: str, about: str, unit: str, caption: str) -> FigureCard | None:
    """Draw one field of the updates over steps; None where no update has it."""
    x, y = _known(record.updates, field)
    if not x:
        return None
    y_axis = make_axis(y, unit.strip(), low=0.0 if min(y) >= 0.0 else None, high=100.0 if unit == " %" else None)
    series = [Series(x=x, y=y, colour=_CURVE_COLOURS[field])]
    chart = charts.line_chart(series, x=_steps(record), y=y_axis, key=field, alt=_spread(about, y, unit))
    return FigureCard(heading=heading, drawing=chart, caption=caption)


def _completion(record: RunRecord) -> FigureCard | None:
    series, keys, sentences = [], [], []
    for k, track in enumerate(dict.fromkeys(one.result.track for one in record.evaluations)):
        mine = [one for one in record.evaluations if one.result.track == track]
        y = [100.0 * one.result.completion_rate for one in mine]
        colour = k % 6
        series.append(Series(x=[float(one.steps) for one in mine], y=y, dots=True, colour=colour))
        keys.append((track, colour))
        sentences.append(_spread(f"Completed laps on {track}", y, " %"))
    if not series:
        return None
    percent = make_axis([], "percent", low=0.0, high=100.0)
    chart = charts.line_chart(series, x=_steps(record), y=percent, key="completion", alt=" ".join(sentences))
    return FigureCard(
        heading="Laps completed in evaluations, %", drawing=chart, keys=tuple(keys) if len(keys) > 1 else ()
    )


def _lap_times(record: RunRecord) -> FigureCard | None:
    timed = [one for one in record.evaluations if one.result.times]
    x, y = _known(record.updates, "best_lap_s")
    series, keys, sentences = [], [], []
    if x:
        series.append(Series(x=x, y=y, colour=6))
        keys.append(("best so far in training", 6))
        sentences.append(_spread("Best lap so far in training", y, " s"))
    for k, track in enumerate(dict.fromkeys(one.result.track for one in timed)):
        mine = [one for one in timed if one.result.track == track]
        means = [float(np.mean(one.result.times)) for one in mine]
        laps = [(float(one.steps), time) for one in mine for time in one.result.times]
        series.append(Series(x=[float(one.steps) for one in mine], y=means, colour=k % 6))
        series.append(Series(x=[a for a, _ in laps], y=[b for _, b in laps], colour=k % 6, dots=True, line=False))
        keys.append((f"evaluations on {track}", k % 6))
        sentences.append(_spread(f"Mean lap of evaluations on {track}", means, " s"))
    if not series:
        return None
    values = [value for one in series for value in one.y]
    chart = charts.line_chart(
        series, x=_steps(record), y=make_axis(values, "s"), key="lap_times", alt=" ".join(sentences)
    )
    return FigureCard(
        heading="Lap times, s",
        drawing=chart,
        keys=tuple(keys),
        caption="A dot is a lap, the line through them is their mean.",
    )


def driving_figures(driven: DrivenRun, pictures: Sequence[maps.TrackMap]) -> list[FigureCard]:
    """Draw paths by speed and by reward on each track, then speeds and actions on all of them.

    Args:
        driven: the laps.
        pictures: of its tracks, in the same order.
    """
    cards = []
    for one, picture in zip(driven.tracks, pictures, strict=True):
        cards += _paths(one, picture)
    if driven.tracks:
        cards += [_profiles(driven.tracks), _actions(driven)]
    return cards


def _paths(one: DrivenTrack, picture: maps.TrackMap) -> list[FigureCard]:
    laps = one.laps[:LAPS_DRAWN]
    ways = [lap.places for lap in laps]
    done = sum(lap.time_s is not None for lap in laps)
    alt = f"{one.track.name} from above with the paths of {len(laps)} laps, {done} of them completed, coloured by"
    speeds = [lap.speed for lap in laps]
    cards = [
        FigureCard(
            heading=f"{one.track.name}: speed",
            drawing=maps.path_map(picture, ways, speeds, key=f"{picture.key}-speed", alt=f"{alt} speed."),
            ramp=maps.ramp_legend(speeds, "m/s"),
        )
    ]
    rewards = [lap.reward for lap in laps if lap.reward is not None]
    if len(rewards) == len(laps):
        cards.append(
            FigureCard(
                heading=f"{one.track.name}: reward",
                drawing=maps.path_map(picture, ways, rewards, key=f"{picture.key}-reward", alt=f"{alt} reward."),
                ramp=maps.ramp_legend(rewards, "reward of a step"),
                caption=_largest(rewards),
            )
        )
    return cards


def _profiles(tracks: Sequence[DrivenTrack]) -> FigureCard:
    """Draw speed over the fastest lap of each track, or over the longest attempt where none was completed."""
    series, keys, sentences, length, most = [], [], [], 1.0, 1.0
    for k, one in enumerate(tracks):
        done = [lap for lap in one.laps if lap.time_s is not None]
        lap = min(done, key=lambda lap: lap.time_s or 0.0) if done else max(one.laps, key=lambda lap: len(lap.speed))
        which = f"{one.track.name}, " + ("longest attempt" if lap.time_s is None else f"{lap.time_s:.2f} s")
        driven, measured = np.hypot(*np.diff(lap.places, axis=0).T).cumsum().tolist(), lap.speed.tolist()
        if len(tracks) == 1:
            series.append(Series(x=driven, y=lap.actions[:, 1].tolist(), colour=6))
            keys.append(("commanded", 6))
        series.append(Series(x=driven, y=measured, colour=k))
        keys.append((which, k))
        sentences.append(f"{which}: at most {max(measured, default=0.0):.2f} m/s.")
        length = max([length, *driven])
        most = max([most, *(value for each in series for value in each.y)])
    chart = charts.line_chart(
        series,
        x=make_axis([], "m driven", low=0.0, high=length),
        y=make_axis([most], "m/s", low=0.0),
        key="profiles",
        alt=" ".join(["Speed over the fastest laps.", *sentences]),
    )
    return FigureCard(
        heading="Speed over the fastest lap, m/s", drawing=chart, keys=tuple(keys[::-1] if len(tracks) == 1 else keys)
    )


def _largest(rewards: Sequence[np.ndarray]) -> str:
    """Return a sentence where single rewards lie far outside the colours, as those for a finished lap do."""
    low, high = maps.value_range(rewards)
    least, most = min(float(r.min()) for r in rewards), max(float(r.max()) for r in rewards)
    beyond = most > high + 0.5 * (high - low) or least < low - 0.5 * (high - low)
    return f"Single rewards reach from {format_number(least)} to {format_number(most)}." if beyond else ""


def _actions(driven: DrivenRun) -> FigureCard:
    """Draw the actions that the policy chose, over all episodes on all tracks."""
    actions = np.concatenate([lap.actions for one in driven.tracks for lap in one.episodes])
    x = Axis(
        low=STEERING_MAX_DEG,
        high=-STEERING_MAX_DEG,
        ticks=(30.0, 15.0, 0.0, -15.0, -30.0),
        label="steering, ° (left is +)",
    )
    y = Axis(low=0.0, high=SPEED_MAX, ticks=(0.0, 1.0, 2.0, 3.0, 4.0), label="m/s")
    mean = f"{len(actions):,} actions; the mean commanded speed is {actions[:, 1].mean():.2f} m/s"
    if driven.table is not None:
        counts = [int(np.isclose(actions, row, atol=1e-4).all(axis=1).sum()) for row in driven.table]
        shares = [100.0 * n / len(actions) for n in counts]
        parts = "; ".join(
            f"{angle:g} degrees at {speed:g} m/s {share:.0f} %"
            for (angle, speed), share in zip(driven.table, shares, strict=True)
        )
        x = Axis(low=36.0, high=-36.0, ticks=x.ticks, label=x.label)
        y = Axis(low=0.0, high=4.4, ticks=y.ticks, label=y.label)
        alt = f"Shares of the actions: {parts}."
        chart = charts.bubble_chart(driven.table, shares, x=x, y=y, key="actions", alt=alt)
    else:
        bins = [np.linspace(-STEERING_MAX_DEG, STEERING_MAX_DEG, 31), np.linspace(0.0, SPEED_MAX, 25)]
        counts2 = np.histogram2d(actions[:, 0], actions[:, 1], bins=bins)[0][::-1]
        alt = f"Histogram of steering against speed: {mean}, the mean steering {actions[:, 0].mean():.1f} degrees."
        chart = charts.heat_chart(counts2, x=x, y=y, key="actions", alt=alt)
    return FigureCard(heading="Actions: steering and speed", drawing=chart, caption=f"{mean}.")


def _word(status: str) -> str:
    return status.replace("_", " ")


def _colour(status: str) -> int:
    return END_COLOURS.get(status, _OTHER)


def _ordered(found: set[str]) -> list[str]:
    return [word for word in END_COLOURS if word in found] + sorted(found - set(END_COLOURS))


def ends_figures(record: RunRecord, driven: DrivenRun, pictures: Sequence[maps.TrackMap]) -> list[FigureCard]:
    """Draw how training episodes ended over time, and where the best checkpoint's episodes end on each track.

    Args:
        record: the run.
        driven: the episodes.
        pictures: of its tracks, in the same order.
    """
    over_time = _ends_over_time(record)
    on_tracks = [_ends_map(one, picture) for one, picture in zip(driven.tracks, pictures, strict=True)]
    return [over_time, *on_tracks] if over_time else on_tracks


def _ends_over_time(record: RunRecord) -> FigureCard | None:
    rows = [row for row in record.updates if sum(row.ends.values())]
    if not rows:
        return None
    statuses = _ordered({word for row in rows for word, n in row.ends.items() if n})
    groups = np.array_split(np.arange(len(rows)), min(_INTERVALS, len(rows)))
    counts = np.array([[sum(rows[i].ends.get(word, 0) for i in group) for word in statuses] for group in groups], float)
    shares = 100.0 * counts / counts.sum(axis=1, keepdims=True)
    edges = [0.0, *(float(rows[group[-1]].steps) for group in groups)]
    whole = 100.0 * counts.sum(axis=0) / counts.sum()
    alt = "How training episodes ended: " + ", ".join(
        f"{_word(word)} {share:.1f} % ({last:.0f} % at the end)"
        for word, share, last in zip(statuses, whole, shares[-1], strict=True)
    )
    colours = [_colour(word) for word in statuses]
    chart = charts.share_chart(edges, shares, colours, x=_steps(record), key="ends", alt=f"{alt}.")
    keys = tuple((_word(word), _colour(word)) for word in statuses)
    return FigureCard(heading="Ends of training episodes, %", drawing=chart, keys=keys)


def _ends_map(one: DrivenTrack, picture: maps.TrackMap) -> FigureCard:
    counts = Counter(lap.status for lap in one.episodes)
    statuses = _ordered(set(counts))
    sentences = ", ".join(f"{counts[word]} {_word(word)}" for word in statuses)
    drawn = maps.ends_map(
        picture,
        np.array([lap.places[-1] for lap in one.episodes]).reshape(-1, 2),
        [_colour(lap.status) for lap in one.episodes],
        [_word(lap.status) for lap in one.episodes],
        crosses=[lap.time_s is None for lap in one.episodes],
        key=f"{picture.key}-ends",
        alt=f"{one.track.name} from above with a mark where each episode ended: {sentences}.",
    )
    keys = tuple((f"{counts[word]} {_word(word)}", _colour(word)) for word in statuses)
    starts = "all around the track" if one.track.closed else "the beginning of the track"
    caption = f"{len(one.episodes)} episodes, started from {starts}. Dots: laps; crosses: faults."
    return FigureCard(heading=f"{one.track.name}: where episodes end", drawing=drawn, keys=keys, caption=caption)
