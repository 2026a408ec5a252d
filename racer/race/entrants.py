"""Opens the entrants of a race, and checks a file against the limits before any of it runs.

An entry is a bundle. No pickle is loaded and no code of an entrant runs; onnxruntime runs a graph of listed operators.
The work of one action is bounded from the graph's shapes, so that no model stops a race.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.assets import did_you_mean
from racer.bundle import SUFFIX, Bundle, read_bundle
from racer.config.actions import SPEED_MAX, STEERING_MAX_DEG
from racer.contract import PolicyContract
from racer.errors import ConfigError, RacerError
from racer.policy.graph import Graph, read_graph
from racer.policy.graph_shapes import WORK_RULES, UnknownShapeError, count_work
from racer.policy.load import CHECKPOINTS, POLICY_NAMES, find_bundle, load_policy
from racer.policy.onnx import OnnxPolicy
from racer.policy.protocol import Policy

_LIMIT_TOLERANCE = 1e-3
"""Tolerance of action limits [degrees, m/s]; a graph computes its limits in float32."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A policy that races.

    Attributes:
        label: Name in results.
        policy: The policy; entrants never share one.
        sha256: Hash of its bundle; empty for a policy without one.
    """

    label: str
    policy: Policy
    sha256: str = ""


def action_limits(policy: Policy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest action of a policy, by its contract, else by the limits of all policies.

    Returns:
        Two arrays of steering angle [degrees] and speed [m/s], shape (2,).
    """
    space = getattr(getattr(policy, "contract", None), "action_space", None)
    low = (-STEERING_MAX_DEG, 0.0) if space is None else space.low
    high = (STEERING_MAX_DEG, SPEED_MAX) if space is None else space.high
    return np.array(low) - _LIMIT_TOLERANCE, np.array(high) + _LIMIT_TOLERANCE


def action_error(action: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """Return why an action of shape (2,) is invalid; an empty text for a valid one."""
    for value, least, most, (name, unit) in zip(action, low, high, _ACTION_PARTS, strict=True):
        if np.isnan(value):
            return f"its {name} is not a number"
        if not least <= value <= most:
            space = f"{least + _LIMIT_TOLERANCE:g}..{most - _LIMIT_TOLERANCE:g}"
            return f"its {name} is {value:g} {unit}, its action space {space}"
    return ""


_ACTION_PARTS = (("steering angle", "degrees"), ("speed", "m/s"))
BUNDLE_BYTES_MAX = 64 * 1024 * 1024
"""Size of a bundle [bytes]."""
WORK_MAX = 250_000_000
"""Multiply-adds of one action; `deep` on 160 x 120 pixels takes 98 million, 1.3 ms of one core as measured here."""
ELEMENTS_MAX = 16 * 1024 * 1024
"""Numbers in one tensor; 64 MB as float32."""
NODES_MAX = 2000
"""Operators in a graph; each takes a microsecond or more, however little it computes."""
OPSETS = (11, 24)
"""Versions of ONNX's operator set for which `racer.policy.graph_shapes` was tested."""
LABEL_MAX = 60
"""Characters of a label."""
_BATCH_SIZES = (1, 5)
"""Batch sizes for which work is counted: a graph that compares the cars of a batch takes over 5 times as much."""


class EntrantError(RacerError):
    """A file may not enter a race; the message names the limit that it breaks."""


def open_entrant(path: Path | str, label: str | None = None) -> Entrant:
    """Open a bundle for a race.

    Args:
        path: A bundle, or a run folder (its best checkpoint, else its last).
        label: Name in results; None for the name of the file or run.

    Raises:
        EntrantError: The file breaks a limit.
        AssetError: The file does not exist.
        BundleError: The file is not a bundle, or a damaged one.
        MissingExtra: onnxruntime is not installed.
    """
    file = find_bundle(path)
    bundle, sha256 = read_entrant_bundle(file)
    check_limits(bundle, source=str(file))
    name = default_label(Path(path)) if label is None else check_label(label)
    return Entrant(label=name, policy=OnnxPolicy(replace(bundle, name=name)), sha256=sha256)


def load_entrant(spec: Path | str, label: str) -> Entrant:
    """Open an entrant of a race outside leaderboards: a bundle, a run folder, or a policy that needs no training.

    Raises:
        RacerError: As for `open_entrant`.
    """
    if str(spec) in POLICY_NAMES:
        return Entrant(label=check_label(label), policy=load_policy(spec))
    return open_entrant(spec, label)


def read_entrant_bundle(file: Path) -> tuple[Bundle, str]:
    """Read a bundle, and return it with its sha256.

    Raises:
        EntrantError: The file is too large, or cannot be read.
        BundleError: The file is not a bundle, or a damaged one.
    """
    try:
        size = file.stat().st_size
        if size > BUNDLE_BYTES_MAX:
            raise EntrantError(f"{file} has {size} bytes; an entrant's bundle has at most {BUNDLE_BYTES_MAX} (64 MB)")
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise EntrantError(f"{file} cannot be read: {error.strerror or error}") from None
    return read_bundle(file), sha256


def check_label(label: str) -> str:
    """Return a label with single spaces, as tables and pages show it.

    Raises:
        EntrantError: The label is empty, too long, not printable, or reads as a formula in a spreadsheet.
    """
    text = " ".join(label.split())
    if not 1 <= len(text) <= LABEL_MAX or not text.isprintable() or text[0] in "=+-@":
        raise EntrantError(
            f"Label {label[: LABEL_MAX + 10]!r} cannot be used; give 1 to {LABEL_MAX} printable characters, "
            "the first none of = + - @"
        )
    return text


def check_limits(bundle: Bundle, *, source: str) -> int:
    """Check that a bundle's graph keeps to the limits, without running it.

    Args:
        bundle: The bundle.
        source: Name of the file in messages.

    Returns:
        Multiply-adds of one action.

    Raises:
        EntrantError: The graph breaks a limit.
    """
    graph = read_graph(bundle.onnx, source=source)
    try:
        _check_operators(graph)
        _check_inputs(graph, bundle.contract)
        return _count_work(graph, bundle.contract)
    except UnknownShapeError as error:
        raise EntrantError(f"{source}: the work of its graph cannot be computed before it runs: {error}") from None
    except EntrantError as error:
        raise EntrantError(f"{source}: {error}") from None


def _check_operators(graph: Graph) -> None:
    if not OPSETS[0] <= graph.opset <= OPSETS[1]:
        allowed = f"{OPSETS[0]} to {OPSETS[1]} of ai.onnx"
        raise EntrantError(f"its graph is of operator set {graph.opset}; entrants use {allowed}")
    if graph.functions:
        raise EntrantError("its graph holds functions, training or sparse data, which entrants may not use")
    if len(graph.nodes) > NODES_MAX:
        raise EntrantError(f"its graph has {len(graph.nodes)} operators, an entrant has at most {NODES_MAX}")
    for node in graph.nodes:
        name = node.op_type
        if node.domain not in ("", "ai.onnx"):
            raise EntrantError(f"operator {name} is of domain {node.domain!r}; entrants use ai.onnx alone")
        # A subgraph (`If`, `Loop`) could repeat its work without a bound.
        has_subgraph = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        if has_subgraph or name not in WORK_RULES:
            near = did_you_mean(name, sorted(WORK_RULES))
            allowed = "the list of operators that entrants may use (docs/leaderboard.md)"
            raise EntrantError(f"operator {name} is not on {allowed}.{near}")


def _check_inputs(graph: Graph, contract: PolicyContract) -> None:
    # Exporters list weights among the inputs; those have values already.
    inputs = {name: shape for name, shape in graph.inputs.items() if name not in graph.constants}
    if tuple(inputs) != contract.onnx.inputs or graph.outputs != contract.onnx.outputs:
        raise EntrantError(
            f"its graph goes from {', '.join(inputs)} to {', '.join(graph.outputs)}; the contract "
            f"says from {', '.join(contract.onnx.inputs)} to {', '.join(contract.onnx.outputs)}"
        )
    for sensor in contract.inputs:
        shape = inputs[sensor.name]
        # The first dimension must be free: it is the number of cars.
        if not shape or isinstance(shape[0], int) or shape[1:] != sensor.shape:
            expected = f"[B, {', '.join(map(str, sensor.shape))}]"
            raise EntrantError(f"its graph takes `{sensor.name}` as {list(shape)}, its contract says {expected}")


def _count_work(graph: Graph, contract: PolicyContract) -> int:
    """Return the multiply-adds of one action, checked against their limit."""
    # Two batch sizes separate work for each car, which grows with n, from work between cars, which grows with n^2.
    works = []
    for batch in _BATCH_SIZES:
        shapes: dict[str, tuple[int, ...]] = {sensor.name: (batch, *sensor.shape) for sensor in contract.inputs}
        work, outputs = count_work(graph, shapes, elements_max=ELEMENTS_MAX)
        action = outputs[graph.outputs[0]]
        if action != (batch, 2):
            raise EntrantError(f"for {batch} cars its graph gives actions of shape {list(action)}")
        works.append(work)
    if works[0] > WORK_MAX:
        raise EntrantError(f"an action takes {works[0]:,} multiply-adds, an entrant may take {WORK_MAX:,}")
    if works[1] > _BATCH_SIZES[1] * works[0]:
        raise EntrantError("its graph mixes the cars of a batch; each car's action must be its own")
    return works[0]


def default_label(path: Path) -> str:
    """Return a label for an entrant without one: its run's or file's name, without characters that labels exclude."""
    name = "".join(letter for letter in path.resolve().name.removesuffix(SUFFIX) if letter.isprintable())
    return check_label(name.lstrip("=+-@ ")[:LABEL_MAX] or "entrant")


def parse_entrants(given: Sequence[str]) -> list[tuple[str, str]]:
    """Return label and file of entrants that are given as `label=file` or `file`.

    A file without a label is labelled by its name, a checkpoint by its run's name; a number makes labels differ.

    Raises:
        ConfigError: A text is not an entrant, or two entrants are given one label.
        EntrantError: A label cannot be used.
    """
    files: dict[str, str] = {}
    for text in given:
        label, equals, file = text.partition("=")
        if equals:
            if not label.strip() or not file:
                raise ConfigError(f"`{text}` is not an entrant; give a bundle, or label=bundle")
            label = check_label(label)
            if label in files:
                raise ConfigError(f"two entrants are called `{label}`; give each its own label")
        else:
            path = Path(text)
            file, label = text, default_label(path.parent if path.name in CHECKPOINTS and path.parent.name else path)
        # `run`, `run 2`, `run 3`; five characters are reserved for the number.
        number, base = 2, label
        while label in files:
            label, number = f"{base[: LABEL_MAX - 5]} {number}", number + 1
        files[label] = file
    return list(files.items())
