"""Bounds the work of an ONNX graph from the shapes of its tensors, without running it.

`onnx.shape_inference` derives the shapes node by node. `WORK_RULES` lists the operators that an entrant may use, and
counts the multiply-adds of each. Example: `Gemm` of (1, 64) by (64, 2) gives shape (1, 2) and 128 multiply-adds.

Graphs compute shapes from shapes: torch exports `x.view(len(x), -1)` as Shape, Gather, Unsqueeze, Concat and Reshape.
So small tensors of integers are followed by value. A graph with a shape that depends on anything else is refused.

The nodes are not inferred in one call of `onnx.shape_inference.infer_shapes`: it would follow values without a limit
(30 times `Concat(x, x)` makes 10^9 of them), and it believes the shapes that the file itself claims for its tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.policy.graph import FLOAT_TYPE, INTEGER_TYPES, RANK_MAX, VALUES_MAX, Graph, Tensor

if TYPE_CHECKING:
    from onnx import NodeProto

Shape = tuple[int, ...]


class UnknownShapeError(Exception):
    """A shape cannot be determined; the text names the operator and the reason."""


WorkRule = Callable[[Mapping[str, Any], Sequence[Tensor], int], int]
"""Counts multiply-adds from the attributes, the inputs, and the number of elements of the first output."""


def _normalization(attributes: Mapping[str, Any], inputs: Sequence[Tensor], size: int) -> int:
    """A batch, a layer, or a softmax takes a few passes over the elements."""
    if attributes.get("training_mode"):
        raise UnknownShapeError("training_mode is for training")
    return 4 * size


def _conv(attributes: Mapping[str, Any], inputs: Sequence[Tensor], size: int) -> int:
    # QLinearConv has scale and zero point between picture and weight.
    picture, weight = inputs[0].shape, inputs[1 if len(inputs) < 8 else 3].shape
    if picture[1] != weight[1] * attributes.get("group", 1):
        raise ValueError
    return size * math.prod(weight[1:])


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
_WHOLE_INPUT = ("GlobalAveragePool", "GlobalMaxPool", "Split")
_CONV, _POOL = ("Conv", "QLinearConv"), ("MaxPool", "AveragePool")
_WINDOW = _CONV + _POOL
_VIEW = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")

WORK_RULES: dict[str, WorkRule] = {
    **dict.fromkeys((*_ELEMENTWISE, "Transpose", "Concat", "Slice", "Gather"), lambda attributes, inputs, size: size),
    **dict.fromkeys((*_REDUCE, *_WHOLE_INPUT), lambda attributes, inputs, size: inputs[0].size),
    **dict.fromkeys((*_VIEW, "Constant", "Shape"), lambda attributes, inputs, size: 0),
    **dict.fromkeys(_BROADCAST, lambda attributes, inputs, size: size * len(inputs)),
    **dict.fromkeys(_NORMALIZATION, _normalization),
    # A product of matrices adds `inner` products for each element.
    **dict.fromkeys(("MatMul", "QLinearMatMul"), lambda attributes, inputs, size: size * inputs[0].shape[-1]),
    "Gemm": lambda attributes, inputs, size: size * inputs[0].shape[0 if attributes.get("transA") else 1],
    **dict.fromkeys(_POOL, lambda attributes, inputs, size: size * math.prod(attributes["kernel_shape"])),
    **dict.fromkeys(_CONV, _conv),
}
"""The operators that an entrant's graph may use. None of them branches or loops on a value, draws random numbers, or
reads anything outside the graph."""

_FOLLOWED = ("Constant", "Identity", "Cast", "Concat", "Slice", "Gather", "Reshape", "Squeeze", "Unsqueeze")
"""The operators whose output is followed by value, where the values of all inputs are known."""


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
    known = {name: Tensor(element_type=graph.input_types.get(name, FLOAT_TYPE), shape=inputs[name]) for name in inputs}
    known |= graph.constants
    total = 0
    for node in graph.nodes:
        if missing := [name for name in node.input if name and name not in known]:
            raise UnknownShapeError(f"{node.op_type} reads {missing[0]!r}, which is not an output before it")
        operands = [known[name] for name in node.input if name]
        given = {name: known[name] for name in node.input if name}
        try:
            attributes = _read_attributes(node, elements_max)
            outputs = _infer_outputs(node, given, graph.opset)
            for name, tensor in outputs.items():
                if tensor.size > elements_max:
                    raise UnknownShapeError(f"makes a tensor of {tensor.size} numbers, at most {elements_max}")
                known[name] = _follow_values(node, attributes, given, tensor, graph.opset)
            total += WORK_RULES[node.op_type](attributes, operands, outputs[node.output[0]].size)
        except UnknownShapeError as error:
            raise UnknownShapeError(f"{node.op_type}: {error}") from None
        except Exception:  # onnx's errors share no base class but Exception
            raise UnknownShapeError(f"{node.op_type}: its inputs do not fit together") from None
    if missing := [name for name in graph.outputs if name not in known]:
        raise UnknownShapeError(f"output {missing[0]!r} is not computed")
    return total, {name: known[name].shape for name in graph.outputs}


def _read_attributes(node: NodeProto, elements_max: int) -> dict[str, Any]:
    from onnx import helper

    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Constant" and not attributes.keys() & {"value", "value_int", "value_ints", "value_float"}:
        raise UnknownShapeError("a constant of a kind that policies do not need")
    if node.op_type in _WINDOW:
        # The arithmetic of onnx on larger numbers would overflow, and give a shape that is too small.
        for name, least in {"kernel_shape": 1, "strides": 1, "dilations": 1, "pads": 0}.items():
            if not all(least <= value <= elements_max for value in attributes.get(name, ())):
                raise ValueError
        # The standard forbids both; onnx and onnxruntime read such a node differently.
        if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" and any(attributes.get("pads", ())):
            raise ValueError
    return attributes


def _infer_outputs(node: NodeProto, given: Mapping[str, Tensor], opset: int) -> dict[str, Tensor]:
    """Return the element types and the shapes of a node's outputs.

    Raises:
        UnknownShapeError: onnx leaves a dimension open, or there are too many.
    """
    from onnx import defs, helper, numpy_helper, shape_inference

    types = shape_inference.infer_node_outputs(
        defs.get_schema(node.op_type, opset, ""),
        node,
        {name: helper.make_tensor_type_proto(tensor.element_type, tensor.shape) for name, tensor in given.items()},
        {name: numpy_helper.from_array(tensor.values) for name, tensor in given.items() if tensor.values is not None},
        opset_imports=[helper.make_opsetid("", opset)],
    )
    outputs = {}
    for name in filter(None, node.output):
        tensor = types[name].tensor_type
        # A dimension below 0 is an overflow; 0 is an empty tensor, which no window operator can make.
        least = 1 if node.op_type in _WINDOW else 0
        if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            raise UnknownShapeError(f"the shape of its output {name!r} is computed, or unknown to onnx")
        # Nodes can add up their dimensions: without this bound, 200 times `Unsqueeze` took 15 s.
        if len(tensor.shape.dim) > RANK_MAX:
            raise UnknownShapeError(f"makes a tensor of {len(tensor.shape.dim)} dimensions, at most {RANK_MAX}")
        if any(dim.dim_value < least for dim in tensor.shape.dim):
            raise ValueError
        outputs[name] = Tensor(element_type=tensor.elem_type, shape=tuple(dim.dim_value for dim in tensor.shape.dim))
    return outputs


def _follow_values(
    node: NodeProto, attributes: Mapping[str, Any], given: Mapping[str, Tensor], tensor: Tensor, opset: int
) -> Tensor:
    """Return an output with its values, where they follow from those of the inputs and are few integers."""
    if node.op_type == "Shape":
        values = np.array(given[node.input[0]].shape, np.int64)[attributes.get("start", 0) : attributes.get("end")]
    elif node.op_type in (*_VIEW, "Transpose") and given[node.input[0]].size != tensor.size:
        # onnx checks neither the number of elements of a reshape nor the rank of a permutation.
        raise ValueError
    elif (
        node.op_type not in _FOLLOWED
        or tensor.size > VALUES_MAX
        or tensor.element_type not in INTEGER_TYPES
        or any(each.values is None for each in given.values())
    ):
        return tensor
    else:
        values = _evaluate(node, {name: each.values for name, each in given.items()}, opset)
    return replace(tensor, values=values)


def _evaluate(node: NodeProto, values: Mapping[str, NDArray[np.int64] | None], opset: int) -> NDArray[np.int64]:
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    inputs, outputs = ([helper.make_empty_tensor_value_info(name) for name in names] for names in (values, node.output))
    graph = helper.make_graph([node], "node", inputs, outputs)
    results: Any = ReferenceEvaluator(graph, opsets={"": opset}).run(None, dict(values))
    return np.asarray(results[0], np.int64)
