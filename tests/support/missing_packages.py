"""Packages that are not there: tests that need them, and what is said then."""

import importlib.util

import pytest

from kprune.runtime import extras


def needs(name):
    """Returns a mark: the test is skipped where a module is missing."""
    top = name.partition(".")[0]
    there = importlib.util.find_spec(top) and importlib.util.find_spec(name)
    reason = f"kprune[{extras.EXTRAS[name]}] is not installed"
    return pytest.mark.skipif(there is None, reason=reason)


def hide(monkeypatch, *names):
    """Lets `extras.load` find none of some modules, installed or not."""
    load = extras.importlib.import_module

    def find(name, *more):
        if name in names:
            raise ImportError(f"No module named {name!r}")
        return load(name, *more)

    monkeypatch.setattr(extras.importlib, "import_module", find)
