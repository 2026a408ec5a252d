"""From a loaded module to the text of its kernel."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from racer.reward.compile import native_arrays
from racer.reward.compile.arithmetic import as_number, f, present
from racer.reward.compile.calls import call, call_value, library_call
from racer.reward.compile.context import KINDS, NO_REWARD, UNCOVERED, Buffer, Context, flatten, number
from racer.reward.compile.expressions import evaluate
from racer.reward.compile.joins import Joiner, Own
from racer.reward.compile.layout import Layout, make_layout
from racer.reward.compile.scopes import is_live
from racer.reward.compile.statements import execute
from racer.reward.compile.values import (
    CannotCompile,
    Choice,
    Const,
    Dict,
    Hopeless,
    Items,
    Leaf,
    Maybe,
    Rec,
    Scalar,
    Seq,
    State,
    Unreachable,
    Value,
)
from racer.reward.compile.world import World
from racer.reward.params import PARAMS, Param
from racer.reward.seam import FIRST_STEP, REWARD_MAX
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

BUDGET = 10_000_000
"""Rounds of loops in one call."""
FORBIDDEN = (
    "open",
    "exec",
    "eval",
    "compile",
    "input",
    "globals",
    "locals",
    "vars",
    "__import__",
    "delattr",
    "breakpoint",
)
MODULES = [
    "math",
    "numpy",
    "typing",
    "json",
    "time",
    "random",
    "copy",
    "collections",
    "functools",
    "itertools",
    "statistics",
    "bisect",
    "enum",
    "dataclasses",
    "abc",
    "operator",
    "sys",
    "os",
    "__future__",
    "types",
    "numbers",
    "shapely",
    "scipy",
]

_OBJECT_COLUMNS = {
    "objects_location": 0,
    "objects_distance": 2,
    "objects_heading": 3,
    "objects_left_of_center": 4,
    "objects_speed": 5,
    "objects_distance_from_center": 6,
}
OBJECT_NUMBERS = 7
"""Numbers that the kernel keeps of each object of a car."""

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


def translate(module: dict[str, Any], text: str, file: str) -> Translation:
    """Translate the `reward_function` of a module that was run.

    Args:
        module: its globals.
        text: its source.
        file: the file that its code objects name.

    Raises:
        CannotCompile: it is left to plain Python as a whole.
    """
    tree = ast.parse(text)
    check_module(tree)
    context = Context(None)
    context.world = World(module, tree, file, context.table)
    context.evaluate, context.execute = evaluate, execute
    context.call, context.call_value = call, call_value
    context.routine = lambda name, *args: library_call(context, name, *args)
    context.is_live = lambda key: is_live(context, key)
    try:
        body, entry, head = _settled(context, module)
    except RecursionError:
        raise CannotCompile("it is nested too deep") from None
    names = _kept_names(context, head)
    return _written(context, body, entry, head, names)


def check_module(tree: ast.Module) -> None:
    """Raise `CannotCompile` for what must not be compiled: files, other modules, names made from text."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", None)
        if isinstance(node, ast.Name) and node.id in FORBIDDEN:
            raise CannotCompile(f"it uses `{node.id}`", line)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        for name in names:
            if name.split(".")[0] not in MODULES:
                raise CannotCompile(f"it imports `{name}`", line)


def _settled(context: Context, module: dict[str, Any]) -> tuple[Buffer, Buffer, State]:
    """Translate until the state between calls no longer changes."""
    head = State()
    own = Own()
    for _ in range(16):
        context.traps.clear()
        buffer: Buffer = []
        context.b, context.s = buffer, head.clone()
        context.jumps, context.stack, context.path, context.current = [], [], (), 0
        context.frames, context.places, context.user_loops = {}, {}, []
        context.tries, context.active = [], []
        slot: Buffer = []
        end = _one_call(context, module, slot)
        if end is None:
            first = context.traps[0] if context.traps else (0, "no call of it returns a number")
            raise CannotCompile(first[1], first[0] or None)
        end.vars = {key: value for key, value in end.vars.items() if key[0] <= 0 and not key[1].startswith("$")}
        entry: Buffer = []
        joiner = Joiner(context, [(State(), entry), (end, slot)], head=head, own=own, array="S")
        new = joiner.run()
        if not joiner.changed:
            return buffer, entry, head
        head = new
    raise CannotCompile("the types of what it keeps between calls do not settle")


def _one_call(context: Context, module: dict[str, Any], slot: Buffer) -> State | None:
    """Write one call; the state at its end, None where no way leads there."""
    params = context.new(Dict(tuple((p.name, _param(context, p)) for p in PARAMS)))
    function = context.world.value(module["reward_function"], (("global", "reward_function"),))
    try:
        try:
            value = call_value(context, function, [params], {})
            _check_reward(context, value)
        except Hopeless:
            raise
        except CannotCompile as error:
            context.line = error.line or context.line
            raise context.trap(error.reason, UNCOVERED) from None
    except Unreachable:
        return None
    context.b.append(slot)
    context.b.append("P[0] += prints")
    context.b.append("R[i] = reward")
    context.b.append("return 0")
    return context.s


def _check_reward(context: Context, value: Value) -> None:
    value = present(context, value)
    if not number(value):
        raise context.trap("it returns no number", NO_REWARD)
    context.write(f"reward = {f(as_number(context, value))}")
    context.trap_if(f"not {-REWARD_MAX!r} <= reward <= {REWARD_MAX!r}", NO_REWARD)


def _param(context: Context, param: Param) -> Value:
    """The value of a key as the kernel reads it."""
    if param.fill == "waypoints":
        row = Rec("tuple", (Leaf("f"), Leaf("f")))
        return context.new(Seq("list", "W", "w0", Scalar("i", "wn", bound=2.0**31), 2, row))
    if param.fill == "telemetry":
        values = tuple(_field(name) for name in param.fields)
        return values[0] if len(values) == 1 else context.new(Items("list", values))
    column = _OBJECT_COLUMNS[param.name]
    wide = len(param.fields) == 2
    kind = "b" if OBJECT_TELEMETRY[param.fields[0]].kind == "b" else "f"
    shape = Rec("list", (Leaf("f"), Leaf("f"))) if wide else Leaf(kind)
    offset = f"mo + {column} * kn" if column else "mo"
    return context.new(Seq("list", "M", offset, Scalar("i", "on", bound=2.0**31), 2 if wide else 1, shape))


def _field(name: str) -> Scalar:
    assert TELEMETRY.fields is not None
    dtype, offset = TELEMETRY.fields[name][:2]
    if dtype.kind == "b":
        return Scalar("b", f"(TB[tb + {offset}] != 0)")
    if dtype.kind == "i":
        return Scalar("i", f"int(TI[ti + {offset // 4}])", bound=2.0**31)
    return Scalar("f", f"TF[tf + {offset // 8}]")


# -- what is kept between calls


def _kept_names(context: Context, head: State) -> dict[str, str]:
    """Kind of each variable that is kept."""
    names: dict[str, str] = {}

    def visit(thing: Any) -> None:
        if isinstance(thing, Scalar) and thing.expr in context.join_vars:
            names[thing.expr] = thing.kind
        elif isinstance(thing, Maybe):
            names[thing.tag] = "i"
            visit(thing.value)
        elif isinstance(thing, Choice):
            names[thing.expr] = "i"
        elif isinstance(thing, Seq):
            visit(thing.length)
        elif hasattr(thing, "items"):
            for item in thing.items:
                visit(item[1] if isinstance(item, tuple) else item)

    for value in (*head.vars.values(), *head.heap.values()):
        visit(value)
    return names


# -- the text


def _written(context: Context, body: Buffer, entry: Buffer, head: State, kinds: dict[str, str]) -> Translation:
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
        for name, column in _OBJECT_COLUMNS.items():
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


__all__ = ["KINDS", "CannotCompile", "Const", "native_arrays", "translate"]
