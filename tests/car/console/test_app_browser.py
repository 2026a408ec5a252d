"""The page in a real browser: STOP by finger and by space bar, the held button, going away, phone and desk widths."""

import io
import threading

import pytest

from support.fake_pilot import FakePilot

pytest.importorskip("fastapi", reason="install racer[car]")
pytest.importorskip("uvicorn", reason="install racer[car]")
pytest.importorskip("websockets", reason="install racer[car]")
Image = pytest.importorskip("PIL.Image", reason="install racer[car]")

from racer.car.actuator.states import Pulses  # noqa: E402
from racer.car.calibration.calibration import DriverConfig  # noqa: E402
from racer.car.calibration.wizard import CalibrationWizard  # noqa: E402
from racer.car.console.controller import ConsoleController, WizardSession  # noqa: E402
from racer.car.console.startup import make_server  # noqa: E402
from racer.car.models.parity import Parity  # noqa: E402
from racer.car.models.store import ModelStore  # noqa: E402
from support.browser import Browser, chromium  # noqa: E402
from support.camera_bundles import write_brightness_bundle  # noqa: E402
from support.processes import wait_for  # noqa: E402

pytestmark = pytest.mark.skipif(chromium() is None, reason="install chromium")
TOKEN = "a-token-of-sixteen+"


class NoBench:
    """A bench that notes what it was asked to show."""

    def __init__(self):
        self.shown = []

    def show(self, pulses, seconds=1.0):
        """Note it."""
        self.shown.append(pulses)

    def stop(self):
        """Note it."""
        self.shown.append("stop")

    def close(self):
        """Note it."""
        self.shown.append("close")


class Scene:
    """A console with a fake pilot, two models, a wizard, and a browser on it."""

    def __init__(self, folder):
        jpeg = io.BytesIO()
        Image.new("RGB", (160, 120), (60, 60, 60)).save(jpeg, "JPEG")
        self.pilot = FakePilot(jpeg.getvalue()).measured()
        self.bench, self.saved = NoBench(), []
        store = ModelStore(folder / "store", check=lambda path: Parity(8, 6.8e-8, 0.9))
        store.use(store.install(write_brightness_bundle(folder / "oval-camera.bundle")).sha256)
        store.use(store.install(write_brightness_bundle(folder / "reinvent.bundle", hashes={"track": "0" * 64})).sha256)
        driver = DriverConfig(kind="sim", device="x")
        wizard = WizardSession(lambda: (CalibrationWizard(car_id="test", driver=driver), self.bench), self.saved.append)
        self.desk = ConsoleController(self.pilot, store, token=TOKEN, wizard=wizard)
        self.server = make_server(self.desk, host="127.0.0.1", port=0)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        wait_for(lambda: self.server.started)
        self.address = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}/"
        self.browser = Browser(folder / "profile", self.address)

    def enter(self):
        """Open the address with the token, and wait for the first status."""
        self.browser.ask("Page.navigate", url="about:blank")
        wait_for(lambda: self.desk.operator.holder is None)
        self.pilot.state, self.pilot.asked, self.pilot.inputs = "DISARMED", [], []
        self.browser.ask("Page.navigate", url=f"{self.address}#token={TOKEN}")
        self.browser.until("document.querySelectorAll('#model-list li').length === 2")
        return self.browser

    def drive(self, driver="manual"):
        """Take command, arm and start with the page's own buttons."""
        page = self.enter()
        page.click("#claim")
        page.until("!document.querySelector('#release').hidden && !document.querySelector('#arm').disabled")
        page.run(f"document.querySelector('[value={driver}]').click()")
        page.click("#arm")
        page.until("!document.querySelector('#start').disabled")
        page.click("#start")
        page.until("document.querySelector('#state').textContent === 'driving'")
        return page

    def close(self):
        """End all of it."""
        self.browser.close()
        self.server.should_exit = True
        self.thread.join(20.0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """One browser for all tests here."""
    made = Scene(tmp_path_factory.mktemp("scene"))
    yield made
    made.close()


def throttle(scene):
    """What the pilot was last told."""
    return scene.pilot.inputs[-1].throttle if scene.pilot.inputs else None


def test_stop_without_a_token(scene):
    """The page that was not let in can still stop the car."""
    page = scene.browser
    page.ask("Page.navigate", url=scene.address)
    page.until("document.querySelector('#login') && !document.querySelector('#login').hidden")
    scene.pilot.asked = []
    page.click("#stop")
    wait_for(lambda: scene.pilot.asked)
    assert scene.pilot.asked[0][0] == "stop"


def test_space_bar_stops_wherever_the_focus_is(scene):
    """On a slider, a radio button, another button: the space bar is STOP and nothing else."""
    for focused in ("#limit", "[name=driver][value=policy]", "#arm", "#download", "body"):
        page = scene.drive("policy")
        page.run(f"document.querySelector('{focused}').focus()")
        before = list(scene.pilot.asked)
        page.key("Space")
        page.key("Space", "keyUp")
        page.until("document.querySelector('#state').textContent === 'fault'")
        assert {one[0] for one in scene.pilot.asked[len(before) :]} == {"stop"}


def test_held_button(scene):
    """Throttle while the finger is down, further up is more, none when it is lifted."""
    page = scene.drive()
    x, y = page.middle("#pad")
    page.mouse("mousePressed", (x, y))
    wait_for(lambda: throttle(scene))
    low = throttle(scene)
    page.mouse("mouseMoved", (x - 50, y - 60))
    wait_for(lambda: throttle(scene) > low and scene.pilot.inputs[-1].steering > 0)
    page.mouse("mouseReleased", (x, y))
    wait_for(lambda: throttle(scene) == 0.0)
    assert scene.pilot.state == "DRIVING"


def test_arrow_keys(scene):
    """The arrow keys drive as long as they are down."""
    page = scene.drive()
    page.key("ArrowUp")
    page.key("ArrowRight")
    wait_for(lambda: throttle(scene) == 1.0 and scene.pilot.inputs[-1].steering == -1.0)
    page.key("ArrowUp", "keyUp")
    wait_for(lambda: throttle(scene) == 0.0)
    page.key("ArrowRight", "keyUp")


@pytest.mark.parametrize("event", ["blur", "hidden", "close"])
def test_going_away_lets_go(scene, event):
    """W1: another window, a locked phone, a closed page: the throttle is let go of although the finger is down."""
    page = scene.drive()
    x, y = page.middle("#pad")
    page.mouse("mousePressed", (x, y - 20))
    wait_for(lambda: throttle(scene))
    if event == "blur":
        page.run("window.dispatchEvent(new Event('blur'))")
        wait_for(lambda: throttle(scene) == 0.0)
    elif event == "hidden":
        page.run("Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                 "document.dispatchEvent(new Event('visibilitychange')); delete document.hidden")  # fmt: skip
        wait_for(lambda: scene.pilot.state == "DISARMED")
    else:
        page.ask("Page.navigate", url="about:blank")
        wait_for(lambda: scene.pilot.state == "DISARMED")
    page.mouse("mouseReleased", (x, y))


def test_speed_limit_and_model(scene):
    """30 % until it is changed; a model is chosen by its button after a question."""
    page = scene.enter()
    assert page.run("document.querySelector('#limit').value") == "30"
    page.click("#claim")
    page.until("!document.querySelector('#limit').disabled")
    page.run("const s = document.querySelector('#limit'); s.value = 55; s.dispatchEvent(new Event('input'));"
             "s.dispatchEvent(new Event('change'))")  # fmt: skip
    wait_for(lambda: scene.pilot.limit == 0.55)
    scene.pilot.limit = 0.3
    before = scene.desk.store.current
    page.run("window.confirm = () => true")
    page.click("[data-use]")
    wait_for(lambda: scene.desk.store.current != before)


def test_wizard(scene):
    """A question, a pulse changed and shown, the next question; STOP reaches the bench; cancel leaves."""
    page = scene.enter()
    page.click("#claim")
    page.until(
        "document.querySelector('#wizard-body button') && !document.querySelector('#wizard-body button').disabled"
    )
    page.click("#wizard-body button")
    page.until("document.querySelector('#wizard-body h3').textContent.includes('Lift the car')")
    page.click("#wizard-body .go")
    page.until("document.querySelector('#wizard-body .pulse').textContent === '1500 µs'")
    page.run("[...document.querySelectorAll('#wizard-body button')].find(b => b.textContent === '+10').click()")
    page.until("document.querySelector('#wizard-body .pulse').textContent === '1510 µs'")
    page.run(
        "[...document.querySelectorAll('#wizard-body button')].find(b => b.textContent.startsWith('Show')).click()"
    )
    wait_for(lambda: Pulses(1510, 1500) in scene.bench.shown)
    page.click("#stop")
    wait_for(lambda: "stop" in scene.bench.shown)
    page.run("[...document.querySelectorAll('#wizard-body button')].find(b => b.textContent === 'Cancel').click()")
    page.until("document.querySelector('#wizard-body button').textContent === 'Begin calibration'")
    assert scene.bench.shown[-1] == "close" and scene.saved == []


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (1280, 900)])
def test_fits_every_screen(scene, width, height):
    """Nothing is wider than the screen, and STOP is on it, large, and not covered, however far one scrolls."""
    page = scene.enter()
    page.size(width, height)
    try:
        assert page.run("document.documentElement.scrollWidth") <= width
        for top in (0, 10**6):
            page.run(f"window.scrollTo(0, {top})")
            x, y = page.middle("#stop")
            assert page.run(f"document.elementFromPoint({x}, {y}).closest('#stop') !== null")
            box = page.run(
                "(b => [b.width, b.height, b.bottom])(document.querySelector('#stop').getBoundingClientRect())"
            )
            assert box[0] > 0.85 * min(width, 1150) and box[1] > 60 and box[2] <= height
    finally:
        page.size(390, 844)


def test_nothing_from_elsewhere_and_no_errors(scene):
    """Every request of the page goes to the car itself, and the token is not in its address."""
    page = scene.enter()
    urls = page.run("performance.getEntriesByType('resource').map(e => e.name)")
    assert urls and all(url.startswith((scene.address, "blob:")) for url in urls)
    assert TOKEN not in page.run("location.href")
