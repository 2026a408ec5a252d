"""Without PettingZoo the environment for several learning cars says which extra brings it."""

import importlib
import sys

import pytest

from racer.errors import MissingExtra


def test_without_pettingzoo_one_line_says_what_to_install(monkeypatch):
    """Import the module where the package is not there."""
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    monkeypatch.delitem(sys.modules, "racer.env.parallel", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'racer\[multi\]'"):
        importlib.import_module("racer.env.parallel")
