"""What DeepRacer's console refuses before it trains; `racer rewards check --strict` refuses it too.

Rules of github aws-solutions/deepracer-on-aws at 61af778, `reward_func_validator/test_reward_function.py` and
`constants.py`. Its style check (flake8) is left out: it refuses no reward function for what it does.
"""

from __future__ import annotations

import ast

from racer.reward.params import PARAMS

IMPORTS = ("math", "random", "numpy", "scipy", "shapely")
BUILTINS = ("open", "exec", "eval", "compile", "input")
SUBSTRINGS = (
    "__import__", "load", "save", "savez", "savetxt", "fromfile", "tofile", "genfromtxt", "loadtxt", "memmap",
)  # fmt: skip
LENGTH_MAX = 140_000
"""Characters."""
NOT_IN_FIXTURES = ("projection_distance", "objects_distance_from_center", "sim_time")
"""Keys of the simulator that the states of the console's own test lack."""


def strict_problems(text: str, keys: dict[str, int]) -> list[tuple[int | None, str]]:
    """(line, message) for each rule that a file breaks.

    Args:
        text: of the file.
        keys: the keys that it reads by name, with their lines.
    """
    problems: list[tuple[int | None, str]] = []
    if not 1 <= len(text) <= LENGTH_MAX:
        problems.append((None, f"The file has {len(text)} characters; the console takes 1 to {LENGTH_MAX}."))
    tree = ast.parse(text)
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or "."] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            problems += [(node.lineno, problem) for name in names if (problem := _import_problem(name))]
            if id(node) not in top:
                problems.append((node.lineno, "The console takes imports at the top of the file only."))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BUILTINS:
            problems.append((node.lineno, f"The console refuses `{node.func.id}`."))
    for number, content in enumerate(text.splitlines(), 1):
        found = next((word for word in SUBSTRINGS if word in content), None)
        if found:
            problems.append((number, f"The console refuses the text `{found}`, wherever it stands; rename it."))
    ours = {param.name for param in PARAMS if param.ours}
    for key, line in keys.items():
        if key in ours:
            problems.append((line, f"`{key}` exists in racer only; DeepRacer does not have it."))
        elif key in NOT_IN_FIXTURES:
            problems.append((line, f"The console tests without `{key}`; read it with params.get and a default."))
    return sorted(problems, key=lambda problem: problem[0] or 0)


def _import_problem(name: str) -> str:
    if name.partition(".")[0] in IMPORTS:
        return ""
    return f"The console refuses the import of `{name}`; it takes {', '.join(IMPORTS)}."
