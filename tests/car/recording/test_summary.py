"""`racer car replay`: what it tells of a drive, its picture, and that this build sends the same pulses (R1)."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from racer.car.actuator.states import ActuatorState, CommandSource, StopReason
from racer.car.calibration.calibration import Calibration
from racer.car.gate import ActionBounds, Gate, GateRefusal
from racer.car.recording.drive_file import DriveError, DriveHeader, FrameEncoding
from racer.car.recording.reader import read_drive
from racer.car.recording.recorder import DriveRecorder
from racer.car.recording.summary import (
    SHEET_COLUMNS,
    SHEET_TILE,
    check_pulses,
    contact_sheet,
    drive_summary,
    drive_timings,
    state_changes,
)
from racer.cli.car import app
from racer.errors import RacerError
from support.car_processes import calibration
from support.old_drives import old_drive
from support.recorded_drives import FakeDisk, picture, record_drive, status, step

BOUNDS = (-28.0, 30.0, 0.5, 3.0)


def driven(tmp_path, header, rows, *, statuses=(), frames=()):
    """A drive of these steps."""
    disk = FakeDisk()
    recorder = DriveRecorder(lambda: disk, header, encoding=FrameEncoding.PNG)
    for row in rows:
        recorder.step(row)
    for row in statuses:
        recorder.actuator(row)
    for number, pixels in frames:
        recorder.frame(number, step(number).captured_ns, pixels)
    recorder.close()
    return disk.drive(tmp_path)


def sent_by_gate(actions, *, limit=0.3, mapping="table"):
    """Header and steps of a drive whose pulses came from the gate; the last third stands."""
    data = calibration("chip")
    made = Calibration.model_validate({key: value for key, value in data.items() if key != "sha256"})
    gate = Gate(made, ActionBounds(*BOUNDS), mapping=mapping, speed_limit=limit)
    rows = []
    for number, (steering, speed) in enumerate(actions):
        moving = number < 2 * len(actions) // 3
        pulses = gate.pulses(steering, speed)
        rows.append(
            step(
                number, asked_steering_deg=steering, asked_speed=speed, applied_steering_deg=steering,
                applied_speed=min(speed, 3.0 * limit) if moving else 0.0, speed_limit=limit,
                steering_us=pulses.steering_us, throttle_us=pulses.throttle_us if moving else gate.rest.throttle_us,
            )
        )  # fmt: skip
    return DriveHeader(calibration=data, bounds=BOUNDS, mapping=mapping), rows


@pytest.mark.parametrize("mapping", ["table", "deepracer"])
def test_same_pulses_again(tmp_path, mapping):
    """R1: a recorded drive put through the gate again gives the same pulses, every one."""
    rng = np.random.default_rng(1)
    actions = list(zip(rng.uniform(-28.0, 30.0, 300).tolist(), rng.uniform(0.5, 3.0, 300).tolist(), strict=True))
    header, rows = sent_by_gate(actions, mapping=mapping)
    check = check_pulses(driven(tmp_path, header, rows))
    assert (check.steps, check.same, check.first) == (300, 300, None)


def test_other_pulses_are_found(tmp_path):
    """One microsecond in one step is found, and the first such step is named."""
    header, rows = sent_by_gate([(1.0, 1.0)] * 30)
    for number in (7, 9):
        rows[number] = replace(rows[number], steering_us=rows[number].steering_us + 1)
    check = check_pulses(driven(tmp_path, header, rows))
    assert (check.steps, check.same, check.first) == (30, 28, 7)


def test_pulses_need_calibration_and_bounds(tmp_path):
    """Without them nothing can be compared; a gate that refuses now says so."""
    with pytest.raises(DriveError, match="no calibration"):
        check_pulses(driven(tmp_path, DriveHeader(), [step(0)]))
    header, _ = sent_by_gate([(1.0, 1.0)])
    with pytest.raises(GateRefusal):
        check_pulses(driven(tmp_path, header, [step(0, asked_speed=9.0)]))
    broken = header.model_copy(update={"calibration": {"car_id": "x"}})
    with pytest.raises(RacerError, match="its calibration"):
        check_pulses(driven(tmp_path, broken, [step(0)]))


def test_summary_counts(tmp_path):
    """Who drove, how fast, what was cut, how late, what was seen."""
    rows = [step(k, source=CommandSource.PERSON if k < 3 else CommandSource.FRAME) for k in range(10)]
    found = dict(drive_summary(driven(tmp_path, DriveHeader(model="mine", car_id="c7"), rows, statuses=[status(4)])))
    assert found["driver"] == "mine; 3 of 10 control steps by a person"
    assert found["car"] == "c7"
    assert found["steps"] == "10 at 15 Hz, up to 0.90 m/s; speed cut by the limit in 10"
    assert found["latency"].startswith("p50 19.0 ms")
    assert found["policy"].startswith("p50 6.0 ms") and found["period"].startswith("p50 66.7 ms")
    assert found["measured"].startswith("nothing") and found["frames"] == "0"


def test_latency_is_from_the_first_write(tmp_path):
    """A command stays on the bus for several ticks; its first write counts, by whichever frame it was made from."""
    rows = [step(0), step(1, input_id=0), step(2, input_id=5, captured_ns=10**9)]
    statuses = [
        status(0, written_ns=0, input_id=0),
        status(0, written_ns=step(0).captured_ns + 30_000_000, input_id=0),
        status(1, written_ns=step(0).captured_ns + 90_000_000, input_id=0),
        status(2, written_ns=10**9 + 50_000_000, input_id=5),
        status(3, written_ns=10**10, input_id=77),
    ]
    assert sorted(drive_timings(driven(tmp_path, DriveHeader(), rows, statuses=statuses))["latency"]) == [30.0, 50.0]


def test_states_are_told_when_they_change(tmp_path):
    """Each change once, with its reason; numbers of a later version stay numbers."""
    statuses = [
        status(0, state=ActuatorState.ARMED), status(1, state=ActuatorState.ARMED), status(2),
        status(3, state=ActuatorState.HARD_STOP, reason=StopReason.PILOT_GONE), status(4, state=9, reason=99),
    ]  # fmt: skip
    told = [words for at, words in state_changes(driven(tmp_path, DriveHeader(), [], statuses=statuses)) if at > 0]
    assert told[:4] == ["ARMED", "DRIVING", "HARD_STOP: the pilot is gone", "state 9: reason 99"]
    assert told[4].startswith("end")


def test_empty_drive_is_told(tmp_path):
    """Nothing recorded is no crash."""
    found = dict(drive_summary(driven(tmp_path, DriveHeader(), [])))
    assert found["steps"] == "none" and found["latency"] == "not known"


def test_contact_sheet(tmp_path):
    """Sixteen of many frames, in order; each tile shows its own frame."""
    drive = read_drive(record_drive(tmp_path / "a.mcap", steps=40, encoding=FrameEncoding.PNG))
    sheet = Image.open(io.BytesIO(contact_sheet(drive)))
    assert sheet.format == "PNG" and sheet.width == SHEET_COLUMNS * SHEET_TILE[0] + (SHEET_COLUMNS + 1) * 12
    first = np.asarray(
        sheet.convert("L").crop((12, 12, 12 + SHEET_TILE[0], 12 + SHEET_TILE[1])).resize((160, 120)), int
    )
    assert np.abs(first - picture(0)[:, :, 0]).mean() < 12.0


@pytest.mark.parametrize("pixels", [picture(0, 30, 40, 3), picture(0, 600, 300, 1)])
def test_contact_sheet_of_other_cameras(tmp_path, pixels):
    """Small, tall, coloured; without control steps there are no strips."""
    drive = driven(tmp_path, DriveHeader(), [], frames=[(0, pixels)])
    sheet = Image.open(io.BytesIO(contact_sheet(drive)))
    assert sheet.height == 12 + SHEET_TILE[1] + 18 + 12 + 12 - 12


def test_contact_sheet_without_frames(tmp_path):
    """Actions alone are drawn, NaN among them left out; nothing at all is refused."""
    rows = [step(k, applied_speed=float("nan") if k == 3 else 0.0, asked_speed=0.0) for k in range(6)]
    assert contact_sheet(driven(tmp_path, DriveHeader(), rows)).startswith(b"\x89PNG")
    with pytest.raises(DriveError, match="nothing to show"):
        contact_sheet(driven(tmp_path, DriveHeader(), []))


def run(*words):
    """`racer car ...` in this process."""
    return CliRunner().invoke(app, [*map(str, words)])


def test_command(tmp_path):
    """Text, JSON, picture and the pulses of one drive; a damaged one says how it ends."""
    header, _ = sent_by_gate([(1.0, 1.0)])
    path = record_drive(tmp_path / "a.mcap", steps=20, header=header)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    told = run("replay", path, "--picture", tmp_path / "a.png", "--events")
    assert told.exit_code == 0, told.output
    assert " at 15 Hz" in told.output and "ends in the middle of a record" in told.output
    assert "DRIVING" in told.output and (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads(run("replay", path, "--json").output)
    assert data["summary"]["car"] == "unknown" and data["pulses"] is None
    again = run("replay", path, "--pulses")
    assert again.exit_code == 1 and isinstance(again.exception, DriveError | RacerError)
    assert isinstance(run("replay", tmp_path / "absent").exception, DriveError)


def test_command_on_an_old_drive(tmp_path):
    """A drive of version 1 is shown as one of today with the same content, to the letter."""
    paths = [old_drive(tmp_path / "a.drive", steps=9)]
    paths.append(record_drive(tmp_path / "a.mcap", steps=9, encoding=FrameEncoding.PNG))
    told = [json.loads(run("replay", path, "--json").output)["summary"] for path in paths]
    first, second = ({name: words for name, words in one.items() if name != "frames"} for one in told)
    assert first == second and first["steps"].startswith("9 at 15 Hz")
    assert contact_sheet(read_drive(paths[0])) == contact_sheet(read_drive(paths[1]))


def test_command_on_good_pulses(tmp_path):
    """`--pulses` of a drive that this build repeats is exit 0."""
    header, rows = sent_by_gate([(2.0, 1.0)] * 9)
    path = tmp_path / "good.mcap"
    drive_file_bytes = driven(tmp_path, header, rows).path.read_bytes()
    path.write_bytes(drive_file_bytes)
    told = run("replay", path, "--pulses")
    assert told.exit_code == 0 and "9 of 9 control steps" in told.output
    assert drive_file_bytes.startswith(b"\x89MCAP0\r\n")
