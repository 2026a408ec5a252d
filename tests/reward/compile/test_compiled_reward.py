"""The compiled path: what it gives, what it leaves to plain Python, its failures, its trial and its cache."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.errors import RewardError
from racer.reward.compile.compiled_reward import CompiledReward
from racer.reward.compile.errors import CannotCompile
from racer.reward.compile.kernel import cache_folder, read_verdict
from racer.reward.load import load_reward
from racer.reward.python_reward import PythonReward
from support.reward_twins import Twins, plain_kernel, random_rows, source_of, translated

POINTS = tuple((float(k), float(k % 3)) for k in range(8))
COURSES = (POINTS, POINTS[::-1])


def both(text: str, cars: int = 3, **options: Any) -> tuple[CompiledReward, PythonReward]:
    """The translation, run by Python itself, and plain Python."""
    source = source_of(text)
    return (
        CompiledReward(source, plain_kernel(translated(text)), cars, **options),
        PythonReward(source, cars, **options),
    )


def message(reward: Any, rows: np.ndarray, things: np.ndarray | None = None) -> str:
    """What a reward stops with."""
    with pytest.raises(RewardError) as caught:
        reward.compute(rows, things, COURSES, np.zeros(rows.shape))
    return str(caught.value)


FAILURES = {
    "zero": "return 1 / (params['speed'] - params['speed'])",
    "key": "return params['sped']",
    "index": "return params['waypoints'][99][0]",
    "negative index": "return params['waypoints'][-99][0]",
    "none": "if params['speed'] > 99: return 1.0",
    "nan": "return float('nan')",
    "large": "return 1e6 + params['speed']",
    "text": "return 'fast'",
    "domain": "return math.sqrt(-1 - abs(params['x']))",
    "overflow": "return math.exp(1000 + abs(params['x']))",
    "complex": "return (-1.0 - abs(params['x'])) ** 0.5",
    "unbound": "if params['speed'] > 99: a = 1\n    return a",
    "type": "return params['speed'] + None",
    "float index": "return params['waypoints'][params['speed']][0]",
    "raise": "raise ValueError('no')",
    "assert": "assert params['speed'] > 99, 'slow'\n    return 1.0",
    "unpack": "a, b, c = params['closest_waypoints']\n    return a",
    "empty": "return min([p[0] for p in params['waypoints'] if p[0] > 99])",
    "recursion": "return reward_function(params)",
    "method without its argument": "if params['speed'] > -99: return 1.0 if 'a'.startswith() else 0.0\n    return 0.0",
}


NEVER_COMPILED = {
    **dict.fromkeys(["key", "text", "type", "float index", "raise", "unpack"], "no call of it returns a number"),
    "recursion": "recursion",
}
"""Cases that fail in every call, so that there is nothing to compile, with the reason; all others must compile."""


@pytest.mark.parametrize("case", FAILURES)
def test_failures_read_the_same(case: str) -> None:
    """Stop with the message of plain Python: file, line, problem, car and step."""
    text = f"import math\n\ndef reward_function(params):\n    {FAILURES[case]}\n"
    rows, _ = random_rows(3, 1, COURSES)
    rows["steps"][0] = 0.0
    source = source_of(text)
    expected = message(PythonReward(source, 3), rows)
    assert expected.startswith("twin.py:")
    if case in NEVER_COMPILED:
        with pytest.raises(CannotCompile, match=NEVER_COMPILED[case]):
            translated(text)
        return
    assert message(CompiledReward(source, plain_kernel(translated(text)), 3), rows) == expected


def test_a_failure_on_some_states_reads_the_same() -> None:
    """Name the car and the step of the state that fails, and save its params."""
    text = "def reward_function(params):\n    n = len(params['objects_speed'])\n    return 1.0 / n\n"
    compiled, python = both(text)
    rows, things = random_rows(3, 5, COURSES)
    things["active"] = True
    things["active"][1] = False
    assert message(compiled, rows, things) == message(python, rows, things)
    assert "division by zero (car 1, step" in message(compiled, rows, things)


def test_a_loop_without_end_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop where a loop has used up its rounds, and name its line."""
    monkeypatch.setattr("racer.reward.compile.kernel_source.BUDGET", 1000)
    text = "def reward_function(params):\n    n = 0\n    while params['speed'] > -99:\n        n += 1\n    return n\n"
    reward = CompiledReward(source_of(text), plain_kernel(translated(text + "    return 1\n")), 1)
    rows, _ = random_rows(1, 1, COURSES)
    assert message(reward, rows).startswith("twin.py:3: reward_function ran 10,000,000 loop iterations")


@pytest.mark.parametrize("change", ["items.pop(k)", "del items[k]"])
@pytest.mark.parametrize("shift", [11, 14, -1])
def test_an_item_outside_a_list_is_not_removed(change: str, shift: int) -> None:
    """Fail where plain Python does, at an index below the first item as at one after the last."""
    start = "    items = [p[0] for p in params['waypoints']]\n"
    index = f"    k = int(params['steps']) - {shift}\n"
    text = f"def reward_function(params):\n{start}{index}    {change}\n    return sum(items) + 0.1 * len(items)\n"
    twins = Twins(text, 8)
    rows, _ = random_rows(8, 2, COURSES)
    rows["steps"][:, 0] = np.arange(2, 10)
    twins.step(rows, None, COURSES)
    failed = [step for step in range(2, 10) if not -8 <= step - shift < 8]
    assert (len(twins.gone), twins.compared) == (len(failed), 8 - len(failed))


@pytest.mark.parametrize(
    ("table", "item"),
    [
        ("[1] + [2.5] * 9", "table[k]"),
        ("[np.int64(1)] + [np.float64(2.5)] * 9", "table[k]"),
        ("[np.array([1, 2])] + [np.array([0.5, 1.5])] * 9", "table[k][1]"),
    ],
)
def test_a_table_of_ints_and_floats_keeps_its_fractions(table: str, item: str) -> None:
    """Return each number of a table of several kinds as plain Python does."""
    body = f"    k = int(params['steps'])\n    return {item}\n"
    text = f"import numpy as np\ntable = {table}\ndef reward_function(params):\n{body}"
    twins = Twins(text, 8)
    twins.step(*random_rows(8, 2, COURSES), COURSES)
    assert twins.compared == 8


NEEDLESS = {
    "a list beside a bool": ("", "o = params['objects_distance']", "2.0 if o and len(o) > 1 else 1.0"),
    "not a list or a bool": ("", "o = params['objects_distance']", "not (o and min(o) < 1.0 or params['x'] > 2)"),
    "a loop on a list": ("", "o = [1, 2, 3]\n    while o and params['x'] > o[0]:\n        o = o[1:]", "len(o)"),
    "unused modules": (
        "import turtle\nimport xml.dom as dom\nfrom tkinter import Tk\n",
        "pass",
        "params['x']",
    ),
}


@pytest.mark.parametrize("case", NEEDLESS)
def test_no_needless_plain_python(case: str) -> None:
    """Compile tests of lists beside other values, and imports that nothing uses."""
    before, first, value = NEEDLESS[case]
    twins = Twins(f"{before}def reward_function(params):\n    {first}\n    return float({value})\n", 6)
    for seed in range(4):
        twins.step(*random_rows(6, seed, COURSES), COURSES)
    assert twins.traps == 0 and twins.compared == 24


def test_state_is_per_car_and_survives_episodes() -> None:
    """Keep numbers, lists and objects of each car apart, also where plain Python makes a call in between."""
    text = (
        "count = 0\nseen = []\nlast = None\nclass Box:\n    total = 0.0\nbox = Box()\n"
        "def reward_function(params):\n    global count, last\n    count += 1\n"
        "    seen.append(params['x'])\n    if len(seen) > 3:\n        seen.pop(0)\n"
        "    box.total += params['speed']\n"
        "    if params['y'] > 2:\n        print(complex(1, 2))\n"  # not covered: a call of plain Python
        "    step = 0.0 if last is None else params['x'] - last\n    last = params['x']\n"
        "    return count + sum(seen) + box.total + step\n"
    )
    compiled, python = both(text, 4)
    out, expected = np.zeros((4, 1)), np.zeros((4, 1))
    for k in range(12):
        rows, _ = random_rows(4, k, COURSES)
        compiled.compute(rows, None, COURSES, out)
        python.compute(rows, None, COURSES, expected)
        assert out == pytest.approx(expected, abs=1e-9)
    assert compiled.path == "compiled"
    assert 0 < compiled.replayed < 48
    assert compiled.last_prints[-1] == "(1+2j)"


KEPT = {
    "beside a row": (
        "notes = []\ncount = 0\ndef reward_function(params):\n    global count\n    count += 1\n"
        "    if params['y'] > 2:\n        notes.append(str(complex(params['x'], 1)))\n"
        "    return count + len(notes) * 0.5\n",
        "no place for",
    ),
    "without a row": (
        "g = 0\ndef reward_function(params):\n    global g\n    if g:\n        return params['progress']\n"
        "    try:\n        if params['y'] > 2:\n            return params['x'] & params['x']\n"
        "    except TypeError:\n        g = params['speed']\n    return params['speed']\n",
        "kept something between calls",
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_plain_python_takes_over_where_state_fits_no_row(case: str) -> None:
    """Go on in plain Python, from the state that there is, once a call keeps what the kernel has no place for."""
    text, reason = KEPT[case]
    compiled, python = both(text, 4)
    out, expected = np.zeros((4, 1)), np.zeros((4, 1))
    paths = []
    for k in range(8):
        rows, _ = random_rows(4, k, COURSES)
        compiled.compute(rows, None, COURSES, out)
        python.compute(rows, None, COURSES, expected)
        assert out == pytest.approx(expected, abs=1e-9)
        paths.append(compiled.path)
    assert paths[0] == "compiled" and paths[-1] == "python"
    assert reason in compiled.reason


def test_prints_continue_where_plain_python_takes_over() -> None:
    """Hold the first and last lines of both paths in one order."""
    before, reason = KEPT["beside a row"]
    text = before.replace("        notes", "        print(complex(count, 0))\n        notes")
    compiled, python = both(text, 4)
    for k in range(8):
        rows, _ = random_rows(4, k, COURSES)
        for reward in (compiled, python):
            reward.compute(rows, None, COURSES, np.zeros((4, 1)))
    assert compiled.path == "python" and reason in compiled.reason
    assert compiled.printed_lines == python.printed_lines > 1
    assert compiled.first_prints == python.first_prints
    assert compiled.last_prints == python.last_prints


def test_prints_are_counted_and_not_made(capfd: pytest.CaptureFixture[str]) -> None:
    """Count what would have been printed."""
    text = (
        "def reward_function(params):\n    for k in range(3):\n        print(k, f'{params[\"x\"]:.2f}')\n    return 1\n"
    )
    compiled, _ = both(text)
    rows, _ = random_rows(3, 1, COURSES)
    compiled.compute(rows, None, COURSES, np.zeros((3, 1)))
    assert compiled.printed_lines == 9
    assert capfd.readouterr() == ("", "")


def test_a_list_may_grow_to_thousands() -> None:
    """Hold a centre line that a user draws many times finer."""
    body = "    row = params['closest_waypoints'][0]\n    return sum([0.5 * k for k in range(6000 + row)]) / 6000\n"
    twins = Twins(f"def reward_function(params):\n{body}", 2)
    twins.step(*random_rows(2, 0, COURSES), COURSES)
    assert twins.traps == 0


def test_rows_may_be_packed_and_strided() -> None:
    """Read telemetry that numpy has packed closer, and write into a view."""
    compiled, python = both("def reward_function(params):\n    return params['x'] + params['closest_waypoints'][0]\n")
    rows, _ = random_rows(3, 2, COURSES)
    packed = np.concatenate([rows, rows])[:3]
    buffer, expected = np.zeros((6, 2)), np.zeros((3, 1))
    compiled.compute(packed, None, COURSES, buffer[::2, :1])
    python.compute(rows, None, COURSES, expected)
    assert buffer[::2, :1].tolist() == expected.tolist()


def test_a_missing_course_is_an_error_of_ours() -> None:
    """Read nothing beyond the waypoints that there are."""
    compiled, _ = both("def reward_function(params):\n    return params['waypoints'][0][0]\n", 1)
    rows, _ = random_rows(1, 2, COURSES)
    rows["course"] = 7
    with pytest.raises(IndexError, match="course 7"):
        compiled.compute(rows, None, COURSES, np.zeros((1, 1)))


REFUSED = {
    "recursion": ("def f(n):\n    return 0 if n < 1 else f(n - 1)\n", "return f(params['progress'])", "recursion"),
    "file": ("def f():\n    return open('x')\n", "return 1.0", "it uses `open`"),
    "module": ("import mymodule_that_is_not\n", "return 1.0", "it imports `mymodule_that_is_not`"),
    "text kept": ("t = ''\n", "global t\n    t = str(params['x'])\n    return 1.0", "keeps something between calls"),
    "eval": ("", "return eval('1.0')", "it uses `eval`"),
    "patching": (
        "import math\n",
        "math.sqrt = abs\n    return math.sqrt(params['x'])",
        "a change of the attribute `sqrt`",
    ),
    "generator": ("", "return sum((yield 1))", "a generator"),
    "minus of a truth value": (
        "import numpy as np\n",
        "return -(np.sqrt(params['speed']) < 1.0)",
        "arithmetic with a numpy truth value",
    ),
    "minus of a chain": (
        "import numpy as np\n",
        "return -(np.sqrt(params['speed']) < params['progress'] <= params['speed'])",
        "arithmetic with a numpy truth value",
    ),
    "minus of a truth value or a number": (
        "import numpy as np\n",
        "return -(np.sqrt(params['speed']) < 1.0 if params['is_reversed'] else 5)",
        "a numpy truth value or a number",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_compiled_says_why(case: str) -> None:
    """Leave to plain Python, with the reason, what is not covered."""
    before, body, reason = REFUSED[case]
    text = f"{before}def reward_function(params):\n    {body}\n"
    try:
        translation = translated(text)
    except CannotCompile as error:
        assert reason in error.reason
    except RewardError:
        assert case == "generator"
    else:
        assert any(reason in found for _, found in translation.traps)


def test_the_first_use_is_tried_out_and_the_second_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reward_file: Callable[..., Path]
) -> None:
    """Translate, compile and compare in another process once; load what it left afterwards."""
    monkeypatch.setattr("racer.reward.compile.kernel.cache_dir", lambda: tmp_path)
    path = reward_file("def reward_function(params):\n    return params['speed'] * 2 + len(params['objects_speed'])\n")
    reward = load_reward(path, n_worlds=3)
    assert reward.path == "compiled"
    (folder,) = cache_folder(reward.source).iterdir()  # type: ignore[attr-defined]
    verdict = read_verdict(folder)
    assert verdict is not None
    assert verdict["states"] > 1000
    monkeypatch.setattr("racer.reward.compile.validation.run_sandboxed", None)
    again = load_reward(path, n_worlds=3)
    assert again.path == "compiled"
    rows, things = random_rows(3, 1, COURSES)
    out, expected = np.zeros((3, 1)), np.zeros((3, 1))
    again.compute(rows, things, COURSES, out)
    load_reward(path, n_worlds=3, path="python").compute(rows, things, COURSES, expected)
    assert out.tolist() == expected.tolist()


HARMFUL = {
    "patch": ("import math\nmath.sqrt = abs\n", "changes `math.sqrt`, which all of Python uses"),
    "exit": ("import os\nos._exit(3)\n", "it ended the process of its validation (exit 3)"),
    "prints": ("print('x' * 10_000_000)\nraise SystemExit\n", "SystemExit while the file was loaded"),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_unknown_code_harms_its_trial_only(case: str, tmp_path: Path) -> None:
    """Survive code that ends its process, and say so."""
    from racer.reward.compile.validation import validate

    before, reason = HARMFUL[case]
    verdict = validate(source_of(f"{before}def reward_function(params):\n    return 1.0\n"), tmp_path)
    assert verdict["path"] == "python"
    assert reason in verdict["reason"]


GREEDY = {
    "file": ("hoard = bytearray(10_000_000_000)\n", "1.0", r"twin.py:1: MemoryError while the file was loaded"),
    "call": ("", "len(bytearray(10_000_000_000))", r"twin.py:2: reward_function raised MemoryError"),
    "numpy": (
        "import numpy as np\n",
        "np.ones(2_000_000_000).sum()",
        "twin.py:3: reward_function raised MemoryError: Unable to",
    ),
}


@pytest.mark.skipif(importlib.util.find_spec("resource") is None, reason="needs POSIX limits")
@pytest.mark.parametrize("case", GREEDY)
def test_unknown_code_that_takes_too_much_memory_is_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reward_file: Callable[..., Path]
) -> None:
    """Stop in one line what would swamp the machine; the trainer does not run it either."""
    monkeypatch.setattr("racer.reward.compile.kernel.cache_dir", lambda: tmp_path)
    before, value, reason = GREEDY[case]
    path = reward_file(f"{before}def reward_function(params):\n    return {value}\n", "twin.py")
    with pytest.raises(RewardError) as caught:
        load_reward(path, n_worlds=2)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_plain_python_has_a_time_limit() -> None:
    """End a control step whose calls take too long, with one line."""
    text = "def reward_function(params):\n    while True:\n        pass\n"
    reward = PythonReward(source_of(text), 1, time_limit_s=0.1)
    rows, _ = random_rows(1, 1, COURSES)
    assert message(reward, rows).startswith("twin.py:")
    assert "took more than 0.1 s for the calls of one control step (car 0, step" in message(reward, rows)


def test_the_time_limit_leaves_nothing_behind() -> None:
    """Go on as before after a time-out, also under a tracer, which finds the line of the next failure."""
    test_plain_python_has_a_time_limit()
    reward = PythonReward(source_of("def reward_function(params):\n    return None\n"), 1)
    assert "reward_function returned None (car 0, step" in message(reward, random_rows(1, 1, COURSES)[0])


def test_the_time_limit_leaves_quick_code_alone() -> None:
    """Raise nothing after the calls have ended."""
    from racer.reward.call_guards import Deadline

    for _ in range(100):
        with Deadline(1e-9):
            pass
    assert sum(range(100_000)) == 4999950000
