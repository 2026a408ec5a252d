"""The example of `docs/environments.md` for stable-baselines3 runs as it is printed."""

import re

from support.paths import ROOT


def test_the_example_runs():
    """Train a little and drive a second with the printed code."""
    page = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8").partition("## Stable-Baselines3")[2]
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    namespace: dict = {}
    exec(compile(code, "docs/environments.md", "exec"), namespace)
    assert namespace["model"].num_timesteps == 2048
    assert namespace["rewards"].shape == (16,) and len(namespace["infos"]) == 16
