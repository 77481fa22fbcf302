"""Stores a compression in a directory and resumes it.

    compression.json  the settings
    candidate-03/     one for each candidate:
      weights/        all variables of its model, masks included
      checkpoints/    to resume an unfinished one from; removed at the end
      DONE            its measurements, and a digest; written last
    candidates.json   the measurements of all; written at the end

Files are replaced atomically, and one process at a time works in the
directory.
"""

import pathlib

import keras

from kprune.runtime import digests, directories, files
from kprune.training import CheckpointFiles

_ASKED, _DONE, _ALL = "compression.json", "DONE", "candidates.json"
_DIGEST = "weights"


class Store:
    """The finished candidates in a directory.

    Args:
        directory: Path of the directory.
        settings: Dict, for JSON, of the settings that all candidates depend
            on.

    Raises:
        ValueError: If the directory holds candidates of other settings.
    """

    def __init__(self, directory, settings):
        self.directory = pathlib.Path(directory)
        files.sweep(self.directory)
        what = "compression"
        directories.keep_settings(self.directory, _ASKED, settings, what)

    def record(self, number):
        """Returns the measurements of a finished candidate, or `None`."""
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
        """Writes the measurements of all candidates."""
        files.write_json(self.directory / _ALL, candidates)

    def _place(self, number):
        return self.directory / f"candidate-{number:02d}"

    def _weights(self, number):
        return CheckpointFiles(self._place(number) / "weights", 1)


def _save(files, values):
    """Writes values as the only checkpoint of `CheckpointFiles`."""
    files.save(1, {"model": values})


def values_of(model):
    """Returns the values of all variables of a model."""
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def digest(values):
    """Returns the SHA-256 of a list of arrays."""
    return digests.of_arrays(enumerate(values))
