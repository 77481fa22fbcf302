"""Files that are whole or not there."""

import errno
import json
import os
import random

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
    (tmp_path / f".kprune-{'0' * 32}").mkdir()  # As a killed process does.
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


def array(path):
    """A single array, as `numpy.save` writes it."""
    with open(path, "wb") as file:
        np.save(file, np.arange(3))


def folder(path):
    path.unlink()
    path.mkdir()


def _header(path, at, value):
    """Changes two bytes of the first entry of the zip's directory."""
    content = bytearray(path.read_bytes())
    begin = content.index(b"PK\1\2")
    content[begin + at : begin + at + 2] = value
    path.write_bytes(content)


def encrypted(path):
    _header(path, 8, b"\1\0")


def of_a_later_zip(path):
    _header(path, 6, b"\xff\0")


def without_an_array(path):
    _rewrite(path, lambda arrays: arrays.pop("000000"))


def with_an_array_more(path):
    _rewrite(path, lambda arrays: arrays.update(more=np.arange(3)))


def without_its_state(path):
    _rewrite(path, lambda arrays: arrays.pop("state.json"))


def _rewrite(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)


DAMAGE = [
    cut,
    flip,
    empty,
    array,
    folder,
    encrypted,
    of_a_later_zip,
    without_an_array,
    with_an_array_more,
    without_its_state,
]


@pytest.mark.parametrize("damage", DAMAGE)
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


@pytest.mark.parametrize(
    "count", [300, pytest.param(None, marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings("ignore:Going on from step 1")
def test_a_flipped_bit_is_damage_or_of_no_account(tmp_path, count):
    """No bit ends in another error, and none gives other data. The slow form
    flips each bit of the file."""
    files = CheckpointFiles(tmp_path)
    files.save(1, {**STATE, "none": 1})
    files.save(2, STATE)
    content = files.path(2).read_bytes()
    bits = range(8 * len(content))
    if count is not None:
        bits = random.Random(0).sample(bits, count)
    steps = []
    for bit in bits:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        files.path(2).write_bytes(flipped)
        step, found = files.latest()
        steps.append(step)
        if step == 2:
            assert_same(found)
    assert set(steps) == {1, 2}


def test_the_version_stands_in_each(tmp_path, monkeypatch):
    files = CheckpointFiles(tmp_path)
    files.save(1, STATE)
    with np.load(files.path(1)) as file:
        content = json.loads(file["state.json"].tobytes())
    assert content["version"] == 1
    monkeypatch.setattr("kprune.training.files.VERSION", 2)
    files.save(2, STATE)
    monkeypatch.undo()
    # It is whole: to go on from the one before would lose steps.
    with pytest.raises(ValueError, match="of version 2 of kprune's check"):
        files.latest()


def test_what_a_check_refuses_is_damaged(tmp_path):
    def check(state):
        if state["none"] is not None:
            raise ValueError("it has some")

    files = CheckpointFiles(tmp_path)
    files.save(1, STATE)
    files.save(2, {**STATE, "none": 1})
    with pytest.warns(UserWarning, match=r"002\.npz \(it has some\)"):
        assert files.latest(check)[0] == 1


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
