"""The errors that a user may cause; the command line shows each as one line.

A message says what was given, what is allowed and what to do. An exception that is not a `RacerError` is a bug and
keeps its traceback. This module holds the errors that several rooms raise; an error of a single room is defined there
(`ReplayError`, `CalibrationError`).

    RacerError
    ├── AssetError      a named track, reward, config or vehicle that cannot be found
    ├── ConfigError     a configuration that cannot be used
    ├── TrackError      a file that does not describe a track
    ├── RewardError     a user's reward function that cannot be used or failed
    ├── BundleError     a bundle that is broken, tampered with or too new
    ├── ExportError     an ONNX graph that differs from the trained network
    ├── RunError        a run folder that cannot be made, read or resumed
    └── MissingExtra    a part of racer that was not installed
"""


class RacerError(Exception):
    """A user's mistake or a broken file: one line, exit 1, no traceback."""


class AssetError(RacerError):
    """A named track, reward, config or vehicle was not found."""


class ConfigError(RacerError):
    """A configuration value is unknown or out of its range."""


class TrackError(RacerError):
    """A track file cannot be read, or does not describe a road."""


class RewardError(RacerError):
    """A reward function cannot be loaded, raised an exception, or returned something that is not a number."""


class BundleError(RacerError):
    """A bundle is truncated, tampered with, or made by a newer version."""


class ExportError(RacerError):
    """A policy's ONNX graph cannot be made, or its outputs differ from those of the trained network."""


class RunError(RacerError):
    """A run folder cannot be made, read or resumed."""


class MissingExtra(RacerError):
    """A part of racer needs packages that were not installed.

    Args:
        what: The part, as the subject of a sentence.
        extra: Extra of the `racer` package that installs them.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs more packages; install them with: pip install 'racer[{extra}]'")
