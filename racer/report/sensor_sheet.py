"""Draws a sheet of what policies receive: frames and scans of several episodes, with and without disturbances.

Each cell is one episode at a separate place, after a second of driving. Its left frame is undisturbed and of the place
where the car is now; its right frame is the one that the policy received, which may be older.
"""

from __future__ import annotations

from collections.abc import Sequence
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
"""Rows and columns of cells, and number of scans."""
_INK, _GREY = "#22272b", "#6b7378"
_COLOURS = ("#9aa3a9", "#d1642f")
_DRIVEN_S = 1.0
"""Time that is driven before the sheet [s]: latencies and motion blur have taken effect."""
_DPI = 110
_REACH_M = 6.0
"""Half of the width of a scan's drawing [m]."""


@dataclass(frozen=True, kw_only=True)
class SensorSheet:
    """Frames and scans of N episodes.

    Attributes:
        track: Name of the track.
        disturbance: Name of the disturbance.
        plain: Frames without disturbances, shape (N, H, W, channels).
        given: Frames that the policy received, shape (N, H, W, channels).
        scans_plain: Ranges without disturbances [m], shape (N, R).
        scans_given: Ranges that the policy received [m], shape (N, R).
        angles: Angles of the rays [rad], left positive, shape (R,).
        drawn: Values of the disturbances, shape (N,), of dtype `DRAWN`; None where nothing is disturbed.
        ages: Ages of the given frames [s], shape (N,).
    """

    track: str
    disturbance: str
    plain: NDArray[np.uint8]
    given: NDArray[np.uint8]
    scans_plain: NDArray[np.float32]
    scans_given: NDArray[np.float32]
    angles: NDArray[np.float64]
    drawn: NDArray[np.void] | None
    ages: NDArray[np.float64]


def capture_sheet(
    track: Track,
    vehicle: VehicleConfig,
    disturbance: str,
    *,
    colour: Literal["grey", "rgb"] = "grey",
    seed: int = 0,
    episodes: int = ROWS * COLUMNS,
) -> SensorSheet:
    """Drive some episodes for a second, and return their sensors' measurements then.

    Args:
        track: Track of all episodes.
        vehicle: Vehicle of all episodes.
        disturbance: Name or file of the disturbance.
        colour: Colours of the camera.
        seed: Seed of the starts and of the disturbance.
        episodes: Number of episodes.

    Raises:
        RacerError: The disturbance does not exist, or it cannot be used.
    """
    # Without its own noise the lidar differs by the disturbance alone.
    fields: dict[str, Any] = {"camera": CameraConfig(colour=colour), "lidar": LidarConfig(noise=0.0)}
    config = EnvConfig(sensors=("state", "camera", "lidar"), disturbance=disturbance, **fields)
    trial = TimeTrial([track], vehicle, config, worlds=episodes, seed=seed)
    policy = PurePursuitPolicy()
    trial.start()
    for _ in range(round(_DRIVEN_S / trial.world.control_dt)):
        trial.step(np.asarray(policy.act(trial.observation), np.float64))
    # A second suite, without the disturbance, reads the same world at the same moment.
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
    """Draw the cells, and below them the scans of some episodes from above."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17.0, 16.2), dpi=_DPI, facecolor="white")
    parts: Any = figure.subfigures(2, 1, height_ratios=(4.1, 1.0))
    upper, lower = parts
    edges = {"left": 0.014, "right": 0.988}
    frames = upper.subplots(ROWS, 2 * COLUMNS, gridspec_kw=edges | {"top": 0.944, "bottom": 0.04})
    upper.subplots_adjust(wspace=0.03, hspace=0.36)
    for axes in frames.flat:
        axes.set_axis_off()
    # A cell has two neighbouring frames.
    for n, cell in zip(range(len(sheet.plain)), frames.reshape(-1, 2), strict=False):
        _draw_cell(cell, sheet, n)
    fans = lower.subplots(1, FANS, sharey=True, gridspec_kw=edges | {"top": 0.97, "bottom": 0.16, "wspace": 0.05})
    for n, axes in zip(range(len(sheet.plain)), fans, strict=False):
        _draw_fan(axes, sheet, n)
    figure.text(0.012, 0.978, f"{sheet.track}, disturbance {sheet.disturbance}", fontsize=15, weight="bold", color=_INK)
    legend = "left: where the car is now, undisturbed · right: the frame that the policy receives"
    figure.text(0.988, 0.978, legend, fontsize=11, color=_GREY, ha="right")
    handles, _ = fans[0].get_legend_handles_labels()
    lower.legend(handles=handles, title="lidar, metres", alignment="left", ncols=2, loc="lower left", frameon=False)
    return figure


def _draw_cell(cell: Sequence[Axes], sheet: SensorSheet, n: int) -> None:
    """Draw both frames of an episode, with captions."""
    for axes, frames, caption in zip(cell, (sheet.plain, sheet.given), captions(sheet, n), strict=True):
        picture = frames[n] if frames.shape[-1] == 3 else frames[n, :, :, 0]
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.text(0.0, -0.03, caption, transform=axes.transAxes, fontsize=7.2, color=_INK, va="top", linespacing=1.2)


def captions(sheet: SensorSheet, n: int) -> tuple[str, str]:
    """Return the main values of an episode's disturbances as text, for the left and the right frame of its cell."""
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
    frame = (
        f"{1e3 * sheet.ages[n]:.0f} ms old  view x{value['camera_view']:.2f}  "
        f"quality {value['image_jpeg_quality']:.0f}",
        f"pitch {value['camera_pitch_deg']:+.1f}°  roll {value['camera_roll_deg']:+.1f}°  "
        f"blur {value['image_motion_blur']:.1f}, {value['image_defocus']:.1f}",
        f"light x{value['image_exposure']:.2f}  gamma {value['image_gamma']:.2f}  noise {value['image_noise']:.0f}",
    )
    return "\n".join(car), "\n".join(frame)


def _draw_fan(axes: Axes, sheet: SensorSheet, n: int) -> None:
    """Draw both scans of an episode from above, the car in the middle heading up."""
    scans = (sheet.scans_plain[n], sheet.scans_given[n])
    for ranges, colour, label in zip(scans, _COLOURS, ("now, undisturbed", "given to the policy"), strict=True):
        # Angles are positive to the left, so x to the right takes the negative sine.
        ends = np.stack([-ranges * np.sin(sheet.angles), ranges * np.cos(sheet.angles)])
        # Each column of the two arrays, (start, end) along x and along y, is a ray; every second one is drawn.
        x, y = (np.stack([np.zeros(len(end)), end]) for end in ends[:, ::2])
        axes.plot(x, y, color=colour, linewidth=0.4, alpha=0.6)
        axes.plot(*ends, ".", color=colour, markersize=3.5, label=label)
    axes.plot(0.0, 0.0, "^", color=_INK, markersize=6)
    axes.set(xlim=(-_REACH_M, _REACH_M), ylim=(-0.7 * _REACH_M, 0.9 * _REACH_M), aspect="equal")
    axes.tick_params(labelsize=7, colors=_GREY, length=2)
    axes.spines[:].set_color("#d5dade")
