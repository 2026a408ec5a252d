"""Fills the page templates.

Every value is escaped, except the drawings of matplotlib and the sources marked by Pygments, which escape their texts
themselves. A page holds no script, and its content security policy forbids scripts and requests of any kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from racer import __version__
from racer.errors import MissingExtra
from racer.report.drawing import Drawing
from racer.report.run_maps import RampLegend

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, kw_only=True)
class FigureCard:
    """A drawing with its heading, the key of its colours and a caption.

    Attributes:
        drawing: The drawing.
        heading: Text above it; empty for none.
        keys: Name and index of each series colour.
        ramp: Legend of a path's colours; None for a drawing without paths.
        caption: Text below it; empty for none.
    """

    drawing: Drawing
    heading: str = ""
    keys: tuple[tuple[str, int], ...] = ()
    ramp: RampLegend | None = None
    caption: str = ""


@cache
def environment() -> Environment:
    """Return Jinja2's environment of the templates, with escaping on.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtra("A page (package `jinja2`)", "train") from None
    # An undefined name is an error: a page with a gap would go unnoticed.
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_page(template: str, **values: object) -> str:
    """Fill a template with values, and return the page as HTML."""
    return environment().get_template(template).render(version=__version__, **values)
