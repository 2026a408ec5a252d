"""A user's reward file: reads it, checks it, and makes functions of it that share no state with each other."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import itertools
import sys
import tokenize
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.assets import did_you_mean, find_asset
from racer.errors import AssetError, RewardError
from racer.reward.params import FIRST_STEP
from racer.reward.run_files import RunFiles

FUNCTION = "reward_function"
RewardCallable = Callable[[dict[str, Any]], Any]

_counter = itertools.count()


class NeedsMemory(RewardError):
    """User code needs more memory than its process is allowed to take."""


@dataclass(frozen=True, kw_only=True)
class RewardSource:
    """The text of a reward function.

    Attributes:
        name: name of the file without its suffix, or name of the callable.
        path: the file, as it was given or found; None for a callable.
        text: text of the file with plain line feeds; for a callable its source, empty where Python does not have it.
        sha256: hash of the text in UTF-8, so that it does not depend on line ends or a byte order mark.
        first_step: `steps` in the first call of an episode: 2, or 1 as in DeepRacer's simulator until 2021.
        files: copies of the files that the function of a run reads; None where it reads them in their place.
    """

    name: str
    path: Path | None
    text: str
    sha256: str
    first_step: int = FIRST_STEP
    files: RunFiles | None = None

    def file_access(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the code of this file runs: the files that it reads are those of its run."""
        return self.files or contextlib.nullcontext()


def read_source(reward: str | Path | RewardCallable) -> RewardSource:
    """Read the text of a reward function.

    Args:
        reward: a path, a name (`default`), or a callable.

    Raises:
        RewardError: the file does not exist, or it is not text.
    """
    if not isinstance(reward, (str, Path)):
        try:
            text = inspect.getsource(reward)
        except (OSError, TypeError):
            text = ""
        return _source(getattr(reward, "__name__", type(reward).__name__), None, text)
    try:
        path = find_asset("reward", reward)
    except AssetError as error:
        raise RewardError(str(error)) from None
    try:
        data = path.read_bytes()
        # The encoding as Python finds it: by a byte order mark, or a comment such as `# coding: latin-1`.
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except OSError as error:
        raise RewardError(f"Cannot read {path}: {error.strerror or error}.") from None
    except (SyntaxError, UnicodeDecodeError) as error:
        raise RewardError(f"{path} is not Python text ({first_line(error)}); save it as UTF-8.") from None
    return _source(path.stem, path, text.replace("\r\n", "\n").replace("\r", "\n"))


def _source(name: str, path: Path | None, text: str) -> RewardSource:
    return RewardSource(name=name, path=path, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def compile_source(source: RewardSource) -> types.CodeType:
    """Compile the text of a file.

    Raises:
        RewardError: the text has a syntax error; the message has its line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as an invalid escape in the user's text
            return compile(source.text, str(source.path), "exec", dont_inherit=True)
    except SyntaxError as error:
        line = (error.text or "").strip()
        shown = f": `{line[:80]}`" if line else ""
        raise RewardError(f"{source.path}:{error.lineno or 1}: {type(error).__name__}: {error.msg}{shown}") from None
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise RewardError(f"{source.path}: cannot be compiled: {type(error).__name__}: {first_line(error)}") from None


def new_module(source: RewardSource, code: types.CodeType) -> tuple[dict[str, Any], RewardCallable]:
    """Run the module in a new namespace and return its globals and its `reward_function`.

    Args:
        source: the text, for messages.
        code: the compiled text.

    Raises:
        RewardError: the module raised, imports a module that is not installed, or has no usable `reward_function`.
    """
    module = types.ModuleType(f"racer_reward_{next(_counter)}")
    # Absolute, as in Python itself: user code may find other files by it.
    module.__file__ = str(source.path and source.path.absolute())
    # Dataclasses and enums look up their module while their class is created.
    sys.modules[module.__name__] = module
    try:
        with source.file_access():
            exec(code, module.__dict__)
    except KeyboardInterrupt:
        raise
    except MemoryError as error:
        raise NeedsMemory(_import_message(source, error)) from None
    except BaseException as error:
        raise RewardError(_import_message(source, error)) from None
    finally:
        # There is one module for each car; kept here, they would never be freed.
        del sys.modules[module.__name__]
    return vars(module), _find_function(source, module)


def _find_function(source: RewardSource, module: types.ModuleType) -> RewardCallable:
    if FUNCTION not in vars(module):
        others = [name for name, value in vars(module).items() if callable(value) and not name.startswith("__")]
        raise RewardError(
            f"{source.path} has no `{FUNCTION}`; define `def {FUNCTION}(params):`.{did_you_mean(FUNCTION, others)}"
        )
    function = vars(module)[FUNCTION]
    check_function(function, str(source.path))
    return function


def check_function(function: object, where: str) -> None:
    """Check that an object can be called with one dict and can return a number.

    Args:
        function: the user's object.
        where: the file or name at the beginning of a message.

    Raises:
        RewardError: it is not callable, does not take one positional argument, or is async or a generator.
    """
    line = line_of(function)
    where = f"{where}:{line}" if line else where
    if not callable(function):
        raise RewardError(
            f"{where}: `{FUNCTION}` is of type {type(function).__name__}; "
            "it must be a function of one argument, params."
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise RewardError(f"{where}: `{FUNCTION}` is async or has `yield`; it must return a number.")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return  # a builtin without a signature: only a call can show whether it fits
    try:
        # Binding tests the signature without running user code.
        signature.bind({})
    except TypeError:
        raise RewardError(
            f"{where}: `{FUNCTION}{signature}` cannot be called with one argument; write `def {FUNCTION}(params):`."
        ) from None


def line_of(function: object) -> int | None:
    """Return the line where a function is defined; None where Python does not report it."""
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if isinstance(code, types.CodeType) else None


def innermost_line(error: BaseException, file: str) -> int | None:
    """Return the innermost line of `file` in the traceback of an exception; None where there is none."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    return lines[-1] if lines else None


def _import_message(source: RewardSource, error: BaseException) -> str:
    line = innermost_line(error, str(source.path))
    where = f"{source.path}:{line}" if line else str(source.path)
    if isinstance(error, ModuleNotFoundError):
        module = str(error.name).partition(".")[0]
        for beside in (f"{module}.py", module):
            if source.path is not None and (source.path.parent / beside).exists():
                return (
                    f"{where}: `{beside}` beside it cannot be imported: a reward function is one file, as on "
                    f"DeepRacer, and a run keeps a copy of it; move the code of `{beside}` into it."
                )
        return f"{where}: no module `{error.name}`; install it or remove the import."
    return f"{where}: {type(error).__name__} while the file was loaded: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """Return the message of an exception on one line of at most 200 characters, whatever its `__str__` does."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return text[:200] or "no message"
