"""Reads a recorded drive of any version without trusting it: up to its last good record, sizes checked first."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from racer.car.recording import legacy
from racer.car.recording.drive_file import (
    DRIVE_SUFFIX,
    TABLES,
    DriveContent,
    DriveError,
    DriveEvent,
    DriveHeader,
    FrameEncoding,
    FrameEntry,
    jpeg_bytes,
)

_MCAP_MAGIC: Final = b"\x89MCAP0\r\n"


@dataclass(frozen=True, slots=True)
class RecordedDrive:
    """A drive that was read.

    Attributes:
        steps, actuator, measured: rows of `STEP`, `ACTUATOR` and `MEASURED`, in the order in which they were written.
        content: the rest; its frames are without their pixels, which `pixels` reads.
    """

    path: Path
    header: DriveHeader
    steps: NDArray[np.void]
    actuator: NDArray[np.void]
    measured: NDArray[np.void]
    content: DriveContent

    @property
    def events(self) -> list[DriveEvent]:
        """Events in the order in which they were written."""
        return self.content.events

    @property
    def frames(self) -> list[FrameEntry]:
        """Frames in the order in which they were written."""
        return self.content.frames

    @property
    def damage(self) -> str:
        """How the file ends, where it does not end as a closed drive; empty: it does."""
        return self.content.damage

    @property
    def seconds(self) -> float:
        """Time from the first to the last row or frame [s]."""
        ends = [
            (int(rows[TABLES[name].time][0]), int(rows[TABLES[name].time][-1]))
            for name, rows in (("step", self.steps), ("actuator", self.actuator), ("measured", self.measured))
            if len(rows)
        ]
        if self.frames:
            ends.append((self.frames[0].captured_ns, self.frames[-1].captured_ns))
        return (max(end for _, end in ends) - min(start for start, _ in ends)) / 1e9 if ends else 0.0

    def jpeg(self, entry: FrameEntry) -> bytes:
        """Return a frame as JPEG, as it was kept or encoded now."""
        if entry.encoding is FrameEncoding.JPEG:
            return self._encoded(entry)
        return jpeg_bytes(self.pixels(entry))

    def pixels(self, entry: FrameEntry) -> NDArray[np.uint8]:
        """Return (H, W, 1) grey or (H, W, 3) RGB pixels.

        Raises:
            DriveError: the frame is damaged, or not of the size that its entry states.
        """
        content = self._encoded(entry)
        shape = (entry.height, entry.width, entry.channels)
        size = entry.width * entry.height * entry.channels
        if entry.encoding is not FrameEncoding.DEFLATED:
            made = _decoded(content, entry)
        else:
            try:
                flat = zlib.decompressobj().decompress(content, size + 1)
            except zlib.error as error:
                raise DriveError(f"{self.path}: frame {entry.number} is damaged ({error})") from None
            made = np.frombuffer(flat, np.uint8)
            if made.size == size:
                made = made.reshape(shape)
        if made.shape != shape:
            raise DriveError(f"{self.path}: frame {entry.number} is not of {entry.width}x{entry.height}")
        return made

    def _encoded(self, entry: FrameEntry) -> bytes:
        with self.path.open("rb") as file:
            return self.content.read_picture(file, entry)


def read_drive(path: Path | str) -> RecordedDrive:
    """Read a drive up to its last good record; the frames' pixels stay on the disk.

    Raises:
        DriveError: not a drive, of a newer version, or without a whole header.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MCAP_MAGIC))
            file.seek(0)
            if magic == _MCAP_MAGIC:
                # The library loads two decompressors, which a drive of version 1 does not need.
                from racer.car.recording import mcap_reader

                content = mcap_reader.read_content(file, path)
            elif magic == legacy.MAGIC:
                content = legacy.read_content(file, path)
            else:
                raise DriveError(f"{path} is not a recorded drive")
    except FileNotFoundError:
        raise DriveError(f"No drive {path} (there is no such file)") from None
    except IsADirectoryError:
        raise DriveError(f"{path} is a folder; a drive is a file that ends in {DRIVE_SUFFIX}") from None
    if content.header is None:
        raise DriveError(f"{path} ends before its header; nothing was recorded")
    steps, actuator, measured = (np.frombuffer(content.rows[name], table.dtype) for name, table in TABLES.items())
    return RecordedDrive(path, content.header, steps, actuator, measured, content)


def _decoded(content: bytes, entry: FrameEntry) -> NDArray[np.uint8]:
    """Pixels of a JPEG or PNG; empty where its size is not that of its entry."""
    from PIL import Image

    name = entry.encoding.name
    try:
        with Image.open(io.BytesIO(content), formats=[name]) as picture:
            # The file's own size is checked before its pixels are decoded.
            if picture.size != (entry.width, entry.height):
                return np.empty(0, np.uint8)
            made = np.asarray(picture.convert("L" if entry.channels == 1 else "RGB"))
            return made.reshape(entry.height, entry.width, entry.channels)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DriveError(f"frame {entry.number} is not a {name} ({error})") from None
