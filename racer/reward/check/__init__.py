"""Checks of a user's reward function before training: its values, its errors and its cost per call.

`run` calls the function in a sandboxed process, `keys` and `calls` record what it reads and returns, `compare` holds
the compiled function against plain Python, `report` prints the findings.
"""
