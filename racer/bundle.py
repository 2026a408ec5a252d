"""Bundles: one exported policy on disk, a zip with graph, contract, weights and recorded outputs.

`read_bundle` checks everything before it is used: sizes, names and sha256 of each member, versions, arrays (plain
numbers) and the graph (no external data). Nothing is unpickled or unpacked to disk. Reading needs numpy and pydantic
only. docs/bundle.md describes the layout.

The hashes detect damage and mix-ups. They are not a signature: an author of the file can also write its manifest.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.contract import PolicyContract, SensorSpec, read_json
from racer.errors import BundleError
from racer.untrusted_files import ZIP_ERRORS, check_no_external_data, npz_bytes, read_npz, zip_bytes

FORMAT = "racer-bundle"
VERSION = 1
SUFFIX = ".bundle"
MEMBER_MAX = 64 * 1024 * 1024
"""Largest size of an unpacked member [bytes]; a policy of this size would not run on a car."""
_JSON_MAX = 1024 * 1024

_MANIFEST = "manifest.json"
_ONNX, _CONTRACT, _WEIGHTS, _GOLDEN = "policy.onnx", "contract.json", "weights.npz", "golden.npz"
MEMBERS = (_ONNX, _CONTRACT, _WEIGHTS, _GOLDEN)

GOLDEN_TOLERANCE = 1e-5
"""Largest error of an action, as a fraction of the output's range; the export checks the same."""
LOGIT_GAP = 1e-4
"""Difference of the two best logits below which another runtime may choose the other action."""


@dataclass(frozen=True, kw_only=True)
class GoldenSample:
    """Recorded observations (B, ...) of the sensors, and the graph's outputs for them by name.

    Where frames are stacked, the rows are successive observations of one car from its start.
    """

    inputs: Mapping[str, NDArray]
    outputs: Mapping[str, NDArray]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A verified bundle in memory. `weights` is the torch policy's state_dict as arrays."""

    name: str
    onnx: bytes
    contract: PolicyContract
    weights: Mapping[str, NDArray]
    golden: GoldenSample


class ActingPolicy(Protocol):
    """The part of a policy that `check_golden` needs."""

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray:
        """Return steering angles [degrees] and speeds [m/s], shape (B, 2)."""
        ...

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the earlier observations of the cars in `mask`; None for all cars."""
        ...


def write_bundle(
    path: Path | str, *, onnx: bytes, contract: PolicyContract, weights: Mapping[str, NDArray], golden: GoldenSample
) -> None:
    """Write a bundle, whole or not at all; the same content gives the same bytes.

    Args:
        path: The file to write.
        onnx: Bytes of the graph.
        contract: The contract; hashes of graph and weights are added.
        weights: state_dict of the torch policy as arrays.
        golden: Recorded observations and outputs.

    Raises:
        BundleError: `read_bundle` would refuse the content, for example a graph with external data.
    """
    check_no_external_data(onnx, source=_ONNX)
    _check_golden_shapes(golden, contract, source=_GOLDEN)
    pairs = {f"input.{key}": value for key, value in golden.inputs.items()}
    pairs |= {f"output.{key}": value for key, value in golden.outputs.items()}
    members = {_ONNX: onnx, _WEIGHTS: npz_bytes(weights), _GOLDEN: npz_bytes(pairs)}
    # The contract names the exact graph and weights; the manifest below also covers the contract itself.
    hashes = contract.hashes | {key: _sha256(members[key]) for key in (_ONNX, _WEIGHTS)}
    members[_CONTRACT] = contract.model_copy(update={"hashes": hashes}).to_json().encode()
    listed = {key: {"sha256": _sha256(members[key]), "size": len(members[key])} for key in MEMBERS}
    manifest = {"format": FORMAT, "version": VERSION, "members": listed}
    members[_MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    for key, data in members.items():
        if len(data) > _size_max(key):
            raise BundleError(f"{key} has {len(data)} bytes, a bundle holds up to {_size_max(key)} in it")
    write_atomically(Path(path), zip_bytes({key: members[key] for key in (_MANIFEST, *MEMBERS)}))


def read_bundle(path: Path | str) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: One line that names the file and the problem.
    """
    path = Path(path)
    try:
        # Before reading: a huge file must not fill the memory.
        if path.stat().st_size > MEMBER_MAX * len(MEMBERS):
            raise BundleError(f"{path} has {path.stat().st_size} bytes, too large for a bundle")
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"Bundle {path} cannot be read: {error.strerror or error}") from None
    members = _read_members(data, source=str(path))
    contract = PolicyContract.from_json(members[_CONTRACT], source=f"{path}: {_CONTRACT}")
    for key in (_ONNX, _WEIGHTS):
        if contract.hashes.get(key) != _sha256(members[key]):
            raise BundleError(f"{path}: {key} is not the one that {_CONTRACT} was written for (sha256 differs)")
    check_no_external_data(members[_ONNX], source=f"{path}: {_ONNX}")
    recorded = read_npz(members[_GOLDEN], size_max=MEMBER_MAX, source=f"{path}: {_GOLDEN}")
    golden = GoldenSample(inputs=_with_prefix(recorded, "input."), outputs=_with_prefix(recorded, "output."))
    _check_golden_shapes(golden, contract, source=f"{path}: {_GOLDEN}")
    return Bundle(
        name=path.stem,
        onnx=members[_ONNX],
        contract=contract,
        weights=read_npz(members[_WEIGHTS], size_max=MEMBER_MAX, source=f"{path}: {_WEIGHTS}"),
        golden=golden,
    )


def check_golden(bundle: Bundle, policy: ActingPolicy) -> None:
    """Check that a policy gives the actions that were recorded when the bundle was made.

    Raises:
        BundleError: An action differs by more than 1e-5 of the action space's range; where the two best logits are
            within 1e-4 of each other, another choice is allowed.
    """
    golden, space = bundle.golden, bundle.contract.action_space
    actions = np.asarray(_policy_outputs(bundle, policy), dtype=np.float64)
    if actions.shape != golden.outputs["action"].shape:
        raise BundleError(f"Bundle {bundle.name}: the policy returns actions of shape {actions.shape}")
    # 1e-6 guards against a range of 0: a speed that is the same in all actions.
    action_range = np.maximum(np.subtract(space.high, space.low), 1e-6)
    difference = np.abs(actions - golden.outputs["action"]) / action_range
    refused = ~(difference <= GOLDEN_TOLERANCE).all(axis=1)  # also for NaN
    if "logits" in golden.outputs:
        best = np.sort(golden.outputs["logits"], axis=1)[:, -2:]
        refused &= ~(best[:, 1] - best[:, 0] <= LOGIT_GAP) | ~np.isfinite(actions).all(axis=1)
    if refused.any():
        k = int(np.argmax(refused))
        raise BundleError(
            f"Bundle {bundle.name}: on recorded observation {k} the policy returns {actions[k].tolist()}, "
            f"recorded was {golden.outputs['action'][k].tolist()} (degrees, m/s)"
        )


def _policy_outputs(bundle: Bundle, policy: ActingPolicy) -> NDArray:
    """Return the policy's actions on the recorded observations, shape (B, 2)."""
    policy.reset()
    inputs = bundle.golden.inputs
    if bundle.contract.frame_stack == 1:
        return policy.act(inputs)
    count = len(bundle.golden.outputs["action"])
    # Stacked frames are successive observations of one car, so they are given one at a time.
    actions = [policy.act({name: values[k : k + 1] for name, values in inputs.items()}) for k in range(count)]
    policy.reset()
    return np.concatenate(actions)


def _read_members(data: bytes, *, source: str) -> dict[str, bytes]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except ZIP_ERRORS:
        known = data.startswith(b"PK\x03\x04")
        raise BundleError(
            f"{source} is truncated or damaged; copy it again" if known else f"{source} is not a bundle (no zip file)"
        ) from None
    # The order of the checks: names and sizes, then the manifest, then each member against its hash.
    with archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if _MANIFEST not in names:
            raise BundleError(f"{source} is not a bundle: it has no {_MANIFEST}")
        for entry in entries:
            _check_entry(entry, source)
        listed = _read_manifest(_read_member(archive, _MANIFEST, source), source)
        _check_names(names, source)
        members = {key: _read_member(archive, key, source) for key in MEMBERS}
    for key, member in members.items():
        if listed[key] != {"sha256": _sha256(member), "size": len(member)}:
            raise BundleError(f"{source}: {key} was changed after the bundle was made (sha256 or size differs)")
    return members


def _check_entry(entry: zipfile.ZipInfo, source: str) -> None:
    name = entry.filename
    # `orig_filename`: zipfile cuts a name at its first NUL, so that `filename` could hide the rest of a path.
    if name != entry.orig_filename or "\\" in name or ".." in PurePosixPath(name).parts or name.startswith("/"):
        raise BundleError(f"{source}: member {entry.orig_filename!r} points outside the bundle")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 0x1:
        raise BundleError(f"{source}: member {name!r} is packed in a way that bundles do not use")
    if entry.file_size > _size_max(name):
        raise BundleError(f"{source}: {name} is too large: {entry.file_size} bytes, at most {_size_max(name)}")


def _check_names(names: list[str], source: str) -> None:
    for key in MEMBERS:
        if key not in names:
            raise BundleError(f"{source} has no {key}; the bundle is incomplete")
    # Unknown and repeated members are refused: readers could disagree on which of two is valid.
    for name in names:
        if name not in (*MEMBERS, _MANIFEST):
            raise BundleError(f"{source} holds {name!r}, which is not part of a bundle")
        if names.count(name) > 1:
            raise BundleError(f"{source} holds {name} twice")


def _read_member(archive: zipfile.ZipFile, name: str, source: str) -> bytes:
    try:
        with archive.open(name) as member:
            # One byte more than allowed: the size that the archive states may be wrong.
            data = member.read(_size_max(name) + 1)
            if len(data) <= _size_max(name) and not member.read(1):
                return data
    except ZIP_ERRORS as error:
        raise BundleError(f"{source}: {name} is damaged ({error or type(error).__name__})") from None
    raise BundleError(f"{source}: {name} is too large: more than {_size_max(name)} bytes")


def _read_manifest(text: bytes, source: str) -> dict[str, Any]:
    where = f"{source}: {_MANIFEST}"
    listed = read_json(text, name=FORMAT, newest=VERSION, source=where).get("members")
    if not isinstance(listed, dict) or sorted(listed) != sorted(MEMBERS):
        raise BundleError(f"{where} does not list the members {', '.join(MEMBERS)}")
    return listed


def _check_golden_shapes(golden: GoldenSample, contract: PolicyContract, *, source: str) -> None:
    wanted: dict[str, SensorSpec] = {sensor.name: sensor for sensor in contract.sensors}
    if set(golden.inputs) != set(wanted) or set(golden.outputs) != set(contract.onnx.outputs):
        raise BundleError(f"{source} holds {[*golden.inputs, *golden.outputs]}, not what the contract's graph has")
    count = len(golden.outputs["action"])
    if count == 0 or golden.outputs["action"].shape != (count, 2):
        raise BundleError(f"{source} holds no recorded actions")
    for key, value in golden.inputs.items():
        if value.shape != (count, *wanted[key].shape) or value.dtype != wanted[key].dtype:
            raise BundleError(f"{source}: {key} is {value.dtype}{list(value.shape)}, unlike the contract's sensor")
    second = contract.onnx.outputs[1]
    if golden.outputs[second].ndim != 2 or len(golden.outputs[second]) != count:
        raise BundleError(f"{source}: {second} has shape {golden.outputs[second].shape}")


def _with_prefix(arrays: Mapping[str, NDArray], prefix: str) -> dict[str, NDArray]:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def _size_max(name: str) -> int:
    return _JSON_MAX if name.endswith(".json") else MEMBER_MAX


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
