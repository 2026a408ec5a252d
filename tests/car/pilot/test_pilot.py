"""The pilot against the actuator's own machine with a clock set by hand: driving, and C1, I1, K1, T1, E1."""

import ast
import itertools

import numpy as np
import pytest

from racer.bundle import read_bundle
from racer.car.actuator.states import ActuatorRequest, ActuatorState
from racer.car.camera.lens import CameraRemap
from racer.car.gate import ActionBounds, Gate
from racer.car.mailbox import CameraFrame
from racer.car.pilot.inference import InferencePipeline, InferenceThread
from racer.car.pilot.readiness import PilotNotReady, make_pilot_components, pilot_refusals
from racer.car.timing import percentiles
from racer.config.env import CameraConfig
from racer.contract import camera_sensor, state_sensor
from racer.policy.onnx import OnnxPolicy
from support.camera_bundles import contract_of, write_camera_bundle
from support.paths import ROOT
from support.pilot_loop import ASKED, FRAME_MS, MS, PERIOD_MS, SHAPE, TRIM, Loop, the_calibration

CAMERA_MS = 250
"""Promise: camera stalled, neutral within this of the last frame."""
ROOM = ROOT / "racer" / "car"


def rejected_nothing(loop):
    """No command was rejected, and none asked for what the calibration does not have."""
    assert loop.machine.rejected == 0
    for _, command in loop.link.sent:
        assert TRIM.steering_low <= command.steering_us <= TRIM.steering_high
        assert TRIM.throttle_low <= command.throttle_us <= TRIM.throttle_high


def test_drives_what_the_network_asks_for():
    """Arm and drive: the pulses on the wire are the gate's for the network's action, and nothing is rejected."""
    loop = Loop().drive()
    assert loop.out == loop.gate.pulses(*ASKED)
    rejected_nothing(loop)
    assert loop.pilot.fault is None and loop.pilot.stopped_by == ""


def test_throttle_is_neutral_until_driving():
    """Look at every command before the start: the steering may follow, the throttle may not."""
    loop = Loop().run(2200)
    loop.pilot.request(ActuatorRequest.ARM)
    loop.run(300)
    assert loop.machine.state is ActuatorState.ARMED
    assert {command.throttle_us for _, command in loop.link.sent} == {TRIM.throttle_stop}
    assert loop.out.steering_us == loop.gate.pulses(*ASKED).steering_us


def test_commands_come_often_enough_and_carry_their_frame():
    """Check the gaps between commands and the age of their frames while driving."""
    loop = Loop().drive()
    times = [at for at, _ in loop.link.sent]
    assert max(b - a for a, b in itertools.pairwise(times)) <= 31
    ages = [at - command.captured_ns // MS for at, command in loop.link.sent]
    assert max(ages) < 200 and min(ages) >= 20


def test_control_steps_keep_to_absolute_deadlines():
    """Let the pilot be woken late at random: steps stay on their grid, none is lost, lateness does not add up."""
    loop = Loop()
    draw = np.random.default_rng(4)
    start, steps = loop.now_ms, 0
    while loop.now_ms < start + 20_000:
        loop.run(int(draw.integers(1, 20)), until=lambda: False)
    steps = loop.pilot.timing.steps
    assert abs(steps - 20_000 / PERIOD_MS) <= 1 and loop.pilot.timing.missed == 0
    assert all((at - start) % PERIOD_MS < 2 for at, _, _ in loop.thinker.asked)


def test_a_missed_step_is_counted_and_not_made_up_for():
    """Do not wake the pilot for four and a half periods: four steps are missed, the next ones are on the grid."""
    loop = Loop().run(1000)
    steps = loop.pilot.timing.steps
    due = loop.pilot._pacer.due_ns // MS
    loop.now_ms = due + 4 * PERIOD_MS + 10
    loop.next_frame_ms = loop.now_ms
    loop.pilot.step(loop.now_ms * MS)
    assert loop.pilot.timing.steps == steps + 1 and loop.pilot.timing.missed == 4
    assert loop.pilot._pacer.due_ns // MS == due + 5 * PERIOD_MS


def test_newest_frame_is_taken_and_none_is_queued():
    """Run the camera at twice the control rate: every second frame is dropped, and each step takes the newest."""
    loop = Loop().run(3000)
    for at, number, _ in loop.thinker.asked[2:]:
        newest = (at - 20 - 1000) // FRAME_MS + 1
        assert newest - 1 <= number <= newest
    assert abs(loop.mailbox.dropped - loop.number / 2) <= 3


def test_without_a_new_frame_the_last_one_is_used_again():
    """Leave out every second pair of frames: the network is asked at its rate all the same, as in training."""
    loop = Loop()
    loop.pictures = lambda number: None if number % 4 in (2, 3) else loop.picture(number)
    loop.drive()
    assert loop.pilot.timing.repeated > 0
    assert abs(len(loop.thinker.asked) - loop.pilot.timing.steps) <= 1
    assert loop.machine.state is ActuatorState.DRIVING


def test_memory_of_frames_begins_with_arming():
    """Arm twice: the first question after each begins anew, and no other does."""
    loop = Loop().drive()
    anew = [at for at, _, fresh in loop.thinker.asked if fresh]
    assert len(anew) == 2 and loop.network.resets == 2  # the very first, and the arming
    loop.pilot.request(ActuatorRequest.DISARM)
    loop.run(2500)
    loop.pilot.request(ActuatorRequest.ARM)
    armed = loop.now_ms
    loop.run(200)
    anew = [at for at, _, fresh in loop.thinker.asked if fresh]
    assert len(anew) == 3 and armed <= anew[-1] <= armed + PERIOD_MS + 1


def half(pixels):
    """The lower half is one value."""
    pixels[12:] = 9
    return pixels


def at(loop, number, off_ms):
    """A frame with another number and time."""
    return CameraFrame(number, (loop.now_ms + off_ms) * MS, loop.picture(max(0, number)))


H = 3_600_000
CAMERA_FAULTS = {
    "stalled": (lambda loop, number: None, "frame_late"),
    "ended": (lambda loop, number: "end", "camera_ended"),
    "failed": (lambda loop, number: OSError("unplugged"), "camera_failed"),
    "same picture": (lambda loop, number: loop.picture(7), "frame_frozen"),
    "black": (lambda loop, number: np.zeros(SHAPE, np.uint8), "frame_black"),
    "half": (lambda loop, number: half(loop.picture(number)), "frame_torn"),
    "size": (lambda loop, number: loop.picture(number)[:20], "frame_wrong"),
    "channels": (lambda loop, number: np.repeat(loop.picture(number), 3, axis=2), "frame_wrong"),
    "dtype": (lambda loop, number: loop.picture(number).astype(np.uint16), "frame_wrong"),
    "backwards": (lambda loop, number: at(loop, number - 1000, -300), "frame_time"),
    "future": (lambda loop, number: at(loop, number, 900), "frame_time"),
    "hour ahead": (lambda loop, number: at(loop, number, H), "frame_time"),
}  # fmt: skip


@pytest.mark.parametrize("what", CAMERA_FAULTS)
def test_camera_fault_stops_softly_and_is_named(what):
    """Let the camera go wrong in full drive: soft stop within 250 ms of the last good frame, reason named (C1)."""
    loop = Loop().drive()
    wrong, name = CAMERA_FAULTS[what]
    loop.pictures = lambda number: wrong(loop, number)
    states = set()
    loop.run(600, until=lambda: states.add(loop.machine.state) or False)
    assert loop.neutral_ms() - loop.last_good_ms <= CAMERA_MS
    assert ActuatorState.SOFT_STOP in states and ActuatorState.HARD_STOP not in states
    assert loop.machine.state is ActuatorState.DISARMED
    assert loop.pilot.fault.name == name and loop.pilot.stopped_by
    assert loop.pilot.request(ActuatorRequest.ARM).startswith("not now: ")
    assert loop.machine.state is ActuatorState.DISARMED
    rejected_nothing(loop)


def test_camera_of_5_frames_a_second_cannot_drive():
    """Slow the camera down: frames are too old before the next one comes; the car stops and stays disarmed."""
    loop = Loop().drive()
    loop.frame_ms = 250
    loop.run(1500)
    assert loop.machine.state is ActuatorState.DISARMED and "200 ms" in loop.pilot.stopped_by
    rejected_nothing(loop)


@pytest.mark.parametrize("what", ["stalled", "black", "backwards"])
def test_car_can_drive_again_once_the_camera_is_well(what):
    """Mend the camera: a person can arm again, and the reason is gone from the display then."""
    loop = Loop().drive()
    wrong, _ = CAMERA_FAULTS[what]
    loop.pictures = lambda number: wrong(loop, number)
    loop.run(600)
    loop.pictures = loop.picture
    loop.run(2500)
    assert loop.machine.state is ActuatorState.DISARMED and loop.pilot.fault is None and loop.pilot.stopped_by
    assert loop.pilot.request(ActuatorRequest.ARM) == ""
    loop.run(60)
    assert loop.machine.state is ActuatorState.ARMED and loop.pilot.stopped_by == ""


@pytest.mark.parametrize(
    "answer",
    [
        (float("nan"), 1.0), (5.0, float("nan")), (float("inf"), 1.0), (0.0, float("-inf")),
        (30.5, 1.0), (-30.5, 1.0), (0.0, 2.1), (0.0, 0.3), (0.0, -1.0),
        np.zeros((2, 2), np.float32), np.zeros((1, 3), np.float32), np.zeros(2, np.float32),
        RuntimeError("out of memory"), ValueError("bad tensor"),
    ],
)  # fmt: skip
def test_network_that_fails_cuts_the_throttle(answer):
    """Let one answer be no number, out of range, of another shape, or an error: hard stop, no pulse from it (I1)."""
    loop = Loop().drive()
    loop.network.answers = itertools.chain([answer], itertools.repeat(ASKED))
    fault = set()
    start = loop.now_ms
    loop.run(1000, until=lambda: fault.add(loop.pilot.fault and loop.pilot.fault.name) or False)
    assert loop.machine.state is ActuatorState.FAULT and fault - {None} <= {"inference_failed", "action_refused"}
    assert fault - {None} and loop.neutral_ms() - start <= PERIOD_MS + 22
    assert (start, ActuatorRequest.STOP) < loop.link.requests[-1] and loop.link.requests[-1][1] is ActuatorRequest.STOP
    assert loop.pilot.stopped_by.startswith("the network")
    rejected_nothing(loop)


def test_one_slow_answer_slows_the_car_and_does_not_stop_it():
    """Take 70 ms once: commands go on, the throttle is let go of for a moment, then it drives on (I1)."""
    loop = Loop().drive()
    loop.thinker.takes_ms = itertools.chain([70], itertools.repeat(2))
    start = loop.now_ms
    states, throttle = set(), set()
    loop.run(1000, until=lambda: states.add(loop.machine.state) or throttle.add(loop.out.throttle_us) or False)
    assert states == {ActuatorState.DRIVING}
    assert loop.wire[-1][1] == loop.gate.pulses(*ASKED).throttle_us
    slowed = [at for at, command in loop.link.sent if at >= start and command.throttle_us == TRIM.throttle_stop]
    assert slowed and max(slowed) - min(slowed) <= 100
    times = [at for at, _ in loop.link.sent]
    assert max(b - a for a, b in itertools.pairwise(times)) <= 31


@pytest.mark.parametrize("takes_ms", [80, 120, 170])
def test_network_that_is_always_slow_stops_softly(takes_ms):
    """Take longer than a period every time: soft stop, and the network is named (I1)."""
    loop = Loop().drive()
    loop.thinker.takes_ms = itertools.repeat(takes_ms)
    loop.run(2000)
    assert loop.machine.state is ActuatorState.DISARMED and loop.pilot.stopped_by.startswith("the network is too slow")
    assert loop.pilot.request(ActuatorRequest.ARM).startswith("not now")


def test_network_that_hangs_stops_softly_and_is_named():
    """Never answer: the frame that drives becomes too old; it is the network that is named, not the camera (I1)."""
    loop = Loop().drive()
    loop.thinker.takes_ms = itertools.repeat(10**9)
    loop.run(1000)
    assert loop.machine.state is ActuatorState.DISARMED
    assert loop.pilot.fault.name == "inference_late" and "not answered" in loop.pilot.fault.text


@pytest.mark.parametrize("request_", [ActuatorRequest.ARM, ActuatorRequest.DRIVE])
def test_no_arming_before_the_first_frame(request_):
    """Ask before the camera gave anything: refused with the reason, and the actuator is not asked."""
    loop = Loop()
    loop.pictures = lambda number: None
    loop.run(2500)
    assert "no camera frame" in loop.pilot.request(request_)
    assert loop.link.requests == [] and loop.link.sent == []


def test_a_stop_at_rest_tells_its_own_reason():
    """The camera stalled and stopped the car; then a person presses STOP: the fault is the person's."""
    loop = Loop().drive()
    loop.pictures = lambda number: None
    loop.run(1000)
    assert "no fresh camera frame" in loop.pilot.stopped_by
    loop.machine.request(ActuatorRequest.STOP, loop.now_ms * MS)
    loop.run(100)
    assert loop.pilot.stopped_by == "a person stopped the car"


def test_the_actuators_own_refusal_is_told():
    """Arm before two seconds of neutral: the answer comes with the next status."""
    loop = Loop().run(300)
    assert loop.pilot.request(ActuatorRequest.ARM) == ""
    loop.run(50)
    assert loop.pilot.answer.startswith("arm refused: ")


def test_a_person_stops_and_disarms():
    """Ask for both in full drive: hard and soft, with the reason."""
    for request, state in (
        (ActuatorRequest.STOP, ActuatorState.FAULT),
        (ActuatorRequest.DISARM, ActuatorState.DISARMED),
    ):
        loop = Loop().drive()
        loop.pilot.request(request)
        loop.run(700)
        assert loop.machine.state is state and "a person" in loop.pilot.stopped_by


def test_glass_to_wheel_counts_from_capture_to_the_bus():
    """Drive: every sample lies between the camera's latency and what a step, an answer and a tick can add."""
    found = percentiles(Loop().drive().pilot.timing.glass_to_wheel)
    assert found.count > 30 and found.p50 >= 20 and found.max <= 20 + FRAME_MS + PERIOD_MS


def bundle_at(path, **changes):
    """A bundle for a small camera."""
    contract = contract_of(width=32, height=24, **changes)
    weights = np.random.default_rng(2).normal(size=(24, 32)) * 1e-4
    return read_bundle(write_camera_bundle(path, weights, 0.1, contract=contract))


def test_car_answers_as_the_simulator_does(tmp_path):
    """Ask brain and simulator's policy about the same frames: bit-equal actions (E1)."""
    bundle = bundle_at(tmp_path / "a.bundle")
    bounds = ActionBounds.of_contract(bundle.contract)
    camera = CameraConfig(width=32, height=24)
    brain = InferencePipeline(OnnxPolicy(bundle), CameraRemap(camera, camera), Gate(the_calibration(), bounds))
    two = OnnxPolicy(bundle, threads=2)
    policy = OnnxPolicy(bundle)
    for k in range(30):
        frame = CameraFrame(k, k, Loop.picture(k))
        action = policy.act({"camera": frame.pixels[None]})[0]
        order = brain.decide(frame).order
        assert (np.float32(order.steering_deg), np.float32(order.speed)) == (action[0], action[1])
        assert np.allclose(two.act({"camera": frame.pixels[None]})[0], action, atol=1e-4)


def test_brain_thread_answers_and_wakes(tmp_path):
    """Ask in the real thread: the file becomes readable, the answer is there once, and the thread ends."""
    import select

    bundle = bundle_at(tmp_path / "a.bundle")
    camera = CameraConfig(width=32, height=24)
    gate = Gate(the_calibration(), ActionBounds.of_contract(bundle.contract))
    thread = InferenceThread(InferencePipeline(OnnxPolicy(bundle), CameraRemap(camera, camera), gate))
    for k in range(5):
        frame = CameraFrame(k, k, Loop.picture(k))
        thread.start(frame, reset=k == 0)
        assert thread.busy
        assert select.select([thread.wake], [], [], 10.0)[0]
        assert thread.take_result().frame is frame and thread.take_result() is None and not thread.busy
        assert not select.select([thread.wake], [], [], 0.0)[0]
    thread.close()
    assert not thread._thread.is_alive()


def test_ready_car_is_made(tmp_path):
    """Prepare a bundle that fits."""
    bundle_at(tmp_path / "a.bundle")
    ready = make_pilot_components(tmp_path / "a.bundle", the_calibration(), speed_limit=0.5)
    assert ready.model.name == "a" and ready.model.times.count >= 100 and ready.model.remap.shape == SHAPE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera": None}, "does not describe the camera"),
        ({"camera": {"width": 32, "height": 24, "view_deg": 40.0}}, "shows .* of the picture that the policy uses"),
        ({"speed_table": [[0.0, 0.2], [1.0, 0.9]]}, "the speed table ends at 0.9 m/s"),
        ({"speed_table": []}, "no speed table"),
    ],
)
def test_car_that_does_not_fit_is_refused_with_the_limit(tmp_path, changes, words):
    """Change the calibration: the bundle is refused with what is missing named (K1)."""
    bundle_at(tmp_path / "a.bundle")
    with pytest.raises(PilotNotReady, match=words):
        make_pilot_components(tmp_path / "a.bundle", the_calibration(**changes))


def test_every_reason_is_named_at_once(tmp_path):
    """Ask for a sensor that no car has, and more speed than this one's table: both are told."""
    bundle = bundle_at(tmp_path / "a.bundle")
    sensors = (state_sensor((0.3,)), camera_sensor(CameraConfig(width=32, height=24)))
    onnx = bundle.contract.onnx.model_copy(update={"inputs": ("state", "camera")})
    contract = bundle.contract.model_copy(update={"sensors": sensors, "onnx": onnx})
    other = type(bundle)(name="b", onnx=b"", contract=contract, weights={}, golden=bundle.golden)
    told = pilot_refusals(other, the_calibration(speed_table=[[0.0, 0.2], [1.0, 0.9]]))
    assert len(told) == 2 and "`state`" in told[0] and "0.9 m/s" in told[1]


def test_only_monotonic_clocks_are_read():
    """Find no call of the wall clock in what drives: a clock that jumps an hour changes nothing (T1)."""
    names = ["mailbox", "faults", "timing", "bench", "link/process_link"]
    paths = [ROOM / f"{name}.py" for name in names]
    paths += [path for room in ("pilot", "camera") for path in sorted((ROOM / room).glob("*.py"))]
    assert {"inference.py", "process.py", "lens.py", "capture.py"} <= {path.name for path in paths}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("time_ns", "now", "utcnow", "today", "CLOCK_REALTIME"), path
                assert not (node.attr == "time" and isinstance(node.value, ast.Name) and node.value.id == "time"), path
