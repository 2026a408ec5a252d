"""A person drives through the pilot: heartbeats become pulses, silence stops, the policy's faults do not matter."""

import itertools
import math

import pytest

from racer.car.actuator.states import ActuatorRequest, ActuatorState, CommandSource
from racer.car.gate import GateRefusal
from racer.car.link.protocol import ManualInput
from racer.car.pilot.manual import ManualControl
from support.pilot_loop import ASKED, MS, TRIM, Loop, the_calibration


class HandLoop(Loop):
    """A person holds the button, with a heartbeat each 50 ms, until they let go of everything."""

    def __init__(self):
        super().__init__()
        self.beats, self.steering, self.throttle, self.there = itertools.count(1), 0.5, 0.0, True

    def _camera(self):
        super()._camera()
        if self.there and self.now_ms % 50 == 0:
            self.hand.hold(ManualInput(next(self.beats), self.now_ms * MS, self.steering, self.throttle))

    def by_hand(self):
        """Arm for the person and start, then half throttle for half a second."""
        self.run(2200)
        self.pilot.set_driver("manual", self.now_ms * MS)
        assert self.pilot.request(ActuatorRequest.ARM) == "" and self.machine.state is ActuatorState.ARMED, (
            self.pilot.answer
        )
        self.run(200)
        assert self.pilot.request(ActuatorRequest.DRIVE) == "" and self.machine.state is ActuatorState.DRIVING
        self.throttle = 0.5
        self.run(500)
        return self


def test_shares_become_degrees_and_speed():
    """Half of the left lock of 30 degrees; half of 3 m/s at 40 % is 0.6 m/s."""
    hand = ManualControl(the_calibration(), speed_limit=0.4)
    hand.hold(ManualInput(1, 10, 0.5, 0.5))
    assert (hand.order.steering_deg, hand.order.speed) == (15.0, pytest.approx(0.6))
    assert (hand.order.source, hand.order.input_id, hand.order.captured_ns) == (CommandSource.PERSON, 1, 10)
    hand.hold(ManualInput(2, 20, -1.0, 0.0))
    assert hand.order.steering_deg == -30.0 and hand.order.pulses == hand.order.held
    hand.set_speed_limit(1.0)
    hand.hold(ManualInput(3, 30, 0.0, 1.0))
    assert hand.order.speed == 3.0 and hand.order.pulses.throttle_us == TRIM.throttle_low


@pytest.mark.parametrize(("number", "heard"), [(5, 60), (4, 60), (6, 50), (6, 40)])
def test_only_fresh_heartbeats_count(number, heard):
    """The same number, an older one, the same time, an older one: the newest stays."""
    hand = ManualControl(the_calibration(), speed_limit=1.0)
    hand.hold(ManualInput(5, 50, 0.25, 0.0))
    hand.hold(ManualInput(number, heard, 1.0, 1.0))
    assert hand.order.steering_deg == 7.5


@pytest.mark.parametrize("share", [math.nan, math.inf, 1.5, -0.5])
def test_shares_out_of_range_are_refused(share):
    """The gate refuses them, and what was held before stays."""
    hand = ManualControl(the_calibration(), speed_limit=1.0)
    with pytest.raises(GateRefusal):
        hand.hold(ManualInput(1, 1, 0.0, share))
    assert hand.order.input_id == 0


def test_without_a_speed_table_the_throttle_is_a_share():
    """A car whose speeds were never measured can be driven by hand: half the limit is half of the range."""
    hand = ManualControl(the_calibration(speed_table=[]), speed_limit=0.5)
    hand.hold(ManualInput(1, 1, 0.0, 1.0))
    assert hand.order.pulses.throttle_us == 1430 + round((1311 - 1430) * 0.5)


def test_a_person_drives():
    """Commands are the person's, from their heartbeats; the network goes on answering."""
    loop = HandLoop().by_hand()
    assert {command.source for at, command in loop.link.sent if at > loop.now_ms - 400} == {CommandSource.PERSON}
    assert loop.wire[-1][1] == loop.hand.order.pulses.throttle_us != TRIM.throttle_stop
    assert loop.pilot.timing.steps > 30 and loop.pilot.driver == "manual"
    assert loop.machine.rejected == 0


def test_silence_stops_within_the_deadline():
    """Nothing from the person for 300 ms: neutral by the actuator's own clock, and the reason is told."""
    loop = HandLoop().by_hand()
    loop.there, gone = False, loop.now_ms
    loop.run(1000)
    assert loop.neutral_ms() - gone <= 350 and loop.machine.state is ActuatorState.DISARMED
    assert loop.pilot.stopped_by == "no heartbeat of the operator for 300 ms"


@pytest.mark.parametrize("what", ["camera", "network"])
def test_faults_of_the_policy_do_not_stop_a_person(what):
    """The camera ends, or the network answers nonsense, while a person drives: the person looks at the car."""
    loop = HandLoop().by_hand()
    if what == "camera":
        loop.pictures = lambda number: "end"
    else:
        loop.network.answers = itertools.repeat((math.nan, math.nan))
    loop.run(1500)
    assert loop.machine.state is ActuatorState.DRIVING and loop.pilot.fault is None


def test_the_driver_does_not_change_on_the_way():
    """Choosing the other driver while armed or driving changes nothing."""
    loop = HandLoop().by_hand()
    loop.pilot.set_driver("policy", loop.now_ms * MS)
    assert loop.pilot.driver == "manual"
    loop.pilot.request(ActuatorRequest.DISARM)
    loop.run(200)
    loop.pilot.set_driver("policy", loop.now_ms * MS)
    loop.run(2300)
    assert loop.pilot.request(ActuatorRequest.ARM) == "" and loop.pilot.driver == "policy"
    loop.run(50)
    loop.pilot.request(ActuatorRequest.DRIVE)
    loop.run(500)
    assert loop.wire[-1][1] == loop.gate.pulses(*ASKED).throttle_us and loop.machine.rejected == 0


def test_nobody_there_is_not_armed():
    """Arm for a person of whom nothing was heard: refused, and the number of the request comes back."""
    loop = HandLoop()
    loop.there = False
    loop.run(2200)
    loop.pilot.set_driver("manual", loop.now_ms * MS)
    loop.pilot.request(ActuatorRequest.ARM, number=7)
    assert loop.link.requests == []
    assert loop.pilot.answered == (7, "not now: no heartbeat of the operator for 300 ms")
    loop.run(500)
    assert loop.machine.state is ActuatorState.DISARMED and loop.machine.rejected == 0
