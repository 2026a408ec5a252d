"""`racer rewards`: what reward functions are told."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Reward functions: their params.", no_args_is_help=True)


@app.callback()
def rewards() -> None:
    """Reward functions: their params."""


@app.command()
def params(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the docs page.")] = False,
) -> None:
    """Print the keys of the dict that a reward function gets."""
    from racer.reward.params import PARAMS
    from racer.reward.params import markdown as page

    if markdown:
        typer.echo(page(), nl=False)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("key", "type", "unit", "range", "meaning", box=None, pad_edge=False)
    for param in PARAMS:
        name = f"{param.name} (racer only)" if param.ours else param.name
        cells = (name, param.type, param.unit, param.range, param.meaning)
        table.add_row(*(escape(cell) for cell in cells))
    Console().print(table)
