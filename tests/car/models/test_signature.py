"""A signature is verified or the bundle is refused; it is never passed over."""

import builtins
import hashlib
import json
import stat

import pytest

from racer.car.models.parity import Parity
from racer.car.models.signature import (
    SignatureError,
    create_key,
    parse_signature,
    read_private_key,
    read_public_key,
    sign_bundle,
    verify_signature,
)
from racer.car.models.store import ModelStore
from racer.errors import MissingExtra
from support.bundles import write_linear

ABSENT = "install racer[sign]"


@pytest.fixture
def good(tmp_path):
    """A good bundle."""
    return write_linear(tmp_path / "good.bundle")


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return ModelStore(tmp_path / "store", check=lambda path: Parity(16, 0.0, 0.1))


@pytest.fixture
def key(tmp_path):
    """A private key's path; its public key lies beside it."""
    pytest.importorskip("cryptography", reason=ABSENT)
    create_key(tmp_path / "team")
    return tmp_path / "team"


def signed(bundle, key):
    """Write the signature beside a bundle."""
    beside = bundle.with_name(bundle.name + ".sig")
    beside.write_bytes(sign_bundle(bundle.read_bytes(), read_private_key(key)).to_json())
    return beside


def test_signed_and_trusted(good, store, key):
    """A trusted signature is kept with the bundle, shown on its card, and checked again before use."""
    signed(good, key)
    assert store.trust(key.with_name("team.pub")) == "team"
    card = store.install(good)
    assert card.signed_by == "team" and store.use("good") == card
    (store.path(card.sha256).with_name("policy.bundle.sig")).unlink()
    with pytest.raises(SignatureError, match="model `good` is not signed"):
        store.use("good")


def test_unsigned_where_a_key_is_trusted(good, store, key):
    """Leaving the signature away does not get around it."""
    store.trust(key.with_name("team.pub"))
    with pytest.raises(SignatureError, match="accepts only bundles signed by team"):
        store.install(good)
    assert store.cards() == []


def test_untrusted_key(good, store, key):
    """Signed by nobody whom this car knows."""
    signed(good, key)
    with pytest.raises(SignatureError, match=r"does not trust \(trusted: none\)"):
        store.install(good)


def test_signature_of_another_bundle(good, store, key, tmp_path):
    """A good signature, but of other bytes."""
    other = tmp_path / "other.bundle"
    other.write_bytes(good.read_bytes() + b" ")
    signed(other, key).rename(good.with_name("good.bundle.sig"))
    store.trust(key.with_name("team.pub"))
    with pytest.raises(SignatureError, match="of another file"):
        store.install(good)


@pytest.mark.parametrize("field", ["sha256", "signature"])
def test_forged_field(good, store, key, field):
    """A changed hash or signature does not verify."""
    beside = signed(good, key)
    store.trust(key.with_name("team.pub"))
    data = json.loads(beside.read_bytes())
    data[field] = ("1" if data[field][0] != "1" else "2") + data[field][1:]
    beside.write_text(json.dumps(data))
    with pytest.raises(SignatureError, match=r"another file|does not fit"):
        store.install(good)
    assert store.cards() == []


def test_relabelled_signature(good, key):
    """A signature whose sha256 field was corrected to another file's does not verify."""
    data = good.read_bytes()
    made = sign_bundle(data + b" ", read_private_key(key))
    sha256 = hashlib.sha256(data).hexdigest()
    forged = type(made)(sha256, made.key, made.value)
    with pytest.raises(SignatureError, match="does not fit"):
        verify_signature(forged, sha256=sha256, trusted={"team": made.key}, source="x")


def test_signature_comes_later(good, store, key):
    """An installed bundle gains its signature when it is deployed again with one."""
    assert store.install(good).signed_by == ""
    store.trust(key.with_name("team.pub"))
    signed(good, key)
    assert store.install(good).signed_by == "team" and store.card("good").signed_by == "team"


def test_signed_bundle_without_cryptography(good, store, monkeypatch):
    """Without the package a signed bundle is refused, and told what to install; it is not taken as unsigned."""
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == "cryptography":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    text = {
        "format": "racer-signature",
        "version": 1,
        "sha256": "0" * 64,
        "key": "A" * 43 + "=",
        "signature": "A" * 86 + "==",
    }
    good.with_name("good.bundle.sig").write_text(json.dumps(text))
    with pytest.raises(MissingExtra, match=r"is signed; checking that needs more packages.*racer\[sign\]"):
        store.install(good)
    assert store.cards() == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"", "not a signature"),
        (b"[" * 3000, "not a signature"),
        (b"x" * 5000, "not a signature"),
        (b'{"format": "racer-signature", "version": 2}', "version 2"),
        (b'{"format": "racer-signature", "version": true}', "version True"),
        (b'{"format": "racer-signature", "version": 1}', "needs format, key"),
        (
            b'{"format": "racer-signature", "version": 1, "sha256": "zz", "key": "", "signature": ""}',
            "sha256 is not 64 hexadecimal digits",
        ),
        (
            b'{"format": "racer-signature", "version": 1, "sha256": "'
            + b"0" * 64
            + b'", "key": "AA==", "signature": ""}',
            "32 bytes",
        ),
    ],
)
def test_malformed_signature(text, word):
    """Whatever is no signature is refused in one line."""
    with pytest.raises(SignatureError, match=word):
        parse_signature(text, source="x.sig")


def test_keys(key, tmp_path):
    """A private key is its owner's alone and is never overwritten; kinds of key are not mixed up."""
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(SignatureError, match="not overwritten"):
        create_key(key)
    assert read_private_key(key).public_key().public_bytes_raw() == read_public_key(tmp_path / "team.pub")
    for read, path in ((read_public_key, key), (read_private_key, tmp_path / "team.pub")):
        with pytest.raises(SignatureError, match="not begin with"):
            read(path)
    with pytest.raises(SignatureError, match="cannot be read"):
        read_public_key(tmp_path / "absent")


def test_damaged_trusted_key_closes_the_store(good, store):
    """A key file that cannot be read means that nothing is taken, not that everything is."""
    (store.root / "keys").mkdir(parents=True)
    (store.root / "keys" / "team.pub").write_text("")
    with pytest.raises(SignatureError, match="not begin with"):
        store.install(good)
