"""Environments. Importing this package registers their ids with Gymnasium."""

import gymnasium

for _name, _race in (
    ("TimeTrial", "time_trial"),
    ("ObjectAvoidance", "object_avoidance"),
    ("HeadToBot", "head_to_bot"),
):
    gymnasium.register(
        id=f"racer/{_name}-v0",
        entry_point="racer.env.single:RacerEnv",
        vector_entry_point="racer.env.vector:RacerVectorEnv",
        kwargs={"race": _race},
    )
