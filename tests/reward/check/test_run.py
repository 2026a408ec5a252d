"""The check of reward functions: what it finds, what it calls it, and that nothing gets past it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from racer.assets import shipped_root
from racer.errors import AssetError, RewardError
from racer.reward.check.keys import WatchedParams, named_keys, strict_problems, unknown_keys, used_keys
from racer.reward.check.report import REPORT_KEYS, CheckReport, check_reward, stops_race
from racer.reward.check.run import run_check
from racer.reward.params import NAMES
from racer.reward.sandbox import _WarmProcess

TRACK = "thimble"
Check = Callable[..., dict[str, Any]]


class NoProcess:
    """Stands for the process that the check runs in."""

    def __init__(self) -> None:
        self.saved: list[dict[str, Any]] = []
        self.stages: list[str] = []

    def watch(self, seconds: float) -> None:
        """Do nothing."""

    def renew(self) -> None:
        """Do nothing."""

    def rest(self) -> None:
        """Do nothing."""

    def stage(self, **facts: Any) -> None:
        """Note where the check is."""
        self.stages.append(facts["where"])

    def save(self, result: Any) -> None:
        """Keep the result."""
        self.saved.append(dict(result))


@pytest.fixture
def check(reward_file: Callable[..., Path]) -> Check:
    """Check a text in this process."""

    def run(
        text: str,
        *,
        tracks: tuple[str, ...] = (TRACK,),
        strict: bool = False,
        race: str = "time_trial",
        first_step: int = 2,
        budget_s: float = 20.0,
    ) -> Any:
        request = {
            "file": str(reward_file(text)),
            "tracks": list(tracks),
            "strict": strict,
            "race": race,
            "first_step": first_step,
            "worlds": 64,
            "seed": 0,
            "hang_s": 10.0,
            "budget_s": budget_s,
            "compile_s": 60.0,
        }
        return run_check(request, NoProcess())  # type: ignore[arg-type]

    return run


def test_good_function(check: Check) -> None:
    """Report keys in the table's order, cost, rewards and no errors."""
    result = check('def reward_function(params):\n    return params["speed"] * params["track_width"]\n')
    assert result["errors"] == []
    assert result["keys"] == ["track_width", "speed"]
    assert result["history"] == "none"
    assert 0.0 < result["us_per_call_python"] < 1e5
    low, middle, high = result["rewards"]
    assert 0.5 * 0.6 <= low < middle < high <= 4.0 * 0.71
    assert result["states"] > 3000 and result["tracks"] == [TRACK]


@pytest.mark.parametrize(("difference", "said"), [(5e-10, None), (24.0, "differ by 2.4e+01"), (float("inf"), "fails")])
def test_a_difference_of_the_paths_is_an_error(
    check: Check, monkeypatch: pytest.MonkeyPatch, difference: float, said: str | None
) -> None:
    """Refuse what gives other rewards compiled, whatever else the check finds."""
    facts = {"path": "compiled", "reason": "compiled it fails", "max_abs_difference": difference}
    monkeypatch.setattr("racer.reward.check.run.compare_paths", lambda *_: facts)
    errors = check('def reward_function(params):\n    return params["speed"]\n')["errors"]
    assert [error["kind"] for error in errors] == ([] if said is None else ["difference"])
    assert all(error["where"] == "time_trial" and said in error["message"] for error in errors)


def test_exception_with_line_params_and_advice(check: Check) -> None:
    """Tell the line, the kind of exception, the nearest key, and the params of the first call."""
    result = check('def reward_function(p):\n    x = p["speed"]\n    return p["speeed"] + x\n')
    (error,) = result["errors"]
    assert (error["kind"], error["line"], error["where"], error["track"]) == ("exception", 3, "time_trial", TRACK)
    assert "KeyError: 'speeed'" in error["message"] and "Did you mean `speed`?" in error["message"]
    assert error["params"]["steps"] >= 2.0 and "waypoints" not in error["params"]


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("None", "returned None"),
        ("float('nan')", "returned nan"),
        ("2e5", "returned 200000.0"),
        ("'1'", "returned '1' of type str"),
    ],
)
def test_values_that_are_no_rewards(check: Check, returned: str, told: str) -> None:
    """Name what was returned and the line of the return."""
    text = f'def reward_function(params):\n    if params["is_offtrack"]:\n        return {returned}\n    return 1.0\n'
    (error,) = check(text)["errors"]
    assert (error["kind"], error["line"], error["where"]) == ("value", 3, "time_trial")
    assert told.split(" of type")[0] in error["message"]


def test_only_with_objects(check: Check) -> None:
    """Say that something fails only where objects stand on the road; a time trial does not stop."""
    text = 'def reward_function(params):\n    return 1.0 / (len(params["objects_distance"]) - 2)\n'
    (error,) = check(text)["errors"]
    assert error["where"] == "objects" and "only with objects" in error["message"]
    assert len(error["params"]["objects_distance"]) == 2


def test_only_backwards(check: Check) -> None:
    """Say that something fails only against the track's direction."""
    text = 'def reward_function(params):\n    return None if params["is_reversed"] else 1.0\n'
    (error,) = check(text)["errors"]
    assert error["where"] == "backward"


def test_only_on_some_tracks(check: Check) -> None:
    """Name the tracks on which a table is too short."""
    text = 'T = [1.0] * 130\ndef reward_function(params):\n    return T[params["closest_waypoints"][0]]\n'
    (error,) = check(text, tracks=(TRACK, "hourglass"))["errors"]
    assert (error["where"], error["track"], error["line"]) == ("some_tracks", "hourglass", 3)
    assert "on hourglass only" in error["message"]


def test_two_faults_are_two_errors(check: Check) -> None:
    """Go on behind the first fault, and tell each one once."""
    text = (
        "def reward_function(params):\n"
        '    if params["steps"] == 2:\n        return 1 / 0\n'
        '    if params["is_offtrack"]:\n        return [][1]\n'
        "    return 1.0\n"
    )
    errors = check(text)["errors"]
    assert sorted(error["line"] for error in errors) == [3, 5]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('def reward_function(params):\n    return params["speed"]\n', "none"),
        ("import random\ndef reward_function(params):\n    return random.random()\n", "random"),
        (
            "n = 0\ndef reward_function(params):\n    global n\n"
            '    n = 0 if params["steps"] <= 2 else n + 1\n    return float(n)\n',
            "state",
        ),
        ("n = 0\ndef reward_function(params):\n    global n\n    n += 1\n    return float(n)\n", "episodes"),
    ],
)
def test_history(check: Check, text: str, word: str) -> None:
    """Tell what remembers from what does not, and chance from both."""
    assert check(text)["history"] == word


def test_what_cannot_be_loaded(check: Check) -> None:
    """Tell a syntax error, a missing function and a failing import with their lines, as one error each."""
    for text, line, told in [
        ("def reward_function(params):\n    return (\n", 2, "SyntaxError"),
        ("def reward(params):\n    return 1.0\n", None, "no `reward_function`"),
        ("x = 1\nimport no_such_module\n", 2, "no module `no_such_module`"),
    ]:
        result = check(text)
        (error,) = result["errors"]
        assert (error["kind"], error["line"]) == ("load", line)
        assert told in error["message"]


def test_changed_builtins_are_mended(check: Check) -> None:
    """Name the builtin that a function replaces, and have it back."""
    text = "import builtins\ndef reward_function(params):\n    builtins.float = builtins.len = None\n    return 1.0\n"
    (error,) = check(text)["errors"]
    assert error["kind"] == "process" and "changes the builtin" in error["message"]
    assert float(len([1])) == 1.0


def test_slow_function_is_called_on_fewer_states(check: Check) -> None:
    """Keep to the budget, and still have called it in each kind of state."""
    text = (
        "import time\ndef reward_function(params):\n    end = time.perf_counter() + 0.002\n"
        "    while time.perf_counter() < end:\n        pass\n    return 1.0\n"
    )
    result = check(text, budget_s=1.0)
    assert 100 < result["states"] < 3000


def test_strict_is_part_of_the_check(check: Check) -> None:
    """Refuse an integer and another import with strict only."""
    text = "import json\ndef reward_function(params):\n    return 1\n"
    assert check(text)["errors"] == []
    kinds = [(error["kind"], error["line"]) for error in check(text, strict=True)["errors"]]
    assert kinds == [("strict", 1), ("strict", None)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("import math\nfrom numpy import array\nimport shapely.geometry\n", []),
        ("import os\n", [1]),
        ("from pathlib import Path\n", [1]),
        ("def f():\n    import math\n", [2]),
        ("x = eval('1')\n", [1]),
        ("x = 'overload'\n", [1]),
        ("", [None]),
        ("#" * 140_001, [None]),
    ],
)
def test_strict_rules(text: str, lines: list[int | None]) -> None:
    """Hold texts to the console's rules."""
    assert [line for line, _ in strict_problems(text, {})] == lines


def test_strict_keys() -> None:
    """Refuse keys that the console or DeepRacer does not have."""
    problems = strict_problems("x = 1\n", {"speed": 1, "sim_time": 2, "slip_angle": 3})
    assert [line for line, _ in problems] == [2, 3]


def test_named_keys() -> None:
    """Read subscripts, get and `in`, of the function's own argument; leave out keys that the text sets itself."""
    text = (
        "def reward_function(p):\n"
        '    p["mine"] = 1\n'
        '    a = p["x"] + p.get("yy", 0) + p["mine"]\n'
        '    b = other["z"]\n'
        '    return a if "speed" in p else b\n'
    )
    named = named_keys(text)
    assert named == {"x": 3, "yy": 3, "speed": 5}
    assert used_keys(named, {"heading", "nothing"}) == ["x", "heading", "speed"]
    ((key, line, message),) = unknown_keys({"distance_from_centre": 4, "x": 1})
    assert (key, line) == ("distance_from_centre", 4) and "Did you mean `distance_from_center`?" in message


def test_unknown_key_with_a_default_is_a_note(check: Check) -> None:
    """Tell a misspelt key that params.get hides."""
    (error,) = check('def reward_function(params):\n    return params.get("speedd", 1.0)\n')["errors"]
    assert error["kind"] == "unknown_key" and error["line"] == 2


def test_watched_params() -> None:
    """Note keys that are asked for in every way, and give the same values."""
    plain = dict.fromkeys(NAMES, 1.0)
    for ask, keys in [
        (lambda p: p["x"], {"x"}),
        (lambda p: p.get("y"), {"y"}),
        (lambda p: "speed" in p, {"speed"}),
        (lambda p: p.pop("steps"), {"steps"}),
        (lambda p: list(p.items()), set(NAMES)),
        (lambda p: list(p), set(NAMES)),
    ]:
        asked: set[str] = set()
        assert ask(WatchedParams(plain, asked)) == ask(dict(plain))
        assert asked == keys


@pytest.mark.parametrize("path", sorted((shipped_root() / "reward_functions").glob("*.py")), ids=lambda p: p.stem)
def test_every_shipped_function_is_good(check: Check, path: Path) -> None:
    """Check each function of `reward_functions/`: no errors, also with objects, and episodes do not leak."""
    result = check(path.read_text(encoding="utf-8"))
    assert result["errors"] == []
    assert result["history"] in ("none", "state")
    assert result["printed_lines"] == 0


def checked(reward_file: Callable[..., Path], text: str, **options: Any) -> CheckReport:
    """Check a text in a process of its own."""
    return check_reward(reward_file(text), tracks=[TRACK], **options)


def test_endless_loop(reward_file: Callable[..., Path]) -> None:
    """Kill a loop that begins late in an episode, and name its line."""
    text = 'def reward_function(params):\n    while params["steps"] > 9:\n        pass\n    return 1.0\n'
    report = checked(reward_file, text, hang_s=0.5)
    (error,) = report.errors
    assert not report.ok
    assert error["kind"] == "timeout" and error["line"] in (2, 3) and error["where"] == "time_trial"


def test_hang_with_objects_only(reward_file: Callable[..., Path]) -> None:
    """Keep what was found before a loop that only objects begin; a time trial would not stop."""
    text = 'def reward_function(params):\n    while params["objects_speed"]:\n        pass\n    return 1.0\n'
    report = checked(reward_file, text, hang_s=0.5)
    assert report.ok and report.errors[0]["where"] == "objects"
    assert report.keys == ["objects_speed"] and report.us_per_call_python is not None


def test_function_that_ends_its_process(reward_file: Callable[..., Path]) -> None:
    """Report a process that is gone."""
    report = checked(reward_file, "import os\ndef reward_function(params):\n    os._exit(0)\n")
    (error,) = report.errors
    assert not report.ok and error["kind"] == "process" and "exit 0" in error["message"]


def test_record_has_exactly_the_keys(reward_file: Callable[..., Path]) -> None:
    """Give the JSON's keys in their order, and say in the reason that it remembers."""
    text = "n = 0.0\ndef reward_function(params):\n    global n\n    n += 1.0\n    return n\n"
    report = checked(reward_file, text)
    assert tuple(report.record()) == REPORT_KEYS
    assert report.ok and "from one episode to the next" in report.record()["reason"]


def test_no_such_file_or_track(reward_file: Callable[..., Path]) -> None:
    """Refuse what cannot be found, as one line."""
    with pytest.raises(RewardError, match="No reward function"):
        check_reward("no_such_function")
    with pytest.raises((AssetError, RewardError), match="No track"):
        check_reward(reward_file("def reward_function(params):\n    return 1.0\n"), tracks=["no_such_track"])


AVOIDS = (
    "def reward_function(params):\n    here = params['objects_location'][params['closest_objects'][1]]\n"
    "    return 1.0 + 0.0 * here[0]\n"
)


@pytest.mark.parametrize("race", ["object_avoidance", "head_to_bot"])
def test_race_with_objects(check: Check, race: str) -> None:
    """Take a function for objects as good where there are objects, and say when it fails."""
    (error,) = check(AVOIDS, race=race)["errors"]
    assert error["where"] == "time_trial" and not stops_race(error, race)
    assert "only without objects on the road" in error["message"] and "--race" not in error["message"]
    (error,) = check(AVOIDS)["errors"]
    assert error["where"] == "time_trial" and stops_race(error, "time_trial")
    assert "check it with --race object_avoidance" in error["message"]


def test_bots_move(check: Check) -> None:
    """Drive among bots of different speeds."""
    text = "def reward_function(params):\n    return 1.0 / min(params['objects_speed'])\n"
    assert check(text, race="head_to_bot")["errors"][0]["where"] == "time_trial"
    assert check(text, race="object_avoidance")["errors"][0]["where"] == "objects"


FIRST_STEP_TEXT = (
    "class Memory:\n    index = None\n"
    "def reward_function(params):\n    if params['steps'] == 1:\n        Memory.index = 0\n"
    "    Memory.index += 1\n    return float(Memory.index)\n"
)


def test_a_function_that_needs_the_first_step(check: Check) -> None:
    """Name the cause and the option, and check with it, compiled too."""
    (error,) = check(FIRST_STEP_TEXT)["errors"]
    assert "`steps` = 1" in error["message"] and "--first-step 1" in error["message"]
    result = check(FIRST_STEP_TEXT, first_step=1)
    assert result["errors"] == [] and result["path"] == "compiled"
    assert result["rewards"][0] == 1.0 and result["max_abs_difference"] == 0.0


def test_failures_of_some_states_are_named(check: Check) -> None:
    """Say that only the first step of each episode fails, also in the reason for plain Python."""
    result = check("def reward_function(params):\n    return params['progress'] / (params['steps'] - 2)\n")
    (error,) = result["errors"]
    assert "all of them at `steps` = 2" in error["message"]
    assert result["path"] == "python" and "at `steps` = 2" in result["reason"]


SEAM = """import math
def reward_function(params):
    points = params["waypoints"]
    ahead = params["closest_waypoints"][1]
    (x0, y0), (x1, y1) = points[ahead], points[(ahead + 1) % {count}]
    return 1.0 / math.hypot(x1 - x0, y1 - y0)
"""


def test_a_division_by_zero_at_the_seam(check: Check) -> None:
    """Say where the two rows are that are one point, and how rows are counted."""
    (error,) = check(SEAM.format(count="len(points)"))["errors"]
    assert "seam of a loop" in error["message"] and "% (len(waypoints) - 1)" in error["message"]
    assert check(SEAM.format(count="(len(points) - 1)"))["errors"] == []


def test_the_time_of_one_call_counts(reward_file: Callable[..., Path]) -> None:
    """Take a function whose first calls are slow: the limit is for one call, not for all cars of a step."""
    text = (
        "import time\nready = False\ndef reward_function(params):\n    global ready\n    if not ready:\n"
        "        ready = True\n        end = time.process_time() + 0.02\n        while time.process_time() < end:\n"
        "            pass\n    return 1.0\n"
    )
    assert checked(reward_file, text, hang_s=0.3, budget_s=5.0).ok


def test_a_function_that_waits_is_ended(reward_file: Callable[..., Path]) -> None:
    """End a call that takes no processor time and does not return."""
    text = "import time\ndef reward_function(params):\n    time.sleep(1000)\n    return 1.0\n"
    report = checked(reward_file, text, hang_s=0.3)
    assert not report.ok and report.errors[0]["kind"] == "timeout" and report.errors[0]["line"] == 3


def test_a_second_check_takes_what_is_now(
    reward_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fork the second check from the warm process, with the folder, the environment and the files of that moment."""
    text = "import os\nW = float(os.environ['WEIGHT'])\ndef reward_function(params):\n    return W\n"
    path, rewards = reward_file(text), []
    for weight in ("1.0", "2.0"):
        (folder := tmp_path / weight).mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("WEIGHT", weight)
        rewards.append(check_reward(path, tracks=[TRACK]).rewards)
        process = _WarmProcess.current()
    assert rewards == [[1.0] * 3, [2.0] * 3]
    assert _WarmProcess.current() is process
    # Ended from outside: the next check starts another one.
    process.end()
    assert check_reward(path, tracks=[TRACK]).rewards == [2.0] * 3
    again = _WarmProcess.current()
    assert again is not process
    # Killed: the check that notices it runs in a process of its own.
    again._child.process.kill()
    assert check_reward(path, tracks=[TRACK]).rewards == [2.0] * 3
