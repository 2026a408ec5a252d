"""Pictures and pages for people: rewards over a track, what a run has learned, the sensors, the leaderboard.

Run folders, reward functions and results come in; PNG files and self-contained HTML pages (Jinja2 templates with
matplotlib's SVG) go out. `run_page` makes the page of a run from `run_record`, `run_drive` and `run_figures`;
`leaderboard_page` makes that of a leaderboard; `reward_plot` draws what `reward_values` measured; `sensor_sheet` draws
frames and scans.
"""

from racer.lazy import lazy_attributes

_MODULES = {"plot_rewards": "reward_plot", "reward_landscape": "reward_values", "write_report": "run_page"}
__all__ = ["plot_rewards", "reward_landscape", "write_report"]
__getattr__ = lazy_attributes(__name__, _MODULES)
