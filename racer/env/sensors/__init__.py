"""Sensors of an environment: what a policy observes, for every car of a batch.

`suite` collects the sensors of one configuration; `camera` and `lidar` hold one class for each kind of sensor. A world
and an `EnvConfig` go in; arrays of shape (N, ...) or (N, C, ...) for each sensor come out, rewritten by each step.
"""

from racer.lazy import lazy_attributes

_MODULES = {"SensorSuite": "suite", "env_config_for": "suite", "sensor_specs": "suite"}
__all__ = ["SensorSuite", "env_config_for", "sensor_specs"]
__getattr__ = lazy_attributes(__name__, _MODULES)
