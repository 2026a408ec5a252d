"""Measures the camera: frames from cars all along a track, each of which shows the road and is the same when redrawn.

The peer is Gymnasium's CarRacing, which also draws a road for a policy; its steps include its physics.
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
"""Name of a scene to its configuration, number of eyes, and whether boxes and other cars are on the road."""
ROAD_SHARE_MIN = 0.1
"""Least fraction of road among the pixels of every frame; a frame with less does not show what is measured."""
_PEER = "CarRacing-v3"
_PEER_STEPS = 300


class CameraScene:
    """Worlds with one camera each to measure, on their first car."""

    def __init__(self, track: str, config: CameraConfig, *, eyes: int, busy: bool, worlds: int, threads: int | None):
        """Place the cars evenly along the track, and boxes and other cars ahead of each, in its view.

        Args:
            track: Name or file of the track.
            config: The camera.
            eyes: Lenses of each camera.
            busy: Whether to place boxes and other cars.
            worlds: Number of worlds.
            threads: Threads that draw; None for one on each core.

        Raises:
            RacerError: A frame does not show the road.
        """
        start = StartOptions(advance=1.0 / worlds)
        cars, boxes = (1 + CARS, BOXES) if busy else (1, 0)
        tracks, vehicle = load_tracks([track]), read_vehicle("deepracer")
        self.world = World(tracks, vehicle, worlds, cars=cars, objects=boxes, start=start, threads=threads)
        self.world.reset()
        length = self.world.tracks[0].length
        # Columns: course, arc length [m], lateral offset [m], heading error [rad]; other cars are 0.9 m ahead each,
        # left and right of the centre line by turns, so that they do not hide each other.
        poses = np.zeros((worlds, cars, 4))
        poses[:, :, 1] = (np.arange(worlds) / worlds * length)[:, None] + 0.9 * np.arange(cars)
        poses[:, 1:, 2] = np.where(np.arange(1, cars) % 2, -0.15, 0.15)
        poses[:, :, 1] %= length
        self.world.place(poses)
        # Boxes at 0.8 m, 1.3 m, ... ahead: the near ones fill many pixels, the far ones few.
        for n in range(worlds):
            for slot in range(boxes):
                s = (poses[n, 0, 1] + 0.8 + 0.5 * slot) % length
                self.world.put_object(n, slot, s=s, lateral=0.25 if slot % 2 else -0.25)
        self.camera = Camera(self.world, config, eyes=eyes)
        self.first = np.zeros((worlds, cars), np.bool_)
        self.first[:, 0] = True
        self.draw()
        self.frames = self.camera.frames.copy()
        # Boxes and cars may hide the road.
        if not busy:
            self._check(self.frames[:, 0])

    def _check(self, frames: NDArray[np.uint8]) -> None:
        road = self.camera.appearances[0, 0]["road"]
        colour = road if self.camera.config.colour == "rgb" else np.dot(road, (0.299, 0.587, 0.114))
        # A tolerance of 2 levels, for rounding.
        is_road = np.abs(frames.astype(np.int16) - np.rint(colour)).max(axis=-1) <= 2
        fraction = is_road.mean(axis=(1, 2)).min()
        if fraction < ROAD_SHARE_MIN:
            raise RacerError(f"bench: a frame shows {fraction:.0%} road, at least {ROAD_SHARE_MIN:.0%} is needed")

    def draw(self) -> None:
        """Draw one frame of each world."""
        self.camera.update_poses(self.first)
        self.camera.render(self.first)

    def frames_per_s(self, *, wall: bool = False, rounds: int = ROUNDS) -> float:
        """Return frames per second of processor time (pinned by the caller), or of wall time.

        Raises:
            RacerError: A frame that was timed differs from the one that was checked.
        """
        seconds = median_s(self.draw, wall=wall, rounds=rounds)
        if not np.array_equal(self.frames, self.camera.frames):
            raise RacerError("bench: the same scene was drawn in two ways; the figures mean nothing")
        return len(self.frames) / seconds


def bench_camera(
    track: str = DEFAULT_TRACK, *, worlds: int = WORLDS, rounds: int = ROUNDS, report: StatusCallback = ignore_status
) -> dict[str, float | None]:
    """Measure `camera.*`: frames per second, and pixels per second as a multiple of CarRacing's."""
    out: dict[str, float | None] = {}
    for name, (settings, eyes, busy) in SCENES.items():
        report(f"camera: {name}, {worlds} cars, one core")
        config = CameraConfig(**settings)
        with pinned():
            scene = CameraScene(track, config, eyes=eyes, busy=busy, worlds=worlds, threads=1)
            out[f"camera.{name}_per_s_per_core"] = round(scene.frames_per_s(rounds=rounds))
    report(f"camera: frames, {worlds} cars, all cores")
    scene = CameraScene(track, CameraConfig(), eyes=1, busy=False, worlds=worlds, threads=None)
    out["camera.frames_per_s"] = round(scene.frames_per_s(wall=True, rounds=rounds))
    scene.world.close()
    config = CameraConfig()
    # Pixels, not frames: CarRacing's pictures are smaller.
    pixels = (out["camera.frames_per_s_per_core"] or 0.0) * config.width * config.height
    out["camera.pixels_per_s_per_core"] = round(pixels)
    report(f"camera: {_PEER}")
    with pinned():
        peer = _peer_frames_per_s(rounds, report)
    out["camera.car_racing_frames_per_s_per_core"] = None if peer is None else round(peer, 1)
    out["camera.pixels_over_car_racing"] = None if peer is None else round(pixels / (peer * 96 * 96))
    return out


def _peer_frames_per_s(rounds: int, report: StatusCallback) -> float | None:
    """Return CarRacing's steps per second, each with its picture of 96 x 96; None where it is not installed."""
    import gymnasium
    from gymnasium.error import DependencyNotInstalled

    try:
        env = gymnasium.make(_PEER)
    except DependencyNotInstalled:
        report(f"camera: {_PEER} is not installed; for the comparison: pip install box2d")
        return None
    action = np.array([0.0, 0.1, 0.0], np.float32)

    def drive() -> None:
        for _ in range(_PEER_STEPS):
            picture = env.step(action)[0]
            assert picture.shape == (96, 96, 3)

    seconds = median_s(drive, prepare=lambda: env.reset(seed=0), rounds=min(rounds, 3))
    env.close()
    return _PEER_STEPS / seconds
