"""Stores a search in a directory and resumes it.

    search.json    what was asked for
    points/        the weights of the steps to rewind to, with their digests
    level-03/      of each level:
      masks.npz    its masks, for `kprune.masks.load`
      weights/     the trained weights
      arrays.npz   what else is known of it, if anything: which examples it was
                   trained on ...
      checkpoints/ what an unfinished level goes on from; goes when it is done
      DONE         what was measured, and the digests; written last

Each file is put in place whole or not at all, and one process at a time works
in the directory.
"""

import dataclasses
import pathlib
import re

from kprune.masking import masks as mask_files
from kprune.runtime import array_files, directories, files
from kprune.tickets.rewinding import Point, digest
from kprune.training import CheckpointFiles

_SEARCH, _DONE, _MASKS = "search.json", "DONE", "masks.npz"
_ARRAYS = "arrays.npz"


@dataclasses.dataclass(frozen=True, eq=False)
class Level:
    """What a finished level leaves: the `Point` that it ended with, its masks,
    its history, and arrays of what else is known of it."""

    trained: Point
    masks: dict
    history: dict
    arrays: dict = dataclasses.field(default_factory=dict)


class Store:
    """Finished levels and points to rewind to, in a directory.

    The settings, for JSON, are what the search follows from: a directory that
    holds another one is refused.
    """

    def __init__(self, directory, settings):
        self.directory = pathlib.Path(directory)
        files.make_directory(self.directory)
        directories.keep_settings(
            self.directory, _SEARCH, settings, "search", _comparable
        )

    def held(self):
        """Lets no other process work in the directory for the length of a
        block; raises `kprune.runtime.locks.Held` if one does."""
        return directories.held(self.directory)

    def point(self, step):
        """Returns the point of a step, or `None` if it is not there."""
        return _point(self._files(step))

    def save_point(self, point):
        """Writes a `Point`, or raises if another one is there."""
        stored = self.point(point.step)
        if stored is None:
            _save_point(self._files(point.step), point)
        elif stored.digest != point.digest:
            raise ValueError(
                f"{self._files(point.step).directory} holds other weights "
                f"than those of step {point.step}. Expected the SHA-256 "
                f"{point.digest}. Received: {stored.digest}"
            )

    def checkpoints(self, level):
        """Returns the directory of a level's checkpoints."""
        return self._level(level) / "checkpoints"

    def holds(self, level):
        """Whether a level is finished."""
        return files.read_record(self._level(level) / _DONE) is not None

    def load(self, level, points):
        """Returns a finished `Level`, which must be as it was stored and have
        come from these points, a dict by what they were to it."""
        directory = self._level(level)
        self._tidy(level)
        done = files.read_record(directory / _DONE)
        trained = _point(CheckpointFiles(directory / "weights", 1))
        masks = _present(directory / _MASKS, mask_files.load)
        arrays = _present(directory / _ARRAYS, array_files.read)
        found = _digests({**points, "weights": trained}, masks, arrays)
        for what, expected in done["digests"].items():
            if found[what] != expected:
                raise ValueError(
                    f"{directory} is not as it was finished: the SHA-256 of "
                    f"its {what} was {expected}. Received: {found[what]}. "
                    "Remove it to train the level again."
                )
        return Level(trained, masks, done["history"], arrays or {})

    def save(self, level, points, found, sparsity):
        """Writes a finished `Level`, with the sparsity to be read beside it."""
        directory = self._level(level)
        files.make_directory(directory)
        _save_point(CheckpointFiles(directory / "weights", 1), found.trained)
        mask_files.save(found.masks, directory / _MASKS)
        if found.arrays:
            files.write_arrays(directory / _ARRAYS, found.arrays)
        points = {**points, "weights": found.trained}
        result = {
            "level": level,
            "sparsity": sparsity,
            "history": found.history,
            "digests": _digests(points, found.masks, found.arrays),
        }
        files.write_record(directory / _DONE, result)
        self._tidy(level)

    def _tidy(self, level):
        """Removes what a finished level needs no more, and what a killed
        process has left half-written."""
        files.remove(self.checkpoints(level))
        files.sweep(self._level(level))

    def _files(self, step):
        return CheckpointFiles(self.directory / "points" / str(step), 1)

    def _level(self, level):
        return self.directory / f"level-{level:02d}"


def _digests(points, masks, arrays):
    """Returns the digests of what a level is, `None` of what is missing."""
    found = {name: p and p.digest for name, p in points.items()}
    found["masks"] = masks and digest(masks)
    return {**found, "arrays": digest(arrays) if arrays else None}


def _point(files):
    latest = files.latest()
    if latest is None:
        return None
    step, state = latest
    found = Point(step, state["values"], state["digest"])
    try:
        found.check()
    except ValueError as error:
        raise ValueError(f"{files.path(step)}: {error}") from error
    return found


def _save_point(files, point):
    state = {"values": point.values, "digest": point.digest}
    files.save(point.step, state)


def _present(path, read):
    """Returns what a file holds, `None` if there is none."""
    return read(path) if path.exists() else None


def _comparable(value):
    """Returns settings as they are compared, whichever kprune wrote them: where
    in kprune a function or a class stands does not count, and a single name to
    exclude is a list of one."""
    if isinstance(value, dict):
        found = {key: _comparable(below) for key, below in value.items()}
        if isinstance(value.get("exclude"), str):
            found["exclude"] = [value["exclude"]]
        if str(value.get("module")).partition(".")[0] == "kprune":
            found["module"] = "kprune"
        return found
    if isinstance(value, list | tuple):
        return [_comparable(below) for below in value]
    if isinstance(value, str):
        return re.sub(r"\bkprune(?:\.\w+)*\.(\w+)", r"\1", value)
    return value
