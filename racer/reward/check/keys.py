"""The keys of params that a reward function uses, and the rules of DeepRacer's console that it breaks.

Keys are found in the text of the file and noted while its functions are called. `racer rewards check --strict`
refuses what DeepRacer's console refuses before it trains: github aws-solutions/deepracer-on-aws at 61af778,
`reward_func_validator/test_reward_function.py` and `constants.py`. Its style check (flake8) is left out: it refuses
no reward function for its behaviour.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from racer.assets import did_you_mean
from racer.reward.params import NAMES, PARAMS
from racer.reward.source import FUNCTION


class WatchedParams(dict[str, Any]):
    """Params that record which keys are read. Only the check uses it: in a training functions get a plain dict.

    Args:
        params: the keys and values.
        used: receives the names of the keys that are read.
    """

    def __init__(self, params: dict[str, Any], used: set[str]) -> None:
        super().__init__(params)
        self._used = used

    def _note(self, key: Any) -> None:
        if isinstance(key, str):
            self._used.add(key)

    def _note_all(self) -> None:
        self._used.update(super().keys())

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._note(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Record the key and call `dict.get`."""
        self._note(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Record the key and call `dict.pop`."""
        self._note(key)
        return super().pop(key, *default)

    def __iter__(self) -> Iterator[str]:
        self._note_all()
        return super().__iter__()

    def keys(self) -> Any:
        """Record all keys and call `dict.keys`."""
        self._note_all()
        return super().keys()

    def values(self) -> Any:
        """Record all keys and call `dict.values`."""
        self._note_all()
        return super().values()

    def items(self) -> Any:
        """Record all keys and call `dict.items`."""
        self._note_all()
        return super().items()


def named_keys(text: str) -> dict[str, int]:
    """Find the keys that the text of a file reads from its params, with the first line of each.

    A read is `params["key"]`, `params.get("key")` or `"key" in params`, where `params` is the name of the argument of
    `reward_function`, and the same name elsewhere in the file. A key that the text also sets belongs to the function
    and does not count.
    """
    tree = ast.parse(text)
    names = {
        node.args.args[0].arg
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == FUNCTION and node.args.args
    }
    lines: dict[str, int] = {}
    stored: set[str] = set()
    for node in ast.walk(tree):
        key = _key_of(node, names)
        if key is None:
            continue
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            stored.add(key)
        else:
            lines[key] = min(lines.get(key, node.lineno), node.lineno)  # type: ignore[attr-defined]
    # A key of the table that the function also sets is still read from the dict.
    return {key: line for key, line in lines.items() if key not in stored or key in NAMES}


def _key_of(node: ast.AST, names: set[str]) -> str | None:
    """Return the key that a node reads or sets on one of the names; None for any other node."""
    base: ast.AST | None = None
    key: ast.AST | None = None
    if isinstance(node, ast.Subscript):  # params["speed"]
        base, key = node.value, node.slice
    # params.get("speed", 0.0)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        base, key = node.func.value, node.args[0]
    # "speed" in params
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        base, key = node.comparators[0], node.left
    if isinstance(base, ast.Name) and base.id in names and isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value
    return None


def used_keys(named: dict[str, int], called: set[str]) -> list[str]:
    """Return the keys in use, in the order of the params table.

    Args:
        named: keys in the text, with their lines.
        called: keys that calls have read.
    """
    return [name for name in NAMES if name in named or name in called]


def unknown_keys(named: dict[str, int]) -> list[tuple[str, int, str]]:
    """Return the keys that do not exist: key, line, and a message with the most similar key that does."""
    return [
        (key, line, f"`{key}` is not a key of params.{did_you_mean(key, list(NAMES))} See `racer rewards params`.")
        for key, line in sorted(named.items(), key=lambda item: item[1])
        if key not in NAMES
    ]


IMPORTS = ("math", "random", "numpy", "scipy", "shapely")
BUILTINS = ("open", "exec", "eval", "compile", "input")
SUBSTRINGS = (
    "__import__", "load", "save", "savez", "savetxt", "fromfile", "tofile", "genfromtxt", "loadtxt", "memmap",
)  # fmt: skip
LENGTH_MAX = 140_000
"""Maximum length of a file [characters]."""
NOT_IN_FIXTURES = ("projection_distance", "objects_distance_from_center", "sim_time")
"""Keys of the simulator that are missing in the states of the console's test."""


def strict_problems(text: str, keys: dict[str, int]) -> list[tuple[int | None, str]]:
    """Return (line, message) for each rule of the console that a file breaks, by line.

    Args:
        text: text of the file.
        keys: the keys that it reads by name, with their lines.
    """
    problems: list[tuple[int | None, str]] = []
    if not 1 <= len(text) <= LENGTH_MAX:
        problems.append((None, f"The file has {len(text)} characters; the console takes 1 to {LENGTH_MAX}."))
    tree = ast.parse(text)
    # `ast.walk` does not report the level of a node.
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or "."] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            problems += [
                (node.lineno, f"The console refuses the import of `{name}`; it takes {', '.join(IMPORTS)}.")
                for name in names
                if name.partition(".")[0] not in IMPORTS
            ]
            if id(node) not in top:
                problems.append((node.lineno, "The console takes imports at the top of the file only."))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BUILTINS:
            problems.append((node.lineno, f"The console refuses `{node.func.id}`."))
    # The console searches the lines for these texts, so names and comments that contain one count too.
    for number, content in enumerate(text.splitlines(), 1):
        refused = next((word for word in SUBSTRINGS if word in content), None)
        if refused:
            problems.append((number, f"The console refuses the text `{refused}` anywhere in the file; rename it."))
    extra = {param.name for param in PARAMS if param.ours}
    for key, line in keys.items():
        if key in extra:
            problems.append((line, f"`{key}` exists in racer only; DeepRacer does not have it."))
        elif key in NOT_IN_FIXTURES:
            problems.append((line, f"The console tests without `{key}`; read it with params.get and a default."))
    return sorted(problems, key=lambda problem: problem[0] or 0)
