"""The leaderboard of races: its file, its standings, and the check of an entry by driving it again.

Race results come in and are kept in an SQLite file (`store`); `standings` ranks them; `verify` repeats a race.
"""
