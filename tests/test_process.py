"""The supervisor of child processes: search path, deadline, last line of standard error, and the end of a child."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import racer
from racer.process import ChildProcess, JsonLinesChild, python_command, run_child

PACKAGE = Path(racer.__file__).parent
SOURCE = """
import json, os, signal, sys, time

def shout(*words):
    print(*words)
    sys.stderr.write("first\\nerror: last\\n")
    sys.exit(3)

def path():
    import math
    print(json.dumps([sys.path, getattr(math, "__file__", "built-in")]))

def crash():
    os.kill(os.getpid(), signal.SIGSEGV)

def sleep():
    time.sleep(60)

def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(json.dumps({"ready": 1}), flush=True)
    time.sleep(60)

def echo():
    for line in sys.stdin:
        print(json.dumps({"heard": line.strip()}), flush=True)

def deaf():
    print(json.dumps({"ready": 1}), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    print("program", sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def child_module(tmp_path, monkeypatch):
    """A module `child_of_test` that children can import, and a working folder with a false `math.py`."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "child_of_test.py").write_text(SOURCE)
    (tmp_path / "math.py").write_text("raise SystemExit('imported from the working folder')\n")
    monkeypatch.chdir(tmp_path)
    inherited = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "modules"), *inherited]))


def first_records(child, count):
    """Wait for so many objects: a read may end within a line."""
    records = []
    while len(records) < count:
        records += child.receive()
    return records


def starts_without_safe_path(source):
    """Line numbers of list displays that start Python with `-m` or `-c` and have no `-P`; and how many start at all."""
    starts, wrong = 0, []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.List | ast.Tuple):
            continue
        texts = [element.value for element in node.elts if isinstance(element, ast.Constant)]
        executable = any(
            (isinstance(element, ast.Attribute) and element.attr == "executable")
            or (isinstance(element, ast.Constant) and "python" in str(element.value))
            for element in node.elts
        )
        if executable and {"-m", "-c"} & set(texts):
            starts += 1
            if "-P" not in texts:
                wrong.append(node.lineno)
    return starts, wrong


def test_every_start_of_python_has_a_safe_path():
    """Each `-m` or `-c` start in the package has `-P`; the finder itself finds a start that has none."""
    assert starts_without_safe_path('x = [sys.executable, "-m", "racer"]') == (1, [1])
    assert starts_without_safe_path('x = [sys.executable, "-P", "-m", "racer"]') == (1, [])
    found = {file: starts_without_safe_path(file.read_text(encoding="utf-8")) for file in PACKAGE.rglob("*.py")}
    assert sum(starts for starts, _ in found.values()) >= 1
    assert {str(file): wrong for file, (_, wrong) in found.items() if wrong} == {}


def test_the_working_folder_is_not_searched():
    """A `math.py` beside the caller is not imported, and the package's own folder is the last of the search path."""
    result = run_child("child_of_test:path", timeout_s=60)
    assert (result.code, result.last_error) == (0, "")
    assert b"imported from" not in result.output
    search_path, _ = json.loads(result.output)
    assert search_path[-1] == str(PACKAGE.parent) and str(Path.cwd()) not in search_path


def test_a_module_runs_as_a_program():
    """A target without a function runs as `__main__`, with the arguments of the call."""
    assert run_child("child_of_test", "a", "b", timeout_s=60).output == b"program ['a', 'b']\n"


def test_output_status_and_last_error():
    """The exit status, all of the output, and the last line of standard error without its mark."""
    result = run_child("child_of_test:shout", "one", "two", timeout_s=60)
    assert (result.code, result.output, result.last_error) == (3, b"one two\n", "last")
    assert result.ending == "exit 3"


def test_a_crash_names_its_signal():
    """The name of the signal, not its number."""
    assert run_child("child_of_test:crash", timeout_s=60).ending == "SIGSEGV"


def test_the_deadline_kills():
    """No code after the deadline, and the child is gone long before it would have ended."""
    start = time.monotonic()
    assert run_child("child_of_test:sleep", timeout_s=0.5).code is None
    assert time.monotonic() - start < 30


def test_a_child_that_ignores_the_signal_is_killed():
    """SIGKILL after the time that it had."""
    child = JsonLinesChild("child_of_test:stubborn")
    assert first_records(child, 1) == [{"ready": 1}]
    assert child.end(signal.SIGTERM, grace_s=0.1) == -signal.SIGKILL


def test_a_block_that_fails_leaves_no_child():
    """The context manager kills, also on an error."""
    with pytest.raises(ZeroDivisionError), ChildProcess("child_of_test:sleep") as child:
        raise ZeroDivisionError
    assert child.process.returncode == -signal.SIGKILL


def test_a_killed_parent_takes_its_children_along():
    """Kill the parent: the child that ends with it gets SIGTERM."""
    code = (
        "import time; from racer.process import ChildProcess\n"
        "child = ChildProcess('child_of_test:sleep', ends_with_parent=True)\n"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-P", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_go_both_ways():
    """Commands reach the child; objects come back in order, and None at the end of output."""
    child = JsonLinesChild("child_of_test:echo")
    child.send("one")
    child.send("two")
    assert first_records(child, 2) == [{"heard": "one"}, {"heard": "two"}] and child.newest == {"heard": "two"}
    child.process.stdin.close()
    while child.receive() is not None:
        pass
    assert child.end() == 0
    child.send("after the end")


def test_a_child_that_does_not_read_blocks_nobody():
    """More than a pipe holds is dropped."""
    child = JsonLinesChild("child_of_test:deaf")
    assert first_records(child, 1) == [{"ready": 1}]
    for _ in range(40):
        child.send("x" * 4000)
    child.end(grace_s=0.0)


def test_the_target_is_an_argument():
    """The target is one whole argument of the command line, where `ps` and `pgrep -f` show it."""
    command = python_command("racer.car.actuator", "run")
    assert command[-2:] == ["racer.car.actuator", "run"] and command[1] == "-P"
