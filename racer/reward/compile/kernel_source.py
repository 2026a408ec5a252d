"""Where the state of a car lies in its row.

A layout is plain JSON: a list of entries, each with the path of a name or object of the module and what is kept there.

The keys of params as values that the kernel reads from the batch.

The text of a kernel: from the lines of a translated call to a module that numba compiles.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from racer.reward.compile.car_state import StateLayout
from racer.reward.compile.control_flow import Context
from racer.reward.compile.emitter import Buffer, flatten_lines
from racer.reward.compile.errors import UnsupportedFunction
from racer.reward.compile.module_env import FUNCTION_FRAME, ModuleEnv
from racer.reward.compile.values import (
    MODULE_OBJECTS_MAX,
    UNBOUND,
    ArraySequence,
    Builtin,
    Constant,
    Content,
    DictContents,
    FixedSequence,
    Maybe,
    NumberShape,
    ObjectFields,
    ObjectRef,
    ProgramState,
    RecordShape,
    Scalar,
    Shape,
    StringChoice,
    TupleValue,
    UserFunction,
    Value,
)
from racer.reward.params import PARAMS, Param
from racer.reward.protocol import FIRST_STEP
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY


def make_layout(world: ModuleEnv, head: ProgramState, names: dict[str, int]) -> StateLayout:
    """The layout of what a translation keeps between calls.

    Raises:
        CannotCompile: something is kept that is no number, list of numbers or object that holds them.
    """
    entries: StateLayout = []
    for (frame, name), value in head.variables.items():
        if value == world.variable((frame, name)) or value == UNBOUND:
            continue
        if frame == 0:
            path: list[Any] = [["global", name]]
        elif frame <= FUNCTION_FRAME:
            path = [*_steps(world.functions[FUNCTION_FRAME - frame][1]), ["attr", name]]
        else:
            path = [*_steps(world.cells[frame][1]), ["cell", name]]
        entries.append({"path": path, "value": _value_layout(world, head, names, value, name)})
    for id, content in head.heap.items():
        if id >= MODULE_OBJECTS_MAX or content == world.content(id):
            continue
        place = _steps(world.objects[id][1])
        entries.extend(_object_layout(world, head, names, place, content, world.content(id)))
    return entries


def _steps(path: tuple[tuple[str, Any], ...]) -> list[Any]:
    return [list(step) for step in path]


def _object_layout(
    world: ModuleEnv, head: ProgramState, names: dict[str, int], place: list[Any], content: Content, before: Content
) -> StateLayout:
    if isinstance(content, (DictContents, ObjectFields)) and isinstance(before, (DictContents, ObjectFields)):
        word = "key" if isinstance(content, DictContents) else "attr"
        old = dict(before.items)
        return [
            {"path": [*place, [word, name]], "value": _value_layout(world, head, names, value, str(name))}
            for name, value in content.items
            if value != old.get(name, UNBOUND)
        ]
    if isinstance(content, (FixedSequence, ArraySequence)) and content.type == "list":
        return [{"path": place, "contents": _contents_layout(world, head, names, content, "a list")}]
    raise UnsupportedFunction("an object is kept between calls in a shape that is not covered")


def _value_layout(
    world: ModuleEnv, head: ProgramState, names: dict[str, int], value: Value, name: str
) -> dict[str, Any]:
    if isinstance(value, Constant):
        return {"is": "const", "value": value.value}
    if isinstance(value, Scalar) and value.expr in names:
        return {"is": "number", "kind": value.kind, "numpy": value.numpy, "at": names[value.expr]}
    if isinstance(value, Maybe):
        inner = None if value.value is None else _value_layout(world, head, names, value.value, name)
        return {"is": "maybe", "at": names[value.tag], "value": inner}
    if isinstance(value, StringChoice):
        return {"is": "choice", "options": list(value.options), "at": names[value.expr]}
    if isinstance(value, TupleValue) and value.type in ("tuple", "list", "ndarray"):
        return {
            "is": "items",
            "type": value.type,
            "items": [_value_layout(world, head, names, item, name) for item in value.items],
        }
    if isinstance(value, ObjectRef):
        if value.id < MODULE_OBJECTS_MAX:
            return {"is": "object", "path": _steps(world.objects[value.id][1])}
        content = head.heap[value.id]
        if isinstance(content, (FixedSequence, ArraySequence)):
            return _contents_layout(world, head, names, content, name)
        if isinstance(content, DictContents):
            return {"is": "dict", "items": [[k, _value_layout(world, head, names, v, name)] for k, v in content.items]}
        if (
            isinstance(content, ObjectFields)
            and isinstance(content.cls, ObjectRef)
            and content.cls.id < MODULE_OBJECTS_MAX
        ):
            return {
                "is": "instance",
                "class": _steps(world.objects[content.cls.id][1]),
                "items": [[k, _value_layout(world, head, names, v, name)] for k, v in content.items],
            }
    if isinstance(value, (UserFunction, Builtin)):
        raise UnsupportedFunction(f"`{name}` keeps a function between calls")
    raise UnsupportedFunction(f"`{name}` keeps something between calls that is no number")


def _contents_layout(
    world: ModuleEnv, head: ProgramState, names: dict[str, int], content: FixedSequence | ArraySequence, name: str
) -> dict[str, Any]:
    if isinstance(content, FixedSequence):
        if content.type not in ("list", "tuple", "ndarray"):
            raise UnsupportedFunction(f"`{name}` keeps a {content.type} between calls")
        items = [_value_layout(world, head, names, item, name) for item in content.items]
        return {"is": "items", "type": content.type, "items": items}
    if content.array != "S":
        raise UnsupportedFunction(f"`{name}` keeps a long list between calls")
    return {
        "is": "rows",
        "type": content.type,
        "at": int(content.offset),
        "capacity": content.capacity,
        "shape": _shape_layout(content.shape),
        "length": _value_layout(world, head, names, content.length, name),
    }


def _shape_layout(shape: Shape) -> Any:
    if isinstance(shape, NumberShape):
        return [shape.kind, shape.numpy]
    return {"type": shape.type, "items": [_shape_layout(item) for item in shape.items]}


OBJECT_COLUMNS = {
    "objects_location": 0,
    "objects_distance": 2,
    "objects_heading": 3,
    "objects_left_of_center": 4,
    "objects_speed": 5,
    "objects_distance_from_center": 6,
}


def param_value(context: Context, param: Param) -> Value:
    """The value of a key as the kernel reads it."""
    if param.fill == "waypoints":
        row = RecordShape("tuple", (NumberShape("f"), NumberShape("f")))
        return context.new_object(ArraySequence("list", "W", "w0", Scalar("i", "wn", bound=2.0**31), 2, row))
    if param.fill == "telemetry":
        values = tuple(_field(name) for name in param.fields)
        return values[0] if len(values) == 1 else context.new_object(FixedSequence("list", values))
    column = OBJECT_COLUMNS[param.name]
    wide = len(param.fields) == 2
    kind = "b" if OBJECT_TELEMETRY[param.fields[0]].kind == "b" else "f"
    shape = RecordShape("list", (NumberShape("f"), NumberShape("f"))) if wide else NumberShape(kind)
    offset = f"mo + {column} * kn" if column else "mo"
    return context.new_object(
        ArraySequence("list", "M", offset, Scalar("i", "on", bound=2.0**31), 2 if wide else 1, shape)
    )


def _field(name: str) -> Scalar:
    assert TELEMETRY.fields is not None
    dtype, offset = TELEMETRY.fields[name][:2]
    if dtype.kind == "b":
        return Scalar("b", f"(TB[tb + {offset}] != 0)")
    if dtype.kind == "i":
        return Scalar("i", f"int(TI[ti + {offset // 4}])", bound=2.0**31)
    return Scalar("f", f"TF[tf + {offset // 8}]")


BUDGET = 10_000_000
"""Rounds of loops in one call."""
_MODULE_HEADER = '''"""Made by racer from a reward function; it is made again whenever that or racer changes."""
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
    layout: StateLayout


def make_translation(
    context: Context, body: Buffer, entry: Buffer, head: ProgramState, kinds: dict[str, str]
) -> Translation:
    regions = context.state_memory
    names = {name: regions + k for k, name in enumerate(kinds)}
    lines = flatten_lines(body)
    text = "\n".join(lines)
    start = _prologue(text, context.memory)
    for name, place in names.items():
        start.append(f"{name} = {_load_expr(kinds[name], f'S[{place}]')}")
    marker = "    P[0] += prints"
    stores = "".join(f"    S[{place}] = {_store_expr(kinds[name], name)}\n" for name, place in names.items())
    text = text.replace(marker, stores + marker)
    one = "def one(i, TF, TI, TB, OF, OB, kn, W, WO, S, T, M, R, P):\n"
    one += "".join(f"    {line}\n" for line in start) + text + "\n"
    table = np.array(context.table or [0.0])
    initial = np.zeros(max(1, regions + len(names)))
    space: dict[str, Any] = dict.fromkeys(names, 0.0)
    space.update(S=initial, T=table, M=np.zeros(1), INF=math.inf, NAN=math.nan, math=math, np=np)
    exec("def fill():\n    pass\n" + "\n".join(line[4:] for line in flatten_lines(entry)), space)
    for name, place in names.items():
        initial[place] = float(space[name])
    return Translation(
        text=_MODULE_HEADER
        + one
        + "\n\n"
        + _kernel_function(regions, "on" in _names_in(text) or "mo" in _names_in(text)),
        table=table,
        memory=context.memory,
        initial=initial,
        regions=regions,
        traps=sorted(set(context.traps)),
        names=names,
        layout=make_layout(context.module_env, head, names),
    )


def _names_in(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))


def _load_expr(kind: str, expr: str) -> str:
    return {"b": f"{expr} != 0.0", "i": f"int({expr})"}.get(kind, expr)


def _store_expr(kind: str, name: str) -> str:
    return f"1.0 if {name} else 0.0" if kind == "b" else f"float({name})"


def _prologue(text: str, memory: int) -> list[str]:
    words = _names_in(text)
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


def _kernel_function(regions: int, objects: bool) -> str:
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
