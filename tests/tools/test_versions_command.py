"""`tools/test_versions.py`: which versions it tests, and what it tells."""

import test_versions


def test_the_oldest_versions_are_the_bounds_of_setup():
    oldest, *newest = test_versions.rows()
    assert oldest == test_versions.Row(
        "oldest", "3.11", ("tensorflow==2.20.0", "keras==3.14.0")
    )
    assert [row.python for row in newest] == ["3.11", "3.12", "3.13"]
    assert not any(row.pins for row in newest)


def test_a_python_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(test_versions, "interpreter", lambda version: None)
    assert test_versions.run(["newest-3.13"], "environments") == (
        True,
        ["newest-3.13: not run, no python3.13 is here"],
    )


def test_a_row_whose_tests_fail_is_told(monkeypatch):
    monkeypatch.setattr(test_versions, "interpreter", lambda version: "python")
    monkeypatch.setattr(test_versions, "prepared", lambda row, place: row.name)
    monkeypatch.setattr(test_versions, "versions", lambda python: "Python 3")
    ends = {"oldest": (False, "1 failed"), "newest-3.11": (True, "2 passed")}
    monkeypatch.setattr(test_versions, "tested", lambda name, _: ends[name])
    assert test_versions.run(["oldest", "newest-3.11"], "environments") == (
        False,
        [
            "oldest: Python 3: 1 failed (0 min)",
            "newest-3.11: Python 3: 2 passed (0 min)",
        ],
    )
