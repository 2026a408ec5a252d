"""The kernel cache notices every edit and nothing else; no flag hides in a kernel; a crew splits without overlap."""

import ast
import itertools
import os
import subprocess
import sys
import threading

import pytest

from racer.sim.jit import WorkerPool
from support.paths import ROOT

SIM = ROOT / "racer" / "sim"

# A package of the same layout as racer's, but with two tiny kernels, so that compiling takes a second.
CALLEE = """
from racer import optics
from racer.sim.jit import device

STEP = 1.0
radius = device(optics.radius)

@device
def inner(x):
    return radius(x) + STEP
"""
OPTICS = """
def radius(x):
    return 1.0 * x
"""
CALLER = """
from racer.sim.callee import inner
from racer.sim.jit import kernel

@kernel
def outer(x):
    return inner(x) * 10.0
"""
RUN = """
from racer.sim.caller import outer
print(outer(1.0), sum(outer.stats.cache_hits.values()), sum(outer.stats.cache_misses.values()))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of jit.py and what it imports beside two small kernels."""
    root = tmp_path / "copy"
    sim = root / "racer" / "sim"
    sim.mkdir(parents=True)
    for name in ("__init__.py", "assets.py", "errors.py"):
        (root / "racer" / name).write_bytes((SIM.parent / name).read_bytes())
    (sim / "__init__.py").write_text("")
    (sim / "jit.py").write_bytes((SIM / "jit.py").read_bytes())
    (sim / "callee.py").write_text(CALLEE)
    (root / "racer" / "optics.py").write_text(OPTICS)
    (sim / "caller.py").write_text(CALLER)
    return root


def run(package, cache):
    """(value, cache hits, cache misses) of the kernel in a new process."""
    environment = os.environ | {"RACER_CACHE_DIR": str(cache), "PYTHONPATH": str(package)}
    environment.pop("NUMBA_DISABLE_JIT", None)
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, cwd=package, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    value, hits, misses = done.stdout.split()
    return float(value), int(hits), int(misses)


def files(cache):
    """All files in the cache with their times."""
    return {p: p.stat().st_mtime_ns for p in cache.rglob("*") if p.is_file()}


def test_the_cache_is_hit_and_notices_edits_of_other_files(package, tmp_path):
    """Check a second run compiles nothing, and an edit of a callee's constant takes effect at once."""
    cache = tmp_path / "cache"
    assert run(package, cache) == (20.0, 0, 1)
    kept = files(cache)
    assert any(p.suffix == ".nbc" for p in kept)
    assert run(package, cache) == (20.0, 1, 0)
    assert files(cache) == kept
    callee = package / "racer" / "sim" / "callee.py"
    callee.write_text(callee.read_text().replace("STEP = 1.0", "STEP = 2.0"))
    # numba alone would return 20.0 here: the file of `outer` is the same (numba issue 1833).
    assert run(package, cache) == (30.0, 0, 1)
    assert set(kept) < set(files(cache))
    assert run(package, cache) == (30.0, 1, 0)
    optics = package / "racer" / "optics.py"
    optics.write_text(OPTICS.replace("1.0", "2.0"))
    assert run(package, cache) == (40.0, 0, 1)


def test_old_caches_are_dropped(package, tmp_path):
    """Check that a handful of versions is kept, the newest ones, and nothing outside the kernels' folder is touched."""
    cache = tmp_path / "cache"
    kernels = cache / "kernels"
    for age in range(8):
        old = kernels / f"old{age}"
        old.mkdir(parents=True)
        os.utime(old, (1e9 - age, 1e9 - age))
    (cache / "tracks").mkdir()
    run(package, cache)
    names = {p.name for p in kernels.iterdir()}
    assert {"old0", "old1", "old2"} < names and len(names) == 4
    assert (cache / "tracks").is_dir()


def test_kernels_compile_without_a_cache_folder(package, tmp_path):
    """Check that a cache folder that cannot be made costs the cache and nothing else."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert run(package, blocked)[0] == 20.0


def test_no_kernel_bends_arithmetic():
    """Check that numba's decorators and flags stand in jit.py alone, and `fastmath` and `parallel` nowhere."""
    for file in sorted([*SIM.rglob("*.py"), *(SIM.parent / "render").rglob("*.py")]):
        tree = ast.parse(file.read_text())
        keywords = {k.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords}
        assert not keywords & {"fastmath", "parallel", "boundscheck"}, file.name
        if file.name == "jit.py":
            continue
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not names & {"njit", "jit", "prange", "vectorize", "guvectorize"}, file.name


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 127, 128, 200, 1000, 1024])
@pytest.mark.parametrize("least", [1, 64])
def test_a_crew_covers_every_world_once(threads, count, least):
    """Check that the ranges join without gap or overlap, are at least `least` long, and at most `threads` of them."""
    crew = WorkerPool(threads)
    ranges, lock = [], threading.Lock()

    def work(first, last, extra):
        assert extra == "given"
        with lock:
            ranges.append((first, last))

    crew.run(work, count, least, "given")
    crew.close()
    ranges.sort()
    assert ranges[0][0] == 0 and ranges[-1][1] == count
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
    assert 1 <= len(ranges) <= threads
    assert len(ranges) == 1 or min(b - a for a, b in ranges) >= least


def test_a_crew_passes_errors_on():
    """Check that an exception in any range reaches the caller."""
    crew = WorkerPool(3)

    def work(first, last):
        if first > 0:
            raise ValueError("of a helper thread")

    with pytest.raises(ValueError, match="of a helper thread"):
        crew.run(work, 300, 1)
    crew.close()
