"""The window as a person uses it: keys, mouse and gamepad through the real loop, with a driver that shows nothing."""

import threading

import numpy as np
import pygame
import pytest

from racer.config.read import read_vehicle
from racer.errors import RacerError
from racer.viewer.controls import (
    DRIVING_KEYS,
    ZOOMS,
    ManualPolicy,
    Overlay,
    ViewerCommand,
    ViewMode,
    command_for_key,
    list_keys,
)
from racer.viewer.hud import draw_waiting
from racer.viewer.playback import ReplaySource
from racer.viewer.window import FRAMES_PER_S, ViewerWindow
from support.replays import ring_replay

FRAME = 1.0 / FRAMES_PER_S


@pytest.fixture
def open_window(tmp_path):
    """Opens windows, and closes them at the end."""

    def make(source=None, **options):
        options = {"size": (820, 520), "scale": 1.0, "folder": tmp_path, "clock": lambda: 0.0} | options
        window = ViewerWindow(source or ReplaySource(ring_replay(cars=3, boxes=2)), **options)
        window.frame(0.0)
        return window

    yield make
    pygame.quit()


@pytest.fixture
def window(open_window):
    """One on a replay of three cars."""
    return open_window()


def press(window, *keys, mod=0):
    """Press and let go keys, each in a frame of its own."""
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))
        window.frame(0.0)


def pixels(box=None):
    """The window's picture (H, W, 3), or a box of it."""
    image = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    if box is None:
        return image
    left, top, width, height = box
    return image[top : top + height, left : left + width]


def key_of(command):
    """The first key of a command."""
    return command.keys[0][1]


def test_every_command_has_a_key_and_a_line():
    """Give each command a key, each key one command, and each a line in the list."""
    keys = [key for command in ViewerCommand for _, key in command.keys]
    assert all(command.keys for command in ViewerCommand) and len(keys) == len(set(keys))
    assert len(list_keys()) == len(ViewerCommand)
    assert all(told and name for name, told in list_keys())
    assert len({command.value for command in ViewerCommand}) == len(ViewerCommand)


def test_pause_steps_and_speed(window):
    """Stop, step ahead and back, double and halve the speed to its ends."""
    window.frame(0.5)
    at = window.playback.at
    press(window, pygame.K_SPACE)
    window.frame(1.0)
    assert window.playback.paused and window.playback.at == at == pytest.approx(7.5)
    press(window, pygame.K_PERIOD)
    assert window.playback.at == 8.0
    press(window, pygame.K_COMMA, pygame.K_COMMA)
    assert window.playback.at == 6.0
    press(window, pygame.K_SPACE, *[pygame.K_PLUS] * 9)
    assert not window.playback.paused and window.playback.speed == 64.0
    press(window, *[pygame.K_MINUS] * 12)
    assert window.playback.speed == 0.25
    window.frame(1.0)
    assert window.playback.at == pytest.approx(6.0 + 0.25 * 15.0)


def test_skip_restart_and_play_again(window):
    """Skip five seconds either way, go back to the start, and start over after the end."""
    press(window, pygame.K_RIGHT)
    assert window.playback.at == 59.0  # there is less than that
    press(window, pygame.K_LEFT)
    assert window.playback.at == 0.0
    window.frame(100.0)
    assert window.playback.ended
    press(window, pygame.K_SPACE)
    assert window.playback.at == 0.0 and not window.playback.paused
    window.frame(1.0)
    press(window, pygame.K_r)
    assert window.playback.at == 0.0


def test_follow_view_and_zoom(window):
    """Go through cars, views and zooms, with shift backwards."""
    press(window, pygame.K_TAB, pygame.K_n)
    assert window.choices.follow == 2
    press(window, pygame.K_TAB)
    assert window.choices.follow == 0
    press(window, pygame.K_TAB, mod=pygame.KMOD_LSHIFT)
    assert window.choices.follow == 2
    press(window, pygame.K_p)
    assert window.choices.follow == 1
    seen = []
    for _ in range(3):
        press(window, pygame.K_v)
        seen.append(window.choices.view)
    assert seen == [ViewMode.CHASE, ViewMode.CAMERA, ViewMode.TRACK]
    press(window, *[pygame.K_z] * 20)
    assert window.choices.zoom == len(ZOOMS) - 1
    press(window, *[pygame.K_x] * 20)
    assert window.choices.zoom == 0


@pytest.mark.parametrize("overlay", list(Overlay))
def test_each_overlay_changes_the_picture(open_window, overlay):
    """Switch each overlay and see it on the track, and switch it back."""
    window = open_window(ReplaySource(ring_replay(cars=2, rewarded=True)))
    window.playback.seek(30.0)
    press(window, pygame.K_SPACE)
    scene = (0, 0, 548, 480)
    before = pixels(scene).copy()
    key = key_of(ViewerCommand[overlay.name])
    press(window, key)
    changed = (pixels(scene) != before).any(axis=2).sum()
    assert changed > 100
    press(window, key)
    assert np.array_equal(pixels(scene), before)


def test_inset_and_help_change_the_picture(window):
    """Hide the camera and show the keys."""
    press(window, pygame.K_SPACE)
    before = pixels().copy()
    press(window, pygame.K_c)
    changed = (pixels() != before).any(axis=2)
    assert changed[300:, 560:].sum() > 20_000 and not changed[:, :548].any()
    press(window, pygame.K_c, pygame.K_F1)
    changed = (pixels() != before).any(axis=2)
    assert window.choices.help and changed[100:400, 100:450].mean() > 0.9
    press(window, pygame.K_h)
    assert np.array_equal(pixels(), before)


def test_heat_without_rewards_says_so(window):
    """Say how to get rewards where there are none."""
    press(window, pygame.K_4)
    assert "no rewards" in window.choices.note


def test_notes_go_away(open_window):
    """Show a line for three seconds of the clock."""
    now = [0.0]
    window = open_window(clock=lambda: now[0])
    window.show_note("hello")
    now[0] = 2.9
    window.frame(FRAME)
    assert window.choices.note == "hello"
    now[0] = 3.1
    window.frame(FRAME)
    assert window.choices.note == ""


def test_screenshots_are_saved(window, tmp_path):
    """Write what is shown as a PNG, twice in a second under two names."""
    press(window, pygame.K_SPACE)
    before = pixels().copy()
    press(window, pygame.K_s)
    press(window, pygame.K_F12)
    files = sorted(tmp_path.glob("racer-*.png"))
    assert len(files) == 2 and str(files[0].name)[:10] in window.choices.note
    image = pygame.image.load(files[0]) if len(files[0].name) < len(files[1].name) else pygame.image.load(files[1])
    assert np.array_equal(pygame.surfarray.array3d(image).swapaxes(0, 1), before)


def test_quit_by_key_and_by_the_windows_own_button(open_window):
    """Close on q, on escape, and when the window is closed."""
    for event in (
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q, mod=0),
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, mod=0),
        pygame.event.Event(pygame.QUIT),
    ):
        window = open_window()
        pygame.event.post(event)
        window.run()
        assert window.closed


class Slow(ReplaySource):
    """Goes on only when it is let; stands for kernels that are compiled."""

    def __init__(self, replay):
        """Nobody may go yet."""
        super().__init__(replay)
        self.may, self.asked, self.error = threading.Event(), 0, None

    def step(self):
        """Wait."""
        self.asked += 1
        assert self.may.wait(60.0)
        if self.error is not None:
            raise self.error
        return False


def test_a_window_answers_while_kernels_are_compiled(open_window, monkeypatch):
    """Say what it waits for, go on when it is done, and show the moment then."""
    source, told = Slow(ring_replay()), []
    window = open_window(source)

    def draw(surface, texts, seconds, *, closing):
        draw_waiting(surface, texts, seconds + 3, closing=closing)
        told.append((seconds, closing, len(np.unique(pixels().reshape(-1, 3), axis=0))))
        source.may.set()

    monkeypatch.setattr("racer.viewer.hud.draw_waiting", draw)
    window.prepare()
    assert told[0][:2] == (0, False) and told[0][2] > 3 and source.asked == 1
    window.frame(0.0)
    assert len(np.unique(pixels().reshape(-1, 3), axis=0)) > 50


def test_a_window_can_be_closed_while_kernels_are_compiled(open_window, monkeypatch):
    """Press q meanwhile: it ends after the part that is being compiled."""
    source = Slow(ring_replay())
    window = open_window(source)
    monkeypatch.setattr(window._painter, "prepare", lambda moment: iter((source.may.wait(60.0), True)))
    monkeypatch.setattr("racer.viewer.hud.draw_waiting", lambda *_, closing: closing and source.may.set())
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q, mod=0))
    window.run()
    assert window.closed and source.asked == 0


def test_what_goes_wrong_while_preparing_is_told(open_window):
    """Raise what the first control step raises, and close the window."""
    source = Slow(ring_replay())
    source.error = RacerError("no such thing")
    source.may.set()
    with pytest.raises(RacerError, match="no such thing"):
        open_window(source).run()
    assert not pygame.display.get_init()


def test_mouse_scrubs_the_time_line(window):
    """Go where the line is clicked and dragged; let go outside of it."""
    press(window, pygame.K_SPACE)
    left, width, y = 150, 548 - 150 - 84, 500

    def mouse(kind, x, at=y, **more):
        pygame.event.post(pygame.event.Event(kind, pos=(x, at), **more))
        window.frame(0.0)

    mouse(pygame.MOUSEBUTTONDOWN, left + width // 2, button=1)
    assert window.playback.at == pytest.approx(29.5, abs=0.2)
    mouse(pygame.MOUSEMOTION, left + width, buttons=(1, 0, 0), rel=(0, 0))
    assert window.playback.at == 59.0
    mouse(pygame.MOUSEBUTTONUP, left, button=1)
    mouse(pygame.MOUSEMOTION, left, buttons=(0, 0, 0), rel=(0, 0))
    assert window.playback.at == 59.0
    mouse(pygame.MOUSEBUTTONDOWN, left, at=100, button=1)
    assert window.playback.at == 59.0


def test_mouse_follows_a_car_and_zooms(window):
    """Follow a car whose line in the ranking is clicked; zoom with the wheel."""
    press(window, pygame.K_c)  # the camera leaves no room for the third line
    for y in range(230, 480, 10):
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(620, y), button=1))
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONUP, pos=(620, y), button=1))
        window.frame(0.0)
        if window.choices.follow == 2:
            break
    assert window.choices.follow == 2
    pygame.event.post(pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=1))
    window.frame(0.0)
    assert window.choices.zoom == 1


@pytest.mark.parametrize("size", [(1600, 900), (500, 400), (120, 90), (2560, 1600)])
def test_any_size_is_filled(open_window, size):
    """Fill windows of all sizes in each view, the narrow ones without a panel."""
    window = open_window(size=size)
    for _ in ViewMode:
        pygame.display.get_surface().fill((255, 0, 255))
        window.frame(0.0)
        assert not (pixels() == (255, 0, 255)).all(axis=2).any()
        press(window, pygame.K_v)


def test_dense_screens_get_more_pixels(open_window):
    """Draw text and lines twice as large with two pixels to a point, in a window of twice as many."""
    window = open_window(size=(640, 400), scale=2.0)
    assert pygame.display.get_surface().get_size() == (1280, 800)
    assert window._painter.texts.label("x", 12).get_height() > 20
    assert open_window(scale=1.0)._painter.texts.label("x", 12).get_height() < 14


def test_no_display_is_one_line(monkeypatch):
    """Say that there is no display, and what to do."""
    pygame.quit()
    for key in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(RacerError, match=r"No display to open a window on.*`racer video`") as caught:
        ViewerWindow(ReplaySource(ring_replay()))
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("SDL_VIDEODRIVER", "nonsense")
    with pytest.raises(RacerError, match="No display"):
        ViewerWindow(ReplaySource(ring_replay()))


def test_a_person_drives_with_the_arrow_keys(open_window):
    """Turn keys that are held into turn and throttle; arrows do not skip then."""
    person = ManualPolicy(read_vehicle("deepracer"), control_dt=1 / 15)
    window = open_window(person=person)
    window.playback.seek(30.0)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP, mod=0))
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_LEFT, mod=0))
    window.frame(0.0)
    assert person.keys == (1.0, 1.0) and window.playback.at == 30.0 and window.choices.follow == 2
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_UP, mod=0))
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_RIGHT, mod=0))
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_DOWN, mod=0))
    window.frame(0.0)
    assert person.keys == (0.0, -1.0)
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    window.frame(0.0)
    assert person.keys == (0.0, 0.0)
    assert all(command_for_key(key, driving=True) is None for key in DRIVING_KEYS)
    assert list_keys(driving=True)[0][0] == "arrows"


class Pad:
    """A gamepad with a stick and two triggers."""

    def __init__(self, *axes):
        self.axes = axes

    def get_numaxes(self):
        return len(self.axes)

    def get_axis(self, k):
        return self.axes[k]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ((-0.5, 0.0, -1.0, 0.0, 0.0, 1.0), (0.5, 1.0)),  # stick left, right trigger pulled
        ((0.0, 0.0, 1.0, 0.0, 0.0, -1.0), (0.0, -1.0)),  # left trigger: brake
        ((1.0, -0.6), (-1.0, 0.6)),  # no triggers: the stick itself
        ((0.01, 0.02), None),  # at rest: the keyboard counts
    ],
)
def test_a_gamepad_drives(open_window, axes, expected):
    """Read stick and triggers; a pad at rest leaves the keyboard alone."""
    person = ManualPolicy(read_vehicle("deepracer"), control_dt=1 / 15)
    window = open_window(person=person)
    window._pads[0] = Pad(*axes)
    window.frame(0.0)
    assert person.pad == (None if expected is None else pytest.approx(expected))


def test_playback_starts_at_real_time(window):
    """Start at normal speed."""
    assert window.playback.speed == 1.0
