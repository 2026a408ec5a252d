"""Stores the bundles of a car: a folder for each, named by the bundle's sha256, and a symbolic link to the one in use.

    ROOT/models/<sha256>/policy.bundle        the file as it was received
    ROOT/models/<sha256>/policy.bundle.sig    its signature, where it has one
    ROOT/models/<sha256>/card.json            name, time, signer, result of the check on this car
    ROOT/history.json                         sha256 of the models that were in use, oldest first
    ROOT/current -> models/<sha256>           the model in use
    ROOT/keys/<name>.pub                      trusted keys

A bundle is copied to a temporary folder, checked there completely (archive, contract, signature, sensors and limits of
the car, recorded answers), and takes its place by one rename. `current` is also replaced by one rename, after the
history was written. So after a power cut at any time, the model in use is the old one or the new one, complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from racer.bundle import MEMBER_MAX, MEMBERS, Bundle, read_bundle
from racer.car.calibration.calibration import read_calibration
from racer.car.gate import bundle_refusals, sensor_refusals
from racer.car.models.disk import Disk, temporary_path
from racer.car.models.parity import Parity, ParityCheck, check_in_subprocess
from racer.car.models.signature import SIGNATURE_BYTES_MAX as SIGNATURE_MAX
from racer.car.models.signature import (
    SIGNATURE_SUFFIX,
    SignatureError,
    parse_signature,
    read_public_key,
    verify_signature,
)
from racer.contract import PolicyContract
from racer.errors import BundleError, RacerError

BUNDLE_MAX = MEMBER_MAX * len(MEMBERS)
"""Largest file of a bundle [bytes]."""
_BUNDLE_FILE = "policy.bundle"
_SIGNATURE_FILE = _BUNDLE_FILE + SIGNATURE_SUFFIX
_HISTORY_MAX = 32
_SHA256 = re.compile("[0-9a-f]{64}")
_T = TypeVar("_T")


class ModelStore:
    """Bundles of one car.

    Args:
        root: Folder of the store; created when first needed.
        fits: Returns every reason why a policy cannot drive this car.
        check: Computes the recorded answers of a bundle again.
        disk: Writes files; a test can let it fail.
        now: Returns date and time of an installation.
    """

    def __init__(
        self,
        root: Path,
        *,
        fits: Callable[[PolicyContract], Sequence[str]] = lambda _: (),
        check: ParityCheck = check_in_subprocess,
        disk: Disk | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.root = root
        self._fits = fits
        self._check = check
        self._disk = disk or Disk()
        self._now = now

    def install(self, path: Path) -> ModelCard:
        """Install a bundle, with the signature beside it if there is one. The model in use stays in use.

        Raises:
            BundleError: The bundle is refused; nothing changed.
            MissingExtra: The bundle is signed, and `cryptography` is not installed.
        """
        return self.install_bytes(
            _read_limited(path, BUNDLE_MAX), name=path.stem, signature=_read_signature(path), source=str(path)
        )

    def install_bytes(self, data: bytes, *, name: str, signature: bytes | None, source: str) -> ModelCard:
        """Install a bundle that was received over a network; otherwise the same as `install`.

        Args:
            data: Bytes of the bundle.
            name: Name of the model on this car.
            signature: Content of its signature's file; None without a signature.
            source: Name of the bundle for messages.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        with self._locked():
            self._sweep()  # the lock is held: temporary files are of a killed process, not of another installation
            signed_by = self._signer(signature, sha256, source)
            folder = self.root / "models" / sha256
            if folder.is_dir():
                return self._reinstall(sha256, source, signature, signed_by)
            staged = temporary_path(folder)
            try:
                self._disk.make_folder(staged)
                self._disk.write(staged / _BUNDLE_FILE, data)
                card = self._check_staged(staged / _BUNDLE_FILE, sha256, _safe_name(name), signed_by, len(data), source)
                if signature is not None:
                    self._disk.write(staged / _SIGNATURE_FILE, signature)
                self._disk.write(staged / CARD_FILE, card.to_json())
                # The content must be on the medium before the name is, else a power cut leaves an incomplete model.
                self._disk.flush_folder(staged)
                self._disk.rename(staged, folder)
                self._disk.flush_folder(folder.parent)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._disk.remove(staged)
                raise
            return card

    def use(self, which: str) -> ModelCard:
        """Switch to an installed bundle, after its file was checked again.

        Args:
            which: Its sha256, the first digits of it, or its name where that is unique.

        Raises:
            ModelStoreError: No model matches, or several do.
            BundleError: The file was damaged since it was installed, or may no longer drive this car.
        """
        with self._locked():
            card = self.card(which)
            self.verified(card.sha256)
            # A repeated `use` must not push the model to go back to out of the history.
            if card.sha256 != self.current:
                # The history first: after a power cut in between it is one entry ahead, which `previous` expects.
                past = [*self.history(), card.sha256][-_HISTORY_MAX:]
                self._disk.replace_file(self.root / "history.json", (json.dumps(past) + "\n").encode())
                self._disk.replace_link(self.root / "current", f"models/{card.sha256}")
            return card

    def rollback(self) -> ModelCard:
        """Switch to the model that was in use before; a second call switches back.

        Raises:
            ModelStoreError: No other model was in use.
        """
        if self.previous is None:
            raise ModelStoreError("no earlier model to go back to; choose one with `racer car models use`")
        return self.use(self.previous)

    def remove(self, which: str) -> ModelCard:
        """Delete a bundle.

        Args:
            which: See `use`.

        Raises:
            ModelStoreError: The bundle is in use, or `rollback` needs it.
        """
        with self._locked():
            card = self.card(which)
            if card.sha256 in (self.current, self.previous):
                text = "in use" if card.sha256 == self.current else "kept for `racer car models rollback`"
                raise ModelStoreError(f"model `{card.name}` is {text}; use another one first")
            # Renamed first: an interrupted removal leaves a temporary folder, not a model without its bundle.
            folder = self.root / "models" / card.sha256
            removed = temporary_path(folder)
            self._disk.rename(folder, removed)
            self._disk.remove(removed)
            return card

    @property
    def current(self) -> str | None:
        """The sha256 of the model in use; None where there is none, or its folder is incomplete."""
        try:
            # Only the name counts, so that a moved store, or a link that was changed, cannot point outside.
            sha256 = os.readlink(self.root / "current").rpartition("/")[2]  # noqa: PTH115 (text, not a path)
        except OSError:
            return None
        return sha256 if _SHA256.fullmatch(sha256) and self._is_whole(sha256) else None

    @property
    def previous(self) -> str | None:
        """The sha256 of the newest other model that was in use and is still installed; None where there is none.

        The history may be one entry ahead of `current`, after a power cut between the two writes. Example: with the
        history a, b, c and b in use, c was never in use, and the previous model is a.
        """
        past, now = self.history(), self.current
        if now in past:
            past = past[: len(past) - past[::-1].index(now)]
        return next((sha256 for sha256 in reversed(past) if sha256 != now and self._is_whole(sha256)), None)

    def history(self) -> list[str]:
        """Return the sha256 of the models that were in use, oldest first; unreadable entries are left out."""
        try:
            entries = json.loads((self.root / "history.json").read_bytes())
        except (OSError, ValueError):
            return []
        return [entry for entry in entries if isinstance(entry, str) and _SHA256.fullmatch(entry)]

    def cards(self) -> list[ModelCard]:
        """Return the cards of all installed bundles, sorted by name and date."""
        folder = self.root / "models"
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        cards = [self._card_of(name) for name in names if _SHA256.fullmatch(name) and self._is_whole(name)]
        return sorted(cards, key=lambda card: (card.name, card.installed))

    def card(self, which: str) -> ModelCard:
        """Return the card of one bundle.

        Args:
            which: See `use`; at least six digits of the sha256.

        Raises:
            ModelStoreError: No model matches, or several do.
        """
        cards = self.cards()
        named = [card for card in cards if card.name == which]
        matches = named or [card for card in cards if len(which) >= 6 and card.sha256.startswith(which)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            digits = ", ".join(card.sha256[:12] for card in matches)
            raise ModelStoreError(f"{len(matches)} models are called `{which}`: {digits}; give the digits")
        known = ", ".join(card.name for card in cards) or "none"
        raise ModelStoreError(f"no model `{which}` on this car (there is: {known})")

    def path(self, sha256: str) -> Path:
        """Return the file of an installed bundle."""
        return self.root / "models" / sha256 / _BUNDLE_FILE

    def verified(self, sha256: str) -> Bundle:
        """Read an installed bundle and check it again: its bytes, its signature, and that it fits this car.

        Raises:
            BundleError: The bundle was changed since it was installed, or no longer fits.
        """
        path = self.path(sha256)
        source = f"model `{self._card_of(sha256).name}`"
        if hashlib.sha256(_read_limited(path, BUNDLE_MAX)).hexdigest() != sha256:
            raise BundleError(f"{source} was damaged on this car's disk (sha256 differs); deploy it again")
        self._signer(_read_signature(path), sha256, source)
        bundle = _with_source_name(read_bundle, path, source)
        self._refuse_unfit(bundle.contract, source)
        return bundle

    def trust(self, key: Path, *, name: str = "") -> str:
        """Trust a public key; from then on the car accepts signed bundles only.

        Args:
            key: File of the public key.
            name: Name of the key on this car; empty for the name of the file.

        Returns:
            The name of the key.

        Raises:
            SignatureError: The file is not a public key.
        """
        data = read_public_key(key)
        name = _safe_name(name or key.stem)
        with self._locked():
            self._disk.make_folder(self.root / "keys")
            self._disk.replace_file(self.root / "keys" / f"{name}.pub", key.read_bytes())
        if self.trusted().get(name) != data:
            raise SignatureError(f"key {key} was changed while it was copied")
        return name

    def trusted(self) -> dict[str, bytes]:
        """Return the trusted public keys by name.

        Raises:
            SignatureError: A key file is damaged; the car then accepts no bundle.
        """
        return {path.stem: read_public_key(path) for path in sorted((self.root / "keys").glob("[!.]*.pub"))}

    def _check_staged(self, staged: Path, sha256: str, name: str, signed_by: str, size: int, source: str) -> ModelCard:
        # From cheap to expensive, and the graph runs last, after all that is known about it was checked.
        bundle = _with_source_name(read_bundle, staged, source)
        self._refuse_unfit(bundle.contract, source)
        parity = _with_source_name(self._check, staged, source)
        return ModelCard(
            sha256=sha256, name=name, installed=self._now().isoformat(timespec="seconds"), signed_by=signed_by,
            size=size, parity=parity, summary=policy_summary(bundle.contract),
        )  # fmt: skip

    def _reinstall(self, sha256: str, source: str, signature: bytes | None, signed_by: str) -> ModelCard:
        """Check a bundle that is installed already, and add a new signature."""
        if signed_by and signature is not None:
            self._disk.replace_file(self.path(sha256).with_name(_SIGNATURE_FILE), signature)
            card = replace(self._card_of(sha256), signed_by=signed_by)
            self._disk.replace_file(self.path(sha256).parent / CARD_FILE, card.to_json())
        _with_source_name(lambda _: self.verified(sha256), self.path(sha256), source)
        return self._card_of(sha256)

    def _refuse_unfit(self, contract: PolicyContract, source: str) -> None:
        if reasons := self._fits(contract):
            raise BundleError(f"{source} cannot drive this car: {'; '.join(reasons)}")

    def _signer(self, signature: bytes | None, sha256: str, source: str) -> str:
        """Return the name of the trusted key of a signature; empty for a bundle that needs none."""
        trusted = self.trusted()
        # A signature is checked even where no key is trusted: it then names an unknown key and is refused.
        if signature is not None:
            parsed = parse_signature(signature, source=source + SIGNATURE_SUFFIX)
            return verify_signature(parsed, sha256=sha256, trusted=trusted, source=source)
        if trusted:
            raise SignatureError(
                f"{source} is not signed, and this car accepts only bundles signed by {', '.join(trusted)}; "
                "sign it with `racer car models sign`"
            )
        return ""

    def _is_whole(self, sha256: str) -> bool:
        return self.path(sha256).is_file() and (self.path(sha256).parent / CARD_FILE).is_file()

    def _card_of(self, sha256: str) -> ModelCard:
        try:
            data = json.loads((self.root / "models" / sha256 / CARD_FILE).read_bytes())
            return ModelCard(**(data | {"sha256": sha256, "parity": Parity(**data["parity"])}))
        except (OSError, ValueError, TypeError, KeyError):
            raise ModelStoreError(
                f"the card of model {sha256[:12]} is damaged; delete its folder and deploy again"
            ) from None

    def _sweep(self) -> None:
        """Remove the temporary files of interrupted installations."""
        for folder in (self.root, self.root / "models", self.root / "keys"):
            for path in folder.glob(".fresh-*"):
                self._disk.remove(path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._disk.make_folder(self.root / "models")
        # Between processes: the console and `racer car models` may change the store at the same time.
        handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # the kernel releases it when the process ends, however that happens
            yield
        finally:
            os.close(handle)


def default_store_root() -> Path:
    """Return the folder of this car's bundles: `RACER_STORE`, or the service's folder in `/var/lib`."""
    return Path(os.environ.get("RACER_STORE") or "/var/lib/racer")


def read_stream(stream: BinaryIO, *, sha256: str, source: str) -> bytes:
    """Read a bundle from a pipe.

    Args:
        stream: The pipe.
        sha256: Hash of the bytes that were sent, hexadecimal.
        source: Name of the bundle for messages.

    Raises:
        BundleError: The bytes are too many, or not those that were sent.
    """
    data = stream.read(BUNDLE_MAX + 1)
    if len(data) > BUNDLE_MAX:
        raise BundleError(f"{source} has more than {BUNDLE_MAX} bytes, too large for a bundle")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError(f"{source} did not arrive as it was sent ({len(data)} bytes came); send it again")
    return data


def _with_source_name(call: Callable[[Path], _T], path: Path, source: str) -> _T:
    """Call a function on a path inside the store; its errors name the source that the user gave."""
    try:
        return call(path)
    except BundleError as error:
        raise type(error)(str(error).replace(str(path), source).replace(f"Bundle {path.stem}", source)) from None


def _read_signature(bundle: Path) -> bytes | None:
    path = bundle.with_name(bundle.name + SIGNATURE_SUFFIX)
    return _read_limited(path, SIGNATURE_MAX) if path.exists() else None


def _read_limited(path: Path, size_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            # The stated size first, so that a huge file is not read into memory; then what was really read.
            too_large = os.fstat(file.fileno()).st_size > size_max
            data = b"" if too_large else file.read(size_max + 1)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from None
    if too_large or len(data) > size_max:
        raise BundleError(f"{path} has more than {size_max} bytes, too large")
    return data


def _safe_name(name: str) -> str:
    """Return a name that is safe in a terminal, a page and a file name."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:64] or "model"


CARD_FILE = "card.json"


class ModelStoreError(RacerError):
    """A model is not in the store, or the store must not change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Properties of an installed bundle.

    Attributes:
        sha256: Hash of the file, hexadecimal.
        name: Name on this car.
        installed: Date and time of the installation.
        signed_by: Name of the trusted key; empty for an unsigned bundle.
        size: Size of the file [bytes].
        parity: Result of the check on this car.
        summary: Properties of the policy for a person, as text by name.
    """

    sha256: str
    name: str
    installed: str
    signed_by: str
    size: int
    parity: Parity
    summary: dict[str, str]

    def to_json(self) -> bytes:
        """Return the content of `card.json`."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()


def policy_summary(contract: PolicyContract) -> dict[str, str]:
    """Return the properties of a policy that a person needs before it drives a car, as text by name."""
    space, trained = contract.action_space, contract.trained_on
    return {
        "sensors": ", ".join(f"{s.name} {' x '.join(map(str, s.shape))}" for s in contract.sensors),
        "control rate": f"{contract.control_rate_hz:g} Hz",
        "steering": f"{space.low[0]:g} to {space.high[0]:g} degrees",
        "speed": f"{space.low[1]:g} to {space.high[1]:g} m/s",
        "actions": contract.action_space_type,
        "trained on": f"{', '.join(trained.tracks) or 'an unknown track'}, {trained.steps:,} steps",
        "vehicle": trained.vehicle or "not given",
        "racer": trained.racer_version,
    }


FitCheck = Callable[[PolicyContract], Sequence[str]]


def make_fit_check(calibration: Path, sensors: Sequence[str]) -> FitCheck:
    """Return a function that returns every reason why a policy cannot drive this car.

    Args:
        calibration: File of the car's calibration; where it does not exist, only the sensors are checked.
        sensors: Names of the car's sensors.

    Raises:
        CalibrationError: The calibration is damaged.
    """
    if not calibration.exists():
        return lambda contract: sensor_refusals(contract, sensors)
    measured = read_calibration(calibration, car_id=None)
    return lambda contract: bundle_refusals(contract, measured, sensors=sensors)
