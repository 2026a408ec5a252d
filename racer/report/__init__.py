"""Pictures and pages for people: rewards over a track, what a run has learned, the sensors, the leaderboard.

Run folders, reward functions and results come in; PNG files and self-contained HTML pages (Jinja2 templates with
matplotlib's SVG) go out. `run_page.write_report` makes the page of a run.
"""
