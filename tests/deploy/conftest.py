"""What the tests of this folder share."""

import pytest

from kprune.deploy.comparison import measuring
from kprune.deploy.comparison.timing import Timing


@pytest.fixture
def timed(monkeypatch):
    """Puts set times in the place of real ones; returns what was timed."""
    functions = []

    def compare_times(before, after, repeats):
        before(), after()
        functions.append((before, after, repeats))
        return Timing(0.008, 0.002, 4.0, (3.5, 4.25))

    monkeypatch.setattr(measuring, "compare_times", compare_times)
    return functions
