"""The multiply-adds of an ONNX graph, from the shapes that its tensors take, without running it.

What no rule can tell is an error: a graph whose work nobody can tell is not raced.
"""

from __future__ import annotations

from collections.abc import Mapping

from racer.race.onnx_graph import Graph
from racer.race.onnx_rules import RULES, Known, Shape, UnknownShapeError, Use


def work_of(graph: Graph, inputs: Mapping[str, Shape], *, elements_max: int) -> tuple[int, dict[str, Shape]]:
    """Multiply-adds of one run, and the shapes of the graph's outputs.

    A matrix product or convolution costs what it multiplies; any other operator one for each element that it reads or
    writes.

    Args:
        inputs: the shapes of the graph's inputs.
        elements_max: of a tensor.

    Raises:
        UnknownShapeError: the text says which operator, and why.
    """
    known: dict[str, Known] = {name: Known(shape) for name, shape in inputs.items()}
    known |= {name: Known(tensor.shape, tensor.values) for name, tensor in graph.constants.items()}
    total = 0
    for node in graph.nodes:
        try:
            given = tuple(known[name] if name else None for name in node.inputs)
            made, work = RULES[node.operator](Use(node, given))
        except KeyError as error:
            raise UnknownShapeError(f"{node.operator} reads {error.args[0]!r}, which nothing gives") from None
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
        raise UnknownShapeError(f"output {missing[0]!r} comes from nothing")
    return total, {name: known[name].shape for name in graph.outputs}
