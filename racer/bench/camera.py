"""Measures the camera: frames from cars all along a track, each of which must show the road and be drawn again alike.

The peer is gymnasium's CarRacing, which also draws a road for a policy; its steps hold its physics too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.bench.measure import ROUNDS, StatusCallback, ignore_status, median_s, pinned
from racer.config.env import CameraConfig
from racer.config.read import read_vehicle
from racer.config.train import DEFAULT_TRACK
from racer.errors import RacerError
from racer.sim.camera.camera import Camera
from racer.sim.world import StartOptions, World
from racer.track.load import load_tracks

WORLDS = 256
BOXES, CARS = 6, 2
SCENES: dict[str, tuple[dict[str, Any], int, bool]] = {
    "frames": ({}, 1, False),
    "boxes_cars_frames": ({}, 1, True),
    "rgb_frames": ({"colour": "rgb"}, 1, False),
    "fisheye_frames": ({"lens": "fisheye", "view_deg": 120.0}, 1, False),
    "stereo_frames": ({}, 2, False),
}
"""Name -> (configuration, eyes, whether boxes and cars stand on the road)."""
ROAD_SHARE_MIN = 0.1
"""Of the pixels of every frame; else it does not show what is to be measured."""
_PEER = "CarRacing-v3"
_PEER_STEPS = 300


class CameraScene:
    """Worlds with one camera each to measure, on their first car."""

    def __init__(self, track: str, config: CameraConfig, *, eyes: int, busy: bool, worlds: int, threads: int | None):
        """Place the cars evenly along the track, and the boxes and other cars ahead of each where it sees them.

        Raises:
            RacerError: a frame does not show the road.
        """
        start = StartOptions(advance=1.0 / worlds)
        cars, boxes = (1 + CARS, BOXES) if busy else (1, 0)
        tracks, vehicle = load_tracks([track]), read_vehicle("deepracer")
        self.world = World(tracks, vehicle, worlds, cars=cars, objects=boxes, start=start, threads=threads)
        self.world.reset()
        length = self.world.tracks[0].length
        poses = np.zeros((worlds, cars, 4))
        poses[:, :, 1] = (np.arange(worlds) / worlds * length)[:, None] + 0.9 * np.arange(cars)
        poses[:, 1:, 2] = np.where(np.arange(1, cars) % 2, -0.15, 0.15)
        poses[:, :, 1] %= length
        self.world.place(poses)
        for n in range(worlds):
            for slot in range(boxes):
                s = (poses[n, 0, 1] + 0.8 + 0.5 * slot) % length
                self.world.put_object(n, slot, s=s, lateral=0.25 if slot % 2 else -0.25)
        self.camera = Camera(self.world, config, eyes=eyes)
        self.first = np.zeros((worlds, cars), np.bool_)
        self.first[:, 0] = True
        self.draw()
        self.frames = self.camera.frames.copy()
        if not busy:
            self._check(self.frames[:, 0])

    def _check(self, frames: NDArray[np.uint8]) -> None:
        road = self.camera.appearances[0, 0]["road"]
        wanted = road if self.camera.config.colour == "rgb" else np.dot(road, (0.299, 0.587, 0.114))
        shown = np.abs(frames.astype(np.int16) - np.rint(wanted)).max(axis=-1) <= 2
        share = shown.mean(axis=(1, 2)).min()
        if share < ROAD_SHARE_MIN:
            raise RacerError(f"bench: a frame shows {share:.0%} road, at least {ROAD_SHARE_MIN:.0%} must be")

    def draw(self) -> None:
        """Draw one frame of each world."""
        self.camera.update_poses(self.first)
        self.camera.render(self.first)

    def frames_per_s(self, *, wall: bool = False, rounds: int = ROUNDS) -> float:
        """Frames per second of processor time (pinned by the caller), or of wall time.

        Raises:
            RacerError: a frame that was timed differs from the one that was checked.
        """
        seconds = median_s(self.draw, wall=wall, rounds=rounds)
        if not np.array_equal(self.frames, self.camera.frames):
            raise RacerError("bench: the same scene was drawn in two ways; the figures mean nothing")
        return len(self.frames) / seconds


def bench_camera(
    track: str = DEFAULT_TRACK, *, worlds: int = WORLDS, rounds: int = ROUNDS, tell: StatusCallback = ignore_status
) -> dict[str, float | None]:
    """Measure `camera.*`: frames per second, and the ratio to CarRacing in pixels per second, in one run."""
    out: dict[str, float | None] = {}
    for name, (settings, eyes, busy) in SCENES.items():
        tell(f"camera: {name}, {worlds} cars, one core")
        config = CameraConfig(**settings)
        with pinned():
            scene = CameraScene(track, config, eyes=eyes, busy=busy, worlds=worlds, threads=1)
            out[f"camera.{name}_per_s_per_core"] = round(scene.frames_per_s(rounds=rounds))
    tell(f"camera: frames, {worlds} cars, all cores")
    every = CameraScene(track, CameraConfig(), eyes=1, busy=False, worlds=worlds, threads=None)
    out["camera.frames_per_s"] = round(every.frames_per_s(wall=True, rounds=rounds))
    every.world.close()
    config = CameraConfig()
    pixels = (out["camera.frames_per_s_per_core"] or 0.0) * config.width * config.height
    out["camera.pixels_per_s_per_core"] = round(pixels)
    tell(f"camera: {_PEER}")
    with pinned():
        peer = _peer_frames_per_s(rounds, tell)
    out["camera.car_racing_frames_per_s_per_core"] = None if peer is None else round(peer, 1)
    out["camera.pixels_over_car_racing"] = None if peer is None else round(pixels / (peer * 96 * 96))
    return out


def _peer_frames_per_s(rounds: int, tell: StatusCallback) -> float | None:
    """Return CarRacing's steps per second, each with its picture of 96 x 96; None where it is not installed."""
    import gymnasium
    from gymnasium.error import DependencyNotInstalled

    try:
        env = gymnasium.make(_PEER)
    except DependencyNotInstalled:
        tell(f"camera: {_PEER} is not installed; for the comparison: pip install box2d")
        return None
    action = np.array([0.0, 0.1, 0.0], np.float32)

    def drive() -> None:
        for _ in range(_PEER_STEPS):
            picture = env.step(action)[0]
            assert picture.shape == (96, 96, 3)

    seconds = median_s(drive, prepare=lambda: env.reset(seed=0), rounds=min(rounds, 3))
    env.close()
    return _PEER_STEPS / seconds
