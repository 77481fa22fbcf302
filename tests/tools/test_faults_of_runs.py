"""Runs that are killed at a file operation, or whose files are damaged, come to
the same end or say what is wrong. The whole forms are a study's."""

import os

import pytest


@pytest.fixture(scope="module")
def parts():
    """The modules of the study, which keep what they listen to."""
    import importlib
    import pathlib
    import sys

    root = pathlib.Path(__file__).parents[2]
    sys.path.insert(0, str(root / "tools" / "studies"))
    yield lambda name: importlib.import_module(f"faults.{name}")
    sys.path.remove(str(root / "tools" / "studies"))


@pytest.fixture(scope="module")
def recorded(parts, tmp_path_factory):
    """A small run, and the states that it went through."""
    kind = parts("kinds_of_runs").kinds()["GMP"]
    return kind, parts("runs").states_of(kind, tmp_path_factory.mktemp("gmp"))


def test_what_kills_leave_is_gone_on_from(parts, recorded):
    kind, states = recorded
    # A state is kept for each operation that something changed before, and
    # one of each file that is half-written.
    assert states.points > 50
    assert len(states.paths) > 50
    last = {}
    for path in states.paths:
        names = parts("crash_states").names(path)
        last[tuple(n for n in names if "/" not in n)] = path
    assert len(last) > 8
    chosen = list(last.values())[:: len(last) // 3]
    outcome = parts("runs").resumed(kind, states, chosen)
    assert outcome.failures == []
    assert outcome.cases == states.points


def test_damage_is_told_or_mended(parts, recorded, tmp_path):
    kind, states = recorded
    damaged = parts("damaged_runs")

    def tried(what, begin, only):
        folder = tmp_path / what
        outcome = damaged.damaged(
            what, kind, begin, states.whole, folder, [1], only
        )
        assert outcome.failures == []
        return outcome

    only = ("masks.npz", "report.json").__contains__
    done = tried("done", states.whole, only)
    # Each in seven ways, and three bits of each. Some are of a zip's dates.
    assert done.cases == 20
    assert int(done.found.partition(" told in words")[0]) > 16
    begin = damaged.unfinished(states)
    begun = tried("begun", begin, lambda name: name == "config.json")
    assert begun.found == "10 refused in words"


def test_other_ends_are_seen(parts, recorded, tmp_path):
    kind, states = recorded
    runs = parts("runs")

    def idle(directory):
        os.mkdir(directory)

    def failing(directory):
        raise KeyError(directory)

    wrong = type(kind)("idle", idle)
    (fault, *_) = runs.faults_of(wrong, tmp_path / "a", states.whole)
    assert fault == "DONE is in one alone"
    wrong = type(kind)("failing", failing)
    (fault,) = runs.faults_of(wrong, tmp_path / "b", states.whole)
    assert fault.startswith("KeyError: ")
