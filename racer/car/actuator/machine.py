"""The state machine that decides every pulse: events and times in, pulses out, no I/O.

    BOOT ──2 s neutral──> DISARMED ──a person arms──> ARMED ──a person starts──> DRIVING
     ^                       ^  ^───────stale──────────┘                          │    │
     │                       └──────────── SOFT_STOP <──────stale input, asked────┘    │
     └──a person clears── FAULT <──0.5 s── HARD_STOP <──everything else (any state)────┘

Liveness hangs on fresh input and on nothing else: a command counts when its sequence number is new, its frame when
the frame's number *and* time are new. A pilot that repeats itself at any rate is a dead pilot.

Times are integer nanoseconds of one monotonic clock that the pilot shares; pulses are integer microseconds.
"""

from __future__ import annotations

from typing import Final

from racer.car.actuator import limits
from racer.car.actuator.words import Command, Pulses, Reason, Request, Source, State, Trim

NEVER: Final = (1 << 63) - 1

_INPUT_DEADLINE_NS: Final = {Source.FRAME: limits.FRAME_DEADLINE_NS, Source.PERSON: limits.PERSON_DEADLINE_NS}
_INPUT_LATE: Final = {Source.FRAME: Reason.FRAME_LATE, Source.PERSON: Reason.PERSON_LATE}
_MOVING: Final = (State.ARMED, State.DRIVING, State.SOFT_STOP)

_NO_COMMAND: Final = Command(-1, Source.FRAME, -1, -1, -limits.COMMAND_DEADLINE_NS, 0, 0)
"""Older than every command, and stale at any time."""

_NO_TRIM: Final = Trim(1, 0, 0, 1, 0, 0)
"""Allows no command."""


class Machine:
    """One car's state. Without a trim it never puts out a pulse and cannot be armed.

    The process feeds events, calls `advance` whenever it wakes, writes `pulses` at every tick and at once where
    `urgent`, and reports how that went with `written` or `bus_failed`.
    """

    def __init__(self, *, trim: Trim | None, now_ns: int) -> None:
        self.trim = trim or _NO_TRIM
        self.blocked = trim is None
        self.state = State.DISARMED if self.blocked else State.BOOT
        self.reason = Reason.NO_CALIBRATION if self.blocked else Reason.NONE
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
        """A pilot connected; its sequence numbers start anew, and so does arming."""
        self.pilot_gone(now_ns)
        self.pilot = True

    def pilot_gone(self, now_ns: int) -> None:
        """The pilot's connection or process ended."""
        self.pilot = False
        self.command = _NO_COMMAND
        if self.state in _MOVING:
            self._enter(State.HARD_STOP, Reason.PILOT_GONE, now_ns)

    def take(self, command: Command, now_ns: int) -> bool:
        """Accept a command as the newest, or count it as rejected; a rejected one keeps nothing alive."""
        if not (self.pilot and self._is_new(command, now_ns) and self._is_allowed(command)):
            self.rejected += 1
            return False
        if command.captured_ns > self.command.captured_ns:
            self._fresh_until_ns = command.captured_ns + _INPUT_DEADLINE_NS[command.source]
        self.command = command
        return True

    def ask(self, request: Request, now_ns: int) -> Reason:
        """A person's request; `Reason.NONE` where it is granted, else why not."""
        if request is Request.STOP:
            return self._stop(now_ns)
        if self.closing:
            return Reason.CLOSING
        if request is Request.ARM:
            return self._arm(now_ns)
        if request is Request.DRIVE:
            return self._drive(now_ns)
        if request is Request.DISARM:
            return self._disarm(now_ns)
        return self._clear(now_ns)

    def advance(self, now_ns: int) -> None:
        """Let time pass: deadlines, the end of a stop, the end of boot."""
        age = now_ns - self.since_ns
        if self.state is State.BOOT:
            if self._neutral_long_enough(now_ns):
                self._enter(State.DISARMED, Reason.NONE, now_ns)
        elif self.state is State.HARD_STOP:
            if age >= limits.ALL_OFF_AFTER_NS:
                self._enter(State.FAULT, self.reason, now_ns)
        elif self.state is State.ARMED:
            if stale := self._stale(now_ns):
                self._enter(State.DISARMED, stale, now_ns)
        elif self.state is State.DRIVING:
            self._advance_driving(now_ns)
        elif self.state is State.SOFT_STOP:
            if self._stale(now_ns) is Reason.COMMAND_LATE:
                self._enter(State.HARD_STOP, Reason.COMMAND_LATE, now_ns)
            elif age >= limits.TICK_NS:
                self._enter(State.DISARMED, self.reason, now_ns)

    def bus_failed(self, now_ns: int) -> None:
        """A bus write failed for good; what is on the wire is not known."""
        self._neutral_since_ns = NEVER
        if self.state not in (State.HARD_STOP, State.FAULT):
            self._enter(State.HARD_STOP, Reason.BUS, now_ns)

    def close(self, now_ns: int) -> None:
        """The process was told to end: stop hard, then everything off."""
        self.closing = True
        if self.state not in (State.HARD_STOP, State.FAULT):
            self._enter(State.HARD_STOP, Reason.CLOSING, now_ns)

    def written(self, now_ns: int) -> None:
        """What `pulses` gave last is on the wire."""
        if self._on and self._out.throttle_us == self.trim.throttle_stop:
            self._neutral_since_ns = min(self._neutral_since_ns, now_ns)
        else:
            self._neutral_since_ns = NEVER

    # What to do.

    def due_ns(self) -> int:
        """When `advance` must be called next, at the latest; `NEVER` where nothing waits."""
        if self.state in (State.ARMED, State.DRIVING):
            return min(self._command_until_ns(), self._fresh_until_ns)
        if self.state is State.SOFT_STOP:
            return min(self._command_until_ns(), self.since_ns + limits.TICK_NS)
        if self.state is State.HARD_STOP:
            return self.since_ns + limits.ALL_OFF_AFTER_NS
        if self.state is State.BOOT:
            return self._neutral_since_ns + limits.NEUTRAL_BEFORE_ARMING_NS
        return NEVER

    def pulses(self, now_ns: int) -> Pulses | None:
        """What the outputs must carry from now; None is off."""
        self.urgent = False
        part = min(now_ns - self._out_ns, limits.TICK_NS)
        self._out_ns = now_ns
        self._on = not self.blocked and self.state is not State.FAULT
        self._out = Pulses(self._steering(part), self._throttle(part)) if self._on else self._at_rest
        return self._out if self._on else None

    # Inside.

    def _enter(self, state: State, reason: Reason, now_ns: int) -> None:
        self.state, self.reason, self.since_ns = state, reason, now_ns
        self.urgent = True

    def _command_until_ns(self) -> int:
        return self.command.sent_ns + limits.COMMAND_DEADLINE_NS

    def _stale(self, now_ns: int) -> Reason:
        """What is missing for the car to move; the command first, which stops harder."""
        if now_ns >= self._command_until_ns():
            return Reason.COMMAND_LATE
        return _INPUT_LATE[self.command.source] if now_ns >= self._fresh_until_ns else Reason.NONE

    def _neutral_long_enough(self, now_ns: int) -> bool:
        return now_ns - self._neutral_since_ns >= limits.NEUTRAL_BEFORE_ARMING_NS

    def _is_new(self, command: Command, now_ns: int) -> bool:
        """Whether numbers and times go forwards and none lies in the future."""
        if not command.captured_ns <= command.sent_ns <= now_ns:
            return False
        last = self.command
        if command.seq <= last.seq or command.sent_ns < last.sent_ns:
            return False
        if command.source is not last.source:
            return self.state is not State.DRIVING and command.captured_ns > last.captured_ns
        if command.input_id == last.input_id:
            return command.captured_ns == last.captured_ns
        return command.input_id > last.input_id and command.captured_ns > last.captured_ns

    def _is_allowed(self, command: Command) -> bool:
        """Whether the pulses lie in the calibrated range; a pilot that asks for more is broken, not obeyed a little."""
        trim = self.trim
        return (
            trim.steering_low <= command.steering_us <= trim.steering_high
            and trim.throttle_low <= command.throttle_us <= trim.throttle_high
        )

    def _advance_driving(self, now_ns: int) -> None:
        stale = self._stale(now_ns)
        if now_ns - self._out_ns >= limits.LOOP_LATE_NS:
            self._enter(State.HARD_STOP, Reason.LOOP_LATE, now_ns)
        elif stale is Reason.COMMAND_LATE:
            self._enter(State.HARD_STOP, stale, now_ns)
        elif stale:
            self._stop_softly(stale, now_ns)

    def _stop_softly(self, reason: Reason, now_ns: int) -> None:
        self._half_us = (self._out.throttle_us + self.trim.throttle_stop) // 2
        self._enter(State.SOFT_STOP, reason, now_ns)

    def _stop(self, now_ns: int) -> Reason:
        if self.state not in (State.HARD_STOP, State.FAULT):
            self._enter(State.HARD_STOP, Reason.STOP_ASKED, now_ns)
        return Reason.NONE

    def _arm(self, now_ns: int) -> Reason:
        if self.blocked:
            return Reason.NO_CALIBRATION
        if self.state is not State.DISARMED:
            return Reason.NOT_DISARMED
        if not self.pilot:
            return Reason.NO_PILOT
        if not self._neutral_long_enough(now_ns):
            return Reason.NEUTRAL_TOO_SHORT
        if stale := self._stale(now_ns):
            return stale
        if self.command.throttle_us != self.trim.throttle_stop:
            return Reason.THROTTLE_NOT_NEUTRAL
        self._enter(State.ARMED, Reason.NONE, now_ns)
        return Reason.NONE

    def _drive(self, now_ns: int) -> Reason:
        if self.state is not State.ARMED:
            return Reason.NOT_ARMED
        if stale := self._stale(now_ns):
            return stale
        self._enter(State.DRIVING, Reason.NONE, now_ns)
        return Reason.NONE

    def _disarm(self, now_ns: int) -> Reason:
        if self.state is State.DRIVING:
            self._stop_softly(Reason.DISARM_ASKED, now_ns)
        elif self.state is State.ARMED:
            self._enter(State.DISARMED, Reason.DISARM_ASKED, now_ns)
        return Reason.NONE

    def _clear(self, now_ns: int) -> Reason:
        if self.state is not State.FAULT:
            return Reason.NO_FAULT
        if self.blocked:
            self._enter(State.DISARMED, Reason.NO_CALIBRATION, now_ns)
        else:
            self._neutral_since_ns = NEVER
            self._enter(State.BOOT, Reason.NONE, now_ns)
        return Reason.NONE

    def _steering(self, part_ns: int) -> int:
        """Centre at rest, as asked when armed, held in a stop: straightening out in a bend leaves the road."""
        wanted = self._out.steering_us
        if self.state in (State.BOOT, State.DISARMED):
            wanted = self.trim.steering_centre
        elif self.state in (State.ARMED, State.DRIVING):
            wanted = self.command.steering_us
        step = limits.STEERING_SLEW_US * part_ns // limits.TICK_NS
        return _clamped(_towards(self._out.steering_us, wanted, step))

    def _throttle(self, part_ns: int) -> int:
        """Neutral but when driving, and half of what it was in the first period of a soft stop."""
        if self.state is State.DRIVING:
            step = limits.THROTTLE_SLEW_US * part_ns // limits.TICK_NS
            return _clamped(_towards(self._out.throttle_us, self.command.throttle_us, step))
        return _clamped(self._half_us if self.state is State.SOFT_STOP else self.trim.throttle_stop)


def _towards(at: int, wanted: int, step: int) -> int:
    return max(at - step, min(at + step, wanted))


def _clamped(pulse_us: int) -> int:
    return max(limits.PULSE_MIN_US, min(limits.PULSE_MAX_US, pulse_us))
