"""What all configuration models share: frozen, no unknown keys, and messages of one line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError, ValidationInfo, field_validator


class Config(BaseModel):
    """A frozen configuration model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch(cls, value: object, info: ValidationInfo) -> object:
        """Refuse `true`, `yes` and the like for numbers; pydantic would read them as 1."""
        items = value if isinstance(value, (list, tuple)) else [value]
        wants = cls.model_fields[info.field_name].annotation if info.field_name else None
        if wants is not bool and any(isinstance(item, bool) for item in items):
            raise ValueError("true and false (also yes, no, on, off) are no values for this key")
        return value


_MESSAGES = {
    "model_type": "should be a mapping of keys to values",
    "model_attributes_type": "should be a mapping of keys to values",
    "tuple_type": "should be a list",
    "too_short": "should be a list of at least {min_length}",
    "too_long": "should be a list of at most {max_length}",
}
"""Our words for pydantic's error types that speak of Python; in braces what the error's context tells."""


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """One line for the first problem of a validation error: the key, what was given, what is allowed.

    An unknown key comes before all others, because it is often what makes another one missing.
    """
    problems = error.errors()
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    unknown = problem["type"] == "extra_forbidden"
    path, fields = _public_keys(model, problem["loc"][:-1] if unknown else problem["loc"])
    if unknown:
        path.append(str(problem["loc"][-1]))
    key = _one_line(".".join(path))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if unknown:
        near = difflib.get_close_matches(path[-1], fields, 1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Allowed are: {', '.join(fields)}."
        return f"{where}: unknown key `{key}`. {hint}{more}"
    if problem["type"] == "missing":
        return f"{where}: `{key}` is missing.{more}"
    if problem["type"] in _MESSAGES:
        message = _MESSAGES[problem["type"]].format(**problem.get("ctx", {}))
    else:
        message = problem["msg"].removeprefix("Value error, ")
    message = _one_line(message[0].lower() + message[1:])
    if not key:
        return f"{where}: {message}.{more}"
    return f"{where}: `{key}` is {_format_value(problem['input'])}: {message}.{more}"


def _format_value(given: object) -> str:
    """What was given, as YAML has it; the kind of it where it is long."""
    if given is None:
        return "empty"
    if isinstance(given, bool):
        return "true" if given else "false"
    return repr(given) if len(repr(given)) < 60 else f"a {type(given).__name__}"


def _one_line(text: str) -> str:
    """`text` on one line, whatever a user put into it."""
    return text if text.isprintable() else repr(text)[1:-1]


def _public_keys(model: type[BaseModel], place: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """The keys of `place` without pydantic's own tags of unions, and the field names where it leads."""
    path: list[str] = []
    models = [model]
    for part in place:
        found = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if found:
            models = [one for annotation in found for one in _models_in(annotation)]
        if found or isinstance(part, int):
            path.append(str(part))
    return path, list(dict.fromkeys(name for one in models for name in one.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation is made of; a list of models stands for the model of its items."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _models_in(annotation.model_fields["root"].annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in _models_in(part)]
