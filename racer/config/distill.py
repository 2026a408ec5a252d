"""A distillation: a teacher that sees the state, and a student that learns from it to drive by sight."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from racer.config.actions import ContinuousActions, SpeedRange
from racer.config.base import Config
from racer.config.cnn import CNNS
from racer.config.env import EnvConfig, StartConfig
from racer.config.fields import Layers, Network, Tracks
from racer.config.preprocess import PreprocessConfig, Shape, shape_after
from racer.config.train import DEFAULT_TRACK, BudgetConfig, PPOConfig, TrainConfig


class TeacherConfig(Config):
    """The training of the teacher, where none is given; its tracks, vehicle, seed and actions are the student's."""

    reward: str = Field(default="smooth_line", description="name or path of a reward function")
    env: EnvConfig = EnvConfig(
        look_ahead=(0.25, 0.5, 0.75, 1.0, 1.3, 1.6, 2.0, 2.4),
        start=StartConfig(mode="random", direction="either", lateral_share=0.6, turned_deg=20.0),
        time_limit_s=20.0,
    )
    ppo: PPOConfig = PPOConfig()
    train: BudgetConfig = BudgetConfig(total_steps=900_000)

    @model_validator(mode="after")
    def _sees_the_state(self) -> TeacherConfig:
        if self.env.sensors != ("state",):
            raise ValueError("env.sensors of the teacher is [state]: what makes it a teacher is that it sees the state")
        return self


class DaggerConfig(Config):
    """DAgger (Ross, Gordon, Bagnell 2011): the student drives more and more, the teacher says what it would do."""

    rounds: int = Field(default=320, ge=1, le=100_000, description="of driving, then learning")
    worlds: int = Field(default=64, ge=1, le=4096, description="cars that drive at once")
    undisturbed: float = Field(
        default=0.25, ge=0.0, le=1.0, description="share of the cars that drive without env.disturbance"
    )
    steps: int = Field(default=64, ge=4, le=4096, description="control steps of each world in a round")
    gradient_steps: int = Field(default=64, ge=1, le=100_000, description="batches learned in a round")
    batch_size: int = Field(default=256, ge=1, le=65536, description="frames in a batch")
    learning_rate: float = Field(default=1e-3, gt=0.0, le=0.1, description="of Adam, at the start")
    learning_rate_end: float = Field(default=0.02, ge=0.0, le=1.0, description="share of it left at the end")
    memory_mb: int = Field(default=350, ge=1, le=100_000, description="MB of frames remembered at most")
    teacher_rounds: int = Field(default=10, ge=0, description="rounds in which the teacher's share falls from 1")
    teacher_share: float = Field(default=0.1, ge=0.0, le=1.0, description="share of the driving it keeps")
    turn_s: float = Field(default=1.5, gt=0.0, description="s for which one of the two drives, on average")
    kick: float = Field(default=0.1, ge=0.0, le=1.0, description="share of the teacher's turns with a push aside")
    steering_weight: float = Field(default=1.0, ge=0.0, description="of the steering's error, in half ranges")
    speed_weight: float = Field(default=0.3, ge=0.0, description="of the speed's error, in half ranges")
    huber: float = Field(default=0.1, gt=0.0, description="half ranges beyond which an error counts by its size only")
    mirrored: float = Field(default=0.5, ge=0.0, le=1.0, description="share of a batch seen in a mirror")
    evaluate_every: int = Field(default=40, ge=1, description="rounds between evaluations")
    evaluate_laps: int = Field(default=16, ge=1, le=100, description="laps of an evaluation on each track")
    minutes: float | None = Field(default=None, gt=0.0, description="wall time of all; the earlier of the two ends it")
    threads: int = Field(default=2, ge=1, le=64, description="of simulation and of the network's arithmetic")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the products while learning; auto: bfloat16 where the processor has it"
    )


class DistillConfig(Config):
    """Everything that decides a distillation."""

    track: Tracks = Field(default=(DEFAULT_TRACK,), min_length=1, description="names, paths or `generated:1..50`")
    vehicle: str = Field(default="deepracer", description="name or path")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of everything random")
    action_space: ContinuousActions = Field(
        default=ContinuousActions(speed=SpeedRange(low=0.8, high=2.4)),
        description="ranges; where a teacher is given its own must lie within them",
    )
    env: EnvConfig = EnvConfig(
        sensors=("camera",),
        disturbance="real",
        start=StartConfig(mode="random", direction="either", lateral_share=0.6, turned_deg=20.0),
        time_limit_s=20.0,
    )
    preprocess: PreprocessConfig = PreprocessConfig(crop_top=24, shrink=2, frames=3)
    network: Network = Field(default="small", description="what reads pictures; DeepRacer's names are understood")
    layers: Layers = Field(default=(64,), max_length=8, description="hidden units, after `network`")
    activation: Literal["tanh", "relu", "elu"] = "relu"
    teacher: TeacherConfig = TeacherConfig()
    dagger: DaggerConfig = DaggerConfig()

    @model_validator(mode="after")
    def _sees(self) -> DistillConfig:
        if self.env.sensors not in (("camera",), ("stereo",)):
            given = ", ".join(self.env.sensors)
            raise ValueError(f"env.sensors is [{given}]; a student sees [camera] or [stereo] and nothing else")
        camera = self.env.camera
        shape: Shape = (camera.height, camera.width, camera.channels * (2 if self.env.sensors == ("stereo",) else 1))
        for step in self.preprocess.steps:
            shape = shape_after(step, shape)
        CNNS[self.network].shape_after(*shape[:2])
        if self.dagger.mirrored and (told := self._uneven()):
            raise ValueError(f"{told}, so that left and right are not alike; set dagger.mirrored to 0")
        return self

    def _uneven(self) -> str | None:
        """Why a picture in the mirror would not be one that the car could see, or drive by."""
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
        """The training that makes the teacher."""
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
