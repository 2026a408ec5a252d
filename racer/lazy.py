"""Package faces that import a module only when one of its symbols is used."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_attributes(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module `__getattr__` (PEP 562) for a package's `__init__`.

    Args:
        package: The package's `__name__`.
        modules: Public symbol to the module, relative to the package, that defines it.
    """

    def load_attribute(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return load_attribute
