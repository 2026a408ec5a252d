"""Deploying: a fake ssh on the PATH runs the other side here, or fails as ssh fails. There is no network."""

import hashlib
import json
import os
import sys

import pytest
from typer.testing import CliRunner

from racer.car.models.deploy import DeployError, deploy
from racer.car.models.signature import SignatureError
from racer.car.models.store import ModelStore
from racer.cli.main import app
from racer.errors import BundleError
from support.bundles import write_linear
from support.processes import environment

RACER = "import sys; sys.argv[0] = 'racer'; from racer.cli.main import main; main()"


@pytest.fixture
def car(tmp_path, monkeypatch):
    """A fake ssh that notes its arguments and runs the command in a shell, as sshd does, with the car's own folders."""
    programs = tmp_path / "bin"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(
        f"""#!{sys.executable}
import json, os, pathlib, subprocess, sys
pathlib.Path({str(tmp_path / "args")!r}).write_text(json.dumps(sys.argv[1:]))
data = sys.stdin.buffer.read()
if os.environ.get("CUT"):
    data = data[: len(data) // 2]
sys.exit(subprocess.run(["sh", "-c", sys.argv[-1]], input=data).returncode)
"""
    )
    racer = programs / "racer"
    racer.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{RACER}" "$@"\n')
    for program in (ssh, racer):
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("RACER_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RACER_CALIBRATION", str(tmp_path / "none.json"))
    return tmp_path


@pytest.fixture
def camera_bundle(tmp_path):
    """A camera bundle's path; the car has a camera and no state sensor."""
    from support.camera_bundles import write_brightness_bundle

    return write_brightness_bundle(tmp_path / "it's good.bundle")


def test_deploy_and_use(car, camera_bundle):
    """The bundle arrives bit for bit, is checked there, and drives; a name with a quote survives the shell."""
    pytest.importorskip("onnxruntime", reason="install racer[car]")
    done = deploy(camera_bundle, "pi@car.local", use=True, port=2222)
    store = ModelStore(car / "store")
    assert done.used and store.current == done.sha256 == hashlib.sha256(camera_bundle.read_bytes()).hexdigest()
    assert done.name == "it_s_good" and "recorded answers" in done.parity
    assert store.path(done.sha256).read_bytes() == camera_bundle.read_bytes()
    assert json.loads((car / "args").read_text())[:-1] == ["-T", "-p", "2222", "--", "pi@car.local"]


def test_car_refuses(car, tmp_path):
    """What the car cannot drive is refused by the car, with the sensor named, and nothing is there afterwards."""
    bundle = write_linear(tmp_path / "state.bundle")
    with pytest.raises(
        DeployError, match=r"pi@car refused the bundle: bundle `state` cannot drive .*needs sensor `state`"
    ):
        deploy(bundle, "pi@car")
    assert ModelStore(car / "store").cards() == []


def test_cut_on_the_way(car, camera_bundle, monkeypatch):
    """Half a file never gets into the store."""
    monkeypatch.setenv("CUT", "1")
    with pytest.raises(DeployError, match="did not arrive as it was sent"):
        deploy(camera_bundle, "pi@car")
    assert not (car / "store").exists()


def test_refused_here_first(car, tmp_path):
    """A broken bundle is not sent."""
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(b"PK\x03\x04")
    with pytest.raises(BundleError, match="truncated"):
        deploy(bad, "pi@car")
    assert not (car / "args").exists()


def test_broken_signature_is_not_sent(car, camera_bundle):
    """Neither is a bundle whose signature file is none."""
    camera_bundle.with_name(camera_bundle.name + ".sig").write_text("no")
    with pytest.raises(SignatureError, match="no signature"):
        deploy(camera_bundle, "pi@car")
    assert not (car / "args").exists()


def test_signature_is_sent_along(car, camera_bundle):
    """A car that trusts a key takes the signed bundle, and names the key on its card."""
    pytest.importorskip("cryptography", reason="install racer[sign]")
    pytest.importorskip("onnxruntime", reason="install racer[car]")
    from racer.car.models.signature import create_key, read_private_key, sign_bundle

    create_key(car / "team")
    ModelStore(car / "store").trust(car / "team.pub")
    with pytest.raises(DeployError, match="is not signed"):
        deploy(camera_bundle, "pi@car")
    made = sign_bundle(camera_bundle.read_bytes(), read_private_key(car / "team"))
    camera_bundle.with_name(camera_bundle.name + ".sig").write_bytes(made.to_json())
    deploy(camera_bundle, "pi@car")
    assert ModelStore(car / "store").cards()[0].signed_by == "team"


@pytest.mark.parametrize("host", ["-oProxyCommand=sh", "pi@-x", "a b", "pi@", "", "pi@h;ls", "$(ls)", "a\nb"])
def test_host_is_no_option_and_no_command(car, camera_bundle, host):
    """What is no host does not reach ssh."""
    with pytest.raises(DeployError, match="is no host"):
        deploy(camera_bundle, host)
    assert not (car / "args").exists()


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("echo 'ssh: connect to host car port 22: No route to host' >&2; exit 255", "did not reach .*No route to host"),
        ("echo 'sh: racer: not found' >&2; exit 127", r"no command `racer`; install racer\[car\] there"),
        ("exit 3", "refused the bundle: exit 3"),
        ("exit 0", "did not say that it has the bundle"),
        ("echo '[]'; exit 0", "did not say"),
        ('echo \'{"format": "racer-received", "sha256": "00"}\'', "did not say"),
        ("printf 'error: \\033[31mno\\nnow\\n' >&2; exit 1", r"refused the bundle: \[31mno now"),
    ],
)
def test_how_the_other_side_fails(car, camera_bundle, script, word):
    """Each failure is one line that says what to do, without the other side's control characters."""
    (car / "bin" / "ssh").write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    with pytest.raises(DeployError, match=word) as failed:
        deploy(camera_bundle, "pi@car")
    assert "\x1b" not in str(failed.value) and "\n" not in str(failed.value)


def test_no_ssh_here(car, camera_bundle, monkeypatch):
    """Without ssh it says what to install."""
    monkeypatch.setenv("PATH", str(car))
    with pytest.raises(DeployError, match="not installed here"):
        deploy(camera_bundle, "pi@car")


def test_commands(car, camera_bundle):
    """`racer deploy`, then the car's own commands: list, show, use, rollback, remove."""
    pytest.importorskip("onnxruntime", reason="install racer[car]")
    runner = CliRunner()

    def say(*words):
        done = runner.invoke(app, [str(word) for word in words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    said = say("deploy", camera_bundle, "pi@car")
    assert "ready     it_s_good" in said and "racer car models use it_s_good" in said
    assert "it_s_good" in say("car", "models", "list") and "in use" not in say("car", "models", "list")
    assert "in use" in say("car", "models", "use", "it_s_good") and "in use" in say("car", "models", "list")
    shown = say("car", "models", "show", "it_s_good")
    assert "camera 24 x 32 x 1" in shown and "signed by     nobody" in shown and "recorded answers" in shown
