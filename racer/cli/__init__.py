"""The command line: one file for each command, whose options go to one function of a room and whose result it prints.

`racer.cli.main.main` is the entry point; it shows a `RacerError` as one line. No room imports this package.
"""
