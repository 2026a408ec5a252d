"""What may be imported where: the actuator lives on the standard library, `racer car --help` on five small packages."""

import ast
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.slow
def test_help_in_a_bare_environment(tmp_path):
    """Install the base package alone in a new virtual environment: `racer car --help` works, nothing heavy is there."""
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / "bin" / "python"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt", "."]
    subprocess.run(install, check=True, cwd=ROOT, timeout=280, env=clean)
    check = f"import importlib.util as u, sys; sys.exit(any(u.find_spec(name) for name in {HEAVY!r}))"
    subprocess.run([python, "-c", check], check=True, cwd=tmp_path, env=clean)
    racer = tmp_path / "bare" / "bin" / "racer"
    said = subprocess.run([racer, "car", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path, env=clean)
    assert "actuator" in said.stdout and "calibration" in said.stdout
    chip = f"--wiring=sim:{tmp_path / 'chip'}"
    neutral = subprocess.run([racer, "car", "actuator", "neutral", chip], cwd=tmp_path, env=clean, check=False)
    assert neutral.returncode == 0 and (tmp_path / "chip").exists()
