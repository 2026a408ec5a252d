"""Races: rules, heats, a referee, results and the leaderboard.

Entrants (bundles, run folders or named policies), a track and `Rules` go in; a `RaceResult`, and a replay of the first
trial, come out. `session` runs a race from `heat`, `referee`, `respawn` and `grid`; `guarded_race` runs one in a
separate process that limits each model's time; `leaderboard` keeps results and repeats races from its file.
"""

from racer.lazy import lazy_attributes

_MODULES = {
    "Entrant": "entrants",
    "RaceResult": "result",
    "RaceSession": "session",
    "open_entrant": "entrants",
    "race": "session",
    "run_guarded_race": "guarded_race",
}
__all__ = ["Entrant", "RaceResult", "RaceSession", "open_entrant", "race", "run_guarded_race"]
__getattr__ = lazy_attributes(__name__, _MODULES)
