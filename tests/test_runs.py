"""The run folder: made once, never overwritten, its files whole."""

import errno
import json
import os

import pytest

from racer.errors import RunError
from racer.runs import RunFolder, create_run, describe_environment, open_run


def rows(run):
    """The lines of `metrics.jsonl` as they lie on the disk."""
    return (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()


def test_named_folder_is_made_with_its_parents(tmp_path):
    """Make a chosen folder, and the ones above it."""
    run = create_run(tmp_path / "deep" / "er" / "run", name="x")
    assert run.path.is_dir() and (run.path / "tracks").is_dir()


def test_unnamed_runs_get_folders_of_their_own(tmp_path, monkeypatch):
    """Give runs that begin in the same second different names, after the track."""
    monkeypatch.chdir(tmp_path)
    made = {create_run(None, name="my track/1").path for _ in range(3)}
    assert len(made) == 3
    assert all(path.parent.name == "runs" and path.name.startswith("my-track-1-") for path in made)


@pytest.mark.parametrize("there", ["run", "folder", "file"])
def test_what_exists_is_refused_and_left_alone(tmp_path, there):
    """Refuse a run folder, an empty folder and a file; name --resume only for the run."""
    path = tmp_path / "there"
    if there == "file":
        path.write_text("mine")
    else:
        path.mkdir()
    if there == "run":
        (path / "run.json").write_text("{}")
    before = sorted(path.iterdir()) if path.is_dir() else path.read_text()
    with pytest.raises(RunError, match="exists already") as caught:
        create_run(path, name="x")
    assert ("--resume" in str(caught.value)) == (there == "run")
    assert before == (sorted(path.iterdir()) if path.is_dir() else path.read_text())


def test_commands_quote_the_folder(tmp_path):
    """A printed command can be pasted, whatever the name of the folder."""
    (tmp_path / "my run").mkdir()
    (tmp_path / "my run" / "run.json").write_text("{}")
    with pytest.raises(RunError, match=r"racer train --resume '.*/my run'$"):
        create_run(tmp_path / "my run", name="x")


def test_folder_below_a_file_is_refused(tmp_path):
    """Say in one line that no folder can be made below a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file/run cannot be made: Not a directory; choose another --run-dir"):
        create_run(tmp_path / "file" / "run", name="x")


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_folder_without_permission_is_refused(tmp_path):
    """Say in one line that the folder above may not be written."""
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"):
        create_run(tmp_path / "run", name="x")


@pytest.mark.parametrize("there", [None, "folder", "file"])
def test_open_refuses_what_is_no_run(tmp_path, there):
    """Open runs only."""
    path = tmp_path / "there"
    if there == "folder":
        path.mkdir()
    elif there == "file":
        path.write_text("")
    with pytest.raises(RunError, match="is not a run folder"):
        open_run(path)


def test_info_is_updated_key_by_key(tmp_path):
    """Keep what was written before."""
    run = create_run(tmp_path / "run", name="x")
    run.write_info(a=1, b=2)
    run.write_info(b=3)
    assert open_run(run.path).info() == {"a": 1, "b": 3}


def test_broken_info_is_one_line(tmp_path):
    """Name the folder where run.json is no JSON."""
    run = create_run(tmp_path / "run", name="x")
    (run.path / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"is not a run: run\.json cannot be read"):
        run.info()


def test_info_without_tracks_is_refused(tmp_path):
    """Do not go on with a run that names no tracks."""
    run = create_run(tmp_path / "run", name="x")
    run.write_info(seed=0)
    with pytest.raises(RunError, match="lists no tracks"):
        _ = run.tracks


def test_metrics_round_trip_and_skip_a_cut_line(tmp_path):
    """Read back what was appended; a last line that a power cut left in half is left out."""
    run = create_run(tmp_path / "run", name="x")
    assert list(run.metrics()) == []
    for steps in (1, 2):
        run.append_metrics({"steps": steps})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"steps": 3, "a')
    assert [row["steps"] for row in run.metrics()] == [1, 2]


def test_forgetting_keeps_rows_up_to_the_checkpoint(tmp_path):
    """Drop later rows and halves of rows, so that appending goes on with whole lines."""
    run = create_run(tmp_path / "run", name="x")
    for steps in (512, 1024, 1024, 1536):
        run.append_metrics({"steps": steps})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"steps": 15')
    run.forget_after(1024)
    run.append_metrics({"steps": 1100})
    assert [json.loads(line)["steps"] for line in rows(run)] == [512, 1024, 1024, 1100]


def test_metrics_on_a_full_disk_leave_no_half_line(tmp_path):
    """Take back the part of a line that was written before the disk was full."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    run = create_run(tmp_path / "run", name="x")
    run.append_metrics({"steps": 1})
    size = (run.path / "metrics.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            run.append_metrics({"steps": 2, "text": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    run.append_metrics({"steps": 3})
    assert [json.loads(line)["steps"] for line in rows(run)] == [1, 3]


def test_circumstances_are_plain_and_complete():
    """Record versions, machine, command and time as JSON."""
    told = json.loads(json.dumps(describe_environment()))
    assert {"racer", "python", "packages", "machine", "git", "command", "started"} == set(told)
    assert told["packages"]["numpy"] and told["packages"]["torch"]


def test_git_state_tells_commit_and_changes(tmp_path, monkeypatch):
    """Give the commit of the working folder and whether files differ; null outside a repository."""
    import subprocess

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_environment()["git"] is None
    try:
        subprocess.run(["git", "init", "-q"], check=True)
    except FileNotFoundError:
        pytest.skip("no git")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *author, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    clean = describe_environment()["git"]
    assert len(clean["commit"]) == 40 and clean["changed"] is False
    (tmp_path / "new").write_text("")
    assert describe_environment()["git"] == clean | {"changed": True}


def test_files_of_a_run_lie_in_its_folder(tmp_path):
    """Keep all of a run in one folder."""
    run = RunFolder(tmp_path)
    files = [run.config, run.reward, run.vehicle, run.trainer, run.start, run.best, run.last]
    assert {file.parent for file in files} == {tmp_path}
    assert len({file.name for file in files}) == len(files)
