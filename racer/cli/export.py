"""`racer export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    source: Annotated[Path, typer.Argument(help="Run folder (its best checkpoint) or bundle.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this bundle.")],
) -> None:
    """Export a policy as a bundle: an ONNX graph that is compared with the torch policy first, and its contract."""
    from racer.export.checkpoint import export_bundle

    # Only a graph that agrees with the torch policy is written; the figures are printed as evidence.
    report = export_bundle(source, output)
    typer.echo(
        f"{output}: onnxruntime and torch agree within {report.action_difference:.1e} of the range "
        f"on {report.observations} recorded observations"
    )
