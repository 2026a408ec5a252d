"""Writes the reference page of all configuration keys, `docs/configuration.md`, from the models; a test compares them.

To write the page again:
`python -c "from racer.config.reference import reference_markdown as r; print(r(), end=str())" > docs/configuration.md`
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from racer.config.rules import Rules
from racer.config.train import TrainConfig

_HEAD = """\
# The configuration

The keys of a training come first, those of the [rules of a race](#rules-of-a-race) below. Units are in brackets.

## A training

A training reads a file in `configs/`, or your own: `racer train --config my.yaml`. `--set` changes single values:
`racer train --set ppo.learning_rate=5e-4 --set env.sensors=[lidar]`. Unknown keys and values out of range are
refused. The run folder holds the resolved configuration as `config.yaml`.

| key | default | allowed | meaning |
|---|---|---|---|
"""
_RULES = """
## Rules of a race
A race reads a file in `configs/rules/`, a preset, or your own: `racer race my_rules.yaml ...`, `--set
race=head_to_head`. [Racing](racing.md) explains the rules. `objects` has the keys of a training; its `race` follows
from `race` of the rules.

| key | default | allowed | meaning |
|---|---|---|---|
"""


_BOUNDS = ((Ge, "ge", "at least"), (Gt, "gt", "above"), (Le, "le", "at most"), (Lt, "lt", "below"))
"""Class and attribute of pydantic's bounds, and their words; lower bounds come first."""


def reference_markdown() -> str:
    """Return the page as Markdown."""
    return _HEAD + _table(TrainConfig) + _RULES + _table(Rules)


def _table(model: type[BaseModel]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in _rows(model))


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield key, default, allowed values and meaning of each field, those of inner models in their place."""
    for name, field in model.model_fields.items():
        # Keys are written as `--set` takes them: those of inner models with the names of the outer ones before them.
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _rows(inner, f"{prefix}{name}.")
        else:
            yield f"`{prefix}{name}`", _default(field), _allowed(field), field.description or ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, BaseModel):
        # The only model whose type is a union, so that `_rows` does not list its keys: `ContinuousActions`.
        return "steering -30..30 degrees, speed 0.5..4 m/s"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value) + "]"
    if isinstance(value, str):
        return f"`{value}`"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _allowed(field: FieldInfo) -> str:
    if choices := _choices(field.annotation):
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = (
        f"{text} {getattr(rule, key)}"
        for kind, key, text in _BOUNDS
        for rule in field.metadata
        if isinstance(rule, kind)
    )
    return ", ".join(bounds)


def _choices(annotation: Any) -> list[str]:
    """Return the values of a Literal, also inside a tuple or a union."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return [value for part in get_args(annotation) for value in _choices(part)]
    return []
