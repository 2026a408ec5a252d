"""Kinds of values that several configurations hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from racer.config.cnn import DEEPRACER_NAMES, CnnName


def _as_tracks(tracks: object) -> object:
    if isinstance(tracks, str):
        return (tracks,)
    if not isinstance(tracks, (list, tuple)) or not all(isinstance(one, str) for one in tracks):
        raise ValueError("give a name, a path or `generated:1..50`, or a list of them")
    return tracks


def _as_network(name: object) -> object:
    return DEEPRACER_NAMES.get(name.strip().upper(), name) if isinstance(name, str) else name


def _checked_layers(layers: tuple[int, ...]) -> tuple[int, ...]:
    if any(not 1 <= units <= 8192 for units in layers):
        raise ValueError("a layer has 1..8192 units")
    return layers


Tracks = Annotated[tuple[str, ...], BeforeValidator(_as_tracks)]
"""Names, paths or ranges of generated tracks; a single one may stand without a list."""
Network = Annotated[CnnName, BeforeValidator(_as_network)]
"""What reads pictures; DeepRacer's names are understood."""
Layers = Annotated[tuple[int, ...], AfterValidator(_checked_layers)]
"""Hidden units of each layer."""
