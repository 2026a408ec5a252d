"""Bounds the work of an ONNX graph from the shapes of its tensors, without running it.

`OPERATOR_RULES` lists the operators that an entrant may use. A rule derives the shapes of the outputs from those
of the inputs, by the operator descriptions of the ONNX standard (onnx.ai/onnx/operators), and counts multiply-adds.
Integers in small tensors are followed too, because graphs compute shapes from them. Example: `Gemm` of (1, 64) by
(64, 2) gives shape (1, 2) and 128 multiply-adds. Where a rule cannot determine a shape, the graph is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.policy.graph import VALUES_MAX, Graph, Node

Shape = tuple[int, ...]
_INT64 = 7
"""ONNX's number for the data type."""


class UnknownShapeError(Exception):
    """A shape cannot be determined; the text names the operator and the reason."""


@dataclass(frozen=True)
class KnownTensor:
    """A tensor's shape, and its values where they are few integers."""

    shape: Shape
    values: NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class NodeCall:
    """One node with its inputs; an omitted input is None."""

    node: Node
    inputs: tuple[KnownTensor | None, ...]

    def given(self, k: int) -> KnownTensor:
        """Return input `k`, which must be present."""
        known = self.maybe(k)
        if known is None:
            raise UnknownShapeError(f"input {k} is missing")
        return known

    def maybe(self, k: int) -> KnownTensor | None:
        """Return input `k`, or None."""
        return self.inputs[k] if k < len(self.inputs) else None

    def whole(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.i

    def wholes(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """Return an attribute that is a list of integers."""
        attribute = self.node.attributes.get(name)
        return tuple(default) if attribute is None else attribute.ints

    def listed(self, name: str, k: int) -> tuple[int, ...] | None:
        """Return integers that are an attribute in older operator sets and input `k` in newer ones; None: neither."""
        if name in self.node.attributes:
            return self.node.attributes[name].ints
        known = self.maybe(k)
        if known is None:
            return None
        if known.values is None:
            raise UnknownShapeError(f"`{name}` is computed")
        return tuple(int(value) for value in known.values.reshape(-1))


RuleResult = tuple[list[KnownTensor], int]
"""The outputs, and the multiply-adds."""
ShapeRule = Callable[[NodeCall], RuleResult]


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < max(rank, 1):
        raise ValueError
    return axis % rank if rank else 0


def _elementwise(use: NodeCall) -> RuleResult:
    """Return one element for each of the first input."""
    first, operator = use.given(0), use.node.operator
    same = operator == "Identity" or (operator == "Cast" and use.whole("to", 0) == _INT64)
    return [KnownTensor(first.shape, first.values if same else None)], first.size


def _broadcast(use: NodeCall) -> RuleResult:
    shape = np.broadcast_shapes(*(known.shape for known in use.inputs if known is not None))
    return [KnownTensor(shape)], math.prod(shape) * len(use.inputs)


def _constant(use: NodeCall) -> RuleResult:
    attributes = use.node.attributes
    if "value" in attributes and (tensor := attributes["value"].tensor) is not None:
        return [KnownTensor(tensor.shape, tensor.values)], 0
    if "value_int" in attributes:
        return [KnownTensor((), np.array(attributes["value_int"].i))], 0
    if "value_float" in attributes:
        return [KnownTensor(())], 0
    if "value_ints" in attributes:
        values = np.array(attributes["value_ints"].ints, np.int64)
        return [KnownTensor(values.shape, values)], 0
    raise UnknownShapeError("a constant of a kind that policies do not need")


def _matmul(use: NodeCall) -> RuleResult:
    a, b = use.given(0).shape, use.given(1).shape
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise ValueError
    shape = (*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])
    work = math.prod(shape) * left[-1]
    if len(b) == 1:
        shape = shape[:-1]
    if len(a) == 1:
        shape = (*shape[:-2], shape[-1]) if len(b) > 1 else shape[:-1]
    return [KnownTensor(shape)], work


def _gemm(use: NodeCall) -> RuleResult:
    (rows, inner), (other, columns) = use.given(0).shape, use.given(1).shape
    if use.whole("transA", 0):
        rows, inner = inner, rows
    if use.whole("transB", 0):
        other, columns = columns, other
    if inner != other:
        raise ValueError
    return [KnownTensor((rows, columns))], rows * columns * inner


def _window(use: NodeCall, size: Shape, kernel: Sequence[int]) -> Shape:
    """Return the spatial shape of a convolution or pooling with a window of `kernel` over `size`."""
    rank = len(size)
    strides = use.wholes("strides") or (1,) * rank
    dilations = use.wholes("dilations") or (1,) * rank
    pads = use.wholes("pads") or (0,) * (2 * rank)
    if not len(kernel) == len(strides) == len(dilations) == rank == len(pads) // 2 or min(strides) < 1 or rank == 0:
        raise ValueError
    if min(kernel) < 1 or min(dilations) < 1 or min(pads) < 0:
        raise ValueError
    auto = use.node.attributes["auto_pad"].s if "auto_pad" in use.node.attributes else "NOTSET"
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        return tuple(-(-size[k] // strides[k]) for k in range(rank))
    out = []
    for k in range(rank):
        room = size[k] + (0 if auto == "VALID" else pads[k] + pads[k + rank]) - dilations[k] * (kernel[k] - 1) - 1
        steps = -(-room // strides[k]) if use.whole("ceil_mode", 0) else room // strides[k]
        if room < 0:
            raise ValueError
        out.append(steps + 1)
    return tuple(out)


def _conv(use: NodeCall) -> RuleResult:
    quantised = use.node.operator == "QLinearConv"
    picture, weight = use.given(0).shape, use.given(3 if quantised else 1).shape
    group = use.whole("group", 1)
    if group < 1 or len(picture) != len(weight) or picture[1] != weight[1] * group or weight[0] % group:
        raise ValueError
    out = (picture[0], weight[0], *_window(use, picture[2:], weight[2:]))
    return [KnownTensor(out)], math.prod(out) * math.prod(weight[1:])


def _quantised_matmul(use: NodeCall) -> RuleResult:
    return _matmul(NodeCall(use.node, (use.given(0), use.given(3))))


def _pool(use: NodeCall) -> RuleResult:
    picture, kernel = use.given(0).shape, use.wholes("kernel_shape")
    out = KnownTensor((*picture[:2], *_window(use, picture[2:], kernel)))
    return [out], out.size * math.prod(kernel)


def _global_pool(use: NodeCall) -> RuleResult:
    picture = use.given(0)
    return [KnownTensor((*picture.shape[:2], *(1 for _ in picture.shape[2:])))], picture.size


def _reduce(use: NodeCall) -> RuleResult:
    known = use.given(0)
    rank = len(known.shape)
    if use.node.operator.startswith("Arg"):
        axes: tuple[int, ...] | None = (use.whole("axis", 0),)
    else:
        axes = use.listed("axes", 1)
    if not axes:
        axes = () if use.whole("noop_with_empty_axes", 0) else tuple(range(rank))
    gone = {_axis(axis, rank) for axis in axes}
    if use.whole("keepdims", 1):
        shape = tuple(1 if k in gone else size for k, size in enumerate(known.shape))
    else:
        shape = tuple(size for k, size in enumerate(known.shape) if k not in gone)
    return [KnownTensor(shape)], known.size


def _flatten(use: NodeCall) -> RuleResult:
    known = use.given(0)
    axis = use.whole("axis", 1)
    axis = axis + len(known.shape) if axis < 0 else axis
    return [KnownTensor((math.prod(known.shape[:axis]), math.prod(known.shape[axis:])))], 0


def _reshape(use: NodeCall) -> RuleResult:
    known, wanted = use.given(0), use.listed("shape", 1)
    if wanted is None:
        raise ValueError
    keep = not use.whole("allowzero", 0)
    shape = [known.shape[k] if size == 0 and keep else size for k, size in enumerate(wanted)]
    if -1 in shape:
        place = shape.index(-1)
        rest = math.prod(shape[:place] + shape[place + 1 :])
        shape[place] = known.size // rest
    if min(shape, default=0) < 0 or math.prod(shape) != known.size:
        raise ValueError
    values = None if known.values is None else known.values.reshape(shape)
    return [KnownTensor(tuple(shape), values)], 0


def _transpose(use: NodeCall) -> RuleResult:
    shape = use.given(0).shape
    order = use.wholes("perm") or tuple(reversed(range(len(shape))))
    if sorted(order) != list(range(len(shape))):
        raise ValueError
    return [KnownTensor(tuple(shape[k] for k in order))], math.prod(shape)


def _concat(use: NodeCall) -> RuleResult:
    parts = [known for known in use.inputs if known is not None]
    first = parts[0].shape
    axis = _axis(use.whole("axis", 0), len(first))
    for part in parts:
        if len(part.shape) != len(first) or part.shape[:axis] + part.shape[axis + 1 :] != (
            first[:axis] + first[axis + 1 :]
        ):
            raise ValueError
    shape = (*first[:axis], sum(part.shape[axis] for part in parts), *first[axis + 1 :])
    values = [part.values for part in parts if part.values is not None]
    whole = len(values) == len(parts) and math.prod(shape) <= VALUES_MAX
    return [KnownTensor(shape, np.concatenate(values, axis) if whole else None)], math.prod(shape)


def _split(use: NodeCall) -> RuleResult:
    known = use.given(0)
    axis = _axis(use.whole("axis", 0), len(known.shape))
    size, count = known.shape[axis], len(use.node.outputs)
    each = -(-size // count)
    parts = use.listed("split", 1) or tuple(min(each, size - each * k) for k in range(count))
    if sum(parts) != size or len(parts) != count or min(parts) < 0:
        raise ValueError
    return [KnownTensor((*known.shape[:axis], part, *known.shape[axis + 1 :])) for part in parts], known.size


def _slice(use: NodeCall) -> RuleResult:
    known = use.given(0)
    starts, ends = use.listed("starts", 1), use.listed("ends", 2)
    if starts is None or ends is None:
        raise ValueError
    axes = use.listed("axes", 3) or tuple(range(len(starts)))
    steps = use.listed("steps", 4) or (1,) * len(starts)
    cut = [slice(None)] * len(known.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        k = _axis(axis, len(known.shape))
        low, high = (-known.shape[k] - 1 if step < 0 else 0), known.shape[k]
        past = None if step < 0 and end <= low else end
        cut[k] = slice(max(start, -high) if start < 0 else start, past, step)
    shape = tuple(len(range(*part.indices(size))) for part, size in zip(cut, known.shape, strict=True))
    return [KnownTensor(shape, None if known.values is None else known.values[tuple(cut)])], math.prod(shape)


def _squeeze(use: NodeCall) -> RuleResult:
    known, axes = use.given(0), use.listed("axes", 1)
    rank = len(known.shape)
    gone = {_axis(axis, rank) for axis in axes} if axes else {k for k, size in enumerate(known.shape) if size == 1}
    if any(known.shape[k] != 1 for k in gone):
        raise ValueError
    shape = tuple(size for k, size in enumerate(known.shape) if k not in gone)
    return [KnownTensor(shape, None if known.values is None else known.values.reshape(shape))], 0


def _unsqueeze(use: NodeCall) -> RuleResult:
    known, axes = use.given(0), use.listed("axes", 1)
    if axes is None:
        raise ValueError
    rank = len(known.shape) + len(axes)
    new = {_axis(axis, rank) for axis in axes}
    remaining = iter(known.shape)
    shape = tuple(1 if k in new else next(remaining) for k in range(rank))
    return [KnownTensor(shape, None if known.values is None else known.values.reshape(shape))], 0


def _gather(use: NodeCall) -> RuleResult:
    known, places = use.given(0), use.given(1)
    axis = _axis(use.whole("axis", 0), len(known.shape))
    shape = (*known.shape[:axis], *places.shape, *known.shape[axis + 1 :])
    values = None
    if known.values is not None and places.values is not None and math.prod(shape) <= VALUES_MAX:
        values = np.take(known.values, places.values, axis)
    return [KnownTensor(shape, values)], math.prod(shape)


def _shape(use: NodeCall) -> RuleResult:
    if use.node.attributes:
        raise UnknownShapeError("of a part of a tensor")
    values = np.array(use.given(0).shape, np.int64)
    return [KnownTensor(values.shape, values)], 0


def _normalization(use: NodeCall) -> RuleResult:
    """Normalise a batch, a layer, or to a sum of 1 (softmax): a few passes over the elements."""
    if use.whole("training_mode", 0):
        raise UnknownShapeError("training_mode is for training")
    known = use.given(0)
    return [KnownTensor(known.shape)], 4 * known.size


_ELEMENTWISE = (
    *("Abs", "Neg", "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Sigmoid"),
    *("HardSigmoid", "HardSwish", "Mish", "Tanh", "Softplus", "Softsign", "Exp", "Log", "Sqrt"),
    *("Reciprocal", "Erf", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign", "Cast"),
    *("Identity", "Clip", "Not", "QuantizeLinear", "DequantizeLinear"),
)
_BROADCAST = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu", "Where", "And", "Or"),
    *("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"),
)
_NORMALIZATION = ("Softmax", "LogSoftmax", "BatchNormalization", "LayerNormalization")
_REDUCE = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ArgMax", "ArgMin")

OPERATOR_RULES: dict[str, ShapeRule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_BROADCAST, _broadcast),
    **dict.fromkeys(_NORMALIZATION, _normalization),
    **dict.fromkeys(_REDUCE, _reduce),
    **dict.fromkeys(("Conv", "QLinearConv"), _conv),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _global_pool),
    "Constant": _constant,
    "MatMul": _matmul,
    "QLinearMatMul": _quantised_matmul,
    "Gemm": _gemm,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "Shape": _shape,
}
"""The operators that an entrant's graph may use. None of them branches or loops on a value, draws random numbers, or
reads anything outside the graph."""


def count_work(graph: Graph, inputs: Mapping[str, Shape], *, elements_max: int) -> tuple[int, dict[str, Shape]]:
    """Count the multiply-adds of one run, and derive the shapes of the graph's outputs.

    A matrix product or convolution counts its multiplications; any other operator counts one for each element that it
    reads or writes.

    Args:
        graph: the graph.
        inputs: shapes of the graph's inputs.
        elements_max: largest number of elements of a tensor.

    Raises:
        UnknownShapeError: a shape cannot be determined, or a tensor is too large.
    """
    known: dict[str, KnownTensor] = {name: KnownTensor(shape) for name, shape in inputs.items()}
    known |= {name: KnownTensor(tensor.shape, tensor.values) for name, tensor in graph.constants.items()}
    total = 0
    for node in graph.nodes:
        try:
            given = tuple(known[name] if name else None for name in node.inputs)
            made, work = OPERATOR_RULES[node.operator](NodeCall(node, given))
        except KeyError as error:
            raise UnknownShapeError(
                f"{node.operator} reads {error.args[0]!r}, which is not an output before it"
            ) from None
        except UnknownShapeError as error:
            raise UnknownShapeError(f"{node.operator}: {error}") from None
        except (IndexError, OverflowError, ValueError, ZeroDivisionError):
            raise UnknownShapeError(f"{node.operator}: its inputs do not fit together") from None
        for name, out in zip(node.outputs, made, strict=False):
            if out.size > elements_max:
                raise UnknownShapeError(f"{node.operator} makes a tensor of {out.size} numbers, at most {elements_max}")
            known[name] = out
        total += work
    if missing := [name for name in graph.outputs if name not in known]:
        raise UnknownShapeError(f"output {missing[0]!r} is not computed")
    return total, {name: known[name].shape for name in graph.outputs}
