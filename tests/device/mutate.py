"""Mutation testing of the modules that keep people safe: change one thing at a time, and see a test fail.

    python tests/device/mutate.py            all targets
    python tests/device/mutate.py gate       one
    PART=2/3 python tests/device/mutate.py   every third mutant, from the second on

Every mutant runs in a fork of this process, which has all large packages loaded already. A mutant that survives is
printed; one that is known to mean the same as the original is listed in EQUIVALENT with its reason. Exit 1 where
another one survives.
"""

import ast
import copy
import importlib.abc
import importlib.util
import os
import select
import signal
import sys
import tempfile
import time
from pathlib import Path

import hypothesis.stateful  # noqa: F401 (loaded once, before the forks)
import numpy  # noqa: F401
import pytest

import racer.contract  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {
    "state_machine": (
        "racer.car.actuator.state_machine",
        [
            "tests/car/actuator/test_state_machine.py",
            "tests/car/actuator/test_server.py",
            "tests/car/actuator/test_state_machine_invariants.py",
        ],
    ),
    "limits": (
        "racer.car.actuator.limits",
        [
            "tests/car/calibration/test_calibration.py",
            "tests/car/actuator/test_state_machine.py",
            "tests/car/actuator/test_drivers.py",
        ],
    ),
    "log": ("racer.car.actuator.log", ["tests/car/actuator/test_log.py"]),
    "gate": ("racer.car.gate", ["tests/car/test_gate.py"]),
    "calibrated_range": (
        "racer.car.actuator.calibrated_range",
        ["tests/car/calibration/test_calibration.py", "tests/car/actuator/test_drivers.py"],
    ),
    "drivers": ("racer.car.actuator.drivers", ["tests/car/actuator/test_drivers.py"]),
}
PATIENCE = 10
"""How many times the run without a mutation a mutant may take: one that only blocks counts as killed by then."""
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "--tb=no", "-W", "ignore::pytest.PytestAssertRewriteWarning"]

EQUIVALENT = {
    ("state_machine", "NEVER: Final = (1 << 63) - 1", ""): "any number beyond every clock will do",
    (
        "state_machine",
        "_NO_COMMAND: Final = ActuatorCommand(CommandSource.FRAME, -1, -1, -1, -limits.COMMAND_DEADLINE_NS, 0, 0)",
        "",
    ): ("placeholder: its numbers lie below all others, its pulses are never used"),
    ("state_machine", "_NO_RANGE: Final = CalibratedRange(1, 0, 0, 1, 0, 0)", ""): (
        "no command fits a low above a high, and steering and throttle refuse each on its own"
    ),
    ("state_machine", "self._half_us = 0", ""): "read in a soft stop alone, which sets it when it begins",
    ("state_machine", "self._fresh_until_ns = 0", ""): (
        "read before the first command nowhere: without one the command is late, which is checked before the frame"
    ),
    (
        "state_machine",
        "if command.captured_ns > self.command.captured_ns:",
        "command.captured_ns >= self.command.captured_ns",
    ): "the same capture from the same source gives the same deadline again; from another source it is refused before",
    ("state_machine", "self._neutral_since_ns = NEVER", "pass"): (
        "after a failed bus: what arms next has passed a fault, and clearing that sets it too (a second lock; "
        "`test_clearing_a_fault_counts_neutral_anew` fails where clearing does not)"
    ),
    (
        "state_machine",
        "return False",
        "return None",
    ): "asked for its truth alone, and `take`'s own is tested for `is False`",
    (
        "state_machine",
        "return command.input_id > last.input_id and command.captured_ns > last.captured_ns",
        "command.input_id >= last.input_id",
    ): "equal numbers were answered two lines before",
    (
        "calibrated_range",
        "fcntl.ioctl(bus.fd, 0x0702, limits.BUS_SLOW_NS // 10_000_000)  # I2C_TIMEOUT, in units of 10 ms",
        "9999999",
    ): "two whole units either way",
    ("drivers", "PRESCALE_50_HZ: Final = round(OSCILLATOR_HZ * limits.PERIOD_US / 1_000_000 / STEPS) - 1", "1000001"): (
        "121 either way, to which a test holds it"
    ),
    ("drivers", "PRESCALE_50_HZ: Final = round(OSCILLATOR_HZ * limits.PERIOD_US / 1_000_000 / STEPS) - 1", "999999"): (
        "121 either way"
    ),
    ("calibrated_range", "raw = file.read(_BYTES_MAX + 1)", "2"): "one byte too many is as much too long as two",
    (
        "calibrated_range",
        'sign = -1 if part["invert"] else 1',
        "2",
    ): "only the sign of a step counts where steps are whole",
    (
        "gate",
        "end, full = (s.left_us, s.max_deg_left) if angle >= 0.0 else (s.right_us, s.max_deg_right)",
        "angle > 0.0",
    ): "at 0 degrees both sides give the centre",
}
"""Target, line of source, what it became (empty: whatever), and why that means the same."""

PLACES = {("state_machine", "return False", "return None"): 2}
"""Number of places in the source where a listed line may survive; 1 if it is not listed here."""

COMPARE = {
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


def is_deed(node):
    """A statement whose loss can be seen: a call, or an assignment to something that outlives its function."""
    if isinstance(node, ast.Assign):
        return not isinstance(node.targets[0], ast.Name)
    return isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))


def variants(node):
    """Every other form of one node."""
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            for other in COMPARE[type(op)]:
                made = copy.deepcopy(node)
                made.ops[at] = other()
                yield made
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        yield from node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)
    elif (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max", "any", "all")
    ):
        swap = {"min": "max", "max": "min", "any": "all", "all": "any"}[node.func.id]
        yield ast.Call(ast.Name(swap, ast.Load()), node.args, node.keywords)
    elif isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif is_deed(node):
        yield ast.Pass()
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        yield ast.Return(ast.Constant(None))


class Swap(ast.NodeTransformer):
    """Puts a variant in the place of the n-th node."""

    def __init__(self, at, variant):
        self.at, self.variant, self.count = at, variant, -1

    def visit(self, node):
        """Count nodes in the order of a walk from the top."""
        self.count += 1
        if self.count == self.at:
            return ast.copy_location(self.variant, node)
        return self.generic_visit(node)


def ordered(node):
    """Nodes in the order in which `Swap` meets them."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from ordered(child)


def mutants(source):
    """Line, what it was, what it became, and the whole mutated module."""
    tree = ast.parse(source)
    quiet = set()  # protocol numbers, type declarations and texts say nothing about behaviour
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
            quiet |= {id(inner) for inner in ast.walk(node)}
        if isinstance(node, ast.JoinedStr):
            quiet |= {id(inner) for inner in ast.walk(node)}
        for kind in ("annotation", "returns"):
            if declared := getattr(node, kind, None):
                quiet |= {id(inner) for inner in ast.walk(declared)}
        if isinstance(node, ast.keyword) and node.arg in ("frozen", "slots"):
            quiet |= {id(inner) for inner in ast.walk(node)}
    for at, node in enumerate(ordered(tree)):
        if id(node) in quiet:
            continue
        for variant in variants(node):
            made = ast.fix_missing_locations(Swap(at, variant).visit(copy.deepcopy(tree)))
            before, after = ast.unparse(node).splitlines()[0], ast.unparse(variant).splitlines()[0]
            yield node.lineno, before, after, made


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutated module under its own name."""

    def __init__(self, name, tree, path):
        self.name, self.tree, self.path = name, tree, path

    def find_spec(self, name, path=None, target=None):
        """This one module."""
        return importlib.util.spec_from_loader(name, self, origin=str(self.path)) if name == self.name else None

    def exec_module(self, module):
        """Run the mutated code."""
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)


def survives(name, tree, path, tests, patience_s):
    """Whether all tests pass on a mutant within that time, in a fork."""
    child = os.fork()
    if not child:
        os.setsid()  # one group with the programs that its tests start
        silent = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silent, number)
        sys.meta_path.insert(0, Finder(name, tree, path))
        code = 1
        try:
            for test in tests:
                code = pytest.main([*OPTIONS, str(ROOT / test)])
                if code:
                    break
        finally:
            os._exit(1 if code else 0)
    died = os.pidfd_open(child)
    if not select.select([died], [], [], patience_s)[0]:  # not by an alarm in the child: pytest-timeout sets its own
        os.killpg(child, signal.SIGKILL)
    os.close(died)
    _, status = os.waitpid(child, 0)
    return status == 0


def main(wanted):
    """Run the targets; the number of survivors that are not listed."""
    bad = 0
    assert {target for target, _, _ in EQUIVALENT} <= set(TARGETS), "EQUIVALENT names a target that does not exist"
    part, parts = map(int, os.environ.get("PART", "1/1").split("/"))
    for target in wanted or TARGETS:
        name, tests = TARGETS[target]
        path = ROOT / (name.replace(".", "/") + ".py")
        start = time.monotonic()
        assert survives(name, ast.parse(path.read_text()), path, tests, 600), (
            f"the tests of {target} fail without a mutation"
        )
        patience_s = max(10.0, PATIENCE * (time.monotonic() - start))
        start, place, total, equivalent, left = time.monotonic(), 0, 0, 0, 0
        lines, places = path.read_text().splitlines(), {}
        for line, before, after, tree in mutants(path.read_text()):
            place += 1
            if place % parts != part % parts:
                continue
            total += 1
            if not survives(name, tree, path, tests, patience_s):
                continue
            words = lines[line - 1].strip()
            key = next((key for key in ((target, words, after), (target, words, "")) if key in EQUIVALENT), None)
            places.setdefault(key, set()).add(line)
            if key and len(places[key]) <= PLACES.get(key, 1):
                equivalent += 1
                continue
            left += 1
            print(f"survived  {path.name}:{line}: {before}  ->  {after}", flush=True)  # noqa: T201
        print(  # noqa: T201
            f"{target}: {total} mutants, {total - equivalent - left} killed, {equivalent} equivalent, {left} survived, "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )
        bad += left
    return bad


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="racer-mutate-") as folder:
        os.chdir(folder)  # a mutant may write anywhere
        bad = main(sys.argv[1:])
        os.chdir(ROOT)
    sys.exit(1 if bad else 0)
