"""Environments. Importing this package registers their ids with Gymnasium."""

import gymnasium

gymnasium.register(
    id="racer/TimeTrial-v0",
    entry_point="racer.env.single:RacerEnv",
    vector_entry_point="racer.env.vector:RacerVectorEnv",
)
