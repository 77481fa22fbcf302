"""Checkpoint files: written whole, read back only if they are whole.

A file is an uncompressed `.npz` of arrays; what is not an array is JSON, in
an array of bytes. It is written beside its place, flushed to the disk, and
renamed, so that a kill at any moment leaves the files before it as they were.
The zip format keeps a checksum of each array, which reading compares.
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

_NAME = re.compile(r"step-(\d+)\.npz")
_STATE = "state.json"
_ARRAY = "array of"  # Stands in the JSON where an array was.
_DAMAGED = (OSError, ValueError)


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
            OSError: If it cannot be written. The others are left as they were.
        """
        arrays = {}
        text = json.dumps(_packed(state, arrays))
        arrays[_STATE] = np.frombuffer(text.encode(), np.uint8)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            place = self.path(step)
            with files.replaced(place) as half, open(half, "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            _flush_directory(self.directory)
        except OSError as error:
            kept = [str(self.path(there)) for there in self.steps()[-1:]]
            raise OSError(
                f"Could not save the checkpoint of step {step}: {error}. "
                f"The last one is {kept[0] if kept else 'not there yet'}."
            ) from error
        for old in self.steps()[: -self.keep]:
            self.path(old).unlink(missing_ok=True)
        for half in self.directory.glob(".step-*"):  # Of a killed process.
            half.unlink(missing_ok=True)

    def latest(self):
        """Returns `(step, state)` of the last checkpoint that is whole, if any.

        Damaged ones are named in a warning and passed over; if all are, that is
        a `ValueError`.
        """
        damaged = []
        for step in reversed(self.steps()):
            try:
                state = _read(self.path(step))
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


def _read(path):
    with array_files.reading(path) as arrays:
        state = json.loads(arrays.pop(_STATE).tobytes())
        found = _unpacked(state, arrays)
        if arrays:
            raise array_files.invalid(
                "the arrays of a state", f"also {', '.join(arrays):.100}"
            )
    return found


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


def _flush_directory(path):
    # Else the rename itself may be lost with the power.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
