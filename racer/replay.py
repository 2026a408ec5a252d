"""Replays: a recorded race, evaluation or drive, on disk and in memory.

A replay needs no other file: it holds the track's arrays, the vehicle, and a row for each car and control step. The
file is a zip of `header.json`, `track.npz` and `steps.npz`, without pickles. Numbers are rounded to 0.1 mm, 0.0001 rad
and 1 mm/s and stored as differences from step to step, which takes about twenty bytes for each car and step.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from racer import __version__
from racer.assets import write_atomically
from racer.config.env import CameraConfig, VehicleConfig
from racer.contract import read_document
from racer.errors import BundleError, RacerError
from racer.untrusted_files import ZIP_ERRORS, npz_bytes, read_npz, zip_bytes

FORMAT: Final = "racer-replay"
VERSION = 1
SUFFIX = ".replay"
SIZE_MAX = 512 * 1024 * 1024
"""Largest size of an unpacked member [bytes], about three hours of eight cars."""
_HEADER_MAX = 4 * 1024 * 1024
_HEADER, _TRACK, _STEPS = "header.json", "track.npz", "steps.npz"
ABSENT = -1
"""`status` of an absent car."""

CAR_ROW = np.dtype(
    [
        ("x", "f8"),  # m, centre of gravity
        ("y", "f8"),
        ("yaw", "f4"),  # rad
        ("steer", "f4"),  # rad, of the front wheels
        ("speed", "f4"),  # m/s
        ("steer_command", "f4"),  # degrees
        ("speed_command", "f4"),  # m/s
        ("progress", "f4"),  # % of the lap
        ("reward", "f4"),  # of this step
        ("lap_time", "f4"),  # s since the start of the lap
        ("best", "f4"),  # s, shortest lap so far; 0: none
        ("penalty", "f4"),  # s, sum so far
        ("laps", "i2"),  # completed so far
        ("off_tracks", "i2"),  # number so far
        ("rank", "i2"),  # 1 is first; 0: not ranked
        ("status", "i2"),  # a `racer.sim.dtypes.EpisodeStatus`; or ABSENT
    ],
    align=True,
)
"""One car after one control step."""

OBJECT_ROW = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("yaw", "f4"),
        ("length", "f4"),
        ("width", "f4"),
        ("height", "f4"),
        ("active", "i2"),
        ("kind", "i2"),
        ("world", "i2"),
    ]
)
"""One object after one control step; `kind` is as in `racer.sim.dtypes` (a box or a bot), `world` as in `CarHeader`."""

_QUANTA = dict.fromkeys(("x", "y", "yaw", "steer", "reward", "lap_time", "best"), 1e-4)
_QUANTUM = 1e-3
"""Resolution of stored fractional numbers: that of `_QUANTA`, else this."""


class ReplayError(RacerError):
    """A replay is broken, made by a newer version, or does not fit another one."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrackHeader(_Frozen):
    """The track without its arrays; the fields are those of `racer.track.track.Track`."""

    name: str
    closed: bool = True
    walls: Literal["borders", "offset", "none"] = "borders"
    wall_offset: float = 0.0
    look: dict[str, JsonValue] = Field(default_factory=dict)
    backwards: bool = False
    description: str = ""


class CarHeader(_Frozen):
    """One car: its name, policy and world; cars of other worlds are ghosts to it.

    `rewarded` is true where a reward function was evaluated; otherwise the rewards in the rows have no meaning.
    """

    name: str
    policy: str = ""
    policy_sha256: str = ""
    world: int = 0
    rewarded: bool = False
    camera: CameraConfig | None = None


class ReplayEvent(_Frozen):
    """An event at a control step, shown as a line on the screen."""

    step: Annotated[int, Field(ge=0)]
    car: int | None = None
    text: str


class ReplayHeader(_Frozen):
    """Description of a replay: track, vehicle, cars, rules and events."""

    format: Literal["racer-replay"] = FORMAT
    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    racer_version: str = __version__
    kind: str = Field(default="drive", description="`evaluation`, `race` or `drive`")
    control_rate_hz: Annotated[float, Field(gt=0.0, le=1000.0, allow_inf_nan=False)]
    track: TrackHeader
    vehicle: VehicleConfig
    cars: Annotated[tuple[CarHeader, ...], Field(min_length=1)]
    seed: int | None = None
    rules: dict[str, JsonValue] | None = None
    events: tuple[ReplayEvent, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """A recorded drive of K cars over T control steps.

    Attributes:
        header: Description of the drive.
        rows: `CAR_ROW` of each car, shape (T, K); row 0 is the start.
        objects: `OBJECT_ROW` of each object, shape (T, M), or (1, M) where no object changes.
        center: Centre line of the track [m], shape (R, 2).
        left: Left border [m], shape (R, 2).
        right: Right border [m], shape (R, 2).
    """

    header: ReplayHeader
    rows: NDArray[np.void]
    objects: NDArray[np.void]
    center: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def seconds(self) -> float:
        """Simulated duration [s]."""
        return (len(self.rows) - 1) / self.header.control_rate_hz

    @property
    def track_sha256(self) -> str:
        """Hash of the road, equal for two replays on the same track."""
        digest = hashlib.sha256(b"closed" if self.header.track.closed else b"open")
        for line in (self.center, self.left, self.right):
            digest.update(np.ascontiguousarray(line, "<f8").tobytes())
        return digest.hexdigest()

    def objects_at(self, step: int) -> NDArray[np.void]:
        """Return the objects at a step, shape (M,)."""
        return self.objects[min(step, len(self.objects) - 1)]


def merge_replays(replays: Sequence[Replay], names: Sequence[str]) -> Replay:
    """Merge replays into one: all cars start together, those of one replay are ghosts to the others.

    Cars that share a name get their replay's name in front. At the end of its replay a car stops where it is.

    Args:
        replays: The replays; the first gives track, vehicle and rules.
        names: Names of the replays, for cars and messages.

    Raises:
        ReplayError: The replays are of different tracks, or were recorded at different rates.
    """
    first = replays[0]
    for other, name in zip(replays, names, strict=True):
        if other.track_sha256 != first.track_sha256:
            raise ReplayError(
                f"{name} is on `{other.header.track.name}`, {names[0]} on another road, "
                f"`{first.header.track.name}`; only replays on the same track can be shown together"
            )
        if other.header.control_rate_hz != first.header.control_rate_hz:
            raise ReplayError(
                f"{name} was recorded at {other.header.control_rate_hz:g} Hz, {names[0]} at "
                f"{first.header.control_rate_hz:g} Hz; only replays of one rate can be shown together"
            )
    if len(replays) == 1:
        return first
    steps = np.arange(max(len(replay.rows) for replay in replays))
    car_names = [car.name for replay in replays for car in replay.header.cars]
    cars: list[CarHeader] = []
    objects = []
    worlds = 0
    for replay, name in zip(replays, names, strict=True):
        for car in replay.header.cars:
            title = f"{name}: {car.name}" if car_names.count(car.name) > 1 else car.name
            cars.append(car.model_copy(update={"name": title, "world": car.world + worlds}))
        objects.append(replay.objects[np.minimum(steps, len(replay.objects) - 1)])
        objects[-1]["world"] += worlds
        worlds += 1 + max(car.world for car in replay.header.cars)
    merged = np.concatenate(objects, axis=1)
    return replace(
        first,
        header=first.header.model_copy(update={"cars": tuple(cars), "events": ()}),
        rows=np.concatenate([r.rows[np.minimum(steps, len(r.rows) - 1)] for r in replays], axis=1),
        objects=merged[:1] if (merged == merged[:1]).all() else merged,
    )


def write_replay(path: Path | str, replay: Replay) -> None:
    """Write a replay, whole or not at all; the same content gives the same bytes.

    Raises:
        ReplayError: A number is not finite or too large for the file.
    """
    arrays = {f"car.{key}": _pack_rows(replay.rows, key) for key in CAR_ROW.names or ()}
    arrays |= {f"thing.{key}": _pack_rows(replay.objects, key) for key in OBJECT_ROW.names or ()}
    members = {
        _HEADER: (replay.header.model_dump_json(indent=1) + "\n").encode(),
        _TRACK: npz_bytes({"center": replay.center, "left": replay.left, "right": replay.right}),
        _STEPS: npz_bytes(arrays),
    }
    write_atomically(Path(path), zip_bytes(members))


def is_replay(path: Path | str) -> bool:
    """Return whether a file has the header of a replay; it may still be damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _HEADER in archive.namelist()
    except ZIP_ERRORS:
        return False


def read_replay(path: Path | str) -> Replay:
    """Read and check a replay.

    Raises:
        ReplayError: One line that names the file and the problem.
    """
    path = Path(path)
    try:
        members = _read_members(path)
        header = read_document(ReplayHeader, members[_HEADER], name=FORMAT, newest=VERSION, source=f"{path}: {_HEADER}")
        track = read_npz(members[_TRACK], size_max=SIZE_MAX, source=f"{path}: {_TRACK}")
        steps = read_npz(members[_STEPS], size_max=SIZE_MAX, source=f"{path}: {_STEPS}")
    except BundleError as error:
        raise ReplayError(str(error)) from None
    lines = {}
    for key in ("center", "left", "right"):
        line = track.get(key)
        if line is None or line.dtype != "<f8" or line.ndim != 2 or line.shape[1] != 2 or len(line) < 3:
            raise ReplayError(f"{path}: {_TRACK} lacks the road: `{key}` is not an array of x and y")
        if line.shape != track["center"].shape or not np.isfinite(line).all():
            raise ReplayError(f"{path}: {_TRACK} lacks the road: `{key}` does not fit the centre line")
        lines[key] = line
    rows = _unpack_rows(steps, "car", CAR_ROW, f"{path}: {_STEPS}")
    objects = _unpack_rows(steps, "thing", OBJECT_ROW, f"{path}: {_STEPS}")
    if rows.shape[1] != len(header.cars) or len(rows) == 0 or len(objects) not in (1, len(rows)):
        raise ReplayError(f"{path}: {_STEPS} has {rows.shape} rows, not those of {len(header.cars)} cars")
    return Replay(header=header, rows=rows, objects=objects, **lines)


def _read_members(path: Path) -> dict[str, bytes]:
    members = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for key in (_HEADER, _TRACK, _STEPS):
                if key not in archive.namelist():
                    raise ReplayError(f"{path} is not a replay: it lacks {key}")
                limit = _HEADER_MAX if key == _HEADER else SIZE_MAX
                with archive.open(key) as member:
                    members[key] = member.read(limit + 1)
                if len(members[key]) > limit:
                    raise ReplayError(f"{path}: {key} is too large: more than {limit} bytes")
    except FileNotFoundError:
        raise ReplayError(f"No replay {path} (the file does not exist)") from None
    except ZIP_ERRORS as error:
        raise ReplayError(f"{path} is not a replay, or is damaged ({error or type(error).__name__})") from None
    return members


def _pack_rows(rows: NDArray[np.void], key: str) -> NDArray[Any]:
    """Return differences from step to step, shape (T, K), in integer multiples of the resolution for fractions."""
    values = rows[key]
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ReplayError(f"a replay holds finite numbers only; `{key}` has others")
        whole = np.rint(values.astype(np.float64) / _QUANTA.get(key, _QUANTUM))
        if (np.abs(whole) >= 2**31).any():
            raise ReplayError(f"a replay cannot hold `{key}` of {np.abs(values).max():g}")
        values = whole.astype("<i4")
    return np.diff(values, axis=0, prepend=np.zeros_like(values[:1])).astype(values.dtype)


def _unpack_rows(arrays: Mapping[str, NDArray], prefix: str, dtype: np.dtype, source: str) -> NDArray[np.void]:
    shape = None
    rows = np.zeros((0, 0), dtype)
    for key in dtype.names or ():
        packed = arrays.get(f"{prefix}.{key}")
        wanted = np.dtype("<i4") if dtype[key].kind == "f" else dtype[key]
        if packed is None or packed.ndim != 2 or packed.dtype != wanted or shape not in (None, packed.shape):
            raise ReplayError(f"{source} has no usable `{prefix}.{key}`")
        if shape is None:
            shape = packed.shape
            rows = np.zeros(shape, dtype)
        values = np.cumsum(packed, axis=0, dtype=wanted)
        rows[key] = values * _QUANTA.get(key, _QUANTUM) if dtype[key].kind == "f" else values
    return rows
