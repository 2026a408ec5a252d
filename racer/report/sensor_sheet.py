"""A sheet of what policies see: frames and scans of several episodes, disturbed and as they would be without.

Each cell is one episode at a separate place, after a second of driving: beside each other the frame without
disturbances of where the car is now, and the one that the policy was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig, EnvConfig, LidarConfig, VehicleConfig
from racer.env.batch import TimeTrial
from racer.env.sensors.suite import SensorSuite
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.track.track import Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS, COLUMNS, FANS = 6, 4, 6
_INK, _GREY = "#22272b", "#6b7378"
_COLOURS = ("#9aa3a9", "#d1642f")
_DRIVEN_S = 1.0
_DPI = 110
_REACH_M = 6.0


@dataclass(frozen=True, kw_only=True)
class SensorSheet:
    """What was seen in N episodes."""

    track: str
    disturbance: str
    plain: NDArray[np.uint8]
    """(N, H, W, channels), without disturbances."""
    given: NDArray[np.uint8]
    """(N, H, W, channels), as the policy got it."""
    scans_plain: NDArray[np.float32]
    """(N, rays) m."""
    scans_given: NDArray[np.float32]
    angles: NDArray[np.float64]
    """(rays,) rad, left positive."""
    drawn: NDArray[np.void] | None
    """(N,) DRAWN; None where nothing is disturbed."""
    ages: NDArray[np.float64]
    """(N,) s, of the frames."""


def capture_sheet(
    track: Track,
    vehicle: VehicleConfig,
    disturbance: str,
    *,
    colour: Literal["grey", "rgb"] = "grey",
    seed: int = 0,
    episodes: int = ROWS * COLUMNS,
) -> SensorSheet:
    """Drive some episodes for a second, and keep what was seen then.

    Raises:
        RacerError: the disturbance does not exist, or it cannot be used.
    """
    fields: dict[str, Any] = {"camera": CameraConfig(colour=colour), "lidar": LidarConfig(noise=0.0)}
    config = EnvConfig(sensors=("state", "camera", "lidar"), disturbance=disturbance, **fields)
    trial = TimeTrial([track], vehicle, config, worlds=episodes, seed=seed)
    policy = PurePursuitPolicy()
    trial.start()
    for _ in range(round(_DRIVEN_S / trial.world.control_dt)):
        trial.step(np.asarray(policy.act(trial.observation), np.float64))
    now = SensorSuite(trial.world, EnvConfig(sensors=("camera", "lidar"), **fields))
    now.start()
    camera = trial.sensing.cameras["camera"]
    view = np.radians(config.lidar.view_deg)
    return SensorSheet(
        track=track.name,
        disturbance=disturbance,
        plain=now.observation["camera"].copy(),
        given=trial.observation["camera"].copy(),
        scans_plain=now.observation["lidar"].copy(),
        scans_given=trial.observation["lidar"].copy(),
        angles=np.linspace(-view / 2.0, view / 2.0, config.lidar.rays),
        drawn=None if trial.disturbances is None else trial.disturbances.drawn[:, 0].copy(),
        ages=np.zeros(episodes) if camera.delivery is None else camera.delivery.ages[:, 0].copy(),
    )


def plot_sheet(sheet: SensorSheet) -> Figure:
    """The cells, and below them some scans from above."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17.0, 16.2), dpi=_DPI, facecolor="white")
    grid = figure.add_gridspec(
        ROWS + 1,
        1,
        height_ratios=[1.0] * ROWS + [1.9],
        left=0.014,
        right=0.988,
        top=0.955,
        bottom=0.03,
        hspace=0.36,
    )
    for row in range(ROWS):
        line = grid[row].subgridspec(1, 2 * COLUMNS, wspace=0.03)
        for column in range(COLUMNS):
            n = row * COLUMNS + column
            if n < len(sheet.plain):
                axes = [figure.add_subplot(line[2 * column + k]) for k in range(2)]
                _draw_cell(axes, sheet, n)
    fans = grid[ROWS].subgridspec(1, FANS, wspace=0.05)
    for n in range(min(FANS, len(sheet.plain))):
        where = figure.add_subplot(fans[n])
        _draw_fan(where, sheet, n)
        where.tick_params(labelleft=n == 0)
    figure.text(0.012, 0.978, f"{sheet.track}, disturbance {sheet.disturbance}", fontsize=15, weight="bold", color=_INK)
    told = "left: where the car is now, undisturbed · right: the frame that the policy is given"
    figure.text(0.988, 0.978, told, fontsize=11, color=_GREY, ha="right")
    figure.text(0.012, 0.012, "lidar, metres: ", fontsize=10, color=_INK)
    figure.text(0.075, 0.012, "now, undisturbed", fontsize=10, color=_COLOURS[0])
    figure.text(0.175, 0.012, "given to the policy", fontsize=10, color=_COLOURS[1])
    return figure


def _draw_cell(axes: list[Axes], sheet: SensorSheet, n: int) -> None:
    for one, frames in zip(axes, (sheet.plain, sheet.given), strict=True):
        picture = frames[n] if frames.shape[-1] == 3 else frames[n, :, :, 0]
        one.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        one.set_axis_off()
    for one, told in zip(axes, captions(sheet, n), strict=True):
        one.text(0.0, -0.03, told, transform=one.transAxes, fontsize=7.2, color=_INK, va="top", linespacing=1.2)


def captions(sheet: SensorSheet, n: int) -> tuple[str, str]:
    """The main values of an episode in a few words, for both frames of its cell."""
    if sheet.drawn is None:
        return "", "as it is"
    value = {name: float(sheet.drawn[n][name]) for name in sheet.drawn.dtype.names or ()}
    friction = "" if np.isnan(value["vehicle_friction"]) else f"friction {value['vehicle_friction']:.2f}  "
    car = (
        f"{friction}mass x{value['vehicle_mass']:.2f}",
        f"throttle x{value['vehicle_throttle_gain']:.2f}  action {1e3 * value['vehicle_action_delay']:.0f} ms late",
        f"steering {value['vehicle_steer_offset_deg']:+.1f}° x{value['vehicle_steer_gain']:.2f}  "
        f"play {value['vehicle_steer_backlash_deg']:.1f}°",
    )
    eye = (
        f"{1e3 * sheet.ages[n]:.0f} ms old  view x{value['camera_view']:.2f}  "
        f"quality {value['image_jpeg_quality']:.0f}",
        f"pitch {value['camera_pitch_deg']:+.1f}°  roll {value['camera_roll_deg']:+.1f}°  "
        f"blur {value['image_motion_blur']:.1f}, {value['image_defocus']:.1f}",
        f"light x{value['image_exposure']:.2f}  gamma {value['image_gamma']:.2f}  noise {value['image_noise']:.0f}",
    )
    return "\n".join(car), "\n".join(eye)


def _draw_fan(where: Axes, sheet: SensorSheet, n: int) -> None:
    """Both scans of an episode from above, the car in the middle heading up."""
    for ranges, colour in zip((sheet.scans_plain[n], sheet.scans_given[n]), _COLOURS, strict=True):
        x, y = -ranges * np.sin(sheet.angles), ranges * np.cos(sheet.angles)
        for k in range(0, len(ranges), 2):
            where.plot([0.0, x[k]], [0.0, y[k]], color=colour, linewidth=0.4, alpha=0.6)
        where.plot(x, y, ".", color=colour, markersize=3.5)
    where.plot(0.0, 0.0, "^", color=_INK, markersize=6)
    where.set_xlim(-_REACH_M, _REACH_M)
    where.set_ylim(-0.7 * _REACH_M, 0.9 * _REACH_M)
    where.set_aspect("equal")
    where.tick_params(labelsize=7, colors=_GREY, length=2)
    for side in where.spines.values():
        side.set_color("#d5dade")
