"""Lines of written code, while they are put together."""

from __future__ import annotations

import re
from typing import Any

Buffer = list[Any]
"""Lines of code; a list inside is a slot that is filled later, a tuple is a compound statement."""
ATOM = re.compile(r"[A-Za-z_]\w*\Z|-?[\d.]+(e[+-]?\d+)?\Z")


def flatten(buffer: Buffer, indent: int = 1) -> list[str]:
    """The lines of a buffer."""
    pad = "    " * indent
    lines: list[str] = []
    for item in buffer:
        if isinstance(item, str):
            lines.append(pad + item)
        elif isinstance(item, list):
            lines.extend(flatten(item, indent))
        elif item[0] == "while":
            lines.append(f"{pad}while {item[1]}:")
            lines.extend(flatten(item[2], indent + 1) or [pad + "    pass"])
        else:
            then, orelse = flatten(item[2], indent + 1), flatten(item[3], indent + 1)
            if not then and not orelse:
                continue
            if then:
                lines.append(f"{pad}if {item[1]}:")
                lines.extend(then)
                if orelse:
                    lines.append(f"{pad}else:")
            else:
                lines.append(f"{pad}if not ({item[1]}):")
            lines.extend(orelse)
    return lines
