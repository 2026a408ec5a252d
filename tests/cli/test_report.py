"""`racer report`: the page, what is said, and its mistakes in one line."""

import pytest
import typer

from racer.cli.report import report
from racer.errors import RunError
from support.commands import invoke
from support.runs import make_run

app = typer.Typer()
app.callback()(lambda: None)
app.command("report")(report)


def run(*arguments, code=0):
    """Run the command; errors of ours go up, as the command line's own boundary wants."""
    return invoke(app, "report", *arguments, code=code)


def test_a_page_is_written_where_it_is_wanted(tmp_path):
    """Write to the file that -o names, and say so."""
    file = tmp_path / "new" / "page.html"
    said = run(make_run(tmp_path / "run"), "-o", file)
    assert said.stdout.startswith(f"report    {file}  (") and said.stderr == ""
    assert "<h1>ring</h1>" in file.read_text(encoding="utf-8")


def test_without_a_name_it_lies_in_the_run(tmp_path):
    """Write report.html into the run folder; what could not be driven is noted."""
    folder = make_run(tmp_path / "run")
    (folder / "best.bundle").unlink()
    said = run(folder)
    assert (folder / "report.html").is_file() and "note      No laps could be driven" in said.stderr


def test_no_run_is_one_line(tmp_path):
    """Refuse a folder that is no run, and leave nothing in it."""
    with pytest.raises(RunError, match="is not a run folder"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "Missing argument" in run(code=2).output
