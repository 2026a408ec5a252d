"""`racer rewards`."""

import pytest
from typer.testing import CliRunner

from racer.cli.rewards import app
from racer.reward.params import NAMES, markdown


def test_params_prints_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print every key, with the brackets that rich would take for markup."""
    monkeypatch.setenv("COLUMNS", "300")
    result = CliRunner().invoke(app, ["params"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()[1:]] == list(NAMES)
    assert "`[previous, next]`" in result.output
    assert "list[tuple[float, float]]" in result.output


def test_params_prints_the_docs_page() -> None:
    """Print the text of docs/reward-params.md, nothing added."""
    result = CliRunner().invoke(app, ["params", "--markdown"])
    assert result.exit_code == 0
    assert result.output == markdown()
