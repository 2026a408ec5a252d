"""State machine that decides every pulse: events and times come in, pulses go out; it does no I/O.

    BOOT ──2 s neutral──> DISARMED ──a person arms──> ARMED ──a person starts──> DRIVING
     ^                       ^  ^───────stale──────────┘                          │    │
     │                       └──────────── SOFT_STOP <──────stale input, asked────┘    │
     └──a person clears── FAULT <──0.5 s── HARD_STOP <──everything else (any state)────┘

Liveness depends on fresh input alone: a command counts if its sequence number is new, its frame if the frame's number
*and* time are new. A pilot that repeats its last input, at any rate, is treated as dead.

Times are integer nanoseconds of one monotonic clock that the pilot shares; pulses are integer microseconds.
"""

from __future__ import annotations

from typing import Final

from racer.car.actuator import limits
from racer.car.actuator.states import (
    ActuatorCommand,
    ActuatorRequest,
    ActuatorState,
    CalibratedRange,
    CommandSource,
    Pulses,
    StopReason,
)

NEVER: Final = (1 << 63) - 1

_INPUT_DEADLINE_NS: Final = {
    CommandSource.FRAME: limits.FRAME_DEADLINE_NS,
    CommandSource.PERSON: limits.PERSON_DEADLINE_NS,
}
_INPUT_LATE: Final = {CommandSource.FRAME: StopReason.FRAME_LATE, CommandSource.PERSON: StopReason.PERSON_LATE}
_MOVING: Final = (ActuatorState.ARMED, ActuatorState.DRIVING, ActuatorState.SOFT_STOP)

_NO_COMMAND: Final = ActuatorCommand(CommandSource.FRAME, -1, -1, -1, -limits.COMMAND_DEADLINE_NS, 0, 0)
"""Placeholder before the first command: older than every command, and stale at any time."""

_NO_RANGE: Final = CalibratedRange(1, 0, 0, 1, 0, 0)
"""Empty range (low above high), which allows no command."""


class ActuatorStateMachine:
    """State of one car. Without a calibrated range it never outputs a pulse and cannot be armed.

    The process reports events, calls `advance` whenever it wakes, writes `pulses` at every tick and at once if
    `urgent`, and reports the result of the write by `written` or `bus_failed`.
    """

    def __init__(self, *, trim: CalibratedRange | None, now_ns: int) -> None:
        self.trim = trim or _NO_RANGE
        self.blocked = trim is None
        self.state = ActuatorState.DISARMED if self.blocked else ActuatorState.BOOT
        self.reason = StopReason.NO_CALIBRATION if self.blocked else StopReason.NONE
        self.since_ns = now_ns
        self.urgent = True
        self.rejected = 0
        self.command = _NO_COMMAND
        self.pilot = False
        self.closing = False
        self._at_rest = Pulses(self.trim.steering_centre, self.trim.throttle_stop)
        self._out = self._at_rest
        self._on = False
        self._out_ns = now_ns
        self._neutral_since_ns = NEVER
        self._half_us = 0
        self._fresh_until_ns = 0

    # Events.

    def pilot_came(self, now_ns: int) -> None:
        """Record that a pilot connected; its sequence numbers start again, and the car has to be armed again."""
        self.pilot_gone(now_ns)
        self.pilot = True

    def pilot_gone(self, now_ns: int) -> None:
        """Record that the pilot's connection or process ended; a moving car stops hard."""
        self.pilot = False
        self.command = _NO_COMMAND
        if self.state in _MOVING:
            self._enter(ActuatorState.HARD_STOP, StopReason.PILOT_GONE, now_ns)

    def take(self, command: ActuatorCommand, now_ns: int) -> bool:
        """Accept a command as the newest, or count it as rejected; a rejected command extends no deadline."""
        if not (self.pilot and self._is_new(command, now_ns) and self._is_allowed(command)):
            self.rejected += 1
            return False
        # Only a newer input extends the input deadline: a repeated frame does not, however often it is sent.
        if command.captured_ns > self.command.captured_ns:
            self._fresh_until_ns = command.captured_ns + _INPUT_DEADLINE_NS[command.source]
        self.command = command
        return True

    def request(self, request: ActuatorRequest, now_ns: int) -> StopReason:
        """Handle an operator's request; return `StopReason.NONE` if it is granted, else the reason of the refusal."""
        if request is ActuatorRequest.STOP:
            self._stop_hard(StopReason.STOP_ASKED, now_ns)
            return StopReason.NONE
        if self.closing:
            return StopReason.CLOSING
        if request is ActuatorRequest.ARM:
            return self._arm(now_ns)
        if request is ActuatorRequest.DRIVE:
            return self._drive(now_ns)
        if request is ActuatorRequest.DISARM:
            return self._disarm(now_ns)
        return self._clear(now_ns)

    def advance(self, now_ns: int) -> None:
        """Apply everything that depends on time: deadlines, the end of a stop, the end of boot."""
        age = now_ns - self.since_ns
        if self.state is ActuatorState.BOOT:
            # Boot outputs neutral, so that the speed controller is ready before a person can arm the car.
            if self._neutral_long_enough(now_ns):
                self._enter(ActuatorState.DISARMED, StopReason.NONE, now_ns)
        elif self.state is ActuatorState.HARD_STOP:
            if age >= limits.ALL_OFF_AFTER_NS:
                self._enter(ActuatorState.FAULT, self.reason, now_ns)
        elif self.state is ActuatorState.ARMED:
            if stale := self._stale(now_ns):
                self._enter(ActuatorState.DISARMED, stale, now_ns)
        elif self.state is ActuatorState.DRIVING:
            self._advance_driving(now_ns)
        elif self.state is ActuatorState.SOFT_STOP:
            # A pilot that becomes silent during a soft stop gets the harder one.
            if self._stale(now_ns) is StopReason.COMMAND_LATE:
                self._enter(ActuatorState.HARD_STOP, StopReason.COMMAND_LATE, now_ns)
            elif age >= limits.TICK_NS:
                self._enter(ActuatorState.DISARMED, self.reason, now_ns)

    def bus_failed(self, now_ns: int) -> None:
        """Record that a bus write failed after all attempts; the pulses on the wire are unknown."""
        self._neutral_since_ns = NEVER
        self._stop_hard(StopReason.BUS, now_ns)

    def close(self, now_ns: int) -> None:
        """Stop hard, then switch everything off, because the process received a signal to end."""
        self.closing = True
        self._stop_hard(StopReason.CLOSING, now_ns)

    def written(self, now_ns: int) -> None:
        """Record that the last result of `pulses` is on the wire, and since when the throttle is neutral."""
        if self._on and self._out.throttle_us == self.trim.throttle_stop:
            self._neutral_since_ns = min(self._neutral_since_ns, now_ns)
        else:
            self._neutral_since_ns = NEVER

    # What to do.

    def due_ns(self) -> int:
        """Return the latest time of the next `advance` [ns]; `NEVER` if no deadline is pending."""
        # The loop wakes at these times besides its ticks, so that no deadline waits for the next tick.
        if self.state in (ActuatorState.ARMED, ActuatorState.DRIVING):
            return min(self._command_until_ns(), self._fresh_until_ns)
        if self.state is ActuatorState.SOFT_STOP:
            return min(self._command_until_ns(), self.since_ns + limits.TICK_NS)
        if self.state is ActuatorState.HARD_STOP:
            return self.since_ns + limits.ALL_OFF_AFTER_NS
        if self.state is ActuatorState.BOOT:
            return self._neutral_since_ns + limits.NEUTRAL_BEFORE_ARMING_NS
        return NEVER

    def pulses(self, now_ns: int) -> Pulses | None:
        """Return the pulses that the outputs must carry from now on; None is off."""
        self.urgent = False
        # Slew is per tick. A late write must not be allowed a larger step, hence at most one tick of change.
        part = min(now_ns - self._out_ns, limits.TICK_NS)
        self._out_ns = now_ns
        self._on = not self.blocked and self.state is not ActuatorState.FAULT
        self._out = Pulses(self._steering(part), self._throttle(part)) if self._on else self._at_rest
        return self._out if self._on else None

    # Inside.

    def _enter(self, state: ActuatorState, reason: StopReason, now_ns: int) -> None:
        self.state, self.reason, self.since_ns = state, reason, now_ns
        self.urgent = True

    def _command_until_ns(self) -> int:
        return self.command.sent_ns + limits.COMMAND_DEADLINE_NS

    def _stale(self, now_ns: int) -> StopReason:
        """Return which input is too old for the car to move; the command is checked first, because it stops harder."""
        if now_ns >= self._command_until_ns():
            return StopReason.COMMAND_LATE
        return _INPUT_LATE[self.command.source] if now_ns >= self._fresh_until_ns else StopReason.NONE

    def _neutral_long_enough(self, now_ns: int) -> bool:
        return now_ns - self._neutral_since_ns >= limits.NEUTRAL_BEFORE_ARMING_NS

    def _is_new(self, command: ActuatorCommand, now_ns: int) -> bool:
        """Return whether numbers and times increase and no time lies in the future."""
        if not command.captured_ns <= command.sent_ns <= now_ns:
            return False
        last = self.command
        if command.seq <= last.seq or command.sent_ns < last.sent_ns:
            return False
        # The numbers of another source are not comparable; it may take over by a newer input, but never while driving.
        if command.source is not last.source:
            return self.state is not ActuatorState.DRIVING and command.captured_ns > last.captured_ns
        if command.input_id == last.input_id:
            return command.captured_ns == last.captured_ns
        return command.input_id > last.input_id and command.captured_ns > last.captured_ns

    def _is_allowed(self, command: ActuatorCommand) -> bool:
        """Return whether the pulses lie in the calibrated range.

        A command outside it is rejected and not clipped, because only a broken pilot sends one.
        """
        trim = self.trim
        return (
            trim.steering_low <= command.steering_us <= trim.steering_high
            and trim.throttle_low <= command.throttle_us <= trim.throttle_high
        )

    def _advance_driving(self, now_ns: int) -> None:
        stale = self._stale(now_ns)
        # Checked first: a loop that was suspended broke its own deadline, whatever fresh input waits.
        if now_ns - self._out_ns >= limits.LOOP_LATE_NS:
            self._enter(ActuatorState.HARD_STOP, StopReason.LOOP_LATE, now_ns)
        elif stale is StopReason.COMMAND_LATE:
            self._enter(ActuatorState.HARD_STOP, stale, now_ns)
        elif stale:
            self._stop_softly(stale, now_ns)

    def _stop_softly(self, reason: StopReason, now_ns: int) -> None:
        self._half_us = (self._out.throttle_us + self.trim.throttle_stop) // 2
        self._enter(ActuatorState.SOFT_STOP, reason, now_ns)

    def _stop_hard(self, reason: StopReason, now_ns: int) -> None:
        """Stop hard from any state; a stop that is under way keeps its reason and its end."""
        if self.state not in (ActuatorState.HARD_STOP, ActuatorState.FAULT):
            self._enter(ActuatorState.HARD_STOP, reason, now_ns)

    def _arm(self, now_ns: int) -> StopReason:
        if self.blocked:
            return StopReason.NO_CALIBRATION
        if self.state is not ActuatorState.DISARMED:
            return StopReason.NOT_DISARMED
        if not self.pilot:
            return StopReason.NO_PILOT
        if not self._neutral_long_enough(now_ns):
            return StopReason.NEUTRAL_TOO_SHORT
        if stale := self._stale(now_ns):
            return stale
        if self.command.throttle_us != self.trim.throttle_stop:
            return StopReason.THROTTLE_NOT_NEUTRAL
        self._enter(ActuatorState.ARMED, StopReason.NONE, now_ns)
        return StopReason.NONE

    def _drive(self, now_ns: int) -> StopReason:
        if self.state is not ActuatorState.ARMED:
            return StopReason.NOT_ARMED
        if stale := self._stale(now_ns):
            return stale
        self._enter(ActuatorState.DRIVING, StopReason.NONE, now_ns)
        return StopReason.NONE

    def _disarm(self, now_ns: int) -> StopReason:
        if self.state is ActuatorState.DRIVING:
            self._stop_softly(StopReason.DISARM_ASKED, now_ns)
        elif self.state is ActuatorState.ARMED:
            self._enter(ActuatorState.DISARMED, StopReason.DISARM_ASKED, now_ns)
        return StopReason.NONE

    def _clear(self, now_ns: int) -> StopReason:
        if self.state is not ActuatorState.FAULT:
            return StopReason.NO_FAULT
        if self.blocked:
            self._enter(ActuatorState.DISARMED, StopReason.NO_CALIBRATION, now_ns)
        else:
            # BOOT requires the whole time of neutral again.
            self._neutral_since_ns = NEVER
            self._enter(ActuatorState.BOOT, StopReason.NONE, now_ns)
        return StopReason.NONE

    def _steering(self, part_ns: int) -> int:
        """Return the steering pulse [µs]: centre at rest, the command when armed, held during a stop.

        Straight wheels during a stop in a bend would leave the road.
        """
        wanted = self._out.steering_us
        if self.state in (ActuatorState.BOOT, ActuatorState.DISARMED):
            wanted = self.trim.steering_centre
        elif self.state in (ActuatorState.ARMED, ActuatorState.DRIVING):
            wanted = self.command.steering_us
        step = limits.STEERING_SLEW_US * part_ns // limits.TICK_NS
        return _clamp_pulse(_step_towards(self._out.steering_us, wanted, step))

    def _throttle(self, part_ns: int) -> int:
        """Return the throttle pulse [µs]: neutral except while driving and in the one period of a soft stop.

        Driving limits the change per tick; the soft stop outputs half of the last throttle.
        """
        if self.state is ActuatorState.DRIVING:
            step = limits.THROTTLE_SLEW_US * part_ns // limits.TICK_NS
            return _clamp_pulse(_step_towards(self._out.throttle_us, self.command.throttle_us, step))
        return _clamp_pulse(self._half_us if self.state is ActuatorState.SOFT_STOP else self.trim.throttle_stop)


def _step_towards(at: int, wanted: int, step: int) -> int:
    return max(at - step, min(at + step, wanted))


def _clamp_pulse(pulse_us: int) -> int:
    return max(limits.PULSE_MIN_US, min(limits.PULSE_MAX_US, pulse_us))
