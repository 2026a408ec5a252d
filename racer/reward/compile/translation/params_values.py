"""The keys of params as values that the kernel reads from the batch."""

from __future__ import annotations

from racer.reward.compile.flow.context import Context
from racer.reward.compile.values.heap import Items, Seq
from racer.reward.compile.values.shapes import Leaf, Rec
from racer.reward.compile.values.value import Scalar, Value
from racer.reward.params import Param
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

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
        row = Rec("tuple", (Leaf("f"), Leaf("f")))
        return context.new(Seq("list", "W", "w0", Scalar("i", "wn", bound=2.0**31), 2, row))
    if param.fill == "telemetry":
        values = tuple(_field(name) for name in param.fields)
        return values[0] if len(values) == 1 else context.new(Items("list", values))
    column = OBJECT_COLUMNS[param.name]
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
