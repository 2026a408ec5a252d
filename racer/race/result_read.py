"""From plain data, as `RaceResult.record` gives it, back to a result; for files and for other processes."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from racer.errors import RacerError
from racer.race.result import EntrantResult, RaceResult

_RESULT = TypeAdapter(RaceResult)
_ENTRANT = TypeAdapter(EntrantResult)


class ResultError(RacerError):
    """Data that is no result of a race."""


def result_of(record: Any, *, source: str = "result") -> RaceResult:
    """A result from plain data.

    Raises:
        ResultError: it is none; the line says what is wrong with it.
    """
    return _read(_RESULT, record, source)


def entrant_of(record: Any, *, source: str = "result") -> EntrantResult:
    """One entrant's part of a result from plain data.

    Raises:
        ResultError: it is none; the line says what is wrong with it.
    """
    return _read(_ENTRANT, record, source)


def _read(adapter: TypeAdapter[Any], record: Any, source: str) -> Any:
    try:
        # As JSON, where lists are tuples and text is a path; numbers come back bit for bit.
        return adapter.validate_json(json.dumps(record), strict=True)
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ResultError(f"{source} is no result of a race: {where}: {first['msg']}") from None
