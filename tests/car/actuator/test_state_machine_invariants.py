"""Catalogue L1: whatever happens, in whatever order, some things are never true of the pulses.

A second, much simpler account of what happened stands beside the machine; the invariants are stated on it.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from racer.car.actuator import limits
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import (
    ActuatorCommand,
    ActuatorRequest,
    ActuatorState,
    CalibratedRange,
    CommandSource,
    StopReason,
)

MS = 1_000_000
TRIM = CalibratedRange(1200, 1450, 1700, 1311, 1446, 1603)
TICK_NS, SLEW = 20 * MS, (200, 40)  # restated: what the promise says, not what the code holds


class Anything(RuleBasedStateMachine):
    """Any interleaving of pilots, people, time and broken buses."""

    def __init__(self):
        super().__init__()
        self.now = 1_000_000 * MS
        self.machine = ActuatorStateMachine(trim=TRIM, now_ns=self.now)
        self.seq = self.input_id = 0
        self.taken = -1
        self.frame_at = self.command_at = self.person_at = -(10**15)
        self.armed = self.started = False
        self.neutral_since = None
        self.wire = None
        self.wrote_at = self.now
        self.last_write = None

    def wake(self):
        """What the loop does each time it wakes."""
        self.machine.advance(self.now)
        if self.machine.urgent or self.now - self.wrote_at >= TICK_NS:
            self.write(good=True)

    def write(self, *, good):
        """A bus write, with a record of what it changed."""
        before, then = self.wire, self.wrote_at
        self.wire = self.machine.pulses(self.now)
        self.wrote_at = self.now
        if good:
            self.machine.written(self.now)
        else:
            self.machine.bus_failed(self.now)
        neutral = self.wire is not None and self.wire.throttle_us == TRIM.throttle_stop
        if not (good and neutral):
            self.neutral_since = None
        elif self.neutral_since is None:
            self.neutral_since = self.now
        self.last_write = (before, self.wire, min(self.now - then, TICK_NS))

    @rule()
    def pilot_comes(self):
        """A pilot connects, perhaps in place of another."""
        self.machine.pilot_came(self.now)
        self.seq = self.input_id = 0
        self.taken = -1
        self.frame_at = self.person_at = self.command_at = -(10**15)
        self.armed = self.started = False
        self.wake()

    @rule()
    def pilot_goes(self):
        """End of file."""
        self.machine.pilot_gone(self.now)
        self.armed = self.started = False
        self.wake()

    @rule(
        fresh=st.booleans(),
        age=st.integers(0, 400 * MS),
        delay=st.sampled_from([0, 0, 0, 5 * MS, 150 * MS]),
        throttle=st.sampled_from([1446, 1446, 1446, 1311, 1603, 1400, 900, 2100]),
        steering=st.sampled_from([1450, 1200, 1700, 1000]),
        person=st.booleans(),
        repeat=st.booleans(),
    )
    def command(self, fresh, age, delay, throttle, steering, person, repeat):
        """A command: new or a repeat, from a new or an old input, perhaps long on the way."""
        self.seq += 0 if repeat else 1
        self.input_id += 1 if fresh else 0
        source = CommandSource.PERSON if person else CommandSource.FRAME
        captured = self.now - delay - age if fresh else max(self.frame_at, self.person_at)
        c = ActuatorCommand(source, self.seq, self.input_id, captured, self.now - delay, steering, throttle)
        if self.machine.take(c, self.now):
            assert self.seq > self.taken and throttle not in (900, 2100) and steering != 1000
            self.taken = self.seq
            self.command_at = c.sent_ns
            self.frame_at, self.person_at = (-(10**15), captured) if person else (captured, -(10**15))
        self.wake()

    @rule(request=st.sampled_from(list(ActuatorRequest)))
    def person_asks(self, request):
        """A person's wish; only granted ones count as armed and started."""
        granted = self.machine.request(request, self.now) is StopReason.NONE
        if request is ActuatorRequest.ARM and granted:
            assert self.neutral_since is not None and self.now - self.neutral_since >= 2_000 * MS
            self.armed = True
        elif request is ActuatorRequest.DRIVE and granted:
            assert self.armed
            self.started = True
        elif request in (ActuatorRequest.STOP, ActuatorRequest.DISARM):
            self.armed = self.started = False
        self.wake()

    @precondition(lambda self: self.machine.state is not ActuatorState.DRIVING)
    @rule(seconds=st.sampled_from([0.3, 0.6, 1.0, 2.1]))
    def rest(self, seconds):
        """A while in which the loop ticks and nobody says anything."""
        for _ in range(int(seconds * 50)):
            self.now += TICK_NS
            self.wake()

    @rule(ns=st.integers(0, 25 * MS))
    def time_passes(self, ns):
        """A little time, up to the machine's own deadline, as the loop's time-out has it."""
        self.now = min(self.now + ns, max(self.now, self.machine.due_ns()))
        self.wake()

    @rule()
    def ready_and_armed(self):
        """The way into the states that matter, which chance alone would seldom find."""
        self.rest(2.1)
        if not self.machine.pilot:
            self.pilot_comes()
        for request in (ActuatorRequest.CLEAR, ActuatorRequest.DISARM):
            self.person_asks(request)
        self.rest(2.1)
        self.command(True, 0, 0, 1446, 1450, False, False)
        self.person_asks(ActuatorRequest.ARM)
        self.person_asks(ActuatorRequest.DRIVE)
        self.now += MS
        self.command(True, 0, 0, 1311, 1450, False, False)
        self.time_passes(TICK_NS)

    @rule()
    def bus_fails(self):
        """A write that fails for good."""
        self.write(good=False)
        self.armed = self.started = False
        self.wake()

    @invariant()
    def throttle_needs_everything(self):
        """Throttle means driving, armed and started by a person, a fresh command and a fresh input; or a soft stop."""
        if self.wire is None or self.wire.throttle_us == TRIM.throttle_stop:
            return
        if self.machine.state is ActuatorState.SOFT_STOP:
            assert self.wrote_at - self.machine.since_ns < TICK_NS
            return
        assert self.machine.state is ActuatorState.DRIVING
        assert self.armed and self.started and self.machine.pilot
        assert self.now - self.command_at < 100 * MS
        assert self.now - self.frame_at < 200 * MS or self.now - self.person_at < 300 * MS

    @invariant()
    def pulses_stay_in_bounds(self):
        """Never outside the absolute limits, never outside the calibrated range."""
        if self.wire is not None:
            assert min(self.wire.steering_us, self.wire.throttle_us) >= 900
            assert max(self.wire.steering_us, self.wire.throttle_us) <= 2100
            assert TRIM.throttle_low <= self.wire.throttle_us <= TRIM.throttle_high
            assert TRIM.steering_low <= self.wire.steering_us <= TRIM.steering_high

    @invariant()
    def pulses_change_slowly(self):
        """Steering always, throttle away from neutral; a stop may be as quick as it likes, but never overshoots."""
        if self.last_write is None or None in self.last_write[:2]:
            return
        before, after, part = self.last_write
        assert abs(after.steering_us - before.steering_us) <= SLEW[0] * part // TICK_NS
        if self.machine.state is ActuatorState.DRIVING:
            assert abs(after.throttle_us - before.throttle_us) <= SLEW[1] * part // TICK_NS
        else:
            assert abs(after.throttle_us - TRIM.throttle_stop) <= abs(before.throttle_us - TRIM.throttle_stop)

    @invariant()
    def a_fault_is_off(self):
        """Latched and silent."""
        if self.machine.state is ActuatorState.FAULT:
            assert self.wire is None


Anything.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
TestAnything = Anything.TestCase


def test_the_states_that_matter_are_reached():
    """The rules above do lead to a moving car; otherwise the invariants would hold for nothing."""
    run = Anything()
    run.pilot_comes()
    run.ready_and_armed()
    assert run.machine.state is ActuatorState.DRIVING and run.wire.throttle_us != TRIM.throttle_stop
    assert limits.TICK_NS == TICK_NS and (limits.STEERING_SLEW_US, limits.THROTTLE_SLEW_US) == SLEW
