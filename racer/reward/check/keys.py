"""Which keys of the dict a reward function uses: those that its text names, and those that its calls ask for.

What DeepRacer's console refuses before it trains; `racer rewards check --strict` refuses it too.

Rules of github aws-solutions/deepracer-on-aws at 61af778, `reward_func_validator/test_reward_function.py` and
`constants.py`. Its style check (flake8) is left out: it refuses no reward function for what it does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from racer.assets import did_you_mean
from racer.reward.params import NAMES, PARAMS
from racer.reward.source import FUNCTION


class WatchedParams(dict[str, Any]):
    """Params that note which keys are asked for. The check alone uses it: a plain dict is what functions get."""

    def __init__(self, params: dict[str, Any], asked: set[str]) -> None:
        super().__init__(params)
        self._asked = asked

    def _note(self, key: Any) -> None:
        if isinstance(key, str):
            self._asked.add(key)

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._note(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """See dict."""
        self._note(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """See dict."""
        self._note(key)
        return super().pop(key, *default)

    def __iter__(self) -> Iterator[str]:
        self._asked.update(super().keys())
        return super().__iter__()

    def keys(self) -> Any:
        """See dict; whoever looks at all keys uses all of them."""
        self._asked.update(super().keys())
        return super().keys()

    def values(self) -> Any:
        """See dict."""
        self._asked.update(super().keys())
        return super().values()

    def items(self) -> Any:
        """See dict."""
        self._asked.update(super().keys())
        return super().items()


def named_keys(text: str) -> dict[str, int]:
    """Keys that a file's text reads from its params, with the line of each.

    Read are `params["key"]`, `params.get("key")` and `"key" in params`, where `params` is what `reward_function`
    calls its argument, and the same name elsewhere in the file. A key that the text also sets is the function's own.
    """
    tree = ast.parse(text)
    names = {
        node.args.args[0].arg
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == FUNCTION and node.args.args
    }
    found: dict[str, int] = {}
    own: set[str] = set()
    for node in ast.walk(tree):
        key = _key_of(node, names)
        if key is None:
            continue
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            own.add(key)
        else:
            found[key] = min(found.get(key, node.lineno), node.lineno)  # type: ignore[attr-defined]
    return {key: line for key, line in found.items() if key not in own or key in NAMES}


def _key_of(node: ast.AST, names: set[str]) -> str | None:
    base: ast.AST | None = None
    key: ast.AST | None = None
    if isinstance(node, ast.Subscript):
        base, key = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        base, key = node.func.value, node.args[0]
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        base, key = node.comparators[0], node.left
    if isinstance(base, ast.Name) and base.id in names and isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value
    return None


def used_keys(named: dict[str, int], asked: set[str]) -> list[str]:
    """The keys in use, in the order of the params table."""
    return [name for name in NAMES if name in named or name in asked]


def unknown_keys(named: dict[str, int]) -> list[tuple[str, int, str]]:
    """Keys that do not exist: key, line, and a message with the nearest that does."""
    return [
        (key, line, f"`{key}` is no key of params.{did_you_mean(key, list(NAMES))} See `racer rewards params`.")
        for key, line in sorted(named.items(), key=lambda item: item[1])
        if key not in NAMES
    ]


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
