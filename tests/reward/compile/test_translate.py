"""Random programs: the translation gives what plain Python gives, or leaves the call to it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from racer.reward.compile.errors import CannotCompile
from support.reward_twins import Twins, random_rows

WAYPOINTS = (
    ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.25, 2.0), (0.0, 0.0)),
    ((0.5, 0.5), (3.0, 1.0), (0.5, 0.5)),
)


ATOMS = [
    *["params['speed']", "params['progress']", "params['x']", "params['steps']", "params['heading']", "p0", "p1"],
    *["params['is_offtrack']", "params['closest_waypoints'][0]", "len(params['waypoints'])", "a", "b", "c", "g"],
    *["0", "1", "2", "3", "-1", "0.5", "-2.5", "1e-3", "True", "False", "7", "10", "None", "table[1]", "len(items)"],
]
BINARY = ["+", "-", "*", "/", "//", "%", "+", "-", "*", "&", "|"]
COMPARE = ["<", "<=", ">", ">=", "==", "!=", "is", "is not", "<", ">"]
CALLS = [
    *["abs({0})", "min({0}, {1})", "max({0}, {1}, 0)", "round({0})", "round({0}, 2)", "int({0})", "float({0})"],
    *["math.sqrt({0})", "math.sin({0})", "math.atan2({0}, {1})", "math.floor({0})", "math.exp({0})", "bool({0})"],
    *["math.hypot({0}, {1})", "math.log({0})", "math.degrees({0})", "helper({0}, {1})", "sum([{0}, {1}, 1])"],
    *["table[{0}]", "rows[{0}][1]", "params['waypoints'][{0}][0]", "items[{0}]", "(a, b, c)[{0}]", "[{0}, {1}][-1]"],
    *[
        "math.ceil({0})",
        "math.fmod({0}, {1})",
        "divmod({0}, {1})[1]",
        "pow({0}, {1} % 4)",
        "({0} ** 2)",
        "({0} ** 0.5)",
        "({0} ** (-1))",
        "({0} ** ({1} % 3))",
        "math.acos({0})",
        "sign({0})",
    ],
    *["sorted([{0}, {1}, 0])[1]", "len([q for q in table if q > {0}])", "sum(q * {0} for q in range(3))"],
    *["params['objects_distance'][{0}]", "params['objects_location'][{0}][1]", "(items + [{0}])[{1}]"],
    *["np.sqrt({0})", "np.clip({0}, -1, 1)", "np.hypot({0}, {1})", "float(np.mean([{0}, {1}]))", "table[{0}:{1}][0]"],
]
expressions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(COMPARE), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} < {t[1]} <= {t[2]})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        inner.map(lambda e: f"(not {e})"),
        inner.map(lambda e: f"(-{e})"),
        st.tuples(st.sampled_from(CALLS), inner, inner).map(lambda t: t[0].format(t[1], t[2])),
        st.tuples(inner, st.sampled_from(["table", "[1, 2, 3]", "range(1, 4)", "(a, b)", "items"])).map(
            lambda t: f"({t[0]} in {t[1]})"
        ),
    ),
    max_leaves=8,
)

simple = st.one_of(
    st.tuples(st.sampled_from("abcg"), expressions).map(lambda t: [f"{t[0]} = {t[1]}"]),
    st.tuples(st.sampled_from("abcg"), st.sampled_from(["+", "-", "*"]), expressions).map(
        lambda t: [f"{t[0]} {t[1]}= {t[2]}"]
    ),
    expressions.map(lambda e: [f"items.append({e})"]),
    expressions.map(lambda e: [f"memory.append({e})", "if len(memory) > 4:", "    memory.pop(0)"]),
    expressions.map(lambda e: [f"box.value = {e}"]),
    st.sampled_from([["a, b = b, a"], ["c = box.value"], ["g += 1"], ["items.pop()"], ["del c"], ["p0, p1 = p1, a"]]),
    expressions.map(lambda e: [f"print('x', {e})"]),
    expressions.map(lambda e: [f'print(f"{{{e}}}")']),
    expressions.map(lambda e: [f"assert {e}"]),
    st.tuples(expressions, expressions).map(lambda t: [f"store['k'] = {t[0]}", f"a = store['k'] + {t[1]}"]),
)


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _block(parts: list[list[str]]) -> list[str]:
    return [line for part in parts for line in part] or ["pass"]


statements = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.tuples(expressions, st.lists(inner, min_size=1, max_size=3), st.lists(inner, max_size=2)).map(
            lambda t: [f"if {t[0]}:", *_indent(_block(t[1])), *(["else:", *_indent(_block(t[2]))] if t[2] else [])]
        ),
        st.tuples(
            st.sampled_from(["range(3)", "table", "items[:3]", "[a, b, 1.5]", "enumerate(table)", "zip(table, rows)"]),
            st.lists(inner, min_size=1, max_size=3),
            expressions,
            st.sampled_from(["break", "continue", "return a", "pass"]),
        ).map(lambda t: [f"for k in {t[0]}:", *_indent([*_block(t[1]), f"if {t[2]}:", f"    {t[3]}"])]),
        st.tuples(st.lists(inner, min_size=1, max_size=2), expressions).map(
            lambda t: [f"while w < 9 and {t[1]}:", "    w += 1", *_indent(_block(t[0]))]
        ),
        st.tuples(
            st.lists(inner, min_size=1, max_size=2),
            st.sampled_from(["except:", "except ZeroDivisionError:", "except (TypeError, IndexError):"]),
            inner,
        ).map(lambda t: ["try:", *_indent(_block(t[0])), t[1], *_indent(t[2])]),
        st.tuples(expressions, expressions).map(lambda t: [f"if {t[0]}:", f"    return {t[1]}"]),
    ),
    max_leaves=6,
)

HEAD = """import math
import numpy as np
g = 0
memory = [0.0]
table = [1, 2.5, 3, 1]
rows = [[1, 0.5], [2, 1.5], [3, 2.5]]
store = {'k': 1.0}
class Box:
    pass
box = Box()
box.value = 0.0
def helper(u, v=1.0):
    if u > v:
        return u - v
    return v
def sign(u):
    return 1 if u > 0 else -1 if u < 0 else 0
def reward_function(params):
    global g
    a, b, c = 1, 0.5, params['y']
    p0 = params['waypoints'][0][0]
    p1 = params['track_width']
    items = [1, 0.5]
    w = 0
"""


def check(text: str, seed: int) -> Twins | None:
    """Run a program in both ways for a few steps."""
    try:
        twins = Twins(text, 6)
    except CannotCompile:
        return None
    for step in range(3):
        rows, things = random_rows(6, seed + step, WAYPOINTS)
        twins.step(rows, things if seed % 2 else None, WAYPOINTS)
    return twins


SEARCHES = [
    *["None in range(1, 4)", "None not in range(3)", "'x' in range(4)", "(1,) in range(4)", "1.5 in range(4)"],
    *["m in range(4)", "m not in range(0, 9, 2)", "True in range(params['closest_waypoints'][0])"],
    *["m in table", "None in table", "m in (1, None, 3)", "m == None", "None == params['x']", "3 != None"],
]


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_raises_nothing(search: str) -> None:
    """Look for what is no number, or may be none, among numbers: it is not there, and `except` has nothing to do."""
    maybe = "    m = None if params['speed'] > 0 else params['closest_waypoints'][0]\n"
    tried = f"    try:\n        a = {search}\n    except TypeError:\n        return -9.0\n"
    assert check(f"{HEAD}{maybe}{tried}    return 1.0 if a else 0.5\n", 0) is not None


def test_a_loop_whose_next_round_is_never_reached() -> None:
    """Every round ends in the first one's return or error; what a second round would begin with is given a value."""
    body = """    for k in table:
        for k in [a, b, 1.5]:
            if params['speed']:
                return params['speed']
            if (-(params['speed'] < None <= params['speed'])):
                break
        if (not (not (-sorted([params['speed'], params['speed'], 0])[1]))):
            a = params['speed']
"""
    assert check(HEAD + body, 0) is not None


COMPILED_SHARE_MIN = 0.6
"""Least share of the random texts that compile: a translator that leaves everything to plain Python fails here."""
UNTRAPPED_SHARE_MIN = 0.75
"""Least share of the calls with a reward that the kernel makes itself, without a trap."""


def assert_compiled(runs: list[Twins | None]) -> None:
    """Check that enough of the texts compile, and that their kernels trap in few of the calls."""
    compiled = [run for run in runs if run is not None]
    assert len(compiled) >= COMPILED_SHARE_MIN * len(runs) > 0
    compared, traps = sum(run.compared for run in compiled), sum(run.traps for run in compiled)
    assert compared >= UNTRAPPED_SHARE_MIN * (compared + traps) > 0


def program(parts: list[list[str]], result: str) -> str:
    """Return the text of a program from its statements and the expression that it returns."""
    return "\n".join([HEAD.rstrip(), *_indent(_block(parts)), f"    return {result}", ""])


def test_expressions() -> None:
    """Give the value of any expression, or leave it; most compile."""
    runs: list[Twins | None] = []

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(expressions, st.integers(0, 50))
    def run(expression: str, seed: int) -> None:
        runs.append(check(f"{HEAD}    return {expression}\n", seed))

    run()
    assert_compiled(runs)


@pytest.mark.parametrize(
    "examples", [pytest.param(40, id="few"), pytest.param(3000, id="many", marks=pytest.mark.slow)]
)
def test_programs(examples: int) -> None:
    """Give the value of any program, call after call, or leave it; most compile."""
    runs: list[Twins | None] = []

    @settings(max_examples=examples, deadline=None, derandomize=examples == 40, suppress_health_check=list(HealthCheck))
    @given(st.lists(statements, min_size=1, max_size=4), expressions, st.integers(0, 50))
    def run(parts: list[list[str]], result: str, seed: int) -> None:
        runs.append(check(program(parts, result), seed))

    run()
    assert_compiled(runs)
