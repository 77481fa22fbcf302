"""Stores a compression in a directory and resumes it.

    compression.json  what was asked for
    candidate-03/     of each candidate:
      weights/        all that its model holds, masks included
      checkpoints/    what an unfinished one goes on from; goes when it is done
      DONE            what was measured, and a digest; written last
    candidates.json   what was measured of all; written when all is done

Each file is put in place whole or not at all, and one process at a time works
in the directory.
"""

import hashlib
import pathlib

import keras
import numpy as np

from kprune.runtime import directories, files
from kprune.training import CheckpointFiles

_ASKED, _DONE, _ALL = "compression.json", "DONE", "candidates.json"
_DIGEST = "weights"


class Store:
    """Finished candidates in a directory.

    Args:
        directory: Path. It is made if need be.
        settings: Dict, for JSON, of what all candidates follow from: a
            directory that holds others is refused.
    """

    def __init__(self, directory, settings):
        self.directory = pathlib.Path(directory)
        files.sweep(self.directory)
        what = "compression"
        directories.keep_settings(self.directory, _ASKED, settings, what)

    def record(self, number):
        """Returns what was measured of a candidate, or `None`."""
        return files.read_record(self._place(number) / _DONE)

    def values(self, number):
        """Returns the values of all variables of a finished candidate."""
        directory = self._place(number)
        _, found = self._weights(number).latest()
        values, expected = found["model"], self.record(number)[_DIGEST]
        if digest(values) != expected:
            raise ValueError(
                f"{directory} is not as it was finished: the SHA-256 of its "
                f"weights was {expected}. Remove it to train it again."
            )
        return values

    def checkpoints(self, number):
        """Returns the directory of a candidate's checkpoints."""
        return self._place(number) / "checkpoints"

    def save(self, number, values, record):
        """Writes a finished candidate, and returns its record."""
        record = {**record, _DIGEST: digest(values)}
        files.make_directory(self._place(number))
        _save(self._weights(number), values)
        files.write_record(self._place(number) / _DONE, record)
        files.remove(self.checkpoints(number))
        return self.record(number)

    def finish(self, candidates):
        """Writes what was measured of all."""
        files.write_json(self.directory / _ALL, candidates)

    def _place(self, number):
        return self.directory / f"candidate-{number:02d}"

    def _weights(self, number):
        return CheckpointFiles(self._place(number) / "weights", 1)


def _save(files, values):
    """Writes values as the one checkpoint of some files."""
    files.save(1, {"model": values})


def values_of(model):
    """Returns the values of all variables of a model."""
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def digest(values):
    """Returns the SHA-256 of arrays."""
    found = hashlib.sha256()
    for value in values:
        value = np.ascontiguousarray(value)
        found.update(f"{value.dtype} {value.shape}".encode())
        found.update(value.tobytes())
    return found.hexdigest()
