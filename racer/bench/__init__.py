"""Measures how fast racer simulates, renders, races and learns (`racer bench`).

Each module measures one part and returns figures under the frozen keys of the record in `measure`, so that figures of
different days can be compared. In: a track and how often to measure; out: a dictionary of figures. A workload is
validated before it is timed.
"""

from racer.lazy import lazy_attributes

_MODULES = {
    "bench_camera": "camera",
    "bench_learn": "learning",
    "bench_lidar": "simulation",
    "bench_race": "race",
    "bench_reward": "simulation",
    "bench_sim": "simulation",
    "bench_train": "training",
    "bench_view": "view",
}
__all__ = [
    "bench_camera",
    "bench_learn",
    "bench_lidar",
    "bench_race",
    "bench_reward",
    "bench_sim",
    "bench_train",
    "bench_view",
]
__getattr__ = lazy_attributes(__name__, _MODULES)
