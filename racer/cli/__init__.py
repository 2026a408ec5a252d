"""The command line: one file for each command, whose options go to one function of a room and whose result it prints.

In: the arguments of `racer`. Out: text or JSON on standard output, progress and notes on standard error, an exit code.
`racer.cli.main.main` is the entry point; it shows a `RacerError` as one line. `app` is the typer application. No room
imports this package.
"""

from racer.lazy import lazy_attributes

__all__ = ["app"]
__getattr__ = lazy_attributes(__name__, {"app": "main"})
