"""Fills the page templates: everything a template is given is escaped, except the drawings that matplotlib wrote.

A page holds no script, and its content security policy forbids scripts and requests of any kind.
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
        keys: word and index of the series colour, each.
        ramp: legend of a path's colours.
    """

    drawing: Drawing
    heading: str = ""
    keys: tuple[tuple[str, int], ...] = ()
    ramp: RampLegend | None = None
    caption: str = ""


@cache
def environment() -> Environment:
    """Return the environment of the templates, with escaping on.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtra("A page (package `jinja2`)", "train") from None
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
