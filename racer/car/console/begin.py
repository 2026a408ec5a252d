"""What the console begins with: models from files, the one in use, and how long it serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from racer.car.bench.choice import chosen
from racer.car.store.card import Card
from racer.car.store.store import Store
from racer.errors import BundleError
from racer.policy.load import find_bundle


def bring(models: Store, specs: Sequence[Path], *, tell: Callable[[str], None]) -> None:
    """Take bundles into the store, and use the first of them; the bench's choice where it measured them here.

    Args:
        specs: bundles, or run folders, which give the model their name.

    Raises:
        BundleError: one is broken, or cannot drive this car.
    """
    cards = [_install(models, spec, tell) for spec in specs]
    if cards:
        models.use(cards[0].sha256)


def in_use(models: Store, *, tell: Callable[[str], None]) -> Path | None:
    """The file of the model in use; None where there is none, or where it may not drive this car any more."""
    if models.current is None:
        return None
    try:
        models.verified(models.current)
    except BundleError as error:
        tell(f"note      no model is loaded: {error}")
        return None
    return models.path(models.current)


def threads_of(bundle: Path) -> int:
    """As the bench chose for exactly this bundle, else 1."""
    choice = chosen(bundle)
    return choice.threads if choice.bundle == bundle else 1


def _install(models: Store, spec: Path, tell: Callable[[str], None]) -> Card:
    choice = chosen(find_bundle(spec))
    if choice.words:
        tell(f"bench     {choice.words}")
    if not spec.is_dir():
        return models.install(choice.bundle)
    source, name = str(choice.bundle), spec.resolve().name
    return models.install_bytes(choice.bundle.read_bytes(), name=name, signature=None, source=source)
