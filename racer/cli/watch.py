"""`racer watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from racer.replay import Replay
    from racer.viewer.controls import ManualPolicy, ViewOptions
    from racer.viewer.live import LiveSource
    from racer.viewer.playback import PlaybackSource


def watch(
    what: Annotated[
        list[str],
        typer.Argument(help="Run folders, bundles, `pure_pursuit`, `random`; or replay files. Several drive together."),
    ],
    track: Annotated[
        str | None, typer.Option("--track", "-t", help="Name or file; without: the first run's own track.")
    ] = None,
    vehicle: Annotated[str | None, typer.Option(help="Vehicle: name or file; without: the first run's own.")] = None,
    reward: Annotated[str | None, typer.Option(help="Reward function; without: the run's own.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what happens by chance.")] = 0,
    live: Annotated[bool, typer.Option("--live", help="Follow a training: drive its newest checkpoint.")] = False,
    me: Annotated[bool, typer.Option("--me", help="Drive a car yourself: arrow keys or a gamepad.")] = False,
    view: Annotated[str, typer.Option(help="track, chase or camera; `v` changes it.")] = "track",
    show: Annotated[str, typer.Option(help="Overlays to begin with, comma separated.")] = "trails,names",
    replay: Annotated[Path | None, typer.Option(help="Write what was driven into this file at the end.")] = None,
    scale: Annotated[
        float | None, typer.Option(min=0.5, max=4.0, help="Pixels of a point; without: by the screen.")
    ] = None,
) -> None:
    """Watch policies drive, or a replay, in a window. F1 shows the keys."""
    from racer.replay import is_replay, merge_replays, read_replay
    from racer.viewer.window import ViewerWindow

    choices = parse_choices(view, show)
    person: ManualPolicy | None = None
    source: PlaybackSource
    paths = [Path(one) for one in what]
    if any(path.is_file() and is_replay(path) for path in paths):
        if live or me:
            from racer.errors import ConfigError

            raise ConfigError("--live and --me need policies; a replay has been driven already")
        _check_replays(what)
        from racer.viewer.playback import ReplaySource

        source = ReplaySource(merge_replays([read_replay(path) for path in paths], [path.stem for path in paths]))
    else:
        from racer.cli.progress import ProgressLine

        with ProgressLine("starting"):
            source, person = _make_simulation(what, track, vehicle, reward, seed, live=live, me=me)
    window = ViewerWindow(source, scale=scale, person=person)
    choices.follow = window.choices.follow
    window.choices = choices
    window.run()
    if replay is not None:
        from racer.replay import write_replay

        write_replay(replay, _recorded_replay(source))
        typer.echo(f"{replay}: {len(source.rows)} control steps")


def parse_choices(view: str, show: str) -> ViewOptions:
    """What is shown to begin with, from words.

    Raises:
        ConfigError: a word that is none.
    """
    from racer.assets import did_you_mean
    from racer.errors import ConfigError
    from racer.viewer.controls import Overlay, ViewMode, ViewOptions

    views = {one.value: one for one in ViewMode}
    if view not in views:
        raise ConfigError(f"--view is `{view}`; allowed are {', '.join(views)}.{did_you_mean(view, list(views))}")
    known = {one.name.lower(): one for one in Overlay}
    words = [word.strip() for word in show.split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise ConfigError(f"--show has `{word}`; allowed are {', '.join(known)}.{did_you_mean(word, list(known))}")
    return ViewOptions(view=views[view], overlays={known[word] for word in words})


def _check_replays(what: list[str]) -> None:
    from racer.errors import ConfigError
    from racer.replay import is_replay

    for one in what:
        if not is_replay(one):
            raise ConfigError(f"`{one}` is no replay; watch either replays or policies, not both at once")


def _make_simulation(
    what: list[str],
    track: str | None,
    vehicle: str | None,
    reward: str | None,
    seed: int,
    *,
    live: bool,
    me: bool,
) -> tuple[LiveSource, ManualPolicy | None]:
    """The policies on the first one's track, and a person beside them."""
    from racer.errors import ConfigError
    from racer.trained_policy import find_run, resolve_track, resolve_vehicle
    from racer.viewer.controls import ManualPolicy
    from racer.viewer.live import DEFAULT_RATE_HZ, LiveDriver, LiveSource, load_driver

    if live and (len(what) != 1 or find_run(what[0]) is None):
        raise ConfigError("--live follows one run; give its folder")
    drivers: list[LiveDriver] = []
    for one in what:
        run = find_run(one)
        function = reward if reward is not None else None if run is None else run.reward
        drivers.append(load_driver(one, seed=seed, reward=function, live=live))
    contract = getattr(drivers[0].policy, "contract", None)
    course, car = resolve_track(what[0], contract, track), resolve_vehicle(what[0], contract, vehicle)
    person = None
    if me:
        rate = next((one.policy.control_rate_hz for one in drivers if one.policy.control_rate_hz), DEFAULT_RATE_HZ)
        person = ManualPolicy(car, control_dt=1.0 / rate)
        drivers.append(LiveDriver(policy=person))
    return LiveSource(course, car, drivers, seed=seed), person


def _recorded_replay(source: PlaybackSource) -> Replay:
    from racer.errors import ConfigError
    from racer.viewer.live import LiveSource

    if not isinstance(source, LiveSource):
        raise ConfigError("--replay writes what policies drive; these are replays already")
    return source.replay()
