"""Reward functions of users: their params, how they are loaded, run, checked and compiled.

In flows a user's `reward_function(params)` as a file, a name or a callable, and for each control step the telemetry
of a batch of N worlds with C cars. Out flow the rewards, shape (N, C). `load_reward` returns an object of the `Reward`
protocol, which calls the function in plain Python or runs it as a numba kernel (`racer.reward.compile`);
`check_reward` reports the values, the errors and the cost of a function before a training uses it.
"""

from racer.lazy import lazy_attributes

__all__ = ["PARAMS", "CheckReport", "Reward", "RewardSource", "check_reward", "load_reward", "read_source"]

_MODULES = {
    "PARAMS": "params",
    "CheckReport": "check.report",
    "Reward": "protocol",
    "RewardSource": "source",
    "check_reward": "check.report",
    "load_reward": "load",
    "read_source": "source",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
