"""Cameras, and the thread from them to the mailbox (catalogue C1). OpenCV reads films; picamera2 is stood in for."""

import importlib
import socket
import time
from types import SimpleNamespace

import numpy as np
import pytest

from racer.car.camera.capture import CameraCapture, save_png, watch_camera
from racer.car.camera.sources import (
    FRAME_HEADER,
    FRAME_MAGIC,
    CameraError,
    PiCamera,
    ReplayCamera,
    SocketCamera,
    V4l2Camera,
    open_camera,
    pack_frame,
    pack_measurement,
)
from racer.car.faults import FrameChecks
from racer.car.mailbox import CameraFrame, Mailbox
from racer.config.env import CameraConfig
from racer.errors import MissingExtra
from support.recorded_drives import noise as picture

SHAPE = (24, 32, 1)
CONFIG = CameraConfig(width=32, height=24, rate_hz=30.0)
WELL = 3


class Script:
    """A camera that does what a list says: frames, None for the end, or an error to raise."""

    def __init__(self, *acts):
        self.acts = list(acts)
        self.closed = False

    def read(self):
        """The next act."""
        act = self.acts.pop(0) if self.acts else None
        if isinstance(act, Exception):
            raise act
        return act

    def close(self):
        """Remember it."""
        self.closed = True


def good(number):
    """A good frame."""
    return CameraFrame(number, 33 * number, picture(number))


def capture_of(*acts):
    """A capture over a script, not started, and its mailbox."""
    box = Mailbox()
    return CameraCapture(Script(*acts), box, FrameChecks(SHAPE), clock=lambda: 10**12, recovery_frames=WELL), box


def test_newest_good_frame_is_in_the_mailbox():
    """Take three frames: the last waits, two were dropped."""
    capture, box = capture_of(*map(good, (1, 2, 3)))
    assert all(capture.step() for _ in range(3))
    assert box.take().number == 3 and box.dropped == 2
    assert capture.fault is None and capture.frames == 3 and capture.last_ns == 99


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (None, "camera_ended"),
        (OSError("unplugged"), "camera_failed"),
        (RuntimeError("a library's bug"), "camera_failed"),
        (CameraFrame(2, 70, picture(2, (24, 30, 1))), "frame_wrong"),
        (CameraFrame(2, 70, picture(2).astype(np.float32)), "frame_wrong"),
        (CameraFrame(2, 20, picture(2)), "frame_time"),
    ],
)
def test_what_goes_wrong_is_named_and_reaches_nobody(act, name):
    """Let the second frame go wrong: the fault is named, and the mailbox keeps nothing of it."""
    capture, box = capture_of(good(1), act)
    capture.run()
    # A script ends after its last act; what went wrong before that is shown by the steps alone.
    if name.startswith("frame"):
        capture, box = capture_of(good(1), act)
        capture.step()
        capture.step()
    assert capture.fault.name == name
    assert box.take().number == 1 and box.take() is None
    if isinstance(act, Exception):
        assert str(act) in capture.fault.text


def test_a_fault_is_over_after_enough_good_frames():
    """Follow a wrong frame with good ones: the fault stays for all but the last of them."""
    capture, _ = capture_of(good(1), CameraFrame(2, 70, picture(2)[..., 0]), *map(good, range(3, 3 + WELL)))
    faults = []
    for _ in range(2 + WELL):
        capture.step()
        faults.append(capture.fault and capture.fault.name)
    assert faults == [None, *["frame_wrong"] * WELL, None]


def test_closing_is_no_fault():
    """Close a camera whose read then ends or fails."""
    for act in (None, OSError("closed")):
        capture, _ = capture_of(act)
        capture.close()
        capture.run()
        assert capture.fault is None


def test_thread_takes_frames_until_the_end():
    """Run the real thread over a script."""
    capture, box = capture_of(*map(good, range(1, 6)))
    capture.start()
    capture._thread.join(5.0)
    assert box.take().number == 5 and capture.fault.name == "camera_ended"
    capture.close()


def recording(path, count=4, **more):
    """A file of frames."""
    frames = np.stack([picture(k) for k in range(count)])
    np.savez(path, frames=frames, **more)
    return frames


def test_replay_gives_all_frames_in_their_own_time(tmp_path):
    """Write and replay: the same pixels, times apart as recorded, then the end."""
    frames = recording(tmp_path / "drive.npz", captured_ns=np.array([5, 1_000_005, 3_000_005, 4_000_005]))
    camera = ReplayCamera(tmp_path / "drive.npz")
    seen = [camera.read() for _ in range(5)]
    assert seen[4] is None
    assert np.array_equal(np.stack([frame.pixels for frame in seen[:4]]), frames)
    times = np.array([frame.captured_ns for frame in seen[:4]])
    assert (times - times[0]).tolist() == [0, 1_000_000, 3_000_000, 4_000_000]
    assert times[3] <= time.monotonic_ns()


def test_replay_ends_when_closed(tmp_path):
    """Close before the next frame is due: the read comes back at once with the end."""
    recording(tmp_path / "drive.npz", captured_ns=np.array([0, 10**12, 2 * 10**12, 3 * 10**12]))
    camera = ReplayCamera(tmp_path / "drive.npz")
    assert camera.read() is not None
    camera.close()
    assert camera.read() is None


@pytest.mark.parametrize("content", [None, b"no zip", {"other": 1}, {"frames": np.zeros((3, 4), np.uint8)}])
def test_replay_of_no_recording_is_refused(tmp_path, content):
    """Name a file that is missing, no npz, without frames, or with something else as frames."""
    path = tmp_path / "x.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(CameraError, match=r"x\.npz"):
        ReplayCamera(path)


@pytest.mark.parametrize("words", ["", "sim", "sim:", "replay:", "webcam", "picamera"])
def test_unknown_cameras_are_refused(words):
    """Give words that name no camera: the message lists those that do."""
    with pytest.raises(CameraError, match="v4l2"):
        open_camera(words, CONFIG)


def test_simulators_frames_arrive_whole(tmp_path):
    """Send frames in odd pieces over a socket: each arrives as it was, then the end."""
    path = str(tmp_path / "eye")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(1)
        camera = open_camera(f"sim:{path}", CONFIG)
        peer, _ = listener.accept()
    sent = [CameraFrame(k, 1000 * k, picture(k)) for k in (1, 2)]
    data = b"".join(map(pack_frame, sent))
    for at in range(0, len(data), 211):
        peer.sendall(data[at : at + 211])
    peer.close()
    for frame in sent:
        got = camera.read()
        assert (got.number, got.captured_ns) == (frame.number, frame.captured_ns)
        assert np.array_equal(got.pixels, frame.pixels)
    assert camera.read() is None
    camera.close()


def test_measurements_come_between_the_frames(tmp_path):
    """Two measurements before a frame and one after: the frames are as before, the measurements come in order."""
    path, got = str(tmp_path / "c"), []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(1)
        camera = SocketCamera(path, measured=lambda *row: got.append(row))
        peer, _ = listener.accept()
    rows = [(10, 1.5, -0.25), (20, 1.6, 0.0), (30, 0.0, 3.0)]
    packed = [pack_measurement(*row) for row in rows]
    peer.sendall(packed[0] + packed[1] + pack_frame(good(1)) + packed[2] + pack_frame(good(2)))
    peer.close()
    assert [camera.read().number, camera.read().number, camera.read()] == [1, 2, None]
    assert got == rows
    camera.close()


def test_simulator_that_talks_nonsense_or_is_not_there(tmp_path):
    """Send a wrong magic: an error, no frame. Connect to nothing: refused."""
    path = str(tmp_path / "eye")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(1)
        camera = SocketCamera(path)
        peer, _ = listener.accept()
    peer.sendall(FRAME_HEADER.pack(b"NOPE", *SHAPE, 0, 1, 1))
    with pytest.raises(OSError, match="not a frame"):
        camera.read()
    peer.sendall(FRAME_HEADER.pack(FRAME_MAGIC, *SHAPE, 0, 1, 1) + b"half")
    peer.close()
    assert camera.read() is None
    camera.close()
    with pytest.raises(CameraError, match="no simulator"):
        SocketCamera(str(tmp_path / "nobody"))


class FakeCv2:
    """As much of OpenCV as the driver uses."""

    CAP_V4L2, CAP_PROP_BUFFERSIZE, CAP_PROP_FRAME_WIDTH, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FPS = range(5)
    COLOR_BGR2GRAY, COLOR_BGR2RGB = "grey", "rgb"

    def __init__(self, pictures, opens=True):
        self.pictures, self.opens, self.settings = list(pictures), opens, {}

    def VideoCapture(self, device, api):  # noqa: N802
        """A camera."""
        self.device = device
        return SimpleNamespace(
            isOpened=lambda: self.opens, set=self.settings.__setitem__, release=lambda: None,
            read=lambda: (True, self.pictures.pop(0)) if self.pictures else (False, None),
        )  # fmt: skip

    def cvtColor(self, picture, code):  # noqa: N802
        """BGR to RGB, or the first channel."""
        return picture[..., 0] if code == "grey" else picture[..., ::-1]


def test_usb_camera_keeps_one_buffer_and_turns_bgr_around():
    """Read a colour and a grey picture after the one that tells the size; then the camera gives no more."""
    first, bgr = picture(0, (24, 32, 3)), picture(1, (24, 32, 3))
    cv2 = FakeCv2([first, bgr])
    camera = V4l2Camera("/dev/video7", CameraConfig(width=32, height=24, colour="rgb", rate_hz=20.0), cv2=cv2)
    assert cv2.settings == {1: 1, 2: 32, 3: 24, 4: 20.0} and cv2.device == "/dev/video7"
    assert np.array_equal(camera.read().pixels, bgr[..., ::-1])
    with pytest.raises(OSError, match="no frame"):
        camera.read()
    assert V4l2Camera("x", CONFIG, cv2=FakeCv2([first, bgr])).read().pixels.shape == (24, 32, 1)
    with pytest.raises(CameraError, match="/dev/video9"):
        V4l2Camera("/dev/video9", CONFIG, cv2=FakeCv2([], opens=False))
    with pytest.raises(CameraError, match="/dev/video8 opens but gives no picture"):
        V4l2Camera("/dev/video8", CONFIG, cv2=FakeCv2([]))


def film(path, cv2, size, frames):
    """A file of so many frames, each brighter than the one before, the left half red."""
    width, height = size
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter_fourcc(*"MJPG"), 20.0, size)
    for number in range(frames):
        bgr = np.full((height, width, 3), 40 + 20 * number, np.uint8)
        bgr[:, : width // 2] = (0, 0, 200)
        writer.write(bgr)
    writer.release()
    return path


def opencv_with_files():
    """The real OpenCV, which opens files in the place of a device."""
    cv2 = importlib.import_module("cv2")
    names = {name: getattr(cv2, name) for name in dir(cv2) if name.startswith(("CAP_", "COLOR_"))}
    return SimpleNamespace(
        **names, cvtColor=cv2.cvtColor, VideoCapture=lambda path, api: cv2.VideoCapture(path, cv2.CAP_OPENCV_MJPEG)
    )


@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_usb_camera_with_the_real_opencv(tmp_path, colour):
    """Read a film through OpenCV itself: red is the first channel, or dark grey; the end is an error."""
    cv2 = pytest.importorskip("cv2")
    path = film(tmp_path / "film.avi", cv2, (64, 48), 3)
    camera = V4l2Camera(str(path), CameraConfig(width=64, height=48, colour=colour), cv2=opencv_with_files())
    seen = [camera.read() for _ in range(2)]
    assert [frame.number for frame in seen] == [1, 2] and seen[0].captured_ns < seen[1].captured_ns
    channels = {"grey": [60.0], "rgb": [200.0, 0.0, 0.0]}[colour]  # ITU-R BT.601: 0.299 of red
    for frame, right in zip(seen, (60.0, 80.0), strict=True):
        assert frame.pixels.shape == (48, 64, len(channels)) and frame.pixels.dtype == np.uint8
        assert np.allclose(frame.pixels[:, :24].mean((0, 1)), channels, atol=3.0)
        assert np.allclose(frame.pixels[:, 40:].mean((0, 1)), right, atol=3.0)
    with pytest.raises(OSError, match="no frame"):
        camera.read()
    camera.close()


def test_usb_camera_of_another_size(tmp_path):
    """Refuse at once what gives another size than it was asked for, whatever it answers when asked (OpenCV 29254)."""
    cv2 = pytest.importorskip("cv2")
    path = film(tmp_path / "film.avi", cv2, (64, 48), 2)
    with pytest.raises(CameraError, match="gives 64 x 48 pixels, not the 32 x 24"):
        V4l2Camera(str(path), CONFIG, cv2=opencv_with_files())


def test_real_opencv_without_a_camera():
    """Open a device that is not there with OpenCV itself."""
    pytest.importorskip("cv2")
    with pytest.raises(CameraError, match="/dev/video97 cannot be opened"):
        open_camera("v4l2:/dev/video97", CONFIG)


class FakePi:
    """As much of picamera2 as the driver uses."""

    def __init__(self, picture, stamp):
        self.picture, self.stamp, self.asked, self.released = picture, stamp, {}, 0

    def create_video_configuration(self, **asked):
        """Remember what was asked."""
        self.asked = asked
        return asked

    def capture_request(self):
        """A frame."""
        return SimpleNamespace(
            make_array=lambda name: self.picture, get_metadata=lambda: {"SensorTimestamp": self.stamp},
            release=lambda: setattr(self, "released", self.released + 1),
        )  # fmt: skip

    def configure(self, settings):
        """Nothing."""

    def start(self):
        """Nothing."""

    def stop(self):
        """Nothing."""

    def close(self):
        """Nothing."""


def test_pi_camera_takes_the_luma_plane_and_the_sensors_time():
    """Read a YUV420 frame, its time is of CLOCK_BOOTTIME, and every request is released."""
    stamp = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    yuv = picture(2, (36, 32))
    pi = FakePi(yuv, stamp)
    camera = PiCamera(CONFIG, make=lambda: pi)
    frame = camera.read()
    slept = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert np.array_equal(frame.pixels[..., 0], yuv[:24]) and frame.number == 1
    assert abs(frame.captured_ns - (stamp - slept)) < 5_000_000
    assert pi.asked["buffer_count"] >= 2 and pi.asked["queue"] is False and pi.asked["main"]["size"] == (32, 24)
    assert pi.released == 1
    camera.close()
    assert camera.read() is None


def test_missing_libraries_say_what_to_install(monkeypatch):
    """Open both without their libraries: one line that says how to get them."""
    monkeypatch.setitem(__import__("sys").modules, "picamera2", None)
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(CameraError, match="system-site-packages"):
        open_camera("picamera2", CONFIG)
    with pytest.raises(MissingExtra, match="pip install"):
        open_camera("v4l2:/dev/video0", CONFIG)


def test_pi_camera_that_is_not_there():
    """Let picamera2 find no camera: the message says how to look for it."""

    def make():
        raise IndexError("list index out of range")

    with pytest.raises(CameraError, match="rpicam-hello"):
        PiCamera(CONFIG, make=make)


def test_look_reports_rate_and_saves_the_last_frame(tmp_path):
    """Watch a recording of 1000 frames a second to its end: the rate is right, the end is named, the picture opens."""
    from PIL import Image

    frames = recording(tmp_path / "d.npz", 20, captured_ns=np.arange(20) * 5_000_000)
    seen = watch_camera(f"replay:{tmp_path / 'd.npz'}", CONFIG, seconds=0.2)
    assert seen.frames == 20 and seen.fault.name == "camera_ended"
    save_png(seen.last, tmp_path / "last.png")
    with Image.open(tmp_path / "last.png") as picture:
        assert any(np.array_equal(np.asarray(picture), frame[..., 0]) for frame in frames)
