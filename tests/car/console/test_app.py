"""The console over real sockets on this machine: origin, host, token, closing, downloads (W1)."""

import contextlib
import http.client
import json
import threading

import pytest

from support.fake_pilot import FakePilot

fastapi = pytest.importorskip("fastapi", reason="install racer[car]")
uvicorn = pytest.importorskip("uvicorn", reason="install racer[car]")
client = pytest.importorskip("websockets.sync.client", reason="install racer[car]")

from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402

from racer.car.console.controller import ConsoleController  # noqa: E402
from racer.car.console.startup import make_server  # noqa: E402
from racer.car.models.parity import Parity  # noqa: E402
from racer.car.models.store import ModelStore  # noqa: E402
from support.camera_bundles import write_brightness_bundle  # noqa: E402
from support.processes import wait_for  # noqa: E402

TOKEN = "a-token-of-sixteen+"
PATIENCE_S = 20.0


class Served:
    """A console in a thread, on a free port."""

    def __init__(self, folder):
        self.pilot = FakePilot(b"\xff\xd8jpeg")
        self.store = ModelStore(folder / "store", check=lambda path: Parity(8, 0.0, 0.1))
        self.desk = ConsoleController(self.pilot, self.store, token=TOKEN)
        self.server = make_server(self.desk, host="127.0.0.1", port=0, names=["car.example"])
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        wait_for(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def request(self, method, path, **headers):
        """Status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    @contextlib.contextmanager
    def open(self, path="/ws", token=TOKEN, **more):
        """A page's websocket after its first message."""
        with client.connect(f"ws://127.0.0.1:{self.port}{path}", proxy=None, **more) as socket:
            socket.send(json.dumps({"token": token}))
            yield socket

    def close(self):
        """End it."""
        self.server.should_exit = True
        self.thread.join(PATIENCE_S)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for all tests here."""
    made = Served(tmp_path_factory.mktemp("console"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def calm(served):
    """Each test begins with a disarmed car and an empty seat."""
    wait_for(lambda: served.desk.operator.holder is None)
    served.pilot.state, served.pilot.asked, served.pilot.inputs = "DISARMED", [], []


def ask(socket, do, **more):
    """Send a message and take its reply, passing over statuses."""
    socket.send(json.dumps({"do": do, **more}))
    while "status" in (found := json.loads(socket.recv(PATIENCE_S))):
        pass
    return found


def status(socket):
    """The next status."""
    while "status" not in (found := json.loads(socket.recv(PATIENCE_S))):
        pass
    return found["status"]


def drive(socket):
    """Command, a heartbeat, arm, start."""
    assert ask(socket, "claim") == {"done": "claim"}
    beat(socket, 1, held=False)
    assert ask(socket, "arm", driver="manual") == {"done": "arm"}
    assert ask(socket, "start") == {"done": "start"}


def beat(socket, number, *, held=True):
    """A heartbeat that answers the newest stamp."""
    stamp = status(socket)["stamp"]
    more = {"seen": stamp, "press": number, "held": held, "steering": 0.0, "throttle": 0.4}
    socket.send(json.dumps({"do": "beat", "number": number, **more}))


def test_page_needs_nothing_from_elsewhere(served):
    """The page and its files name no other host; the policy of the page forbids it too."""
    for path in (
        "/",
        "/static/console.js",
        "/static/hold.js",
        "/static/panels.js",
        "/static/wizard.js",
        "/static/console.css",
    ):
        code, headers, body = served.request("GET", path)
        assert code == 200 and b"//" not in body.replace(b"// ", b"").replace(b"w3.org", b"").replace(b"}://", b"")
        assert "default-src 'none'" in headers["content-security-policy"]
    assert served.request("GET", "/static/../app.py")[0] == 404
    assert served.request("GET", "/static/absent.js")[0] == 404
    assert served.request("GET", "/docs")[0] == 404


@pytest.mark.parametrize("path", ["/api/models", "/api/log", "/api/board", "/api/telemetry.csv"])
def test_data_needs_the_token(served, path):
    """No token, no data."""
    assert served.request("GET", path)[0] == 401
    assert served.request("GET", path, Authorization="Bearer " + TOKEN[:-1])[0] == 401
    assert served.request("GET", path, Authorization="Bearer " + TOKEN)[0] == 200


def test_stop_needs_nothing(served):
    """Neither token nor origin nor command."""
    assert served.request("POST", "/api/stop", Origin="http://evil.example")[0] == 200
    assert served.pilot.state == "FAULT"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "[::1"])
def test_foreign_host_is_refused(served, host):
    """A name that is not ours is refused, whatever the path (DNS rebinding)."""
    assert served.request("GET", "/", Host=host)[0] in (400, 421)


@pytest.mark.parametrize("host", ["localhost:1", "192.168.1.7:8000", "CAR.example"])
def test_own_names_and_addresses(served, host):
    """An address is never a foreign site's; our own names are ours."""
    assert served.request("GET", "/", Host=host)[0] == 200


@pytest.mark.parametrize("path", ["/ws", "/ws/picture"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:1", "file://"])
def test_foreign_origin_is_refused(served, path, origin):
    """W1, bad origin: the handshake fails, although the token would be right."""
    with pytest.raises(InvalidStatus) as refused, served.open(path, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_own_origin(served):
    """The page's own origin is let in."""
    with served.open(origin=f"http://127.0.0.1:{served.port}") as socket:
        assert status(socket)["state"] == "DISARMED"


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000])
def test_wrong_token_is_closed(served, token):
    """W1, no token: one answer with the reason, then the end."""
    with served.open(token=token) as socket, pytest.raises(ConnectionClosed):
        for _ in range(3):
            assert "wrong token" in json.loads(socket.recv(PATIENCE_S))["error"]


def test_drive_and_close(served):
    """W1, close: the page that drives is gone, and the car is disarmed without waiting for a deadline."""
    with served.open() as socket:
        drive(socket)
        beat(socket, 2)
        wait_for(lambda: served.pilot.inputs and served.pilot.inputs[-1].throttle == 0.4)
        assert served.pilot.state == "DRIVING"
    wait_for(lambda: served.pilot.state == "DISARMED")
    assert any("is gone" in event["text"] for event in served.desk.log.events())


def test_silent_page(served):
    """W1, blackhole: an open connection that says nothing any more."""
    with served.open() as socket:
        drive(socket)
        wait_for(lambda: served.pilot.state == "DISARMED")
        assert any("nothing was heard" in event["text"] for event in served.desk.log.events())


def test_two_pages(served):
    """W1, two clients: the second is told no, may stop, and both see it."""
    with served.open() as one, served.open() as two:
        drive(one)
        assert "another page" in ask(two, "claim")["error"]
        assert "take command" in ask(two, "disarm")["error"]
        assert ask(two, "stop") == {"done": "stop"}
        assert served.pilot.state == "FAULT"


def test_flood(served):
    """W1, flood: the connection that floods is closed and its car disarmed; another page goes on."""
    with served.open() as watcher:
        with served.open() as socket:
            drive(socket)
            for k in range(400):
                socket.send(json.dumps({"do": "beat", "number": k + 10}))
            with pytest.raises(ConnectionClosed):
                for _ in range(1000):
                    socket.recv(PATIENCE_S)
        wait_for(lambda: served.pilot.state == "DISARMED")
        assert status(watcher)["state"] == "DISARMED"


@pytest.mark.parametrize(
    "text", ["", "[]", "nonsense", '{"do": {}}', '{"do": "eval"}', '{"do": "beat"}', "[" * 2000, b"\x00\xff"]
)
def test_nonsense(served, text):
    """Whatever comes is answered with a refusal; the page and the server live on."""
    with served.open() as socket:
        socket.send(text)
        while "error" not in (found := json.loads(socket.recv(PATIENCE_S))):
            pass
        assert "\n" not in found["error"] and status(socket)["state"] == "DISARMED"


def test_pictures(served):
    """A picture comes for each request, and none without."""
    with served.open("/ws/picture") as socket:
        for _ in range(3):
            socket.send("next")
            assert socket.recv(PATIENCE_S) == b"\xff\xd8jpeg"
        with pytest.raises(TimeoutError):
            socket.recv(0.1)


def test_models(served, tmp_path):
    """Choose a model and go back; what the pilot refuses does not become the one in use."""
    one = served.store.install(write_brightness_bundle(tmp_path / "one.bundle"))
    two = served.store.install(write_brightness_bundle(tmp_path / "two.bundle", hashes={"track": "0" * 64}))
    with served.open() as socket:
        ask(socket, "claim")
        assert ask(socket, "model", sha256=one.sha256) == {"done": "model"}
        assert ask(socket, "model", sha256=two.sha256) == {"done": "model"}
        said = json.loads(served.request("GET", "/api/models", Authorization="Bearer " + TOKEN)[2])
        assert (said["current"], said["previous"]) == (two.sha256, one.sha256)
        assert {card["name"] for card in said["models"]} == {"one", "two"}
        served.pilot.state = "ARMED"
        assert "disarm the car" in ask(socket, "rollback")["error"]
        served.pilot.state = "DISARMED"
        assert served.store.current == two.sha256
        assert ask(socket, "rollback") == {"done": "rollback"} and served.store.current == one.sha256
        assert "no model" in ask(socket, "model", sha256="../../etc")["error"]
