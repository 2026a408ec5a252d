"""Reads configuration files as strict YAML, applies `--set key=value`, and writes resolved configurations."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from racer.assets import find_asset, read_text
from racer.config.base import explain, one_line
from racer.config.disturbance import DisturbanceConfig
from racer.config.env import VehicleConfig
from racer.config.train import DistillConfig, TrainConfig
from racer.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

_EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
"""Numbers such as 1e-4; YAML 1.1 requires 1.0e-4 and reads the short form as text."""


class _StrictLoader(yaml.SafeLoader):
    """Loader of plain YAML that refuses repeated keys and keys that are not strings."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        # PyYAML keeps the last of repeated keys without a word, and reads the key `on` as true.
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is not a string", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


class _QuotingDumper(yaml.SafeDumper):
    """Dumper that quotes text which the loader would read as a number."""


# Both classes, so that text such as "1e5" is quoted on the way out and stays text on the way in.
for _class in (_StrictLoader, _QuotingDumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file gives an empty one.

    Raises:
        ConfigError: The file is not readable, not YAML, or not a mapping; the message names the line.
    """
    try:
        data = yaml.load(read_text(path, ConfigError), _StrictLoader)
    except yaml.MarkedYAMLError as error:
        # Marks count lines from 0, editors from 1.
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{path}:{line} {problem}") from None
    except RecursionError:
        # PyYAML builds nested nodes by recursion.
        raise ConfigError(f"{path}: is nested too deeply for a configuration") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds a {type(data).__name__}; a configuration is a mapping of keys to values")
    return data


def validate(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Build a model from plain data.

    Args:
        model: The class to build.
        data: Keys and values.
        where: The file or option that the data came from, for messages.

    Raises:
        ConfigError: One line about the first key that is not allowed.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error, model, where)) from None


def read_vehicle(name: str | Path) -> VehicleConfig:
    """Read the vehicle of a name or a path."""
    return read_asset(VehicleConfig, "vehicle", name)


def read_disturbance(name: str | Path) -> DisturbanceConfig:
    """Read the disturbances of a name or a path."""
    return read_asset(DisturbanceConfig, "disturbance", name)


def read_train(
    name: str | Path = "default", *, settings: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> TrainConfig:
    """Read the training configuration of a name or a path.

    Args:
        name: Name or path of the file.
        settings: `key.key=value` each, on top of the file; values are YAML.
        changes: Top-level values on top of both (those of command-line options); None values are left out.
    """
    return read_asset(TrainConfig, "config", name, settings=settings, changes=changes)


def read_distill(
    name: str | Path = "distill", *, settings: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> DistillConfig:
    """Read the configuration of a distillation; the arguments are those of `read_train`."""
    return read_asset(DistillConfig, "config", name, settings=settings, changes=changes)


def read_asset(
    model: type[Model],
    kind: Literal["config", "vehicle", "disturbance", "rules"],
    name: str | Path,
    *,
    settings: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> Model:
    """Find a configuration file and build its model.

    Args:
        model: The class to build.
        kind: What to look for.
        name: Name or path of the file.
        settings: `key.key=value` each, on top of the file; values are YAML.
        changes: Top-level values on top of both; None values are left out.

    Raises:
        AssetError: There is nothing of that name.
        ConfigError: A value is not allowed; one line.
    """
    path = find_asset(kind, name)
    data = apply_settings(read_yaml(path), settings)
    # Options such as `--track` win over `--set`; an option that was not given must not hide the file's value.
    data |= {key: value for key, value in (changes or {}).items() if value is not None}
    return validate(model, data, one_line(" ".join([str(path), *(f"--set {setting}" for setting in settings)])))


def apply_settings(data: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return a copy of the data with each `key.key=value` set; a model checks the keys later."""
    # A deep copy: the loop writes into inner mappings, which belong to the caller.
    out = copy.deepcopy(dict(data))
    for setting in settings:
        # A setting may come from a script, with any bytes in it; the message must stay one line.
        shown = setting if setting.isprintable() else repr(setting)
        key, equals, text = setting.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise ConfigError(f"--set {shown}: give a key and a value, as in --set ppo.learning_rate=1e-4")
        try:
            value = yaml.load(text, _StrictLoader)
        except (yaml.YAMLError, RecursionError):
            raise ConfigError(f"--set {shown}: the value is not YAML") from None
        # Walk down to the mapping that holds the last part; sections that the file leaves out are made on the way.
        inner = out
        for part in parts[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"--set {shown}: `{part}` is a value and has no keys below it")
        inner[parts[-1]] = value
    return out


def to_yaml(config: BaseModel) -> str:
    """Return a resolved configuration as YAML text that reads back to the same."""
    data = config.model_dump(mode="json")
    return yaml.dump(data, Dumper=_QuotingDumper, sort_keys=False, allow_unicode=True, width=110)
