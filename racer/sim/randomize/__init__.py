"""Disturbances: how a simulated car and its sensors differ from their nominal values, and from episode to episode.

In: a `World` and a `DisturbanceConfig`, with one distribution for each value. `distributions` draws the values of each
episode and randomises the vehicle; `latency` delivers frames late, with the poses that `pose_history` recorded;
`camera` randomises mounts, colours and, with `image`, `jpeg` and `background`, the pixels. Out: changed VEHICLE and
CAMERA rows, frames and delays; the nominal values come back with each episode.
"""

from racer.lazy import lazy_attributes

_MODULES = {
    "CameraEffects": "camera",
    "Disturbances": "distributions",
    "PoseHistory": "pose_history",
    "SensorLatency": "latency",
}
__all__ = ["CameraEffects", "Disturbances", "PoseHistory", "SensorLatency"]
__getattr__ = lazy_attributes(__name__, _MODULES)
