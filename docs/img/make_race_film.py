"""Makes docs/img/race.gif, the film of the README: four policies race head to head.

    python docs/img/make_race_film.py

Trains three seeds of the shipped configuration (half a minute each), races them against pure pursuit on `lakeside` and
films the race at twice its speed from behind the third car. Fails where the film has 2 MB or more.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).with_name("race.gif")
BYTES_MAX = 2_000_000
SEEDS = (0, 1, 2)


def racer(folder: Path, *arguments: object) -> None:
    """Run one racer command in a folder; an error ends the script."""
    subprocess.run([sys.executable, "-m", "racer", *map(str, arguments)], cwd=folder, check=True)


def main() -> None:
    """Train, race and film."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in SEEDS:
            racer(folder, "train", "--seed", seed, "--run-dir", f"seed_{seed}", "--track", "lakeside")
        entrants = [f"seed {seed}=seed_{seed}" for seed in SEEDS]
        rules = ("--set", "race=head_to_head", "--set", "laps=1", "--replay", "race.replay", "--track", "lakeside")
        racer(folder, "race", "league", *entrants, "pure_pursuit", *rules)
        film = ("--view", "chase", "--follow", 3, "--size", "400x240", "--fps", 8, "--speed", 2)
        racer(folder, "video", "race.replay", "-o", "race.gif", *film)
        size = (folder / "race.gif").stat().st_size
        if size >= BYTES_MAX:
            raise SystemExit(f"the film has {size} bytes, at most {BYTES_MAX} are allowed: lower --fps or --size")
        TARGET.write_bytes((folder / "race.gif").read_bytes())


if __name__ == "__main__":
    main()
