"""The bundles on a car: one folder each, named by the bundle's sha256, and one symbolic link that says which drives.

    ROOT/models/<sha256>/policy.bundle        the file as it came
    ROOT/models/<sha256>/policy.bundle.sig    if it came signed
    ROOT/models/<sha256>/card.json            name, when, by whom, how it answered here
    ROOT/history.json                         what was in use, oldest first
    ROOT/current -> models/<sha256>           what is in use
    ROOT/keys/<name>.pub                      keys that may sign

A bundle is copied to a folder that is not in use, checked there whole (archive, contract, signature, what the car
has, recorded answers), and takes its place by one rename. `current` is replaced by one rename too, after the history
was written. So whenever the power goes, what is in use is the old bundle or the new one, complete.

The card of an installed bundle: what a person wants to know before it drives.

What a car asks of a bundle before it takes it: its sensors, and the limits of its calibration.
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
"""Bytes of a bundle's file."""
_BUNDLE_FILE = "policy.bundle"
_HISTORY_MAX = 32
_SHA256 = re.compile("[0-9a-f]{64}")
_T = TypeVar("_T")


class ModelStore:
    """The bundles of one car.

    Args:
        root: its folder; made when first needed.
        fits: every reason why a policy cannot drive this car; empty where it can.
        check: runs the recorded answers.
        disk: does the writing.
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
        """Take a bundle into the store, with the signature beside it if there is one. What is in use stays in use.

        Raises:
            BundleError: it is refused; nothing changed.
            MissingExtra: it is signed, and `cryptography` is not installed.
        """
        beside = path.with_name(path.name + SIGNATURE_SUFFIX)
        signature = _read_limited(beside, SIGNATURE_MAX) if beside.exists() else None
        return self.install_bytes(
            _read_limited(path, BUNDLE_MAX), name=path.stem, signature=signature, source=str(path)
        )

    def install_bytes(self, data: bytes, *, name: str, signature: bytes | None, source: str) -> ModelCard:
        """`install` for what came over a wire; `source` is what messages call it."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self._locked():
            self._sweep()
            signed_by = self._signer(signature, sha256, source)
            folder = self.root / "models" / sha256
            if folder.is_dir():
                return self._again(sha256, source, signature, signed_by)
            staged = temporary_path(folder)
            try:
                self._disk.make_folder(staged)
                self._disk.write(staged / _BUNDLE_FILE, data)
                card = self._examined(staged / _BUNDLE_FILE, sha256, _safe_name(name), signed_by, len(data), source)
                if signature is not None:
                    self._disk.write(staged / (_BUNDLE_FILE + SIGNATURE_SUFFIX), signature)
                self._disk.write(staged / CARD_FILE, card.to_json())
                self._disk.flush_folder(staged)
                self._disk.rename(staged, folder)
                self._disk.flush_folder(folder.parent)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._disk.remove(staged)
                raise
            return card

    def use(self, which: str) -> ModelCard:
        """Switch to an installed bundle, after its file was checked against its name once more.

        Args:
            which: its sha256, the first digits of it, or its name where only one has it.

        Raises:
            StoreError: there is none, or several.
            BundleError: The file was damaged since it was installed, or may no longer drive this car.
        """
        with self._locked():
            card = self.card(which)
            self.verified(card.sha256)
            if card.sha256 != self.current:
                past = [*self.history(), card.sha256][-_HISTORY_MAX:]
                self._disk.replace_file(self.root / "history.json", (json.dumps(past) + "\n").encode())
                self._disk.replace_link(self.root / "current", f"models/{card.sha256}")
            return card

    def rollback(self) -> ModelCard:
        """Switch to what was in use before; a second time switches back.

        Raises:
            StoreError: nothing was.
        """
        if self.previous is None:
            raise ModelStoreError("no earlier model to go back to; choose one with `racer car models use`")
        return self.use(self.previous)

    def remove(self, which: str) -> ModelCard:
        """Delete a bundle.

        Raises:
            StoreError: it is in use, or is the one that `rollback` needs.
        """
        with self._locked():
            card = self.card(which)
            if card.sha256 in (self.current, self.previous):
                text = "in use" if card.sha256 == self.current else "kept for `racer car models rollback`"
                raise ModelStoreError(f"model `{card.name}` is {text}; use another one first")
            grave = temporary_path(self.root / "models" / card.sha256)
            self._disk.rename(self.root / "models" / card.sha256, grave)
            self._disk.remove(grave)
            return card

    @property
    def current(self) -> str | None:
        """The sha256 of what is in use."""
        try:
            sha256 = os.readlink(self.root / "current").rpartition("/")[2]  # noqa: PTH115 (text, not a path)
        except OSError:
            return None
        return sha256 if _SHA256.fullmatch(sha256) and self._is_whole(sha256) else None

    @property
    def previous(self) -> str | None:
        """The sha256 of what was in use before, as far as it is still there.

        The history may be one entry ahead of `current`, where the power went between the two writes.
        """
        past, now = self.history(), self.current
        if now in past:
            past = past[: len(past) - past[::-1].index(now)]
        return next((one for one in reversed(past) if one != now and self._is_whole(one)), None)

    def history(self) -> list[str]:
        """What was in use, oldest first; what cannot be read counts as nothing."""
        try:
            found = json.loads((self.root / "history.json").read_bytes())
        except (OSError, ValueError):
            return []
        return [one for one in found if isinstance(one, str) and _SHA256.fullmatch(one)]

    def cards(self) -> list[ModelCard]:
        """All installed bundles, by name."""
        folder = self.root / "models"
        names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
        found = [self._card_of(name) for name in names if _SHA256.fullmatch(name) and self._is_whole(name)]
        return sorted(found, key=lambda card: (card.name, card.installed))

    def card(self, which: str) -> ModelCard:
        """The card of one bundle, by name, sha256 or the first digits of it.

        Raises:
            StoreError: there is none, or several.
        """
        found = self.cards()
        named = [card for card in found if card.name == which]
        near = named or [card for card in found if len(which) >= 6 and card.sha256.startswith(which)]
        if len(near) == 1:
            return near[0]
        if near:
            text = ", ".join(card.sha256[:12] for card in near)
            raise ModelStoreError(f"{len(near)} models are called `{which}`: {text}; give the digits")
        known = ", ".join(card.name for card in found) or "none"
        raise ModelStoreError(f"no model `{which}` on this car (there is: {known})")

    def path(self, sha256: str) -> Path:
        """The file of an installed bundle."""
        return self.root / "models" / sha256 / _BUNDLE_FILE

    def verified(self, sha256: str) -> Bundle:
        """An installed bundle, read and checked again: its bytes, its signature, and that it fits this car.

        Raises:
            BundleError: It is not what was installed, or no longer fits.
        """
        path, beside = self.path(sha256), self.path(sha256).with_name(_BUNDLE_FILE + SIGNATURE_SUFFIX)
        card = self._card_of(sha256)
        source = f"model `{card.name}`"
        if hashlib.sha256(_read_limited(path, BUNDLE_MAX)).hexdigest() != sha256:
            raise BundleError(f"{source} was damaged on this car's disk (sha256 differs); deploy it again")
        self._signer(_read_limited(beside, SIGNATURE_MAX) if beside.exists() else None, sha256, source)
        bundle = _with_source_name(read_bundle, path, source)
        self._refuse_unfit(bundle.contract, source)
        return bundle

    def trust(self, key: Path, *, name: str = "") -> str:
        """Trust a public key from now on; then only signed bundles are taken. Returns its name."""
        data = read_public_key(key)
        chosen = _safe_name(name or key.stem)
        with self._locked():
            self._disk.make_folder(self.root / "keys")
            self._disk.replace_file(self.root / "keys" / f"{chosen}.pub", key.read_bytes())
        if chosen not in self.trusted() or self.trusted()[chosen] != data:
            raise SignatureError(f"key {key} was changed while it was copied")
        return chosen

    def trusted(self) -> dict[str, bytes]:
        """Public keys by name.

        Raises:
            SignatureError: a key file is damaged; nothing is taken then.
        """
        return {path.stem: read_public_key(path) for path in sorted((self.root / "keys").glob("[!.]*.pub"))}

    def _examined(self, staged: Path, sha256: str, name: str, signed_by: str, size: int, source: str) -> ModelCard:
        bundle = _with_source_name(read_bundle, staged, source)
        self._refuse_unfit(bundle.contract, source)
        parity = _with_source_name(self._check, staged, source)
        return ModelCard(
            sha256=sha256, name=name, installed=self._now().isoformat(timespec="seconds"), signed_by=signed_by,
            size=size, parity=parity, summary=policy_summary(bundle.contract),
        )  # fmt: skip

    def _again(self, sha256: str, source: str, signature: bytes | None, signed_by: str) -> ModelCard:
        """A bundle that is installed already: it may gain a signature, its file is checked."""
        if signed_by and signature is not None:
            self._disk.replace_file(self.path(sha256).with_name(_BUNDLE_FILE + SIGNATURE_SUFFIX), signature)
            card = replace(self._card_of(sha256), signed_by=signed_by)
            self._disk.replace_file(self.path(sha256).parent / CARD_FILE, card.to_json())
        _with_source_name(lambda _: self.verified(sha256), self.path(sha256), source)
        return self._card_of(sha256)

    def _refuse_unfit(self, contract: PolicyContract, source: str) -> None:
        if reasons := self._fits(contract):
            raise BundleError(f"{source} cannot drive this car: {'; '.join(reasons)}")

    def _signer(self, signature: bytes | None, sha256: str, source: str) -> str:
        trusted = self.trusted()
        if signature is not None:
            return verify_signature(
                parse_signature(signature, source=source + SIGNATURE_SUFFIX),
                sha256=sha256,
                trusted=trusted,
                source=source,
            )
        if trusted:
            raise SignatureError(
                f"{source} is not signed, and this car takes only bundles signed by {', '.join(trusted)}; "
                "sign it with `racer car models sign`"
            )
        return ""

    def _is_whole(self, sha256: str) -> bool:
        return self.path(sha256).is_file() and (self.path(sha256).parent / CARD_FILE).is_file()

    def _card_of(self, sha256: str) -> ModelCard:
        return read_card(self.root / "models" / sha256 / CARD_FILE, sha256)

    def _sweep(self) -> None:
        """Remove what an install left that was killed."""
        for folder in (self.root, self.root / "models", self.root / "keys"):
            for path in folder.glob(".fresh-*"):
                self._disk.remove(path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._disk.make_folder(self.root / "models")
        handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def default_store_root() -> Path:
    """Where this car's bundles lie: `RACER_STORE`, or the service's own folder of `/var/lib`."""
    return Path(os.environ.get("RACER_STORE") or "/var/lib/racer")


def read_stream(stream: BinaryIO, *, sha256: str, source: str) -> bytes:
    """A bundle from a pipe, if it is whole.

    Raises:
        BundleError: too long, or not the bytes that were sent.
    """
    data = stream.read(BUNDLE_MAX + 1)
    if len(data) > BUNDLE_MAX:
        raise BundleError(f"{source} has more than {BUNDLE_MAX} bytes, too large for a bundle")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError(f"{source} did not arrive as it was sent ({len(data)} bytes came); send it again")
    return data


def _with_source_name(call: Callable[[Path], _T], path: Path, source: str) -> _T:
    """Call it on a path inside the store; its refusals speak of what the user gave."""
    try:
        return call(path)
    except BundleError as error:
        raise type(error)(str(error).replace(str(path), source).replace(f"Bundle {path.stem}", source)) from None


def _read_limited(path: Path, size_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            too_large = os.fstat(file.fileno()).st_size > size_max
            data = b"" if too_large else file.read(size_max + 1)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from None
    if too_large or len(data) > size_max:
        raise BundleError(f"{path} has more than {size_max} bytes, too large")
    return data


def _safe_name(name: str) -> str:
    """A name that is safe in a terminal, a page and a file name."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:64] or "model"


CARD_FILE = "card.json"


class ModelStoreError(RacerError):
    """Something that the store has not, or must not do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
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


def read_card(path: Path, sha256: str) -> ModelCard:
    """The card of the bundle with this sha256.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        data = json.loads(path.read_bytes())
        return ModelCard(**(data | {"sha256": sha256, "parity": Parity(**data["parity"])}))
    except (OSError, ValueError, TypeError, KeyError):
        raise ModelStoreError(
            f"the card of model {sha256[:12]} is damaged; delete its folder and deploy again"
        ) from None


def policy_summary(contract: PolicyContract) -> dict[str, str]:
    """What a person wants to know of a policy before it drives a car."""
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
    """Every reason why a policy cannot drive this car; without a calibration only its sensors can be judged.

    Raises:
        CalibrationError: there is a calibration, and it is damaged.
    """
    if not calibration.exists():
        return lambda contract: sensor_refusals(contract, sensors)
    found = read_calibration(calibration, car_id=None)
    return lambda contract: bundle_refusals(contract, found, sensors=sensors)
