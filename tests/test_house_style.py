"""House rules that a tool can hold: the word list, public class names, docstrings, and where tests are."""

import ast
import functools
import importlib
import re
from collections import defaultdict
from typing import NamedTuple

import pytest

from support.paths import ROOT

PACKAGE = ROOT / "racer"
CODE = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "reward_functions").glob("*.py")])
PROSE = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "configs").rglob("*.yaml"),
        *(ROOT / "tracks").glob("*.yaml"),
    ]
)
WORDS_OUT = re.compile(
    r"\b(told|tells?|telling|whoever|nobody|somebody|anew|likewise|mend(?:s|ed|ing)?|apart|stands|any more"
    r"|is no(?! longer\b) \w+|of its own|came of|see above|go(?:es)? on|by what|what is what)\b",
    re.IGNORECASE,
)
QUOTED = re.compile(r"```.*?```|``[^`]*``|`[^`\n]*`", re.DOTALL)
COMMENT = re.compile(r"#.*")
ONLY_REFERS = re.compile(r"(See|As) [^.]*\.", re.DOTALL)
SUMMARY_LINES_MIN = 3


class PythonFile(NamedTuple):
    """What the rules need to know of a Python file.

    Attributes:
        prose: Comments and string literals (docstrings, messages, help texts).
        classes: Names of the public classes at its top level.
        docstrings: Docstrings of the module (first), its classes and its functions; empty where one is missing.
    """

    prose: list[str]
    classes: list[str]
    docstrings: list[str]


@functools.cache
def read_python(path):
    """Parse a file once for all rules."""
    return parse_python(path.read_text(encoding="utf-8"))


def parse_python(text):
    """Collect what the rules need in one walk over the syntax tree."""
    tree = ast.parse(text)
    # A `#` within a string gives a part of that string, whose words are checked anyway.
    prose, docstrings = COMMENT.findall(text), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            # A single word in quotes is a key or a value, not prose.
            if isinstance(node.value, str) and not node.value.isidentifier():
                prose.append(node.value)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstrings.append(ast.get_docstring(node) or "")
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return PythonFile(prose, classes, docstrings)


def words_out(text):
    """Return the words of the list in a prose text, code in backticks left out."""
    return [match.group() for match in WORDS_OUT.finditer(re.sub(r"\s+", " ", QUOTED.sub("`code`", text)))]


def test_word_list_finds_words_and_leaves_code():
    """The list catches the words in any case and across lines, and leaves code and plain English in peace."""
    assert words_out("Whoever is told goes\non, and this is no car.") == ["Whoever", "told", "goes on", "is no car"]
    assert words_out("Runs `told` and ``tell`` while it is no longer needed; understands standing starts.") == []


def test_prose_is_comments_and_strings():
    """Comments, docstrings and messages are prose, also in parts; names are not."""
    file = parse_python('"""One."""\ntold = 1  # two\nraise E(f"three {told} " "four")\nclass A:\n    """See B."""\n')
    assert {*file.prose} == {"# two", "One.", "three ", " four", "See B."}
    assert file.classes == ["A"] and file.docstrings == ["One.", "See B."]


@pytest.mark.parametrize("path", CODE + PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_of_the_list(path):
    """No comment, docstring, message or page uses a word that the style sheet rules out."""
    prose = read_python(path).prose if path.suffix == ".py" else [path.read_text(encoding="utf-8")]
    assert [word for part in prose for word in words_out(part)] == []


def test_public_class_names_are_unique():
    """One public class name has one owner in the whole package."""
    owners = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for name in read_python(path).classes:
            owners[name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in owners.items() if len(paths) > 1} == {}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: str(path.parent.relative_to(ROOT))
)
def test_package_says_what_it_is_for(path):
    """Each package says in at least three lines what it is for."""
    assert len(read_python(path).docstrings[0].splitlines()) >= SUMMARY_LINES_MIN


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: str(path.parent.relative_to(ROOT))
)
def test_public_symbols_of_a_package_exist(path):
    """Each symbol that a package's face names can be imported, also where its module loads at the first use."""
    package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
    assert [name for name in getattr(package, "__all__", []) if getattr(package, name, None) is None] == []
    with pytest.raises(AttributeError):
        package.no_such_symbol  # noqa: B018


def test_no_docstring_only_refers():
    """No docstring says only where to look."""
    docstrings = [(path.relative_to(ROOT), text) for path in CODE for text in read_python(path).docstrings]
    assert [(str(path), text) for path, text in docstrings if ONLY_REFERS.fullmatch(text.strip())] == []


def test_tests_mirror_the_package():
    """Test files are in folders named after the rooms that they test."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    assert [str(folder) for folder in folders if not (PACKAGE / folder / "__init__.py").exists()] == []
