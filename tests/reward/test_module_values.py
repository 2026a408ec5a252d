"""A compiled reward is valid for the values of its module only: another value needs another kernel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.reward.compile.errors import CannotCompile
from racer.reward.load import load_reward
from racer.reward.module_values import values_digest
from racer.reward.source import compile_source, new_module
from support.reward_twins import random_rows, source_of

POINTS = tuple((float(k), float(k % 3)) for k in range(8))
COURSES = (POINTS, POINTS[::-1])
USE = "def reward_function(params):\n    return float(A * params['speed'])\n"

# Each text reads `value` of this folder, which the test changes.
READS = {
    "np.load": "import numpy as np\nA = np.load('value.npy')[0]\n" + USE,
    "np.loadtxt": "import numpy as np\nA = np.loadtxt('value.txt', ndmin=1)[0]\n" + USE,
    "np.genfromtxt": "import numpy as np\nA = float(np.genfromtxt('value.txt'))\n" + USE,
    "np.fromfile": "import numpy as np\nA = np.fromfile('value.bin')[0]\n" + USE,
    "os.getenv": "import os\nA = float(os.getenv('RACER_TEST_VALUE'))\n" + USE,
    "os.environ": "import os\nA = float(os.environ['RACER_TEST_VALUE'])\n" + USE,
    "from os import environ": "from os import environ\nA = float(environ.get('RACER_TEST_VALUE', 0))\n" + USE,
    "os.path.exists": "import os\nA = 1.0 if os.path.exists('flag') else 2.0\n" + USE,
    "class": (
        "import numpy as np\nclass Table:\n    rows = np.load('value.npy')\n"
        "def reward_function(params):\n    return float(Table.rows[0] * params['speed'])\n"
    ),
    "constructor": (
        "import numpy as np\nclass Table:\n    def __init__(self):\n        self.rows = np.load('value.npy')\n"
        "table = Table()\ndef reward_function(params):\n    return float(table.rows[0] * params['speed'])\n"
    ),
    "property": (
        "import numpy as np\ndef make(k):\n    class Table:\n        @property\n        def row(self):\n"
        "            return k\n    return Table()\ntable = make(float(np.load('value.npy')[0]))\n"
        "def reward_function(params):\n    return table.row * params['speed']\n"
    ),
    "helper": ("import numpy as np\ndef read():\n    return np.load('value.npy')\nA = read()[0]\n" + USE),
    "dunder name": (
        "import numpy as np\n__A = np.load('value.npy')[0]\n"
        "def reward_function(params):\n    return float(__A * params['speed'])\n"
    ),
    "default argument": (
        "import numpy as np\ndef reward_function(params, k=np.load('value.npy')[0]):\n"
        "    return float(k * params['speed'])\n"
    ),
    "closure": (
        "import numpy as np\ndef make():\n    k = float(np.load('value.npy')[0])\n    def inner(params):\n"
        "        return k * params['speed']\n    return inner\nreward_function = make()\n"
    ),
    "function attribute": (
        "import numpy as np\ndef reward_function(params):\n    return float(reward_function.k * params['speed'])\n"
        "reward_function.k = np.load('value.npy')[0]\n"
    ),
    "bound method": (
        "import numpy as np\nclass Table:\n    def __init__(self, k):\n        self.k = k\n    def times(self, x):\n"
        "        return self.k * x\ntimes = Table(float(np.load('value.npy')[0])).times\n"
        "def reward_function(params):\n    return times(params['speed'])\n"
    ),
    "choice of a function": (
        "import os\ndef one(x):\n    return x\ndef two(x):\n    return 2 * x\n"
        "f = one if float(os.getenv('RACER_TEST_VALUE')) > 5 else two\n"
        "def reward_function(params):\n    return f(params['speed'])\n"
    ),
    "choice of a built-in": (
        "import math, os\nf = math.sin if float(os.getenv('RACER_TEST_VALUE')) > 5 else math.cos\n"
        "def reward_function(params):\n    return f(params['speed'])\n"
    ),
    "choice of a function of numpy": (
        "import numpy as np, os\nf = np.max if float(os.getenv('RACER_TEST_VALUE')) > 5 else np.min\n"
        "def reward_function(params):\n    return float(f([params['x'], params['y']]))\n"
    ),
    "choice of an object": (
        "import os\na, b = [1.0], [2.0]\nc = a if float(os.getenv('RACER_TEST_VALUE')) > 5 else b\n"
        "def reward_function(params):\n    return c[0] * params['speed']\n"
    ),
    "order of a dict": (
        "import os\nnames = ['x', 'y'] if float(os.getenv('RACER_TEST_VALUE')) > 5 else ['y', 'x']\n"
        "table = {name: len(name) + ord(name) for name in names}\ndel names\n"
        "def reward_function(params):\n    return float(list(table.values())[0])\n"
    ),
}


def set_value(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the value to every place where a text of `READS` finds it."""
    np.save("value.npy", [value])
    Path("value.txt").write_text(f"{value}\n")
    np.array([value]).tofile("value.bin")
    monkeypatch.setenv("RACER_TEST_VALUE", str(value))
    if value > 5.0:
        Path("flag").write_text("")


def digest(text: str) -> str:
    """Return the digest of a text that is loaded now."""
    source = source_of(text)
    return values_digest(new_module(source, compile_source(source))[0], str(source.path))


@pytest.mark.parametrize("case", READS)
def test_another_value_is_another_digest(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the digest with each value that the module reads, and only with it."""
    monkeypatch.chdir(tmp_path)
    set_value(1.0, monkeypatch)
    before = digest(READS[case])
    assert digest(READS[case]) == before
    set_value(700.0, monkeypatch)
    assert digest(READS[case]) != before


STABLE = {
    "classes": "import enum, dataclasses\nclass E(enum.Enum):\n    A = 1\n"
    "@dataclasses.dataclass\nclass D:\n    x: float = 1\n",
    "functions of libraries": "import numpy as np, functools\na, b = np.sum, np.sin\nf = np.vectorize(abs)\n"
    "g = functools.lru_cache(lambda x: x)\n",
    "libraries": "import logging, collections, functools, re\nlog = logging.getLogger('a')\n"
    "q = collections.deque([1])\np = re.compile('a')\nf = functools.partial(max, 1)\n"
    "n = collections.namedtuple('N', 'a b')(1, 2)\n",
    "circles": "a = []\na.append(a)\nclass B:\n    pass\nb = B()\nb.b = b\n",
    "sets of strings": "words = {'a', 'b', 'c', 'long', 'word'}\n",
    "objects": "import numpy as np\nx = np.array([object(), None], object)\ny = 10 ** 6000\nz = object()\n",
}


@pytest.mark.parametrize("case", STABLE)
def test_equal_modules_have_one_digest(case: str) -> None:
    """Return the same digest for the same values, whatever the identities of their objects are."""
    text = STABLE[case] + "def reward_function(params):\n    return 1.0\n"
    assert digest(text) == digest(text)


def test_a_module_that_cannot_be_described_is_not_compiled() -> None:
    """Give the reason where the values of a module are nested too deeply."""
    text = "x = []\nfor _ in range(100_000):\n    x = [x]\ndef reward_function(params):\n    return 1.0\n"
    with pytest.raises(ValueError, match="fingerprint"):
        digest(text)


def rewards(path: Path) -> tuple[Any, list[float], list[float]]:
    """Return the loaded reward, and its rewards of some rows on both paths."""
    rows, _ = random_rows(3, 1, COURSES)
    both = []
    for way in ("auto", "python"):
        reward = load_reward(path, n_worlds=3, path=way)  # type: ignore[arg-type]
        out = np.zeros((3, 1))
        reward.compute(rows, None, COURSES, out)
        both.append(out.ravel().tolist())
        if way == "auto":
            loaded = reward
    return loaded, both[0], both[1]


def test_a_changed_value_is_never_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reward_file: Callable[..., Path]
) -> None:
    """Compute with the value of now, compiled, and find the kernel of an earlier value again."""
    monkeypatch.chdir(tmp_path)
    path = reward_file(READS["np.load"])
    expected = None
    for value in (1.0, 700.0, 1.0):
        set_value(value, monkeypatch)
        reward, compiled, python = rewards(path)
        assert reward.path == "compiled"
        assert compiled == python != expected
        expected = compiled


def test_values_that_differ_from_load_to_load_stay_in_python(reward_file: Callable[..., Path]) -> None:
    """Leave a module with random values to plain Python, and say so."""
    text = "import os\nA = int.from_bytes(os.urandom(4), 'little') / 2**32\n" + USE
    path = reward_file(text)
    for _ in range(2):
        reward = load_reward(path, n_worlds=2)
        assert reward.path == "python" and "each time" in reward.reason  # type: ignore[attr-defined]


LIBRARY_NAMES = {
    "numpy": ("import numpy as np\nnp.racer_value = 3.0\n", "np.racer_value", "del np.racer_value\n"),
    "builtins": ("import builtins\nbuiltins.racer_value = 3.0\n", "racer_value", ""),
    "argv": ("", "len(argv)", ""),
}


@pytest.mark.parametrize("case", LIBRARY_NAMES)
def test_values_in_libraries_are_not_compiled(case: str) -> None:
    """Bake no value that user code has put into a library, nor a list of the process."""
    import builtins

    from support.reward_twins import translated

    before, value, _ = LIBRARY_NAMES[case]
    first = "from sys import argv\n    " if case == "argv" else ""
    text = f"{before}def reward_function(params):\n    {first}return {value} * params['speed']\n"
    try:
        with pytest.raises(CannotCompile):
            translated(text)
    finally:
        for owner in (np, builtins):
            if hasattr(owner, "racer_value"):
                del owner.racer_value
