"""Reads a recorded drive of any version without trusting it: up to its last good record, sizes checked first."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from racer.car.recording import legacy
from racer.car.recording.drive_file import (
    DRIVE_SUFFIX,
    TABLES,
    DriveError,
    DriveEvent,
    DriveHeader,
    FrameEncoding,
    FrameEntry,
    picture_bytes,
)

_MCAP_MAGIC: Final = b"\x89MCAP0\r\n"


@dataclass(frozen=True, slots=True)
class RecordedDrive:
    """A drive that was read; everything is in the order in which it was written.

    Attributes:
        steps: Control steps, rows of `STEP_DTYPE`, shape (K,).
        actuator: Statuses of the actuator, rows of `ACTUATOR_DTYPE`, shape (K,).
        measured: Measurements, rows of `MEASURED_DTYPE`, shape (K,).
        events: Events.
        frames: Entries of the frames; `pixels` reads a frame from the file.
        damage: How the file ends, where it does not end as a closed drive does; else empty.
        read_picture: Returns the encoded picture of an entry from the open file.
    """

    path: Path
    header: DriveHeader
    steps: NDArray[np.void]
    actuator: NDArray[np.void]
    measured: NDArray[np.void]
    events: list[DriveEvent]
    frames: list[FrameEntry]
    damage: str
    read_picture: Callable[[BinaryIO, FrameEntry], bytes]

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
        """Return a frame as JPEG; a frame of another encoding is encoded again."""
        if entry.encoding is FrameEncoding.JPEG:
            return self._encoded(entry)
        return picture_bytes(self.pixels(entry))

    def pixels(self, entry: FrameEntry) -> NDArray[np.uint8]:
        """Return the pixels of a frame: grey (H, W, 1) or RGB (H, W, 3).

        Raises:
            DriveError: The frame is damaged, or does not have the size that its entry states.
        """
        content = self._encoded(entry)
        shape = (entry.height, entry.width, entry.channels)
        if entry.encoding is FrameEncoding.DEFLATED:
            try:
                # One byte more than allowed shows that there are more, and a bomb is not unpacked further.
                content = zlib.decompressobj().decompress(content, math.prod(shape) + 1)
            except zlib.error as error:
                raise DriveError(f"{self.path}: frame {entry.number} is damaged ({error})") from None
            pixels = np.frombuffer(content, np.uint8)
        else:
            pixels = _decoded(content, entry)
        if pixels.size != math.prod(shape):
            raise DriveError(f"{self.path}: frame {entry.number} is not of {entry.width}x{entry.height}")
        return pixels.reshape(shape)

    def _encoded(self, entry: FrameEntry) -> bytes:
        with self.path.open("rb") as file:
            return self.read_picture(file, entry)


def read_drive(path: Path | str) -> RecordedDrive:
    """Read a drive up to its last good record; the frames' pixels stay on the disk.

    Raises:
        DriveError: The file is not a drive, is of a newer version, or has no whole header.
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
        raise DriveError(f"No drive {path} (no such file)") from None
    except IsADirectoryError:
        raise DriveError(f"{path} is a folder; a drive is a file that ends in {DRIVE_SUFFIX}") from None
    if content.header is None:
        raise DriveError(f"{path} ends before its header; nothing was recorded")
    steps, actuator, measured = (np.frombuffer(content.rows[name], table.dtype) for name, table in TABLES.items())
    return RecordedDrive(
        path, content.header, steps, actuator, measured, content.events, content.frames, content.damage,
        content.read_picture,
    )  # fmt: skip


def _decoded(content: bytes, entry: FrameEntry) -> NDArray[np.uint8]:
    """Return the pixels of a JPEG or PNG; an empty array where its size is not that of its entry."""
    from PIL import Image

    name = entry.encoding.name
    try:
        with Image.open(io.BytesIO(content), formats=[name]) as picture:
            # The file's own size is checked before its pixels are decoded.
            if picture.size != (entry.width, entry.height):
                return np.empty(0, np.uint8)
            return np.asarray(picture.convert("L" if entry.channels == 1 else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DriveError(f"frame {entry.number} is not a {name} ({error})") from None
