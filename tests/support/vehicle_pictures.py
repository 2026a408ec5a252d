"""Draws the pictures of docs/vehicle.md: `PYTHONPATH=.:tests python -m support.vehicle_pictures TRACES`.

TRACES is the folder of the logs: `console-2022/`, `workshops-2020/`, `droa-2026/`; docs/vehicle.md names their sources.
"""

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from racer.config.read import read_vehicle
from racer.sim.world import World
from racer.sysid.open_loop import HORIZONS_S, OpenLoop, open_loop_errors, read_simtrace
from support.naive_course import ring
from support.paths import ROOT
from support.vehicles import DT, steady_radius

VEHICLES = ("deepracer", "deepracer_2022", "deepracer_geometric")
COLOURS = dict(zip(VEHICLES, ("#1f6feb", "#d1242f", "#8c959f"), strict=True))
TABLE = [
    # command [degrees], speed [m/s], smallest and largest radius [m], years
    (10, 2.0, 1.77, 1.77, "2026"), (10, 1.0, 2.7, 2.7, "2022"), (15, 1.5, 1.15, 1.17, "2026"),
    (20, 1.0, 1.1, 1.5, "all"), (25, 0.8, 0.57, 0.61, "2026"), (30, 1.0, 0.62, 0.80, "all"),
]  # fmt: skip
"""Radii of steady turns in the simulator's logs."""
LOGS = {
    "console 2022": "console-2022/*.csv",
    "workshops 2020": "workshops-2020/*.csv",
    "DeepRacer on AWS 2026": "droa-2026/*.csv",
}


def read_logs(traces, pattern):
    """All stretches of the logs that match a pattern."""
    return [episode for path in sorted(Path(traces).glob(pattern)) for episode in read_simtrace(path)]


def finish(figure, name):
    """Write a picture into docs/img."""
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "img" / f"vehicle_{name}.png", dpi=90)
    plt.close(figure)


def draw_steady_turns():
    """Radius over command at 1 m/s, and over speed at 10 and 30 degrees, beside the radii of the logs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
    for name in VEHICLES:
        vehicle = read_vehicle(name)
        commands = np.arange(4.0, 30.5, 1.0)
        left.plot(commands, [steady_radius(vehicle, c, 1.0) for c in commands], color=COLOURS[name], label=name)
        speeds = np.arange(0.5, 3.55, 0.25)
        for command, style in ((10.0, "-"), (30.0, "--")):
            radii = [steady_radius(vehicle, command, speed) for speed in speeds]
            right.plot(speeds, radii, style, color=COLOURS[name])
    for command, speed, low, high, years in TABLE:
        bar = {"color": COLOURS["deepracer_2022"] if years == "2022" else "black", "linewidth": 5, "alpha": 0.45}
        middle = [0.88 * low, 1.12 * high]
        left.plot([command, command], middle, **bar, label="logs, +-12 %" if command == 30 else None)
        if command in (10, 30):
            right.plot([speed, speed], middle, **bar)
    left.set(xlabel="commanded steering [degrees]", ylabel="radius [m]", ylim=(0, 4), title="1 m/s")
    right.set(xlabel="speed [m/s]", ylim=(0, 4), title="10 degrees (solid) and 30 degrees (dashed)")
    left.legend()
    finish(figure, "steady_turns")


def answer(vehicle, steering, speed, *, start):
    """Wheel angle [degrees] and speed [m/s] after each physics step of 1.5 s."""
    world = World([ring()], vehicle, 1, control_dt=DT)
    world.reset()
    world.cars["vx"] = start
    out = np.zeros((180, 2))
    for row in out:
        world.step(np.array([[[steering, speed]]]))
        world.cars["status"] = 1
        row[:] = np.degrees(world.cars["steer"][0, 0]), world.cars["vx"][0, 0]
    return out


def draw_steps():
    """The answer of the wheels to 20 degrees, as a fraction of where they end, and of the speed from rest to 1 m/s."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4))
    times = DT * np.arange(1, 181)
    for name in VEHICLES:
        vehicle = read_vehicle(name)
        angles = answer(vehicle, 20.0, 1.0, start=1.0)[:, 0]
        left.plot(times, angles / steady_angle_deg(vehicle, 20.0), color=COLOURS[name], label=name)
        right.plot(times, answer(vehicle, 0.0, 1.0, start=0.0)[:, 1], color=COLOURS[name])
    # Shares of a regression on the last 16 commands of the logs; one step is 67 ms.
    for colour, steps, shares in (
        (COLOURS["deepracer"], (1, 2, 3, 4, 6, 8, 12), (3, 30, 53, 70, 88, 94, 100)),
        (COLOURS["deepracer_2022"], (1, 2, 3, 4, 6, 8, 12), (7, 21, 33, 43, 60, 73, 88)),
    ):
        left.plot(np.array(steps) / 15.0, np.array(shares) / 100.0, "o", color=colour, markersize=4)
    for colour, shares in ((COLOURS["deepracer"], (26, 66, 82, 90)), (COLOURS["deepracer_2022"], (16, 42, 60, 72))):
        right.plot(np.arange(1, 5) / 15.0, np.array(shares) / 100.0, "o", color=colour, markersize=4)
    left.set(xlabel="time after the command [s]", ylabel="fraction of the final angle", title="steering, 20 degrees")
    right.set(xlabel="time after the command [s]", ylabel="speed [m/s]", title="speed, from rest to 1 m/s")
    left.legend(loc="lower right")
    finish(figure, "steps")


def steady_angle_deg(vehicle, command):
    """Angle at which the wheels end [degrees]."""
    commands, angles = np.array([(0.0, 0.0), *(vehicle.steer_map_deg or ((90.0, 90.0),))]).T
    return float(np.interp(command, commands, angles))


def draw_errors(traces):
    """Open-loop error over time of the three vehicles in the three sets of logs."""
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.4), sharey=True)
    horizons = np.arange(0.25, 2.01, 0.25)
    for chart, (label, pattern) in zip(axes, LOGS.items(), strict=True):
        trace = read_logs(traces, pattern)
        for name in VEHICLES:
            errors = open_loop_errors(read_vehicle(name), trace, tuple(horizons))
            chart.plot([0, *horizons], [0, *errors], color=COLOURS[name], label=name)
        bars = (0.09, 0.15, 0.32) if "2026" in label else (0.05, 0.12, 0.30)
        chart.plot(HORIZONS_S, bars, "k_", markersize=14, label="bar")
        chart.set(xlabel="time [s]", title=label, ylim=(0, 1.2))
    axes[0].set_ylabel("mean error of the front point [m]")
    axes[1].legend(loc="upper left")
    finish(figure, "open_loop")


def draw_trace(traces):
    """Part of the log of 2026 from above, with predictions of 2 s that start every 2 s."""
    trace = max(read_logs(traces, LOGS["DeepRacer on AWS 2026"]), key=lambda episode: len(episode.times))
    horizons = tuple(np.arange(1, 31) / 15.0)
    loop = OpenLoop([trace], horizons)
    figure, chart = plt.subplots(figsize=(9.6, 4.6))
    chart.plot(trace.x, trace.y, color="black", linewidth=3, alpha=0.3, label="log")
    starts = np.arange(0, len(loop.starts), 30)
    for name in ("deepracer", "deepracer_geometric"):
        paths = loop.predict(read_vehicle(name))[starts]
        for k, path in zip(loop.starts[starts], paths, strict=True):
            x, y = np.vstack([[trace.x[k], trace.y[k]], path]).T
            chart.plot(x, y, color=COLOURS[name], linewidth=1.5, label=name if k == loop.starts[0] else None)
    chart.plot(trace.x[loop.starts[starts]], trace.y[loop.starts[starts]], "k.", label="start of a prediction")
    chart.set(xlabel="x [m]", ylabel="y [m]", aspect="equal")
    chart.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=4)
    finish(figure, "trace")


if __name__ == "__main__":
    draw_steady_turns()
    draw_steps()
    draw_errors(sys.argv[1])
    draw_trace(sys.argv[1])
