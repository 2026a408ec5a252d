"""The errors that a user may cause, each shown as one line by the command line.

A message says what was given, what is allowed and what to do. Anything that is not a `RacerError`
is a bug of ours and keeps its traceback. Here are those that several rooms raise; one that
belongs to a single room is defined there (`ReplayError`, `CalibrationError`).

    RacerError
    ├── AssetError      a named track, reward, config or vehicle that cannot be found
    ├── ConfigError     a configuration that cannot be used
    ├── TrackError      a track file that is no track
    ├── RewardError     a user's reward function that cannot be used or went wrong
    ├── BundleError     a bundle that is broken, tampered with or too new
    ├── ExportError     a policy whose ONNX graph does not do what the trained network does
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
    """A reward function cannot be loaded, raised, or returned what is no reward."""


class BundleError(RacerError):
    """A bundle is truncated, tampered with, or made by a newer version."""


class ExportError(RacerError):
    """A policy's ONNX graph cannot be made, or does not do what the trained network does."""


class RunError(RacerError):
    """A run folder cannot be made, read or resumed."""


class MissingExtra(RacerError):
    """A part of racer needs packages that were not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs more packages; install them with: pip install 'racer[{extra}]'")
