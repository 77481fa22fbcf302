"""Files that are whole or not there."""

import errno
import os

import ml_dtypes
import numpy as np
import pytest

from kprune.training.files import CheckpointFiles

STATE = {
    "weights": [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array([True, False]),
        np.array(7, np.int64),
        np.array([1.5, -2.0], ml_dtypes.bfloat16),
        np.zeros((0, 3)),
    ],
    "place": {"epoch": 3, "stopped": False, "logs": [{"loss": 0.1}]},
    "none": None,
}


def assert_same(found):
    for one, other in zip(found["weights"], STATE["weights"], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert found["place"] == STATE["place"]
    assert found["none"] is None


def test_a_state_comes_back_as_it_was(tmp_path):
    files = CheckpointFiles(tmp_path / "a" / "b")
    assert files.latest() is None
    files.save(12, STATE)
    step, found = files.latest()
    assert step == 12
    assert_same(found)


def test_the_last_ones_are_kept(tmp_path):
    files = CheckpointFiles(tmp_path, keep=2)
    (tmp_path / "mine.npz").touch()
    (tmp_path / ".step-3.npz").touch()  # As a killed process leaves it.
    for step in (5, 10, 100, 1000000000):
        files.save(step, STATE)
    assert files.steps() == [100, 1000000000]
    assert files.latest()[0] == 1000000000
    assert sorted(os.listdir(tmp_path)) == [
        "mine.npz",
        "step-000000100.npz",
        "step-1000000000.npz",
    ]
    for keep in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="an integer >= 1, how many"):
            CheckpointFiles(tmp_path, keep=keep)


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    """Changes a bit of the first array."""
    content = bytearray(path.read_bytes())
    at = content.index(np.arange(6, dtype=np.float32).tobytes()) + 9
    content[at] ^= 4
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_a_damaged_file_is_passed_over(tmp_path, damage):
    files = CheckpointFiles(tmp_path)
    files.save(1, STATE)
    files.save(2, STATE)
    damage(files.path(2))
    with pytest.warns(UserWarning, match=r"from step 1.*step-000000002\.npz"):
        step, found = files.latest()
    assert step == 1
    assert_same(found)
    damage(files.path(1))
    with pytest.raises(ValueError, match="All checkpoints are damaged"):
        files.latest()


def test_a_full_disk_leaves_the_last_one(tmp_path, monkeypatch):
    files = CheckpointFiles(tmp_path)
    files.save(1, STATE)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        message = "No space left on device.*step-000000001"
        with pytest.raises(OSError, match=message):
            files.save(2, STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.npz"]
    assert_same(files.latest()[1])


def test_a_kill_while_writing_leaves_the_last_one(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    files = CheckpointFiles(tmp_path)
    files.save(1, STATE)
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(Killed):
        files.save(2, STATE)
    assert files.steps() == [1]
    assert_same(files.latest()[1])
