"""The text of a kernel: from the lines of a translated call to a module that numba compiles."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from racer.reward.compile.desk.lines import Buffer, flatten
from racer.reward.compile.flow.context import Context
from racer.reward.compile.state.layout import make_layout
from racer.reward.compile.state.paths import Layout
from racer.reward.compile.translation.params_values import OBJECT_COLUMNS
from racer.reward.compile.values.heap import State
from racer.reward.params import PARAMS
from racer.reward.seam import FIRST_STEP
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

BUDGET = 10_000_000
"""Rounds of loops in one call."""
_HEAD = '''"""Made by racer from a reward function; it is made again whenever that or racer changes."""
import math

import numpy as np

INF = math.inf
NAN = math.nan


'''


@dataclass(frozen=True, kw_only=True)
class Translation:
    """What comes out.

    Attributes:
        text: Python source of `one` and `kernel`.
        table: numbers of tables.
        memory: numbers that a call needs, without those for objects.
        initial: the state of a car before its first call.
        regions: how many numbers at the start of a state row are lists.
        traps: line and reason of what is left to plain Python.
        names: number in the state row of each variable that is kept.
    """

    text: str
    table: np.ndarray
    memory: int
    initial: np.ndarray
    regions: int
    traps: list[tuple[int, str]]
    names: dict[str, int]
    layout: Layout


def written(context: Context, body: Buffer, entry: Buffer, head: State, kinds: dict[str, str]) -> Translation:
    regions = context.state_memory
    names = {name: regions + k for k, name in enumerate(kinds)}
    lines = flatten(body)
    text = "\n".join(lines)
    start = _prologue(text, context.memory)
    for name, place in names.items():
        start.append(f"{name} = {_read(kinds[name], f'S[{place}]')}")
    marker = "    P[0] += prints"
    stores = "".join(f"    S[{place}] = {_stored(kinds[name], name)}\n" for name, place in names.items())
    text = text.replace(marker, stores + marker)
    one = "def one(i, TF, TI, TB, OF, OB, kn, W, WO, S, T, M, R, P):\n"
    one += "".join(f"    {line}\n" for line in start) + text + "\n"
    table = np.array(context.table or [0.0])
    initial = np.zeros(max(1, regions + len(names)))
    space: dict[str, Any] = dict.fromkeys(names, 0.0)
    space.update(S=initial, T=table, M=np.zeros(1), INF=math.inf, NAN=math.nan, math=math, np=np)
    exec("def fill():\n    pass\n" + "\n".join(line[4:] for line in flatten(entry)), space)
    for name, place in names.items():
        initial[place] = float(space[name])
    return Translation(
        text=_HEAD + one + "\n\n" + _kernel(regions, "on" in _words(text) or "mo" in _words(text)),
        table=table,
        memory=context.memory,
        initial=initial,
        regions=regions,
        traps=sorted(set(context.traps)),
        names=names,
        layout=make_layout(context.world, head, names),
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))


def _read(kind: str, expr: str) -> str:
    return {"b": f"{expr} != 0.0", "i": f"int({expr})"}.get(kind, expr)


def _stored(kind: str, name: str) -> str:
    return f"1.0 if {name} else 0.0" if kind == "b" else f"float({name})"


def _prologue(text: str, memory: int) -> list[str]:
    words = _words(text)
    assert TELEMETRY.fields is not None
    assert OBJECT_TELEMETRY.fields is not None
    size = TELEMETRY.itemsize
    lines = ["prints = 0", f"budget = {BUDGET}"]
    course = f"int(TI[i * {size // 4} + {TELEMETRY.fields['course'][1] // 4}])"
    for name, step in (("tf", 8), ("ti", 4), ("tb", 1)):
        if name in words:
            lines.append(f"{name} = i * {size // step}")
    if words & {"w0", "wn"}:
        lines += [f"course = {course}", "w0 = 2 * int(WO[course])", "wn = int(WO[course + 1]) - int(WO[course])"]
    if words & {"mo", "on"}:
        fields = OBJECT_TELEMETRY.fields
        step = OBJECT_TELEMETRY.itemsize
        lines += [f"mo = {memory}", "on = 0", "for k in range(kn):", f"    at = (i * kn + k) * {step}"]
        lines += [f"    if OB[at + {fields['active'][1]}] != 0:", "        of = at // 8"]
        for column, field in enumerate(("x", "y")):
            lines.append(f"        M[mo + 2 * on + {column}] = OF[of + {fields[field][1] // 8}]")
        for name, column in OBJECT_COLUMNS.items():
            if column:
                field = next(p.fields[0] for p in PARAMS if p.name == name)
                read = f"OF[of + {fields[field][1] // 8}]"
                if fields[field][0].kind == "b":
                    read = f"float(OB[at + {fields[field][1]}])"
                lines.append(f"        M[mo + {column} * kn + on] = {read}")
        lines.append("        on += 1")
    return lines


def _kernel(regions: int, objects: bool) -> str:
    assert TELEMETRY.fields is not None
    steps = f"TF[i * {TELEMETRY.itemsize // 8} + {TELEMETRY.fields['steps'][1] // 8}]"
    lines = [
        "def kernel(first, last, TF, TI, TB, OF, OB, kn, W, WO, SS, T, M, B, R, P, codes):",
        "    for i in range(first, last):",
        f"        if {steps} < {float(FIRST_STEP)}:",
        "            R[i] = 0.0",
        "            codes[i] = 0",
        "            continue",
    ]
    if regions:
        lines += [f"        for k in range({regions}):", "            B[k] = SS[i, k]"]
    lines.append("        codes[i] = one(i, TF, TI, TB, OF, OB, kn, W, WO, SS[i], T, M, R, P)")
    if regions:
        lines += [
            "        if codes[i] != 0:",
            f"            for k in range({regions}):",
            "                SS[i, k] = B[k]",
        ]
    return "\n".join(lines) + "\n"
