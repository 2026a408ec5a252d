"""Assets: the order of search, the words of an error, writing whole files."""

import os
from pathlib import Path

import pytest

from racer import assets
from racer.errors import AssetError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, a shipped folder and a cache, all empty."""
    work = tmp_path / "work"
    for folder in (work, tmp_path / "shipped", tmp_path / "cache"):
        folder.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("RACER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "shipped_root", lambda: tmp_path / "shipped")
    return tmp_path


def put(path: Path, text: str = "x") -> Path:
    """Write a file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_order_of_search(home: Path) -> None:
    """Prefer a path, then the working directory, then shipped, then fetched tracks."""
    fetched = put(home / "cache/tracks/bend.npy")
    assert assets.find_asset("track", "bend") == fetched
    shipped = put(home / "shipped/tracks/bend.yaml")
    assert assets.find_asset("track", "bend") == shipped
    local = put(home / "work/tracks/bend.csv")
    assert assets.find_asset("track", "bend") == local
    here = put(home / "work/bend.npy")
    assert assets.find_asset("track", "bend").read_text() == "x"
    assert assets.find_asset("track", "bend") == local
    assert assets.find_asset("track", "bend.npy").resolve() == here
    assert assets.find_asset("track", str(shipped)) == shipped


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("track", "tracks/a.yaml"),
        ("reward", "reward_functions/a.py"),
        ("config", "configs/a.yaml"),
        ("vehicle", "configs/vehicle/a.yaml"),
    ],
)
def test_each_kind_has_its_folder(home: Path, kind: assets.AssetKind, file: str) -> None:
    """Find each kind in its own folder, by name and by file name."""
    path = put(home / "shipped" / file)
    put(home / "shipped/tracks/README.md")
    assert assets.find_asset(kind, "a") == path
    assert assets.find_asset(kind, path.name) == path
    assert assets.asset_names(kind) == ["a"]


def test_names_join_all_places(home: Path) -> None:
    """List local, shipped and fetched names once each, sorted."""
    put(home / "work/tracks/b.yaml")
    put(home / "shipped/tracks/b.yaml")
    put(home / "shipped/tracks/c.npy")
    put(home / "cache/tracks/a.npy")
    assert assets.asset_names("track") == ["a", "b", "c"]


def test_unknown_name_says_where_and_what(home: Path) -> None:
    """Say where it looked and which name is near, in one line."""
    put(home / "shipped/tracks/reinvent_base.npy")
    with pytest.raises(AssetError) as caught:
        assets.find_asset("track", "reinvnt_base")
    assert str(caught.value) == (
        "No track `reinvnt_base` (looked in ./tracks, the built-in tracks and the fetched tracks). "
        "Did you mean `reinvent_base`?"
    )
    with pytest.raises(AssetError, match=r"^No reward function `zzz` \(looked in ./reward_functions and the built-in "):
        assets.find_asset("reward", "zzz")


def test_missing_path_names_a_sibling(home: Path) -> None:
    """Offer the near file of the same folder; name a missing folder; refuse a folder."""
    put(home / "data/oval.npy")
    with pytest.raises(AssetError, match=r"Did you mean `.*oval\.npy`\?$"):
        assets.find_asset("track", home / "data/ovel.npy")
    with pytest.raises(AssetError, match=r"the folder `.*` does not exist"):
        assets.find_asset("track", "nowhere/oval.npy")
    with pytest.raises(AssetError, match="is a folder"):
        assets.find_asset("track", home / "data")


def test_a_folder_of_the_same_name_is_no_asset(home: Path) -> None:
    """Look past a folder in the working directory that has the asset's name."""
    (home / "work/bend").mkdir()
    shipped = put(home / "shipped/tracks/bend.yaml")
    assert assets.find_asset("track", "bend") == shipped


def test_cache_dir_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take RACER_CACHE_DIR as it is, else a folder of our own."""
    monkeypatch.setenv("RACER_CACHE_DIR", "/somewhere")
    assert assets.cache_dir() == Path("/somewhere")
    monkeypatch.delenv("RACER_CACHE_DIR")
    assert assets.cache_dir().name == "racer"


def test_write_atomically(tmp_path: Path) -> None:
    """Write bytes and text into new folders, replace what was there, leave nothing else."""
    path = assets.write_atomically(tmp_path / "a/b.txt", "one\n")
    assets.write_atomically(path, b"two\r\n")
    assert path.read_bytes() == b"two\r\n"
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the old content and clean up where the disk fails half-way."""
    path = assets.write_atomically(tmp_path / "b.txt", "old")

    def broken(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        assets.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
