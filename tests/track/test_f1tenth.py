"""F1TENTH maps: orientation of the image, borders from free space, csv dialects beside it, bad maps."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from racer.errors import TrackError
from racer.track import geometry
from racer.track.f1tenth import find_line_file, find_map_file, read_f1tenth

RESOLUTION = 0.05
RADIUS = 4.0
HALF = 0.6


def distance(size: int = 240, center: tuple[float, float] = (6.0, 7.0)) -> NDArray[np.float64]:
    """Distance of every pixel from a point, metres; row 0 is the top."""
    x = (np.arange(size) + 0.5) * RESOLUTION
    y = (size - np.arange(size) - 0.5) * RESOLUTION
    return np.hypot(x[None] - center[0], y[:, None] - center[1])


def annulus(free: int = 254, blocked: int = 0) -> NDArray[np.uint8]:
    """Free road between two circles, blocked elsewhere (as the benchmark maps)."""
    on_road = np.abs(distance() - RADIUS) < HALF
    return np.where(on_road, free, blocked).astype(np.uint8)


def put(
    folder: Path, pixels: NDArray[np.uint8], *, image: str = "a.png", mode: str | None = None, **keys: object
) -> Path:
    """Write a map; the circle's centre lies at world (0, 0)."""
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(folder / image)
    settings = {
        "image": image,
        "resolution": RESOLUTION,
        "origin": [-6.0, -7.0, 0.0],
        "negate": 0,
        "occupied_thresh": 0.65,
        "free_thresh": 0.2,
    } | keys
    (folder / "a.yaml").write_text(yaml.safe_dump(settings))
    return folder / "a.yaml"


def assert_is_ring(path: Path) -> None:
    """Centre line and borders are the circles, within a pixel."""
    track = read_f1tenth(path)
    assert track.closed
    assert np.hypot(*track.center.T) == pytest.approx(RADIUS, abs=RESOLUTION)
    assert np.hypot(*track.left.T) == pytest.approx(RADIUS - HALF, abs=RESOLUTION)
    assert np.hypot(*track.right.T) == pytest.approx(RADIUS + HALF, abs=RESOLUTION)
    assert geometry.enclosed_area(track.center) > 0


def test_free_road(tmp_path: Path) -> None:
    """Find the circles of a map whose free space is the road; row 0 of the image is the top."""
    assert_is_ring(put(tmp_path, annulus()))


def test_thin_border_lines(tmp_path: Path) -> None:
    """Find the road between thin grey lines, where inside and outside are as free as the road."""
    d = distance()
    line = (np.abs(d - RADIUS - HALF - 0.06) < 0.06) | (np.abs(d - RADIUS + HALF + 0.06) < 0.06)
    assert_is_ring(put(tmp_path, np.where(line, 120, 255).astype(np.uint8)))


def test_unknown_grey_that_counts_as_free(tmp_path: Path) -> None:
    """Tell the road from unknown grey (205) that is free by the rule of the thresholds."""
    assert_is_ring(put(tmp_path, annulus(blocked=205)))


def test_negate_and_yaw(tmp_path: Path) -> None:
    """Follow `negate` and the yaw of the origin."""
    assert_is_ring(put(tmp_path, 255 - annulus(free=255), negate=1))
    track = read_f1tenth(put(tmp_path, annulus(), origin=[7.0, -6.0, math.pi / 2]))
    assert np.hypot(*track.center.T) == pytest.approx(RADIUS, abs=RESOLUTION)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "1", "P"])
def test_image_modes(tmp_path: Path, mode: str) -> None:
    """Read colour, alpha, bilevel and palette images."""
    assert_is_ring(put(tmp_path, annulus(free=255), mode=mode))


def test_transparent_is_not_free(tmp_path: Path) -> None:
    """Count what is transparent as blocked, whatever its colour."""
    alpha = annulus(free=255)
    white = np.full_like(alpha, 255)
    put(tmp_path, alpha)
    Image.fromarray(np.dstack([white, white, white, alpha])).save(tmp_path / "a.png")
    assert_is_ring(tmp_path / "a.yaml")


def test_both_pgm_kinds(tmp_path: Path) -> None:
    """Read binary (P5) and plain (P2) PGM."""
    assert_is_ring(put(tmp_path, annulus(), image="a.pgm"))
    assert (tmp_path / "a.pgm").read_bytes().startswith(b"P5")
    rows = "\n".join(" ".join(map(str, row)) for row in annulus().tolist())
    (tmp_path / "a.pgm").write_text(f"P2\n240 240\n255\n{rows}\n")
    assert_is_ring(tmp_path / "a.yaml")


def test_obstacle_on_the_road_is_road(tmp_path: Path) -> None:
    """Drive through a small thing on the road as if it were not in the map."""
    pixels = annulus()
    pixels[20:24, 118:122] = 0
    assert pixels[19, 120] == 254
    track = read_f1tenth(put(tmp_path, pixels))
    assert np.hypot(*track.center.T) == pytest.approx(RADIUS, abs=RESOLUTION)


def test_center_line_beside_is_taken(tmp_path: Path) -> None:
    """Take rows and widths of a centre line beside the map; its own direction, the first row repeated."""
    path = put(tmp_path, annulus())
    angle = -np.arange(80) * 2 * np.pi / 80
    points = RADIUS * np.column_stack([np.cos(angle), np.sin(angle)])
    (tmp_path / "a_centerline.csv").write_text("\n".join(f"{x},{y},0.5,0.4" for x, y in points))
    track = read_f1tenth(path)
    assert len(track.center) == 81
    assert track.center[:-1] == pytest.approx(points)
    assert np.hypot(*track.right.T) == pytest.approx(RADIUS - 0.5)
    assert np.hypot(*track.left.T) == pytest.approx(RADIUS + 0.4)


def test_race_line_beside_gives_start_and_direction(tmp_path: Path) -> None:
    """Take the borders from the image, the start and the direction from a race line."""
    path = put(tmp_path, annulus())
    angle = np.pi / 2 - np.arange(81) * 2 * np.pi / 80
    points = (RADIUS + 0.2) * np.column_stack([np.cos(angle), np.sin(angle)])
    rows = "\n".join(f"{i};{x};{y};0;0;5;0" for i, (x, y) in enumerate(points))
    (tmp_path / "a_raceline.csv").write_text(
        "# a\n# b\n# s_m; x_m; y_m; psi_rad; kappa_radpm; vx_mps; ax_mps2\n" + rows
    )
    track = read_f1tenth(path)
    assert geometry.enclosed_area(track.center) < 0
    assert track.center[0] == pytest.approx([0.0, RADIUS], abs=0.15)
    assert np.hypot(*track.left.T) == pytest.approx(RADIUS + HALF, abs=RESOLUTION)


def test_names_of_the_files_beside(tmp_path: Path) -> None:
    """Find the csv of `X_map.yaml` in a folder with a space in its name, and back."""
    folder = tmp_path / "Two Words"
    folder.mkdir()
    (folder / "TwoWords_map.yaml").write_text("")
    (folder / "TwoWords_centerline.csv").write_text("")
    assert find_line_file(folder / "TwoWords_map.yaml") == folder / "TwoWords_centerline.csv"
    assert find_map_file(folder / "TwoWords_centerline.csv") == folder / "TwoWords_map.yaml"
    assert find_line_file(tmp_path / "TwoWords_map.yaml") is None


def test_csv_of_another_map(tmp_path: Path) -> None:
    """Refuse a centre line that is not on the free space of the map."""
    path = put(tmp_path, annulus())
    (tmp_path / "a_centerline.csv").write_text("\n".join(f"{x / 10},0,0.5,0.5" for x in range(-20, 20)))
    with pytest.raises(TrackError, match=r"only 0 % of its points are free in the map"):
        read_f1tenth(path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"image": "gone.png"}, r"names the image `gone.png`, which is not there; put the image"),
        ({"resolution": 0.0}, "`resolution` is 0.0: input should be greater than 0"),
        ({"resolution": 100.0}, "`resolution` is 100.0: input should be less than 100"),
        ({"resolution": "fine"}, "`resolution` is 'fine': input should be a valid number"),
        ({"resolution": True}, "`resolution` is true: true and false"),
        ({"resolution": None}, "`resolution` is empty"),
        ({"origin": [0, 0]}, r"`origin\[2\]` is missing"),
        ({"origin": [0, 0, 0, 0]}, r"`origin` is \[0, 0, 0, 0\]: should be a list of at most 3"),
        ({"origin": [-5.0, math.nan, 0]}, r"`origin\[1\]` is nan: input should be a finite number"),
        ({"origin": [0, 1e6, 0]}, r"`origin\[1\]` is 1000000.0: input should be less than or equal to 100000"),
        ({"origin": [0, 0, 180]}, r"`origin\[2\]` is 180: input should be less than or equal to 6.28"),
        ({"origin": 3}, "`origin` is 3: should be a list"),
        ({"negate": 2}, "`negate` is 2: input should be 0 or 1"),
        ({"negate": "yes"}, "`negate` is 'yes': input should be 0 or 1"),
        ({"free_thresh": 1.5}, "`free_thresh` is 1.5: input should be less than or equal to 1"),
        ({"free_thresh": -0.1}, "`free_thresh` is -0.1: input should be greater than or equal to 0"),
        ({"occupied_thresh": 65}, "`occupied_thresh` is 65: input should be less than or equal to 1"),
        ({"free_thresh": 0.7}, "free_thresh 0.7 must be below occupied_thresh 0.65"),
        ({"mode": "raw"}, "`mode` is 'raw': input should be 'trinary' or 'scale'"),
        ({"free_tresh": 0.3}, "unknown key `free_tresh`. Did you mean `free_thresh`"),
        ({"image": 7}, "`image` is 7: input should be a valid string"),
    ],
)
def test_bad_yaml(tmp_path: Path, keys: dict[str, object], message: str) -> None:
    """Refuse each bad key in one line."""
    path = put(tmp_path, annulus())
    settings = yaml.safe_load(path.read_text()) | keys
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(TrackError, match=message):
        read_f1tenth(path)


@pytest.mark.parametrize("key", ["resolution", "origin"])
def test_missing_key(tmp_path: Path, key: str) -> None:
    """Name a key that is missing."""
    path = put(tmp_path, annulus())
    settings = yaml.safe_load(path.read_text())
    del settings[key]
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(TrackError, match=f"`{key}` is missing"):
        read_f1tenth(path)


def test_numbers_as_ros_writes_them(tmp_path: Path) -> None:
    """Read `5e-2`, which YAML 1.1 takes for text, and a map of the least keys."""
    path = put(tmp_path, annulus())
    path.write_text("image: a.png\nresolution: 5e-2\norigin: [-6e0, -7, 0]\n")
    assert_is_ring(path)


def test_keys_of_other_programs_are_noted(tmp_path: Path) -> None:
    """Read a map with keys of other programs, and keep a note of those that were ignored."""
    track = read_f1tenth(put(tmp_path, annulus(), mode_of_map="x", starting_pose=[0, 0, 0]))
    assert len(track.notes) == 1
    assert "`mode_of_map`, `starting_pose`" in track.notes[0]
    assert read_f1tenth(put(tmp_path, annulus(), name="annulus")).notes == ()


def test_absent_image_names_the_csv(tmp_path: Path) -> None:
    """Point to the centre line beside a map whose image is absent."""
    path = put(tmp_path, annulus())
    (tmp_path / "a.png").unlink()
    (tmp_path / "a_centerline.csv").write_text("")
    with pytest.raises(TrackError, match=r"load `.*a_centerline.csv` instead"):
        read_f1tenth(path)


def test_bad_images(tmp_path: Path) -> None:
    """Refuse a picture that is none, is cut, has no ring, or is too coarse."""
    path = put(tmp_path, annulus())
    whole = (tmp_path / "a.png").read_bytes()
    for data in (b"nothing", whole[: len(whole) // 2]):
        (tmp_path / "a.png").write_bytes(data)
        with pytest.raises(TrackError, match="cannot be read as a picture"):
            read_f1tenth(path)
    with pytest.raises(TrackError, match="no ring-shaped road"):
        read_f1tenth(put(tmp_path, np.where(distance() < 3, 255, 0).astype(np.uint8)))
    coarse = np.where(np.abs(distance() - RADIUS) < 0.1, 255, 0).astype(np.uint8)
    with pytest.raises(TrackError, match="pixels wide; use an image of finer resolution"):
        read_f1tenth(put(tmp_path, coarse))
