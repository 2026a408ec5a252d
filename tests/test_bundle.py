"""A bundle comes back as it was written, or is refused with its reason."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import racer.bundle
from racer.bundle import MEMBERS, VERSION, GoldenSample, check_golden, read_bundle, write_bundle
from racer.contract import VERSION as CONTRACT_VERSION
from racer.errors import BundleError
from support.bundles import (
    CONTINUOUS,
    DISCRETE,
    edited_json,
    linear_answers,
    linear_contract,
    linear_onnx,
    linear_weights,
    members_of,
    npz_with,
    rebuilt,
    write_linear,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A good bundle's path."""
    return write_linear(tmp_path_factory.mktemp("bundle") / "car.bundle")


class Answers:
    """A policy that answers with what it was given."""

    def __init__(self, actions):
        self.actions = actions

    def reset(self, mask=None):
        """Nothing is remembered."""

    def act(self, observation):
        """The actions, whatever is seen."""
        assert set(observation) == {"state"}
        return self.actions


@pytest.mark.parametrize("space", [CONTINUOUS, DISCRETE])
def test_round_trip(tmp_path, space):
    """Read back graph, contract, weights and golden record, and tell it from other files."""
    path = write_linear(tmp_path / "car.bundle", space)
    contract = linear_contract(space)
    weights = linear_weights(contract)
    bundle = read_bundle(path)
    assert bundle.name == "car"
    assert bundle.onnx == linear_onnx(contract, weights)
    assert bundle.contract.model_copy(update={"hashes": {}}) == contract
    assert set(bundle.contract.hashes) == {"policy.onnx", "weights.npz"}
    for name, array in weights.items():
        np.testing.assert_array_equal(bundle.weights[name], array)
    answers = linear_answers(contract, weights, bundle.golden.inputs["state"])
    assert set(bundle.golden.outputs) == set(answers)
    np.testing.assert_array_equal(bundle.golden.outputs["action"], answers["action"])


def test_same_content_same_bytes(tmp_path):
    """Write the same bytes for the same policy."""
    one, two = (write_linear(tmp_path / name).read_bytes() for name in ("one.bundle", "two.bundle"))
    assert one == two


def test_reading_needs_no_runtime(good):
    """Read a bundle without onnx, onnxruntime or torch."""
    code = (
        "import sys; from racer.bundle import read_bundle; read_bundle(sys.argv[1]);"
        "print([m for m in ('onnx', 'onnxruntime', 'torch', 'numba', 'gymnasium') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(good)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def refused(path):
    """The one line that a bundle is refused with."""
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    said = str(caught.value)
    assert "\n" not in said and str(path) in said
    return said


def test_no_such_thing(tmp_path):
    """Refuse a missing file, a folder, an empty file, and another kind of file."""
    assert "cannot be read" in refused(tmp_path / "none.bundle")
    assert "cannot be read" in refused(tmp_path)
    empty = tmp_path / "empty.bundle"
    empty.write_bytes(b"")
    assert "not a bundle" in refused(empty)
    text = tmp_path / "reward.py"
    text.write_text("def reward_function(params): return 1.0\n")
    assert "not a bundle" in refused(text)
    other = rebuilt({"a.txt": b"hello"}, tmp_path / "other.zip")
    assert "no manifest.json" in refused(other)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_anywhere(good, tmp_path_factory, share):
    """Refuse a bundle that was cut at any length."""
    data = good.read_bytes()
    path = tmp_path_factory.mktemp("cut") / "cut.bundle"
    path.write_bytes(data[: int(share * len(data))])
    said = refused(path)
    assert "truncated" in said or "not a bundle" in said


@pytest.mark.parametrize("left", [1, 3, 4, 21, 22, 1000])
def test_truncated_at_the_edges(good, tmp_path, left):
    """Refuse a bundle that lacks its last bytes, or has only its first."""
    data = good.read_bytes()
    for part in (data[:left], data[:-left]):
        path = tmp_path / "cut.bundle"
        path.write_bytes(part)
        refused(path)


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_byte_changed(good, tmp_path_factory, place, flip):
    """Refuse a bundle with a changed byte, or read the same content where the byte meant nothing."""
    data = bytearray(good.read_bytes())
    data[int(place * len(data))] ^= flip
    path = tmp_path_factory.mktemp("flip") / "flip.bundle"
    path.write_bytes(data)
    try:
        bundle = read_bundle(path)
    except BundleError as error:
        assert "\n" not in str(error)
    else:
        assert bundle.onnx == read_bundle(good).onnx
        assert bundle.contract == read_bundle(good).contract


@pytest.mark.parametrize("name", MEMBERS)
def test_member_tampered_with(good, tmp_path, name):
    """Refuse a member of another content, or longer, though its zip is whole."""
    members = members_of(good)
    for data in (bytes([members[name][0] ^ 1]) + members[name][1:], members[name] + b"\0", b""):
        path = rebuilt(members | {name: data}, tmp_path / "t.bundle")
        assert f"{name} was changed after the bundle was made" in refused(path)


@pytest.mark.parametrize("name", [*MEMBERS, "manifest.json"])
def test_member_missing(good, tmp_path, name):
    """Refuse a bundle without one of its members."""
    members = members_of(good)
    del members[name]
    assert f"no {name}" in refused(rebuilt(members, tmp_path / "m.bundle"))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "sub/../x", "policy.onnx\0x"])
def test_path_traversal(good, tmp_path, name):
    """Refuse a member that points outside."""
    path = rebuilt(members_of(good), tmp_path / "p.bundle")
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("x")
        entry.filename = name  # past zipfile's own tidying
        archive.writestr(entry, b"x")
    assert "points outside" in refused(path)


def test_extra_and_double_members(good, tmp_path):
    """Refuse what is not part of a bundle, and a member that is there twice."""
    assert "'run.py', which is not part" in refused(rebuilt(members_of(good) | {"run.py": b""}, tmp_path / "e.bundle"))
    path = rebuilt(members_of(good), tmp_path / "d.bundle")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("policy.onnx", b"other")
    assert "holds policy.onnx twice" in refused(path)


def with_manifest(good, path, edit):
    """A bundle whose manifest was edited."""
    members = members_of(good)
    return rebuilt(members | {"manifest.json": edited_json(members["manifest.json"], edit)}, path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.update(version=VERSION + 1), f"has version {VERSION + 1}, but racer"),
        (lambda d: d.update(version=VERSION + 1, members={}), f"reads versions up to {VERSION}"),
        (lambda d: d.update(version=1.5), "no usable version"),
        (lambda d: d.update(format="zip"), "not of format `racer-bundle`"),
        (lambda d: d["members"].pop("weights.npz"), "does not list the members"),
        (lambda d: d["members"].update(more={}), "does not list the members"),
        (lambda d: d["members"]["policy.onnx"].update(sha256="0" * 64), "policy.onnx was changed"),
        (lambda d: d["members"]["policy.onnx"].update(size=1), "policy.onnx was changed"),
        (lambda d: d["members"].update({"policy.onnx": None}), "policy.onnx was changed"),
    ],
)
def test_manifest_edited(good, tmp_path, edit, said):
    """Refuse a newer or wrong manifest."""
    assert said in refused(with_manifest(good, tmp_path / "m.bundle", edit))


def test_newer_version_with_new_members(good, tmp_path):
    """Call a newer bundle newer, not damaged, though it holds members that we do not know."""
    members = members_of(good)
    newer = edited_json(members["manifest.json"], lambda d: d.update(version=VERSION + 1))
    path = rebuilt(members | {"manifest.json": newer, "camera.bin": b""}, tmp_path / "n.bundle")
    assert f"has version {VERSION + 1}" in refused(path)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 50_000, b"null", b"\xff"])
def test_manifest_no_json(good, tmp_path, data):
    """Refuse a manifest that is no JSON object."""
    assert "manifest.json" in refused(rebuilt(members_of(good) | {"manifest.json": data}, tmp_path / "j.bundle"))


def forged(good, path, changes):
    """A bundle with changed members and a manifest that agrees with them."""
    members = members_of(good) | changes
    listed = {name: {"sha256": racer.bundle._sha256(members[name]), "size": len(members[name])} for name in MEMBERS}
    manifest = edited_json(members["manifest.json"], lambda d: d.update(members=listed))
    return rebuilt(members | {"manifest.json": manifest}, path)


def test_swapped_graph_under_a_new_manifest(good, tmp_path):
    """Refuse another graph or other weights under an old contract, even where the manifest agrees."""
    other = linear_onnx(linear_contract(), {k: v + 1 for k, v in linear_weights(linear_contract()).items()})
    assert "not the one that contract.json was written for" in refused(
        forged(good, tmp_path / "f.bundle", {"policy.onnx": other})
    )
    assert "weights.npz is not the one" in refused(
        forged(good, tmp_path / "w.bundle", {"weights.npz": npz_with({"a": np.zeros(1)})})
    )


def test_newer_contract(good, tmp_path):
    """Refuse a contract of a newer version with both versions named."""
    newer = edited_json(members_of(good)["contract.json"], lambda d: d.update(version=CONTRACT_VERSION + 1))
    said = refused(forged(good, tmp_path / "c.bundle", {"contract.json": newer}))
    assert f"version {CONTRACT_VERSION + 1}" in said and f"up to {CONTRACT_VERSION}" in said


def forged_deep(good, path, name, data):
    """A bundle with one changed member to which contract and manifest agree."""
    contract = edited_json(
        members_of(good)["contract.json"], lambda d: d["hashes"].update({name: racer.bundle._sha256(data)})
    )
    return forged(good, path, {name: data, "contract.json": contract})


class Trap:
    """Fails the test when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("name", ["weights.npz", "golden.npz"])
def test_hidden_pickle(good, tmp_path, name):
    """Refuse a pickle inside an npz, and an npz that is a pickle; never load it."""
    data = npz_with({"a": np.array([Trap()], dtype=object)}, allow_pickle=True)
    assert "pickled objects are not read" in refused(forged_deep(good, tmp_path / "p.bundle", name, data))
    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap()], dtype=object), allow_pickle=True)
    assert "damaged" in refused(forged_deep(good, tmp_path / "q.bundle", name, buffer.getvalue()))


def test_external_data(good, tmp_path):
    """Refuse a graph whose weights lie in another file, on reading and on writing."""
    model = onnx.ModelProto.FromString(members_of(good)["policy.onnx"])
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location="../../secret.bin")
    tensor.ClearField("raw_data")
    data = model.SerializeToString()
    assert "keeps data in other files" in refused(forged_deep(good, tmp_path / "x.bundle", "policy.onnx", data))
    bundle = read_bundle(good)
    path = tmp_path / "never.bundle"
    with pytest.raises(BundleError, match="other files"):
        write_bundle(path, onnx=data, contract=bundle.contract, weights=bundle.weights, golden=bundle.golden)
    assert not path.exists()


def test_too_large(good, tmp_path, monkeypatch):
    """Refuse a member above the cap: by what the zip says, and by what comes out of it."""
    monkeypatch.setattr(racer.bundle, "MEMBER_MAX", 1000)
    assert "too large" in refused(good)
    monkeypatch.undo()
    monkeypatch.setattr(racer.bundle, "_JSON_MAX", 3000)
    path = tmp_path / "bomb.bundle"
    members = members_of(good)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, b"\0" * 10_000_000 if name == "manifest.json" else data)
    assert "manifest.json is too large: 10000000 bytes, at most 3000" in refused(path)


def test_lying_size(good, tmp_path):
    """Refuse a member that unpacks to more than the zip says."""
    path = tmp_path / "lie.bundle"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members_of(good).items():
            archive.writestr(name, data)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")  # first entry of the directory; unpacked size at +24
    data[at + 24 : at + 28] = (5).to_bytes(4, "little")
    path.write_bytes(data)
    assert "manifest.json" in refused(path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda g: g.pop("output.action"), "not what the contract's graph has"),
        (lambda g: g.update({"input.lidar": np.zeros((16, 1), "f4")}), "not what the contract's graph has"),
        (lambda g: g.update({"input.state": np.zeros((16, 3), "f4")}), "unlike the contract's sensor"),
        (lambda g: g.update({"input.state": g["input.state"].astype("f8")}), "unlike the contract's sensor"),
        (lambda g: g.update({"input.state": g["input.state"][:3]}), "unlike the contract's sensor"),
        (lambda g: g.update({"output.action": np.zeros((0, 2), "f4")}), "no recorded actions"),
        (lambda g: g.update({"output.mean": np.zeros(16, "f4")}), "mean has shape (16,)"),
    ],
)
def test_golden_of_another_shape(good, tmp_path, edit, said):
    """Refuse a golden record that the contract's graph could not have given."""
    golden = dict(np.load(io.BytesIO(members_of(good)["golden.npz"])))
    edit(golden)
    assert said in refused(forged(good, tmp_path / "g.bundle", {"golden.npz": npz_with(golden)}))


def test_manifest_lists_true_sizes(good):
    """List the size and sha256 of every member."""
    members = members_of(good)
    listed = json.loads(members["manifest.json"])["members"]
    assert {name: row["size"] for name, row in listed.items()} == {name: len(members[name]) for name in MEMBERS}


def test_check_golden_continuous(good):
    """Accept differences of up to 1e-5 of the range, refuse more, NaN and another shape."""
    bundle = read_bundle(good)
    right = bundle.golden.outputs["action"].astype("f8")
    check_golden(bundle, Answers(right))
    reach = np.array([60.0, 3.5])
    check_golden(bundle, Answers(right + 0.9e-5 * reach))
    for wrong in (right + 1.2e-5 * reach, np.where(right > 0, np.nan, right)):
        with pytest.raises(BundleError, match="on recorded observation 0 the policy returns"):
            check_golden(bundle, Answers(wrong))
    with pytest.raises(BundleError, match="returns actions of shape"):
        check_golden(bundle, Answers(right[:3]))


@pytest.mark.parametrize(("gap", "fine"), [(0.9e-4, True), (1.1e-4, False)])
def test_check_golden_near_tie(tmp_path, gap, fine):
    """Let a near tie fall either way, nothing else."""
    contract = linear_contract(DISCRETE)
    weights = linear_weights(contract)
    state = np.zeros((1, 20), dtype="f4")
    logits = np.array([[0.0, 1.0, 1.0 + gap, 0.0, 0.0, 0.0]])
    table = np.array(DISCRETE.table, dtype="f4")
    golden = GoldenSample(inputs={"state": state}, outputs={"action": table[[2]], "logits": logits})
    path = tmp_path / "tie.bundle"
    write_bundle(path, onnx=linear_onnx(contract, weights), contract=contract, weights=weights, golden=golden)
    bundle = read_bundle(path)
    check_golden(bundle, Answers(table[[2]]))
    if fine:
        check_golden(bundle, Answers(table[[1]]))
        return
    with pytest.raises(BundleError, match="recorded was"):
        check_golden(bundle, Answers(table[[1]]))
