"""Checkpoints of a training: writes them, evaluates them, keeps the best one, and reads them back for `--resume`.

A checkpoint is two files of the run folder. `last.bundle` holds the policy; evaluations drive it through onnxruntime,
in the same way as `racer evaluate`, and the best one is copied to `best.bundle`. `trainer.pt` holds the state from
which the training is resumed: torch tensors and plain values, loaded with ``weights_only=True``, so that nothing is
unpickled. PPO, SAC and the distillation share this module; each adds its own weights and counts to the state.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.read import read_vehicle
from racer.contract import PolicyContract
from racer.errors import RunError
from racer.evaluate import Evaluation, evaluate
from racer.export.checkpoint import write_checkpoint
from racer.export.graph import trace
from racer.export.network import TorchPolicy
from racer.policy.onnx import OnnxPolicy
from racer.runs import RunFolder
from racer.sim.world import World
from racer.track.load import load_tracks

STATE_VERSION = 1
EVALUATION_SEED = 20_000
"""Seed of the starts in periodic evaluations: the same each time, and not the default seed of `racer evaluate`, whose
laps would otherwise be those by which the best checkpoint was chosen."""
TRACKS_EVALUATED = 5
"""Number of training tracks that an evaluation drives, the first ones of the configuration."""


class EvaluationListener(Protocol):
    """Receives the evaluations of a training."""

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Receive the evaluation of the checkpoint after `steps`; `best` where it became the best checkpoint."""


class CheckpointKeeper:
    """Writes the checkpoints of one training, evaluates them and keeps the best.

    Attributes:
        tracks: Tracks of the evaluations.
        best_record: Record of the best evaluation on its first track, as `racer evaluate --json` prints it; None
            before the first evaluation.
    """

    def __init__(
        self,
        run: RunFolder,
        contract: PolicyContract,
        *,
        laps: int,
        interval_s: float,
        started_s: float,
        progress: Mapping[str, Any],
        save_state: Callable[[dict[str, Any]], None],
        report: EvaluationListener | None,
    ) -> None:
        """Continue from the saved `progress`, empty for a new training.

        Args:
            run: Folder of the checkpoints; its tracks and its vehicle are those of the evaluations.
            contract: Contract of the policy; each checkpoint adds its number of steps.
            laps: Laps of an evaluation on each track.
            interval_s: Wall time after which the next checkpoint is due [s].
            started_s: Monotonic time at which this session of the training started [s].
            progress: Progress in the state that the training is resumed from.
            save_state: Writes the trainer's state; receives the keeper's own part of the progress.
            report: Receives the evaluations.
        """
        self._run, self._contract, self._laps = run, contract, laps
        self._interval_s, self._started_s, self._report = interval_s, started_s, report
        self._save_state = save_state
        self.tracks = load_tracks([str(file) for file in run.tracks[:TRACKS_EVALUATED]])
        self._vehicle = read_vehicle(run.vehicle)
        self._elapsed_before_s = float(progress.get("elapsed_s", 0.0))
        self._best_score: list[float] | None = progress.get("best_score")
        self.best_record: dict[str, Any] | None = progress.get("best_record")
        self._graph: bytes | None = None
        self._written_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Wall time of the training in all its sessions [s], without the interruptions between them."""
        return self._elapsed_before_s + time.monotonic() - self._started_s

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint was written longer ago than the interval."""
        return time.monotonic() - self._written_s > self._interval_s

    def write(self, policy: TorchPolicy, observations: Mapping[str, NDArray[Any]], *, steps: int) -> None:
        """Write the policy as `last.bundle`, then the trainer's state.

        Args:
            policy: Policy after `steps` steps.
            observations: Recorded observations for the bundle's golden record, (B, ...) for each sensor.
            steps: Control steps of all cars so far.
        """
        if self._graph is None:
            # The graph depends on the contract alone: tracing once and swapping weights is much faster.
            self._graph = trace(self._contract)
        trained_on = self._contract.trained_on.model_copy(update={"steps": steps})
        write_checkpoint(
            self._run.last,
            policy=policy,
            contract=self._contract.model_copy(update={"trained_on": trained_on}),
            observations=observations,
            graph=self._graph,
        )
        # The bundle first: after a kill between the two, a resumed training repeats the steps since the older state.
        self._save_progress()
        self._written_s = time.monotonic()

    def _save_progress(self) -> None:
        self._save_state({"elapsed_s": self.elapsed_s, "best_score": self._best_score, "best_record": self.best_record})

    def drive(
        self,
        *,
        disturbances: Mapping[str, str | Path] | None = None,
        watchers: Sequence[Callable[[World], None] | None] = (),
    ) -> list[Evaluation]:
        """Drive `last.bundle` on each track, once for each disturbance.

        Args:
            disturbances: Name in the evaluation to the disturbance's name or file; None for undisturbed laps.
            watchers: One for each track, called as `evaluate` calls `watch`; empty for none.
        """
        policy = OnnxPolicy(read_bundle(self._run.last))
        results = []
        for name, disturbance in (disturbances or {"none": "none"}).items():
            for track, watch in zip(self.tracks, watchers or [None] * len(self.tracks), strict=True):
                result = evaluate(
                    policy,
                    track,
                    self._vehicle,
                    laps=self._laps,
                    seed=EVALUATION_SEED,
                    disturbance=disturbance,
                    watch=watch,
                )
                results.append(replace(result, disturbance=name))
        return results

    def record(self, results: Sequence[Evaluation], score: list[float], *, steps: int, **counts: int) -> None:
        """Append an evaluation of `last.bundle` to the metrics; keep the checkpoint as the best where it is.

        Args:
            results: Results of `drive`.
            score: Rank of the evaluation, compared entry by entry; an equal score replaces the best checkpoint.
            steps: Control steps of all cars so far.
            counts: Further counts for the rows of the metrics.
        """
        # Lists compare entry by entry: the first difference decides. At equal scores the longer training is preferred.
        best = self._best_score is None or score >= self._best_score
        for result in results:
            # Disturbed laps are of another kind, so that a report of the run counts each track once.
            kind = "evaluation" if result.disturbance == "none" else "disturbed"
            row = {"kind": kind, "steps": steps, **counts, "elapsed_s": round(self.elapsed_s, 3)}
            self._run.append_metrics(row | result.record() | {"policy": "last", "best": best})
        if best:
            self._best_score, self.best_record = score, results[0].record()
            write_atomically(self._run.best, self._run.last.read_bytes())
            # Once more: a resumed training must not replace the best checkpoint by a worse one.
            self._save_progress()
        if self._report is not None:
            self._report.evaluated(steps, results, best)

    def finish(self, *, complete: bool, **counts: int) -> None:
        """Write the end of this session to `run.json`; `complete` where the budget is used up."""
        self._run.write_info(finished=complete, **counts, elapsed_s=round(self.elapsed_s, 1), best=self.best_record)


def lap_score(results: Sequence[Evaluation]) -> list[float]:
    """Return the rank of an evaluation: fraction of completed laps, then mean progress [%], over all tracks."""
    # Rounded, so that a difference in the last bit does not replace the best checkpoint.
    rate = float(np.mean([result.completion_rate for result in results]))
    return [round(rate, 6), round(float(np.mean([result.mean_progress for result in results])), 3)]


def fraction_done(count: int, total: int, elapsed_s: float, minutes: float | None) -> float:
    """Return the fraction of a budget that is used, 0..1: by steps or rounds, or by wall time, whichever is larger."""
    by_time = 0.0 if minutes is None else elapsed_s / (60.0 * minutes)
    return min(1.0, max(count / total, by_time))


def is_finite(policy: torch.nn.Module) -> bool:
    """Return whether all weights of a policy are finite; after a divergence they are NaN."""
    return all(bool(torch.isfinite(weights).all()) for weights in policy.parameters())


def write_state(path: Path, **state: Any) -> None:
    """Write a trainer's state of tensors and plain values, whole or not at all."""
    buffer = io.BytesIO()
    torch.save({"version": STATE_VERSION, **state}, buffer)
    write_atomically(path, buffer.getvalue())


@contextmanager
def opened_state(path: Path, *, restart: str) -> Iterator[dict[str, Any]]:
    """Read a trainer's state for the block that restores it.

    Args:
        path: The file.
        restart: Command that starts a new run, for messages.

    Raises:
        RunError: The file is damaged, of another version, or does not fit what the block restores.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about files that it then refuses
            state = torch.load(path, map_location="cpu", weights_only=True)
        version = state["version"]
    except Exception:  # torch raises many kinds for a broken file, with advice that is not for users
        raise RunError(f"{path} is damaged or not a racer file; start a new run: {restart}") from None
    if version != STATE_VERSION:
        raise RunError(f"{path} has version {version}; this racer reads {STATE_VERSION}")
    try:
        yield state
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{path} does not fit the run's config.yaml ({reason}); was that changed?") from None
