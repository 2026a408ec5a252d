"""Sends a bundle to a car over ssh; the car verifies it before anything changes there.

The file goes through ssh's standard input to `racer car models receive`, which compares its sha256 with the one that
was announced, installs it, and answers with one line of JSON. So a half-copied file cannot occur, ssh is the only
requirement, and the store of the car verifies exactly the bytes that it received.
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
# A host never begins with `-`, which ssh would read as an option.
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.%a-z]+\])")
_SSH_FAILED, _NOT_FOUND = 255, 127
"""Exit statuses of ssh itself, and of a shell that does not find the command."""


class DeployError(RacerError):
    """The bundle did not reach the car, or the car refused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployResult:
    """Answer of the car.

    Attributes:
        sha256: Hash of the installed bundle.
        name: Its name on the car.
        used: Whether the car uses it now.
        parity: Result of the comparison of its recorded answers, as text.
    """

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
        bundle: File of the bundle.
        host: `user@host`, `host`, or a name of ~/.ssh/config.
        use: Whether the car switches to it once it is ready.
        racer: Command on the car, such as `/opt/racer/bin/racer`.
        port: Port of ssh; None for the default.
        ssh: Command of ssh here, with options.

    Raises:
        BundleError: The bundle is refused here.
        DeployError: ssh failed, or the car refused the bundle.
    """
    if not _HOST.fullmatch(host):
        raise DeployError(f"`{host}` is not a host; give user@host, such as pi@car.local")
    read_bundle(bundle)
    sha256 = hashlib.sha256(bundle.read_bytes()).hexdigest()
    remote = [racer, "car", "models", "receive", "--sha256", sha256, "--name", bundle.stem]
    if (signature := bundle.with_name(bundle.name + SIGNATURE_SUFFIX)).exists():
        remote += ["--signature", _encode_signature(signature)]
    remote += ["--use"] if use else []
    # ssh passes one string to the shell of the car.
    command = [*ssh, "-T", *(["-p", str(port)] if port else []), "--", host, shlex.join(remote)]
    try:
        with bundle.open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    except FileNotFoundError:
        raise DeployError(f"the command `{ssh[0]}` is not installed here; install OpenSSH's client") from None
    return _parse_answer(done, host, racer, sha256)


def received_line(sha256: str, name: str, used: bool, parity: str) -> str:
    """Return the line with which a car answers; the parameters are the fields of `DeployResult`."""
    return json.dumps({"format": RECEIVED, "sha256": sha256, "name": name, "used": used, "parity": parity})


def decode_signature(text: str) -> bytes:
    """Return the content of the signature's file from the option of `receive`."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise SignatureError("the signature did not arrive as it was sent") from None


def _encode_signature(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(SIGNATURE_BYTES_MAX + 1)
    parse_signature(data, source=str(path))
    return base64.b64encode(data).decode("ascii")


def _parse_answer(done: subprocess.CompletedProcess[bytes], host: str, racer: str, sha256: str) -> DeployResult:
    reason = _one_line(done.stderr)
    if done.returncode == _SSH_FAILED:
        raise DeployError(f"ssh did not reach {host}: {reason or 'no reason given'}")
    if done.returncode == _NOT_FOUND:
        raise DeployError(f"{host} has no command `{racer}`; install racer[car] there, or name it with --racer")
    if done.returncode != 0:
        raise DeployError(f"{host} refused the bundle: {reason.removeprefix('error: ') or f'exit {done.returncode}'}")
    with contextlib.suppress(ValueError, IndexError, TypeError, KeyError):
        answer = json.loads(done.stdout.splitlines()[-1])
        if answer.pop("format") == RECEIVED and answer["sha256"] == sha256:
            return DeployResult(**answer)
    raise DeployError(f"{host} did not confirm the bundle; is `{racer}` there the same version?")


def _one_line(text: bytes) -> str:
    # The text is of another machine: no control characters reach this terminal, and only the end is shown.
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
    printable = "".join(char if char.isprintable() else " " for char in " ".join(lines[-3:]))
    return " ".join(printable.split())[:400]
