"""Writes files whole or not at all; nothing else writes files.

A file is written in a private directory of unguessable name beside its
destination, flushed to the disk and renamed into place, so that a kill or a
loss of power at any moment leaves either the old or the new file. If it cannot
be written, as on a full disk, `CannotWrite` says so in a sentence, and the old
file remains.

A killed process leaves such a directory behind, which `sweep` removes.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import tempfile

import numpy as np

from kprune.runtime import paths

_DIGEST = "sha256"  # The key of a record's digest.
_STAGE = re.compile(r"\.kprune-[0-9a-f]{32}")
# Errors of file systems that cannot flush a directory, or need not.
_NO_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES}


class CannotWrite(OSError):
    """Says in a sentence which path could not be written, and why."""

    def __init__(self, path, error):
        reason = error.strerror or str(error) or type(error).__name__
        super().__init__(error.errno, reason, str(path))

    def __str__(self):
        return f"Cannot write {self.filename}: {self.strerror}."


@contextlib.contextmanager
def replaced(path):
    """Yields a path to write a file to, which then replaces the one at `path`.

    If the block raises, the new file is removed, and the old one remains.

    Args:
        path: Path of the file, which need not exist, in an existing directory.

    Yields:
        `pathlib.Path` of the same name in a temporary directory, where there is
        no file yet.

    Raises:
        ValueError: If `path` is not a path, or is that of a directory.
        CannotWrite: If the file cannot be written.
    """
    with _staged(_path(path, paths.file)) as half:
        yield half


@contextlib.contextmanager
def replaced_directory(path):
    """Yields a path to make a directory at, which then replaces the one at
    `path`; does as `replaced` otherwise."""
    with _staged(_path(path)) as half:
        yield half


@contextlib.contextmanager
def _staged(path):
    stage = path.parent / f".kprune-{secrets.token_hex(16)}"
    with _in_words(path):
        os.mkdir(stage, 0o700)
        try:
            yield stage / path.name
            _flush(stage / path.name)
            _put(stage / path.name, path)
        finally:
            # A leftover is not worth another error; `sweep` removes it.
            shutil.rmtree(stage, ignore_errors=True)
        _flush_directory(path.parent)


@contextlib.contextmanager
def _in_words(path):
    try:
        yield
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(path, error) from error


def _put(made, path):
    """Renames `made` to `path`. Moves an existing directory aside first, since
    only an empty one can be replaced; it is removed with the stage."""
    aside = made.parent / "replaced"
    if path.is_dir() and made.is_dir():
        os.rename(path, aside)
    try:
        os.replace(made, path)
    except OSError:
        if aside.exists():
            os.rename(aside, path)
        raise


def write_text(path, text):
    """Writes a text file."""
    with replaced(path) as half:
        half.write_text(text, encoding="utf-8")


def write_json(path, value, indent=2):
    """Writes a value as indented JSON."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def write_arrays(path, arrays, compress=True):
    """Writes a dict of arrays as an `.npz` file."""
    save = np.savez_compressed if compress else np.savez
    # An open file, since NumPy would add a suffix to a path.
    with replaced(path) as half, open(half, "xb") as file:
        save(file, **arrays)


def write_keras(path, model, **options):
    """Writes a Keras model as a `.keras` file, with options of `Model.save`."""
    with replaced(path) as half:
        model.save(half, **options)


def write_record(path, record, indent=2):
    """Writes a dict as indented JSON, with a digest of its contents."""
    digest = _digest(record)
    write_json(path, {**record, _DIGEST: digest}, indent)


def read_record(path):
    """Returns the dict that `write_record` wrote, or `None` if the file is
    missing, damaged or changed. Records of kprune 0.1 have no digest."""
    try:
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    expected = found.pop(_DIGEST, None)
    return found if expected in (None, _digest(found)) else None


def _digest(record):
    # Through JSON first, which makes keys strings and tuples lists.
    text = json.dumps(json.loads(json.dumps(record)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def make_directory(path):
    """Makes a directory and its parents, and returns the paths of those that
    did not exist, the innermost first."""
    path = _path(path)
    with _in_words(path):
        made = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for one in made:
            _flush_directory(one.parent)
    return made


def remove(path):
    """Removes a file, a link (not its target) or a directory with its contents,
    if there is one."""
    path = pathlib.Path(path)
    with _in_words(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_if_empty(path):
    """Removes a directory if it is empty."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def sweep(directory):
    """Removes what killed processes left half-written in a directory. Only the
    caller may be writing there."""
    for path in staged(directory):
        remove(path)


def staged(directory):
    """Returns the paths of half-written files' temporary directories in a
    directory, sorted."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    found = filter(_STAGE.fullmatch, names)
    return [pathlib.Path(directory, name) for name in sorted(found)]


@contextlib.contextmanager
def appended(path):
    """Yields a text file opened to append, line-buffered, for a log."""
    with _in_words(path), open(path, "a", buffering=1) as file:
        yield file


def scratch_directory():
    """Returns a context that yields a temporary directory's path."""
    return tempfile.TemporaryDirectory(prefix="kprune-")


def scratch_file(mode="w+b"):
    """Returns an open file without a name, which is removed when closed."""
    return tempfile.TemporaryFile(mode)


def check_writable(path):
    """Raises `ValueError` unless a directory can be made and written to."""
    path = _path(path)
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise ValueError(
            f"Cannot write to {path}: {nearest} is not a directory."
        )
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise ValueError(f"Cannot write to {path}: {error}") from error


def _path(path, check=paths.path):
    return pathlib.Path(check("path", path))


def _flush(path):
    """Flushes a file, or a directory and its contents, to the disk."""
    if not path.is_dir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        return
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            _flush(pathlib.Path(folder, name))
        _flush_directory(folder)


def _flush_directory(path):
    # Otherwise a loss of power may undo the rename itself.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(handle)
