"""Leaderboard of races: its file, its standings, and the check of an entry by running its race again.

`store` keeps results and inputs in an SQLite file, `standings` ranks them, `verify` repeats a race. A `RaceResult` with
its inputs goes in; boards, exports and verifications come out.
"""

from racer.race.leaderboard.store import Leaderboard, LeaderboardError

__all__ = ["Leaderboard", "LeaderboardError"]
