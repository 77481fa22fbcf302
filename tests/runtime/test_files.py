"""Files are written whole or not at all."""

import errno
import os
import pathlib

import keras
import numpy as np
import pytest

from kprune.runtime import files


def test_what_is_written_takes_the_place_of_a_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with files.replaced(path) as half:
        assert half.name == "a.json"
        half.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    files.write_json(path, {"a": [1]})
    assert path.read_text() == '{\n  "a": [\n    1\n  ]\n}\n'
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_directory_takes_the_place_of_another(tmp_path):
    path = tmp_path / "a"
    for content in ("old", "new"):
        with files.replaced_directory(path) as half:
            (half / "below").mkdir(parents=True)
            (half / "below" / content).touch()
    assert [p.name for p in path.rglob("*")] == ["below", content]
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("replaced", [files.replaced, files.replaced_directory])
def test_a_failure_leaves_what_was_there(tmp_path, replaced):
    path = tmp_path / "a"
    path.mkdir() if replaced is files.replaced_directory else path.touch()
    before = path.stat()
    with pytest.raises(KeyError), replaced(path) as half:
        half.write_text("half of it")
        raise KeyError
    assert path.stat() == before
    assert os.listdir(tmp_path) == ["a"]


def test_a_directory_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path, monkeypatch
):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with (
        pytest.raises(files.CannotWrite, match="a: Input/output error"),
        files.replaced_directory(tmp_path / "a") as half,
    ):
        half.mkdir()
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "old"]


def test_two_writers_do_not_share_a_file(tmp_path):
    path = tmp_path / "a.txt"
    with files.replaced(path) as one, files.replaced(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # It was put in place last.


def test_nobody_can_plant_a_file_where_one_is_written(tmp_path):
    """Its place has a name that cannot be guessed, and is closed to others."""
    path, places = tmp_path / "a.txt", set()
    for _ in range(3):
        with files.replaced(path) as half:
            half.touch()
            places.add(half.parent.name)
            assert half.parent.stat().st_mode & 0o777 == 0o700
    assert len(places) == 3
    assert all(len(name) == len(".kprune-") + 32 for name in places)


def save_model(path):
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    files.write_keras(path, net)


WRITERS = {
    "text": lambda path: files.write_text(path, "new"),
    "json": lambda path: files.write_json(path, {"new": 1}),
    "arrays": lambda path: files.write_arrays(path, {"new": np.ones(3)}),
    "model.keras": save_model,
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("call", ["mkdir", "fsync", "replace"])
def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, kind, call):
    path = tmp_path / kind
    path.write_text("old")
    before, real = path.stat(), getattr(os, call)

    def full(target, *more, **options):
        if call == "mkdir" and ".kprune-" not in str(target):
            return real(target, *more, **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError) as error:
            WRITERS[kind](path)
    said = str(error.value)
    assert said == f"Cannot write {path}: No space left on device."
    assert error.value.errno == errno.ENOSPC
    assert path.stat() == before
    assert os.listdir(tmp_path) == [kind]


@pytest.mark.skipif(
    not pathlib.Path("/dev/full").exists(), reason="Linux has a full device"
)
def test_a_disk_that_is_full_on_the_way(tmp_path):
    with (
        pytest.raises(files.CannotWrite, match="a: No space left on device"),
        files.replaced(tmp_path / "a") as half,
    ):
        half.symlink_to("/dev/full")
        half.write_text("new")
    assert os.listdir(tmp_path) == []


def test_what_killed_processes_left_goes(tmp_path):
    (tmp_path / f".kprune-{'0' * 32}").mkdir()
    (tmp_path / f".kprune-{'0' * 32}" / "half").touch()
    (tmp_path / ".kprune-mine").touch()
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == [".kprune-mine"]
    files.sweep(tmp_path / "not there")


def test_it_is_on_the_disk_before_it_is_in_place(tmp_path, monkeypatch):
    done, opened = [], {}

    def note(name, real):
        def call(*arguments, **options):
            found = real(*arguments, **options)
            if name == "open":
                opened[found] = pathlib.Path(arguments[0]).name
            done.append((name, opened.get(arguments[0])))
            return found

        return call

    for name in ("fsync", "replace", "open"):
        monkeypatch.setattr(os, name, note(name, getattr(os, name)))
    files.write_text(tmp_path / "a", "new")
    calls = [name for name, _ in done]
    assert calls.index("fsync") < calls.index("replace")
    assert done[-1] == ("fsync", tmp_path.name)  # Of the directory.


def test_removing_leaves_what_links_point_at(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for name in ("link", "broken", "missing"):
        files.remove(tmp_path / name)
    assert os.listdir(tmp_path) == ["there"]
    files.remove(tmp_path / "there")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "\xff", '{"a": 1', None])
def test_a_damaged_record_is_none(tmp_path, content):
    path = tmp_path / "a"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert files.read_record(path) is None
    files.write_json(path, {"a": 1})
    assert files.read_record(path) == {"a": 1}


@pytest.mark.parametrize("path", [None, 3, b"a", "", "a\0b", ["a"]])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match=r"`path`\. Expected a path, a str"):
        files.write_text(path, "new")


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="of a file, where no directory is"):
        files.write_text(tmp_path, "new")
    with pytest.raises(OSError, match=r"Cannot write .*: No such file"):
        files.write_text(tmp_path / "not" / "there", "new")


def test_others_may_read_what_was_written(tmp_path):
    before = os.umask(0o022)
    try:
        files.write_arrays(tmp_path / "a.npz", {"x": np.arange(3)})
    finally:
        os.umask(before)
    assert (tmp_path / "a.npz").stat().st_mode & 0o777 == 0o644
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_array_equal(found["x"], [0, 1, 2])
