"""Base of all configuration models: frozen, unknown keys refused, validation errors as one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, ValidationInfo, field_validator

from racer.assets import did_you_mean

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
ShortTime = Annotated[float, Field(ge=0.0, le=600.0)]
"""A wait or a penalty [s], up to 10 minutes."""


class Config(BaseModel):
    """A frozen configuration model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch(cls, value: object, info: ValidationInfo) -> object:
        """Refuse booleans for other types: YAML reads `yes` and `on` as true, pydantic would read true as 1."""
        # pydantic's strict mode would also refuse a YAML list for a tuple, so that only booleans are checked here.
        items = value if isinstance(value, (list, tuple)) else [value]
        annotation = cls.model_fields[info.field_name].annotation if info.field_name else None
        if annotation is not bool and any(isinstance(item, bool) for item in items):
            raise ValueError("true and false (also yes, no, on, off) are not allowed for this key")
        return value


_MESSAGES = {
    "model_type": "should be a mapping of keys to values",
    "model_attributes_type": "should be a mapping of keys to values",
    "tuple_type": "should be a list",
    "too_short": "should be a list of at least {min_length}",
    "too_long": "should be a list of at most {max_length}",
}
"""Messages in place of pydantic's that use Python's terms; braces hold keys of the error's context."""


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Describe the first problem of a validation error in one line: the key, what was given, what is allowed.

    An unknown key precedes all other problems, because a misspelt key is often the reason why another is missing.

    Args:
        error: The error that pydantic raised.
        model: The model that was validated.
        where: The file or option that the data came from.
    """
    problems = error.errors()
    problem = next((entry for entry in problems if entry["type"] == "extra_forbidden"), problems[0])
    unknown = problem["type"] == "extra_forbidden"
    # The last part of an unknown key's location is in no model, so that only the parts before it can be resolved.
    path, fields = _public_keys(model, problem["loc"][:-1] if unknown else problem["loc"])
    if unknown:
        path.append(str(problem["loc"][-1]))
    key = one_line("".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in path).lstrip("."))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if unknown:
        hint = did_you_mean(path[-1], fields) or f" Allowed are: {', '.join(fields)}."
        return f"{where}: unknown key `{key}`.{hint}{more}"
    if problem["type"] == "missing":
        return f"{where}: `{key}` is missing.{more}"
    message = _MESSAGES.get(problem["type"], "").format(**problem.get("ctx", {}))
    message = message or problem["msg"].removeprefix("Value error, ")
    # pydantic begins a message with a capital; here it follows a colon.
    message = one_line(message[0].lower() + message[1:])
    if not key:
        return f"{where}: {message}.{more}"
    return f"{where}: `{key}`{_format_value(problem['input'])}: {message}.{more}"


def _format_value(given: object) -> str:
    """Return " is ..." with a value as YAML writes it; nothing for a long one, whose message has the parts at fault."""
    if given is None:
        return " is empty"
    if isinstance(given, bool):
        return " is true" if given else " is false"
    # A message is one line of a terminal, and a long list or mapping would hide what is wrong with it.
    return f" is {given!r}" if len(repr(given)) < 60 else ""


def one_line(text: str) -> str:
    """Return the text with control characters escaped, so that it fits on one line."""
    return text if text.isprintable() else repr(text)[1:-1]


def _public_keys(model: type[BaseModel], place: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """Return the keys of an error's location and the field names at its end, without pydantic's tags of unions.

    Example: the location `("action_space", "discrete", 0, "speed")` of a wrong speed gives the keys
    `["action_space", "0", "speed"]`, which a message writes as `action_space[0].speed`. The tag `discrete` is neither
    a field of a model nor an index, so it is left out.
    """
    path: list[str] = []
    # All models that the location may be in at this depth: the members of a union stay candidates together.
    models = [model]
    for part in place:
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if annotations:
            models = [inner for annotation in annotations for inner in _models_in(annotation)]
        if annotations or isinstance(part, int):
            path.append(str(part))
    return path, list(dict.fromkeys(name for m in models for name in m.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models inside an annotation, also those of items of a list and of members of a union."""
    # A RootModel has no keys: its location continues with those of the items.
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _models_in(annotation.model_fields["root"].annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _models_in(part)]
