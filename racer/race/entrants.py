"""Who races, and what actions of a policy are within its limits.

From a file that somebody entered to a car in a race: its limits are checked before any of it runs.

An entry is a bundle. No pickle is loaded and no code of an entrant's runs; what runs is a graph of operators from a
list, in onnxruntime. The work of one action is bounded from the graph's shapes, so that nobody's model stops a race.
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
from racer.policy.graph_shapes import OPERATOR_RULES, UnknownShapeError, count_work
from racer.policy.load import CHECKPOINTS, POLICY_NAMES, find_bundle, load_policy
from racer.policy.onnx import OnnxPolicy
from racer.policy.protocol import Policy

_LIMIT_TOLERANCE = 1e-3
"""Degrees and m/s; a graph computes its limits in float32."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One who races.

    Attributes:
        label: what results call it.
        policy: what drives; no other entrant's.
        sha256: of its bundle; empty for what is none.
    """

    label: str
    policy: Policy
    sha256: str = ""


def action_limits(policy: Policy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2,) lowest and (2,) highest steering angle (degrees) and speed (m/s): those of its contract, else of all."""
    space = getattr(getattr(policy, "contract", None), "action_space", None)
    low = (-STEERING_MAX_DEG, 0.0) if space is None else space.low
    high = (STEERING_MAX_DEG, SPEED_MAX) if space is None else space.high
    return np.array(low) - _LIMIT_TOLERANCE, np.array(high) + _LIMIT_TOLERANCE


def action_error(action: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """What is wrong with an action (2,), in words; empty where nothing is."""
    for value, least, most, word in zip(action, low, high, ("steering angle", "speed"), strict=True):
        unit = "degrees" if word == "steering angle" else "m/s"
        if np.isnan(value):
            return f"its {word} is not a number"
        if not least <= value <= most:
            return (
                f"its {word} is {value:g} {unit}, "
                f"its action space {least + _LIMIT_TOLERANCE:g}..{most - _LIMIT_TOLERANCE:g}"
            )
    return ""


BUNDLE_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of a bundle."""
WORK_MAX = 250_000_000
"""Multiply-adds of one action; `deep` on 160 x 120 pixels takes 98 million, 1.3 ms of one core as measured here."""
ELEMENTS_MAX = 16 * 1024 * 1024
"""Numbers in one tensor: 64 MB of them."""
NODES_MAX = 2000
"""Operators in a graph; each takes a microsecond or more, however little it computes."""
OPSETS = (11, 24)
"""Versions of ONNX's operator set whose operators the rules of `onnx_rules` describe."""
LABEL_MAX = 60
"""Characters of a label."""
_BATCH_SIZES = (1, 5)
"""Batch sizes for which the work is told: a graph that mixes the cars of a batch takes more than five times as much."""


class EntrantError(RacerError):
    """A file may not enter a race; the line says which limit it breaks."""


def open_entrant(path: Path | str, label: str | None = None) -> Entrant:
    """Open a bundle for a race.

    Args:
        path: a bundle, or a run folder (its best checkpoint, else its last).
        label: what the owner wants to be called; the file's or run's name without.

    Raises:
        EntrantError: the file breaks a limit.
        AssetError: there is no such file.
        BundleError: it is no bundle, or a broken one.
        MissingExtra: onnxruntime is not installed.
    """
    file = find_bundle(path)
    bundle, sha256 = read_entrant_bundle(file)
    check_limits(bundle, source=str(file))
    called = default_label(Path(path)) if label is None else check_label(label)
    return Entrant(label=called, policy=OnnxPolicy(replace(bundle, name=called)), sha256=sha256)


def load_entrant(spec: Path | str, label: str) -> Entrant:
    """An entrant of a race that keeps no results: a bundle, a run folder, or a policy that needs no training.

    Raises:
        RacerError: as `open_entrant` does.
    """
    if str(spec) in POLICY_NAMES:
        return Entrant(label=check_label(label), policy=load_policy(spec))
    return open_entrant(spec, label)


def read_entrant_bundle(file: Path) -> tuple[Bundle, str]:
    """A bundle of a size that may enter, and its sha256.

    Raises:
        EntrantError, BundleError: it is too large, or no good bundle.
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
    """A label that tables and pages can show.

    Raises:
        EntrantError: it is empty, too long, holds what cannot be printed, or reads as a formula in a spreadsheet.
    """
    told = " ".join(label.split())
    if not 1 <= len(told) <= LABEL_MAX or not told.isprintable() or told[0] in "=+-@":
        raise EntrantError(
            f"Label {label[: LABEL_MAX + 10]!r} cannot be used; give 1 to {LABEL_MAX} printable characters, "
            "the first none of = + - @"
        )
    return told


def check_limits(bundle: Bundle, *, source: str) -> int:
    """Make sure that a bundle's graph keeps to the limits, without running it.

    Returns:
        Multiply-adds of one action.

    Raises:
        EntrantError: one line that names the file and the limit.
    """
    graph = read_graph(bundle.onnx, source=source)
    _check_operators(graph, source)
    _check_inputs(graph, bundle.contract, source)
    works = []
    for batch in _BATCH_SIZES:
        shapes: dict[str, tuple[int, ...]] = {one.name: (batch, *one.shape) for one in bundle.contract.inputs}
        try:
            work, outputs = count_work(graph, shapes, elements_max=ELEMENTS_MAX)
        except UnknownShapeError as error:
            raise EntrantError(f"{source}: the work of its graph cannot be told before it runs: {error}") from None
        action = outputs[graph.outputs[0]]
        if action != (batch, 2):
            raise EntrantError(f"{source}: for {batch} cars its graph gives actions of shape {list(action)}")
        works.append(work)
    if works[0] > WORK_MAX:
        raise EntrantError(f"{source}: an action takes {works[0]:,} multiply-adds, an entrant may take {WORK_MAX:,}")
    if works[1] > _BATCH_SIZES[1] * works[0]:
        raise EntrantError(f"{source}: its graph mixes the cars of a batch; each car's action must be its own")
    return works[0]


def _check_operators(graph: Graph, source: str) -> None:
    version = graph.opsets.get("", graph.opsets.get("ai.onnx", 0))
    if not OPSETS[0] <= version <= OPSETS[1]:
        raise EntrantError(
            f"{source}: its graph is of operator set {version}; entrants use {OPSETS[0]} to {OPSETS[1]} of ai.onnx"
        )
    if graph.functions:
        raise EntrantError(f"{source}: its graph holds functions, training or sparse data, which entrants may not use")
    if len(graph.nodes) > NODES_MAX:
        raise EntrantError(f"{source}: its graph has {len(graph.nodes)} operators, an entrant has at most {NODES_MAX}")
    for node in graph.nodes:
        if node.domain not in ("", "ai.onnx"):
            raise EntrantError(
                f"{source}: operator {node.operator} is of domain {node.domain!r}; entrants use ai.onnx alone"
            )
        if any(attribute.graph for attribute in node.attributes.values()) or node.operator not in OPERATOR_RULES:
            near = did_you_mean(node.operator, sorted(OPERATOR_RULES))
            raise EntrantError(
                f"{source}: operator {node.operator} is not on the list of what entrants may use "
                f"(docs/leaderboard.md).{near}"
            )


def _check_inputs(graph: Graph, contract: PolicyContract, source: str) -> None:
    inputs = {name: shape for name, shape in graph.inputs.items() if name not in graph.constants}
    if tuple(inputs) != contract.onnx.inputs or graph.outputs != contract.onnx.outputs:
        raise EntrantError(
            f"{source}: its graph goes from {', '.join(inputs)} to {', '.join(graph.outputs)}; the contract "
            f"says from {', '.join(contract.onnx.inputs)} to {', '.join(contract.onnx.outputs)}"
        )
    for sensor in contract.inputs:
        found = inputs[sensor.name]
        if not found or isinstance(found[0], int) or found[1:] != sensor.shape:
            raise EntrantError(
                f"{source}: its graph takes `{sensor.name}` as {list(found)}, its contract says "
                f"[B, {', '.join(map(str, sensor.shape))}]"
            )


def default_label(path: Path) -> str:
    """What an entrant without a label is called: its run's or file's name, but for what a label may not hold."""
    name = "".join(letter for letter in path.resolve().name.removesuffix(SUFFIX) if letter.isprintable())
    return check_label(name.lstrip("=+-@ ")[:LABEL_MAX] or "entrant")


def parse_entrants(given: Sequence[str]) -> list[tuple[str, str]]:
    """(label, file) of entrants that are given as `label=file` or `file`.

    A file without a label is called by its own name, a checkpoint by its run's; a number makes names differ.

    Raises:
        ConfigError: one is no entrant, or two are given one label.
        EntrantError: a label cannot be used.
    """
    out: list[tuple[str, str]] = []
    for one in given:
        label, equals, spec = one.partition("=")
        if equals and (not label.strip() or not spec):
            raise ConfigError(f"`{one}` is no entrant; give a bundle, or label=bundle")
        if equals:
            label = check_label(label)
        else:
            path = Path(one)
            spec, label = one, default_label(path.parent if path.name in CHECKPOINTS and path.parent.name else path)
        taken = [known for known, _ in out]
        if equals and label in taken:
            raise ConfigError(f"two entrants are called `{label}`; each needs a label of its own")
        number, base = 2, label
        while label in taken:
            label, number = f"{base[: LABEL_MAX - 5]} {number}", number + 1
        out.append((label, spec))
    return out
