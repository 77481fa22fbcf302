"""Checkpoint files, written atomically and verified when read.

A file is an uncompressed `.npz` of arrays; everything else is JSON in an array
of bytes, with the version of the format. A kill at any moment leaves earlier
files intact (`kprune.runtime.files`). The zip format stores a checksum of each
array, which reading verifies.
"""

import json
import os
import pathlib
import re
import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from kprune.runtime import array_files, checks, files, types
from kprune.runtime.doors import checked

VERSION = 1  # Of the format. Files of kprune 0.1 do not state one.
_NAME = re.compile(r"step-(\d+)\.npz")
_STATE = "state.json"
_ARRAY = "array of"  # The JSON key that marks the place of an array.
_DAMAGED = (OSError, ValueError, LookupError, TypeError)


class CheckpointFiles:
    """The checkpoints in a directory, by training step.

    Args:
        directory: Path. The first `save` creates it.
        keep: Integer > 0, how many of the latest to keep. Defaults to 2.
    """

    @checked()
    def __init__(self, directory: types.Path, keep: int = 2):
        checks.integer("keep", keep, 1, ", how many checkpoints to keep")
        self.directory = pathlib.Path(directory)
        self.keep = keep
        self._made = False

    def steps(self) -> list[int]:
        """Returns the steps that have a file, in ascending order."""
        if not self.directory.is_dir():
            return []
        found = map(_NAME.fullmatch, os.listdir(self.directory))
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> pathlib.Path:
        """Returns the path of a step's checkpoint, existing or not."""
        return self.directory / f"step-{step:09d}.npz"

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Writes a checkpoint and removes all but the last `keep`.

        Args:
            step: Integer >= 0.
            state: Nested dicts and lists of NumPy arrays and of values that
                JSON can hold.

        Raises:
            OSError: If it cannot be written, or the directory was removed
                since the last `save`. Earlier checkpoints stay intact.
        """
        arrays: dict[str, np.ndarray] = {}
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

    def clear(self) -> None:
        """Removes all checkpoints and half-written files. The directory, or
        the link to it, stays."""
        for step in self.steps():
            files.remove(self.path(step))
        files.sweep(self.directory)

    def latest(
        self, check: Callable[[Any], object] | None = None
    ) -> tuple[int, dict[str, Any]] | None:
        """Returns `(step, state)` of the last intact checkpoint, or `None`.

        Skips damaged checkpoints and names them in a warning.

        Args:
            check: Function that raises `ValueError` for an incomplete state,
                which then counts as damaged.

        Raises:
            ValueError: If all checkpoints are damaged, or a newer kprune wrote
                one.
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
    """The file is intact, but its format is unknown to this kprune."""


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
    """Returns `value` for JSON, and moves its arrays to the dict `arrays`."""
    if isinstance(value, dict):
        return {key: _packed(below, arrays) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(below, arrays) for below in value]
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    name, kind = f"{len(arrays):06d}", str(value.dtype)
    # NumPy's file format has no bfloat16.
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
