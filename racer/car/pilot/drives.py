"""Which drive is recorded: one from arming until the car has rested for a while. Files are opened and closed apart.

Opening a file may hang where a disk does, so the pilot's thread does neither: until the file is there nothing is
recorded, and the car may drive meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from racer.car.drives.file import DriveHeader
from racer.car.drives.recorder import Recorder
from racer.car.drives.storage import Storage, new_drive, utc

REST_NS: Final = 15_000_000_000
"""A car that is armed again within this time goes on with the same drive, as DeepRacer's community cars do."""


class Drives:
    """Recordings of one pilot, one after the other.

    Args:
        folder: where they go; None records nothing.
        header: of a drive that begins now.
        tell: gets one line when a recording goes wrong.

    Attributes:
        recorder: what records now; None where nothing does.
    """

    def __init__(
        self,
        folder: Path | None,
        header: Callable[[], DriveHeader],
        *,
        tell: Callable[[str], None],
        open_storage: Callable[[Path], Storage] = new_drive,
    ) -> None:
        self.recorder: Recorder | None = None
        self._folder, self._header, self._tell, self._open = folder, header, tell, open_storage
        self._key: DriveHeader | None = None
        self._rest_ns: int | None = None
        self._last = ""
        self._opening: threading.Thread | None = None

    def begin(self, now_ns: int) -> None:
        """The car is armed; a drive that only paused goes on, where nothing but the time changed."""
        self._rest_ns = None
        if self._folder is None or (self._opening and self._opening.is_alive()):
            return
        header = self._header()
        if self.recorder is not None and header == self._key:
            return
        self.end()
        self._key, folder = header, self._folder
        dated = header.model_copy(update={"started": utc(), "started_ns": now_ns})
        self._opening = threading.Thread(target=self._begin, args=(folder, dated), name="drive", daemon=True)
        self._opening.start()

    def look(self, *, moving: bool, now_ns: int) -> None:
        """Called now and then: a drive ends when the car has been at rest for a while."""
        if moving or self.recorder is None:
            self._rest_ns = None
        elif self._rest_ns is None:
            self._rest_ns = now_ns
        elif now_ns - self._rest_ns >= REST_NS:
            self.end()

    def end(self) -> None:
        """Close what is open, without waiting for it."""
        recorder, self.recorder, self._rest_ns = self.recorder, None, None
        if recorder is not None:
            self._note(recorder)
            threading.Thread(target=recorder.close, name="drive end", daemon=True).start()

    def close(self) -> None:
        """Close what is open, and wait for it: two seconds at most, where a disk hangs."""
        if self._opening is not None:
            self._opening.join(0.5)
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.close()
            self._note(recorder)

    def measured(self, at_ns: int, speed: float, yaw_rate: float) -> None:
        """What sensors measured, m/s and rad/s."""
        if (recorder := self.recorder) is not None:
            recorder.measured(at_ns, speed=speed, yaw_rate=yaw_rate)

    def words(self) -> str:
        """How the recording goes, for a person; empty: there was none."""
        recorder = self.recorder
        return self._words(recorder) if recorder is not None else self._last

    def path(self) -> Path | None:
        """The file that is being written."""
        return recorder.status().path if (recorder := self.recorder) is not None else None

    def _begin(self, folder: Path, header: DriveHeader) -> None:
        self.recorder = Recorder(lambda: self._open(folder), header, tell=self._tell).start()

    def _note(self, recorder: Recorder) -> None:
        self._last = self._words(recorder)

    @staticmethod
    def _words(recorder: Recorder) -> str:
        seen = recorder.status()
        if seen.failure or seen.path is None:
            return f"not recorded: {seen.failure}"
        lost = seen.frames_dropped + seen.rows_dropped
        return f"{seen.path.name}, {seen.written / 1e6:.1f} MB{f', {lost} entries lost' if lost else ''}"
