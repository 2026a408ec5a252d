"""The console's rules without a web server and with an injected clock: who commands, what is fresh, what stops (W1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.car.actuator import limits
from racer.car.console.controller import ConsoleController, MessageRateExceeded
from racer.car.console.operator_lock import DEADMAN_NS, PAGE_LOST_NS, ConsoleRefusal, Heartbeat
from racer.car.models.store import ModelStore
from support.fake_pilot import FakePilot

TOKEN = "a-token-of-sixteen+"
MS = 1_000_000


class Room:
    """A desk, its fake pilot, a clock, and one page that behaves well."""

    def __init__(self, folder):
        self.now = 10**12
        self.pilot = FakePilot()
        self.desk = ConsoleController(self.pilot, ModelStore(folder), token=TOKEN, clock=lambda: self.now)
        self.page = self.desk.open_page(TOKEN)
        self.number = 0

    def pass_(self, ms):
        """Time goes by; the desk looks after things every 50 ms, as the server does."""
        for _ in range(int(ms // 10)):
            self.now += 10 * MS
            if self.now // MS % 50 == 0:
                self.desk.tick()

    def do(self, what, page=None, **more):
        """A message of a page."""
        self.desk.handle_message(page or self.page, {"do": what, **more})

    def beat(self, page=None, *, age=0, number=None, press=1, held=True, throttle=0.5, steering=0.2):
        """A heartbeat that answers a stamp of this age, ms."""
        self.number += 1
        number = self.number if number is None else number
        more = {"press": press, "held": held, "throttle": throttle, "steering": steering}
        self.do("beat", page, number=number, seen=(self.now - age * MS) // 1000, **more)

    def drive(self, driver="manual"):
        """As a person does it."""
        self.do("claim")
        self.beat(held=False, press=0)
        self.do("arm", driver=driver)
        self.do("start")
        assert self.pilot.state == "DRIVING"
        return self


@pytest.fixture
def room(tmp_path):
    """A fresh room."""
    return Room(tmp_path)


def test_limits_are_the_actuators():
    """The deadman is restated here; it must be the same number."""
    assert DEADMAN_NS == limits.PERSON_DEADLINE_NS


def test_driving_by_hand(room):
    """Fresh heartbeats with the button held reach the pilot with rising numbers and the time that they arrived."""
    room.drive()
    for _ in range(20):
        room.beat()
        room.pass_(50)
    fresh = room.pilot.inputs[-20:]
    assert {one.throttle for one in fresh} == {0.5} and {one.steering for one in fresh} == {0.2}
    assert [one.number for one in fresh] == list(range(fresh[0].number, fresh[0].number + 20))
    assert fresh[-1].heard_ns == room.now - 50 * MS and room.pilot.state == "DRIVING"


def test_button_up_is_no_throttle(room):
    """Letting go asks for no throttle at once, and the car stays ready."""
    room.drive().beat()
    room.beat(held=False)
    assert (room.pilot.inputs[-1].throttle, room.pilot.inputs[-1].steering) == (0.0, 0.0)
    assert room.pilot.state == "DRIVING"


def test_silence_stops_in_time(room):
    """W1, drop of the network: 300 ms after the last fresh heartbeat, and at the next look, the car is disarmed."""
    room.drive().beat()
    room.pass_(290)
    assert room.pilot.state == "DRIVING"
    room.pass_(70)
    assert room.pilot.state == "DISARMED"
    assert any("nothing was heard" in event["text"] for event in room.desk.log.events())


def test_held_over_a_stop_never_moves_it_again(room):
    """After the deadman expired the same press is dead; a new one counts once the car is armed anew."""
    room.drive().beat(press=3)
    room.pass_(400)
    room.beat(press=3)
    assert room.pilot.inputs[-1].throttle == 0.0
    room.do("arm", driver="manual")
    room.do("start")
    room.beat(press=3)
    assert room.pilot.inputs[-1].throttle == 0.0
    room.beat(press=4)
    assert room.pilot.inputs[-1].throttle == 0.5


def test_each_page_counts_its_own_presses(room):
    """A new page's first press drives, however often the button of the page before was pressed."""
    room.drive().beat(press=7)
    room.desk.close_page(room.page)
    room.page, room.number = room.desk.open_page(TOKEN), 0
    room.drive().beat(press=1)
    assert room.pilot.inputs[-1].throttle == 0.5


def test_replayed_old_numbers_do_not_count(room):
    """W1, replay: heartbeats with numbers that were seen do not keep the car alive."""
    room.drive().beat()
    old = room.number
    count = len(room.pilot.inputs)
    for _ in range(20):
        room.beat(number=old)
        room.beat(number=old - 1)
        room.pass_(20)
    assert len(room.pilot.inputs) == count and room.pilot.state == "DISARMED"


def test_zombie_with_rising_numbers_does_not_count(room):
    """W1, zombie: rising numbers, but the stamp that it answers stands still, as a stuck page's or a buffer's would."""
    room.drive().beat()
    seen = room.now
    for _ in range(60):
        room.pass_(20)
        room.beat(age=(room.now - seen) // MS)
    assert room.pilot.state == "DISARMED"
    assert room.pilot.inputs[-1].heard_ns - seen <= 300 * MS


def test_burst_after_a_blackhole_does_not_count(room):
    """W1, blackhole: what the network held back for a second arrives in one burst and moves nothing."""
    room.drive().beat()
    count = len(room.pilot.inputs)
    room.pass_(1000)
    for age in range(1000, 310, -50):
        room.beat(age=age)
    assert len(room.pilot.inputs) == count and room.pilot.state == "DISARMED"


@pytest.mark.parametrize("age", [-1, 301, 10**6])
def test_stamp_from_the_future_or_the_past(room, age):
    """A stamp that we did not just send is not fresh."""
    room.do("claim")
    room.beat(age=age)
    assert room.pilot.inputs == []


@pytest.mark.parametrize("driver", ["manual", "policy"])
def test_page_closed_stops_at_once(room, driver):
    """W1, close: no deadline has to run out."""
    room.drive(driver)
    room.desk.close_page(room.page)
    assert room.pilot.state == "DISARMED" and room.desk.view(None)["command"] == "free"


def test_policy_stops_when_its_page_is_lost(room):
    """The model drives on over a short silence and stops after two seconds of it."""
    room.drive("policy")
    room.pass_(PAGE_LOST_NS / MS - 100)
    assert room.pilot.state == "DRIVING"
    room.pass_(200)
    assert room.pilot.state == "DISARMED"


def test_one_commander(room):
    """W1, two clients: the second moves nothing, may stop, and takes over only by stopping the car."""
    room.drive().beat()
    other = room.desk.open_page(TOKEN)
    count = len(room.pilot.inputs)
    room.beat(other, number=10**6)
    assert len(room.pilot.inputs) == count
    for what in ("arm", "start", "disarm", "clear", "limit", "model", "rollback", "wizard"):
        with pytest.raises(ConsoleRefusal, match="take command"):
            room.do(what, other, driver="manual", share=1.0)
    with pytest.raises(ConsoleRefusal, match="another page commands"):
        room.do("claim", other)
    assert room.pilot.state == "DRIVING"
    room.do("claim", other, force=True)
    assert room.pilot.state == "DISARMED" and room.desk.view(other)["command"] == "mine"
    with pytest.raises(ConsoleRefusal, match="take command"):
        room.do("arm", driver="manual")


def test_anybody_may_stop(room):
    """Neither command nor token is needed, from any state."""
    room.drive()
    other = room.desk.open_page(TOKEN)
    room.do("stop", other)
    assert room.pilot.state == "FAULT"
    room.do("clear")
    room.desk.stop("somebody")
    assert room.pilot.asked[-1] == ("stop", "stopped from the console by somebody")


def test_lost_commander_loses_the_seat(room):
    """Another page may take command without force when nothing is heard of the first."""
    room.do("claim")
    room.pass_(2200)
    room.do("claim", room.desk.open_page(TOKEN))


def test_flood_is_closed_and_never_drives_longer(room):
    """W1, flood of 1000 a second: the connection is closed; 20 a second go on for ever."""
    room.drive()
    with pytest.raises(MessageRateExceeded):
        for _ in range(1000):
            room.now += MS
            room.beat()
    room.desk.close_page(room.page)
    assert room.pilot.state == "DISARMED"
    calm = room.desk.open_page(TOKEN)
    for _ in range(2000):
        room.now += 50 * MS
        room.beat(calm)


def test_flood_of_stops_stops(room):
    """A STOP is never counted as flood."""
    room.drive()
    for _ in range(1000):
        room.do("stop")
    assert room.pilot.state == "FAULT"


def test_slow_page_may_not_arm(room):
    """Where heartbeats do not come in time, arming is refused before anything moves."""
    room.do("claim")
    room.pass_(350)
    with pytest.raises(ConsoleRefusal, match="too slow to drive by"):
        room.do("arm", driver="manual")


@pytest.mark.parametrize("token", ["", "a", TOKEN[:-1], TOKEN + "x", "é" * 20])
def test_wrong_token(room, token):
    """W1, no token: nothing but the token opens."""
    with pytest.raises(ConsoleRefusal, match="wrong token"):
        room.desk.open_page(token)


def test_short_token_is_refused(tmp_path):
    """A token that can be guessed is none."""
    with pytest.raises(ConsoleRefusal, match="at least 16"):
        ConsoleController(FakePilot(), ModelStore(tmp_path), token="secret")


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan"), "1", None, True])
def test_speed_limit_is_a_share(room, share):
    """Above 0, up to 1, a number."""
    room.do("claim")
    with pytest.raises(ConsoleRefusal, match="fraction above 0"):
        room.do("limit", share=share)
    room.do("limit", share=0.5)
    assert room.pilot.limit == 0.5


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3), max_leaves=4)  # fmt: skip


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Heartbeat.__dataclass_fields__, JSON)))
@settings(max_examples=200, deadline=None)
def test_any_heartbeat_is_fine_or_refused(data):
    """Whatever comes, it becomes finite numbers in their ranges, or one refusal."""
    try:
        beat = Heartbeat.of(data)
    except ConsoleRefusal:
        return
    assert -1 <= beat.steering <= 1 and 0 <= beat.throttle <= 1 and type(beat.held) is bool


@given(
    st.lists(
        st.sampled_from(["claim", "arm", "start", "disarm", "stop", "clear", "beat", "stale", "wait", "long", "close"]),
        max_size=40,
    )
)
@settings(max_examples=100, deadline=None)
def test_moves_only_with_a_live_commander(tmp_path_factory, events):
    """In any order of events: while the car drives there is a commander of whom something fresh was heard in time."""
    room = Room(tmp_path_factory.getbasetemp())
    for event in events:
        try:
            if event == "beat":
                room.beat()
            elif event == "stale":
                room.beat(age=5000)
            elif event in ("wait", "long"):
                room.pass_(100 if event == "wait" else 1000)
            elif event == "close":
                room.desk.close_page(room.page)
            else:
                room.do(event, driver="manual")
        except Exception as error:
            assert "\n" not in str(error)
        if room.pilot.state == "DRIVING":
            assert room.desk.operator.holder is not None and room.now - room.desk.operator.heard_ns <= 350 * MS


def test_telemetry_and_events(room):
    """Samples become a table with a line each; a change of state becomes an event."""
    room.pilot.measured()
    room.drive().beat()
    room.pass_(200)
    head, *rows = room.desk.log.csv().splitlines()
    assert head.startswith("at_s,state,reason,driver") and "latency_p99_ms" in head and len(rows) == 4
    assert ",DRIVING," in rows[-1] and "52.3" in rows[-1]
    assert room.desk.log.events()[0]["text"] == "DRIVING"
