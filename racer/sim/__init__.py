"""The simulator: batches of N worlds with C cars and M objects each, stepped by compiled kernels.

In: tracks, a vehicle, and actions of shape (N, C, 2). Out: poses, telemetry and status of every car, frames of cameras
(`sim.camera`) and lidar scans; `sim.randomize` disturbs them. `World` owns the arrays. Kernels are free functions over
rows (`dtypes`); numba's flags are in `jit` alone.
"""

from racer.lazy import lazy_attributes

_MODULES = {
    "EpisodeStatus": "dtypes",
    "ReplayRecorder": "recorder",
    "StartOptions": "world",
    "World": "world",
}
__all__ = ["EpisodeStatus", "ReplayRecorder", "StartOptions", "World"]
__getattr__ = lazy_attributes(__name__, _MODULES)
