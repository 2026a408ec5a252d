"""Races: rules, grid, referee, results.

`racer.race.race.race` runs one; what came of it is a `racer.race.result.RaceResult`.
"""
