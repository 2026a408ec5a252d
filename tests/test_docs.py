"""The documentation: generated pages are current, and every command in it is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from racer.config.reference import reference_markdown as configuration
from support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Session:
    """A fenced `console` block: commands after `$ `, gone on with after `> `, each with the output that is shown."""

    page: str
    line: int
    mark: str
    commands: tuple[tuple[str, tuple[str, ...]], ...]


def sessions(page: Path) -> list[Session]:
    """The console blocks of a page. The comment above a block may say `<!-- slow -->` or `<!-- not run: why -->`."""
    found = []
    lines = page.read_text(encoding="utf-8").splitlines()
    k = 0
    while k < len(lines):
        if lines[k].strip() != "```console":
            k += 1
            continue
        mark = lines[k - 1].strip() if k and lines[k - 1].startswith("<!--") else ""
        start = k + 1
        commands: list[list] = []
        k += 1
        while lines[k].strip() != "```":
            if lines[k].startswith("$ "):
                commands.append([lines[k][2:], []])
            elif lines[k].startswith(("> ", ">")) and commands and not commands[-1][1]:
                commands[-1][0] += "\n" + lines[k][2:]
            elif commands:
                commands[-1][1].append(lines[k])
            k += 1
        pairs = tuple((command, tuple(output)) for command, output in commands)
        found.append(Session(page.relative_to(ROOT).as_posix(), start, mark.strip("<!- >"), pairs))
    return found


ALL = {page: [one for one in sessions(page) if not one.mark.startswith("not run")] for page in PAGES}


def shape(text: str) -> str:
    """What of an output must stay: its words; numbers and widths of columns may change."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d.,:e+-]*", "0", text)).strip()


def run_all(page_sessions: list[Session], folder: Path) -> None:
    """Run the commands of a page one after another in one folder, and compare their output's shape."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"COLUMNS": "100", "TERM": "dumb"}
    for session in page_sessions:
        for command, expected in session.commands:
            ran = subprocess.run(
                command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
            )
            where = f"{session.page}:{session.line}: {command}"
            assert ran.returncode == 0, f"{where}\n{ran.stdout}\n{ran.stderr}"
            printed = {shape(line) for line in ran.stdout.splitlines()}
            for line in expected:
                if line.strip() not in ("", "..."):
                    assert shape(line) in printed, f"{where}\nexpected: {line}\nprinted:\n{ran.stdout}"


@pytest.mark.parametrize("page", [p for p in PAGES if ALL[p]], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_quick_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Run a page's commands up to its first slow one and see the output that it shows."""
    quick = []
    for session in ALL[page]:
        if session.mark == "slow":
            break
        quick.append(session)
    if not quick:
        pytest.skip("all of this page's commands come after a slow one")
    run_all(quick, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", [p for p in PAGES if ALL[p]], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_all_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Run all commands of a page in its order and see the output that it shows."""
    run_all(ALL[page], tmp_path)


def test_configuration_page_is_current() -> None:
    """Compare the reference page of the configuration with the models it is made from."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == configuration(), (
        "run: python -c 'from racer.config.reference import reference_markdown; ...' (see its docstring)"
    )


def test_links_between_pages_lead_somewhere() -> None:
    """Follow every relative link of the documentation."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_names_the_test_command() -> None:
    """Find the command that CI runs, behind its marker."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = text.partition("<!-- test command -->")[2].splitlines()[2]
    assert command.startswith("python3 ") and "constraints.txt" in command and "pytest" in command


def test_commands_are_installed() -> None:
    """Find `racer` beside this Python, as the documentation assumes."""
    assert shutil.which("racer", path=str(Path(sys.executable).parent)) is not None
