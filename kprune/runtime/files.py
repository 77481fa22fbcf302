"""Writes files whole or not at all: nobody reads half a file."""

import contextlib
import json
import os
import pathlib
import secrets

import numpy as np


@contextlib.contextmanager
def replaced(path):
    """Yields a path to write to, which then takes the place of a file.

    If the block fails, what it wrote is removed, and the file stays as it was.

    Args:
        path: Path of the file, which need not exist. Its directory does.

    Yields:
        `pathlib.Path` of an empty file beside it, which no other process
        writes to. It ends in the same suffix.
    """
    path = pathlib.Path(path)
    half = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    half.touch(exist_ok=False)
    try:
        yield half
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


def write_text(path, text):
    """Writes a text file."""
    with replaced(path) as half:
        half.write_text(text)


def write_json(path, value):
    """Writes JSON that people read."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path, arrays):
    """Writes arrays by name as a compressed `.npz` file."""
    with replaced(path) as half, open(half, "wb") as file:
        np.savez_compressed(file, **arrays)
