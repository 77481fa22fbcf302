"""What the tests of this folder share."""

import functools

import pytest

from kprune.deploy.comparison import measuring, running
from kprune.deploy.comparison.timing import Timing


@pytest.fixture
def timed(monkeypatch):
    """Puts set times in the place of real ones; returns what was timed. It is
    run as it stands: to trace it takes longer than all the rest."""
    functions = []

    def compare_times(before, after, repeats):
        before(), after()
        functions.append((before, after, repeats))
        return Timing(0.008, 0.002, 4.0, (3.5, 4.25))

    def as_it_stands(function, x):
        return functools.partial(running._run, function, x)

    monkeypatch.setattr(measuring, "compare_times", compare_times)
    monkeypatch.setattr(running, "_compiled", as_it_stands)
    return functions
