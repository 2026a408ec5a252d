"""The first use of a reward: translate it, compile it, and compare it with plain Python on thousands of states.

It runs in a process of its own (`racer.reward.check_process`), because the user's code runs here for the first time.
"""

from __future__ import annotations

import ast
import hashlib
import time
from pathlib import Path
from typing import Any

from racer.errors import RewardError
from racer.reward.check_process import Process, run_apart
from racer.reward.compile.kernels.cache import write_translation, write_verdict
from racer.reward.compile.kernels.kernel import load_kernel
from racer.reward.shared_names import SharedNames
from racer.reward.source import NeedsMemory, RewardSource, compile_source, new_module

HANG_S = 20.0
"""s that user code may run without a word; the states of one control step are one stretch."""
TOTAL_S = 180.0
COMPARE_S = 6.0
"""s after which no further control step is compared."""


def try_out(source: RewardSource, folder: Path) -> dict[str, Any]:
    """Make the translation of a reward and its verdict, in another process.

    Returns:
        The verdict: `path` is `compiled`, `python`, or `refused` where it is to run nowhere; `reason` why.
    """
    request = {"text": source.text, "name": source.name, "path": str(source.path), "folder": str(folder)}
    file = str(source.path)
    try:
        answer = run_apart("racer.reward.compile.trial.trial:serve_trial", request, file=file, total_s=TOTAL_S)
    except RewardError as error:
        return {"path": "python", "reason": str(error)}
    if not answer.ended_early:
        return answer.result
    where = f" at line {answer.line}" if answer.line else ""
    known = {
        "hang": f"it took too long in its trial{where}",
        "memory": "its trial took more memory than it may",
    }
    reason = known.get(answer.ended_early, f"it ended the process of its trial ({answer.ended_early}){where}")
    return {"path": "python", "reason": reason}


def serve_trial(request: dict[str, Any], process: Process) -> dict[str, Any]:
    """The other process's part."""
    from racer.reward.compile.endings import CannotCompile
    from racer.reward.compile.trial.compare import call_plainly
    from racer.reward.compile.trial.samples import check_samples

    text = request["text"]
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    source = RewardSource(name=request["name"], path=Path(request["path"]), text=text, sha256=sha256)
    folder = Path(request["folder"])
    try:
        try:
            verdict = make_verdict(source, folder, process)
        except CannotCompile as error:
            where = f"line {error.line}: " if error.line else ""
            verdict = {"path": "python", "reason": f"{where}{error.reason}"}
            call_plainly(source, check_samples()[0], process.watch, HANG_S)
    except NeedsMemory as error:  # nor may the trainer run it
        return {"path": "refused", "reason": str(error)}
    write_verdict(folder, verdict)
    return verdict


def make_verdict(source: RewardSource, folder: Path, process: Process) -> dict[str, Any]:
    """Translate, compile and compare.

    Raises:
        CannotCompile: it is left to plain Python.
        RewardError: the file cannot be run at all.
    """
    from racer.reward.compile.module.rules import check_module
    from racer.reward.compile.translation.translate import translate
    from racer.reward.printed import PrintCapture

    code = compile_source(source)
    check_module(ast.parse(source.text))
    process.watch(HANG_S)
    with PrintCapture(), SharedNames(str(source.path)):
        module, _ = new_module(source, code)
    process.rest()
    begin = time.perf_counter()
    translation = translate(module, source.text, str(source.path))
    translated = time.perf_counter()
    write_translation(folder, translation)
    facts: dict[str, Any] = {
        "memory": translation.memory,
        "regions": translation.regions,
        "layout": translation.layout,
    }
    kernel = load_kernel(folder, **facts)
    compiled = time.perf_counter()
    found = compare(source, kernel, process)
    facts.update(found, traps=translation.traps)
    reasons = dict(translation.traps)
    if found.get("line") in reasons:
        facts["reason"] = f"line {found['line']}: {reasons[found['line']]}"
    facts["seconds"] = [round(translated - begin, 3), round(compiled - translated, 3)]
    facts["seconds"].append(round(time.perf_counter() - compiled, 3))
    return facts


def compare(source: RewardSource, kernel: Any, process: Process) -> dict[str, Any]:
    """Run both paths over the samples; the verdict's facts."""
    from racer.reward.compile.trial.compare import Comparison
    from racer.reward.compile.trial.samples import check_samples

    comparison = Comparison(source, kernel, process.watch, process.rest, HANG_S)
    begin = time.perf_counter()
    for sample in check_samples():
        comparison.run(sample, max(0.5, COMPARE_S - (time.perf_counter() - begin)))
    return comparison.verdict()
