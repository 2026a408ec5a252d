"""The state machine, event by event, with boundary tables for every limit. Times are given, nothing sleeps."""

from dataclasses import replace

import pytest

from racer.car.actuator import limits
from racer.car.actuator.state_machine import NEVER, ActuatorStateMachine
from racer.car.actuator.states import (
    ActuatorCommand,
    ActuatorRequest,
    ActuatorState,
    CalibratedRange,
    CommandSource,
    Pulses,
    StopReason,
)

MS = 1_000_000
TRIM = CalibratedRange(1200, 1450, 1700, 1311, 1446, 1603)
START = 5_000 * MS
BOOTED = START + limits.NEUTRAL_BEFORE_ARMING_NS
AGE = 30 * MS


class Rig:
    """A machine with a clock, a bus that always works, and a pilot."""

    def __init__(self, trim=TRIM):
        self.now = START
        self.machine = ActuatorStateMachine(trim=trim, now_ns=START)
        self.seq = 0

    def write(self):
        """What goes onto the wire now."""
        pulses = self.machine.pulses(self.now)
        self.machine.written(self.now)
        return pulses

    def wait(self, ns):
        """Let time pass in one go."""
        self.now += ns
        self.machine.advance(self.now)
        return self.machine.state

    def send(self, throttle=1446, steering=1450, **changes):
        """A fresh command from a fresh frame."""
        self.seq += 1
        command = ActuatorCommand(CommandSource.FRAME, self.seq, self.seq, self.now - AGE, self.now, steering, throttle)
        return self.machine.take(replace(command, **changes), self.now)

    def ask(self, request):
        """A person's request now."""
        return self.machine.request(request, self.now)

    def boot(self):
        """Through boot."""
        self.write()
        self.wait(limits.NEUTRAL_BEFORE_ARMING_NS)
        self.machine.pilot_came(self.now)
        self.write()
        return self

    def arm(self):
        """Armed."""
        self.boot().send()
        assert self.ask(ActuatorRequest.ARM) is StopReason.NONE
        self.write()
        return self

    def drive(self, throttle=1400, steering=1450):
        """Driving at this throttle; it takes as many ticks as the slew wants."""
        self.arm()
        assert self.ask(ActuatorRequest.DRIVE) is StopReason.NONE
        for _ in range(20):
            self.tick(throttle, steering)
        assert self.write() == Pulses(steering, throttle)
        return self

    def tick(self, throttle=1446, steering=1450):
        """One period with a fresh command."""
        self.wait(limits.TICK_NS)
        self.send(throttle, steering)
        return self.write()


@pytest.fixture
def rig():
    """A car that was just switched on."""
    return Rig()


def test_boots_with_neutral_for_two_seconds(rig):
    """Stay in boot until neutral was on the wire for exactly two seconds."""
    assert (rig.machine.state, rig.machine.urgent) == (ActuatorState.BOOT, True)
    assert rig.machine.due_ns() > NEVER
    rig.now += 70 * MS
    assert rig.write() == Pulses(1450, 1446)
    assert not rig.machine.urgent
    due = rig.now + limits.NEUTRAL_BEFORE_ARMING_NS
    assert rig.machine.due_ns() == due
    assert rig.wait(due - rig.now - 1) is ActuatorState.BOOT
    assert rig.wait(1) is ActuatorState.DISARMED
    assert rig.machine.urgent and rig.machine.reason is StopReason.NONE
    assert rig.machine.due_ns() == NEVER


def test_nothing_counts_before_it_was_asked_for(rig):
    """A write that is reported before any pulses were given is no neutral."""
    rig.machine.written(rig.now)
    assert rig.machine.due_ns() > NEVER
    assert rig.wait(limits.NEUTRAL_BEFORE_ARMING_NS) is ActuatorState.BOOT


def test_boot_counts_again_after_the_bus_failed(rig):
    """Neutral that may not have been on the wire does not count."""
    rig.write()
    rig.machine.bus_failed(rig.now)
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.HARD_STOP, StopReason.BUS)
    rig.wait(limits.ALL_OFF_AFTER_NS)
    rig.write()
    assert rig.ask(ActuatorRequest.CLEAR) is StopReason.NONE
    assert rig.wait(limits.NEUTRAL_BEFORE_ARMING_NS) is ActuatorState.BOOT
    rig.write()
    assert rig.wait(limits.NEUTRAL_BEFORE_ARMING_NS - 1) is ActuatorState.BOOT
    assert rig.wait(1) is ActuatorState.DISARMED


def test_arms_drives_and_disarms(rig):
    """The way of every drive: throttle follows only while driving, steering from arming on."""
    rig.boot()
    assert rig.send(steering=1500)
    assert rig.write() == Pulses(1450, 1446)
    assert rig.ask(ActuatorRequest.ARM) is StopReason.NONE
    assert rig.tick(1400, 1500) == Pulses(1500, 1446)
    assert rig.ask(ActuatorRequest.DRIVE) is StopReason.NONE
    assert rig.tick(1400, 1500) == Pulses(1500, 1406)
    assert rig.tick(1400, 1500) == Pulses(1500, 1400)
    assert rig.ask(ActuatorRequest.DISARM) is StopReason.NONE
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.SOFT_STOP, StopReason.DISARM_ASKED)
    assert rig.write() == Pulses(1500, 1423)
    assert rig.wait(limits.TICK_NS - 1) is ActuatorState.SOFT_STOP
    assert rig.write() == Pulses(1500, 1423)
    assert rig.wait(1) is ActuatorState.DISARMED
    assert (rig.machine.reason, rig.machine.urgent) == (StopReason.DISARM_ASKED, True)
    assert rig.write() == Pulses(1500, 1446)
    rig.now += 10 * MS
    assert rig.write() == Pulses(1450, 1446)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda r: r.machine.pilot_gone(r.now), StopReason.NO_PILOT),
        (lambda r: r.machine.pilot_came(r.now), StopReason.COMMAND_LATE),
        (lambda r: r.wait(100 * MS), StopReason.COMMAND_LATE),
        (lambda r: r.wait(100 * MS - 1), StopReason.NONE),
        (lambda r: r.wait(90 * MS) or r.send(captured_ns=r.now - 200 * MS, input_id=9), StopReason.NONE),
        (lambda r: r.wait(1) and r.send(throttle=1447), StopReason.THROTTLE_NOT_NEUTRAL),
        (lambda r: r.wait(1) and r.send(throttle=1445), StopReason.THROTTLE_NOT_NEUTRAL),
        (lambda r: r.ask(ActuatorRequest.ARM), StopReason.NOT_DISARMED),
        (lambda r: r.machine.bus_failed(r.now), StopReason.NOT_DISARMED),
        (lambda r: r.machine.close(r.now), StopReason.CLOSING),
    ],
)
def test_refuses_to_arm(rig, change, why):
    """Each thing that arming needs, taken away alone."""
    rig.boot().send()
    change(rig)
    before = rig.machine.state
    assert rig.ask(ActuatorRequest.ARM) is why
    assert (rig.machine.state is ActuatorState.ARMED) == (why is StopReason.NONE or before is ActuatorState.ARMED)


def test_refuses_to_arm_before_two_seconds_of_neutral(rig):
    """After each drive neutral counts anew, to the nanosecond."""
    rig.drive()
    rig.ask(ActuatorRequest.DISARM)
    rig.write()
    rig.wait(limits.TICK_NS)
    rig.write()
    rig.send()
    assert rig.ask(ActuatorRequest.ARM) is StopReason.NEUTRAL_TOO_SHORT
    rig.wait(limits.NEUTRAL_BEFORE_ARMING_NS - 1)
    rig.send()
    assert rig.ask(ActuatorRequest.ARM) is StopReason.NEUTRAL_TOO_SHORT
    rig.wait(1)
    rig.send()
    assert rig.ask(ActuatorRequest.ARM) is StopReason.NONE
    assert rig.machine.since_ns == rig.now


def test_an_old_frame_refuses_to_arm_and_to_drive(rig):
    """A fresh command from an old frame is no reason to move."""
    rig.boot()
    rig.send(captured_ns=rig.now - 200 * MS)
    assert rig.ask(ActuatorRequest.ARM) is StopReason.FRAME_LATE
    rig.send(captured_ns=rig.now - 200 * MS + 1)
    assert rig.ask(ActuatorRequest.ARM) is StopReason.NONE
    rig.now += 1
    assert rig.ask(ActuatorRequest.DRIVE) is StopReason.FRAME_LATE
    assert rig.machine.state is ActuatorState.ARMED


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ActuatorRequest.DRIVE, StopReason.NOT_ARMED),
        (ActuatorRequest.CLEAR, StopReason.NO_FAULT),
        (ActuatorRequest.DISARM, StopReason.NONE),
    ],
)
def test_requests_out_of_place(rig, request_, why):
    """Refuse, or do nothing, in the states where a request has no place."""
    for make in (Rig.boot, Rig.drive):
        rig = make(Rig())
        expected = StopReason.NONE if request_ is ActuatorRequest.DISARM else why
        assert rig.ask(request_) is expected


def test_no_pilot_no_commands(rig):
    """Before a pilot came, and after it went, commands are refused."""
    assert not rig.send()
    rig.machine.pilot_came(rig.now)
    assert rig.send()
    rig.machine.pilot_gone(rig.now)
    assert not rig.send()
    assert rig.machine.rejected == 2
    assert rig.machine.state is ActuatorState.BOOT


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"seq": 1}, False),
        ({"seq": 2}, True),
        ({"sent_ns": BOOTED - 1, "captured_ns": BOOTED - AGE + 1}, False),
        ({"sent_ns": BOOTED}, True),
        ({"sent_ns": BOOTED + 11}, False),
        ({"captured_ns": BOOTED + 11}, False),
        ({"captured_ns": BOOTED + 10}, True),
        ({"captured_ns": BOOTED + 9, "sent_ns": BOOTED + 8}, False),
        ({"captured_ns": BOOTED + 8, "sent_ns": BOOTED + 8}, True),
        ({"input_id": 1, "captured_ns": BOOTED - AGE}, True),
        ({"input_id": 1, "captured_ns": BOOTED - AGE + 1}, False),
        ({"input_id": 1, "captured_ns": BOOTED - AGE - 1}, False),
        ({"input_id": 0}, False),
        ({"input_id": 2, "captured_ns": BOOTED - AGE}, False),
        ({"input_id": 2, "captured_ns": BOOTED - AGE + 1}, True),
        ({"source": CommandSource.PERSON, "input_id": 0}, True),
        ({"source": CommandSource.PERSON, "captured_ns": BOOTED - AGE}, False),
        ({"steering_us": 1199}, False),
        ({"steering_us": 1200}, True),
        ({"steering_us": 1700}, True),
        ({"steering_us": 1701}, False),
        ({"throttle_us": 1310}, False),
        ({"throttle_us": 1311}, True),
        ({"throttle_us": 1603}, True),
        ({"throttle_us": 1604}, False),
    ],
)
def test_only_new_and_allowed_commands_count(rig, changes, good):
    """Numbers and times go forwards, none lies in the future, pulses are calibrated ones."""
    rig.boot().send()
    assert rig.now == BOOTED
    rig.now += 10
    assert rig.send(**changes) is good
    assert rig.machine.rejected == (not good)
    assert (rig.machine.command.sent_ns == changes.get("sent_ns", rig.now)) is good


def test_first_command_may_have_any_numbers(rig):
    """A new pilot's numbers start where it likes, zero included."""
    rig.machine.pilot_came(rig.now)
    assert rig.send(seq=0, input_id=0, captured_ns=0)


def test_first_command_of_a_clock_that_just_began():
    """Nothing is older than no command, also right after the clock's own beginning."""
    machine = ActuatorStateMachine(trim=TRIM, now_ns=0)
    machine.pilot_came(0)
    assert machine.take(ActuatorCommand(CommandSource.FRAME, 1, 1, 0, 0, 1450, 1446), 0)


def test_source_changes_only_while_not_driving(rig):
    """A policy's drive cannot become a person's, nor the other way round, without a stop."""
    rig.drive()
    rig.now += 10
    assert not rig.send(source=CommandSource.PERSON)
    rig = Rig().arm()
    rig.now += 10
    assert rig.send(source=CommandSource.PERSON)


@pytest.mark.parametrize(
    ("source", "deadline", "why"),
    [(CommandSource.FRAME, 200 * MS, StopReason.FRAME_LATE), (CommandSource.PERSON, 300 * MS, StopReason.PERSON_LATE)],
)
@pytest.mark.parametrize("driving", [True, False])
def test_stale_input_stops_softly(rig, source, deadline, why, driving):
    """Fresh commands from the same input keep nothing alive: half throttle at the deadline, then neutral."""
    rig.arm()
    rig.wait(1)
    assert rig.send(source=source)
    rig.write()
    if driving:
        rig.ask(ActuatorRequest.DRIVE)
    captured = rig.now - AGE
    same = {"input_id": rig.seq, "captured_ns": captured, "source": source}
    while rig.now < captured + deadline - 15 * MS:
        assert rig.wait(10 * MS) is (ActuatorState.DRIVING if driving else ActuatorState.ARMED)
        assert rig.send(throttle=1350, **same)
        rig.write()
    assert rig.machine.due_ns() == captured + deadline
    at = rig.machine._out.throttle_us
    rig.wait(captured + deadline - rig.now - 1)
    assert rig.machine.state is (ActuatorState.DRIVING if driving else ActuatorState.ARMED)
    rig.wait(1)
    assert (rig.machine.reason, rig.machine.urgent) == (why, True)
    if not driving:
        assert rig.machine.state is ActuatorState.DISARMED
        return
    assert rig.machine.state is ActuatorState.SOFT_STOP
    assert rig.write().throttle_us == (at + 1446) // 2 < 1446
    assert rig.machine.due_ns() == rig.now + limits.TICK_NS
    assert rig.wait(limits.TICK_NS) is ActuatorState.DISARMED
    assert rig.machine.reason is why
    assert rig.write().throttle_us == 1446


def test_stale_commands_stop_hard(rig):
    """Neutral at the deadline, held for half a second, then off and latched."""
    rig.drive(1400, 1500)
    sent = rig.now
    rig.wait(60 * MS)
    rig.write()
    assert rig.machine.due_ns() == sent + 100 * MS
    assert rig.wait(40 * MS - 1) is ActuatorState.DRIVING
    assert rig.wait(1) is ActuatorState.HARD_STOP
    assert (rig.machine.reason, rig.machine.urgent) == (StopReason.COMMAND_LATE, True)
    assert rig.write() == Pulses(1500, 1446)
    assert rig.machine.due_ns() == rig.now + limits.ALL_OFF_AFTER_NS
    assert rig.wait(limits.ALL_OFF_AFTER_NS - 1) is ActuatorState.HARD_STOP
    assert rig.write() == Pulses(1500, 1446)
    assert rig.wait(1) is ActuatorState.FAULT
    assert (rig.machine.reason, rig.machine.urgent) == (StopReason.COMMAND_LATE, True)
    assert rig.write() is None
    assert rig.machine.due_ns() == NEVER
    assert rig.wait(10_000 * MS) is ActuatorState.FAULT


def test_a_person_disarms_an_armed_car(rig):
    """Armed and not moving: disarmed at once."""
    rig.arm()
    assert rig.ask(ActuatorRequest.DISARM) is StopReason.NONE
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.DISARMED, StopReason.DISARM_ASKED)


def test_stale_commands_disarm_an_armed_car(rig):
    """Armed and not moving, the car is disarmed and needs no clearing."""
    rig.arm()
    assert rig.machine.due_ns() == rig.now + 100 * MS
    assert rig.wait(100 * MS - 1) is ActuatorState.ARMED
    assert rig.wait(1) is ActuatorState.DISARMED
    assert rig.machine.reason is StopReason.COMMAND_LATE


def test_a_command_that_travelled_for_long_is_stale(rig):
    """The deadline counts from when a command was sent, not from when it was read."""
    rig.drive()
    rig.now += 90 * MS
    rig.seq += 5
    assert rig.machine.take(
        ActuatorCommand(CommandSource.FRAME, rig.seq, 99, rig.now - 85 * MS, rig.now - 80 * MS, 1450, 1400), rig.now
    )
    assert rig.machine.due_ns() == rig.now + 20 * MS


def test_soft_stop_becomes_hard_where_commands_dry_up(rig):
    """The pilot dies while the car stops softly."""
    rig.drive()
    rig.wait(95 * MS)
    rig.write()
    rig.ask(ActuatorRequest.DISARM)
    assert rig.machine.due_ns() == rig.now + 5 * MS
    assert rig.wait(5 * MS - 1) is ActuatorState.SOFT_STOP
    assert rig.wait(1) is ActuatorState.HARD_STOP
    assert rig.machine.reason is StopReason.COMMAND_LATE


def test_soft_stop_goes_on_where_only_frames_dry_up(rig):
    """Old frames are why it stops; they do not stop it twice."""
    rig.drive()
    rig.send(input_id=999, captured_ns=rig.now - 1, sent_ns=rig.now)
    rig.ask(ActuatorRequest.DISARM)
    rig.now += 90 * MS
    rig.send(captured_ns=rig.machine.command.captured_ns, input_id=999)
    assert rig.wait(0) is ActuatorState.DISARMED


@pytest.mark.parametrize("make", [Rig.arm, Rig.drive])
def test_actuator_that_slept(make):
    """A loop that did not write for 100 ms while driving stops hard, however fresh the commands are."""
    rig = make(Rig())
    driving = rig.machine.state is ActuatorState.DRIVING
    rig.now += limits.LOOP_LATE_NS - 1
    rig.send()
    assert rig.wait(0) is (ActuatorState.DRIVING if driving else ActuatorState.ARMED)
    assert rig.wait(1) is (ActuatorState.HARD_STOP if driving else ActuatorState.ARMED)
    assert rig.machine.reason is (StopReason.LOOP_LATE if driving else StopReason.NONE)


@pytest.mark.parametrize("make", [Rig.arm, Rig.drive])
@pytest.mark.parametrize("event", [ActuatorStateMachine.pilot_gone, ActuatorStateMachine.pilot_came])
def test_pilot_gone_stops_hard(make, event):
    """Armed or moving: a pilot that goes, or is replaced, is a hard stop."""
    rig = make(Rig())
    event(rig.machine, rig.now)
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.HARD_STOP, StopReason.PILOT_GONE)
    assert rig.machine.since_ns == rig.now
    assert rig.machine.pilot is (event is ActuatorStateMachine.pilot_came)
    assert rig.write().throttle_us == 1446
    assert not rig.send() or event is ActuatorStateMachine.pilot_came


def test_pilot_gone_in_a_soft_stop(rig):
    """The ramp is cut short."""
    rig.drive()
    rig.ask(ActuatorRequest.DISARM)
    rig.machine.pilot_gone(rig.now)
    assert rig.machine.state is ActuatorState.HARD_STOP


@pytest.mark.parametrize("make", [lambda rig: rig, Rig.boot, Rig.arm, Rig.drive])
def test_a_person_stops_it_from_everywhere(make):
    """Stop in any state ends in a latched fault, and only the first reason counts."""
    rig = make(Rig())
    assert rig.ask(ActuatorRequest.STOP) is StopReason.NONE
    since = rig.now
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.HARD_STOP, StopReason.STOP_ASKED)
    rig.wait(100 * MS)
    rig.machine.bus_failed(rig.now)
    rig.machine.close(rig.now)
    assert rig.ask(ActuatorRequest.STOP) is StopReason.NONE
    assert (rig.machine.reason, rig.machine.since_ns) == (StopReason.STOP_ASKED, since)
    rig.wait(limits.ALL_OFF_AFTER_NS)
    assert rig.ask(ActuatorRequest.STOP) is StopReason.NONE
    rig.machine.bus_failed(rig.now)
    rig.machine.close(rig.now)
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.FAULT, StopReason.STOP_ASKED)


def test_fault_needs_a_person_and_boots_again(rig):
    """Nothing but clearing leaves a fault; then neutral counts from its first write."""
    rig.drive()
    rig.machine.bus_failed(rig.now)
    rig.wait(limits.ALL_OFF_AFTER_NS)
    assert rig.write() is None
    rig.send()
    for request in (ActuatorRequest.ARM, ActuatorRequest.DRIVE, ActuatorRequest.DISARM):
        rig.ask(request)
        assert rig.machine.state is ActuatorState.FAULT
    assert rig.ask(ActuatorRequest.CLEAR) is StopReason.NONE
    assert (rig.machine.state, rig.machine.reason, rig.machine.urgent) == (ActuatorState.BOOT, StopReason.NONE, True)
    assert rig.machine.due_ns() > NEVER
    assert rig.write() == Pulses(1450, 1446)
    assert rig.machine.due_ns() == rig.now + limits.NEUTRAL_BEFORE_ARMING_NS


def test_clearing_a_fault_counts_neutral_anew(rig):
    """However long neutral was on the wire before: two seconds of it come after the person has cleared the fault."""
    rig.boot()
    rig.ask(ActuatorRequest.STOP)
    rig.write()
    assert rig.wait(limits.ALL_OFF_AFTER_NS) is ActuatorState.FAULT
    assert rig.ask(ActuatorRequest.CLEAR) is StopReason.NONE
    assert rig.wait(1) is ActuatorState.BOOT


def test_off_does_not_count_as_neutral(rig):
    """Half a second of nothing between two neutral pulses starts the count again."""
    rig.boot()
    rig.ask(ActuatorRequest.STOP)
    rig.write()
    rig.wait(limits.ALL_OFF_AFTER_NS)
    rig.write()
    rig.ask(ActuatorRequest.CLEAR)
    rig.write()
    assert rig.wait(limits.NEUTRAL_BEFORE_ARMING_NS - 1) is ActuatorState.BOOT


def test_closing_stops_and_refuses_everything_else(rig):
    """Told to end, the machine stops hard and can only be stopped again."""
    rig.drive()
    rig.machine.close(rig.now)
    assert (rig.machine.state, rig.machine.reason, rig.machine.closing) == (
        ActuatorState.HARD_STOP,
        StopReason.CLOSING,
        True,
    )
    for request in (ActuatorRequest.ARM, ActuatorRequest.DRIVE, ActuatorRequest.DISARM, ActuatorRequest.CLEAR):
        assert rig.ask(request) is StopReason.CLOSING
    assert rig.ask(ActuatorRequest.STOP) is StopReason.NONE


@pytest.mark.parametrize(
    ("dt", "steering", "throttle"),
    [(20 * MS, 1650, 1406), (10 * MS, 1550, 1426), (1, 1450, 1446), (100_000, 1451, 1446), (60 * MS, 1650, 1406)],
)
def test_slew(rig, dt, steering, throttle):
    """Change by 200 and 40 µs a tick, by as much less as less time went by, and never by more."""
    rig.arm()
    rig.ask(ActuatorRequest.DRIVE)
    rig.now += dt
    rig.send(1311, 1700)
    assert rig.write() == Pulses(steering, throttle)


def test_slew_goes_both_ways(rig):
    """Back towards neutral and to the right as well."""
    rig.drive(1311, 1700)
    assert rig.tick(1446, 1200) == Pulses(1500, 1351)
    assert rig.tick(1446, 1200) == Pulses(1300, 1391)
    assert rig.tick(1603, 1200) == Pulses(1200, 1431)
    assert rig.tick(1603, 1200) == Pulses(1200, 1471)


@pytest.mark.parametrize(
    "trim", [CalibratedRange(100, 200, 300, 100, 200, 300), CalibratedRange(2500, 2600, 2700, 2500, 2600, 2700)]
)
def test_no_trim_reaches_beyond_the_absolute_limits(trim):
    """Whatever a file says, 900..2100 µs is what goes out."""
    rig = Rig(trim)
    edge = 900 if trim.throttle_stop < 900 else 2100
    assert rig.write() == Pulses(edge, edge)
    rig.machine.state = ActuatorState.DRIVING
    rig.machine.pilot_came(rig.now)
    rig.machine.state = ActuatorState.DRIVING
    rig.send(trim.throttle_high, trim.steering_high)
    assert rig.tick(trim.throttle_low, trim.steering_low) == Pulses(edge, edge)
    rig.machine._half_us = trim.throttle_high
    rig.machine.state = ActuatorState.SOFT_STOP
    assert rig.write() == Pulses(edge, edge)


def test_without_a_trim_nothing_goes_out():
    """No pulse in any state, no command accepted, no arming; a stop and its clearing lead back."""
    rig = Rig(None)
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.DISARMED, StopReason.NO_CALIBRATION)
    rig.machine.pilot_came(rig.now)
    assert not rig.send() and not rig.send(0, 0) and not rig.send(0, 1)
    assert rig.write() is None
    assert rig.ask(ActuatorRequest.ARM) is StopReason.NO_CALIBRATION
    rig.ask(ActuatorRequest.STOP)
    assert rig.write() is None
    rig.wait(limits.ALL_OFF_AFTER_NS)
    assert rig.ask(ActuatorRequest.CLEAR) is StopReason.NONE
    assert (rig.machine.state, rig.machine.reason) == (ActuatorState.DISARMED, StopReason.NO_CALIBRATION)
    assert rig.wait(limits.NEUTRAL_BEFORE_ARMING_NS) is ActuatorState.DISARMED


def test_every_reason_has_words():
    """A status is never without its reason."""
    assert all(reason.text or reason is StopReason.NONE for reason in StopReason)
    assert len({reason.text for reason in StopReason}) == len(StopReason)
