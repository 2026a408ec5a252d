"""Environments: worlds with sensors, rewards and episodes, for learning and evaluation.

`batch` builds the worlds and steps them; `vector`, `single` and `parallel` are its Gymnasium and PettingZoo faces;
`sensors` fills the observations. A track, a vehicle, an `EnvConfig`, a reward function and actions go in; observations,
rewards and ends of episodes come out. Importing this package registers the ids `racer/TimeTrial-v0`,
`racer/ObjectAvoidance-v0` and `racer/HeadToBot-v0` with Gymnasium.
"""

import gymnasium

from racer.lazy import lazy_attributes

_MODULES = {
    "RacerEnv": "single",
    "RacerParallelEnv": "parallel",
    "RacerVectorEnv": "vector",
    "TimeTrial": "batch",
    "make_time_trial": "batch",
}
__all__ = ["RacerEnv", "RacerParallelEnv", "RacerVectorEnv", "TimeTrial", "make_time_trial"]
__getattr__ = lazy_attributes(__name__, _MODULES)


# Entry points are strings, so that registering imports neither the simulator nor a sensor.
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
