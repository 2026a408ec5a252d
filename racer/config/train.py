"""Configuration of a training (`TrainConfig`) and of a distillation (`DistillConfig`).

A training names tracks, reward, vehicle, environment and learner. In a distillation a student learns to drive from
pictures what a teacher, which observes the exact state, does.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from racer.config.actions import ActionSpace, ContinuousActions, DiscreteActions, SpeedRange
from racer.config.base import Config, Fraction, NonNegative, Positive
from racer.config.env import EnvConfig, Sensors, StartConfig
from racer.config.network import (
    DEEPRACER_NAMES,
    Activation,
    CnnName,
    PreprocessConfig,
    Units,
    check_network_input,
)


def _as_tracks(tracks: object) -> object:
    # `track: oval` is short for `track: [oval]`.
    if isinstance(tracks, str):
        return (tracks,)
    if not isinstance(tracks, (list, tuple)) or not all(isinstance(name, str) for name in tracks):
        raise ValueError("give a name, a path or `generated:1..50`, or a list of them")
    return tracks


def _as_network(name: object) -> object:
    # An unknown name is returned as it is, so that the message of the Literal lists the allowed ones.
    return DEEPRACER_NAMES.get(name.strip().upper(), name) if isinstance(name, str) else name


Tracks = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tracks),
    Field(min_length=1, description="names, paths or `generated:1..50`"),
]
"""Names, paths or ranges of generated tracks; a single one needs no list."""
Vehicle = Annotated[str, Field(description="name or path of a vehicle")]
# `np.random.seed`, which stable-baselines3 calls with the seed, takes 32 bits.
Seed = Annotated[int, Field(ge=0, lt=2**32, description="seed of all random numbers")]
Network = Annotated[CnnName, BeforeValidator(_as_network)]
"""Name of the network that reads pictures; DeepRacer's names are accepted."""
Layers = Annotated[tuple[Units, ...], Field(max_length=8)]
"""Hidden units of each layer."""
LearningRate = Annotated[float, Field(gt=0.0, le=0.1, description="learning rate of Adam at the start")]
LearningRateEnd = Annotated[Fraction, Field(description="fraction of the learning rate at the end")]
Discount = Annotated[Fraction, Field(description="discount factor of a control step")]
Minutes = Annotated[float | None, Field(gt=0.0, description="wall time [minutes]; the earlier limit ends the training")]

DEFAULT_TRACK = "willow_bend"
"""The shipped default track."""
_MEMORY_MAX = 4 * 2**30
"""Largest replay buffer of pictures of SAC [bytes]."""


class PPOConfig(Config):
    """Proximal policy optimisation (Schulman et al. 2017), with the parameters of stable-baselines3."""

    learning_rate: LearningRate = 1e-3
    learning_rate_end: LearningRateEnd = 0.1
    n_steps: int = Field(default=64, ge=2, le=65536, description="control steps of each world between updates")
    batch_size: int = Field(default=1024, ge=2, description="samples of a gradient step")
    n_epochs: int = Field(default=5, ge=1, le=100, description="passes over the collected steps")
    gamma: Discount = 0.98
    gae_lambda: Fraction = Field(default=0.95, description="lambda of the generalised advantage estimate")
    clip_range: float = Field(default=0.2, gt=0.0, le=1.0, description="clip range of the ratio of new to old policy")
    ent_coef: Fraction = Field(default=0.0, description="weight of the entropy")
    vf_coef: float = Field(default=0.5, ge=0.0, le=10.0, description="weight of the value loss")
    max_grad_norm: Positive = Field(default=0.5, description="norm to which longer gradients are clipped")
    target_kl: float | None = Field(default=None, gt=0.0, description="largest KL divergence of an update; none: any")
    log_std_init: float = Field(
        default=-0.5, ge=-5.0, le=2.0, description="initial log standard deviation of continuous actions [half ranges]"
    )
    layers: Layers = Field(default=(64, 64), description="hidden units of policy and critic, after `network`")
    activation: Activation = "tanh"


class SACConfig(Config):
    """Soft actor-critic (Haarnoja et al. 2018), with the parameters of stable-baselines3; continuous actions only."""

    learning_rate: LearningRate = 1e-3
    learning_rate_end: LearningRateEnd = 0.3
    batch_size: int = Field(default=512, ge=2, description="samples of a gradient step")
    gradient_steps: int = Field(default=8, ge=1, le=1000, description="gradient steps per control step of all worlds")
    gamma: Discount = 0.98
    tau: float = Field(default=0.01, gt=0.0, le=1.0, description="rate at which the target network follows")
    ent_coef: float | Literal["auto"] = Field(default="auto", description="weight of the entropy (`sac_alpha`)")
    buffer_size: int = Field(default=300_000, ge=1000, description="control steps in the replay buffer")
    learning_starts: int = Field(default=5_000, ge=0, description="control steps with random actions before learning")
    layers: Layers = Field(default=(64, 64), description="hidden units of actor and critics, after `network`")
    activation: Activation = "relu"


class BudgetConfig(Config):
    """Budget of a training: worlds, steps, time, evaluations, checkpoints and threads."""

    worlds: int = Field(default=64, ge=1, le=65536, description="worlds that run in parallel, one car each")
    total_steps: int = Field(default=600_000, ge=1, description="control steps of all cars together")
    minutes: Minutes = None
    evaluate_every: int = Field(default=100_000, ge=1, description="control steps between evaluations")
    evaluate_laps: int = Field(default=5, ge=1, le=100, description="laps of an evaluation")
    checkpoint_s: Positive = Field(default=15.0, description="maximum wall time between checkpoints [s]")
    deepracer_logs: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="episodes in a file of DeepRacer logs (`--deepracer-logs` sets 20); 0: no logs",
    )
    torch_threads: int = Field(default=1, ge=1, le=64, description="threads of the network's computation")
    sim_threads: int = Field(default=1, ge=1, le=64, description="threads that step the worlds")


class TrainConfig(Config):
    """All settings of a training."""

    track: Tracks = (DEFAULT_TRACK,)
    reward: str = Field(default="default", description="name or path of a reward function")
    reward_path: Literal["auto", "python"] = Field(
        default="auto", description="`auto` compiles the reward function where it can; `python` never does"
    )
    first_step: Literal[1, 2] = Field(
        default=2, description="`steps` in the first call of an episode; 1 as in DeepRacer's simulator until 2021"
    )
    vehicle: Vehicle = "deepracer"
    seed: Seed = 0
    action_space: ActionSpace = Field(
        default=ContinuousActions(), description="ranges, or a list of actions, as in DeepRacer's model_metadata.json"
    )
    env: EnvConfig = EnvConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    network: Network = Field(default="small", description="network for pictures, if any; also by DeepRacer's name")
    critic_sensors: Sensors = Field(
        default=(),
        description="sensors of PPO's value network in training, in place of env.sensors; none: those of the policy",
    )
    algorithm: Literal["ppo", "sac"] = Field(default="ppo", description="`sac` is for continuous actions only")
    ppo: PPOConfig = PPOConfig()
    sac: SACConfig = SACConfig()
    train: BudgetConfig = BudgetConfig()

    @model_validator(mode="after")
    def _check_pictures(self) -> TrainConfig:
        if self.critic_sensors and self.algorithm == "sac":
            raise ValueError("critic_sensors are for algorithm ppo; leave them out with sac")
        # A picture that the network cannot read is refused here, before the simulator is compiled.
        # Bytes of one observation: a pixel value is one byte after the preprocessing.
        camera, size = self.env.camera, 0
        for name, lenses in (("camera", 1), ("stereo", 2)):
            if name in self.driven.sensors:
                shape = camera.height, camera.width, lenses * camera.channels
                size += math.prod(check_network_input(self.network, self.preprocess, shape))
        # Each remembered control step holds two observations, one byte for each value: before and after the action.
        if self.algorithm == "sac" and 2 * size * self.sac.buffer_size > _MEMORY_MAX:
            limit = _MEMORY_MAX // (2 * size)
            raise ValueError(f"sac.buffer_size {self.sac.buffer_size} is too large for such pictures; at most {limit}")
        return self

    @model_validator(mode="after")
    def _check_batches(self) -> TrainConfig:
        # SAC differentiates through the action, which an index does not allow.
        if self.algorithm == "sac" and isinstance(self.action_space, DiscreteActions):
            raise ValueError("algorithm sac needs a continuous action space; train discrete actions with ppo")
        # stable-baselines3 would take all collected steps as one batch, smaller than the configuration says.
        collected = self.ppo.n_steps * self.train.worlds
        if self.algorithm == "ppo" and self.ppo.batch_size > collected:
            raise ValueError(
                f"ppo.batch_size {self.ppo.batch_size} is more than the {collected} steps collected "
                "between updates (ppo.n_steps * train.worlds)"
            )
        return self

    @property
    def driven(self) -> EnvConfig:
        """The environment of the training, with the sensors of the policy and those of its value network alone."""
        more = tuple(sensor for sensor in self.critic_sensors if sensor not in self.env.sensors)
        return self.env.model_copy(update={"sensors": (*self.env.sensors, *more)})

    @property
    def learner(self) -> PPOConfig | SACConfig:
        """The settings of the chosen algorithm."""
        return self.sac if self.algorithm == "sac" else self.ppo


class TeacherConfig(Config):
    """Training of the teacher where `--teacher` is not given; tracks, vehicle, seed and actions are the student's."""

    reward: str = Field(default="smooth_line", description="name or path of a reward function")
    env: EnvConfig = EnvConfig(
        look_ahead=(0.25, 0.5, 0.75, 1.0, 1.3, 1.6, 2.0, 2.4),
        start=StartConfig(mode="random", direction="either", lateral_share=0.6, turned_deg=20.0),
        time_limit_s=20.0,
    )
    ppo: PPOConfig = PPOConfig()
    train: BudgetConfig = BudgetConfig(total_steps=900_000)

    @model_validator(mode="after")
    def _check_sensors(self) -> TeacherConfig:
        if self.env.sensors != ("state",):
            raise ValueError("env.sensors of a teacher must be [state], the exact state that the student lacks")
        return self


class DaggerConfig(Config):
    """DAgger (Ross, Gordon, Bagnell 2011): the student drives more and more, the teacher labels each frame."""

    rounds: int = Field(default=320, ge=1, le=100_000, description="rounds, each of driving and then learning")
    worlds: int = Field(default=64, ge=1, le=4096, description="worlds that run in parallel, one car each")
    undisturbed: Fraction = Field(default=0.25, description="fraction of the cars that drive without env.disturbance")
    steps: int = Field(default=64, ge=4, le=4096, description="control steps of each world in a round")
    gradient_steps: int = Field(default=64, ge=1, le=100_000, description="gradient steps of a round")
    batch_size: int = Field(default=256, ge=1, le=65536, description="frames in a batch")
    learning_rate: LearningRate = 1e-3
    learning_rate_end: LearningRateEnd = 0.02
    memory_mb: int = Field(default=350, ge=1, le=100_000, description="memory for frames [MB]")
    teacher_rounds: int = Field(default=10, ge=0, description="rounds in which the teacher's fraction falls from 1")
    teacher_share: Fraction = Field(default=0.1, description="fraction of driving by the teacher afterwards")
    turn_s: Positive = Field(default=1.5, description="mean time for which teacher or student drives at a time [s]")
    kick: Fraction = Field(default=0.1, description="fraction of the teacher's turns with a push aside")
    steering_weight: NonNegative = Field(default=1.0, description="weight of the steering error in the loss")
    speed_weight: NonNegative = Field(default=0.3, description="weight of the speed error in the loss")
    huber: Positive = Field(default=0.1, description="error above which the loss is linear [half ranges]")
    mirrored: Fraction = Field(default=0.5, description="fraction of a batch that is mirrored")
    evaluate_every: int = Field(default=40, ge=1, description="rounds between evaluations")
    evaluate_laps: int = Field(default=16, ge=1, le=100, description="laps of an evaluation on each track")
    minutes: Minutes = None
    threads: int = Field(default=2, ge=1, le=64, description="threads of simulation and of the network's computation")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="precision of products in learning; auto: bfloat16 where the processor supports it"
    )


class DistillConfig(Config):
    """All settings of a distillation."""

    track: Tracks = (DEFAULT_TRACK,)
    vehicle: Vehicle = "deepracer"
    seed: Seed = 0
    action_space: ContinuousActions = Field(
        default=ContinuousActions(speed=SpeedRange(low=0.8, high=2.4)),
        description="ranges; those of a teacher given with `--teacher` must lie within them",
    )
    env: EnvConfig = EnvConfig(
        sensors=("camera",),
        disturbance="real",
        start=StartConfig(mode="random", direction="either", lateral_share=0.6, turned_deg=20.0),
        time_limit_s=20.0,
    )
    preprocess: PreprocessConfig = PreprocessConfig(crop_top=24, shrink=2, frames=3)
    network: Network = Field(default="small", description="network that reads pictures, also by DeepRacer's name")
    layers: Layers = Field(default=(64,), description="hidden units, after `network`")
    activation: Activation = "relu"
    teacher: TeacherConfig = TeacherConfig()
    dagger: DaggerConfig = DaggerConfig()

    @model_validator(mode="after")
    def _check_student(self) -> DistillConfig:
        if self.env.sensors not in (("camera",), ("stereo",)):
            given = ", ".join(self.env.sensors)
            raise ValueError(f"env.sensors is [{given}]; a student has [camera] or [stereo] and nothing else")
        camera = self.env.camera
        # A stereo pair is one picture with the channels of both lenses.
        channels = camera.channels * (2 if self.env.sensors == ("stereo",) else 1)
        check_network_input(self.network, self.preprocess, (camera.height, camera.width, channels))
        if self.dagger.mirrored and (reason := self._asymmetry()):
            raise ValueError(f"{reason}, so that left and right are not alike; set dagger.mirrored to 0")
        return self

    def _asymmetry(self) -> str | None:
        """Return why a mirrored picture does not fit the opposite steering angle; None where it does.

        A batch is mirrored to double the data: left curves become right curves. That is valid only where nothing else
        distinguishes left from right.
        """
        steering, camera = self.action_space.steering_angle, self.env.camera
        if steering.low != -steering.high:
            return f"steering is {steering.low:g}..{steering.high:g} degrees"
        if camera.left or camera.roll_deg or camera.yaw_deg:
            return "the camera does not look straight ahead from the middle"
        if self.preprocess.crop_left != self.preprocess.crop_right:
            return f"{self.preprocess.crop_left} columns are cut off left and {self.preprocess.crop_right} right"
        return "stereo has two lenses" if self.env.sensors == ("stereo",) else None

    @property
    def teacher_training(self) -> TrainConfig:
        """The configuration that trains the teacher."""
        return TrainConfig(
            track=self.track,
            reward=self.teacher.reward,
            vehicle=self.vehicle,
            seed=self.seed,
            action_space=self.action_space,
            env=self.teacher.env,
            ppo=self.teacher.ppo,
            train=self.teacher.train,
        )
