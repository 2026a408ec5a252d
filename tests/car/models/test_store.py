"""The store takes what is whole, refuses what is not before anything changes, and survives a kill at every write."""

import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from racer.car.models.parity import Parity, check_in_process, check_in_subprocess
from racer.car.models.store import ModelStore, ModelStoreError, read_stream
from racer.errors import BundleError
from support.bundles import DISCRETE, write_linear
from support.malformed_bundles import CASES, GRAPHS
from support.paths import SUPPORT
from support.processes import environment


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A good bundle."""
    return write_linear(tmp_path_factory.mktemp("good") / "good.bundle")


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """Another good bundle."""
    return write_linear(tmp_path_factory.mktemp("second") / "second.bundle", DISCRETE)


def parity(path):
    """A check that passes, where running the graph is not the point."""
    return Parity(16, 0.0, 0.1)


def tree(folder):
    """Every path under a folder with its content or target, but for the lock."""
    return {
        str(path.relative_to(folder)): path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
        if path.name != ".lock"
    }


@pytest.fixture
def store(tmp_path, good):
    """A store with one bundle in use."""
    made = ModelStore(tmp_path / "store", check=parity)
    made.use(made.install(good).sha256)
    return made


def test_install_use_rollback(store, good, second):
    """Install keeps what is in use; use switches; rollback goes back, and again forth."""
    one = hashlib.sha256(good.read_bytes()).hexdigest()
    assert store.current == one and store.previous is None
    two = store.install(second)
    assert store.current == one and store.path(two.sha256).read_bytes() == second.read_bytes()
    assert store.use("second").sha256 == store.current and store.previous == one
    assert (store.root / "current").readlink() == Path("models") / two.sha256
    assert store.rollback().sha256 == one and store.current == one and store.previous == two.sha256
    assert store.rollback().sha256 == two.sha256
    assert [card.name for card in store.cards()] == ["good", "second"]


def test_install_again_changes_nothing(store, good):
    """The same file is the same folder."""
    before = tree(store.root)
    store.install(good)
    assert tree(store.root) == before


def test_rollback_without_a_past(store):
    """There is nothing to go back to."""
    with pytest.raises(ModelStoreError, match="no model to go back to"):
        store.rollback()


@pytest.mark.parametrize("which", ["nothing", "", "goo"])
def test_unknown_model(store, which):
    """A name that is not there is told with those that are."""
    with pytest.raises(ModelStoreError, match="there is: good"):
        store.use(which)


def test_same_name_needs_digits(store, second):
    """Two bundles of one name are told apart by their first digits."""
    card = store.install_bytes(second.read_bytes(), name="good", signature=None, source="x")
    with pytest.raises(ModelStoreError, match=r"2 models are called `good`.*give the digits"):
        store.card("good")
    assert store.card(card.sha256[:8]) == card


def test_remove_keeps_what_is_needed(store, second):
    """Neither what is in use nor what rollback needs can be removed."""
    two = store.install(second)
    store.use(two.sha256)
    for name, word in (("second", "in use"), ("good", "rollback")):
        with pytest.raises(ModelStoreError, match=word):
            store.remove(name)
    store.rollback()
    third = store.install_bytes(_third(store.root.parent), name="third", signature=None, source="x")
    assert store.remove("third") == third and not store.path(third.sha256).parent.exists()


def _third(folder):
    from racer.bundle import GoldenSample, read_bundle, write_bundle
    from support.bundles import linear_contract, linear_onnx, linear_weights

    contract = linear_contract()
    weights = {key: value * 2 for key, value in linear_weights(contract).items()}
    golden = read_bundle(write_linear(folder / "t.bundle")).golden
    write_bundle(folder / "u.bundle", onnx=linear_onnx(contract, weights), contract=contract, weights=weights,
                 golden=GoldenSample(inputs=golden.inputs, outputs=golden.outputs))  # fmt: skip
    return (folder / "u.bundle").read_bytes()


def test_use_finds_damage(store, second):
    """A bit that rotted on the disk is found before the switch; what is in use stays."""
    card = store.install(second)
    data = bytearray(store.path(card.sha256).read_bytes())
    data[100] ^= 4
    store.path(card.sha256).write_bytes(bytes(data))
    before = store.current
    with pytest.raises(BundleError, match=r"model `second` was damaged on this car's disk.*deploy it again"):
        store.use("second")
    assert store.current == before


def test_unfit_is_refused_with_its_reason(tmp_path, good):
    """A policy that needs what the car has not is not installed; one that no longer fits is not used."""
    reasons = ["needs sensor `state`, which only the simulator has"]
    store = ModelStore(tmp_path / "s", check=parity, fits=lambda contract: reasons)
    with pytest.raises(BundleError, match="cannot drive this car: needs sensor `state`"):
        store.install(good)
    assert tree(store.root) == {"models": False}
    reasons.clear()
    store.install(good)
    reasons.append("steers 30 degrees to the left; this car's wheels reach 20")
    with pytest.raises(BundleError, match="model `good` cannot drive this car: steers 30"):
        store.use("good")
    assert store.current is None


@pytest.mark.parametrize("name", CASES)
def test_malformed_is_refused_before_anything_changes(store, good, tmp_path, name):
    """M1: each malformed archive is refused in one line that names the user's file, and leaves no trace."""
    make, word = CASES[name]
    bad = tmp_path / f"{name}.bundle"
    make(good, bad)
    before, around = tree(store.root), sorted(tmp_path.iterdir())
    with pytest.raises(BundleError) as refused:
        store.install(bad)
    said = str(refused.value)
    assert re.search(word, said) and "\n" not in said and str(bad) in said and ".fresh" not in said, said
    assert tree(store.root) == before and sorted(tmp_path.iterdir()) == around


@pytest.mark.parametrize("name", GRAPHS)
def test_malformed_graph_is_refused(tmp_path, good, name):
    """M1: a graph that cannot run, or answers something else, never becomes ready."""
    pytest.importorskip("onnxruntime", reason="install racer[car]")
    make, word = GRAPHS[name]
    bad = tmp_path / f"{name}.bundle"
    make(good, bad)
    store = ModelStore(tmp_path / "store", check=check_in_process)
    with pytest.raises(BundleError) as refused:
        store.install(bad)
    said = str(refused.value)
    assert re.search(word, said) and str(bad) in said and ".fresh" not in said, said
    assert tree(store.root) == {"models": False}


@pytest.mark.parametrize("at", range(40))
def test_flipped_anywhere_never_half_taken(store, good, tmp_path, at):
    """A flipped bit anywhere in the file is refused, or means nothing; the store is never half changed."""
    data = bytearray(good.read_bytes())
    data[at * len(data) // 40] ^= 1 << at % 8
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(bytes(data))
    before = tree(store.root)
    try:
        card = store.install(bad)
    except BundleError:
        assert tree(store.root) == before
    else:
        store.verified(card.sha256)


def test_check_in_another_process(good, tmp_path):
    """The real check passes a good bundle and passes on the reason of a bad one."""
    pytest.importorskip("onnxruntime", reason="install racer[car]")
    found = check_in_subprocess(good)
    assert found.observations == 16 and found.difference <= 1e-5 and found.inference_ms > 0
    bad = tmp_path / "bad.bundle"
    GRAPHS["answers"][0](good, bad)
    with pytest.raises(BundleError, match="recorded was"):
        check_in_subprocess(bad)


def test_crash_of_the_check_is_a_refusal(monkeypatch, tmp_path):
    """A child that dies of a signal is one line; this process lives."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nkill -SEGV $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(BundleError, match=r"crashed onnxruntime \(SIGSEGV\)"):
        check_in_subprocess(tmp_path / "x.bundle")


def test_killed_or_full_at_every_write(good, second, tmp_path):
    """M2: after SIGKILL or ENOSPC at each operation the old bundle or the new one is in use, whole, and the next
    install succeeds and leaves nothing behind."""
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "store_crash.py"), str(tmp_path), str(good), str(second)],
        capture_output=True, text=True, timeout=120, check=False,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    old, new = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (good, second))
    rows = json.loads(done.stdout)
    assert {row["how"] for row in rows} == {"kill", "full"} and len(rows) > 30
    for row in rows:
        assert row["code"] == {"kill": -9, "full": 1}[row["how"]], row
        assert row["current"] in (old, new) and old in row["cards"], row
        assert row["again"] == new and row["back"] == old and not row["left"], row
    assert {row["current"] for row in rows if row["how"] == "kill"} == {old, new}


def test_stream_is_whole_or_refused(good):
    """What came over a wire has the announced sha256 or is refused."""
    data = good.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    assert read_stream(io.BytesIO(data), sha256=sha256, source="x") == data
    for broken in (data[:-1], data + b"x", b""):
        with pytest.raises(BundleError, match="did not arrive as it was sent"):
            read_stream(io.BytesIO(broken), sha256=sha256, source="x")


@pytest.mark.parametrize("name", ["../../up", "a b/c", ".hidden", "\x1b[31mred", ""])
def test_names_are_harmless(tmp_path, good, name):
    """A name never holds a path or a terminal's control characters."""
    store = ModelStore(tmp_path / "s", check=parity)
    card = store.install_bytes(good.read_bytes(), name=name, signature=None, source="x")
    assert re.fullmatch(r"\w[\w.-]*", card.name)
