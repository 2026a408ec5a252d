"""Source text as HTML with line numbers, and Python with its comments, words and strings told apart."""

from __future__ import annotations

import io
import keyword
import tokenize
from html import escape
from itertools import accumulate

LINES_MAX = 2000
"""More lines are left out of a page, and said to be."""
_LINE_MAX = 2000
_CHARACTERS_MAX = 400_000
_KINDS = {"COMMENT": "com", "STRING": "str", "FSTRING_START": "str", "FSTRING_MIDDLE": "str", "FSTRING_END": "str"}
Marks = dict[int, list[tuple[int, int, str]]]


def source_html(text: str, *, python: bool, label: str) -> str:
    """A scrollable block; numbers come from the style sheet, so that they are not copied with the text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    lines = text.split("\n") if text else []
    marks = _python_marks(text) if python else {}
    sizes = accumulate(min(len(line), _LINE_MAX) for line in lines[:LINES_MAX])
    shown = [line for line, size in zip(lines, sizes, strict=False) if size <= _CHARACTERS_MAX]
    rows = "".join(f"<span>{_line_html(line, marks.get(k, []))}\n</span>" for k, line in enumerate(shown, 1))
    more = len(lines) - len(shown)
    note = f'<p class="note">{more:,} more lines are not shown.</p>' if more > 0 else ""
    return (
        f'<pre class="source" tabindex="0" role="region" aria-label="{escape(label)}"><code>{rows}</code></pre>{note}'
    )


def _line_html(line: str, marks: list[tuple[int, int, str]]) -> str:
    parts, at = [], 0
    for start, end, kind in marks:
        if at <= start < end <= _LINE_MAX:
            parts += [escape(line[at:start]), f'<i class="{kind}">{escape(line[start:end])}</i>']
            at = end
    rest = line[at:_LINE_MAX] + (" …" if len(line) > _LINE_MAX else "")
    return "".join([*parts, escape(rest)])


def _python_marks(text: str) -> Marks:
    """Line -> (from column, to column, kind); of what is no Python, the lines before the first mistake."""
    marks: Marks = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = _KINDS.get(tokenize.tok_name[token.type], "")
            if token.type == tokenize.NAME and keyword.iskeyword(token.string):
                kind = "key"
            if kind:
                (first, start), (last, end) = token.start, token.end
                for row in range(first, min(last, LINES_MAX) + 1):
                    marks.setdefault(row, []).append(
                        (start if row == first else 0, end if row == last else _LINE_MAX, kind)
                    )
    except (tokenize.TokenError, SyntaxError):
        return marks
    return marks
