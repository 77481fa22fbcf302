"""Checkpoint files: written whole, and read only if whole.

A file is an uncompressed `.npz` of arrays; what is not an array is JSON, in
an array of bytes, with the version of the format. A kill at any moment leaves
the files before it as they were (`kprune.runtime.files`). The zip format keeps
a checksum of each array, which reading compares.
"""

import json
import os
import pathlib
import re
import warnings

import ml_dtypes
import numpy as np

from kprune.runtime import array_files, checks, files
from kprune.runtime.doors import checked

VERSION = 1  # Of the format. Files of kprune 0.1 do not say it.
_NAME = re.compile(r"step-(\d+)\.npz")
_STATE = "state.json"
_ARRAY = "array of"  # Stands in the JSON where an array was.
_DAMAGED = (OSError, ValueError, LookupError, TypeError)


class CheckpointFiles:
    """The checkpoints in a directory, by the step at which they were taken.

    Args:
        directory: Path. It is made when the first one is saved.
        keep: Integer > 0, how many of the latest to keep.
    """

    @checked()
    def __init__(self, directory, keep=2):
        checks.integer("keep", keep, 1, ", how many checkpoints to keep")
        self.directory = pathlib.Path(directory)
        self.keep = keep
        self._made = False

    def steps(self):
        """Returns the steps of which there is a file, in rising order."""
        if not self.directory.is_dir():
            return []
        found = map(_NAME.fullmatch, os.listdir(self.directory))
        return sorted(int(match[1]) for match in found if match)

    def path(self, step):
        """Returns the path of the checkpoint of a step."""
        return self.directory / f"step-{step:09d}.npz"

    def save(self, step, state):
        """Writes a checkpoint, and removes those before the last `keep`.

        Args:
            step: Integer.
            state: NumPy arrays in dicts and lists, beside what JSON can hold.

        Raises:
            OSError: If it cannot be written, or the directory was removed
                since the last one. The others are left as they were.
        """
        arrays = {}
        content = {"version": VERSION, "state": _packed(state, arrays)}
        text = json.dumps(content)
        arrays[_STATE] = np.frombuffer(text.encode(), np.uint8)
        try:
            if not self._made:
                files.make_directory(self.directory)
                self._made = True
            files.write_arrays(self.path(step), arrays, compress=False)
        except OSError as error:
            kept = [str(self.path(there)) for there in self.steps()[-1:]]
            raise OSError(
                f"Could not save the checkpoint of step {step}: {error} "
                f"The last one is {kept[0] if kept else 'not there yet'}."
            ) from error
        for old in self.steps()[: -self.keep]:
            files.remove(self.path(old))
        files.sweep(self.directory)

    def clear(self):
        """Removes all checkpoints, and what is half-written. The directory, or
        the link to it, stays."""
        for step in self.steps():
            files.remove(self.path(step))
        files.sweep(self.directory)

    def latest(self, check=None):
        """Returns `(step, state)` of the last checkpoint that is whole, if any.

        Damaged ones are named in a warning and passed over; if all are, that is
        a `ValueError`.

        Args:
            check: Function that raises `ValueError` unless a state has all that
                it is to have. One that does not is damaged.
        """
        damaged = []
        for step in reversed(self.steps()):
            try:
                state = _read(self.path(step))
                if check is not None:
                    check(state)
            except _Newer:
                raise
            except _DAMAGED as error:
                damaged.append(f"{self.path(step)} ({error})")
                continue
            if damaged:
                warnings.warn(
                    f"Going on from step {step}, as later checkpoints are "
                    f"damaged: {', '.join(damaged)}",
                    stacklevel=2,
                )
            return step, state
        if damaged:
            raise ValueError(
                "All checkpoints are damaged. Remove them to start from the "
                f"beginning: {', '.join(damaged)}"
            )
        return None


class _Newer(ValueError):
    """The file is whole, but this kprune does not know its format."""


def _read(path):
    with array_files.reading(path) as arrays:
        content = json.loads(arrays.pop(_STATE).tobytes())
        version = content.get("version")
        if version in (None, VERSION):
            state = content if version is None else content["state"]
            found = _unpacked(state, arrays)
            if arrays:
                raise array_files.invalid(
                    "the arrays of a state", f"also {', '.join(arrays):.100}"
                )
            return found
    raise _Newer(
        f"{path} is of version {version} of kprune's checkpoints. Expected "
        f"{VERSION}: use the kprune that wrote it."
    )


def _packed(value, arrays):
    """Returns `value` for JSON, its arrays put into the dict `arrays`."""
    if isinstance(value, dict):
        return {key: _packed(below, arrays) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(below, arrays) for below in value]
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    name, kind = f"{len(arrays):06d}", str(value.dtype)
    # NumPy's format has no name for bfloat16.
    bits = value.view(np.uint16) if kind == "bfloat16" else value
    arrays[name] = np.asarray(bits)
    return {_ARRAY: kind, "name": name}


def _unpacked(value, arrays):
    if isinstance(value, list):
        return [_unpacked(below, arrays) for below in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY not in value:
        return {k: _unpacked(below, arrays) for k, below in value.items()}
    array = arrays.pop(value["name"])
    if value[_ARRAY] == "bfloat16":
        return array.view(ml_dtypes.bfloat16)
    return array
