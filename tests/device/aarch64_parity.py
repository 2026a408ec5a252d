"""E1: what this processor makes of pictures and networks, kept here and compared on another processor.

    python tests/device/aarch64_parity.py make FOLDER [BUNDLE ...]
    python tests/device/aarch64_parity.py check FOLDER

Preprocessing must be equal to the pixel. The lens table comes from sines and cosines, whose last bit is each
processor's own, so a remapped pixel may be one level off where it lay on an edge. Actions may differ by 1e-5 of
their range. The check prints a line for each, and ends with 1 where one does not hold.
"""

# ruff: noqa: T201
import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

from racer.bundle import read_bundle
from racer.car.camera.lens import make_remap
from racer.car.models.parity import check_in_process
from racer.config.env import CameraConfig
from racer.config.network import PreprocessConfig
from racer.contract import camera_sensor
from racer.policy.onnx import OnnxPolicy
from racer.preprocess import Preprocessor

FRAMES = 50
DIFFERENCE_MAX = 1e-5
LENS_SHARE_MAX = 1e-3

PREPROCESSING = {
    "as it comes": {},
    "grey": {"colour": "grey"},
    "crop and mask": {"crop_top": 10, "crop_right": 3, "mask_top": 20},
    "shrink": {"colour": "grey", "crop_top": 40, "shrink": 2},
    "resize": {"height": 67, "width": 91},
    "all, stacked": {
        "colour": "grey",
        "crop_top": 8,
        "mask_top": 12,
        "shrink": 4,
        "height": 30,
        "width": 50,
        "frames": 3,
    },
}
LENS = CameraConfig(
    width=320, height=240, lens="fisheye", view_deg=140.0, distortion=(-0.03, 0.004, 0.0, 0.0), pitch_deg=10.0, up=0.15
)  # fmt: skip


def pictures(shape, count=FRAMES):
    """Noise, edges and ramps, which round in every way that there is."""
    draw = np.random.default_rng(20)
    made = draw.integers(0, 256, (count, *shape), dtype=np.uint8)
    made[::3] //= 4
    made[1::3] = np.linspace(0, 255, shape[1]).astype(np.uint8)[None, None, :, None] ^ made[1::3] // 64
    return made


def preprocessed(settings):
    """What one setting of the preprocessing makes of the pictures."""
    sensor = camera_sensor(CameraConfig(colour="rgb"))
    preprocessor = Preprocessor((sensor,), PreprocessConfig(**settings).steps)
    return np.concatenate([preprocessor({"camera": one[None]})["camera"] for one in pictures(sensor.shape)])


def remapped():
    """What a wide fisheye's pictures become."""
    remap = make_remap(LENS, CameraConfig())
    return np.stack([remap(one) for one in pictures(remap.shape, 10)])


def answers(path):
    """Actions of a camera bundle for the pictures, as shares of their range."""
    bundle = read_bundle(path)
    network, space = OnnxPolicy(bundle), bundle.contract.action_space
    shots = {spec.name: pictures(spec.shape) for spec in bundle.contract.sensors}
    actions = [network.act({name: each[k : k + 1] for name, each in shots.items()})[0] for k in range(FRAMES)]
    return np.stack(actions) / np.maximum(np.subtract(space.high, space.low), 1e-6)


def make(folder, bundles):
    """Write what is right here."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {f"preprocessing: {name}": preprocessed(settings) for name, settings in PREPROCESSING.items()}
    kept["lens"] = remapped()
    for number, bundle in enumerate(bundles):
        shutil.copyfile(bundle, folder / f"{number}.bundle")
        kept[f"network: {number}.bundle"] = answers(bundle)
    np.savez(folder / "right.npz", **kept)


def verdict(name, right, folder):
    """Words and whether it holds."""
    if name == "lens":
        off = np.abs(remapped().astype(int) - right.astype(int))
        share = float((off > 0).mean())
        return f"{share:.1e} of the pixels differ, by {off.max()}", off.max() <= 1 and share <= LENS_SHARE_MAX
    if name.startswith("network: "):
        path = folder / name.removeprefix("network: ")
        off = float(np.abs(answers(path) - right).max())
        golden = check_in_process(path)
        words = f"largest difference {off:.1e}; {golden.observations} recorded answers within {golden.difference:.1e}"
        return words, max(off, golden.difference) <= DIFFERENCE_MAX
    made = preprocessed(PREPROCESSING[name.removeprefix("preprocessing: ")])
    same = bool(np.array_equal(made, right))
    return f"{made.size} pixels {'equal' if same else 'DIFFER'}", same


def check(folder):
    """Compare; the exit status."""
    good = True
    with np.load(folder / "right.npz") as kept:
        for name in kept.files:
            words, holds = verdict(name, kept[name], folder)
            good &= bool(holds)
            print(f"{'ok  ' if holds else 'BAD '} {name}: {words}", flush=True)
    return 0 if good else 1


def main():
    """Read the arguments; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("bundles", type=Path, nargs="*", help="of policies that see by camera alone")
    given = parser.parse_args()
    if given.what == "check":
        return check(given.folder)
    make(given.folder, given.bundles)
    return 0


if __name__ == "__main__":
    sys.exit(main())
