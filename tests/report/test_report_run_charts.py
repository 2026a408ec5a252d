"""Axes, charts and maps as SVG."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import ring

from racer.report import run_charts as charts
from racer.report import run_maps as maps
from racer.report.run_charts import Axis, Series, format_number, make_axis, thinned

FINITE = st.floats(-1e9, 1e9, allow_nan=False).map(lambda v: round(v, 6))


@given(st.lists(FINITE, max_size=20))
def test_an_axis_holds_its_values(values):
    """Reach around all values with two to twelve round ticks in rising order."""
    made = make_axis(values, "")
    slack = 1e-6 * (made.high - made.low)
    assert made.high > made.low
    assert all(made.low - slack <= value <= made.high + slack for value in values)
    assert 2 <= len(made.ticks) <= 12 and list(made.ticks) == sorted(set(made.ticks))
    step = made.ticks[1] - made.ticks[0]
    digits = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    assert any(digits == pytest.approx(k, rel=1e-3) for k in (1, 2, 5, 10))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (-3.5, "−3.5"), (9999, "9999"), (20_000, "20k"), (1_500_000, "1.5M"), (2e9, "2G")],
)
def test_numbers_are_short(value, text):
    """Write numbers as people read them on an axis."""
    assert format_number(value) == text


def test_given_ends_are_kept():
    """Keep ends that are given, with ticks inside."""
    made = make_axis([3.0], "", low=0.0, high=100.0)
    assert (made.low, made.high, made.ticks) == (0.0, 100.0, (0.0, 20.0, 40.0, 60.0, 80.0, 100.0))


def test_many_points_are_drawn_as_means():
    """Draw at most 240 points with the mean of all kept."""
    x, y = list(range(960)), [float(k % 7) for k in range(960)]
    few, means = thinned(x, y)
    assert len(few) == len(means) == 240 and few[0] == 1.5
    assert np.mean(means) == pytest.approx(np.mean(y))
    assert thinned([1.0], [2.0]) == ([1.0], [2.0])


def test_a_line_goes_through_its_points():
    """Place the corners of the axes' range at the corners of the frame."""
    unit = Axis(low=0.0, high=1.0, ticks=(0.0, 1.0), label="")
    svg = charts.line_chart([Series(x=[0.0, 1.0], y=[0.0, 1.0])], x=unit, y=unit, alt="rising")
    [way] = re.findall(r'class="line c0" d="([^"]+)"', svg)
    assert way == "M50.0 222.0L438.0 12.0"
    assert ElementTree.fromstring(svg).attrib["aria-label"] == "rising"


def test_shares_fill_the_whole():
    """Stack shares from the bottom to the top of each interval."""
    x = Axis(low=0.0, high=10.0, ticks=(), label="")
    svg = charts.share_chart([0.0, 5.0, 10.0], np.array([[25.0, 75.0], [0.0, 100.0]]), [2, 1], x=x, alt="")
    first, second = re.findall(r'area" d="([^"]+)"', svg)
    assert first == "M50.0 222.0V169.5H244.0V222.0z"  # a quarter of 210 units
    assert second == "M50.0 169.5V12.0H244.0V169.5zM244.0 222.0V12.0H438.0V222.0z"


@pytest.mark.parametrize("shape", [(1, 1), (30, 24)])
def test_a_histogram_has_a_cell_for_what_was_counted(shape):
    """Draw the cells that are not empty, with their shares as text."""
    counts = np.zeros(shape)
    counts[-1, -1] = 3.0
    x = make_axis([0.0, 1.0], "<x>")
    svg = charts.heat_chart(counts, x=x, y=x, alt='"&<')
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-label"] == '"&<'
    assert [title.text for title in root.iter("title")] == ["100.0 %"]


def test_a_map_is_drawn_once_and_lies_on_any_page():
    """Hold the picture in the first map only; its field is clear, its road is not."""
    picture = maps.make_map(ring(), "track0")
    way = [ring().center[:50]]
    first = maps.path_map(picture, way, [np.arange(49.0)], first=True, alt="a")
    later = maps.path_map(picture, way, [np.arange(49.0)], first=False, alt="b")
    assert first.count("data:image/png;base64,") == 1 and 'href="#track0"' in later and "data:" not in later
    clear = maps._without_field(ring(), picture.view)
    column, row = (int(v) for v in picture.view.to_pixels([1.5 * math.cos(0.7), 1.5 * math.sin(0.7)]))
    assert clear[0, 0, 3] == 0 and clear[row, column, 3] == 255


def test_colours_rise_with_the_value():
    """Colour low pieces with the first colour of the ramp and high ones with its last; steady values with one."""
    picture = maps.make_map(ring(), "k")
    svg = maps.path_map(picture, [ring().center[:3]], [np.array([1.0, 9.0])], first=False, alt="")
    assert re.findall(r'stroke="([^"]+)"', svg) == ["#5b8cff", "#fff06e"]
    steady = maps.path_map(picture, [ring().center[:3]], [np.array([4.0, 4.0])], first=False, alt="")
    assert len(re.findall(r"stroke=", steady)) == 1
    assert maps.value_range([]) == (0.0, 1.0)


def test_a_few_outliers_do_not_take_the_colours():
    """Spread the colours over the bulk of the values."""
    low, high = maps.value_range([np.concatenate([np.linspace(1.0, 2.0, 200), [1e4]])])
    assert 0.9 < low < 1.1 and 1.9 < high < 2.1


def test_long_ways_are_thinned():
    """Draw a long lap with at most a bounded number of pieces that still ends where it ended."""
    picture = maps.make_map(ring(), "k")
    angle = np.linspace(0.0, 20.0, 30_001)
    way = 1.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    svg = maps.path_map(picture, [way], [np.ones(30_000)], first=False, alt="")
    [pieces] = re.findall(r'class="way"[^>]* d="([^"]+)"', svg)
    end = "{:.1f} {:.1f}".format(*picture.view.to_pixels(way[-1]))
    assert pieces.count("M") <= 4001 and pieces.endswith(f"L{end}")


def test_faults_are_crosses_and_laps_dots():
    """Mark faults with crosses above the dots of completed laps."""
    picture = maps.make_map(ring(), "k")
    places = np.array([[1.5, 0.0], [0.0, 1.5], [-1.5, 0.0]])
    words = ["off <track", "lap complete", "crashed"]
    svg = maps.ends_map(picture, places, [1, 2, 4], words, crosses=[True, False, True], alt="")
    titles = re.findall(r"<title>([^<]*)</title>", svg)
    assert titles == ["lap complete", "off &lt;track", "crashed"] and svg.count("cross line") == 2
