"""Signs bundles and checks their signatures: a detached Ed25519 signature in a small JSON file beside the bundle.

The signed message is the bundle's sha256 behind a fixed prefix, so that a signature of a bundle is never valid for
anything else. A car with at least one trusted key accepts signed bundles only: otherwise an attacker would omit the
signature. Needs the package `cryptography`; without it a signed bundle is refused and never accepted as unsigned.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from racer.assets import write_atomically
from racer.errors import BundleError, MissingExtra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519

SIGNATURE_FORMAT: Final = "racer-signature"
SIGNATURE_VERSION: Final = 1
SIGNATURE_SUFFIX: Final = ".sig"
SIGNATURE_BYTES_MAX: Final = 4096
_PREFIX: Final = b"racer-bundle-signature-v1\0"
_KEYS: Final = {"format", "version", "sha256", "key", "signature"}


class SignatureError(BundleError):
    """A signature is missing, damaged, of another bundle, or by a key that the car does not trust."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Content of a signature's file; `verify_signature` checks it.

    Attributes:
        sha256: Hash of the bundle, hexadecimal.
        key: Public key, 32 bytes.
        value: Signature, 64 bytes.
    """

    sha256: str
    key: bytes
    value: bytes

    def to_json(self) -> bytes:
        """Return the content of the `.sig` file."""
        data = {
            "format": SIGNATURE_FORMAT, "version": SIGNATURE_VERSION, "sha256": self.sha256,
            "key": _to_base64(self.key), "signature": _to_base64(self.value),
        }  # fmt: skip
        return (json.dumps(data, indent=1) + "\n").encode()


def parse_signature(data: bytes, *, source: str) -> Signature:
    """Read the content of a `.sig` file.

    Args:
        data: Content of the file.
        source: Name of the file for messages.

    Raises:
        SignatureError: The content is damaged, not a signature, or of a newer version.
    """
    try:
        fields = json.loads(data) if len(data) <= SIGNATURE_BYTES_MAX else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != SIGNATURE_FORMAT:
        raise SignatureError(f"{source} is not a signature of a bundle")
    version = fields.get("version")
    if version != SIGNATURE_VERSION or isinstance(version, bool):  # True == 1
        raise SignatureError(f"{source} has version {version!r}; this racer reads version {SIGNATURE_VERSION}")
    if set(fields) != _KEYS or not all(isinstance(fields[key], str) for key in ("sha256", "key", "signature")):
        raise SignatureError(f"{source} is damaged: it needs {', '.join(sorted(_KEYS))}")
    if not re.fullmatch("[0-9a-f]{64}", fields["sha256"]):
        raise SignatureError(f"{source} is damaged: its sha256 is not 64 hexadecimal digits")
    key = _from_base64(fields["key"], 32, f"{source}: key")
    return Signature(fields["sha256"], key, _from_base64(fields["signature"], 64, source))


def verify_signature(signature: Signature, *, sha256: str, trusted: Mapping[str, bytes], source: str) -> str:
    """Check that a trusted key signed a bundle.

    Args:
        signature: Signature of the bundle.
        sha256: Hash of the bundle, hexadecimal.
        trusted: Public keys by name.
        source: Name of the bundle for messages.

    Returns:
        The name of the key.

    Raises:
        SignatureError: The key is not trusted, or the signature is not valid for the bundle.
        MissingExtra: `cryptography` is not installed.
    """
    module = _ed25519(f"{source} is signed; checking that")
    from cryptography.exceptions import InvalidSignature

    name = next((name for name, key in sorted(trusted.items()) if key == signature.key), None)
    if name is None:
        known = ", ".join(sorted(trusted)) or "none"
        raise SignatureError(
            f"{source} is signed with key {fingerprint(signature.key)}, which this car does not trust (trusted: "
            f"{known}); add it with `racer car models trust`, or delete the signature if you trust the file"
        )
    # The hash in the file only gives a better message; the signed one is computed from the bundle.
    if signature.sha256 != sha256:
        raise SignatureError(f"the signature of {source} is of another file (sha256 differs)")
    try:
        module.Ed25519PublicKey.from_public_bytes(signature.key).verify(signature.value, _signed_message(sha256))
    except (InvalidSignature, ValueError):
        raise SignatureError(f"the signature of {source} does not fit; the file or the signature was changed") from None
    return name


def sign_bundle(data: bytes, key: ed25519.Ed25519PrivateKey) -> Signature:
    """Sign the bytes of a bundle."""
    sha256 = hashlib.sha256(data).hexdigest()
    return Signature(sha256, key.public_key().public_bytes_raw(), key.sign(_signed_message(sha256)))


def create_key(path: Path) -> str:
    """Write a new private key (mode 0600), and its public key beside it as `.pub`; never overwrites a key.

    Args:
        path: File of the private key.

    Returns:
        The public key in base64.

    Raises:
        SignatureError: The file exists.
        MissingExtra: `cryptography` is not installed.
    """
    key = _ed25519("Making a key").Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Private from the first moment, and never through an existing file or link.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SignatureError(f"{path} exists; a key is not overwritten, because cars may trust it") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"racer-private-key {_to_base64(key.private_bytes_raw())}\n")
    public = _to_base64(key.public_key().public_bytes_raw())
    write_atomically(path.with_name(path.name + ".pub"), f"racer-public-key {public}\n")
    return public


def read_private_key(path: Path) -> ed25519.Ed25519PrivateKey:
    """Read a private key that `create_key` wrote.

    Raises:
        SignatureError: The file is not a private key.
        MissingExtra: `cryptography` is not installed.
    """
    module = _ed25519("Signing")
    return module.Ed25519PrivateKey.from_private_bytes(_read_key(path, "racer-private-key"))


def read_public_key(path: Path) -> bytes:
    """Read the 32 bytes of a public key from its `.pub` file.

    Raises:
        SignatureError: The file is not a public key.
    """
    return _read_key(path, "racer-public-key")


def fingerprint(key: bytes) -> str:
    """Return a short name of a public key that a person can compare."""
    return hashlib.sha256(key).hexdigest()[:16]


def _read_key(path: Path, kind: str) -> bytes:
    try:
        fields = path.read_bytes()[: SIGNATURE_BYTES_MAX + 1].decode("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SignatureError(f"key {path} cannot be read: {getattr(error, 'strerror', '') or 'not a text'}") from None
    # The kind in the file keeps a private key from being copied to a car as a trusted one.
    if len(fields) != 2 or fields[0] != kind:
        raise SignatureError(f"{path} does not begin with `{kind}`; make a key with `racer car models new-key`")
    return _from_base64(fields[1], 32, str(path))


def _signed_message(sha256: str) -> bytes:
    return _PREFIX + bytes.fromhex(sha256)


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str, count: int, source: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != count:
        raise SignatureError(f"{source} is damaged: it needs {count} bytes in base64")
    return data


def _ed25519(what: str) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise MissingExtra(what, "sign") from None
    return ed25519
