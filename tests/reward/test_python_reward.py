"""Plain Python rewards: state, isolation, what is accepted, and what stops with one line."""

import builtins
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.errors import RewardError
from racer.reward.failure import as_reward
from racer.reward.load import load_reward
from racer.reward.params import NAMES
from racer.reward.python_reward import PythonReward

Ask = Callable[..., np.ndarray]
Load = Callable[..., PythonReward]
Make = Callable[..., np.ndarray]


def body(*lines: str, before: str = "") -> str:
    """A user's file with this body."""
    return before + "def reward_function(params):\n" + "".join(f"    {line}\n" for line in lines)


def test_each_car_gets_its_own_row(load: Load, ask: Ask, telemetry: Make) -> None:
    """Call every car of every world with its own values, in place."""
    rows = telemetry(3, 2, x=np.arange(6.0).reshape(3, 2))
    assert ask(load(body("return params['x'] * 2"), 3, 2), rows).tolist() == [
        [0.0, 2.0],
        [4.0, 6.0],
        [8.0, 10.0],
    ]


def test_a_car_just_placed_is_not_asked(load: Load, ask: Ask, telemetry: Make) -> None:
    """Give 0 at step 1 without calling, so that the first call of an episode sees 2."""
    reward = load(body("return params['steps']"), 3)
    assert ask(reward, telemetry(3, steps=[[0], [1], [2]])).ravel().tolist() == [0.0, 0.0, 2.0]


def test_state_is_per_car_and_survives_episodes(load: Load, ask: Ask, telemetry: Make) -> None:
    """Keep globals, class attributes and defaults for each car alone, also when steps goes down."""
    text = (
        "count = 0\nclass Memory:\n    seen = []\n"
        "def reward_function(params, calls=[]):\n"
        "    global count\n    count += 1\n    Memory.seen.append(params['x'])\n    calls.append(1)\n"
        "    assert set(Memory.seen) == {params['x']} and len(calls) == count\n"
        "    return count\n"
    )
    reward = load(text, 2, 2)
    rows = telemetry(2, 2, x=np.arange(4.0).reshape(2, 2))
    assert ask(reward, rows).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    rows["steps"] = [[3, 1], [3, 3]]
    assert ask(reward, rows).tolist() == [[2.0, 0.0], [2.0, 2.0]]
    rows["steps"] = 2
    assert ask(reward, rows).tolist() == [[3.0, 2.0], [3.0, 3.0]]


VANDAL = body(
    "seen = repr(params)",
    "for value in params.values():",
    "    if isinstance(value, list):",
    "        for item in value:",
    "            if isinstance(item, list):",
    "                item.clear()",
    "        value.reverse()",
    "        value.append('mine')",
    "        del value[0]",
    "params['x'] = 1e9",
    "del params['speed']",
    "params.clear()",
    "first.append(seen)",
    "return 1.0 if first[0] == seen else 0.0",
    before="first = []\n",
)


@pytest.mark.parametrize("with_objects", [False, True])
@pytest.mark.parametrize("count", [2, 40])
def test_mutations_do_not_leak(
    with_objects: bool, count: int, load: Load, ask: Ask, telemetry: Make, objects: Make, waypoints: Any
) -> None:
    """Show every call the same dict, whatever earlier calls did to theirs."""
    rows, things = telemetry(count), objects(count) if with_objects else None
    if things is not None:
        things[...] = things[0]
    kept = (rows.copy(), None if things is None else things.copy(), repr(waypoints))
    shared: list[str] = []
    reward = load(VANDAL, count)
    for function in reward._functions:
        function.__globals__["first"] = shared  # type: ignore[attr-defined]
    for _ in range(3):
        assert ask(reward, rows, things).ravel().tolist() == [1.0] * count
    assert (rows == kept[0]).all()
    assert things is None or (things == kept[1]).all()
    assert repr(waypoints) == kept[2]


ACCEPTED = {
    "1": 1.0,
    "-0": 0.0,
    "True": 1.0,
    "False": 0.0,
    "1e5": 1e5,
    "-100000": -1e5,
    "np.float64(2.5)": 2.5,
    "np.float32(0.5)": 0.5,
    "np.float16(0.5)": 0.5,
    "np.longdouble(0.5)": 0.5,
    "np.int8(-3)": -3.0,
    "np.uint64(7)": 7.0,
    "np.bool_(True)": 1.0,
    "np.array(4.0)": 4.0,
    "np.array(True)": 1.0,
}


@pytest.mark.parametrize("expression", ACCEPTED)
def test_numbers_are_accepted(expression: str, load: Load, ask: Ask) -> None:
    """Take every real number of Python and numpy, the limits included."""
    got = ask(load(body(f"return {expression}", before="import numpy as np\n"))).item()
    assert type(got) is float
    assert got == ACCEPTED[expression]


REFUSED = {
    "None": "None",
    "'1.0'": "'1.0'",
    "1 + 2j": "(1+2j) of type complex",
    "np.complex64(1)": "np.complex64(1+0j) of type complex64",
    "float('nan')": "nan",
    "np.float32('nan')": "np.float32(nan) of type float32",
    "float('inf')": "inf",
    "-float('inf')": "-inf",
    "100000.1": "100000.1",
    "-100001": "-100001",
    "10 ** 5000": "a value of type int",
    "[1.0]": "[1.0] of type list",
    "(1.0,)": "(1.0,) of type tuple",
    "np.array([1.0])": "array([1.]) of type ndarray",
    "np.array(None)": "array(None, dtype=object) of type ndarray",
    "b'1'": "b'1' of type bytes",
    "'a\\nb' * 99": "'a\\nba\\nba\\nba\\nba\\nba\\nba\\nba\\nba\\nba\\nba\\nba\\nba\\nba\\nb...",
    "np.array([[1], [2]])": "array([[1], [2]]) of type ndarray",
    "Odd()": "a value of type Odd",
    "OddFloat()": "a value of type OddFloat",
}


@pytest.mark.parametrize("expression", REFUSED)
def test_what_is_no_reward_stops_with_one_line(
    expression: str, load: Load, ask: Ask, telemetry: Make, reward_file: Callable[..., Path]
) -> None:
    """Name file, line of the return, value, car and step."""
    before = (
        "import numpy as np\nclass Odd:\n    def __repr__(self):\n        raise ValueError\n"
        "class OddFloat(float):\n    __repr__ = Odd.__repr__\n"
        "    def __float__(self):\n        raise ValueError\n"
    )
    reward = load(body("if params['x'] < 2:", "    return 1.0", f"return {expression}", before=before), 3)
    with pytest.raises(RewardError) as caught:
        ask(reward, telemetry(3, x=[[0], [1], [2]], steps=[[5], [6], [17]]))
    path = reward_file("")
    assert str(caught.value) == (
        f"{path}:12: reward_function returned {REFUSED[expression]} (car 2, step 17). "
        "It must return a finite number from -100000 to 100000."
    )


RAISED = {
    "1 / 0": ("ZeroDivisionError: division by zero", ""),
    "params['sped']": ("KeyError: 'sped'", " Did you mean `speed`?"),
    "params['zzzzzz']": ("KeyError: 'zzzzzz'", ""),
    "params['waypoints'][9999]": ("IndexError: list index out of range", ""),
    "nothing": ("NameError: name 'nothing' is not defined", ""),
    "sys.exit('bye')": ("SystemExit: bye", ""),
    "stop(StopIteration())": ("StopIteration: no message", ""),
    "stop(GeneratorExit('x'))": ("GeneratorExit: x", ""),
    "stop(ValueError('a\\n  b'))": ("ValueError: a b", ""),
    "stop(Evil())": ("Evil: no message", ""),
}


@pytest.mark.parametrize("expression", RAISED)
def test_what_raises_stops_with_one_line(
    expression: str, load: Load, ask: Ask, telemetry: Make, reward_file: Callable[..., Path]
) -> None:
    """Name file, innermost line of the user's own, exception, car and step."""
    before = (
        "import sys\nclass Evil(Exception):\n    def __str__(self):\n        raise ValueError\n"
        "def stop(error):\n    raise error\n"
    )
    reward = load(body("x = 1", f"return {expression}", before=before), 2, 2)
    with pytest.raises(RewardError) as caught:
        ask(reward, telemetry(2, 2, steps=[[1, 1], [1, 9]]))
    problem, advice = RAISED[expression]
    line = 6 if expression.startswith("stop") else 9
    assert str(caught.value) == (
        f"{reward_file('')}:{line}: reward_function raised {problem} (car 1 of world 1, step 9).{advice}"
    )


def test_recursion_without_end_is_one_line(load: Load, ask: Ask, reward_file: Callable[..., Path]) -> None:
    """Survive a RecursionError and name its line."""
    reward = load(body("return reward_function(params)"))
    with pytest.raises(RewardError) as caught:
        ask(reward)
    message = str(caught.value)
    assert message.startswith(f"{reward_file('')}:2: reward_function raised RecursionError: maximum recursion depth")
    assert "\n" not in message


def test_an_exception_inside_a_library_names_the_users_line(load: Load, ask: Ask, reward_file: Any) -> None:
    """Point at the user's call, not into the library's file."""
    reward = load(body("x = params['x']", "return json.loads('{')", before="import json\n"))
    with pytest.raises(RewardError, match=r":4: reward_function raised JSONDecodeError: "):
        ask(reward)


def test_ctrl_c_still_interrupts(load: Load, ask: Ask) -> None:
    """Let KeyboardInterrupt through, and give the streams back."""
    before = sys.stdout
    with pytest.raises(KeyboardInterrupt):
        ask(load(body("raise KeyboardInterrupt")))
    assert sys.stdout is before


def test_a_return_by_falling_off_the_end_is_located(load: Load, ask: Ask) -> None:
    """Name a line of the function where it forgot to return."""
    reward = load(body("if params['x'] > 1e6:", "    return 1.0"))
    with pytest.raises(RewardError, match=r":2: reward_function returned None "):
        ask(reward)


def test_changed_state_falls_back_to_the_def_line(load: Load, ask: Ask) -> None:
    """Name the def where the repeated call does not fail again."""
    reward = load(body("n.append(1)", "return None if len(n) == 1 else 1.0", before="n = []\n\n"))
    with pytest.raises(RewardError, match=r":3: reward_function returned None "):
        ask(reward)


def test_a_tracer_is_left_as_it_was(load: Load, ask: Ask) -> None:
    """Put a debugger's tracer back after locating a return."""
    before = sys.gettrace()
    with pytest.raises(RewardError):
        ask(load(body("return None")))
    assert sys.gettrace() is before


def test_the_params_of_a_failure_are_saved(
    load: Load, ask: Ask, telemetry: Make, objects: Make, tmp_path: Path
) -> None:
    """Write the dict that caused it, as it was before user code changed it, and say where."""
    reward = load(
        body("x = params['x']", "params.clear()", "return None if x == 1 else 1"),
        2,
        failure_folder=tmp_path / "run",
    )
    with pytest.raises(RewardError) as caught:
        ask(reward, telemetry(2, x=[[0], [1]], steps=4), objects(2))
    saved = tmp_path / "run" / "reward_failure.json"
    assert str(caught.value).endswith(f" Its params are in {saved}")
    content = json.loads(saved.read_text())
    assert list(content["params"]) == list(NAMES)
    assert content["params"]["x"] == 1.0
    assert content["params"]["objects_location"] == [[2.0, 12.0], [3.0, 13.0]]
    assert (content["line"], content["car"], content["step"]) == (4, "car 1", 4)
    assert content["problem"] == "returned None"
    assert [p.name for p in saved.parent.iterdir()] == ["reward_failure.json"]


def test_saving_takes_numpy_waypoints(load: Load, telemetry: Make, tmp_path: Path) -> None:
    """Write numpy values that reached the dict as plain JSON."""
    reward = load(body("return None"), failure_folder=tmp_path)
    rows = ((np.array([0.0, 1.0]), (np.float32(2.0), np.int64(3))),)
    with pytest.raises(RewardError):
        reward.compute(telemetry(), None, rows, np.zeros((1, 1)))  # type: ignore[arg-type]
    assert json.loads((tmp_path / "reward_failure.json").read_text())["params"]["waypoints"] == [
        [0.0, 1.0],
        [2.0, 3],
    ]


def test_out_is_untouched_by_a_failure(load: Load, telemetry: Make, waypoints: Any) -> None:
    """Fill all of the batch or nothing."""
    out = np.full((2, 1), 5.0)
    with pytest.raises(RewardError):
        load(body("return 1 / params['x']"), 2).compute(telemetry(2, x=[[1], [0]]), None, waypoints, out)
    assert out.ravel().tolist() == [5.0, 5.0]


def test_a_strided_out_is_filled(load: Load, telemetry: Make, waypoints: Any) -> None:
    """Write through a view that is not contiguous."""
    buffer = np.zeros((4, 2))
    load(body("return params['x']"), 2).compute(telemetry(2, x=[[1], [2]]), None, waypoints, buffer[::2, :1])
    assert buffer.tolist() == [[1.0, 0.0], [0.0, 0.0], [2.0, 0.0], [0.0, 0.0]]


def test_another_shape_is_a_bug_of_ours(load: Load, ask: Ask, telemetry: Make) -> None:
    """Refuse telemetry of another batch as a ValueError, not as a user's mistake."""
    with pytest.raises(ValueError, match=r"made for \(2, 1\) cars"):
        ask(load(body("return 1"), 2), telemetry(3))


def test_an_error_of_ours_is_not_blamed_on_the_user(load: Load, telemetry: Make) -> None:
    """Let a missing course raise as it is."""
    with pytest.raises(IndexError):
        load(body("return 1")).compute(telemetry(course=7), None, ((),), np.zeros((1, 1)))


PATCHES = {
    "builtins.abs = lambda x: 0": "the builtin `abs`",
    "builtins.__dict__.update(len=None, isinstance=None, float=None, type=None)": "the builtin `type`",
    "del builtins.zip": "the builtin `zip`",
    "builtins.__dict__.clear()": "the builtin",
    "math.sqrt = lambda x: 0": "`math.sqrt`",
    "np.array = np.mean = None": "`numpy.mean`",
    "sys.exit = print": "`sys.exit`",
}


@pytest.mark.parametrize("where", ["file", "call", "failing call"])
@pytest.mark.parametrize("patch", PATCHES)
def test_what_all_of_python_uses_is_put_back(patch: str, where: str, load: Load, ask: Ask) -> None:
    """Refuse code that replaces builtins or functions of modules, and give the trainer back its own."""
    kept = [dict(vars(module)) for module in (builtins, math, np, sys)]
    before = "import builtins, math, sys\nimport numpy as np\n"
    lines = [patch] if where != "file" else []
    text = body(*lines, "return 1 / 0" if where == "failing call" else "return 1.0", before=before)
    if where == "file":
        text = f"{before}{patch}\n{text}"
    with pytest.raises(RewardError) as caught:
        ask(load(text, 3))
    for module, names in zip((builtins, math, np, sys), kept, strict=True):
        assert {name: vars(module).get(name) for name in names} == names
    assert f"changes {PATCHES[patch]}" in str(caught.value)
    assert str(caught.value).endswith("which all of Python uses.")


def test_prints_are_kept_from_the_terminal(load: Load, ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    """Count lines printed at import and in calls, and hold the first and last."""
    reward = load(body("print('x =', params['x'])", "return 1", before="print('loaded')\n"), 3)
    for _ in range(10):
        ask(reward)
    assert capfd.readouterr() == ("", "")
    assert reward.printed_lines == 3 + 30
    assert reward.first_prints[:4] == ["loaded"] * 3 + [reward.first_prints[3]]
    assert reward.first_prints[3].startswith("x = ")
    assert len(reward.first_prints) == len(reward.last_prints) == 20


def test_a_failing_callable_names_its_file(ask: Ask, telemetry: Make) -> None:
    """Point into the file where a callable was written."""

    def mine(params: dict[str, Any]) -> float:
        return float("nan")

    with pytest.raises(RewardError) as caught:
        ask(load_reward(mine, n_worlds=1), telemetry())
    line = mine.__code__.co_firstlineno + 1
    assert str(caught.value).startswith(f"{__file__}:{line}: reward_function returned nan (car 0, step 2).")


def test_a_failing_builtin_has_no_line(ask: Ask) -> None:
    """Manage without file and line where a callable has no Python code."""
    with pytest.raises(RewardError) as caught:
        ask(load_reward(dict, n_worlds=1))
    assert str(caught.value).startswith("reward_function returned {")


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary()))
def test_a_reward_is_a_finite_number_or_none(value: object) -> None:
    """Accept exactly the real numbers within +-1e5, whatever comes."""
    got = as_reward(value)
    if isinstance(value, (int, float)) and abs(value) <= 1e5:
        assert got == value
        assert type(got) is float
    else:
        assert got is None
