"""Finding and reading the files of a model folder."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from racer.deepracer.project import find_project, parse_integer, parse_number, quote_value, read_json
from racer.errors import ConfigError

REWARD = "def reward_function(params):\n    return 1.0\n"


def lay(folder: Path, *files: str) -> Path:
    """Make empty files in a folder."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("reward", "metadata", "hyperparameters", "job"),
    [
        ("reward_function.py", "model_metadata.json", "hyperparameters.json", None),
        ("reward_function.py", "model/model_metadata.json", "ip/hyperparameters.json", "training_params.yaml"),
        ("custom_files/reward_function.py", "custom_files/model_metadata.json", "ip/hyperparameters.json", "run.env"),
        ("model/reward_function.py", "model/model_metadata.json", "ip/hyperparameters.json", "ip/training_params.yaml"),
        ("reward.py", "model_metadata.json", "hyperparameters.json", None),
    ],
)  # fmt: skip
def test_layouts(tmp_path: Path, reward: str, metadata: str, hyperparameters: str, job: str | None) -> None:
    """Find each file where consoles, DeepRacer-for-Cloud and people put it."""
    lay(tmp_path, *(file for file in (reward, metadata, hyperparameters, job) if file))
    found = find_project(tmp_path)
    assert (found.reward, found.metadata) == (tmp_path / reward, tmp_path / metadata)
    assert found.hyperparameters == tmp_path / hyperparameters
    assert found.job == (tmp_path / job if job else None)
    assert found.tracks == ()


def test_the_first_place_wins(tmp_path: Path) -> None:
    """Prefer the folder itself to what lies deeper, and the newer name of the reward function."""
    lay(
        tmp_path,
        "model_metadata.json",
        "model/model_metadata.json",
        "reward.py",
        "reward_function.py",
        "b.npy",
        "routes/a.npy",
    )
    found = find_project(tmp_path)
    assert found.metadata == tmp_path / "model_metadata.json"
    assert found.reward == tmp_path / "reward_function.py"
    assert {path.name for path in found.tracks} == {"a.npy", "b.npy"}
    assert found.hyperparameters is None


def test_missing_files_name_where_they_are(tmp_path: Path) -> None:
    """Say what is missing, where it was looked for, and which folder inside has it."""
    with pytest.raises(ConfigError, match=r"holds no model_metadata\.json \(looked for model_metadata\.json, model/"):
        find_project(tmp_path)
    lay(tmp_path, "inner/model/model_metadata.json")
    with pytest.raises(ConfigError, match=r"Did you mean `.*inner`\?$"):
        find_project(tmp_path)
    lay(tmp_path, "model_metadata.json")
    with pytest.raises(ConfigError, match=r"holds no reward_function\.py"):
        find_project(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder"):
        find_project(tmp_path / "none")
    with pytest.raises(ConfigError, match="is a file; unpack it"):
        find_project(tmp_path / "model_metadata.json")


FILES = {
    "model_metadata.json": "{}",
    "reward_function.py": REWARD,
    "hyperparameters.json": '{"lr": 0.0003}',
    "training_params.yaml": "WORLD_NAME: reinvent_base",
}


def pack(archive: Path, files: dict[str, str], *, prefix: str = "", mode: str = "w:gz") -> Path:
    """An archive of files, with a prefix to each name, and a large checkpoint beside them."""
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        for name, text in {"model/1_Step-7.ckpt.data-00000-of-00001": "0" * 100_000, **files}.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return archive


@pytest.mark.parametrize("prefix", ["", "./", "my_model/", "./a/b/"])
@pytest.mark.parametrize(("name", "mode"), [("virtualmodel-x.tar.gz", "w:gz"), ("virtualmodel-x.tgz", "w:gz")])
def test_a_download_is_read_as_it_is(tmp_path: Path, prefix: str, name: str, mode: str) -> None:
    """Unpack the model's files beside the archive, without its checkpoints; a second time nothing changes."""
    archive = pack(tmp_path / name, FILES, prefix=prefix, mode=mode)
    for _ in range(2):
        found = find_project(archive)
        assert found.folder == tmp_path / "virtualmodel-x"
        assert sorted(path.name for path in found.folder.rglob("*")) == sorted(FILES)
        assert found.reward.read_text() == REWARD and found.job is not None and found.hyperparameters is not None
    found.reward.write_text("def reward_function(params):\n    return 2.0\n")
    with pytest.raises(ConfigError, match=r"virtualmodel-x/reward_function\.py exists already with other content"):
        find_project(archive)


def test_a_download_with_folders(tmp_path: Path) -> None:
    """Keep the layout that DeepRacer-for-Cloud uploads."""
    files = {"model/model_metadata.json": "{}", "ip/hyperparameters.json": "{}", "reward_function.py": REWARD}
    found = find_project(pack(tmp_path / "m.tar.gz", files, prefix="rl-deepracer/"))
    assert found.metadata == tmp_path / "m/model/model_metadata.json"
    assert found.hyperparameters == tmp_path / "m/ip/hyperparameters.json"


def test_a_download_for_the_car(tmp_path: Path) -> None:
    """A physical model has no reward function: say which download has one."""
    archive = pack(tmp_path / "physicalmodel-x.tar.gz", {"model_metadata.json": "{}", "agent/model.pb": "0"})
    with pytest.raises(ConfigError, match=r"holds no reward_function\.py.*virtual model"):
        find_project(archive)
    assert not (tmp_path / "physicalmodel-x").exists()
    with pytest.raises(ConfigError, match=r"holds no model_metadata\.json"):
        find_project(pack(tmp_path / "logs.tar.gz", {"metrics/training.json": "{}"}))


def test_hostile_archives(tmp_path: Path) -> None:
    """Nothing leaves the folder, links are not followed, and huge or broken files are refused in one line."""
    outside = pack(tmp_path / "a.tar.gz", {"../reward_function.py": REWARD, "model_metadata.json": "{}"})
    with pytest.raises(ConfigError, match=r"holds no reward_function\.py"):
        find_project(outside)
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as tar:
        for name in FILES:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    with pytest.raises(ConfigError, match=r"holds no model_metadata\.json"):
        find_project(tmp_path / "b.tar.gz")
    huge = pack(tmp_path / "c.tar.gz", FILES | {"reward_function.py": "#" * 1_000_001})
    with pytest.raises(ConfigError, match=r"reward_function\.py in .*1,000,001 bytes long"):
        find_project(huge)
    whole = (tmp_path / "c.tar.gz").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:20], b"\x1f\x8b" + bytes(50)):
        (tmp_path / "d.tar.gz").write_bytes(content)
        with pytest.raises(ConfigError, match=r"d\.tar\.gz") as caught:
            find_project(tmp_path / "d.tar.gz")
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{\n "a": 1,\n}', ":3: not JSON"),
        (b"[1]", "it should hold an object"),
        (b"null", "it should hold an object"),
        (b'{"a": 1, "a": 2}', 'gives the key "a" twice'),
        (b'{"a": {"b": NaN}}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b"\xff\xfe{", "is not a text file"),
        (b"[" * 100_000, "not JSON that can be read"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON that can be read"),
        (b" " * 1_000_001, "1,000,001 bytes long"),
    ],
)
def test_broken_json(tmp_path: Path, content: bytes, told: str) -> None:
    """Refuse every kind of broken file in one line that names it."""
    file = tmp_path / "model_metadata.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_json(file)
    assert told in str(caught.value) and str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_json_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Read what Windows editors write."""
    file = tmp_path / "m.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": [1, "b"]}).encode())
    assert read_json(file) == {"a": [1, "b"]}
    with pytest.raises(ConfigError, match="cannot be read"):
        read_json(tmp_path / "absent.json")


@pytest.mark.parametrize("value", [True, None, "x", "", [], {}, "nan", "inf", 10**400, 4.01, -0.01, "1e400"])
def test_numbers_refused(value: object) -> None:
    """Refuse what is no number or out of range, switches included."""
    with pytest.raises(ConfigError, match=r"^key is .*; give a number from 0 to 4$"):
        parse_number(value, "key", 0.0, 4.0)


def test_numbers_taken() -> None:
    """Take numbers, also as text, and whole ones however they are written; both limits count."""
    assert [parse_number(one, "key", 0.0, 4.0) for one in (0, 4, "0.5", "3e-4", 2.5)] == [0.0, 4.0, 0.5, 3e-4, 2.5]
    assert [parse_integer(one, "key", 1, 64) for one in (64, "64", 64.0, "1")] == [64, 64, 64, 1]
    with pytest.raises(ConfigError, match=r"^key is 2\.5; give a whole number from 1 to 64$"):
        parse_integer(2.5, "key", 1, 64)


def test_shown_is_one_short_line() -> None:
    """Show any value within one short line of plain letters."""
    for value in ("a\nb", "\x1b[31m", {"a": "x" * 500}, [1] * 500, "ü"):
        assert len(quote_value(value)) <= 60 and quote_value(value).isprintable() and quote_value(value).isascii()
