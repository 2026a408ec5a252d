"""Axes, charts and maps as SVG of a page."""

import math
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.errors import MissingExtra
from racer.report import run_charts as charts
from racer.report import run_maps as maps
from racer.report.drawing import ROLES, finish, new_figure, set_tooltips
from racer.report.pages import environment
from racer.report.run_charts import Axis, Series, format_number, set_scales, thinned
from support.tracks import ring

EVIL = "<script>alert(1)</script> \"&'"
FINITE = st.floats(-1e9, 1e9, allow_nan=False).map(lambda v: round(v, 6))


@settings(deadline=None)  # the first call imports matplotlib
@given(st.lists(FINITE, max_size=20))
def test_an_axis_holds_its_values(values):
    """Reach around all values with two to twelve round ticks in rising order."""
    (low, high), ticks = scaled(values, Axis(""))
    slack = 1e-6 * (high - low)
    assert high > low
    assert all(low - slack <= value <= high + slack for value in values)
    assert 2 <= len(ticks) <= 12 and ticks == sorted(set(ticks))
    step = ticks[1] - ticks[0]
    digits = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    assert any(digits == pytest.approx(k, rel=1e-3) for k in (1, 2, 5, 10))


def scaled(values, axis):
    """Ends and visible ticks of an axis after a line through values was drawn along it."""
    axes = new_figure(100, 100).add_subplot(xmargin=0.0, ymargin=0.0)
    axes.plot(values, range(len(values)))
    set_scales(axes, axis, Axis("", 0.0, 1.0))
    low, high = axes.get_xlim()
    slack = 1e-9 * (high - low)
    return (low, high), [tick for tick in axes.get_xticks().tolist() if low - slack <= tick <= high + slack]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (-3.5, "−3.5"), (9999, "9999"), (20_000, "20k"), (1_500_000, "1.5M"), (2e9, "2G")],
)
def test_numbers_are_short(value, text):
    """Write numbers as people read them on an axis."""
    assert format_number(value) == text


def test_given_ends_are_kept():
    """Keep ends that are given, with ticks inside."""
    assert scaled([3.0], Axis("", 0.0, 100.0)) == ((0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0])


def test_many_points_are_drawn_as_means():
    """Draw at most 240 points with the mean of all kept."""
    x, y = list(range(960)), [float(k % 7) for k in range(960)]
    few, means = thinned(x), thinned(y)
    assert len(few) == len(means) == 240 and few[0] == 1.5
    assert np.mean(means) == pytest.approx(np.mean(y))
    assert thinned([1.0]) == [1.0]


def parsed(drawing):
    """The drawing as a page holds it, parsed."""
    return ElementTree.fromstring(environment().get_template("macros.html.j2").module.picture(drawing))


def shapes(drawing, role):
    """Path data of the shapes filled or stroked with a colour of the style sheet."""
    return [
        element.get("d")
        for element in parsed(drawing).iter("path")
        if re.search(rf"(?:fill|stroke): var\(--{role}\)", element.get("style", ""))
    ]


def test_a_line_goes_through_its_points():
    """Place the corners of the axes' range at the corners of the frame."""
    unit = Axis("", 0.0, 1.0)
    drawing = charts.line_chart([Series(x=[0.0, 1.0], y=[0.0, 1.0])], x=unit, y=unit, key="k", alt="rising")
    assert shapes(drawing, "c0") == ["M50 222L438 12"]
    root = parsed(drawing)
    assert root.attrib["aria-label"] == "rising" and root.attrib["viewBox"] == "0 0 460 264"
    assert [text.text for text in root.iter("text")] == 2 * ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_a_dot_gives_its_numbers():
    """Attach the numbers of each dot with the labels of the axes, at the place of the dot."""
    x, y = Axis("steps", 0.0, 100.0), Axis("s", 0.0, 10.0)
    series = Series(x=[0.0, 50.0], y=[10.0, 5.0], dots=True, line=False, colour=3)
    root = parsed(charts.line_chart([series], x=x, y=y, key="k", alt=""))
    dots = [(group.find("title").text, group.find("use")) for group in root.iter("g")]
    assert [text for text, _ in dots] == ["0 steps: 10 s", "50 steps: 5 s"]
    assert [(use.get("x"), use.get("y")) for _, use in dots] == [("50", "12"), ("244", "117")]
    assert all("fill: var(--c3)" in use.get("style") for _, use in dots)


def test_shares_fill_the_whole():
    """Stack shares from the bottom to the top of each interval; a lower share covers the one above it."""
    x = Axis("", 0.0, 10.0)
    shares = np.array([[25.0, 75.0], [0.0, 100.0]])
    drawing = charts.share_chart([0.0, 5.0, 10.0], shares, [2, 1], x=x, key="k", alt="")
    # A quarter of 210 units is 52.5: the first share ends at 222 - 52.5.
    assert shapes(drawing, "c2") == ["M50 222L50 169.5L244 169.5L244 222L438 222L438 222"]
    assert shapes(drawing, "c1") == ["M50 222L50 12L244 12L244 12L438 12L438 222"]
    assert drawing.inside.index("--c1") < drawing.inside.index("--c2")


@pytest.mark.parametrize("shape", [(1, 1), (30, 24)])
def test_a_histogram_has_a_cell_for_what_was_counted(shape):
    """Draw the cells that are not empty, with their shares as text, and the two side histograms."""
    counts = np.zeros(shape)
    counts[-1, -1] = 3.0
    x, across, up = Axis("<x>", 0.0, 1.0), *(np.linspace(0.0, 1.0, n + 1) for n in shape)
    drawing = charts.heat_chart(counts, across, up, x=x, y=x, key="k", alt='"&<')
    root = parsed(drawing)
    assert root.attrib["aria-label"] == '"&<'
    assert [title.text for title in root.iter("title")] == ["100.0 %"]
    assert "<x>" in [text.text for text in root.iter("text")]
    assert len(shapes(drawing, "c0")) == 1 + 2
    empty = charts.heat_chart(np.zeros(shape), across, up, x=x, y=x, key="k", alt="")
    assert not list(parsed(empty).iter("title"))


def test_a_bubble_has_the_area_of_its_share():
    """Draw discs whose areas are in the ratio of their shares, each with its number; an unused action is a dot."""
    x, y = Axis("°", -30.0, 30.0), Axis("m/s", 0.0, 4.0)
    places, shares = [(-30.0, 1.0), (0.0, 2.0), (30.0, 3.0)], [80.0, 20.0, 0.0]
    root = parsed(charts.bubble_chart(places, shares, x=x, y=y, key="k", alt=""))
    assert [title.text for title in root.iter("title")] == [
        "−30°, 1 m/s: 80.0 %", "0°, 2 m/s: 20.0 %", "30°, 3 m/s: 0.0 %",
    ]  # fmt: skip
    widths = []
    for group in root.iter("g"):
        numbers = [float(value) for value in re.findall(r"-?[\d.]+", group.find("path").get("d"))]
        widths.append(max(numbers[::2]) - min(numbers[::2]))
    assert widths == pytest.approx([44.0, 22.0, 3.0], abs=0.11)
    assert [text.text for text in root.iter("text") if text.text.endswith(" %")] == ["80 %", "20 %"]


def test_an_equal_figure_gives_equal_text_and_another_key_other_ids():
    """Hold no date and nothing random; name shared shapes by the key, so that a page has each id once."""
    x = Axis("steps", 0.0, 9.0)
    series = [Series(x=[1.0, 2.0], y=[3.0, 4.0], dots=True)]
    first, second, other = (charts.line_chart(series, x=x, y=x, key=key, alt="") for key in ("a", "a", "b"))
    assert first == second
    ids = [set(re.findall(r' id="([^"]+)"', one.inside)) for one in (first, other)]
    assert len(ids[0]) == len(ids[1]) == 2 and not ids[0] & ids[1]
    assert set(re.findall(r'href="#([^"]+)"', first.inside)) == ids[0]


def test_a_drawing_holds_only_shapes():
    """Leave out matplotlib's style sheet, metadata, fonts, links and placeholders of colours."""
    figure = new_figure(100, 50)
    axes = figure.add_axes((0.1, 0.2, 0.8, 0.7))
    axes.set_xlabel(EVIL, parse_math=False, color=ROLES["soft"])
    dots = axes.scatter([1.0, 2.0], [1.0, 2.0], color=ROLES["c1"], clip_on=False)
    set_tooltips(dots, [EVIL, "b"])
    drawing = finish(figure, key="k", alt=EVIL)
    root = parsed(drawing)
    assert {element.tag for element in root.iter()} <= {"svg", "g", "defs", "path", "use", "text", "title"}
    assert "<script" not in drawing.inside and "http" not in drawing.inside and "#fe00" not in drawing.inside
    assert "font" not in drawing.inside and "rotate(-0" not in drawing.inside and "url(" not in drawing.inside
    assert EVIL in [text.text for text in root.iter("text")] and root.attrib["aria-label"] == EVIL
    assert [title.text for title in root.iter("title")] == [EVIL, "b"]


def test_each_placeholder_is_a_colour_of_the_style_sheet():
    """Find each role in the light and in the dark palette."""
    sheet, _, _ = environment().loader.get_source(environment(), "style.css")
    for name in ROLES:
        assert len(re.findall(rf"--{name}: #[0-9a-f]{{6}};", sheet)) >= 2, name


@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("jinja2", lambda: environment.__wrapped__()),
        ("matplotlib.figure", lambda: new_figure(10, 10)),
        ("PIL", lambda: maps.make_map(ring(), "k")),
    ],
)
def test_a_missing_extra_is_one_line(monkeypatch, package, use):
    """Name the package and the extra that brings it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"package `{package.partition('.')[0]}`.*pip install 'racer\[train\]'"):
        use()


def test_a_map_is_drawn_on_any_page():
    """Lay a path on the picture of the page; the picture's field is clear, its road is not."""
    picture = maps.make_map(ring(), "track0")
    way = [ring().center[:50]]
    root = parsed(maps.path_map(picture, way, [np.arange(49.0)], key="a", alt="a"))
    assert root[0].tag == "use" and root[0].get("href") == "#track0"
    assert root.get("viewBox") == f"0 0 {picture.view.width_px} {picture.view.height_px}"
    clear = maps._without_field(ring(), picture.view)
    column, row = (int(v) for v in picture.view.to_pixels([1.5 * math.cos(0.7), 1.5 * math.sin(0.7)]))
    assert clear[0, 0, 3] == 0 and clear[row, column, 3] == 255


def strokes(drawing):
    """Colour and path data of a map's strokes, the casing first."""
    found = [(element.get("style"), element.get("d")) for element in parsed(drawing).iter("path")]
    return [(re.search(r"stroke: ([^;]+)", style)[1], data) for style, data in found]


def test_colours_rise_with_the_value():
    """Colour low pieces with the first colour of the ramp and high ones with its last; steady values with one."""
    picture = maps.make_map(ring(), "k")
    drawing = maps.path_map(picture, [ring().center[:3]], [np.array([1.0, 9.0])], key="a", alt="")
    assert [colour for colour, _ in strokes(drawing)] == ["#0b0d10", "#5b8cff", "#fff06e"]
    steady = maps.path_map(picture, [ring().center[:3]], [np.array([4.0, 4.0])], key="a", alt="")
    assert len(strokes(steady)) == 2
    assert maps.value_range([]) == (0.0, 1.0)


def test_a_path_is_where_it_was_driven():
    """Draw casing and pieces through the pixels of the places, so that they lie on the road of the picture."""
    picture = maps.make_map(ring(), "k")
    way = ring().center[:3]
    drawing = maps.path_map(picture, [way], [np.array([1.0, 9.0])], key="a", alt="")
    a, b, c = ("{:g} {:g}".format(*np.round(point, 1)) for point in picture.view.to_pixels(way))
    assert [data for _, data in strokes(drawing)] == [f"M{a}L{b}L{c}", f"M{a}L{b}", f"M{b}L{c}"]


def test_a_few_outliers_do_not_take_the_colours():
    """Spread the colours over the bulk of the values."""
    low, high = maps.value_range([np.concatenate([np.linspace(1.0, 2.0, 200), [1e4]])])
    assert 0.9 < low < 1.1 and 1.9 < high < 2.1


def test_long_ways_are_thinned():
    """Draw a long lap with at most a bounded number of pieces that still ends where it ended."""
    picture = maps.make_map(ring(), "k")
    angle = np.linspace(0.0, 20.0, 30_001)
    way = 1.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    _, (_, pieces) = strokes(maps.path_map(picture, [way], [np.ones(30_000)], key="a", alt=""))
    end = "{:g} {:g}".format(*np.round(picture.view.to_pixels(way[-1]), 1))
    assert 2000 < pieces.count("M") <= 4001 and pieces.endswith(f"L{end}")


def test_faults_are_crosses_and_laps_dots():
    """Mark faults with crosses above the dots of completed laps."""
    picture = maps.make_map(ring(), "k")
    places = np.array([[1.5, 0.0], [0.0, 1.5], [-1.5, 0.0]])
    words = ["off <track", "lap complete", "crashed"]
    root = parsed(maps.ends_map(picture, places, [1, 2, 4], words, crosses=[True, False, True], key="a", alt=""))
    marks = [(group.find("title").text, group[1].attrib) for group in root.iter("g")]
    # A cross is drawn twice, the dark outline first.
    assert [word for word, _ in marks] == ["lap complete", "off <track", "crashed", "off <track", "crashed"]
    colours = [re.search(r"(?:fill|stroke): ([^;]+)", mark["style"])[1] for _, mark in marks]
    assert colours == ["var(--c2)", "#0b0d10", "#0b0d10", "var(--c1)", "var(--c4)"]
    (_, dot), *crosses = marks
    pixels = picture.view.to_pixels(places)
    assert (float(dot["x"]), float(dot["y"])) == pytest.approx(pixels[1], abs=0.051)
    for (_, cross), (a, b) in zip(crosses, pixels[[0, 2, 0, 2]], strict=True):
        ends = np.array(re.findall(r"-?[\d.]+", cross["d"]), float)
        # Two strokes of 18 units each way.
        assert ends == pytest.approx([a - 9, b + 9, a + 9, b - 9, a - 9, b - 9, a + 9, b + 9], abs=0.051)
