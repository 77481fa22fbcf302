"""Which tests the default set leaves to the thorough one.

A test function gets a second and a half of the default set: as many of its
cases as this pays for, spread evenly over its table, and none where one takes
longer. `tests/thorough.txt` has a line for each function that would take more,
with the number of its cases that stay. It is written anew from seconds of the
processor, which other work on the machine changes little:

    pytest -n 2 --dist loadfile -m "not slow" --seconds=seconds
    python tests/support/sets.py seconds*
"""

import collections
import os
import pathlib
import sys

import pytest

TABLE = pathlib.Path(__file__).parents[1] / "thorough.txt"
SECONDS = 1.5
# They keep rules of the whole source, and stay whatever they take.
GUARDS = ("test_layering.py", "test_security.py", "test_writing.py")


def function_of(node):
    """Returns the name of a test without its case, by its node's name."""
    return node.removeprefix("tests/").split("[")[0]


def spread(count, kept):
    """Returns the places of some of `count` cases, the first included."""
    return {place * count // kept for place in range(kept)}


def mark_thorough(items):
    """Marks the tests that the default set leaves out."""
    lines = map(str.split, TABLE.read_text().splitlines())
    kept, cases = {name: int(count) for count, name in lines}, {}
    for item in items:
        name = function_of(item.nodeid)
        marked = any(map(item.get_closest_marker, ("slow", "thorough")))
        if name in kept and not marked:
            cases.setdefault(name, []).append(item)
    for name, members in cases.items():
        stay = spread(len(members), kept[name])
        for place, item in enumerate(members):
            if place not in stay:
                item.add_marker(pytest.mark.thorough)


class Stopwatch:
    """Writes down how long the processor works for each test. What several
    tests stand on, such as a fixture of their module, counts for each."""

    def __init__(self, path):
        self.path = path + os.environ.get("PYTEST_XDIST_WORKER", "")
        self.seconds, self.names, self.shared = {}, {}, {}
        self.apart = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.apart, start = 0.0, seconds_of_processor()
        result = yield
        spent = seconds_of_processor() - start
        self.seconds[item.nodeid] = spent - self.apart
        self.names[item.nodeid] = item.fixturenames
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        start = seconds_of_processor()
        result = yield
        if request.scope != "function":
            spent = seconds_of_processor() - start
            self.apart += spent
            self.shared[request.node.nodeid, fixturedef.argname] = spent
        return result

    def pytest_sessionfinish(self):
        lines = []
        for node, spent in self.seconds.items():
            path = node.split("::")[0]
            of = [self.shared.get((path, x), 0) for x in self.names[node]]
            lines.append(f"{spent + sum(of):.2f} {node}\n")
        pathlib.Path(self.path).write_text("".join(lines))


def seconds_of_processor():
    """Returns what this process has used, and its children that ended."""
    return sum(os.times()[:4])


def cases_that_stay(lines):
    """Returns how many cases stay of each function that takes longer.

    Args:
        lines: Strings of seconds and a node's name each.
    """
    found = collections.defaultdict(list)
    for line in lines:
        seconds, node = line.split(maxsplit=1)
        found[function_of(node)].append(float(seconds))
    return {
        name: max(filter(within(cases), range(len(cases))))
        for name, cases in sorted(found.items())
        if sum(cases) > SECONDS and not name.startswith(GUARDS)
    }


def within(cases):
    """Returns whether so many of some cases, given by seconds, may stay."""
    return lambda kept: (
        sum(cases[place] for place in spread(len(cases), kept)) <= SECONDS
    )


if __name__ == "__main__":
    logs = [pathlib.Path(path).read_text() for path in sys.argv[1:]]
    stay = cases_that_stay("".join(logs).splitlines())
    TABLE.write_text("".join(f"{n} {name}\n" for name, n in stay.items()))
