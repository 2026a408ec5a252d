"""Strict YAML in, resolved YAML out, and `--set key=value` on top."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from racer.assets import find_asset
from racer.config.base import explain
from racer.config.disturbance import DisturbanceConfig
from racer.config.env import VehicleConfig
from racer.config.train import DistillConfig, TrainConfig
from racer.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


_EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
"""Numbers such as 1e-4, which YAML 1.1 wants written 1.0e-4 and would take for text."""


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is no word", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


class _QuotingDumper(yaml.SafeDumper):
    """Puts quotes around text that the loader would take for a number."""


for _side in (_StrictLoader, _QuotingDumper):
    _side.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        ConfigError: not readable, not YAML, or not a mapping; with the line.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a text file") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{path}:{line} {told}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply for a configuration") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds a {type(data).__name__}; a configuration is a mapping of keys to values")
    return data


def validate(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Build a model, or a one-line ConfigError."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error, model, where)) from None


def read_vehicle(name: str | Path) -> VehicleConfig:
    """The vehicle of a name or a path."""
    path = find_asset("vehicle", name)
    return validate(VehicleConfig, read_yaml(path), str(path))


def read_disturbance(name: str | Path) -> DisturbanceConfig:
    """The disturbances of a name or a path."""
    path = find_asset("disturbance", name)
    return validate(DisturbanceConfig, read_yaml(path), str(path))


def read_train(
    name: str | Path = "default", *, settings: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> TrainConfig:
    """The training configuration of a name or a path.

    Args:
        name: Name or path of the file.
        settings: `key.key=value` each, on top of the file; values are YAML.
        changes: Top-level values on top of both (those of command-line options); None values are left out.
    """
    return _read_with_changes(TrainConfig, name, settings, changes or {})


def read_distill(
    name: str | Path = "distill", *, settings: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> DistillConfig:
    """The configuration of a distillation, with the arguments of `read_train`."""
    return _read_with_changes(DistillConfig, name, settings, changes or {})


def _read_with_changes(
    model: type[Model], name: str | Path, settings: Sequence[str], changes: Mapping[str, Any]
) -> Model:
    path = find_asset("config", name)
    data = apply_settings(read_yaml(path), settings)
    data |= {key: value for key, value in changes.items() if value is not None}
    where = " ".join([str(path), *(f"--set {setting}" for setting in settings)])
    return validate(model, data, where if where.isprintable() else repr(where)[1:-1])


def apply_settings(data: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """`data` with each `key.key=value` set; the keys are checked when the model is built."""
    out = copy.deepcopy(dict(data))
    for setting in settings:
        shown = setting if setting.isprintable() else repr(setting)
        key, equals, text = setting.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise ConfigError(f"--set {shown}: give a key and a value, as in --set ppo.learning_rate=1e-4")
        try:
            value = yaml.load(text, _StrictLoader)
        except (yaml.YAMLError, RecursionError):
            raise ConfigError(f"--set {shown}: the value is not YAML") from None
        inner = out
        for part in parts[:-1]:
            below = inner.setdefault(part, {})
            if not isinstance(below, dict):
                raise ConfigError(f"--set {shown}: `{part}` is a value and has no keys of its own")
            inner = below
        inner[parts[-1]] = value
    return out


def to_yaml(config: BaseModel) -> str:
    """A resolved configuration as YAML text that reads back to the same."""
    data = config.model_dump(mode="json")
    return yaml.dump(data, Dumper=_QuotingDumper, sort_keys=False, allow_unicode=True, width=110)
