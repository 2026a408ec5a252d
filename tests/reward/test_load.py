"""Reading and loading reward functions: every way a file can be wrong, and odd files that are right."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.assets import asset_names
from racer.errors import RewardError
from racer.reward.load import load_reward, read_source
from racer.reward.python_reward import PythonReward

GOOD = "def reward_function(params):\n    return 1.0\n"

WRONG_FILES = {
    "syntax": (
        "def reward_function(params)\n    return 1\n",
        "{}:1: SyntaxError: expected ':': `def reward_function(params)`",
    ),
    "indentation": (
        "def reward_function(params):\nreturn 1.0\n",
        "{}:2: IndentationError: expected an indented block after function definition on line 1: `return 1.0`",
    ),
    "tabs and spaces": (
        "def reward_function(params):\n        x = 1\n\treturn x\n",
        "{}:3: TabError: inconsistent use of tabs and spaces in indentation: `return x`",
    ),
    "null byte": (
        "x = 1\0\n",
        "{}:1: SyntaxError: source code string cannot contain null bytes",
    ),
    "not utf-8": (b"x = '\xff'\n", None),
    "nothing": ("", "{} has no `reward_function`; define `def reward_function(params):`."),
    "near name": (
        "def reward_funtion(params):\n    return 1.0\n",
        "{} has no `reward_function`; define `def reward_function(params):`. Did you mean `reward_funtion`?",
    ),
    "no function": (
        "reward_function = 3\n",
        "{}: `reward_function` is of type int; it must be a function of one argument, params.",
    ),
    "no argument": (
        "\ndef reward_function():\n    return 1.0\n",
        "{}:2: `reward_function()` cannot be called with one argument; write `def reward_function(params):`.",
    ),
    "two arguments": (
        "def reward_function(self, params):\n    return 1.0\n",
        "{}:1: `reward_function(self, params)` cannot be called with one argument; "
        "write `def reward_function(params):`.",
    ),
    "keyword only": (
        "def reward_function(*, params):\n    return 1.0\n",
        "{}:1: `reward_function(*, params)` cannot be called with one argument; write `def reward_function(params):`.",
    ),
    "generator": (
        "def reward_function(params):\n    yield 1.0\n",
        "{}:1: `reward_function` is async or has `yield`; it must return a number.",
    ),
    "async": (
        "async def reward_function(params):\n    return 1.0\n",
        "{}:1: `reward_function` is async or has `yield`; it must return a number.",
    ),
    "missing module": (
        "import math\nimport no_such_module_here\n" + GOOD,
        "{}:2: no module `no_such_module_here`; install it or remove the import.",
    ),
    "missing name": (
        "from math import sine\n" + GOOD,
        "{}:1: ImportError while the file was loaded: cannot import name 'sine' from 'math'",
    ),
    "raises": (
        "def setup():\n    return 1 / 0\n\nsetup()\n" + GOOD,
        "{}:2: ZeroDivisionError while the file was loaded: division by zero",
    ),
    "exits": ("import sys\nsys.exit(3)\n" + GOOD, "{}:2: SystemExit while the file was loaded: 3"),
    "silent": ("raise ValueError\n" + GOOD, "{}:1: ValueError while the file was loaded: no message"),
    "several lines": (
        "raise ValueError('a\\nb')\n" + GOOD,
        "{}:1: ValueError while the file was loaded: a b",
    ),
    "recursion": (
        "def f():\n    f()\nf()\n" + GOOD,
        "{}:2: RecursionError while the file was loaded: maximum recursion depth exceeded",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_file_is_one_line(case: str, reward_file: Callable[..., Path]) -> None:
    """Say in one line which file, which line, and what is wrong."""
    text, expected = WRONG_FILES[case]
    path = reward_file(text)
    with pytest.raises(RewardError) as caught:
        load_reward(path, n_worlds=2, path="python")
    message = str(caught.value)
    assert "\n" not in message
    if expected is None:
        assert message.startswith(f"{path} is not Python text (")
        assert message.endswith("; save it as UTF-8.")
    else:
        begin = expected.format(path)
        assert message.startswith(begin) if case in ("missing name", "recursion") else message == begin


@pytest.mark.parametrize("beside", ["helpers.py", "helpers"])
def test_a_module_beside_the_file_is_not_imported(
    beside: str, tmp_path: Path, reward_file: Callable[..., Path]
) -> None:
    """Say that one file is all, where the module is there."""
    if beside.endswith(".py"):
        (tmp_path / beside).write_text("A = 1.0\n")
    else:
        (tmp_path / beside).mkdir()
    path = reward_file("import math\nfrom helpers import A\n" + GOOD)
    with pytest.raises(RewardError, match=rf"mine\.py:2: `{beside}` beside it .* a reward function is one file"):
        load_reward(path, n_worlds=1)


RIGHT_FILES = {
    "tabs": "def reward_function(params):\n\treturn 1.0\n",
    "crlf": "def reward_function(params):\r\n    x = '''a\r\nb'''\r\n    return float(len(x) == 3)\r\n",
    "cr": "def reward_function(params):\r    return 1.0\r",
    "bom": b"\xef\xbb\xbf" + GOOD.encode(),
    "cookie": "# -*- coding: latin-1 -*-\n# \xe4\n".encode("latin-1") + GOOD.encode(),
    "no last line end": GOOD.rstrip(),
    "invalid escape": "P = '\\d'\n" + GOOD,
    "defaults": "def reward_function(params, scale=1.0, *rest, **more):\n    return scale\n",
    "lambda": "reward_function = lambda params: 1.0\n",
    "instance": "class R:\n    def __call__(self, params):\n        return 1.0\nreward_function = R()\n",
    "method": "class R:\n    def go(self, params):\n        return 1.0\nreward_function = R().go\n",
    "partial": "import functools\ndef f(k, params):\n    return k\nreward_function = functools.partial(f, 1.0)\n",
    "dataclass": "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    "@dataclass\nclass A:\n    k: float = 1.0\ndef reward_function(params):\n    return A().k\n",
    "main guard": GOOD + "if __name__ == '__main__':\n    raise SystemExit\n",
    "annotated": "def reward_function(params: dict[str, 'Anything']) -> float:\n    return 1.0\n",
    "early future": "x: int | None = None\n" + GOOD,
}


@pytest.mark.parametrize("case", RIGHT_FILES)
def test_an_odd_file_runs(case: str, load: Callable[..., PythonReward], ask: Callable[..., np.ndarray]) -> None:
    """Load what users have: tabs, line ends, marks, odd callables."""
    assert ask(load(RIGHT_FILES[case], 2)).tolist() == [[1.0], [1.0]]


def test_annotations_are_not_turned_into_strings(load: Callable[..., PythonReward], ask: Any) -> None:
    """Keep our own `from __future__` imports out of the user's module."""
    text = "def f(a: int): ...\ndef reward_function(params):\n    return float(f.__annotations__['a'] is int)\n"
    assert ask(load(text)).item() == 1.0


def test_an_absent_file_is_a_reward_error(tmp_path: Path) -> None:
    """Name the path, the reason and the near file."""
    (tmp_path / "mine.py").write_text(GOOD)
    with pytest.raises(RewardError, match=r"^No reward function .*/mien\.py` .* Did you mean `.*/mine\.py`\?$"):
        load_reward(tmp_path / "mien.py", n_worlds=1)
    with pytest.raises(RewardError, match="is a folder"):
        load_reward(f"{tmp_path.parent}/{tmp_path.name}", n_worlds=1)


def test_an_unknown_name_suggests_a_shipped_one() -> None:
    """Say where it looked, and which shipped name is near."""
    with pytest.raises(RewardError, match=r"^No reward function `centre_line` .* Did you mean `center_line`\?$"):
        load_reward("centre_line", n_worlds=1)


def test_source_is_named_hashed_and_free_of_line_ends(reward_file: Callable[..., Path]) -> None:
    """Give one hash for the same text, whatever line ends and mark the file has."""
    source = read_source(reward_file(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), "fast.py"))
    assert (source.name, source.text) == ("fast", GOOD)
    assert source.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert source.path is not None
    assert source.path.name == "fast.py"


def test_a_callable_is_shared_by_all_cars(ask: Callable[..., np.ndarray]) -> None:
    """Run a callable as given: one object for every car, its state common to them."""
    seen: list[float] = []

    def mine(params: dict[str, Any]) -> int:
        seen.append(params["x"])
        return len(seen)

    reward = load_reward(mine, n_worlds=3)
    assert isinstance(reward, PythonReward)
    assert reward.path == "callable"
    assert reward.source.name == "mine"
    assert "seen.append" in reward.source.text
    assert ask(reward).ravel().tolist() == [1.0, 2.0, 3.0]


def test_a_callable_of_wrong_arity_is_refused() -> None:
    """Check a callable as a file's function is checked."""
    with pytest.raises(RewardError, match=r"^<lambda>:\d+: `reward_function\(\)` cannot be called"):
        load_reward(lambda: 1.0, n_worlds=1)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("name", asset_names("reward"))
def test_every_shipped_reward_runs(
    name: str, telemetry: Callable[..., np.ndarray], waypoints: Any, ask: Callable[..., np.ndarray]
) -> None:
    """Walk each shipped file: finite rewards on the road and off it, and waypoints as an array."""
    reward = load_reward(name, n_worlds=3, path="python")
    rows = telemetry(3, all_wheels_on_track=True, is_offtrack=False, is_crashed=False, progress=1.0)
    rows["closest_waypoint_prev"], rows["closest_waypoint_next"] = 2, 3
    rows["distance_from_center"], rows["track_width"], rows["track_length"] = 0.1, 1.0, 20.0
    rows["is_offtrack"][2], rows["all_wheels_on_track"][2] = True, False
    first = ask(reward, rows)
    assert np.isfinite(first).all()
    assert first[2, 0] < first[0, 0] == first[1, 0]
    arrays = [np.array(points) for points in waypoints]
    function = reward._functions[0]  # type: ignore[attr-defined]
    from racer.reward.rows import params_rows

    for params, expected in zip(params_rows(rows[:, 0], None, waypoints), first[:, 0], strict=True):
        params["waypoints"] = arrays[0]
        assert function(params) == expected


def test_default_pays_for_metres_and_forgets_at_the_start(
    telemetry: Callable[..., np.ndarray], ask: Callable[..., np.ndarray]
) -> None:
    """Reward 10 for each metre gained since the call before; start anew where steps is 2."""
    reward = load_reward("default", n_worlds=1, path="python")
    road = {"all_wheels_on_track": True, "is_offtrack": False, "is_crashed": False, "track_length": 20.0}
    got = [
        ask(reward, telemetry(steps=steps, progress=progress, **road)).item()
        for steps, progress in ((2, 0.5), (3, 1.5), (4, 1.25), (2, 1.0))
    ]
    # progress 1 % of 20 m is 0.2 m: 2.0
    assert got == pytest.approx([1.0, 2.0, -0.5, 2.0], abs=1e-12)


def test_the_room_names_its_public_symbols() -> None:
    """Import each public name from the room itself, and nothing heavy before the first use."""
    import racer.reward

    for name in racer.reward.__all__:
        assert getattr(racer.reward, name) is not None
    assert racer.reward.load_reward is load_reward
    with pytest.raises(AttributeError, match="no attribute 'load_rewards'"):
        _ = racer.reward.load_rewards
    code = "import sys, racer.reward, racer.reward.check; sys.exit('numpy' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
