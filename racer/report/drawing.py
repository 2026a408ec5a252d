"""Turns matplotlib figures into SVG markup that a page holds inline.

Text stays text in the page's own font, and colours follow the page's style sheet: a figure is drawn with the
placeholders of `ROLES`, and each becomes a CSS variable, so one drawing serves light and dark pages.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from racer.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.collections import Collection
    from matplotlib.figure import Figure

Values = NDArray[np.float64]

ROLES = {
    name: f"#fe00{k:02x}"
    for k, name in enumerate(("ink", "soft", "rule", "tick", "c0", "c1", "c2", "c3", "c4", "c5", "c6"))
}
"""CSS variables of `templates/style.css`, each with its placeholder, a colour that no chart uses otherwise."""
SERIES = tuple(ROLES[f"c{k}"] for k in range(7))
"""Placeholders of the page's series colours."""
_VARIABLES = {colour: f"var(--{name})" for name, colour in ROLES.items()}
# Patterns for what makes a page larger without changing how it looks.
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_FONT = re.compile(r"font(-size|-family)?:[^;]*;\s*")
_NO_ROTATION = re.compile(r"rotate\(-?0 [^)]*\)")
_DECIMALS = re.compile(r"-?\d+\.\d+")
_COMMAND = re.compile(r"\s*([A-Za-z])\s*")
_COLOUR = re.compile("#[0-9a-f]{6}")
_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The content of one `<svg>` element.

    Attributes:
        width: Width of the view box [user units].
        height: Height of the view box [user units].
        inside: SVG markup; every text in it is escaped.
        alt: Text for readers who do not see the drawing; plain text, the template escapes it.
        ground: Id of the track image that lies below; empty without one.
    """

    width: float
    height: float
    inside: str
    alt: str
    ground: str = ""


def new_figure(width: float, height: float) -> Figure:
    """Make an empty, transparent figure of `width` x `height` user units.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("A page with charts (package `matplotlib`)", "train") from None
    # With 72 dots per inch one point is one unit.
    return Figure(figsize=(width / 72.0, height / 72.0), dpi=72, frameon=False)


def set_tooltips(collection: Collection, texts: Sequence[str]) -> None:
    """Attach a text to each element of a collection, which the browser shows while the pointer is on it."""
    # matplotlib has links for SVG elements, but no titles; `finish` turns each link into a title.
    collection.set_urls(list(texts))


def finish(figure: Figure, *, key: str, alt: str, ground: str = "") -> Drawing:
    """Write a figure as a drawing; equal figures give equal text.

    Args:
        figure: Figure, made by `new_figure`.
        key: Unique in the page; ids of the drawing's shared shapes are hashed with it.
        alt: Text for readers who do not see the drawing.
        ground: Id of the track image that lies below; empty without one.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": key}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata=_METADATA)
    root = ElementTree.fromstring(buffer.getvalue())
    used = {href for element in root.iter() if (href := element.get(f"{_XLINK}href"))}
    for element in root.iter():
        _adapt(element, used)
    # matplotlib's style element would apply to the whole page; style.css holds its two rules instead.
    groups = (child for child in root if child.tag == "g")
    inside = "".join(ElementTree.tostring(shape, encoding="unicode") for group in groups for shape in _shapes(group))
    width, height = figure.get_size_inches() * 72.0
    return Drawing(width=float(width), height=float(height), inside=inside, alt=alt, ground=ground)


def _adapt(element: ElementTree.Element, used: set[str]) -> None:
    """Remove what an inline drawing does not need, and insert the page's colours and tooltips."""
    element.tag = element.tag.removeprefix(_SVG)
    attributes = element.attrib
    href = attributes.pop(f"{_XLINK}href", None)
    # A link is a tooltip (`set_tooltips`); any other reference is to a shape within the drawing.
    if element.tag == "a":
        element.tag = "g"
        attributes.pop("target", None)
        title = ElementTree.Element("title")
        title.text = href
        element.insert(0, title)
    elif href is not None:
        attributes["href"] = href
    if f"#{attributes.get('id')}" not in used:
        attributes.pop("id", None)
    if _NO_ROTATION.fullmatch(attributes.get("transform", "")):
        del attributes["transform"]
    # A tenth of a unit is below what a screen shows, and matplotlib writes six decimals.
    for name in ("d", "x", "y", "transform"):
        if name in attributes:
            attributes[name] = _rounded(attributes[name], digits=1)
    if "d" in attributes:
        attributes["d"] = _COMMAND.sub(r"\1", attributes["d"]).strip()
    if "style" in attributes:
        style = _rounded(_FONT.sub("", attributes["style"]), digits=2)
        attributes["style"] = _COLOUR.sub(lambda match: _VARIABLES.get(match[0], match[0]), style)
    # White space between elements is matplotlib's indentation.
    if element.tag not in ("text", "title"):
        element.text = None
    element.tail = None


def _rounded(text: str, *, digits: int) -> str:
    """Round the decimal numbers in a text."""
    return _DECIMALS.sub(lambda match: f"{round(float(match[0]), digits):g}", text)


def _shapes(group: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield the elements of a group without the groups that only held an id."""
    for child in group:
        if child.tag == "g" and not child.attrib and child.find("title") is None:
            yield from _shapes(child)
        else:
            yield child
