"""The card of an installed bundle: what a person wants to know before it drives."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from racer.car.store.check import Parity
from racer.contract import PolicyContract
from racer.errors import RacerError

CARD = "card.json"


class StoreError(RacerError):
    """Something that the store has not, or must not do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of an installed bundle.

    Attributes:
        signed_by: name of the trusted key; empty if not signed.
        size: of the file, bytes.
        summary: what a person wants to know of the policy, in words.
    """

    sha256: str
    name: str
    installed: str
    signed_by: str
    size: int
    parity: Parity
    summary: dict[str, str]

    def to_json(self) -> bytes:
        """The text of `card.json`."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()


def read_card(path: Path, sha256: str) -> Card:
    """The card of the bundle with this sha256.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        data = json.loads(path.read_bytes())
        return Card(**(data | {"sha256": sha256, "parity": Parity(**data["parity"])}))
    except (OSError, ValueError, TypeError, KeyError):
        raise StoreError(f"the card of model {sha256[:12]} is damaged; delete its folder and deploy again") from None


def summary(contract: PolicyContract) -> dict[str, str]:
    """What a person wants to know of a policy before it drives a car."""
    space, trained = contract.action_space, contract.trained_on
    return {
        "sensors": ", ".join(f"{s.name} {' x '.join(map(str, s.shape))}" for s in contract.sensors),
        "control rate": f"{contract.control_rate_hz:g} Hz",
        "steering": f"{space.low[0]:g} to {space.high[0]:g} degrees",
        "speed": f"{space.low[1]:g} to {space.high[1]:g} m/s",
        "actions": contract.action_space_type,
        "trained on": f"{', '.join(trained.tracks) or 'an unknown track'}, {trained.steps:,} steps",
        "vehicle": trained.vehicle or "not told",
        "racer": trained.racer_version,
    }
