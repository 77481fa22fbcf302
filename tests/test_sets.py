"""The default set of tests and the thorough one."""

import ast

import sets


def test_cases_stay_while_they_take_a_second_and_a_half():
    lines = [f"0.5 tests/a.py::many[{n}]" for n in range(8)]
    lines += ["0.4 tests/a.py::cheap[0]", "1.1 tests/a.py::cheap[1]"]
    lines += ["1.4 tests/a.py::first[a b]", "9.0 tests/a.py::first[c]"]
    lines += ["1.6 tests/a.py::long"]
    expected = {"a.py::first": 1, "a.py::long": 0, "a.py::many": 3}
    assert sets.cases_that_stay(lines) == expected
    assert sets.spread(8, 3) == {0, 2, 5} and sets.spread(8, 0) == set()


def test_the_table_names_tests_that_there_are():
    for line in sets.TABLE.read_text().splitlines():
        path, function = line.split()[1].split("::")
        tree = ast.parse((sets.TABLE.parent / path).read_text())
        assert function in {getattr(node, "name", "") for node in tree.body}
