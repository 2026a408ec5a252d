"""Runs a bundle's graph on its recorded observations in a separate process, which may crash or hang.

A graph is a foreign program: faults of onnxruntime and excessive memory end this process, and not the console's.
`python -m racer.car.models.parity FILE` prints one line of JSON.
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
"""Deadline for loading the graph and answering about eight observations [s]; a Pi 4 needs about 2 s."""
MEMORY_MAX = 1 << 30
"""Largest data segment of the check [bytes]; the largest bundle needs about a third."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Comparison of a bundle's graph on this machine with its recorded answers.

    Attributes:
        observations: Number of compared observations.
        difference: Largest difference of an action, as a fraction of the action space's range.
        inference_ms: Median time of one answer on this machine, with preprocessing [ms].
    """

    observations: int
    difference: float
    inference_ms: float


ParityCheck = Callable[[Path], Parity]


def check_in_subprocess(path: Path) -> Parity:
    """Check the golden answers of a bundle in another process.

    Raises:
        BundleError: An answer differs, or the graph cannot run, crashed or took too long.
    """
    child = run_child("racer.car.models.parity", str(path), timeout_s=CHECK_TIMEOUT_S)
    if child.code is None:
        raise BundleError(f"{path}: running the graph took longer than {CHECK_TIMEOUT_S:g} s")
    answer = _parse_last_line(child.output)
    if child.code == 0 and "observations" in answer:
        return Parity(**answer)
    raise BundleError(answer.get("error") or f"{path}: running the graph crashed onnxruntime ({child.ending})")


def check_in_process(path: Path) -> Parity:
    """Check the golden answers of a bundle in this process.

    Raises:
        BundleError: An answer differs, or the graph cannot run.
    """
    import time

    import numpy as np

    from racer.bundle import check_golden, read_bundle
    from racer.policy.onnx import OnnxPolicy

    bundle = read_bundle(path)
    policy = OnnxPolicy(bundle)
    check_golden(bundle, policy)
    space, recorded = bundle.contract.action_space, bundle.golden.outputs["action"]
    policy.reset()
    actions, times = [], []
    # One observation at a time, as on the car: the median time is that of a single answer.
    for k in range(len(recorded)):
        row = {name: values[k : k + 1] for name, values in bundle.golden.inputs.items()}
        begin = time.perf_counter()
        actions.append(policy.act(row)[0])
        times.append(time.perf_counter() - begin)
    # A constant steering or speed has no range; the floor keeps the fraction finite.
    reach = np.maximum(np.subtract(space.high, space.low), 1e-6)
    difference = float(np.max(np.abs(np.stack(actions) - recorded) / reach))
    return Parity(len(recorded), difference, round(1e3 * float(np.median(times)), 3))


def _parse_last_line(text: bytes) -> dict:
    # The last line, because libraries may print warnings before it.
    with contextlib.suppress(ValueError, IndexError):
        record = json.loads(text.splitlines()[-1])
        return record if isinstance(record, dict) else {}
    return {}


def _main(path: str) -> int:
    try:
        # Before the graph is read, and without a way back: the graph is a foreign program.
        limit_memory(MEMORY_MAX, final=True)
        answer: dict = asdict(check_in_process(Path(path)))
    except RacerError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": f"{path}: running the graph takes more than {MEMORY_MAX >> 20} MiB"}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
