"""`training_params.yaml` and `run.env`."""

from pathlib import Path

import pytest

from racer.config.env import ObjectsConfig
from racer.deepracer.job import read_job
from racer.errors import ConfigError

PARAMS = """---
AWS_REGION: 'us-east-1'
WORLD_NAME: 'reinvent_base'
RACE_TYPE: 'TIME_TRIAL'
ALTERNATE_DRIVING_DIRECTION: 'False'
REVERSE_DIR: 'True'
ROUND_ROBIN_ADVANCE_DIST: '0.1'
CHANGE_START_POSITION: 'true'
ENABLE_DOMAIN_RANDOMIZATION: 'false'
CAR_COLOR: ['Black']
"""


def write(folder: Path, text: str, name: str = "training_params.yaml") -> Path:
    """A job's file."""
    file = folder / name
    file.write_text(text)
    return file


def test_training_params(tmp_path: Path) -> None:
    """Take track and starts, pass over the rest."""
    job = read_job(write(tmp_path, PARAMS))
    assert job.track == "reinvent_base"
    assert job.start == {"direction": "backward", "advance": 0.1}
    assert job.notes == ()


def test_run_env(tmp_path: Path) -> None:
    """Take the same of DeepRacer-for-Cloud's environment, with exports, quotes and comments."""
    text = '# my run\nexport DR_WORLD_NAME=arctic_open # a track\nDR_RACE_TYPE="OBJECT_AVOIDANCE"\n'
    text += "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION=True\nDR_TRAIN_ROUND_ROBIN_ADVANCE_DIST=0\nDR_UPLOAD=x=y\n"
    job = read_job(write(tmp_path, text, "run.env"))
    assert job.track == "arctic_open" and job.start == {"direction": "alternate"}
    assert job.notes == () and job.objects == {"race": "object_avoidance", "placement": "spaced"}


def test_names_of_consoles(tmp_path: Path) -> None:
    """Take the name out of a resource name; without one there is none."""
    named = write(tmp_path, "WORLD_NAME: arn:aws:deepracer:us-east-1::track/reinvent_base\n")
    assert read_job(named).track == "reinvent_base"
    assert read_job(write(tmp_path, "RACE_TYPE: TIME_TRIAL\n")).track is None


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    """Say what racer does otherwise."""
    job = read_job(write(tmp_path, "CHANGE_START_POSITION: false\nENABLE_DOMAIN_RANDOMIZATION: true\n"))
    first, second = job.notes
    assert first.startswith("CHANGE_START_POSITION") and second.startswith("ENABLE_DOMAIN_RANDOMIZATION")


@pytest.mark.parametrize(("value", "notes"), [("0.3", 1), ("-0.5", 1), ("0.0", 0), ("0", 0)])
def test_the_first_start_is_noted(tmp_path: Path, value: str, notes: int) -> None:
    """Say that the first episode's place is not taken over, of both files; 0 is the start line, without a note."""
    of_console = read_job(write(tmp_path, f"START_POSITION_OFFSET: '{value}'\n"))
    of_cloud = read_job(write(tmp_path, f"DR_TRAIN_START_POSITION_OFFSET={value}\n", "run.env"))
    assert of_console.notes == of_cloud.notes and len(of_console.notes) == notes
    assert all(note.startswith("START_POSITION_OFFSET") for note in of_console.notes)
    with pytest.raises(ConfigError, match="START_POSITION_OFFSET is"):
        read_job(write(tmp_path, "START_POSITION_OFFSET: near\n"))


OBSTACLES = "RACE_TYPE: OBJECT_AVOIDANCE\nNUMBER_OF_OBSTACLES: '4'\nRANDOMIZE_OBSTACLE_LOCATIONS: 'True'\n"
FIXED = "RACE_TYPE: object_avoidance\nOBJECT_POSITIONS: ['0.23,-1', '0.46, 1']\n"
BOTS = "RACE_TYPE: HEAD_TO_BOT\nNUMBER_OF_BOT_CARS: 2\nBOT_CAR_SPEED: 0.4\nIS_LANE_CHANGE: true\nBOT_CAR_PENALTY: 5\n"


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        (OBSTACLES, {"race": "object_avoidance", "placement": "random", "count": 4}),
        (FIXED, {"race": "object_avoidance", "placement": "fixed", "positions": [(0.23, -1), (0.46, 1)]}),
        (
            BOTS,
            {
                "race": "head_to_bot",
                "placement": "spaced",
                "count": 2,
                "bots": {"lane_changes": "random", "speed": 0.4, "pause_s": 5.0},
            },
        ),
        ("RACE_TYPE: TIME_TRIAL\nNUMBER_OF_OBSTACLES: 3\n", {}),
    ],
)
def test_boxes_and_bots(tmp_path: Path, text: str, objects: dict) -> None:
    """Take over what is on the road; our configuration accepts it."""
    job = read_job(write(tmp_path, text))
    assert job.objects == objects and job.notes == ()
    ObjectsConfig.model_validate(job.objects)


def test_a_race_that_racer_does_not_train_is_told(tmp_path: Path) -> None:
    """Say that two models racing is trained as a time trial, and that standing cars become boxes."""
    (note,) = read_job(write(tmp_path, "RACE_TYPE: HEAD_TO_MODEL\n")).notes
    assert "HEAD_TO_MODEL" in note and "time trial" in note
    (note,) = read_job(write(tmp_path, "RACE_TYPE: OBJECT_AVOIDANCE\nIS_OBSTACLE_BOT_CAR: true\n")).notes
    assert note.startswith("IS_OBSTACLE_BOT_CAR")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("WORLD_NAME: 3\n", "WORLD_NAME is 3"),
        ("WORLD_NAME: ' '\n", "should be the name of a track"),
        ("REVERSE_DIR: Flase\n", "Did you mean `false`?"),
        ("ROUND_ROBIN_ADVANCE_DIST: 2\n", "give a number from 0 to 1"),
        (
            "RACE_TYPE: OBJECT_AVOIDANCE\nNUMBER_OF_OBSTACLES: 9\n",
            "NUMBER_OF_OBSTACLES is 9; give a",
        ),
        ("RACE_TYPE: OBJECT_AVOIDANCE\nOBJECT_POSITIONS: 0.3\n", "OBJECT_POSITIONS has"),
        ("RACE_TYPE: HEAD_TO_BOT\nBOT_CAR_SPEED: fast\n", "BOT_CAR_SPEED"),
        ("WORLD_NAME: [\n", "training_params.yaml"),
        ("- 1\n", "mapping"),
    ],
)
def test_refused(tmp_path: Path, text: str, told: str) -> None:
    """Refuse what is no value, in one line."""
    with pytest.raises(ConfigError) as caught:
        read_job(write(tmp_path, text))
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_broken_environment_file(tmp_path: Path) -> None:
    """Refuse what is no text."""
    file = tmp_path / "run.env"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file"):
        read_job(file)
