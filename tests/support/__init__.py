"""What several test files share: tracks, bundles, runs, drives, fake parts of the car, processes and naive twins.

Tests import it as `from support.tracks import ring`; pytest puts `tests/` on the path (`pythonpath` in pyproject.toml).
Processes that tests start get the same path from `support.processes.environment`.
"""
