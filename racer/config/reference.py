"""The reference page of the configuration of a training and of the rules of a race, made from the models themselves.

`docs/configuration.md` is this text; a test compares them.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from racer.config.rules import Rules
from racer.config.train import TrainConfig

_HEAD = """\
# The configuration

Of a training, and below of the [rules of a race](#rules-of-a-race).

## A training

A file in `configs/`, or your own: `racer train --config my.yaml`. Single values are set on the command line:
`racer train --set ppo.learning_rate=5e-4 --set env.sensors=[lidar]`. Unknown keys and values out of range are
refused. The resolved configuration stands in the run folder as `config.yaml`.

| key | default | allowed | meaning |
|---|---|---|---|
"""
_RULES = """
## Rules of a race
A file in `configs/rules/`, a preset, or your own: `racer race my_rules.yaml ...`, `--set race=head_to_head`. What they
do is told in [racing](racing.md); `objects` is as in a training, its `race` follows from the rules' own.

| key | default | allowed | meaning |
|---|---|---|---|
"""


def reference_markdown() -> str:
    """The page."""
    return _HEAD + _table(TrainConfig) + _RULES + _table(Rules)


def _table(model: type[BaseModel]) -> str:
    rows = [f"| `{key}` | {default} | {allowed} | {meaning} |\n" for key, default, allowed, meaning in _rows(model)]
    return "".join(rows)


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        key = prefix + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _rows(inner, f"{key}.")
        else:
            yield key, _default(field), _allowed(field), field.description or ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, BaseModel):
        return "steering -30..30 degrees, speed 0.5..4 m/s"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _allowed(field: FieldInfo) -> str:
    words = _choices(field.annotation)
    if words:
        return ", ".join(f"`{word}`" for word in words)
    low = high = ""
    for rule in field.metadata:
        if isinstance(rule, Ge | Interval) and rule.ge is not None:
            low = f"at least {rule.ge}"
        if isinstance(rule, Gt | Interval) and rule.gt is not None:
            low = f"above {rule.gt}"
        if isinstance(rule, Le | Interval) and rule.le is not None:
            high = f"at most {rule.le}"
        if isinstance(rule, Lt | Interval) and rule.lt is not None:
            high = f"below {rule.lt}"
    return ", ".join(part for part in (low, high) if part)


def _choices(annotation: Any) -> list[str]:
    """The words of a Literal, also inside a tuple."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return [word for part in get_args(annotation) for word in _choices(part)]
    return []
