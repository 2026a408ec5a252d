"""What may be imported where: the actuator lives on the standard library, `racer car --help` on five small packages."""

import ast
import os
import subprocess
import sys
import tomllib
import venv

import pytest

from racer.car.actuator.calibrated_range import open_driver, parse_wiring
from support.paths import ROOT

ACTUATOR = ROOT / "racer" / "car" / "actuator"
HEAVY = ("torch", "stable_baselines3", "numba", "gymnasium", "pygame", "onnxruntime", "scipy", "matplotlib", "PIL")
BLOCK = (
    "import sys\n"
    "class Block:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.partition('.')[0] in {names!r}:\n"
    "            raise ModuleNotFoundError('No module named ' + repr(name), name=name)\n"
    "sys.meta_path.insert(0, Block())\n"
)


def imported(path):
    """Every module that a file names in an import, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module


@pytest.mark.parametrize("path", sorted(ACTUATOR.glob("*.py")), ids=lambda path: path.name)
def test_actuator_imports_the_standard_library_and_smbus2(path):
    """No file of it names anything else, also not inside a function."""
    for name in imported(path):
        top = name.partition(".")[0]
        assert top in sys.stdlib_module_names or top == "smbus2" or name.startswith("racer.car.actuator"), name


def run(code, *arguments):
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip


def test_actuator_starts_without_any_package():
    """With every third-party package out of reach it loads whole, and names its arguments."""
    names = ("numpy", "pydantic", "yaml", "typer", "rich", "click", *HEAVY, "smbus2")
    code = BLOCK.format(names=names) + (
        "import pkgutil, importlib, racer.car.actuator as room\n"
        "for each in pkgutil.iter_modules(room.__path__):\n"
        "    importlib.import_module(f'racer.car.actuator.{each.name}')\n"
        "import racer.car.actuator.__main__ as main\n"
        "main.main(['--help'])\n"
    )
    said = run(code)
    assert said.returncode == 0 and "--calibration" in said.stdout, said.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["actuator", "--help"], ["calibration", "--help"], ["calibration", "import", "--help"]]
)
def test_help_without_the_heavy_packages(arguments):
    """Block every package that a Pi does not have."""
    code = BLOCK.format(names=(*HEAVY, "numpy", "smbus2")) + (
        "sys.argv[0] = 'racer'\nfrom racer.cli.main import main\nmain()\n"
    )
    said = run(code, "car", *arguments)
    assert said.returncode == 0 and "Usage" in said.stdout, said.stderr


def test_car_extra_holds_what_the_car_needs():
    """A Pi installs no trainer, no simulator, no window."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {line.partition(">")[0].partition("=")[0] for line in extras["car"]}
    assert {"onnxruntime", "smbus2", "Pillow"} <= names
    assert not names & {"torch", "stable-baselines3", "numba", "gymnasium", "pygame", "scipy", "matplotlib"}


BARE = ("torch", "stable_baselines3", "numba", "gymnasium", "pygame", "onnx", "scipy", "matplotlib")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A new virtual environment with the built wheel and its car extra: what a Pi installs."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "venv", with_pip=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "RACER"))}
    clean |= {"COLUMNS": "100"}

    def run_there(program, *arguments):
        command = [folder / "venv" / "bin" / program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=clean, timeout=280)

    def install(*what):
        said = run_there("python", "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), *what)
        assert said.returncode == 0, said.stderr

    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, "."]
    subprocess.run(build, check=True, cwd=ROOT, timeout=280)
    (wheel,) = folder.glob("racer-*.whl")
    install(f"{wheel}[car]")
    return run_there


@pytest.mark.slow
def test_car_extra_alone_runs_the_car(bare, tmp_path):
    """Without trainer, compiler, simulator and window: help, actuator, bench, store, camera all work."""
    from support.camera_bundles import write_brightness_bundle

    check = f"import importlib.util as u, sys; sys.exit(str([n for n in {BARE!r} if u.find_spec(n)] or '') or None)"
    assert bare("python", "-c", check).returncode == 0, "a Pi gets a package that it does not need"
    said = bare("racer", "car", "--help")
    assert said.returncode == 0 and "actuator" in said.stdout and "calibration" in said.stdout
    open_driver(parse_wiring(f"sim:{tmp_path / 'chip'}")).start()
    assert bare("racer", "car", "actuator", "neutral", f"--wiring=sim:{tmp_path / 'chip'}").returncode == 0
    bundle = write_brightness_bundle(tmp_path / "small.bundle")
    said = bare("racer", "car", "bench", bundle, "--seconds", "0.2")
    assert said.returncode == 0 and "choose" in said.stdout, said.stderr
    said = bare("racer", "car", "models", "install", bundle, "--store", tmp_path / "store", "--use")
    assert said.returncode == 0 and "small" in said.stdout, said.stderr


@pytest.mark.slow
@pytest.mark.parametrize("words", [("car", "drive", "small.bundle", "--sim"), ("train",), ("watch", "small.bundle")])
def test_what_needs_more_says_so_in_one_line(bare, tmp_path, words):
    """What the car extra does not bring is named with the extra that does, and nothing is half started."""
    from support.camera_bundles import write_brightness_bundle

    path = str(write_brightness_bundle(tmp_path / "small.bundle"))
    said = bare("racer", *(path if word == "small.bundle" else word for word in words))
    assert said.returncode == 1
    assert len(said.stderr.strip().splitlines()) == 1, said.stderr
    assert "pip install 'racer[" in said.stderr
