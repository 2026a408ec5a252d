"""The text of a kernel: from the lines of one translated call to a module that numba compiles.

The module has two functions. `call` makes the call of car i; it returns 0, or the code of a trap. `kernel` calls it
for a range of cars, gives 0 to cars without a reward, and restores the lists of a car's state where its call ended in
a trap. Both read and write arrays that the caller owns; their names in the text are:

    TF TI TB    telemetry as float64, int32 and uint8 views of the same bytes
    OF OB kn    objects as float64 and uint8 views, and slots for objects of each car
    W WO        points of all centre lines, and the first point of each course
    S SS        state row of the car, state rows of all cars: lists first (regions), then one number for each variable
    T           table of constants
    M           memory of a call: its lists, then the objects of the car (from `mo` on, `on` of them)
    B           backup of the lists of a state row
    R P codes   rewards, number of printed lines, codes

The module also makes the layout of a state row: plain JSON, a list of entries, each with the path of a name or object
in the user's module and the place of its value in the row. `racer.reward.compile.car_state` reads it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from racer.reward.compile import values as ir
from racer.reward.compile.car_state import StateLayout
from racer.reward.compile.control_flow import Context
from racer.reward.compile.emitter import Buffer, flatten_lines
from racer.reward.compile.errors import UnsupportedFunction
from racer.reward.compile.module_env import FUNCTION_FRAME, ModuleEnv
from racer.reward.compile.values import Value
from racer.reward.params import FIRST_STEP, PARAMS, Param
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY


class _LayoutMaker:
    """Makes the layout of what a translation keeps between calls.

    Args:
        module_env: the module as it was loaded; what equals it is not kept.
        head: the state at the beginning of a call.
        places: place in the state row of each kept variable of the kernel.
    """

    def __init__(self, module_env: ModuleEnv, head: ir.ProgramState, places: dict[str, int]) -> None:
        self._module_env, self._head, self._places = module_env, head, places

    def layout(self) -> StateLayout:
        """Return the layout.

        Raises:
            CannotCompile: something else than a number, a list of numbers or an object that holds them is kept.
        """
        env, entries = self._module_env, []
        for (frame, name), value in self._head.variables.items():
            # A value that equals the loaded one at the beginning of every call was never changed.
            if value == env.variable((frame, name)) or value == ir.UNBOUND:
                continue
            # Frame 0 is the module; functions with attributes and closures have negative numbers, see `ModuleEnv`.
            if frame == 0:
                path: list[Any] = [["global", name]]
            elif frame <= FUNCTION_FRAME:
                path = [*_as_lists(env.functions[FUNCTION_FRAME - frame][1]), ["attr", name]]
            else:
                path = [*_as_lists(env.cells[frame][1]), ["cell", name]]
            entries.append({"path": path, "value": self._value(value, name)})
        # Objects of the module have low numbers; objects that calls make are kept only as values of names or items.
        for id, content in self._head.heap.items():
            if id < ir.MODULE_OBJECTS_MAX and content != env.content(id):
                entries.extend(self._object(_as_lists(env.objects[id][1]), content, env.content(id)))
        return entries

    def _object(self, path: list[Any], content: ir.Content, before: ir.Content) -> StateLayout:
        if isinstance(content, (ir.DictContents, ir.ObjectFields)) and isinstance(
            before, (ir.DictContents, ir.ObjectFields)
        ):
            step = "key" if isinstance(content, ir.DictContents) else "attr"
            old = dict(before.items)
            return [
                {"path": [*path, [step, name]], "value": self._value(value, str(name))}
                for name, value in content.items
                if value != old.get(name, ir.UNBOUND)
            ]
        if isinstance(content, (ir.FixedSequence, ir.ArraySequence)) and content.type == "list":
            return [{"path": path, "contents": self._contents(content, "a list")}]
        raise UnsupportedFunction("an object is kept between calls in a shape that is not covered")

    def _value(self, value: Value, name: str) -> dict[str, Any]:
        if isinstance(value, ir.Constant):
            return {"is": "const", "value": value.value}
        if isinstance(value, ir.Scalar) and value.expr in self._places:
            return {"is": "number", "kind": value.kind, "numpy": value.numpy, "at": self._places[value.expr]}
        if isinstance(value, ir.Maybe):
            inner = None if value.value is None else self._value(value.value, name)
            return {"is": "maybe", "at": self._places[value.tag], "value": inner}
        if isinstance(value, ir.StringChoice):
            return {"is": "choice", "options": list(value.options), "at": self._places[value.expr]}
        if isinstance(value, ir.TupleValue) and value.type in ("tuple", "list", "ndarray"):
            return {"is": "items", "type": value.type, "items": [self._value(item, name) for item in value.items]}
        if isinstance(value, ir.ObjectRef) and value.id < ir.MODULE_OBJECTS_MAX:
            return {"is": "object", "path": _as_lists(self._module_env.objects[value.id][1])}
        if isinstance(value, ir.ObjectRef):
            content = self._head.heap[value.id]
            if isinstance(content, (ir.FixedSequence, ir.ArraySequence)):
                return self._contents(content, name)
            if isinstance(content, ir.DictContents):
                return {"is": "dict", "items": self._items(content, name)}
            cls = content.cls if isinstance(content, ir.ObjectFields) else None
            if (
                isinstance(content, ir.ObjectFields)
                and isinstance(cls, ir.ObjectRef)
                and cls.id < ir.MODULE_OBJECTS_MAX
            ):
                path = _as_lists(self._module_env.objects[cls.id][1])
                return {"is": "instance", "class": path, "items": self._items(content, name)}
        if isinstance(value, (ir.UserFunction, ir.Builtin)):
            raise UnsupportedFunction(f"`{name}` keeps a function between calls")
        raise UnsupportedFunction(f"`{name}` keeps something between calls that is not a number")

    def _items(self, content: ir.DictContents | ir.ObjectFields, name: str) -> list[Any]:
        return [[key, self._value(value, name)] for key, value in content.items]

    def _contents(self, content: ir.FixedSequence | ir.ArraySequence, name: str) -> dict[str, Any]:
        if isinstance(content, ir.FixedSequence):
            if content.type not in ("list", "tuple", "ndarray"):
                raise UnsupportedFunction(f"`{name}` keeps a {content.type} between calls")
            return {"is": "items", "type": content.type, "items": [self._value(item, name) for item in content.items]}
        # Only the state row (S) survives a call; M is shared by all cars, and T is constant.
        if content.array != "S":
            raise UnsupportedFunction(f"`{name}` keeps a long list between calls")
        return {
            "is": "rows",
            "type": content.type,
            "at": int(content.offset),
            "capacity": content.capacity,
            "shape": _shape_layout(content.shape),
            "length": self._value(content.length, name),
        }


def _as_lists(path: tuple[tuple[str, Any], ...]) -> list[Any]:
    return [list(step) for step in path]


def _shape_layout(shape: ir.Shape) -> Any:
    if isinstance(shape, ir.NumberShape):
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
"""Column in M of each key of objects; a column has `kn` numbers, and the first one is two columns of (x, y)."""


def _offset(dtype: np.dtype[np.void], name: str, size: int = 1) -> int:
    """Return the offset of a field, in numbers of `size` bytes."""
    assert dtype.fields is not None
    return dtype.fields[name][1] // size


def param_value(context: Context, param: Param, first_step: int = FIRST_STEP) -> Value:
    """Return the value of a key of params, as the kernel reads it; `steps` is `first_step` in the first call."""
    if param.name == "steps" and first_step != FIRST_STEP:
        return ir.Scalar("f", f"({_field('steps').expr} - {float(FIRST_STEP - first_step)})")
    if param.fill == "waypoints":
        row = ir.RecordShape("tuple", (ir.NumberShape("f"), ir.NumberShape("f")))
        return context.new_object(ir.ArraySequence("list", "W", "w0", ir.Scalar("i", "wn", bound=2.0**31), 2, row))
    if param.fill == "telemetry":
        values = tuple(_field(name) for name in param.fields)
        return values[0] if len(values) == 1 else context.new_object(ir.FixedSequence("list", values))
    column = OBJECT_COLUMNS[param.name]
    # The number of objects is not known at translation time, so a key of objects is an array of `on` items in M.
    width = len(param.fields)
    number = ir.NumberShape("b" if OBJECT_TELEMETRY[param.fields[0]].kind == "b" else "f")
    shape = number if width == 1 else ir.RecordShape("list", (number, number))
    offset = f"mo + {column} * kn" if column else "mo"
    return context.new_object(ir.ArraySequence("list", "M", offset, ir.Scalar("i", "on", bound=2.0**31), width, shape))


def _field(name: str) -> ir.Scalar:
    kind = TELEMETRY[name].kind
    if kind == "b":
        return ir.Scalar("b", f"(TB[tb + {_offset(TELEMETRY, name)}] != 0)")
    if kind == "i":
        return ir.Scalar("i", f"int(TI[ti + {_offset(TELEMETRY, name, 4)}])", bound=2.0**31)
    return ir.Scalar("f", f"TF[tf + {_offset(TELEMETRY, name, 8)}]")


BUDGET = 10_000_000
"""Maximum number of iterations of all loops in one call."""
_MODULE_HEADER = '''"""Made by racer from a reward function; it is made again whenever that or racer changes."""
import math

import numpy as np

INF = math.inf
NAN = math.nan


'''


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A translated reward function.

    Attributes:
        text: Python source of `call` and `kernel`.
        table: constant numbers that the kernel reads.
        memory: numbers in the memory of a call, without those of objects.
        initial: state of a car before its first call.
        regions: numbers at the start of a state row that are lists.
        traps: line and reason of each piece that is left to plain Python.
        names: place in the state row of each kept variable.
        layout: places of the state of a module in a row.
    """

    text: str
    table: np.ndarray
    memory: int
    initial: np.ndarray
    regions: int
    traps: list[tuple[int, str]]
    names: dict[str, int]
    layout: StateLayout


# Example: the function
#
#     last = None
#     def reward_function(params):
#         global last
#         if params["is_offtrack"]:
#             return 0.0
#         gain = 0.0 if last is None else params["progress"] - last
#         last = params["progress"]
#         return gain
#
# keeps `last`, which is None or a float: a tag and a number of the state row. It becomes
#
#     def call(i, TF, TI, TB, OF, OB, kn, W, WO, S, T, M, R, P):
#         prints = 0
#         budget = 10000000
#         tf = i * 24
#         tb = i * 192
#         tag_4 = int(S[0])
#         last_5 = S[1]
#         if (TB[tb + 4] != 0):
#             tag_9 = tag_4
#             last_10 = last_5
#             return1_11 = 0.0
#         else:
#             if (tag_4 == 1):                            # tag 0: the float, 1: None, 2: no value
#                 t_6_7 = 0.0
#             else:
#                 if tag_4 != 0: return 49                # line 6, kind 1: Python would raise
#                 t_6_7 = (TF[tf + 10] - last_5)
#             last_8 = TF[tf + 10]
#             tag_9 = 0
#             last_10 = last_8
#             return1_11 = t_6_7
#         reward = return1_11
#         if not -100000.0 <= reward <= 100000.0: return 4
#         tag_4 = tag_9                                   # written by the join of the start and the end of a call
#         last_5 = last_10
#         S[0] = float(tag_4)
#         S[1] = float(last_5)
#         P[0] += prints
#         R[i] = reward
#         return 0
#
# Its layout has one entry:
#
#     {"path": [["global", "last"]], "value": {"is": "maybe", "at": 0, "value": {"is": "number", "at": 1, ...}}}
#
# and the first state of a car is [1.0, 0.0].
def make_translation(
    context: Context, body: Buffer, entry: Buffer, head: ir.ProgramState, kinds: dict[str, str]
) -> Translation:
    """Make the text and the numbers of a kernel.

    Args:
        context: the translator after its last pass.
        body: lines of one call.
        entry: lines that compute the state of a car before its first call from the module as it was loaded.
        head: values at the beginning of a call.
        kinds: kind of each kept variable, in the order of the state row.
    """
    regions = context.memory["S"]
    names = {name: regions + k for k, name in enumerate(kinds)}
    text = "\n".join(flatten_lines(body))
    start = _prologue(text, context.memory["M"])
    start += [f"{name} = {_load_expr(kinds[name], f'S[{place}]')}" for name, place in names.items()]
    # Every way to a valid reward ends with the marker; a trap returns earlier and leaves the variables as they were.
    marker = "    P[0] += prints"
    stores = "".join(f"    S[{place}] = {_store_expr(kinds[name], name)}\n" for name, place in names.items())
    text = text.replace(marker, stores + marker)
    function = "def call(i, TF, TI, TB, OF, OB, kn, W, WO, S, T, M, R, P):\n"
    function += "".join(f"    {line}\n" for line in start) + text + "\n"
    table = np.array(context.table or [0.0])
    initial = np.zeros(max(1, regions + len(names)))
    # The first state is computed here, once: `entry` assigns the loaded values to the variables of the kernel.
    space: dict[str, Any] = dict.fromkeys(names, 0.0)
    space.update(S=initial, T=table, M=np.zeros(1), INF=math.inf, NAN=math.nan, math=math, np=np)
    exec("def fill():\n    pass\n" + "\n".join(line[4:] for line in flatten_lines(entry)), space)
    for name, place in names.items():
        initial[place] = float(space[name])
    return Translation(
        text=f"{_MODULE_HEADER}{function}\n\n{_kernel_function(regions)}",
        table=table,
        memory=context.memory["M"],
        initial=initial,
        regions=regions,
        traps=sorted(set(context.traps)),
        names=names,
        layout=_LayoutMaker(context.module_env, head, names).layout(),
    )


def _load_expr(kind: str, expr: str) -> str:
    return {"b": f"{expr} != 0.0", "i": f"int({expr})"}.get(kind, expr)


def _store_expr(kind: str, name: str) -> str:
    return f"1.0 if {name} else 0.0" if kind == "b" else f"float({name})"


def _prologue(text: str, memory: int) -> list[str]:
    """Return the first lines of `call`: only those that compute a name which the text uses."""
    used = set(re.findall(r"[A-Za-z_]\w*", text))
    size = TELEMETRY.itemsize
    lines = ["prints = 0", f"budget = {BUDGET}"]
    course = f"int(TI[i * {size // 4} + {_offset(TELEMETRY, 'course', 4)}])"
    for name, step in (("tf", 8), ("ti", 4), ("tb", 1)):
        if name in used:
            lines.append(f"{name} = i * {size // step}")
    if used & {"w0", "wn"}:
        lines += [f"course = {course}", "w0 = 2 * int(WO[course])", "wn = int(WO[course + 1]) - int(WO[course])"]
    if used & {"mo", "on"}:
        # Copy the active objects of the car into the columns of M, close together.
        step = OBJECT_TELEMETRY.itemsize
        lines += [f"mo = {memory}", "on = 0", "for k in range(kn):", f"    at = (i * kn + k) * {step}"]
        lines += [f"    if OB[at + {_offset(OBJECT_TELEMETRY, 'active')}] != 0:", "        of = at // 8"]
        for column, name in enumerate(("x", "y")):
            lines.append(f"        M[mo + 2 * on + {column}] = OF[of + {_offset(OBJECT_TELEMETRY, name, 8)}]")
        fields = {param.name: param.fields[0] for param in PARAMS if param.fill == "objects"}
        for name, column in OBJECT_COLUMNS.items():
            if column:
                read = f"OF[of + {_offset(OBJECT_TELEMETRY, fields[name], 8)}]"
                if OBJECT_TELEMETRY[fields[name]].kind == "b":
                    read = f"float(OB[at + {_offset(OBJECT_TELEMETRY, fields[name])}])"
                lines.append(f"        M[mo + {column} * kn + on] = {read}")
        lines.append("        on += 1")
    return lines


def _kernel_function(regions: int) -> str:
    steps = f"TF[i * {TELEMETRY.itemsize // 8} + {_offset(TELEMETRY, 'steps', 8)}]"
    lines = [
        "def kernel(first, last, TF, TI, TB, OF, OB, kn, W, WO, SS, T, M, B, R, P, codes):",
        "    for i in range(first, last):",
        f"        if {steps} < {float(FIRST_STEP)}:",
        "            R[i] = 0.0",
        "            codes[i] = 0",
        "            continue",
    ]
    # A trapped call may have written half of its lists; plain Python repeats it from the state before.
    if regions:
        lines += [f"        for k in range({regions}):", "            B[k] = SS[i, k]"]
    lines.append("        codes[i] = call(i, TF, TI, TB, OF, OB, kn, W, WO, SS[i], T, M, R, P)")
    if regions:
        lines += [
            "        if codes[i] != 0:",
            f"            for k in range({regions}):",
            "                SS[i, k] = B[k]",
        ]
    return "\n".join(lines) + "\n"
