"""Keeps what user code prints away from the terminal, in bounded memory."""

from __future__ import annotations

import sys
import threading
from collections import deque
from types import TracebackType
from typing import Any, TextIO, cast

_LINE_LENGTH = 300
_WRITE_LENGTH = 65_536


class PrintCapture:
    """Takes stdout and stderr of this thread while it is entered; counts lines and keeps a few of them.

    Other threads (a progress bar's) keep writing to where they wrote. Whatever is printed, at most
    2 * `keep` lines of 300 characters are held.

    Attributes:
        printed_lines: how many lines were printed since it was made.
        first_prints: the first `keep` of them.
        last_prints: the last `keep` of them.
    """

    def __init__(self, *, keep: int = 20) -> None:
        self.printed_lines = 0
        self.first_prints: list[str] = []
        self.last_prints: deque[str] = deque(maxlen=keep)
        self._keep = keep
        self._unfinished = ""
        self._before: list[tuple[TextIO, TextIO]] = []

    def __enter__(self) -> PrintCapture:
        self._before.append((sys.stdout, sys.stderr))
        sys.stdout = cast(TextIO, _Stream(self, sys.stdout))
        sys.stderr = cast(TextIO, _Stream(self, sys.stderr))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout, sys.stderr = self._before.pop()

    def add(self, text: str) -> None:
        """Take a piece of output; it ends lines where it has a line end."""
        if "\n" not in text:
            self._unfinished += text[: _LINE_LENGTH - len(self._unfinished)]
            return
        if len(text) > _WRITE_LENGTH:
            half = _WRITE_LENGTH // 2
            self.printed_lines += text.count("\n", half, len(text) - half)
            text = text[:half] + text[-half:]
        *ended, rest = (self._unfinished + text).split("\n")
        for line in ended:
            self._keep_line(line[:_LINE_LENGTH])
        self._unfinished = rest[:_LINE_LENGTH]

    def _keep_line(self, line: str) -> None:
        self.printed_lines += 1
        self.last_prints.append(line)
        if len(self.first_prints) < self._keep:
            self.first_prints.append(line)


class _Stream:
    """Stands for sys.stdout or sys.stderr; everything but writing goes to the original."""

    def __init__(self, capture: PrintCapture, original: TextIO) -> None:
        self._capture = capture
        self._original = original
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() != self._thread:
            return self._original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.add(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if threading.get_ident() != self._thread:
            self._original.flush()

    def close(self) -> None:
        """Keep the original open, whatever user code wants."""

    def isatty(self) -> bool:
        return threading.get_ident() != self._thread and self._original.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)
