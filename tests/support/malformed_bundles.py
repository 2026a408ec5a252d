"""Malformed bundles, each made from a good one, and the word that its refusal must hold (catalogue M1)."""

import io
import struct
import zipfile

import onnx

from racer.contract import make_contract, state_sensor
from support.bundles import (
    DISCRETE,
    edited_json,
    linear_contract,
    linear_onnx,
    linear_weights,
    members_of,
    rebuilt,
    write_graph,
)

MEMBERS = ("policy.onnx", "contract.json", "weights.npz", "golden.npz", "manifest.json")


def zipped(path, entries):
    """A zip of (ZipInfo or name, data) as given."""
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return path


def edited_graph(edit):
    """The good graph after an edit of its protobuf."""
    contract = linear_contract()
    model = onnx.load_from_string(linear_onnx(contract, linear_weights(contract)))
    edit(model)
    return model.SerializeToString()


def truncated(good, path):
    """Half of the file."""
    data = good.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def empty(good, path):
    """No byte at all."""
    path.write_bytes(b"")


def text(good, path):
    """Another kind of file."""
    path.write_bytes(b"#!/bin/sh\nrm -rf /\n")


def tar(good, path):
    """A DeepRacer archive."""
    import tarfile

    with tarfile.open(path, "w:gz") as archive:
        archive.add(good, "agent/model.pb")


def flipped(member):
    """One bit of a member's content."""

    def make(good, path):
        members = members_of(good)
        data = bytearray(members[member])
        data[len(data) // 2] ^= 1
        rebuilt(members | {member: bytes(data)}, path)

    return make


def without(member):
    """A member is missing."""

    def make(good, path):
        rebuilt({key: data for key, data in members_of(good).items() if key != member}, path)

    return make


def extra(name):
    """One more member, perhaps outside."""

    def make(good, path):
        zipped(path, [*members_of(good).items(), (name, b"x")])

    return make


def symlink(good, path):
    """A member that is a symbolic link by its mode."""
    entry = zipfile.ZipInfo("weights.link")
    entry.external_attr = 0o120777 << 16
    zipped(path, [*members_of(good).items(), (entry, b"/etc/passwd")])


def twice(good, path):
    """A second graph under the same name: which one counts?"""
    buffer = io.BytesIO(good.read_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive.writestr("policy.onnx", b"other")
    path.write_bytes(buffer.getvalue())


def bomb(good, path):
    """A member of 65 MiB of zeros, a few kB packed."""
    entry = zipfile.ZipInfo("weights.npz")
    entry.compress_type = zipfile.ZIP_DEFLATED
    rest = {key: data for key, data in members_of(good).items() if key != "weights.npz"}
    zipped(path, [*rest.items(), (entry, bytes(65 << 20))])


def lying_bomb(good, path):
    """The same, but the directory says that it is small."""
    bomb(good, path)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 1000)
    path.write_bytes(bytes(data))


def huge(good, path):
    """A file of 257 MiB, sparse."""
    with path.open("wb") as file:
        file.truncate(257 << 20)


def newer(good, path):
    """A manifest of the future."""
    members = members_of(good)
    rebuilt(members | {"manifest.json": edited_json(members["manifest.json"], lambda m: m.update(version=99))}, path)


def other_hash(good, path):
    """A manifest with another sha256."""

    def edit(manifest):
        manifest["members"]["policy.onnx"]["sha256"] = "0" * 64

    members = members_of(good)
    rebuilt(members | {"manifest.json": edited_json(members["manifest.json"], edit)}, path)


def external(good, path):
    """A tensor that lies in /etc/passwd; the writer refuses it, so it is put in by hand."""
    import hashlib

    def edit(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../../etc/passwd")

    graph = edited_graph(edit)
    sha256 = hashlib.sha256(graph).hexdigest()
    members = members_of(good)
    contract = edited_json(members["contract.json"], lambda c: c["hashes"].update({"policy.onnx": sha256}))

    def listed(manifest):
        for key, data in (("policy.onnx", graph), ("contract.json", contract)):
            manifest["members"][key] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}

    manifest = edited_json(members["manifest.json"], listed)
    rebuilt(members | {"policy.onnx": graph, "contract.json": contract, "manifest.json": manifest}, path)


def graph_case(edit):
    """A well hashed bundle around a graph that is wrong."""

    def make(good, path):
        write_graph(path, edited_graph(edit))

    return make


def _opset(model):
    model.opset_import[0].version = 99


def _shape(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7


def _half(model):
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def _custom(model):
    model.graph.node[0].domain = "evil.ops"
    model.opset_import.add(domain="evil.ops", version=1)


def actions(good, path):
    """The contract has six actions, the graph two numbers."""
    contract = linear_contract()
    write_graph(path, linear_onnx(contract, linear_weights(contract)), linear_contract(DISCRETE))


def answers(good, path):
    """The graph does not answer what was recorded (all zeros)."""
    contract = linear_contract()
    write_graph(path, linear_onnx(contract, linear_weights(contract)))


def sensor(good, path):
    """The contract's sensor has another size than the graph's input and the record."""
    contract = make_contract(sensors=(state_sensor((0.3,)),), action_space=linear_contract().action_space,
                             control_rate_hz=15.0)  # fmt: skip
    members = members_of(good)
    rebuilt(members | {"contract.json": contract.to_json().encode()}, path)


CASES = {
    "truncated": (truncated, "truncated or damaged"),
    "empty": (empty, "not a bundle"),
    "text": (text, "not a bundle"),
    "tar": (tar, "not a bundle"),
    **{f"flipped_{m}": (flipped(m), "no JSON|changed after|does not list|newer|version|damaged") for m in MEMBERS},
    **{f"without_{m}": (without(m), "incomplete|not a bundle") for m in MEMBERS},
    "extra": (extra("readme.txt"), "not part of a bundle"),
    "parent": (extra("../../evil"), "points outside"),
    "absolute": (extra("/etc/cron.d/evil"), "points outside"),
    "backslash": (extra("..\\evil"), "points outside"),
    "symlink": (symlink, "not part of a bundle"),
    "twice": (twice, "twice|changed after|damaged"),
    "bomb": (bomb, "too large"),
    "lying_bomb": (lying_bomb, "too large|damaged|truncated|changed"),
    "huge": (huge, "too large"),
    "newer": (newer, "99"),
    "other_hash": (other_hash, "sha256"),
    "external": (external, "other files"),
    "sensor": (sensor, "changed after|contract"),
}
"""Refused by reading alone."""

GRAPHS = {
    "opset": (graph_case(_opset), "cannot run the graph"),
    "shape": (graph_case(_shape), "cannot run the graph|the graph takes"),
    "half": (graph_case(_half), "cannot run the graph|the graph takes"),
    "custom": (graph_case(_custom), "cannot run the graph"),
    "actions": (actions, "the graph gives"),
    "answers": (answers, "recorded was"),
}
"""Refused by running them."""
