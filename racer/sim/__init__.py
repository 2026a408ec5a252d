"""The simulator: batches of N worlds with C cars and M objects each, stepped by compiled kernels.

Tracks, a vehicle and actions (N, C, 2) come in; poses, telemetry and status of every car, frames of cameras
(`sim.camera`) and lidar scans go out. `sim.randomize` disturbs them. `world.World` owns the arrays; kernels are free
functions over rows (`dtypes`) and carry numba's flags from `jit` alone.
"""
