"""The run folder: the files of one training.

    config.yaml      the resolved configuration
    vehicle.yaml     the vehicle
    disturbance.yaml the disturbances
    reward.py        the source of the reward function at the start of the training
    reward_files/    copies of the files that the reward function reads, if it reads any
    tracks/          the tracks at the start of the training, in our YAML format
    run.json         versions, machine, git state, command, state of the training
    start.bundle     the policy given with --from
    metrics.jsonl    one line for each update and each evaluation
    best.bundle      the best checkpoint by evaluation, last.bundle the newest one
    trainer.pt       the state of the trainer, for `racer train --resume`
    tensorboard/     curves

Every file is replaced as a whole, so that a run is complete up to its last checkpoint after a stop of any kind.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from shlex import quote
from typing import Any

from racer import __version__
from racer.assets import write_atomically
from racer.config.env import EnvConfig
from racer.errors import RunError

CONFIG, REWARD, INFO, METRICS, TRAINER = "config.yaml", "reward.py", "run.json", "metrics.jsonl", "trainer.pt"
BEST, LAST, START = "best.bundle", "last.bundle", "start.bundle"
_PACKAGES = ("numpy", "numba", "gymnasium", "stable-baselines3", "torch", "onnx", "onnxruntime")


class _RunFile:
    """Attribute of a `RunFolder` that gives the path of one of its files, whether it exists or not."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: RunFolder, owner: type[RunFolder]) -> Path:
        return run.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    Attributes:
        path: The folder.
        config: The resolved configuration.
        reward: Source of the reward function.
        reward_files: Folder of copies of the files that the reward function reads; absent where it reads none.
        vehicle: The vehicle's parameters.
        disturbance: The disturbances; absent in older runs.
        trainer: The state of the trainer.
        deepracer: Folder of logs in DeepRacer's layout; absent without `--deepracer-logs`.
        start: The bundle that the training started from; absent without `--from`.
        best: The best checkpoint.
        last: The newest checkpoint.
    """

    path: Path

    config = _RunFile(CONFIG)
    reward = _RunFile(REWARD)
    reward_files = _RunFile("reward_files")
    vehicle = _RunFile("vehicle.yaml")
    disturbance = _RunFile("disturbance.yaml")
    trainer = _RunFile(TRAINER)
    deepracer = _RunFile("deepracer")
    start = _RunFile(START)
    best = _RunFile(BEST)
    last = _RunFile(LAST)

    def as_it_was(self, env: EnvConfig) -> EnvConfig:
        """Return an environment of this run with the folder's copy of its disturbance; older runs have no copy."""
        return env.model_copy(update={"disturbance": str(self.disturbance)}) if self.disturbance.exists() else env

    @property
    def tracks(self) -> list[Path]:
        """The track files, in the order of the configuration.

        Raises:
            RunError: `run.json` does not list them.
        """
        # `run.json` may have been edited by hand: it is checked like any other input.
        entries = self.info().get("tracks")
        named = entries if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries) else []
        files = [self.path / "tracks" / str(entry.get("file")) for entry in named]
        if not files:
            raise RunError(f"{self.path}: {INFO} lists no tracks; the run is incomplete")
        return files

    def info(self) -> dict[str, Any]:
        """Read `run.json`.

        Raises:
            RunError: It cannot be read.
        """
        try:
            return json.loads((self.path / INFO).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} is not a run: {INFO} cannot be read ({error})") from None

    def write_info(self, **changes: Any) -> None:
        """Update `run.json`."""
        # Keys of other writers stay: info is merged, not replaced.
        current = self.info() if (self.path / INFO).exists() else {}
        write_atomically(self.path / INFO, json.dumps(current | changes, indent=1) + "\n")

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to `metrics.jsonl`, whole or not at all.

        Raises:
            OSError: The disk is full or the file cannot be written.
        """
        line = (json.dumps(row) + "\n").encode()
        with (self.path / METRICS).open("ab", buffering=0) as file:
            end = file.seek(0, 2)
            # Unbuffered: a write to a full disk may store a part of the line, which is removed again.
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(end)
                raise

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Iterate over the lines of `metrics.jsonl`, without lines that a stop truncated."""
        file = self.path / METRICS
        if not file.exists():
            return
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # the last line of a process that was killed while it wrote

    def forget_after(self, steps: int) -> None:
        """Drop the metrics of later steps than `steps`, those of the checkpoint from which a training is resumed."""
        kept = [row for row in self.metrics() if row.get("steps", 0) <= steps]
        write_atomically(self.path / METRICS, "".join(json.dumps(row) + "\n" for row in kept))


def create_run(path: Path | None, *, name: str) -> RunFolder:
    """Make a new run folder: `path`, or `runs/<name>-<date>-<time>`.

    Raises:
        RunError: The folder exists already, or cannot be made.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "run"
    stem = f"{stem[:80]}-{datetime.now():%Y%m%d-%H%M%S}"
    chosen, tail = path or Path("runs") / stem, 2
    while True:
        try:
            chosen.mkdir(parents=True)
            (chosen / "tracks").mkdir()
            return RunFolder(chosen)
        except FileExistsError:
            if path is not None:
                raise RunError(_path_taken(path)) from None
            # Another run started within the same second.
            chosen, tail = Path("runs") / f"{stem}-{tail}", tail + 1
        except OSError as error:
            raise RunError(f"{chosen} cannot be made: {error.strerror}; choose another --run-dir") from None


def _path_taken(path: Path) -> str:
    if (path / INFO).is_file():
        return f"{path} exists already; choose another --run-dir, or resume it: racer train --resume {quote(str(path))}"
    return f"{path} exists already and is not a run; choose another --run-dir"


def open_run(path: Path) -> RunFolder:
    """Open an existing run.

    Raises:
        RunError: `path` does not hold a run.
    """
    if not path.is_dir() or not (path / INFO).is_file():
        raise RunError(f"{path} is not a run folder; a run holds {INFO}, {CONFIG} and {LAST}")
    return RunFolder(path)


def describe_environment() -> dict[str, Any]:
    """Collect versions, machine, git state of the working folder, and the command, for `run.json`."""
    return {
        "racer": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "machine": {"system": platform.platform(), "processor": platform.machine()},
        "git": _git_state(),
        "command": sys.argv[1:],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    """Return the commit and whether files differ from it; None outside a repository or without git."""

    # A short timeout: a repository on a slow network drive must not delay the training.
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
