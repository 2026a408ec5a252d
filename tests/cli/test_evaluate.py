"""`racer evaluate` and `racer export`: the frozen keys, no torch, and the same laps from a run and from its bundle."""

import json
import shutil

import pytest

from support.commands import racer_alone
from support.tiny_training import SETTINGS, TRACK

KEYS = ["track", "policy", "seed", "laps", "completion_rate", "best_lap_s", "mean_lap_s", "off_tracks"]
WORDS = {"lap_complete", "off_track", "crashed", "immobilized", "reversed", "time_up"}
TINY = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a user's own track and vehicle files, beside which both lie."""
    from racer.assets import shipped_root
    from racer.config.read import read_train
    from racer.train.ppo.session import train
    from racer.train.run_folder import new_run

    folder = tmp_path_factory.mktemp("evaluate")
    shutil.copy(shipped_root() / "tracks" / f"{TRACK}.yaml", folder / "mine.yaml")
    shutil.copy(shipped_root() / "configs" / "vehicle" / "deepracer.yaml", folder / "car.yaml")
    changes = {"track": str(folder / "mine.yaml"), "vehicle": str(folder / "car.yaml")}
    config = read_train("default", settings=SETTINGS, changes=changes)
    train(config, new_run(config, folder / "run"))
    return folder


def check(record, laps):
    """The record is what the issue says."""
    assert list(record) == KEYS and len(record["laps"]) == laps
    times = []
    for lap in record["laps"]:
        assert list(lap) == ["completed", "time_s", "progress", "status", "start"]
        assert lap["status"] in WORDS and 0.0 <= lap["progress"] <= 100.0
        assert lap["completed"] == (lap["status"] == "lap_complete") == (lap["time_s"] is not None)
        times += [lap["time_s"]] * lap["completed"]
    assert record["completion_rate"] == len(times) / laps
    assert record["best_lap_s"] == (min(times) if times else None)
    assert record["mean_lap_s"] == (pytest.approx(sum(times) / len(times), abs=1e-3) if times else None)
    assert record["off_tracks"] == sum(lap["status"] == "off_track" for lap in record["laps"])


def test_run_is_evaluated_without_torch(trained):
    """Print pure JSON with the frozen keys in a process that never loads torch, nor warns."""
    after = "assert not {'torch', 'stable_baselines3', 'onnx', 'pygame', 'matplotlib'} & set(sys.modules)"
    said = racer_alone("evaluate", trained / "run", "--laps", "3", "--json", after=after)
    assert said.code == 0 and said.err == ""
    record = json.loads(said.out)
    check(record, laps=3)
    assert (record["policy"], record["seed"]) == ("run/best", 0)


@pytest.mark.parametrize("policy", ["pure_pursuit", "random"])
def test_named_policies_drive(run, policy):
    """Drive policies that need no training; exit 0 whatever the laps."""
    said = run("evaluate", policy, "--track", TRACK, "--laps", "4", "--json")
    assert said.code == 0 and said.err == ""
    record = json.loads(said.out)
    check(record, laps=4)
    assert record["completion_rate"] == (1.0 if policy == "pure_pursuit" else 0.0)


def test_seed_decides_the_starts(run):
    """Repeat a seed lap for lap; another one differs."""
    said = [run("evaluate", "pure_pursuit", "-t", "zigzag", "--seed", seed, "--json").out for seed in (4, 4, 5)]
    assert said[0] == said[1] != said[2]


def test_table_tells_the_same(run):
    """Print a line for each lap and what they come to."""
    said = run("evaluate", "pure_pursuit", "--track", TRACK, "--laps", "2")
    record = json.loads(run("evaluate", "pure_pursuit", "--track", TRACK, "--laps", "2", "--json").out)
    lines = said.out.splitlines()
    assert said.code == 0 and lines[0] == f"pure_pursuit on {TRACK}"
    assert f"{record['laps'][0]['time_s']:.2f}" in lines[2] and "lap_complete" in lines[2]
    assert lines[-1].startswith(f"2/2 laps completed, best {record['best_lap_s']:.2f} s")


def test_exported_bundle_drives_the_same_laps(run, trained, tmp_path):
    """Export a run: the bundle drives what the run drives, here and on another track."""
    bundle = tmp_path / "my_car.bundle"
    said = run("export", trained / "run", "-o", bundle)
    assert said.code == 0 and said.err == "" and said.out.startswith(f"{bundle}: onnxruntime and torch agree within ")
    for track in ([], ["--track", "zigzag"]):
        ours = json.loads(run("evaluate", trained / "run", *track, "--json").out)
        its = json.loads(run("evaluate", bundle, *track, "--json").out)
        assert its | {"policy": "", "track": ""} == ours | {"policy": "", "track": ""}
        assert its["policy"] == "my_car"
    again = tmp_path / "again.bundle"
    assert run("export", bundle, "-o", again).code == 0 and again.read_bytes() == bundle.read_bytes()


def test_bundle_whose_track_is_gone_says_what_to_do(run, trained, tmp_path):
    """Name the track that it was trained on, and --track; a run has its own copy."""
    shutil.copytree(trained, tmp_path / "moved")
    bundle = tmp_path / "my_car.bundle"
    shutil.copy(trained / "run" / "best.bundle", bundle)
    track, vehicle = trained / "mine.yaml", trained / "car.yaml"
    track.rename(tmp_path / "t")
    try:
        said = run("evaluate", bundle)
        assert said.code == 1
        assert said.err == (f"error: {bundle} was trained on `{track}`, which is not here; name a track with --track\n")
        vehicle.rename(tmp_path / "v")
        said = run("evaluate", bundle, "--track", TRACK)
        assert said.err == (
            f"error: {bundle} was trained with `{vehicle}`, which is not here; name a vehicle with --vehicle\n"
        )
        assert run("evaluate", bundle, "--track", TRACK, "--vehicle", "deepracer").code == 0
        assert run("evaluate", tmp_path / "moved" / "run").code == 0
    finally:
        (tmp_path / "t").rename(track)
        if (tmp_path / "v").exists():
            (tmp_path / "v").rename(vehicle)


def test_folder_of_checkpoints_alone_is_evaluated(run, trained, tmp_path):
    """Take track and vehicle from the contract where the folder is no whole run."""
    shutil.copy(trained / "run" / "last.bundle", tmp_path / "last.bundle")
    assert run("evaluate", tmp_path).code == 0


def test_bundle_trained_on_generated_tracks_drives_the_first(run, trained, tmp_path):
    """Load `generated:1..3` of a contract, not as one track."""
    from dataclasses import replace

    from racer.bundle import read_bundle, write_bundle

    bundle = read_bundle(trained / "run" / "best.bundle")
    told = bundle.contract.trained_on.model_copy(update={"tracks": ("generated:2..4",), "vehicle": ""})
    contract = bundle.contract.model_copy(update={"trained_on": told})
    changed = replace(bundle, contract=contract)
    path = tmp_path / "x.bundle"
    write_bundle(path, onnx=changed.onnx, contract=contract, weights=changed.weights, golden=changed.golden)
    said = run("evaluate", path, "--laps", "1", "--json")
    assert said.code == 0 and json.loads(said.out)["track"] == "generated_2"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "pure_pursiut"], "Did you mean `pure_pursuit`?"),
        (["evaluate", "{empty}"], "holds no checkpoint"),
        (["evaluate", "{file}"], "is not a bundle"),
        (["evaluate", "random", "--track", "zigzg"], "Did you mean `zigzag`?"),
        (["evaluate", "random", "--vehicle", "deepracr"], "Did you mean `deepracer`?"),
        (["export", "{empty}", "-o", "x.bundle"], "holds no checkpoint"),
        (["export", "{file}", "-o", "x.bundle"], "is not a bundle"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, monkeypatch, arguments, told):
    """Refuse with what to do, and write nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    said = run(*(word.format(empty="empty", file="file") for word in arguments))
    assert said.code == 1 and told in said.err and said.err.count("\n") == 1 and said.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]
