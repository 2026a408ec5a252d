"""The page of a run: whole, escaped, self-contained, and readable in a browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from racer.errors import RunError
from racer.report.pages import environment
from racer.report.run_drive import DrivenRun, drive_run
from racer.report.run_page import report_page, source_text, write_report
from racer.report.run_record import read_record
from support.bundles import DISCRETE
from support.runs import evaluation, make_run, update
from support.tracks import ring

CHROMIUM = Path("/usr/bin/chromium")
EVIL = """</script></style></title></pre><script>alert(1)</script><img src=x onerror="alert(2)">'"&<b>"""
VOID = {"meta", "link", "br", "img", "image"}


class Reader(HTMLParser):
    """Elements, attributes and visible text of a page; refuses tags that are not closed in their order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text, self.open = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note an element that is closed at once, as SVG's are."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Collect text."""
        self.text += data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The page of a small complete run."""
    record = read_record(make_run(tmp_path_factory.mktemp("runs") / "mine"))
    return report_page(record, drive_run(record, episodes=6))


def test_the_page_tells_the_headline_figures(whole):
    """Show track, steps, time, laps and completion."""
    text = " ".join(Reader(whole).text.split())
    for told in (
        "finished run mine · reward mine · started 2026-01-02 03:04 UTC",
        "Completion67 % 2 of 3 laps",
        "Best lap7.50 s",
        "Mean lap7.75 s",
        "Best lap in training7.00 s",
        "Steps4,000 1,000 a second",
        "Time4 s",
        "racer train --track ring",
    ):
        assert told in text, told


def test_the_page_has_every_figure(whole):
    """Draw each figure under its heading, with a text for who cannot see it."""
    headings = re.findall(r"<h3>([^<]*)</h3>", whole)
    assert headings == [
        "ring: speed",
        "ring: reward",
        "Speed over the fastest lap, m/s",
        "Actions: steering and speed",
        "Mean progress, % of a lap",
        "Laps completed in evaluations, %",
        "Mean reward of an episode",
        "Lap times, s",
        "Mean length of an episode, control steps",
        "Training speed, steps a second",
        "Ends of training episodes, %",
        "ring: where episodes end",
    ]
    reader = Reader(whole)
    labels = [value for key, value in reader.attributes if key == "aria-label"]
    assert reader.tags.count("svg") == len(headings) + 1 and all(labels) and len(labels) >= len(headings)
    assert "Mean progress of training episodes over steps: from 40 % to 80 %, at most 80 %." in labels
    assert re.findall(r"<h2>([^<]*)</h2>", whole) == [
        "Driving", "Learning", "Where episodes end", "Evaluations", "Reward function", "Configuration",
        "Circumstances",
    ]  # fmt: skip


def test_the_page_needs_nothing_else(whole):
    """Refer to nothing outside, hold no script, and forbid both."""
    reader = Reader(whole)
    assert not {"script", "iframe", "object", "embed", "audio", "video", "form"} & set(reader.tags)
    sources = [value for key, value in reader.attributes if key in ("src", "href", "xlink:href", "srcset", "action")]
    assert sources and all(value.startswith(("data:", "#")) for value in sources)
    assert not [key for key, _ in reader.attributes if key.startswith("on")]
    assert "http" not in whole.replace("http-equiv", "") and "url(" not in whole and "@import" not in whole
    assert "default-src 'none'" in whole and "prefers-color-scheme: dark" in whole
    assert len(whole) < 300_000


def test_pictures_are_held_once(whole):
    """Refer to ids that are there, each once."""
    ids = re.findall(r' id="([^"]+)"', whole)
    assert len(ids) == len(set(ids)) and set(re.findall(r'href="#([^"]+)"', whole)) == set(ids)
    assert whole.count("data:image/png") == 1 and whole.count('<use href="#track0"/>') == 3


def test_what_comes_from_the_run_is_escaped(tmp_path):
    """Show names, texts and words that are markup as what they are."""
    rows = [
        update(2000, ends={EVIL: 2, "lap_complete": 1}),
        evaluation(2000, EVIL) | {"laps": [{"completed": False, "status": EVIL, "progress": 3.0}]},
    ]
    run = make_run(
        tmp_path / "run",
        rows=rows,
        reward=f'NAME = """{EVIL}"""\n# {EVIL}\ndef reward_function(params):\n    return 1.0\n',
        tracks=[ring("0")],
        command=["train", EVIL],
        started=EVIL,
        racer=EVIL,
        machine={"system": EVIL},
        packages={EVIL: EVIL},
        git={"commit": EVIL},
        started_from=EVIL,
    )
    told = json.loads((run / "run.json").read_text())
    told["tracks"][0]["name"] = told["reward"]["name"] = EVIL
    (run / "run.json").write_text(json.dumps(told))
    (run / "config.yaml").write_text(f"# {EVIL}\n")
    shutil.move(run, tmp_path / "<b>&")
    record = read_record(tmp_path / "<b>&")
    driven = drive_run(record, episodes=2)
    assert driven.tracks[0].track.name == EVIL
    text = report_page(record, DrivenRun(tracks=driven.tracks, checkpoint=EVIL, notes=(EVIL,)))
    # Quotes may stay as they are between tags, where Pygments leaves them; the reader below finds no attribute of them.
    assert "<script" not in text and "<img" not in text and "onerror=" in text
    reader = Reader(text)
    assert {"script", "img", "b"} & set(reader.tags) == {"b"}  # ours: swatches of keys
    assert reader.text.count("<script>alert(1)</script>") >= 14 and not [
        k for k, _ in reader.attributes if k == "onerror"
    ]


def test_lone_surrogates_and_odd_letters_are_written(tmp_path):
    """Write a page for texts that are no Unicode, or hold control characters."""
    run = make_run(tmp_path / "run", command=["\ud800", "\x00", "\u2028", "日本"])
    (run / "config.yaml").write_bytes(b"# \xff\xfe\r\nseed: 3\r\n")
    write_report(run, tmp_path / "a.html")
    assert "日本" in (tmp_path / "a.html").read_text(encoding="utf-8")


STATES = {
    "nothing but run.json": [
        "config.yaml",
        "reward.py",
        "metrics.jsonl",
        "best.bundle",
        "vehicle.yaml",
        "tracks/0.yaml",
    ],
    "no checkpoint": ["best.bundle"],
    "no metrics": ["metrics.jsonl"],
    "no sources": ["config.yaml", "reward.py"],
}


@pytest.mark.parametrize("gone", STATES.values(), ids=STATES)
def test_a_run_without_all_of_its_files_has_a_page(tmp_path, gone):
    """Write what there is, and name what is missing."""
    run = make_run(tmp_path / "run", finished=False)
    for name in gone:
        (run / name).unlink()
    record = read_record(run)
    text = report_page(record, drive_run(record, episodes=2))
    reader = Reader(text)
    assert "not finished" in reader.text
    assert ("No laps could be driven" in reader.text) == ("best.bundle" in gone)
    assert ("no updates yet" in reader.text) == ("metrics.jsonl" in gone)
    assert reader.text.count("Not in the folder.") == ("config.yaml" in gone) + ("reward.py" in gone)


@pytest.mark.parametrize("rows", [[], [update(7)], [evaluation(7)], [evaluation(7, times=(None, None))]])
def test_few_rows_have_a_page(tmp_path, rows):
    """Draw a single point, and runs in which no lap was completed."""
    record = read_record(make_run(tmp_path / "run", rows=rows))
    Reader(report_page(record, DrivenRun()))


def test_a_run_of_several_tracks_has_a_page(tmp_path):
    """Draw each track and tell them apart; the figures count all of them."""
    tracks = [ring("small", 1.2), ring("large", 2.0)]
    record = read_record(make_run(tmp_path / "run", tracks=tracks, space=DISCRETE))
    text = report_page(record, drive_run(record, episodes=4))
    reader = Reader(text)
    assert "<h1>small, large</h1>" in text and "4 of 6 laps" in text
    for name in ("small", "large"):
        for figure in ("speed", "reward", "where episodes end"):
            assert f"<h3>{name}: {figure}</h3>" in text
        assert f"evaluations on {name}" in reader.text
    assert text.count("data:image/png") == 2 and "6 degrees" not in text and "-30 degrees at 3 m/s" in text


def test_a_long_run_stays_small(tmp_path):
    """Keep the page of thousands of updates and evaluations below 3 MB, the best evaluation in its table."""
    rows = [update(k) for k in range(1, 5001)]
    rows += [evaluation(5 * k, best=k == 1, times=(9.0, 9.5, 9.7, 8.8, None)) for k in range(1, 1001)]
    reward = "# a long line of a table of numbers, and more of it\n" * 100_000
    record = read_record(make_run(tmp_path / "run", rows=rows, reward=reward, steps=5000))
    text = report_page(record, DrivenRun())
    assert len(text) < 1_500_000
    reader = Reader(text)
    assert reader.text.count("1 off track") == 201 and "799 earlier ones are not shown" in reader.text
    assert "98,000 more lines are not shown" in reader.text
    assert '<tr class="best"><td>5</td>' in text


def test_the_file_is_replaced_as_a_whole(tmp_path):
    """Write over an older report, leave nothing else, and leave the old one where there is no run."""
    output = tmp_path / "deep" / "report.html"
    write_report(make_run(tmp_path / "run"), output)
    write_report(tmp_path / "run", output)
    assert [entry.name for entry in output.parent.iterdir()] == ["report.html"]
    before = output.read_bytes()
    assert before.startswith(b"<!doctype html>") and before.endswith(b"</html>\n")
    with pytest.raises(RunError, match="not a run folder"):
        write_report(tmp_path / "gone", output)
    with pytest.raises(RunError, match="is a folder; name the file"):
        write_report(tmp_path / "run", tmp_path)
    assert output.read_bytes() == before


def test_the_same_run_gives_the_same_page(tmp_path, whole):
    """Hold nothing of the time at which it was written."""
    record = read_record(make_run(tmp_path / "mine"))
    assert report_page(record, drive_run(record, episodes=6)) == whole


def source_block(text, *, label):
    """A source as a page shows it."""
    macros = environment().get_template("macros.html.j2").module
    return str(macros.source_block(source_text(text, python=True), label)).removesuffix("\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1",
        "def f(:\n  '''open\n\x0c\n",
        "a = '''one\ntwo < three\n'''  # é\r\nb = f'{a!r:>4} {a}'\r",
        "\tif True:\n return\n  pass\n",
        "# " + "x" * 5000,
    ],
)
def test_source_is_shown_letter_by_letter(text):
    """Lose no letter of a source, whatever it is; number each of its lines."""
    shown = source_block(text, label="Reward")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n") if text else []
    expected = "".join(f"{line[:2000]}{' …' if len(line) > 2000 else ''}\n" for line in lines)
    assert Reader(shown).text == expected and shown.count("<span>") == len(lines)


def test_python_is_coloured():
    """Tell words, strings and comments apart."""
    shown = source_block("def f():\n    return '<'  # why\n", label="")
    tokens = re.findall(r'<span class="([cks]\w*)">([^<]*)</span>', shown)
    assert [(kind[0], text) for kind, text in tokens] == [
        ("k", "def"), ("k", "return"), ("s", "'&lt;'"), ("c", "# why"),
    ]  # fmt: skip


def browse(file, folder, *, width=1200, dark=False):
    """Open a page in headless Chromium: its picture, what the console said, what the page asked the network for."""
    from PIL import Image

    picture, log = folder / "page.png", folder / "net.json"
    told = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--window-size={width},1400",
            "--enable-logging=stderr", f"--log-net-log={log}", f"--screenshot={picture}", file.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert picture.exists(), told.stderr
    recorded = json.loads(log.read_text())
    start = recorded["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event["params"] for event in recorded["events"] if event["type"] == start and event.get("params")]
    # What the browser asks for its own ends has no origin.
    urls = [each["url"] for each in asked if each.get("initiator") != "not an origin" and "url" in each]
    return Image.open(picture).convert("RGB"), re.findall(r"CONSOLE.*", told.stderr), urls


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium")
def test_the_watch_on_the_browser_sees_faults(tmp_path):
    """See an error in the console and a request, so that the next test may find none."""
    file = tmp_path / "bad.html"
    file.write_text('<img src="http://127.0.0.1:9/x.png"><script>console.error("boo")</script>')
    _, console, urls = browse(file, tmp_path)
    assert any("boo" in line for line in console) and urls == ["http://127.0.0.1:9/x.png"]


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_a_browser_shows_the_page(tmp_path, whole, width, dark):
    """Render light and wide, dark and narrow, without a word in the console and without a request."""
    file = tmp_path / "report.html"
    file.write_text(whole, encoding="utf-8")
    picture, console, urls = browse(file, tmp_path, width=width, dark=dark)
    assert console == [] and urls == []
    assert picture.getpixel((2, 2)) == ((16, 19, 24) if dark else (245, 246, 248))
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert (25, 29, 36) in colours if dark else (255, 255, 255) in colours  # cards
    assert (64, 63, 61) in colours  # the road
    assert len(colours) > 300  # letters, the path's colours
    right = picture.crop((width - 10, 0, width, 1400)).getcolors()
    assert right is not None and len(right) == 1  # nothing sticks out
