"""Files are written whole or not at all."""

import os

import numpy as np
import pytest

from kprune.runtime import files


def test_what_is_written_takes_the_place_of_a_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with files.replaced(path) as half:
        assert half.suffix == ".json"
        half.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    files.write_json(path, {"a": [1]})
    assert path.read_text() == '{\n  "a": [\n    1\n  ]\n}\n'
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_failure_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), files.replaced(path) as half:
        half.write_text("half of it")
        raise KeyError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_two_writers_do_not_share_a_file(tmp_path):
    path = tmp_path / "a.txt"
    with files.replaced(path) as one, files.replaced(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # It was put in place last.


def test_others_may_read_what_was_written(tmp_path):
    before = os.umask(0o022)
    try:
        files.write_arrays(tmp_path / "a.npz", {"x": np.arange(3)})
    finally:
        os.umask(before)
    assert (tmp_path / "a.npz").stat().st_mode & 0o777 == 0o644
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_array_equal(found["x"], [0, 1, 2])
