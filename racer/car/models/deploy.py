"""Brings a bundle to a car over ssh; the car verifies it on its own before anything changes there.

The file goes through ssh's standard input to `racer car models receive`, which compares its sha256 with the one that
was announced, installs it, and answers with one line of JSON. No file lies about half copied, only ssh is needed,
and the car's store never has to believe what a copy left behind.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from racer.bundle import read_bundle
from racer.car.models.signature import SIGNATURE_BYTES_MAX, SIGNATURE_SUFFIX, SignatureError, parse_signature
from racer.errors import RacerError

RECEIVED = "racer-received"
"""Format of the answer."""
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.%a-z]+\])")
_SSH_FAILED, _NOT_FOUND = 255, 127


class DeployError(RacerError):
    """The bundle did not reach the car, or the car refused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployResult:
    """What the car answered."""

    sha256: str
    name: str
    used: bool
    parity: str


def deploy(
    bundle: Path,
    host: str,
    *,
    use: bool = False,
    racer: str = "racer",
    port: int | None = None,
    ssh: tuple[str, ...] = ("ssh",),
) -> DeployResult:
    """Check a bundle here, send it, and have it checked there.

    Args:
        host: `user@host`, `host`, or a name of ~/.ssh/config.
        use: switch to it once it is ready.
        racer: the command on the car, such as `/opt/racer/bin/racer`.
        ssh: the command here, with options of your own.

    Raises:
        BundleError: it is refused here already.
        DeployError: ssh failed, or the car refused it.
    """
    if not _HOST.fullmatch(host):
        raise DeployError(f"`{host}` is no host; give user@host, such as pi@car.local")
    read_bundle(bundle)
    sha256 = hashlib.sha256(bundle.read_bytes()).hexdigest()
    remote = [racer, "car", "models", "receive", "--sha256", sha256, "--name", bundle.stem]
    remote += (
        ["--signature", _encode_signature(bundle)] if bundle.with_name(bundle.name + SIGNATURE_SUFFIX).exists() else []
    )
    remote += ["--use"] if use else []
    # ssh hands one string to the other side's shell.
    command = [*ssh, "-T", *(["-p", str(port)] if port else []), "--", host, shlex.join(remote)]
    try:
        with bundle.open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    except FileNotFoundError:
        raise DeployError(f"the command `{ssh[0]}` is not installed here; install OpenSSH's client") from None
    return _parse_answer(done, host, racer, sha256)


def received_line(sha256: str, name: str, used: bool, parity: str) -> str:
    """The line with which a car answers."""
    return json.dumps({"format": RECEIVED, "sha256": sha256, "name": name, "used": used, "parity": parity})


def decode_signature(text: str) -> bytes:
    """The signature's file from the option of `receive`."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise SignatureError("the signature did not arrive as it was sent") from None


def _encode_signature(bundle: Path) -> str:
    path = bundle.with_name(bundle.name + SIGNATURE_SUFFIX)
    with path.open("rb") as file:
        data = file.read(SIGNATURE_BYTES_MAX + 1)
    parse_signature(data, source=str(path))
    return base64.b64encode(data).decode("ascii")


def _parse_answer(done: subprocess.CompletedProcess[bytes], host: str, racer: str, sha256: str) -> DeployResult:
    told = _one_line(done.stderr)
    if done.returncode == _SSH_FAILED:
        raise DeployError(f"ssh did not reach {host}: {told or 'no reason given'}")
    if done.returncode == _NOT_FOUND:
        raise DeployError(f"{host} has no command `{racer}`; install racer[car] there, or name it with --racer")
    if done.returncode != 0:
        raise DeployError(f"{host} refused the bundle: {told.removeprefix('error: ') or f'exit {done.returncode}'}")
    with contextlib.suppress(ValueError, IndexError, TypeError, KeyError):
        said = json.loads(done.stdout.splitlines()[-1])
        if said.pop("format") == RECEIVED and said["sha256"] == sha256:
            return DeployResult(**said)
    raise DeployError(f"{host} did not say that it has the bundle; is `{racer}` there of the same version?")


def _one_line(text: bytes) -> str:
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
    printable = "".join(char if char.isprintable() else " " for char in " ".join(lines[-3:]))
    return " ".join(printable.split())[:400]
