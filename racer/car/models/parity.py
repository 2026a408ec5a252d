"""Runs a bundle's graph on its recorded observations, in a process of its own that may crash, hang or eat memory.

A graph is a program of somebody else's. onnxruntime's own faults, and a graph that asks for too much, end this process
and not the one that serves the console. `python -m racer.car.store.check FILE` prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from racer.errors import BundleError, RacerError
from racer.process import limit_memory, run_child

CHECK_TIMEOUT_S = 60.0
"""For loading the graph and answering eight or so observations; a Pi 4 needs about two seconds."""
MEMORY_MAX = 1 << 30
"""Bytes of data that the check may hold; the largest bundle needs about a third."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How a bundle's graph answered here, against what was recorded when it was made.

    Attributes:
        observations: how many were compared.
        difference: largest difference of an action, as a share of the action space's range.
        inference_ms: median time of one answer, including preprocessing, on this machine.
    """

    observations: int
    difference: float
    inference_ms: float


ParityCheck = Callable[[Path], Parity]


def check_in_subprocess(path: Path) -> Parity:
    """Check a bundle's golden answers in another process.

    Raises:
        BundleError: an answer differs, the graph cannot be run, or running it crashed or took too long.
    """
    child = run_child("racer.car.models.parity", str(path), timeout_s=CHECK_TIMEOUT_S)
    if child.code is None:
        raise BundleError(f"{path}: running the graph took longer than {CHECK_TIMEOUT_S:g} s")
    answer = _parse_last_line(child.output)
    if child.code == 0 and "observations" in answer:
        return Parity(**answer)
    raise BundleError(answer.get("error") or f"{path}: running the graph crashed onnxruntime ({child.ending})")


def check_in_process(path: Path) -> Parity:
    """The same in this process.

    Raises:
        BundleError: as above, but for crashes.
    """
    import time

    import numpy as np

    from racer.bundle import check_golden, read_bundle
    from racer.policy.onnx import OnnxPolicy

    bundle = read_bundle(path)
    policy = OnnxPolicy(bundle)
    check_golden(bundle, policy)
    space, recorded = bundle.contract.action_space, bundle.golden.outputs["action"]
    rows = [{name: values[k : k + 1] for name, values in bundle.golden.inputs.items()} for k in range(len(recorded))]
    policy.reset()
    actions, times = [], []
    for row in rows:
        begin = time.perf_counter()
        actions.append(policy.act(row)[0])
        times.append(time.perf_counter() - begin)
    reach = np.maximum(np.subtract(space.high, space.low), 1e-6)
    difference = float(np.max(np.abs(np.stack(actions) - recorded) / reach))
    return Parity(len(recorded), difference, round(1e3 * float(np.median(times)), 3))


def _parse_last_line(text: bytes) -> dict:
    with contextlib.suppress(ValueError, IndexError):
        found = json.loads(text.splitlines()[-1])
        return found if isinstance(found, dict) else {}
    return {}


def _main(path: str) -> int:
    try:
        limit_memory(MEMORY_MAX, final=True)
        said: dict = asdict(check_in_process(Path(path)))
    except RacerError as error:
        said = {"error": str(error)}
    except MemoryError:
        said = {"error": f"{path}: running the graph takes more than {MEMORY_MAX >> 20} MiB"}
    sys.stdout.write(json.dumps(said) + "\n")
    return 1 if "error" in said else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
