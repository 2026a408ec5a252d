"""Trains policies in run folders: reinforcement learning (`ppo`) and imitation of a teacher (`distill`).

In: a checked configuration, tracks and a reward function; out: a run folder with checkpoints that are bundles,
metrics and evaluations. `run_folder` creates and reopens the folders, `checkpoint` saves the trainer state for
`--resume`, `workspace` makes the folder of `racer new`.
"""
