"""Converts a DeepRacer model folder to a configuration that `racer train` runs."""

from __future__ import annotations

import ast
import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer import assets
from racer.config.actions import ContinuousActions, DiscreteActions, describe_action_space
from racer.config.env import EnvConfig
from racer.config.read import to_yaml, validate
from racer.config.train import DEFAULT_TRACK, TrainConfig
from racer.deepracer.hyperparameters import read_ppo, read_sac
from racer.deepracer.job import TrainingJob, read_job
from racer.deepracer.metadata import read_metadata
from racer.deepracer.project import HYPERPARAMETERS, ModelFolder, find_project, read_json
from racer.errors import AssetError, ConfigError, RewardError
from racer.reward.source import FUNCTION, compile_source, read_source
from racer.track.load import load_tracks, parse_spec

_SAC_PICTURES = 50_000
"""Control steps in SAC's replay buffer where observations hold pictures: 2 to 4 GB."""


@dataclass(frozen=True, kw_only=True)
class ImportedModel:
    """A model folder as a configuration.

    Attributes:
        config: The training configuration.
        facts: Label and text of each setting, for a listing.
        notes: One line for each setting that is not taken over unchanged.
    """

    config: TrainConfig
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def to_yaml(self, folder: Path) -> str:
        """Return the configuration as YAML text, with the notes as comments."""
        lines = [f"# Imported from the DeepRacer model folder `{folder.name}` by `racer deepracer import`."]
        for note in self.notes:
            lines += textwrap.wrap(note, 108, initial_indent="# - ", subsequent_indent="#   ")
        # A note may quote a file, and a control character in it would end the comment or break the YAML.
        text = "\n".join(line if line.isprintable() else ascii(line)[1:-1] for line in lines)
        return text + "\n" + to_yaml(self.config)


def import_project(folder: Path, *, track: str | None = None) -> ImportedModel:
    """Read a model folder or a downloaded archive, and convert it to a configuration.

    Args:
        folder: The model folder.
        track: Name, file or `generated:1..50`; by default the folder's `.npy`, else the name that its
            `training_params.yaml` or `run.env` gives, else the shipped default.

    Raises:
        ConfigError: A file is missing or cannot be used.
        RewardError: The reward function cannot be used.
        AssetError: The track cannot be found.
        TrackError: The track cannot be used.
    """
    project = find_project(folder)
    _check_reward(project.reward)
    metadata = read_metadata(read_json(project.metadata), str(project.metadata))
    job = read_job(project.job) if project.job else TrainingJob(start={})
    notes = [*metadata.notes, *job.notes]
    spec = track or _own_track(project, job, notes)
    setting, length = _track_setting(spec)
    # DeepRacer counts episodes, racer control steps: the time of a lap at the mean speed translates between them.
    lap_steps = max(1, math.ceil(length / _mean_speed(metadata.actions) * EnvConfig().control_rate_hz))
    given = read_json(project.hyperparameters) if project.hyperparameters else {}
    where = str(project.hyperparameters or HYPERPARAMETERS)
    if project.hyperparameters is None:
        notes.append(f"no {HYPERPARAMETERS}: DeepRacer's own defaults are used")
    if metadata.algorithm == "sac":
        sections, further_notes = read_sac(given, where)
    else:
        sections, further_notes = read_ppo(given, where, lap_steps=lap_steps)
    pictures = {"camera", "stereo"} & set(metadata.env["sensors"])
    if pictures and metadata.algorithm == "sac":
        # PPO keeps the pictures of one update only.
        sections["sac"]["buffer_size"] = _SAC_PICTURES
        notes.append(f"sac.buffer_size {_SAC_PICTURES}: pictures of more steps would need too much memory")
    # Only what the folder sets: all other keys keep racer's defaults.
    data: dict[str, Any] = {
        "track": setting,
        "reward": str(project.reward.resolve()),  # the configuration may be used from any folder
        "action_space": metadata.actions.model_dump(),
        "algorithm": metadata.algorithm,
        "env": metadata.env
        | ({"start": job.start} if job.start else {})
        | ({"objects": job.objects} if job.objects else {}),
        **({"network": metadata.network} if pictures else {}),
    }
    config = validate(TrainConfig, data | sections, str(folder))
    facts = (
        ("track", f"{setting}, {length:.1f} m"),
        ("reward", str(project.reward)),
        ("actions", describe_action_space(metadata.actions)),
        *((("race", config.env.objects.race.replace("_", " ")),) if job.objects else ()),
        ("sensors", ", ".join(config.env.sensors)),
        ("learns by", metadata.algorithm.upper()),
    )
    return ImportedModel(config=config, facts=facts, notes=(*notes, *further_notes))


def _check_reward(path: Path) -> None:
    """Check that the file can be a reward function, without running the user's code."""
    source = read_source(path)
    compile_source(source)
    # The function may be defined by `def`, assigned, or imported; anything else is not worth guessing.
    names: list[str] = []
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.alias):
            names.append(node.asname or node.name)
    if FUNCTION not in names:
        raise RewardError(
            f"{path} has no `{FUNCTION}`; define `def {FUNCTION}(params):`.{assets.did_you_mean(FUNCTION, names)}"
        )


def _own_track(project: ModelFolder, job: TrainingJob, notes: list[str]) -> str:
    """Return the track that the folder itself names."""
    # A file beside the model is surer than a name, which may be a track that this machine does not have.
    if len(project.tracks) > 1:
        listed = ", ".join(path.name for path in project.tracks[:5])
        raise ConfigError(f"{project.folder} holds several tracks ({listed}); choose one with --track")
    if project.tracks:
        return str(project.tracks[0])
    if job.track is not None:
        return job.track
    notes.append(f"the folder names no track: `{DEFAULT_TRACK}` is used; choose another with --track")
    return DEFAULT_TRACK


def _track_setting(spec: str) -> tuple[str, float]:
    """Return the track as a configuration in any folder can name it, and its length [m], the mean of several."""
    tracks = load_tracks([spec])
    length = sum(track.length for track in tracks) / len(tracks)
    if spec.startswith("generated:"):
        return spec, length
    base = parse_spec(spec).base
    options = spec[len(base) :]
    # A path that exists is not looked up by name; its options such as `@1/18` stay behind the absolute path.
    path = Path(base).expanduser()
    if not path.exists():
        try:
            path = assets.find_asset("track", base)
        except AssetError:  # a name that only the loader of tracks understands
            return spec, length
        # A shipped or fetched track has its name everywhere; a local one is found from its folder only.
        homes = (assets.shipped_root() / "tracks", assets.cache_dir() / "tracks")
        if path.parent in homes:
            return spec, length
    return f"{path.resolve()}{options}", length


def _mean_speed(actions: ContinuousActions | DiscreteActions) -> float:
    """Return the mean speed [m/s] of all discrete actions, or the middle of the range."""
    # DeepRacer's cars drive at the commanded speed; how often each action is chosen is not known before a training.
    if isinstance(actions, DiscreteActions):
        return sum(speed for _, speed in actions.table) / len(actions.table)
    return 0.5 * (actions.low[1] + actions.high[1])
