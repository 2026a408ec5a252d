"""Training with stable-baselines3's PPO and SAC on the batched simulator.

`session` runs a training, `vec_env` adapts the environment, `monitor` evaluates and keeps checkpoints.
"""
