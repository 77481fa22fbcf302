"""Digests of a run's files, which detect damage."""

import hashlib
import os
import pathlib


def digest(path):
    """Returns the SHA-256 of a file or directory, as a hexadecimal string.

    That of a directory covers the names and contents of all files below it.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        return _of_file(path)
    total = hashlib.sha256()
    for folder, below, names in os.walk(path):
        below.sort()
        for name in sorted(names):
            file = pathlib.Path(folder, name)
            line = f"{file.relative_to(path).as_posix()} {_of_file(file)}\n"
            total.update(line.encode())
    return total.hexdigest()


def _of_file(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
