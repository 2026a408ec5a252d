"""The command line's boundary: one line for a user's mistake, quick help, and what is missing."""

import errno

import pytest
from typer.main import get_command

from racer import __version__
from racer.cli import main as boundary
from racer.errors import RacerError, TrackError
from support.commands import racer_alone

INSTALL = "needs more packages; install them with: pip install "
HEAVY = "torch numba gymnasium pygame onnxruntime matplotlib scipy stable_baselines3 onnx numpy"


def test_version(run):
    """Print the version."""
    assert run("--version") == (0, f"racer {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["bench", "--help"], ["tracks", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    """Answer --help without any of the large packages."""
    check = f"sys.stderr.write(' '.join(name for name in '{HEAVY}'.split() if name in sys.modules))"
    said = racer_alone(*arguments, after=check)
    assert said.code == 0 and "Usage" in said.out and said.err == ""


def options_of(command, path="racer"):
    """Every argument and option of a command and of those below it, with a name for messages."""
    yield from ((f"{path} {parameter.name}", parameter) for parameter in command.params)
    for name, inner in getattr(command, "commands", {}).items():
        yield from options_of(inner, f"{path} {name}")


def test_every_option_has_a_help_that_rich_shows():
    """Explain each option in words without brackets, which rich would take for markup and leave out."""
    helps = {name: getattr(parameter, "help", None) for name, parameter in options_of(get_command(boundary.app))}
    assert len(helps) > 200
    assert {name: text for name, text in helps.items() if not text or "[" in text} == {}


@pytest.mark.parametrize(
    "arguments",
    [["trian"], ["train", "--bogus"], ["train", "--minutes", "soon"], ["evaluate"], ["evaluate", "x", "--laps", "0"]],
)
def test_wrong_usage_exits_2(run, arguments):
    """Leave usage to the command line's own messages."""
    said = run(*arguments)
    assert said.code == 2 and "Usage" in said.err and said.out == ""


def failing(error):
    """A command that raises."""

    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TrackError("row 3\n  is bad"), "error: row 3 is bad\n"),
        (OSError(errno.ENOSPC, "No space left on device", "here"), "error: here: No space left on device\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "error: file system: No space left on device\n"),
        (
            ModuleNotFoundError("No module named 'torch._C'", name="torch._C"),
            f"error: This command (package `torch`) {INSTALL}'racer[train]'\n",
        ),
    ],
)
def test_mistakes_are_one_line(run, monkeypatch, error, told):
    """Print one line on standard error, exit 1, no traceback."""
    monkeypatch.setattr(boundary, "app", failing(error))
    assert run() == (1, "", told)


@pytest.mark.parametrize("error", [ValueError("a bug"), ModuleNotFoundError("No module named 'x'", name="x")])
def test_bugs_keep_their_traceback(run, monkeypatch, error):
    """Do not hide what is not the user's mistake."""
    monkeypatch.setattr(boundary, "app", failing(error))
    with pytest.raises(type(error)):
        run()


def test_ctrl_c_exits_130(run, monkeypatch):
    """End as programs do that were interrupted."""
    monkeypatch.setattr(boundary, "app", failing(KeyboardInterrupt()))
    assert run() == (130, "", "\nstopped\n")


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("torch", ["train", "--run-dir", "never"], "train"),
        ("stable_baselines3", ["train", "--run-dir", "never"], "train"),
        ("onnxruntime", ["train", "--run-dir", "never"], "train"),
        ("numba", ["evaluate", "pure_pursuit"], "train"),
        ("gymnasium", ["bench", "train"], "train"),
        ("torch", ["export", "x", "-o", "y"], "train"),
    ],
)
def test_missing_package_is_one_line_that_names_the_extra(tmp_path, package, arguments, extra):
    """Block an import: the command says what to install, and leaves nothing."""
    block = (
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == '{package}':\n"
        f"            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
        "sys.meta_path.insert(0, Block())"
    )
    said = racer_alone(*arguments, before=block, cwd=tmp_path)
    assert said.code == 1
    assert said.err.startswith("error: ") and said.err.endswith(f"{INSTALL}'racer[{extra}]'\n")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("onnx", "train", "train"),
        ("onnx", "watch", "view"),
        ("matplotlib", "video", "view"),
        ("PIL", "car", "car"),
        ("mcap", "calibrate-sim", "train"),
        ("smbus2", "", "car"),
        ("imageio_ffmpeg", "race", "view"),
        ("pettingzoo", "", "multi"),
        ("cryptography", "car", "sign"),
        ("cv2", "car", "usb-camera"),
        ("numpy", "train", None),
        ("mypy", "train", None),
    ],
)
def test_extra_that_fits_the_command(package, command, extra):
    """Name the extra of the command where it has the package, else one that has it; never the developers' ones."""
    assert boundary._extra_for(package, command) == extra


def test_all_our_errors_are_caught_by_one():
    """Keep one parent of all errors that the boundary shows."""
    import racer.errors

    kinds = [kind for kind in vars(racer.errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 5 and all(issubclass(kind, RacerError) for kind in kinds)
