"""What all configuration models share: frozen, no unknown keys, and messages of one line."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Config(BaseModel):
    """A frozen configuration model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """One line for the first problem of a validation error: the key, what was given, what is allowed."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"]) or "the file"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), _keys_at(model, problem["loc"][:-1]), 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        return f"{where}: unknown key `{key}`.{hint}{more}"
    if problem["type"] == "missing":
        return f"{where}: `{key}` is missing.{more}"
    given = problem["input"]
    shown = repr(given) if len(repr(given)) < 60 else type(given).__name__
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: `{key}` is {shown}: {message[0].lower()}{message[1:]}.{more}"


def _keys_at(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Field names of the model that `path` leads to, as far as it can be followed."""
    current: Any = model
    for part in path:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            return []
        current = field.annotation
    return list(getattr(current, "model_fields", {}))
